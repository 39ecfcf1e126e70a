"""Conformal coverage in worlds whose truth is known: by slice, under shift, by its law; narrow twins are caught."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binom, kstest

from harness.estimators.conformal import conformal_rank, cqr_bands, cqr_scores, split_bands, split_threshold
from harness.estimators.conformal_coverage import coverage_range, slice_coverage
from harness.estimators.conformal_groups import mondrian
from harness.estimators.conformal_weighted import weighted_thresholds

FALSE_ALARM = 1e-6
GROUPS = {"easy": (1.0, 1000), "middle": (2.0, 200), "hard": (5.0, 30)}
"""Name: scale of its exponential scores, calibration rows."""


def holds(thresholds: np.ndarray, scale: float) -> np.ndarray:
    """True coverage of thresholds on exponential scores of this scale."""
    return -np.expm1(-thresholds / scale)


def far(found: np.ndarray, n: int, coverage: float) -> float:
    """Mean coverage over splits minus the promise k / (n + 1), in standard errors of the law Beta(k, n + 1 - k)."""
    k = conformal_rank(n, coverage)
    law = beta(k, n + 1 - k)
    return float((found.mean() - law.mean()) / (law.std() / np.sqrt(len(found))))


@pytest.mark.parametrize("n", [19, 20, 200])
def test_split_coverage_follows_its_law(rng, n):
    """Coverage given the calibration rows is Beta(k, n + 1 - k); the plain empirical quantile falls short."""
    worlds = rng.exponential(size=(1500, n))
    found = holds(np.array([split_threshold(x, coverage=0.9) for x in worlds]), 1.0)
    plain = holds(np.quantile(worlds, 0.9, axis=1), 1.0)
    k = conformal_rank(n, 0.9)
    assert kstest(found, beta(k, n + 1 - k).cdf).pvalue > FALSE_ALARM
    assert abs(far(found, n, 0.9)) < 5.0
    assert far(plain, n, 0.9) < -5.0


def test_each_group_is_covered_over_1000_splits(rng):
    """Per group, mean coverage over 1,000 splits is the promise; one threshold for all covers .94, .76 and .43."""
    names = np.repeat(list(GROUPS), [n for _, n in GROUPS.values()])
    scales = np.repeat([scale for scale, _ in GROUPS.values()], [n for _, n in GROUPS.values()])
    worlds = rng.exponential(size=(1000, len(names))) * scales
    found = np.array([mondrian(x, names, coverage=0.9).at(list(GROUPS)) for x in worlds])
    common = np.array([split_threshold(x, coverage=0.9) for x in worlds])
    for at, (scale, n) in enumerate(GROUPS.values()):
        assert abs(far(holds(found[:, at], scale), n, 0.9)) < 5.0
    rates = [holds(common, scale).mean() for scale, _ in GROUPS.values()]
    assert np.allclose(rates, [0.942, 0.759, 0.435], atol=0.005)
    assert far(holds(common, GROUPS["hard"][0]), GROUPS["hard"][1], 0.9) < -5.0


def test_weighted_thresholds_hold_under_a_known_shift(rng):
    """Normal features move by one sd, errors grow with them: weighted coverage is .90 or more, unweighted .75."""
    weighted, plain, rows = 0, 0, 0
    for _ in range(400):
        x, fresh = rng.normal(size=300), rng.normal(size=40) + 1.0
        scores, new = np.abs(rng.normal(size=300)) * np.exp(x / 2.0), np.abs(rng.normal(size=40)) * np.exp(fresh / 2.0)
        limits = weighted_thresholds(scores, np.exp(x), np.exp(fresh), coverage=0.9)
        weighted += int((new <= limits).sum())
        plain += int((new <= split_threshold(scores, coverage=0.9)).sum())
        rows += 40
    assert 0.9 - 0.006 <= weighted / rows <= 0.925  # rows of a split share its luck: .0015 * sqrt(1 + 39 * .4) se
    assert plain / rows < 0.78


def test_cqr_covers_and_follows_the_spread(rng):
    """Quantiles 30 % too narrow are widened to .90 coverage, a sixth less than a constant band by width."""
    covered, raw, wide, constant, rows = 0, 0, 0.0, 0.0, 0
    for _ in range(300):
        x = rng.uniform(0.2, 4.0, 350)
        truth, reach = rng.normal(size=350) * x, 0.7 * 1.645 * x
        limit = split_threshold(cqr_scores(truth[:300], -reach[:300], reach[:300]), coverage=0.9)
        bands = cqr_bands(-reach[300:], reach[300:], limit)
        flat = split_bands(np.zeros(50), split_threshold(np.abs(truth[:300]), coverage=0.9))
        covered += int(((bands.low <= truth[300:]) & (truth[300:] <= bands.high)).sum())
        raw += int((np.abs(truth[300:]) <= reach[300:]).sum())
        wide, constant = wide + (bands.high - bands.low).sum(), constant + (flat.high - flat.low).sum()
        rows += 50
    assert 0.885 <= covered / rows <= 0.915
    assert wide < 0.87 * constant
    assert raw / rows < 0.8  # the broken twin: the model's own quantiles, uncorrected


def families(rng: np.random.Generator, runs: int, slices: int, *, n: int, m: int) -> np.ndarray:
    """(runs, slices) covered of m new rows, each slice calibrated on its own n: thresholds drawn by their law."""
    k = conformal_rank(n, 0.95)
    return rng.binomial(m, rng.beta(k, n + 1 - k, size=(runs, slices)))


def test_sound_slices_are_refused_at_most_alpha_together(rng):
    """Forty sound slices, 1,000 releases: any refusal in at most .05; uncorrected in .61, by a binomial law in .40."""
    counts = families(rng, 1000, 40, n=400, m=400)
    low = coverage_range(400, 400, alpha=0.05 / 40)[0]
    refused = (counts < low).any(axis=1).sum()
    first = slice_coverage({str(i): (int(c), 400, 400) for i, c in enumerate(counts[0])})
    assert [one.kept for one in first.values()] == (counts[0] >= low).tolist()
    limit = binom.isf(FALSE_ALARM, 1000, 0.05)
    assert refused <= limit
    assert (counts < coverage_range(400, 400, alpha=0.05)[0]).any(axis=1).sum() > limit
    assert (counts < binom.ppf(0.05 / 80, 400, 0.95)).any(axis=1).sum() > limit


def test_a_slice_that_covers_too_little_is_refused(rng):
    """A slice that covers .90 in truth, 1,600 rows among 40 slices, is refused nine times in ten."""
    low = coverage_range(1600, 1600, alpha=0.05 / 40)[0]
    assert (rng.binomial(1600, 0.9, size=1000) < low).mean() > 0.9


@pytest.mark.worlds
@pytest.mark.parametrize("n", [19, 30, 200, 1600])
def test_split_coverage_follows_its_law_at_full_length(rng, n):
    """20,000 splits: mean coverage is k / (n + 1) to five standard errors; ties only add to it."""
    worlds = rng.exponential(size=(20_000, n))
    limits = np.array([split_threshold(x) for x in worlds])
    assert abs(far(holds(limits, 1.0), n, 0.95)) < 5.0
    tied = np.array([split_threshold(x) for x in np.ceil(worlds * 4.0) / 4.0])
    assert far(holds(tied, 1.0), n, 0.95) > -5.0
