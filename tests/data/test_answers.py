"""Gold answers stay with their questions, survive a file, and are refused where they could not be judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.answers import answers_world
from harness.data.answers import Golds, read_golds
from harness.data.corpus import World
from harness.data.entries import entries
from harness.data.plain import with_answers
from harness.data.pyanswers.questions import WORDINGS, names_its_document
from harness.data.pydocs.text import squash
from harness.errors import InputError
from harness.release.manifest import parse_manifest

ROWS = [("q2", "return", "", "A number."), ("q1", "parameter", "axis", "Where to go.")]


@pytest.fixture(scope="module")
def world() -> World:
    return answers_world()


def test_a_world_of_answers_comes_back_from_disk(world, tmp_path):
    """Saved and loaded, the digest and every gold answer are the same; equal worlds give equal bytes."""
    world.save(tmp_path / "one")
    again = World.load(tmp_path / "one")
    again.save(tmp_path / "two")
    assert again.digest == world.digest
    assert again.answers is not None and again.answers.texts == world.answers.texts
    assert (tmp_path / "one/golds.json").read_bytes() == (tmp_path / "two/golds.json").read_bytes()


def test_the_digest_speaks_of_answers_only_where_there_are_any(world):
    """A changed answer is another world; a world without answers keeps the digest that it always had."""
    golds = world.answers
    changed = Golds(golds.query_ids, golds.kinds, golds.fields, ("Other words.", *golds.texts[1:]))
    bare = replace(world, answers=None)
    assert len({world.digest, replace(world, answers=changed).digest, bare.digest}) == 3


def test_a_torn_file_of_answers_is_refused(world, tmp_path):
    """One byte changed, and the world is not loaded."""
    world.save(tmp_path)
    raw = (tmp_path / "golds.json").read_bytes()
    (tmp_path / "golds.json").write_bytes(raw.replace(b"Whether", b"Weather"))
    with pytest.raises(InputError, match="is not what its header names"):
        World.load(tmp_path)


def test_every_question_is_its_documents_sentence_and_a_wording(world):
    """The sentence was cut from the document, the question ends in a known wording, and gold and document agree."""
    task, texts = world.task("answers"), {one.id: one.text for one in world.corpus.documents}
    assert task.qrels.relevance.tolist() == [2] * len(task) and set(task.fold) == {"fit", "judge"}
    for query, text in zip(task.query_ids, task.texts, strict=True):
        row = world.answers.row(query)
        wordings = [one.format(world.answers.fields[row]) for one in WORDINGS[world.answers.kinds[row]]]
        assert any(text.endswith(wording) for wording in wordings)
        assert squash(text[: text.index(". ")]) not in squash(texts[query])
        assert squash(world.answers.texts[row]) in squash(texts[query])


def test_no_question_names_its_document_or_holds_its_answer(world):
    """What is asked for is not in the question; a question that says the name is seen."""
    task = world.task("answers")
    for query, text in zip(task.query_ids, task.texts, strict=True):
        assert not names_its_document(text, query)
        assert squash(world.answers.text(query)) not in squash(text)
    assert names_its_document("A Ridge Regression is fitted.", "sklearn.RidgeRegression")
    assert not names_its_document("Partridges are fitted.", "sklearn.Ridge")


def test_kinds_of_questions_are_slices_that_cover_all(world):
    """Each question is of exactly one kind, and each kind is a slice."""
    slices = world.task("answers").slices
    kinds = [slices[f"kind={kind}"] for kind in sorted(set(world.answers.kinds))]
    assert sum(kind.sum() for kind in kinds) == len(world.task("answers"))


def test_entries_are_read_whatever_their_layout():
    """Blank lines between entries, nested lists, several names and prose sections come out as the authors meant."""
    found = entries("X : array, (n, m)\n\n    Data: the rows.\n\n    * one\n    * two\n\ny, z : int\n\nOnly prose.\n")
    assert [(one.names, one.kind, one.text) for one in found] == [
        (("X",), "array, (n, m)", "Data: the rows. * one * two"), (("y", "z"), "int", "")]
    assert entries("") == ()


def test_answers_of_ones_own_are_read_from_a_table(tmp_path):
    """Only query_id and answer are needed; what is missing is empty, and the rows may come in any order."""
    (tmp_path / "a.jsonl").write_text('{"query_id": "q2", "answer": "Two."}\n{"query_id": "q1", "answer": "One."}\n')
    golds = read_golds({"jsonl": tmp_path / "a.jsonl"})
    assert (golds.query_ids, golds.texts, golds.kinds) == (("q1", "q2"), ("One.", "Two."), ("", ""))


@pytest.mark.parametrize(("rows", "said"), [
    ('{"query_id": "q1", "reply": "One."}\n', "column missing"),
    ('{"query_id": "q1", "answer": "One."}\n{"query_id": "q1", "answer": "Two."}\n', "duplicate query id"),
    ('{"query_id": "q1", "answer": " ."}\n', "not an answer"),
    ('{"query_id": "q1", "answer": null}\n', "not an answer"),
])  # fmt: skip
def test_answers_that_cannot_be_judged_are_refused(rows, said, tmp_path):
    """A missing column, a question answered twice, an answer without a word: one line that names it."""
    (tmp_path / "a.jsonl").write_text(rows)
    with pytest.raises(InputError, match=said):
        read_golds({"jsonl": tmp_path / "a.jsonl"})


def test_answers_to_questions_that_nobody_asks_are_counted(world):
    """Beside judged ones they are left out and counted; alone they are refused, and never belong to a world unseen."""
    bare, golds = replace(world, answers=None), world.answers
    more = Golds.of([*zip(golds.query_ids, golds.kinds, golds.fields, golds.texts, strict=True), *ROWS])
    assert with_answers(bare, more, where="t").facts["answers_unjudged"] == 2
    with pytest.raises(InputError, match="no judged query is answered"):
        with_answers(bare, Golds.of(ROWS), where="t")
    with pytest.raises(InputError, match="answer to an unknown question"):
        replace(world, answers=Golds.of(ROWS))


def test_a_question_without_an_answer_is_named_with_its_neighbour():
    """The nearest id is told."""
    with pytest.raises(InputError, match="q1"):
        Golds.of(ROWS).text("q11")


def test_a_manifest_takes_answers_beside_a_folder_of_its_own_alone():
    """The corpus of answers is known; answers beside an embedded corpus are refused; without any, nothing changes."""
    text = 'release: r\nseed: 1\ndata: {}\nparts: {{}}\npolicy: [{{measure: RR, at_least: 0}}]\n'
    own = parse_manifest(text.format("{beir: b, answers: {jsonl: a}}").encode(), where="t")
    bare = parse_manifest(text.format("{beir: b}").encode(), where="t")
    assert parse_manifest(text.format("{corpus: pyanswers}").encode(), where="t").data.corpus == "pyanswers"
    assert own.config_hash != bare.config_hash
    with pytest.raises(InputError, match="beside a beir folder"):
        parse_manifest(text.format("{corpus: pydocs, answers: {jsonl: a}}").encode(), where="t")
