"""BEIR folders: corpus, queries and judgements that fit each other."""

from __future__ import annotations

import json
from pathlib import Path

from harness.data.beir import read_beir
from harness.data.readers import read_qrels


def folder(root: Path, grades: str) -> Path:
    """A collection of two documents and one query."""
    (root / "qrels").mkdir()
    (root / "corpus.jsonl").write_text(
        json.dumps({"_id": "d1", "title": "A", "text": "x"}) + "\n" + json.dumps({"_id": "d2", "text": ""}) + "\n")
    (root / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "what", "metadata": {}}) + "\n")
    (root / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + grades)
    return root


def test_a_collection_is_read_whole(tmp_path: Path) -> None:
    """Documents without title or text stay, so that no id shifts."""
    found = read_beir(folder(tmp_path, "q1\td1\t2\n"))
    assert found.passages == (("d1", "A", "x"), ("d2", "", ""))
    assert found.queries == {"q1": "what"}
    assert found.qrels.relevance.tolist() == [2]
    assert found.strays == ()


def test_judgements_that_drifted_are_counted(tmp_path: Path) -> None:
    """A judged document that left the corpus is named: nobody can find it any more."""
    assert read_beir(folder(tmp_path, "q1\td1\t2\nq1\tgone\t1\n")).strays == ("gone",)


def test_cranfield_is_as_its_readme_says(shared_data: Path) -> None:
    """1400 documents, 225 queries, 1837 judgements: 128, 387, 734, 363 and 225 of grade 4 to 0."""
    found = read_beir(shared_data / "cranfield")
    assert (len(found.passages), len(found.queries), len(found.qrels)) == (1400, 225, 1837)
    grades = found.qrels.relevance.tolist()
    assert [grades.count(grade) for grade in (4, 3, 2, 1, 0)] == [128, 387, 734, 363, 225]
    assert found.strays == ()
    assert sum(not passage.text for passage in found.passages) == 2
    assert len(read_qrels(shared_data / "cranfield")) == 1837
