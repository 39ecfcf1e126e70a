"""Recorded files become a trial: read once, checked by digest, cut into slices and clusters by the user's own table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.data.canonical import digest_of
from harness.data.store import sha256_file, sha256_tree
from harness.errors import InputError
from harness.release.freeze import recorded_digests, recorded_manifest
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures import read
from harness.release.measures.integrity import RUN_MANIFEST_KEYS
from harness.release.policy import Check, Limit
from harness.release.recording import recorded_files, recorded_trial

QRELS = "1 0 a 1\n2 0 b 1\n3 0 c 2\n"
NEW = "1 Q0 a 1 9 t\n2 Q0 x 1 9 t\n2 Q0 b 2 8 t\n3 Q0 c 1 9 t\n"
OLD = "1 Q0 x 1 9 t\n1 Q0 a 2 8 t\n2 Q0 b 1 9 t\n3 Q0 c 1 9 t\n"
SLICES = "query_id,language,hard,module,noise\n3,de,true,m1,1.5\n1,en,false,m1,2.5\n2,de,false,m2,3.5\n"
LATENCY = "query_id,total_ms\n1,3.5\n2,4.5\n"
MANIFEST = {
    "release": "mine", "seed": 3,
    "data": {"qrels": {"trec": "qrels.txt"}, "slices": {"csv": "slices.csv"}, "cluster": "module"},
    "recorded": {"candidate": {"run": {"trec": "runs/new.run"}, "before": {"trec": "runs/old.run"},
                               "latency": {"csv": "latency.csv"}}, "baseline": {"run": {"trec": "runs/old.run"}}},
    "policy": [{"measure": "delta RR", "at_least": 0.0}],
}  # fmt: skip


def recorded(folder: Path, **changes: str | None) -> Loaded:
    """A folder of recorded files with its manifest (JSON is YAML); a change of None leaves the file out."""
    files = {"qrels.txt": QRELS, "runs/new.run": NEW, "runs/old.run": OLD, "slices.csv": SLICES, "latency.csv": LATENCY}
    files |= {name.replace("__", "/").replace("_", "."): text for name, text in changes.items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return load(folder, MANIFEST)


def load(folder: Path, manifest: dict) -> Loaded:
    (folder / "mine.yaml").write_text(json.dumps(manifest), encoding="utf-8")
    return load_manifest(folder / "mine.yaml")


def changed(**parts) -> dict:
    return json.loads(json.dumps(MANIFEST)) | parts


def test_files_become_a_trial(tmp_path):
    """Runs, the run before the reranker, latencies, the baseline under its own name, the manifest's seed."""
    trial = recorded_trial(recorded(tmp_path))
    task = trial.candidate.task(None)
    assert (trial.seed, trial.candidate.release, trial.baseline.release) == (3, "mine", "baseline")
    assert task.qrels.queries.tolist() == ["1", "2", "3"] and task.before is not None
    assert trial.candidate.trace.latency_ms("total").tolist() == [3.5, 4.5]
    one = Check("all-delta RR-value", "delta RR", None, "all", Limit("at_least", 0.0, "value"))
    assert read(trial, one).estimate.value == pytest.approx((0.5 - 0.5 + 0.0) / 3)


def test_slices_follow_the_judged_queries_whatever_the_order_of_their_file(tmp_path):
    """A boolean column is one slice, a column of few values one slice a value, the cluster column neither."""
    task = recorded_trial(recorded(tmp_path)).candidate.task(None)
    assert set(task.slices) == {"hard", "language=de", "language=en", "noise=1.5", "noise=2.5", "noise=3.5"}
    assert task.mask("hard").tolist() == [False, False, True]
    assert task.mask("language=de").tolist() == [False, True, True]
    assert task.clusters.tolist() == ["m1", "m2", "m1"]


def test_a_column_of_many_values_is_no_slice(tmp_path):
    """An id or a text in the slice file does not become a slice a row."""
    rows = "".join(f"{row} 0 a 1\n" for row in range(60))
    table = "query_id,text,parity\n" + "".join(f"{row},t{row},p{row % 2}\n" for row in range(60))
    plain = changed(data=MANIFEST["data"] | {"cluster": None})
    recorded(tmp_path, qrels_txt=rows, slices_csv=table)
    task = recorded_trial(load(tmp_path, plain)).candidate.task(None)
    assert set(task.slices) == {"parity=p0", "parity=p1"} and task.clusters is None


@pytest.mark.parametrize(("table", "words"), [
    ("query_id,module\n1,m\n2,m\n", r"do not cover.*found \['3'\]"),
    ("query_id,module\n1,m\n2,m\n3,m\n3,m\n", "duplicates"),
    ("id,module\n1,m\n2,m\n3,m\n", r"slices\.csv.*no such column.*query_id"),
    ("query_id,modul\n1,m\n2,m\n3,m\n", "no such column.*nearest: modul"),
    ("query_id,module\n1,m\n2,\n3,m\n", r"without a cluster.*found \['2'\]"),
    ("", "no rows|empty"), ("query_id,module\n", "no rows"),
])  # fmt: skip
def test_a_slice_file_that_leaves_queries_out_is_an_error(tmp_path, table, words):
    """Each judged query once, with its cluster; extra queries do no harm."""
    with pytest.raises(InputError, match=words):
        recorded_trial(recorded(tmp_path, slices_csv=table))


@pytest.mark.parametrize("column", ["tags", "module"])
@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}, []], ids=str)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_value_that_is_no_value_is_named(tmp_path, column, value, kind):
    """A list or an object in a slice file: its file, its column and its query in one line."""
    rows = [{"query_id": name, "module": "m", "tags": "t"} for name in "123"]
    if kind == "parquet":
        value = value or ["x"]  # Parquet holds one type a column: all of its cells are lists
        rows = [row | {column: value} for row in rows]
        pd.DataFrame(rows).to_parquet(tmp_path / "slices.parquet")
    rows[1][column] = value
    (tmp_path / "slices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recorded(tmp_path)
    given = changed(data=MANIFEST["data"] | {"slices": {kind: f"slices.{kind}"}})
    with pytest.raises(InputError, match=rf"slices\.{kind}, column {column}: not a plain value for query"):
        recorded_trial(load(tmp_path, given))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_whole_numbers_with_gaps_stay_whole(tmp_path, kind):
    """A query without a value makes no `x=1.0` of `x=1`; halves stay halves, floats without gaps stay as written."""
    rows = [{"query_id": "1", "x": 1, "y": 0.5, "z": 1.0}, {"query_id": "2", "x": None, "y": None, "z": 2.0},
            {"query_id": "3", "x": 12, "y": 1.0, "z": 2.0}]  # fmt: skip
    (tmp_path / "slices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pd.DataFrame(rows).to_parquet(tmp_path / "slices.parquet")
    recorded(tmp_path)
    given = changed(data={"qrels": {"trec": "qrels.txt"}, "slices": {kind: f"slices.{kind}"}})
    task = recorded_trial(load(tmp_path, given)).candidate.task(None)
    assert set(task.slices) == {"x=1", "x=12", "y=0.5", "y=1.0", "z=1.0", "z=2.0"}
    assert task.mask("x=12").tolist() == [False, False, True] and not task.mask("x=1")[1]


def test_queries_that_nobody_judged_may_have_slices(tmp_path):
    """The slice file may cover more than the judgements."""
    more = SLICES + "9,fr,true,m9,9.5\n"
    task = recorded_trial(recorded(tmp_path, slices_csv=more)).candidate.task(None)
    assert len(task.clusters) == 3 and "language=fr" not in task.slices


def test_a_cluster_without_a_slice_file_is_an_error(tmp_path):
    """`cluster` names a column of a file that must be there."""
    recorded(tmp_path)
    with pytest.raises(InputError, match="column of no file"):
        recorded_trial(load(tmp_path, changed(data={"qrels": {"trec": "qrels.txt"}, "cluster": "module"})))


@pytest.mark.parametrize("name", ["qrels_txt", "runs__new_run", "runs__old_run", "slices_csv", "latency_csv"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    """One line with the path, for each of the files."""
    with pytest.raises(InputError, match=name.split("__")[-1].replace("_", r"\.")):
        recorded_trial(recorded(tmp_path, **{name: None}))


@pytest.mark.parametrize("name", ["qrels.txt", "runs/new.run", "latency.csv"])
def test_a_digest_that_is_stated_must_hold(tmp_path, name):
    """Frozen bytes pass; one byte more is refused before anything is read."""
    recorded(tmp_path)
    text = json.dumps(MANIFEST)
    spec = next(part for part in ({"trec": name}, {"csv": name}) if json.dumps(part)[1:-1] in text)
    frozen = json.loads(text.replace(json.dumps(spec)[1:-1],
                                     json.dumps(spec | {"sha256": sha256_file(tmp_path / name)})[1:-1], 1))
    recorded_trial(load(tmp_path, frozen))
    with (tmp_path / name).open("a", encoding="utf-8") as stream:
        stream.write("\n")
    with pytest.raises(InputError, match=r"not the bytes that were frozen.*sha256|sha256.*not the bytes"):
        recorded_trial(load(tmp_path, frozen))


def test_every_file_is_a_subject_of_the_evidence(tmp_path):
    """Names as the manifest writes them, each once; the run manifest of recorded files lacks nothing."""
    loaded = recorded(tmp_path)
    assert list(recorded_files(loaded)) == ["qrels.txt", "slices.csv", "runs/new.run", "runs/old.run", "latency.csv"]
    facts = recorded_manifest(loaded, recorded_digests(loaded))
    assert facts["artifacts"]["runs/new.run"] == sha256_file(tmp_path / "runs" / "new.run")
    assert set(RUN_MANIFEST_KEYS) <= set(facts)


def test_a_beir_folder_stands_for_all_its_files(tmp_path):
    """Judgements in a BEIR folder: read from it, hashed file by file, frozen as a whole."""
    recorded(tmp_path)
    (tmp_path / "beir" / "qrels").mkdir(parents=True)
    judged = "query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n"
    (tmp_path / "beir" / "qrels" / "test.tsv").write_text(judged, encoding="utf-8")
    (tmp_path / "beir" / "corpus.jsonl").write_text('{"_id": "a", "text": "x"}\n', encoding="utf-8")
    source = {"beir": "beir", "sha256": digest_of(sha256_tree(tmp_path / "beir"))}
    loaded = load(tmp_path, changed(data={"qrels": source}))
    assert recorded_trial(loaded).candidate.task(None).qrels.queries.tolist() == ["1", "2"]
    assert list(recorded_files(loaded))[:2] == ["beir/corpus.jsonl", "beir/qrels/test.tsv"]
    assert recorded_manifest(loaded, recorded_digests(loaded))["artifacts"]["beir/corpus.jsonl"]
    (tmp_path / "beir" / "corpus.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="not the bytes that were frozen"):
        recorded_trial(loaded)


def test_an_unanswered_query_stays_in_the_trial(tmp_path):
    """A run that answers two of three queries is judged on three."""
    trial = recorded_trial(recorded(tmp_path, runs__new_run="1 Q0 a 1 9 t\n2 Q0 b 1 8 t\n"))
    one = Check("RR", "RR", None, "all", Limit("at_least", 0.0, "value"))
    assert read(trial, one).estimate.value == pytest.approx(2 / 3)
    assert read(trial, Check("u", "unanswered", None, "all", one.limit)).estimate.value == pytest.approx(1 / 3)
    assert np.array_equal(trial.candidate.task(None).mask("all"), [True] * 3)
