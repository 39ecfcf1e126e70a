"""The tables as the first schema had them: written once, whatever the tables of today look like."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
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

from harness.rollout.tables import METADATA

__all__ = ["FIRST"]

_DIGEST = 64
FIRST = MetaData(naming_convention=METADATA.naming_convention)

Table(
    "releases", FIRST,
    Column("digest", String(_DIGEST), primary_key=True),
    Column("release", Text, nullable=False),
    Column("manifest_path", Text, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("bundle", LargeBinary, nullable=False),
    Column("artifacts", Text, nullable=False),
    Column("files", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("measured_at", String(27), nullable=False),
    Column("admitted_at", String(27), nullable=False),
)

Table(
    "admissions", FIRST,
    Column("environment", Text, primary_key=True),
    Column("digest", String(_DIGEST), ForeignKey("releases.digest"), primary_key=True),
    Column("at", String(27), nullable=False),
    Column("who", Text, nullable=False),
)

Table(
    "pointer", FIRST,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("stable", String(_DIGEST), ForeignKey("releases.digest")),
    Column("candidate", String(_DIGEST), ForeignKey("releases.digest")),
    Column("percent", Float, nullable=False),
    Column("stage", Text),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", String(27), nullable=False),
    CheckConstraint("percent >= 0 AND percent <= 100", name="percent"),
    Index(None, "environment", "seq"),
)

Table(
    "trail", FIRST,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(27), nullable=False),
    Column("who", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("prev", String(_DIGEST), nullable=False),
    Column("sha256", String(_DIGEST), nullable=False),
)

Table(
    "windows", FIRST,
    Column("environment", Text, primary_key=True),
    Column("release", String(_DIGEST), primary_key=True),
    Column("assignment", String(16), primary_key=True),
    Column("slice", Text, primary_key=True),
    Column("minute", String(27), primary_key=True),
    Column("state", LargeBinary, nullable=False),
    Column("sha256", String(_DIGEST), nullable=False),
    Index(None, "environment", "minute"),
)

Table(
    "acknowledged", FIRST,
    Column("id", Text, primary_key=True),
    Column("at", String(27), nullable=False),
    Column("rows", Integer, nullable=False),
)

Table(
    "ramp", FIRST,
    Column("environment", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("at", String(27), nullable=False),
)

Table(
    "alerts", FIRST,
    Column("seq", Integer, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("at", String(27), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("guard", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "environment", "at"),
)

Table(
    "backups", FIRST,
    Column("id", Text, primary_key=True),
    Column("at", String(27), nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String(_DIGEST), nullable=False),
)

Table(
    "tokens", FIRST,
    Column("name", Text, primary_key=True),
    Column("role", String(16), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("made_at", String(27), nullable=False),
    Column("revoked_at", String(27)),
)
