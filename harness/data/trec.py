"""TREC's own formats: runs (`query Q0 document rank score tag`) and qrels (`query iteration document relevance`).

Words are split at any white space, `#` at the start of a line begins a comment, the rank column and the file's order
are ignored, and in a run words after the sixth may follow: as trec_eval reads them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.data.files import read_bytes
from harness.data.store import atomic_write_text
from harness.data.words import Layout, read_columns
from harness.errors import InputError
from harness.records import Qrels, Run

__all__ = ["read_trec_qrels", "read_trec_run", "write_trec_qrels", "write_trec_run"]

_RUN = Layout(("query_id", "Q0", "doc_id", "rank", "score", "tag"), query=0, doc=2, value=4, open_ended=True)
_QRELS = Layout(("query_id", "iteration", "doc_id", "relevance"), query=0, doc=2, value=3, open_ended=False)


def read_trec_run(path: Path | str) -> Run:
    """Read a run, plain or compressed. Raises InputError by file, line and column."""
    return read_columns(read_bytes(path), _RUN, partial(Run.coded, source=path), where=path)


def read_trec_qrels(path: Path | str) -> Qrels:
    """Read judgements, plain or compressed. Raises InputError by file, line and column."""
    return read_columns(read_bytes(path), _QRELS, partial(Qrels.coded, source=path), where=path)


def write_trec_run(run: Run, path: Path | str, tag: str) -> Path:
    """Write a run whole or not at all; scores in full, so that reading it back gives the same run."""
    _one_word(tag, "tag")
    _words_only(run.queries.tolist() + run.docs.tolist(), path)
    queries, docs = run.queries[run.query].tolist(), run.docs[run.doc].tolist()
    rows = zip(queries, docs, run.rank.tolist(), run.score.tolist(), strict=True)
    lines = (f"{query} Q0 {doc} {rank} {value!r} {tag}\n" for query, doc, rank, value in rows)
    return atomic_write_text(path, "".join(lines))


def write_trec_qrels(qrels: Qrels, path: Path | str) -> Path:
    """Write judgements whole or not at all."""
    queries, docs = qrels.queries[qrels.query].tolist(), qrels.docs[qrels.doc].tolist()
    _words_only(qrels.queries.tolist() + qrels.docs.tolist(), path)
    rows = zip(queries, docs, qrels.relevance.tolist(), strict=True)
    return atomic_write_text(path, "".join(f"{query} 0 {doc} {grade}\n" for query, doc, grade in rows))


def _words_only(ids: list[str], path: Path | str) -> None:
    for name in ids:
        _one_word(name, path)


def _one_word(name: str, where: object) -> None:
    if name.split() != [name] or name.startswith("#") or "\x00" in name:
        raise InputError("not writable as one word", where=where, expected="an id without white space or leading #",
                         found=name)
