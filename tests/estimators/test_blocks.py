"""Sums of blocks against exact arithmetic, where plain sums of powers lose every digit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators import _blocks
from harness.estimators._blocks import cross_sums, product_sums
from harness.estimators._check import numbers
from harness.estimators.weights import largest_of


def exact(column, mass):
    """Mass, mean, and squared and cubed deviations under a mass, in rational arithmetic."""
    x, w = [Fraction(float(one)) for one in column], [Fraction(float(one)) for one in mass]
    total = sum(w)
    mean = sum(a * b for a, b in zip(x, w, strict=True)) / total
    return [float(one) for one in (total, mean, *(sum(b * (a - mean) ** k for a, b in zip(x, w, strict=True))
                                                  for k in (2, 3)))]  # fmt: skip


WORLDS = {
    "clicks": lambda rng: ((rng.random(700) < 0.1) * 1.0, rng.gamma(0.4, 2.5, 700)),
    "far from 0": lambda rng: (1e8 + rng.normal(size=700), rng.gamma(4.0, 0.25, 700)),
    "far from 0, weights of 1": lambda rng: (1e8 + rng.normal(size=700), np.ones(700)),
    "a drift": lambda rng: (np.linspace(0.0, 1e6, 700) ** 2, rng.uniform(0.5, 1.5, 700)),
    "weight on few": lambda rng: (rng.normal(size=700), (rng.random(700) < 0.02) * 3.0 + (np.arange(700) == 5)),
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 100 rows, so that 700 rows are pooled from several."""
    monkeypatch.setattr(_blocks, "BLOCK", 100)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.usefixtures("small_blocks")
def test_moments_are_exact_to_twelve_digits(world, rng):
    """Rewards, rewards under each power of the weight, and products have the moments of rational arithmetic."""
    x, w = WORLDS[world](rng)
    sums = cross_sums(x, w)
    for power in range(4):
        assert close(sums.pooled(power), exact(x, w**power))
    assert close(product_sums(x, w, sums).pooled(0), exact(x * w, np.ones(700)))


def close(found, wanted):
    """Whether mass, mean and second moment have 12 digits, and the third as many beside the skewness' unit."""
    unit = wanted[2] ** 1.5 / wanted[0] ** 0.5
    third = abs(found[3] - wanted[3]) <= 1e-11 * max(unit, abs(wanted[3]))
    return third and np.allclose(found[:3], wanted[:3], rtol=2e-12, atol=0.0)


def test_plain_sums_of_powers_are_caught(rng):
    """The twin that subtracts a squared mean from a mean of squares fails the same comparison."""
    x, w = WORLDS["far from 0"](rng)
    total, mean = w.sum(), (w @ x) / w.sum()
    m2 = w @ x**2 - total * mean**2
    assert not close((total, mean, m2, w @ x**3 - 3.0 * mean * (w @ x**2) + 2.0 * total * mean**3), exact(x, w))


@pytest.mark.usefixtures("small_blocks")
def test_products_that_would_cancel_are_summed_again(rng):
    """Read off the cross sums alone, products near 1e8 that differ by 1 would have lost their spread: the twin has."""
    x, w = WORLDS["far from 0, weights of 1"](rng)
    sums = cross_sums(x, w)
    careless = pytest.MonkeyPatch()
    with careless.context() as patch:
        patch.setattr(_blocks, "CANCELS", -np.inf)
        twin = product_sums(x, w, sums).pooled(0)
    assert not close(twin, exact(x, w))
    assert close(product_sums(x, w, sums).pooled(0), exact(x, w))


def test_equal_values_have_no_spread_at_all(rng):
    """A constant column has moments of exactly 0 under weights of any kind, over many blocks."""
    sums = cross_sums(np.full(100_000, 0.1), rng.gamma(0.4, 2.5, 100_000))
    assert all(sums.pooled(power)[1:] == (0.1, 0.0, 0.0) for power in range(4))


def test_sizes_whose_cube_is_no_number_are_refused():
    """Weight times value up to 1e90 is summed; beyond, the parameter and the bound are named."""
    assert np.isfinite(cross_sums(np.array([1e45, -1e45]), np.array([1e45, 1.0])).sums).all()
    with pytest.raises(InputError, match="weights: weight times value is too large; expected at most 1e"):
        cross_sums(np.array([1e60, 1.0]), np.array([1.0, 1e60]))


@pytest.mark.parametrize("order", ["as drawn", "rising", "falling", "tied", "the sample sees the small ones alone"])
def test_the_largest_are_those_of_a_full_sort(order, rng):
    """Whatever a sample of a long column suggests, the largest are the largest."""
    weights = {"as drawn": rng.pareto(1.2, 50_000), "tied": rng.integers(0, 3, 50_000) * 1.0}.get(order)
    if weights is None:
        weights = np.sort(rng.pareto(1.2, 50_000))[:: -1 if order == "falling" else 1]
    if order.startswith("the sample"):
        weights[::64] = -1.0
    for most in (1, 300, 20_000, 60_000):
        assert np.array_equal(largest_of(weights, most), np.sort(weights)[::-1][:most])


@pytest.mark.parametrize("low", [0.0, -5.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2.0, -6.0])
def test_one_bad_number_among_many_is_found(low, bad):
    """A NaN, an infinity, a number over or under the bounds is named with its index, behind any number of zeros."""
    column = np.concatenate([[-0.0, 0.0, 1.0], np.zeros(997)])
    assert numbers(column, low=low, high=1.0) is column
    column[700] = bad
    with pytest.raises(InputError, match=r"index 700 is (out of bounds|not finite)"):
        numbers(column, low=low, high=1.0)
