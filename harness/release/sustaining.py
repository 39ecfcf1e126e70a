"""A cycle of sustainment: steps in order, each told, each kept when it is done, taken up where the last run ended.

A step is named by the digest of its inputs and of the steps before it. One whose digest stands in the state file, and
whose files still are what it left, is not done again. Nothing here knows what a step does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.data.canonical import digest_of, strict_json
from harness.data.store import atomic_write_text, sha256_file
from harness.errors import InputError, SignoffError
from harness.release.manifest import Loaded, parse_manifest
from harness.release.predicates import time_of, time_text

__all__ = ["SCHEMA", "State", "Step", "StepDone", "candidate_text", "run_cycle", "schedule"]

SCHEMA = "signoff-sustain/1"
_RELEASE = re.compile(rb"^release:[ \t]*[^\s#]+", re.MULTILINE)
_EVERY = re.compile(r"([1-9]\d{0,2})([dw])")


@dataclass(frozen=True)
class Step:
    """One step: its inputs (plain values, `{}` where the steps before say all) and what does it.

    `run` returns plain values to be kept; the names under `files`, where it returns such a key, are files that it left.
    """

    name: str
    run: Callable[[], Mapping[str, Any]]
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepDone:
    """What a step came to, and whether it was kept from an earlier run of the same cycle."""

    name: str
    result: Mapping[str, Any]
    kept: bool


@dataclass(frozen=True)
class State:
    """The state file: which cycle this is, and the steps that are done."""

    path: Path
    release: str
    begun: datetime

    @classmethod
    def open(cls, path: Path, release: str, *, now: datetime, anew: bool = False) -> State:
        """The unfinished cycle whose state lies at `path`, or one that begins `now`.

        A finished cycle is not taken up again, nor is any with `anew`. Raises InputError where the file is no state, or
        another release's.
        """
        if path.is_file() and not anew:
            value = _read(path)
            if value["release"] != release:
                raise InputError("the state of another release's cycle", where=path, expected=release,
                                 found=value["release"])
            if not value["finished"]:
                return cls(path, release, time_of(value["begun"], what="begun", where=path))
        found = cls(path, release, now)
        found.write({}, finished=False)
        return found

    @property
    def steps(self) -> dict[str, Any]:
        """Step → its digest, result and the sha256 of its files."""
        return dict(_read(self.path)["steps"])

    def write(self, steps: Mapping[str, Any], *, finished: bool) -> None:
        """Keep the steps that are done."""
        told = {"schema": SCHEMA, "release": self.release, "begun": time_text(self.begun), "finished": finished,
                "steps": dict(steps)}
        atomic_write_text(self.path, json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def run_cycle(state: State, steps: Sequence[Step], *, tell: Callable[[str], None] = lambda _: None
              ) -> tuple[StepDone, ...]:
    """Do the steps in order, keep each as it ends, mark the cycle finished after the last.

    Whatever a step raises ends the run; what was done before it stays kept.
    """
    known, kept, done = state.steps, {}, []
    before = digest_of({"release": state.release, "begun": time_text(state.begun)})
    for place, step in enumerate(steps, start=1):
        before = digest_of({"step": step.name, "inputs": step.inputs, "before": before})
        old = known.get(step.name)
        there = old is not None and old["digest"] == before and _whole(old["files"])
        tell(f"{place} of {len(steps)}: {step.name}" + (" (done before)" if there else ""))
        if old is None or not there:
            result = dict(step.run())
            old = {"digest": before, "result": result,
                   "files": {str(name): sha256_file(name) for name in result.get("files", ())}}
        kept[step.name] = old
        state.write(kept, finished=place == len(steps))
        done.append(StepDone(step.name, old["result"], there))
    return tuple(done)


def candidate_text(loaded: Loaded, name: str, *, begun: datetime) -> bytes:
    """The manifest under another release name, everything else as it was, comments too; read once before it is given.

    Raises InputError where the name cannot be set so that the rest stays the same.
    """
    told = (f"# Candidate of a sustainment cycle begun {begun:%Y-%m-%d}, made of {loaded.path.name} "
            f"(sha256 {loaded.sha256}).\n# Nothing is signed yet: the gates decide.\n").encode()
    text, times = _RELEASE.subn(b"release: " + name.encode(), loaded.raw)
    if times != 1:
        value = {**json.loads(loaded.manifest.model_dump_json(by_alias=True, exclude_defaults=True)), "release": name}
        text = json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
    raw = told + text
    again = parse_manifest(raw, where=name)
    if again.model_dump() != {**loaded.manifest.model_dump(), "release": name}:
        raise InputError("the candidate would be another release than this one under a new name", where=loaded.path,
                         expected="one line `release: NAME`", found=f"{times} of them")
    return raw


def schedule(every: str, manifest: Path) -> tuple[str, str]:
    r"""(cron line, CI lines) that run a cycle at 03:00 every so many weeks (on Mondays) or days, counted from 1970.

    Cron knows no sixth week: the line asks which one it is.

    >>> print(schedule("6w", Path("manifests/t1.yaml"))[0])
    0 3 * * 1  [ $(( $(date +\%s) / 604800 \% 6 )) -eq 0 ] && signoff sustain manifests/t1.yaml
    """
    found = _EVERY.fullmatch(every)
    if found is None:
        raise InputError("not a period", where="--every", expected="a number of weeks or days, such as 6w or 30d",
                         found=every)
    count, seconds, day = int(found[1]), 604800 if found[2] == "w" else 86400, "1" if found[2] == "w" else "*"
    call = f"signoff sustain {manifest.as_posix()}"
    ask = f"[ $(( $(date +%s) / {seconds} % {count} )) -eq 0 ]"
    cron = f"0 3 * * {day}  " + (f"{ask} && {call}" if count > 1 else call).replace("%", "\\%")
    due = f"echo \"due=$(( $(date +%s) / {seconds} % {count} ))\" >> \"$GITHUB_OUTPUT\""
    steps = [f"      - id: turn\n        run: {due}",
             f"      - if: steps.turn.outputs.due == '0'\n        run: {call}"]
    lines = ["on:", "  schedule:", f"    - cron: '0 3 * * {day}'", "jobs:", "  sustain:", "    runs-on: ubuntu-latest",
             "    steps:", "      - uses: actions/checkout@v4", *(steps if count > 1 else [f"      - run: {call}"])]
    return cron, "\n".join(lines)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = strict_json(path.read_bytes(), where=path)
        if value["schema"] != SCHEMA or set(value) != {"schema", "release", "begun", "finished", "steps"}:
            raise LookupError(f"schema {value['schema']!r}")
        for one in value["steps"].values():
            _ = one["digest"], one["result"], dict(one["files"])
        return dict(value)
    except (SignoffError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError("not the state of a cycle", where=path, expected="what a cycle left (--anew begins again)",
                         found=f"{type(error).__name__}: {error}") from None


def _whole(files: Mapping[str, str]) -> bool:
    return all(Path(name).is_file() and sha256_file(name) == digest for name, digest in files.items())
