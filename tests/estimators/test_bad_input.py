"""Every estimator names the parameter, the index, the value and the bound of what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators.bounded import empirical_bernstein
from harness.estimators.conformal import split_bands
from harness.estimators.conformal_coverage import slice_coverage
from harness.estimators.counterfactual import clipped_ips
from harness.estimators.experiment_power import mean_power
from harness.estimators.intervals import abc_interval, bootstrap, mean_interval, paired
from harness.estimators.moments import ClusterMoments, Moments
from harness.estimators.propensity import fit_logistic
from harness.estimators.proportions import clopper_pearson, wilson
from harness.estimators.quantiles import quantile_difference, quantile_interval
from harness.estimators.rare import big_loser_share
from harness.estimators.ratios import ratio_interval
from harness.estimators.sample_size import needed_for_mean, needed_for_share, needed_n
from harness.estimators.sequential import betting_wealth

RNG = np.random.default_rng(0)

COLUMN_TAKERS = {
    "mean_interval": mean_interval,
    "abc_interval": abc_interval,
    "bootstrap": lambda x, **options: bootstrap(x, rng=np.random.default_rng(0), **options),
    "empirical_bernstein": empirical_bernstein,
    "quantile_interval": lambda x, **options: quantile_interval(x, 0.5, **options),
    "quantile_difference": lambda x, **options: quantile_difference(x, x, 0.5, **options),
    "ratio_interval": lambda x, **options: ratio_interval(x, x, **options),
    "big_loser_share": big_loser_share,
}


@pytest.mark.parametrize("name", COLUMN_TAKERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_out_of_bounds_are_named_by_index_and_value(name, bad):
    """NaN, infinities and numbers whose cubes overflow are refused with their index and value."""
    with pytest.raises(InputError, match=r"index 2 is .*expected a number from .*, found") as caught:
        COLUMN_TAKERS[name]([0.5, 0.25, bad, 0.5])
    assert str(float(bad)) in str(caught.value)


@pytest.mark.parametrize("name", COLUMN_TAKERS)
@pytest.mark.parametrize(
    "bad",
    [
        [],
        ["a", "b"],
        [None, 1.0],
        [[0.1, 0.2], [0.3, 0.4]],
        [[0.1], [0.2, 0.3]],
        [1j, 2j],
        np.array([0.1, object()], dtype=object),
        np.ma.masked_array([0.1, 0.2], mask=[False, True]),
        0.5,
    ],
    ids=["empty", "text", "none", "matrix", "ragged", "complex", "object", "masked", "scalar"],
)
def test_what_is_not_a_column_of_numbers_is_refused(name, bad):
    """Empty, text, objects, masks and other shapes end in one line that says what was expected."""
    with pytest.raises(InputError, match="expected"):
        COLUMN_TAKERS[name](bad)


@pytest.mark.parametrize("name", COLUMN_TAKERS)
@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, 1.5, float("nan"), "high", None])
def test_confidence_outside_0_and_1_is_refused(name, bad):
    """A confidence that promises nothing or everything is refused, by name."""
    with pytest.raises(InputError, match="confidence: out of bounds; expected a number above 0 and below 1"):
        COLUMN_TAKERS[name]([0.1, 0.2, 0.3], confidence=bad)


@pytest.mark.parametrize("name", COLUMN_TAKERS)
@pytest.mark.parametrize("kind", [np.int8, np.float32, bool])
def test_narrow_numbers_are_computed_in_double_and_left_as_they_were(name, kind):
    """Integers, float32 and booleans give the figures of their float64 twins and are not changed."""
    x = np.array([0, 1, 1, 0, 1, 1, 1], dtype=kind)
    kept = x.copy()
    assert COLUMN_TAKERS[name](x) == COLUMN_TAKERS[name](x.astype(np.float64))
    assert x.dtype == kept.dtype
    assert (x == kept).all()


def test_int8_sums_do_not_wrap():
    """Two hundred values of 127 average to 127."""
    assert Moments.of(np.full(200, 127, dtype=np.int8)).mean == 127.0


def test_lengths_that_differ_are_refused():
    """Columns that should pair up name the one that does not."""
    with pytest.raises(InputError, match="before: lengths differ; expected 2 as in after, found 3"):
        paired([0.1, 0.2], [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="clusters: lengths differ"):
        mean_interval([0.1, 0.2], clusters=["a"])
    with pytest.raises(InputError, match="clusters: lengths differ"):
        bootstrap([0.1, 0.2], clusters=["a"], rng=RNG)
    with pytest.raises(InputError, match="before: lengths differ"):
        quantile_difference([0.1, 0.2], [0.1], 0.5)
    with pytest.raises(InputError, match="denominator: lengths differ"):
        ratio_interval([0.1, 0.2], [0.1])


@pytest.mark.parametrize("bad", [["a", None], [1.5, 2.5], [np.nan, 1.0], [["a"], ["b"]], ["a", 1]], ids=str)
def test_labels_that_are_no_labels_are_refused(bad):
    """Missing, fractional or mixed cluster labels are refused."""
    array = np.array(bad, dtype=object) if len(np.shape(bad)) == 1 else bad
    with pytest.raises(InputError, match="clusters"):
        ClusterMoments.of([0.1, 0.2], array)


def test_states_of_two_kinds_of_label_do_not_merge():
    """A partition labelled by number and one by text are not the same clusters."""
    with pytest.raises(InputError, match="labels of two kinds"):
        ClusterMoments.of([0.1], [1]).merge(ClusterMoments.of([0.1], ["1"]))


def test_unknown_methods_are_refused_with_the_nearest():
    """A misspelt method is told its nearest name."""
    with pytest.raises(InputError, match="nearest: studentised"):
        bootstrap([0.1, 0.2], method="studentized", rng=RNG)
    with pytest.raises(InputError, match="nearest: closed"):
        mean_interval([0.1, 0.2], method="close")
    with pytest.raises(InputError, match="method: unknown method; expected union or mover"):
        quantile_difference([0.1, 0.2], [0.1, 0.2], 0.5, method="delta")
    with pytest.raises(InputError, match="rng: a bootstrap needs"):
        mean_interval([0.1, 0.2], method="bca")


def test_bootstrap_refuses_what_it_cannot_do():
    """Too few resamples, a studentised median and a statistic of the wrong shape are refused."""
    with pytest.raises(InputError, match="resamples"):
        bootstrap([0.1, 0.2], resamples=10, rng=RNG)
    with pytest.raises(InputError, match="studentised is for the mean"):
        bootstrap([0.1, 0.2], statistic=lambda rows: np.median(rows, axis=-1), method="studentised", rng=RNG)
    with pytest.raises(InputError, match="not a statistic along the last axis"):
        bootstrap([0.1, 0.2], statistic=lambda rows: rows.mean(), rng=RNG)
    with pytest.raises(InputError, match="not a statistic along the last axis"):
        bootstrap([0.1, 0.2], statistic=lambda rows: rows.mean(axis=-1) * np.nan, rng=RNG)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
@pytest.mark.parametrize(
    ("hits", "n"), [(-1, 5), (6, 5), (0.5, 5), (1, -1), (float("nan"), 5), ("x", 5), (0, float("inf"))]
)
def test_counts_out_of_bounds_are_refused(interval, hits, n):
    """Hits below 0, above n or not whole are refused."""
    with pytest.raises(InputError, match=r"(hits|n): "):
        interval(hits, n)


def test_other_ranges_are_refused():
    """Quantiles, supports, losses, denominators, gaps and limits keep their bounds."""
    for call in (
        lambda: quantile_interval([0.1, 0.2], 1.0),
        lambda: quantile_interval([0.1, 0.2], float("nan")),
        lambda: mean_interval([0.1, 0.2], support=(1.0, 0.0)),
        lambda: empirical_bernstein([0.1, 1.2]),
        lambda: empirical_bernstein([0.1], support=None),
        lambda: big_loser_share([0.1], loss=0.0),
        lambda: ratio_interval([1.0, 1.0], [0.0, 0.0]),
        lambda: ratio_interval([1.0, 1.0], [1.0, -1.0]),
        lambda: needed_for_mean(float("nan"), 1.0),
        lambda: needed_for_mean(0.1, -1.0),
        lambda: needed_for_share(1.2, 0.5),
        lambda: needed_n(Estimate(0.0, -1.0, 1.0, 10, 0.9, "t"), float("nan")),
    ):
        with pytest.raises(InputError):
            call()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: mean_power(None, 1, 10), "gap: out of bounds; expected a finite number, found 'nothing'"),
        (lambda: mean_power(0.1, "x", 10), "sd: out of bounds; expected a finite number above 0, found 'x'"),
        (lambda: clipped_ips([1], [0.5], [0.5], at=None), "at: out of bounds; expected a finite number above 0"),
        (lambda: fit_logistic([0.0, 1.0], [0, 1], ridge=None), "ridge: out of bounds; expected a finite number"),
        (lambda: betting_wealth([0.5], "x"), "null: out of bounds; expected a finite number inside (0, 1), found 'x'"),
        (lambda: split_bands([1.0], "a"), "thresholds: not numbers; expected one number, or 1, found 'a'"),
        (lambda: bootstrap([0.1, 0.2], rng=3), "rng: not a generator; expected a numpy.random.Generator, found 3"),
        (lambda: big_loser_share([0.1], loss=None), "loss: out of bounds; expected a finite number above 0"),
        (lambda: needed_for_mean(None, 1.0), "gap: out of bounds; expected a finite number"),
        (lambda: needed_n(Estimate(0.0, -1.0, 1.0, 10, 0.9, "t"), "x"), "limit: out of bounds; expected a finite"),
        (lambda: slice_coverage({"a": (5, 2)}), "slices: not three counts; expected (covered, rows, calibrated)"),
    ],
    ids=["gap", "sd", "at", "ridge", "null", "thresholds", "rng", "loss", "mean gap", "limit", "slices"],
)
def test_a_scalar_of_the_wrong_kind_is_refused_in_one_line(call, line):
    """None, text or a seed where a number or a generator belongs is named with what was expected and found."""
    with pytest.raises(InputError) as caught:
        call()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
