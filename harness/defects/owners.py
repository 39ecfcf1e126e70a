"""Who must refuse what: the planted defect that owns a measure. Importing this module registers every defect."""

from __future__ import annotations

from harness.defects import index, integrity, latency, ranking
from harness.defects.catalogue import DEFECTS, Defect
from harness.errors import InputError

__all__ = ["ROOMS", "owner"]

ROOMS = (ranking, latency, index, integrity)


def owner(measure: str) -> Defect:
    """The first defect that the measure must refuse; a measure without one is an error: it could pass anything.

    >>> owner("delta nDCG@10").name, owner("agreement@10").name
    ('answers_to_another_query', 'under_probed')
    """
    for one in DEFECTS.values():
        if one.caught_by(measure):
            return one
    raise InputError("no planted defect is known for this measure", where="defects", expected="one it must refuse",
                     found=measure)
