"""The pointer: what serves is the last row, a flip says who and why, and going back knows what was good."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.rollout import NOON, planted
from harness.errors import InputError
from harness.rollout.pointer import admitted_in, compare_with_trail, current, flip, history, last_good
from harness.rollout.shapes import Pointer
from harness.rollout.trail import entries, verify_trail

A, B, C = "a" * 64, "b" * 64, "c" * 64


def to(connection, stable, candidate=None, percent=0.0, *, environment="prod", stage=None):
    return flip(connection, environment, stable=stable, candidate=candidate, percent=percent, stage=stage, who="ada",
                why="because", at=NOON)


def row(stable, seq=1, candidate=None):
    return Pointer(seq, "prod", stable, candidate, 0.0, None, "ada", "", NOON)


def rows(letters):
    return [row(letter, seq) for seq, letter in enumerate(letters, start=1)]


def test_the_last_flip_is_what_serves(store):
    """Rows are added, never changed; each is in the trail with who, why and when."""
    with store.writing() as connection:
        a, b = planted(connection, "prod", "a"), planted(connection, "prod", "b")
        assert current(connection, "prod") is None
        first, second = to(connection, a), to(connection, a, b, 12.5, stage="5 %")
        third = to(connection, b)
    with store.reading() as connection:
        assert current(connection, "prod") == third
        assert history(connection, "prod") == [third, second, first]
        assert history(connection, limit=2) == [third, second]
        assert second == Pointer(2, "prod", a, b, 12.5, "5 %", "ada", "because", NOON)
        told = entries(connection)
        verify_trail(told)
        compare_with_trail(history(connection), told)
        assert [(one.kind, one.who, one.body["stable"]) for one in told] == [("flip", "ada", one) for one in (a, a, b)]


def test_environments_do_not_see_each_other(store):
    """What serves one is nothing to another, and what may serve one may not serve the other."""
    with store.writing() as connection:
        a, b = planted(connection, "prod", "a"), planted(connection, "staging", "b")
        to(connection, a)
        to(connection, b, environment="staging")
        assert (current(connection, "prod").stable, current(connection, "staging").stable) == (a, b)
        assert current(connection, "dev") is None
        assert admitted_in(connection, "prod") == [a]
        with pytest.raises(InputError, match="prod, column stable: not admitted"):
            to(connection, b)


@pytest.mark.parametrize(("given", "reason"), [
    ({"percent": 101.0}, "not a share"), ({"percent": -0.1}, "not a share"), ({"percent": math.nan}, "not a share"),
    ({"percent": 5.0}, "a share of nothing"), ({"candidate": "a"}, "needs another release"),
    ({"stable": None, "candidate": "b"}, "needs another release"), ({"stable": "unheard-of"}, "not admitted"),
    ({"candidate": "unheard-of", "percent": 1.0}, "column candidate: not admitted"),
])  # fmt: skip
def test_a_flip_that_makes_no_sense_is_refused(store, given, reason):
    """Shares outside of 0 to 100, of nothing, a candidate that is the stable release, releases that may not serve."""
    with store.writing() as connection:
        known = {"a": planted(connection, "prod", "a"), "b": planted(connection, "prod", "b")}
        asked = {"stable": "a", "candidate": None, "percent": 0.0} | given
        with pytest.raises(InputError, match=reason):
            to(connection, known.get(asked["stable"], asked["stable"]),
               known.get(asked["candidate"], asked["candidate"]), asked["percent"])
        assert (history(connection), entries(connection)) == ([], [])


def test_a_digest_that_is_nearly_right_is_told_the_right_one(store):
    """A letter wrong: the error names the release that was meant."""
    with store.writing() as connection:
        a = planted(connection, "prod", "a")
        with pytest.raises(InputError, match=f"nearest: {a}"):
            to(connection, "0" + a[1:])


@pytest.mark.parametrize(("letters", "expected"), [
    ("", None), ("a", None), ("aa", None), ("ab", "a"), ("abb", "a"), ("abc", "b"), ("abcb", "a"), ("abcba", None),
    ("abcbd", "b"), ("aba", None), ("abab", "a"), ([None], None), (["a", None, "b"], "a"), (["a", None], None),
])  # fmt: skip
def test_the_last_good_release_is_the_one_before_that_was_not_left(letters, expected):
    """Straight on, and after one, two and all steps back; times without any release do not count."""
    assert last_good(rows(letters)) == expected


@given(st.text("abc", max_size=12))
def test_going_back_again_and_again_ends_and_never_repeats(letters):
    """Each step back serves a release that was not served since the first step: no to and fro."""
    flips, been = list(letters), set(letters[-1:])
    while (target := last_good(rows(flips))) is not None:
        assert target not in been
        been.add(target)
        flips.append(target)
    assert len(flips) <= len(letters) + 2


def test_a_share_keeps_its_digits(store):
    """What was written is what is compared: a third of a percent is no reason to suspect the trail."""
    with store.writing() as connection:
        a, b = planted(connection, "prod", "a"), planted(connection, "prod", "b")
        for share in (1 / 3, 0.1 + 0.2, 99.99999999999999, 5e-324):
            assert to(connection, a, b, share).percent == share
        compare_with_trail(history(connection), entries(connection))


def test_the_moment_of_a_flip_is_kept_in_utc(store):
    """Said in another zone, it is the same moment."""
    from datetime import timezone

    with store.writing() as connection:
        a = planted(connection, "prod", "a")
        made = flip(connection, "prod", stable=a, candidate=None, percent=0.0, stage=None, who="ada", why="",
                    at=NOON.astimezone(timezone(timedelta(hours=2))))
        assert made == current(connection, "prod") and made.at.utcoffset() == timedelta(0)
