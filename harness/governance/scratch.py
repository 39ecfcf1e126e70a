"""A scratch store to rehearse in: two releases that may serve, one that nobody signed, and nothing of the real one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import insert

from harness.data.store import atomic_write_bytes, sha256_bytes, sha256_tree
from harness.release.attest import bundle_path
from harness.release.manifest import Loaded, load_manifest
from harness.rollout import tables
from harness.rollout.frozen import RELEASES, folder_of
from harness.rollout.pointer import flip
from harness.rollout.store import Store, open_store
from harness.rollout.trail import append

__all__ = ["ENVIRONMENT", "REHEARSED", "WHO", "Scratch", "scratch"]

ENVIRONMENT, WHO = "rehearsal", "nightly"
REHEARSED = datetime(2025, 1, 1, tzinfo=UTC)  # a rehearsal's own clock: the same night leaves the same bytes
_UNSIGNED = b"""release: unsigned
seed: 1
data: {qrels: {trec: qrels.txt}}
recorded: {candidate: {run: {trec: unsigned.run}}}
policy: [{measure: RR, at_least: 0}]
"""


@dataclass(frozen=True, eq=False)
class Scratch:
    """A store with two releases in `ENVIRONMENT`, the first of which serves; and two that may not be admitted.

    `refused` holds by its name a manifest that nobody signed, and one whose bundle is no signature.
    """

    store: Store
    releases: tuple[str, str]
    refused: Mapping[str, Loaded]


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A new store in a folder that vanishes at the end.

    >>> from harness.rollout.pointer import current
    >>> with scratch() as made, made.store.reading() as connection:
    ...     current(connection, ENVIRONMENT).stable == made.releases[0]
    True
    """
    with TemporaryDirectory(prefix="signoff-") as name:
        folder = Path(name)
        with open_store(f"sqlite:///{folder / 'rollout.db'}", home=folder) as store:
            first, second = (_entered(store, one) for one in ("rehearsal-1", "rehearsal-2"))
            with store.writing() as connection:
                flip(connection, ENVIRONMENT, stable=first, candidate=None, percent=0.0, stage=None, who=WHO,
                     why="the first release of a rehearsal", at=REHEARSED)
            refused = {name: _manifest(folder / name, name) for name in ("unsigned", "forged")}
            atomic_write_bytes(bundle_path(refused["forged"]), b'{"payload": "", "signatures": []}\n')
            yield Scratch(store, (first, second), refused)


def _manifest(folder: Path, name: str) -> Loaded:
    atomic_write_bytes(folder / "qrels.txt", b"q 0 d 1\n")
    atomic_write_bytes(folder / f"{name}.run", b"q Q0 d 1 1.0 rehearsal\n")
    return load_manifest(atomic_write_bytes(folder / f"{name}.yaml", _UNSIGNED.replace(b"unsigned", name.encode())))


def _entered(store: Store, name: str) -> str:
    """A release of one file, entered as an admission enters it; no environment of a user sees this store."""
    digest = sha256_bytes(name.encode())
    folder, inside = folder_of(store.home, digest), Path(RELEASES, digest)
    atomic_write_bytes(folder / "artifacts" / "facts.json", f'{{"release": "{name}"}}\n'.encode())
    with store.writing() as connection:
        connection.execute(insert(tables.releases).values(
            digest=digest, release=name, manifest_path=str(inside / "manifest" / f"{name}.yaml"),
            manifest=_UNSIGNED.replace(b"unsigned", name.encode()), bundle=name.encode(),
            artifacts=str(inside / "artifacts"), files=sha256_tree(folder), run_id=name, measured_at=REHEARSED,
            admitted_at=REHEARSED))
        connection.execute(insert(tables.admissions).values(environment=ENVIRONMENT, digest=digest, at=REHEARSED,
                                                            who=WHO))
        append(connection, "admit", {"environment": ENVIRONMENT, "digest": digest, "release": name}, who=WHO,
               at=REHEARSED)
    return digest
