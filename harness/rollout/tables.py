"""The tables of the store, and how moments and documents are written in them, alike in SQLite and PostgreSQL.

The schema in the database is made by the migrations beside this module; a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from harness.data.canonical import strict_json
from harness.errors import EvidenceError, InputError

__all__ = ["METADATA", "Document", "Moment", "acknowledged", "admissions", "alerts", "backups", "json_text",
           "moment_of", "moment_text", "pointer", "ramp", "releases", "resolutions", "tokens", "trail", "windows"]

_DIGEST = 64


def json_text(body: Mapping[str, Any]) -> str:
    """One text for one document: keys sorted, no white space, numbers as Python writes them, nothing that is not JSON.

    Raises InputError for NaN, infinities and values that JSON does not know.

    >>> json_text({"b": 1.0, "a": [None, "ü"]})
    '{"a":[null,"ü"],"b":1.0}'
    """
    try:
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError("cannot be written as JSON", where="document", expected="finite plain values",
                         found=str(error)) from None


def moment_text(moment: datetime) -> str:
    """UTC to the microsecond, at one width, so that texts sort as moments do. Raises InputError without an offset.

    >>> moment_text(datetime(2025, 3, 1, 12, tzinfo=UTC))
    '2025-03-01T12:00:00.000000Z'
    """
    if moment.utcoffset() is None:
        raise InputError("no offset", where="moment", expected="a time with its offset", found=moment.isoformat())
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_of(text: str) -> datetime:
    """The moment of such a text. Raises EvidenceError where it is none, or is written another way: by hand.

    >>> moment_of("2025-03-01T12:00:00.000000Z") == datetime(2025, 3, 1, 12, tzinfo=UTC)
    True
    """
    try:
        found = datetime.fromisoformat(text)
        if moment_text(found) == text:
            return found
    except (ValueError, TypeError, InputError):
        pass
    raise EvidenceError("not a moment", where="store", expected="UTC to the microsecond", found=text)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, kept as text of one width: neither database may round it or lose its offset."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """A moment as its text."""
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """A text as its moment."""
        return None if value is None else moment_of(value)


class Document(TypeDecorator[Mapping[str, Any]]):
    """A JSON object, kept as the one text of `json_text`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """A document as its text."""
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, Any] | None:  # noqa: ARG002
        """A text as its document. Raises EvidenceError where it is none, or is written another way."""
        if value is None:
            return None
        try:
            found = strict_json(value, where="store")
        except InputError as error:
            raise EvidenceError(error.what, where="store", expected="a JSON object", found=value) from None
        if not isinstance(found, dict) or json_text(found) != value:
            raise EvidenceError("not in the one form of a document", where="store", expected="sorted, without spaces",
                                found=value)
        return found


METADATA = MetaData(naming_convention={
    "ix": "ix_%(table_name)s_%(column_0_N_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s"})

releases = Table(  # what was admitted anywhere: immutable, named by the sha256 of its bundle
    "releases", METADATA,
    Column("digest", String(_DIGEST), primary_key=True),
    Column("release", Text, nullable=False),
    Column("manifest_path", Text, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("bundle", LargeBinary, nullable=False),
    Column("artifacts", Text, nullable=False),
    Column("files", Document, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("measured_at", Moment, nullable=False),
    Column("admitted_at", Moment, nullable=False),
)

admissions = Table(  # where it may serve
    "admissions", METADATA,
    Column("environment", Text, primary_key=True),
    Column("digest", String(_DIGEST), ForeignKey("releases.digest"), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", Text, nullable=False),
)

pointer = Table(  # append-only
    "pointer", METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("stable", String(_DIGEST), ForeignKey("releases.digest")),
    Column("candidate", String(_DIGEST), ForeignKey("releases.digest")),
    Column("percent", Float, nullable=False),
    Column("stage", Text),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Moment, nullable=False),
    CheckConstraint("percent >= 0 AND percent <= 100", name="percent"),
    Index(None, "environment", "seq"),
)

trail = Table(  # append-only, chained
    "trail", METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("who", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Document, nullable=False),
    Column("prev", String(_DIGEST), nullable=False),
    Column("sha256", String(_DIGEST), nullable=False),
)

windows = Table(
    "windows", METADATA,
    Column("environment", Text, primary_key=True),
    Column("release", String(_DIGEST), primary_key=True),
    Column("assignment", String(16), primary_key=True),
    Column("slice", Text, primary_key=True),
    Column("minute", Moment, primary_key=True),
    Column("state", LargeBinary, nullable=False),
    Column("sha256", String(_DIGEST), nullable=False),
    Index(None, "environment", "minute"),
)

resolutions = Table(  # how long an environment's windows are: read as another length, they would tell another story
    "resolutions", METADATA,
    Column("environment", Text, primary_key=True),
    Column("seconds", Integer, nullable=False),
    Column("at", Moment, nullable=False),
)

acknowledged = Table(  # ids of batches of observations: each is counted once
    "acknowledged", METADATA,
    Column("id", Text, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("sha256", String(_DIGEST)),
)

ramp = Table(
    "ramp", METADATA,
    Column("environment", Text, primary_key=True),
    Column("state", Document, nullable=False),
    Column("at", Moment, nullable=False),
)

alerts = Table(
    "alerts", METADATA,
    Column("seq", Integer, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("guard", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("body", Document, nullable=False),
    Index(None, "environment", "at"),
)

backups = Table(
    "backups", METADATA,
    Column("id", Text, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String(_DIGEST), nullable=False),
)

tokens = Table(
    "tokens", METADATA,
    Column("name", Text, primary_key=True),
    Column("role", String(16), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)
