"""A reader is shown passages that speak of what is asked, from the documents that were found, within its limits."""

from __future__ import annotations

import pytest

from fixtures.answers import answers_world
from harness.errors import InputError
from harness.generation.choosing import Chooser, Weights, asked_of, word_index
from harness.generation.passages import passages_of

WORLD = answers_world()
PASSAGES = passages_of(WORLD.corpus, chunk_words=80)
WORDS = word_index(PASSAGES)
EVERY = range(len(WORLD.corpus))


def own_first(query: str) -> list[int]:
    own = WORLD.corpus.position(query)
    return [own, *(place for place in EVERY if place != own)]


def right(chooser: Chooser) -> int:
    task, golds = WORLD.task("answers"), WORLD.answers
    return sum(chooser.choose(text, own_first(query))[0].text == golds.text(query)
               for query, text in zip(task.query_ids, task.texts, strict=True))


def test_the_entry_asked_about_comes_first():
    """With the right document in front, its entry that answers is the first passage; without the cues it is not."""
    assert right(Chooser(PASSAGES, WORDS)) == len(WORLD.task("answers"))
    assert right(Chooser(PASSAGES, WORDS, weights=Weights(named=0, section=0, both=0))) < 6


def test_a_name_is_found_wherever_its_document_stands():
    """A document that describes the name asked about passes those above it that do not."""
    behind = own_first("bake.oven.unload")[::-1]
    assert Chooser(PASSAGES, WORDS).choose("How is gloves to be chosen?", behind)[0].field == "gloves"
    assert Chooser(PASSAGES, WORDS, documents=3).choose("How is gloves to be chosen?", behind)[0].field != "gloves"


def test_limits_hold():
    """No more passages than asked, of no document more than its share, and no text twice."""
    for shown, per_document in ((1, 1), (5, 1), (7, 2)):
        chosen = Chooser(PASSAGES, WORDS, shown=shown, per_document=per_document).choose("What does it return?", EVERY)
        documents = [one.doc for one in chosen]
        assert len(chosen) == shown == len({one.id for one in chosen})
        assert max(documents.count(one) for one in documents) <= per_document


def test_a_budget_leaves_out_what_does_not_fit_and_takes_what_does():
    """All chosen together stay within it; a budget that holds nothing shows nothing."""
    full = Chooser(PASSAGES, WORDS, shown=12).choose("What does it return?", EVERY)
    tight = Chooser(PASSAGES, WORDS, shown=12, budget=20).choose("What does it return?", EVERY)
    assert 0 < len(tight) < len(full)
    assert sum(len(one.text.split()) for one in tight) <= 20
    assert Chooser(PASSAGES, WORDS, budget=1).choose("What does it return?", EVERY) == ()


def test_a_near_duplicate_is_offered_under_its_own_name_and_shown_once():
    """Removed passages are still found by their own field; two documents that say the same take one place."""
    cups = next(one for one in PASSAGES.all if one.field == "cups")
    gap = next(one for one in PASSAGES.all if one.field == "gap")
    fewer = PASSAGES.without({gap.id: cups.id})
    chosen = Chooser(fewer, word_index(fewer), shown=12).choose("What is the argument gap for?", EVERY)
    assert chosen[0].id == cups.id and [one.id for one in chosen].count(cups.id) == 1


def test_the_same_question_gets_the_same_passages():
    """Equal scores go to the better ranked document, then to the earlier passage: nothing is left to chance."""
    chooser = Chooser(PASSAGES, WORDS, shown=12, weights=Weights(0, 0, 0, 0, 0))
    chosen = chooser.choose("Anything", EVERY)
    assert [one.place for one in chosen] == list(EVERY) and chosen == chooser.choose("Anything", EVERY)
    assert all(one.id.endswith("#0000") for one in chosen)
    assert chooser.choose("Anything", []) == ()


@pytest.mark.parametrize(("question", "section"), [
    ("Sum it. What comes back from the call?", "returns"), ("What makes it fail with ValueError?", "raises"),
    ("What should be given as axis?", "parameters"),
])  # fmt: skip
def test_what_is_asked_is_read_off_the_last_sentence(question, section):
    """The section that would answer follows from the asking words; a statement asks for none."""
    assert section in asked_of(question)[1]
    assert asked_of("It returns a sum. Why?")[1] == frozenset()


def test_an_index_of_other_passages_is_refused():
    """Rows of one and texts of another would answer anything."""
    with pytest.raises(InputError, match="of other passages"):
        Chooser(PASSAGES.without({PASSAGES.all[1].id: PASSAGES.all[0].id}), WORDS)
    with pytest.raises(InputError, match="out of range"):
        Chooser(PASSAGES, WORDS, shown=0)
