"""Documents, tasks and worlds keep their order, their bytes and their promises about what may be learnt from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fixtures.tiny_corpus import tiny_world
from harness.data.corpus import FIT, JUDGE, Corpus, Document, Task, World
from harness.errors import InputError
from harness.records import Qrels


def document(name: str, text: str = "words") -> Document:
    return Document(name, name, "Summary.", text, "module", "package")


@pytest.fixture(scope="module")
def world() -> World:
    return tiny_world()


def test_documents_stand_in_the_order_of_their_ids() -> None:
    """However they are given, documents are ordered by id, and position is the inverse of ids."""
    corpus = Corpus.of("c", [document("b"), document("é"), document("B"), document("a")])
    assert corpus.ids == ("B", "a", "b", "é")
    assert [corpus.position(name) for name in corpus.ids] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a", "a"], "duplicate document id"), (["", "a"], "not a document id")],
)
def test_ids_must_be_distinct_and_filled(names: list[str], message: str) -> None:
    """Two documents of one id, or one without, are refused with the row."""
    with pytest.raises(InputError, match=message):
        Corpus.of("c", [document(name) for name in names])


def test_a_corpus_out_of_order_is_refused() -> None:
    """The constructor itself never takes documents that are not ascending."""
    with pytest.raises(InputError, match="out of order"):
        Corpus("c", (document("b"), document("a")))


def test_an_unknown_document_names_its_neighbour(world: World) -> None:
    """A misspelt id is told with the nearest one."""
    with pytest.raises(InputError, match=r"nearest: kit\.clock\.alarm"):
        world.corpus.position("kit.clock.alrm")


def test_the_digest_is_of_the_documents_alone() -> None:
    """One letter changes the digest; name and versions do not."""
    one = Corpus.of("c", [document("a")])
    assert one.digest == Corpus.of("d", [document("a")], {"numpy": "2"}).digest
    assert one.digest != Corpus.of("c", [document("a", "word")]).digest


def test_half_a_character_is_refused_in_one_line(world: World) -> None:
    """A lone surrogate, which JSON can spell and UTF-8 cannot, is told when the corpus or task is given its bytes."""
    with pytest.raises(InputError, match=r"not Unicode.*ud800"):
        Corpus.of("c", [document("a", "half \ud800 a character")]).digest  # noqa: B018
    task = world.task("see_also")
    with pytest.raises(InputError, match="not Unicode"):
        dataclasses.replace(task, texts=("\ud800",) * len(task)).digest  # noqa: B018


def test_an_empty_corpus_survives() -> None:
    """No documents is a corpus too: reading code must be able to say so itself."""
    assert len(Corpus.of("none", [])) == 0


def test_what_is_saved_is_loaded_again(world: World, tmp_path: Path) -> None:
    """A world comes back equal in digest, facts, versions, folds, slices and contexts."""
    world.save(tmp_path)
    back = World.load(tmp_path)
    assert back.digest == world.digest
    assert (back.facts, back.versions, back.corpus.documents) == (world.facts, world.versions, world.corpus.documents)
    for name, task in world.tasks.items():
        again = back.task(name)
        assert (again.texts, again.contexts, again.fold) == (task.texts, task.contexts, task.fold)
        assert list(again.slices) == sorted(task.slices)
        assert all(np.array_equal(again.slices[one], task.slices[one]) for one in task.slices)
        assert np.array_equal(again.own, task.own)


def test_equal_worlds_are_equal_files(world: World, tmp_path: Path) -> None:
    """Saved, loaded and saved again, every file has the same bytes."""
    world.save(tmp_path / "one")
    World.load(tmp_path / "one").save(tmp_path / "two")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.json"))
    assert len(files) == 10
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _one_letter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"sun", b"son", 1))


@pytest.mark.parametrize("file", ["documents.json", "tasks/see_also.json", "world.json"])
@pytest.mark.parametrize("damage", [_cut_short, Path.unlink])
def test_a_damaged_world_is_not_loaded(world: World, tmp_path: Path, file: str, damage: Callable[[Path], None]) -> None:
    """A body that is cut short or gone is refused by name."""
    world.save(tmp_path)
    damage(tmp_path / file)
    with pytest.raises(InputError, match=Path(file).name):
        World.load(tmp_path)


def test_a_changed_word_is_found(world: World, tmp_path: Path) -> None:
    """Valid JSON with another word in it is not what the header names."""
    world.save(tmp_path)
    _one_letter(tmp_path / "documents.json")
    with pytest.raises(InputError, match="not what its header names"):
        World.load(tmp_path)


def test_two_worlds_do_not_mix(world: World, tmp_path: Path) -> None:
    """A task of another seed, whole with its header, does not fit into the folder of this world."""
    world.save(tmp_path)
    other = next(seed for seed in range(99) if tiny_world(seed=seed).digest != world.digest)
    tiny_world(seed=other).task("see_also").save(tmp_path / "tasks")
    with pytest.raises(InputError, match="not of one world"):
        World.load(tmp_path)


@pytest.mark.parametrize("header", ['{"sha256": "x"}', "[]", "{", '{"name": 1, "name": 2}'])
def test_a_wrong_header_is_one_line(world: World, tmp_path: Path, header: str) -> None:
    """A header that is no header gives an InputError, never a traceback."""
    world.corpus.save(tmp_path)
    (tmp_path / "corpus.json").write_text(header)
    with pytest.raises(InputError):
        Corpus.load(tmp_path)


def test_a_body_of_the_wrong_shape_is_one_line(tmp_path: Path) -> None:
    """Bytes that agree with their header, but hold something else, are an InputError too."""
    from harness.data.bodies import store_body

    store_body(tmp_path, "documents", json.dumps([["a", "b"]]).encode(), "corpus", {"name": "c", "versions": {}})
    with pytest.raises(InputError, match="wrong shape"):
        Corpus.load(tmp_path)


def test_folds_part_a_task(world: World) -> None:
    """Fit and judge share no query and no module, and together are the task."""
    for task in world.tasks.values():
        fit, judge = task.fit(), task.judge()
        assert set(fit.fold) == {FIT}
        assert set(judge.fold) == {JUDGE}
        assert sorted(fit.query_ids + judge.query_ids) == list(task.query_ids)
        assert not set(fit.clusters) & set(judge.clusters)
        assert len(fit.qrels) + len(judge.qrels) == len(task.qrels)


def test_a_part_keeps_its_columns_together(world: World) -> None:
    """After `only`, text, own document, slices, contexts and judgements still belong to the same query."""
    whole = world.task("reading_order")
    keep = np.zeros(len(whole), dtype=np.bool_)
    keep[[3, 11]] = True
    part = whole.only(keep)
    for row, query in enumerate(part.query_ids):
        at = whole.query_ids.index(query)
        assert part.contexts is not None
        assert whole.contexts is not None
        assert part.contexts[row] == whole.contexts[at]
        assert (part.texts[row], part.own[row]) == (whole.texts[at], whole.own[at])
        assert all(part.slices[name][row] == whole.slices[name][at] for name in whole.slices)
    assert set(part.qrels.queries) == set(part.query_ids)


def test_no_query_is_a_task_too(world: World) -> None:
    """A slice that nothing falls into gives a task of length zero, not an error."""
    for task in world.tasks.values():
        empty = task.only(np.zeros(len(task), dtype=np.bool_))
        assert (len(empty), len(empty.qrels), empty.removed.shape[0]) == (0, 0, 0)


def test_what_is_removed_is_the_own_document_or_the_context(world: World) -> None:
    """Search removes the own document; reading order removes all that was read."""
    related, read = world.task("see_also"), world.task("reading_order")
    assert np.array_equal(related.removed[:, 0], related.own)
    assert read.removed.shape == (len(read), 4)
    assert np.array_equal(read.removed[:, -1], read.own)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": ("x",)}, "differ in length"),
        ({"fold": ("test", "fit")}, "no such fold"),
        ({"query_ids": ("b", "a")}, "out of order"),
        ({"slices": {"all": np.ones(3, dtype=np.bool_)}}, "slice all"),
        ({"contexts": ((1, 2), (1,))}, "contexts differ"),
        ({"qrels": Qrels.of(["c"], ["d"], [1])}, "judgement of an unknown query"),
        ({"name": "../up"}, "not a task name"),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(change: dict[str, object], message: str) -> None:
    """Lengths, folds, order, slices, contexts, judgements and name are checked where a task is made."""
    qrels = Qrels.of(["a"], ["d"], [1])
    sound = Task("t", ("a", "b"), ("x", "y"), np.array([-1, 0]), qrels, ("m", "m"), ("fit", "judge"))
    with pytest.raises(InputError, match=message):
        dataclasses.replace(sound, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [-2, 54])
def test_a_position_outside_the_corpus_is_refused(world: World, place: int) -> None:
    """Own documents must be in the corpus, or -1: an index error must not wait for the search."""
    task = world.task("see_also")
    stray = dataclasses.replace(task, own=np.full(len(task), place))
    with pytest.raises(InputError, match="outside the corpus"):
        World(world.corpus, {"see_also": stray})


def test_an_unknown_task_names_its_neighbour(world: World) -> None:
    """A misspelt task is told with the nearest one."""
    with pytest.raises(InputError, match="nearest: see_also"):
        world.task("seealso")
