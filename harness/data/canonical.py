"""One byte form for structured values, so that equal configurations have equal digests."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import InputError

__all__ = ["canonical_json", "digest_of", "strict_json"]


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys, no white space, and floats as their `repr` text; NaN and infinities are refused.

    >>> canonical_json({"b": 1, "a": 0.1})
    b'{"a":"0.1","b":1}'
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(value: object) -> str:
    """The sha256 of the canonical form, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def strict_json(text: str | bytes, *, where: object) -> Any:
    """Parse JSON, refusing what parsers usually let through: duplicate keys, NaN, infinities."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in items:
            if key in seen:
                raise InputError("duplicate key in JSON", where=where, expected="each key once", found=key)
            seen[key] = value
        return seen

    def constant(name: str) -> float:
        raise InputError("not a JSON number", where=where, expected="a finite number", found=name)

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            constant(text)
        return value

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_float=number)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, not UTF-8, or an integer beyond all bounds
        raise InputError("not JSON", where=where, expected="one JSON document", found=str(error)) from None


def _plain(value: object) -> object:
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError("not finite", where="canonical JSON", expected="a finite number", found=value)
        return repr(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    raise InputError("cannot be written", where="canonical JSON", expected="plain values", found=type(value).__name__)
