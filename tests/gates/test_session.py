"""One gate run from inside: where evidence goes, what it says, how progress is told, how an error ends it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

import gates.session
from gates.session import Gate, GateSession
from harness import __version__
from harness.defects.owners import owner
from harness.errors import EvidenceError, InputError
from harness.estimate import Estimate
from harness.hunting.regressions import FOLDER
from harness.release.evidence import read_evidence
from harness.release.judge import Alternative, Control, Reading, Verdict
from harness.release.measures import read
from harness.release.policy import Limit
from tests.gates.recorded import DOUBTFUL, EXCUSED, OWN, PASSING, REFUSED, checkout
from tests.release.small import LIBRARY

SURE = Estimate(1.0, 1.0, 1.0, 320, 0.9, "counted")
BROKEN = Estimate(0.5, 0.25, 0.75, 320, 0.9, "counted")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(here: Path, *policy, evidence: str | None = "out/evidence.jsonl") -> GateSession:
    manifest = checkout(here, *(policy or (PASSING,)))
    return GateSession.open(manifest, evidence=None if evidence is None else here / evidence)


def gate_of(session: GateSession) -> Gate:
    return session.gate(SimpleNamespace(node=SimpleNamespace(nodeid="a test", user_properties=[])))


def line_of(call) -> str:
    with pytest.raises(InputError) as error:
        call()
    return str(error.value)


def test_evidence_goes_to_the_releases_reports_unless_said(here):
    """Without --evidence it lies under reports, by the release's name, relative to where the run was started."""
    assert opened(here, evidence=None).evidence == Path("reports") / "mine" / "evidence.jsonl"
    assert opened(here).evidence == here / "out" / "evidence.jsonl"


def test_what_the_environment_switches_off_is_another_release(here, monkeypatch):
    """RERANKER=off is heard when the run opens: another name, and so another place for its evidence."""
    (here / "library.yaml").write_text(LIBRARY, encoding="utf-8")
    monkeypatch.setenv("RERANKER", "off")
    session = GateSession.open(here / "library.yaml", evidence=None)
    assert session.loaded.manifest.release == "library.reranker-off"
    assert session.evidence == Path("reports") / "library.reranker-off" / "evidence.jsonl"


@pytest.mark.parametrize("evidence", [None, "out/evidence.jsonl"])
def test_what_an_older_run_left_is_gone_before_this_one_starts(here, evidence):
    """Evidence and error line of an older run are removed at once, even where the manifest cannot be read."""
    folder = here / "out" if evidence else here / "reports" / "mine"
    folder.mkdir(parents=True)
    left = [folder / "evidence.jsonl", folder / "error.json"]
    for path in left:
        path.write_text("old", encoding="utf-8")
    opened(here, evidence=evidence)
    assert [path.exists() for path in left] == [False, False]
    if evidence:
        left[0].write_text("old", encoding="utf-8")
        with pytest.raises(InputError):
            GateSession.open(here / "nowhere.yaml", evidence=left[0])
        assert not left[0].exists()


def test_a_gate_file_gets_the_checks_of_its_family_alone(here):
    """Quality gets what it owns, in the policy's order; a gate of the user's own belongs to no family."""
    session = opened(here, PASSING, OWN, {"measure": "unanswered", "at_most": 0}, REFUSED,
                     {"measure": "run manifest gaps", "at_most": 0})
    assert [check.measure for check in session.checks_of_family("quality")] == ["RR", "unanswered", "P@1"]
    assert [check.measure for check in session.checks_of_family("integrity")] == ["run manifest gaps"]
    assert session.checks_of_family("latency") == []
    assert set(session.families) == {check.id for check in session.checks} - {"no_dead_links"}


def test_the_users_folder_is_looked_into_last(here):
    """A callable of the user's is found from the folder of the run, and hides nothing of ours."""
    import sys

    before = list(sys.path)
    try:
        opened(here)
        assert sys.path == [*before, str(here)]
    finally:
        sys.path[:] = before


def test_an_error_of_the_input_leaves_its_line_and_ends_the_run_with_its_code(here):
    """error.json beside the evidence: code and line; pytest ends with the same code and the same words."""
    session = opened(here)
    with pytest.raises(pytest.exit.Exception) as ended:
        session.stop(EvidenceError("no proof", where="here"))
    assert (ended.value.returncode, ended.value.msg) == (12, "here: no proof")
    told = json.loads((here / "out" / "error.json").read_text(encoding="utf-8"))
    assert told == {"code": 12, "line": "here: no proof"}


@pytest.mark.parametrize("way", ["measure", "try_property", "trial"])
def test_each_way_to_the_input_ends_the_run_when_it_is_wrong(here, way):
    """Measuring, trying a property, observing: an InputError in any is exit 2, not a failed test."""
    session = opened(here, {"measure": "agreement@10", "at_least": 0.5}, {"measure": "violations of topk_prefix",
                                                                          "at_most": 0})
    gate, (agreement, violations) = gate_of(session), session.checks
    if way == "trial":
        (here / "new.run").write_text("q00 Q0 d 1 high run\n", encoding="utf-8")
    calls = {"measure": lambda: gate.measure(agreement, session.trial), "trial": lambda: session.trial,
             "try_property": lambda: gate.try_property(violations, session.trial)}
    with pytest.raises(pytest.exit.Exception) as ended:
        calls[way]()
    assert ended.value.returncode == 2 and ended.value.msg
    assert json.loads((here / "out" / "error.json").read_text(encoding="utf-8"))["line"] == ended.value.msg


def test_a_reading_carries_what_the_defect_measured(here):
    """The control is the owning defect at its gravest, with the numbers that the same gate reads off it."""
    session = opened(here)
    (check,), trial = session.checks, session.trial
    plant = owner(check.measure)
    shown = read(plant.plant(trial, plant.grades[-1]), check).estimate
    reading = gate_of(session).measure(check, trial)
    assert reading.control == Control(plant.name, plant.grades[-1], shown.value, shown.low, shown.high, shown.n)
    assert reading.estimate == read(trial, check).estimate


def test_an_alternative_carries_what_the_defect_measured_on_it(here):
    """Each alternative has its own number under the same defect."""
    session = opened(here, {**REFUSED, "any_with": [{"measure": "RR", "at_least": 0.8}]})
    (check,), trial = session.checks, session.trial
    plant = owner(check.measure)
    (one,) = gate_of(session).measure(check, trial).alternatives
    (broken,) = read(plant.plant(trial, plant.grades[-1]), check).alternatives
    assert isinstance(one, Alternative) and one.broken == broken.estimate != one.estimate


def test_a_judged_item_is_written_marked_and_failed_by_its_verdict(here):
    """The finding, under the item's own name; its verdict among the item's properties; the words of a failure."""
    session = opened(here, PASSING, REFUSED, EXCUSED)
    passed, refused, excused = session.checks
    for check, verdict in ((passed, "PASS"), (refused, "REFUSE"), (excused, "INCONCLUSIVE")):
        gate = gate_of(session)
        reading = gate.measure(check, session.trial)
        if verdict == "REFUSE":
            with pytest.raises(pytest.fail.Exception) as failed:
                gate.judge(check, reading)
            assert failed.value.msg == "REFUSE all-P@1-value: value 0.916667 < 0.99"
            assert failed.value.pytrace is False
        else:
            assert gate.judge(check, reading).verdict is Verdict[verdict]
        assert gate._item.user_properties == [("verdict", verdict)]
    session.close(0)
    rows = read_evidence((here / "out" / "evidence.jsonl").read_bytes()).findings
    assert [(row["test"], row["verdict"]) for row in rows] == [
        ("a test", "PASS"), ("a test", "REFUSE"), ("a test", "INCONCLUSIVE")]


def test_a_limit_of_the_callers_own_is_the_one_judged_by(here):
    """`judge(..., limit=)` takes the place of the policy's limit."""
    session = opened(here)
    (check,), gate = session.checks, gate_of(session)
    with pytest.raises(pytest.fail.Exception, match="REFUSE"):
        gate.judge(check, Reading(SURE), limit=Limit("at_least", 2.0, "value"))
    session.close(1)


def test_header_and_closing_line_say_when_and_by_what(here):
    """Start before end, both with their offset; our version; a run id that never repeats; counts under their names."""
    headers = []
    for number in range(2):
        before = datetime.now(UTC).replace(microsecond=0)
        session = opened(here)
        gate_of(session).judge(session.checks[0], gate_of(session).measure(session.checks[0], session.trial))
        session.counts.update(collected=7, passed=6, failed=5, skipped=4, deselected=3, xfailed=2, errors=1)
        session.close(number)
        evidence = read_evidence((here / "out" / "evidence.jsonl").read_bytes())
        times = [datetime.fromisoformat(text) for text in (evidence.header["started"], evidence.closing["finished"])]
        assert before <= times[0] <= times[1] <= datetime.now(UTC)
        counts = {key: evidence.closing[key] for key in evidence.closing if key not in {"kind", "finished"}}
        assert counts == {"ran": 1, "exit_status": number, "collected": 7, "passed": 6, "failed": 5, "skipped": 4,
                          "deselected": 3, "xfailed": 2, "errors": 1}
        headers.append(evidence.header)
    assert headers[0]["run_id"] != headers[1]["run_id"]
    assert headers[0]["plugin_version"] == __version__


def test_a_closed_run_is_closed_once(here):
    """A second close adds no line, and a run without a finding leaves no file."""
    session = opened(here)
    session.close(0)
    assert not (here / "out" / "evidence.jsonl").exists()
    gate_of(session).judge(session.checks[0], gate_of(session).measure(session.checks[0], session.trial))
    session.close(0)
    raw = (here / "out" / "evidence.jsonl").read_bytes()
    session.close(1)
    assert (here / "out" / "evidence.jsonl").read_bytes() == raw and raw.count(b'"closing"') == 1


# pins


def test_pins_are_replayed_on_the_candidate_once_and_given_to_every_trial(here, monkeypatch):
    """One replay of the folder's pins on this candidate, whatever asks next; the rest of the trial is untouched."""
    asked = []
    monkeypatch.setattr(gates.session, "replayed", lambda *words: asked.append(words) or f"pins {len(asked)}")
    session = opened(here)
    trial = session.trial
    first = gate_of(session).replayed(trial)
    assert first.candidate.pins == "pins 1" and first.candidate.tasks is trial.candidate.tasks
    assert (first.seed, first.baseline) == (trial.seed, trial.baseline)
    assert gate_of(session).replayed(replace(trial, seed=8)).candidate.pins == "pins 1"
    assert asked == [(trial.candidate, FOLDER)]


def test_a_pin_that_cannot_be_read_ends_the_run(here, monkeypatch):
    """Its one line is the run's last, with the exit code of bad input."""
    def torn(*words):
        raise InputError("torn", where="a pin")

    monkeypatch.setattr(gates.session, "replayed", torn)
    session = opened(here)
    with pytest.raises(pytest.exit.Exception) as ended:
        gate_of(session).replayed(session.trial)
    assert (ended.value.returncode, ended.value.msg) == (2, "a pin: torn")


# progress


def told(capfd, *lines: str) -> str:
    tell = gates.session._teller()
    for line in lines:
        tell(line)
    return capfd.readouterr().err


def test_progress_in_a_log_is_a_line_a_stage(monkeypatch, capfd):
    """Not on a terminal: seconds since the start and the stage, at most 68 signs of it; single tests are not told."""
    moments = iter([100.0, 101.25, 112.5])
    monkeypatch.setattr(gates.session, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    assert told(capfd, "Building", "test_bound[x]", "x" * 80, "") == f"\n   1.2 s  Building\n  12.5 s  {'x' * 68}\n"


def test_progress_on_a_terminal_is_one_line_that_changes(monkeypatch, capfd):
    """The line is cleared and written anew, tests included, and cleared at the end."""
    moments = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr(gates.session, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 2)
    clear = "\r\x1b[2K"
    assert told(capfd, "Größe", "test_bound[x]", "") == f"{clear}   1.0 s  Größe{clear}   2.0 s  test_bound[x]{clear}"


def test_progress_outlives_what_cannot_be_encoded(capfd):
    """A name with half a surrogate is told with a mark in its place, and ends nothing."""
    assert told(capfd, "bad \ud800 name").endswith("bad ? name")


def test_the_session_tells_and_its_end_ends_the_line(here, capfd):
    """`tell` reaches the descriptor; `close` ends the line even where nothing was found."""
    session = opened(here)
    capfd.readouterr()
    session.tell("Building")
    session.close(0)
    assert capfd.readouterr().err.endswith("s  Building\n")


# gates of the user's own


def test_an_own_gate_is_judged_by_its_numbers_its_limit_and_its_defect(here):
    """Estimate, limit, least n and control are the caller's, to the digit."""
    session = opened(here, OWN)
    finding = gate_of(session).own("no_dead_links", SURE, defect="half_of_them_dead", broken=BROKEN, at_least=0.99)
    assert finding.reading == Reading(SURE, control=Control("half_of_them_dead", 1.0, 0.5, 0.25, 0.75, 320))
    assert (finding.limit, finding.verdict) == (Limit("at_least", 0.99, "value"), Verdict.PASS)
    assert finding.check.own_gate == "no_dead_links"
    with pytest.raises(pytest.fail.Exception, match="needs n ≥ 400"):
        gate_of(session).own("no_dead_links", SURE, defect="d", broken=BROKEN, at_least=0.99, by="lcb", min_n=400)
    session.close(1)


@pytest.mark.parametrize(("words", "limit"), [
    ({"at_most": 0.5}, Limit("at_most", 0.5, "value")), ({"at_most": 0.5, "by": "ucb"}, Limit("at_most", 0.5, "ucb")),
    ({"at_least": 0.5, "by": "lcb"}, Limit("at_least", 0.5, "lcb")),
])
def test_an_own_gates_limit_is_one_that_a_policy_could_state(words, limit):
    """Direction, bound and end as given."""
    given = {"at_least": None, "at_most": None, "by": "value"} | words
    assert gates.session._limit("links", **given) == limit


def test_what_an_own_gate_got_wrong_is_told_in_full(here):
    """The whole lines: a name that the policy lacks, and a limit that proves nothing."""
    session = opened(here, OWN)
    gate = gate_of(session)
    assert line_of(lambda: gate.own("links", SURE, defect="d", broken=BROKEN, at_least=0.5)) == (
        f"{here / 'mine.yaml'}: no such gate in the policy; expected a policy row `- gate: NAME`, found 'links'")
    assert line_of(lambda: gate.own("no_dead_links", SURE, defect="d", broken=BROKEN, at_most=0.5, by="lcb")) == (
        "no_dead_links: not a limit; expected at_least by value or lcb, or at_most by value or ucb, "
        "found {'at_least': None, 'at_most': 0.5, 'by': 'lcb'}")


def test_a_doubt_that_is_required_fails_its_item(here):
    """INCONCLUSIVE blocks unless it is excused."""
    session = opened(here, DOUBTFUL)
    gate = gate_of(session)
    with pytest.raises(pytest.fail.Exception, match=r"^INCONCLUSIVE all-R@1-lcb: lcb "):
        gate.judge(session.checks[0], gate.measure(session.checks[0], session.trial))
    session.close(1)
