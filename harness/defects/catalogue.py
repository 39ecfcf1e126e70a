"""Planted defects: each a named, graded way to break a candidate, owned by the measures that must refuse it.

Severity 0 changes nothing; severity 1 breaks all of it. A defect is pure: a trial and a severity in, a broken trial
out. Every measure that a policy may name has an owner here, or its gate passes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import InputError
from harness.release.observed import Trial

__all__ = ["DEFECTS", "Defect", "defect", "owner"]

Plant = Callable[[Trial, float], Trial]


@dataclass(frozen=True)
class Defect:
    """A way to break a candidate.

    Attributes:
        name: What is wrong, in the field's words.
        caught_by: True for the measures that must refuse it.
        grades: Severities worth trying, ascending; the last is the one that a gate is shown with its finding.
        plant: The change itself.
    """

    name: str
    caught_by: Callable[[str], bool]
    grades: tuple[float, ...]
    plant: Plant


DEFECTS: dict[str, Defect] = {}


def defect(name: str, *, caught_by: Callable[[str], bool],
           grades: tuple[float, ...] = (0.1, 0.5, 1.0)) -> Callable[[Plant], Plant]:
    """Register a plant under a name; names are given once."""

    def register(plant: Plant) -> Plant:
        if name in DEFECTS:
            raise ValueError(f"the defect {name!r} is registered twice")
        DEFECTS[name] = Defect(name, caught_by, grades, plant)
        return plant

    return register


def owner(measure: str) -> Defect:
    """The first defect that the measure must refuse; a measure without one is an error: it could pass anything."""
    from harness.defects import index, integrity, latency, ranking  # noqa: F401  each registers its own

    for one in DEFECTS.values():
        if one.caught_by(measure):
            return one
    raise InputError("no planted defect is known for this measure", where="defects", expected="one it must refuse",
                     found=measure)
