"""Stages: a first stage finds what its kind says it finds, and what a second stage learns from is graded and apart."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.tiny_corpus import tiny_world
from harness.data.corpus import World
from harness.errors import InputError
from harness.release.stages import (
    AGREEMENT,
    FUSED,
    FirstStage,
    document_vectors,
    first_stage,
    lists_to_learn,
    load_encoder,
    rerank_stage,
)
from harness.retrieval.agreement import flat_agreement
from harness.retrieval.indexes import FaissIndex
from tests.release.small import DENSE, library, made, small

ASKED = ["convert degrees to radians", "inverse of the cosine of an angle", "concatenate arrays along an axis"]


def stage(folder, parts, **more) -> tuple[FirstStage, World]:
    loaded = small(folder, parts, **more)
    built = made(loaded, folder / "cache")
    return first_stage(loaded.manifest, built.world, built.folders), built.world


def ids_of(one: FirstStage, k: int = 10) -> list[list[str]]:
    found = one.hits(ASKED, one.vectors(ASKED), k=k)
    return [[one.ids[code] for code in row if code >= 0] for row in found.codes]


def test_dense_is_the_nearest_by_inner_product(tmp_path):
    """With every cell probed, hits are the literal order of all cosines; ties stand higher code first."""
    one, _ = stage(tmp_path, "{encoder: {dims: 48}, index: {nlist: 3, nprobe: 3}}")
    cosines = one.vectors(ASKED) @ one.index.vectors().T
    literal = [[one.ids[code] for code in np.lexsort((-np.arange(len(row)), -row))[:10]] for row in cosines]
    assert ids_of(one) == literal


def test_bm25_needs_no_vectors(tmp_path):
    """A lexical first stage has neither encoder nor index, and its query vectors are empty."""
    one, _ = stage(tmp_path, "{retriever: {impl: bm25}}")
    assert one.encoder is None and one.index is None and one.vectors(ASKED).shape == (3, 0)
    assert "acos" in ids_of(one)[1] and "concat" in ids_of(one)[2]


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 0.0), (0.2, 0.8)])
def test_a_hybrid_sums_reciprocal_ranks(tmp_path, weights):
    """Each leg gives weight / (60 + rank) for its hits, all of 150 here; with no weight on one, the other is left."""
    one, _ = stage(tmp_path, f"{{retriever: {{impl: rrf, weights: {list(weights)}}}, encoder: {{dims: 48}}}}")
    legs = [one.lexical.retrieve(ASKED, k=FUSED).codes, one.index.search(one.vectors(ASKED), k=FUSED).codes]
    for row, found in enumerate(one.hits(ASKED, one.vectors(ASKED), k=10).codes):
        score: dict[int, float] = {}
        for weight, codes in zip(weights, legs, strict=True):
            for rank, code in enumerate(codes[row][codes[row] >= 0].tolist(), start=1):
                score[code] = score.get(code, 0.0) + weight / (60 + rank)
        assert [round(score[code], 7) for code in found] == [round(one, 7) for one in sorted(score.values())[:-11:-1]]


def test_a_query_without_a_known_word_finds_nothing(tmp_path):
    """No vector, no hits: never the first documents of the corpus."""
    one, _ = stage(tmp_path, DENSE)
    assert (one.hits(["zzyzx qwfp"], one.vectors(["zzyzx qwfp"]), k=5).codes == -1).all()


@pytest.mark.parametrize(("index", "exact"), [("{impl: flat}", True), ("{nlist: 3}", True), ("{impl: hnsw}", True)])
def test_document_vectors_are_those_that_were_indexed(tmp_path, index, exact):
    """Read off the index, they equal the corpus encoded again."""
    loaded = small(tmp_path, f"{{encoder: {{dims: 48}}, index: {index}}}")
    built = made(loaded, tmp_path / "cache")
    again = load_encoder(loaded.manifest.parts.encoder, built.folders["encoder"]).documents(
        [document.text for document in built.world.corpus.documents])
    read = document_vectors(loaded.manifest, built.world, built.folders)
    assert read.shape == (150, 48) and np.allclose(read, again, atol=1e-6) is exact
    encoded = document_vectors(loaded.manifest, built.world, {"encoder": built.folders["encoder"]})
    assert np.array_equal(encoded, again)


def test_a_fixed_nprobe_is_held_to_the_cells_there_are(tmp_path):
    """`nprobe: 64` over three cells looks into all three."""
    one, _ = stage(tmp_path, "{encoder: {dims: 48}, index: {nlist: 3, nprobe: 64}}")
    assert one.index.nprobe == 3


def test_a_tuned_nprobe_is_the_smallest_that_agrees_on_the_fit_queries(tmp_path, capfd):
    """The chosen one's agreement is bounded by the aim, the step before it in the grid is not."""
    one, world = stage(tmp_path, "{encoder: {dims: 48}, index: {nlist: 14}}")
    capfd.readouterr()  # faiss warns of cells this small on its own stderr
    from harness.estimators.intervals import mean_interval
    from harness.release.stages import GRID

    fit = world.task("search").fit()
    flat, chosen = FaissIndex("flat").build(one.index.vectors()), one.index.nprobe

    def low(nprobe: int) -> float:
        one.index.nprobe = nprobe
        agreed = flat_agreement(one.index, flat, one.vectors(fit.texts), k=10)
        return mean_interval(agreed, clusters=np.asarray(fit.clusters, dtype=object), support=(0.0, 1.0)).low

    steps = [step for step in (*GRID, 14) if step <= 14]
    assert chosen == next(step for step in steps if low(step) >= AGREEMENT or step == 14)


@pytest.fixture
def learnt(tmp_path, monkeypatch):
    loaded = library(tmp_path, monkeypatch)
    built = made(loaded, tmp_path / "cache")
    first = first_stage(loaded.manifest, built.world, built.folders)
    return lists_to_learn(built.world, first, depth=20), built.world


def test_lists_to_learn_carry_the_grades_of_the_judgements(learnt):
    """Every candidate's label is its relevance for that query, 0 where nobody judged it; some are relevant."""
    lists, world = learnt
    tasks = [task.fit() for task in world.tasks.values() if task.contexts is None]
    names = [(task, query) for task in tasks for query in task.query_ids]
    assert len(names) == len(lists.codes) and sum(int(row.any()) for row in lists.labels) > len(names) / 4
    for (task, query), codes, labels in zip(names, lists.codes, lists.labels, strict=True):
        qrels = task.qrels
        grade = {str(qrels.docs[doc]): int(value) for row, doc, value in
                 zip(qrels.query, qrels.doc, qrels.relevance, strict=True) if qrels.queries[row] == query}
        assert labels.tolist() == [grade.get(world.corpus.ids[code], 0) if code >= 0 else 0 for code in codes]


def test_lists_to_learn_leave_out_the_query_s_own_page_and_the_judged(learnt):
    """A query made of a page never sees it; texts are those of the fit fold; reading orders teach others."""
    lists, world = learnt
    tasks = [task for task in world.tasks.values() if task.contexts is None]
    own = np.concatenate([task.fit().own for task in tasks])
    assert (own >= 0).any()
    assert not any(place in codes for place, codes in zip(own.tolist(), lists.codes, strict=True) if place >= 0)
    assert lists.texts == [text for task in tasks for text in task.fit().texts]
    assert not set(lists.texts) & {text for task in tasks for text in task.judge().texts}


def test_the_module_is_known_in_see_also_only(learnt):
    """In a known-item search the module would give the target away."""
    lists, world = learnt
    see_also = len(world.task("see_also").fit())
    assert len(lists.query_modules) > see_also > 0
    assert [module is not None for module in lists.query_modules] == [
        place < see_also for place in range(len(lists.query_modules))]


def test_without_a_fit_fold_there_is_nothing_to_learn(tmp_path, monkeypatch):
    """One line, never a reranker fitted on nothing."""
    loaded = library(tmp_path, monkeypatch)
    built = made(loaded, tmp_path / "cache")
    world = World(built.world.corpus, {name: task.judge() for name, task in tiny_world().tasks.items()})
    with pytest.raises(InputError, match="nothing to learn from; expected queries in the fit fold"):
        lists_to_learn(world, first_stage(loaded.manifest, built.world, built.folders), depth=5)


def test_a_second_stage_refuses_other_features_than_it_learnt_from(tmp_path):
    """A reranker fitted on all features is not served vectors only."""
    loaded = small(tmp_path)
    built = made(loaded, tmp_path / "cache")
    assert rerank_stage(loaded.manifest, built.world, built.folders).impl == "mlp"
    other = small(tmp_path, "{encoder: {dims: 48}, index: {nlist: 3}, reranker: {features: vectors}}", name="other")
    with pytest.raises(InputError, match="the features are not the ones fitted on"):
        rerank_stage(other.manifest, built.world, built.folders)
