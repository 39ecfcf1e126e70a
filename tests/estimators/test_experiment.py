"""Experiments against scipy, statsmodels and a real one; assignment, corrections, and input that is refused."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest
from scipy import stats

from harness.errors import InputError
from harness.estimators.experiment import assign, hashed_shares, ratio_mismatch
from harness.estimators.experiment_effects import cuped, mean_effect, ratio_effect, share_effect
from harness.estimators.experiment_family import all_of, benjamini_hochberg, holm
from harness.estimators.experiment_power import (
    mean_needs,
    mean_power,
    mean_sees,
    share_needs,
    share_power,
    share_sees,
)


@pytest.fixture
def models():
    """The modules of statsmodels that are asked for a second opinion."""
    pytest.importorskip("statsmodels", reason="statsmodels is an oracle of these tests: pip install statsmodels")
    from statsmodels.stats import multitest, power, proportion

    return multitest, power, proportion


@pytest.fixture
def cats(shared_data):
    """Version and day-7 retention of each player."""
    with gzip.open(shared_data / "cookie_cats" / "cookie_cats.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    late = np.array([row["version"] == "gate_40" for row in rows])
    return late, np.array([row["retention_7"] == "TRUE" for row in rows]), [int(row["userid"]) for row in rows]


def test_retention_of_a_real_experiment_agrees_with_both_references(cats, models):
    """Cookie Cats, day 7: difference, p, interval and sample ratio equal statsmodels' and scipy's."""
    _, _, proportion = models
    late, kept, _ = cats
    hits, sizes = (kept[late].sum(), kept[~late].sum()), (late.sum(), (~late).sum())
    found = share_effect(hits[0], sizes[0], hits[1], sizes[1])
    low, high = proportion.confint_proportions_2indep(
        hits[0], sizes[0], hits[1], sizes[1], method="newcomb", compare="diff"
    )
    assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high), abs=1e-12)
    assert found.p == pytest.approx(proportion.proportions_ztest(hits, sizes)[1], rel=1e-10)
    assert found.estimate.value == pytest.approx(-0.00820, abs=1e-5)
    assert ratio_mismatch(sizes) == pytest.approx(stats.chisquare(sizes).pvalue, rel=1e-10)
    assert 0.001 < ratio_mismatch(sizes) < 0.01


def test_power_of_a_real_experiment_agrees_with_the_reference(cats, models):
    """Cookie Cats, day 7: power, units needed and least effect equal statsmodels' normal law for two shares."""
    late, kept, _ = cats
    one, two, n, ratio = kept[late].mean(), kept[~late].mean(), int(late.sum()), (~late).sum() / late.sum()
    theirs = models[2].power_proportions_2indep(one - two, two, n, ratio=ratio, alpha=0.05, return_results=False)
    assert share_power(one, two, n, ratio=ratio) == pytest.approx(theirs, abs=1e-9)
    needed = share_needs(one, two)
    assert share_power(one, two, needed) >= 0.8 > share_power(one, two, needed - 1)
    assert share_power(two + share_sees(two, n), two, n) == pytest.approx(0.8, abs=1e-9)


def test_a_real_experiment_can_be_assigned_anew(cats):
    """Cookie Cats' 90,189 players fall evenly under a fresh salt, and without regard to the old arms."""
    late, _, ids = cats
    arm = assign(ids, salt="gate 40 again")
    assert ratio_mismatch(np.bincount(arm)) > 1e-4
    assert stats.chi2_contingency(np.histogram2d(arm, late, bins=2)[0]).pvalue > 1e-4


@pytest.mark.parametrize("sizes", [(3, 5), (40, 25), (500, 500)])
def test_mean_effect_is_welchs(rng, sizes):
    """Both p and interval equal scipy's Welch test."""
    one, two = rng.normal(size=sizes[0]), 3.0 * rng.normal(size=sizes[1])
    theirs, found = stats.ttest_ind(one, two, equal_var=False), mean_effect(one, two)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)
    ends = theirs.confidence_interval(0.95)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((ends.low, ends.high), rel=1e-9)


@pytest.mark.parametrize(("gap", "n", "ratio"), [(0.5, 64, 1.0), (0.2, 30, 2.0), (0.0, 10, 1.0), (0.05, 5000, 0.5)])
def test_power_of_means_is_the_noncentral_ts(models, gap, n, ratio):
    """Power equals statsmodels' pooled t test; under no effect it is alpha."""
    theirs = models[1].TTestIndPower().power(gap, n, 0.05, ratio=ratio)
    assert mean_power(3.0 * gap, 3.0, n, ratio=ratio) == pytest.approx(theirs, abs=1e-9)
    assert mean_power(0.0, 1.0, n) == pytest.approx(0.05, abs=1e-9)


def test_units_needed_and_least_effect_turn_power_around():
    """The n found is the first that suffices; the least effect has just the power asked for; a tiny gap is hopeless."""
    needed = mean_needs(0.3, 1.0, power=0.9)
    assert mean_power(0.3, 1.0, needed) >= 0.9 > mean_power(0.3, 1.0, needed - 1)
    assert mean_power(mean_sees(2.0, 50), 2.0, 50) == pytest.approx(0.8, abs=1e-9)
    assert mean_needs(1e-9, 1.0) is None
    assert np.isnan(share_sees(0.9, 5))


def test_power_is_what_simulation_finds(rng):
    """Over 3,000 experiments with a true effect, Welch finds it as often as promised."""
    found = np.mean([mean_effect(0.5 + rng.normal(size=40), rng.normal(size=40)).p < 0.05 for _ in range(3000)])
    assert found == pytest.approx(mean_power(0.5, 1.0, 40), abs=0.045)


@pytest.mark.parametrize("size", [1, 2, 20])
def test_corrections_agree_with_the_reference(rng, models, size):
    """Holm's and Benjamini and Hochberg's adjusted p equal statsmodels' and scipy's, ties included."""
    p = np.round(rng.random(size) ** 3, 2)
    assert holm(p) == pytest.approx(models[0].multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(models[0].multipletests(p, method="fdr_bh")[1])
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))


def test_families_keep_their_error_and_uncorrected_ones_do_not(rng):
    """Of 20 true nulls Holm rejects any at most .05 of the time, raw p .64; all-of needs no correction at its worst."""
    p = rng.random((2000, 20))
    most = int(stats.binom.isf(1e-6, 2000, 0.05))
    assert sum((holm(row) <= 0.05).any() for row in p) <= most
    assert sum((row <= 0.05).any() for row in p) > 1000
    p[:, 1:] = 0.0  # nineteen claims hold, one fails
    assert sum(all_of(row) <= 0.05 for row in p) <= most
    real = np.where(np.arange(20) < 10, 1e-6, rng.random((2000, 20)))
    false = [(benjamini_hochberg(row) <= 0.05) for row in real]
    assert np.mean([one[10:].sum() / one.sum() for one in false]) < 0.05


def test_cuped_keeps_the_mean_and_sheds_the_variance(rng):
    """Variance falls to 1 - r**2, the mean and an effect stay; slopes taken from data after treatment would eat it."""
    before = rng.normal(size=20_000)
    arm = rng.random(20_000) < 0.5
    y = 0.8 * before + 0.6 * rng.normal(size=20_000) + 0.1 * arm
    less = cuped(y, before)
    assert less.mean() == pytest.approx(y.mean(), abs=1e-12)
    assert less.var() / y.var() == pytest.approx(1 - np.corrcoef(y, before)[0, 1] ** 2, abs=1e-9)
    found = mean_effect(less[arm], less[~arm]).estimate
    assert found.low < 0.1 < found.high
    assert found.half_width < 0.7 * mean_effect(y[arm], y[~arm]).estimate.half_width
    tainted = cuped(y, y + 0.01 * rng.normal(size=20_000))
    assert mean_effect(tainted[arm], tainted[~arm]).estimate.high < 0.1


def test_ratio_effect_of_single_rows_is_welchs(rng):
    """With one row of denominator 1 per user the delta method is the mean's, but for its n in place of n - 1."""
    y, arm = rng.normal(size=200), np.arange(200) % 2
    one = ratio_effect(y, np.ones(200), arm, np.arange(200))
    two = mean_effect(y[arm == 1], y[arm == 0])
    assert one.estimate.half_width == pytest.approx(two.estimate.half_width, rel=1e-9)
    assert one.p == pytest.approx(two.p, rel=1e-9)


def test_an_assignment_is_the_same_everywhere():
    """Text and whole number of one unit share a hash, figures are pinned, and growing an arm never shrinks it."""
    assert hashed_shares([7, 8], salt="s").tolist() == hashed_shares(["7", "8"], salt="s").tolist()
    assert hashed_shares(["ann"], salt="gate 40")[0] == pytest.approx(0.085, abs=5e-4)
    few, many = (assign(np.arange(5000), salt="s", shares=[1 - part, part]) for part in (0.1, 0.3))
    assert (few <= many).all()
    assert few.mean() == pytest.approx(0.1, abs=0.02)


def test_little_data_is_no_certainty():
    """One unit or no variation: infinite ends and no p, never a zero width."""
    for found in (mean_effect([1.0], [2.0, 3.0]), mean_effect([1.0, 1.0], [2.0, 2.0])):
        assert found.estimate.low == -np.inf
        assert np.isnan(found.p)
    assert np.isnan(share_effect(0, 5, 0, 5).p)
    assert cuped([1.0, 2.0], [3.0, 3.0]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("call", [
    lambda: assign([1, 2], salt=""), lambda: assign([1, 2], salt="s" * 65), lambda: assign([1.5], salt="s"),
    lambda: assign([1], salt="s", shares=[0.5, 0.6]), lambda: ratio_mismatch([3, 4]), lambda: ratio_mismatch([10.5, 9]),
    lambda: ratio_mismatch([10, -9]), lambda: ratio_mismatch([10, 10, 10], [0.5, 0.5]),
    lambda: mean_effect([np.nan], [1.0]), lambda: mean_effect([], [1.0]),
    lambda: mean_effect([1, 2], [1, 2], confidence=1),
    lambda: share_effect(3, 2, 1, 2), lambda: share_effect(0, 0, 1, 2), lambda: cuped([1.0], [1.0, 2.0]),
    lambda: ratio_effect([1, 1], [1, 1], [0, 1], ["a", "a"]), lambda: ratio_effect([1, 1], [1, 0], [0, 1], ["a", "b"]),
    lambda: ratio_effect([1, 1], [1, 1], [0, 0.5], ["a", "b"]), lambda: mean_power(0.1, 0.0, 10),
    lambda: mean_power(np.nan, 1.0, 10), lambda: mean_power(0.1, 1.0, 1), lambda: mean_needs(0.1, 1.0, power=1.0),
    lambda: mean_sees(1.0, 10, power=0.01), lambda: share_power(1.2, 0.5, 10),
    lambda: share_power(0.2, 0.5, 10, ratio=0),
    lambda: holm([0.5, 1.2]), lambda: holm([]), lambda: benjamini_hochberg([-0.1]), lambda: all_of([]),
])  # fmt: skip
def test_bad_input_is_refused(call):
    """Each range, length and kind of input that makes no sense ends in one line that says what was expected."""
    with pytest.raises(InputError, match="expected"):
        call()
