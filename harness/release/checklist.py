"""The pre-launch list of a release, as data in its manifest: what gates show, and what people must approve.

An automatic item is done when every gate that it waits for passed; a human item when the people it asks have signed
(`harness.release.approvals`). Nothing here reads evidence or signatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from harness.data.canonical import digest_of
from harness.errors import nearest
from harness.release.policy import Check
from harness.release.schema import Model

__all__ = ["Checklist", "Item", "asked_for", "checks_named", "demands_fewer", "human_items"]


def _line(text: str) -> str:
    if not text.strip() or text != text.strip() or not text.isprintable():
        raise ValueError("expected one line of printable text, without white space around it")
    return text


_Name = Annotated[str, Field(min_length=1, max_length=100, strict=True), AfterValidator(_line)]
_Text = Annotated[str, Field(min_length=1, max_length=1000, strict=True), AfterValidator(_line)]


class Item(Model):
    """One line of the list: automatic where it waits for `gates`, human where it `asks`.

    Attributes:
        item: Its name, unique in the list.
        gates: Checks (by id) or measures (every check of that name) that must have passed.
        asks: What a person approves, in words.
        by: Names, as the trust file has them, of whose approval counts; anyone trusted to approve where none is given.
        needs: Distinct keys that must approve.

    >>> Item(item="capacity", asks="twice the peak of last quarter fits").human
    True
    >>> Item(item="typo noise", gates=("violations of typo",)).human
    False
    """

    item: _Name
    gates: tuple[_Text, ...] = ()
    asks: _Text | None = None
    by: tuple[_Name, ...] = ()
    needs: int = Field(1, ge=1, le=100, strict=True)

    @model_validator(mode="after")
    def _one_kind(self) -> Item:
        if bool(self.gates) == (self.asks is not None):
            raise ValueError(f"the item {self.item!r} needs either gates (automatic) or asks (a person approves)")
        if self.gates and (self.by or self.needs != 1):
            raise ValueError(f"the item {self.item!r} waits for gates: by and needs belong to one that asks")
        for what, names in (("gates", self.gates), ("by", self.by)):
            if len(set(names)) != len(names):
                raise ValueError(f"the item {self.item!r} names something twice under {what}")
        if self.by and self.needs > len(self.by):
            raise ValueError(f"the item {self.item!r} needs {self.needs} approvals by {len(self.by)} names: never met")
        return self

    @property
    def human(self) -> bool:
        """True where a person's approval is asked for."""
        return self.asks is not None

    @property
    def digest(self) -> str:
        """sha256 of the canonical form: what an approval says it was asked."""
        return digest_of(self.model_dump(mode="json"))


def _each_once(items: tuple[Item, ...]) -> tuple[Item, ...]:
    seen: set[str] = set()
    for one in items:
        if one.item in seen:
            raise ValueError(f"the item {one.item!r} stands twice in the checklist")
        seen.add(one.item)
    return items


Checklist = Annotated[tuple[Item, ...], AfterValidator(_each_once)]


def human_items(items: Sequence[Item]) -> tuple[Item, ...]:
    """Those that people approve, in the list's order."""
    return tuple(one for one in items if one.human)


def checks_named(name: str, checks: Sequence[Check]) -> tuple[Check, ...]:
    """The checks that a name of an item means: the one of that id, or every one of that measure.

    >>> from harness.release.policy import Row, checks_of
    >>> checks = checks_of([Row(measure="R@5", at_least=0.3, slices=("all", "long"))])
    >>> [one.id for one in checks_named("R@5", checks)]
    ['all-R@5-value', 'long-R@5-value']
    """
    return tuple(one for one in checks if name == one.id) or tuple(one for one in checks if name == one.measure)


def asked_for(items: Sequence[Item], checks: Sequence[Check]) -> dict[str, tuple[Check, ...]]:
    """Item → the checks it waits for, for the automatic ones; raises ValueError for a name that no check has.

    >>> asked_for([Item(item="recall", gates=("R@6",))], [])
    Traceback (most recent call last):
    ValueError: the checklist's item 'recall' waits for 'R@6', which no row of the policy asks for
    """
    known = {name for one in checks for name in (one.id, one.measure)}
    for one in items:
        for name in one.gates:
            if name not in known:
                hint = nearest(name, sorted(known))
                raise ValueError(f"the checklist's item {one.item!r} waits for {name!r}, which no row of the policy "
                                 f"asks for{f' (nearest: {hint})' if hint else ''}")
    return {one.item: tuple({check.id: check for name in one.gates for check in checks_named(name, checks)}.values())
            for one in items if one.gates}


def demands_fewer(before: Sequence[Item], after: Sequence[Item], *, old: Sequence[Check], new: Sequence[Check]
                  ) -> list[str]:
    """Ways in which the list `after` (over the checks `new`) demands less than `before` (over `old`), one line each.

    >>> was = [Item(item="capacity", asks="it fits", needs=2)]
    >>> demands_fewer(was, [Item(item="capacity", asks="it fits")], old=[], new=[])
    ['checklist, capacity: 2 approvals needed, now 1']
    """
    there, waits, awaited = {one.item: one for one in after}, asked_for(before, old), asked_for(after, new)
    lines = []
    for was in before:
        now = there.get(was.item)
        if now is None:
            told = ["no longer on the list"]
        elif was.human:
            told = _asks_less(was, now)
        else:
            gone = {one.id for one in waits[was.item]} - {one.id for one in awaited.get(was.item, ())}
            told = [f"no longer waits for {name}" for name in sorted(gone)]
        lines += [f"checklist, {was.item}: {line}" for line in told]
    return lines


def _asks_less(was: Item, now: Item) -> list[str]:
    if not now.human:
        return ["no longer asks for an approval"]
    pairs: tuple[tuple[bool, Any], ...] = (
        (now.asks != was.asks, f"asks for something else than {was.asks!r}"),
        (now.needs < was.needs, f"{was.needs} approvals needed, now {now.needs}"),
        (bool(was.by) and not (now.by and set(now.by) <= set(was.by)),
         f"approved by {', '.join(was.by)}, now by {', '.join(now.by) or 'anyone trusted'}"))
    return [line for less, line in pairs if less]
