"""The reader that runs anywhere says what its passages say, cites them, and says nothing without them."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.generation.extractive import ExtractiveReader
from harness.generation.shapes import Passage, Reader
from harness.metrics.answers import faithfulness


def passage(name: str, text: str) -> Passage:
    return Passage(name, name.partition("#")[0], 0, "returns", "", "pre · fix", text, "p")


PASSAGES = [passage("a#0000", "One thing. Another thing."), passage("b#0000", "One thing."),
            passage("c#0000", "Third thing is long. It goes on. And on.")]


def test_every_sentence_is_of_a_cited_passage():
    """It is faithful by construction: all that it says, a cited passage says; one sentence more is seen."""
    reply = ExtractiveReader().read("What?", PASSAGES)
    assert faithfulness([reply.text], [[one.text for one in PASSAGES]]).tolist() == [1.0]
    assert faithfulness([f"{reply.text} Invented nonsense."], [[one.text for one in PASSAGES]])[0] < 1.0
    assert isinstance(ExtractiveReader(), Reader) and "fix" not in reply.text


def test_what_was_said_is_not_said_again_and_still_cited():
    """Two passages that say the same make one sentence and two citations."""
    reply = ExtractiveReader().read("What?", PASSAGES[:2])
    assert (reply.text, reply.cited) == ("One thing. Another thing.", ("a#0000", "b#0000"))


def test_answers_keep_to_their_length():
    """A passage that would go over is neither said nor cited; the first is always said."""
    reply = ExtractiveReader(words=5).read("What?", PASSAGES)
    assert (reply.cited, reply.passages) == (("a#0000", "b#0000"), ("a#0000", "b#0000", "c#0000"))
    assert ExtractiveReader(words=1).read("What?", PASSAGES[2:]).cited == ("c#0000",)
    assert ExtractiveReader(each=1).read("What?", PASSAGES).text == "One thing. Third thing is long."


def test_no_passages_no_answer():
    """Nothing shown is nothing said: empty, uncited, and no claim of a model's call."""
    reply = ExtractiveReader(clock=lambda: 0.0).read("What?", [])
    assert (reply.text, reply.cited, reply.calls, reply.total_ms) == ("", (), 0, 0.0)


def test_time_is_taken_from_the_clock_given():
    """Milliseconds between the two readings of it."""
    ticks = iter([1.0, 1.25])
    assert ExtractiveReader(clock=lambda: next(ticks)).read("What?", PASSAGES).total_ms == 250.0


def test_options_out_of_range_are_refused():
    """No sentence and no word are no answer."""
    for options in ({"each": 0}, {"words": 0}):
        with pytest.raises(InputError, match="out of range"):
            ExtractiveReader(**options)
