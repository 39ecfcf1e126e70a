"""`signoff audit --truth`: what the target earned itself, beside what another's log said of it."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from harness.errors import InputError
from tests.cli.test_audit import COLUMNS, audit, frame, written
from tests.cli.test_audit_beyond import MODEL, modelled


@pytest.fixture
def both(rng, tmp_path):
    """A log whose first action earns .2 and the other .6, and what a target earns that takes it six times in ten."""
    own = tmp_path / "own.parquet"
    pd.DataFrame({"click": (rng.random(3000) < 0.36).astype(int), "language": ["de", "en", "fr"] * 1000}
                 ).to_parquet(own)
    return written(modelled(rng), tmp_path), str(own)


def test_estimates_stand_beside_the_truth_with_their_distance(both, capsys):
    """All four, in standard errors of both; a slice that the truth lacks is left out; the document says the same."""
    log, own = both
    assert audit(log, *COLUMNS, *MODEL, "--by", "language", "--truth", own) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "errors from truth" in shown and "in truth" in shown
    assert audit(log, *COLUMNS, *MODEL, "--by", "language", "--truth", own, "--json") == 0
    slices = json.loads(capsys.readouterr().out)["slices"]
    whole = slices["all"]
    assert whole["truth"]["n"] == 3000 and list(whole["from_truth"]) == ["IPS", "SNIPS", "DR", "DM"]
    gap = whole["snips"]["value"] - whole["truth"]["value"]
    told = whole["from_truth"]["SNIPS"]
    assert told["gap"] == pytest.approx(gap) and told["z"] == pytest.approx(gap / told["error"])
    least = math.sqrt(0.36 * 0.64 / 3000)
    assert least < told["error"] < 4 * least
    assert slices["language=de"]["truth"]["n"] == 1000 and "language=fr" in slices


def test_a_slice_that_the_target_never_served_has_no_truth(rng, tmp_path, capsys):
    """Nothing is made up for it, and nothing refused."""
    own = tmp_path / "own.parquet"
    pd.DataFrame({"click": [0, 1, 0] * 300, "language": "de"}).to_parquet(own)
    audit(written(frame(rng), tmp_path), *COLUMNS, "--by", "language", "--truth", str(own), "--json")
    slices = json.loads(capsys.readouterr().out)["slices"]
    assert "truth" in slices["language=de"] and "truth" not in slices["language=fr"]


def test_a_value_far_from_the_truth_is_refused(rng, tmp_path, capsys):
    """Weights in order, and yet the target earned something else: exit 10, with the number and what to do."""
    own = tmp_path / "own.csv"
    pd.DataFrame({"click": [0, 1] * 1500}).to_csv(own, index=False)
    assert audit(written(frame(rng), tmp_path), *COLUMNS, "--truth", str(own)) == 10
    shown = " ".join(capsys.readouterr().out.split())
    assert "standard errors from what the target earned itself, more than 3.0" in shown
    assert "Verdict: REFUSE: compare both logs" in shown


def test_users_of_the_truth_are_counted_not_their_rows(rng, tmp_path, capsys):
    """Where both logs know them; rows of one user tell less."""
    log = frame(rng).assign(user=np.arange(2000) // 2)
    own = tmp_path / "own.parquet"
    pd.DataFrame({"click": np.repeat([0, 1, 0], 200), "user": np.arange(600) // 20}).to_parquet(own)
    errors = []
    for words in ([], ["--cluster", "user"]):
        audit(written(log, tmp_path), *COLUMNS, *words, "--truth", str(own), "--json")
        errors.append(json.loads(capsys.readouterr().out)["slices"]["all"]["from_truth"]["SNIPS"]["error"])
    assert errors[1] > 2.0 * errors[0]


def test_a_truth_without_the_reward_names_what_is_missing(rng, tmp_path):
    """One line, by file and column."""
    own = tmp_path / "own.parquet"
    pd.DataFrame({"clicks": [0, 1]}).to_parquet(own)
    with pytest.raises(InputError, match=r"own\.parquet, column click: missing column; .*\(nearest: clicks\)"):
        audit(written(frame(rng), tmp_path), *COLUMNS, "--truth", str(own))


@pytest.mark.parametrize("form", ["bytes", "csv", "shuffled", "rewards alone"])
def test_a_truth_that_is_the_log_itself_is_refused(form, rng, tmp_path):
    """Its own bytes, or its rows in another format or order: what the log earned is no truth of the target."""
    log = frame(rng).assign(click=rng.random(2000))
    (tmp_path / "own").mkdir()
    path = written(log, tmp_path)
    other = {"bytes": log, "csv": log, "shuffled": log.sample(frac=1.0, random_state=1),
             "rewards alone": log[["click"]]}[form]
    own = tmp_path / "own" / ("log.csv" if form == "csv" else "log.parquet")
    (other.to_csv if form == "csv" else other.to_parquet)(own, index=False)
    with pytest.raises(InputError, match="the truth is the log itself") as told:
        audit(path, *COLUMNS, "--truth", str(own))
    assert "\n" not in str(told.value) and str(own) in str(told.value)


def test_rows_that_are_alike_by_chance_are_no_copy(rng, tmp_path, capsys):
    """As many rows with as many clicks, in another order, or clicks that are all alike, are a log of their own."""
    log = frame(rng)
    own = tmp_path / "own.parquet"
    log[["click"]].sample(frac=1.0, random_state=1).to_parquet(own, index=False)
    assert audit(written(log, tmp_path), *COLUMNS, "--truth", str(own)) in {0, 10, 11}
    assert "Verdict" in capsys.readouterr().out
