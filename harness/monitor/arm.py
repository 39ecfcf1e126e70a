"""One admitted release, loaded from its frozen folder and ready to answer; and whether that folder is whole here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from harness.errors import EvidenceError
from harness.metrics.spec import MetricSpec
from harness.monitor.judged import Judged, judged_of, scored
from harness.monitor.questions import Questions, questions_in
from harness.release.contract import guards_of
from harness.release.live import Answer
from harness.rollout.caches import REPLIES
from harness.rollout.frozen import folder_of
from harness.rollout.released import files_of
from harness.rollout.shapes import Admitted
from harness.rollout.smoke import live_of
from harness.rollout.store import Store
from harness.rollout.wholeness import damage, hashed

__all__ = ["Arm", "Searcher", "damage_here", "load_arm"]


class Searcher(Protocol):
    """What answers one query, as `LiveRelease` does."""

    def search(self, text: str, *, own: int = -1, module: str | None = None) -> Answer:
        """Hits of one query, each stage timed."""
        ...


@dataclass(frozen=True, eq=False)
class Arm:
    """A loaded release.

    Attributes:
        digest: Of its bundle.
        release: Its name.
        live: What answers.
        ids: Document ids, by code.
        judged: The queries that it was judged on, by text: what shadow replay knows.
        dense: Whether its first score is a cosine.
        indexed: Whether it has an index of its own, of vectors or words.
        slices: Names of slices that its policy knows: no other name is counted apart.
        measures: Measures of its policy that one judged query has a value of.
        questions: Judged questions and what answers them; None for a release that only finds.
    """

    digest: str
    release: str
    live: Searcher
    ids: Sequence[str]
    judged: Mapping[str, Judged] = field(default_factory=dict)
    dense: bool = False
    indexed: bool = False
    slices: frozenset[str] = frozenset()
    measures: Mapping[str, MetricSpec] = field(default_factory=dict)
    questions: Questions | None = None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.ids)}

    def place_of(self, name: str) -> int:
        """The code of a document; -1 where the release does not have it."""
        return self._places.get(name, -1)


def load_arm(store: Store, release: Admitted) -> Arm:
    """Load a release from the store's own copy, once its bytes are those that were admitted. Raises EvidenceError."""
    with store.reading() as connection:
        files = files_of(connection, release.digest)
    if not (folder := folder_of(store.home, release.digest)).is_dir():
        raise EvidenceError("its files are not on this host", where=release.release, found=folder,
                            expected="SIGNOFF_HOME, a folder that all hosts see (signoff backup restore fills it)")
    if not hashed(store.home, release.digest, files or {}):
        raise EvidenceError("changed since it was admitted", where=release.release,
                            expected="the files of then (signoff backup restore brings them back)")
    loaded, live = live_of(release)
    checks = loaded.manifest.checks
    tasks = {check.task for check in checks if check.task is not None and check.id in guards_of(loaded.manifest.policy)}
    return Arm(release.digest, release.release, live, live.world.corpus.ids, judged_of(live.world, tasks),
               live.first.part.impl == "dense", live.first.index is not None or live.first.lexical is not None,
               frozenset(check.slice for check in checks), scored(check.measure for check in checks),
               questions_in(loaded, live, release.artifacts, replies=store.home / REPLIES))


def damage_here(store: Store, digest: str) -> str:
    """What of a release's files on this host is not as it was admitted, at a glance; empty where all of it is."""
    with store.reading() as connection:
        files = files_of(connection, digest)
    return damage(store.home, digest, files or {})
