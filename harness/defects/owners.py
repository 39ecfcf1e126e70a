"""Who must refuse what: the planted defects that own a measure. Importing this module registers every defect."""

from __future__ import annotations

from harness.defects import (
    calibrated,
    confounding,
    counterfactual,
    covered,
    harvested,
    index,
    integrity,
    latency,
    paired,
    ranking,
    regressions,
    reranking,
    routed,
    scores,
    surrogate,
)
from harness.defects.catalogue import DEFECTS, Defect
from harness.errors import InputError, nearest

__all__ = ["DEFECTS", "ROOMS", "named", "owner", "owners"]

ROOMS = (ranking, reranking, scores, latency, index, integrity, regressions, routed, paired, covered, calibrated,
         harvested, confounding, counterfactual, surrogate)


def owner(measure: str) -> Defect:
    """The first defect that the measure must refuse; a measure without one is an error: it could pass anything.

    >>> owner("delta nDCG@10").name, owner("agreement@10").name
    ('answers_to_another_query', 'under_probed')
    """
    found = owners(measure)
    if found:
        return found[0]
    raise InputError("no planted defect is known for this measure", where="defects", expected="one it must refuse",
                     found=measure)


def owners(measure: str, *, on: str = "all") -> tuple[Defect, ...]:
    """All defects that a gate on the measure must refuse, the owner first; `on` is the gate's slice.

    A defect that hides in a slice is the business of gates on slices alone. Empty for a measure without any.

    >>> [one.name for one in owners("agreement@10")]
    ['under_probed']
    """
    return tuple(one for one in DEFECTS.values() if one.caught_by(measure) and not (one.on_slices and on == "all"))


def named(name: str) -> Defect:
    """The defect of that name. Raises InputError with the nearest one there is.

    >>> named("stale_index").signal.goes
    'up'
    """
    if name not in DEFECTS:
        raise InputError("no such defect", where="defects", expected=f"one of {len(DEFECTS)} names", found=name,
                         hint=nearest(name, DEFECTS))
    return DEFECTS[name]
