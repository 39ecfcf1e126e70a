"""An evaluation of answers made twice, each time by a fresh process with another hash seed and number of threads."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.data.files import read_text
from harness.data.store import atomic_write_text
from harness.defects.spoilt_readers import SPOILT
from harness.errors import InputError
from harness.hunting.evaluating import EVIDENCE
from harness.release.children import dies_with_parent
from harness.release.keys import clean_environment
from harness.release.manifest import Loaded
from harness.release.observed import Trial
from harness.release.studied.repeated import STUDY, Lines, RepeatedObserved, wanted
from harness.release.switches import DEFAULTS

__all__ = ["ARTIFACTS", "AUDIT", "PROCESSES", "repeated", "with_repeated"]

ARTIFACTS = Path("artifacts")
AUDIT = "prompt_audit.jsonl"
PROCESSES: tuple[Mapping[str, str], ...] = tuple(
    {"PYTHONHASHSEED": seed, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)}
    for seed, threads in (("1", "1"), ("2", "3")))
"""What sets the processes apart; all else is the environment's, and the switches of a deterministic evaluation."""
_AUDITED = ("query_id", "prompt_sha256", "few_shot_ids")
_WITHIN_S = 4 * 3600


def with_repeated(loaded: Loaded, trial: Trial, *, tell: Callable[[str], None] = lambda _: None) -> Trial:
    """The trial with its evaluation repeated, where the policy asks for it, and the prompts' digests written.

    Raises:
        InputError: A process did not end well, or wrote no evaluation.
    """
    if trial.candidate.live is None or not wanted(loaded.manifest) or STUDY in trial.candidate.studies:
        return trial
    tell("evaluating again in two other processes")
    folder = ARTIFACTS / loaded.manifest.release
    record = repeated(loaded, folder)
    told = [{name: row[name] for name in _AUDITED if name in row} for row in map(json.loads, record.first)]
    atomic_write_text(folder / AUDIT, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in told))
    return trial.with_study(STUDY, record)


def repeated(loaded: Loaded, folder: Path) -> RepeatedObserved:
    """Evaluate the release that lies frozen in `folder` twice.

    Where it asks a model over HTTP one process follows the other: together they would ask twice as fast as is allowed.

    Raises:
        InputError: A process did not end well, or wrote no evaluation.
    """
    parts = loaded.manifest.parts
    together = parts is None or parts.reader is None or parts.reader.impl == "extractive"
    with tempfile.TemporaryDirectory(prefix="signoff-repeated-") as place, contextlib.ExitStack() as running:
        outs = [Path(place) / str(number) for number in range(len(PROCESSES))]
        children = []
        for number, (apart, out) in enumerate(zip(PROCESSES, outs, strict=True), start=1):
            out.mkdir()
            child = _spawn([str(loaded.path), str(folder), str(out), str(number)], apart)
            running.callback(_ended, child)
            children.append(child)
            if not together:
                _result(child)
        for child in children if together else ():
            _result(child)
        first, second = outs
        return RepeatedObserved(_lines(first, EVIDENCE), _lines(second, EVIDENCE), PROCESSES,
                                {name: (_lines(first, name), _lines(second, name)) for name in SPOILT})


def _spawn(words: list[str], apart: Mapping[str, str]) -> subprocess.Popen[bytes]:
    environment = {**DEFAULTS, **clean_environment(os.environ), **apart}
    return subprocess.Popen([sys.executable, "-P", "-m", "harness.hunting.evaluating", *words], env=environment,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            preexec_fn=dies_with_parent())  # noqa: PLW1509  one call to the kernel


def _result(child: subprocess.Popen[bytes]) -> None:
    try:
        _, errors = child.communicate(timeout=_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise InputError("the evaluating process did not end", where="repeated evaluation",
                         expected=f"within {_WITHIN_S} s") from None
    if child.returncode:
        last = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        raise InputError(f"the evaluating process failed: {last[0]}", where="repeated evaluation")


def _ended(child: subprocess.Popen[bytes]) -> None:
    """Kill it where it still runs, wait for it, close its pipes."""
    with child:
        if child.poll() is None:
            child.kill()


def _lines(out: Path, name: str) -> Lines:
    return tuple(read_text(out / f"{name}.jsonl").split("\n")[:-1])
