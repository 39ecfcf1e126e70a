"""Observing: a manifest becomes a trial over its frozen parts, beside its baseline; nothing half there is measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.store import sha256_file, sha256_tree
from harness.errors import InputError
from harness.metrics.evaluate import per_query
from harness.release.freeze import RUN_MANIFEST, artifact_sums
from harness.release.manifest import load_manifest
from harness.release.measures import read
from harness.release.measures.quality import values_of
from harness.release.observed import Trial
from harness.release.observing import baseline_of, frozen, observe, planned_header
from tests.release.small import DENSE, EASY, FULL, library, small, unrepeated

POLICY = ("[{measure: delta nDCG@10, at_least: -1.0}, {measure: lift R@5, at_least: -1.0}, "
          "{measure: agreement@10, at_least: 0.5}, {measure: p95 total_ms, at_most: 1000}]")


def quiet(_: str) -> None:
    """Progress that nobody hears."""


@pytest.fixture(scope="module")
def trial(tmp_path_factory) -> Trial:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("observed")
        patch.chdir(folder)
        small(Path(), "{encoder: {dims: 8}, index: {nlist: 3}}", name="plain")
        return observe(small(Path(), FULL, POLICY, more="baseline: plain\n"))


def test_a_delta_is_candidate_minus_baseline_by_query(trial):
    """The same judged queries, each release's own ranking, subtracted; and the two releases are not the same."""
    ours, theirs = trial.candidate.task("search"), trial.baseline.task("search")
    literal = per_query(ours.run, ours.qrels, "nDCG@10") - per_query(theirs.run, theirs.qrels, "nDCG@10")
    assert np.array_equal(values_of(trial, "delta nDCG@10", None), literal) and literal.any()
    assert (trial.candidate.release, trial.baseline.release) == ("small", "plain")
    assert trial.candidate.config_hash != trial.baseline.config_hash


def test_a_lift_is_after_minus_before_the_second_stage(trial):
    """Both rankings are of the candidate."""
    task = trial.candidate.task("search")
    literal = per_query(task.run, task.qrels, "R@5") - per_query(task.before, task.qrels, "R@5")
    assert np.array_equal(values_of(trial, "lift R@5", None), literal) and literal.any()


def test_only_the_judged_fold_is_judged(trial):
    """No fit query is in the judgements that count, in the run, or in the latencies."""
    world = trial.candidate.live.world.task("search")
    fit, task = set(world.fit().query_ids), trial.candidate.task("search")
    assert fit and not fit & {*task.qrels.queries, *task.run.queries, *trial.candidate.trace.frame["query_id"]}


def test_slices_and_clusters_follow_the_judged_queries(trial):
    """Each mask and label stands beside its own query."""
    task, world = trial.candidate.task("search"), trial.candidate.live.world.task("search")
    place = {name: row for row, name in enumerate(world.query_ids)}
    rows = [place[name] for name in task.qrels.queries]
    assert task.clusters.tolist() == [world.clusters[row] for row in rows]
    assert all(np.array_equal(task.mask(name), mask[rows]) for name, mask in world.slices.items())


def test_a_baseline_is_not_timed_nor_its_index_looked_into(trial):
    """What no gate reads is not measured."""
    assert trial.baseline.trace is None and trial.baseline.index is None
    assert len(trial.candidate.trace.frame) == 60 and trial.candidate.integrity.replayed == {}


def test_the_index_is_seen_as_it_stands(trial):
    """Every document once, at length one, in cells that add up; the planted under-probing is measured beside it."""
    index = trial.candidate.index
    assert index.ids.tolist() == list(range(150)) and index.size == 150
    assert int(index.cells.sum()) == 150 and len(index.cells) == 3
    assert np.allclose(index.norms, 1.0, atol=1e-5)
    assert index.under_probed.mean() < index.agreement.mean()
    assert trial.candidate.live.first.index.nprobe > 1  # and is as it was


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path()


@pytest.mark.parametrize(("text", "told"), [
    (None, r"column baseline: no manifest for the baseline; expected plian\.yaml, found 'plian' \(nearest: plain\)"),
    ("release: else\nseed: 7\ndata: {beir: beir}\nparts: {}\npolicy: [{measure: RR, at_least: 0.1}]\n",
     "column release: the baseline's manifest describes another release; expected plian, found 'else'"),
    ("release: [", "plian.yaml"),
])  # fmt: skip
def test_a_baseline_that_is_not_there_is_told(here, text, told):
    """A typo names the nearest manifest; another release under the name is not taken for it."""
    small(here, DENSE, name="plain")
    loaded = small(here, DENSE, more="baseline: plian\n")
    if text is not None:
        (here / "plian.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        baseline_of(loaded)


@pytest.mark.parametrize(("policy", "told"), [
    ("[{measure: RR, task: serch, at_least: 0.1}]", r"no such task; .* found 'serch' \(nearest: search\)"),
    ("[{measure: RR, slices: [al], at_least: 0.1}]", r"no such slice; .* \(nearest: all\)"),
    ("[{measure: agreement@10, at_least: 0.1}]", "no index was observed; expected a live dense part"),
    ("[{measure: lift RR, at_least: 0.1}]", "small, column parts.reranker: no ranking before the reranker"),
    ("[{measure: 'cosine>=0.5', at_least: 0.1}]", "no cosines were recorded; expected a dense first stage"),
])  # fmt: skip
def test_what_a_policy_needs_and_a_release_lacks_is_told(here, policy, told):
    """A task, slice or part that is not there is an input error, never a pass and never a zero."""
    loaded = small(here, "{retriever: {impl: bm25}}", policy)
    with pytest.raises(InputError, match=told):
        read(observe(loaded), loaded.manifest.checks[0])


def test_a_policy_without_a_task_is_judged_on_the_only_one(here):
    """On a collection there is one; on the embedded corpus the first, unless a row names others."""
    assert list(observe(small(here, DENSE)).candidate.tasks) == ["search"]


def test_a_policy_may_name_several_tasks(here, monkeypatch):
    """Each is observed, the reading order with its references."""
    text = Path("library.yaml")
    loaded = library(here, monkeypatch)
    text.write_text(text.read_text(encoding="utf-8").split("policy:")[0] + "policy: [{measure: RR, task: known_item, "
                    "at_least: 0}, {measure: RR, task: reading_order, at_least: 0}]\n", encoding="utf-8")
    tasks = observe(load_manifest(loaded.path)).candidate.tasks
    assert list(tasks) == ["known_item", "reading_order"]
    assert set(tasks["reading_order"].references) == {"last_vector", "decayed_mean", "popularity"}
    assert tasks["reading_order"].before is None and tasks["known_item"].before is not None


def test_frozen_bytes_that_were_edited_are_put_right_before_they_are_measured(here):
    """An edited, lost or added file of a frozen part does not survive the next run."""
    loaded = small(here)
    _, folder = frozen(loaded, tell=quiet)
    before = sha256_tree(folder)
    (folder / "index" / "index.faiss").write_bytes(b"edited")
    (folder / "encoder" / "more.npy").write_bytes(b"more")
    (folder / "world" / "corpus.json").unlink()
    built, _ = frozen(loaded, tell=quiet)
    assert sha256_tree(folder) == before
    assert all(place.parent == folder for place in built.folders.values())


def test_bytes_edited_while_they_are_measured_are_counted(here, monkeypatch):
    """Edited after the release was loaded: the digests that are stated no longer hold, and the gate sees it."""
    def meddle(what: str) -> None:
        if what.startswith("running"):
            path = Path("artifacts/small/reranker/stage.json")
            path.write_bytes(path.read_bytes() + b" ")

    unrepeated(monkeypatch)
    loaded = small(here, policy="[{measure: digest mismatches, at_most: 0}]")
    trial, (check,) = observe(loaded, tell=meddle), loaded.manifest.checks
    assert read(trial, check).estimate.value >= 1.0
    assert "reranker/stage.json" in read(trial, check).note


def test_the_header_says_what_was_measured(here):
    """Digests as they are on disk, both releases by CONFIG_HASH, and no word of when."""
    small(here, DENSE, name="plain")
    loaded = small(here, FULL, "[{measure: delta RR, at_least: -1}]", more="baseline: plain\n")
    trial = observe(loaded)
    header = planned_header(loaded, trial)
    folder = Path("artifacts/small")
    assert header["artifacts"] == artifact_sums(folder)[1]
    assert header["run_manifest_sha256"] == sha256_file(folder / RUN_MANIFEST)
    assert header["manifest_sha256"] == sha256_file(loaded.path)
    assert header["baseline"] == {"release": "plain", "config_hash": trial.baseline.config_hash}
    facts = json.loads((folder / RUN_MANIFEST).read_bytes())
    assert facts["CONFIG_HASH"] == header["config_hash"] == loaded.manifest.config_hash


def test_two_observations_are_equal(here):
    """Built, frozen and run again from the same manifest: the same rankings and the same digests."""
    loaded = small(here, policy=EASY)
    one, two = observe(loaded), observe(replace(loaded))
    ours, theirs = one.candidate.task("search").run, two.candidate.task("search").run
    assert ours.docs.tolist() == theirs.docs.tolist() and ours.doc.tolist() == theirs.doc.tolist()
    assert ours.score.tolist() == theirs.score.tolist()
