"""How a file is named on the command line: by its suffix, or with its format in front (`trec:`, `parquet:`, …)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.records import Qrels, Run

__all__ = ["DEFAULT_MEASURES", "FORMATS", "qrels_from", "run_from", "same_queries", "source_spec"]

FORMATS = ("trec", "beir", "parquet", "jsonl", "csv")
DEFAULT_MEASURES = ("nDCG@10", "RR@10", "AP", "R@100")
_SUFFIXES = {".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_PACKED = {".gz", ".bz2", ".xz"}


def source_spec(word: str) -> dict[str, str]:
    """`{format: path}` as the readers take it; a folder is BEIR's, and what no suffix tells is TREC's.

    >>> source_spec("bm25.run"), source_spec("parquet:x"), source_spec("hits.jsonl.gz")
    ({'trec': 'bm25.run'}, {'parquet': 'x'}, {'jsonl': 'hits.jsonl.gz'})
    """
    form, colon, path = word.partition(":")
    if colon and form in FORMATS and path:
        return {form: path}
    if Path(word).is_dir():
        return {"beir": word}
    suffixes = [suffix.lower() for suffix in Path(word).suffixes if suffix.lower() not in _PACKED]
    return {_SUFFIXES.get(suffixes[-1] if suffixes else "", "trec"): word}


def run_from(word: str) -> Run:
    """Read the run that a command line names."""
    from harness.data.readers import read_run

    return read_run(source_spec(word))


def qrels_from(word: str) -> Qrels:
    """Read the judgements that a command line names."""
    from harness.data.readers import read_qrels

    return read_qrels(source_spec(word))


def same_queries(run: Run, qrels: Qrels, *, where: str) -> None:
    """A run of which no query is judged was made for other judgements: an InputError, not a page of zeros."""
    if len(run.queries) and not set(run.queries).intersection(qrels.queries):
        raise InputError("no query of the run is judged", where=where,
                         expected=f"query ids as the judgements have them, such as {qrels.queries[0]!r}",
                         found=run.queries[:2].tolist())
