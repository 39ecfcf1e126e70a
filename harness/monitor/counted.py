"""Names that are counted: those that a guard, a policy, a ramp or a preset asks for. Any other would stay for nothing.

A sender that made up a name for each row would make windows without end, and nobody would read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection

from harness.errors import InputError
from harness.monitor.measures import observed_as
from harness.monitor.presets import PRESETS
from harness.monitor.terms import guards_of_release, manifest_text
from harness.release.manifest import parse_manifest
from harness.release.rollout_presets import PRESETS as RAMPS
from harness.release.rollout_presets import expanded
from harness.release.rollout_terms import Rollout
from harness.rollout.shapes import Guarded

__all__ = ["STAGES", "Counted", "counted_by"]

STAGES = frozenset({"encode", "rerank", "search", "total"})


class Counted(NamedTuple):
    """Names that somebody asks for.

    Attributes:
        stages: Of latencies.
        values: Of whatever else is measured.
    """

    stages: frozenset[str]
    values: frozenset[str]


def counted_by(connection: Connection, digests: Iterable[str]) -> Counted:
    """The names that admitted releases and the house's presets ask for.

    Raises: InputError where a release was not admitted.
    """
    asked = set(_of_house())
    for digest in digests:
        asked.update(*map(_watched, guards_of_release(connection, digest)))
        asked |= _of_manifest(manifest_text(connection, digest))
    return Counted(STAGES | {name for kind, name in asked if kind == "stage"},
                   frozenset(name for kind, name in asked if kind == "value"))


@lru_cache(maxsize=1)
def _of_house() -> frozenset[tuple[str, str]]:
    guards = (_watched(one) for preset in PRESETS.values() for one in preset())
    return frozenset[tuple[str, str]]().union(*guards, *(map(observed_as, _asked(ramp)) for ramp in RAMPS.values()))


def _watched(guard: Guarded) -> set[tuple[str, str]]:
    return {observed_as(name) for name in (guard.measure, *(other for other, _ in guard.others))}


@lru_cache(maxsize=8)
def _of_manifest(raw: bytes) -> frozenset[tuple[str, str]]:
    try:
        found = parse_manifest(raw, where="manifest")
    except InputError:
        return frozenset()
    named = [check.measure for check in found.checks]
    return frozenset(map(observed_as, (*named, *(() if found.rollout is None else _asked(found.rollout)))))


def _asked(ramp: Rollout) -> Iterator[str]:
    return (one.measure for stage in expanded(ramp).stages for one in stage.criteria if one.measure is not None)
