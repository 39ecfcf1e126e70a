"""`signoff approve MANIFEST --item NAME`: sign, as one of those who may, that an item of the checklist is in order."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from harness.cli.approve_files import alone_with
from harness.cli.common import JsonFlag, console, print_json
from harness.data.store import atomic_write_bytes
from harness.errors import EvidenceError, InputError, nearest
from harness.release.approvals import Approval, Filed, approval_line, approvals_path, read_approvals
from harness.release.approvals_counted import Standing, approve_command, standings_of
from harness.release.checklist import Item, human_items
from harness.release.keys import ENVIRONMENT_KEY, SigningKey, load_key, material_of, signing_key
from harness.release.manifest import Loaded, load_manifest
from harness.release.predicates import time_text
from harness.release.standing import approvals_beside, trust_beside
from harness.release.trust import Trust, TrustedKey, development_trust

__all__ = ["command"]

_Key = Annotated[Path | None, typer.Option(
    metavar="FILE", help="Your private key. Default: SIGNOFF_KEY, else a development key made on first use.")]


class _Approver(NamedTuple):
    """Who approves: the private key at hand, the same key as it is trusted, and by whom."""

    key: SigningKey
    known: TrustedKey
    trust: Trust


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    item: Annotated[str, typer.Option(metavar="NAME", help="The item of the manifest's checklist.")],
    key: _Key = None,
    says: Annotated[str | None, typer.Option(metavar="TEXT", help="Your own words, kept with the approval.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take your approval back.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Approve an item of the checklist, over the manifest as it stands: an edited manifest needs it again."""
    loaded = load_manifest(manifest)
    asked, path = _asked(loaded, item), approvals_path(loaded)
    who = _approver(loaded, asked, key)
    with alone_with(path):
        filed, now = approvals_beside(loaded), datetime.now(UTC)
        line = _line(loaded, asked, who, filed, says=says, withdraw=withdraw, now=now)
        there = Filed((filed.raw or b"") + line, path)
        standing = next(one for one in standings_of(there, manifest=loaded, trust=who.trust, now=now)
                        if one.item == asked)  # read back before it is written: what would not count is not filed
        if line:
            atomic_write_bytes(path, there.raw or b"")
    _tell(loaded, standing, who, path, new=bool(line), withdraw=withdraw, as_json=as_json)


def _asked(loaded: Loaded, name: str) -> Item:
    items = loaded.manifest.checklist
    found = next((one for one in items if one.item == name), None)
    if found is None:
        names = [one.item for one in human_items(items)]
        raise InputError(f"no such item on the checklist: {name!r}", where=loaded.path,
                         expected=f"one of {', '.join(names)}" if names else "a checklist that asks people",
                         hint=nearest(name, [one.item for one in items]))
    if not found.human:
        raise InputError(f"the item {name!r} is automatic: its gates decide, nobody approves it", where=loaded.path,
                         expected=f"signoff gates {loaded.path}")
    return found


def _approver(loaded: Loaded, asked: Item, path: Path | None) -> _Approver:
    """The key, as the trust file knows it: as a key or an approver, and among those asked. Raises InputError."""
    beside = trust_beside(loaded)
    if beside is not None and path is None and ENVIRONMENT_KEY not in os.environ and not beside.allow_development:
        raise InputError("no key, and the trust file does not allow the development key", where=beside.source,
                         expected=f"--key FILE or {ENVIRONMENT_KEY}")
    key = load_key(path) if path is not None else signing_key(None, os.environ)
    trust = beside or _alone(key, loaded)
    known = next((one for one in (*trust.keys, *trust.approvers)
                  if one.material == material_of(key.signer.public_key)), None)
    if known is None:
        raise InputError("this key is not trusted to approve, and nothing that it approves would count",
                         where=key.name, expected=f"one of the keys or approvers of {trust.source}", found=key.keyid)
    if (key.development or known.development) and not trust.allow_development:
        raise InputError("a development key, which the trust file does not allow", where=key.name,
                         expected=f"one of the keys or approvers of {trust.source}", found=key.keyid)
    if asked.by and known.name not in asked.by:
        raise InputError(f"not among those who are asked to approve {asked.item!r}", where=known.name,
                         expected=" or ".join(asked.by))
    return _Approver(key, known, trust)


def _alone(key: SigningKey, loaded: Loaded) -> Trust:
    """Without a trust file: this checkout's development key and no other."""
    try:
        return development_trust()
    except EvidenceError:
        raise InputError("no trust file says that this key may approve", where=key.name,
                         expected=f"{loaded.folder / 'trust.yaml'} naming it under approvers") from None


def _line(loaded: Loaded, asked: Item, who: _Approver, filed: Filed, *, says: str | None, withdraw: bool,
          now: datetime) -> bytes:
    """The statement to add; nothing where this key's approval counts already."""
    standing = next(one for one in standings_of(filed, manifest=loaded, trust=who.trust, now=now) if one.item == asked)
    if not withdraw:
        counts = any(one.key.material == who.known.material for one in standing.approvals)
        return b"" if counts else approval_line(loaded, asked, who.key, now=now, says=says)
    mine = _standing_open(loaded, asked, who, filed, now)
    if not mine:
        raise InputError(f"no approval of {asked.item!r} by this key to take back", where=who.known.name,
                         expected="an approval of this manifest as it stands")
    return approval_line(loaded, asked, who.key, now=now, says=says, withdraws=mine)


def _standing_open(loaded: Loaded, asked: Item, who: _Approver, filed: Filed, now: datetime) -> list[str]:
    """Digests of this key's approvals of the item, over this manifest, that were not taken back."""
    given = read_approvals(filed.raw, release=loaded.manifest.release, trust=who.trust, now=now,
                           where=filed.where) if filed.raw is not None else ()
    own: list[Approval] = [one for one in given if one.key.material == who.known.material and one.item == asked.item]
    gone = {digest for one in own for digest in one.withdraws}
    return [one.digest for one in own if not one.withdraws and one.digest not in gone
            and one.manifest_sha256 == loaded.sha256]


def _tell(loaded: Loaded, standing: Standing, who: _Approver, path: Path, *, new: bool, withdraw: bool, as_json: bool
          ) -> None:
    item = standing.item
    if as_json:
        print_json({"release": loaded.manifest.release, "item": item.item, "asks": item.asks, "approvals_file": path,
                    "who": who.known.name, "keyid": who.key.keyid, "development": who.key.development,
                    "approved": not withdraw, "new": new, "needs": item.needs, "missing": standing.missing,
                    "manifest_sha256": loaded.sha256})
        return
    out = console()
    for line in _lines(loaded, standing, who, path, done="taken back" if withdraw else "approved" if new else ""):
        out.print(line, markup=False, soft_wrap=True)
    if who.key.development or who.trust.integrity_only:
        out.print("DEVELOPMENT KEY: this shows that somebody at this checkout approved, not who.", style="bold yellow",
                  soft_wrap=True)


def _lines(loaded: Loaded, standing: Standing, who: _Approver, path: Path, *, done: str) -> list[str]:
    """What was done (nothing, where the approval was there already), over what, where it lies, and what is next."""
    own = [one.when for one in standing.approvals if one.key.material == who.known.material]
    told = done or f"was approved already, {time_text(own[0])},"
    item = standing.item
    return [f"{loaded.manifest.release}, {item.item}: {told} by {who.known.name} ({who.key.keyid[:12]})",
            f"  asked: {item.asks}",
            f"  over {loaded.path} as it stands (sha256 {loaded.sha256[:12]})", f"  in {path}",
            f"  {standing.words}",
            f"next: {approve_command(loaded, item) if standing.missing else f'signoff status {loaded.path}'}"]
