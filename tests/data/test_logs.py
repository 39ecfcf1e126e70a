"""A log is folded batch by batch: the audit does not depend on the cut, and errors name the row of the file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.data import log_table
from harness.data.log_table import LogTable
from harness.data.logs import MOST_SLICES, Roles, audit_log
from harness.errors import InputError
from harness.estimators.counterfactual import snips

NAMES = Roles("r", "p", "t")


@pytest.fixture
def frame(rng):
    """1,000 logged decisions in three slices."""
    p = rng.uniform(0.3, 0.9, 1000)
    return pd.DataFrame({"r": rng.random(1000), "p": p, "t": rng.permutation(p), "s": np.arange(1000) % 3})


def test_batches_are_the_whole(frame, tmp_path, monkeypatch):
    """Ten batches give the audit of one, whole and by slice, and progress is told after each."""
    frame.to_parquet(tmp_path / "log.parquet")
    table, roles = LogTable("parquet", tmp_path / "log.parquet"), NAMES._replace(by=("s",))
    whole = audit_log(table, roles)
    monkeypatch.setattr(log_table, "BATCH", 100)
    told: list[tuple[int, int]] = []
    parts = audit_log(table, roles, progress=lambda done, rows: told.append((done, rows)))
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
    monkeypatch.setattr(log_table, "BATCH", 100)
    with pytest.raises(InputError, match="row 655, column p: not a probability"):
        audit_log(LogTable("parquet", tmp_path / "log.parquet"), NAMES)


def test_hashes_of_64_bits_are_ids(frame, tmp_path, monkeypatch):
    """Unsigned ids beyond int64 are taken as they are written, in every batch, and give any other names' interval."""
    users = np.arange(1000) // 10
    frame.assign(u=users).to_parquet(tmp_path / "small.parquet")
    frame.assign(u=users.astype(np.uint64) + np.uint64(2**63 - 50)).to_parquet(tmp_path / "large.parquet")
    monkeypatch.setattr(log_table, "BATCH", 130)
    small, large = (audit_log(LogTable("parquet", tmp_path / f"{name}.parquet"), NAMES._replace(cluster="u"))["all"]
                    for name in ("small", "large"))  # fmt: skip
    assert large.snips[:4] == pytest.approx(small.snips[:4], rel=1e-9)
    assert small.snips.n == 100  # users, not the 109 that a cut of batches would make of them


def test_an_id_is_not_a_slice(tmp_path, rng):
    """A column with a value a row would be a thousand audits of nothing: refused."""
    n = MOST_SLICES + 1
    table = pd.DataFrame({"r": np.ones(n), "p": np.ones(n), "t": np.ones(n), "id": np.arange(n)})
    table.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="column id: not a slice; expected at most 1000 values"):
        audit_log(LogTable("parquet", tmp_path / "log.parquet"), NAMES._replace(by=("id",)))


@pytest.mark.parametrize("word", ["", "abc", "1_0", "nan", "inf"])
def test_what_is_no_number_is_named(frame, tmp_path, word):
    """Empty fields, words, and numbers only Python would read are refused by line."""
    rows = frame.astype(str)
    rows.loc[1, "r"] = word
    rows.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(InputError, match="row 3, column r"):
        audit_log(LogTable("csv", tmp_path / "log.csv"), NAMES)


def test_an_empty_table_is_an_error(frame, tmp_path):
    """No rows is not an audit without findings."""
    frame.iloc[:0].to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="no rows"):
        audit_log(LogTable("parquet", tmp_path / "log.parquet"), NAMES)


def test_units_are_those_of_the_whole(frame, tmp_path, monkeypatch):
    """Users cut over batches are put together again: SNIPS by user is the array function's, whole and by slice."""
    frame["u"] = np.arange(1000) % 90
    frame.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setattr(log_table, "BATCH", 70)
    found = audit_log(LogTable("parquet", tmp_path / "log.parquet"), NAMES._replace(cluster="u", by=("s",)))
    for name, rows in (("all", frame), ("s=2", frame[frame.s == 2])):
        wanted = snips(rows.r, rows.p, rows.t, clusters=rows.u)
        assert found[name].snips[:3] == pytest.approx(wanted[:3], rel=1e-9)


@pytest.mark.parametrize("hole", [None, "", float("nan")])
def test_a_missing_unit_is_named(frame, tmp_path, hole):
    """A row without a user is an error by row, in CSV and in Parquet: never a user called nothing."""
    frame["u"] = [*[f"u{i}" for i in range(999)], hole]
    frame.to_csv(tmp_path / "log.csv", index=False)
    frame.to_parquet(tmp_path / "log.parquet")
    for kind, row in (("csv", 1001), ("parquet", 1000)):
        with pytest.raises(InputError, match=f"row {row}, column u: missing value"):
            audit_log(LogTable(kind, tmp_path / f"log.{kind}"), NAMES._replace(cluster="u"))


def test_a_slate_needs_its_position(frame, tmp_path):
    """Decisions on several rows are refused with what to say; by position they are audited, intervals by decision."""
    frame["d"], frame["at"] = np.arange(1000) // 4, np.arange(1000) % 4
    frame.to_parquet(tmp_path / "log.parquet")
    table = LogTable("parquet", tmp_path / "log.parquet")
    with pytest.raises(InputError, match=r"column d: a slate is not one action; .*--position .*found '0 on 4 rows'"):
        audit_log(table, NAMES._replace(decision="d"))
    found = audit_log(table, NAMES._replace(decision="d", position="at"))
    assert list(found) == ["all", "at=0", "at=1", "at=2", "at=3"]
    assert found["all"].snips[:3] == pytest.approx(snips(frame.r, frame.p, frame.t, clusters=frame.d)[:3], rel=1e-9)
    frame.loc[5, "at"] = 0
    frame.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match=r"one action a decision at at=0; .*found '1 on 2 rows'"):
        audit_log(table, NAMES._replace(decision="d", position="at"))
    frame.assign(d=np.arange(1000)).to_parquet(tmp_path / "log.parquet")
    assert list(audit_log(table, NAMES._replace(decision="d"))) == ["all"]


def test_slices_stand_in_the_order_asked_for(frame, tmp_path):
    """Columns as named, whole numbers by size (10 after 9), text by name."""
    frame["k"], frame["b=c"] = np.arange(1000) % 11, np.where(frame.s == 1, "z", "y")
    frame.to_csv(tmp_path / "log.csv", index=False)
    found = audit_log(LogTable("csv", tmp_path / "log.csv"), NAMES._replace(by=("k", "b=c")))
    assert list(found) == ["all", *[f"k={i}" for i in range(11)], "b=c=y", "b=c=z"]


def test_a_value_is_one_slice_in_every_batch(frame, tmp_path, monkeypatch):
    """1.0 in a batch of whole numbers and beside 1.5 in the next is the same slice, and a missing one is an error."""
    frame["f"] = np.where(np.arange(1000) < 500, 1.0, np.where(frame.s == 0, 1.5, 1.0))
    frame.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setattr(log_table, "BATCH", 250)
    found = audit_log(LogTable("parquet", tmp_path / "log.parquet"), NAMES._replace(by=("f",)))
    assert list(found) == ["all", "f=1", "f=1.5"]
    assert found["f=1"].check.n + found["f=1.5"].check.n == 1000


@pytest.mark.parametrize(("value", "words"), [(1e60, "column r: too large"), (1e-60, "column p: too small")])
def test_what_no_float_could_sum_is_named_by_row(frame, tmp_path, value, words):
    """Rewards of 1e60 and propensities of 1e-60 are told by row and column of the file, not by an index inside."""
    frame.loc[8, "r" if value > 1 else "p"] = value
    frame.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match=f"row 9, {words}"):
        audit_log(LogTable("parquet", tmp_path / "log.parquet"), NAMES)
