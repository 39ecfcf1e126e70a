"""Readers that go wrong in what they say: planted at known rates, so that what measures tell of them can be checked.

Each wraps a sound reader and breaks a share of its replies, or of their sentences. Which ones depends on the seed and
the question alone, not on the order of questions; a larger share breaks a superset. No time passes: a slow reader says
that it was slow.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.defects.catalogue import checked_severity
from harness.errors import InputError
from harness.generation.shapes import Passage, Reader, Reply, Shot
from harness.metrics.answers import content_tokens, sentences

__all__ = ["CHANGES", "CitesElsewhere", "Falters", "IgnoresGold", "Invents", "Planted", "denied", "elsewhere",
           "renumbered"]

Change = Callable[[str, np.random.Generator, Sequence[str]], str]
_NUMBER = re.compile(r"\d+")
_DENIES = re.compile(r"\b(not|never|no) ", re.IGNORECASE)
_VERB = re.compile(r"\b(is|are|was|were|be|been|will|would|can|could|must|should|may|might|has|have|does|do)\b",
                   re.IGNORECASE)


@dataclass(frozen=True)
class Planted:
    """A text as it was broken, and the share of its content tokens that stand in broken sentences, in [0, 1]."""

    text: str
    share: float


def elsewhere(sentence: str, rng: np.random.Generator, others: Sequence[str]) -> str:
    """A fluent sentence of another text in its place; never the same one."""
    pool = [one for one in others if one != sentence]
    if not pool:
        raise InputError("no sentence to take its place", where="planted reader", expected="sentences of other texts")
    return pool[int(rng.integers(len(pool)))]


def renumbered(sentence: str, rng: np.random.Generator, _: Sequence[str] = ()) -> str:
    """Every number another one; a sentence without a number is left as it is.

    >>> renumbered("Reads 10 rows.", np.random.default_rng(1)) != "Reads 10 rows."
    True
    """
    return _NUMBER.sub(lambda found: str(int(found[0]) + 1 + int(rng.integers(1000))), sentence)


def denied(sentence: str, _: np.random.Generator | None = None, __: Sequence[str] = ()) -> str:
    """The contrary: the first denial taken out, else one put behind the first auxiliary, else before all of it.

    >>> denied("Rows are kept."), denied("Rows are not kept."), denied("Reads rows.")
    ('Rows are not kept.', 'Rows are kept.', 'Not so: Reads rows.')
    """
    if _DENIES.search(sentence):
        return _DENIES.sub("", sentence, count=1)
    if _VERB.search(sentence):
        return _VERB.sub(r"\1 not", sentence, count=1)
    return f"Not so: {sentence}"


CHANGES: Mapping[str, Change] = {"elsewhere": elsewhere, "renumbered": renumbered, "denied": denied}


@dataclass(frozen=True)
class Invents:
    """Says what its passages do not: a share of its sentences is changed, citations and all else are left.

    Attributes:
        reader: The sound one.
        share: Of sentences that are changed, in [0, 1].
        change: How, by its name in CHANGES.
        others: Sentences to take from, for `elsewhere`.
        seed: Which ones.
    """

    reader: Reader
    share: float
    change: str = "elsewhere"
    others: Sequence[str] = ()
    seed: int = 0

    @property
    def model(self) -> str:
        """The sound reader's, and what is wrong with it."""
        return f"{self.reader.model}, {self.change} {self.share:g}"

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """The sound reply with its text broken. Raises InputError for a share outside [0, 1]."""
        reply = self.reader.read(question, passages, shots)
        return replace(reply, text=self.planted(question, reply.text).text, model=self.model)

    def planted(self, question: str, text: str) -> Planted:
        """A sound text broken, with the share of the outcome's content tokens that stand in what was changed."""
        share, rng = checked_severity(self.change, self.share), _drawn(self.seed, question)
        kept, broken = list[str](), 0
        for sentence in sentences(text):
            due, own = bool(rng.random() < share), np.random.default_rng(rng.integers(2**32))
            now = CHANGES[self.change](sentence, own, self.others) if due else sentence
            kept.append(now)
            broken += len(content_tokens(now)) if now != sentence else 0
        total = sum(len(content_tokens(one)) for one in kept)
        return Planted(" ".join(kept), broken / total if total else 0.0)


@dataclass(frozen=True)
class IgnoresGold:
    """Never looks at the passages that hold the answer. `gold` maps a question to the ids of its gold documents."""

    reader: Reader
    gold: Mapping[str, frozenset[str]]

    @property
    def model(self) -> str:
        """The sound reader's, and what is wrong with it."""
        return f"{self.reader.model}, ignores gold"

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """The sound reader's reply to the other passages; all of them count as shown."""
        known = self.gold.get(question, frozenset())
        reply = self.reader.read(question, [one for one in passages if one.doc not in known], shots)
        return replace(reply, passages=tuple(one.id for one in passages), model=self.model)


@dataclass(frozen=True)
class CitesElsewhere:
    """Answers as it should and cites what it did not use: of a share of the replies the other passages."""

    reader: Reader
    share: float = 1.0
    seed: int = 0

    @property
    def model(self) -> str:
        """The sound reader's, and what is wrong with it."""
        return f"{self.reader.model}, cites elsewhere {self.share:g}"

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """The sound reply, its citations turned into those that it had not made."""
        reply = self.reader.read(question, passages, shots)
        if not _drawn(self.seed, question).random() < self.share:
            return replace(reply, model=self.model)
        unused = tuple(name for name in reply.passages if name not in reply.cited)
        return replace(reply, cited=unused, model=self.model)


@dataclass(frozen=True)
class Falters:
    """A share of its replies comes late, at a repeated call, or not at all.

    Attributes:
        reader: The sound one.
        how: `late` (`factor` times as slow), `repeated` (one call more), or `cut` (no answer, timed out).
        share: Of replies, in [0, 1].
        factor: Of `late`.
        seed: Which ones.
    """

    reader: Reader
    how: str
    share: float = 1.0
    factor: float = 10.0
    seed: int = 0

    @property
    def model(self) -> str:
        """The sound reader's, and what is wrong with it."""
        return f"{self.reader.model}, {self.how} {self.share:g}"

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """The sound reply as it would have come. Raises InputError for another way to falter."""
        reply = self.reader.read(question, passages, shots)
        changes: dict[str, dict[str, Any]] = {
            "late": {"total_ms": reply.total_ms * self.factor},
            "repeated": {"calls": max(reply.calls, 1) + 1, "retries": reply.retries + 1},
            "cut": {"text": "", "cited": (), "answer_tokens": 0, "timed_out": True}}
        if self.how not in changes:
            raise InputError("no such fault", where="planted reader", expected=", ".join(changes), found=self.how)
        due = _drawn(self.seed, question).random() < self.share
        return replace(reply, model=self.model, **(changes[self.how] if due else {}))


def _drawn(seed: int, question: str) -> np.random.Generator:
    """A generator of the seed and the question."""
    digest = hashlib.sha256(question.encode("utf-8")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
