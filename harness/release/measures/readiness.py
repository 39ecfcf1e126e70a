"""Measures of whether a release that answers is fit to be evaluated at all.

| measure | its number |
|---|---|
| `evaluation differences` | questions whose evidence differs between two fresh processes, to the byte |
| `health faults` | checks of the system's health that failed before the evaluation began |

Both are counted, and both are counted whole: a release with one fault is refused. A fault of health leaves no evidence
at all, so that what stands in evidence is how many checks were made; the planted defect shows that they would count.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.release.health import STUDY as HEALTHY
from harness.release.health import HealthObserved
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check
from harness.release.studied.repeated import DIFFERENCES, RepeatedObserved, differing
from harness.release.studied.repeated import STUDY as REPEATED

__all__ = ["DIFFERENCES", "EXAMPLES", "FAULTS", "HEALTHY", "REPEATED", "owns", "read"]

FAULTS = "health faults"
EXAMPLES = (DIFFERENCES, FAULTS)
_NAMED = 3


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("evaluation differences"), owns("replay differences")
    (True, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Count one fault off its study; the note names the first that have it.

    Raises InputError without the study, and for any slice but `all`.

    >>> from fixtures.readiness import healthy_of
    >>> from fixtures.trials import sound
    >>> from harness.release.policy import Limit
    >>> row = Check("gate", "health faults", None, "all", Limit("at_most", 0.0, "value"))
    >>> read(sound(queries=20).with_study("healthy", healthy_of()), row).estimate.value
    0.0
    """
    from harness.release.studies import study  # loads live parts

    if check.slice != "all":
        raise InputError("is counted over all", where=check.id, expected="all", found=check.slice,
                         hint=nearest(check.slice, ["all"]))
    if check.measure == FAULTS:
        return _faults(study(trial, HEALTHY, HealthObserved), check.confidence)
    return _differences(study(trial, REPEATED, RepeatedObserved), check.confidence)


def _differences(record: RepeatedObserved, confidence: float) -> Reading:
    names = differing(record.first, record.second)
    apart = {f"process {at}": ", ".join(f"{name}={value}" for name, value in sorted(told.items()))
             for at, told in enumerate(record.processes, start=1)}
    return _counted(names, len(record.first), confidence, unit="questions",
                    details={"sha256 of the evidence": record.digests[0], **apart})


def _faults(record: HealthObserved, confidence: float) -> Reading:
    return _counted([one.line for one in record.faults], len(record.checks), confidence, unit="checks", details={})


def _counted(names: Sequence[str], n: int, confidence: float, *, unit: str, details: dict[str, float | str]) -> Reading:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    value = float(len(names))
    return Reading(Estimate(value, value, value, n, confidence, "counted", unit), details=details,
                   note=", ".join(names[:_NAMED]) + more)
