"""Studies: what a release is measured on beyond one run of the judged queries, each where the policy asks for it.

A study is a module of `harness.release.studied`: `wanted(manifest)`, `observe(loaded, built, candidate, baseline,
tell)` for live parts, and `recorded(loaded, tell)` where it can be had from a user's own files. Its record holds what
measures read and defects break.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any, TypeVar

from harness.errors import InputError
from harness.release.build import Built
from harness.release.manifest import Loaded
from harness.release.observed import Observed, Trial
from harness.release.studied import (
    answered,
    calibrated,
    confounded,
    counterfactual,
    covered,
    governed,
    harvested,
    paired,
    readied,
    repeated,
    routed,
    stressed,
    surrogate,
)

__all__ = ["STUDIES", "studied", "studied_files", "study"]

STUDIES: dict[str, ModuleType] = {"routed": routed, "paired": paired, "covered": covered, "calibrated": calibrated,
                                  "harvested": harvested, "confounded": confounded, "counterfactual": counterfactual,
                                  "surrogate": surrogate,
                                  "stressed": stressed, "answered": answered, "governed": governed,
                                  "readied": readied, "repeated": repeated}
Record = TypeVar("Record")
Tell = Callable[[str], None]


def studied(loaded: Loaded, built: Built, candidate: Observed, baseline: Observed | None, tell: Tell) -> dict[str, Any]:
    """What the candidate has, and every study that its policy asks for; each sees what those before it found."""
    found: dict[str, Any] = dict(candidate.studies)
    for name, module in STUDIES.items():
        if module.wanted(loaded.manifest) and hasattr(module, "observe"):  # the others are observed a floor above
            found[name] = module.observe(loaded, built, replace(candidate, studies=dict(found)), baseline, tell)
    return found


def studied_files(loaded: Loaded, tell: Tell) -> dict[str, Any]:
    """Every study that a recorded release's policy asks for. Raises InputError where it cannot be had from files."""
    found: dict[str, Any] = {}
    for name, module in STUDIES.items():
        if not module.wanted(loaded.manifest):
            continue
        if not hasattr(module, "recorded"):
            raise InputError("this study needs live parts", where=loaded.path, column="policy", expected="parts",
                             found=name)
        found[name] = module.recorded(loaded, tell)
    return found


def study(trial: Trial, name: str, kind: type[Record]) -> Record:
    """The candidate's record of a study. Raises InputError where it was not made: nothing measured is no pass."""
    found = trial.candidate.studies.get(name)
    if not isinstance(found, kind):
        raise InputError("the study was not made", where=trial.candidate.release, expected=kind.__name__, found=name)
    return found
