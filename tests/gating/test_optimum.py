"""θ* against brute force, the price against a linear program, and the laws that limits obey."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from harness.errors import InputError
from harness.gating.dual import ascend
from harness.gating.optimise import optimise_gate
from harness.gating.optimum import optimum, smallest_budget
from harness.gating.requests import Requests
from harness.gating.surface import levels_of
from harness.gating.terms import Terms
from harness.gating.two_stage import TwoStageGate
from tests.gating.worlds import signalled, small, with_cheap

BUDGETS = st.integers(0, 12).map(lambda whole: whole / 4)
TERMS = st.builds(
    Terms, budget_ms=BUDGETS, bind=st.sampled_from(["mean", "p95"]), overhead_ms=st.sampled_from([0.0, 0.25]),
    share=st.sampled_from([None, (0.25, 0.75)]), delta=st.sampled_from([0.0, (0.25, 0.25), (2.0, 0.0)]),
    headroom=st.just(0.0), levels=st.just(64))  # fmt: skip


def rules(asked: Requests, terms: Terms) -> Iterator[tuple[float, float, float, float]]:
    """(gain, mean ms, p95 ms, share) of every pair of thresholds seen in the data, computed request by request."""
    drop = terms.delta if isinstance(terms.delta, tuple) else (0.0, 0.0)
    for high in sorted(set(asked.entropy)):
        for up in sorted(set(asked.predicted_gain)):
            gain, waited, full = [], [], []
            for entropy, predicted, *row in zip(*asked, strict=True):
                whole = entropy >= high and predicted >= up
                part = not whole and entropy >= high - drop[0] and predicted >= up - drop[1]
                gain.append(row[0] if whole else row[2] if part else 0.0)
                waited.append(terms.overhead_ms + (row[1] if whole else row[3] if part else 0.0))
                full.append(whole)
            if any(full):
                yield (float(np.mean(gain)), float(np.mean(waited)), sorted(waited)[math.ceil(0.95 * len(waited)) - 1],
                       float(np.mean(full)))


def able(asked: Requests, terms: Terms) -> list[float]:
    """Gains of the rules that keep the limits, by brute force."""
    low, high = terms.share or (0.0, 1.0)
    return [gain for gain, mean, tail, share in rules(asked, terms)
            if low <= share <= high and (terms.budget_ms is None
                                         or (mean if terms.bind == "mean" else tail) <= terms.budget_ms + 1e-9)]


@settings(max_examples=150, deadline=None)
@given(small(), TERMS)
def test_no_pair_of_thresholds_does_better(asked, terms):
    """θ* gains exactly what the best pair gains by brute force, or the refusal is as true as brute force has it."""
    possible = able(asked, terms)
    if possible and max(possible) > 0.0:
        found = optimum(asked, terms)
        assert found.gain == pytest.approx(max(possible), abs=1e-12)
        assert found.bound >= found.gain
        gate = TwoStageGate.of(asked, terms)
        assert gate.predicted.gain == pytest.approx(found.gain, abs=1e-12)
        assert gate.swept[4].within and gate.swept[4].figures == gate.predicted
        return
    with pytest.raises(InputError, match="no thresholds" if not possible else "brings a gain"):
        optimum(asked, terms)


def test_brute_force_sees_an_optimum_that_is_one_level_off():
    """The comparison has teeth: the next higher and lower threshold gain less or break the budget."""
    asked, terms = signalled(40), Terms(budget_ms=0.4, delta=0.0)
    best = max(able(asked, terms))
    gate = TwoStageGate.of(asked, terms)
    gains = np.unique(asked.predicted_gain)
    column = int(np.searchsorted(gains, gate.theta.gain))
    for place in (column + 1, column - 1):
        moved = replace(gate, theta=gate.theta._replace(gain=float(gains[place])))
        decisions = moved.decided(asked) == 2
        worse = float((asked.gain * decisions).mean()) < best - 1e-6
        assert worse or float((asked.cost_ms * decisions).mean()) > 0.4


@settings(max_examples=60, deadline=None)
@given(small(), TERMS)
def test_the_smallest_feasible_budget_is_feasible_and_smallest(asked, terms):
    """The refusal's budget is one that brute force can keep, and a little less is one that it cannot."""
    least = smallest_budget(asked, terms)
    if math.isnan(least):
        assert not able(asked, replace(terms, budget_ms=1e6))
        return
    assert able(asked, replace(terms, budget_ms=least))
    assert least <= 1e-6 or not able(asked, replace(terms, budget_ms=least - 1e-6))


@pytest.mark.parametrize("bind", ["mean", "p95"])
@pytest.mark.parametrize("headroom", [0.0, 0.3])
def test_an_infeasible_budget_names_the_smallest_feasible_one(bind, headroom):
    """The error is one line with the budget that would do: as it is printed, that budget does, and less does not."""
    whole = signalled(30)
    asked = whole._replace(gain=np.abs(whole.gain))  # so that no budget fails for want of a gain
    terms = {"bind": bind, "headroom": headroom, "overhead_ms": 0.07, "share": (0.2, 0.6)}
    with pytest.raises(InputError, match=r"budget_ms: no thresholds keep the budget; expected at least \S+ ms") as told:
        TwoStageGate.fit(*asked[:4], budget_ms=0.08, **terms)
    least = float(str(told.value).split("at least ")[1].split()[0])
    assert TwoStageGate.fit(*asked[:4], budget_ms=least, **terms).predicted.share >= 0.2
    with pytest.raises(InputError, match="no thresholds keep the budget"):
        TwoStageGate.fit(*asked[:4], budget_ms=least * 0.9999, **terms)


@settings(max_examples=60, deadline=None)
@given(small(), TERMS, BUDGETS)
def test_a_larger_budget_never_captures_less(asked, terms, more):
    """What a budget allows, a larger one allows too."""
    gains = [max(able(asked, one), default=-1.0) for one in (terms, replace(terms, budget_ms=terms.budget_ms + more))]
    if gains[0] > 0.0:
        assert optimum(asked, replace(terms, budget_ms=terms.budget_ms + more)).gain >= optimum(asked, terms).gain


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(-8, 8), st.integers(0, 8)), min_size=1, max_size=12),
       st.integers(0, 8), st.sampled_from([-math.inf, 1.0, 3.0]))
def test_the_dual_is_what_the_best_mix_of_rules_brings(pairs, high, low):
    """The last dual equals the optimum of the linear program over mixtures of rules (strong duality)."""
    gain, weight = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    low = min(low, float(high))
    within = (weight >= low) & (weight <= high)
    if not within.any():
        with pytest.raises(InputError, match="no rule keeps the limit"):
            ascend(gain, weight, low=low, high=float(high))
        return
    found = ascend(gain, weight, low=low, high=float(high))
    rows, ends = [weight], [float(high)]
    if math.isfinite(low):
        rows, ends = [*rows, -weight], [*ends, -low]
    best = linprog(-gain, A_ub=rows, b_ub=ends, A_eq=[np.ones(len(gain))], b_eq=[1.0], method="highs")
    assert found.trace[-1].dual == pytest.approx(-best.fun, abs=1e-6)
    assert gain[found.place] == gain[within].max()


def test_the_trace_ends_at_the_least_dual_and_an_early_stop_would_not():
    """At the last price the dual is within the tolerance of its least over all prices; at the first it is not."""
    asked, terms = signalled(400), Terms(budget_ms=0.3)
    limit = terms.limit(asked)
    gain, mean = np.array(coarse(asked)).T
    duals = [float((gain - price * (mean - limit.high)).max()) for price in np.linspace(0.0, 1.0, 4001)]
    trace = optimum(asked, replace(terms, levels=12)).trace
    assert [step.iteration for step in trace] == list(range(len(trace)))
    assert trace[-1].gap <= 1e-6 and trace[-1].dual <= min(duals) + 1e-6
    assert min(duals) <= trace[-1].dual + 1e-4  # the grid of prices is that coarse
    assert trace[0].dual > min(duals) + 1e-3 and trace[0].slack < 0.0


def coarse(asked: Requests) -> list[tuple[float, float]]:
    """(gain, ms) of the rules on twelve levels an axis, from the definition."""
    found = []
    for high in levels_of(asked.entropy, 12):
        for up in levels_of(asked.predicted_gain, 12):
            full = (asked.entropy >= high) & (asked.predicted_gain >= up)
            if full.any():
                found.append((float((asked.gain * full).mean()), float((asked.cost_ms * full).mean())))
    return found


def test_a_budget_without_effect_has_no_price():
    """Where reranking everything that pays is affordable, λ is 0 and one step ends it."""
    gate = TwoStageGate.fit(*signalled()[:4], budget_ms=100.0)
    assert gate.price == 0.0 and gate.iterations == 1
    assert gate.bound == pytest.approx(gate.predicted.gain)


def test_the_p95_binds_where_it_is_asked_to():
    """Bound by the mean, more than 5 % are reranked and the p95 carries a whole rerank; bound by the p95, it cannot."""
    asked = signalled()
    mean = TwoStageGate.fit(*asked[:4], budget_ms=0.2)
    tail = TwoStageGate.fit(*asked[:4], budget_ms=0.2, bind="p95")
    assert mean.predicted.share > 0.05 and mean.predicted.cost_mean_ms <= 0.2 < mean.predicted.cost_p95_ms
    assert tail.predicted.share <= 0.05 and tail.predicted.cost_p95_ms <= 0.2
    assert 0.0 < tail.predicted.gain < mean.predicted.gain


def test_overhead_is_paid_by_every_request():
    """Router and gate come out of the budget before the first rerank does."""
    asked = signalled()
    gate = TwoStageGate.fit(*asked[:4], budget_ms=0.2, overhead_ms=0.05)
    assert 0.05 < gate.predicted.cost_mean_ms <= 0.2
    assert gate.predicted.share < TwoStageGate.fit(*asked[:4], budget_ms=0.2).predicted.share


def test_a_cheap_stage_is_paid_and_counted():
    """Between θ* - δ and θ* the cheap stage's gain and cost enter the fit, and help where it is worth its price."""
    asked = with_cheap()
    gate = TwoStageGate.fit(*asked[:4], budget_ms=0.2, delta=(0.3, 0.05), cheap_gain=asked.cheap_gain,
                            cheap_cost_ms=asked.cheap_cost_ms)
    decisions = gate.decided(asked)
    spent = np.where(decisions == 2, asked.cost_ms, np.where(decisions == 1, asked.cheap_cost_ms, 0.0))
    assert gate.predicted.cheap_share == (decisions == 1).mean() > 0.0
    assert gate.predicted.cost_mean_ms == pytest.approx(spent.mean()) and spent.mean() <= 0.2
    without = TwoStageGate.fit(*asked[:4], budget_ms=0.2, delta=(0.3, 0.05))
    assert gate.predicted.gain > without.predicted.gain


def test_a_share_stands_in_place_of_a_budget():
    """Without a budget the window of share carries the price, above 0 where it holds back, below 0 where it forces."""
    asked = signalled()
    held = optimise_gate(*asked[:4], share=(0.14, 0.16))
    assert 0.14 <= held.predicted.share <= 0.16 and held.price > 0.0
    forced = optimise_gate(*asked[:4], share=(0.97, 1.0), headroom=0.0)
    assert forced.predicted.share >= 0.97 and forced.price < 0.0
    assert forced.bound >= forced.predicted.gain


def test_share_and_budget_are_kept_together():
    """With both, the share stays in its window and the budget is kept; where they exclude each other, it says so."""
    asked = signalled()
    both = optimise_gate(*asked[:4], share=(0.08, 0.16), budget_ms=0.25, headroom=0.0)
    assert 0.08 <= both.predicted.share <= 0.16 and both.predicted.cost_mean_ms <= 0.25
    with pytest.raises(InputError, match="no thresholds keep the budget; expected at least"):
        optimise_gate(*asked[:4], share=(0.3, 0.32), budget_ms=0.2)


def test_a_share_that_ties_forbid_names_the_nearest_there_is():
    """Requests that cannot be told apart are reranked together or not at all."""
    with pytest.raises(InputError, match=r"share: no thresholds keep the share; expected a window that holds 0\.5"):
        optimise_gate([1, 1, 0, 0], [1, 1, 0, 0], [0.1, 0.1, 0.0, 0.0], [1, 1, 1, 1])


def test_headroom_leaves_part_of_each_limit_free():
    """A fifth of the budget, of the tail above a p95, or of the window stays unspent at the fit."""
    asked = signalled(1000)
    assert TwoStageGate.fit(*asked[:4], budget_ms=0.2, headroom=0.2).predicted.cost_mean_ms <= 0.16
    assert TwoStageGate.fit(*asked[:4], budget_ms=0.2, bind="p95", headroom=0.2).predicted.share <= 0.04
    assert 0.145 <= optimise_gate(*asked[:4], headroom=0.5).predicted.share <= 0.155


def test_neither_the_order_of_requests_nor_the_unit_of_time_matters():
    """θ* is a property of the set of requests; milliseconds or seconds give the same one."""
    asked = signalled()
    one = TwoStageGate.fit(*asked[:4], budget_ms=0.2)
    order = np.random.default_rng(3).permutation(asked.n)
    assert TwoStageGate.fit(*(column[order] for column in asked[:4]), budget_ms=0.2).theta == one.theta
    longer = asked._replace(cost_ms=asked.cost_ms * 1024.0)
    assert TwoStageGate.fit(*longer[:4], budget_ms=0.2 * 1024.0).theta == one.theta


@pytest.mark.parametrize(("options", "said"), [
    ({}, "nothing limits the spending"), ({"budget_ms": -1.0}, "budget_ms: out of bounds"),
    ({"budget_ms": float("nan")}, "budget_ms: out of bounds"), ({"budget_ms": True}, "budget_ms: out of bounds"),
    ({"budget_ms": 1.0, "bind": "p59"}, "nearest: p95"), ({"share": (0.2, 0.1)}, "share: out of bounds"),
    ({"share": 0.15}, "share: not a pair"), ({"budget_ms": 1.0, "delta": -0.1}, "delta: out of bounds"),
    ({"budget_ms": 1.0, "delta": (0.1, -0.1)}, "delta: out of bounds"), ({"budget_ms": 1.0, "levels": 1}, "levels"),
    ({"budget_ms": 1.0, "levels": 2.5}, "whole number"), ({"budget_ms": 1.0, "headroom": 1.0}, "headroom"),
    ({"budget_ms": 1.0, "tolerance": 0.0}, "tolerance"), ({"budget_ms": 1.0, "overhead_ms": "x"}, "overhead_ms"),
    ({"budget_ms": 1.0, "cheap_gain": [0.0] * 2}, "half a cheap stage"),
])  # fmt: skip
def test_terms_that_make_no_sense_are_refused_by_name(options, said):
    """Each wrong option is one line that names it."""
    with pytest.raises(InputError, match=said):
        TwoStageGate.fit([0.1, 0.9], [0.0, 0.1], [0.0, 0.2], [1.0, 1.0], **options)


@pytest.mark.parametrize(("columns", "said"), [
    (([], [], [], []), "column entropy: not a column"), (([0.1], [0.1, 0.2], [0.1], [1.0]), "differ in length"),
    (([0.1, float("nan")], [0.1] * 2, [0.1] * 2, [1.0] * 2), "row 2, column entropy: not finite"),
    (([0.1], [0.1], [2.31], [1.0]), "column gain: out of bounds; expected nDCG units"),
    (([0.1], [0.1], [0.1], [-1.0]), "column cost_ms: out of bounds"), (([0.1], [0.1], ["x"], [1.0]), "not a number"),
    (([[0.1]], [0.1], [0.1], [1.0]), "column entropy: not a column"),
    (([0.1], [0.1], [0.0], [1.0]), "no rerank within the limits brings a gain"),
    (([0.1], [0.1], [-0.5], [1.0]), "no rerank within the limits brings a gain"),
])  # fmt: skip
def test_columns_that_cannot_be_fitted_are_refused_by_name(columns, said):
    """Empty, unequal, NaN, percent, negative, text, and worthless: each has its line."""
    with pytest.raises(InputError, match=said):
        TwoStageGate.fit(*columns, budget_ms=1.0)


def test_the_p95_is_a_value_that_was_seen():
    """One rerank in twenty leaves the p95 at 0, as the limit counts it; two do not."""
    signal = np.arange(20.0)
    gains = np.where(signal == 19, 0.5, 0.0)
    gate = TwoStageGate.fit(signal, signal / 100, gains, np.full(20, 3.0), budget_ms=0.2, bind="p95")
    assert (gate.predicted.share, gate.predicted.cost_p95_ms) == (0.05, 0.0)
    both = TwoStageGate.fit(signal, signal / 100, np.where(signal >= 18, 0.5, 0.0), np.full(20, 3.0), budget_ms=3.0,
                            bind="p95")
    assert (both.predicted.share, both.predicted.cost_p95_ms) == (0.1, 3.0)


def test_an_overhead_beyond_the_budget_leaves_no_p95_to_keep():
    """What every request pays cannot hide in the 5 % above a p95."""
    asked = signalled(100)
    with pytest.raises(InputError, match=r"expected at least 0\.3 ms \(p95"):
        TwoStageGate.fit(*asked[:4], budget_ms=0.2, overhead_ms=0.3, bind="p95")


def test_a_budget_met_to_the_last_bit_is_met():
    """Three times 0.1 ms over three requests is 0.1 ms, though floating point adds up a little more."""
    assert TwoStageGate.fit([1.0] * 3, [0.1] * 3, [0.2] * 3, [0.1] * 3, budget_ms=0.1).predicted.share == 1.0


def test_of_equal_gains_the_cheaper_rule_is_taken():
    """Nothing is spent that brings nothing."""
    found = ascend(np.array([0.3, 0.3, 0.1]), np.array([2.0, 1.0, 0.0]), low=-math.inf, high=2.0)
    assert found.place == 1


def test_one_request_alone_is_a_whole_fit():
    """The smallest world: one request that is worth its rerank."""
    gate = TwoStageGate.fit([0.5], [0.1], [0.2], [1.0], budget_ms=1.0)
    assert gate.predicted.share == 1.0 and gate.decide([0.5], [0.1]).tolist() == [2]


def test_constant_signals_rerank_all_or_none():
    """Requests that the signals cannot tell apart get one decision."""
    gate = TwoStageGate.fit([0.5] * 4, [0.1] * 4, [0.2, 0.0, 0.0, 0.0], [1.0] * 4, budget_ms=1.0)
    assert gate.predicted.share == 1.0
    with pytest.raises(InputError, match="at least 1 ms"):
        TwoStageGate.fit([0.5] * 4, [0.1] * 4, [0.2, 0.0, 0.0, 0.0], [1.0] * 4, budget_ms=0.9)


def test_a_gate_decides_one_request_as_it_decides_many(rng):
    """`one` and `decide` agree on random and on boundary signals; NaN is refused by both."""
    gate = TwoStageGate.fit(*signalled()[:4], budget_ms=0.2)
    entropy = np.concatenate([rng.random(300), [gate.theta.entropy, gate.below.entropy] * 2])
    gain = np.concatenate([rng.normal(0.02, 0.05, 300), [gate.theta.gain] * 2, [gate.below.gain] * 2])
    many = gate.decide(entropy, gain)
    assert many.tolist() == [gate.one(*pair) for pair in zip(entropy.tolist(), gain.tolist(), strict=True)]
    assert set(many.tolist()) == {0, 1, 2} and many.dtype == np.int8
    with pytest.raises(InputError, match="not finite"):
        gate.one(float("nan"), 0.1)
    with pytest.raises(InputError, match="row 1, column gain: not finite"):
        gate.decide([0.5], [float("nan")])
