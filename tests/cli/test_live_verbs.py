"""The verbs that look into a live release: one document on stdout, the gates' own numbers, bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.cli.app import main
from harness.metrics.evaluate import per_query
from harness.release.audit_trail import TRAIL, read_trail
from harness.release.derived import measured_files
from harness.release.freeze import artifact_sums
from tests.gates.recorded import PASSING, checkout
from tests.release.small import small

CELLS = "{encoder: {dims: 48}, index: {nlist: 14, nprobe: 14}, reranker: {impl: mlp, depth: 20}}"
MORE = "{encoder: {dims: 8}, index: {impl: flat}}"
VERBS = (["eval", "{}"], ["freeze", "{}"], ["diagnose", "{}"], ["weekly", "{}"], ["tune", "nprobe", "{}"],
         ["explain", "a word", "--manifest", "{}"])  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Path:
    """A checkout with two live releases; parts are built by whichever verb comes first."""
    folder = tmp_path_factory.mktemp("bench")
    small(folder, CELLS)
    small(folder, MORE, name="other")
    checkout(folder, PASSING, name="files")
    return folder


@pytest.fixture(autouse=True)
def here(bench, monkeypatch) -> Path:
    monkeypatch.chdir(bench)
    for name in ("SIGNOFF_KEY", "RERANKER", "RETRIEVER_IMPL"):
        monkeypatch.delenv(name, raising=False)
    return bench


def document(capfd, *words: str, code: int = 0) -> Any:
    """What a verb prints under --json: one document, and nothing else on stdout."""
    assert main([*words, "--json"]) == code
    out = capfd.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def test_eval_measures_what_the_release_answers(here, capfd, tmp_path):
    """Before, after and lift; equal to the measures of the ranking itself; kept per query; one line of history."""
    told = document(capfd, "eval", "small.yaml", "-m", "RR", "-m", "nDCG@10", "--history", str(tmp_path / "h.jsonl"))
    from harness.cli.live import live_release

    _, built, release = live_release(Path("small.yaml"))
    task = built.world.task("search").judge()
    run = release.answer(task).run
    assert told["task"] == "search" and told["n"] == len(task) == 31
    for name, stages in told["estimates"].items():
        literal = per_query(run, task.qrels, name, queries=task.query_ids).mean()
        assert stages["after"]["value"] == pytest.approx(literal)
        assert stages["lift"]["value"] == pytest.approx(stages["after"]["value"] - stages["before"]["value"])
        assert stages["after"]["low"] < told["measures"][name] < stages["after"]["high"]
    frame = pd.read_parquet(Path(told["file"]).with_name(told["per_query"]))
    assert frame.groupby("measure")["value"].mean().to_dict() == pytest.approx(told["measures"])
    (line,) = (tmp_path / "h.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["measures"] == pytest.approx(told["measures"])


def test_two_evaluations_are_compared(here, capfd, tmp_path):
    """`compare` takes what `eval` left: the difference of the two, and a decision."""
    files = []
    for name in ("other", "small"):
        told = document(capfd, "eval", f"{name}.yaml", "--out", str(tmp_path / f"{name}.json"))
        files.append((told["file"], told["measures"]))
    told = document(capfd, "compare", files[0][0], files[1][0])
    found = {one["measure"]: one["delta"]["value"] for one in told["differences"]}
    assert found == pytest.approx({name: files[1][1][name] - files[0][1][name] for name in found})
    assert set(found) == {"R@5", "RR", "Success@50", "nDCG@10"} and told["decision"] in {"plan", "tune", "hold"}


def test_the_reranker_is_switched_off_by_the_environment(here, capfd, monkeypatch):
    """RERANKER=off evaluates the first stage alone, under another name, to the numbers that stood before the lift."""
    whole = document(capfd, "eval", "small.yaml")
    monkeypatch.setenv("RERANKER", "off")
    first = document(capfd, "eval", "small.yaml")
    assert first["release"] == "small.reranker-off" and first["config_hash"] != whole["config_hash"]
    before = {name: one["before"]["value"] for name, one in whole["estimates"].items()}
    assert first["measures"] == pytest.approx(before)
    assert all(set(one) == {"after"} for one in first["estimates"].values())


def test_freeze_leaves_a_folder_that_sums_up(here, capfd):
    """Every file is stated with its digest; freezing again changes no byte of it, and is noted in its trail."""
    told = document(capfd, "freeze", "small.yaml")
    folder = Path(told["folder"])
    stated, found = artifact_sums(folder)
    assert stated == found == told["artifacts"] and told["tag"] is None
    before = measured_files(folder)
    assert main(["freeze", "small.yaml"]) == 0
    assert "git tag small" in capfd.readouterr().out and measured_files(folder) == before
    assert [row["command"] for row in read_trail(folder / TRAIL)] == ["signoff freeze small.yaml"] * 2


def test_tune_finds_the_smallest_nprobe_that_loses_nothing(here, capfd):
    """A sweep over the fit queries, kept with its picture; without a target that can be met, exit 11 and no choice."""
    told = document(capfd, "tune", "nprobe", "small.yaml", "--loss", "0.9")
    assert [row["nprobe"] for row in told["rows"]] == [4, 8, 12] and told["n"] == 49 and told["serving"] == 14
    assert told["chosen"] == next(row["nprobe"] for row in told["rows"] if not row["misses"])
    agreement = [row["agreement@10"] for row in told["rows"]]
    assert agreement == sorted(agreement) and agreement[0] < 1.0
    kept = Path("reports/small/tune-nprobe.json")
    assert json.loads(kept.read_bytes()) == told and kept.with_suffix(".svg").read_bytes().startswith(b"<")
    assert document(capfd, "tune", "nprobe", "small.yaml", "--p95", "0", code=11)["chosen"] is None


def test_diagnose_reads_index_and_reranker(here, capfd):
    """Facts of the index as they are, acceptance as the share of first hits that changed, and advice."""
    told = document(capfd, "diagnose", "small.yaml")
    assert told["facts"]["cells"] == 14 and told["facts"]["mean_norm"] == pytest.approx(1.0, abs=1e-5)
    assert 0.0 <= told["acceptance"] <= 1.0 and told["advice"]
    assert document(capfd, "diagnose", "other.yaml")["acceptance"] is None


def test_explain_says_what_the_reranker_changed(here, capfd):
    """Hits in final order with the place each had before; a query without a known word has none."""
    told = document(capfd, "explain", "inverse of the cosine", "--manifest", "small.yaml", "-k", "5")
    assert [hit["rank"] for hit in told["hits"]] == [1, 2, 3, 4, 5]
    assert all(hit["moved"] == hit["rank_before"] - hit["rank"] for hit in told["hits"])
    assert told["first_changed"] is (told["hits"][0]["rank_before"] != 1)
    assert len({hit["doc_id"] for hit in told["hits"]}) == 5 and told["latency_ms"]["search"] > 0
    none = document(capfd, "explain", "zzyzx", "--manifest", "small.yaml")
    assert none["hits"] == [] and none["margin"] is None and none["first_changed"] is False


def test_weekly_adds_to_the_history(here, capfd, tmp_path):
    """Twice a week gives two evaluations in the rolling view, with the agreement to the rebuilt truth beside."""
    words = ("weekly", "small.yaml", "--history", str(tmp_path / "h.jsonl"))
    document(capfd, *words)
    told = document(capfd, *words)
    assert told["measures"]["agreement@10"] == 1.0  # every cell is probed
    assert {line["measure"]: line["evaluations"] for line in told["rolling"]} == dict.fromkeys(told["measures"], 2)


@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_people_are_told_in_words(here, words, capfd):
    """Without --json the same verb shows a table or lines, and exits alike."""
    assert main([word.format("small.yaml") for word in words]) in {0, 11}
    out = capfd.readouterr().out
    assert out.strip() and not out.startswith("{")


@pytest.mark.parametrize("manifest", ["nowhere.yaml", "files.yaml", "new.run"])
@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_a_manifest_that_is_none_or_recorded_is_bad_input(here, words, manifest, capfd):
    """Exit 2, one line, nothing on stdout."""
    assert main([*(word.format(manifest) for word in words), "--json"]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("signoff: ")


@pytest.mark.parametrize(("words", "told"), [
    (["eval", "small.yaml", "--task", "serch"], "(nearest: search)"),
    (["eval", "small.yaml", "-m", "nDCG_10"], "nDCG"),
    (["diagnose", "small.yaml", "--task", "see_also"], "no such task"),
    (["weekly", "small.yaml", "--task", "see_also"], "no such task"),
    (["tune", "nprob", "small.yaml"], "nearest: nprobe"),
    (["tune", "nprobe", "small.yaml", "--p95", "fast"], "--p95"),
    (["tune", "nprobe", "other.yaml"], "no cells to probe"),
    (["explain", "  ", "--manifest", "small.yaml"], "the query is empty"),
    (["explain", "a word", "--manifest", "small.yaml", "-k", "0"], "-k"),
    (["freeze", "small.yaml", "--tag"], "cannot tag"),
    (["compare", "missing.json", "other.json"], "missing.json"),
], ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else None)  # fmt: skip
def test_bad_input_to_a_verb_is_one_line(here, words, told, capfd):
    """Exit 2, said by the verb itself, whatever it had done before."""
    assert main([*words, "--json"]) == 2
    out, err = capfd.readouterr()
    (line,) = [line for line in err.splitlines() if line.startswith("signoff: ")]
    assert out == "" and told in line


@pytest.mark.parametrize("verb", ["eval", "weekly"])
def test_a_torn_history_is_told_and_left_as_it_is(here, verb, capfd, tmp_path):
    """An evaluation is never appended to what cannot be read."""
    history = tmp_path / "h.jsonl"
    history.write_text('{"release": "small"\n', encoding="utf-8")
    assert main([verb, "small.yaml", "--history", str(history), "--json"]) == 2
    out, err = capfd.readouterr()
    assert out == "" and str(history) in err and history.read_text(encoding="utf-8") == '{"release": "small"\n'


def test_a_release_without_index_or_reranker_has_nothing_to_diagnose(here, capfd):
    """One line, never an empty report."""
    small(here, "{retriever: {impl: bm25}}", name="words")
    assert main(["diagnose", "words.yaml"]) == 2
    assert "nothing to look into; expected an index or a reranker" in capfd.readouterr().err
