"""Sequences and e-processes against their literal definitions; silence, edges, and input that is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from harness.errors import InputError
from harness.estimators.sequential import bernstein_sequence, betting_sequence, betting_wealth
from harness.estimators.sequential_blocks import (
    arm_scores,
    block_length,
    block_means,
    block_sequence,
    bounded_arms_sequence,
    lag_correlation,
)
from harness.estimators.sequential_means import asymptotic_sequence, carriers_so_far, student_sequence
from harness.estimators.sequential_rates import arms_process, rate_process, rate_sequence, ratio_process

TAKERS = {
    "bernstein": bernstein_sequence,
    "betting": lambda x, **options: betting_sequence(x, grid=20, **options),
    "asymptotic": asymptotic_sequence,
    "student": student_sequence,
    "blocks": lambda x, **options: block_sequence(x, block=1, **options),
    "arms": lambda x, **options: bounded_arms_sequence(x, np.arange(np.size(x)) % 2, **options),
}


def slow_bernstein(x: list[float], alpha: float) -> tuple[float, float]:
    """Theorem 2, value by value."""
    mean, spread, seen, squares, bets, weighted, cost = 0.5, 0.25, 0.5, 0.25, 0.0, 0.0, 0.0
    for t, value in enumerate(x, start=1):
        bet = min(0.5, np.sqrt(2 * np.log(1 / alpha) / (spread * t * np.log(1 + t))))
        bets, weighted = bets + bet, weighted + bet * value
        cost += (value - mean) ** 2 * (-np.log(1 - bet) - bet)
        seen += value
        mean = seen / (t + 1)
        squares += (value - mean) ** 2
        spread = squares / (t + 1)
    reach = (np.log(1 / alpha) + cost) / bets
    return weighted / bets - reach, weighted / bets + reach


def test_bernstein_is_its_literal_definition(rng):
    """The closed columns equal the loop of the theorem."""
    x = rng.beta(2, 5, 300)
    found = bernstein_sequence(x)
    low, high = slow_bernstein(list(x), 0.05)
    assert found.low[-1] >= low - 1e-12
    assert found.low[-1] == pytest.approx(max(slow_bernstein(list(x[:n]), 0.05)[0] for n in range(1, 301)), abs=1e-12)
    assert found.high[-1] == pytest.approx(min(slow_bernstein(list(x[:n]), 0.05)[1] for n in range(1, 301)), abs=1e-12)
    assert high >= found.high[-1] - 1e-12


def test_betting_refuses_just_what_its_wealth_refuses(rng):
    """The ends lie within one grid step of where the gambler's wealth crosses 1 / alpha."""
    x = rng.beta(2, 5, 300)
    found = betting_sequence(x, grid=200)
    means = np.arange(1, 200) / 200
    out = [m for m in means if betting_wealth(x, m).alarm(0.05) is not None]
    assert found.low[-1] == max(out)
    assert found.high[-1] == min(m for m in means if betting_wealth(1 - x, 1 - m).alarm(0.05) is not None)


def test_asymptotic_sequence_is_the_published_formula(rng):
    """Mean -+ s sqrt(2 (n r2 + 1) / (n2 r2) ln(sqrt(n r2 + 1) / a)), narrowest at the n it is tuned for."""
    x = 1e8 + rng.normal(size=400)
    found, log = asymptotic_sequence(x, confidence=0.95, tuned_for=400), -2 * np.log(0.05)
    r2, n = (log + np.log(log + 1)) / 400, 400
    reach = x.std() * np.sqrt(2 * (n * r2 + 1) / (n**2 * r2) * np.log(np.sqrt(n * r2 + 1) / 0.05))
    assert found.at(-1).half_width == pytest.approx(reach, rel=1e-6)
    assert all(
        asymptotic_sequence(x, confidence=0.95, tuned_for=t).at(-1).half_width > 0.999 * reach for t in (50, 4000)
    )


def test_student_sequence_inverts_the_mixture(rng):
    """At its ends the integral of noncentral t likelihood ratios over effects is 1 / alpha."""
    x, alpha, n = rng.normal(1.0, 2.0, 12), 0.05, 12
    found, log = student_sequence(x, confidence=0.95), -2 * np.log(0.05)
    r = np.sqrt((log + np.log(log + 1)) / 30)
    t = np.sqrt(n) * (x.mean() - found.low[-1]) / x.std(ddof=1)
    mixed = integrate.quad(lambda d: stats.nct.pdf(t, n - 1, d * np.sqrt(n)) * stats.norm.pdf(d, scale=r), -4, 4)[0]
    assert mixed / stats.t.pdf(t, n - 1) == pytest.approx(1 / alpha, rel=1e-5)


def test_rate_process_is_the_mixture_it_says():
    """The e-value is the integral of likelihood ratios over the prior cut off at the limit."""
    k, n, limit = 9, 60, 0.08
    prior, mass = stats.beta(0.5, 0.5), stats.beta(0.5, 0.5).sf(limit)
    ratio = integrate.quad(
        lambda q: prior.pdf(q) / mass * stats.binom.pmf(k, n, q) / stats.binom.pmf(k, n, limit), limit, 0.9
    )[0]
    assert np.exp(rate_process([k], [n], limit).log_e[0]) == pytest.approx(ratio, rel=1e-6)


def test_ratio_process_averages_to_one_under_its_null():
    """Over all outcomes of 40 units, weighted by their chance, the mean e-value is 1; under another, over 2."""
    k = np.arange(41)
    e = np.exp([ratio_process([[one, 40 - one]], [0.3, 0.7]).log_e[0] for one in k])
    assert stats.binom.pmf(k, 40, 0.3) @ e == pytest.approx(1.0, rel=1e-9)
    assert stats.binom.pmf(k, 40, 0.5) @ e > 2.0
    assert arms_process([[3, 5]]).log_e == ratio_process([[3, 5]]).log_e


def test_no_unit_is_no_evidence():
    """Zero trials: e = 1, the interval (0, 1), no value."""
    found = rate_sequence([0], [0])
    assert (found.low[0], found.high[0]) == (0.0, 1.0)
    assert np.isnan(found.value[0])
    assert rate_process([0], [0], 0.1).log_e[0] == pytest.approx(0.0, abs=1e-12)
    assert ratio_process([[0, 0]]).log_e[0] == 0.0
    assert len(block_sequence([1.0], block=2).n) == 0


def test_sequences_are_silent_without_variation():
    """A constant, a single value, and two clicks promise nothing."""
    for x in (np.full(500, 0.1), np.full(500, 1e8 + 0.1)):
        assert np.isinf(asymptotic_sequence(x).low).all()
        assert np.isinf(student_sequence(x).high).all()
    clicks = np.zeros(5000)
    clicks[[50, 900]] = 1.0
    assert np.isinf(asymptotic_sequence(clicks).high).all()
    assert carriers_so_far(clicks)[-1] == pytest.approx(2.0, abs=0.01)


def test_the_past_does_not_move_when_more_arrives(rng):
    """An end at a look depends on no later value: the first 150 looks of 300 are those of 150."""
    x = rng.random(300)
    for name, taker in TAKERS.items():
        whole, part = taker(x), taker(x[:150])
        assert np.allclose(whole.low[:150], part.low, atol=1e-9), name
        assert np.allclose(whole.high[:150], part.high, atol=1e-9), name
    assert np.allclose(arm_scores(x, np.arange(300) % 2)[:150], arm_scores(x[:150], np.arange(150) % 2))


def test_blocks_and_baselines():
    """Leftover values wait, a shared offset cancels, memory lengthens blocks, and p never rises."""
    assert block_means([1.0, 3.0, 5.0], 2).tolist() == [2.0]
    x = np.tile([0.1, -0.2, 0.3], 40)
    one = block_sequence(x, block=2, baseline=x[:60])
    two = block_sequence(x + 5.0, block=2, baseline=x[:60] + 5.0)
    assert np.allclose(one.value, two.value)
    assert block_length(-0.5) == 1 < block_length(0.3) < block_length(0.9)
    assert np.isnan(lag_correlation([1.0, 1.0, 1.0]))
    assert (np.diff(rate_process(np.arange(20), np.arange(20) * 2, 0.2).p) <= 0.0).all()


@pytest.mark.parametrize("name", TAKERS)
def test_columns_are_read_in_double_and_left_alone(name):
    """Booleans and float32 give what float64 gives, and stay as they were."""
    for kind in (bool, np.float32, np.int8):
        x = np.tile([0, 1, 1], 40).astype(kind)
        kept = x.copy()
        assert np.array_equal(TAKERS[name](x).low, TAKERS[name](x.astype(np.float64)).low)
        assert (x == kept).all()


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("bad", [[], [0.1, np.nan], [0.1, np.inf], ["a"], [[0.1]], [None]], ids=repr)
def test_what_is_no_column_is_refused(name, bad):
    """Empty, NaN, infinite, text, matrices and objects end in one line."""
    with pytest.raises(InputError, match="expected"):
        TAKERS[name](bad)
    with pytest.raises(InputError, match="confidence"):
        TAKERS[name]([0.1, 0.2], confidence=1.0)


@pytest.mark.parametrize("call", [
    lambda: bernstein_sequence([1.2]), lambda: betting_sequence([0.1], grid=1), lambda: betting_wealth([0.1], 1.0),
    lambda: betting_wealth([0.1], 0.5, alpha=0.0), lambda: bernstein_sequence([0.1], support=None),
    lambda: asymptotic_sequence([0.1], start=1), lambda: asymptotic_sequence([0.1], carriers=-1),
    lambda: asymptotic_sequence([0.1], tuned_for=0), lambda: asymptotic_sequence([0.1]).excludes(np.nan),
    lambda: rate_process([2], [1], 0.1), lambda: rate_process([2, 1], [5, 6], 0.1),
    lambda: rate_process([1], [2, 3], 0.1),
    lambda: rate_process([0.5], [1], 0.1), lambda: rate_process([1], [2], 1.0),
    lambda: rate_process([1], [2], 0.1, prior=(0, 1)), lambda: rate_process([1], [2], 0.1).alarm(0),
    lambda: ratio_process([1, 2]), lambda: ratio_process([[1, 2], [1, 1]]), lambda: ratio_process([[1, 2]], [0.5, 0.6]),
    lambda: ratio_process([[1, 2]], [1.0]), lambda: ratio_process([[1, 2], [3]]),
    lambda: ratio_process([[1, 2]], concentration=0.0), lambda: arm_scores([1.0], [0.5]),
    lambda: arm_scores([1.0], [1, 0]),
    lambda: arm_scores([1.0], [1], share_treated=1.0), lambda: block_means([1.0], 0), lambda: block_length(1.0),
    lambda: block_length(np.nan), lambda: block_sequence([1.0, 2.0], block=1, baseline=[1.0]),
    lambda: bounded_arms_sequence([2.0], [1]), lambda: bounded_arms_sequence([0.2], [1], support=None),
])  # fmt: skip
def test_bad_input_is_refused(call):
    """Each range, length and kind of input that makes no sense ends in one line that says what was expected."""
    with pytest.raises(InputError, match="expected"):
        call()
