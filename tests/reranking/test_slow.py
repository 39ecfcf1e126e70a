"""Fast features equal the plain definition, byte for byte, and the comparison tells a careless twin apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.reranking.features import FeatureMaker
from harness.retrieval.bm25 import Bm25
from harness.retrieval.candidate_bm25 import CandidateBm25
from tests.reranking.shelf import Shelf
from tests.reranking.slow import Slow

SHELF = Shelf()
TEXTS = [f"{text} DataFrame" if place % 3 else text for place, text in enumerate(SHELF.texts)]
BM25 = Bm25().fit(TEXTS)
SLOW = Slow(TEXTS, SHELF.titles, SHELF.modules, SHELF.vectors, BM25.scores)
SAID = ["sort", "sorts", "stable", "way", "to", "solve linear", "dataframes", "DATAFRAME", "zzz", "lib", "x1", "é", "-"]


@pytest.fixture(scope="module")
def maker(tmp_path_factory) -> FeatureMaker:
    folder = tmp_path_factory.mktemp("lexical")
    BM25.save(folder)
    return made(FeatureMaker, CandidateBm25.load(folder))


def made(kind, lexical) -> FeatureMaker:
    return kind(TEXTS, SHELF.titles, SHELF.modules, SHELF.vectors, lexical=lexical)


@st.composite
def requests(draw):
    """A query of known, unknown, repeated or no words, and a list of any length in any order, equal scores in it."""
    text = " ".join(draw(st.lists(st.sampled_from(SAID), max_size=24)))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    codes = rng.permutation(48)[:draw(st.integers(1, 48))]
    scores = np.round(rng.normal(size=len(codes)), draw(st.integers(0, 6)))
    query = rng.normal(size=16).astype(np.float32)
    return text, query, codes, scores, draw(st.sampled_from([None, *SHELF.modules[:3]]))


@given(request=requests())
@settings(max_examples=80, deadline=None)
def test_features_equal_their_definition_to_the_bit(maker, request):
    """Any query, any list: every byte is that of the plain definition."""
    text, query, codes, scores, module = request
    found = maker.features(text, query, codes, scores, query_module=module)
    assert found.tobytes() == SLOW.features(*request).tobytes()


def test_scores_by_call_and_by_rows_make_the_same_features(maker):
    """A lexical score that is called gives the bytes of the one that is looked up with the fields."""
    called = made(FeatureMaker, BM25.scores)
    for text, vector, codes, scores in list(zip(*SHELF.lists[:4], strict=True))[:20]:
        rows = maker.features(text, vector, codes, scores)
        assert rows.tobytes() == called.features(text, vector, codes, scores).tobytes()


@pytest.mark.parametrize("size", [255, 256, 300])
def test_long_lists_are_counted_in_full(size):
    """The share above does not turn over where a list is longer than a byte counts."""
    texts, rng = [f"word{place} sort" for place in range(size)], np.random.default_rng(size)
    vectors = rng.normal(size=(size, 8)).astype(np.float32)

    def lexical(_, codes):
        return np.asarray(codes, dtype=np.float64)

    given = (texts, [f"lib t{place}" for place in range(size)], ["lib"] * size, vectors)
    asked = ("word3 sort", vectors[3], rng.permutation(size), rng.normal(size=size))
    found = FeatureMaker(*given, lexical=lexical).features(*asked)
    assert found.tobytes() == Slow(*given, lexical).features(*asked, None).tobytes()


class Single(FeatureMaker):
    """Adds the cosine in single precision."""

    def _nearness(self, found, query):
        _, distance, bands = super()._nearness(found, query)
        return (found * query).sum(axis=1), distance, bands


class Unsorted(FeatureMaker):
    """Works on candidates as they come."""

    def features(self, text, query_vector, codes, scores, *, query_module=None):
        return self._columns(text, query_vector, codes, scores, self._module_code(query_module)).T.astype(np.float32)


@pytest.mark.parametrize("kind", [Single, Unsorted])
def test_a_careless_twin_is_told_apart(kind):
    """One last bit is enough: single precision, and another order of adding, are both seen."""
    lists, twin = SHELF.lists, made(kind, BM25.scores)
    asked = list(zip(lists.texts, lists.query_vectors, lists.codes, lists.scores, strict=True))
    assert any(twin.features(*one).tobytes() != SLOW.features(*one, None).tobytes() for one in asked)
