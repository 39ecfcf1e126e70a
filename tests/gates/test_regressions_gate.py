"""Pinned counterexamples as gates: seen to pass and to refuse, in doubt without pins, ended by a pin that is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gates.session import Gate, GateSession
from harness.cli.app import main
from harness.hunting.regressions import name_of, write_pin
from harness.release.evidence import read_evidence
from harness.release.judge import Finding, Verdict, judge
from harness.release.live import LiveRelease
from harness.release.observed import Observed, Trial
from tests.gates.recorded import checkout
from tests.hunting.arenas import real_pin
from tests.hunting.test_regressions import overturned
from tests.release.small import DENSE, served, small

ROWS = "[{measure: regressions, at_most: 0}, {measure: pinned regressions, at_least: 1}]"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pinned")


@pytest.fixture(scope="module")
def live(place) -> LiveRelease:
    return served(small(place, DENSE, ROWS), place)[1]


@pytest.fixture(scope="module")
def pinned(live, place) -> str:
    """One find of the small release, pinned in the checkout's folder; returns its name."""
    pin = real_pin(live)
    write_pin(place / "regressions", pin)
    return name_of(pin)


def findings(place: Path, live: LiveRelease, evidence: Path) -> dict[str, Finding]:
    """What the gates of both rows find of a live release, as `gates/test_regressions.py` has them judged."""
    session = GateSession(GateSession.open(place / "small.yaml", evidence=evidence).loaded, evidence)
    trial = Trial(Observed("small", "0" * 64, {}, live=live), None, 7)
    gate = Gate(session, None)
    return {check.measure: judge(check, gate.measure(check, gate.replayed(trial))) for check in session.checks}


def test_the_gate_passes_the_release_that_was_pinned(place, live, pinned, tmp_path, monkeypatch):
    """The loss is known and has not grown: PASS, one pin, and the overturned rankings were refused."""
    monkeypatch.chdir(place)
    found = findings(place, live, tmp_path / "e.jsonl")
    one = found["regressions"]
    assert one.verdict is Verdict.PASS, one.reason
    assert one.reading.control.defect == "returned_losses" and one.reading.control.value == 1.0
    assert (one.reading.estimate.n, one.reading.details["known"]) == (1, 1.0)
    assert len(one.reading.details["pins sha256"]) == 64
    assert found["pinned regressions"].verdict is Verdict.PASS


def test_the_gate_refuses_a_release_that_broke_again(place, live, pinned, tmp_path, monkeypatch):
    """The same pins on rankings that stand on their heads: REFUSE, with the pin's name."""
    monkeypatch.chdir(place)
    one = findings(place, overturned(live), tmp_path / "e.jsonl")["regressions"]
    assert one.verdict is Verdict.REFUSE and pinned in one.reading.note


def test_a_deleted_pin_is_refused_by_the_row_that_counts_them(place, live, pinned, tmp_path, monkeypatch):
    """Without its pins a release has nothing that is broken, and does not pass either row."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    found = findings(place, live, tmp_path / "e.jsonl")
    assert found["regressions"].verdict is Verdict.INCONCLUSIVE
    assert found["pinned regressions"].verdict is Verdict.REFUSE


def test_a_torn_pin_ends_the_run(place, live, pinned, tmp_path, monkeypatch):
    """One line, exit 2: the gate does not pass over what it cannot read."""
    (tmp_path / "regressions").mkdir()
    (tmp_path / "regressions" / "torn.yaml").write_text("loss: [", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pytest.exit.Exception, match="torn"):
        findings(place, live, tmp_path / "e.jsonl")
    assert json.loads((tmp_path / "error.json").read_bytes())["code"] == 2


def test_recorded_files_are_told_that_they_cannot_be_replayed(tmp_path, monkeypatch, capfd):
    """A row that recorded files cannot answer is bad input, before any verdict."""
    monkeypatch.chdir(tmp_path)
    manifest = checkout(tmp_path, {"measure": "regressions", "at_most": 0})
    assert main(["gates", str(manifest)]) == 2
    assert "pinned regressions are replayed on live parts" in capfd.readouterr().err


@pytest.mark.slow
def test_the_whole_command_writes_the_finding(place, live, pinned, monkeypatch, capfd):
    """`signoff gates`: both rows in the evidence, with the digest of the pins and the defects that were refused."""
    monkeypatch.chdir(place)
    assert main(["gates", "small.yaml"]) == 0
    rows = read_evidence(Path("reports/small/evidence.jsonl").read_bytes()).findings
    assert [row["control"]["defect"] for row in rows] == ["returned_losses", "pins_deleted"]
    assert {row["details"]["pins sha256"] for row in rows} != {""}
    path = Path("regressions") / f"{pinned}.yaml"
    kept = path.read_bytes()
    try:
        path.unlink()
        assert main(["gates", "small.yaml"]) == 10
    finally:
        path.write_bytes(kept)


def test_pins_are_replayed_once_for_all_rows(place, live, pinned, tmp_path, monkeypatch):
    """Two rows, one replay: the release is not asked twice for the same."""
    monkeypatch.chdir(place)
    session = GateSession(GateSession.open(place / "small.yaml", evidence=tmp_path / "e.jsonl").loaded, tmp_path / "e")
    trial = Trial(Observed("small", "0" * 64, {}, live=live), None, 7)
    first = session.with_pins(trial).candidate.pins
    assert session.with_pins(replace(trial, seed=8)).candidate.pins is first
