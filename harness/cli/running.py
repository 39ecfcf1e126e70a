"""Running the gates of one manifest in a child process that holds no signing key, and reading what it left."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from harness.cli.status_facts import awaited
from harness.data.store import unlisted
from harness.errors import EvidenceError, Exit, InputError, SignoffError
from harness.release.attest import hash_subjects
from harness.release.children import dies_with_parent, hide_from_children
from harness.release.evidence import Evidence, finding_of, read_evidence, stable_digest
from harness.release.judge import Verdict, decide
from harness.release.keys import clean_environment
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures import family_of
from harness.release.overrides import overridden
from harness.release.recheck import recheck, settled
from harness.release.switches import DEFAULTS

try:
    import fcntl
except ImportError:  # no such locks on this system: two runs of one release are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

__all__ = ["REPORTS", "GateRun", "manifests_here", "run_gates"]

REPORTS = Path("reports")
_LEFT = ("evidence.jsonl", "error.json", "junit.xml", "summary.md", "report.html", "per_query.parquet", "trace.parquet",
         "index.json", "stages.json", "changes.json")


@dataclass(frozen=True)
class GateRun:
    """One manifest's gates, run: the evidence as bytes and as read, and the verdict that follows from it."""

    loaded: Loaded
    raw: bytes
    evidence: Evidence
    verdict: Verdict
    status: int
    seconds: float

    @property
    def folder(self) -> Path:
        """Where the run's reports lie."""
        return REPORTS / self.loaded.manifest.release

    @property
    def other(self) -> str | None:
        """The name of what was measured, where the environment made it another release than the manifest's."""
        header = self.evidence.header
        same = header.get("config_hash") == self.loaded.manifest.config_hash
        return None if same else str(header.get("release"))

    @cached_property
    def gaps(self) -> list[str]:
        """What keeps the run from being whole, in words: gates that did not run, or tests that failed beside them."""
        closing, rows = self.evidence.closing, self.evidence.findings
        words = [f"{closing[name]} {name}" for name in ("skipped", "deselected", "xfailed", "errors")
                 if closing.get(name)]
        beside = closing["failed"] - sum(finding_of(row).blocks for row in rows)
        words += [f"{beside} failed beside the findings"] if beside else []
        found, asked = {row["gate"] for row in rows}, [check.id for check in self.loaded.manifest.checks]
        words += [f"no finding of {name}" for name in asked if name not in found] + [
            f"a finding of {name}, which the policy does not name" for name in sorted(found - set(asked))]
        return words or self._unlike_a_signers()

    def _unlike_a_signers(self) -> list[str]:
        """What whoever signs would refuse: the same checks, on the same evidence, before anybody reads a verdict."""
        if self.status != self.evidence.closing["exit_status"] or self.status not in {0, 1}:
            return [f"the run ended with status {self.status}"]
        if self.other:
            return []
        try:
            loaded = self.loaded
            subjects = hash_subjects(loaded, Path("artifacts") / loaded.manifest.release)
            recheck(self.evidence, loaded=loaded, subjects=subjects)
            if self.verdict is Verdict.PASS:
                settled(self.evidence.closing)
        except SignoffError as error:
            return [str(error)]
        return []

    @property
    def digest(self) -> str:
        """sha256 of the findings, those in milliseconds apart: the same for the same release, seed and machine."""
        return stable_digest(self.evidence.findings)

    @property
    def shown(self) -> Evidence:
        """The evidence as reports tell it: its closing line says what was missing and who has to approve."""
        return replace(self.evidence, closing={**self.evidence.closing, "gaps": self.gaps,
                                               "awaited": awaited(self.loaded)})

    @property
    def exit_code(self) -> Exit:
        """0, 10 or 11 by the verdict; 12 where the run was not whole."""
        if self.gaps or self.other:
            return Exit.INVALID
        return (Exit.PASSED, Exit.INCONCLUSIVE, Exit.REFUSED)[self.verdict]


def manifests_here(folder: Path = Path("manifests")) -> list[Path]:
    """Every manifest of a checkout, by name; none is an error, for nothing gated is nothing shown."""
    found = sorted(path for path in folder.glob("*.yaml") if path.name != "trust.yaml")
    if not found:
        raise InputError("no manifests", where=folder, expected="manifests/*.yaml or a path; `signoff init` writes one")
    return found


def run_gates(manifest: Path) -> GateRun:
    """Run every gate of a manifest and read the evidence. Raises the child's own input error as one line."""
    loaded = load_manifest(manifest)
    overridden(loaded, os.environ)  # RERANKER=maybe is told here, in one line
    for check in loaded.manifest.checks:  # a misspelt measure is known before anything is built
        if check.own_gate is None:
            family_of(check.measure)
    folder = REPORTS / loaded.manifest.release
    with _alone(folder):
        started = monotonic()
        status = _child(manifest, folder)
        _raise_left_error(folder)
        evidence = folder / "evidence.jsonl"
        if not evidence.is_file():
            raise EvidenceError("the gates left no evidence", where=folder / "pytest.log", expected=str(evidence),
                                found=f"pytest exit status {status}")
        raw = evidence.read_bytes()
    read = read_evidence(raw, where=evidence)
    return GateRun(loaded, raw, read, decide([finding_of(row) for row in read.findings]), status,
                   monotonic() - started)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The release's report folder, emptied, and held against a second run that would mix its evidence with ours."""
    try:
        unlisted(REPORTS)
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("wb")
        for name in _LEFT:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError("reports cannot be written", where=error.filename or folder, expected="a folder of files",
                         found=error.strerror) from None
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError("another run of these gates is at work", where=folder,
                                 expected="one run at a time for a release") from None
        yield


def _child(manifest: Path, folder: Path) -> int:
    ini = Path(str(find_spec("gates").origin)).parent / "gates.ini"  # type: ignore[union-attr]  # installed with us
    command = [sys.executable, "-P", "-m", "pytest", "--pyargs", "gates", *_own_gates(ini.parent),
               "--manifest", str(manifest), "--evidence", str(folder / "evidence.jsonl"),
               "--junitxml", str(folder / "junit.xml"), "-c", str(ini), "--rootdir", str(Path.cwd()),
               "-p", "no:cacheprovider", "--color=no", "--capture=sys"]
    # Settings meant for a project's own tests (PYTEST_ADDOPTS, …) do not reach the gates.
    kept = {name: value for name, value in clean_environment(os.environ).items() if not name.startswith("PYTEST_")}
    hide_from_children()
    with (folder / "pytest.log").open("wb") as log:
        return subprocess.run(command, env=DEFAULTS | kept | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL,
                              stdout=log, check=False, preexec_fn=dies_with_parent()).returncode


def _own_gates(ours: Path) -> list[str]:
    """The checkout's own folder of gates, by full path: the bare word names our package, which it must not hide."""
    own = Path("gates").resolve()
    if not own.is_dir() or own == ours.resolve() or (own / "gates.ini").is_file():  # ours, or a checkout of ours
        return []
    if (own / "__init__.py").exists():
        raise InputError("a package named gates hides the one that judges", where=own / "__init__.py",
                         expected="a plain folder of test files, without __init__.py")
    return [str(own)]


def _raise_left_error(folder: Path) -> None:
    left = folder / "error.json"
    if not left.is_file():
        return
    told = json.loads(left.read_bytes())
    error = (EvidenceError if told["code"] == int(Exit.INVALID) else InputError)(told["line"])
    raise error
