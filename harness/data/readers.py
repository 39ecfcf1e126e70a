"""One door for every format: a source is `{"trec": path}`, `{"beir": folder}`, or `parquet`, `jsonl`, `csv` likewise.

A bare path works too: `trec:runs/bm25.txt` names its format, any other is told by its suffix, else taken as TREC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.beir import read_beir_qrels
from harness.data.tables import KINDS, QUERY, read_parquet, read_rows, read_table_qrels, read_table_run
from harness.data.trec import read_trec_qrels, read_trec_run
from harness.errors import InputError, UsageError, nearest
from harness.records import Qrels, Run, Trace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SourceSpec", "read_frame", "read_qrels", "read_run", "read_trace"]

SourceSpec = Mapping[str, str | Path] | str | Path
_FORMATS = ("trec", "beir", *KINDS)
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv",
             ".tsv": "csv"}
_LONGEST_MS = 1e12  # thirty years: sums and squares of latencies stay far from where doubles end


def read_run(source: SourceSpec) -> Run:
    """Read a run in any format but BEIR, which has none."""
    kind, path = _resolve(source)
    if kind == "beir":
        raise UsageError(f"a BEIR folder holds no run: {path}; expected one of trec, {', '.join(KINDS)}")
    return read_trec_run(path) if kind == "trec" else read_table_run(kind, path)


def read_qrels(source: SourceSpec) -> Qrels:
    """Read judgements in any format."""
    kind, path = _resolve(source)
    if kind == "beir":
        return read_beir_qrels(path)
    return read_trec_qrels(path) if kind == "trec" else read_table_qrels(kind, path)


def read_trace(source: SourceSpec) -> Trace:
    """Read queries as served: `query_id` and one `<stage>_ms` column per stage."""
    where = _resolve(source)[1]
    trace = Trace.of(read_frame(source), source=where)
    for stage in trace.stages:
        values = trace.latency_ms(stage)
        longest = int(values.argmax())
        if values[longest] > _LONGEST_MS:
            raise InputError("not a latency", where=where, row=longest + 1, column=f"{stage}_ms",
                             expected=f"at most {_LONGEST_MS:g} ms", found=float(values[longest]))
    return trace


def read_frame(source: SourceSpec, *, texts: Collection[str] = ()) -> pd.DataFrame:
    """Read any table; the query id, and the columns in `texts`, are text in a CSV whatever their digits look like."""
    import pandas as pd

    kind, path = _resolve(source)
    if kind not in KINDS:
        raise UsageError(f"not a table: {path}; expected one of {', '.join(KINDS)}")
    frame: pd.DataFrame
    frame = read_parquet(path).to_pandas() if kind == "parquet" else pd.DataFrame(dict(read_rows(kind, path).columns))
    if kind == "csv":
        frame = frame.apply(lambda column: column if column.name in (*QUERY, *texts) else _typed(column))
    present = [name for name in QUERY if name in frame.columns]
    return frame.astype({present[0]: str}).rename(columns={present[0]: "query_id"}) if present else frame


def _typed(column: pd.Series) -> pd.Series:
    """Text of a CSV as booleans or numbers where every value is one; else as it is."""
    import pandas as pd

    truth = {"true": True, "false": False}
    folded = column.str.lower()
    if folded.isin(list(truth)).all():
        return folded.map(truth).astype(bool)
    numbers = pd.to_numeric(column, errors="coerce")
    return column if numbers.isna().any() else numbers


def _resolve(source: SourceSpec) -> tuple[str, Path]:
    if isinstance(source, Mapping):
        if len(source) != 1 or next(iter(source)) not in _FORMATS:
            raise InputError("not a source", where="source", expected=f"exactly one of {', '.join(_FORMATS)}",
                             found=dict(source), hint=nearest(next(iter(map(str, source)), ""), _FORMATS))
        kind, path = next(iter(source.items()))
        return kind, Path(path)
    prefix, colon, rest = str(source).partition(":")
    if colon and prefix in _FORMATS:
        return prefix, Path(rest)
    path = Path(source)
    if path.is_dir():
        return "beir", path
    suffixes = [suffix for suffix in path.suffixes if suffix not in {".gz", ".bz2", ".xz"}]
    return _SUFFIXES.get(suffixes[-1] if suffixes else "", "trec"), path
