"""The models: they learn what is there to learn, the same bytes each time, and refuse what they cannot read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.errors import InputError
from harness.reranking.factory import NoReranker, load_reranker, make_reranker
from harness.reranking.features import feature_lists
from harness.reranking.lambdamart import LambdaMartReranker
from harness.reranking.mlp import MlpReranker
from tests.reranking.shelf import Shelf, first_grade, split

LEARNERS = [MlpReranker(epochs=30, penalty=1e-3), MlpReranker(epochs=30, penalty=1e-3, residual=True),
            LambdaMartReranker(trees=30)]
IDS = ["mlp", "mlp residual", "lambdamart"]


def lessons(shelf: Shelf):
    lists = shelf.lists
    rows, sizes = feature_lists(shelf.maker, lists.texts, lists.query_vectors, lists.codes, lists.scores)
    return rows, np.concatenate(lists.labels), sizes


FITTED_ON, JUDGED_ON = lessons(Shelf(seed=3, queries=80)), lessons(Shelf(seed=11, queries=40))


def judged(model) -> float:
    rows, labels, sizes = JUDGED_ON
    return first_grade(split(model.scores(rows), sizes), split(labels, sizes))


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("model", LEARNERS, ids=IDS)
def test_a_fit_beats_the_first_stage_on_unseen_queries(model):
    """Where words tell what is relevant, the reranker's first hits are better than the first stage's."""
    assert judged(model.fit(*FITTED_ON)) > judged(NoReranker()) + 1.0


@pytest.mark.parametrize("model", LEARNERS, ids=IDS)
def test_shuffled_grades_teach_nothing(model, rng):
    """The twin without signal stays a grade behind: the gain above comes from the grades, not from the columns."""
    rows, labels, sizes = FITTED_ON
    shuffled = np.concatenate([rng.permutation(part) for part in split(labels, sizes)])
    assert judged(model.fit(rows, shuffled, sizes)) <= judged(model.fit(*FITTED_ON)) - 0.8


@pytest.mark.parametrize("model", LEARNERS, ids=IDS)
def test_equal_fits_save_equal_bytes(model, tmp_path):
    """Two fits with one seed, and a save of what was loaded, are the same files byte for byte."""
    model.fit(*FITTED_ON).save(tmp_path / "one")
    model.fit(*FITTED_ON).save(tmp_path / "two")
    type(model).load(tmp_path / "one").save(tmp_path / "three")
    assert files(tmp_path / "one") == files(tmp_path / "two") == files(tmp_path / "three")


def test_another_seed_is_another_model(rng):
    """The seed is heard: where grades are noise, two seeds give two networks and two forests."""
    rows, labels, sizes = FITTED_ON
    noise = rng.permutation(labels)
    for impl, options in (("mlp", {"epochs": 2}), ("lambdamart", {"trees": 40})):
        one, two = (make_reranker(impl, seed=seed, **options).fit(rows, noise, sizes) for seed in (1, 2))
        assert not np.array_equal(one.scores(JUDGED_ON[0]), two.scores(JUDGED_ON[0]))


@pytest.mark.parametrize("model", [*LEARNERS, NoReranker()], ids=[*IDS, "none"])
def test_a_loaded_model_scores_the_same(model, tmp_path):
    """Loading gives the same scores to the last bit."""
    model.fit(*FITTED_ON).save(tmp_path)
    assert np.array_equal(type(model).load(tmp_path).scores(JUDGED_ON[0]), model.scores(JUDGED_ON[0]))


@pytest.mark.parametrize("impl", ["mlp", "lambdamart"])
def test_without_a_fit_there_is_no_score_and_no_file(impl, tmp_path):
    """An unfitted reranker refuses to score and to save."""
    with pytest.raises(InputError, match="not fitted"):
        make_reranker(impl).scores(JUDGED_ON[0])
    with pytest.raises(InputError, match="not fitted"):
        make_reranker(impl).save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", LEARNERS, ids=IDS)
def test_wrong_features_are_refused_when_scoring(model):
    """Other columns than fitted on, or a NaN among them, are an error; no row gives no score."""
    model.fit(*FITTED_ON)
    width = FITTED_ON[0].shape[1]
    with pytest.raises(InputError, match="wrong shape"):
        model.scores(np.zeros((2, width - 1)))
    with pytest.raises(InputError, match="not finite"):
        model.scores(np.full((2, width), np.nan))
    assert model.scores(np.empty((0, width))).shape == (0,)


def test_lambdamart_wants_grades():
    """Fractional labels are refused: LambdaMART's gain is defined on whole grades."""
    rows, labels, sizes = FITTED_ON
    with pytest.raises(InputError, match="labels are not grades"):
        LambdaMartReranker(trees=2).fit(rows, labels + 0.5 * (labels > 0), sizes)


@pytest.mark.parametrize(("residual", "follows"), [(True, True), (False, False)])
def test_a_residual_needs_no_weights_to_keep_the_first_stage(residual, follows):
    """Its weights pressed small, the residual network still scores as the first stage did; the other cannot."""
    rows, _, sizes = FITTED_ON
    model = MlpReranker(epochs=200, penalty=300.0, residual=residual).fit(rows, rows[:, 0] - rows[:, 0].min(), sizes)
    assert (np.corrcoef(model.scores(rows), rows[:, 0])[0, 1] > 0.99) == follows


@pytest.mark.parametrize("impl", ["mlp", "lambdamart", "none"])
def test_a_damaged_folder_is_one_line(impl, tmp_path):
    """Each file missing, cut in half, or not text: an InputError that names the file, never a half-read model."""
    options = {"mlp": {"epochs": 1}, "lambdamart": {"trees": 2}, "none": {}}[impl]
    make_reranker(impl, **options).fit(*FITTED_ON).save(tmp_path)
    for name, raw in files(tmp_path).items():
        for damaged in (None, raw[: len(raw) // 2], b"\xff\xfe\x00"):
            path = tmp_path / name
            path.unlink() if damaged is None else path.write_bytes(damaged)
            with pytest.raises(InputError, match=name.replace(".", r"\.")):
                load_reranker(impl, tmp_path)
            path.write_bytes(raw)
    load_reranker(impl, tmp_path)


@pytest.mark.parametrize(("change", "says"), [
    ({"hiden": 3}, "wrong keys.*nearest: hidden"),
    ({"hidden": 0}, "option out of range.*a whole number from 1"),
    ({"penalty": "much"}, "option out of range.*a finite number from 0"),
    ({"residual": 1}, "option out of range.*true or false"),
    ({"inputs": "ten"}, "option out of range.*a whole number from 1"),
    ({"inputs": 7}, "wrong weights"),
])
def test_a_doctored_configuration_is_refused(change, says, tmp_path):
    """Unknown keys and sizes that do not fit the weights are refused."""
    MlpReranker(epochs=1).fit(*FITTED_ON).save(tmp_path)
    path = tmp_path / "mlp.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=says):
        MlpReranker.load(tmp_path)


def test_weights_that_are_not_numbers_are_refused(tmp_path):
    """A NaN written into the weights does not become a NaN score."""
    MlpReranker(epochs=1).fit(*FITTED_ON).save(tmp_path)
    np.save(tmp_path / "second_bias.npy", np.array([np.nan]))
    with pytest.raises(InputError, match=r"second_bias\.npy: wrong weights"):
        MlpReranker.load(tmp_path)


def test_vectors_alone_learn_by_heart_and_lose(rng):
    """A network on raw coordinates, fitted on some directions and judged on others, falls behind the first stage."""
    def world(directions):
        rows, labels = [], []
        for _ in range(60):
            way = directions[rng.integers(len(directions))]
            score = rng.normal(size=10)
            coordinates = 0.8 * rng.normal(size=(10, 64)) + way
            label = (score + 0.8 * rng.normal(size=10) + 6.0 * (directions is seen) * coordinates[:, 0] > 1.0)
            rows.append(np.column_stack([score, coordinates]))
            labels.append(label.astype(int))
        return np.vstack(rows), np.concatenate(labels), np.full(60, 10)

    seen, unseen = np.zeros((4, 64)), rng.normal(size=(4, 64))
    rows, labels, sizes = world(unseen)
    model = MlpReranker(epochs=30, penalty=1e-3).fit(*world(seen))
    reached = first_grade(split(model.scores(rows), sizes), split(labels, sizes))
    assert reached < first_grade(split(rows[:, 0], sizes), split(labels, sizes)) - 0.1
