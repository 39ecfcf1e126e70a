"""Records that carry their own digest: plain values in, a model that holds; bytes in, the same model or one reason.

The digest is over everything but itself, so that an edited record is seen before a word of it is believed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.data.canonical import digest_of, strict_json
from harness.errors import EvidenceError, InputError

__all__ = ["DIGEST", "read_sealed", "sealed"]

DIGEST = "sha256"
Record = TypeVar("Record", bound=BaseModel)


def sealed(told: Mapping[str, Any], kind: type[Record], *, schema: str, where: object) -> Record:
    """A record of plain values with its digest. Raises EvidenceError for values that do not fit.

    >>> class Note(BaseModel):
    ...     text: str
    ...     sha256: str
    >>> one = sealed({"text": "sort"}, Note, schema="note/1", where="here")
    >>> read_sealed(one.model_dump_json().encode(), Note, what="not a note", since="written", schema="note/1",
    ...             where="here") == one
    True
    """
    return _of({**told, DIGEST: digest_of(dict(told))}, kind, where=where, schema=schema)


def read_sealed(raw: bytes, kind: type[Record], *, what: str, since: str, schema: str, where: object,
                shown: Callable[[Any], Any] = lambda value: value) -> Record:
    """A record's bytes: strict JSON of the model's shape, with the digest that its values have.

    Args:
        raw: The bytes.
        kind: The model.
        what: What they are not, where they are none: "not a bank record".
        since: What was done when the digest was made: "banked".
        schema: Name of the form.
        where: Names the record in errors.
        shown: How a value that does not fit is told.

    Raises:
        EvidenceError: One line for the first thing that is off.
    """
    try:
        value = strict_json(raw, where=where)
        digest = digest_of({key: item for key, item in value.items() if key != DIGEST})
    except (InputError, AttributeError, ValueError, RecursionError) as error:
        raise EvidenceError(what, where=where, expected=schema, found=str(error)) from None
    found = _of(value, kind, where=where, schema=schema, shown=shown)
    if getattr(found, DIGEST) != digest:
        raise EvidenceError(f"changed since it was {since}", where=where, expected=digest, found=getattr(found, DIGEST))
    return found


def _of(value: Any, kind: type[Record], *, where: object, schema: str,
        shown: Callable[[Any], Any] = lambda value: value) -> Record:
    try:
        return kind.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise EvidenceError(first["msg"], where=where, column=".".join(map(str, first["loc"])), expected=schema,
                            found=None if first["type"] == "missing" else shown(first["input"])) from None
