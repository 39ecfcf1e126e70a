"""Signals on inputs with known answers, on empty and tied ones, and on what is no score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.routing.signals import SIGNALS, company, entropy, lead, margin, overlap, spread

NONE = -np.inf
rows = st.lists(st.floats(-50, 50), min_size=2, max_size=12)


def slow_entropy(scores, temperature):
    """The definition, one number at a time."""
    weights = [np.exp(score / temperature) for score in scores]
    shares = [weight / sum(weights) for weight in weights]
    return -sum(share * np.log(share) for share in shares if share > 0) / np.log(len(scores))


@given(rows, st.floats(0.5, 20))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_entropy_is_its_definition(scores, temperature):
    """The fast form equals the literal one, lies in [0, 1], and does not move with a constant added to all scores."""
    found = entropy([scores], temperature=temperature)[0]
    assert found == pytest.approx(slow_entropy(scores, temperature), abs=1e-9)
    assert 0.0 <= found <= 1.0
    assert entropy([[score + 7.0 for score in scores]], temperature=temperature)[0] == pytest.approx(found, abs=1e-9)


def test_entropy_falls_as_one_hit_stands_out():
    """Certainty lowers entropy, a higher temperature raises it; neither falsehood holds."""
    stands = [[1.0 + step, 1.0, 1.0] for step in (0.0, 0.5, 1.0, 4.0)]
    found = entropy(stands, temperature=0.5)
    assert found[0] == pytest.approx(1.0) and (np.diff(found) < 0).all()
    assert entropy(stands, temperature=2.0)[2] > found[2]


def test_missing_hits_have_stated_outcomes():
    """One hit and none leave no doubt (0); a lone hit leads by itself; short lists carry no weight where they end."""
    lists = [[0.9, NONE, NONE], [NONE, NONE, NONE], [0.9, 0.9, NONE]]
    assert entropy(lists, temperature=1.0) == pytest.approx([0.0, 0.0, np.log(2) / np.log(3)])
    assert margin(lists).tolist() == [0.9, 0.0, 0.0]
    assert spread(lists).tolist() == [0.0, 0.0, 0.0]
    assert overlap([[-1, -1]], [[-1, -1]]).tolist() == [0.0]
    assert company([[-1, -1], [3, -1], [3, 5], [3, 3]]).tolist() == [0.0, 1.0, 0.5, 1.0]


def test_a_lead_is_negative_where_a_later_hit_has_more():
    """The sign tells whom the evidence prefers, and ties are 0."""
    assert lead([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0], [1.0, 5.0, 0.0]]).tolist() == [1.0, 0.0, -4.0]


def test_overlap_counts_common_documents_within_the_depth():
    """Order within the depth does not matter, what lies below does not count, k is the divisor."""
    assert overlap([[1, 2, 3, 4]], [[4, 3, 9, 1]], k=4).tolist() == [0.75]
    assert overlap([[1, 2, 3, 4]], [[4, 3, 9, 1]], k=2).tolist() == [0.0]
    assert overlap([[1, 2]], [[2, 1]], k=10).tolist() == [0.2]


@pytest.mark.parametrize(("call", "match"), [
    (lambda: entropy([[1.0, np.nan]], temperature=1.0), "row 1, column 2: not a score"),
    (lambda: entropy([[1.0, np.inf]], temperature=1.0), "not a score"),
    (lambda: entropy([[1.0, 2.0]], temperature=0.0), "temperature"),
    (lambda: entropy([1.0, 2.0], temperature=1.0), "wrong shape"),
    (lambda: margin(np.empty((2, 0))), "wrong shape"),
    (lambda: lead([["a"]]), "not numbers"),
    (lambda: overlap([[1]], [[1], [2]]), "do not go together"),
    (lambda: overlap([[1]], [[1]], k=0), "at least 1"),
    (lambda: company([1, 2]), "wrong shape"),
])  # fmt: skip
def test_what_is_no_score_is_refused(call, match):
    """NaN, infinite, misshapen and unequal inputs are errors that name the place."""
    with pytest.raises(InputError, match=match):
        call()


def test_no_queries_no_signals():
    """An empty batch gives empty columns."""
    empty = np.empty((0, 5))
    assert [len(one) for one in (entropy(empty, temperature=1.0), margin(empty), spread(empty))] == [0, 0, 0]
    assert len(set(SIGNALS)) == len(SIGNALS) and SIGNALS[0] == "entropy"
