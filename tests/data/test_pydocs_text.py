"""Text is repaired, split and cut so that nothing varies from run to run and no answer is left in its document."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.pydocs.sections import parse
from harness.data.pydocs.text import body, content_words, cut, prose_sentences, repaired, squash
from harness.data.pydocs.unique import HEAD_BYTES, occurrences

DRAWN = """Normal distribution.

Examples
--------
To use the class, name its parameters.

>>> X = Normal(mu=-0.81, sigma=0.69)

At argument ``x=-1.13``:

>>> X.pdf(x)
np.float64(0.51)

Samples are drawn so.

>>> X.sample(shape=(4,))
array([-0.61, -1.39])"""


def test_sets_stand_in_one_order() -> None:
    """A printed set has no order of its own; a dict and an empty set are left alone."""
    assert repaired("{'b', 'a',  'c'}") == repaired("{'c', 'a', 'b'}") == "{'a', 'b', 'c'}"
    assert repaired("{'b': 1, 'a': 2} {} {'only'}") == "{'b': 1, 'a': 2} {} {'only'}"


def test_half_a_character_does_not_reach_the_corpus() -> None:
    """A docstring with a lone surrogate can still be written to a file."""
    assert repaired("half \ud800 a character") == "half ? a character"


def test_unseeded_draws_leave_only_prose() -> None:
    """Where samples are drawn, code, output and quoted numbers go, and two draws give one text."""
    other = DRAWN.replace("-0.81", "0.20").replace("-1.13", "0.07").replace("0.51", "0.3").replace("-0.61", "0.4")
    assert repaired(DRAWN) == repaired(other)
    kept = parse(repaired(DRAWN)).section("examples")
    assert "Samples are drawn so." in kept
    assert ">>>" not in kept


def test_examples_without_draws_are_kept() -> None:
    """The repair touches no other example."""
    doc = "Sum.\n\nExamples\n--------\n>>> f(1.5)\n2.5"
    assert repaired(doc) == doc


def test_links_are_not_indexed() -> None:
    """See Also, References and Methods would give the judgements away or repeat them; the rest is text."""
    sections = {"Parameters": "x : int", "See Also": "secret", "Methods": "fit", "References": "[1]", "Notes": "Note."}
    doc = "Sum.\n\nMore.\n\n" + "\n\n".join(f"{name}\n{'-' * len(name)}\n{text}" for name, text in sections.items())
    assert body(parse(doc)) == "Sum.\n\nMore.\n\nx : int\n\nNote."


def test_content_words_leave_out_the_small_ones() -> None:
    """Stop words, short words and a plural s do not count."""
    assert content_words("Is this of the classes? Axis, bus & 3D arrays") == {"classe", "axis", "bus", "array"}


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One is here. Two\nis there.", ["One is here.", "Two is there."]),
        ("Uses e.g. Newton's method. Done.", ["Uses e.g. Newton's method.", "Done."]),
        ("A number 1.5 stays whole. ``x`` is next.", ["A number 1.5 stays whole.", "``x`` is next."]),
        ("No end", []),
        (">>> code. Here.", []),
        ("- A list. Of two.", []),
        (".. note:: Not prose. At all.", []),
        ("    Indented code. Here.", []),
        ("Prose. Here.\n\n>>> f(x)\n1.", ["Prose.", "Here."]),
        ("", []),
    ],
)
def test_sentences_come_from_prose_alone(text: str, sentences: list[str]) -> None:
    """Abbreviations and decimals end no sentence; code, lists and directives hold none."""
    assert list(prose_sentences(text)) == sentences


def test_a_cut_sentence_is_gone_whatever_its_line_breaks() -> None:
    """The cut ignores white space, takes nothing else, and leaves other texts as they are."""
    text = "First.\n\nThe  sought\n  sentence. The rest\nstays.\n\n>>> f(x)\n1"
    assert cut(text, "The sought sentence.") == "First.\n\nThe rest stays.\n\n>>> f(x)\n1"
    assert cut(text, "Another sentence.") == text


@given(
    st.lists(st.text("ab `\n", max_size=40), max_size=6), st.lists(st.text("ab", min_size=24, max_size=26), max_size=4)
)
def test_occurrences_agree_with_their_definition(texts: list[str], needles: list[str]) -> None:
    """The one pass counts what a search at every place of every text counts."""
    texts = [*texts, *(f"b{needle}a{needle}" for needle in needles[:2])]
    literal = [sum(text.startswith(needle, at) for text in texts for at in range(len(text))) for needle in needles]
    assert occurrences(needles, texts).tolist() == literal


def test_occurrences_do_not_span_texts() -> None:
    """The end of one text and the beginning of the next make no match; the very end is still seen."""
    needle = "x" * HEAD_BYTES
    assert occurrences([needle], [needle[:12], needle[12:]]).tolist() == [0]
    assert occurrences([needle], ["ab" + needle]).tolist() == [1]
    assert np.array_equal(occurrences([], ["text"]), np.zeros(0))


def test_a_common_beginning_is_not_a_match() -> None:
    """Needles that begin alike are told apart by their ends."""
    head = "thefunctionreturnsanarrayof"
    assert occurrences([f"{head}ones", f"{head}zeros"], [f"{head}zeros", f"{head}nothing"]).tolist() == [0, 1]


def test_a_short_needle_is_refused() -> None:
    """What the look-up cannot see is an error, not a count of zero."""
    with pytest.raises(ValueError, match="at least 24 bytes"):
        occurrences(["short"], ["short"])


def test_squash_makes_templates_equal() -> None:
    """White space, case and quoted names do not part two copies of a template."""
    assert squash("As  an instance\nof `norm`.") == squash("as an instance of ``beta``.")
    assert squash("One way.") != squash("Two ways.")
