"""By what a release is watched, in its own signed words: its guards, and whom its charter calls."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, select

from harness.data.store import sha256_bytes
from harness.errors import InputError
from harness.monitor.presets import guards_of_manifest, guards_of_monitoring
from harness.release.charter import Escalation
from harness.release.derived import MONITORING
from harness.release.manifest import parse_manifest
from harness.release.monitoring import read_monitoring
from harness.release.rollout_presets import expanded
from harness.release.rollout_terms import Rollout
from harness.rollout import tables
from harness.rollout.released import admitted_of, files_of
from harness.rollout.shapes import Guarded

__all__ = ["called_by_release", "escalation_of_release", "guards_asked", "guards_of_release", "manifest_text"]


def guards_of_release(connection: Connection, digest: str) -> tuple[Guarded, ...]:
    """The guards of an admitted release: of the monitoring configuration in its frozen folder, else of its manifest.

    A configuration that is not what was admitted is not believed: the manifest that the store keeps speaks, so that
    whoever can write to the folder neither loosens a guard nor stops the monitor.

    Raises: InputError where it was not admitted.
    """
    found = admitted_of(connection, digest)
    if found is None:
        raise InputError("not admitted", where="release", expected="the digest of an admitted release", found=digest)
    file = found.artifacts / MONITORING
    raw = file.read_bytes() if file.is_file() else b""
    if raw and sha256_bytes(raw) == (files_of(connection, digest) or {}).get(f"artifacts/{MONITORING}"):
        return guards_of_monitoring(read_monitoring(raw, where=file))
    return guards_of_manifest(parse_manifest(manifest_text(connection, digest), where=found.manifest))


def guards_asked(connection: Connection, digest: str, ramp: Rollout) -> None:
    """Refuse a ramp whose stages ask for guards, of a release that has none: it would hold there for ever.

    Raises: InputError naming the stage.
    """
    asked = [stage.name for stage in expanded(ramp).stages if any(one.guards is not None for one in stage.criteria)]
    if asked and not guards_of_release(connection, digest):
        found = admitted_of(connection, digest)
        raise InputError("no guards: nothing could be shown", where=f"{found and found.release}, stage {asked[0]}",
                         expected="guard: {…} at a row of the signed policy (docs/manifest.md)")


def escalation_of_release(connection: Connection, digest: str) -> tuple[Escalation, ...]:
    """Whom the charter of an admitted release calls, and after how long; nobody where it has none, or is not there.

    Raises: InputError where its manifest cannot be read.
    """
    return _called(manifest_text(connection, digest))


def called_by_release(connection: Connection, digest: str) -> tuple[Escalation, ...]:
    """The same, and nobody where that cannot be read: whom to tell never keeps anyone from looking."""
    try:
        return escalation_of_release(connection, digest)
    except InputError:
        return ()


def manifest_text(connection: Connection, digest: str) -> bytes:
    """The manifest of an admitted release, as it was signed."""
    asked = select(tables.releases.c.manifest).where(tables.releases.c.digest == digest)
    return bytes(connection.execute(asked).scalar_one())


@lru_cache(maxsize=8)
def _called(raw: bytes) -> tuple[Escalation, ...]:
    charter = parse_manifest(raw, where="manifest").contract
    return () if charter is None else charter.escalation
