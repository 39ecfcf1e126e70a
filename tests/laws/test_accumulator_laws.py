"""Accumulators obey their laws: merging is associative and commutative, the empty state is its identity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.estimators.moments import ClusterMoments, Moments

NUMBERS = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), max_size=30)
ROWS = st.lists(st.tuples(st.floats(-1e3, 1e3, allow_subnormal=False), st.sampled_from("abcdef")), max_size=30)


def same(one: Moments, two: Moments) -> bool:
    """Equal but for rounding at the scale of the numbers summed."""
    scale = 1.0 + max(abs(one.mean), abs(two.mean)) + np.sqrt(max(one.m2, two.m2))
    return one.n == two.n and all(
        abs(a - b) <= 1e-9 * scale**power
        for a, b, power in zip((one.mean, one.m2, one.m3), (two.mean, two.m2, two.m3), (1, 2, 3), strict=True)
    )


def in_clusters(rows: list[tuple[float, str]]) -> ClusterMoments:
    return ClusterMoments.of([x for x, _ in rows], np.array([name for _, name in rows], dtype=str))


def same_clusters(one: ClusterMoments, two: ClusterMoments) -> bool:
    return (
        one.ids.tolist() == two.ids.tolist()
        and one.counts.tolist() == two.counts.tolist()
        and np.allclose(one.means, two.means, rtol=1e-9, atol=1e-9)
    )


@given(NUMBERS, NUMBERS, NUMBERS)
def test_moments_merge_is_associative(a, b, c):
    """(a + b) + c is a + (b + c)."""
    one, two, three = Moments.of(a), Moments.of(b), Moments.of(c)
    assert same(one.merge(two).merge(three), one.merge(two.merge(three)))


@given(NUMBERS, NUMBERS)
def test_moments_merge_is_commutative_to_the_bit(a, b):
    """A + b is b + a, exactly."""
    assert Moments.of(a).merge(Moments.of(b)) == Moments.of(b).merge(Moments.of(a))


@given(NUMBERS)
def test_the_empty_moments_change_nothing(a):
    """The empty state is the identity on both sides, exactly."""
    assert Moments.of(a).merge(Moments()) == Moments().merge(Moments.of(a)) == Moments.of(a)
    assert Moments.of([]) == Moments()


@given(NUMBERS, st.integers(0, 30))
def test_moments_of_a_batch_are_those_of_any_split(a, cut):
    """A batch in one piece or in two gives the same state."""
    assert same(Moments.of(a), Moments.of(a[:cut]).merge(Moments.of(a[cut:])))


@given(ROWS, ROWS, ROWS)
def test_cluster_merge_is_associative(a, b, c):
    """(a + b) + c is a + (b + c), cluster by cluster."""
    one, two, three = in_clusters(a), in_clusters(b), in_clusters(c)
    assert same_clusters(one.merge(two).merge(three), one.merge(two.merge(three)))


@given(ROWS, ROWS)
def test_cluster_merge_is_commutative_and_has_an_identity(a, b):
    """A + b is b + a; the empty state changes nothing."""
    one, two = in_clusters(a), in_clusters(b)
    assert same_clusters(one.merge(two), two.merge(one))
    assert same_clusters(one.merge(ClusterMoments()), one)
    assert same_clusters(ClusterMoments().merge(one), one)


@given(ROWS, st.integers(0, 30))
def test_clusters_of_a_batch_are_those_of_any_split(a, cut):
    """A cluster whose rows lie in two partitions is still one cluster."""
    assert same_clusters(in_clusters(a), in_clusters(a[:cut]).merge(in_clusters(a[cut:])))


@given(ROWS)
def test_a_cluster_state_grows_with_clusters_not_rows(a):
    """Six clusters stay six entries, however often their rows come."""
    state = in_clusters(a)
    for _ in range(5):
        state = state.merge(in_clusters(a))
    assert len(state.ids) <= 6
    assert state.n == 6 * len(a)


def test_a_merge_that_forgets_the_gap_is_caught():
    """The broken twin, which adds sums of squares without the gap between means, is not the whole batch."""
    one, two = Moments.of([0.0, 1.0]), Moments.of([10.0, 11.0])
    forgetful = Moments(4, (one.mean + two.mean) / 2, one.m2 + two.m2, one.m3 + two.m3)
    assert same(one.merge(two), Moments.of([0.0, 1.0, 10.0, 11.0]))
    assert not same(forgetful, Moments.of([0.0, 1.0, 10.0, 11.0]))


def test_moments_are_stable_at_a_billion_rows():
    """1e9 rows of 1e8 ± 1, merged by doubling, keep mean and variance where a sum of squares has lost both."""
    state = Moments.of([1e8 - 1.0, 1e8 + 1.0])
    for _ in range(29):
        state = state.merge(state)
    assert state.n == 2**30
    assert state.mean == 1e8
    assert state.m2 / state.n == pytest.approx(1.0, rel=1e-12)
    assert state.m3 / state.n == pytest.approx(0.0, abs=1e-9)
    squares = np.float64(state.n) * (1e16 + 1.0)
    assert squares / state.n - 1e16 != 1.0  # the textbook formula
