"""Which approvals count: over this very manifest, by those who are asked, not taken back, not too old, one a key.

Pure: statements whose signatures hold, in; how each human item of the checklist stands, out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.errors import EvidenceError
from harness.release.approvals import Approval, Filed, read_approvals
from harness.release.checklist import Item, human_items
from harness.release.manifest import Loaded
from harness.release.predicates import InconclusiveError, time_text
from harness.release.trust import Trust

__all__ = ["Standing", "approve_command", "approved_or_inconclusive", "approved_or_invalid", "standings_of",
           "unapproved"]

_AGAIN = "the same key again"


@dataclass(frozen=True)
class Standing:
    """How a human item stands.

    Attributes:
        item: The item of the checklist.
        approvals: Those that count, one a key, in the order they were given.
        passed_over: The others of this item, each with why it does not count.
        outlook: What the trust file keeps from ever being met ("" where enough people could approve).

    >>> nobody = Standing(Item(item="capacity", asks="it fits", by=("anna", "ben"), needs=2), ())
    >>> nobody.done, nobody.missing, nobody.words
    (False, 2, '0 of 2 approvals (by anna or ben)')
    """

    item: Item
    approvals: tuple[Approval, ...]
    passed_over: tuple[tuple[Approval, str], ...] = ()
    outlook: str = ""

    @property
    def missing(self) -> int:
        """Approvals that are still needed."""
        return max(0, self.item.needs - len(self.approvals))

    @property
    def done(self) -> bool:
        """True where nothing is missing."""
        return self.missing == 0

    @property
    def words(self) -> str:
        """What is there of what is needed, and why the rest does not count."""
        who = f" (by {' or '.join(self.item.by)})" if self.item.by else ""
        told = [f"{len(self.approvals)} of {self.item.needs} approval{'' if self.item.needs == 1 else 's'}{who}"]
        told += [f"not {one.key.name}'s of {time_text(one.when)} ({why})" for one, why in self._latest_others]
        return ", ".join([*told, *([self.outlook] if self.outlook else [])])

    @property
    def _latest_others(self) -> list[tuple[Approval, str]]:
        """Of each person whose approval is lacking, the last one given: a long history is no help to the reader."""
        there = {one.key.material for one in self.approvals}
        last = {one.key.material: (one, why) for one, why in self.passed_over
                if one.key.material not in there or (why == _AGAIN and not self.done)}
        return list(last.values())


def standings_of(filed: Filed, *, manifest: Loaded, trust: Trust | None, now: datetime) -> tuple[Standing, ...]:
    """How every human item of a manifest stands, in the list's order, by its file of approvals.

    Args:
        filed: The file's bytes and name.
        manifest: The manifest as it stands: approvals of any other bytes do not count.
        trust: Who may approve, for how long; where it is None, a file of approvals is believed by nobody.
        now: The moment, with its offset.

    Raises: EvidenceError where a line of the file cannot be believed. A manifest that asks nobody reads no file.
    """
    items = human_items(manifest.manifest.checklist)
    if not items:
        return ()
    if filed.raw is not None and trust is None:
        raise EvidenceError("approvals, and nobody is trusted to approve", where=filed.where, expected="a trust file")
    given = () if filed.raw is None or trust is None else read_approvals(
        filed.raw, release=manifest.manifest.release, trust=trust, now=now, where=filed.where)
    return tuple(_standing(one, given, manifest, trust, now) for one in items)


def unapproved(standings: Iterable[Standing], manifest: Loaded) -> str:
    """The items that lack approvals and the command that gives one, in words; empty where none does."""
    return "; ".join(f"{one.item.item!r} has {one.words}: {approve_command(manifest, one.item)}"
                     for one in standings if not one.done)


def approve_command(manifest: Loaded, item: Item) -> str:
    """What approves an item, as typed."""
    return f"signoff approve {shlex.quote(str(manifest.path))} --item {shlex.quote(item.item)} --key FILE"


def approved_or_inconclusive(filed: Filed, *, manifest: Loaded, trust: Trust | None, now: datetime
                             ) -> tuple[Standing, ...]:
    """The standings where every item is approved: what a signer asks. Raises InconclusiveError naming what is missing.

    EvidenceError where the file cannot be believed.
    """
    standings = standings_of(filed, manifest=manifest, trust=trust, now=now)
    if missing := unapproved(standings, manifest):
        raise InconclusiveError(f"{manifest.manifest.release} is not signed: {missing}")
    return standings


def approved_or_invalid(filed: Filed, *, manifest: Loaded, trust: Trust, now: datetime) -> tuple[Standing, ...]:
    """The standings where every item is approved: what a verifier asks. Raises EvidenceError."""
    standings = standings_of(filed, manifest=manifest, trust=trust, now=now)
    if missing := unapproved(standings, manifest):
        raise EvidenceError(f"not approved: {missing}", where=filed.where)
    return standings


def _standing(item: Item, given: Sequence[Approval], manifest: Loaded, trust: Trust | None, now: datetime) -> Standing:
    taken_back = {(one.key.material, digest): one for one in given for digest in one.withdraws}
    mine = sorted((one for one in given if one.item == item.item and not one.withdraws),
                  key=lambda one: (one.when, one.digest))
    counted: dict[str, Approval] = {}
    others = []
    for one in mine:
        back = taken_back.get((one.key.material, one.digest))
        why = _wrong(one, item, manifest) or _withdrawn(back) or _not_asked(one, item, trust, now)
        if not why and one.key.material in counted:
            why = _AGAIN
        if why:
            others.append((one, why))
        else:
            counted[one.key.material] = one
    return Standing(item, tuple(counted.values()), tuple(others), _outlook(item, trust))


def _wrong(one: Approval, item: Item, manifest: Loaded) -> str:
    if one.manifest != manifest.path.name:
        return f"another manifest ({one.manifest})"
    if one.manifest_sha256 != manifest.sha256:
        return "an earlier version of this manifest"
    if (one.item_sha256, one.asks, one.config_hash) != (item.digest, item.asks, manifest.manifest.config_hash):
        return "asked something else"
    return ""


def _withdrawn(back: Approval | None) -> str:
    return "" if back is None else f"withdrawn {time_text(back.when)}{f': {back.says}' if back.says else ''}"


def _not_asked(one: Approval, item: Item, trust: Trust | None, now: datetime) -> str:
    if item.by and one.key.name not in item.by:
        return "not among those asked"
    if trust is None or now - one.when > timedelta(days=trust.max_age_days):
        return f"older than {trust.max_age_days:g} days" if trust is not None else "nobody is trusted to approve"
    return ""


def _outlook(item: Item, trust: Trust | None) -> str:
    """Where too few of the trusted keys could ever approve, that is said rather than waited for."""
    if trust is None:
        return ""
    able = {key.material for key in (*trust.keys, *trust.approvers) if not item.by or key.name in item.by}
    return f"and {trust.source} trusts {len(able)} key{'' if len(able) == 1 else 's'} to give them" \
        if len(able) < item.needs else ""
