"""Measures of pinned regressions: how many known losses grew, or came back; and how many are pinned at all.

A pin holds two queries, the plain one and the one that was found to lose, each to a least nDCG@10 of its own. A pin
that either falls under counts once. What is replayed are rankings, so the numbers here are measured, not copied.
"""

from __future__ import annotations

import math

from harness.errors import InputError
from harness.estimate import Estimate
from harness.metrics.evaluate import per_query
from harness.records import Qrels, Run
from harness.release.judge import Reading, Verdict, verdict_of
from harness.release.observed import Pin, PinsObserved, Trial
from harness.release.policy import Check

__all__ = ["EXAMPLES", "MEASURE", "broken_pins", "owns", "read", "value_of"]

EXAMPLES = ("regressions", "pinned regressions")
MEASURE = "nDCG@10"
_DIGITS = 6


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("regressions"), owns("regression")
    (True, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """A count over all pins. Pins that were made on other data, or none at all, are nothing measured: never a pass.

    Such doubt hides nothing that is sure: a broken pin beside them is counted, and so are pins that are too few even
    with them.

    Raises InputError where no pins were replayed on this trial.
    """
    pins = trial.candidate.pins
    if pins is None:
        raise InputError("no pinned regressions were replayed", where=trial.candidate.release,
                         expected="a live manifest", found=check.measure)
    details: dict[str, float | str] = {"known": float(_count(pins, "known")), "fixed": float(_count(pins, "fixed")),
                                       "pins sha256": pins.digest}
    broken, there = broken_pins(pins), len(pins.pins) + len(pins.elsewhere)
    counts = check.measure == "pinned regressions"
    found = _counted(float(there if counts else len(broken)), max(there, 1), check)
    if pins.elsewhere and not (check.limit and verdict_of(found, check.limit) is Verdict.REFUSE):
        shown = f"pinned on other data than this release is judged on: {', '.join(pins.elsewhere[:3])}"
        return Reading(_counted(math.nan, 0, check), details=details, note=shown)
    if counts:
        return Reading(found, details=details)
    value = float(len(broken)) if pins.pins else math.nan
    return Reading(_counted(value, len(pins.pins), check), details=details, note=", ".join(broken[:3]))


def broken_pins(pins: PinsObserved) -> list[str]:
    """Names of the pins of which one query scores under its limit, in the pins' order."""
    return [pin.name for pin in pins.pins
            if _under(pin.plain, pin.least_plain, pin) or _under(pin.mutated, pin.least_mutated, pin)]


def value_of(run: Run, qrels: Qrels) -> float:
    """nDCG@10 of the one query that `qrels` judge, at the digits that pins are written with.

    >>> qrels = Qrels.of(["q"], ["d"], [1])
    >>> value_of(Run.of(["q", "q"], ["x", "d"], [2.0, 1.0]), qrels)
    0.63093
    """
    return round(float(per_query(run, qrels, MEASURE)[0]), _DIGITS)


def _under(run: Run, least: float, pin: Pin) -> bool:
    return not value_of(run, pin.qrels) >= least  # a value that is no number clears nothing


def _count(pins: PinsObserved, status: str) -> int:
    return sum(pin.status == status for pin in pins.pins)


def _counted(value: float, n: int, check: Check) -> Estimate:
    return Estimate(value, value, value, n, check.confidence, "replayed", "pins")
