"""The error tree: every error is one line a user can act on, and knows its exit code.

Exit codes keep away from pytest's own (0 to 5, of which only 0 and 2 are shared in meaning).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum

__all__ = ["EvidenceError", "Exit", "InputError", "SignoffError", "UsageError", "nearest"]


class Exit(IntEnum):
    """What the `signoff` command returns to its caller."""

    PASSED = 0
    USAGE = 2
    REFUSED = 10
    INCONCLUSIVE = 11
    INVALID = 12


class SignoffError(Exception):
    """Base of all errors that are told to the user as one line, never as a traceback."""

    exit_code: Exit = Exit.USAGE


class UsageError(SignoffError):
    """The call itself makes no sense: an unknown name, options that contradict each other."""


class InputError(SignoffError):
    """Unreadable or wrong input, said as: what is wrong, where, what was expected, what was found.

    >>> str(InputError("score is not a number", where="bm25.run", row=3, column="score",
    ...                expected="a finite number", found="abc"))
    "bm25.run, row 3, column score: score is not a number; expected a finite number, found 'abc'"
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        row: int | None = None,
        column: str | None = None,
        expected: str | None = None,
        found: object = None,
        hint: str | None = None,
    ) -> None:
        """Keep the parts (`where` a file or parameter, `row` from 1) and join them into one line."""
        self.what, self.where, self.row, self.column = what, where, row, column
        self.expected, self.found, self.hint = expected, found, hint
        super().__init__(self._line())

    def _line(self) -> str:
        place = [str(self.where)] if self.where is not None else []
        place += [f"row {self.row}"] if self.row is not None else []
        place += [f"column {self.column}"] if self.column is not None else []
        tail = [f"expected {self.expected}"] if self.expected is not None else []
        tail += [f"found {_short(self.found)}"] if self.found is not None else []
        line = (", ".join(place) + ": " if place else "") + self.what
        line += "; " + ", ".join(tail) if tail else ""
        line += f" (nearest: {self.hint})" if self.hint else ""
        return " ".join(line.splitlines())


class EvidenceError(InputError):
    """Evidence or an attestation that cannot be believed (exit code 12)."""

    exit_code = Exit.INVALID


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when nothing is near.

    >>> nearest("relase", ["release", "baseline"])
    'release'
    """
    names = list(known)
    folded = {candidate.casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    return folded[close[0]] if close else None
