"""Result files of other evaluators of RAG, as rows of a table of answers (docs/answers.md).

| kind | file | read as of |
|---|---|---|
| `ragchecker` | `checking_outputs.json`: `{"results": [...]}`, as `RAGResults.to_json` writes it | RAGChecker 0.1.9 |
| `ragas` | `result.to_pandas()` as Parquet, JSON lines, or a JSON list of records | Ragas 0.4.3 |
| `deepeval` | `.deepeval/.latest_test_run.json`, or a test run that was saved by itself | DeepEval 4.3.1 |

None of them says which passage an answer cites: all that were shown count as cited. A row's own scores go with it where
they are asked for, in the place of token counts: precision, recall, F1 and faithfulness of claims as a model judged
them, which is another measure under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.canonical import strict_json
from harness.data.files import read_text
from harness.data.readers import read_frame
from harness.errors import InputError, UsageError, nearest

__all__ = ["KINDS", "read_results"]

Record = dict[str, Any]
_SCORES = ("precision", "recall", "f1", "faithfulness")


def read_results(kind: str, path: Path | str, *, scores: bool = False) -> list[Record]:
    """Rows of a result file: `query_id`, `question`, `answer`, `gold_answers`, `passages`, and what else it holds.

    Args:
        kind: `ragchecker`, `ragas` or `deepeval`.
        path: The file.
        scores: Whether a row's own scores go with it.

    Raises:
        UsageError: Another kind.
        InputError: Not such a file, no rows, a row without what its kind requires: by file, row and key.
    """
    if kind not in KINDS:
        raise UsageError(f"no such kind of result file: {kind}; expected one of {', '.join(KINDS)}"
                         + (f" (nearest: {near})" if (near := nearest(kind, KINDS)) else ""))
    return [{name: value for name, value in row.items() if value is not None and (scores or name not in _SCORES)}
            for row in _READERS[kind](path)]


def _ragchecker(path: Path | str) -> list[Record]:
    """`metrics` of a row are shares; `retrieved_context` is a list of `{doc_id, text}`."""
    rows = []
    for at, one in enumerate(_list(_document(path), "results", path), start=1):
        passages = [_object(each, path, at, "retrieved_context") for each in
                    _items(one, "retrieved_context", path, at)]
        docs = [each.get("doc_id") for each in passages]
        rows.append({"query_id": str(_needed(one, "query_id", path, at)), "question": one.get("query"),
                     "answer": _needed(one, "response", path, at), "gold_answers": _needed(one, "gt_answer", path, at),
                     "passages": [_needed(each, "text", path, at) for each in passages],
                     "passage_docs": docs if passages and all(doc is not None for doc in docs) else None,
                     **_scored(_object(one.get("metrics") or {}, path, at, "metrics"),
                               {name: name for name in _SCORES})})
    return rows


def _ragas(path: Path | str) -> list[Record]:
    """A metric's column bears its name; rows have no id, so that their number stands for one."""
    text = Path(path).suffix in {".parquet", ".pq"} or not read_text(path).lstrip().startswith("[")
    records = read_frame(str(path)).to_dict(orient="records") if text else _document(path)
    if not isinstance(records, list):
        raise InputError("not a Ragas result", where=path, expected="a list of records")
    rows = []
    for at, one in enumerate((_object(each, path, at, None) for at, each in enumerate(records, start=1)), start=1):
        ids = one.get("retrieved_context_ids")
        rows.append({"query_id": str(at), "question": one.get("user_input"),
                     "answer": _needed(one, "response", path, at), "gold_answers": _needed(one, "reference", path, at),
                     "passages": one.get("retrieved_contexts"), "passage_docs": ids, "pool": ids,
                     "gold_docs": one.get("reference_context_ids"),
                     **_scored(one, {"precision": "factual_correctness(mode=precision)",
                                     "recall": "factual_correctness(mode=recall)",
                                     "f1": "factual_correctness(mode=f1)", "faithfulness": "faithfulness"})})
    return rows


def _deepeval(path: Path | str) -> list[Record]:
    """Test cases are named by people, not always apart: a name that stands twice is followed by the row's number."""
    document = _object(_document(path), path, None, None)
    run = _object(document.get("testRunData", document), path, None, "testRunData")
    cases = _list(run, "testCases", path)
    names = [str(case.get("name") or at) for at, case in enumerate(cases, start=1)]
    rows = []
    for at, (name, case) in enumerate(zip(names, cases, strict=True), start=1):
        metrics = _metrics(case, path, at)
        seconds = case.get("completionTime")
        if seconds is not None and type(seconds) not in (int, float):
            raise InputError("not a number", where=path, row=at, column="completionTime", expected="seconds",
                             found=seconds)
        rows.append({"query_id": name if names.count(name) == 1 else f"{name} {at}", "question": case.get("input"),
                     "answer": _needed(case, "actualOutput", path, at),
                     "gold_answers": _needed(case, "expectedOutput", path, at),
                     "passages": case.get("retrievalContext"),
                     "total_ms": None if seconds is None else 1e3 * seconds,
                     **_scored(metrics, {"faithfulness": "faithfulness"})})
    return rows


def _metrics(case: Record, path: Path | str, row: int) -> Record:
    """Score by the metric's name in small letters; of two under one name nobody knows which is meant."""
    found: Record = {}
    for one in _items(case, "metricsData", path, row):
        each = _object(one, path, row, "metricsData")
        name = str(each.get("name", "")).lower()
        if name in found:
            raise InputError("two metrics of one name", where=path, row=row, column="metricsData",
                             expected="each name once", found=each.get("name"))
        found[name] = each.get("score")
    return found


_READERS: Mapping[str, Callable[[Path | str], list[Record]]] = {"ragchecker": _ragchecker, "ragas": _ragas,
                                                                "deepeval": _deepeval}
KINDS = tuple(_READERS)


def _document(path: Path | str) -> Any:
    return strict_json(read_text(path), where=path)


def _object(value: Any, path: Path | str, row: int | None, column: str | None) -> Record:
    if not isinstance(value, dict):
        raise InputError("not a JSON object", where=path, row=row, column=column, expected="an object", found=value)
    return value


def _list(value: Any, key: str, path: Path | str) -> Sequence[Record]:
    found = _object(value, path, None, None).get(key)
    if not isinstance(found, list) or not found:
        raise InputError("no rows", where=path, column=key, expected="a list of at least one",
                         found=", ".join(map(str, value)), hint=nearest(key, map(str, value)))
    return [_object(one, path, at, key) for at, one in enumerate(found, start=1)]


def _items(one: Record, key: str, path: Path | str, row: int) -> Sequence[Any]:
    found = one.get(key) or []
    if not isinstance(found, list):
        raise InputError("not a list", where=path, row=row, column=key, expected="a list", found=found)
    return found


def _needed(one: Record, key: str, path: Path | str, row: int) -> Any:
    if one.get(key) is None:
        raise InputError("no such key", where=path, row=row, column=key, expected=key, found=", ".join(map(str, one)),
                         hint=nearest(key, [str(name) for name in one]))
    return one[key]


def _scored(held: Mapping[str, Any], names: Mapping[str, str]) -> Record:
    return {ours: held[theirs] for ours, theirs in names.items() if held.get(theirs) is not None}
