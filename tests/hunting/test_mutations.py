"""Mutations: graded, bounded, replayed from whole numbers, never raising, shrinking to the plain query."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.hunting.mutations import MUTATIONS, Mutated, Operator, Step, mutated, mutations, replayed
from harness.hunting.mutations_letters import LOOK_ALIKES, NEIGHBOURS
from harness.hunting.synonyms import Lexicon, lexicon_of

LENT = Lexicon({"rows": ("lines", "columns"), "sort": ("order",)}, ("of a table", "along the last axis"))
ODD = ["", " ", "a", "👩‍👩‍👧 rows", "مرحبا بالعالم", "e\u0301", "ﬁ", "\u200b", "sort\u00a0rows", "ß İ ŉ ﷽", "row " * 40]
TEXTS = st.one_of(st.sampled_from(ODD), st.text(max_size=30),
                  st.sampled_from(["Sort the rows", "sort naïve Rows, fast"]))
FEW = settings(max_examples=40, derandomize=True, database=None, deadline=None)


def apply(operator: Operator, text: str, data: st.DataObject) -> tuple[str, list[int]]:
    drawn: list[int] = []

    def pick(n: int) -> int:
        drawn.append(data.draw(st.integers(0, n - 1)))
        return drawn[-1]

    return operator.apply(text, draw=pick, lexicon=LENT), drawn


def distance(before: list[str] | str, after: list[str] | str) -> int:
    """Levenshtein's, by its definition: insertions, deletions and replacements."""
    row = list(range(len(after) + 1))
    for i, one in enumerate(before, start=1):
        last, row[0] = row[0], i
        for j, other in enumerate(after, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (one != other))
    return row[-1]


def apart(operator: Operator, before: str, after: str) -> int:
    """The distance in what the operator counts in."""
    if operator.counted_in == "words":
        return distance(before.split(), after.split())
    if operator.counted_in == "forms":
        before, after = unicodedata.normalize("NFKD", before), unicodedata.normalize("NFKD", after)
    return distance(before, after)


@pytest.mark.parametrize("name", MUTATIONS)
@FEW
@given(text=TEXTS, data=st.data())
def test_no_text_is_too_odd_and_no_edit_too_large(name, text, data):
    """Empty, one letter, emoji, right to left: nothing raises, the distance is bounded, replay agrees."""
    operator = MUTATIONS[name]
    after, drawn = apply(operator, text, data)
    assert apart(operator, text, after) <= drawn[0] * operator.size
    assert mutated(text, name, choices=drawn, lexicon=LENT) == after
    after.encode("utf-8")  # a lone surrogate could not be written to any file


@pytest.mark.parametrize("name", MUTATIONS)
@FEW
@given(text=TEXTS)
def test_severity_none_is_the_text_itself(name, text):
    """Severity 0, and no choice at all, change nothing."""
    assert mutated(text, name, choices=[0], lexicon=LENT) == mutated(text, name, choices=(), lexicon=LENT) == text


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_operator_changes_something(name):
    """Each kind of edit has a text that it changes at severity 1, so that no law above holds by doing nothing."""
    text = "Sort naïve rows, fast"
    assert find(mutations([text], lexicon=LENT, operators=[name]), lambda one: one.text != text,
                settings=settings(database=None, derandomize=True)).severity >= 1


@pytest.mark.parametrize("size", [0, -1])
def test_an_operator_that_edits_more_than_it_says_is_caught(size):
    """The bound has teeth: the same edit with a smaller size breaks it."""
    liar = replace(MUTATIONS["dropped_word"], size=size)
    after = liar.apply("sort the rows", draw=lambda n: min(1, n - 1))
    assert apart(liar, "sort the rows", after) > 1 * liar.size


def test_shrinking_reaches_the_plain_query():
    """What hypothesis shrinks to, when anything will do, is the first text without a step."""
    plain = find(mutations(["sort rows", "other"]), lambda _: True, settings=settings(database=None))
    assert plain == Mutated(0, (), "sort rows") and plain.severity == 0


def test_shrinking_reaches_the_smallest_mutation():
    """A loss that takes one lost letter shrinks to one step of one edit, whatever was found first."""
    small = find(mutations(["sort the rows", "other"]), lambda one: one.query == 0 and "rows" not in one.text,
                 settings=settings(database=None, derandomize=True, max_examples=2000))
    assert len(small.steps) == 1 and small.severity == 1


@FEW
@given(one=mutations(["Sort the rows", "mean of naïve columns"], lexicon=LENT))
def test_steps_replay_to_the_same_text(one):
    """A recorded mutation is its steps and nothing else."""
    text = ["Sort the rows", "mean of naïve columns"][one.query]
    assert replayed(text, one.steps, lexicon=LENT) == one.text
    assert one.severity == sum(step.severity for step in one.steps) and len(one.steps) <= 3


@pytest.mark.parametrize(("operator", "choices", "after"), [
    ("neighbour_key", [1, 0, 0], "wort rows"), ("transposition", [1, 0], "osrt rows"),
    ("dropped_letter", [2, 0, 0], "rt rows"), ("doubled_letter", [1, 5], "sort roows"),
    ("look_alike", [1, 0, 0], "ѕort rows"), ("joined_words", [1, 0], "sortrows"), ("dropped_word", [1, 0], "rows"),
    ("doubled_word", [1, 1], "sort rows rows"), ("truncation", [1], "sort"), ("synonym", [1, 1, 0], "sort lines"),
    ("appended_clause", [1, 0], "sort rows of a table"), ("case", [1, 0, 0], "SORT rows"),
    ("white_space", [1, 1, 1], "sort\trows"), ("punctuation", [1, 0, 1], "sort, rows"),
    ("normal_form", [1, 0], "ｓｏｒｔ rows"),
])  # fmt: skip
def test_choices_mean_what_they_meant(operator, choices, after):
    """Pinned by hand: a file of choices written today replays to the same text in any later version."""
    assert mutated("sort rows", operator, choices=choices, lexicon=LENT) == after


def test_all_operators_are_pinned():
    """No operator is left out of the table above."""
    marks = test_choices_mean_what_they_meant.pytestmark
    assert {row[0] for row in marks[0].args[1]} == set(MUTATIONS)


def test_keys_touch_both_ways():
    """If a key is beside another, the other is beside it; g has the six keys around it."""
    letters = {key: near for key, near in NEIGHBOURS.items() if key.isalpha()}
    assert all(key in letters[other] for key, near in letters.items() for other in near if other.isalpha())
    assert set(NEIGHBOURS["g"]) == set("tyfhvb") and "1" in NEIGHBOURS["q"]


def test_look_alikes_are_letters_of_another_script_that_no_form_folds():
    """Each is one letter, Cyrillic or Greek, of the same case, and not its Latin twin in any normal form."""
    for latin, twins in LOOK_ALIKES.items():
        for twin in twins:
            assert unicodedata.name(twin).split()[0] in {"CYRILLIC", "GREEK"} and twin.isupper() == latin.isupper()
            assert unicodedata.normalize("NFKC", twin) == twin != latin


def test_without_a_lexicon_nothing_is_lent():
    """Synonyms and clauses come from a corpus or not at all."""
    assert mutated("sort rows", "synonym", choices=[3]) == mutated("sort rows", "appended_clause", choices=[3]) \
        == "sort rows"


@pytest.mark.parametrize(("operator", "choices", "line"), [
    ("neighbor_key", [0], r"no such mutation; expected neighbour_key, .* \(nearest: neighbour_key\)"),
    ("truncation", [9], "mutation truncation: a choice that this text does not have; expected 1 choices, this one"),
    ("dropped_letter", [1], "a choice that this text does not have"),
    ("dropped_letter", [1, 99], "a choice that this text does not have; expected 2 choices, this one from 0 to 7"),
    ("dropped_letter", [1, -1], "a choice that this text does not have"),
    ("case", [0, 1], "more choices than edits to make; expected the choices drawn for this very text"),
])  # fmt: skip
def test_choices_of_another_text_are_told(operator, choices, line):
    """A replay that does not fit is one line, never another mutation."""
    with pytest.raises(InputError, match=line):
        mutated("sort rows", operator, choices=choices)


def test_nothing_to_mutate_and_no_such_operator_are_told():
    """A strategy that could draw nothing is refused when it is made."""
    with pytest.raises(InputError, match="nothing to mutate"):
        mutations([])
    with pytest.raises(InputError, match="nearest: case"):
        mutations(["sort"], operators=["cases"])


ALIKE = ["sort the rows of a table", "sort the lines of a table", "print all rows", "print all lines"] * 5


def test_words_of_one_company_are_synonyms_and_forms_of_one_word_are_not():
    """`rows` and `lines` stand between the same words; `row` is no synonym of `rows`."""
    made = lexicon_of([*ALIKE, *["sort the row of a table", "print all row"] * 5])
    assert made.synonyms["rows"] == ("lines",) and set(made.synonyms["lines"]) == {"rows", "row"}


def test_a_word_used_otherwise_is_no_synonym():
    """Words of other company stay apart: with `lines` used elsewhere, `rows` has nobody."""
    other = ["sort the rows of a table", "print all rows"] * 5 + ["lines meet in points", "parallel lines never do"] * 5
    assert "rows" not in lexicon_of(other).synonyms


def test_phrases_are_clauses_of_the_corpus():
    """Three to eight plain words between stops, each once."""
    made = lexicon_of(["Sort all the rows. Use f(x) = 2 here. Too short. Sort all the rows."])
    assert made.phrases == ("Sort all the rows",)


def test_a_lexicon_repeats_itself_and_may_be_empty():
    """Same texts, same lexicon; a corpus of nothing lends nothing."""
    assert lexicon_of(ALIKE) == lexicon_of(ALIKE)
    assert lexicon_of([]) == lexicon_of(["a"]) == Lexicon({}, ())


def test_a_step_without_choices_is_no_edit():
    """The severity of nothing is 0."""
    assert Step("case", ()).severity == 0
