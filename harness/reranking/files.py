"""Plain files for models: JSON and .npy that are the same bytes for the same model, and errors that name the file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.store import atomic_write_bytes, atomic_write_text
from harness.errors import InputError, nearest

__all__ = ["read_array", "read_json", "read_text", "write_array", "write_json"]


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Sorted keys, shortest float spelling, one trailing newline."""
    atomic_write_text(path, json.dumps(values, sort_keys=True, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, *, keys: tuple[str, ...]) -> dict[str, Any]:
    """A JSON object with exactly `keys`."""
    try:
        values = json.loads(read_text(path))
    except ValueError as error:
        raise InputError("not JSON", where=path, expected="a JSON object", found=str(error)) from None
    if not isinstance(values, dict) or set(values) != set(keys):
        found = sorted(values) if isinstance(values, dict) else type(values).__name__
        odd = next((key for key in values if key not in keys), "") if isinstance(values, dict) else ""
        raise InputError("wrong keys", where=path, expected=", ".join(sorted(keys)), found=found,
                         hint=nearest(odd, keys) if odd else None)
    return values


def read_text(path: Path) -> str:
    """The file as UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", where=path, expected="a saved reranker", found=str(error)) from None


def write_array(path: Path, values: Any) -> None:
    """One .npy file, C order, little-endian float64."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(values, dtype="<f8"), allow_pickle=False)
    atomic_write_bytes(path, stream.getvalue())


def read_array(path: Path, *, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A finite float64 .npy of exactly `shape`."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError("cannot be read", where=path, expected="a .npy file", found=str(error)) from None
    if values.shape != shape or values.dtype != np.float64 or not np.isfinite(values).all():
        raise InputError("wrong weights", where=path, expected=f"{shape} finite float64",
                         found=f"{values.shape} {values.dtype}")
    return np.asarray(values, dtype=np.float64)
