"""A body and its header: data on disk is believed only when its bytes are those that the header names.

The header is written last, so a save that was cut short is found out by the next load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from harness.data.canonical import canonical_json, strict_json
from harness.data.store import atomic_write_bytes, sha256_bytes
from harness.errors import InputError

__all__ = ["body_of", "fetch_body", "store_body"]

Parsed = TypeVar("Parsed")


def body_of(value: object, *, where: str) -> bytes:
    """Canonical JSON bytes; text that has no UTF-8 form (half of a surrogate pair) is an `InputError`."""
    try:
        return canonical_json(value)
    except UnicodeEncodeError as error:
        found = ascii(error.object[max(error.start - 20, 0) : error.end + 20])
        raise InputError("text is not Unicode", where=where, expected="whole characters", found=found) from None


def store_body(folder: Path, name: str, body: bytes, header_name: str, header: Mapping[str, Any]) -> None:
    """Write `<name>.json`, then `<header_name>.json` with `header` and the body's sha256."""
    atomic_write_bytes(folder / f"{name}.json", body)
    atomic_write_bytes(folder / f"{header_name}.json", canonical_json({**header, "sha256": sha256_bytes(body)}))


def fetch_body(folder: Path, name: str, header_name: str, parse: Callable[[Any, Any], Parsed]) -> Parsed:
    """`parse(header, body)` of what `store_body` wrote; `InputError` where a file is missing, changed or ill-shaped."""
    header_path, path = folder / f"{header_name}.json", folder / f"{name}.json"
    header = strict_json(_read(header_path), where=header_path)
    body = _read(path)
    found = sha256_bytes(body)
    if not isinstance(header, dict) or header.get("sha256") != found:
        expected = f"the sha256 that {header_path.name} names"
        raise InputError("is not what its header names", where=path, expected=expected, found=found)
    try:
        return parse(header, strict_json(body, where=path))
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise InputError("has the wrong shape", where=path, found=f"{type(error).__name__}: {error}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None
