"""A collection of one's own brings its gold answers: they are part of the world, of its key and of what is frozen."""

from __future__ import annotations

import hashlib
import json

import pytest

from fixtures.answers import answers_world
from harness.data.corpus import World
from harness.errors import InputError
from harness.generation.passages import passages_of
from harness.release.build import build, part_inputs
from harness.release.cache import PartCache
from harness.release.manifest import load_manifest
from harness.release.recording import recorded_files
from harness.release.studied.answers_live import _document

DOCUMENTS = [("d1", "Sums", "Adds up the rows."), ("d2", "Means", "Takes the average of columns.")]


@pytest.fixture
def own(tmp_path):
    """A folder in BEIR's form, gold answers beside it, and a manifest that names both."""
    (tmp_path / "beir" / "qrels").mkdir(parents=True)
    rows = [{"_id": name, "title": title, "text": text} for name, title, text in DOCUMENTS]
    (tmp_path / "beir" / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    asked = [{"_id": "q1", "text": "rows added"}, {"_id": "q2", "text": "columns averaged"}]
    (tmp_path / "beir" / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    (tmp_path / "beir" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n")
    answers(tmp_path, "Up.")

    def loaded(more: str = ""):
        path = tmp_path / "own.yaml"
        path.write_text(f"release: own\nseed: 1\ndata: {{beir: beir, answers: {{jsonl: answers.jsonl{more}}}}}\n"
                        "parts: {retriever: {impl: bm25}}\npolicy: [{measure: RR, at_least: 0}]\n")
        return load_manifest(path)

    return loaded


def answers(folder, text: str) -> bytes:
    raw = f'{{"query_id": "q1", "answer": "{text}"}}\n{{"query_id": "q7", "answer": "Nobody asked."}}\n'.encode()
    (folder / "answers.jsonl").write_bytes(raw)
    return raw


def test_own_answers_are_in_the_world(own, tmp_path):
    """Built and loaded again, the world has the answers of its judged queries, and counts the others."""
    world = World.load(build(own(), PartCache(tmp_path / "parts")).folders["world"])
    assert world.answers is not None and world.answers.text("q1") == "Up."
    assert world.facts["answers_unjudged"] == 1 and len(world.answers) == 1


def test_another_answer_is_another_world(own, tmp_path):
    """The key under which a world is kept heeds the answers' bytes."""
    before = part_inputs(own())["world"]
    answers(tmp_path, "Down.")
    assert part_inputs(own())["world"] != before


def test_answers_that_were_frozen_may_not_change(own, tmp_path):
    """With its digest in the manifest the file is read as it was, and refused after."""
    loaded = own(f", sha256: {hashlib.sha256(answers(tmp_path, 'Up.')).hexdigest()}")
    assert part_inputs(loaded)["world"] == part_inputs(loaded)["world"]
    answers(tmp_path, "Down.")
    with pytest.raises(InputError, match="not those that were frozen"):
        part_inputs(loaded)


def test_own_answers_are_among_the_files_of_a_release(own):
    """What is frozen and attested names them."""
    assert "answers.jsonl" in str(recorded_files(own()))


def test_a_passage_kept_for_a_gold_document_is_the_gold_documents_where_that_was_found():
    """Near-duplicates do not hide what was used: found, the gold document is credited; not found, it is not."""
    world = answers_world()
    whole = passages_of(world.corpus, chunk_words=80)
    kept, gone = whole.all[0], whole.all[-1]
    thinned = whole.without({gone.id: kept.id})
    assert _document(kept, thinned, {kept.doc, gone.doc}, (gone.doc,)) == gone.doc
    assert _document(kept, thinned, {kept.doc}, (gone.doc,)) == kept.doc
    assert _document(kept, whole, {kept.doc, gone.doc}, (gone.doc,)) == kept.doc
