"""The hunt: hypothesis looks for the query and mutation on which a release loses most, and shrinks what it found.

Each kind of mutation is searched by itself, beside the candidate's own plain query and beside the baseline. Plain
queries need no search: all of them are compared, and the one that loses most beside the baseline is a find like others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.hunting.mutations import MUTATIONS
from harness.hunting.searching import ANY, SAME, Against, Arena, Find, Profile, Search, Seen

__all__ = ["PLAIN", "Hunted", "Tally", "hunt", "largest_finds"]

PLAIN = "none"  # the plain queries, without any mutation


class Tally(NamedTuple):
    """What the searches of one kind came to: examples tried, their mean loss, and the largest."""

    operator: str
    against: Against
    examples: int
    mean: float
    largest: float


@dataclass(frozen=True, eq=False)
class Hunted:
    """All that was tried.

    Attributes:
        finds: The worst of each search over the threshold, largest first. None found is not none there.
        tallies: What each search came to.
        seen: Of each search beside the plain query, every query's largest loss and largest gain.
    """

    finds: tuple[Find, ...]
    tallies: tuple[Tally, ...]
    seen: tuple[Seen, ...]

    @property
    def examples(self) -> int:
        """Examples tried, over all searches, shrinking apart."""
        return sum(one.examples for one in self.tallies)


def hunt(arena: Arena, *, profile: Profile, seed: int, examples: Path | None = None,
         operators: Sequence[str] = (*MUTATIONS, ANY), more: Callable[[], bool] = lambda: False,
         tell: Callable[[str], None] = lambda _: None) -> Hunted:
    """Search every operator on every side once, and again with further seeds as long as `more()` says so.

    Args:
        arena: What is hunted in.
        profile: `PROFILES["ci"]` is the same every time for one seed.
        seed: Of the first round; each further round adds one.
        examples: Folder of hypothesis's database of examples; a derandomised profile has none.
        operators: Names in MUTATIONS, and `any` for up to three steps of any of them.
        more: Asked before each search after the first round.
        tell: Hears what is searched.

    Raises InputError where no query has anything to lose, and what the releases raise.
    """
    if not arena.sides:
        raise InputError("nothing to hunt in", where="hunt", found="no such query",
                         expected=f"a judged query that scores {arena.threshold:g} nDCG@10 or more")
    searches = [Search(arena, name, side, profile, examples) for name in operators for side in arena.sides]
    turn, goes_on = 0, True
    while goes_on:
        for place, one in enumerate(searches, start=1):
            if turn and not more():
                break
            tell(f"round {turn + 1}, {place} of {len(searches)}: {one.operator} beside {one.against}")
            one.look(seed + turn)
        turn, goes_on = turn + 1, more()
    return _hunted(arena, searches, seed)


def largest_finds(finds: Iterable[Find], *, most: int) -> list[Find]:
    """The `most` largest finds, sides taking turns, no mutated query twice: what is worth pinning."""
    sides: dict[str, list[Find]] = {}
    for find in finds:
        sides.setdefault(find.against, []).append(find)
    longest = max(map(len, sides.values()), default=0)
    turns = [side[place] for place in range(longest) for side in sides.values() if place < len(side)]
    kept: dict[tuple[int, str], Find] = {}
    for find in turns:
        kept.setdefault((find.seen.row, find.seen.text), find)
    return list(kept.values())[:most]


def _hunted(arena: Arena, searches: Sequence[Search], seed: int) -> Hunted:
    finds = [one.find for one in searches if one.find is not None]
    tallies = [Tally(one.operator, one.against, len(one.losses), sum(one.losses) / len(one.losses), one.largest)
               for one in searches]
    if arena.baseline is not None and arena.other is not None and arena.chosen.any():
        losses = np.where(arena.chosen, arena.other - arena.plain, -np.inf)
        row, tried = int(losses.argmax()), losses[arena.chosen]
        tallies.insert(0, Tally(PLAIN, "baseline", len(tried), float(tried.mean()), float(tried.max())))
        seen = Seen(row, (), arena.candidate.task.texts[row], float(arena.other[row]), float(arena.plain[row]))
        finds += [Find(PLAIN, "baseline", seen, seed, len(tried))] if seen.loss >= arena.threshold - SAME else []
    finds.sort(key=lambda one: (-one.seen.loss, sum(len(step.choices) for step in one.seen.steps), one.operator))
    seen_beside = [one for search in searches if search.against == "plain"
                   for ends in search.kept.values() for one in ends]
    return Hunted(tuple(finds), tuple(tallies), tuple(seen_beside))
