"""`signoff audit` beyond the weights: users, slates, controls, doubly robust values, and what is seen while it runs."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from harness.errors import InputError, UsageError
from tests.cli.test_audit import COLUMNS, audit, frame, written


def test_users_are_counted_not_their_rows(rng, tmp_path, capsys):
    """By user, intervals widen and the words count users; one user with too much weight refuses, by name."""
    log = frame(rng).assign(user=np.arange(2000) // 20)
    log.click = (log.user % 3 == 0).astype(int)
    path = written(log, tmp_path)
    widths = []
    for words in ([], ["--cluster", "user"]):
        assert audit(path, *COLUMNS, *words, "--json") == 0
        snips = json.loads(capsys.readouterr().out)["slices"]["all"]["snips"]
        widths.append(snips["high"] - snips["low"])
    assert widths[1] > 3.0 * widths[0]
    assert audit(path, *COLUMNS, "--cluster", "user") == 0
    assert "rewarded values of user stand behind the value" in " ".join(capsys.readouterr().out.split())
    assert audit(path, *COLUMNS, "--cluster", "language") == 10
    out = " ".join(capsys.readouterr().out.split())
    assert "one language holds 50" in out and "log more of the units" in out


def test_controls_pass_refuse_or_tell_what_is_missing(rng, tmp_path, capsys):
    """A shift within the margin passes; what the propensities are wrong by refuses; 30 rows say how many they lack."""
    log = frame(rng).assign(length=rng.normal(size=2000))
    assert audit(written(log, tmp_path), *COLUMNS, "--control", "length") == 0
    assert "control length: moved, by less than the margin" in " ".join(capsys.readouterr().out.split())
    wrong = log.assign(p=np.where(log.length > 0, 0.4, 0.6))
    assert audit(written(wrong, tmp_path), *COLUMNS, "--control", "length") == 10
    out = " ".join(capsys.readouterr().out.split())
    assert "all: control length: weighting moves what no action can have moved" in out
    assert "Verdict: REFUSE: the propensities are not those the log was written with" in out
    assert audit(written(log[:30], tmp_path), *COLUMNS, "--control", "length", "--margin", "0.05", "--json") == 11
    told = json.loads(capsys.readouterr().out)["controls"]["length"]
    assert told["verdict"] == "INCONCLUSIVE" and told["needed"] > 30


def modelled(rng: np.random.Generator) -> pd.DataFrame:
    """The sound log with its actions named, and the target's column for each."""
    log = frame(rng).assign(x=rng.normal(size=2000))
    first = log.pi == 0.6
    log["click"] = (rng.random(2000) < np.where(first, 0.2, 0.6)).astype(int)
    return log.assign(a=np.where(first, "one", "two"), pi_one=0.6, pi_two=0.4)


MODEL = ["--context", "x", "--action", "a", "--target-prefix", "pi_"]


def test_doubly_robust_values_stand_beside_and_the_direct_method_decides_nothing(rng, tmp_path, capsys):
    """DR with its interval and DM without one; the verdict is the weights'; two runs are the same bytes."""
    path, told = written(modelled(rng), tmp_path), []
    for _ in range(2):
        assert audit(path, *COLUMNS, *MODEL, "--by", "language", "--json") == 0
        told.append(capsys.readouterr().out)
    one = json.loads(told[0])["slices"]["language=de"]
    assert told[0] == told[1]
    assert one["dr"]["low"] < 0.36 < one["dr"]["high"]
    assert (one["dm"]["low"], one["dm"]["high"]) == ("-inf", "inf")
    assert one["dr_in_snips"] is True and one["snips_in_dr"] is True
    assert audit(path, *COLUMNS, *MODEL) == 0
    out = capsys.readouterr().out
    assert "DR in SNIPS'" in out and "DM is the model alone" in out
    assert max(map(len, out.splitlines())) <= 80


def test_values_that_part_are_inconclusive(rng, tmp_path, capsys):
    """Propensities wrong by action, with a mean weight of 1: SNIPS alone would pass, the two apart are a doubt."""
    log = modelled(rng)
    log["p"] = np.where(log.a == "one", 0.4, 0.8)
    assert audit(written(log, tmp_path), *COLUMNS) == 0
    capsys.readouterr()
    assert audit(written(log, tmp_path), *COLUMNS, *MODEL) == 11
    assert "share no value" in " ".join(capsys.readouterr().out.split())


def test_positions_say_what_they_take_for_independent(rng, tmp_path, capsys):
    """A slate by position notes whether its rows are counted as one: by decision where that is given."""
    log = frame(rng).assign(place=np.arange(2000) % 2 + 1, page=np.arange(2000) // 2)
    path = written(log, tmp_path)
    assert audit(path, *COLUMNS, "--position", "place") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "place=1" in out and "--decision or --cluster names what is" in out
    assert audit(path, *COLUMNS, "--position", "place", "--decision", "page") == 0
    assert "intervals are by page" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(InputError, match="a slate is not one action"):
        audit(path, *COLUMNS, "--decision", "page")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--context", "language"], "lack --action and --target-prefix: they need the context, the logged action"),
        (["--action", "language"], "lack --context and --target-prefix"),
        (["--control", "click"], "--control click is the reward"),
        (["--context", "pi", *MODEL[2:]], "--context pi is the target"),
        (["--context", "a", *MODEL[2:]], "--context a is the action"),
    ],
)
def test_what_cannot_be_asked_is_one_line(rng, tmp_path, words, said):
    """Half of a model's options, and columns that the action itself made: refused, with why."""
    with pytest.raises(UsageError, match=said):
        audit(written(frame(rng, 50), tmp_path), *COLUMNS, *words)


def test_what_is_seen_twice_is_missing_or_no_table_is_told(rng, tmp_path):
    """A margin of 0, one column name for two, a folder, a missing file: what, where, and what is near."""
    path = written(frame(rng, 50).assign(row=np.arange(50)), tmp_path, "csv")
    with pytest.raises(InputError, match="margin: out of bounds"):
        audit(path, *COLUMNS, "--control", "row", "--margin", "0")
    (tmp_path / "twice.csv").write_text("click,p,pi,p\n1,.5,.5,.5\n")
    with pytest.raises(InputError, match="column given twice"):
        audit(str(tmp_path / "twice.csv"), *COLUMNS)
    with pytest.raises(UsageError, match="is no table by its name"):
        audit(str(tmp_path), *COLUMNS)
    with pytest.raises(InputError, match=r"no such file \(nearest: log.csv\)"):
        audit(str(tmp_path / "lag.csv"), *COLUMNS)


def test_truth_in_words_is_one_and_zero(rng, tmp_path, capsys):
    """A reward of True and False gives the same from Parquet, from JSON lines, and from a tab-separated file."""
    log, told = frame(rng).astype({"click": bool}), []
    log.to_csv(tmp_path / "log.tsv", sep="\t", index=False)
    for path in (written(log, tmp_path), written(log, tmp_path, "jsonl"), str(tmp_path / "log.tsv")):
        assert audit(path, *COLUMNS, "--json") == 0
        told.append(json.loads(capsys.readouterr().out)["slices"])
    assert told[0] == told[1] == told[2]
    log.astype({"click": str}).replace({"click": {"True": "yes"}}).to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(InputError, match="column click: not a number"):
        audit(str(tmp_path / "log.csv"), *COLUMNS)


def test_a_long_run_shows_a_bar_on_a_terminal_alone(rng, tmp_path, capsys, monkeypatch):
    """Past its patience the verb shows a bar on stderr; not without a terminal, and never on stdout."""
    path = written(frame(rng), tmp_path)
    monkeypatch.setattr("harness.cli.audit.PATIENCE_S", 0.0)
    monkeypatch.setattr("harness.data.log_table.BATCH", 50)
    assert audit(path, *COLUMNS, "--json") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert audit(path, *COLUMNS, "--json") == 0
    told = capsys.readouterr()
    assert "auditing" in told.err
    assert json.loads(told.out)["verdict"] == "PASS"
