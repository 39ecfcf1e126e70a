"""Per-query values of decisions: means that say what they claim, intervals that keep to it, twins that are caught."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.intervals import mean_interval
from harness.routing.regret import chosen, over_random, regret, share_kept
from tests.routing.worlds import router, teacher, world


def test_the_share_is_spent_exactly_with_ties_too():
    """Decisions sum to the share asked for, whatever ties; a constant score is random spending."""
    rng = np.random.default_rng(0)
    for score in (rng.random(97), rng.integers(0, 3, 97), np.zeros(97)):
        for share in (0.0, 0.1, 0.25, 1.0):
            assert chosen(score, share=share).mean() == pytest.approx(share)
    assert chosen(np.zeros(97), share=0.25) == pytest.approx(0.25)


def test_the_mean_over_random_is_the_lift_beyond_the_same_share():
    """Its mean equals mean(gain x decision) - share x mean(gain), and an oracle's is the most there is."""
    rng = np.random.default_rng(1)
    gain, score = rng.normal(0.1, 0.3, 500), rng.random(500)
    decided = chosen(score, share=0.25)
    assert over_random(gain, decided).mean() == pytest.approx((gain * decided).mean() - 0.25 * gain.mean())
    assert over_random(gain, chosen(gain, share=0.25)).mean() > over_random(gain, decided).mean()
    assert over_random(gain, np.full(500, 0.25)) == pytest.approx(np.zeros(500))


def test_a_router_beats_random_and_a_blind_one_does_not():
    """The fitted router's interval lies above 0 on fresh queries; over 200 blind ones the bound passes 0 for few."""
    signals, gain, _ = world(seed=8, n=1500)
    found = mean_interval(over_random(gain, chosen(router().predict(signals).gain, share=0.25)))
    assert found.low > 0
    rng = np.random.default_rng(2)
    false = sum(mean_interval(over_random(gain, chosen(rng.random(1500), share=0.25))).low > 0 for _ in range(200))
    assert false <= 24  # the 1e-4 limit of a binomial(200, .05)


def test_regret_of_equal_decisions_is_zero_and_of_worse_ones_is_seen():
    """The distilled router loses nothing that counts; a twin that reads its table upside down does."""
    signals, gain, _ = world(seed=9, n=8000)  # of 4,000 without one difference the bound would say less
    full = chosen(teacher().predict(signals).gain, share=0.25)
    same = regret(gain, chosen(router().predict(signals).gain, share=0.25), full)
    assert mean_interval(same).low > -0.0005
    twin = regret(gain, chosen(-router().predict(signals).gain, share=0.25), full)
    assert mean_interval(twin).high < -0.01


def test_share_kept_has_its_limits():
    """Everything keeps all, nothing keeps none, an oracle more than all; without any lift it is no number."""
    gain = np.array([0.4, -0.2, 0.0, 0.2])
    assert share_kept(gain, np.ones(4)) == pytest.approx(1.0)
    assert share_kept(gain, np.zeros(4)) == 0.0
    assert share_kept(gain, gain > 0) == pytest.approx(1.5)
    assert np.isnan(share_kept(-gain, np.ones(4)))


@pytest.mark.parametrize(("call", "match"), [
    (lambda: chosen([], share=0.5), "not a column"),
    (lambda: chosen([0.1, np.nan], share=0.5), "not a column"),
    (lambda: chosen([0.1], share=1.5), "not a share"),
    (lambda: regret([0.1, 0.2], [1.0], [1.0, 0.0]), "2 finite numbers"),
    (lambda: over_random([[0.1]], [1.0]), "not a column"),
    (lambda: share_kept(["a"], [1.0]), "not numbers"),
])  # fmt: skip
def test_what_is_no_column_is_refused(call, match):
    """Empty, NaN, misshapen and unequal columns are errors, never zeros."""
    with pytest.raises(InputError, match=match):
        call()
