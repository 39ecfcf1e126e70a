"""What looks like sound input and is not: each once gave a narrow interval, or the answer to another question."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators import counterfactual_outcome
from harness.estimators._check import labels, numbers
from harness.estimators.bounded import empirical_bernstein
from harness.estimators.conformal_groups import mondrian
from harness.estimators.counterfactual import clipped_ips, snips
from harness.estimators.counterfactual_outcome import cross_fitted_outcome
from harness.estimators.experiment import hashed_shares
from harness.estimators.experiment_effects import mean_effect, ratio_effect
from harness.estimators.intervals import mean_interval
from harness.estimators.sequential import bernstein_sequence, betting_sequence, betting_wealth
from harness.estimators.sequential_blocks import bounded_arms_sequence, lag_correlation
from harness.estimators.sequential_means import asymptotic_sequence, student_sequence
from harness.estimators.sequential_rates import rate_process, rate_sequence

HALF = [0.5] * 80
ENDLESS = (0.0, math.inf)


@pytest.mark.parametrize("confidence", [-0.5, 0.0, 1.0, 1.5, math.nan, None, "high"])
def test_a_clip_asks_for_a_confidence_as_every_interval_does(confidence):
    """A confidence of 0 or less, halved between value and bias, does not pass for a sound one."""
    with pytest.raises(InputError, match="confidence: out of bounds; expected a number above 0 and below 1"):
        clipped_ips([1, 0] * 40, HALF, HALF, at=2.0, confidence=confidence)


@pytest.mark.parametrize(
    ("ids", "index"),
    [(["a", "b", math.nan], 2), (["a", 1], 1), ([1, "a"], 1), (["a", None], 1), ([1, math.nan], 1), ([True, "a"], 1)],
    ids=str,
)
def test_a_number_or_a_nan_among_text_is_no_label(ids, index):
    """A list of text with a missing or numeric item is refused by index, never read as the text `nan` or `1`."""
    with pytest.raises(InputError, match=f"index {index} is not a label; expected text, or whole numbers"):
        labels(ids)


@pytest.mark.parametrize("beyond", [np.array([1, 2**63], dtype=np.uint64), np.array([1, 2**70], dtype=object)], ids=str)
def test_labels_that_int64_cannot_hold_are_refused(beyond):
    """A whole number of 2**63 or more is refused by index: wrapped, it would be the label of a negative number."""
    with pytest.raises(InputError, match=r"index 1 is not a label; .* under 2\*\*63"):
        labels(beyond)
    with pytest.raises(InputError, match="index 1"):
        mondrian([1.0, 2.0], beyond)
    with pytest.raises(InputError, match="index 1"):
        hashed_shares(beyond, salt="a")


def test_labels_of_every_plain_kind_are_taken():
    """Text, whole numbers up to int64's ends and booleans are labels, from lists, arrays and objects alike."""
    ends = [-(2**63), 2**63 - 1]
    assert labels(ends).tolist() == labels(np.array(ends, dtype=object)).tolist() == ends
    assert labels(np.array([7], dtype=np.uint64)).tolist() == [7] and labels([True, False]).tolist() == [1, 0]
    assert labels(["b", "é"]).tolist() == labels(np.array(["b", "é"], dtype=object)).tolist() == ["b", "é"]
    assert [len(labels(empty)) for empty in ([], np.array([], dtype="U3"), np.array([], dtype="S1"))] == [0, 0, 0]


@pytest.mark.parametrize(
    ("column", "index"),
    [([0.5, None, 0.1], 1), (np.array(["0.2"]), 0), (np.array([0.5, 0.1], dtype=object), 0)],
    ids=str,
)
def test_an_array_of_objects_is_refused_by_its_first_that_is_no_number(column, index):
    """Objects and text are told by index and value, as an estimator tells all that it refuses."""
    with pytest.raises(InputError, match=f"x: not an array of numbers, by index {index}; .*, found"):
        numbers(column)


def test_a_number_that_only_a_wider_float_holds_is_refused():
    """A long double beyond float64 is not finite here, without a warning from numpy."""
    with pytest.raises(InputError, match="index 0 is not finite"):
        numbers(np.array([np.longdouble("1e400"), 1.0], dtype=np.longdouble))


@pytest.mark.parametrize("take", [mean_interval, lambda x, support: snips(x, HALF, HALF, support=support)])
def test_values_outside_their_support_are_refused(take):
    """Cut to a support that does not hold the values, an interval would end at its own value, sure of it."""
    with pytest.raises(InputError, match=r"index 1 is outside the support; .* from 0 to 1, found 6\.0"):
        take([0.5, 6.0] * 40, support=(0.0, 1.0))
    found = take([1.0 + 1e-15, 0.0] * 40, support=(0.0, 1.0))
    assert 0.0 <= found.low < found.value < found.high <= 1.0


@pytest.mark.parametrize(
    "take",
    [empirical_bernstein, bernstein_sequence, betting_sequence,
     lambda x, support: betting_wealth(x, 0.5, support=support),
     lambda x, support: bounded_arms_sequence(x, [1, 0, 1], support=support),
     lambda x, support: clipped_ips(x, HALF[:3], HALF[:3], at=2.0, support=support)],
)  # fmt: skip
@pytest.mark.parametrize("support", [ENDLESS, None, "ab", (0.0, 0.5, 1.0), (1.0, 0.0), (0.0, math.nan)], ids=str)
def test_a_bound_that_leans_on_the_support_needs_both_of_its_ends(take, support):
    """An endless, missing or misshapen support is one line, not an interval of NaN or a traceback."""
    with pytest.raises(InputError, match=r"^support: "):
        take([0.1, 0.2, 0.3], support=support)


@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_arms_without_variation_show_nothing(shift):
    """Two constant arms have no p and no end, whatever their variances round to."""
    one, two = [0.1 + shift] * 6, [0.3 + shift] * 6
    for found in (mean_effect(one, two), ratio_effect(one + two, [0.3] * 12, [1] * 6 + [0] * 6, list(range(12)))):
        assert math.isnan(found.p) and found.estimate.low == -math.inf and found.estimate.high == math.inf
    assert mean_effect([0.1 + shift, 0.1 + shift, 0.2 + shift], two).p < 0.05  # the twin: what varies is still told


def test_the_size_of_the_values_does_not_matter_to_welch():
    """Arms as large as any number that is taken have the p of the same arms near 1."""
    one, two = np.array([1.0, 3.0, 2.0]), np.array([5.0, 9.0, 8.0])
    assert mean_effect(one * 1e89, two * 1e89).p == pytest.approx(mean_effect(one, two).p, rel=1e-9)


@pytest.mark.parametrize("sequence", [student_sequence, asymptotic_sequence])
def test_rounding_alone_ends_no_sequence(sequence):
    """Values that differ only as .1 and .3 - .2 do bound nothing, ever; a millionth of their size does."""
    assert np.isinf(sequence([0.1, 0.3 - 0.2] * 200).high).all()
    found = sequence([0.1, 0.1 + 1e-7] * 200).at(-1)
    assert 0.0 < found.half_width < 1e-7


@pytest.mark.parametrize("prior", [(1e-9, 1e9), (0.0, 1.0), (math.nan, 1.0), (1.0,), "ab", None], ids=str)
def test_a_prior_that_cannot_see_a_breach_is_refused(prior):
    """Evidence of NaN would never alarm: a prior without mass above the limit, or that is no pair, is refused."""
    with pytest.raises(InputError, match="prior: "):
        rate_process([5], [10], 0.5, prior=prior)


@pytest.mark.parametrize("prior", [(1e-3, 1e-3), (1e-3, 1e6), (1e6, 1e-3), (1e6, 1e6)], ids=str)
def test_an_interval_of_rates_has_its_ends_under_any_prior(prior):
    """However lopsided the prior, no end is NaN, and the share that was seen is never outside."""
    found = rate_sequence([9, 18, 90_000], [10, 20, 100_000], prior=prior)
    assert (found.low[-1:] <= 0.9).all() and (found.high[-1:] >= 0.9).all()
    assert not (np.isnan(found.low) | np.isnan(found.high)).any()


def test_a_constant_has_no_autocorrelation():
    """The rounding of a constant's mean is not taken for a memory of .999."""
    assert math.isnan(lag_correlation([0.1] * 1000))
    assert lag_correlation([0.1, 0.3] * 500) == pytest.approx(-0.999)


def test_the_outcome_model_holds_one_action_at_a_time(monkeypatch):
    """No table of rows by actions stands at any time; a twin that lists the columns first is caught holding it."""
    n, kinds = 20_000, 100
    table = n * kinds * 8 // 2

    def peak():
        tracemalloc.start()
        cross_fitted_outcome(
            np.zeros((n, 1)), np.arange(n) % kinds, np.arange(n) % 2, actions=np.arange(kinds)[:, None],
            policy=lambda at: np.full(n, 1.0 / kinds), rng=np.random.default_rng(1), folds=2,
        )  # fmt: skip
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak() < table / 2
    plain = counterfactual_outcome._expected
    monkeypatch.setattr(counterfactual_outcome, "_expected", lambda *given: plain(*given[:3], list(given[3])))
    assert peak() > table
