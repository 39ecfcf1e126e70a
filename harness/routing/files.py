"""Files of a router, read with distrust: strict JSON with exactly the keys that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.data.canonical import strict_json
from harness.errors import InputError, nearest

__all__ = ["object_of", "read_object", "read_text"]


def read_text(path: Path) -> str:
    """The file as UTF-8 text. Raises InputError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", where=path, expected="a saved router", found=str(error)) from None


def read_object(path: Path, *, keys: tuple[str, ...], kind: str) -> dict[str, Any]:
    """`object_of` of a file."""
    return object_of(read_text(path), keys=keys, kind=kind, where=path)


def object_of(raw: str | bytes, *, keys: tuple[str, ...], kind: str, where: object) -> dict[str, Any]:
    """A JSON object with exactly `keys`, whose `format` is `kind`. Raises InputError naming the first that is off."""
    held = strict_json(raw, where=where)
    if not isinstance(held, dict):
        raise InputError("not a JSON object", where=where, expected=", ".join(keys), found=type(held).__name__)
    odd = next((key for key in held if key not in keys), None)
    missing = next((key for key in keys if key not in held), None)
    if odd is not None or missing is not None:
        raise InputError("wrong keys", where=where, expected=f"{missing or ', '.join(keys)}", found=odd,
                         hint=nearest(odd, keys) if odd else None)
    if held["format"] != kind:
        raise InputError("another format", where=where, column="format", expected=kind, found=held["format"])
    return held
