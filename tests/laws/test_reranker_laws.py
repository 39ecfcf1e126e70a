"""Rerankers obey their laws: blind to order and company, even-handed to doubles, still where nothing is asked."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.reranking.acceptance import acceptance, incumbent_gap, margin_for, with_margin
from harness.reranking.factory import make_reranker
from harness.reranking.features import feature_lists
from harness.reranking.protocols import rerank_order
from harness.reranking.stage import RerankStage
from harness.reranking.vectors import VectorFeatures
from tests.reranking.shelf import Shelf

SHELF = Shelf(queries=40)
SOURCES = {"full": SHELF.maker, "vectors": VectorFeatures(SHELF.vectors)}
IMPLS = {"mlp": {"epochs": 5}, "lambdamart": {"trees": 15}, "none": {}}
QUERY = st.integers(0, len(SHELF.lists.texts) - 1)
SEED = st.integers(0, 2**32 - 1)
SCORES = st.lists(st.integers(-40, 40).map(lambda x: x / 8), min_size=1, max_size=12)


@cache
def lessons():
    lists = SHELF.lists
    rows, sizes = feature_lists(SHELF.maker, lists.texts, lists.query_vectors, lists.codes, lists.scores)
    return rows, np.concatenate(lists.labels), sizes


@cache
def fitted(impl: str):
    return make_reranker(impl, **IMPLS[impl]).fit(*lessons())


@cache
def staged(impl: str, share: float | None) -> RerankStage:
    return RerankStage(SHELF.maker, impl, accept_share=share, **IMPLS[impl]).fit(SHELF.lists)


def one(query: int):
    lists = SHELF.lists
    return lists.texts[query], lists.query_vectors[query], lists.codes[query], lists.scores[query]


@pytest.mark.parametrize("source", sorted(SOURCES))
@given(QUERY, SEED)
def test_features_follow_a_shuffled_list(source, query, seed):
    """Shuffled candidates get the same rows, shuffled alike; the full maker to the last bit."""
    text, vector, codes, scores = one(query)
    turn = np.random.default_rng(seed).permutation(len(codes))
    straight = SOURCES[source].features(text, vector, codes, scores)
    shuffled = SOURCES[source].features(text, vector, codes[turn], scores[turn])
    assert np.array_equal(shuffled, straight[turn])


@pytest.mark.parametrize("impl", sorted(IMPLS))
@given(SEED)
def test_scores_follow_shuffled_rows(impl, seed):
    """A row's score does not depend on where it stands."""
    rows = lessons()[0]
    turn = np.random.default_rng(seed).permutation(len(rows))
    assert np.array_equal(fitted(impl).scores(rows[turn]), fitted(impl).scores(rows)[turn])


@pytest.mark.parametrize("impl", sorted(IMPLS))
@given(QUERY, SEED)
def test_the_whole_stage_does_not_see_the_order_of_its_input(impl, query, seed):
    """A shuffled list is reranked into the same hits with the same scores, margin and all."""
    text, vector, codes, scores = one(query)
    turn = np.random.default_rng(seed).permutation(len(codes))
    straight = staged(impl, 0.3).rerank(text, vector, codes, scores)
    shuffled = staged(impl, 0.3).rerank(text, vector, codes[turn], scores[turn])
    assert np.array_equal(straight.codes, shuffled.codes)
    assert np.array_equal(straight.scores, shuffled.scores)


@pytest.mark.parametrize("impl", sorted(IMPLS))
@given(st.integers(1, 40))
def test_single_is_batch(impl, size):
    """Scores of many rows at once are the scores of each alone."""
    rows = lessons()[0][:size]
    alone = np.concatenate([fitted(impl).scores(row[None]) for row in rows])
    assert np.array_equal(fitted(impl).scores(rows), alone)


@given(st.lists(QUERY, min_size=1, max_size=5, unique=True))
def test_features_of_many_queries_are_those_of_each(queries):
    """A query's rows do not depend on which other queries are made with it."""
    lists = SHELF.lists
    rows, sizes = feature_lists(SHELF.maker, *([column[query] for query in queries] for column in lists[:4]))
    alone = [SHELF.maker.features(*one(query)) for query in queries]
    assert np.array_equal(rows, np.vstack(alone))
    assert sizes.tolist() == list(map(len, alone))


@pytest.mark.parametrize("impl", sorted(IMPLS))
@given(st.lists(st.integers(0, 39), min_size=1, max_size=20))
def test_doubled_rows_score_alike_and_move_nobody(impl, doubled):
    """Appending doubles leaves every score as it was and gives the doubles their originals' scores."""
    rows = lessons()[0][:40]
    scores = fitted(impl).scores(np.vstack([rows, rows[doubled]]))
    assert np.array_equal(scores[:40], fitted(impl).scores(rows))
    assert np.array_equal(scores[40:], scores[doubled])


@given(QUERY)
def test_no_reranker_is_the_first_stage(query):
    """At severity 0 the order is the first stage's own."""
    text, vector, codes, scores = one(query)
    assert np.array_equal(staged("none", None).rerank(text, vector, codes, scores).codes,
                          codes[rerank_order(scores, codes)])


@given(SCORES, SEED, st.floats(0, 12), st.floats(0, 12))
def test_a_wider_margin_accepts_less(first, seed, one_margin, two_margin):
    """Acceptance falls as the margin grows: whom a narrow margin keeps, a wide one keeps too."""
    rng = np.random.default_rng(seed)
    new, codes = rng.integers(-40, 40, len(first)) / 8, rng.permutation(len(first))
    before = codes[rerank_order(first, codes)][0]
    low, high = sorted((one_margin, two_margin))
    after = [codes[rerank_order(with_margin(new, first, codes, margin=margin), codes)][0] for margin in (low, high)]
    narrow, wide = acceptance([before, before], after)
    assert wide <= narrow


@given(SCORES, SEED, st.floats(0, 12))
def test_a_margin_moves_only_the_incumbent(first, seed, margin):
    """The others keep their order among themselves, and a margin of 0 moves nobody."""
    rng = np.random.default_rng(seed)
    new, codes = rng.integers(-40, 40, len(first)) / 8, rng.permutation(len(first))
    before = codes[rerank_order(first, codes)][0]
    plain, held = (codes[rerank_order(with_margin(new, first, codes, margin=m), codes)] for m in (0.0, margin))
    assert [code for code in plain if code != before] == [code for code in held if code != before]
    assert np.array_equal(plain, codes[rerank_order(new, codes)])


@given(SCORES, SEED)
def test_a_margin_of_the_gap_itself_keeps_the_incumbent(first, seed):
    """The challenger must win by more than the margin, not by as much."""
    rng = np.random.default_rng(seed)
    new, codes = rng.normal(size=len(first)), rng.permutation(len(first))
    gap = incumbent_gap(new, first, codes)
    assume(gap > 0)
    kept = with_margin(new, first, codes, margin=margin_for([gap], share=1.0))
    assert codes[rerank_order(kept, codes)][0] == codes[rerank_order(first, codes)][0]
