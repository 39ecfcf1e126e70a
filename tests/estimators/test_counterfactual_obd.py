"""Two real policies, each from the other's log, beside what each in truth earned."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from harness.estimators.counterfactual import importance_weights, ips, snips
from harness.estimators.counterfactual_outcome import cross_fitted_outcome
from harness.estimators.counterfactual_robust import direct_method, doubly_robust
from harness.estimators.logged import LoggedRows
from harness.estimators.overlap import check_weights

# IPS and SNIPS: measured once, to be met to 1e-12; DR to 5 %, as it moves with its solver.
FIGURES = {
    "random": {"ips": 0.005656266700835461, "snips": 0.005739864701951365, "dr": 0.00561655, "dm": -2.8},
    "bts": {"ips": 0.003008626327256482, "snips": 0.003189423162277403, "dr": 0.00335387, "dm": 3.3},
}
ROUNDED = {"random": (0.00565627, 0.00573986), "bts": (0.00300863, 0.00318942)}
ACTIONS = 34


class Case(NamedTuple):
    """One log, the other policy's probabilities (n, actions), and what that policy earned on its own log."""

    log: pd.DataFrame
    items: pd.DataFrame
    table: np.ndarray
    truth: np.ndarray

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        target = self.table[np.arange(len(self.log)), self.log.item_id]
        return self.log.click.to_numpy(), self.log.propensity_score.to_numpy(), target

    @property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        users = pd.get_dummies(self.log[[f"user_feature_{i}" for i in range(4)]]).to_numpy(float)
        kinds = pd.get_dummies(self.items[[f"item_feature_{i}" for i in (1, 2, 3)]]).to_numpy(float)
        return users, np.column_stack([self.items.item_feature_0, kinds])


@pytest.fixture(params=["random", "bts"])
def case(request, shared_data):
    """The log of the policy in the name; the other one is the target."""
    folder = shared_data / "obd_men"
    logs = {name: pd.read_csv(folder / name / "men" / "men.csv.gz", index_col=0) for name in FIGURES}
    items = pd.read_csv(folder / request.param / "men" / "item_context.csv", index_col=0)
    log, other = logs[request.param], logs["bts" if request.param == "random" else "random"]
    table = np.full((len(log), ACTIONS), 1.0 / ACTIONS)
    if request.param == "random":
        share = other.groupby("position").item_id.value_counts(normalize=True).unstack(fill_value=0.0)
        table = share.reindex(columns=range(ACTIONS), fill_value=0.0).loc[log.position].to_numpy()
    return request.param, Case(log, items, table, other.click.to_numpy())


def z(value: float, error: float, truth: np.ndarray) -> float:
    return (value - truth.mean()) / math.hypot(error, truth.std(ddof=1) / math.sqrt(len(truth)))


def test_figures_are_the_references(case):
    """IPS and SNIPS are the reference figures to 1e-12 (and, rounded, the published ones)."""
    name, one = case
    plain, normal = ips(*one.columns).value, snips(*one.columns).value
    assert (plain, normal) == pytest.approx((FIGURES[name]["ips"], FIGURES[name]["snips"]), rel=1e-12)
    assert (round(plain, 8), round(normal, 8)) == ROUNDED[name]


def test_the_truth_is_within_three_errors(case):
    """|z| < 3 against what the target policy earned itself, and the 99 % interval covers it."""
    _, one = case
    found = snips(*one.columns, confidence=0.99)
    error = snips(*one.columns, confidence=0.6827).half_width
    assert abs(z(found.value, error, one.truth)) < 3.0
    assert found.low < one.truth.mean() < found.high


def test_only_one_of_the_logs_may_be_believed(case):
    """The random log carries the target at ESS/N .287, its κ undefined; the other is refused on ESS alone, κ .440."""
    name, one = case
    check = check_weights(importance_weights(*one.columns[1:]))
    if name == "random":
        assert (check.refusals, check.doubts, check.tail.why) == ((), (), "tied")
        assert (round(check.mean.value, 3), round(check.ess_share, 4)) == (0.985, 0.2869)
        assert round(check.largest_share, 3) == 0.001
    else:
        assert check.refusals == ("ESS/N 0.0656 is under the floor of 0.2",)
        assert (round(check.tail.kappa, 3), round(check.largest_share, 3)) == (0.44, 0.019)
        assert round(check.mean.value, 3) == 0.943


def test_what_46_and_69_clicks_can_decide(case):
    """After weighting some 15 clicks are left, so that no difference under 40 % of the value can be told.

    The log that may be believed cannot tell the two policies apart, of which one earns half as much again in truth;
    the one that is refused does tell them apart, at a ratio above 2 where 1.5 is true: a reason to refuse it. A single
    position's clicks leave so skewed an interval that it is doubted.
    """
    name, one = case
    audit = LoggedRows.of(*one.columns).audit()
    assert int(one.columns[0].sum()) == {"random": 46, "bts": 69}[name]
    assert 14 < audit.rewarded < 17
    assert 0.4 < audit.reach < 0.5
    assert audit.doubts == ()
    rows = one.log.position.to_numpy() == 1
    assert "rare rewards: its upper end" in LoggedRows.of(*(column[rows] for column in one.columns)).audit().doubts[0]
    apart = audit.snips.low > audit.logged.high or audit.snips.high < audit.logged.low
    assert apart == (name == "bts") == bool(audit.check.refusals)
    assert name == "random" or audit.logged.value / audit.snips.value > 2.0 > 69 / 46


def test_doubly_robust_meets_its_figure_with_the_reference_model(case):
    """With scikit-learn's logistic models (C 100, a position each, three folds), DR is its figure within 5 %."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold

    name, one = case
    users, items = one.features
    click, place, item = one.columns[0], one.log.position.to_numpy(), one.log.item_id.to_numpy()
    fitted, expected = np.zeros(len(click)), np.zeros(len(click))
    for seen, unseen in KFold(3, shuffle=True, random_state=12345).split(click):
        for at in (1, 2, 3):
            train, test = seen[place[seen] == at], unseen[place[unseen] == at]
            model = LogisticRegression(C=100, max_iter=1000)
            model.fit(np.hstack([users[train], items[item[train]]]), click[train])
            rows = (np.hstack([users[test], np.tile(thing, (len(test), 1))]) for thing in items)
            guess = np.stack([model.predict_proba(one_action)[:, 1] for one_action in rows], axis=1)
            fitted[test] = guess[np.arange(len(test)), item[test]]
            expected[test] = (guess * one.table[test]).sum(axis=1)
    found = doubly_robust(*one.columns, fitted=fitted, expected=expected)
    assert found.value == pytest.approx(FIGURES[name]["dr"], rel=0.05)


def test_our_own_outcome_model_serves_and_the_direct_method_does_not_gate(case, rng):
    """DR over our cross-fitted models lies within three errors of the truth; the direct method has no ends."""
    _, one = case
    users, items = one.features
    model = cross_fitted_outcome(
        users, one.log.item_id.to_numpy(), one.columns[0], actions=items, policy=lambda at: one.table[:, at],
        by=one.log.position.to_numpy(), rng=rng, ridge=10.0,
    )  # fmt: skip
    found = doubly_robust(*one.columns, fitted=model.fitted, expected=model.expected, confidence=0.6827)
    assert abs(z(found.value, found.half_width, one.truth)) < 3.0
    assert direct_method(model.expected).estimate.high == math.inf
