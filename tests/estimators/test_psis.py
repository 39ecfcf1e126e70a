"""Weights are judged by three numbers: each can refuse, none can excuse another, and κ says when it is undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.overlap import check_state, check_weights
from harness.estimators.psis import gpd_shape, kappa_limit, pareto_tail, tail_of, tail_rows
from harness.estimators.weights import TopWeights


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9, 1.06])
def test_kappa_recovers_known_shapes(rng, shape):
    """On 100,000 Pareto weights κ lies within .1 of the shape that made them: also above 1, with its sign."""
    assert pareto_tail(rng.pareto(1.0 / shape, 100_000) + 1.0).kappa == pytest.approx(shape, abs=0.1)


@pytest.mark.parametrize("shape", [0.3, 0.9])
@pytest.mark.parametrize("n", [500, 20_000])
def test_kappa_is_arvizs(rng, shape, n):
    """κ agrees with ArviZ's Pareto smoothing to 1e-6."""
    arviz = pytest.importorskip("arviz", reason="ArviZ is the oracle of κ")
    weights = rng.pareto(1.0 / shape, n) + 0.1
    kappa = float(np.asarray(arviz.psislw(np.log(weights))[1]))
    assert pareto_tail(weights).kappa == pytest.approx(kappa, abs=1e-6)


def test_scale_and_order_do_not_matter(rng):
    """κ of weights in another unit, in another order, or merged from parts is the same number."""
    weights = rng.pareto(1.4, 5000)
    kappa = pareto_tail(weights).kappa
    assert pareto_tail(weights[::-1] * 1e-6).kappa == pytest.approx(kappa, rel=1e-9)
    parts = TopWeights.of(weights[:800], keep=500).merge(TopWeights.of(weights[800:], keep=500))
    assert tail_of(parts).kappa == kappa


def test_a_state_too_small_for_the_tail_says_how_many_it_used(rng):
    """A state that keeps fewer than the tail fits those it keeps, and `rows` says so."""
    weights = rng.pareto(1.4, 5000)
    found = tail_of(TopWeights.of(weights, keep=100))
    assert found.rows == 99 < tail_rows(5000)
    assert found.kappa == pytest.approx(pareto_tail(weights).kappa, abs=0.25)


def test_logarithms_are_refused_never_negated(rng):
    """The trap: log weights, or negated ones, would give a light tail; a negative weight is an error."""
    with pytest.raises(InputError, match="weights: index 0 is out of bounds"):
        pareto_tail(-rng.pareto(1.0, 100))


@pytest.mark.parametrize(
    ("weights", "why"),
    [([0.0] * 50, "no weight"), ([0.5, 2.0] * 500, "tied"), ([1.0] * 300, "tied"), ([1.0, 2.0, 3.0], "too few rows")],
)
def test_kappa_says_why_it_is_undefined(weights, why):
    """Tied weights, no weights and too few rows have no κ: NaN with its reason."""
    found = pareto_tail(weights)
    assert math.isnan(found.kappa)
    assert found.why == why


def test_a_known_bound_replaces_kappa(rng):
    """Weights that cannot exceed 34 are judged by 34, which one row could hold; under the largest, it is refused."""
    weights = rng.uniform(0.5, 1.5, 300)
    assert pareto_tail(weights, bound=34.0).why == "bounded"
    assert check_weights(weights, bound=34.0).refusals == (
        f"one row could hold {34.0 / weights.sum():.1%} of the weight, more than 0.05",
    )
    assert check_weights(weights, bound=2.0).refusals == ()
    with pytest.raises(InputError, match="bound: under the largest weight"):
        pareto_tail(weights, bound=1.0)


def test_every_other_row_twice_is_no_way_around_kappa(rng):
    """A heavy-tailed log whose rows were duplicated is still judged by κ, not excused as tied."""
    assert check_weights(np.repeat(rng.pareto(1.0, 5000), 2)).tail.kappa > 0.7


def _only(words, weights, **options):
    found = check_weights(weights, **options)
    assert len(found.refusals) == 1, found
    assert words in found.refusals[0]


def test_each_of_the_three_refuses_alone(rng):
    """Logs that pass two of the three and fail one: the small ESS, the one large row, the heavy tail."""
    spread = np.concatenate([np.full(9000, 0.02), rng.uniform(5.0, 9.0, 1000)])
    _only("is under the floor", spread, floor=0.2)
    one_row = np.concatenate([rng.uniform(0.9, 1.1, 300), [30.0]])
    _only("of the weight", one_row, floor=0.1)
    heavy = np.sort(rng.pareto(1.0 / 0.85, 100_000) + 1.0)[:99_950]
    heavy = np.concatenate([heavy, [heavy[-1]] * 0, rng.pareto(1.0 / 0.85, 50) * 20 + heavy[-1]])
    _only("κ", heavy, floor=0.0)


def test_sound_weights_pass_and_doubts_are_not_refusals(rng):
    """Light weights of mean 1 have neither; of mean .7 a doubt that names overlap; ten rows cannot be judged."""
    good = rng.gamma(4.0, 0.25, 5000)
    assert check_weights(good).refusals == check_weights(good).doubts == ()
    low = check_weights(0.7 * good)
    assert low.refusals == ()
    assert "excludes 1: propensities too large, or actions never logged" in low.doubts[0]
    assert low.unlogged_share.low < 0.3 < low.unlogged_share.high
    assert "too small" in check_weights(1.3 * good).doubts[0]
    assert "10 rows are too few" in check_weights(np.linspace(0.9, 1.1, 10), most_share=0.5).doubts[0]


def test_a_log_without_overlap_or_rows_is_refused():
    """All weights 0, and no weights: a refusal each, with NaN and not 0 for what has no value."""
    empty = check_weights(np.zeros(100))
    assert empty.refusals[0].startswith("no overlap")
    assert math.isnan(empty.ess_share)
    assert math.isnan(empty.largest_share)
    assert check_state(TopWeights()).refusals == ("no rows",)


def test_limits_are_those_of_the_paper():
    """min(1 - 1 / log10 n, .7), and M = min(n / 5, 3 √n)."""
    assert [round(kappa_limit(n), 3) for n in (100, 1000, 10_000)] == [0.5, 0.667, 0.7]
    assert kappa_limit(1) == -math.inf
    assert [tail_rows(n) for n in (25, 225, 1_000_000)] == [5, 45, 3000]


@pytest.mark.parametrize("bad", [[1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, math.nan, 2.0, 3.0, 4.0]])
def test_excesses_that_are_none_are_refused(bad):
    """Fewer than five, a 0, a NaN: an error that names the parameter."""
    with pytest.raises(InputError, match="excess"):
        gpd_shape(bad)
