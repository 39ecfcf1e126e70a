"""The spend table: its file comes back to the bit; what is wrong in a user's own is told by file, row and column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.release.spends import SpendTable

N = 6


def frame(**other) -> pd.DataFrame:
    """Six queries of two tasks at spends 0, 20 and 50, every optional column there."""
    rng = np.random.default_rng(7)
    columns = {
        "query_id": ["a", "b", "c", "a", "b", "c"], "task": ["one"] * 3 + ["two"] * 3,
        "cluster": list("xyzxyz"), "fold": ["fit", "judge"] * 3, "slice:hard_nl": [True, False] * 3,
        "signal:entropy": rng.random(N), "signal:margin": rng.random(N) / 3,
        **{f"ndcg@10:{spend}": rng.random(N) for spend in (0, 20, 50)}, "jaccard@10:0": np.ones(N),
        **{f"jaccard@10:{spend}": rng.random(N) for spend in (20, 50)}, "rerank_ms:0": np.zeros(N),
        **{f"rerank_ms:{spend}": rng.random(N) * spend / 10 for spend in (20, 50)}, "base_ms": rng.random(N),
        "signals_ms": rng.random(N) / 10, "cold_ms": [4.0, np.nan, 5.0, np.nan, np.nan, 6.5],
        "timed": [True, True, False] * 2,
    }  # fmt: skip
    return pd.DataFrame(columns | other)


def read_or_told(table: pd.DataFrame) -> tuple[str, pd.DataFrame | None]:
    """The frame as it was read, or what was told instead."""
    try:
        return "", SpendTable.of(table, source="mine.parquet").frame()
    except InputError as error:
        return str(error), None


def test_a_table_comes_back_from_its_file_to_the_bit(tmp_path):
    """Written, read and written again: equal values, equal bytes."""
    table = SpendTable.of(frame())
    again = SpendTable.from_parquet(table.to_parquet(tmp_path / "one.parquet"))
    pd.testing.assert_frame_equal(table.frame(), again.frame(), check_exact=True)
    again.to_parquet(tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert again.spends == (0, 20, 50) and set(again.slices) == {"all", "hard_nl"} and again.lacking == ()


def test_a_gain_is_the_difference_to_no_rerank():
    """By query, in nDCG units, and 0 at spend 0."""
    table, given_ = SpendTable.of(frame()), frame()
    np.testing.assert_array_equal(table.gain(50), given_["ndcg@10:50"] - given_["ndcg@10:0"])
    assert not table.gain(0).any()
    with pytest.raises(InputError, match=r"no such spend; expected 0, 20, 50, found 30 \(nearest: 20\)"):
        table.gain(30)


def test_rows_are_cut_from_every_column():
    """A mask, or positions, keep the same rows in all columns; none left is an error."""
    table = SpendTable.of(frame())
    cut = table.where(table.judged)
    assert cut.queries.tolist() == ["b", "a", "c"] and cut.judged.all() and len(cut) == 3
    pd.testing.assert_frame_equal(cut.frame(), table.frame()[table.judged].reset_index(drop=True))
    assert table.where([4, 4]).queries.tolist() == ["b", "b"]
    for wrong in (np.zeros(N, dtype=bool), np.ones(N - 1, dtype=bool)):
        with pytest.raises(InputError, match="spend table"):
            table.where(wrong)


def test_what_is_optional_may_be_left_out_and_is_told(tmp_path):
    """A user's own trace of quality and times is enough; the table says what it lacks."""
    lean = frame().drop(columns=[name for name in frame() if name.startswith(("jaccard", "slice:"))]
                        + ["signals_ms", "cold_ms", "timed", "signal:margin"])  # fmt: skip
    lean.to_parquet(tmp_path / "mine.parquet")
    table = SpendTable.from_parquet(tmp_path / "mine.parquet")
    assert table.lacking == ("jaccard@10", "signals_ms", "cold_ms", "slices") and table.timed.all()
    assert table.slices["all"].all() and np.isnan(table.jaccard).all()
    assert list(SpendTable.of(table.frame()).frame()) == list(table.frame())


@pytest.mark.parametrize(("name", "row", "value", "told"), [
    ("ndcg@10:20", 2, np.nan, "column ndcg@10:20: out of bounds; expected a finite number, 0 to 1, found nan"),
    ("ndcg@10:0", 1, 1.5, "found 1.5"), ("jaccard@10:50", 4, -0.1, "found -0.1"),
    ("jaccard@10:0", 3, 0.5, "hits that are not their own"), ("rerank_ms:20", 5, -1.0, "at least 0, found -1.0"),
    ("rerank_ms:0", 1, 0.1, "no rerank takes time"), ("base_ms", 6, np.inf, "found inf"),
    ("base_ms", 6, -0.1, "found -0.1"), ("signals_ms", 2, np.nan, "found nan"), ("cold_ms", 2, -3.0, "found -3.0"),
    ("signal:entropy", 2, np.nan, "signal:entropy: out of bounds; expected a finite number, found nan"),
    ("fold", 4, "jugde", "expected fit or judge, found 'jugde' (nearest: judge)"),
    ("query_id", 3, "a", "stands twice in its task; expected each query once (first in row 1), found 'a'"),
    ("task", 2, None, "column task: not an id"), ("cluster", 2, "  ", "column cluster: not an id"),
    ("slice:hard_nl", 5, None, "neither true nor false"), ("timed", 5, "yes", "neither true nor false"),
])  # fmt: skip
def test_a_wrong_value_is_told_by_row_and_column(name, row, value, told):
    """Missing, out of range, of the wrong kind, doubled: never read as something else."""
    broken = frame()
    broken[name] = broken[name].astype(object)
    broken.loc[row - 1, name] = value
    broken[name] = broken[name].infer_objects()
    with pytest.raises(InputError) as error:
        SpendTable.of(broken, source="mine.parquet")
    assert str(error.value).startswith(f"mine.parquet, row {row}, column {name}: ") and told in str(error.value)


@pytest.mark.parametrize(("change", "told"), [
    (lambda table: table.rename(columns={"signal:margin": "signal:margins"}), "(nearest: signal:margin)"),
    (lambda table: table.rename(columns={"cold_ms": "colds_ms"}), "(nearest: cold_ms)"),
    (lambda table: table.rename(columns={"base_ms": "bas_ms"}), "column base_ms: missing column"),
    (lambda table: table.drop(columns="rerank_ms:50"), "column rerank_ms:50: missing column"),
    (lambda table: table.drop(columns="jaccard@10:20"), "column jaccard@10:20: missing column"),
    (lambda table: table.drop(columns="signal:entropy"), "column signal:entropy: missing column"),
    (lambda table: table.drop(columns="ndcg@10:0"), "not a ladder of spends"),
    (lambda table: table.drop(columns=["ndcg@10:20", "ndcg@10:50"]), "at least one ndcg@10:SPEND above, found [0]"),
    (lambda table: table.assign(**{"ndcg@10:05": 0.5}), "ndcg@10:05: unknown column"),
    (lambda table: table.assign(**{"slice:": True}), "unknown column"),
    (lambda table: table.assign(**{"slice:all": [True] * 5 + [False]}), "the slice all leaves a query out"),
    (lambda table: table.assign(base_ms="fast"), "column base_ms: not numeric"),
    (lambda table: table.iloc[:0], "no rows"),
    (lambda table: pd.concat([table, table[["task"]]], axis=1), "column stands twice"),
])  # fmt: skip
def test_wrong_columns_are_told_with_the_nearest(change, told):
    """A misspelt optional column is an error too: it would be missed in silence."""
    with pytest.raises(InputError) as error:
        SpendTable.of(change(frame()), source="mine.parquet")
    assert str(error.value).startswith("mine.parquet") and told in str(error.value)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(set(frame()) - {"query_id", "task", "cluster", "fold"})), st.integers(0, N - 1),
       st.sampled_from([np.nan, np.inf, -np.inf, -1e-9, -5.0, 1e300, None, "x", 2]))
def test_no_tampered_value_is_read_as_another(name, row, value):
    """Whatever is put into a cell is either refused with one line, or comes back as it was put."""
    broken = frame()
    broken[name] = broken[name].astype(object)
    broken.loc[row, name] = value
    broken[name] = broken[name].infer_objects()
    told, back = read_or_told(broken)
    if back is None:
        assert name in told and "\n" not in told
    else:
        assert back[name][row] == value or (pd.isna(back[name][row]) and pd.isna(value)
                                             and name in {"base_ms", "cold_ms"})


def test_a_file_that_is_no_table_is_one_line(tmp_path):
    """Text under a Parquet name, and a file that was cut short."""
    (tmp_path / "text.parquet").write_text("query_id,task\n", encoding="utf-8")
    whole = SpendTable.of(frame()).to_parquet(tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    for name in ("text.parquet", "cut.parquet"):
        with pytest.raises(InputError, match=f"{name}: not readable as Parquet"):
            SpendTable.from_parquet(tmp_path / name)
