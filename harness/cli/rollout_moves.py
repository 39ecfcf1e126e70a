"""What `signoff rollout` does to the store: start, one look, abort, and the signed agreement to an override."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.rollout_common import smoke_later
from harness.errors import InputError, UsageError, nearest
from harness.release.rollout_presets import PRESETS, ramp_demands_less
from harness.release.rollout_terms import Rollout
from harness.rollout.flags import KILL, killed
from harness.rollout.overrides import Agreement, Believed, Person, Request, manifest_of, override
from harness.rollout.ramp_store import Advanced, abort, begin, ramp_of
from harness.rollout.released import digest_called

if TYPE_CHECKING:
    from harness.release.keys import SigningKey
    from harness.release.trust import Trust, TrustedKey
    from harness.rollout.shapes import Entry
    from harness.rollout.store import Store

__all__ = ["ended", "overridden", "signing", "started", "stepped"]

TRUST = Path("manifests/trust.yaml")


def started(store: Store, env: str, release: str, said: Mapping[str, Any], *, who: str,
            environ: Mapping[str, str] = os.environ) -> Advanced:
    """Begin the ramp of an admitted release's own manifest, or a preset that demands no less.

    Raises InputError where the kill switch is set, the release is unknown, or there is no such ramp.
    """
    from harness.monitor.terms import guards_asked

    if killed(environ):
        raise InputError("the kill switch is set", where=KILL, expected="unset, for a rollout to begin",
                         found=environ.get(KILL))
    with store.reading() as connection:
        digest = digest_called(connection, env, release)
        signed = manifest_of(connection, digest)
        rollout = _ramp(signed.rollout, said.get("preset"), signed.release)
        guards_asked(connection, digest, rollout)
    return begin(store, env, digest, rollout, who=who, why=said.get("why") or f"rollout of {signed.release}",
                 now=datetime.now(UTC))


def _ramp(signed: Rollout | None, preset: str | None, release: str) -> Rollout:
    if preset is not None and preset not in PRESETS:
        raise UsageError(f"no such preset: {preset!r}; expected {' or '.join(PRESETS)}"
                         + (f" (nearest: {near})" if (near := nearest(preset, PRESETS)) else ""))
    asked = None if preset is None else PRESETS[preset]
    if asked is None:
        if signed is None:
            raise InputError("its manifest has no ramp", where=release,
                             expected=f"a section rollout:, or --preset {' or '.join(PRESETS)}")
        return signed
    if less := ramp_demands_less(signed, asked):
        raise InputError(f"the preset demands less than the signed manifest: {'; '.join(less)}", where=release,
                         expected="the manifest's own ramp, or a slower one that asks no less")
    return asked


def stepped(store: Store, env: str) -> Advanced:
    """One look, as the monitor's. Raises InputError where no ramp is under way."""
    from harness.monitor.resolutions import known_resolution
    from harness.monitor.running import arms_together, tick
    from harness.rollout.caches import caches_of

    with store.reading() as connection:
        ramp = ramp_of(connection, env)
    if ramp is None or ramp.over:
        raise InputError("no ramp is under way", where=env, expected="signoff rollout start RELEASE --env NAME",
                         found=None if ramp is None else ramp.name)
    found = tick(store, env, datetime.now(UTC), resolution_s=known_resolution(store, env),
                 together=arms_together(), killed=killed(), caches=caches_of(store.home),
                 smoke=smoke_later(store)).advanced
    if found is None:
        raise InputError("the ramp ended while it was looked at", where=env, expected="signoff rollout status")
    return found


def ended(store: Store, env: str, said: Mapping[str, Any], *, who: str) -> Advanced:
    """Take the candidate back by hand, at once or down the reverse ladder."""
    from harness.monitor.incidents import seen_before
    from harness.rollout.caches import caches_of

    return abort(store, env, who=who, why=said["why"], now=datetime.now(UTC), gradual=bool(said.get("gradual")),
                 caches=caches_of(store.home), smoke=smoke_later(store),
                 seen=seen_before(store, env))


def overridden(store: Store, env: str, said: Mapping[str, Any]) -> Agreement:
    """Agree to an override with a key: the agreement is signed, and those of others are believed by their signatures.

    Raises InputError where the key is not trusted; EvidenceError and InputError as `overrides.override`.
    """
    person, believed = signing(said)
    request = Request("hold" if "hold" in said else "advance", said.get("hold"), said.get("span"))
    return override(store, env, request, person, why=said["why"], now=datetime.now(UTC), believed=believed)


def signing(said: Mapping[str, Any]) -> tuple[Person, Believed]:
    """Who holds the key, and whether a row of the trail is signed by whom the trust file names.

    Raises InputError where the key cannot be read or is not trusted.
    """
    from harness.release.keys import load_key, signing_key
    from harness.release.trust import development_trust, load_trust

    file = said.get("trust") or (TRUST if TRUST.is_file() else None)
    key = load_key(said["key"]) if "key" in said else signing_key(None, os.environ)
    trust = development_trust() if file is None else load_trust(file)
    known = _known(key, trust)

    def sign(over: bytes) -> str:
        return str(key.signer.sign(over).signature)

    return Person(known.name, known.material, sign), lambda entry, over: _signed(entry, over, trust)


def _known(key: SigningKey, trust: Trust) -> TrustedKey:
    from harness.release.keys import material_of

    found = next((one for one in (*trust.keys, *trust.approvers)
                  if one.material == material_of(key.signer.public_key)), None)
    if found is None or (found.development and not trust.allow_development):
        raise InputError("this key is not trusted, and its agreement would not count", where=key.name,
                         expected=f"one of the keys or approvers of {trust.source}", found=key.keyid)
    return found


def _signed(entry: Entry, over: bytes, trust: Trust) -> bool:
    """Whether a row of the trail carries the signature of a trusted key, under that key's name, over these bytes."""
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    known = {one.material: one for one in (*trust.keys, *trust.approvers)}.get(str(entry.body.get("identity")))
    if known is None or known.name != entry.who or (known.development and not trust.allow_development):
        return False
    try:
        known.key.verify_signature(Signature(known.keyid, str(entry.body.get("signature"))), over)
    except (UnverifiedSignatureError, ValueError):
        return False
    return True
