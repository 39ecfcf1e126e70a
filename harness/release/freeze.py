"""Freezing: a release's parts as files under `artifacts/<release>/`, with SHA256SUMS and the run manifest, twice.

`run_manifest.json` and `run_manifest.yaml` say the same, the one for programs and the other for whoever reads it.

What is frozen is what is measured: a trial loads its parts from here, never from the cache they came from.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.data.store import atomic_write_text, sha256_file, unlisted
from harness.errors import InputError
from harness.release.build import Built
from harness.release.cache import SUMS, library_versions, read_sums, write_sums
from harness.release.derived import measured_files
from harness.release.manifest import Loaded
from harness.release.recording import recorded_files
from harness.release.run_facts import run_facts

__all__ = ["IN_YAML", "RUN_MANIFEST", "artifact_sums", "freeze", "recorded_digests", "recorded_manifest",
           "run_manifest"]

RUN_MANIFEST, IN_YAML = "run_manifest.json", "run_manifest.yaml"


def freeze(loaded: Loaded, built: Built, *, root: Path = Path("artifacts"), standing: bool = False) -> Path:
    """Copy each part whose bytes are not there yet, write run manifest and SHA256SUMS; returns the release's folder.

    `standing` leaves a folder as it stands where all but the commit of the checkout is the same: a baseline that was
    signed stays signed when something else is committed.
    """
    target = unlisted(root) / loaded.manifest.release
    target.mkdir(parents=True, exist_ok=True)
    for stale in sorted({path.name for path in target.iterdir() if path.is_dir()} - set(built.folders)):
        shutil.rmtree(target / stale)
    for name, folder in built.folders.items():
        _copy(folder, target / name)
    written = {SUMS, RUN_MANIFEST, IN_YAML}
    digests = {name: digest for name, digest in measured_files(target).items() if name not in written}
    facts = run_manifest(loaded, data={"world": built.world.digest, **built.world.versions}, artifacts=digests,
                         shots=_shot_ids(loaded, target))
    if standing and _stands(target, facts):
        return target
    atomic_write_text(target / RUN_MANIFEST, json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    atomic_write_text(target / IN_YAML, yaml.safe_dump(facts, sort_keys=True, allow_unicode=True, width=120))
    write_sums(target)
    return target


def run_manifest(loaded: Loaded, *, data: Mapping[str, Any], artifacts: Mapping[str, str], shots: Sequence[str] = ()
                 ) -> dict[str, Any]:
    """What this run was: configuration, data, artifacts, versions, commit, seed. No clock, so that it repeats."""
    return {
        "release": loaded.manifest.release,
        "baseline": loaded.manifest.baseline,
        "CONFIG_HASH": loaded.manifest.config_hash,
        "manifest_sha256": loaded.sha256,
        "seed": loaded.manifest.seed,
        "data": dict(data),
        "artifacts": dict(artifacts),
        "versions": library_versions(),
        "python": platform.python_version(),
        "git_commit": _commit(loaded.folder),
        "threads": 1,
        **run_facts(loaded, data=data, artifacts=artifacts, shots=shots),
    }


def recorded_digests(loaded: Loaded) -> dict[str, str]:
    """Name → sha256 of every recorded file, as it is now."""
    return {name: sha256_file(path) for name, path in recorded_files(loaded).items()}


def recorded_manifest(loaded: Loaded, digests: Mapping[str, str]) -> dict[str, Any]:
    """The run manifest of recorded files with these digests."""
    return run_manifest(loaded, data=digests, artifacts=digests)


def artifact_sums(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """(stated, found): digests in SHA256SUMS, and of the files that are there now."""
    found = {name: digest for name, digest in measured_files(folder).items() if name != SUMS}
    return read_sums(folder), found


def _stands(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Whether what is frozen there is whole, and of the same facts but for the commit."""
    try:
        stated, found = artifact_sums(folder)
        there = json.loads((folder / RUN_MANIFEST).read_bytes())
    except (OSError, ValueError, InputError):
        return False
    apart = {"git_commit": None}
    return stated == found and isinstance(there, dict) and {**there, **apart} == {**facts, **apart}


def _shot_ids(loaded: Loaded, folder: Path) -> list[str]:
    """Ids of the few-shots whose turn it is, in their order; none where none were frozen."""
    from harness.generation.few_shot import ShotPool  # loads numpy
    from harness.release.readying import SHOTS

    part = None if loaded.manifest.parts is None else loaded.manifest.parts.reader
    if part is None or not (folder / SHOTS).is_dir():
        return []
    turn = ShotPool.load(folder / SHOTS).turn(part.rotation, seed=loaded.manifest.seed)
    return [shot.id for shot in turn.shots]


def _copy(source: Path, target: Path) -> None:
    if target.is_dir() and artifact_sums(target)[1] == read_sums(source) == read_sums(target):
        return
    aside = target.with_name(f".{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(source, aside)
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)


def _commit(folder: Path) -> str | None:
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False,
                               timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
