"""Who must refuse what: the planted defects that own a measure. Importing this module registers every defect."""

from __future__ import annotations

from harness.defects import (
    answered,
    calibrated,
    confounding,
    counterfactual,
    covered,
    governed,
    harvested,
    index,
    integrity,
    latency,
    paired,
    ranking,
    readied,
    readiness,
    regressions,
    reranking,
    routed,
    scores,
    stressed,
    surrogate,
)
from harness.defects.catalogue import DEFECTS, Defect
from harness.errors import InputError, nearest
from harness.release.policy import Check, Direction

__all__ = ["DEFECTS", "ROOMS", "named", "owner", "owner_of", "owners", "owners_of"]

_PAST: dict[str, Direction] = {"up": "at_most", "down": "at_least"}

ROOMS = (ranking, reranking, scores, latency, index, integrity, regressions, routed, paired, covered, calibrated,
         harvested, confounding, counterfactual, surrogate, stressed, answered, governed, readied, readiness)


def owner(measure: str, *, direction: Direction | None = None) -> Defect:
    """The first defect that the measure must refuse; a measure without one is an error: it could pass anything.

    A gate is shown one whose number goes past its limit's `direction`; where none does, the first of any.

    >>> owner("delta nDCG@10").name, owner("agreement@10").name
    ('answers_to_another_query', 'under_probed')
    """
    found = owners(measure, direction=direction) or owners(measure)
    if found:
        return found[0]
    raise InputError("no planted defect is known for this measure", where="defects", expected="one it must refuse",
                     found=measure)


def owners(measure: str, *, on: str = "all", direction: Direction | None = None) -> tuple[Defect, ...]:
    """All defects that a gate on the measure must refuse, the owner first; `on` is the gate's slice.

    A defect that hides in a slice is the business of gates on slices alone, one whose number rises of limits `at_most`,
    one whose number falls of limits `at_least`: `direction` asks for those alone. Empty for a measure without any.

    >>> [one.name for one in owners("agreement@10")]
    ['under_probed']
    """
    return tuple(one for one in DEFECTS.values() if one.caught_by(measure) and not (one.on_slices and on == "all")
                 and direction in {None, _PAST[one.signal.goes]})


def owner_of(check: Check) -> Defect:
    """The defect that a check is shown: the first whose number goes past its limit. Raises InputError as `owner`."""
    return owner(check.measure, direction=_direction(check))


def owners_of(check: Check) -> tuple[Defect, ...]:
    """All defects that a check must refuse, on its own slice and past its own limit."""
    return owners(check.measure, on=check.slice, direction=_direction(check))


def _direction(check: Check) -> Direction | None:
    return None if check.limit is None else check.limit.direction


def named(name: str) -> Defect:
    """The defect of that name. Raises InputError with the nearest one there is.

    >>> named("stale_index").signal.goes
    'up'
    """
    if name not in DEFECTS:
        raise InputError("no such defect", where="defects", expected=f"one of {len(DEFECTS)} names", found=name,
                         hint=nearest(name, DEFECTS))
    return DEFECTS[name]
