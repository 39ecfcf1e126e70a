"""One gate run: a manifest, the trial observed once, findings written as they come, a closing line at the end."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import pytest

from harness import __version__
from harness.data.store import atomic_write_text
from harness.defects.owners import owner_of
from harness.errors import InputError, SignoffError
from harness.estimate import Estimate
from harness.governance.driving import with_governed
from harness.hunting.changes import keep_changes
from harness.hunting.reading import property_reading
from harness.hunting.regressions import FOLDER
from harness.hunting.repeating import with_repeated
from harness.hunting.replaying import replayed
from harness.hunting.stressing import with_stress
from harness.release.audit_trail import record, whoever
from harness.release.evidence import EvidenceWriter, rounded
from harness.release.judge import Control, Finding, Reading, judge
from harness.release.keep import keep_records
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures import family_of, read
from harness.release.observed import PinsObserved, Trial
from harness.release.observing import ARTIFACTS, observe, planned_header
from harness.release.overrides import overridden
from harness.release.policy import Check, Limit, Row, checks_of

__all__ = ["ERROR", "Gate", "GateSession"]

ERROR = "error.json"


class GateSession:
    """What the gates of one run share. Opened once by the plugin; closed by it whatever happens."""

    def __init__(self, loaded: Loaded, evidence: Path) -> None:
        """Keep the manifest and start the evidence file."""
        self.loaded, self.evidence = loaded, evidence
        self.counts: Counter[str] = Counter()
        self._started = _now()
        self.families = {check.id: family_of(check.measure) for check in self.checks if check.own_gate is None}
        self._writer: EvidenceWriter | None = None
        sys.path.append(str(Path.cwd()))  # last: a callable of the user's is found, and hides nothing of ours
        self._found = 0
        self._pins: PinsObserved | None = None
        self._tell = _teller()

    @classmethod
    def open(cls, manifest: Path, *, evidence: Path | None) -> GateSession:
        """Load the manifest; evidence goes to `reports/<release>/evidence.jsonl` unless said otherwise."""
        if evidence is not None:
            _forget(evidence)
        loaded = overridden(load_manifest(manifest), os.environ)
        target = evidence or Path("reports") / loaded.manifest.release / "evidence.jsonl"
        _forget(target)
        return cls(loaded, target)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The policy's checks, in its order."""
        return self.loaded.manifest.checks

    def checks_of_family(self, family: str) -> list[Check]:
        """The checks that one gate file judges."""
        return [check for check in self.checks if self.families.get(check.id) == family]

    @cached_property
    def trial(self) -> Trial:
        """Candidate and baseline, built or read, run, and observed; an input error ends the whole run at once."""
        try:
            trial = with_stress(self.loaded, observe(self.loaded, tell=self.tell), tell=self.tell)
            trial = with_governed(self.loaded, trial, tell=self.tell)
            trial = with_repeated(self.loaded, trial, tell=self.tell)
            keep_records(trial, self.checks, self.evidence.parent)
            keep_changes(trial, self.loaded, self.evidence.parent)
        except SignoffError as error:
            self.stop(error)
        return trial

    def with_pins(self, trial: Trial) -> Trial:
        """The trial with its pinned regressions replayed, once for all gates."""
        if self._pins is None:
            self._pins = replayed(trial.candidate, FOLDER)
        return replace(trial, candidate=replace(trial.candidate, pins=self._pins))

    def stop(self, error: SignoffError) -> NoReturn:
        """Leave the one line for whoever started the run, and end it with the error's own exit code."""
        told = {"code": int(error.exit_code), "line": str(error)}
        atomic_write_text(self.evidence.with_name(ERROR), json.dumps(told))
        pytest.exit(str(error), returncode=int(error.exit_code))

    def gate(self, request: pytest.FixtureRequest) -> Gate:
        """The judge for one test item."""
        return Gate(self, request.node)

    def tell(self, what: str) -> None:
        """One line of progress."""
        self._tell(what)

    def write(self, finding: Finding, *, test: str) -> None:
        """Write a finding; the first one opens the file, when the header's digests are known."""
        if self._writer is None:
            header = {"run_id": str(uuid.uuid4()), "started": self._started, "plugin_version": __version__,
                      **planned_header(self.loaded, self.trial)}
            self._note()
            self._writer = EvidenceWriter(self.evidence, header)
        self._writer.add(finding, test=test)
        self._found += 1

    def _note(self) -> None:
        """Who ran these gates, in the audit trail beside what was frozen; recorded files have none."""
        folder = ARTIFACTS / self.trial.candidate.release
        if self.loaded.manifest.recorded is None and folder.is_dir():
            command = ["signoff", "gates", self.loaded.path.as_posix()]
            try:
                record(folder, who=whoever(), when=datetime.fromisoformat(self._started), command=command)
            except SignoffError as error:  # a trail that was changed: what it says of this run would be worth nothing
                self.stop(error)

    def close(self, exit_status: int) -> None:
        """Write the closing line; a run that made no finding leaves no evidence at all."""
        self._tell("")
        if self._writer is None:
            return
        names = ("collected", "passed", "failed", "skipped", "deselected", "xfailed", "errors")
        self._writer.close({"finished": _now(), "ran": self._found, "exit_status": exit_status,
                            **{name: int(self.counts[name]) for name in names}})
        self._writer = None


class Gate:
    """Judges one reading: rounds it to the written digits, decides, writes, and fails the item unless it passed."""

    def __init__(self, session: GateSession, item: pytest.Item) -> None:
        """Bind to the running test item."""
        self._session, self._item = session, item

    def measure(self, check: Check, trial: Trial) -> Reading:
        """Read the check off the trial, and the same off its planted defect; an input error ends the run."""
        try:
            return self._measure(check, trial)
        except SignoffError as error:
            self._session.stop(error)

    def _measure(self, check: Check, trial: Trial) -> Reading:
        plant = owner_of(check)
        severity = plant.grades[-1]
        broken = read(plant.plant(trial, severity), check)
        shown, reading = broken.estimate, read(trial, check)
        return replace(
            reading, control=Control(plant.name, severity, shown.value, shown.low, shown.high, shown.n),
            alternatives=tuple(one._replace(broken=twin.estimate) for one, twin
                               in zip(reading.alternatives, broken.alternatives, strict=True)))

    def try_property(self, check: Check, trial: Trial) -> Reading:
        """Count the property's counterexamples on the live release, and on its spoilt twin."""
        try:
            return property_reading(check, trial)
        except SignoffError as error:
            self._session.stop(error)

    def replayed(self, trial: Trial) -> Trial:
        """The trial with every pinned regression replayed on its candidate; an input error ends the run."""
        try:
            return self._session.with_pins(trial)
        except SignoffError as error:
            self._session.stop(error)

    def judge(self, check: Check, reading: Reading, *, limit: Limit | None = None) -> Finding:
        """Decide, write the finding, and fail the item with the verdict's word first unless nothing is blocked."""
        finding = judge(check, rounded(reading), limit=limit)
        self._session.write(finding, test=self._item.nodeid)
        self._item.user_properties.append(("verdict", finding.verdict.name))
        if finding.blocks:
            pytest.fail(f"{finding.verdict.name} {check.id}: {finding.reason}", pytrace=False)
        return finding

    def own(self, name: str, estimate: Estimate, *, defect: str, broken: Estimate, at_least: float | None = None,
            at_most: float | None = None, by: str = "value", min_n: int = 0) -> Finding:
        """Judge a gate of the user's own: a measured estimate, its limit, and the same estimate on a planted defect."""
        check = next((one for one in self._session.checks if one.own_gate == name), None)
        if check is None:
            raise InputError("no such gate in the policy", where=self._session.loaded.path, found=name,
                             expected="a policy row `- gate: NAME`")
        limit = _limit(name, at_least=at_least, at_most=at_most, by=by)
        control = Control(defect, 1.0, broken.value, broken.low, broken.high, broken.n)
        return self.judge(check, Reading(estimate, min_n=min_n, control=control), limit=limit)


def _forget(evidence: Path) -> None:
    for stale in (evidence, evidence.with_name(ERROR)):  # an older run's evidence must not speak for this one
        stale.unlink(missing_ok=True)


def _limit(name: str, *, at_least: float | None, at_most: float | None, by: str) -> Limit:
    """A limit as a policy row would allow it: one bound, finite, by the value or by the end that proves something."""
    try:
        row = Row.model_validate({"measure": name, "at_least": at_least, "at_most": at_most, "by": by})
    except ValueError:
        raise InputError("not a limit", where=name, expected="at_least by value or lcb, or at_most by value or ucb",
                         found={"at_least": at_least, "at_most": at_most, "by": by}) from None
    limit = checks_of([row])[0].limit
    assert limit is not None
    return limit


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _teller() -> Callable[[str], None]:
    """Progress on a terminal as one changing line; elsewhere a line a stage, so that logs show where time went."""
    started = time.monotonic()

    def line(what: str, *, end: str) -> None:
        # straight to the descriptor: pytest captures sys.stderr, and progress is for whoever is waiting
        words = f"{end}{time.monotonic() - started:6.1f} s  {what[:68]}" if what else end
        os.write(2, words.encode("utf-8", "replace"))

    if os.isatty(2):
        return lambda what: line(what, end="\r\x1b[2K")
    return lambda what: line(what, end="\n") if not what.startswith("test_") else None
