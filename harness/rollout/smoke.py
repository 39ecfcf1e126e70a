"""Smoke gates: whether a release, as it lies in the store, is whole, answers, and is where its figures were recorded.

They read the frozen copy alone, as whoever serves it does. A figure that cannot be measured here is told as such by
`remeasured`: differences need a baseline, latencies a quiet machine, and the live guards watch both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.data.corpus import World
from harness.errors import EvidenceError, InputError
from harness.release.banking import signed_evidence
from harness.release.build import Built, needed_parts
from harness.release.judge import Finding
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures import family_of, read
from harness.release.observed import Trial
from harness.release.observing import observe_release
from harness.release.policy import Check
from harness.release.recheck import recheck
from harness.rollout.frozen import bundle_in
from harness.rollout.going_back import Back, Checked, check_rollback
from harness.rollout.released import files_of
from harness.rollout.shapes import Admitted
from harness.rollout.store import Store
from harness.rollout.wholeness import hashed

__all__ = ["frozen_parts", "live_of", "remeasured", "smoke_of"]

_BESIDE = ("delta ", "Jaccard@")
Tell = Callable[[str], None]


def smoke_of(store: Store, *, tell: Tell = lambda _: None) -> Callable[[Admitted], Sequence[Checked]]:
    """The smoke gates of releases in a store: their files, their answers, their figures; the first failure ends it."""
    def smoke(release: Admitted) -> Sequence[Checked]:
        tell(f"hashing {release.release}")
        with store.reading() as connection:
            files = files_of(connection, release.digest) or {}
        if not hashed(store.home, release.digest, files):
            return [Checked("files", False, "not what was admitted (signoff backup restore mends it)")]
        found = [Checked("files", True, f"{len(files)} files as they were admitted")]
        loaded = load_manifest(release.manifest)
        if loaded.manifest.recorded is not None:
            return [*found, Checked("answers", True, "recorded files: the release answers elsewhere")]
        return [*found, *_answering(release, loaded, tell)]

    return smoke


def frozen_parts(release: Admitted, loaded: Loaded) -> Built:
    """World and folders of an admitted release's frozen parts. Raises InputError where the world cannot be read."""
    folders = {name: release.artifacts / name for name in needed_parts(loaded.manifest)}
    return Built(World.load(release.artifacts / "world"), folders)


def live_of(release: Admitted) -> tuple[Loaded, LiveRelease]:
    """An admitted release, loaded from its frozen parts and ready to answer."""
    loaded = load_manifest(release.manifest)
    if loaded.manifest.parts is None:
        raise InputError("recorded files answer nothing", where=release.release, expected="live parts")
    built = frozen_parts(release, loaded)
    return loaded, LiveRelease.load(loaded.manifest, built.world, built.folders)


def remeasured(release: Admitted, loaded: Loaded, live: LiveRelease, *, tell: Tell = lambda _: None
               ) -> tuple[Back, ...]:
    """Every recorded figure of ranking quality, measured again on the frozen parts and held to what was signed.

    Differences from a baseline are left out: the baseline's parts are not in a release.
    """
    recorded = _recorded(release, loaded)
    if not recorded:
        return ()
    observed = observe_release(live, loaded, frozen_parts(release, loaded), tell=tell, measured=False)
    trial = Trial(observed, None, loaded.manifest.seed)
    return check_rollback(recorded, {one.check.id: read(trial, one.check).estimate.value for one in recorded})


def _answering(release: Admitted, loaded: Loaded, tell: Tell) -> list[Checked]:
    tell(f"loading {release.release}")
    _, live = live_of(release)
    texts = [task for task in live.world.tasks.values() if task.contexts is None]
    answers = [live.search(task.texts[0]) for task in texts]
    empty = [task.name for task, answer in zip(texts, answers, strict=True) if not len(answer.codes)]
    found = [Checked("answers", bool(answers) and not empty, f"no hits on {', '.join(empty)}" if empty
                     else f"{len(answers)} queries answered")]
    figures = remeasured(release, loaded, live, tell=tell)
    return [*found, *(Checked(one.gate, one.back, _told(one)) for one in figures)]


def _recorded(release: Admitted, loaded: Loaded) -> list[Finding]:
    """Findings of the signed evidence whose figure the frozen parts alone can give again."""
    where = bundle_in(release)
    try:
        evidence = signed_evidence(where.read_bytes(), where=where)
    except OSError as error:
        raise EvidenceError("cannot be read", where=where, expected="the bundle that was admitted",
                            found=error.strerror or str(error)) from None
    subjects = {loaded.path.name: loaded.sha256, **evidence.header["artifacts"]}
    return [one for one in recheck(evidence, loaded=loaded, subjects=subjects, where=where) if _repeats(one.check)]


def _repeats(check: Check) -> bool:
    return check.own_gate is None and family_of(check.measure) == "quality" and not check.measure.startswith(_BESIDE)


def _told(one: Back) -> str:
    if one.now is None:
        return f"{one.measure}: not measured"
    recorded = "no number" if one.recorded is None else f"{one.recorded:.6g}"
    return f"{one.measure} {one.now:.6g}, recorded {recorded}"
