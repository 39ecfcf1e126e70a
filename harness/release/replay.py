"""Determinism, shown: the same rankings from another process with another hash seed, and from a second build.

`python -m harness.release.repeating MANIFEST …` prints the digest of all rankings and parts. A gate run
starts it beside itself: always once over the frozen parts, and, when this configuration was never built twice, once
over parts built from nothing in a folder of its own. The second build's digest is kept by the digest of its inputs
when it agreed; one that did not is made again the next time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.data.canonical import digest_of
from harness.data.store import atomic_write_text, sha256_bytes
from harness.errors import InputError
from harness.release.children import dies_with_parent
from harness.release.manifest import Loaded
from harness.release.observed import Observed

__all__ = ["Replay", "parts_digest", "rankings_digest"]

_REBUILD_S = 900
_CODE = ("harness/release", "harness/retrieval", "harness/reranking", "harness/records.py", "harness/codes.py",
         "harness/columns.py", "harness/names.py")


@dataclass
class Replay:
    """The processes that repeat a run, started early so that they work while the run does."""

    loaded: Loaded
    receipt: Path | None = None
    rebuilding: subprocess.Popen[bytes] | None = None
    repeating: subprocess.Popen[bytes] | None = None
    wanted: bool = True
    _folder: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, loaded: Loaded, *, wanted: bool, cache: Path) -> Replay:
        """Start the second build, unless one of exactly these inputs is on record."""
        from harness.release.build import first_stage_is_own

        replay = cls(loaded, wanted=wanted)
        if not wanted:
            return replay
        own = first_stage_is_own(loaded.manifest)  # no earlier build speaks for code that no digest here covers
        replay.receipt = None if own else cache / f"rebuilt-{_inputs_digest(loaded)[:16]}.json"
        if replay.receipt is None or not replay.receipt.is_file():
            replay._folder = tempfile.TemporaryDirectory(prefix="signoff-rebuild-")
            replay.rebuilding = _spawn(loaded.path, "--rebuild", replay._folder.name)
        return replay

    def repeat(self, folder: Path) -> None:
        """Start the process that answers again from the frozen parts, to work while this one does."""
        if self.wanted:
            self.repeating = _spawn(self.loaded.path, "--frozen", str(folder))

    def finish(self, folder: Path, candidate: Observed) -> dict[str, str]:
        """Process → digest of rankings and parts: this one, a fresh one, and the second build."""
        if not self.wanted:
            return {}
        if self.repeating is None:
            self.repeat(folder)
        assert self.repeating is not None
        found = {"this process": f"{rankings_digest(candidate)} {parts_digest(folder)}",
                 "another process": _result(self.repeating)}
        self.repeating = None
        if self.rebuilding is not None:
            found["a second build"] = _result(self.rebuilding)
            self.rebuilding = None
            if self.receipt is not None and len(set(found.values())) == 1:
                atomic_write_text(self.receipt, json.dumps({"digest": found["a second build"]}) + "\n")
        elif self.receipt is not None:
            found["a second build"] = str(json.loads(self.receipt.read_bytes())["digest"])
        return found

    @staticmethod
    def again(loaded: Loaded) -> str:
        """The digest that a fresh process finds for recorded files."""
        return _result(_spawn(loaded.path))

    def stop(self) -> None:
        """End whatever still runs, and remove its folder."""
        for child in (self.rebuilding, self.repeating):
            if child is not None:
                _end(child)
        if self._folder is not None:
            self._folder.cleanup()


def rankings_digest(observed: Observed) -> str:
    """sha256 over every task's final ranking: query, documents, ranks."""
    return digest_of({
        name: sha256_bytes("\n".join(
            f"{task.run.queries[query]} {task.run.docs[doc]} {rank}"
            for query, doc, rank in zip(task.run.query, task.run.doc, task.run.rank, strict=True)).encode())
        for name, task in observed.tasks.items()})


def parts_digest(folder: Path) -> str:
    """sha256 over the digests of every part's files; the run manifest names commit and versions, and is left out."""
    from harness.release.freeze import IN_YAML, RUN_MANIFEST, artifact_sums

    return digest_of({name: digest for name, digest in artifact_sums(folder)[1].items()
                      if name not in {RUN_MANIFEST, IN_YAML} and not name.endswith("SHA256SUMS")})


def _inputs_digest(loaded: Loaded) -> str:
    """Digest of all that decides parts and rankings: what parts are made of, the tasks asked, the code that asks."""
    from harness.release.build import part_inputs
    from harness.release.cache import source_digest

    tasks = sorted({check.task or "" for check in loaded.manifest.checks})
    return digest_of({"parts": part_inputs(loaded), "tasks": tasks, "code": source_digest("harness/data", *_CODE)})


def _spawn(manifest: Path, *words: str) -> subprocess.Popen[bytes]:
    kept: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_KEY")}
    hash_seed = "1" if kept.get("PYTHONHASHSEED", "random") != "1" else "2"
    environment = {**kept, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-P", "-m", "harness.release.repeating", str(manifest), *words]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=dies_with_parent())  # noqa: PLW1509  one call to the kernel


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill it where it still runs, wait for it, close its pipes."""
    with child:
        if child.poll() is None:
            child.kill()


def _result(child: subprocess.Popen[bytes]) -> str:
    try:
        out, errors = child.communicate(timeout=_REBUILD_S)
    except subprocess.TimeoutExpired:
        _end(child)
        raise InputError("the repeating process did not end", where="replay",
                         expected=f"within {_REBUILD_S} s") from None
    lines = out.decode("utf-8", "replace").split("\n")
    if child.returncode != 0 or not lines[0]:
        last = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        raise InputError(f"the repeating process failed: {last[0]}", where="replay")
    return lines[0]
