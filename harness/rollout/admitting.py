"""Admission and rollback: what verifies may serve, and what served before can serve again at once.

An admission copies a release aside, verifies the copy, makes a backup of all that was before, and only then enters it
with one transaction: release, environment, trail and, for the first one of an environment, the pointer.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select

from harness.errors import EvidenceError, InputError
from harness.release.attest import hash_subjects
from harness.release.manifest import Loaded
from harness.release.standing import approvals_beside
from harness.release.terms import Base
from harness.release.trust import Trust
from harness.release.verify import Verified, verify
from harness.rollout import tables
from harness.rollout.backup import create_backup
from harness.rollout.files import alone, environment_named
from harness.rollout.frozen import RELEASES, Staged, staged
from harness.rollout.going_back import check_rollback, rollback
from harness.rollout.pointer import current, flip
from harness.rollout.released import admitted_of, files_of
from harness.rollout.shapes import Admitted
from harness.rollout.store import Store
from harness.rollout.trail import append
from harness.rollout.wholeness import noted

__all__ = ["admit", "check_rollback", "rollback"]


def admit(store: Store, loaded: Loaded, *, environment: str, artifacts: Path, trust: Trust, now: datetime, who: str,
          bundle: Path | None = None, base: Base | None = None) -> Admitted:
    """Let a signed release serve an environment. The first one serves at once, later ones wait for a rollout.

    Args:
        store: Where it is entered.
        loaded: The release's manifest.
        environment: Where it may serve.
        artifacts: Its frozen files, as they lie in the checkout.
        trust: Whose signatures count.
        now: The moment, with its offset.
        who: Who admits it.
        bundle: The signed bundle; by default the one beside the manifest.
        base: The base branch's manifest, to be held beside this one.

    Raises: EvidenceError where it does not verify, was admitted here before or is older than what was (replay); then
    nothing is entered. InputError where a file cannot be read or written.
    """
    environment_named(environment)
    with alone(store.home), staged(store.home, loaded, artifacts=artifacts, bundle=bundle) as copy:
        with store.reading() as connection:
            seen, newest = _seen(connection, environment)
        subjects = _subjects(loaded, copy)
        verified = verify(copy.bundle, manifest=loaded, subjects=subjects, trust=trust, now=now, base=base, seen=seen,
                          not_before=newest, approvals=approvals_beside(copy.loaded), where=bundle or "bundle")
        copy.watched(verified)
        create_backup(store, who=who, why=f"before {verified.release} is admitted to {environment}", now=now)
        with store.reading() as connection:
            known = files_of(connection, copy.digest)
        files = copy.placed(known)
        noted(store.home, copy.digest, files)
        return _entered(store, copy, verified, environment=environment, files=files, now=now, who=who)


def _subjects(loaded: Loaded, copy: Staged) -> dict[str, str]:
    """What the signatures must cover, hashed from the copy; recorded files lie where their manifest says."""
    try:
        return hash_subjects(loaded if copy.artifacts is None else copy.loaded, copy.artifacts)
    except InputError as error:
        raise EvidenceError(error.what, where=error.where, expected=error.expected, found=error.found,
                            hint=error.hint) from None


def _seen(connection: Connection, environment: str) -> tuple[set[str], datetime | None]:
    """Gate runs that were admitted here, and when the newest of them was measured."""
    joined = tables.admissions.join(tables.releases, tables.admissions.c.digest == tables.releases.c.digest)
    rows = connection.execute(select(tables.releases.c.run_id, tables.releases.c.measured_at).select_from(joined)
                              .where(tables.admissions.c.environment == environment)).all()
    return {str(row.run_id) for row in rows}, max((row.measured_at for row in rows), default=None)


def _entered(store: Store, copy: Staged, verified: Verified, *, environment: str, files: dict[str, str],
             now: datetime, who: str) -> Admitted:
    digest, loaded, folder = copy.digest, copy.loaded, Path(RELEASES, copy.digest)
    with store.writing() as connection:
        if verified.run_id in _seen(connection, environment)[0]:  # another operator was faster, on another machine
            raise EvidenceError("replayed: its run was admitted before", where=environment, expected="a new run",
                                found=verified.run_id)
        if files_of(connection, digest) is None:
            connection.execute(insert(tables.releases).values(
                digest=digest, release=verified.release, manifest_path=str(folder / "manifest" / loaded.path.name),
                manifest=loaded.raw, bundle=copy.bundle, artifacts=str(folder / "artifacts"), files=files,
                run_id=verified.run_id, measured_at=verified.measured_at, admitted_at=now))
        connection.execute(insert(tables.admissions).values(environment=environment, digest=digest, at=now, who=who))
        append(connection, "admit", {
            "environment": environment, "digest": digest, "release": verified.release, "run_id": verified.run_id,
            "signers": [*verified.signers], "development": verified.development,
            "integrity_only": verified.integrity_only}, who=who, at=now)
        if current(connection, environment) is None:
            flip(connection, environment, stable=digest, candidate=None, percent=0.0, stage=None, who=who,
                 why=f"{verified.release} is the first release admitted", at=now)
        found = admitted_of(connection, digest)
        assert found is not None
        return found
