"""The week's triage: each loss where it happened, the worst first, a card for each, and nothing applied."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.answered import answers_table
from harness.cli.app import main
from harness.data.store import sha256_tree
from harness.errors import InputError
from harness.records import Qrels, Run
from harness.release.studied.answers_table import record_of, rows_of
from harness.triage.cards import card_of, cards_page
from harness.triage.causes import CAUSES, SOUND, Case, answered_cases, counted, ranked_cases, worst
from harness.triage.nudges import Option, judged
from harness.triage.week import Week
from tests.release.small import small

LOST = {"gold not in the pool": {"pool": ["other"]}, "in the pool, not read": {"passage_docs": ["other", "third"]},
        "read, not cited": {"cited": ["d0#0"]}, "cited, answer off": {"answer": "Nothing of it."},
        "slow": {"total_ms": 40_000.0}, SOUND: {}}


@pytest.mark.parametrize("cause", LOST)
def test_an_answer_is_lost_where_it_was_lost(cause):
    """One thing is wrong with the first question, and that is what is told; the others are sound."""
    rows = answers_table(59)
    rows[0] |= LOST[cause]
    held = rows_of(rows)
    found = answered_cases(held, record_of(held), slow_ms=30_000.0)
    assert found[0].cause == cause and {one.cause for one in found[1:]} == {SOUND}


def test_the_first_thing_that_went_wrong_is_the_cause():
    """A document that was never found was not read either, and its answer is off."""
    rows = answers_table(59)
    for lost in LOST.values():
        rows[0] |= lost
    held = rows_of(rows)
    assert answered_cases(held, record_of(held), slow_ms=1.0)[0].cause == "gold not in the pool"


def test_rows_of_other_questions_are_told():
    """A cause beside another question's figures would be made up."""
    held = rows_of(answers_table(59))
    with pytest.raises(InputError, match="of different questions"):
        answered_cases(held[1:], record_of(held), slow_ms=1.0)


DOCS = [f"d{place:02d}" for place in range(30)]


@pytest.mark.parametrize(("gold", "reranked", "cause"), [
    ("none", DOCS, "gold not in the pool"), ("d00", DOCS, SOUND), ("d03", DOCS, "found, not first"),
    ("d15", DOCS, "in the pool, below the first ten"), ("d03", DOCS[10:] + DOCS[:10], "pushed out by the reranker"),
    ("d15", DOCS[15:] + DOCS[:15], SOUND)])
def test_a_ranking_is_lost_where_it_was_lost(gold, reranked, cause, tiny_task):
    """By the pool, the first ten before and after the second stage, and the first hit."""
    def run(docs):
        return Run.of(["q"] * 30, docs, np.arange(30.0, 0.0, -1.0))

    task = replace(tiny_task, qrels=Qrels.of(["q"], [gold], [1]))
    (found,) = ranked_cases(run(reranked), run(DOCS), task, np.array([0.5]))
    assert found.cause == cause and (found.query_id, found.cluster) == ("q", "m")


@pytest.fixture
def tiny_task():
    from harness.data.task import Task

    return Task("search", ("q",), ("words",), np.array([-1]), Qrels.of(["q"], ["x"], [1]), ("m",), ("judge",))


def test_the_worst_come_first_and_the_sound_not_at_all():
    """By value, of equals the slowest, then by id; no more than asked for."""
    cases = [Case("c", "m", 0.2, CAUSES[0], 1.0), Case("b", "m", 0.2, CAUSES[0], 9.0),
             Case("a", "m", 0.2, CAUSES[0], 1.0), Case("z", "m", 0.0, SOUND), Case("y", "m", 0.1, CAUSES[1])]
    assert [one.query_id for one in worst(cases)] == ["y", "b", "a", "c"]
    assert len(worst(cases, most=2)) == 2 and counted(cases) == {CAUSES[0]: 3, CAUSES[1]: 1}


def test_every_cause_has_its_card_and_no_other():
    """Look, do, stop."""
    assert all(all(card_of(cause)) for cause in CAUSES)
    with pytest.raises(InputError, match="no card of this cause"):
        card_of(SOUND)


def test_cards_say_what_was_seen_and_what_would_help():
    """A card a cause that there is, with its worst queries; each nudge with effect, interval and n."""
    rng = np.random.default_rng(1)
    clusters = tuple(f"a.m{row // 10}" for row in range(300))
    base = np.full(300, 0.5)
    nudges = judged(base, {Option("chunk_words", "80", "64"): base + rng.normal(0.1, 0.05, 300)}, clusters, seed=1)
    cases = (Case("q1", "a.m", 0.1, CAUSES[1]), Case("q2", "a.m", 1.0, SOUND))
    week = Week("answers", "answer F1", cases, (cases[0],), tuple(nudges), {}, 300)
    page = cards_page("rag", week)
    assert "## in the pool, not read: 1 of 2 queries (50.0%)" in page and "`q1` (0.10)" in page
    assert page.count("- Stop:") == 1 and "| `chunk_words` 80 → 64 | all | +0." in page and "| suggested |" in page
    none = cards_page("rag", replace(week, nudges=(), why="Nothing to nudge"))
    assert "Nothing to nudge." in none and "suggested" not in none
    json.dumps(week.document(), allow_nan=False)


def test_weekly_triages_and_changes_no_byte_of_the_release(tmp_path, monkeypatch, capsys):
    """Causes sum to the queries that are not sound; cards lie beside; manifest and artifacts are as they were."""
    monkeypatch.chdir(tmp_path)
    path = small(tmp_path, parts="{encoder: {dims: 48}, index: {nlist: 3}, retriever: {impl: rrf}}").path
    assert main(["freeze", str(path)]) == 0
    capsys.readouterr()
    before = path.read_bytes(), sha256_tree(tmp_path / "artifacts")
    assert main(["weekly", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    triage = told["triage"]
    assert triage["queries"] == 31 and sum(triage["causes"].values()) == len(triage["worst"]) > 0
    assert Path(triage["cards"]).read_text(encoding="utf-8").startswith("# small, search")
    assert (path.read_bytes(), sha256_tree(tmp_path / "artifacts")) == before
    assert main(["weekly", str(path), "--no-triage", "--json"]) == 0
    assert "triage" not in json.loads(capsys.readouterr().out)
