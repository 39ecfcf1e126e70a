"""The latency surrogate: its promise in worlds with known answers, apart for warm and cold, and what breaks it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from fixtures.surrogate import requests_of, surrogate_of
from harness.errors import InputError
from harness.estimators.conformal import Bands, cqr_scores
from harness.estimators.conformal_coverage import slice_coverage
from harness.latency.features import CACHE, FEATURES, states_of
from harness.latency.surrogate import Boosting, LatencySurrogate
from harness.release.studied.surrogate_record import CALIBRATE, NEW, TRAIN, drawn_folds

WORLDS, ROWS = 40, 300
LIMIT = binom.isf(1e-6, WORLDS, 0.05)
GREEDY = Boosting(mean_trees=20, trees=30, least=2, leaves=31)  # learns its own rows by heart
ROW = [4.0, 0.5, 0.1, 112.0, 100.0, 20.0, 0.0, 6222.0, 1.0, 2.5]


def _refused(surrogate: LatencySurrogate, features: np.ndarray, ms: np.ndarray) -> dict[str, bool]:
    """Whether the law, both states at .05 together, refuses what the surrogate covers of new rows; and of all."""
    low, high = surrogate.interval(features)
    covered, states = (low <= ms) & (ms <= high), states_of(features)
    held = slice_coverage({state: (int(covered[states == state].sum()), int((states == state).sum()), ROWS)
                           for state in ("warm", "cold")})
    return {"marginal": not slice_coverage({"all": (int(covered.sum()), len(ms), 2 * ROWS)})["all"].kept,
            "by state": not all(one.kept for one in held.values())}


@cache
def worlds(count: int = WORLDS) -> dict[str, dict[str, int]]:
    """Way of calibrating → how many worlds are refused, marginally and by state."""
    found: dict[str, dict[str, int]] = {}
    for seed in range(count):
        rng = np.random.default_rng(seed)
        features, ms = requests_of(2 * (200 + 2 * ROWS), rng=rng)
        fold = drawn_folds(states_of(features), rows=ROWS, train=200, rng=rng)
        seen, new = fold != NEW, fold == NEW
        sound = LatencySurrogate.fit(features[seen], ms[seen], calibrating=(fold == CALIBRATE)[seen], rng=rng,
                                     boosting=GREEDY)
        train = fold == TRAIN
        bare = replace(sound, thresholds=replace(sound.thresholds, values=np.zeros(2)))
        tried = {"sound": sound, "bare": bare, "on its own rows": sound.recalibrated(features[train], ms[train])}
        for name, one in tried.items():
            for law, refused in _refused(one, features[new], ms[new]).items():
                found.setdefault(name, {}).setdefault(law, 0)
                found[name][law] += refused
    return found


@pytest.mark.parametrize("law", ["marginal", "by state"])
def test_the_promise_is_kept_for_all_requests_and_in_either_state(law):
    """The covered are refused by their law in at most one world of twenty, beyond chance."""
    assert worlds()["sound"][law] <= LIMIT


@pytest.mark.parametrize("twin", ["bare", "on its own rows"])
def test_boosters_that_were_not_conformalised_or_on_their_own_rows_are_caught(twin):
    """Quantiles as the boosters tell them, and thresholds from rows that they were fitted on, cover too little."""
    assert min(worlds()[twin].values()) > LIMIT


@pytest.mark.worlds
@pytest.mark.parametrize("law", ["marginal", "by state"])
def test_the_promise_is_kept_over_many_worlds(law):
    """Four hundred worlds: refused in one of twenty at most, beyond chance; the twins in more than half."""
    assert worlds(400)["sound"][law] <= binom.isf(1e-6, 400, 0.05)
    assert min(worlds(400)[twin][law] for twin in ("bare", "on its own rows")) > 200


def test_mixed_cache_labels_are_caught_by_their_excess():
    """Calibrated on shuffled labels the intervals hold everything: thresholds some thirty times the sound ones."""
    rng = np.random.default_rng(1)
    features, ms = requests_of(2000, rng=rng)
    sound = LatencySurrogate.fit(features[:1000], ms[:1000], rng=rng, boosting=GREEDY)
    mixed = features[1000:].copy()
    mixed[:, CACHE] = rng.permutation(mixed[:, CACHE])
    wrong = sound.recalibrated(mixed, ms[1000:])
    low, high = wrong.interval(features[1000:])
    assert ((low <= ms[1000:]) & (ms[1000:] <= high)).all()
    assert (wrong.thresholds.values > 10.0 * sound.thresholds.values).all()


def test_new_requests_under_the_wrong_label_are_not_covered():
    """Told of a warm cache, the surrogate's intervals leave out nearly every cold request, and the reverse."""
    record = surrogate_of()
    rows = record.features[record.new].copy()
    rows[:, CACHE] = 1.0 - rows[:, CACHE]
    low, high = record.surrogate.interval(rows)
    assert np.mean((low <= record.ms[record.new]) & (record.ms[record.new] <= high)) < 0.01


def test_each_state_has_a_threshold_of_its_own():
    """Cold requests ten times as scattered as warm ones: intervals of either keep their own promise."""
    rng = np.random.default_rng(5)
    features, ms = requests_of(4000, rng=rng)
    cold = features[:, CACHE] == 1.0
    ms[cold] *= rng.lognormal(0.0, 1.0, int(cold.sum()))
    found = LatencySurrogate.fit(features[:2000], ms[:2000], rng=rng, boosting=Boosting(trees=20))
    low, high = found.interval(features[2000:])
    held = (low <= ms[2000:]) & (ms[2000:] <= high)
    assert all(0.92 <= held[cold[2000:] == state].mean() <= 0.98 for state in (True, False))
    assert found.thresholds.groups.tolist() == ["cold", "warm"]


def test_the_same_data_and_seed_give_the_same_bytes(tmp_path):
    """Fitted twice and saved twice; another generator divides the rows otherwise."""
    features, ms = requests_of(400, rng=np.random.default_rng(1))
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder, seed in zip(folders, (3, 3, 4), strict=True):
        LatencySurrogate.fit(features, ms, rng=np.random.default_rng(seed), boosting=Boosting(trees=10)).save(folder)
    one, two, other = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert len(one) == 3 and one == two and one != other


def test_a_state_that_was_never_calibrated_has_no_number():
    """Fitted on warm requests alone, a cold one may take from nothing to forever; nobody guesses."""
    features, ms = requests_of(400, rng=np.random.default_rng(1))
    warm = features[:, CACHE] == 0.0
    found = LatencySurrogate.fit(features[warm], ms[warm], rng=np.random.default_rng(2), boosting=Boosting(trees=5))
    low, high = found.interval(features[:2])
    assert 0.0 < low[0] < high[0] < np.inf and (low[1], high[1]) == (0.0, np.inf)
    assert found.upper(features[:2]).tolist() == high.tolist()


def test_too_few_calibration_rows_promise_nothing():
    """Eighteen of a state are one short of a threshold at .95: its interval has no end."""
    features, ms = requests_of(200, rng=np.random.default_rng(1))
    held = np.zeros(200, dtype=bool)
    held[: 2 * 18 + 1] = True  # 19 warm, 18 cold
    found = LatencySurrogate.fit(features, ms, calibrating=held, rng=np.random.default_rng(2))
    assert np.isfinite(found.upper(features[:1])).all() and np.isinf(found.upper(features[1:2])).all()


def test_one_request_is_told_as_among_many():
    """The path of a request served gives the batch's numbers, to the bit."""
    record = surrogate_of()
    rows = record.features[record.new][:50]
    low, high = record.surrogate.interval(rows)
    assert [record.surrogate.one(row) for row in rows] == list(zip(low.tolist(), high.tolist(), strict=True))


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_request_is_covered_exactly_where_its_score_is_at_most_the_threshold(taken):
    """The interval and the score of conformalised quantile regression never disagree, whatever it took."""
    record = surrogate_of()
    rows, ms = record.features[: len(taken)], np.array(taken)
    low, high = record.surrogate.interval(rows)
    known = dict(zip(record.surrogate.thresholds.groups, record.surrogate.thresholds.values, strict=True))
    reach = np.array([known[state] for state in states_of(rows)])
    scores = cqr_scores(np.log(ms), *record.surrogate.ends(rows))
    clear = np.abs(scores - reach) > 1e-9  # a hair's breadth apart, exp and log may round either way
    assert (((low <= ms) & (ms <= high)) == (scores <= reach))[clear].all()


def test_no_rows_have_no_intervals():
    """An empty table is answered by an empty band."""
    found = surrogate_of().surrogate.interval(np.empty((0, len(FEATURES))))
    assert isinstance(found, Bands) and found.low.shape == found.high.shape == (0,)


@pytest.mark.parametrize(("row", "told"), [
    ([*ROW[:9], float("nan")], r"features, row 1, column recent_p95: not a finite number"),
    ([*ROW[:6], 2.0, *ROW[7:]], r"column cache: no state of a cache; expected warm or cold, .*1 = cold.*found 2.0"),
    (ROW[:9], r"wrong shape; expected \(n, 10\): length, entropy"), (["a"] * 10, "features: not numbers"),
])  # fmt: skip
def test_features_that_cannot_be_read_are_one_line(row, told):
    """NaN, a third state, nine features, words: never a number made of them."""
    for method in (surrogate_of().surrogate.interval, surrogate_of().surrogate.upper):
        with pytest.raises(InputError, match=told):
            method([row])


@pytest.mark.parametrize(("ms", "told"), [
    ([1.0, 0.0], "row 2: not a latency"), ([1.0, float("inf")], "row 2: not a latency"), ([1.0], "wrong shape"),
    (["a", "b"], "not numbers"),
])  # fmt: skip
def test_latencies_that_are_none_are_one_line(ms, told):
    """Zero, infinite, too few, words."""
    with pytest.raises(InputError, match=told):
        LatencySurrogate.fit([ROW, ROW], ms, rng=np.random.default_rng(1))


@pytest.mark.parametrize(("held", "told"), [
    ([True, True], "nothing to fit on"), ([False, False], "nothing to calibrate on"), ([1, 0], "not a mask"),
    ([True], "not a mask"),
])  # fmt: skip
def test_a_division_that_leaves_a_side_empty_is_one_line(held, told):
    """All rows calibrating, none, or no mask at all."""
    with pytest.raises(InputError, match=told):
        LatencySurrogate.fit([ROW, ROW], [1.0, 2.0], calibrating=held, rng=np.random.default_rng(1))


@pytest.mark.parametrize("coverage", [0.0, 1.0, 2.0, np.nan])
def test_a_promise_that_is_none_is_one_line(coverage):
    """Refused before LightGBM is asked for a quantile that there is not."""
    features, ms = requests_of(60, rng=np.random.default_rng(1))
    with pytest.raises(InputError, match="coverage"):
        LatencySurrogate.fit(features, ms, rng=np.random.default_rng(1), coverage=coverage)


# tables by name


def _table(rows: int = 600) -> tuple[pd.DataFrame, np.ndarray]:
    features, ms = requests_of(rows, rng=np.random.default_rng(3))
    return pd.DataFrame(features, columns=list(FEATURES)), ms


@pytest.mark.parametrize("of", [
    lambda frame: frame[sorted(FEATURES)], lambda frame: {name: frame[name].tolist() for name in reversed(FEATURES)},
    lambda frame: frame.assign(cache=np.where(frame["cache"] == 1.0, "cold", "warm"))[sorted(FEATURES)],
    lambda frame: pa.Table.from_pandas(frame[sorted(FEATURES)]),
], ids=["frame", "mapping", "words", "arrow"])
def test_a_table_is_read_by_its_columns_names(of):
    """In whatever order its columns stand, a table fits the same surrogate and gets the same intervals, to the byte."""
    frame, ms = _table()
    by_name, plain = (LatencySurrogate.fit(features, ms, rng=np.random.default_rng(1), boosting=Boosting(trees=5))
                      for features in (of(frame), frame.to_numpy()))
    assert by_name.texts == plain.texts
    assert by_name.interval(of(frame)).low.tolist() == plain.interval(frame.to_numpy()).low.tolist()


def test_one_labelled_request_is_read_by_name():
    """A Series or a mapping in any order says what the plain row says, also to the surrogate that learns."""
    surrogate, row = surrogate_of().surrogate, dict(zip(FEATURES, ROW, strict=True))
    mixed = {name: row[name] for name in sorted(row)}
    live = surrogate.adapt()
    assert surrogate.one(mixed) == surrogate.one(pd.Series(mixed)) == surrogate.one(ROW)
    assert live.interval(mixed) == live.interval(ROW)
    assert live.finished(mixed, 3.0) == surrogate.adapt().finished(ROW, 3.0)


@pytest.mark.parametrize(("change", "told"), [
    (lambda frame: frame.drop(columns=["ef", "load"]), "column ef, load: missing columns"),
    (lambda frame: frame.rename(columns={"margin": "margins"}), r"column margin: missing.*\(nearest: margins\)"),
    (lambda frame: frame.assign(topks=1.0), r"column topks: unknown columns.*\(nearest: topk\)"),
    (lambda frame: frame.assign(cache=frame["cache"] == 1.0), "row 1, column cache: .*1 = cold.*found False"),
    (lambda frame: frame.assign(cache="miss"), "row 1, column cache: .*warm or cold, or 0 or 1.*found 'miss'"),
    (lambda frame: frame.assign(cache=2), "row 1, column cache: .*1 = cold"),
    (lambda frame: frame.assign(size="big"), "row 1, column size: not a number"),
    (lambda frame: dict(frame) | {"ef": [1.0]}, "columns differ in length"),
])  # fmt: skip
def test_a_table_of_other_columns_is_one_line(change, told):
    """Missing, unknown and unreadable columns are named, with the nearest."""
    frame, ms = _table(100)
    with pytest.raises(InputError, match=told) as error:
        LatencySurrogate.fit(change(frame), ms, rng=np.random.default_rng(1))
    assert "\n" not in str(error.value)


def test_the_page_lists_the_features_in_their_order():
    """Who builds plain rows after the documentation builds them right."""
    page = (Path(__file__).parents[2] / "docs" / "latency-surrogate.md").read_text(encoding="utf-8")
    table = page.partition("## The ten features")[2].partition("##")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == FEATURES


@pytest.mark.parametrize("reach", [-0.5, -50.0, -np.inf])
def test_low_never_exceeds_high_however_far_a_threshold_narrows(reach):
    """Ends that would pass each other meet in their middle, alike for one request, for many, and where it adapts."""
    record = surrogate_of()
    held = replace(record.surrogate.thresholds, values=np.array([reach, reach]))
    narrow, rows = replace(record.surrogate, thresholds=held), record.features[:40]
    ends, (low, high) = narrow.ends(rows), narrow.interval(rows)
    crossed = ends.low - reach > ends.high + reach
    assert crossed.any() and (low <= high).all() and (low == high)[crossed].all()
    assert np.allclose(np.log(low)[crossed], ((ends.low + ends.high) / 2.0)[crossed])
    assert [narrow.one(row) for row in rows] == list(zip(low.tolist(), high.tolist(), strict=True))
    assert np.allclose([narrow.adapt().interval(row) for row in rows], np.column_stack([low, high]))
    assert (narrow.upper(rows) >= np.exp(ends.low)).all()
