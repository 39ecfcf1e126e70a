"""Perturbations of queries: one edit each, where it was promised, and nothing of what was left as it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness.hunting.perturbing import CLAUSES, LETTERS, added_clauses, drawn_for, longest, synonyms, typos
from harness.hunting.synonyms import NOTHING, Lexicon
from tests.hunting.arenas import TEXTS

LEXICON = Lexicon({"rows": ("lines",), "mean": ("sum", "total")}, ("in a table", "for all values"))


def distance(one: str, two: str) -> int:
    """Letters inserted, deleted, replaced, or changed places with the next: the literal table."""
    table = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(two) + 1)}
    for i, j in itertools.product(range(1, len(one) + 1), range(1, len(two) + 1)):
        table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (one[i - 1] != two[j - 1]))
        if i > 1 and j > 1 and one[i - 1] == two[j - 2] and one[i - 2] == two[j - 1]:
            table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(one), len(two)]


@pytest.mark.parametrize("slip", LETTERS)
@pytest.mark.parametrize("seed", range(5))
def test_a_slip_is_one_edit_of_one_query(slip, seed):
    """Every query has one, and it is one letter away."""
    made = typos(TEXTS, slip, rng=np.random.default_rng(seed))
    assert made.rows == tuple(range(len(TEXTS))) and made.kind == f"typo={slip}" and set(made.edits) == {1}
    assert {distance(text, TEXTS[row]) for row, text in zip(made.rows, made.texts, strict=True)} == {1}


@pytest.mark.parametrize("slip", LETTERS[:-1])
def test_a_slip_falls_in_a_word_of_four_letters_where_there_is_one(slip):
    """Short words are left alone: a slip in one is often another word; without a long one they are not spared."""
    made = typos(["of an open set"] * 40, slip, rng=np.random.default_rng(3))
    assert all(text.startswith("of an ") and text.endswith(" set") for text in made.texts)
    assert set(made.lost) == {"of an set"}
    assert typos(["a set"], slip, rng=np.random.default_rng(3)).texts[0] != "a set"


def test_any_gap_may_be_lost():
    """Both gaps of three words are closed sooner or later, and both words beside it are then unreadable."""
    made = typos(["sort the rows"] * 40, "joined_words", rng=np.random.default_rng(3))
    assert set(zip(made.texts, made.lost, strict=True)) == {("sortthe rows", "rows"), ("sort therows", "sort")}


def test_a_query_that_nothing_happens_to_is_not_among_them():
    """One word has no gap; a text of signs no letters; no lexicon no synonyms and no clauses."""
    rng = np.random.default_rng(1)
    assert typos(["sort", "sort rows"], "joined_words", rng=rng).rows == (1,)
    assert typos(["++"], "neighbour_key", rng=rng).rows == ()
    assert synonyms(TEXTS, NOTHING, rng=rng).rows == () == added_clauses(TEXTS, NOTHING, rng=rng).rows


def test_a_synonym_takes_the_place_of_one_word():
    """The rest of the query is what is left to who does not know it."""
    made = synonyms(["sort all rows", "mean of values", "plot"], LEXICON, rng=np.random.default_rng(1))
    assert made.rows == (0, 1) and made.lost == ("sort all", "of values")
    assert made.texts[0] == "sort all lines" and made.texts[1] in {"sum of values", "total of values"}


def test_clauses_are_added_two_or_three_at_a_time():
    """Both numbers are drawn, the query itself stands in front, and edits say how many there are."""
    made = added_clauses(TEXTS * 10, LEXICON, rng=np.random.default_rng(1))
    assert set(made.edits) == set(CLAUSES)
    for row, text, edits in zip(made.rows, made.texts, made.edits, strict=True):
        plain = (TEXTS * 10)[row]
        assert text.startswith(f"{plain} ") and len(text.split()) == len(plain.split()) + 3 * edits


def test_the_longest_are_a_tenth_and_their_equals():
    """At and above the 90th percentile of words, as they are: never fewer than one, and all where all are equal."""
    made = longest([" ".join("w" * count) for count in range(1, 21)])
    assert made.rows == (18, 19) and set(made.edits) == {0} and made.texts[0].count("w") == 19
    assert longest(["one two"] * 7).rows == tuple(range(7)) and longest([]).rows == ()


def test_names_have_their_own_draws():
    """One base gives each name another stream, and the same name the same."""
    drawn = {name: drawn_for(7, name).integers(2**32) for name in LETTERS}
    assert len(set(drawn.values())) == len(LETTERS)
    assert all(drawn_for(7, name).integers(2**32) == value for name, value in drawn.items())
