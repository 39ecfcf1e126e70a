"""The law of coverage against its definition; adaptive coverage on adversarial and on real series."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom

from harness.errors import InputError
from harness.estimators.conformal import conformal_rank, split_threshold
from harness.estimators.conformal_adaptive import adaptive, adaptive_slack
from harness.estimators.conformal_coverage import (
    band_chance,
    coverage_law,
    coverage_range,
    needed_for_band,
    slice_coverage,
)


@pytest.mark.parametrize(("rows", "calibrated"), [(1, 19), (40, 60), (1600, 1600), (3, 5000)])
def test_law_is_scipys_beta_binomial(rows, calibrated):
    """BetaBinomial(m, k, n + 1 - k), to 1e-9."""
    k = conformal_rank(calibrated, 0.95)
    theirs = betabinom.pmf(np.arange(rows + 1), rows, k, calibrated + 1 - k)
    assert np.allclose(coverage_law(rows, calibrated), theirs, rtol=1e-7, atol=1e-12)


def test_too_few_calibration_rows_cover_everything_and_keep_nothing():
    """With an infinite threshold all rows are covered for sure; that is no kept promise, and nothing is in the band."""
    assert coverage_law(5, 18).tolist() == [0, 0, 0, 0, 0, 1]
    found = slice_coverage({"small": (5, 5, 18), "empty": (0, 0, 500)})
    assert not found["small"].kept and not found["small"].in_band and found["small"].chance == 0.0
    assert not found["empty"].kept and math.isnan(found["empty"].share)


@pytest.mark.parametrize(("rows", "calibrated"), [(50, 100), (1000, 400)])
def test_range_holds_all_but_alpha(rows, calibrated):
    """The range leaves at most alpha / 2 on either side, and one count less would leave more."""
    law = coverage_law(rows, calibrated)
    low, high = coverage_range(rows, calibrated, alpha=0.05)
    assert law[:low].sum() <= 0.025 < law[: low + 1].sum()
    assert law[high + 1 :].sum() <= 0.025 < law[high:].sum()


def test_slices_are_judged_together_and_the_band_beside():
    """One slice in sixty that covers .90 of 2,000 is refused; sound ones are kept; wide ones are called cautious."""
    slices = {f"s{i}": (950, 1000, 1000) for i in range(58)} | {"thin": (1800, 2000, 2000), "wide": (1000, 1000, 1000)}
    found = slice_coverage(slices)
    assert [name for name, one in found.items() if not one.kept] == ["thin"]
    assert [name for name, one in found.items() if one.cautious] == ["wide"]
    assert [name for name, one in found.items() if not one.in_band] == ["thin", "wide"]
    assert slice_coverage({}) == {}


def test_the_band_needs_the_sample_size_that_it_needs():
    """93 to 97 % with chance .99: 1,586 rows for one slice; at 1,600 rows two hundred slices hold it with .17."""
    need = needed_for_band()
    assert need == 1586
    assert band_chance(need, need) >= 0.99
    assert band_chance(800, 800) < 0.95
    assert band_chance(1600, 1600) ** 200 < 0.2
    many = needed_for_band(slices=200)
    assert 4000 < many < 4400 and band_chance(many, many) ** 200 >= 0.99
    assert needed_for_band(coverage=0.9) is None


def test_bad_counts_are_refused():
    """Covered above rows, negative counts, a band out of order and alphas outside (0, 1) are named."""
    for slices in ({"a": (6, 5, 100)}, {"a": (-1, 5, 100)}, {"a": (1, 5, -1)}, {"a": (1.5, 5, 100)}):
        with pytest.raises(InputError, match=r"covered|calibrated"):
            slice_coverage(slices)
    for call in (
        lambda: slice_coverage({"a": (1, 2, 3)}, alpha=0.0),
        lambda: band_chance(0, 100),
        lambda: band_chance(10, 100, band=(0.9, 0.8)),
        lambda: needed_for_band(slices=0),
        lambda: coverage_law(5, 100, coverage=1.0),
    ):
        with pytest.raises(InputError):
            call()


@settings(max_examples=80, deadline=None)
@given(
    scores=st.lists(st.sampled_from([-5.0, 0.0, 0.0, 1.0, 2.0, 1e6]), min_size=1, max_size=150),
    coverage=st.sampled_from([0.5, 0.9, 0.95]),
    rate=st.sampled_from([0.005, 0.05, 0.5]),
    window=st.sampled_from([1, 10, 500]),
)
def test_adaptive_coverage_holds_for_any_sequence(scores, coverage, rate, window):
    """Whatever the scores, coverage is within the stated slack at every length, and levels within [-rate, 1 + rate]."""
    run = adaptive(scores, coverage=coverage, rate=rate, window=window)
    rows = np.arange(1, len(scores) + 1)
    slack = np.array([adaptive_slack(int(n), coverage=coverage, rate=rate) for n in rows])
    assert (np.abs(np.cumsum(run.covered) / rows - coverage) <= slack + 1e-9).all()
    assert run.levels.min() >= -rate - 1e-9 and run.levels.max() <= 1.0 + rate + 1e-9


def test_an_adaptive_threshold_knows_only_the_past(rng):
    """Changing a score changes no threshold up to its own; each is the split threshold of the window before it."""
    scores = rng.normal(size=300)
    run, later = adaptive(scores, window=50), scores.copy()
    later[200] = 1e6
    assert (adaptive(later, window=50).thresholds[:201] == run.thresholds[:201]).all()
    for at in (0, 5, 60, 299):
        level = run.levels[at]
        past = scores[max(0, at - 50) : at]
        expected = math.inf if level <= 0.0 else split_threshold(past, coverage=1.0 - level)
        assert run.thresholds[at] == expected


def test_an_unsteered_level_is_caught_by_drift(rng):
    """Scores that double every 250 rows: steered, coverage is .90 within the slack; at a fixed level it is not."""
    scores = np.abs(rng.normal(size=2000)) * 2.0 ** (np.arange(2000) // 250)
    run = adaptive(scores, coverage=0.9, rate=0.05)
    slack = adaptive_slack(2000, coverage=0.9, rate=0.05)
    fixed = np.mean(scores[200:] <= split_threshold(scores[:200], coverage=0.9))
    windowed = np.mean([s <= split_threshold(scores[max(0, i - 500) : i], coverage=0.9) for i, s in enumerate(scores)])
    assert abs(run.coverage - 0.9) <= slack < 0.01
    assert fixed < 0.3 and windowed < 0.9 - 4 * slack


def test_adaptive_says_what_its_coverage_is_worth():
    """Rows covered by infinity and the worst stretch are counted; no rows know nothing."""
    run = adaptive([1.0] * 40, coverage=0.9)
    assert run.endless == pytest.approx(9 / 40) and run.coverage == 1.0 and run.worst_stretch(10) == 1.0
    empty = adaptive([])
    assert math.isnan(empty.coverage) and math.isnan(empty.endless) and math.isnan(empty.worst_stretch(1))
    for options in ({"rate": 0.0}, {"rate": 1.0}, {"window": 0}, {"coverage": 1.0}):
        with pytest.raises(InputError, match=next(iter(options))):
            adaptive([1.0], **options)
    with pytest.raises(InputError, match="width"):
        run.worst_stretch(41)


SERIES = {
    "realTraffic/TravelTime_387": 2500,
    "realKnownCause/ec2_request_latency_system_failure": 4032,
    "realAWSCloudwatch/elb_request_count_8c0756": 4032,
    "realAWSCloudwatch/rds_cpu_utilization_cc0c53": 4032,
}


def steps(folder, series: str) -> np.ndarray:
    """How far each value of a real series lies from the one before it, which is its forecast."""
    path = folder / "nab_latency" / "data" / f"{series}.csv"
    x = np.array([float(line.split(",")[1]) for line in path.read_text().splitlines()[1:]])
    assert len(x) == SERIES[series]
    return np.abs(np.diff(x))


@pytest.mark.parametrize("series", SERIES)
def test_real_series_are_covered_as_promised(shared_data, series):
    """Four real series with incidents: coverage .950 to a quarter of a point, 99 % of it by finite thresholds.

    In the worst 288 rows (a day, mostly) it is .91 or more: what no promise covers, measured.
    """
    scores = steps(shared_data, series)
    run = adaptive(scores, coverage=0.95, rate=0.01)
    assert abs(run.coverage - 0.95) <= 0.0025 < adaptive_slack(len(scores), coverage=0.95, rate=0.01)
    assert run.endless < 0.011
    assert 0.91 <= run.worst_stretch(288) < 0.95


def test_a_real_drift_breaks_the_fixed_threshold(shared_data):
    """Calibrated once on the first quarter of a real load series, a fixed threshold covers .82 of the rest, not .95."""
    scores = steps(shared_data, "realAWSCloudwatch/rds_cpu_utilization_cc0c53")
    first = len(scores) // 4
    held = float(np.mean(scores[first:] <= split_threshold(scores[:first])))
    assert held == pytest.approx(0.817, abs=5e-4)
    assert coverage_range(len(scores) - first, first, alpha=1e-6)[0] / (len(scores) - first) > held
