"""Spelling: what a reader does not notice is folded away, and only that."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.spelling import compounds_of, folded, singular
from harness.retrieval.texts import Vocabulary, words

TEXTS = ["A DataFrame of NaNs.", "DataFrames hold NumPy arrays.", "a dataframe", "an isNaN test", "CSRMatrix",
         "DatetimeIndex"]


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_folding_sees_no_normal_form(text, form):
    """All four normal forms of a text fold to one."""
    assert folded(unicodedata.normalize(form, text)) == folded(text)


@given(st.text(alphabet=st.characters(codec="latin-1")))
def test_folding_sees_no_case(text):
    """Capitals, small letters and turned-round case fold to one (the whole of Latin-1, sharp s included)."""
    assert folded(text.upper()) == folded(text.lower()) == folded(text.swapcase()) == folded(text)


def test_folding_keeps_what_is_another_letter():
    """A Cyrillic letter that looks Latin, an accent and a digit stay what they are: nothing is corrected."""
    assert len({folded(text) for text in ("a", "а", "á", "4")}) == 4


def test_compounds_are_what_the_corpus_writes_with_inner_capitals():
    """Long names split at the capital; short ones, one-letter parts and acronyms stay whole."""
    assert compounds_of(TEXTS) == {"dataframe": ("data", "frame"), "datetimeindex": ("datetime", "index")}


def test_the_commonest_split_is_taken_and_equals_by_alphabet():
    """One word, one way: whichever text came first makes no difference."""
    assert compounds_of(["SubGroups", "SubgRoups", "SubGroups"])["subgroup"] == ("sub", "group")
    assert compounds_of(["subgRoup", "subGroup"]) == compounds_of(["subGroup", "subgRoup"])


@pytest.mark.parametrize("spelling", ["DataFrame", "dataframe", "DATAFRAME", "dataFrames", "ｄａｔａｆｒａｍｅ"])
def test_a_compound_is_split_in_any_spelling(spelling):
    """What the corpus taught holds however a query writes it; before, only the corpus's own spelling was split."""
    assert words(spelling, compounds=compounds_of(TEXTS)) == ["data", "frame"]


def test_a_vocabulary_keeps_its_compounds_when_written():
    """Words, pairs and compounds come back from what a file holds."""
    made = Vocabulary.fit(TEXTS, min_df=1, lead=5)
    held, keys = made.to_arrays()
    again = Vocabulary.of(held, keys)
    assert again.compounds == made.compounds
    assert again.terms("DATAFRAME")[0].tolist() == made.terms("data frame")[0].tolist()


def test_plurals_fold_and_look_alikes_do_not():
    """Endings that only look plural stay."""
    assert [singular(word) for word in ("indexes", "axis", "class", "status")] == ["index", "axis", "class", "status"]
