"""A cycle: steps in order, kept as they end, taken up where it stopped, and a candidate that is the release renamed."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.attested import MANIFEST, attested
from harness.errors import InputError
from harness.release.manifest import Loaded, parse_manifest
from harness.release.sustaining import State, Step, candidate_text, run_cycle, schedule

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


class Ledger:
    """Steps that note when they ran; `broken` names the one that fails."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ran, self.broken, self.data = folder, [], "", 1

    def step(self, name: str, **inputs: object) -> Step:
        def run() -> dict[str, object]:
            self.ran.append(name)
            if name == self.broken:
                raise InputError("no data", where=name)
            path = self.folder / f"{name}.txt"
            path.write_text(f"{name} {self.data}")
            return {"said": name, "files": [str(path)]}

        return Step(name, run, inputs)

    def steps(self) -> list[Step]:
        return [self.step("a", data=self.data), self.step("b"), self.step("c")]


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path)


def begun(folder: Path, *, now: datetime = NOW, anew: bool = False) -> State:
    return State.open(folder / "state.json", "mine", now=now, anew=anew)


def test_a_cycle_goes_on_where_it_stopped(ledger, tmp_path):
    """What was done before a failure is kept and not done again; the cycle keeps the day it began."""
    ledger.broken = "b"
    with pytest.raises(InputError, match="no data"):
        run_cycle(begun(tmp_path), ledger.steps())
    ledger.broken = ""
    state = begun(tmp_path, now=LATER)
    done = run_cycle(state, ledger.steps())
    assert ledger.ran == ["a", "b", "b", "c"] and state.begun == NOW
    assert [(one.name, one.kept) for one in done] == [("a", True), ("b", False), ("c", False)]


def test_a_finished_cycle_is_followed_by_a_new_one(ledger, tmp_path):
    """Nothing of it is kept: the next one begins at its own time and does every step."""
    run_cycle(begun(tmp_path), ledger.steps())
    state = begun(tmp_path, now=LATER)
    done = run_cycle(state, ledger.steps())
    assert state.begun == LATER and not any(one.kept for one in done)
    assert ledger.ran == ["a", "b", "c"] * 2


@pytest.mark.parametrize(("spoil", "again"), [
    (lambda one: (one.folder / "a.txt").write_text("other"), ["a", "b"]),
    (lambda one: (one.folder / "a.txt").unlink(), ["a", "b"]),
    (lambda one: setattr(one, "data", 2), ["a", "b"]),
    (lambda _: None, ["b"]),
])
def test_a_step_is_done_again_where_its_inputs_or_files_changed(ledger, tmp_path, spoil, again):
    """New inputs make every later step new; a changed or lost file is made again, and what followed from it stands."""
    ledger.broken = "b"
    with pytest.raises(InputError):
        run_cycle(begun(tmp_path), ledger.steps()[:2])
    spoil(ledger)
    ledger.ran.clear()
    ledger.broken = ""
    run_cycle(begun(tmp_path), ledger.steps()[:2])
    assert ledger.ran == again


def test_anew_forgets_what_was_done(ledger, tmp_path):
    """Asked to, a cycle begins again from the first step."""
    ledger.broken = "c"
    with pytest.raises(InputError):
        run_cycle(begun(tmp_path), ledger.steps())
    ledger.broken = ""
    ledger.ran.clear()
    run_cycle(begun(tmp_path, anew=True), ledger.steps())
    assert ledger.ran == ["a", "b", "c"]


@pytest.mark.parametrize("raw", ["", "{", "[]", '{"schema": "other"}', '{"schema": "signoff-sustain/1"}'])
def test_a_state_that_is_none_is_refused(tmp_path, raw):
    """One line that says how to begin again; it is never taken for an empty one."""
    (tmp_path / "state.json").write_text(raw)
    with pytest.raises(InputError, match="--anew") as told:
        begun(tmp_path)
    assert "\n" not in str(told.value)
    assert begun(tmp_path, anew=True).steps == {}


def test_the_state_of_another_release_is_refused(tmp_path):
    """Two releases never share a cycle."""
    begun(tmp_path)
    with pytest.raises(InputError, match="another release's cycle"):
        State.open(tmp_path / "state.json", "other", now=NOW)


def test_the_same_cycle_leaves_the_same_bytes(ledger, tmp_path):
    """Time is an argument: two runs of one cycle write one state."""
    run_cycle(begun(tmp_path), ledger.steps())
    before = (tmp_path / "state.json").read_bytes()
    run_cycle(begun(tmp_path, anew=True), ledger.steps())
    assert (tmp_path / "state.json").read_bytes() == before


def test_a_candidate_is_the_release_under_a_new_name():
    """Every field but the name is the release's, its comments stand, and a header says what it was made of."""
    text = MANIFEST.replace("release: small-v1", "release: small-v1   # the one that serves")
    loaded = attested(text).loaded
    raw = candidate_text(loaded, "small-v1-20260301", begun=NOW)
    made = parse_manifest(raw, where="c")
    assert made.release == "small-v1-20260301" and made.policy == loaded.manifest.policy
    assert b"# the one that serves" in raw and loaded.sha256.encode() in raw and b"2026-03-01" in raw
    assert candidate_text(loaded, "small-v1-20260301", begun=NOW.replace(hour=4)) == raw


def test_a_manifest_in_json_becomes_one(tmp_path):
    """Where no line sets the name, the whole is written anew, and is still the same release."""
    text = json.dumps({"release": "mine", "seed": 1, "data": {"qrels": {"trec": "q"}}, "policy": [
        {"measure": "RR", "at_least": 0.5, "guard": {"for": "3m"}}], "recorded": {"candidate": {"run": {"trec": "r"}}}})
    loaded = Loaded(parse_manifest(text.encode(), where="m"), text.encode(), tmp_path / "mine.yaml")
    made = parse_manifest(candidate_text(loaded, "mine-2", begun=NOW), where="c")
    assert made == loaded.manifest.model_copy(update={"release": "mine-2"})


def test_only_the_line_that_sets_the_name_is_changed():
    """The word in a comment or inside the policy is left alone; a name that no release can have makes nothing."""
    text = MANIFEST + "# before that\n# release: small-v0\n"
    raw = candidate_text(attested(text).loaded, "small-v1-2", begun=NOW)
    assert raw.endswith(b"# release: small-v0\n") and raw.count(b"release: small-v1-2") == 1
    with pytest.raises(InputError, match="pattern"):
        candidate_text(attested(MANIFEST).loaded, "..", begun=NOW)


@pytest.mark.parametrize(("every", "cron"), [
    ("6w", r"0 3 * * 1  [ $(( $(date +\%s) / 604800 \% 6 )) -eq 0 ] && signoff sustain m/t1.yaml"),
    ("30d", r"0 3 * * *  [ $(( $(date +\%s) / 86400 \% 30 )) -eq 0 ] && signoff sustain m/t1.yaml"),
    ("1w", "0 3 * * 1  signoff sustain m/t1.yaml"),
])
def test_a_period_becomes_a_line_for_cron_and_one_for_ci(every, cron):
    """Cron's line escapes its percent signs; the workflow parses and asks the same question."""
    import yaml

    line, ci = schedule(every, Path("m/t1.yaml"))
    workflow = yaml.safe_load(ci)
    assert line == cron
    assert workflow[True]["schedule"] == [{"cron": line[:9].strip()}]
    assert workflow["jobs"]["sustain"]["steps"][-1]["run"] == "signoff sustain m/t1.yaml"


def test_a_period_of_six_weeks_comes_once_in_six_mondays():
    """The question that the lines ask is true on one Monday of six, whichever is the first."""
    line, _ = schedule("6w", Path("t1.yaml"))
    seconds, count = map(int, re.findall(r"/ (\d+) \\% (\d+)", line)[0])
    monday = int(datetime(2026, 1, 5, 3, tzinfo=UTC).timestamp())
    due = [week for week in range(60) if (monday + week * 604800) // seconds % count == 0]
    assert len(due) == 10 and {later - sooner for sooner, later in itertools.pairwise(due)} == {6}


@pytest.mark.parametrize("every", ["", "6", "w", "0w", "6m", "1.5w", "-1w"])
def test_what_is_no_period_is_an_error(every):
    """Weeks and days, in whole numbers from one."""
    with pytest.raises(InputError, match="not a period"):
        schedule(every, Path("t1.yaml"))
