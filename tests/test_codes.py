"""Codes, order and look-up of (query, document) pairs: each fast way meets its plain twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.codes import code, pair_index, rank_within, trec_order

SCORES = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-9, -3.5, 1e-45, 1e300, -1e300]), st.floats(-1e6, 1e6))
ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30), SCORES), max_size=60,
                unique_by=lambda row: (row[0], row[1]))


@settings(max_examples=300, deadline=None)
@given(rows=ROWS, presorted=st.sampled_from(["no", "query", "score", "reversed"]))
def test_the_order_is_trec_evals(rows: list[tuple[int, int, float]], presorted: str) -> None:
    """Query, float32 score descending, document descending: whatever state the rows are in to begin with."""
    if presorted == "query":
        rows.sort(key=lambda row: row[0])
    elif presorted != "no":
        rows.sort(key=lambda row: (row[0] if presorted == "score" else -row[0], -row[2]))
    query, doc = (np.array([row[place] for row in rows], dtype=np.int32) for place in (0, 1))
    score = np.array([row[2] for row in rows], dtype=np.float64)
    order = trec_order(query, doc, score)
    with np.errstate(over="ignore"):
        single = score.astype(np.float32).tolist()
    literal = sorted(range(len(rows)), key=lambda row: (query[row], -single[row], -doc[row]))
    assert (list(range(len(rows))) if order is None else order.tolist()) == literal


@settings(max_examples=100, deadline=None)
@given(pairs=st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_every_pair_is_found_and_no_other(pairs: set[tuple[int, int]]) -> None:
    """Looking up all 100 keys gives the value of those that are there and -1 for the rest."""
    rows = sorted(pairs, key=lambda pair: (pair[1], -pair[0]))
    query, doc = (np.array([row[place] for row in rows], dtype=np.int32) for place in (0, 1))
    index = pair_index(query, doc, 10, np.arange(len(rows), dtype=np.int32))
    assert index.find(np.arange(100)).tolist() == [
        rows.index(divmod(key, 10)) if divmod(key, 10) in pairs else -1 for key in range(100)]
    assert not index.repeated()
    hits = np.bincount(query, minlength=10)
    starts = (np.cumsum(hits) - hits)[np.arange(100) // 10]
    within = index.find_within(np.arange(100), starts, int(hits.max()))
    assert within.tolist() == index.find(np.arange(100)).tolist()


def test_a_long_list_of_keys_is_looked_up_block_by_block(rng: np.random.Generator) -> None:
    """More keys than fit a block, of queries from none to 3,000 rows, in any order: as one search after another."""
    hits = np.array([3000, 0, 1, 700, 0])
    keys = np.concatenate([query * 5000 + rng.permutation(5000)[:n] for query, n in enumerate(hits)])
    query, doc = (part.astype(np.int32) for part in np.divmod(keys, 5000))
    index = pair_index(query, doc, 5000, np.arange(len(keys), dtype=np.int32))
    wanted = rng.permutation(25_000)
    starts = (np.cumsum(hits) - hits)[wanted // 5000]
    assert index.find_within(wanted, starts, 3000).tolist() == index.find(wanted).tolist()


def test_pairs_too_wide_for_one_word_are_found_too() -> None:
    """Where key and value do not fit into 63 bits together, the slower sort gives the same index."""
    query = np.array([2**31 - 2, 0, 2**31 - 2], dtype=np.int32)
    doc = np.array([5, 7, 2**31 - 2], dtype=np.int32)
    index = pair_index(query, doc, 2**31 - 1, np.array([3, 9, 2**20], dtype=np.int32))
    assert index.find(query.astype(np.int64) * (2**31 - 1) + doc).tolist() == [3, 9, 2**20]
    assert pair_index(query[[0, 0]], doc[[0, 0]], 2**31 - 1, np.array([1, 2**20], dtype=np.int32)).repeated()


def test_ranks_count_within_queries() -> None:
    """From 1, and anew for each query."""
    assert rank_within(np.array([0, 0, 3, 7, 7, 7])).tolist() == [1, 2, 1, 1, 2, 3]
    assert rank_within(np.array([], dtype=np.int32)).tolist() == []


def test_codes_follow_the_order_of_ids() -> None:
    """Code 0 is the smallest id, and numpy's own strings are ids too."""
    ids, codes, _ = code(["b", "a", "b"], "doc_id", "test")
    assert (ids.tolist(), codes.tolist()) == (["a", "b"], [1, 0, 1])
    array: NDArray[np.str_] = np.array(["b", "a"])
    assert code(array, "doc_id", "test").codes.tolist() == [1, 0]  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, "", 3, 1.5, ["a"], b"a"], ids=str)
def test_what_is_no_text_is_no_id(wrong: object) -> None:
    """The row is named."""
    with pytest.raises(Exception, match=r"row 2, column doc_id: not an id"):
        code(["a", wrong], "doc_id", "test")  # type: ignore[list-item]
