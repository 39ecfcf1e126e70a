"""`router_distilled_int8.json`: read as a stranger's, refused with one line where anything in it is off."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from harness.data.canonical import digest_of
from harness.errors import InputError
from harness.records import Floats
from harness.routing.files import object_of
from harness.routing.routed import MONOTONE, OUTPUTS, checked_names
from harness.routing.tables import LEVELS, TOP, Table, falls, level_values

__all__ = ["parts_of", "text_of"]

_FORMAT = "signoff/router-int8/v1"
_KEYS = ("digest", "format", "levels", "names", "outputs", "segments")
_TABLE = ("bias", "error_bound", "knots", "monotone", "multipliers", "unit", "values")
_EXACT = 2**53  # sums beyond are no longer exact as floating point


def text_of(body: dict[str, Any], digest: str) -> str:
    """The file's text: sorted keys, shortest spelling of floats, one newline at the end."""
    return json.dumps({"format": _FORMAT, "digest": digest, **body}, sort_keys=True, indent=1, allow_nan=False) + "\n"


def parts_of(raw: str | bytes, *, expected: str | None, where: object) -> dict[str, Any]:
    """The constructor's arguments of an `Int8Router`, every one checked. Raises InputError."""
    try:
        return _parts(raw, expected, where)
    except RecursionError:
        raise InputError("nested too deeply", where=where, expected="a router of ours") from None


def _parts(raw: str | bytes, expected: str | None, where: object) -> dict[str, Any]:
    held = object_of(raw, keys=_KEYS, kind=_FORMAT, where=where)
    body = {key: value for key, value in held.items() if key not in ("digest", "format")}
    found = digest_of(body)
    if held["digest"] != found:
        raise InputError("the router is not the one that was written", where=where, column="digest",
                         expected=str(held["digest"]), found=found)
    if expected is not None and found != expected:
        raise InputError("another router", where=where, column="digest", expected=expected, found=found)
    names = checked_names(held["names"] if isinstance(held["names"], list) else (), where=where)
    shape = (len(names), _segments(held["segments"], where) + 1)
    if held["levels"] != LEVELS or not isinstance(held["outputs"], dict) or set(held["outputs"]) != set(OUTPUTS):
        raise InputError("not a router of ours", where=where, column="outputs", expected=", ".join(OUTPUTS),
                         found=held["levels"])
    read = {output: _output(held["outputs"][output], output, shape, names, where) for output in OUTPUTS}
    return {"names": names, "tables": {output: one[0] for output, one in read.items()},
            "monotone": {output: one[1] for output, one in read.items()},
            "error_bound": {output: one[2] for output, one in read.items()}}


def _output(held: Any, output: str, shape: tuple[int, ...], names: tuple[str, ...],
            where: object) -> tuple[Table, tuple[int, ...], float]:
    if not isinstance(held, dict) or set(held) != set(_TABLE):
        raise InputError("wrong keys", where=where, column=output, expected=", ".join(_TABLE), found=held)
    knots = _knots(held["knots"], shape, output, where)
    values = _whole(held["values"], shape, (-TOP, TOP), f"{output}.values", where).astype(np.int8)
    multipliers = _whole(held["multipliers"], shape[:1], (0, 2**15 - 1), f"{output}.multipliers", where)
    bias = int(_whole(held["bias"], (), (1 - _EXACT, _EXACT - 1), f"{output}.bias", where))
    signs = tuple(_whole(held["monotone"], shape[:1], (-1, 1), f"{output}.monotone", where).tolist())
    unit, bound = (_positive(held[key], f"{output}.{key}", where) for key in ("unit", "error_bound"))
    table = Table(knots, values, multipliers, bias, unit)
    if int(np.abs(level_values(table)).max(axis=1).sum()) + abs(bias) >= _EXACT:
        raise InputError("sums may overflow", where=where, column=output, expected="sums below 2^53", found=bias)
    _promised(signs, names, output, where)
    wrong = falls(table, signs)
    if wrong:
        signal, level = wrong[0]
        raise InputError("the table turns against its promise", where=where, column=f"{output}.values",
                         expected=f"monotone in {names[signal]}", found=f"a turn at level {level}")
    return table, signs, bound


def _promised(signs: tuple[int, ...], names: tuple[str, ...], output: str, where: object) -> None:
    """A file that drops the promises that every router of ours makes is not one."""
    for name, sign in MONOTONE[output].items():
        if name in names and signs[names.index(name)] != sign:
            raise InputError("a promise is missing", where=where, column=f"{output}.monotone",
                             expected=f"{sign} for {name}", found=signs[names.index(name)])


def _segments(held: Any, where: object) -> int:
    return int(_whole(held, (), (1, 64), "segments", where))


def _knots(held: Any, shape: tuple[int, ...], output: str, where: object) -> Floats:
    try:
        knots = np.asarray(held, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        knots = np.empty(0)
    good = knots.shape == shape and bool((np.diff(knots) > 0).all())
    if not good or not np.isfinite(knots).all() or not _only(held, (int, float)):
        raise InputError("not the places of curves", where=where, column=f"{output}.knots",
                         expected=f"{shape[0]} rows of {shape[1]} ascending numbers", found=held)
    return knots


def _whole(held: Any, shape: tuple[int, ...], span: tuple[int, int], column: str, where: object) -> Any:
    low, high = span
    try:
        array = np.asarray(held, dtype=np.int64) if _only(held, (int,)) else None
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None or array.shape != shape or (array.size and not low <= array.min() <= array.max() <= high):
        raise InputError("not a table that fits", where=where, column=column,
                         expected=f"{shape} whole numbers from {low} to {high}", found=held)
    return array


def _only(held: Any, kinds: tuple[type, ...]) -> bool:
    """Whether every leaf of nested lists is of `kinds`; true and false are numbers to Python, not to us."""
    if isinstance(held, list):
        return all(_only(item, kinds) for item in held)
    return isinstance(held, kinds) and not isinstance(held, bool)


def _positive(held: Any, column: str, where: object) -> float:
    if not _only(held, (int, float)) or isinstance(held, list) or not (math.isfinite(held) and held > 0):
        raise InputError("not a size", where=where, column=column, expected="a finite number above 0", found=held)
    return float(held)
