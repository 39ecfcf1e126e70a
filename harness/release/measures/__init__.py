"""From records to readings: every measure a policy may name, by family.

A family knows which names it owns and how to read them off a trial. `read` looks a name up; an unknown one is an error
with the nearest known spelling.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from harness.errors import InputError, nearest
from harness.release.judge import Reading
from harness.release.measures import (
    answered,
    beside,
    calibrated,
    confounding,
    counterfactual,
    covered,
    governed,
    harvested,
    hygiene,
    index,
    integrity,
    latency,
    quality,
    readied,
    readiness,
    regressions,
    routed,
    stressed,
    surrogate,
)
from harness.release.observed import Trial
from harness.release.policy import Check

__all__ = ["EXAMPLES", "PROPERTIES", "family_of", "read"]

PROPERTIES = "properties"
_FAMILIES: dict[str, ModuleType] = {"quality": quality, "latency": latency, "index": index, "integrity": integrity,
                                    "hygiene": hygiene, "regressions": regressions, "routed": routed,
                                    "beside": beside, "covered": covered, "calibrated": calibrated,
                                    "harvested": harvested,
                                    "confounding": confounding, "counterfactual": counterfactual,
                                    "surrogate": surrogate, "stressed": stressed, "answered": answered,
                                    "governed": governed,
                                    "readied": readied, "readiness": readiness}
EXAMPLES: tuple[str, ...] = (*(name for family in _FAMILIES.values() for name in family.EXAMPLES),
                             "violations of topk_prefix")


def family_of(measure: str) -> str:
    """The family that owns a measure's name.

    >>> family_of("delta nDCG@10"), family_of("p95 rerank_ms"), family_of("violations of topk_prefix")
    ('quality', 'latency', 'properties')
    """
    if measure.startswith("violations of "):
        return PROPERTIES
    for name, family in _FAMILIES.items():
        if family.owns(measure):
            return name
    raise InputError("unknown measure", where="policy", expected="a measure such as " + ", ".join(EXAMPLES[:6]),
                     found=measure, hint=nearest(measure, EXAMPLES))


def read(trial: Trial, check: Check) -> Reading:
    """Measure one check on a trial. Input that the check needs and the trial lacks is an `InputError`, never a pass."""
    family = family_of(check.measure)
    if family == PROPERTIES:
        raise InputError("a property is tried, not read off records", where=check.id, expected="harness.hunting",
                         found=check.measure)
    reader: Callable[[Trial, Check], Reading] = _FAMILIES[family].read
    return reader(trial, check)
