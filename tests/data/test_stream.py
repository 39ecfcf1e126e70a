"""Parquet streams: every row once, in order, in batches that stay small, and faults told by row and column."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.stream import parquet_columns, stream_parquet
from harness.errors import InputError
from harness.estimators.moments import Moments

pa = pytest.importorskip("pyarrow", reason="Parquet is read with pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="Parquet is read with pyarrow")


@pytest.fixture
def table(tmp_path, rng):
    path = tmp_path / "log.parquet"
    columns = {
        "reward": rng.normal(size=1000),
        "clicks": rng.integers(0, 5, 1000),
        "hit": rng.random(1000) < 0.5,
        "language": rng.choice(["de", "en"], 1000),
    }
    pq.write_table(pa.table(columns), path, row_group_size=300)
    return path, columns


@pytest.mark.parametrize("batch", [1, 7, 300, 1000, 5000])
def test_batches_are_the_columns_cut(table, batch):
    """Joined, the batches are the columns asked for, in their order; none is longer than asked."""
    path, columns = table
    names = ["language", "reward", "clicks", "hit"]
    parts = list(stream_parquet(path, names, batch))
    assert max(len(part[0]) for part in parts) <= batch
    for at, name in enumerate(names):
        joined = np.concatenate([part[at] for part in parts])
        assert joined.tolist() == columns[name].tolist()
        assert joined.dtype.kind == columns[name].dtype.kind


def test_accumulators_over_the_stream_are_those_of_the_whole(table):
    """Moments folded over batches of 64 rows are the moments of the column."""
    path, columns = table
    state = Moments()
    for (reward,) in stream_parquet(path, ["reward"], 64):
        state = state.merge(Moments.of(reward))
    whole = Moments.of(columns["reward"])
    assert (state.n, state.mean, state.m2) == pytest.approx((whole.n, whole.mean, whole.m2), rel=1e-12, abs=1e-12)


def test_progress_ends_at_the_whole(table):
    """Progress climbs to (rows, rows); an empty file yields nothing and is no error."""
    path, _ = table
    told: list[tuple[int, int]] = []
    for _ in stream_parquet(path, ["hit"], 300, progress=lambda done, rows: told.append((done, rows))):
        pass
    assert told[-1] == (1000, 1000)
    assert told == sorted(told)
    empty = path.with_name("empty.parquet")
    pq.write_table(pa.table({"x": pa.array([], pa.float64())}), empty)
    assert list(stream_parquet(empty, ["x"])) == []


def test_dictionary_columns_come_as_text(tmp_path):
    """Text coded by the writer is text to the reader."""
    path = tmp_path / "coded.parquet"
    pq.write_table(pa.table({"slice": pa.array(["a", "b", "a"]).dictionary_encode()}), path)
    assert next(stream_parquet(path, ["slice"]))[0].tolist() == ["a", "b", "a"]


def test_missing_values_are_told_by_row_and_column(tmp_path):
    """A null is an error at its row of the file, from 1, never a silent NaN."""
    path = tmp_path / "holes.parquet"
    pq.write_table(pa.table({"x": pa.array([1.0] * 70 + [None] + [2.0] * 9)}), path)
    with pytest.raises(InputError, match="row 71, column x: missing value"):
        list(stream_parquet(path, ["x"], 32))


def test_faults_are_told_at_the_call(table):
    """An unknown column with its nearest, a file that is none, a batch under one: before the first batch."""
    path, _ = table
    with pytest.raises(InputError, match=r"column rewards: no such column.*nearest: reward"):
        stream_parquet(path, ["rewards"])
    with pytest.raises(InputError, match="not readable as Parquet"):
        stream_parquet(path.with_name("none.parquet"), ["x"])
    bad = path.with_name("bad.parquet")
    bad.write_bytes(b"not parquet at all")
    with pytest.raises(InputError, match="not readable as Parquet"):
        stream_parquet(bad, ["x"])
    for batch in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="batch: not a count"):
            stream_parquet(path, ["reward"], batch)
    for columns in ([], "reward"):
        with pytest.raises(InputError, match="columns: no columns"):
            stream_parquet(path, columns)


def test_columns_of_other_kinds_are_refused(tmp_path):
    """Lists and dates are neither numbers nor text."""
    path = tmp_path / "lists.parquet"
    pq.write_table(pa.table({"x": pa.array([[1], [2]])}), path)
    with pytest.raises(InputError, match="column x: neither numbers nor text"):
        list(stream_parquet(path, ["x"]))


def test_one_name_for_two_columns_is_refused(tmp_path):
    """Which of the two is meant is not said."""
    path = tmp_path / "twice.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["x", "x"]), path)
    for read in (parquet_columns, lambda path: stream_parquet(path, ["x"])):
        with pytest.raises(InputError, match="column x: column stands twice"):
            read(path)


def test_the_columns_are_told_in_order(table):
    """Names as the file has them; folders and missing files are one line."""
    assert parquet_columns(table[0]) == ["reward", "clicks", "hit", "language"]
    for bad in (table[0].parent, table[0].with_name("none.parquet")):
        with pytest.raises(InputError, match="not readable as Parquet"):
            parquet_columns(bad)
