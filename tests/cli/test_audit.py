"""`signoff audit`: any log, by any column names, whole and by slice, with a verdict and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from harness.cli.audit import command
from harness.errors import InputError, UsageError

COLUMNS = ["--reward", "click", "--propensity", "p", "--target", "pi"]


def audit(*words: str):
    """The verb alone, as the table of verbs calls it."""
    app = typer.Typer()
    app.command()(command)
    code = typer.main.get_command(app).main(args=[*words], standalone_mode=False)
    return int(code or 0)


def frame(rng: np.random.Generator, n: int = 2000) -> pd.DataFrame:
    """A sound log: a fair coin between two actions, a target that prefers the first a little."""
    first = rng.random(n) < 0.5
    return pd.DataFrame({
        "click": (rng.random(n) < 0.3).astype(int), "p": np.full(n, 0.5), "pi": np.where(first, 0.6, 0.4),
        "language": np.where(np.arange(n) % 2 == 0, "de", "fr"),
    })  # fmt: skip


def written(log: pd.DataFrame, folder: Path, form: str = "parquet") -> str:
    path = folder / f"log.{form}"
    if form == "parquet":
        log.to_parquet(path)
    elif form == "csv":
        log.to_csv(path, index=False)
    else:
        log.to_json(path, orient="records", lines=True)
    return str(path)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_sound_log_passes_in_every_format(rng, tmp_path, capsys, form):
    """The same log in three formats gives the same JSON, slices and all, and exits 0."""
    log = frame(rng)
    assert audit(written(log, tmp_path, form), *COLUMNS, "--by", "language", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "PASS"
    assert list(told["slices"]) == ["all", "language=de", "language=fr"]
    weights = log.pi / 0.5
    assert told["slices"]["all"]["snips"]["value"] == pytest.approx((weights * log.click).sum() / weights.sum())
    assert told["slices"]["language=de"]["n"] == 1000


def test_one_bad_slice_refuses_the_log(rng, tmp_path, capsys):
    """A slice whose weight lies in few rows refuses, by name and reason, though the whole passes; exit code 10."""
    log = frame(rng)
    log.loc[log.index % 40 == 1, ["p", "pi"]] = [0.05, 0.5]
    log.loc[(log.index % 40 != 1) & (log.language == "fr"), "pi"] = 0.02
    assert audit(written(log, tmp_path), *COLUMNS, "--by", "language", "--floor", "0.15") == 10
    out = capsys.readouterr().out
    assert "language=fr: ESS/N" in out
    assert "language=de: " not in out
    assert "Verdict: REFUSE" in out


def test_a_floor_is_what_the_caller_says(rng, tmp_path, capsys):
    """ESS/N of .96 passes a floor of .9 and not one of .99."""
    path = written(frame(rng), tmp_path)
    assert audit(path, *COLUMNS, "--floor", "0.9") == 0
    assert audit(path, *COLUMNS, "--floor", "0.99") == 10
    assert "under the floor of 0.99" in capsys.readouterr().out


def test_wrong_propensities_are_inconclusive(rng, tmp_path, capsys):
    """A mean weight far from 1 is a doubt that exits 11."""
    log = frame(rng).assign(p=0.8)
    assert audit(written(log, tmp_path), *COLUMNS) == 11
    out = " ".join(capsys.readouterr().out.split())
    assert "excludes 1: propensities too large, or actions never logged" in out


def test_few_or_no_rewards_are_inconclusive(rng, tmp_path, capsys):
    """Two clicks, or none, in 2,000 sound rows decide nothing: exit 11, with the reason."""
    log = frame(rng).assign(click=0)
    assert audit(written(log, tmp_path), *COLUMNS) == 11
    assert "no two rewards with weight differ" in " ".join(capsys.readouterr().out.split())
    log.loc[[3, 400], "click"] = 1
    assert audit(written(log, tmp_path), *COLUMNS) == 11
    assert "rare rewards: its upper end misses too often" in " ".join(capsys.readouterr().out.split())


def test_no_overlap_is_a_refusal_with_strict_json(rng, tmp_path, capsys):
    """A target that takes none of the logged actions exits 10, and NaN is a word in the JSON."""
    assert audit(written(frame(rng).assign(pi=0.0), tmp_path), *COLUMNS, "--json") == 10
    told = json.loads(capsys.readouterr().out)["slices"]["all"]
    assert told["refusals"][0].startswith("no overlap")
    assert told["snips"]["value"] == "nan"


def test_the_table_is_readable_at_80_columns(rng, tmp_path, capsys, monkeypatch):
    """No number is broken over two lines, and the closing words say what the clicks can decide."""
    monkeypatch.setenv("COLUMNS", "80")
    assert audit(written(frame(rng), tmp_path), *COLUMNS, "--by", "language") == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "2,000" in out and "language=fr" in out and "E[w]" in out
    assert "rewarded rows stand behind the value" in " ".join(out.split())


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("p", 0.0, "row 8, column p: not a probability; expected above 0 to 1, found 0.0"),
        ("p", 1.2, "row 8, column p: not a probability; expected above 0 to 1, found 1.2"),
        ("pi", -0.5, "row 8, column pi: not a probability; expected from 0 to 1, found -0.5"),
        ("click", np.inf, "row 8, column click: "),
        ("p", np.nan, "row 8, column p: "),
    ],
)
def test_a_bad_row_is_named_in_the_file(rng, tmp_path, column, value, words):
    """Zero, missing, infinite or impossible: one line with file, row and column."""
    log = frame(rng, 50).astype({"click": float})
    log.loc[7, column] = value
    with pytest.raises(InputError, match=r"log\.parquet") as caught:
        audit(written(log, tmp_path), *COLUMNS)
    assert words in str(caught.value)


def test_a_bad_row_of_a_csv_is_its_line(rng, tmp_path):
    """In a CSV the row is the line of the file, header included."""
    log = frame(rng, 50)
    log.loc[7, "p"] = 0.0
    with pytest.raises(InputError, match="row 9, column p: not a probability"):
        audit(written(log, tmp_path, "csv"), *COLUMNS)


def test_a_log_without_propensities_is_told_who_fits_them(rng, tmp_path):
    """The verb cannot; a manifest can, by `propensity: null`."""
    path = written(frame(rng, 50).drop(columns="p"), tmp_path)
    with pytest.raises(InputError, match=r"column p: missing column.*columns\.propensity: null") as error:
        audit(path, *COLUMNS)
    assert "\n" not in str(error.value)


def test_wrong_calls_are_one_line(rng, tmp_path):
    """An unknown column, a run instead of a table, a slice without a name, one column for two things."""
    path = written(frame(rng, 50), tmp_path)
    with pytest.raises(InputError, match=r"column clicks.*nearest: click"):
        audit(path, "--reward", "clicks", *COLUMNS[2:])
    with pytest.raises(UsageError, match="is no table by its name"):
        audit("some.run", *COLUMNS)
    with pytest.raises(UsageError, match="three columns"):
        audit(path, "--reward", "p", *COLUMNS[2:])
    log = frame(rng, 50)
    log.loc[3, "language"] = ""
    unnamed = written(log, tmp_path, "csv")
    with pytest.raises(InputError, match="row 5, column language: missing value"):
        audit(unnamed, *COLUMNS, "--by", "language")
