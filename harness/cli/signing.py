"""Which keys may sign beside a trust file, where a bundle may be written, and what `gates --sign` does after a pass."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.approve_files import believed_by
from harness.data.store import atomic_write_bytes
from harness.errors import InputError
from harness.release.attest import bundle_path, hash_subjects, manifest_named, sign_release
from harness.release.keys import ENVIRONMENT_KEY, SigningKey, load_key, material_of, signing_key
from harness.release.manifest import Loaded
from harness.release.standing import approvals_beside, trust_beside
from harness.release.trust import Trust, development_trust
from harness.release.verify import verify

if TYPE_CHECKING:
    from harness.cli.running import GateRun

__all__ = ["can_sign", "materials_of", "missing_signatures", "own_place", "sign_and_verify", "signing_keys",
           "still_needed"]


def sign_and_verify(run: GateRun, key: Path | None) -> str:
    """Sign the run's release, verify what would be written, then write it; says where, by whom, over what.

    Nothing is written unless it verifies, so that a failed run leaves an earlier attestation as it was. Where the
    trust file asks for more signatures than one, all but their number is verified, and what is missing is said.
    """
    loaded, target = run.loaded, bundle_path(run.loaded)
    subjects = hash_subjects(loaded, Path("artifacts") / loaded.manifest.release)
    keys, trust = signing_keys(loaded, [key] if key is not None else None)
    own_place(target, loaded)
    now = datetime.now(UTC)
    filed = approvals_beside(loaded)
    raw = sign_release(loaded, run.raw, subjects, keys, now=now, approvals=filed, trust=believed_by(trust, filed),
                       where=run.folder / "evidence.jsonl")
    if trust is None and keys[0].development:
        trust = development_trust()
    checked = "verified"
    if trust is None:  # a key of one's own and no trust file: there is nobody here to verify it against
        checked = "not verified here: no trust.yaml names this key"
    else:
        missing = missing_signatures(materials_of(keys), trust)
        verify(raw, manifest=loaded, subjects=subjects, trust=replace(trust, threshold=trust.threshold - missing),
               now=now, release=loaded.manifest.release, approvals=filed, where=target)
        checked += f", but for {still_needed(missing, loaded)}" if missing else ""
    atomic_write_bytes(target, raw)
    kind = "DEVELOPMENT KEY: shows integrity, not authority" if keys[0].development else f"key {keys[0].name}"
    return f"{target} ({kind}; {len(subjects)} subjects; {checked})"


def can_sign(loaded: Loaded, key: Path | None) -> None:
    """What signing would stumble over, told before minutes of gates: a key unread or untrusted, a place taken.

    The development key is not made here: it comes into being with the first signature.
    """
    if key is not None or ENVIRONMENT_KEY in os.environ or trust_beside(loaded) is not None:
        signing_keys(loaded, [key] if key is not None else None)
    own_place(bundle_path(loaded), loaded)


def signing_keys(loaded: Loaded, paths: Sequence[Path] | None) -> tuple[list[SigningKey], Trust | None]:
    """The keys at `paths`, else SIGNOFF_KEY, else the development key; and the trust file beside the manifest.

    Where there is one, a key that it does not name is an InputError, and no development key is made or used unless it
    says so.
    """
    trust = trust_beside(loaded)
    if trust is not None and not paths and ENVIRONMENT_KEY not in os.environ and not trust.allow_development:
        raise InputError("no signing key, and the trust file does not allow the development key", where=trust.source,
                         expected=f"--key FILE or {ENVIRONMENT_KEY}")
    keys = [load_key(path) for path in paths] if paths else [signing_key(None, os.environ)]
    if trust is not None:
        for key in keys:
            _trusted(key, trust)
    return keys, trust


def own_place(target: Path, loaded: Loaded) -> None:
    """A bundle that says it is about another manifest is never written over. Raises InputError naming it."""
    try:
        there = manifest_named(target.read_bytes())
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError("cannot be read", where=target, expected="a bundle, or nothing",
                         found=error.strerror or str(error)) from None
    own = (loaded.manifest.release, loaded.path.name)
    if there is not None and there != own:
        raise InputError("the bundle of another manifest lies there", where=target,
                         expected=f"{own[0]} of {own[1]} (another release name or place, or that bundle removed)",
                         found=f"{there[0]} of {there[1]}")


def materials_of(keys: Sequence[SigningKey]) -> set[str]:
    """The distinct keys among some, by their material."""
    return {material_of(key.signer.public_key) for key in keys}


def missing_signatures(signed: Collection[str], trust: Trust | None) -> int:
    """How many more distinct keys must sign before the threshold is met, after those of the materials `signed`."""
    return max(0, trust.threshold - len(set(signed))) if trust is not None else 0


def still_needed(missing: int, loaded: Loaded) -> str:
    """What is missing, and the command that adds one."""
    return (f"{missing} more signature{'s' if missing > 1 else ''} needed, by other keys: "
            f"signoff sign {loaded.path} --countersign --key FILE")


def _trusted(key: SigningKey, trust: Trust) -> None:
    known = next((one for one in trust.keys if one.material == material_of(key.signer.public_key)), None)
    if known is None:
        approves = any(one.material == material_of(key.signer.public_key) for one in trust.approvers)
        raise InputError("this key may approve items of a checklist, and sign no release" if approves else
                         "this key is not trusted, and nothing that it signs would verify", where=key.name,
                         expected=f"a key of {trust.source}", found=key.keyid)
    if (key.development or known.development) and not trust.allow_development:
        raise InputError("a development key, which the trust file does not allow", where=key.name,
                         expected=f"a release key of {trust.source}", found=key.keyid)
