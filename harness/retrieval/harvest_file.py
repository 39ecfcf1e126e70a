"""`latency_harvest_config.json`: written sorted and whole, read with distrust: its choice is made anew."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from harness.data.canonical import digest_of, strict_json
from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.retrieval.harvest_cells import Cell, Choice, Limits, choose, frontier
from harness.retrieval.harvest_timing import Setting

__all__ = ["read", "written"]

_FORMAT = "signoff/latency-harvest/v1"
_KEYS = ("cells", "choice", "default", "digest", "format", "frontier", "limits")
_CELL = tuple(field.name for field in fields(Cell))
_LIMITS = tuple(field.name for field in fields(Limits))
_SPANS = {"delta": (-1.0, 1.0), "jaccard": (0.0, 1.0), "p95": (0.0, math.inf)}


def written(cells: Sequence[Cell], default: Setting, limits: Limits, choice: Choice) -> str:
    """The file's text: sorted keys, one newline at the end; an end that no data bounds is null.

    Raises nothing: what it is given was checked where it was measured.

    >>> sure, none = Estimate(0.9, 0.85, 0.95, 99, 0.9, "t"), Estimate(0.0, 0.0, 0.0, 99, 0.9, "t")
    >>> cells, at = [Cell(Setting(8, 4), sure, sure, sure, none, none, None, 1.0)], Setting(8, 4)
    >>> text = written(cells, at, Limits(), choose(cells, at, Limits()))
    >>> read(text, expected=None, where="a file")[1]
    Setting(ef=8, topk=4)
    """
    body = {
        "cells": [_plain(cell) for cell in cells], "choice": {**choice._asdict(), "setting": choice.setting._asdict()},
        "default": default._asdict(), "frontier": [cell.setting._asdict() for cell in frontier(cells)],
        "limits": asdict(limits),
    }  # fmt: skip
    return json.dumps({"format": _FORMAT, "digest": digest_of(body), **body}, sort_keys=True, indent=1,
                      allow_nan=False) + "\n"


def read(raw: str | bytes, *, expected: str | None,
         where: object) -> tuple[tuple[Cell, ...], Setting, Limits, Choice]:
    """Cells, default, limits and choice of a written harvest, each checked, and the choice against the cells.

    Raises:
        InputError: Torn, tampered with, of another format, another file than `expected` (its digest), or a choice
            that does not follow from the cells.
    """
    held = _keyed(strict_json(raw, where=where), _KEYS, "file", where)
    if held["format"] != _FORMAT:
        raise InputError("another format", where=where, column="format", expected=_FORMAT, found=held["format"])
    found = digest_of({key: value for key, value in held.items() if key not in ("digest", "format")})
    if held["digest"] != found:
        raise InputError("not the harvest that was written", where=where, column="digest", expected=str(held["digest"]),
                         found=found)
    if expected is not None and found != expected:
        raise InputError("another harvest", where=where, column="digest", expected=expected, found=found)
    if not isinstance(held["cells"], list) or not held["cells"]:
        raise InputError("not a list", where=where, column="cells", expected="at least one setting",
                         found=held["cells"])
    cells = tuple(_cell(one, where) for one in held["cells"])
    limits = _limits(held["limits"], where)
    default = _setting(held["default"], "default", where)
    tried = [cell.setting for cell in cells]
    if len(set(tried)) != len(tried) or default not in tried:
        raise InputError("settings repeat, or miss the default", where=where, column="cells", found=str(default),
                         expected="each setting once, the default among them")
    choice = choose(cells, default, limits)
    _follows(held, written(cells, default, limits, choice), where)
    return cells, default, limits, choice


def _follows(held: dict[str, Any], again: str, where: object) -> None:
    made = json.loads(again)
    wrong = next((key for key in _KEYS if key not in ("digest", "format") and held[key] != made[key]), None)
    if wrong is not None:
        raise InputError("does not follow from the cells", where=where, column=wrong,
                         expected=json.dumps(made[wrong], sort_keys=True)[:70], found=held[wrong])


def _plain(cell: Cell) -> dict[str, Any]:
    told: dict[str, Any] = {name: getattr(cell, name) for name in _CELL}
    return {name: _open(value) if isinstance(value, Estimate) else
            value._asdict() if isinstance(value, Setting) else value for name, value in told.items()}


def _open(estimate: Estimate) -> dict[str, Any]:
    held: dict[str, Any] = {key: float(value) if key in ("value", "low", "high", "confidence") else value
                            for key, value in estimate._asdict().items()}
    return {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in held.items()}


def _cell(held: Any, where: object) -> Cell:
    given = _keyed(held, _CELL, "cells", where)
    parts: dict[str, Any] = {
        name: _estimate(value, name, where) for name, value in given.items()
        if name not in ("setting", "tail") and not (name == "cold" and value is None)}
    return Cell(**{"cold": None, **parts}, setting=_setting(given["setting"], "setting", where),
                tail=_number(given["tail"], "tail", where, low=1.0))


def _estimate(held: Any, name: str, where: object) -> Estimate:
    given = _keyed(held, Estimate._fields, name, where)
    low, high = _SPANS.get(name, (-math.inf, math.inf))
    value = _number(given["value"], f"{name}.value", where, low=low, high=high)
    ends = [bound if given[end] is None else _number(given[end], f"{name}.{end}", where)
            for end, bound in (("low", -math.inf), ("high", math.inf))]
    if not ends[0] <= value <= ends[1]:
        raise InputError("outside its own interval", where=where, column=name, expected="low ≤ value ≤ high",
                         found=value)
    for word in ("method", "unit"):
        if not isinstance(given[word], str):
            raise InputError("not text", where=where, column=f"{name}.{word}", expected="text", found=given[word])
    return Estimate(value, ends[0], ends[1], int(_number(given["n"], f"{name}.n", where, low=1, whole=True)),
                    _number(given["confidence"], f"{name}.confidence", where, low=0.0, high=1.0), given["method"],
                    given["unit"])


def _limits(held: Any, where: object) -> Limits:
    given = {name: _number(value, f"limits.{name}", where) for name, value in
             _keyed(held, _LIMITS, "limits", where).items()}
    try:
        return Limits(**given)
    except InputError as error:
        raise InputError(error.what, where=where, column=f"limits.{error.column}", expected=error.expected,
                         found=error.found) from None


def _setting(held: Any, name: str, where: object) -> Setting:
    given = _keyed(held, Setting._fields, name, where)
    return Setting(*(int(_number(given[key], f"{name}.{key}", where, low=1, whole=True)) for key in Setting._fields))


def _keyed(held: Any, keys: tuple[str, ...], name: str, where: object) -> dict[str, Any]:
    if not isinstance(held, dict):
        raise InputError("not an object", where=where, column=name, expected=", ".join(keys), found=held)
    odd = next((key for key in held if key not in keys), None)
    missing = next((key for key in keys if key not in held), None)
    if odd is not None or missing is not None:
        raise InputError("wrong keys", where=where, column=name, expected=missing or ", ".join(keys), found=odd,
                         hint=nearest(odd, keys) if odd else None)
    return held


def _number(held: Any, name: str, where: object, *, low: float = -math.inf, high: float = math.inf,
            whole: bool = False) -> float:
    kinds = (int,) if whole else (int, float)
    if not isinstance(held, kinds) or isinstance(held, bool) or not (math.isfinite(held) and low <= held <= high):
        raise InputError("out of bounds", where=where, column=name, found=held,
                         expected=f"{'a whole' if whole else 'a finite'} number from {low:g} to {high:g}")
    return float(held)
