"""A record with its own digest: read back as it was made, and refused in one line where a value moved."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, ConfigDict

from harness.errors import EvidenceError
from harness.release.held import read_sealed, sealed


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    number: int
    sha256: str


def reading(raw: bytes) -> Note:
    return read_sealed(raw, Note, what="not a note", since="written", schema="note/1", where="here",
                       shown=lambda value: f"<{len(str(value))}>")


ONE = sealed({"text": "sort", "number": 3}, Note, schema="note/1", where="here")
RAW = json.loads(ONE.model_dump_json())


def test_a_record_comes_back_as_it_was_sealed():
    """Whatever its layout and the order of its keys."""
    assert reading(json.dumps(dict(reversed(RAW.items())), indent=3).encode()) == ONE


@pytest.mark.parametrize(("raw", "words"), [
    (json.dumps(RAW | {"number": 4}).encode(), "changed since it was written"),
    (json.dumps(RAW | {"sha256": "0" * 64}).encode(), "changed since it was written"),
    (json.dumps(RAW | {"number": "many"}).encode(), "found '<4>'"),  # told as `shown` tells it
    (json.dumps(RAW | {"more": 1}).encode(), "more"), (json.dumps({"text": "sort"}).encode(), "number"),
    (b'{"text": "a", "text": "b"}', "not a note"), (b'{"number": NaN}', "not a note"), (b"[1]", "not a note"),
    (b"", "not a note"), (b"\xff", "not a note"), (b"[" * 100_000, "not a note"),
])  # fmt: skip
def test_what_is_off_is_one_line(raw, words):
    """A moved value, another shape, doubled keys, no number, no JSON at all."""
    with pytest.raises(EvidenceError) as told:
        reading(raw)
    assert words in str(told.value) and "\n" not in str(told.value)
