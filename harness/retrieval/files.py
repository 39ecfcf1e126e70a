"""Parts on disk: one `.npy` per array and a card that names them; no pickle, no clock: equal fits, equal bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.store import atomic_write_bytes, sha256_bytes, sha256_file
from harness.errors import InputError

__all__ = ["read_part", "write_part"]

_CARD = "part.json"


def write_part(folder: Path, kind: str, *, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays, then the card with their digests: a part without its card was never finished."""
    digests = {}
    for name, array in sorted(arrays.items()):
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        atomic_write_bytes(Path(folder) / f"{name}.npy", buffer.getvalue())
        digests[name] = sha256_bytes(buffer.getvalue())
    card = {"kind": kind, "meta": dict(meta), "arrays": digests}
    text = json.dumps(card, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=0)
    atomic_write_bytes(Path(folder) / _CARD, text.encode() + b"\n")


def read_part(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Meta and arrays of a part of this `kind`. Raises InputError where a file is missing or torn."""
    card = _card(Path(folder) / _CARD)
    if card.get("kind") != kind:
        raise InputError("holds another part", where=folder, expected=kind, found=card.get("kind"))
    arrays = {}
    for name, digest in card["arrays"].items():
        path = Path(folder) / f"{name}.npy"
        found = sha256_file(path)
        if found != digest:
            raise InputError("bytes differ from the part's card", where=path, expected=digest[:12], found=found[:12])
        arrays[name] = np.load(path, allow_pickle=False)
    return card["meta"], arrays


def _card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None
    except ValueError:
        raise InputError("not JSON", where=path, expected="the card of a saved part") from None
    if not isinstance(card, dict) or not isinstance(card.get("arrays"), dict) or not isinstance(card.get("meta"), dict):
        raise InputError("not the card of a saved part", where=path, expected="kind, meta, arrays")
    return card
