"""Agreement with trec_eval's published outputs, to the last digit printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.trec import read_trec_qrels, read_trec_run
from harness.metrics.evaluate import evaluate

NAMES = {"map": "AP", "recip_rank": "RR", "ndcg": "nDCG"} | {
    f"{theirs}_{k}": f"{ours}@{k}"
    for theirs, ours in (("P", "P"), ("recall", "R"), ("ndcg_cut", "nDCG"), ("map_cut", "AP"), ("success", "Success"))
    for k in (1, 2, 3, 5, 7, 10, 15, 20, 23, 30, 100, 200, 500, 1000, 2000)
}
CASES = [
    ("out.test", "qrels.test", "results.test", {}),
    ("out.test", "qrels.test.with-comments", "results.test", {}),
    ("out.comment.test", "qrels.comment.test", "results.comment.test.gz", {}),
    ("out.test.a", "qrels.test", "results.test", {}),
    ("out.test.aq", "qrels.test", "results.test", {}),
    ("out.test.aqc", "qrels.test", "results.trunc", {}),
    ("out.test.aqcM", "qrels.test", "results.trunc", {"depth": 100}),
    ("out.test.aql", "qrels.rel_level", "results.test", {"rel": 2}),
]


def expected(path: Path) -> dict[tuple[str, str], str]:
    """(measure, query) → the printed value, for every measure that we have."""
    rows = (line.split() for line in path.read_text().splitlines())
    return {(name, query): value for name, query, value in rows if name in NAMES}


@pytest.mark.parametrize(("out", "qrels", "run", "options"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_every_printed_digit_agrees(shared_data: Path, out: str, qrels: str, run: str, options: dict[str, int]) -> None:
    """Each value that trec_eval printed, per query and over all, is ours to the fourth decimal."""
    folder = shared_data / "trec_eval"
    want = expected(folder / out)
    spelt = {name: _with_level(NAMES[name], options.get("rel")) for name, _ in want}
    found = evaluate(read_trec_run(folder / run), read_trec_qrels(folder / qrels), spelt.values(),
                     depth=options.get("depth"))
    place = {query: row for row, query in enumerate(found.queries)}
    ours = {
        (name, query): f"{found.mean(spelt[name]) if query == 'all' else found.values[spelt[name]][place[query]]:.4f}"
        for name, query in want
    }
    assert ours == want
    assert len(want) >= 11


def _with_level(spelling: str, rel: int | None) -> str:
    name, _, k = spelling.partition("@")
    return f"{name}(rel={rel})" + (f"@{k}" if k else "") if rel and name != "nDCG" else spelling


def test_the_agreement_has_teeth(shared_data: Path) -> None:
    """Leaving out the topic without a relevant document gives map .2779, which is not what trec_eval prints."""
    folder = shared_data / "trec_eval"
    found = evaluate(read_trec_run(folder / "results.comment.test.gz"), read_trec_qrels(folder / "qrels.comment.test"),
                     ["AP"])
    assert len(found.no_relevant) == 1
    assert f"{found.mean('AP'):.4f}" == "0.2689"
    assert f"{found.values['AP'].sum() / (len(found.queries) - 1):.4f}" == "0.2779"
