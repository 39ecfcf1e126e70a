"""A policy says what must be shown: one check a row and slice, each id once, and nothing demanded less than before."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.release.policy import AnyWith, Check, Guard, Limit, Row, checks_of, weakened


def test_a_row_is_one_check_a_slice_in_the_policys_order():
    """Ids say task, slice, measure and end; that is the pytest id a reader meets."""
    rows = [Row(measure="R@5", task="see_also", at_least=0.3, slices=("all", "hard")),
            Row(measure="p95 total_ms", by="ucb", at_most=8), Row(gate="no_dead_links")]  # fmt: skip
    assert [check.id for check in checks_of(rows)] == [
        "see_also-all-R@5-value", "see_also-hard-R@5-value", "all-p95 total_ms-ucb", "no_dead_links"]  # fmt: skip


def test_a_check_carries_all_that_its_row_says():
    """Limit, alternatives (judged by the row's own end), confidence, excuse and expectation."""
    row = Row(measure="delta RR", by="lcb", at_least=0.0, any_with=[{"measure": "RR", "at_least": 0.2}], confidence=0.8,
              required=False, why="few", expect=(0.1, 0.2), slices=("hard",), task="t")  # fmt: skip
    assert checks_of([row]) == (Check(
        "t-hard-delta RR-lcb", "delta RR", "t", "hard", Limit("at_least", 0.0, "lcb"),
        (("RR", Limit("at_least", 0.2, "lcb")),), 0.8, False, "few", (0.1, 0.2)),)  # fmt: skip


def test_an_own_gate_is_a_check_without_a_limit():
    """The gate states measure and limit itself; the policy only says that it must run."""
    (check,) = checks_of([Row(gate="no_dead_links")])
    assert (check.own_gate, check.limit, check.required) == ("no_dead_links", None, True)


@pytest.mark.parametrize("rows", [
    [Row(measure="R@5", at_least=0.3), Row(measure="R@5", at_least=0.3)],
    [Row(measure="R@5", at_least=0.3), Row(measure="R@5", at_least=0.2), Row(measure="R@5", at_least=0.2)],
    [Row(gate="mine"), Row(gate="mine")],
    [Row(measure="R@5", at_least=0.3, slices=("all", "hard")), Row(measure="R@5", at_least=0.3, slices=("hard",))],
])  # fmt: skip
def test_the_same_check_twice_is_an_error(rows):
    """Two findings of one id could not be told apart."""
    with pytest.raises(ValueError, match="stands twice"):
        checks_of(rows)


def test_a_goal_beside_what_is_required_is_a_check_of_its_own():
    """The later limit stands in the id; both are asked for, and dropping either demands less; their order is none."""
    required, goal = Row(measure="R@5", at_least=0.3), Row(measure="R@5", at_least=0.4, required=False, why="a goal")
    assert [check.id for check in checks_of([required, goal])] == ["all-R@5-value", "all-R@5-value-0.4"]
    assert weakened([required, goal], [required]) and weakened([required, goal], [goal])
    assert not weakened([required, goal], [goal, required])


@pytest.mark.parametrize("difference", [{"by": "lcb"}, {"task": "other"}, {"slices": ("hard",)}])
def test_another_end_task_or_slice_is_another_check(difference):
    """The same measure may be asked for in two ways."""
    assert len(checks_of([Row(measure="R@5", at_least=0.3), Row(measure="R@5", at_least=0.3, **difference)])) == 2


@pytest.mark.parametrize(("fields", "words"), [
    ({}, "either a measure or a gate"),
    ({"measure": "R@5", "gate": "mine", "at_least": 0.1}, "either a measure or a gate"),
    ({"measure": "R@5"}, "exactly one of"), ({"measure": "R@5", "at_least": 0.1, "at_most": 0.2}, "exactly one of"),
    ({"measure": "R@5", "by": "lcb", "at_most": 0.2}, "proves nothing"),
    ({"measure": "R@5", "by": "ucb", "at_least": 0.2}, "proves nothing"),
    ({"measure": "R@5", "by": "mean", "at_least": 0.2}, "lcb"),
    ({"gate": "mine", "at_least": 0.1}, "carries no limit"), ({"gate": "mine", "at_most": 0.1}, "carries no limit"),
    ({"gate": "mine", "by": "lcb"}, "carries no by"), ({"gate": "mine", "slices": ("hard",)}, "carries no slices"),
    ({"gate": "mine", "any_with": [{"measure": "RR", "at_least": 0.2}]}, "carries no any_with"),
    ({"gate": "mine", "confidence": 0.8}, "carries no confidence"), ({"gate": "mine", "expect": (0, 1)}, "no expect"),
    ({"measure": "R@5", "at_least": 0.1, "expect": (2, 1)}, "from low to high"),
    ({"measure": "R@5", "at_least": 0.1, "required": False}, "needs a why"),
    ({"measure": "R@5", "at_least": 0.1, "required": False, "why": ""}, "needs a why"),
    ({"measure": "R@5", "at_least": 0.1, "slices": ()}, "each once"),
    ({"measure": "R@5", "at_least": 0.1, "slices": ("all", "all")}, "each once"),
    ({"measure": "R@5", "at_least": 0.1, "confidence": 0.5}, "greater than 0.5"),
    ({"measure": "R@5", "at_least": 0.1, "confidence": 1.0}, "less than 1"),
    ({"measure": "R@5", "at_least": float("nan")}, "finite"), ({"measure": "R@5", "at_most": float("inf")}, "finite"),
    ({"measure": "R@5", "at_least": 0.1, "any_with": [{"measure": "RR"}]}, "exactly one of"),
    ({"measure": "R@5", "at_least": 0.1, "guard": {"for": "3 minutes"}}, "pattern"),
    ({"measure": "R@5", "at_least": 0.1, "guard": {"severity": "grave"}}, "critical"),
    ({"measure": "R@5", "atleast": 0.1}, "not permitted"),
])  # fmt: skip
def test_a_row_that_proves_nothing_is_refused(fields, words):
    """Each contradiction in a row is an error, not a default."""
    with pytest.raises(ValidationError, match=words):
        Row(**fields)


def test_a_row_with_a_gate_survives_being_written():
    """Defaults that are spelt out, as in an attested policy, say nothing new."""
    row = Row(gate="mine", task="t", required=False, why="late")
    assert Row.model_validate(row.model_dump(mode="json", by_alias=True)) == row


def test_a_limit_reads_as_the_field_writes_it():
    """`str` is for tables and reasons."""
    assert str(Limit("at_least", 0.3, "value")) == "value ≥ 0.3"
    assert str(Limit("at_most", 8.0, "ucb")) == "ucb ≤ 8"
    assert AnyWith(measure="RR", at_most=0.5).limit("value") == Limit("at_most", 0.5, "value")
    assert Guard(**{"for": "3m"}).for_ == "3m"


WATCHED = {"for": "3m", "severity": "critical", "then": "hold"}
OLD = {"measure": "R@5", "at_least": 0.3, "confidence": 0.9}


@pytest.mark.parametrize(("before", "after", "words"), [
    ([OLD], [], "no longer asked for"),
    ([OLD], [{**OLD, "at_least": 0.29}], "limit moved from value ≥ 0.3 to value ≥ 0.29"),
    ([{"measure": "m", "at_most": 8}], [{"measure": "m", "at_most": 9}], "limit moved from value ≤ 8 to value ≤ 9"),
    ([OLD], [{**OLD, "at_least": None, "at_most": 0.9}], "limit moved"),
    ([OLD], [{**OLD, "required": False, "why": "late"}], "no longer required"),
    ([OLD], [{**OLD, "confidence": 0.8}], "confidence lowered from 0.9 to 0.8"),
    ([OLD], [{**OLD, "any_with": [{"measure": "RR", "at_least": 0.1}]}], "new or looser alternative RR"),
    ([{**OLD, "any_with": [{"measure": "RR", "at_least": 0.2}]}],
     [{**OLD, "any_with": [{"measure": "RR", "at_least": 0.1}]}], "new or looser alternative RR"),
    ([{**OLD, "slices": ("all", "hard")}], [OLD], "hard-R@5-value: no longer asked for"),
    ([{**OLD, "task": "a"}], [{**OLD, "task": "b"}], "no longer asked for"),
    ([{**OLD, "by": "lcb"}], [OLD], "all-R@5-lcb: no longer asked for"),
    ([{**OLD, "task": "a", "slices": ("b-c",)}], [{**OLD, "task": "a-b", "slices": ("c",)}], "something else"),
    ([OLD], [{"gate": "all-R@5-value"}], "something else"),
    ([{"gate": "mine"}], [], "mine: no longer asked for"),
    ([{**OLD, "guard": WATCHED}], [OLD], "its guard was changed"),
    *(([{**OLD, "guard": WATCHED}], [{**OLD, "at_least": 0.4, "guard": WATCHED | less}], "its guard was changed")
      for less in ({"for": "1h"}, {"severity": "info"}, {"then": "alert"}, {"warn_within": -0.2})),
    ([{**OLD, "guard": WATCHED}, {**OLD, "at_least": 0.4}],
     [OLD, {**OLD, "at_least": 0.4, "guard": WATCHED | {"then": "alert"}}], "all-R@5-value: its guard was changed"),
    ([OLD, {**OLD, "at_least": 0.4}], [{**OLD, "at_least": 0.35}], "-0.4: limit moved from value ≥ 0.4"),
    ([OLD, {**OLD, "at_least": 0.4, "required": False, "why": "x"}],
     [{**OLD, "at_least": 0.5, "required": False, "why": "x"}], "all-R@5-value: no longer required"),
    ([{"gate": "mine"}], [{"gate": "mine", "required": False, "why": "late"}], "mine: no longer required"),
])  # fmt: skip
def test_each_way_to_demand_less_is_named(before, after, words):
    """A policy that asks for less than before says so, one line each."""
    (line,) = weakened([Row(**row) for row in before], [Row(**row) for row in after])
    assert words in line


@pytest.mark.parametrize(("before", "after"), [
    ([OLD], [OLD]), ([OLD], [{**OLD, "at_least": 0.31}]), ([OLD], [{**OLD, "confidence": 0.95}]), ([], [OLD]),
    ([OLD], [OLD, {"gate": "mine"}]), ([OLD], [{**OLD, "slices": ("hard", "all")}]),
    ([{**OLD, "required": False, "why": "x"}], [OLD]),
    ([{**OLD, "any_with": [{"measure": "RR", "at_least": 0.2}]}], [OLD]),
    ([{**OLD, "any_with": [{"measure": "RR", "at_least": 0.2}]}],
     [{**OLD, "any_with": [{"measure": "RR", "at_least": 0.3}]}]),
    ([{"measure": "m", "at_most": 8}], [{"measure": "m", "at_most": 7}]),
    ([OLD], [{**OLD, "expect": (0.1, 0.2)}]), ([OLD], [{**OLD, "guard": {"for": "3m"}}]),
    ([OLD, {**OLD, "at_least": 0.4}], [OLD, {**OLD, "at_least": 0.5}]),
    ([OLD, {**OLD, "at_least": 0.4}], [{**OLD, "at_least": 0.4}]),
    ([{**OLD, "guard": WATCHED}, {**OLD, "at_least": 0.4}], [{**OLD, "at_least": 0.4, "guard": WATCHED}]),
    ([{**OLD, "guard": WATCHED}], [{**OLD, "guard": {"for": "60s", "severity": "emergency", "then": "rollback"}}]),
    ([{**OLD, "guard": WATCHED}, {**OLD, "at_least": 0.2, "guard": {"for": "5m"}}],
     [{**OLD, "at_least": 0.2, "guard": {"for": "5m"}}, {**OLD, "guard": WATCHED}]),
])  # fmt: skip
def test_asking_for_as_much_or_more_is_no_weakening(before, after):
    """A stricter limit, more slices, fewer alternatives, required again: nothing to report."""
    assert weakened([Row(**row) for row in before], [Row(**row) for row in after]) == []


ROWS = st.builds(
    lambda name, bound, confidence, required, others, guard: Row(
        measure=name, at_least=bound, confidence=confidence, required=required, why=None if required else "why",
        guard=guard, any_with=[{"measure": "AP", "at_least": other} for other in others]),
    st.sampled_from(["R@5", "RR"]), st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([0.8, 0.9]), st.booleans(),
    st.lists(st.sampled_from([0.1, 0.2]), max_size=1),
    st.sampled_from([None, {"for": "1m"}, {"for": "60s", "then": "hold"}, {"for": "0m", "warn_within": 0.2}]))
POLICIES = st.lists(ROWS, max_size=3, unique_by=lambda row: (row.measure, row.at_least))


@given(POLICIES, POLICIES, POLICIES)
def test_not_weaker_is_an_order(one, two, three):
    """No policy is weaker than itself; and a chain of policies, none weaker than the last, ends no weaker."""
    assert weakened(one, one) == []
    if not weakened(one, two) and not weakened(two, three):
        assert not weakened(one, three)


def test_no_weaker_row_passes_what_the_old_one_refused():
    """Where nothing is weakened, a reading that the new row passes the old one passed too, over a grid of limits."""
    from harness.estimate import Estimate
    from harness.release.judge import Verdict, verdict_of

    numbers = Estimate(0.25, 0.15, 0.35, 400, 0.9, "t")
    for old, new, by in product((0.1, 0.2, 0.3), (0.1, 0.2, 0.3), ("value", "lcb")):
        before, after = Row(measure="m", at_least=old, by=by), Row(measure="m", at_least=new, by=by)
        if not weakened([before], [after]):
            was, now = (verdict_of(numbers, checks_of([row])[0].limit) for row in (before, after))
            assert not (now is Verdict.PASS and was is not Verdict.PASS)
