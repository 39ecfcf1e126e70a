"""Controls of a log: right propensities pass, stale ones are refused, too little data is INCONCLUSIVE."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from harness.errors import InputError
from harness.estimators.counterfactual import snips
from harness.estimators.logged_control import logged_control


def log(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A context, and a log that explores by it; the target is a coin."""
    context = rng.normal(size=n)
    chance = 1.0 / (1.0 + np.exp(-context))
    first = rng.random(n) < chance
    return context, np.where(first, chance, 1.0 - chance), np.full(n, 0.5)


def test_the_shift_is_its_definition(rng):
    """Weighted mean minus plain mean, over the column's standard deviation."""
    c, p, t = log(rng, 500)
    found = logged_control(3.0 + 2.0 * c, p, t)
    assert found.shift.value == pytest.approx((snips(c, p, t).value - c.mean()) / c.std(), rel=1e-9)


def misstated(rng: np.random.Generator, n: int, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A side of ±1 and a coin's log whose propensities are misstated by side: the control shifts by `shift` sd."""
    side = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    return side, 0.5 / (1.0 + shift * side), np.where(rng.random(n) < 0.5, 0.3, 0.7)


def test_right_propensities_are_refused_at_most_as_said(rng):
    """Of 400 right logs at most .05 are refused, and of logs with misstated propensities nearly all."""
    verdicts = {shift: [logged_control(*misstated(rng, 1000, shift)).verdict for _ in range(400)] for shift in (0, 0.2)}
    assert verdicts[0].count("REFUSE") <= binom.isf(1e-6, 400, 0.05)
    assert verdicts[0].count("PASS") > 350
    assert verdicts[0.2].count("REFUSE") > 390


def test_a_shift_as_large_as_the_margin_seldom_passes(rng):
    """TOST lets a shift at its margin through at most .05 of the time; the twin "not significant" is caught."""
    found = [logged_control(*misstated(rng, 100, 0.1)).verdict for _ in range(400)]
    most = binom.isf(1e-6, 400, 0.05)
    assert found.count("PASS") <= most
    assert found.count("PASS") + found.count("INCONCLUSIVE") > most


def test_too_little_data_is_inconclusive_with_what_would_settle_it(rng):
    """40 rows show nothing small and say how many would; 20,000 rows pass."""
    few = logged_control(*log(rng, 40))
    assert few.verdict == "INCONCLUSIVE"
    assert few.needed is not None and few.needed > 40 and f"{few.needed} would settle it" in few.reason
    assert logged_control(*log(rng, 20_000)).verdict == "PASS"


def test_a_shift_that_is_seen_and_too_small_to_matter_passes(rng):
    """A hundredth of a deviation in a million rows is seen, said, and within the margin; a tighter margin refuses."""
    rows = misstated(rng, 1_000_000, 0.01)
    assert logged_control(*rows).reason.startswith("moved, by less than the margin")
    assert [logged_control(*rows, margin=margin).verdict for margin in (0.1, 0.005)] == ["PASS", "REFUSE"]


def test_what_does_not_vary_shows_nothing(rng):
    """A constant column, and weights that are all alike, are INCONCLUSIVE however many the rows."""
    c, p, t = log(rng, 5000)
    assert logged_control(np.ones(5000), p, t).reason.startswith("the column does not vary")
    assert logged_control(c, p, p).reason.startswith("the weights do not vary")
    assert {logged_control(np.ones(5000), p, t).verdict, logged_control(c, p, p).verdict} == {"INCONCLUSIVE"}


def test_clusters_widen_what_they_should(rng):
    """A column shared by a user's rows has an interval by user: wider than the one by row."""
    user = np.repeat(np.arange(200), 20)
    side = np.repeat(np.where(rng.random(200) < 0.5, 0.4, 0.6), 20)
    shared, target = np.repeat(rng.normal(size=200), 20), np.full(4000, 0.5)
    by_row, by_user = (logged_control(shared, side, target, clusters=ids) for ids in (None, user))
    assert by_user.shift.half_width > 3.0 * by_row.shift.half_width


def test_bad_arguments_are_named():
    """A margin of 0, an alpha of 1/2, a control that is missing."""
    rows = ([0.5, 0.5], [0.5, 0.2])
    with pytest.raises(InputError, match="margin: out of bounds"):
        logged_control([1, 2], *rows, margin=0.0)
    with pytest.raises(InputError, match="2 alpha: out of bounds"):
        logged_control([1, 2], *rows, alpha=0.5)
    with pytest.raises(InputError, match="control: index 1 is not finite"):
        logged_control([1, float("nan")], *rows)
