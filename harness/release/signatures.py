"""Who signed: every signature is by a trusted key and holds, and enough distinct keys agree on every statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import EvidenceError
from harness.release.bundle import Sealed
from harness.release.trust import Trust, TrustedKey

__all__ = ["keys_of", "signers_of"]


def signers_of(sealed: Sequence[Sealed], trust: Trust, *, where: object) -> tuple[TrustedKey, ...]:
    """The trusted keys that signed each of the statements, one set for all. Raises EvidenceError.

    A signature by an unknown key is refused rather than passed over: a bundle carries nothing that nobody checked.
    """
    known = {key.keyid: key for key in trust.keys}
    sets = [keys_of(one, known, where=f"{where}, line {number}") for number, one in enumerate(sealed, start=1)]
    for number, keys in enumerate(sets, start=1):
        distinct = len({key.material for key in keys})
        if distinct < trust.threshold:
            raise EvidenceError("too few distinct keys", where=f"{where}, line {number}",
                                expected=f"{trust.threshold} by {trust.source}", found=distinct)
        if {key.keyid for key in keys} != {key.keyid for key in sets[0]}:
            raise EvidenceError("statements are signed by different keys", where=f"{where}, line {number}",
                                expected=_names(sets[0]), found=_names(keys))
    if any(key.development for key in sets[0]) and not trust.allow_development:
        raise EvidenceError("signed by a development key", where=where, expected=f"a release key by {trust.source}",
                            found=_names(sets[0]))
    return sets[0]


def keys_of(one: Sealed, known: Mapping[str, TrustedKey], *, where: str) -> tuple[TrustedKey, ...]:
    """The keys of `known` (by key id) that signed one envelope, each signature held to it. Raises EvidenceError."""
    ids = [keyid for keyid, _ in one.signatures]
    if len(set(ids)) < len(ids):
        raise EvidenceError("a key id signs twice", where=where, expected="each once",
                            found=next(keyid for keyid in ids if ids.count(keyid) > 1))
    return tuple(_holds(keyid, sig, one, known, where) for keyid, sig in one.signatures)


def _holds(keyid: str, sig: bytes, one: Sealed, known: Mapping[str, TrustedKey], where: str) -> TrustedKey:
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    if keyid not in known:
        names = ", ".join(f"{key.name} ({key.keyid[:12]})" for key in known.values())
        raise EvidenceError("signed by an unknown key", where=where, expected=names or "no key is trusted", found=keyid)
    try:
        known[keyid].key.verify_signature(Signature(keyid, sig.hex()), one.signed_bytes)
    except UnverifiedSignatureError:
        raise EvidenceError("the signature does not hold", where=where,
                            expected=f"{known[keyid].name}'s signature over these bytes") from None
    return known[keyid]


def _names(keys: Sequence[TrustedKey]) -> str:
    return ", ".join(key.name for key in keys)
