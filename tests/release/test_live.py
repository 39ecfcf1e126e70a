"""A live release: what is answered in batch is what is answered alone, with the query's own document taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.records import Run
from harness.release.live import DEPTH, LiveRelease, run_of
from harness.retrieval.speller import Speller
from tests.release.small import DENSE, FULL, library, served, small


def lists_of(run: Run) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for query, doc in zip(run.query.tolist(), run.doc.tolist(), strict=True):
        found.setdefault(str(run.queries[query]), []).append(str(run.docs[doc]))
    return found


@pytest.fixture(scope="module", params=[DENSE, FULL, "{retriever: {impl: bm25}}",
                                        "{retriever: {impl: rrf}, encoder: {dims: 48}, reranker: {impl: lambdamart}}"],
                ids=["dense", "reranked", "bm25", "hybrid reranked"])  # fmt: skip
def live(request, tmp_path_factory) -> LiveRelease:
    folder = tmp_path_factory.mktemp("live")
    return served(small(folder, request.param), folder)[1]


def test_a_batch_answers_as_one_query_at_a_time_does(live):
    """Judged in batch, timed alone: the same documents in the same order, before and after the second stage."""
    task = live.world.task("search").judge()
    answers = live.answer(task)
    after = lists_of(answers.run)
    before = lists_of(answers.run if answers.before is None else answers.before)
    assert (answers.before is None) is (live.second is None)
    for name, text in zip(task.query_ids, task.texts, strict=True):
        alone = live.search(text)
        assert [live.world.corpus.ids[code] for code in alone.codes if code >= 0] == after[name]
        assert [live.world.corpus.ids[code] for code in alone.before.codes[0] if code >= 0] == before[name]


def test_a_second_stage_reorders_and_drops_nothing(live):
    """The same documents before and after; below the depth nothing moves."""
    answers = live.answer(live.world.task("search").judge())
    if answers.before is None:
        return
    before, after = lists_of(answers.before), lists_of(answers.run)
    assert any(before[name] != after[name] for name in before)
    for name, docs in before.items():
        assert sorted(docs) == sorted(after[name]) and docs[live.depth:] == after[name][live.depth:]


def test_the_best_cosine_is_that_of_the_first_stage_s_first_hit(tmp_path):
    """One cosine a query for vectors, none for words."""
    live = served(small(tmp_path, DENSE), tmp_path)[1]
    task = live.world.task("search").judge()
    best = live.answer(task).best
    vectors = live.first.vectors(task.texts)
    assert np.allclose(best, (vectors @ live.first.index.vectors().T).max(axis=1), atol=1e-6)
    words = served(small(tmp_path, "{retriever: {impl: bm25}}", name="words"), tmp_path)[1]
    assert words.answer(task).best is None


@pytest.fixture
def reader(tmp_path, monkeypatch) -> LiveRelease:
    return served(library(tmp_path, monkeypatch), tmp_path)[1]


def test_a_query_s_own_document_is_no_hit(reader):
    """Never in batch, never alone; and without the removal it would stand first for most, so the test can fail."""
    task = reader.world.task("see_also").judge()
    ids = reader.world.corpus.ids
    found = lists_of(reader.answer(task).run)
    blind = reader.answer(replace(task, own=np.full(len(task), -1))).before
    assert blind is not None
    unremoved = lists_of(blind)
    assert (task.own >= 0).all()
    assert not any(ids[own] in found.get(name, []) for name, own in zip(task.query_ids, task.own, strict=True))
    first = [ids[own] in unremoved.get(name, [])[:3] for name, own in zip(task.query_ids, task.own, strict=True)]
    assert sum(first) > len(task) / 2
    for text, own in zip(task.texts, task.own.tolist(), strict=True):
        assert own not in reader.search(text, own=own).codes


def test_a_reading_order_is_not_asked_in_words(reader):
    """Its queries are documents read, not texts."""
    with pytest.raises(InputError, match="a reading order has no query texts; expected a sequence retriever"):
        reader.answer(reader.world.task("reading_order"))


def test_latencies_are_one_row_a_request_of_every_stage(reader):
    """More requests than queries go round; the total is the sum of the stages."""
    task = reader.world.task("see_also").judge()
    frame = reader.trace(task, requests=len(task) + 3, repeats=2).frame
    assert frame["query_id"].tolist() == [*task.query_ids, *task.query_ids[:3]]
    stages = frame[["encode_ms", "search_ms", "rerank_ms"]].to_numpy()
    assert (stages > 0).all() and np.allclose(frame["total_ms"], stages.sum(axis=1))
    assert set(frame["cache"]) == {"warm"}


def test_the_fastest_of_a_request_s_repeats_counts(reader, monkeypatch):
    """After one pass that is not counted; a moment's disturbance is not the release's latency."""
    calls = iter([50.0, 5.0, 3.0] * 2)  # per pass one request: warm-up, slow, fast
    real = LiveRelease.search
    monkeypatch.setattr(LiveRelease, "search", lambda self, *words, **named: real(self, *words, **named)._replace(
        encode_ms=1.0, search_ms=next(calls), rerank_ms=0.0))
    task = reader.world.task("see_also").judge()
    assert reader.trace(task, requests=1, repeats=2).frame["total_ms"].tolist() == [4.0]


@given(st.data())
def test_a_run_holds_the_order_it_was_given(data):
    """With and without scores, missing hits at the end: ranks count from 1, and the scores say the same order."""
    rows, width, docs = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6)), 9
    codes = np.full((rows, width), -1, dtype=np.int64)
    for row in codes:
        found = data.draw(st.lists(st.integers(0, docs - 1), max_size=width, unique=True))
        row[: len(found)] = found
    doc_ids = [f"d{place}" for place in range(docs)]
    query_ids = [f"q{place}" for place in range(rows)]
    run = run_of(codes, None, query_ids, doc_ids)
    expected = {query: [doc_ids[code] for code in row if code >= 0]
                for query, row in zip(query_ids, codes, strict=True)}
    assert lists_of(run) == {query: found for query, found in expected.items() if found}
    again = Run.of(run.queries[run.query].tolist(), run.docs[run.doc].tolist(), run.score)
    assert lists_of(again) == lists_of(run) and again.rank.tolist() == run.rank.tolist()


def test_no_more_than_a_hundred_hits_are_kept(live):
    """However deep a first stage could go."""
    assert max(len(found) for found in lists_of(live.answer(live.world.task("search").judge()).run).values()) == DEPTH


class Asked:
    """A spend rule that leaves every query alone and keeps what it was asked."""

    def __init__(self) -> None:
        self.texts: list[list[str]] = []

    def spends(self, texts, hits):
        self.texts.append(list(texts))
        return [0] * len(texts)


def test_what_is_planned_is_what_is_served_of_a_misspelt_query(tmp_path):
    """Plan, batch and single request ask the spend rule in the words that the speller made of the query."""
    live = served(small(tmp_path, FULL), tmp_path)[1]
    judged = live.world.task("search").judge()
    slip = replace(judged.only(np.arange(len(judged)) < 1), texts=("invrse",))
    rule = Asked()
    mending = replace(live, rule=rule, first=replace(live.first, speller=Speller({"inverse": 9})))
    mending.planned(slip)
    mending.answer(slip)
    mending.search(slip.texts[0])
    assert rule.texts == [["inverse"]] * 3
