"""A checkout as signers and verifiers meet it: a manifest, its artifacts, evidence of a run that ended just now."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fixtures.attested import MANIFEST, evidence_of, rows_of
from harness.__main__ import main
from harness.release.derived import measured_files
from harness.release.manifest import load_manifest

BASELINE = """\
release: small-v0
seed: 7
data: {corpus: pydocs}
parts: {index: {impl: flat}}
policy: [{measure: R@5, at_least: 0.2}]
"""
M = "manifests/small-v1.yaml"


def made_in(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """The checkout, written into `folder`, which becomes the current one; no key is at hand."""
    patch.chdir(folder)
    patch.delenv("SIGNOFF_KEY", raising=False)
    for name in ("SHA256SUMS", "index/vectors.npy", "run_manifest.json"):
        path = folder / "artifacts" / "small-v1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "manifests").mkdir()
    (folder / "manifests" / "small-v0.yaml").write_text(BASELINE)
    written(folder, MANIFEST)
    return folder


def written(folder: Path, text: str, *, name: str = M, change: Callable[[list[dict[str, Any]]], object] = lambda _: None
            ) -> None:
    """The manifest as `text`, and evidence that it passed just now; `change` edits the evidence's rows in place."""
    (folder / name).write_text(text)
    loaded = load_manifest(folder / name)
    rows = rows_of(loaded, measured_files(folder / "artifacts" / "small-v1"))
    rows[0]["started"] = rows[-1]["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    if loaded.manifest.baseline is not None:
        other = load_manifest(loaded.folder / f"{loaded.manifest.baseline}.yaml")
        rows[0]["baseline"]["config_hash"] = other.manifest.config_hash
    change(rows)
    evidence = folder / "reports" / "small-v1" / "evidence.jsonl"
    evidence.parent.mkdir(parents=True, exist_ok=True)
    evidence.write_bytes(evidence_of(rows))


def trusting(folder: Path, *names: str, **more: object) -> None:
    """A trust file that names keys of `keys/`."""
    keys = [{"name": name, "public": f"../keys/{name}.pub"} for name in names]
    (folder / "manifests" / "trust.yaml").write_text(json.dumps({"keys": keys, **more}))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of one call."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def git(folder: Path, *words: str) -> None:
    """One git command as somebody."""
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], cwd=folder, check=True,
                   capture_output=True)
