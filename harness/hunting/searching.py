"""One search: hypothesis climbs towards the mutation that loses most, and shrinks it to the smallest that does.

A search goes twice over the same examples: the first time `hypothesis.target()` climbs towards the largest loss, the
second time an example that loses as much ends it, and is shrunk to the fewest and smallest steps, on the earliest
query, that still do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import Flaky

from harness.errors import SignoffError
from harness.hunting.mutations import Mutated, Step, mutations
from harness.hunting.regressions import THRESHOLD
from harness.hunting.replaying import Bench
from harness.hunting.synonyms import NOTHING, Lexicon
from harness.records import Floats
from harness.release.observed import Bools

__all__ = ["ANY", "PROFILES", "SAME", "Against", "Arena", "Find", "Profile", "Search", "Seen"]

ANY = "any"  # up to three steps of any kind, beside the searches of one kind each
Against = Literal["plain", "baseline"]
_PHASES = (Phase.reuse, Phase.generate, Phase.target, Phase.shrink)  # no explaining: it would only be thrown away
SAME = 1e-9  # losses nearer than this are one


class Profile(NamedTuple):
    """How hard to look: examples a search, and whether it is the same every time (no database then)."""

    name: Literal["ci", "hunt"]
    examples: int
    derandomised: bool


PROFILES: dict[str, Profile] = {"ci": Profile("ci", 60, True), "hunt": Profile("hunt", 250, False)}


@dataclass(frozen=True, eq=False)
class Arena:
    """Candidate and baseline over one task.

    Attributes:
        candidate: The release on trial.
        baseline: What it must not fall behind, or None.
        plain: (n_queries,) nDCG@10 of the candidate on the plain queries of the task.
        other: (n_queries,) the same of the baseline, or None.
        chosen: (n_queries,) the queries to hunt in: a slice, or all.
        threshold: nDCG@10 that a find loses at least.
        lexicon: What the corpus lends to mutations.
    """

    candidate: Bench
    baseline: Bench | None
    plain: Floats
    other: Floats | None
    chosen: Bools
    threshold: float = THRESHOLD
    lexicon: Lexicon = NOTHING

    @property
    def sides(self) -> tuple[Against, ...]:
        """What a loss can be measured beside, as far as some query has something to lose there."""
        sides: tuple[Against, ...] = ("plain", "baseline")
        return tuple(side for side in sides if len(self.rows(side)))

    def rows(self, against: Against) -> tuple[int, ...]:
        """Queries on which a mutation can lose the threshold. One that the plain query loses already is none of them:
        beside the baseline, that loss is not the mutation's.
        """
        may = self.chosen & (self.plain >= self.threshold)
        if against == "baseline":
            if self.baseline is None or self.other is None:
                return ()
            may = self.chosen & (self.other >= self.threshold) & (self.other - self.plain < self.threshold - SAME)
        return tuple(np.flatnonzero(may).tolist())

    def reference(self, text: str, row: int, against: Against) -> float:
        """nDCG@10 that the candidate's answer to `text` is held beside."""
        if against == "plain":
            return self.candidate.score(self.candidate.task.texts[row], row)
        assert self.baseline is not None
        return self.baseline.score(text, row)


class Seen(NamedTuple):
    """One example: a mutated query, what it is held beside, and what the candidate scored."""

    row: int
    steps: tuple[Step, ...]
    text: str
    reference: float
    score: float

    @property
    def loss(self) -> float:
        """nDCG@10 lost: negative where the candidate gained."""
        return self.reference - self.score


class Find(NamedTuple):
    """The worst example of a search, shrunk; `seed` and `examples` say how it was found."""

    operator: str
    against: Against
    seen: Seen
    seed: int
    examples: int


@dataclass
class Search:
    """One kind of mutation on one side, over as many rounds as there is time for."""

    arena: Arena
    operator: str
    against: Against
    profile: Profile
    folder: Path | None
    find: Find | None = None
    losses: list[float] = field(default_factory=list)
    kept: dict[int, list[Seen]] = field(default_factory=dict)
    raised: SignoffError | None = None

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Rows of the queries that are mutated."""
        return self.arena.rows(self.against)

    @property
    def largest(self) -> float:
        """The largest loss so far."""
        return max(self.losses, default=0.0)

    def look(self, seed: int) -> None:
        """Climb; then, where that found more than any round before, go again and shrink."""
        before = self.find.seen.loss if self.find is not None else -1.0
        tried = self._go(seed, bar=float("inf"))
        self.losses += [one.loss for one in tried]
        self._keep(tried)
        worst = max(tried, key=lambda one: one.loss)
        if worst.loss < self.arena.threshold - SAME or worst.loss <= before + SAME:
            return
        shrunk = self._go(seed, bar=worst.loss - SAME)[-1]
        if shrunk.loss >= worst.loss - SAME:  # else the examples did not come back: the worst itself then
            worst = shrunk
        self.find = Find(self.operator, self.against, worst, seed, len(self.losses))

    def _go(self, number: int, *, bar: float) -> list[Seen]:
        """Every example of one search; it ends where one loses `bar`, and the last is what that shrank to."""
        tried: list[Seen] = []

        @settings(self._settings)  # outside the seed, which would switch the database off
        @seed(number)
        @given(self._strategy)
        def search(one: Mutated) -> None:
            if self.raised is not None:  # the release went away: no example after that means anything
                raise _Found
            tried.append(self._seen(one))
            target(tried[-1].loss, label="loss")
            if tried[-1].loss >= bar:
                raise _Found

        with contextlib.suppress(_Found, Flaky):
            search()
        if self.raised is not None:
            raise self.raised
        return tried

    def _seen(self, one: Mutated) -> Seen:
        row = self.rows[one.query]
        try:
            steps = tuple(step for step in one.steps if step.severity)  # one of no edits does nothing
            return Seen(row, steps, one.text, self.arena.reference(one.text, row, self.against),
                        self.arena.candidate.score(one.text, row))
        except SignoffError as error:
            self.raised = error
            raise _Found from None

    @property
    def _strategy(self) -> st.SearchStrategy[Mutated]:
        texts = [self.arena.candidate.task.texts[row] for row in self.rows]
        if self.operator == ANY:
            return mutations(texts, lexicon=self.arena.lexicon)
        return mutations(texts, lexicon=self.arena.lexicon, operators=(self.operator,), most_steps=1)

    @property
    def _settings(self) -> settings:
        base = None
        if self.folder is not None and not self.profile.derandomised:
            base = DirectoryBasedExampleDatabase(self.folder / f"{self.operator}-{self.against}")
        return settings(max_examples=self.profile.examples, derandomize=self.profile.derandomised, database=base,
                        deadline=None, phases=_PHASES, suppress_health_check=list(HealthCheck))

    def _keep(self, tried: Iterable[Seen]) -> None:
        """Of each query the largest loss and the largest gain: what a gallery shows."""
        for one in tried:
            ends = sorted([*self.kept.get(one.row, []), one], key=lambda seen: seen.loss)
            self.kept[one.row] = ends if len(ends) < 3 else [ends[0], ends[-1]]


class _Found(Exception):  # noqa: N818  it reports a find, not an error
    """An example that loses as much as was looked for."""


