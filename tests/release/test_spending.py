"""Spends measured on a live release: scored as the release is, timed as it serves, and no query learnt from."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from harness.errors import InputError
from harness.metrics.evaluate import per_query
from harness.release import spending
from harness.release.cold import cold_searches
from harness.release.crossfit import FOLDS, CrossFitted, Remembered, cross_fitted
from harness.release.live import LiveRelease
from harness.release.spending import overlap_at, spend_table
from harness.release.stages import lists_to_learn
from harness.reranking.stage import RerankStage
from tests.release.small import library, made

TEXT = """
release: library
seed: 42
data: {corpus: pydocs}
parts:
  encoder: {dims: 16}
  index: {impl: hnsw}
  reranker: {impl: mlp, depth: 20}
policy: [{measure: nDCG@10, task: see_also, at_least: 0.1}]
"""
LADDER = (0, 5, 20)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny library as a release: manifest, built parts, and the release loaded."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("spending")
        loaded = library(folder / "here", patch, TEXT)
        built = made(loaded, folder / "cache")
    live = LiveRelease.load(loaded.manifest, built.world, built.folders)
    return SimpleNamespace(manifest=loaded.manifest, built=built, live=live, world=built.world)


@pytest.fixture(scope="module")
def table(tiny):
    """Every query at three spends."""
    return measured(tiny)


def measured(tiny, **options):
    return spend_table(tiny.manifest, tiny.world, tiny.built.folders, spends=LADDER, passes=1, cold=4, **options)


def test_every_query_of_every_text_task_stands_in_the_table(tiny, table):
    """Fit and judged queries of the tasks that have texts, each with its task's fold, cluster and slices."""
    tasks = [task for task in tiny.world.tasks.values() if task.contexts is None]
    assert len(tasks) == 2 and len(table) == sum(map(len, tasks))
    for task in tasks:
        rows = np.flatnonzero(table.tasks == task.name)
        place = {name: at for at, name in enumerate(task.query_ids)}
        at = [place[name] for name in table.queries[rows]]
        assert table.clusters[rows].tolist() == [task.clusters[one] for one in at]
        assert table.judged[rows].tolist() == [task.fold[one] == "judge" for one in at]
        np.testing.assert_array_equal(table.slices["hard_nl"][rows], task.slices["hard_nl"][at])
    assert table.spends == LADDER and table.timed.all() and set(table.signals) == set(spending.DEFAULT)


def test_quality_is_that_of_the_release_at_this_depth(tiny, table):
    """nDCG@10 of every judged query at every spend, as a release of that depth answers it in batch."""
    for task in (task.judge() for task in tiny.world.tasks.values() if task.contexts is None):
        rows = np.flatnonzero(table.judged & (table.tasks == task.name))
        assert table.queries[rows].tolist() == list(task.query_ids)
        for spend in LADDER:
            second = tiny.live.second if spend else None
            run = replace(tiny.live, depth=spend, second=second).answer(task).run
            np.testing.assert_array_equal(table.quality[rows, table.at(spend)],
                                          per_query(run, task.qrels, "nDCG@10", queries=task.query_ids))


def test_a_fold_can_be_measured_alone(tiny, table):
    """The judge fold asks for no cross-fit, and its rows are those of the whole table, but for the times."""
    told: list[str] = []
    alone = measured(tiny, fold="judge", tell=told.append)
    assert not any("cross-fit" in line for line in told) and any("pass 1 of 1" in line for line in told)
    of = [name for name in alone.frame() if not str(name).split(":", maxsplit=1)[0].endswith("_ms")]
    pd.testing.assert_frame_equal(alone.frame()[of], table.where(table.judged).frame()[of])
    assert not measured(tiny, fold="fit").judged.any()


def test_the_same_seed_gives_the_same_table_but_for_the_times(tiny, table):
    """Cross-fit, signals, quality and overlap repeat to the bit."""
    again, one = measured(tiny).frame(), table.frame()
    of = [name for name in one if not str(name).split(":", maxsplit=1)[0].endswith("_ms")]
    pd.testing.assert_frame_equal(again[of], one[of], check_exact=True)


def test_no_stage_has_seen_the_cluster_that_it_is_asked_about(tiny):
    """Each fit query is reranked by a stage that was taught no query of its module."""
    lists = lists_to_learn(tiny.world, tiny.live.first, depth=20)
    taught: list[set[str]] = []

    class Watched(RerankStage):
        def fit(self, lists):
            taught.append(set(lists.clusters))
            return self

    held = cross_fitted(lambda: Watched(tiny.live.second.source, "none"), lists)
    assert len(held.stages) == min(FOLDS, len(set(lists.clusters))) and len(held.part) == len(lists.texts)
    for query, cluster in enumerate(lists.clusters):
        assert cluster not in taught[held.part[query]]
    assert set().union(*taught) == set(lists.clusters)


def test_a_stage_that_saw_the_answers_flatters_itself(tiny, table, monkeypatch):
    """The release's own reranker gains more on the queries it learnt from: a cross-fit that leaks is seen."""
    honest = table.where(~table.judged).gain(20).mean()
    monkeypatch.setattr(spending, "cross_fitted", lambda make, lists, **_: leaking(make, lists))
    flattered = measured(tiny, fold="fit").gain(20).mean()
    assert flattered > honest + 0.05


def leaking(make, lists) -> CrossFitted:
    """Every fold's stage fitted on every query."""
    return CrossFitted((make().fit(lists),), np.zeros(len(lists.texts), dtype=np.int64))


def test_features_remembered_are_the_features(tiny):
    """Made once and the same to the bit; another module is another question."""
    asked: list[str] = []

    class Counted:
        names = tiny.live.second.source.names

        def features(self, text, vector, codes, scores, *, query_module=None):
            asked.append(text)
            return tiny.live.second.source.features(text, vector, codes, scores, query_module=query_module)

    source, codes, scores = Remembered(Counted()), np.array([3, 1]), np.array([0.5, 0.25])
    vector = tiny.live.first.vectors(["ring"])[0]
    first = source.features("ring", vector, codes, scores)
    assert source.features("ring", vector, codes, scores) is first and asked == ["ring"]
    np.testing.assert_array_equal(first, tiny.live.second.source.features("ring", vector, codes, scores))
    source.features("ring", vector, codes, scores, query_module="kit.clock")
    source.features("ring", vector, codes[::-1], scores)
    assert len(asked) == 3 and source.names == tiny.live.second.source.names


def test_what_is_timed_makes_its_features_anew(tiny, monkeypatch):
    """A stage that answered from memory would be served faster than any release is."""
    seen = []
    served = spending._served
    monkeypatch.setattr(spending, "_served", lambda live, maker, plan, **more: (
        seen.extend(one.stage.source for one in plan.asked), served(live, maker, plan, **more))[1])
    measured(tiny, fold="fit")
    assert seen and all(source is seen[0] and not isinstance(source, Remembered) for source in seen)


def test_too_few_clusters_are_told(tiny):
    """Folds are of whole clusters: of one, nothing can be held out."""
    lists = lists_to_learn(tiny.world, tiny.live.first, depth=20)
    few = lists._replace(clusters=["a"] * len(lists.texts))
    with pytest.raises(InputError, match="at least 2 different clusters, found 1"):
        cross_fitted(lambda: RerankStage(tiny.live.second.source, "none"), few)


def test_requests_that_are_not_timed_take_the_median_and_say_so(tiny):
    """A drawn sample is served in every pass; the other rows hold its medians, and `timed` tells them apart."""
    some = measured(tiny, fold="judge", requests=5)
    assert some.timed.sum() == 5 < len(some)
    for times in (some.base_ms, some.signals_ms, some.rerank_ms[:, 1], some.rerank_ms[:, 2]):
        assert (times[~some.timed] == np.median(times[some.timed])).all()
    assert some.timed.tolist() == measured(tiny, fold="judge", requests=5).timed.tolist()


def test_times_are_of_what_was_done(table):
    """Nothing is free but no rerank, and a cold search is asked of a few."""
    assert (table.base_ms > 0).all() and (table.signals_ms > 0).all() and (table.rerank_ms[:, 1:] > 0).all()
    assert not table.rerank_ms[:, 0].any() and np.isfinite(table.cold_ms).sum() in (0, 4)


def test_no_time_is_called_cold_where_pages_stay(tiny):
    """A page that stayed, or nobody who can tell: NaN for all; gone pages: a time for each."""
    task = tiny.world.task("see_also")
    asked = [(task, place) for place in range(3)]
    for left, known in ((0.0, True), (0.1, False), (None, False)):
        times = cold_searches(tiny.live, tiny.built.folders["index"], asked, drop=lambda _, left=left: left)
        assert np.isfinite(times).all() == known and np.isnan(times).all() != known
    assert np.isnan(cold_searches(tiny.live, None, asked)).all()


def test_overlap_counts_shared_documents_of_either_list():
    """Equal, disjoint, half, empty: as sets, whatever the order; -1 is no document."""
    before = [[1, 2], [1, 2], [1, 2], [-1, -1], [3, -1]]
    after = [[2, 1], [3, 4], [2, 3], [-1, -1], [-1, -1]]
    assert overlap_at(before, after).tolist() == [1.0, 0.0, 1 / 3, 1.0, 0.0]


@pytest.mark.parametrize("spends", [(0,), (), (20, 50), (0, 50, 20), (0, 20, 20), (0, 101)])
def test_a_ladder_that_is_none_is_told(tiny, spends):
    """From 0, ascending, at most the depth that is kept."""
    with pytest.raises(InputError, match="not a ladder of spends"):
        spend_table(tiny.manifest, tiny.world, tiny.built.folders, spends=spends)


def test_what_cannot_be_measured_is_told(tiny):
    """No reranker, a fold or a signal that does not exist."""
    bare = tiny.manifest.model_copy(update={"parts": tiny.manifest.parts.model_copy(update={"reranker": None})})
    with pytest.raises(InputError, match="nothing to spend on"):
        spend_table(bare, tiny.world, tiny.built.folders)
    with pytest.raises(InputError, match="no such fold; expected fit or judge, found 'test'"):
        measured(tiny, fold="test")
    with pytest.raises(InputError, match="nearest: margin"):
        measured(tiny, names=("entropy", "margins"))
