"""The three tasks ask what the authors have judged, and leak neither answers nor what is judged."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from fixtures.tiny_corpus import tiny_harvest, tiny_library, tiny_world
from harness.data.corpus import FIT, Task, World
from harness.data.pydocs.build import world_from
from harness.data.pydocs.judgements import Question, known_items, reading_steps, see_also_questions
from harness.data.pydocs.library import Library, library_of
from harness.data.pydocs.signs import vital_signs
from harness.data.pydocs.text import squash

PINNED = "3377fe409df91920d5002f1ae3579c9e76b9c5b0e0e4950bfc8fcb9a91be1c86"


@pytest.fixture(scope="module")
def world() -> World:
    return tiny_world()


def library_with(*entries: tuple[str, str], listing: str = "") -> Library:
    """A library of (path, docstring) in the modules that the paths name."""
    modules = sorted({path.rpartition(".")[0] for path, _ in entries})
    return library_of({
        "docs": [doc for _, doc in entries],
        "paths": [(path, row, path.rpartition(".")[2], True) for row, (path, _) in enumerate(entries)],
        "classes": [], "modules": [(module, listing) for module in modules],
    })


def doc(summary: str, *, extended: str = "", see: str = "", notes: str = "") -> str:
    """A numpydoc docstring of these parts."""
    parts = [summary, extended, f"Notes\n-----\n{notes}" if notes else "", f"See Also\n--------\n{see}" if see else ""]
    return "\n\n".join(part for part in parts if part)


def one(questions: list[Question], name: str) -> Question:
    return next(question for question in questions if question.id == name)


def grades(task: Task, query: str) -> dict[str, int]:
    rows = task.qrels.queries[task.qrels.query] == query
    return dict(zip(task.qrels.docs[task.qrels.doc[rows]], task.qrels.relevance[rows].tolist(), strict=True))


def test_targets_are_graded_above_reverse_links() -> None:
    """2 for what a document names, 1 for who names it, 2 where both hold."""
    library = library_with(
        ("p.a", doc("The first of three functions.", see="b, c")),
        ("p.b", doc("The second of three functions.", see="a")),
        ("p.c", doc("The third of three functions.")),
        ("p.d", doc("A fourth one that names it.", see="a")),
    )
    questions = see_also_questions(library)
    assert one(questions, "p.a").relevant == {"p.b": 2, "p.c": 2, "p.d": 1}
    assert one(questions, "p.b").relevant == {"p.a": 2}
    assert [question.id for question in questions] == ["p.a", "p.b", "p.d"], "p.c has no See Also of its own"


def test_a_short_summary_is_no_query() -> None:
    """Three words ask for nothing; four do."""
    library = library_with(("p.a", doc("Just three words.", extended="And more of text.", see="b")),
                           ("p.b", doc("Here are four words.", extended="And more of text.", see="a")))
    assert [question.id for question in see_also_questions(library)] == ["p.b"]


def test_equal_summaries_are_one_query() -> None:
    """Asked for the first document by id, with the links of all; case and white space do not part them."""
    library = library_with(("p.a", doc("Compute the very same thing.", extended="One.", see="c")),
                           ("p.b", doc("Compute the  very\nsame Thing.", extended="Two.", see="d, a")),
                           ("p.c", doc("A target that is named.")), ("p.d", doc("Another target that is named.")))
    assert [question.id for question in see_also_questions(library)] == ["p.a"]
    assert one(see_also_questions(library), "p.a").relevant == {"p.b": 1, "p.c": 2, "p.d": 2}


def test_a_document_is_not_its_own_answer(world: World) -> None:
    """In see_also the own document is named for removal and is never relevant; a known item stays in the hits."""
    related, known = world.task("see_also"), world.task("known_item")
    for query, place in zip(related.query_ids, related.own.tolist(), strict=True):
        assert world.corpus.ids[place] == query
        assert query not in grades(related, query)
    assert set(known.own.tolist()) == {-1}


def test_a_known_item_is_asked_by_a_sentence_of_its_own() -> None:
    """First of the extended summary, else of the notes; never one that stands elsewhere too, quoted names aside."""
    shared, template = "This sentence stands in two documents.", "As an instance of the class `{}` it inherits much."
    library = library_with(
        ("p.a", doc("Head of the first one.", extended=shared, notes="The note is found nowhere else at all.")),
        ("p.b", doc("Head of the second one.", extended=f"{shared} More words follow here.")),
        ("p.c", doc("Head of the third one.", extended=template.format("norm"))),
        ("p.d", doc("Head of the fourth one.", extended=template.format("beta"))),
        ("p.e", doc("Head of the fifth one.", extended="Too short.")),
        ("p.f", doc("Head of the sixth one.", extended="A sentence that is broken\nover two lines. And more.")),
    )
    asked = {question.id: question.text for question in known_items(library)}
    assert asked == {"p.a": "The note is found nowhere else at all.",
                     "p.f": "A sentence that is broken over two lines."}


def test_the_asked_sentence_is_nowhere_in_the_corpus(world: World) -> None:
    """Cut from its document, found in no other: else the task would be to find equal text."""
    texts = [squash(document.text) for document in world.corpus.documents]
    for sentence in world.task("known_item").texts:
        assert not any(squash(sentence) in text for text in texts)


def test_links_are_nowhere_in_the_corpus(world: World) -> None:
    """No See Also section is indexed."""
    texts = [document.text for document in world.corpus.documents]
    assert not any("See Also" in text or "kit.sound.tempo" in text for text in texts)


def test_reading_goes_four_documents_then_the_next(world: World) -> None:
    """Contexts and target are neighbours in the order of their listing, and within it."""
    read = world.task("reading_order")
    assert read.contexts is not None
    first = read.query_ids.index("kit.clock#0000")
    assert [world.corpus.ids[place] for place in read.contexts[first]] == [
        "kit.clock.elapsed", "kit.clock.stopwatch", "kit.clock.alarm", "kit.clock.weekday",
    ]
    assert grades(read, "kit.clock#0000") == {"kit.clock.easter": 2}
    assert read.texts[first] == "kit clock elapsed kit clock stopwatch kit clock alarm kit clock weekday"


def test_a_listing_of_four_has_no_next() -> None:
    """Too short a listing gives no step; one of five gives one."""
    entries = [(f"p.{name}", doc(f"The function that is called {name}.")) for name in "vwxyz"]
    assert reading_steps(library_with(*entries[:4], listing="\n".join("vwxy"))) == []
    assert len(reading_steps(library_with(*entries, listing="\n".join("zyxwv")))) == 1


def test_nothing_judged_may_be_learnt(world: World) -> None:
    """No pair of documents that is judged occurs, in either direction, among the judgements to learn from."""
    module = {document.id: document.module for document in world.corpus.documents}
    fold = {name: one for task in world.tasks.values() for name, one in zip(task.clusters, task.fold, strict=True)}
    for task in world.tasks.values():
        learnt = task.fit().qrels
        assert len(learnt)
        assert all(fold[module[name]] == FIT for name in learnt.docs)


def test_judgements_across_folds_are_still_judged(world: World) -> None:
    """Only learning is restricted: a query to be judged keeps every relevant document of its own."""
    questions = {question.id: question.relevant for question in see_also_questions(tiny_library())}
    task = world.task("see_also").judge()
    assert all(grades(task, query) == questions[query] for query in task.query_ids)
    fold_of = {document.id: document.module in set(task.clusters) for document in world.corpus.documents}
    assert not all(fold_of[name] for name in task.qrels.docs), "the tiny corpus has links across folds"


def test_the_seed_draws_the_folds_and_nothing_else() -> None:
    """Another seed moves modules between folds; documents and questions stay the same."""
    one_world, other = tiny_world(seed=1), tiny_world(seed=3)
    assert one_world.corpus.digest == other.corpus.digest
    assert one_world.task("known_item").texts == other.task("known_item").texts
    assert one_world.task("known_item").fold != other.task("known_item").fold


def test_hard_questions_share_no_word_with_the_answers_name(world: World) -> None:
    """A sentence that says `transpose` gives its document away; one about header lines does not say `rows`."""
    task = world.task("known_item")
    hard = dict(zip(task.query_ids, task.slices["hard_nl"].tolist(), strict=True))
    assert not hard["kit.grid.transpose"]
    assert hard["kit.grid.rows"]


def test_slices_part_the_queries(world: World) -> None:
    """Lengths and packages each cover every query once."""
    for task in world.tasks.values():
        for column in ("length=", "package="):
            masks = [mask for name, mask in task.slices.items() if name.startswith(column)]
            assert np.array_equal(np.sum(masks, axis=0), np.ones(len(task)))
        assert task.slices["all"].all()


def test_a_class_lists_only_its_own_methods() -> None:
    """A method whose text belongs to another class is read there, and not again where it is repeated."""
    texts = ["The first method of two.", "The second method of two."]
    library = library_of({
        "docs": texts, "paths": [("p.A.f", 0, "f", True), ("p.B.f", 0, "f", True), ("p.B.g", 1, "g", True)],
        "classes": [("p.A", ["f"]), ("p.B", ["f", "g"])], "modules": [("p", "")],
    })
    assert {listing.name: listing.ids for listing in library.listings} == {"p.A": ("p.A.f",), "p.B": ("p.B.g",)}


def test_what_says_no_more_than_its_name_is_no_document() -> None:
    """A docstring of a few words is left out, and no link leads to it."""
    library = library_with(("p.a", doc("A document with enough words.", see="b")), ("p.b", "Nothing."))
    assert list(library.articles) == ["p.a"]
    assert library.links == {}
    assert library.facts["see_also_unresolved"] == 0, "the name is known, it only has no text"


def test_unresolved_names_are_counted() -> None:
    """A link into nowhere is counted, never guessed."""
    library = library_with(("p.a", doc("A document with enough words.", see="nowhere, b")),
                           ("p.b", doc("Another document with enough words.")))
    assert (library.facts["see_also_names"], library.facts["see_also_unresolved"]) == (2, 1)


def test_the_order_of_the_walk_does_not_matter() -> None:
    """The same harvest in another order makes the same world."""
    harvest: dict[str, Any] = tiny_harvest()
    turned = {"docs": harvest["docs"][::-1], "modules": harvest["modules"][::-1], "classes": [],
              "paths": [(path, 53 - row, own, here) for path, row, own, here in harvest["paths"]][::-1]}
    assert world_from(library_of(turned), {}, seed=42).digest == tiny_world().digest


def test_vital_signs_see_a_world_that_is_too_small(world: World) -> None:
    """The handwritten library misses the limits of the real one, and an empty world misses nearly all."""
    missed = {sign.name for sign in vital_signs(world) if not sign.met}
    assert {"documents", "packages", "see_also queries", "modules to judge"} <= missed
    assert "unresolved share" not in missed
    doubtful = dataclasses.replace(world, facts={"see_also_names": 1000, "see_also_unresolved": 61})
    assert "unresolved share" in {sign.name for sign in vital_signs(doubtful) if not sign.met}
    bare = dataclasses.replace(world, tasks={}, facts={})
    assert {sign.name for sign in vital_signs(bare) if sign.met} == {"modules in both folds"}


@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_the_digest_does_not_depend_on_the_hash_seed(hash_seed: str) -> None:
    """Pinned: in any interpreter, under any hash seed, the handwritten library makes this very world."""
    command = [sys.executable, "-c", "from fixtures.tiny_corpus import tiny_world; print(tiny_world().digest)"]
    places = os.pathsep.join(path for path in sys.path if path)
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": places}
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == PINNED
