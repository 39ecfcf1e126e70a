"""Planted defects: each a named, graded way to break a candidate, owned by the measures that must refuse it.

Severity 0 changes nothing; severity 1 breaks all of it. A defect is pure: a trial and a severity in, a broken trial
out. Every measure that a policy may name has an owner here, or its gate passes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.release.observed import Trial

__all__ = ["DEFECTS", "Defect", "defect"]

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
