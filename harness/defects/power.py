"""Operating characteristics: how large a defect must be for a gate to refuse it, and how often a sound release is.

Two promises are asked of every gate, and each is judged as gates judge, by the bound of an exact binomial interval:
its defect is caught with probability ≥ .95 from some severity on, and a no-op candidate is refused no more often than
the gate's nominal share, (1 - confidence) / 2. PASS, INCONCLUSIVE and REFUSE are counted apart throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from harness.estimate import Estimate
from harness.estimators.proportions import clopper_pearson
from harness.release.judge import Verdict, verdict_of
from harness.release.policy import Limit

__all__ = ["CATCH", "COSTLY_GRID", "GRID", "QUICK_GRID", "GatePower", "NoOps", "Point", "Tally", "power_verdict",
           "severities"]

GRID = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
QUICK_GRID = (0.01, 0.05, 0.2, 1.0)
COSTLY_GRID = (0.01, 0.1, 1.0)  # for counts over whole rankings, each trial of which reads them all again
CATCH = 0.95
_CAUGHT = Limit("at_least", CATCH, "lcb")


class Tally(NamedTuple):
    """Outcomes of trials, counted; `crashed` ones ended in an error and are no refusal.

    >>> Tally.of([Verdict.PASS, Verdict.REFUSE, None])
    Tally(n=3, passed=1, inconclusive=0, refused=1, crashed=1)
    """

    n: int = 0
    passed: int = 0
    inconclusive: int = 0
    refused: int = 0
    crashed: int = 0

    @classmethod
    def of(cls, outcomes: Sequence[Verdict | None]) -> Tally:
        """Count verdicts; None is a crash."""
        counts = [sum(one is kind for one in outcomes) for kind in (*Verdict, None)]
        return cls(len(outcomes), *counts)

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(one + two for one, two in zip(self, other, strict=True)))

    def share(self, hits: int) -> Estimate:
        """Clopper & Pearson's interval of hits / n, two-sided 90 %: each end misses at most .05 of the time."""
        return clopper_pearson(hits, self.n, confidence=0.9)


class Point(NamedTuple):
    """Trials at one severity.

    Attributes:
        severity: In (0, 1].
        tally: Outcomes.
        caught: Refusals that name the defect: by the gate that owns it, with the number that it breaks.
        value: What the gate measured on the planted release itself, before any draw; the mean over the plants.
        needed_n: Observations with which the gate would catch this severity; None where no number would, or unknown.
    """

    severity: float
    tally: Tally
    caught: int
    value: float
    needed_n: int | None = None

    @property
    def share(self) -> Estimate:
        """The share caught, with its interval."""
        return self.tally.share(self.caught)


class NoOps(NamedTuple):
    """Candidates that changed nothing that matters, of one kind."""

    kind: str
    tally: Tally


class GatePower(NamedTuple):
    """One gate's operating characteristic.

    Attributes:
        gate: The check's id.
        measure: What it measures.
        where: Task and slice.
        limit: The limit, in words.
        defect: The planted defect; None where none is known.
        sampled: What trials draw; empty for a count over all there is.
        nominal: The share of sound releases that the gate may refuse.
        observed: The gate's verdict on the release itself; None where it could not be examined.
        n: Observations it was judged on.
        points: By ascending severity.
        noops: By kind.
        note: Why there is nothing to show, where there is not.
    """

    gate: str
    measure: str
    where: str
    limit: str
    defect: str | None
    sampled: str
    nominal: float
    observed: Verdict | None
    n: int
    points: tuple[Point, ...] = ()
    noops: tuple[NoOps, ...] = ()
    note: str = ""

    @property
    def caught_from(self) -> float | None:
        """The smallest severity from which on every lower bound of the share caught is at least .95."""
        return self._from(lambda share: share.low >= CATCH)

    @property
    def seen_from(self) -> float | None:
        """The same by the share itself: less than what was shown, told beside it."""
        return self._from(lambda share: share.value >= CATCH)

    @property
    def idle(self) -> Tally:
        """Outcomes over all no-op candidates."""
        total = Tally()
        for one in self.noops:
            total = total.plus(one.tally)
        return total

    @property
    def false_refusals(self) -> Estimate:
        """Share of no-op candidates refused. A crash counts as one."""
        idle = self.idle
        return idle.share(idle.refused + idle.crashed)

    @property
    def verdict(self) -> Verdict:
        """PASS where both promises are shown to hold, REFUSE where one is shown to fail, else INCONCLUSIVE.

        A release that its gate refuses anyhow shows nothing of false refusals.
        """
        if self.defect is None or self.observed is None or not self.points:
            return Verdict.REFUSE if self.defect is None else Verdict.INCONCLUSIVE
        sound = Verdict.INCONCLUSIVE
        if self.observed is not Verdict.REFUSE and self.noops:
            sound = verdict_of(self.false_refusals, Limit("at_most", self.nominal, "ucb"))
        return max(verdict_of(self.points[-1].share, _CAUGHT), sound)

    def _from(self, enough: Callable[[Estimate], bool]) -> float | None:
        found = None
        for point in reversed(self.points):
            if not enough(point.share):
                break
            found = point.severity
        return found


def power_verdict(gates: Sequence[GatePower]) -> Verdict:
    """The gravest gate speaks; nothing examined is nothing shown.

    >>> power_verdict([]).name
    'INCONCLUSIVE'
    """
    return max((gate.verdict for gate in gates), default=Verdict.INCONCLUSIVE)


def severities(grades: Sequence[float], *, quick: bool = False, costly: bool = False) -> tuple[float, ...]:
    """The grid of severities up to a defect's last grade, which is on it.

    >>> severities((0.1, 0.5), quick=True)
    (0.01, 0.05, 0.2, 0.5)
    """
    last = grades[-1]
    grid = COSTLY_GRID[quick:] if costly else QUICK_GRID if quick else GRID
    return (*(one for one in grid if one < last), last)
