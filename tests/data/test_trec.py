"""TREC files are read as trec_eval reads them, whichever way was taken inside."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.data import words
from harness.data.dicts import dict_of_run, qrels_of_dict, run_of_dict
from harness.data.trec import read_trec_qrels, read_trec_run, write_trec_qrels, write_trec_run
from harness.errors import InputError
from harness.metrics.evaluate import evaluate
from harness.records import Run

PLAIN = b"q1 Q0 a 1 2.5 t\nq1 Q0 b 2 1.5 t\nq2 Q0 a 1 0.5 t\n"
HITS = {"q1": {"a": 2.5, "b": 1.5}, "q2": {"a": 0.5}}

SPELLINGS = {
    "plain": PLAIN,
    "tabs": PLAIN.replace(b" ", b"\t"),
    "padded": PLAIN.replace(b" ", b" \t  "),
    "tabs and padded scores": PLAIN.replace(b" ", b"\t").replace(b"\t2.5", b"\t  2.5"),
    "windows": PLAIN.replace(b"\n", b"\r\n"),
    "old mac": PLAIN.replace(b"\n", b"\r"),
    "byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "no last line end": PLAIN.rstrip(),
    "blank lines": PLAIN.replace(b"\n", b"\n\n \t\n"),
    "indented": PLAIN.replace(b"q", b"  q"),
    "comments": b"# one two three four five six\n" + PLAIN + b"# end",
    "words after the sixth": PLAIN.replace(b"t\n", b"t for later use\n"),
    "plus signs and exponents": PLAIN.replace(b"2.5", b"+25e-1"),
    "reversed": b"\n".join(reversed(PLAIN.splitlines())),
    "wrong ranks": PLAIN.replace(b" 1 ", b" 999 "),
    "ranks that are words": PLAIN.replace(b" 1 ", b" first "),
    "gzip": gzip.compress(PLAIN),
    "bzip2": bz2.compress(PLAIN),
    "xz": lzma.compress(PLAIN),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_of_a_run_is_the_same_run(tmp_path: Path, name: str) -> None:
    """White space, line ends, comments, packing, rank column and row order change nothing."""
    path = tmp_path / "some.name"
    path.write_bytes(SPELLINGS[name])
    assert dict_of_run(read_trec_run(path)) == HITS


def test_a_number_sign_inside_a_line_is_no_comment(tmp_path: Path) -> None:
    """`#` begins a comment only as the first character of a line."""
    path = tmp_path / "run"
    path.write_bytes(b"q1 Q0 a#1 1 2.5 t\nq#1 Q0 b 1 1 t\n#q1 Q0 c 1 1 t\n")
    assert dict_of_run(read_trec_run(path)) == {"q1": {"a#1": 2.5}, "q#1": {"b": 1.0}}


WORD = st.text("ab#é€\U0001f600_0", min_size=1, max_size=12).filter(lambda word: not word.startswith("#"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hits=st.dictionaries(WORD, st.dictionaries(WORD, st.floats(-1e30, 1e30), min_size=1, max_size=6), min_size=1,
                            max_size=5), gap=st.sampled_from([" ", "\t", "  ", " \t"]))
def test_the_fast_way_and_the_exact_way_agree(tmp_path: Path, hits: dict[str, dict[str, float]], gap: str) -> None:
    """The same run comes out of Arrow's reader and of the reader that goes line by line."""
    path = tmp_path / "run"
    rows = [(query, "Q0", doc, "1", repr(score), "t") for query, docs in hits.items() for doc, score in docs.items()]
    path.write_text("".join(gap.join(row) + "\n" for row in rows), encoding="utf-8")
    fast = read_trec_run(path)
    path.write_text("".join(gap.join((*row, "more")) + "\n" for row in rows), encoding="utf-8")
    exact = read_trec_run(path)
    for one in (exact, run_of_dict(hits)):
        same_run(fast, one)


def test_usual_files_take_the_fast_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact way is for unusual files: a plain, a padded and a commented one never reach it."""
    monkeypatch.setattr(words, "_exact", None)
    for name in ("plain", "tabs", "padded", "windows", "comments", "blank lines", "indented"):
        (tmp_path / "run").write_bytes(SPELLINGS[name])
        assert dict_of_run(read_trec_run(tmp_path / "run")) == HITS


def test_a_written_run_reads_back_the_same(tmp_path: Path, rng: np.random.Generator) -> None:
    """Scores survive to the last bit, and the file is in rank order."""
    run = run_of_dict({f"q{query}": {f"d{doc}": float(rng.normal()) for doc in range(20)} for query in range(12)})
    same_run(read_trec_run(write_trec_run(run, tmp_path / "out.run", "mine")), run)
    assert (tmp_path / "out.run").read_text().split()[3] == "1"


def test_what_is_no_word_is_not_written(tmp_path: Path) -> None:
    """An id with a space, or a tag that is empty, would be read back as something else."""
    with pytest.raises(InputError, match="one word"):
        write_trec_run(run_of_dict({"q": {"a b": 1.0}}), tmp_path / "x", "tag")
    with pytest.raises(InputError, match="one word"):
        write_trec_run(run_of_dict({"q": {"a": 1.0}}), tmp_path / "x", "")
    assert not list(tmp_path.iterdir())


def test_written_judgements_read_back_the_same(tmp_path: Path) -> None:
    """Grades, also negative ones, survive."""
    qrels = qrels_of_dict({"q2": {"b": 3, "a": -1}, "q1": {"a": 0}})
    again = read_trec_qrels(write_trec_qrels(qrels, tmp_path / "qrels"))
    assert again.relevance.tolist() == qrels.relevance.tolist() == [0, -1, 3]
    assert again.docs.tolist() == ["a", "b"]


@pytest.mark.parametrize(("name", "ndcg", "ap"), [
    ("org_manual_bm25", "0.376", "0.216"), ("org_manual_ance", "0.494", "0.267"),
    ("org_manual_ance_bert", "0.514", "0.294"), ("org_convdr", "0.344", "0.202"),
    ("org_convdr_bert", "0.391", "0.220"),
])
def test_the_runs_of_cast_score_as_published(shared_data: Path, name: str, ndcg: str, ap: str) -> None:
    """nDCG@10 and AP over 158 judged turns are the reference figures; 81 turns have no judgements."""
    folder = shared_data / "runs_cast2021"
    found = evaluate(read_trec_run(folder / "runs" / f"{name}.run.gz"), read_trec_qrels(folder / "qrels.txt"),
                     ["nDCG@10", "AP", "AP(rel=2)"])
    assert (f"{found.mean('nDCG@10'):.3f}", f"{found.mean('AP'):.3f}") == (ndcg, ap)
    assert (len(found.queries), found.unknown) == (158, 81)
    assert found.mean("AP(rel=2)") != found.mean("AP")


def same_run(one: Run, other: Run) -> None:
    """Every column is equal."""
    for name in ("queries", "docs", "query", "doc", "score", "rank"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
