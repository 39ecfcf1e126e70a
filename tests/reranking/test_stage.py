"""The stage whole: fit, rerank, save, load, on the small library."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.errors import InputError
from harness.reranking.stage import RerankStage
from harness.reranking.vectors import VectorFeatures
from tests.reranking.shelf import Shelf

LEARNT, ASKED = Shelf(seed=3, queries=80), Shelf(seed=3, queries=30)


def stage(share: float | None = None, **options) -> RerankStage:
    return RerankStage(LEARNT.maker, "mlp", accept_share=share, epochs=10, **options).fit(LEARNT.lists)


def first_hits(made: RerankStage) -> list[int]:
    lists = LEARNT.lists
    return [int(made.rerank(text, vector, codes, scores).codes[0]) for text, vector, codes, scores
            in zip(lists.texts, lists.query_vectors, lists.codes, lists.scores, strict=True)]


BEFORE = [int(codes[np.argmax(scores)]) for codes, scores in zip(LEARNT.lists.codes, LEARNT.lists.scores, strict=True)]


def changed(made: RerankStage) -> float:
    return float(np.mean(np.array(first_hits(made)) != BEFORE))


def test_none_changes_nothing():
    """The stage with no reranker hands back the first stage's order and scores."""
    made = RerankStage(LEARNT.maker, "none").fit(LEARNT.lists)
    assert changed(made) == 0.0
    lists = LEARNT.lists
    hits = made.rerank(lists.texts[0], lists.query_vectors[0], lists.codes[0], lists.scores[0])
    assert hits.scores == pytest.approx(sorted(lists.scores[0], reverse=True), abs=1e-6)


def test_a_share_bounds_what_changes():
    """A smaller share lets fewer first hits change; without a margin more change than with one."""
    shares = [changed(stage(share)) for share in (0.1, 0.4, None)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_short_lists_lose_their_fillers():
    """-1 is never reranked into a hit, and a list of nothing stays nothing."""
    made, lists = stage(), LEARNT.lists
    codes, scores = lists.codes[0].copy(), lists.scores[0].copy()
    codes[3:], scores[3:] = -1, -np.inf
    hits = made.rerank(lists.texts[0], lists.query_vectors[0], codes, scores)
    assert sorted(hits.codes) == sorted(codes[:3])
    assert (np.diff(hits.scores) <= 0).all()
    assert not len(made.rerank(lists.texts[0], lists.query_vectors[0], [-1, -1], [-np.inf, -np.inf]).codes)


def test_fillers_teach_nothing():
    """A fit on lists with fillers and empty lists equals the fit without them."""
    lists = LEARNT.lists
    padded = lists._replace(
        texts=[*lists.texts, "empty"], query_vectors=np.vstack([lists.query_vectors, np.zeros(16)]),
        codes=[*(np.r_[codes, -1] for codes in lists.codes), np.array([-1])],
        scores=[*(np.r_[scores, -np.inf] for scores in lists.scores), np.array([-np.inf])],
        labels=[*(np.r_[labels, 0] for labels in lists.labels), np.array([0])], clusters=[*lists.clusters, "x"])
    other = RerankStage(LEARNT.maker, "mlp", accept_share=0.3, epochs=10).fit(padded)
    assert first_hits(other) == first_hits(stage(0.3))
    assert other.margin == stage(0.3).margin


@pytest.mark.parametrize("impl", ["mlp", "lambdamart", "none"])
def test_a_loaded_stage_is_the_saved_one(impl, tmp_path):
    """Save and load keep every order, the margin, and the bytes of a second save."""
    made = RerankStage(LEARNT.maker, impl, seed=5, accept_share=0.3).fit(LEARNT.lists)
    made.save(tmp_path / "one")
    loaded = RerankStage.load(tmp_path / "one", ASKED.maker)
    loaded.save(tmp_path / "two")
    assert first_hits(loaded) == first_hits(made)
    assert loaded.margin == made.margin
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_other_features_than_fitted_on_are_refused(tmp_path):
    """A stage fitted on full features does not load over vectors alone."""
    stage().save(tmp_path)
    with pytest.raises(InputError, match="not the ones fitted on"):
        RerankStage.load(tmp_path, VectorFeatures(LEARNT.vectors))


@pytest.mark.parametrize(("change", "says"), [
    ({"margin": -1}, "option out of range"), ({"margin": "0.1"}, "option out of range"),
    ({"accept_share": 2}, "option out of range"), ({"options": []}, "not a reranking stage"),
    ({"options": {"hiden": 3}}, "nearest: hidden"), ({"impl": 3}, "not a reranking stage"), ({"seed": "x"}, "seed"),
    ({"spare": 1}, "wrong keys"),
])
def test_a_doctored_stage_is_refused(change, says, tmp_path):
    """Values of the wrong kind in `stage.json` are one-line errors."""
    stage().save(tmp_path)
    path = tmp_path / "stage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=says):
        RerankStage.load(tmp_path, LEARNT.maker)


def test_nothing_to_learn_from_is_refused():
    """Lists without a candidate, or without a relevant one, fit nothing."""
    lists = LEARNT.lists
    nothing = lists._replace(codes=[np.array([-1])] * 80, scores=[np.array([0.0])] * 80, labels=[np.array([0])] * 80)
    with pytest.raises(InputError, match="nothing to learn"):
        RerankStage(LEARNT.maker, "mlp").fit(nothing)
    with pytest.raises(InputError, match="nothing to learn"):
        RerankStage(LEARNT.maker, "mlp").fit(lists._replace(labels=[0 * labels for labels in lists.labels]))


def test_unpaired_candidates_are_refused():
    """Codes without scores are an error, not a shorter list."""
    with pytest.raises(InputError, match="differ in length"):
        stage().rerank("sort", LEARNT.lists.query_vectors[0], [1, 2], [0.1])
