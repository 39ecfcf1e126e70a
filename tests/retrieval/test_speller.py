"""Misspelt queries are read as they were meant, clean ones to the letter as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.tiny_corpus import tiny_world
from harness.data.spelling import folded
from harness.errors import InputError
from harness.hunting import mutations_letters as letters
from harness.retrieval.bm25 import Bm25
from harness.retrieval.speller import MOST, Speller

WORDS = {"sort": 9, "rows": 1, "row": 7, "matrix": 4, "sparse": 3, "solve": 2, "solved": 5, "rare": 1}
SPELLER = Speller(WORDS)


@pytest.mark.parametrize(("written", "meant"), [
    ("srot", "sort"), ("sor", "sort"), ("sortt", "sort"), ("sory", "sort"),  # swapped, lost, doubled, beside its key
    ("matrics", "matrix"), ("SRoT", "sort"), ("sparsematrix", "sparse matrix"), ("ofrows", "of rows"),
    ("solv", "solve"), ("solvee", "solved"), ("solveb", "solved"),  # the commoner where two are near
    ("rarre", "rarre"),  # what a single document says may be a slip itself
    ("qqqqqq", "qqqqqq"), ("xy", "xy"), ("", ""), ("the", "the"), ("x2y", "x2y"),
])  # fmt: skip
def test_a_slip_becomes_the_word_that_was_meant(written, meant):
    """One edit away, the commonest; nothing where nothing is near."""
    assert SPELLER.mended(written) == meant


@given(st.lists(st.sampled_from([*WORDS, "The", "Rows", "MATRIX", "of", "2", "-", "(sort)"]), max_size=8))
def test_known_words_stay_to_the_letter(drawn):
    """No query of known words is touched, whatever its case and signs."""
    text = " ".join(drawn)
    assert SPELLER.mended(text) == text


@given(st.text(max_size=40))
def test_mending_twice_is_mending_once(text):
    """What was mended is known, and what was left has nothing near."""
    once = SPELLER.mended(text)
    assert SPELLER.mended(once) == once


def test_most_single_slips_in_a_corpus_are_undone():
    """Of letters swapped in words of a real vocabulary, nine in ten come back; without the speller none does."""
    world = tiny_world()
    texts = [document.text for document in world.corpus.documents]
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        Bm25().fit(texts).save(Path(folder))
        speller = Speller.load(Path(folder), least=1)
    words = sorted({word for text in texts for word in folded(text).split() if word.isalpha() and len(word) >= 5})
    slips = [(word, letters.transposition(word, lambda n: n // 2)) for word in words]
    slips = [(word, slip) for word, slip in slips if slip != word]
    mended = [speller.mended(slip)[:4] == word[:4] for word, slip in slips]
    assert len(slips) > 100 and sum(mended) > 0.9 * len(slips)


@pytest.mark.parametrize(("written", "meant"), [
    ("Müller", "Müller"), ("müiller", "müiller"), ("Mu\u0308ller", "Mu\u0308ller"),  # ü is no slip of i
    ("schöön", "schön"), ("shcön", "schön"), ("schon", "schön"), ("приветт", "привет"), ("превет", "привет"),
    ("tun", "tun"), ("rwn", "run"), ("nur", "nur"), ("tuns", "tuns"), ("turm", "term"),
])  # fmt: skip
def test_neither_a_foreign_letter_nor_the_first_of_three_is_given_up(written, meant):
    """A letter beyond ASCII is not taken for an ASCII one, and three letters are mended by what begins alike."""
    speller = Speller({"miller": 9, "schön": 5, "привет": 4, "run": 8, "term": 3})
    assert speller.mended(written) == meant


@given(st.text(alphabet="abcdeé", min_size=3, max_size=7), st.sets(st.text(alphabet="abcdeé", min_size=3, max_size=7)))
def test_no_neighbour_is_overlooked(word, known):
    """One edit spares one end of a word: those that begin or end alike hold every word that is one edit away."""
    from rapidfuzz.distance import OSA

    near = sorted(one for one in known - {word} if OSA.distance(word, one) == 1
                  and (len(word) > 3 or one[0] == word[0]) and one.count("é") >= word.count("é"))
    found = Speller(dict.fromkeys(known | {"aaa"}, 5))._neighbour(word)
    if word not in known and word != "aaa" and near:
        assert found and OSA.distance(word, found) == 1


def test_a_query_of_nonsense_is_looked_up_so_often_and_no_oftener(monkeypatch):
    """After MOST different unknown words the rest stays as written, known words too; a word said again counts once."""
    speller, looked = Speller(WORDS), []
    monkeypatch.setattr(speller, "_word", lambda word: looked.append(word) or "")
    nonsense = [f"q{one}zx{two}v" for one in "bcdfghjk" for two in "bcdfghj"]
    text = " ".join(["sort", *nonsense[:40], *nonsense, "rows"])
    assert speller.mended(text) == text
    assert looked == nonsense[:MOST]
    assert Speller(WORDS).mended(" ".join(["srot", *nonsense, "srot", "matrixx"])) == " ".join(
        ["sort", *nonsense, "sort", "matrixx"])


def test_a_least_of_nothing_is_refused():
    """A word that no document says mends nothing."""
    with pytest.raises(InputError, match="1 or more"):
        Speller(WORDS, least=0)


def test_a_word_that_no_two_words_make_is_not_cut_at_every_letter(monkeypatch):
    """Longer than two words together it is left alone, unlooked at: a query of one endless word costs no more."""
    monkeypatch.setattr(Speller, "_said", lambda self, word: pytest.fail(f"asked for {len(word)} letters"))
    assert SPELLER.mended("q" * 5000) == "q" * 5000
    with pytest.raises(pytest.fail.Exception):
        SPELLER.mended("sortrowsx")
