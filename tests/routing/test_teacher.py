"""The teacher keeps its promises of direction, over the whole space, and refuses what it cannot learn from."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.routing.regret import chosen
from harness.routing.routed import MONOTONE, OUTPUTS
from harness.routing.teacher import RouterTeacher
from tests.routing.worlds import NAMES, teacher, world

FREE = {output: {} for output in OUTPUTS}
places = st.tuples(st.floats(-1, 2), st.floats(-1, 2), st.floats(-1, 3), st.floats(-50, 100))


def turns(model: RouterTeacher, low: float, high: float, margin: float, length: float) -> list[str]:
    """Outputs that fall where entropy rises from `low` to `high` with the rest held."""
    answers = model.predict([[low, margin, length], [high, margin, length]])
    return [output for output in OUTPUTS if getattr(answers, output)[1] < getattr(answers, output)[0]]


@given(places)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_answer_falls_as_entropy_rises_anywhere(place):
    """Price, spend and gain never fall with entropy, inside and outside what was fitted, even where the data say so."""
    first, second, margin, length = place
    for slope in (0.3, -0.3):
        assert turns(teacher(slope), *sorted([first, second]), margin, length) == []


def test_a_teacher_without_its_constraint_is_caught():
    """In a world where gains fall with entropy, the same look finds the model that was not held to its promise."""
    signals, gain, cost = world(seed=1, slope=-0.3)
    free = RouterTeacher(trees=60, monotone=FREE).fit(signals, NAMES, gain, cost)
    grid = np.linspace(0, 1, 9)
    found = {output for low, high in pairwise(grid) for output in turns(free, low, high, 0.1, 10)}
    assert {"gain", "spend"} <= found


def test_it_finds_who_gains_and_the_price_is_that_of_the_share():
    """Where a quarter is asked for, the quarter whose predicted gain is above tau carries far more than a quarter."""
    signals, gain, _ = world(seed=2)
    answers = teacher().predict(signals)
    above = answers.gain > answers.tau
    assert 0.15 < above.mean() < 0.35
    assert gain[above].mean() > gain[~above].mean() + 0.1
    assert (gain * chosen(answers.spend, share=0.25)).mean() > 1.5 * 0.25 * gain.mean()


def test_what_is_shuffled_is_not_learnt():
    """A teacher of gains dealt out at random predicts nothing on queries it has not seen: the world above has teeth."""
    signals, gain, cost = world(seed=1)
    shuffled = np.random.default_rng(0).permutation(gain)
    fitted = RouterTeacher(trees=60).fit(signals, NAMES, shuffled, cost)
    fresh, fresh_gain, _ = world(seed=2)
    assert abs(np.corrcoef(fitted.predict(fresh).gain, fresh_gain)[0, 1]) < 0.5 < np.corrcoef(
        teacher().predict(fresh).gain, fresh_gain)[0, 1]


def test_tau_is_the_price_of_the_predicted_cost():
    """The gain below which a rerank is not worth it grows with what the rerank costs, at the price given."""
    signals, gain, cost = world(seed=1)
    priced = RouterTeacher(trees=60, price=0.01).fit(signals, NAMES, gain, cost)
    assert priced.price == 0.01
    assert priced.predict(signals).tau == pytest.approx(0.01 * cost, abs=0.005)


def test_one_signal_a_tree_makes_a_sum_of_stairs():
    """What one signal adds does not depend on the others, and changes at the places that `steps` names only."""
    model, rng = teacher(), np.random.default_rng(3)
    rest = rng.random((5, 3))
    low, high = rest.copy(), rest.copy()
    low[:, 0], high[:, 0] = 0.1, 0.9
    assert np.ptp(model.sums(high).gain - model.sums(low).gain) < 1e-12
    cuts = model.steps("gain")
    assert all(0 < len(places) <= 7 for places in cuts[:2])
    inside = np.column_stack([np.linspace(cuts[0][0] + 1e-6, cuts[0][1], 20), *np.tile([[0.1], [10.0]], 20)])
    assert np.ptp(model.sums(inside).gain) == 0.0


def test_the_same_seed_gives_the_same_bytes_and_reading_gives_the_same_answers(tmp_path):
    """Two fits save equal files, and what is read back answers to the bit."""
    signals, gain, cost = world(seed=1)
    for name in ("a", "b"):
        RouterTeacher(trees=60).fit(signals, NAMES, gain, cost).save(tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["gain.txt", "router_teacher.json", "spend.txt", "tau.txt"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    again = RouterTeacher.load(tmp_path / "a")
    assert np.array_equal(again.predict(signals), teacher().predict(signals))
    assert again.monotone == MONOTONE and again.price == teacher().price


@pytest.mark.parametrize(("file", "change", "match"), [
    ("gain.txt", lambda text: text.replace("leaf_value=", "leaf_value=9", 1), "not the one that was saved"),
    ("tau.txt", lambda text: text[:200], "not the one that was saved"),
    ("router_teacher.json", lambda text: text[:100], "not JSON"),
    ("router_teacher.json", lambda text: text.replace('"price"', '"prise"'), "nearest: price"),
    ("router_teacher.json", lambda text: text.replace('"trees": 60', '"trees": -1'), "trees"),
    ("router_teacher.json", lambda text: text.replace('"entropy": 1', '"entropy": 3', 1), "not a direction"),
    ("router_teacher.json", lambda text: json.dumps({**json.loads(text), "names": None}), "not names"),
    ("router_teacher.json", lambda text: json.dumps({**json.loads(text), "monotone": {"tau": ["abc"]}}), "its own"),
    ("router_teacher.json", lambda text: text.replace("teacher/v1", "teacher/v9"), "another format"),
    ("router_teacher.json", lambda text: json.dumps({**json.loads(text), "names": ["entropy"]}), "other signals"),
])  # fmt: skip
def test_a_changed_or_cut_file_is_refused(tmp_path, file, change, match):
    """Each file of a saved teacher that is not as it was written is one clear error."""
    teacher().save(tmp_path)
    place = tmp_path / file
    place.write_text(change(place.read_text()))
    with pytest.raises(InputError, match=match):
        RouterTeacher.load(tmp_path)


@pytest.mark.parametrize(("bend", "match"), [
    (lambda x, g, c: (np.where(np.arange(3) == 1, np.nan, x), g, c), "row 1, column margin: a signal is not finite"),
    (lambda x, g, c: (x[:, :2], g, c), "wrong shape"),
    (lambda x, g, c: (x, g[:-1], c), "column gain"),
    (lambda x, g, c: (x, g, 0 * c), "costs above 0"),
    (lambda x, g, c: (x[:20], g[:20], c[:20]), "at least 50 rows"),
])  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused(bend, match):
    """Missing signals, lengths that differ, free reranks and too few rows are errors, never zeros."""
    signals, gain, cost = bend(*world(seed=1))
    with pytest.raises(InputError, match=match):
        RouterTeacher().fit(signals, NAMES, gain, cost)


def test_a_promise_about_an_unknown_feature_names_the_nearest():
    """A misspelt feature in a promise is not silently free."""
    with pytest.raises(InputError, match="nearest: entropy"):
        RouterTeacher(monotone={"tau": {"entrpy": 1}}).fit(world(seed=1)[0], NAMES, *world(seed=1)[1:])


def test_an_unfitted_teacher_answers_nothing():
    """Asking before learning is an error."""
    with pytest.raises(InputError, match="not fitted"):
        RouterTeacher().predict([[0.0]])
