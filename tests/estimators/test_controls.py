"""Permutation within strata, its combinations, and the verdict on a negative control."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators.combining import bonferroni_combined, draws_needed, fisher_combined
from harness.estimators.controls import control_battery, equivalent, negative_control, stratified_slope
from harness.estimators.permutation import permutation_tests
from harness.estimators.propensity import cross_fitted
from harness.estimators.strata import quantile_bins, strata_of


def confounded(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What was known, the exposure and an outcome: both lean on what was known, and not on each other."""
    known = rng.normal(size=n)
    exposed = (rng.random(n) < expit(1.5 * known)).astype(float)
    return known, exposed, known + rng.normal(size=n)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "numbers"])
def test_threads_change_no_digit(rng, binary):
    """One, two and five threads give the same p-values from the same seed, to the bit."""
    cells = strata_of(rng.integers(0, 4, 300))
    y, e = rng.integers(0, 2, 300) if binary else rng.normal(size=300), rng.integers(0, 2, 300)
    one, *more = (
        permutation_tests(y, e, cells, rng=np.random.default_rng(3), draws=1500, threads=threads)
        for threads in (1, 2, 5)
    )
    assert all((other.p == one.p).all() and other.pooled_p == one.pooled_p for other in more)


def test_p_is_never_zero_and_agrees_with_the_exact_test(rng):
    """Binary columns: p is Fisher's exact two-sided one for symmetric margins within Monte-Carlo error, never 0."""
    y, e = np.array([1] * 14 + [0] * 6 + [1] * 6 + [0] * 14), np.repeat([1, 0], 20)
    found = permutation_tests(y, e, strata_of(["a"] * 40), rng=rng, draws=40_000)
    exact = stats.fisher_exact([[14, 6], [6, 14]])[1]
    assert found.p[0] == pytest.approx(exact, abs=4.0 * np.sqrt(exact / 40_000))
    sure = permutation_tests(e, e, strata_of(["a"] * 40), rng=rng, draws=199)
    assert sure.p[0] == sure.pooled_p == 1.0 / 200.0


def test_shuffled_and_hypergeometric_draws_agree(rng):
    """The same binary exchange drawn by shuffling (outcome scaled, so not 0 and 1) has the same p."""
    y, e = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    cells = strata_of(np.repeat([0, 1], 30))
    fast, slow = (permutation_tests(y * by, e, cells, rng=rng, draws=20_000) for by in (1, 3))
    assert fast.p == pytest.approx(slow.p, abs=0.02)
    assert fast.pooled_p == pytest.approx(slow.pooled_p, abs=0.02)


def test_exchange_stays_within_strata(rng):
    """An exposure and an outcome that differ between strata alone are not associated; across strata they would be."""
    group = np.repeat([0, 1], 200)
    y, e = group + 0.1 * rng.normal(size=400), (rng.random(400) < 0.2 + 0.6 * group).astype(int)
    assert permutation_tests(y, e, strata_of(group), rng=rng, draws=999).pooled_p > 0.01
    assert permutation_tests(y, e, strata_of(["all"] * 400), rng=rng, draws=999).pooled_p == 0.001


def test_what_cannot_be_learnt_is_said(rng):
    """A stratum where nothing varies has p = 1 and is not informative; a small one knows the least p it can reach."""
    cells = strata_of([0] * 10 + [1] * 4 + [2])
    y, e = [0, 1] * 7 + [1], [0] * 10 + [0, 0, 1, 1] + [1]
    found = permutation_tests(y, e, cells, rng=rng, draws=999)
    assert found.p.tolist()[0] == found.p.tolist()[2] == 1.0
    assert found.informative.tolist() == [False, True, False]
    assert found.least_p[1] == pytest.approx(1.0 / 6.0)
    assert np.isnan(permutation_tests([1, 2], [0, 0], strata_of([0, 0]), rng=rng, draws=99).pooled_p)


def test_combinations_are_those_of_the_textbook(rng):
    """Fisher's is scipy's; Bonferroni's k times the least, at most 1; 200 strata need 3,999 draws, as referenced."""
    p = rng.random(30)
    assert fisher_combined(p) == pytest.approx(stats.combine_pvalues(p).pvalue, rel=1e-12)
    assert bonferroni_combined([0.004, 0.5]) == 0.008 and bonferroni_combined([0.9, 0.8]) == 1.0
    assert draws_needed(200) == 3999
    assert bonferroni_combined([1.0 / 4000] + [1.0] * 199) <= 0.05 < bonferroni_combined([1.0 / 3999] + [1.0] * 199)


def test_the_slope_of_a_binary_exposure_is_the_mantel_haenszel_difference(rng):
    """Sum n1 n0 / n (mean1 - mean0) over sum n1 n0 / n; in one stratum the plain difference."""
    code, e, y = rng.integers(0, 5, 400), rng.integers(0, 2, 400), rng.normal(size=400)
    weights, gaps = [], []
    for at in range(5):
        one, two = y[(code == at) & (e == 1)], y[(code == at) & (e == 0)]
        weights.append(len(one) * len(two) / (len(one) + len(two)))
        gaps.append(one.mean() - two.mean())
    assert stratified_slope(y, e, strata_of(code)).value == pytest.approx(np.average(gaps, weights=weights), abs=1e-12)
    one = stratified_slope(y, e, strata_of(["all"] * 400))
    assert one.value == pytest.approx(y[e == 1].mean() - y[e == 0].mean(), abs=1e-12)
    welch = np.sqrt(y[e == 1].var(ddof=1) / (e == 1).sum() + y[e == 0].var(ddof=1) / (e == 0).sum())
    assert one.half_width == pytest.approx(1.649 * welch, rel=0.01)


def test_an_exposure_that_never_varies_bounds_nothing():
    """Without variation within strata the slope is NaN between infinite ends, and a control is INCONCLUSIVE."""
    found = stratified_slope([1.0, 2.0, 3.0], [0, 0, 1], strata_of(["a", "a", "b"]))
    assert np.isnan(found.value) and (found.low, found.high) == (-np.inf, np.inf)
    judged = negative_control(
        [1, 2, 3], [0, 0, 1], strata_of(["a", "a", "b"]), margin=1.0, rng=np.random.default_rng(1)
    )
    assert judged.verdict == "INCONCLUSIVE" and judged.strata == 0


def test_a_control_has_seen_all_three_verdicts(rng):
    """Confounded: REFUSE. Stratified by a cross-fitted propensity: PASS. With few rows: INCONCLUSIVE."""
    known, exposed, outcome = confounded(rng, 6000)
    bare = negative_control(outcome, exposed, strata_of(["all"] * 6000), margin=0.2, rng=rng)
    assert bare.verdict == "REFUSE" and bare.p <= 0.05
    score = cross_fitted(known, exposed, rng=rng)
    cells = strata_of(quantile_bins(score, bins=60))
    kept = negative_control(outcome, exposed, cells, margin=0.2, rng=rng)
    assert kept.verdict == "PASS"
    few = negative_control([0, 0, 1, 1] * 25, [0, 1] * 50, strata_of(["all"] * 100), margin=0.1, rng=rng)
    assert few.verdict == "INCONCLUSIVE" and few.needed is not None
    assert 200 < few.needed < 400 and f"n 100, {few.needed} would settle it" in few.reason


def test_a_large_p_alone_is_no_pass(rng):
    """Twenty rows and a true effect of half a deviation: not significant, which is all the twin asks."""
    verdicts, twin = [], []
    for _ in range(100):
        e = np.tile([0.0, 1.0], 10)
        found = negative_control(rng.normal(size=20) + 0.5 * e, e, strata_of([0] * 20), margin=0.3, rng=rng)
        verdicts.append(found.verdict)
        twin.append(found.p > 0.05)
    assert verdicts.count("PASS") <= 15  # binom.isf(1e-4, 100, .05)
    assert sum(twin) > 60


def test_a_common_effect_in_sparse_strata_is_seen(rng):
    """Sixty strata of 12 clicks: each too small to show an effect, and discreteness blunts Fisher; the sum shows it."""
    code = np.repeat(np.arange(60), 12)
    e = rng.integers(0, 2, 720)
    y = (rng.random(720) < 0.3 + 0.25 * e).astype(int)
    found = negative_control(y, e, strata_of(code), margin=0.05, rng=rng)
    assert found.verdict == "REFUSE" and found.pooled_p <= 0.001
    assert min(found.fisher_p, found.bonferroni_p) > 0.05


def test_equivalence_is_both_one_sided_tests():
    """The whole interval inside the margins, ends excluded; an infinite end never is."""
    assert equivalent(Estimate(0.0, -0.1, 0.1, 9, 0.9, "t"), margin=0.11)
    for low, high in ((-0.1, 0.1), (-0.2, 0.05), (-0.05, 0.2), (-np.inf, 0.0), (np.nan, np.nan)):
        assert not equivalent(Estimate(0.0, low, high, 9, 0.9, "t"), margin=0.1)


def test_the_battery_judges_each_control_and_shares_alpha(rng):
    """A control outcome leaked into the exposure and a control exposure that acts are refused; clean ones pass."""
    n = 4000
    exposed, idle = rng.integers(0, 2, n), rng.integers(0, 2, n)
    outcome = 0.5 * exposed + rng.normal(size=n)
    twin = np.where(rng.random(n) < 0.9, exposed, 1 - exposed)  # goes with the exposure, has no effect of its own
    found = control_battery(
        outcome, exposed, strata_of(rng.integers(0, 5, n)), rng=rng,
        outcomes={"clean": rng.normal(size=n), "leaked": 0.3 * exposed + rng.normal(size=n)},
        exposures={"idle": idle, "twin": twin, "acts": (outcome + rng.normal(size=n) > 0).astype(int)},
        margins=dict.fromkeys(["clean", "leaked", "idle", "twin", "acts"], 0.35),
    )  # fmt: skip
    assert {one.name: one.verdict for one in found} == {
        "clean": "PASS", "leaked": "REFUSE", "idle": "PASS", "twin": "PASS", "acts": "REFUSE",
    }  # fmt: skip


def test_bad_input_is_named(rng):
    """Lengths, NaN, draws too few to reject, margins, p of zero, missing controls: each error names its parameter."""
    y, e, cells = rng.normal(size=40), np.tile([0, 1], 20), strata_of(np.repeat(range(4), 10))
    for call, told in (
        (lambda: permutation_tests(y[:9], e, cells, rng=rng), "exposure: lengths differ"),
        (lambda: permutation_tests(y * np.nan, e, cells, rng=rng), "outcome: index 0 is not finite"),
        (lambda: permutation_tests(y, e, cells, rng=rng, draws=10), "draws: out of bounds"),
        (lambda: permutation_tests(y, e, cells, rng=rng, threads=0), "threads: out of bounds"),
        (lambda: negative_control(y, e, cells, margin=0.1, rng=rng, draws=99), "too few to reject .* at least 239"),
        (lambda: negative_control(y, e, cells, margin=0.0, rng=rng), "margin: out of bounds"),
        (lambda: negative_control(y, e, cells, margin=0.1, rng=rng, alpha=0.5), "2 alpha: out of bounds"),
        (lambda: fisher_combined([0.5, 0.0]), "p: index 1 is 0"),
        (lambda: fisher_combined([]), "too few values"),
        (lambda: bonferroni_combined([1.5]), "p: index 0 is out of bounds"),
        (lambda: draws_needed(0), "strata: out of bounds"),
        (lambda: control_battery(y, e, cells, margins={}, rng=rng), "no control"),
        (
            lambda: control_battery(y, e, cells, margins={"a": 1.0}, rng=rng, outcomes={"a": y}, exposures={"a": e}),
            "'a'",
        ),
        (lambda: control_battery(y, e, cells, margins={}, rng=rng, outcomes={"a": y}), "control without a margin"),
    ):
        with pytest.raises(InputError, match=told):
            call()
