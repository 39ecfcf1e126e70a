"""Word overlap equals its slow definition, field by field."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.reranking.fields import TermFields
from harness.reranking.terms import TermReader

TITLES = ["numpy sort", "pandas DataFrame sort_values", "", "scipy stats"]
READ = TermReader()
BODIES = ["Sorts an array, stable sorting.", "Sort by the values", "nothing here", ""]


def fields() -> TermFields:
    return TermFields({"title": (TITLES, "words"), "body": (BODIES, "words"), "phrase": (BODIES, "pairs")}, READ)


def words(text: str) -> list[str]:
    return READ(text).words


def pairs(text: str) -> list[str]:
    return READ(text).pairs


def slow(text: str) -> tuple[list[list[float]], list[list[float]]]:
    """Recall and precision of each field, from sets and dictionaries alone."""
    cut = [(TITLES, words), (BODIES, words), (BODIES, pairs)]
    held = [set().union(*(set(c(texts[d])) for texts, c in cut)) for d in range(4)]

    def idf(term: str) -> float:
        df = sum(term in terms for terms in held)
        return math.log1p(4 / df) if df else math.log1p(4)

    def total(terms: list[str]) -> float:
        return max(sum(map(idf, terms)), 1e-9)

    shared = [[sum(idf(term) for term in set(c(text)) & set(c(texts[d]))) for texts, c in cut] for d in range(4)]
    recall = [[shared[d][f] / total(c(text)) for f, (_, c) in enumerate(cut)] for d in range(4)]
    precision = [[shared[d][f] / total(c(texts[d])) for f, (texts, c) in enumerate(cut)] for d in range(4)]
    return recall, precision


@pytest.mark.parametrize("text", ["sort an array", "sorting VALUES by unseen words", "unseen", "", "!!",
                                  "Sort by the values"])
def test_overlap_equals_its_slow_twin(text):
    """One gather gives what sets and dictionaries give, for empty fields and unseen words too."""
    made, (recall, precision) = fields().overlap(text, np.arange(4)), slow(text)
    assert np.allclose(made.recall, recall, atol=1e-6)
    assert np.allclose(made.precision, precision, atol=1e-6)


def test_overlap_follows_the_codes_asked_for():
    """Rows come in the order of the codes, repeated or not asked at all."""
    whole = fields().overlap("sort values", np.arange(4)).recall
    assert np.allclose(fields().overlap("sort values", np.array([3, 1])).recall, whole[[3, 1]])


def test_a_field_equal_to_the_query_has_all_of_it():
    """Recall and precision are 1 where query and field say the same, and never above."""
    made = fields().overlap("Sort by the values", np.array([1]))
    assert made.recall[0, 1:] == pytest.approx([1.0, 1.0])
    assert made.precision[0, 1:] == pytest.approx([1.0, 1.0])
    assert made.recall.max() <= 1.0


def test_identifiers_meet_their_words():
    """camelCase, underscores and plurals meet the plain word."""
    split = {"sortedarray": ("sorted", "array")}
    for spelling in ("sort_values sortedArrays HTTP_server", "SORT_VALUES SORTEDARRAYS http_Server"):
        assert TermReader(compounds=split)(spelling).words == ["sort", "value", "sorted", "array", "http", "server"]


def test_short_names_share_pieces():
    """`argsort` shares pieces with `sort`; whole words would not."""
    assert set(READ("argsort").grams) & set(READ("sort").grams) >= {"#sor", "#ort"}
    assert not set(words("argsort")) & set(words("sort"))


def test_uneven_fields_are_refused():
    """Every field has one text a document."""
    with pytest.raises(InputError, match="differ in length"):
        TermFields({"title": (["a"], "words"), "body": (["a", "b"], "words")}, READ)


def test_an_unknown_kind_of_terms_is_refused():
    """A kind that no reader makes is a one-line error with the nearest name."""
    with pytest.raises(InputError, match=r"no such kind of terms.*nearest: words"):
        TermFields({"title": (["a"], "word")}, READ)
