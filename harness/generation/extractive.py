"""A reader that runs anywhere: it answers in sentences of the passages it was shown, and cites where each stands.

It makes nothing up and reasons about nothing; how good its answers are is a matter of what it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from harness.errors import InputError
from harness.generation.passages import sentences
from harness.generation.shapes import Passage, Reply, Shot

__all__ = ["ExtractiveReader"]


@dataclass(frozen=True)
class ExtractiveReader:
    """Answers by the first sentences of each passage, in the order shown, each sentence once.

    A passage whose sentences were all said before is cited too: the answer rests on it as well.

    Attributes:
        each: Sentences of one passage, at most.
        words: Words of an answer, at most; a passage that would go over is left out, unless it is the first.
        clock: Seconds, for the time taken.

    Raises:
        InputError: An option below 1.

    >>> passage = Passage("d#0000", "d", 0, "returns", "", "", "The sum. It is exact. Always.", "p")
    >>> reply = ExtractiveReader(each=2).read("What does it return?", [passage])
    >>> reply.text, reply.cited
    ('The sum. It is exact.', ('d#0000',))
    """

    each: int = 9
    words: int = 60
    model: str = "extractive"
    clock: Callable[[], float] = perf_counter

    def __post_init__(self) -> None:
        if self.each < 1 or self.words < 1:
            raise InputError("option out of range", where="extractive reader", expected="at least 1",
                             found=(self.each, self.words))

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:  # noqa: ARG002
        """Sentences of the passages, citing them; no passages, an empty answer that cites nothing."""
        began = self.clock()
        said: dict[str, str] = {}
        cited, length = [], 0
        for passage in passages:
            lines = sentences(passage.text)[: self.each]
            new = {line.lower(): line for line in lines if line.lower() not in said}
            longer = length + sum(len(line.split()) for line in new.values())
            if said and longer > self.words:
                continue
            said |= new
            length = longer
            cited.append(passage.id)
        shown = tuple(passage.id for passage in passages)
        return Reply(" ".join(said.values()), tuple(cited), shown, calls=0, retries=0, timed_out=False, prompt_tokens=0,
                     answer_tokens=length, model=self.model, total_ms=(self.clock() - began) * 1000.0)
