"""`latency_surrogate_conformal.*`: a JSON with the thresholds and digests beside LightGBM's own two texts; no pickle.

Nothing in them can run. What is read is believed only where each text has the digest that the JSON states, and the JSON
its own.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.canonical import digest_of
from harness.data.store import atomic_write_text, sha256_bytes
from harness.errors import InputError, nearest
from harness.estimators.conformal import conformal_rank
from harness.estimators.conformal_groups import GroupThresholds
from harness.latency.booster_text import require_booster
from harness.latency.features import FEATURES, STATES
from harness.routing.boosting import booster_of
from harness.routing.files import read_object, read_text

__all__ = ["FILES", "load", "save"]

FILES = ("latency_surrogate_conformal.json", "latency_surrogate_conformal.lower.txt",
         "latency_surrogate_conformal.upper.txt")
_FORMAT = "signoff/latency-surrogate/v1"
_KEYS = ("coverage", "digest", "features", "format", "lightgbm", "lower_sha256", "scale", "states", "upper_sha256")
_STATE = ("rows", "threshold")


def save(texts: tuple[str, str], thresholds: GroupThresholds, folder: Path) -> Path:
    """Write three files into a folder, the JSON last, so that it never vouches for a text that is not there."""
    import lightgbm

    states = {str(name): {"rows": int(rows), "threshold": float(value) if math.isfinite(value) else None}
              for name, rows, value in zip(thresholds.groups, thresholds.counts, thresholds.values, strict=True)}
    body: dict[str, Any] = {"coverage": thresholds.coverage, "features": list(FEATURES), "scale": "log ms",
                            "states": states, "lightgbm": lightgbm.__version__,
                            "lower_sha256": sha256_bytes(texts[0].encode()),
                            "upper_sha256": sha256_bytes(texts[1].encode())}
    for name, text in zip(FILES[1:], texts, strict=True):
        atomic_write_text(folder / name, text)
    written = {"format": _FORMAT, "digest": digest_of(body), **body}
    return atomic_write_text(folder / FILES[0], json.dumps(written, sort_keys=True, indent=1, allow_nan=False) + "\n")


def load(folder: Path) -> tuple[tuple[str, str], GroupThresholds]:
    """Texts and thresholds, every part checked.

    Raises:
        InputError: A file is missing, torn, of another format or other features, or not the one that was written.
    """
    where = folder / FILES[0]
    held = read_object(where, keys=_KEYS, kind=_FORMAT)
    found = digest_of({key: value for key, value in held.items() if key not in ("digest", "format")})
    if held["digest"] != found:
        raise InputError("the surrogate is not the one that was written", where=where, column="digest",
                         expected=str(held["digest"]), found=found)
    _same_features(held["features"], where)
    if held["scale"] != "log ms":
        raise InputError("another scale", where=where, column="scale", expected="log ms", found=held["scale"])
    lower, upper = (_text(folder / name, held[key], where) for name, key
                    in zip(FILES[1:], ("lower_sha256", "upper_sha256"), strict=True))
    return (lower, upper), _thresholds(held["states"], _promise(held["coverage"], where), where)


def _same_features(held: Any, where: Path) -> None:
    if held == list(FEATURES):
        return
    named = held if isinstance(held, list) else []
    odd = next((str(name) for name in named if name not in FEATURES), None)
    raise InputError("other features", where=where, column="features", expected=", ".join(FEATURES),
                     found=odd or held, hint=nearest(odd, FEATURES) if odd else None)


def _text(path: Path, expected: Any, where: Path) -> str:
    text = read_text(path)
    if sha256_bytes(text.encode()) != expected:
        raise InputError("not the text that the surrogate was saved with", where=path, expected=f"sha256 in {where}",
                         found=sha256_bytes(text.encode()))
    require_booster(text, FEATURES, where=path)
    try:
        booster_of(text, width=len(FEATURES), where=path)
    except ValueError as error:  # its parameters, which LightGBM reads as JSON
        raise InputError("LightGBM cannot read the model", where=path, found=str(error)) from None
    return text


def _promise(held: Any, where: Path) -> float:
    if not isinstance(held, float) or not 0.0 < held < 1.0:
        raise InputError("not a promise", where=where, column="coverage", expected="a number inside (0, 1)", found=held)
    return held


def _thresholds(held: Any, coverage: float, where: Path) -> GroupThresholds:
    if not isinstance(held, dict) or not held or not set(held) <= set(STATES):
        raise InputError("not the states of a cache", where=where, column="states", expected=", ".join(STATES),
                         found=held)
    names = sorted(held)
    rows, values = zip(*(_state(held[name], name, coverage, where) for name in names), strict=True)
    return GroupThresholds(np.array(names), np.array(rows, dtype=np.int64), np.array(values), coverage)


def _state(held: Any, name: str, coverage: float, where: Path) -> tuple[int, float]:
    """Rows and threshold of a state: a number where the rows suffice for one, and only there."""
    good = isinstance(held, dict) and set(held) == set(_STATE)
    rows, value = (held["rows"], held["threshold"]) if good else (None, None)
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise InputError("not a threshold", where=where, column=f"states.{name}", expected="rows and a threshold",
                         found=held)
    enough = conformal_rank(rows, coverage) <= rows
    if not ((isinstance(value, float) and math.isfinite(value)) if enough else value is None):
        raise InputError("not a threshold", where=where, column=f"states.{name}.threshold", found=value,
                         expected="a finite number" if enough else f"null: {rows} rows promise nothing")
    return rows, math.inf if value is None else value
