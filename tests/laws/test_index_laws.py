"""Laws of indexes and rankings, over generated vectors: what holds for every index, and what for the exact one only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.retrieval.agreement import flat_agreement
from harness.retrieval.health import gini
from harness.retrieval.hits import top_k, without
from harness.retrieval.hybrid import fuse
from harness.retrieval.indexes import KINDS, FaissIndex
from harness.retrieval.protocols import Hits

MADE = {
    "flat": lambda: FaissIndex("flat"),
    "ivf_flat": lambda: FaissIndex("ivf_flat", nlist=4, nprobe=2),
    "hnsw": lambda: FaissIndex("hnsw", links=8),
}
EXACT, APPROXIMATE, QUANTISED = {"flat"}, {"ivf_flat", "hnsw"}, {"ivf_pq"}

seeds = st.integers(0, 2**32 - 1)
laws = settings(max_examples=25, deadline=None, derandomize=True)


def test_every_kind_is_classified():
    """A new kind cannot slip in without saying whether it is exact, and whether its scores are true."""
    assert set(KINDS) == EXACT | APPROXIMATE | QUANTISED
    assert set(MADE) == EXACT | APPROXIMATE
    assert {kind for kind in KINDS if not FaissIndex(kind).exact_scores} == QUANTISED


def test_quantised_scores_are_not_true():
    """Refuted for ivf_pq: its scores are near the inner product, not equal to it."""
    vectors, queries, _ = world(1, n=700)
    hits = FaissIndex("ivf_pq", m=3, nprobe=99).build(vectors).search(queries, k=5)
    true = np.einsum("nkd,nd->nk", vectors[hits.codes], queries)
    assert 1e-4 < np.abs(hits.scores - true).max() < 0.5


def world(seed, n=200, width=6):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n + 8, width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[:n], vectors[n:], rng


@pytest.mark.parametrize("kind", sorted(MADE))
@laws
@given(seed=seeds, small=st.integers(1, 9), large=st.integers(10, 30))
def test_a_smaller_k_is_a_prefix(kind, seed, small, large):
    """The first hits do not depend on how many were asked for (hnsw: as long as its search is wide enough)."""
    vectors, queries, _ = world(seed)
    index = MADE[kind]().build(vectors)
    few, many = index.search(queries, k=small), index.search(queries, k=large)
    assert (few.codes == many.codes[:, :small]).all()


@pytest.mark.parametrize("kind", sorted(MADE))
@laws
@given(seed=seeds)
def test_hits_are_distinct_ordered_and_truly_scored(kind, seed):
    """Scores descend, no document comes twice, and every score is the inner product with the document it names."""
    vectors, queries, _ = world(seed)
    hits = MADE[kind]().build(vectors).search(queries, k=12)
    for codes, scores, query in zip(*hits, queries, strict=True):
        held = codes[codes >= 0]
        assert len(set(held)) == len(held)
        assert (np.diff(scores[: len(held)]) <= 0).all()
        np.testing.assert_allclose(scores[: len(held)], vectors[held] @ query, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(MADE))
@laws
@given(seed=seeds)
def test_the_length_of_a_query_does_not_matter(kind, seed):
    """A longer query finds the same documents at proportional scores (a power of two changes no digit)."""
    vectors, queries, _ = world(seed)
    index = MADE[kind]().build(vectors)
    plain, doubled = index.search(queries, k=5), index.search(queries * 2, k=5)
    assert (plain.codes == doubled.codes).all()
    assert (plain.scores * 2 == doubled.scores).all()


@pytest.mark.parametrize("kind", sorted(MADE))
@laws
@given(seed=seeds)
def test_each_query_is_searched_for_itself(kind, seed):
    """The order of the batch, and company in it, change no query's documents."""
    vectors, queries, rng = world(seed)
    index, order = MADE[kind]().build(vectors), rng.permutation(len(queries))
    whole = index.search(queries, k=5).codes
    assert (index.search(queries[order], k=5).codes == whole[order]).all()
    assert (np.vstack([index.search(query[None], k=5).codes for query in queries]) == whole).all()


@laws
@given(seed=seeds)
def test_renumbering_documents_renumbers_exact_hits(seed):
    """The exact index finds the same documents in whatever order they were given."""
    vectors, queries, rng = world(seed)
    order = rng.permutation(len(vectors))
    plain = FaissIndex("flat").build(vectors).search(queries, k=10).codes
    shuffled = FaissIndex("flat").build(vectors[order]).search(queries, k=10).codes
    assert (order[shuffled] == plain).all()


def test_the_order_of_documents_does_matter_to_clusters():
    """Refuted for inverted lists: another order trains other cells and may lose other documents."""
    vectors, queries, rng = world(1, n=600)
    order = rng.permutation(len(vectors))
    plain = FaissIndex("ivf_flat", nprobe=1).build(vectors).search(queries, k=10).codes
    shuffled = FaissIndex("ivf_flat", nprobe=1).build(vectors[order]).search(queries, k=10).codes
    assert (np.where(shuffled < 0, -1, order[shuffled]) != plain).any()


@laws
@given(seed=seeds, k=st.integers(1, 20))
def test_more_lists_never_lose_a_true_neighbour(seed, k):
    """Agreement with the exact index never falls as nprobe grows, and is whole when all lists are probed."""
    vectors, queries, _ = world(seed)
    index, flat = FaissIndex("ivf_flat", nlist=5).build(vectors), FaissIndex("flat").build(vectors)
    before = np.zeros(len(queries))
    for nprobe in range(1, 6):
        index.nprobe = nprobe
        now = flat_agreement(index, flat, queries, k=k)
        assert (now >= before).all()
        assert ((now >= 0) & (now <= 1)).all()
        before = now
    assert (before == 1).all()


scores = st.lists(st.lists(st.integers(0, 4), min_size=7, max_size=7), min_size=1, max_size=4)


@laws
@given(values=scores, k=st.integers(1, 9))
def test_top_k_is_the_literal_sort(values, k):
    """With ties everywhere, the cut and the order are those of sorting (score, code) downwards."""
    found = top_k(np.array(values, dtype=np.float64), k=k, above=0.0)
    for row, codes in zip(values, found.codes, strict=True):
        literal = sorted(((score, code) for code, score in enumerate(row) if score > 0), reverse=True)[:k]
        assert codes.tolist() == [code for _, code in literal] + [-1] * (k - len(literal))


rankings = st.lists(st.permutations(range(6)), min_size=2, max_size=4)


def ranked(codes):
    return Hits(np.array([codes], dtype=np.int64), -np.arange(len(codes), dtype=np.float32)[None, :])


@laws
@given(orders=rankings, k=st.integers(1, 6))
def test_fusion_does_not_care_who_speaks_first(orders, k):
    """Equal legs in another order give the same documents at the same scores, and a smaller k is a prefix."""
    forward = fuse([ranked(order) for order in orders], k=6)
    backward = fuse([ranked(order) for order in reversed(orders)], k=6)
    np.testing.assert_allclose(forward.scores, backward.scores, rtol=1e-6)
    assert (fuse([ranked(order) for order in orders], k=k).codes == forward.codes[:, :k]).all()


@laws
@given(order=st.permutations(range(8)), own=st.lists(st.integers(-1, 9), min_size=2, max_size=2))
def test_removal_is_idempotent_and_keeps_the_order(order, own):
    """What is removed is gone, the rest keeps its order, and removing again changes nothing."""
    removed = np.array([own])
    once = without(ranked(order), removed)
    left = [code for code in order if code not in own]
    assert once.codes[0].tolist() == left + [-1] * (8 - len(left))
    assert (without(once, removed).codes == once.codes).all()


@laws
@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any), factor=st.integers(1, 9))
def test_gini_knows_only_shares(sizes, factor):
    """In [0, 1), the same for any order and any scale, and higher when the rich take from the poor."""
    values = np.array(sizes)
    assert -1e-12 <= gini(values) < 1
    assert gini(values * factor) == pytest.approx(gini(values), abs=1e-12)
    assert gini(values[::-1]) == pytest.approx(gini(values), abs=1e-12)
    if len(values) > 1 and values.min() > 0:
        moved = np.sort(values)
        moved[0] -= 1
        moved[-1] += 1
        assert gini(moved) > gini(values)
