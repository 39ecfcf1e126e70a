"""A log by users: the array functions' intervals from a merged state, and what independent rows would claim."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.counterfactual import ips, snips
from harness.estimators.logged import LoggedRows
from harness.estimators.logged_units import LoggedUnits
from tests.worlds.test_interval_promises import halved, limit, misses

Log = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def users(rng: np.random.Generator, people: int, each: int = 8) -> Log:
    """Users of one mood each, who meet one of two actions for good (.4 or .6); the target swaps them, and earns .5."""
    user = np.repeat(np.arange(people), each)
    p = np.where(rng.random(people) < 0.4, 0.4, 0.6)[user]
    good = rng.random(people)[user]
    return (rng.random(len(user)) < good).astype(float), p, 1.0 - p, user


def audited(log: Log):
    r, p, t, user = log
    return LoggedUnits.of(r, p, t, user).audit(LoggedRows.of(r, p, t).audit(), name="user")


def test_the_state_says_what_the_arrays_say(rng):
    """Merged from ten parts that cut through users, IPS, SNIPS and their ends are those of the clustered functions."""
    r, p, t, user = users(rng, 300)
    state = LoggedUnits()
    for part in range(10):
        state = state.merge(LoggedUnits.of(r[part::10], p[part::10], t[part::10], user[part::10]))
    found = state.audit(LoggedRows.of(r, p, t).audit(), name="user")
    assert found.ips[:3] == pytest.approx(ips(r, p, t, clusters=user)[:3], rel=1e-9)
    assert found.snips[:3] == pytest.approx(snips(r, p, t, clusters=user)[:3], rel=1e-9)
    assert found.snips.method == "self-normalised, delta by user"


def test_merging_is_in_any_order(rng):
    """Text labels, parts in any order and grouping: the same ids and sums; the empty state is the identity."""
    r, p, t, user = users(rng, 40)
    names = np.char.add("u", user.astype(str))
    a, b, c = (LoggedUnits.of(r[i::3], p[i::3], t[i::3], names[i::3]) for i in range(3))
    for one in (a.merge(b).merge(c), c.merge(a.merge(b)), LoggedUnits().merge(b.merge(c)).merge(a)):
        assert one.ids.tolist() == sorted(set(names.tolist()))
        assert one.sums == pytest.approx(LoggedUnits.of(r, p, t, names).sums)
    with pytest.raises(InputError, match="labels of two kinds"):
        a.merge(LoggedUnits.of([1], [0.5], [0.5], [3]))


def test_intervals_by_user_hold_and_by_row_do_not(rng):
    """Each end misses about .05 of 400 logs by user; halved, and by row as if rows were independent, it is caught."""
    logs = [users(rng, 100) for _ in range(400)]
    found = [audited(log).snips for log in logs]
    assert max(misses(found, 0.5)) <= limit(400, 0.06)
    assert min(misses([halved(one) for one in found], 0.5)) > limit(400, 0.06)
    assert min(misses([snips(*log[:3]) for log in logs], 0.5)) > limit(400, 0.06)


def test_the_mean_weight_is_judged_by_user(rng):
    """Weights that go with the user leave E[w] off 1 by row in many right logs, by user in next to none."""
    logs = [users(rng, 60, 40) for _ in range(200)]
    by_row = [any("excludes 1" in words for words in LoggedRows.of(*log[:3]).audit().doubts) for log in logs]
    by_user = [any("excludes 1" in words for words in audited(log).doubts) for log in logs]
    assert sum(by_row) > 60
    assert sum(by_user) <= 10
    r, p, t, user = logs[0]
    assert any("excludes 1" in words for words in audited((r, np.full_like(p, 0.9), t, user)).doubts)


def test_one_user_is_no_crowd(rng):
    """A user with a fifth of the weight refuses the log by name and share; one user alone bounds nothing."""
    r, p, t, user = users(rng, 400)
    heavy = np.where(np.arange(len(user)) < len(user) // 5, 0, user)
    assert audited((r, p, t, heavy)).check.refusals[0].startswith("one user holds")
    assert audited((r, p, t, user)).check.refusals == ()
    alone = audited((r, p, t, np.zeros_like(user)))
    assert (alone.snips.low, alone.snips.high) == (-math.inf, math.inf)
    assert any("bound nothing" in words for words in alone.doubts)


def test_no_weight_changes_nothing():
    """Without overlap the audit by row, with its refusal, is what remains."""
    rows = LoggedRows.of([1, 0], [0.5, 0.5], [0, 0]).audit()
    found = LoggedUnits.of([1, 0], [0.5, 0.5], [0, 0], ["a", "b"]).audit(rows)
    assert found.check.refusals == rows.check.refusals != ()
