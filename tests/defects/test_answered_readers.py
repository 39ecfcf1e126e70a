"""Readers that go wrong at known rates: what is planted is what was said to be, and it is known beforehand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from harness.defects.answered_readers import CHANGES, CitesElsewhere, Falters, IgnoresGold, Invents, denied, renumbered
from harness.errors import InputError
from harness.generation.extractive import ExtractiveReader
from harness.generation.shapes import Passage
from harness.metrics.answers import content_tokens, faithfulness, sentences

TEXT = " ".join(f"Row {at} is kept under column {at + 50}." for at in range(40))
OTHERS = tuple(f"Gluten strands align in loaf {letter}." for letter in "abcdefgh")
PASSAGES = [Passage(f"d{at}#0000", f"d{at}", at, "returns", "", "", f"Value {at} comes back. It is whole.", "p")
            for at in range(4)]


def changed(share: float, change: str = "elsewhere", question: str = "Which rows?", seed: int = 0) -> set[int]:
    """Places of the sentences that were changed."""
    now = sentences(Invents(ExtractiveReader(), share, change, OTHERS, seed).planted(question, TEXT).text)
    return {at for at, (one, two) in enumerate(zip(sentences(TEXT), now, strict=True)) if one != two}


@pytest.mark.parametrize("change", CHANGES)
def test_a_larger_share_breaks_a_superset(change):
    """None at 0, all at 1, and what was broken stays broken on the way."""
    steps = [changed(share, change) for share in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert not steps[0] and len(steps[-1]) == 40
    assert all(few < many for few, many in pairwise(steps))


def test_which_sentences_depends_on_the_seed_and_the_question_alone():
    """Asked again it breaks the same; another question or seed breaks others."""
    assert changed(0.5) == changed(0.5)
    assert changed(0.5) != changed(0.5, question="Which columns?") and changed(0.5) != changed(0.5, seed=1)


@pytest.mark.parametrize("change", CHANGES)
def test_planted_is_the_share_of_tokens_in_changed_sentences(change):
    """Counted over the text as it came out, against the definition written out."""
    found = Invents(ExtractiveReader(), 0.5, change, OTHERS).planted("Which rows?", TEXT)
    now, broken = sentences(found.text), changed(0.5, change)
    sizes = np.array([len(content_tokens(one)) for one in now])
    assert found.share == pytest.approx(sizes[sorted(broken)].sum() / sizes.sum())
    assert Invents(ExtractiveReader(), 0.5, change, OTHERS).planted("Which rows?", "").share == 0.0


def test_measured_follows_planted_and_never_passes_it():
    """Sentences from elsewhere are seen whole here, numbers and denials in part; more than was planted never."""
    seen = {}
    for change in CHANGES:
        found = [Invents(ExtractiveReader(), share, change, OTHERS).planted("Which rows?", TEXT)
                 for share in (0.1, 0.4, 1.0)]
        lost = 1.0 - faithfulness([one.text for one in found], [[TEXT]] * 3)
        assert (np.diff(lost) > 0.0).all() and (lost <= [one.share + 1e-12 for one in found]).all()
        seen[change] = lost[-1] / found[-1].share
    assert seen["elsewhere"] == 1.0 and 0.1 < seen["denied"] < seen["renumbered"] < 0.7


def test_numbers_and_denials_are_what_they_say():
    """A number is another one for certain, what has none stays; a denial is put in, or taken out."""
    for seed in range(50):
        assert "10" not in renumbered("Reads 10 rows.", np.random.default_rng(seed)).split()
    assert renumbered("Reads rows.", np.random.default_rng(1)) == "Reads rows."
    assert denied(denied("Rows are kept.")) == "Rows are kept."


def test_who_ignores_gold_says_what_it_was_shown():
    """All passages count as shown, none of a gold document is read; a question without gold is read as ever."""
    reader = IgnoresGold(ExtractiveReader(), {"What?": frozenset({"d0", "d1"})})
    reply = reader.read("What?", PASSAGES)
    assert len(reply.passages) == 4 and set(reply.cited) == {"d2#0000", "d3#0000"} and "Value 0" not in reply.text
    assert reader.read("Why?", PASSAGES).cited == ExtractiveReader().read("Why?", PASSAGES).cited


def test_who_cites_elsewhere_leaves_the_answer():
    """At 0 nothing changes; at 1 no citation is left that was made."""
    sound = ExtractiveReader().read("What?", PASSAGES)
    none, whole = (CitesElsewhere(ExtractiveReader(), share).read("What?", PASSAGES) for share in (0.0, 1.0))
    assert none.cited == sound.cited and not set(whole.cited) & set(sound.cited)
    assert none.text == whole.text == sound.text


@pytest.mark.parametrize(("make", "line"), [
    (lambda: Invents(ExtractiveReader(), 1.5, others=OTHERS).read("What?", PASSAGES), "severity out of range"),
    (lambda: Invents(ExtractiveReader(), 1.0).read("What?", PASSAGES), "no sentence to take its place"),
    (lambda: Falters(ExtractiveReader(), "stops").read("What?", PASSAGES), "no such fault; expected late, repeated"),
])
def test_what_cannot_be_planted_is_told(make, line):
    """A share that is none, nothing to take from, an unknown fault: one line."""
    with pytest.raises(InputError, match=line):
        make()


def test_every_broken_reader_says_so_in_its_name():
    """A record of planted answers cannot be taken for one of sound ones."""
    sound = ExtractiveReader()
    readers = [Invents(sound, 0.3), IgnoresGold(sound, {}), CitesElsewhere(sound), Falters(sound, "late")]
    assert len({one.model for one in (sound, *readers)}) == 5
