"""The study `repeated`: the evaluation of a release that answers, made twice in processes that differ.

The processes differ in the seed of hashes and in their number of threads; what they write must not. The same is done
for releases that are spoilt on purpose, so that what catches them is seen to. Both are made by
`harness.hunting.repeating`, a floor above: it knows the defects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.data.store import sha256_bytes
from harness.errors import InputError
from harness.shown import brief

if TYPE_CHECKING:
    from harness.release.manifest import Manifest

__all__ = ["DIFFERENCES", "STUDY", "Lines", "RepeatedObserved", "by_question", "differing", "wanted"]

STUDY, DIFFERENCES = "repeated", "evaluation differences"
Lines = tuple[str, ...]


@dataclass(frozen=True)
class RepeatedObserved:
    """What each of two processes wrote.

    Attributes:
        first: Lines of the first process, one a question.
        second: Of the second.
        processes: What set them apart: variable → value, a mapping a process.
        spoilt: Defect → what both wrote with it planted in them, on some of the questions.
    """

    first: Lines
    second: Lines
    processes: tuple[Mapping[str, str], ...] = ()
    spoilt: Mapping[str, tuple[Lines, Lines]] = field(default_factory=dict)

    __repr__ = brief

    @property
    def digests(self) -> tuple[str, str]:
        """sha256 of what each process wrote, to the byte."""
        one, two = ("".join(f"{line}\n" for line in lines) for lines in (self.first, self.second))
        return sha256_bytes(one.encode("utf-8")), sha256_bytes(two.encode("utf-8"))


def wanted(manifest: Manifest) -> bool:
    """Whether a row of the policy reads this study."""
    return any(check.own_gate is None and check.measure == DIFFERENCES for check in manifest.checks)


def differing(one: Lines, two: Lines) -> tuple[str, ...]:
    """Questions whose lines differ, or that only one process wrote, by id; all of them in another order count all.

    Raises:
        InputError: A line that is none, or a question that stands twice.

    >>> differing(('{"query_id": "a", "f1": 0.5}',), ('{"query_id": "a", "f1": 0.500001}',))
    ('a',)
    """
    before, after = by_question(one), by_question(two)
    found = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return tuple(found) if found or one == two else tuple(before)


def by_question(lines: Lines) -> dict[str, str]:
    """Question → its line. Raises InputError for a line that is none, or a question that stands twice.

    >>> by_question(('{"query_id": "a"}',))
    {'a': '{"query_id": "a"}'}
    """
    found: dict[str, str] = {}
    for row, line in enumerate(lines, start=1):
        try:
            name = str(json.loads(line)["query_id"])
        except (ValueError, KeyError, TypeError):
            raise InputError("not a line of an evaluation", where="repeated evaluation", row=row,
                             expected='{"query_id": …}', found=line[:80]) from None
        if name in found:
            raise InputError("a question stands twice", where="repeated evaluation", row=row, found=name)
        found[name] = line
    return found
