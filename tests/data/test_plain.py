"""Any collection of documents, queries and judgements becomes a world, or an error that says why not."""

from __future__ import annotations

import pytest

from harness.data.plain import world_of
from harness.errors import InputError
from harness.records import Qrels

DOCUMENTS = [
    ("d2", "Boundary layer", "Flow along a plate."), ("d1", "", "Heat in a slab.\nMore."), ("q1", "Same id", "x"),
]
QUERIES = {"q2": "heat transfer", "q1": "layers of a boundary", "q9": "never judged"}
QRELS = Qrels.of(["q1", "q2", "q2"], ["d2", "d1", "d7"], [3, 1, 1])


def test_a_collection_becomes_a_world() -> None:
    """Judged queries in order, each its own cluster; what lacks is counted, never dropped in silence."""
    world = world_of(DOCUMENTS, QUERIES, QRELS, name="cran")
    task = world.task("search")
    assert world.corpus.ids == ("d1", "d2", "q1")
    assert [(one.title, one.summary, one.text) for one in world.corpus.documents][:2] == [
        ("", "Heat in a slab.", "Heat in a slab.\nMore."),
        ("Boundary layer", "Boundary layer", "Boundary layer\nFlow along a plate."),
    ]
    assert (task.query_ids, task.clusters, task.own.tolist()) == (("q1", "q2"), ("q1", "q2"), [-1, -1])
    assert len(task.qrels) == 3, "a relevant document that the corpus lacks stays relevant"
    assert world.facts == {"documents": 3, "queries_unjudged": 1, "judged_documents_missing": 1}
    assert task.slices["hard_nl"].tolist() == [False, True]


def test_folds_come_from_the_query_alone() -> None:
    """Leaving other queries out moves none between the folds."""
    ids = [f"q{number}" for number in range(50)]
    qrels = Qrels.of(ids, ["d1"] * 50, [1] * 50)
    whole = world_of(DOCUMENTS, dict.fromkeys(ids, "text"), qrels, name="c").task("search")
    part = world_of(DOCUMENTS, {"q7": "text"}, Qrels.of(["q7"], ["d1"], [1]), name="c").task("search")
    assert part.fold[0] == whole.fold[whole.query_ids.index("q7")]
    assert set(whole.fold) == {"fit", "judge"}


def test_a_query_made_of_a_document_may_have_it_removed() -> None:
    """Equal ids mean nothing unless it is said: `own` names the document."""
    assert world_of(DOCUMENTS, QUERIES, QRELS, name="c").task("search").own.tolist() == [-1, -1]
    assert world_of(DOCUMENTS, QUERIES, QRELS, name="c", own={"q1": "q1"}).task("search").own.tolist() == [2, -1]


@pytest.mark.parametrize(
    ("documents", "queries", "qrels", "message"),
    [
        ([], QUERIES, QRELS, "nothing to judge"),
        (DOCUMENTS, {}, Qrels.of([], [], []), "nothing to judge"),
        (DOCUMENTS, {"q9": "never judged"}, QRELS, "0 judged queries"),
        (DOCUMENTS, {"q1": "one"}, QRELS, "judgement of an unknown query"),
        ([*DOCUMENTS, DOCUMENTS[0]], QUERIES, QRELS, "duplicate document id"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    documents: list[tuple[str, str, str]], queries: dict[str, str], qrels: Qrels, message: str
) -> None:
    """Nothing there, nothing judged, strangers or twins: one line each."""
    with pytest.raises(InputError, match=message):
        world_of(documents, queries, qrels, name="cran")


def test_an_own_document_must_exist() -> None:
    """A document to be removed that is not there is a mistake, told with the nearest."""
    with pytest.raises(InputError, match="no such document"):
        world_of(DOCUMENTS, QUERIES, QRELS, name="cran", own={"q1": "d22"})
