"""`signoff plan`: sample sizes from the last run's evidence or from the records; bad input is one line."""

from __future__ import annotations

import json

import pytest

from harness.cli.app import main
from tests.cli.test_power import BOUND, FAIR, SURE, release


@pytest.fixture
def path(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    return release(
        tmp_path, FAIR, {**BOUND, "at_least": 0.43}, SURE)


def told(capsys, *words: str) -> dict:
    assert main(["plan", *words, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def test_each_bound_is_planned_at_what_was_measured_and_a_point_above(path, capsys):
    """Two truths a bound by default; gates by value are counted, not planned; more power asks for more."""
    document = told(capsys, path)
    assert document["by_value"] == 2
    assert [row["measure"] for row in document["bounds"]] == ["delta RR", "delta RR"]
    measured, point = document["bounds"]
    assert measured["measured"] and point["truth"] == pytest.approx(0.44) and measured["n"] == 240
    assert measured["finding_n"] is not None and measured["needed_n"] > measured["finding_n"]
    assert told(capsys, path, "--power", "0.95")["bounds"][0]["needed_n"] > measured["needed_n"]


def test_the_findings_own_n_is_the_plan_at_even_chances(path, capsys):
    """--power 0.5 gives the n that the INCONCLUSIVE finding states."""
    row = told(capsys, path, "--power", "0.5")["bounds"][0]
    assert row["needed_n"] == row["finding_n"]


def test_a_named_effect_is_what_is_planned_for(path, capsys):
    """--effect replaces the defaults; a truth below the limit is settled by refusing."""
    rows = told(capsys, path, "--effect", "delta RR=0.45", "--effect", "delta RR=0.4")["bounds"]
    assert [(row["truth"], row["to"]) for row in rows] == [(0.45, "PASS"), (0.4, "REFUSE")]


def test_evidence_of_the_last_run_is_used_where_it_is_of_this_manifest(path, capsys, tmp_path):
    """After the gates have run their numbers are read, and are the same; another seed's evidence is not."""
    before = told(capsys, path)
    assert before["source"] == "observed now" and not (tmp_path / "reports").exists()
    main(["gates", path])
    capsys.readouterr()
    after = told(capsys, path)
    assert after["source"].endswith("evidence.jsonl")
    assert after["bounds"][0]["needed_n"] == pytest.approx(before["bounds"][0]["needed_n"], rel=0.001)
    manifest = json.loads((tmp_path / "mine.yaml").read_text())
    (tmp_path / "mine.yaml").write_text(json.dumps(manifest | {"seed": 2}))
    assert told(capsys, path)["source"] == "observed now"


def test_the_table_fits_and_says_what_it_means(path, capsys):
    """80 columns; the chance, the source and the finding's own rule are told."""
    assert main(["plan", path]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "probability 0.8" in " ".join(out.split()) and "chance of .5" in out


@pytest.mark.parametrize(("words", "named"), [
    (["--effect", "delta R=0.1"], "nearest: delta RR"), (["--effect", "RR=0.1"], "judged by its value"),
    (["--effect", "delta RR"], "MEASURE=SIZE"), (["--effect", "delta RR=much"], "a number"),
    (["--effect", "delta RR=nan"], "a number"),
    (["--effect", "delta RR=1e300"], "between -1 and 1"), (["--effect", "delta RR=-5"], "cannot be the truth"),
    (["--power", "1"], "--power"), (["--power", "0.2"], "--power"),
])
def test_bad_words_are_one_line_and_write_nothing(path, capsys, tmp_path, words, named):
    """An unknown measure, a size that is no number, a power that is no chance: exit 2 and one line."""
    assert main(["plan", path, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and named in err
    assert not (tmp_path / "reports").exists()
