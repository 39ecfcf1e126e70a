"""The trial of a sustainment cycle: candidate and baseline built from today's data and asked, away from what serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.cli.live import tell
from harness.data.store import unlisted
from harness.hunting.stressing import with_stress
from harness.release.build import Built, build
from harness.release.cache import PartCache
from harness.release.derived import measured_files
from harness.release.freeze import freeze
from harness.release.manifest import Loaded
from harness.release.observed import Trial
from harness.release.observing import CACHE, baseline_of, observe_live
from harness.release.recording import recorded_trial
from harness.release.studies import studied, studied_files

__all__ = ["built_today", "digests_in", "trial_of"]


def built_today(loaded: Loaded) -> Built:
    """A live release's parts, made of today's data where the cache does not hold them."""
    return build(loaded, PartCache(CACHE, lambda name: tell(f"building {loaded.manifest.release}: {name}")))


def trial_of(candidate: Loaded, source: Loaded, folder: Path) -> Trial:
    """`candidate`, which stands where `source` does, beside its baseline, with the studies that its policy asks for.

    Live parts are frozen below `folder` and loaded back from there; recorded files are read.
    """
    if candidate.manifest.recorded is not None:
        trial = recorded_trial(candidate)
        return replace(trial, candidate=replace(trial.candidate, studies=studied_files(candidate, tell)))
    built = _frozen(candidate, built_today(candidate), folder)
    found, other = observe_live(candidate, built, tell=tell), None
    if candidate.manifest.baseline is not None:
        baseline = baseline_of(source)
        other = observe_live(baseline, _frozen(baseline, built_today(baseline), folder), tell=tell,
                             tasks=_compared(candidate), measured=False)
    trial = Trial(replace(found, studies=studied(candidate, built, found, other, tell)), other,
                  candidate.manifest.seed)
    return with_stress(candidate, trial, tell=tell)


def digests_in(folder: Path) -> dict[str, str]:
    """Name → sha256 of a release's artifacts; nothing where no folder is."""
    return measured_files(folder) if folder.is_dir() else {}


def _compared(loaded: Loaded) -> Sequence[str]:
    return sorted({check.task for check in loaded.manifest.checks
                   if check.task is not None and check.measure.startswith("delta ")})


def _frozen(loaded: Loaded, built: Built, root: Path) -> Built:
    folder = freeze(loaded, built, root=unlisted(root))
    return Built(built.world, {name: folder / name for name in built.folders})
