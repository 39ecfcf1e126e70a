"""`theta_star_production.json`: written sorted and whole, read as a stranger's and refused where anything is off."""

from __future__ import annotations

import json
import math
from typing import Any

from harness.data.canonical import digest_of, strict_json
from harness.errors import InputError, nearest
from harness.gating.dual import Step
from harness.gating.figures import Figures, Swept
from harness.gating.terms import Terms, Theta

__all__ = ["body_of", "parts_of", "text_of"]

_FORMAT = "signoff/theta-star/v1"
_TAIL = 12  # steps of the trace that the file keeps
_CLOSE = 1e-9
_KEYS = ("below", "bound", "digest", "format", "iterations", "predicted", "price", "step", "swept", "terms", "theta",
         "trace")
_TERMS = ("bind", "budget_ms", "delta", "headroom", "levels", "overhead_ms", "share", "tolerance")
_MIDDLE = 4
_MOST = 1e15  # whole numbers beyond are no longer exact, and none of ours comes near


def body_of(*, theta: Theta, below: Theta, step: Theta, terms: Terms, predicted: Figures, bound: float, iterations: int,
            trace: tuple[Step, ...], swept: tuple[Swept, ...]) -> dict[str, Any]:
    """What the file holds and its digest covers, as plain values."""
    limits = {name: getattr(terms, name) for name in _TERMS}
    limits |= {name: list(limits[name]) for name in ("delta", "share") if isinstance(limits[name], tuple | list)}
    return {"theta": theta._asdict(), "below": below._asdict(), "step": step._asdict(), "terms": limits,
            "predicted": predicted._asdict(), "bound": bound, "iterations": iterations, "price": trace[-1].price,
            "trace": [one._asdict() for one in trace[-_TAIL:]],
            "swept": [{"theta": one.theta._asdict(), "within": one.within, "figures": one.figures._asdict()}
                      for one in swept]}


def text_of(body: dict[str, Any], digest: str) -> str:
    """The file's text: sorted keys, shortest spelling of floats, one newline at the end."""
    return json.dumps({"format": _FORMAT, "digest": digest, **body}, sort_keys=True, indent=1, allow_nan=False) + "\n"


def parts_of(raw: str | bytes, *, expected: str | None, where: object) -> dict[str, Any]:
    """The constructor's arguments of a `TwoStageGate`, each checked, and against each other. Raises InputError."""
    held = _keyed(strict_json(raw, where=where), _KEYS, "file", where)
    if held["format"] != _FORMAT:
        raise InputError("another format", where=where, column="format", expected=_FORMAT, found=held["format"])
    found = digest_of({key: value for key, value in held.items() if key not in ("digest", "format")})
    if held["digest"] != found:
        raise InputError("not the gate that was written", where=where, column="digest", expected=str(held["digest"]),
                         found=found)
    if expected is not None and found != expected:
        raise InputError("another gate", where=where, column="digest", expected=expected, found=found)
    parts: dict[str, Any] = {name: _theta(held[name], name, where) for name in ("theta", "below", "step")}
    parts["terms"] = _terms(held["terms"], where)
    parts["predicted"] = _figures(held["predicted"], "predicted", where)
    parts["bound"] = _number(held["bound"], "bound", where)
    parts["iterations"] = int(_number(held["iterations"], "iterations", where, low=1, whole=True))
    parts["trace"] = tuple(_step(one, where) for one in _listed(held["trace"], "trace", where))
    parts["swept"] = tuple(_swept(one, where) for one in _listed(held["swept"], "swept", where))
    _agree(parts, _number(held["price"], "price", where), where)
    return parts


def _agree(parts: dict[str, Any], price: float, where: object) -> None:
    """What the file says of itself in two places is the same, and keeps its own limits."""
    terms, told, trace, swept = parts["terms"], parts["predicted"], parts["trace"], parts["swept"]
    cost = told.cost_mean_ms if terms.bind == "mean" else told.cost_p95_ms
    low, high = terms.share or (0.0, 1.0)
    shares = [one.figures.share for one in swept]
    theta, step = parts["theta"], parts["step"]
    claims = {
        "below": ("the early exit lies above θ*",
                  all(low <= high for low, high in zip(parts["below"], theta, strict=True))),
        "step": ("no step", min(step) > 0.0),
        "terms.budget_ms": ("the gate exceeds its own budget",
                            terms.budget_ms is None or cost <= terms.budget_ms + _CLOSE),
        "terms.share": ("the gate leaves its own window", low - _CLOSE <= told.share <= high + _CLOSE),
        "predicted.gain": ("no gain, or more than the bound", 0.0 < told.gain <= parts["bound"] + _CLOSE),
        "trace": ("the ascent did not end there", _ended(trace, price, parts)),
        "swept": ("not the sweep around θ*", _around(theta, step, swept) and swept[_MIDDLE].within
                  and swept[_MIDDLE].figures == told),
    }  # fmt: skip
    wrong = next(((column, what) for column, (what, holds) in claims.items() if not holds), None)
    if wrong is None and not _falling(shares):
        wrong = "swept", "the share rises with a threshold"
    if wrong is not None:
        raise InputError(wrong[1], where=where, column=wrong[0], expected="a gate as it was fitted")


def _ended(trace: tuple[Step, ...], price: float, parts: dict[str, Any]) -> bool:
    first = parts["iterations"] - len(trace)
    return (bool(trace) and first >= 0 and [one.iteration for one in trace] == list(range(first, parts["iterations"]))
            and trace[-1].gap <= parts["terms"].tolerance and trace[-1].price == price
            and abs(max(trace[-1].dual, parts["predicted"].gain) - parts["bound"]) <= _CLOSE)


def _around(theta: Theta, step: Theta, swept: tuple[Swept, ...]) -> bool:
    places = [Theta(theta.entropy + across * step.entropy, theta.gain + up * step.gain)
              for across in (-1, 0, 1) for up in (-1, 0, 1)]
    return len(swept) == len(places) and all(map(_near, (one.theta for one in swept), places))


def _falling(shares: list[float]) -> bool:
    """Whether the share of the nine places never rises with a threshold."""
    rows = [shares[at: at + 3] for at in (0, 3, 6)]
    lines = [*rows, *map(list, zip(*rows, strict=True))]
    return all(one[0] >= one[1] >= one[2] for one in lines)


def _near(one: Theta, other: Theta) -> bool:
    return all(math.isclose(a, b, rel_tol=_CLOSE, abs_tol=_CLOSE) for a, b in zip(one, other, strict=True))


def _terms(held: Any, where: object) -> Terms:
    given = dict(_keyed(held, _TERMS, "terms", where))
    for name in ("delta", "share"):
        if isinstance(given[name], list):
            given[name] = tuple(given[name])
    try:
        return Terms(**given)
    except InputError as error:
        raise InputError(error.what, where=where, column=f"terms.{error.where}", expected=error.expected,
                         found=error.found) from None


def _theta(held: Any, name: str, where: object) -> Theta:
    given = _keyed(held, Theta._fields, name, where)
    return Theta(**{key: _number(given[key], f"{name}.{key}", where) for key in Theta._fields})


def _figures(held: Any, name: str, where: object) -> Figures:
    given = _keyed(held, Figures._fields, name, where)
    spans = {"n": (1.0, math.inf), "share": (0.0, 1.0), "cheap_share": (0.0, 1.0), "gain": (-1.0, 1.0)}
    read: dict[str, Any] = {
        key: _number(given[key], f"{name}.{key}", where, low=spans.get(key, (0.0,))[0],
                     high=spans.get(key, (0.0, math.inf))[1], whole=key == "n") for key in Figures._fields}
    return Figures(**{**read, "n": int(read["n"])})


def _step(held: Any, where: object) -> Step:
    given = _keyed(held, Step._fields, "trace", where)
    read: dict[str, Any] = {key: _number(given[key], f"trace.{key}", where, whole=key == "iteration")
                            for key in Step._fields}
    return Step(**{**read, "iteration": int(read["iteration"])})


def _swept(held: Any, where: object) -> Swept:
    given = _keyed(held, Swept._fields, "swept", where)
    if not isinstance(given["within"], bool):
        raise InputError("not a truth value", where=where, column="swept.within", expected="true or false",
                         found=given["within"])
    return Swept(_theta(given["theta"], "swept.theta", where), given["within"],
                 _figures(given["figures"], "swept.figures", where))


def _listed(held: Any, name: str, where: object) -> list[Any]:
    if not isinstance(held, list) or not held:
        raise InputError("not a list", where=where, column=name, expected="at least one entry", found=held)
    return held


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
    fits = isinstance(held, kinds) and not isinstance(held, bool) and -_MOST <= held <= _MOST
    if not fits or not low <= held <= high:
        kind = "a whole number" if whole else "a finite number"
        raise InputError("out of bounds", where=where, column=name, expected=f"{kind} from {low:g} to {high:g}",
                         found=held)
    return float(held)
