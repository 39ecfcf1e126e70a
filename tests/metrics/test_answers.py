"""Answers token by token: SQuAD's own arithmetic, faithfulness by sentence, and what neither of them sees."""

from __future__ import annotations

import re
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.metrics.answers import content_tokens, faithfulness, normal_tokens, overlaps, sentences

WORDS = st.lists(st.sampled_from(["rows", "columns", "the", "An", "axis,", "not", "3", "float."]), max_size=12)
PASSAGE = "The number of rows to read. Missing values are kept unless dropna is given."


def squad(answer: str, gold: str) -> float:
    """F1 as the official script of SQuAD 1.1 has it, written out once more."""

    def normal(text: str) -> list[str]:
        bare = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split()).split()

    one, two = normal(answer), normal(gold)
    same = sum((Counter(one) & Counter(two)).values())
    return 0.0 if not same else 2 * (same / len(one)) * (same / len(two)) / (same / len(one) + same / len(two))


@given(WORDS, WORDS)
def test_f1_is_squads(answer, gold):
    """On any words, in any number, with articles, cases and stops among them."""
    gold = ["wanted", *gold]
    found = overlaps([" ".join(answer)], [[" ".join(gold)]])
    assert found.f1[0] == pytest.approx(squad(" ".join(answer), " ".join(gold)), abs=1e-15)


@given(WORDS, WORDS)
def test_precision_of_one_is_recall_of_the_other(answer, gold):
    """The two trade places with the texts, and F1 lies between them."""
    one, two = " ".join(["wanted", *answer]), " ".join(["wanted", *gold])
    there, back = overlaps([one], [[two]]), overlaps([two], [[one]])
    assert there.precision[0] == back.recall[0] and there.f1[0] == pytest.approx(back.f1[0], abs=1e-15)
    assert min(there.precision[0], there.recall[0]) - 1e-12 <= there.f1[0]
    assert there.f1[0] <= max(there.precision[0], there.recall[0]) + 1e-12


def test_the_nearest_of_several_gold_answers_counts():
    """As SQuAD has it: the greatest F1, with the precision and recall that belong to it."""
    found = overlaps(["number of rows"], [["number of rows in the table", "rows"]])
    assert [float(column[0]) for column in found] == pytest.approx([1.0, 3 / 5, 3 / 4])


@pytest.mark.parametrize(("answer", "f1"), [("", 0.0), ("the", 0.0), ("...", 0.0), ("columns", 0.0), ("ROWS", 1.0)])
def test_empty_and_wrong_answers_score_nothing(answer, f1):
    """An answer without a word is no answer, whatever the gold one is."""
    assert overlaps([answer], [["rows"]]).f1.tolist() == [f1]


@pytest.mark.parametrize(("golds", "line"), [
    ([[]], "row 1: no gold answer"), ([["the"]], "row 1: a gold answer without a word"),
    ([["rows"], ["rows"]], "gold answers do not go with the answers; expected 1 of them, found 2")])
def test_gold_answers_that_nothing_could_meet_are_told(golds, line):
    """Nothing could be right beside them: a zero would blame the reader."""
    with pytest.raises(InputError, match=line):
        overlaps(["rows"], golds)


def test_no_answers_give_no_values():
    """An empty run has empty columns, not an error of a shape."""
    assert overlaps([], []).f1.shape == (0,) and faithfulness([], []).shape == (0,)


def test_what_is_copied_is_faithful_and_what_is_invented_is_not():
    """A sentence of the passage is 1, one of none of its words 0, half and half about a half."""
    copied, invented = "The number of rows to read.", "Gluten strands align quickly."
    found = faithfulness([copied, invented, f"{copied} Gluten strands align."], [[PASSAGE]] * 3)
    assert found.tolist() == pytest.approx([1.0, 0.0, 0.5])


@pytest.mark.parametrize(("answer", "cited"), [("", [PASSAGE]), ("It is of the.", [PASSAGE]), (PASSAGE, []),
                                               (PASSAGE, [""])])
def test_nothing_shown_is_nothing_supported(answer, cited):
    """No words, no citation, an empty passage: 0, never a pass by absence."""
    assert faithfulness([answer], [cited]).tolist() == [0.0]


def test_words_scattered_over_passages_do_not_add_up():
    """Each sentence is held to one passage: two halves from two passages are half a support, and a twin says whole."""
    answer, cited = "Rows follow columns.", ["Many rows follow.", "Columns matter."]
    assert faithfulness([answer], [cited])[0] == pytest.approx(2 / 3)
    assert faithfulness([answer], [[" ".join(cited)]])[0] == 1.0


def test_a_changed_number_is_seen_as_one_token():
    """One of four content tokens: 10 rows became 99."""
    assert faithfulness(["Reads 99 rows twice."], [["It reads 10 rows twice."]])[0] == pytest.approx(3 / 4)


def test_blind_spots_are_what_the_page_says():
    """A denial costs one token, a denial dropped costs nothing, and a true sentence turned round is faithful."""
    passage = "Missing values are not kept unless dropna is given."
    assert faithfulness(["Values are kept unless dropna is given."], [[passage]])[0] == 1.0
    assert faithfulness(["Dropna is given unless missing values are not kept."], [[passage]])[0] == 1.0
    assert faithfulness(["Rows are not kept."], [["Rows are kept."]])[0] == pytest.approx(2 / 3)


@given(WORDS, st.lists(WORDS, max_size=3))
def test_more_citations_never_make_less_faithful(answer, cited):
    """Support is a maximum over passages: so citing all is the easiest way to look faithful, as the page says."""
    texts = [" ".join(one) for one in cited]
    few, more = faithfulness([" ".join(answer)] * 2, [texts, [*texts, PASSAGE]])
    assert 0.0 <= few <= more <= 1.0


def test_sentences_end_at_stops_before_capitals_and_at_lines():
    """Abbreviations before small letters do not end one."""
    assert sentences("Rows, e.g. two. Columns?\n- axis") == ["Rows, e.g. two.", "Columns?", "- axis"]
    assert sentences("") == [] and normal_tokens("") == [] and content_tokens("of the") == []


def test_values_are_numbers_of_one_a_question():
    """Shapes and dtype that measures rely on."""
    found = overlaps(["rows"] * 3, [["rows"]] * 3)
    assert all(column.shape == (3,) and column.dtype == np.float64 for column in found)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_comes_out_as_squads_script_has_it(text):
    """Token by token, whatever the text: folding touches nothing that is ASCII."""
    bare = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    assert normal_tokens(text) == re.sub(r"\b(a|an|the)\b", " ", bare).split()


@pytest.mark.parametrize("answer", ["cafe\u0301 rows", "caf\u00e9 \uff32\uff4f\uff57\uff53",
                                    "\u201ccaf\u00e9\u201d rows\u2026", "ca\u200bf\u00e9 ro\u00adws",
                                    "cafe\u200b\u0301 rows", "CAF\u00c9 \u2018rows\u2019"])
def test_other_ways_to_write_an_exact_answer_score_one(answer):
    """Decomposed, full width, curly quotes, zero widths, case: on either side; SQuAD's own script sees a difference."""
    assert overlaps([answer, "caf\u00e9 rows"], [["caf\u00e9 rows"], [answer]]).f1.tolist() == [1.0, 1.0]
    assert squad(answer, "caf\u00e9 rows") < 1.0 or answer.startswith("CAF")


def test_text_without_spaces_is_one_token():
    """As the page says: one letter off is nothing in common."""
    assert overlaps(["\u884c\u306e\u6570"], [["\u884c\u306e\u6570\u5b57"]]).f1.tolist() == [0.0]
