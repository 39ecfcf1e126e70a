"""A log is folded batch by batch: the audit does not depend on the cut, and errors name the row of the file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.data import logs
from harness.data.logs import audit_log
from harness.errors import InputError
from harness.estimators.counterfactual import snips

NAMES = {"reward": "r", "propensity": "p", "target": "t"}


@pytest.fixture
def frame(rng):
    """1,000 logged decisions in three slices."""
    p = rng.uniform(0.3, 0.9, 1000)
    return pd.DataFrame({"r": rng.random(1000), "p": p, "t": rng.permutation(p), "s": np.arange(1000) % 3})


def test_batches_are_the_whole(frame, tmp_path, monkeypatch):
    """Ten batches give the audit of one, whole and by slice, and progress is told after each."""
    frame.to_parquet(tmp_path / "log.parquet")
    whole = audit_log("parquet", tmp_path / "log.parquet", **NAMES, by="s")
    monkeypatch.setattr(logs, "BATCH", 100)
    told: list[tuple[int, int]] = []
    parts = audit_log(
        "parquet", tmp_path / "log.parquet", **NAMES, by="s", progress=lambda done, rows: told.append((done, rows))
    )
    assert list(parts) == list(whole) == ["all", "s=0", "s=1", "s=2"]
    assert told == [(done, 1000) for done in range(100, 1001, 100)]
    for name, one in parts.items():
        assert one.snips[:3] == pytest.approx(whole[name].snips[:3], rel=1e-9)
        assert one.check[:3] == pytest.approx(whole[name].check[:3], rel=1e-9)
    rows = frame[frame.s == 1]
    assert parts["s=1"].snips[:3] == pytest.approx(snips(rows.r, rows.p, rows.t)[:3], rel=1e-9)


def test_a_row_is_named_in_the_file_not_in_its_batch(frame, tmp_path, monkeypatch):
    """A propensity of 0 in the seventh batch is told by its row of the file."""
    frame.loc[654, "p"] = 0.0
    frame.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setattr(logs, "BATCH", 100)
    with pytest.raises(InputError, match="row 655, column p: not a probability"):
        audit_log("parquet", tmp_path / "log.parquet", **NAMES)


def test_an_id_is_not_a_slice(tmp_path, rng):
    """A column with a value a row would be a thousand audits of nothing: refused."""
    n = logs.MOST_SLICES + 1
    table = pd.DataFrame({"r": np.ones(n), "p": np.ones(n), "t": np.ones(n), "id": np.arange(n)})
    table.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="column id: not a slice; expected at most 1000 values"):
        audit_log("parquet", tmp_path / "log.parquet", **NAMES, by="id")


@pytest.mark.parametrize("word", ["", "abc", "1_0", "nan", "inf"])
def test_what_is_no_number_is_named(frame, tmp_path, word):
    """Empty fields, words, and numbers only Python would read are refused by line."""
    rows = frame.astype(str)
    rows.loc[1, "r"] = word
    rows.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(InputError, match="row 3, column r"):
        audit_log("csv", tmp_path / "log.csv", **NAMES)


def test_an_empty_table_is_an_error(frame, tmp_path):
    """No rows is not an audit without findings."""
    frame.iloc[:0].to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="no rows"):
        audit_log("parquet", tmp_path / "log.parquet", **NAMES)
