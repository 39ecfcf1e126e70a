"""Reading order: what comes next is learnt from the fit fold, asked of the release's own index, beside references."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from harness.data.corpus import World
from harness.errors import InputError
from harness.records import Run
from harness.release.build import Built
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded
from harness.release.parts import SequencePart
from harness.release.reading import REFERENCES, answer_reading, fit_sequence
from harness.release.stages import document_vectors
from harness.retrieval.sequence import SEQUENCE_MODELS, AmnV0
from tests.release.small import LIBRARY, library, served


@pytest.fixture
def release(tmp_path, monkeypatch) -> tuple[Loaded, Built, LiveRelease]:
    loaded = library(tmp_path, monkeypatch)
    return loaded, *served(loaded, tmp_path)


def asked(release: tuple[Loaded, Built, LiveRelease]) -> tuple[Run, dict[str, Run]]:
    loaded, built, live = release
    return answer_reading(loaded.manifest, built.world.task("reading_order").judge(), built.world, built.folders,
                          live.first)


def test_the_release_answers_beside_every_reference(release):
    """One ranking for the release, one for each plain method that it must beat."""
    run, references = asked(release)
    judged = release[1].world.task("reading_order").judge()
    assert set(references) == set(REFERENCES)
    for one in (run, references["last_vector"], references["decayed_mean"]):
        assert set(one.queries.tolist()) == set(judged.query_ids)


def test_what_was_read_is_no_hit(release):
    """A reader does not turn back: no document of a context is in its own list, for the release or a reference."""
    run, references = asked(release)
    world = release[1].world
    task = world.task("reading_order").judge()
    read = {name: {world.corpus.ids[place] for place in context}
            for name, context in zip(task.query_ids, task.contexts, strict=True)}
    for one in (run, *references.values()):
        assert not any(str(one.docs[doc]) in read[str(one.queries[query])]
                       for query, doc in zip(one.query, one.doc, strict=True))


@pytest.mark.parametrize("impl", SEQUENCE_MODELS)
def test_any_sequence_retriever_may_be_the_release(tmp_path, monkeypatch, impl):
    """A reference that is itself on trial is not its own reference."""
    loaded = library(tmp_path, monkeypatch, LIBRARY.replace("amn_v0", impl))
    run, references = asked((loaded, *served(loaded, tmp_path)))
    assert len(run.doc) and set(references) == set(REFERENCES) - {impl}


def test_popularity_is_counted_on_the_fit_fold(release):
    """The reference's scores are how often a document came next where readers could be learnt from."""
    _, references = asked(release)
    world = release[1].world
    fit = world.task("reading_order").fit()
    counts = Counter(fit.qrels.docs[fit.qrels.doc].tolist())
    run = references["popularity"]
    assert len(run.doc) and {str(run.docs[doc]) for doc in run.doc} <= set(counts)
    assert all(counts[str(run.docs[doc])] == score for doc, score in zip(run.doc, run.score, strict=True))


def steps_learnt(monkeypatch, world: World, loaded: Loaded, built: Built) -> set[tuple[int, ...]]:
    seen: set[tuple[int, ...]] = set()
    real = AmnV0.fit

    def spied(self, vectors, contexts, targets):
        seen.update(tuple(row) for row in np.column_stack([contexts, targets]).tolist())
        return real(self, vectors, contexts, targets)

    monkeypatch.setattr(AmnV0, "fit", spied)
    fit_sequence("amn_v0", loaded.manifest, world, built.folders)
    return seen


def test_no_judged_step_was_learnt_from(release, monkeypatch):
    """What the memory stores are the fit fold's steps, each with its one target; a swapped fold would be seen."""
    loaded, built, _ = release
    task = built.world.task("reading_order")
    judged = set(task.judge().contexts)
    learnt = {step[:-1] for step in steps_learnt(monkeypatch, built.world, loaded, built)}
    assert learnt == set(task.fit().contexts) and not learnt & judged
    swapped = replace(task, fold=tuple({"fit": "judge", "judge": "fit"}[fold] for fold in task.fold))
    leaky = World(built.world.corpus, built.world.tasks | {"reading_order": swapped})
    assert {step[:-1] for step in steps_learnt(monkeypatch, leaky, loaded, built)} == judged


def test_hits_come_from_the_release_s_own_index(release):
    """The release's first hit is the stored vector nearest to its prediction, what was read apart."""
    loaded, built, live = release
    task = built.world.task("reading_order").judge()
    vectors = document_vectors(loaded.manifest, built.world, built.folders)
    contexts = np.asarray(task.contexts, dtype=np.int64)
    cosines = AmnV0.load(built.folders["sequence"]).predict(vectors, contexts) @ live.first.index.vectors().T
    np.put_along_axis(cosines, contexts, -np.inf, axis=1)
    run, _ = asked(release)
    first = {str(run.queries[query]): str(run.docs[doc]) for query, doc, rank
             in zip(run.query, run.doc, run.rank, strict=True) if rank == 1}
    expected = [built.world.corpus.ids[code] for code in cosines.argmax(axis=1)]
    assert [first[name] for name in task.query_ids] == expected


def test_a_policy_on_reading_needs_a_sequence_part(release):
    """A release that has none says so in one line, and so does a task that is no reading order."""
    loaded, built, live = release
    bare = loaded.manifest.model_copy(update={"parts": loaded.manifest.parts.model_copy(update={"sequence": None})})
    with pytest.raises(InputError, match=r"column parts\.sequence: no sequence retriever"):
        answer_reading(bare, built.world.task("reading_order"), built.world, built.folders, live.first)
    assert loaded.manifest.parts.sequence == SequencePart(impl="amn_v0")
    with pytest.raises(InputError, match="no sequence retriever"):
        answer_reading(loaded.manifest, built.world.task("see_also"), built.world, built.folders, live.first)
