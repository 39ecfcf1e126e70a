"""Sequence retrievers: the gradient is the true one, the memory recalls, the references are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.store import sha256_tree
from harness.errors import InputError, UsageError
from harness.retrieval.gru import corrected, initial, loss_and_gradients, train
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.sequence import SEQUENCE_MODELS, sequence_retriever

N, WIDTH = 240, 16


@pytest.fixture(scope="module")
def world():
    """Documents on spirals from five regions: each step is one fixed rotation, so it carries over to unseen spirals."""
    rng = np.random.default_rng(9)
    turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    starts = np.tile(rng.normal(size=(5, WIDTH)), (N // 40, 1)) + 0.5 * rng.normal(size=(N // 8, WIDTH))
    starts /= np.linalg.norm(starts, axis=1, keepdims=True)
    rows = [start @ np.linalg.matrix_power(turn, power) for start in starts for power in range(8)]
    vectors = np.asarray(rows, dtype=np.float32)
    steps = np.array([[doc + place for place in range(5)] for doc in range(N) if doc % 8 < 4])
    return vectors, steps[:, :4], steps[:, 4], FaissIndex("flat").build(vectors)


def hit_rate(name, world, *, k=1, fitted_on=60, **options):
    vectors, contexts, targets, index = world
    model = sequence_retriever(name, **options).fit(vectors, contexts[:fitted_on], targets[:fitted_on])
    hits = model.retrieve(contexts[fitted_on:], vectors=vectors, index=index, k=k)
    return np.mean((hits.codes == targets[fitted_on:, None]).any(axis=1))


def test_the_gradient_is_the_finite_difference():
    """Every weight's gradient by back-propagation equals the slope of the loss, to six digits."""
    rng = np.random.default_rng(1)
    weights = {name: value.astype(np.float64) for name, value in initial(5, 4, rng).items()}
    weights["out"] = rng.normal(size=(4, 5)) * 0.3
    weights["bias"] = rng.normal(size=12) * 0.3
    inputs, base, targets = rng.normal(size=(6, 3, 5)), rng.normal(size=(6, 5)) * 0.1, rng.normal(size=(6, 5)) * 0.1
    rival = rng.random((6, 6)) < 0.8
    _, gradients = loss_and_gradients(weights, inputs, base, targets, rival)
    for name, gradient in gradients.items():
        for place in zip(*(rng.integers(0, size, 12) for size in gradient.shape), strict=True):
            slope = []
            for sign in (1, -1):
                moved = {key: value.copy() for key, value in weights.items()}
                moved[name][place] += sign * 1e-5
                slope.append(loss_and_gradients(moved, inputs, base, targets, rival)[0])
            assert gradient[place] == pytest.approx((slope[0] - slope[1]) / 2e-5, rel=1e-5, abs=1e-8)


def test_training_learns_and_leaves_its_start_alone(world):
    """The loss falls, the given weights stay, and an untrained unit returns its base."""
    vectors, contexts, targets, _ = world
    start = initial(WIDTH, 8, np.random.default_rng(0))
    copy = {name: value.copy() for name, value in start.items()}
    base = vectors[contexts[:, -1]]
    assert (corrected(start, vectors[contexts], base) == base).all()
    rng = np.random.default_rng(0)
    _, losses = train(start, vectors[contexts], base, vectors[targets], targets, rng=rng, epochs=20, rate=1e-2)
    assert losses[-1] < 0.8 * losses[0]
    assert all((start[name] == copy[name]).all() for name in start)


def test_equal_targets_are_no_rivals():
    """Two rows with the same right answer do not push each other away: alone together, their loss is zero."""
    weights = initial(3, 2, np.random.default_rng(0))
    inputs, targets = np.ones((2, 1, 3)), np.ones((2, 3))
    loss, gradients = loss_and_gradients(weights, inputs, targets, targets, np.zeros((2, 2), bool))
    assert loss == 0
    assert all(not gradient.any() for gradient in gradients.values())
    assert loss_and_gradients(weights, inputs, targets, targets, np.ones((2, 2), bool))[0] > 0.5


def test_learnt_models_beat_the_references_where_the_step_is_learnable(world):
    """On unseen starts of a world with a regular step, memory and unit beat what only looks backwards."""
    reference = max(hit_rate(name, world, k=5) for name in ("last_vector", "decayed_mean", "popularity"))
    assert hit_rate("amn_v0", world, k=5) > reference + 0.2
    assert hit_rate("gru_v0", world, k=5, epochs=60) > reference + 0.2


def test_a_cold_memory_recalls_the_stored_step(world):
    """With a very high beta, a stored context returns the very target that followed it."""
    vectors, contexts, targets, _ = world
    model = sequence_retriever("amn_v0", beta=1e4).fit(vectors, contexts, targets)
    np.testing.assert_allclose(model.predict(vectors, contexts), vectors[targets], atol=1e-4)


def test_no_share_is_the_decayed_mean(world):
    """A memory that counts nothing, and a decay of nothing, are the references they reduce to."""
    vectors, contexts, targets, _ = world
    silent = sequence_retriever("amn_v0", share=0.0, decay=0.5).fit(vectors, contexts, targets)
    mean = sequence_retriever("decayed_mean", decay=0.5).predict(vectors, contexts)
    np.testing.assert_allclose(silent.predict(vectors, contexts), mean, atol=1e-6)
    last = sequence_retriever("last_vector").predict(vectors, contexts)
    steepest = sequence_retriever("decayed_mean", decay=0.0).predict(vectors, contexts)
    np.testing.assert_allclose(steepest, last, atol=1e-6)


@pytest.mark.parametrize("name", sorted(SEQUENCE_MODELS))
def test_each_model_keeps_its_protocol(name, world, tmp_path):
    """Hits leave out the context, equal fits write equal bytes, and a loaded model answers as the fitted one."""
    vectors, contexts, targets, index = world
    fitted = [sequence_retriever(name).fit(vectors, contexts, targets) for _ in range(2)]
    for model, folder in zip(fitted, "ab", strict=True):
        model.save(tmp_path / folder)
    assert sha256_tree(tmp_path / "a") == sha256_tree(tmp_path / "b")
    want = fitted[0].retrieve(contexts, vectors=vectors, index=index, k=10)
    loaded = type(fitted[0]).load(tmp_path / "a").retrieve(contexts, vectors=vectors, index=index, k=10)
    assert (loaded.codes == want.codes).all()
    assert want.codes.shape == (len(contexts), 10)
    assert not (want.codes[:, :, None] == contexts[:, None, :]).any()
    if name != "popularity":
        np.testing.assert_allclose(np.linalg.norm(fitted[0].predict(vectors, contexts), axis=1), 1, atol=1e-5)


def test_popularity_counts(world):
    """The most frequent target comes first, and what never came next is no hit."""
    vectors, contexts, _, index = world
    model = sequence_retriever("popularity").fit(vectors, contexts[:3], np.array([100, 100, 200]))
    hits = model.retrieve(contexts[:1], vectors=vectors, index=index, k=3)
    assert hits.codes.tolist() == [[100, 200, -1]]


def test_the_environment_selects(monkeypatch):
    """RETRIEVER_IMPL names the model; a name in the call wins; without either it is the memory."""
    monkeypatch.setenv("RETRIEVER_IMPL", "gru_v0")
    assert sequence_retriever().name == "gru_v0"
    assert sequence_retriever("popularity").name == "popularity"
    monkeypatch.delenv("RETRIEVER_IMPL")
    assert sequence_retriever().name == "amn_v0"
    monkeypatch.setenv("RETRIEVER_IMPL", "gruv0")
    with pytest.raises(InputError, match=r"RETRIEVER_IMPL.*nearest: gru_v0"):
        sequence_retriever()


@pytest.mark.parametrize("name", ["amn_v0", "gru_v0", "popularity"])
def test_an_unfitted_model_says_so(name, world, tmp_path):
    """Asking or saving before fitting is an input error, never an empty answer."""
    vectors, contexts, _, index = world
    for action in (lambda m: m.retrieve(contexts, vectors=vectors, index=index, k=1), lambda m: m.save(tmp_path)):
        with pytest.raises(InputError, match="not fitted"):
            action(sequence_retriever(name))


def test_wrong_steps_are_one_line(world):
    """Unknown documents, missing targets, flat contexts and unknown options are told apart."""
    vectors, contexts, targets, _ = world
    model = sequence_retriever("amn_v0")
    for bad, says in (((contexts + N, targets), "no such document"), ((contexts, targets[:3]), "steps do not fit"),
                      ((contexts[:, 0], targets), "wrong shape"), ((contexts[:0], targets[:0]), "steps do not fit")):
        with pytest.raises(InputError, match=says):
            model.fit(vectors, *bad)
    with pytest.raises(UsageError, match="amn_v0"):
        sequence_retriever("amn_v0", betta=3)
