"""Sample sizes for bounds: the rule of a finding at even chances, more for more power, borne out by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.defects.plan import Bound, needed_rows
from harness.estimate import Estimate
from harness.estimators.intervals import mean_interval
from harness.release.judge import Reading, Verdict, judge, verdict_of
from harness.release.measures import EXAMPLES
from harness.release.policy import Check, Limit

LCB, UCB, VALUE = Limit("at_least", 0.0, "lcb"), Limit("at_most", 8.0, "ucb"), Limit("at_least", 0.3, "value")


def check(measure: str = "delta nDCG@10", limit: Limit = LCB) -> Check:
    return Check("gate", measure, "see_also", "all", limit)


@pytest.mark.parametrize(("value", "low", "high", "n"), [(0.01, -0.01, 0.03, 400), (0.02, -0.03, 0.06, 158)])
def test_at_even_chances_it_is_the_findings_own_n(value, low, high, n):
    """Power .5 at the measured value is what an INCONCLUSIVE finding states, to the row."""
    estimate = Estimate(value, low, high, n, 0.9, "t")
    assert needed_rows(estimate, LCB, power=0.5) == judge(check("R@5"), Reading(estimate)).needed_n


@pytest.mark.parametrize(("power", "share"), [(0.8, 0.8), (0.5, 0.5)])
def test_the_planned_n_settles_as_often_as_it_says(rng, power, share):
    """A pilot of 400 plans n; of 400 studies of that n, the share with a clearing bound is the power, to .07."""
    def sample(n: int) -> np.ndarray:
        return np.where(rng.random(n) < 0.5, 0.0, rng.normal(0.04, 0.2, n))

    pilot = mean_interval(np.where(np.arange(400) % 2, 0.0, 0.04 + 0.2 * np.sqrt(3) * np.linspace(-1, 1, 400)))
    n = needed_rows(pilot, LCB, value=0.02, power=power)
    passed = sum(verdict_of(mean_interval(sample(n)), LCB) is Verdict.PASS for _ in range(400))
    assert passed / 400 == pytest.approx(share, abs=0.07)
    fewer = sum(verdict_of(mean_interval(sample(n // 3)), LCB) is Verdict.PASS for _ in range(400))
    assert fewer / 400 < share - 0.07  # a third of it would not do: the simulation can tell


def test_more_power_and_smaller_effects_need_more():
    """The n rises with the power and with the inverse square of the effect."""
    estimate = Estimate(0.02, -0.01, 0.05, 500, 0.9, "t")
    sizes = [needed_rows(estimate, LCB, value=0.02, power=power) for power in (0.5, 0.8, 0.95)]
    assert sizes == sorted(sizes) and len(set(sizes)) == 3
    assert needed_rows(estimate, LCB, value=0.01) == pytest.approx(4 * needed_rows(estimate, LCB, value=0.02), rel=0.01)


@pytest.mark.parametrize("estimate", [
    Estimate(0.0, -0.1, 0.1, 100, 0.9, "t"), Estimate(math.nan, -math.inf, math.inf, 0, 0.9, "t"),
    Estimate(0.1, -math.inf, math.inf, 1, 0.9, "t")])
def test_what_no_number_settles_has_none(estimate):
    """At the limit itself, with nothing measured, or without a finite end, no n is made up."""
    assert needed_rows(estimate, LCB) is None


def test_a_mean_is_never_planned_below_200_nor_a_p95_below_59():
    """However clear the value: losses too rare to be seen need 200, an upper end of a p95 needs 59."""
    clear = Estimate(0.3, 0.29, 0.31, 1000, 0.9, "t")
    assert Bound(check(), clear).rows(None, power=0.8)[0].needed_n == 200
    assert Bound(check("agreement@10", Limit("at_least", 0.2, "lcb")), clear).rows(None, power=0.8)[0].needed_n == 500
    fast = Estimate(0.7, 0.69, 0.71, 500, 0.9, "order statistics", "ms")
    rows = Bound(check("p95 total_ms", UCB), fast).rows(None, power=0.8)
    assert [row.needed_n for row in rows] == [59]


@pytest.mark.parametrize("measure", EXAMPLES)
def test_every_measure_that_a_policy_may_bound_is_planned(measure):
    """No name of a measure is too odd to plan for, ratios of percentiles among them."""
    rows = Bound(check(measure), Estimate(0.3, 0.2, 0.4, 1000, 0.9, "t")).rows(None, power=0.8)
    assert all(row.needed_n >= 59 for row in rows)


def test_a_truth_on_the_wrong_side_is_planned_as_a_refusal():
    """A named loss is settled by refusing it; clusters are scaled with the queries."""
    row, = Bound(check(), Estimate(0.02, -0.01, 0.05, 1000, 0.9, "t"), clusters=50).rows([-0.02], power=0.8)
    assert row.to == "REFUSE" and not row.measured
    assert row.needed_clusters == math.ceil(row.needed_n / 20)


def test_a_value_gate_needs_no_lead_for_its_interval():
    """By value, power .5 asks for nothing but a measurement; .95 asks for the distance alone."""
    estimate = Estimate(0.32, 0.28, 0.36, 300, 0.9, "t")
    assert needed_rows(estimate, VALUE, power=0.5) == 1
    assert needed_rows(estimate, VALUE, power=0.95) == pytest.approx(300 * 4, rel=0.001)
