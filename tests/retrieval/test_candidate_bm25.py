"""BM25 by document is BM25: the same scores, to the bit, from each document's own row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.tiny_corpus import tiny_world
from harness.errors import InputError
from harness.retrieval.bm25 import Bm25
from harness.retrieval.candidate_bm25 import CandidateBm25
from harness.retrieval.texts import words

TEXTS = [document.text for document in tiny_world().corpus.documents]
KNOWN = sorted({word for text in TEXTS for word in words(text)})[:60]
BM25 = Bm25().fit(TEXTS)
# What a document says, in its order, so that pairs are among it; words of none, function words, marks, capitals.
PHRASES = [" ".join(text.split()[:6]) for text in TEXTS[:20]]
SAID = st.lists(st.sampled_from([*KNOWN, *PHRASES, "zzz", "of", "é2", "DataFrame", "-"]), max_size=8).map(" ".join)


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> CandidateBm25:
    folder = tmp_path_factory.mktemp("lexical")
    BM25.save(folder)
    return CandidateBm25.load(folder)


def added(made: CandidateBm25, text: str) -> np.ndarray:
    """Each document's sum, term after term."""
    said = made.said(text)
    totals = []
    for terms, weights in made.rows:
        total = 0.0
        for term, weight in zip(terms.tolist(), weights, strict=True):
            total += float(weight * np.float32(said.get(term, 0)))
        totals.append(total)
    return np.array(totals, dtype=np.float32)


@given(text=SAID)
@settings(max_examples=60, deadline=None)
def test_rows_add_up_to_the_scores(rows, text):
    """Whatever is asked, a row's sum is what the whole corpus gives the document, to the bit."""
    assert added(rows, text).tobytes() == BM25.scores(text, np.arange(len(TEXTS))).tobytes()


def test_words_said_often_and_pairs_are_counted(rows):
    """Three hundred times the phrase: words and pairs count three hundred times, and as BM25 counts them."""
    phrase = PHRASES[0]
    assert max(rows.said(f"{phrase} . " * 300).values()) >= 300
    assert any(term >= len(BM25._vocabulary.position) for term in rows.said(phrase))
    assert added(rows, f"{phrase} " * 300).tobytes() == BM25.scores(f"{phrase} " * 300, np.arange(len(TEXTS))).tobytes()


def test_forgotten_pairs_are_seen(tmp_path):
    """The comparison has teeth: without its pairs a phrase scores less."""

    class Twin(CandidateBm25):
        def said(self, text):
            return {term: times for term, times in super().said(text).items() if term < self._size}

    folder = tmp_path / "lexical"
    BM25.save(folder)
    assert not np.array_equal(added(Twin.load(folder), PHRASES[0]), BM25.scores(PHRASES[0], np.arange(len(TEXTS))))


def test_nothing_said_is_nothing_found(rows):
    """No words, function words alone, and unknown words say nothing."""
    assert rows.said("") == rows.said("of the") == rows.said("zzz qqq") == {}


def test_another_part_is_refused(tmp_path):
    """A folder without a BM25 is a one-line error."""
    with pytest.raises(InputError):
        CandidateBm25.load(tmp_path)
