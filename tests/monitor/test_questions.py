"""Answers in shadow replay and to whoever asks: numbers by the gates' names are all that is kept of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.answers import answers_world
from harness.generation.passages import passages_of
from harness.monitor.answered import ANSWERS
from harness.monitor.answering import Asked, answer
from harness.monitor.judged import judged_of, plain_text
from harness.monitor.questions import Questions, questions_in
from harness.monitor.shadow import Shadow
from harness.monitor.window_store import read_windows
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, parse_manifest
from harness.release.measures.answered import COLUMNS
from harness.release.studied.answers_live import asked_in_turns
from harness.release.studied.answers_table import record_of
from harness.retrieval.bm25 import Bm25
from tests.monitor.serving import CANDIDATE, DAY, STABLE, Fake, client_of, http, service_of
from tests.monitor.test_shadow import windows

WORLD = answers_world()
RAW = b"""
release: answering
seed: 42
data: {corpus: pyanswers}
parts: {retriever: {impl: bm25}, reader: {documents: 5, passages: 2, per_document: 1, pool: 8}}
policy: [{measure: answer F1, at_least: 0.2}]
"""
LOADED = Loaded(parse_manifest(RAW, where="answering"), RAW, Path("answering.yaml"))


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Questions:
    """A release that answers, loaded from its frozen folder."""
    folder = tmp_path_factory.mktemp("artifacts")
    passages_of(WORLD.corpus, chunk_words=80).save(folder / "passages")
    Bm25().fit([one.text for one in WORLD.corpus.documents]).save(folder / "lexical")
    live = LiveRelease.load(LOADED.manifest, WORLD, {"lexical": folder / "lexical"})
    found = questions_in(LOADED, live, folder, replies=folder / "replies")
    assert found is not None
    return found


def test_an_answer_is_worth_what_the_gates_say(questions):
    """Each question alone, as the study scores all of them; one without a gold answer is worth nothing at all."""
    record = record_of(asked_in_turns([questions.asking], questions.task, WORLD)[0])
    for place, query in enumerate(questions.task.query_ids):
        expected = {name: float(record.column(column)[place]) for name, column in COLUMNS.items()}
        assert questions.values(query) == pytest.approx(expected)
    assert questions.values("nobody asked") == {}


def test_a_release_that_only_finds_has_no_questions(tmp_path):
    """Without a reader nothing is answered and nothing is loaded."""
    raw = RAW.replace(b", reader: {documents: 5, passages: 2, per_document: 1, pool: 8}", b"").replace(
        b"answer F1", b"RR")
    bare = Loaded(parse_manifest(raw, where="bare"), raw, Path("bare.yaml"))
    assert questions_in(bare, None, tmp_path, replies=tmp_path) is None


class Silent:
    """Answers nothing to any question."""

    def values(self, query: str) -> dict[str, float]:
        return dict.fromkeys(ANSWERS, 0.0)


def shadowed(tmp_path, questions, other):
    """A service both of whose arms answer, after one judged question was replayed through them."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake(shift=1)}, candidate=CANDIDATE, percent=50.0)
    judged = judged_of(WORLD)
    for digest, arm in service.arms._loaded.items():
        answers = other if digest == CANDIDATE else questions
        service.arms._loaded[digest] = replace(arm, judged=judged, questions=answers)
    service.arms.look()
    shadow = Shadow(service, share=1.0, draw=lambda: 0.5)
    text = questions.task.texts[0]
    assert plain_text(text) in judged
    shadow.offer(text)
    assert shadow.work() == 1
    return service, text


def test_both_arms_answer_and_the_difference_is_the_candidates(tmp_path, questions):
    """A candidate that says nothing loses what the stable release's answer is worth, by each measure."""
    service, text = shadowed(tmp_path, questions, Silent())
    worth = questions.values(questions.task.query_ids[0])
    before = windows(service, "stable")
    with service.store.reading() as connection:
        found = read_windows(connection, "prod", since=DAY.replace(hour=0))
    after = next(one for key, one in found.items() if (key.assignment, key.slice) == ("candidate", "all"))
    for name in ANSWERS:
        assert before.means[name].mean == pytest.approx(worth[name])
        assert after.means[name].mean == 0.0
        assert after.means[f"delta {name}"].mean == pytest.approx(-worth[name])
    assert before.requests.n == after.requests.n == 0 and max(worth.values()) > 0.0
    assert not any(text.encode() in one.raw for one in found.values())


def test_the_same_release_twice_differs_by_nothing(tmp_path, questions):
    """Both arms the same: every paired difference is exactly 0."""
    service, _ = shadowed(tmp_path, questions, questions)
    seen = windows(service, "candidate")
    assert np.all([seen.means[f"delta {name}"].mean == 0.0 for name in ANSWERS])


def served(tmp_path, questions, other=None):
    """A service whose arms answer; without `other` the stable release alone."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=other and CANDIDATE,
                         percent=100.0 if other else 0.0)
    for digest, arm in service.arms._loaded.items():
        service.arms._loaded[digest] = replace(arm, ids=WORLD.corpus.ids, questions=other if digest == CANDIDATE
                                               else questions)
    service.arms._mark(STABLE, "")
    return service


def test_a_question_is_answered_with_what_it_rests_on(tmp_path, questions, caplog):
    """In words, each citation a passage of a document of the release; to nobody without a token; nothing is logged."""
    service, text = served(tmp_path, questions), questions.task.texts[0]
    with http(service) as address, client_of(service, address) as client, \
            client_of(service, address, role=None) as stranger:
        told = client.post("/ask", json={"question": text, "unit": "user-4711"}).json()
        assert stranger.post("/ask", json={"question": text}).status_code == 401
        heard = caplog.text + client.get("/metrics").text
    reply = questions.ask(text).reply
    assert (told["answer"], told["model"], told["assignment"]) == (reply.text, "extractive", "stable")
    assert [one["passage"] for one in told["citations"]] == list(reply.cited)
    assert {one["document"] for one in told["citations"]} <= set(WORLD.corpus.ids)
    assert reply.text and reply.text not in heard and text not in heard and "user-4711" not in heard


class Broken:
    """Fails at every question."""

    def ask(self, text: str, *, own: int = -1) -> object:
        raise RuntimeError(text)


def test_where_the_candidate_says_nothing_the_stable_release_answers(tmp_path, questions):
    """Its failure is its own: counted against it, and whoever asked has an answer."""
    service = served(tmp_path, questions, Broken())
    found = answer(service, Asked(questions.task.texts[0], unit="u", reads=True))
    assert found.fallback and found.assignment == "stable" and found.read is not None and found.read.reply.text
    seen = windows(service, "candidate")
    assert (seen.requests.hits, seen.requests.n) == (1, 1)


def test_a_release_that_only_finds_answers_no_questions(tmp_path):
    """404, and the way to what it does."""
    service = served(tmp_path, None)
    with http(service) as address, client_of(service, address) as client:
        found = client.post("/ask", json={"question": "what is sorted?"})
    assert found.status_code == 404 and "POST /search" in found.json()["error"]
