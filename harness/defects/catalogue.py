"""Planted defects: each a named, graded way to break a candidate, owned by the measures that must refuse it.

Severity 0 changes nothing; severity 1 breaks all of it. A defect is pure: a trial and a severity in, a broken trial
out. Every measure that a policy may name has an owner here, or its gate passes nothing. To catch a defect is to refuse
it for the right reason: by a measure that owns it, with the number that it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from harness.errors import InputError
from harness.release.judge import Finding, Verdict, judge
from harness.release.observed import Bools, Trial

__all__ = ["DEFECTS", "Change", "Defect", "Dose", "Signal", "caught", "checked_severity", "defect"]


class Dose(NamedTuple):
    """How much to break, and which part of it.

    Attributes:
        severity: In [0, 1]; 0 breaks nothing.
        seed: Which share is broken; None is one fixed choice, the one that gates are shown.
    """

    severity: float
    seed: int | None = None

    def rng(self, n: int) -> np.random.Generator:
        """A generator that depends on the seed and on the size of what is broken."""
        return np.random.default_rng(n if self.seed is None else [self.seed, n])

    def share(self, n: int) -> Bools:
        """(n,) true for the first `severity` of a shuffle, so that a larger severity breaks a superset.

        >>> int(Dose(0.3).share(10).sum()), bool((Dose(0.3).share(10) <= Dose(0.6).share(10)).all())
        (3, True)
        """
        chosen = np.zeros(n, dtype=np.bool_)
        chosen[self.rng(n).permutation(n)[: round(self.severity * n)]] = True
        return chosen


class Signal(NamedTuple):
    """The number by which a gate must know the defect: which way it goes, and what it counts."""

    goes: Literal["up", "down"]
    what: str


Change = Callable[[Trial, Dose], Trial]


@dataclass(frozen=True)
class Defect:
    """A way to break a candidate.

    Attributes:
        name: What is wrong, in the field's words.
        caught_by: True for the measures that must refuse it.
        grades: Severities worth trying, ascending; the last is the one that a gate is shown with its finding.
        change: The change itself.
        signal: What the owning gate's number does.
        does: One sentence.
        on_slices: True where only a gate on a slice can see it, and one over all queries passes.
    """

    name: str
    caught_by: Callable[[str], bool]
    grades: tuple[float, ...]
    change: Change
    signal: Signal
    does: str
    on_slices: bool = False

    def plant(self, trial: Trial, severity: float, seed: int | None = None) -> Trial:
        """The trial with the defect in it; `seed` varies which share of it is broken. `trial` is left as it was.

        Raises InputError for a severity outside [0, 1].
        """
        return self.change(trial, Dose(checked_severity(self.name, severity), seed))


DEFECTS: dict[str, Defect] = {}


def defect(name: str, *, caught_by: Callable[[str], bool], goes: Literal["up", "down"], signal: str,
           grades: tuple[float, ...] = (0.1, 0.5, 1.0), on_slices: bool = False) -> Callable[[Change], Change]:
    """Register a change under a name; names are given once. The first line of its docstring says what it does.

    Args:
        name: The defect's name, as the field would say it.
        caught_by: True for the measures that must refuse it.
        goes: Where the owning gate's number goes: up (past an `at_most`) or down (under an `at_least`).
        signal: What that number is.
        grades: Ascending severities in (0, 1]; a gate is shown the last.
        on_slices: True where a gate over all queries need not see it.

    Raises ValueError for a name that is taken, or a change without a docstring.
    """

    def register(change: Change) -> Change:
        if name in DEFECTS:
            raise ValueError(f"the defect {name!r} is registered twice")
        does = (change.__doc__ or "").strip().partition("\n")[0]
        if not does:
            raise ValueError(f"the defect {name!r} does not say what it does")
        DEFECTS[name] = Defect(name, caught_by, grades, change, Signal(goes, signal), does, on_slices)
        return change

    return register


def caught(one: Defect, finding: Finding | None, *, sound: Finding | None = None) -> bool:
    """Whether a gate's finding on a planted trial shows that it caught the defect, and not merely that it refused.

    A crash (no finding), doubt, a refusal by a gate that does not own the defect, a limit that the defect's number
    moves away from, a reason that does not follow from the numbers: none of these is a catch. Nor, where the same
    gate's finding on the `sound` trial is given, is a refusal of what it refuses anyhow.

    Args:
        one: The defect that was planted.
        finding: What the gate found then; None where it crashed.
        sound: What the same gate found before.

    >>> from harness.defects.owners import named
    >>> from harness.estimate import Estimate
    >>> from harness.release.judge import Reading
    >>> from harness.release.policy import Check, Limit
    >>> row = Check("gate", "ids missing", None, "all", Limit("at_most", 0.0, "value"))
    >>> refused = judge(row, Reading(Estimate(9.0, 9.0, 9.0, 100, 0.9, "counted")))
    >>> caught(named("stale_index"), refused), caught(named("ids_doubled"), refused), caught(named("stale_index"), None)
    (True, False, False)
    """
    if finding is None or finding.verdict is not Verdict.REFUSE or not one.caught_by(finding.check.measure):
        return False
    if one.on_slices and finding.check.slice == "all":
        return False
    if finding.limit.direction != {"up": "at_most", "down": "at_least"}[one.signal.goes]:
        return False
    again = judge(finding.check, finding.reading, limit=finding.limit)
    if (again.verdict, again.reason) != (finding.verdict, finding.reason):
        return False
    return sound is None or _worse(finding, sound)


def checked_severity(name: str, severity: float) -> float:
    """The severity itself. Raises InputError unless it is a number in [0, 1].

    >>> checked_severity("stale_index", 1)
    1.0
    """
    if isinstance(severity, bool) or not isinstance(severity, int | float | np.number) or not 0.0 <= severity <= 1.0:
        raise InputError("severity out of range", where=f"defect {name}", column="severity",
                         expected="0 (nothing) to 1 (all of it)", found=severity)
    return float(severity)


def _worse(finding: Finding, sound: Finding) -> bool:
    """The same gate passed before, and its number went the way that the limit forbids."""
    if sound.verdict is not Verdict.PASS or sound.check != finding.check:
        return False
    moved = finding.reading.estimate.value - sound.reading.estimate.value
    return moved > 0.0 if finding.limit.direction == "at_most" else moved < 0.0
