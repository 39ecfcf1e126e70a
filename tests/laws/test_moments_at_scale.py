"""Moments keep their digits at a billion rows of magnitude 1e8 give or take one: repeated states merged, not rows."""

from __future__ import annotations

import numpy as np
import pytest

from harness.estimators.moments import Moments

ROWS = 1_000_000
TIMES = 1000


def doubled(part: Moments, times: int) -> Moments:
    """`times` copies merged by doubling."""
    whole = Moments()
    while times:
        whole = whole.merge(part) if times % 2 else whole
        part, times = part.merge(part), times // 2
    return whole


def in_turn(part: Moments, times: int) -> Moments:
    """`times` copies merged one after another, as a stream does."""
    whole = Moments()
    for _ in range(times):
        whole = whole.merge(part)
    return whole


@pytest.fixture(scope="module")
def side() -> np.ndarray:
    return np.random.default_rng(8).choice([-1.0, 1.0, 1.0], ROWS)


@pytest.mark.parametrize("joined", [doubled, in_turn])
def test_a_billion_rows_of_1e8_plus_or_minus_1_keep_mean_variance_and_skew(side, joined):
    """The merged state is the exact one: mean to 1e-7 of its unit, second and third moments to 1e-6 of theirs."""
    found = joined(Moments.of(1e8 + side), TIMES)
    share = float((side > 0).mean())
    assert found.n == ROWS * TIMES
    assert found.mean == pytest.approx(1e8 + 2.0 * share - 1.0, abs=1e-7)
    assert found.m2 / found.n == pytest.approx(4.0 * share * (1.0 - share), rel=1e-6)
    assert found.m3 / found.n == pytest.approx(8.0 * share * (1.0 - share) * (1.0 - 2.0 * share), rel=1e-6)


def test_different_parts_of_a_billion_rows_are_joined_exactly(side):
    """A thousand parts whose means differ: between them lies a variance that the merge must add."""
    parts = [Moments.of(1e8 + side[:1000] + shift) for shift in (-1.0, 1.0)]
    found = doubled(parts[0].merge(parts[1]), 500_000)
    share = float((side[:1000] > 0).mean())
    assert found.n == 10**9
    assert found.mean == pytest.approx(1e8 + 2.0 * share - 1.0, abs=1e-7)
    assert found.m2 / found.n == pytest.approx(4.0 * share * (1.0 - share) + 1.0, rel=1e-6)


def test_sums_of_squares_lose_everything(side):
    """The twin that keeps sum and sum of squares is wrong by more than the variance itself: the test has teeth."""
    x = 1e8 + side
    n, total, squares = TIMES * ROWS, TIMES * float(x.sum()), TIMES * float((x * x).sum())
    share = float((side > 0).mean())
    assert abs((squares - total * total / n) / n - 4.0 * share * (1.0 - share)) > 0.5
