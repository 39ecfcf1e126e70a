"""A release as it was admitted: its own copy of manifest, bundle, approvals and artifacts, in a folder of its digest.

Nothing that serves is read from the checkout: the next `freeze` writes there, and a rollback needs the bytes of before.
Below `releases/<digest>/` lie `manifest/` (the manifest, with `signed/` beside it) and `artifacts/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.data.store import atomic_write_bytes, sha256_bytes, sha256_tree
from harness.errors import EvidenceError, InputError
from harness.release.approvals import approvals_path
from harness.release.attest import bundle_path
from harness.release.banking import signed_evidence
from harness.release.contract import ReleaseContract, Signed
from harness.release.derived import MONITORING
from harness.release.manifest import Loaded, load_manifest
from harness.release.monitoring import monitoring_of
from harness.release.predicates import time_text
from harness.release.standing import approvals_beside
from harness.release.verify import Verified
from harness.rollout.files import place, staging, whole
from harness.rollout.shapes import Admitted

__all__ = ["RELEASES", "Staged", "bundle_in", "folder_of", "staged"]

RELEASES = "releases"


@dataclass(frozen=True)
class Staged:
    """A release's copy, not yet in its place. `loaded` is the copied manifest."""

    folder: Path
    home: Path
    loaded: Loaded
    bundle: bytes

    @property
    def digest(self) -> str:
        """The release's name for good: the sha256 of its bundle."""
        return sha256_bytes(self.bundle)

    @property
    def artifacts(self) -> Path | None:
        """The copied artifacts; None for a release of recorded files, which runs elsewhere."""
        return None if self.loaded.manifest.recorded is not None else self.folder / "artifacts"

    def watched(self, verified: Verified) -> None:
        """Write what will watch the release, from the signed evidence and nothing else, in place of what was copied."""
        evidence = signed_evidence(self.bundle)
        signed = Signed(self.digest, verified.signers, time_text(verified.signed_at), verified.development)
        contract = ReleaseContract.of_evidence(self.loaded, evidence, verified.findings, signed=signed)
        atomic_write_bytes(self.folder / "artifacts" / MONITORING, monitoring_of(contract).raw)

    def files(self) -> dict[str, str]:
        """Name → sha256 of everything in the copy, hashed now."""
        return sha256_tree(self.folder)

    def placed(self, known: Mapping[str, str] | None) -> dict[str, str]:
        """Put the copy in its place; one that lies there and is whole stays. Returns its files, name → sha256.

        `known` are the files of this release as they were admitted elsewhere: they are not replaced by others.
        """
        target = folder_of(self.home, self.digest)
        if known is not None and whole(target, known):
            return dict(known)
        files = self.files()
        if known is not None and files != known:
            raise EvidenceError("changed since it was admitted", where=target, expected="the files of then",
                                found="others (signoff backup restore brings them back)")
        if not whole(target, files):
            place(self.folder, target)
        return files


@contextmanager
def staged(home: Path, loaded: Loaded, *, artifacts: Path, bundle: Path | None = None) -> Iterator[Staged]:
    """Copy a release aside, to be verified there: what is verified is then what is kept, byte by byte.

    Raises EvidenceError where there is no bundle, InputError where something cannot be read.
    """
    source = bundle or bundle_path(loaded)
    raw = _bundle(source, loaded)
    with staging(home / RELEASES) as stage:
        manifest = atomic_write_bytes(stage / "manifest" / loaded.path.name, loaded.raw)
        copied = load_manifest(manifest)
        atomic_write_bytes(bundle_path(copied), raw)
        approvals = approvals_beside(loaded).raw
        if approvals is not None:
            atomic_write_bytes(approvals_path(copied), approvals)
        if loaded.manifest.recorded is None:
            _copied(artifacts, stage / "artifacts", loaded)
        yield Staged(stage, home, copied, raw)


def bundle_in(release: Admitted) -> Path:
    """Where the bundle of an admitted release lies."""
    return bundle_path(load_manifest(release.manifest))


def folder_of(home: Path, digest: str) -> Path:
    """Where the copy of a release lies.

    >>> folder_of(Path("home"), "ab").as_posix()
    'home/releases/ab'
    """
    return home / RELEASES / digest


def _bundle(source: Path, loaded: Loaded) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise EvidenceError("not signed", where=source, expected=f"a bundle (made by: signoff sign {loaded.path})",
                            found=error.strerror or str(error)) from None


def _copied(source: Path, target: Path, loaded: Loaded) -> None:
    if not source.is_dir():
        raise InputError("no artifacts", where=source,
                         expected=f"a frozen release's folder (made by: signoff freeze {loaded.path})")
    try:
        shutil.copytree(source, target, symlinks=True)  # a link stays one, and is then refused by its digest
    except shutil.Error as error:
        raise InputError("cannot be copied", where=source, found=str(error.args[0][0][-1])) from None
