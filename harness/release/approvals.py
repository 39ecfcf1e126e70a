"""Approvals: signed statements by named people that an item of a release's checklist is in order.

One DSSE envelope a line around an in-toto Statement v1 over the manifest, one signature each, in one byte form. Bytes
in, approvals out: no file, no clock. Signatures are checked before a payload is read, and one line that cannot be
believed makes the whole file unbelievable; which of the approvals count is `harness.release.approvals_counted`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, InputError
from harness.release.bundle import Sealed, Statement, open_envelope, parse_statement, seal, statement_bytes
from harness.release.checklist import Item
from harness.release.keys import SigningKey
from harness.release.manifest import Loaded
from harness.release.moments import in_order
from harness.release.predicates import time_of
from harness.release.schema import Sha256
from harness.release.signatures import keys_of
from harness.release.trust import Trust, TrustedKey

__all__ = ["APPROVAL", "MAX_BYTES", "MAX_SAYS", "NOTHING_FILED", "Approval", "Filed", "approval_line", "approvals_path",
           "read_approvals"]

APPROVAL = "urn:signoff:approval/v1"
MAX_BYTES = 4 * 2**20  # an approval is under 3 KiB
MAX_SAYS = 1000
_Short = Annotated[str, Field(min_length=1, max_length=100)]
_Text = Annotated[str, Field(min_length=1, max_length=MAX_SAYS)]


class Filed(NamedTuple):
    """A file of approvals: its bytes (None where there is no such file), and what errors call it."""

    raw: bytes | None = None
    where: object = "approvals"


NOTHING_FILED = Filed()


class _Predicate(BaseModel):
    """What an approval says, in the order in which it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    release: _Short
    configHash: Sha256  # noqa: N815 - the field's name in the statement
    item: _Short
    itemSha256: Sha256  # noqa: N815
    asks: _Text
    who: _Text
    says: _Text | None
    when: str
    development: bool
    withdraws: list[Sha256]


@dataclass(frozen=True)
class Approval:
    """One statement that holds.

    Attributes:
        key: The trusted key that signed it; its name in the trust file is the person's.
        manifest: File name of the manifest that it is over.
        manifest_sha256: That file's digest.
        config_hash: The manifest's CONFIG_HASH.
        item: The item that is approved.
        item_sha256: Digest of the item as it was asked.
        asks: What was asked, in words.
        says: The person's own words.
        when: When it was signed.
        withdraws: Digests of the signer's own approvals that it takes back; empty where it approves.
        digest: sha256 of what was signed, by which it can be taken back.
    """

    key: TrustedKey
    manifest: str
    manifest_sha256: str
    config_hash: str
    item: str
    item_sha256: str
    asks: str
    says: str | None
    when: datetime
    withdraws: tuple[str, ...]
    digest: str


def approvals_path(loaded: Loaded) -> Path:
    """Where a release's approvals lie: `signed/<release>.approvals.jsonl` beside its manifest."""
    return loaded.folder / "signed" / f"{loaded.manifest.release}.approvals.jsonl"


def approval_line(loaded: Loaded, item: Item, key: SigningKey, *, now: datetime, says: str | None = None,
                  withdraws: Sequence[str] = ()) -> bytes:
    """The signed statement, one line, that `item` of this manifest is approved (or an approval taken back).

    Args:
        loaded: The manifest as it stands; its digest is the statement's only subject.
        item: One of its human items.
        key: Who approves.
        now: The moment, with its offset.
        says: A comment in the person's own words, one line.
        withdraws: Digests of the same key's approvals that this takes back.

    Raises: InputError where the item asks nobody, the comment is no printable line, or the moment has no offset.
    """
    if item.asks is None or item not in loaded.manifest.checklist:
        raise InputError("not an item that people approve", where=loaded.path, column="checklist", found=item.item)
    if says is not None and (not says.strip() or not says.isprintable() or len(says) > MAX_SAYS):
        raise InputError("not a comment", where="says", expected=f"a printable line of at most {MAX_SAYS} characters",
                         found=says)
    if now.utcoffset() is None:
        raise InputError("no offset", where="now", expected="a time with its offset", found=now.isoformat())
    said = _Predicate(release=loaded.manifest.release, configHash=loaded.manifest.config_hash, item=item.item,
                      itemSha256=item.digest, asks=item.asks, who=key.name[:MAX_SAYS], says=says,
                      when=_moment_text(now), development=key.development, withdraws=[*withdraws])
    return seal(statement_bytes(APPROVAL, said.model_dump(), {loaded.path.name: loaded.sha256}), [key]).line


def read_approvals(raw: bytes, *, release: str, trust: Trust, now: datetime, where: object = "approvals"
                   ) -> tuple[Approval, ...]:
    """Every statement of a file of approvals, in its order, each by a key that is trusted to approve.

    Args:
        raw: The file's bytes.
        release: The release whose approvals these must be.
        trust: Whose signatures are believed: its keys and its approvers.
        now: The moment, with its offset; a statement from after it is not believed.
        where: Names the file in errors.

    Raises: EvidenceError (exit code 12), one line, naming the first line that cannot be believed and why.
    """
    if not raw:
        raise EvidenceError("empty", where=where, expected="a signed statement a line, or no such file")
    if len(raw) > MAX_BYTES:
        raise EvidenceError("too large to be approvals", where=where, expected=f"at most {MAX_BYTES} bytes",
                            found=len(raw))
    lines = raw.split(b"\n")
    if lines.pop():
        raise EvidenceError("cut short", where=where, expected="a line end after the last statement")
    return tuple(_approval(line, release, trust, now, f"{where}, line {number}")
                 for number, line in enumerate(lines, start=1))


def _approval(line: bytes, release: str, trust: Trust, now: datetime, where: str) -> Approval:
    sealed = open_envelope(line, where=where)
    key = _signer(sealed, trust, where)
    statement = parse_statement(sealed.payload, where=where)
    said = _said(statement, sealed.payload, where)
    if said.release != release:
        raise EvidenceError("an approval of another release", where=where, expected=release, found=said.release)
    if key.development and not said.development:
        raise EvidenceError("approved with a development key and not marked so", where=where,
                            expected="development: true", found=said.development)
    if (key.development or said.development) and not trust.allow_development:
        raise EvidenceError("approved with a development key", where=where,
                            expected=f"a key that {trust.source} trusts to approve", found=key.name)
    when = time_of(said.when, what="when", where=where)
    in_order(("approved", when), ("now", now), where=where)
    (name, digest), = statement.subjects.items()
    return Approval(key, name, digest, said.configHash, said.item, said.itemSha256, said.asks,
                    said.says, when, tuple(said.withdraws), sha256_bytes(sealed.payload))


def _signer(sealed: Sealed, trust: Trust, where: str) -> TrustedKey:
    known = {key.keyid: key for key in (*trust.keys, *trust.approvers)}
    signers = keys_of(sealed, known, where=where)
    if len(signers) != 1:
        raise EvidenceError("not one person's approval", where=where, expected="one signature", found=len(signers))
    return signers[0]


def _said(statement: Statement, payload: bytes, where: str) -> _Predicate:
    """The predicate, in the one byte form that signers write."""
    if statement.predicate_type != APPROVAL:
        raise EvidenceError("not an approval", where=where, expected=APPROVAL, found=statement.predicate_type)
    if len(statement.subjects) != 1:
        raise EvidenceError("an approval is over one manifest", where=where, expected="one subject",
                            found=len(statement.subjects))
    try:
        said = _Predicate.model_validate(dict(statement.predicate))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise EvidenceError(first["msg"], where=where, column=".".join(map(str, first["loc"])), expected=APPROVAL,
                            found=None if first["type"] == "missing" else first["input"]) from None
    written = said.model_copy(update={"when": _moment_text(time_of(said.when, what="when", where=where))})
    if statement_bytes(APPROVAL, written.model_dump(), statement.subjects) != payload:
        raise EvidenceError("not in the one byte form of an approval", where=where,
                            expected=f"{', '.join(_Predicate.model_fields)}; UTC to the microsecond")
    return said


def _moment_text(moment: datetime) -> str:
    """UTC to the microsecond: two statements of one key are two, however fast they follow each other."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
