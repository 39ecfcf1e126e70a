"""The lower-bound gate keeps its promise: of releases exactly at the limit it signs at most alpha; a point gate half.

Releases are simulated as per-query differences of nDCG@10 look: most queries tie, some move by a few fixed steps, and
three in a hundred lose .6. Each is judged whole: interval, resampled cross-check, least n, planted defect, `judge`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binom

from harness.release.judge import Control, Verdict, judge
from harness.release.measures.quality import reading_of
from harness.release.policy import Check, Limit

ALPHA = 0.05
LOSS, LOSERS = -0.6, 0.03
LIMIT = LOSS * LOSERS  # the mean of every world below, so that the release is exactly at it
STEPS = np.array([-0.3691, -0.1309, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1309, 0.3691])  # of mean 0: six of ten tie
REFUSED = Control("planted", 1.0, -0.5, -0.6, -0.4, 200)


class World(NamedTuple):
    """Queries, in clusters of unequal size that share their luck, or one by one."""

    queries: int
    clusters: int | None = None

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
        """Differences of one release, mean LIMIT in the long run, and their clusters."""
        if self.clusters is None:
            code, losers = None, np.full(self.queries, LOSERS)
        else:
            sizes = rng.multinomial(self.queries, rng.dirichlet(np.full(self.clusters, 4.0)))
            code = np.repeat(np.arange(self.clusters), sizes)
            losers = rng.beta(0.6, 0.6 / LOSERS - 0.6, self.clusters)[code]  # some modules lose far more than others
        return np.where(rng.random(self.queries) < losers, LOSS, rng.choice(STEPS, self.queries)), code


WORLDS = {"200 queries": World(200), "600 queries": World(600), "1,000 queries, 100 clusters": World(1000, 100)}


def signed(world: World, rng: np.random.Generator, *, by: str, releases: int, better: float = 0.0) -> int:
    """Releases of a world that a gate passes, shifted by `better` from the limit."""
    check = Check("delta", "delta nDCG@10", None, "all", Limit("at_least", LIMIT, by))
    passed = 0
    for _ in range(releases):
        x, code = world.draw(rng)
        reading = reading_of({check.measure: x + better}, code, check, seed=int(rng.integers(2**31)))
        passed += judge(check, replace(reading, control=REFUSED)).verdict is Verdict.PASS
    return passed


def most(releases: int) -> int:
    """Releases that a gate which signs alpha of them exceeds once in a million runs."""
    return int(binom.isf(1e-6, releases, ALPHA))


def held(world: World, rng: np.random.Generator, releases: int) -> None:
    """The bound signs no more than alpha; the value, on the same kind of release, signs about one in two."""
    by_bound = signed(world, rng, by="lcb", releases=releases)
    by_value = signed(world, rng, by="value", releases=releases)
    assert 0 < by_bound <= most(releases), by_bound / releases
    assert by_value > most(releases)
    assert 0.4 < by_value / releases < 0.6


@pytest.mark.parametrize("name", WORLDS)
def test_a_release_at_the_limit_is_signed_at_most_alpha_of_the_time(name, rng):
    """300 releases exactly at the limit: the lower bound signs few, the point estimate every other one."""
    held(WORLDS[name], rng, 300)


@pytest.mark.worlds
@pytest.mark.parametrize("name", WORLDS)
def test_a_release_at_the_limit_is_signed_at_most_alpha_of_the_time_at_full_length(name, rng):
    """2,500 releases exactly at the limit, and the same."""
    held(WORLDS[name], rng, 2500)


def test_the_gate_is_no_wall(rng):
    """A release ten points above the limit is signed nearly always: few are lost to the bound or its cross-check."""
    assert signed(WORLDS["600 queries"], rng, by="lcb", releases=100, better=0.1) >= 95


def test_a_bound_that_forgets_the_clusters_is_caught(rng):
    """Judged as if queries were independent, releases at the limit are signed more often than alpha allows."""
    world = World(1000, 25)
    check = Check("delta", "delta nDCG@10", None, "all", Limit("at_least", LIMIT, "lcb"))
    passed = 0
    for _ in range(200):
        x, code = world.draw(rng)
        x = x + rng.choice([-0.1, 0.1], 25)[code]  # what a whole module gains or loses
        passed += reading_of({check.measure: x}, None, check, seed=1).estimate.low >= LIMIT
    assert passed > most(200)
