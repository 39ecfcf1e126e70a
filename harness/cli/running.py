"""Running the gates of one manifest in a child process that holds no signing key, and reading what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from harness.errors import EvidenceError, Exit, InputError
from harness.release.evidence import Evidence, finding_of, read_evidence
from harness.release.judge import Verdict, decide
from harness.release.keys import clean_environment
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures import family_of

__all__ = ["REPORTS", "GateRun", "manifests_here", "run_gates"]

REPORTS = Path("reports")
_LEFT = ("evidence.jsonl", "error.json", "junit.xml", "summary.md", "report.html", "per_query.parquet", "trace.parquet",
         "index.json", "stages.json")


@dataclass(frozen=True)
class GateRun:
    """One manifest's gates, run: the evidence as bytes and as read, and the verdict that follows from it."""

    loaded: Loaded
    raw: bytes
    evidence: Evidence
    verdict: Verdict
    seconds: float

    @property
    def folder(self) -> Path:
        """Where the run's reports lie."""
        return REPORTS / self.loaded.manifest.release

    @property
    def exit_code(self) -> Exit:
        """0, 10 or 11 by the verdict; 12 where the run was not whole."""
        closing = self.evidence.closing
        unclean = any(closing.get(name) for name in ("skipped", "deselected", "xfailed", "errors"))
        asked = {check.id for check in self.loaded.manifest.checks}
        if unclean or {row["gate"] for row in self.evidence.findings} != asked:
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
    for check in loaded.manifest.checks:  # a misspelt measure is known before anything is built
        if check.own_gate is None:
            family_of(check.measure)
    folder = REPORTS / loaded.manifest.release
    folder.mkdir(parents=True, exist_ok=True)
    for name in _LEFT:
        (folder / name).unlink(missing_ok=True)
    started = monotonic()
    status = _child(manifest, folder)
    _raise_left_error(folder)
    evidence = folder / "evidence.jsonl"
    if not evidence.is_file():
        raise EvidenceError("the gates left no evidence", where=folder / "pytest.log", expected=str(evidence),
                            found=f"pytest exit status {status}")
    raw = evidence.read_bytes()
    read = read_evidence(raw, where=evidence)
    return GateRun(loaded, raw, read, decide([finding_of(row) for row in read.findings]),
                   monotonic() - started)


def _child(manifest: Path, folder: Path) -> int:
    ini = Path(str(find_spec("gates").origin)).parent / "gates.ini"  # type: ignore[union-attr]  # installed with us
    own = [str(path) for path in [Path("gates")] if path.is_dir() and path.resolve() != ini.parent.resolve()]
    command = [sys.executable, "-m", "pytest", "--pyargs", "gates", *own, "--manifest", str(manifest), "--evidence",
               str(folder / "evidence.jsonl"), "--junitxml", str(folder / "junit.xml"), "-c", str(ini), "--rootdir",
               str(Path.cwd()), "-p", "no:cacheprovider", "--color=no", "--capture=sys"]
    environment = clean_environment(os.environ) | {"OMP_NUM_THREADS": "1"}
    with (folder / "pytest.log").open("wb") as log:
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, check=False).returncode


def _raise_left_error(folder: Path) -> None:
    left = folder / "error.json"
    if not left.is_file():
        return
    told = json.loads(left.read_bytes())
    error = (EvidenceError if told["code"] == int(Exit.INVALID) else InputError)(told["line"])
    raise error
