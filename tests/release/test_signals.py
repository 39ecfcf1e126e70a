"""Signals at the moment of decision: alone as in batch to the bit, and what the library's own formulas say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.tiny_corpus import tiny_world
from harness.errors import InputError
from harness.release.candidate_terms import KINDS, CandidateTerms
from harness.release.parts import MADE
from harness.release.signals import DEFAULT, HITS, TEMPERATURE, WORDS, SignalMaker
from harness.retrieval.bm25 import Bm25
from harness.retrieval.texts import words
from harness.routing.signals import SIGNALS, company, entropy, lead, margin

WORLD = tiny_world()
SIZE = len(WORLD.corpus)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lexical")
    bm25().save(folder)
    return {"lexical": folder}


@pytest.fixture(scope="module")
def maker(folders):
    return SignalMaker.load(WORLD, folders, MADE)


def bm25() -> Bm25:
    return Bm25().fit([document.text for document in WORLD.corpus.documents])


@st.composite
def requests(draw):
    """Queries with short and long lists, tied scores, and words that the corpus has and has not."""
    known = sorted({word for document in WORLD.corpus.documents for word in words(document.text)})
    n = draw(st.integers(1, 5))
    texts = [" ".join(draw(st.lists(st.sampled_from([*known[:40], "zzz", "of"]), max_size=8))) for _ in range(n)]
    codes = np.full((n, 30), -1, dtype=np.int64)
    scores = np.full((n, 30), -np.inf, dtype=np.float32)
    for row in range(n):
        held = draw(st.integers(0, 30))
        codes[row, :held] = draw(st.permutations(range(SIZE)))[:held]
        drawn = draw(st.lists(st.floats(-1, 1, width=32), min_size=held, max_size=held))
        scores[row, :held] = sorted(drawn, reverse=True)
    return texts, codes, scores


@settings(max_examples=60, deadline=None)
@given(given_=requests())
def test_a_query_alone_has_the_signals_that_it_has_in_a_batch(maker, given_):
    """What a router is fitted on is, to the bit, what it sees when it serves."""
    texts, codes, scores = given_
    batch = maker.batch(texts, codes, scores)
    assert batch.shape == (len(texts), len(MADE)) and np.isfinite(batch).all()
    for row, text in enumerate(texts):
        np.testing.assert_array_equal(maker.one(text, codes[row], scores[row]), batch[row])
    assert list(maker.columns(batch)) == list(MADE)


@settings(max_examples=60, deadline=None)
@given(given_=requests())
def test_fast_signals_are_the_library_s(maker, given_):
    """Entropy, margin, company and the leads: the written formulas over (n, k) arrays."""
    texts, codes, scores = given_
    found = maker.columns(maker.batch(texts, codes, scores))
    top, score = codes[:, :HITS], np.where(codes < 0, -np.inf, scores)[:, :HITS].astype(np.float64)
    modules = np.unique([document.module for document in WORLD.corpus.documents], return_inverse=True)[1]
    lexical = bm25()
    np.testing.assert_allclose(found["entropy"], entropy(score, temperature=TEMPERATURE), atol=1e-9)
    np.testing.assert_array_equal(found["margin"], margin(score))
    np.testing.assert_array_equal(found["company"], company(np.where(top >= 0, modules[top], -1)))
    words_of = np.array([np.where(row >= 0, by_words(lexical, text, row), -np.inf)
                         for text, row in zip(texts, top[:, :WORDS], strict=True)], dtype=np.float64)
    best = np.maximum(words_of.max(axis=1), 0.0)
    wanted = lead(words_of) / np.where(best > 0.0, best, np.inf)
    np.testing.assert_allclose(found["lexical_lead"], wanted, atol=1e-5)


def by_words(lexical: Bm25, text: str, codes) -> np.ndarray:
    """BM25 without its pairs: each word asked for alone, as often as it stands in the query."""
    return sum((lexical.scores(word, codes) for word in words(text)), np.zeros(len(codes)))


def test_shared_words_are_the_lexical_part_s_own(folders):
    """BM25 of a few documents equals BM25 over the corpus, and a document shares all of its own summary and title."""
    terms, lexical = CandidateTerms.load(folders["lexical"], WORLD.corpus), bm25()
    every = np.arange(SIZE)
    for document in WORLD.corpus.documents[::5]:
        held = np.array(terms.shared(document.summary, every))
        np.testing.assert_allclose(held[0], by_words(lexical, document.summary, every), rtol=1e-5, atol=1e-5)
        own = WORLD.corpus.position(document.id)
        assert held[1, own] == pytest.approx(1.0) == held[2, own]
        assert (held[1] >= held[2:] - 1e-12).all() and held[1:].max() <= 1.0 + 1e-12
        assert terms.shared(document.title, every)[3][own] == pytest.approx(1.0)
        alone = CandidateTerms.load(folders["lexical"], WORLD.corpus, kinds=["lexical"])
        assert alone.shared(document.summary, every) == [held[0].tolist()]
    assert not np.any(terms.shared("zzz", every)) and len(terms.shared("", every)) == len(KINDS)


def test_a_word_said_often_counts_as_often(folders):
    """Three hundred times the word, three hundred times its score: no counter turns over."""
    terms, every = CandidateTerms.load(folders["lexical"], WORLD.corpus), np.arange(SIZE)
    once, often = terms.shared("stopwatch", every), terms.shared("stopwatch " * 300, every)
    np.testing.assert_allclose(often[0], 300 * np.array(once[0]))
    np.testing.assert_allclose(often[1:], once[1:])


def test_a_query_without_hits_has_signals(maker):
    """All zero but its length: nothing was found, nothing is certain, nothing is made up."""
    row = dict(zip(MADE, maker.one("two words", np.full(5, -1), np.full(5, -np.inf)), strict=True))
    assert row.pop("length") == 2.0 and not any(row.values())


def test_the_usual_signals_can_be_made():
    """The default is of the known names, and entropy, in which the router is monotone, is among them."""
    assert set(DEFAULT) <= set(MADE) <= set(SIGNALS) and DEFAULT[0] == "entropy"


@pytest.mark.parametrize(("names", "told"), [
    (("entropy", "margins"), "no such signal; expected .*found 'margins' .nearest: margin"),
    (("entropy", "overlap"), "no such signal"), (("margin",), "entropy among them"),
    (("entropy", "entropy"), "each once"), (("entropy", "lexical_lead"), "no lexical part"),
])  # fmt: skip
def test_signals_that_cannot_be_made_are_told(names, told):
    """Unknown, doubled, without entropy, or without the part that they are read from."""
    with pytest.raises(InputError, match=told):
        SignalMaker.load(WORLD, {}, names)


def test_what_a_signal_is_made_of_must_be_there(folders):
    """Modules for company, terms for leads, a temperature above 0, and the lexical part of this very corpus."""
    for names in (("entropy", "company"), ("entropy", "title_lead")):
        with pytest.raises(InputError, match="lacks what it is made of"):
            SignalMaker(names)
    with pytest.raises(InputError, match="not a temperature"):
        SignalMaker(("entropy",), temperature=0.0)
    other = type(WORLD.corpus)("one", WORLD.corpus.documents[:1])
    with pytest.raises(InputError, match="not of this corpus; expected 1 documents"):
        CandidateTerms.load(folders["lexical"], other)
