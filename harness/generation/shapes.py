"""What every reader agrees on: a question and passages go in, an answer that cites some of them comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Passage", "Reader", "Reply", "Shot"]


@dataclass(frozen=True)
class Passage:
    """A piece of a document, short enough to be shown to a reader.

    Attributes:
        id: `DOC#0003`: the document's id and the piece's place in it, from 0.
        doc: Id of the document.
        place: Position of the document in its corpus, from 0.
        section: `parameters`, `returns`, `raises`, `notes` and so on, lower case; `summary` before the first heading.
        field: Name of the entry that it describes, as written (`axis`, `ValueError`); "" for prose.
        prefix: Context for vectors and prompts alone (`numpy · mean · Parameters`): no lexical index may see it.
        text: The author's words, white space as spaces.
        domain: What the document belongs to: its package.
    """

    id: str
    doc: str
    place: int
    section: str
    field: str
    prefix: str
    text: str
    domain: str


@dataclass(frozen=True)
class Shot:
    """An example shown to a reader: a question and the answer that was wanted."""

    id: str
    question: str
    answer: str


@dataclass(frozen=True)
class Reply:
    """What a reader answered, and what it took.

    Attributes:
        text: The answer; "" where none could be given.
        cited: Ids of the passages that the answer rests on, in order of first use.
        passages: Ids of all passages that were shown, in order.
        calls, retries: Requests to a model, and those among them that repeated one; 0 for a reader without a model.
        timed_out: Whether the hard time-out cut the answer off.
        prompt_tokens, answer_tokens: Counted by the reader's stated method.
        model: What answered, by name.
        total_ms: Wall time in milliseconds.
    """

    text: str
    cited: tuple[str, ...]
    passages: tuple[str, ...]
    calls: int
    retries: int
    timed_out: bool
    prompt_tokens: int
    answer_tokens: int
    model: str
    total_ms: float


@runtime_checkable
class Reader(Protocol):
    """Whatever answers from passages: sentences drawn from them, or a model behind HTTP."""

    @property
    def model(self) -> str:
        """Name of what answers, as it stands in the run manifest."""
        ...

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """Answer from the passages and cite them; no passages, no answer."""
        ...
