"""`signoff power`: a recorded release examined in seconds; bad input is one line and leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.cli.app import main
from tests.gates.recorded import checkout, write

MANY = 240
FAIR = {"measure": "RR", "at_least": 0.8}
BOUND = {"measure": "delta RR", "by": "lcb", "at_least": 0.1}
SURE = {"measure": "unanswered", "at_most": 0}
BLIND = {"measure": "RR", "by": "lcb", "at_least": 0.0}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with 240 judged queries; the candidate puts one in eight second, the baseline all of them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def release(folder: Path, *policy: dict, name: str = "mine", **manifest: object) -> str:
    path = checkout(folder, *policy, name=name)
    queries = [f"q{row:03d}" for row in range(MANY)]
    write(folder / "qrels.txt", [f"{query} 0 {query}-a 1" for query in queries])
    for run, odd in (("new", lambda row: row % 8 == 0), ("old", lambda _: True)):
        write(folder / f"{run}.run", [f"{query} Q0 {query}-{doc} {rank} {10 - rank} {run}"
                                      for row, query in enumerate(queries)
                                      for rank, doc in enumerate("ba" if odd(row) else "ab", start=1)])
    if manifest:
        path.write_text(json.dumps(json.loads(path.read_text()) | manifest))
    return str(path)


def test_a_study_is_told_kept_and_repeated(here, capsys):
    """Every gate caught: exit 0; page, pictures and JSON in reports; the same bytes again in two processes."""
    path = release(here, FAIR, BOUND, SURE)
    assert main(["power", path, "--quick", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines()[:12])) <= 80
    assert "3 of 3 gates" in out and "recorded files: nothing could be built again" in " ".join(out.split())
    folder = here / "reports" / "mine" / "power"
    first = (folder / "power.json").read_bytes()
    told = json.loads(first)
    assert told["verdict"] == "PASS" and [gate["observed"] for gate in told["gates"]] == ["PASS"] * 3
    pictures = sorted(folder.glob("*.svg"))
    assert len(pictures) == 3 and all(ElementTree.fromstring(one.read_text()).tag.endswith("svg") for one in pictures)
    assert all(one.name in (folder / "power.md").read_text() for one in pictures)
    assert main(["power", path, "--quick", "--jobs", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert (folder / "power.json").read_bytes() == first


def test_trials_are_counted_apart_and_add_up(here, capsys):
    """At each severity passes, doubts, refusals and crashes are all the trials; the severity caught is on the grid."""
    assert main(["power", release(here, BOUND), "--quick", "--jobs", "1", "--trials", "70", "--json"]) == 0
    gate, = json.loads(capsys.readouterr().out)["gates"]
    for point in gate["points"]:
        assert point["passed"] + point["inconclusive"] + point["refused"] + point["crashed"] == point["n"] == 70
        assert point["caught"]["low"] <= point["caught"]["value"] <= point["caught"]["high"]
    assert gate["caught_from"] in [point["severity"] for point in gate["points"]]
    assert gate["no_ops"]["drawn again"]["n"] == 100 and gate["no_ops"]["reordered"]["n"] == 5


def test_a_gate_that_cannot_fail_ends_in_ten(here, capsys):
    """A bound that everything clears is decoration: exit 10, and what to do next names it."""
    assert main(["power", release(here, BLIND), "--quick", "--jobs", "1"]) == 10
    assert "all-RR-lcb is not shown to catch" in " ".join(capsys.readouterr().out.split())


def test_one_gate_and_one_defect_can_be_asked_for(here, capsys):
    """--gate and --defect narrow the study to what they name."""
    path = release(here, FAIR, BOUND, SURE)
    assert main(["power", path, "--quick", "--jobs", "1", "--gate", "all-delta RR-lcb", "--json"]) == 0
    assert [gate["gate"] for gate in json.loads(capsys.readouterr().out)["gates"]] == ["all-delta RR-lcb"]
    main(["power", path, "--quick", "--jobs", "1", "--defect", "ids_shuffled", "--json"])
    assert {gate["defect"] for gate in json.loads(capsys.readouterr().out)["gates"]} == {"ids_shuffled"}


@pytest.mark.parametrize(("words", "named"), [
    (["--gate", "all-delta R-lcb"], "nearest: all-delta RR-lcb"),
    (["--defect", "queries_droped"], "nearest: queries_dropped"),
    (["--defect", "stale_index"], "no gate here is asked to refuse stale_index"),
    (["--trials", "20"], "59"),
    (["--jobs", "0"], "jobs"),
])
def test_bad_words_are_one_line_and_write_nothing(here, capsys, words, named):
    """An unknown gate or defect, too few trials to show anything: exit 2, one line, no report."""
    path = release(here, FAIR, BOUND, SURE)
    assert main(["power", path, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and named in err
    assert not (here / "reports").exists()


@pytest.mark.parametrize("verb", ["power", "plan"])
def test_a_delta_without_a_baseline_is_one_line(here, capsys, verb):
    """A policy that compares with nothing: exit 2, one line, nothing written."""
    path = release(here, BOUND, recorded={"candidate": {"run": {"trec": "new.run"}}})
    assert main([verb, path]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "needs a baseline" in err
    assert not (here / "reports").exists()


def test_a_gate_of_the_users_own_is_shown_and_open(here, capsys):
    """What only the user's own code can measure cannot be examined here: told, and no pass."""
    assert main(["power", release(here, SURE, {"gate": "no_dead_links"}), "--quick", "--jobs", "1", "--json"]) == 11
    gates = json.loads(capsys.readouterr().out)["gates"]
    assert [gate["verdict"] for gate in gates] == ["PASS", "INCONCLUSIVE"] and "your own" in gates[1]["note"]
