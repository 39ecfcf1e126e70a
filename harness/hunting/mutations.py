"""Mutations of queries: small graded edits that a user might make, drawn by hypothesis, replayed from whole numbers.

A step is an operator and its choices: the first choice is the severity (how many edits), the others say which. No
choice at all, or severity 0, leaves the text as it was; that is what hypothesis shrinks to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from harness.errors import InputError, nearest
from harness.hunting import mutations_letters as letters
from harness.hunting import mutations_words as words
from harness.hunting.drawing import whole
from harness.hunting.mutations_letters import Pick
from harness.hunting.synonyms import NOTHING, Lexicon

__all__ = ["MOST_STEPS", "MUTATIONS", "Mutated", "Operator", "Step", "mutated", "mutations", "replayed"]

MOST_STEPS = 3
Edit = Callable[[str, Pick, Lexicon], str]


@dataclass(frozen=True)
class Operator:
    """A kind of edit.

    Attributes:
        claim: What one edit does, in words.
        edit: (text, pick, lexicon) → the text after one edit.
        counted_in: What an edit is measured in: letters, words (between white space), or forms (of one NFKD).
        size: The most letters or words that one edit inserts, deletes or replaces; 0 for forms.
        most: The highest severity that is drawn.
    """

    claim: str
    edit: Edit
    counted_in: Literal["letters", "words", "forms"]
    size: int = 1
    most: int = 3

    def apply(self, text: str, *, draw: Pick, lexicon: Lexicon = NOTHING) -> str:
        """As many edits as the first draw says, one after another. `draw(n)` gives a whole number from 0 to n - 1."""
        for _ in range(draw(self.most + 1)):
            text = self.edit(text, draw, lexicon)
        return text


class Step(NamedTuple):
    """One operator with the whole numbers that were drawn for it, severity first."""

    operator: str
    choices: tuple[int, ...]

    @property
    def severity(self) -> int:
        """How many edits this step makes; 0 leaves the text as it was."""
        return self.choices[0] if self.choices else 0


class Mutated(NamedTuple):
    """A query after its steps.

    Attributes:
        query: Which of the texts, from 0.
        steps: What was done to it, in order; none leaves it plain.
        text: What became of it.
    """

    query: int
    steps: tuple[Step, ...]
    text: str

    @property
    def severity(self) -> int:
        """Edits of all steps together."""
        return sum(step.severity for step in self.steps)


def _of(edit: Callable[[str, Pick], str]) -> Edit:
    return lambda text, pick, _: edit(text, pick)


MUTATIONS: dict[str, Operator] = {
    "neighbour_key": Operator("a letter gives way to a key beside it", _of(letters.neighbour_key), "letters"),
    "transposition": Operator("two letters change places", _of(letters.transposition), "letters", size=2),
    "dropped_letter": Operator("a letter is lost", _of(letters.dropped_letter), "letters"),
    "doubled_letter": Operator("a letter is struck twice", _of(letters.doubled_letter), "letters"),
    "look_alike": Operator("a letter of another script that looks the same", _of(letters.look_alike), "letters"),
    "punctuation": Operator("a sign is added or lost", _of(letters.punctuation), "letters"),
    "joined_words": Operator("a blank is lost", _of(letters.joined_words), "letters"),
    "white_space": Operator("a gap gets other white space", _of(words.white_space), "words"),
    "case": Operator("a word is written in another case", _of(words.case), "words"),
    "normal_form": Operator("another Unicode form of the same text", _of(words.normal_form), "forms", size=0),
    "dropped_word": Operator("a word is lost", _of(words.dropped_word), "words"),
    "doubled_word": Operator("a word is written twice", _of(words.doubled_word), "words"),
    "truncation": Operator("the last word is cut off", _of(words.truncation), "words", most=8),
    "synonym": Operator("a word of the same company", words.synonym, "words"),
    "appended_clause": Operator("a phrase of the corpus is added", words.appended_clause, "words", size=8),
}


def mutated(text: str, operator: str, *, choices: Sequence[int], lexicon: Lexicon = NOTHING) -> str:
    """A text after one step, from its recorded choices alone: the same choices give the same text.

    Args:
        text: The text before.
        operator: A name in MUTATIONS.
        choices: Severity first, then what its edits drew; none leaves the text as it was.
        lexicon: Of the same corpus as when the choices were drawn; `synonym` and `appended_clause` read it.

    Raises:
        InputError: Unknown operator, or choices that this text or lexicon does not have.

    >>> mutated("sort rows", "transposition", choices=[1, 1]), mutated("sort rows", "case", choices=[])
    ('srot rows', 'sort rows')
    """
    if operator not in MUTATIONS:
        raise InputError("no such mutation", where="mutations", expected=", ".join(MUTATIONS), found=operator,
                         hint=nearest(operator, MUTATIONS))
    if not choices:
        return text
    left = iter(choices)
    made = MUTATIONS[operator].apply(text, draw=_recorded(left, operator, choices), lexicon=lexicon)
    if next(left, None) is not None:
        raise InputError("more choices than edits to make", where=f"mutation {operator}", found=list(choices),
                         expected="the choices drawn for this very text")
    return made


def replayed(text: str, steps: Sequence[Step], *, lexicon: Lexicon = NOTHING) -> str:
    """A text after all its steps, one on top of the other.

    >>> replayed("sort rows", [Step("case", (1, 0, 0)), Step("truncation", (1,))])
    'SORT'
    """
    for operator, choices in steps:
        text = mutated(text, operator, choices=choices, lexicon=lexicon)
    return text


def mutations(texts: Sequence[str], *, lexicon: Lexicon = NOTHING, operators: Sequence[str] | None = None,
              most_steps: int = MOST_STEPS) -> st.SearchStrategy[Mutated]:
    """A strategy of mutated queries; it shrinks towards the first text, fewer and smaller steps, and none at all.

    Raises InputError where there is no text to mutate, or an operator that is not known.
    """
    if not texts:
        raise InputError("nothing to mutate", where="mutations", expected="at least one text")
    names = tuple(MUTATIONS if operators is None else operators)
    for name in names:
        mutated("", name, choices=())

    @st.composite
    def made(draw: st.DrawFn) -> Mutated:
        query = draw(whole(0, len(texts) - 1))
        text, steps = texts[query], []
        for _ in range(draw(whole(0, most_steps))):  # a step's draws stand together, so that they shrink together
            name, drawn = names[draw(whole(0, len(names) - 1))], list[int]()
            text = MUTATIONS[name].apply(text, draw=_noting(draw, drawn), lexicon=lexicon)
            steps += [Step(name, tuple(drawn))] if drawn[0] else []
        return Mutated(query, tuple(steps), text)

    return made()


def _noting(draw: st.DrawFn, drawn: list[int]) -> Pick:
    def pick(n: int) -> int:
        drawn.append(draw(whole(0, n - 1)))
        return drawn[-1]

    return pick


def _recorded(left: Iterator[int], operator: str, choices: Sequence[int]) -> Pick:
    def pick(n: int) -> int:
        choice = next(left, None)
        if choice is None or not 0 <= choice < n:
            raise InputError("a choice that this text does not have", where=f"mutation {operator}",
                             expected=f"{len(choices)} choices, this one from 0 to {n - 1}", found=list(choices))
        return choice

    return pick
