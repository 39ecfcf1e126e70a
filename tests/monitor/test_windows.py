"""Windows: the laws of what merges, and a store in which a batch counts once."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from harness.errors import EvidenceError, InputError
from harness.monitor.window_store import LATE, read_windows, rolled_up, store_windows, trim
from harness.monitor.windows import Key, Window, merged, minute_of, windows_of
from harness.rollout import tables
from harness.rollout.shapes import Observation
from tests.monitor.traffic import CANDIDATE, at, request

_SHARES = st.integers(-64, 64).map(lambda n: n / 64)
_MAYBE = st.none() | _SHARES
OBSERVATIONS = st.builds(
    Observation, at=st.integers(0, 600).map(lambda s: at(s / 60)), environment=st.just("prod"),
    release=st.just(CANDIDATE), assignment=st.just("candidate"),
    latency_ms=st.dictionaries(st.sampled_from(["encode", "total"]), st.floats(0.0, 1e6), max_size=2),
    error=st.booleans(), slices=st.sets(st.sampled_from(["hard_nl", "cache=cold"])).map(tuple),
    ndcg_delta=_MAYBE, rr_delta=_MAYBE, jaccard=_MAYBE.map(lambda x: None if x is None else abs(x)),
    reranked=st.none() | st.booleans(), covered=st.none() | st.booleans(),
    weight=st.none() | st.integers(0, 40).map(float), query=st.none() | st.sampled_from(["q1", "q2", "q3"]),
    values=st.dictionaries(st.sampled_from(["R@5", "memory_mb"]), _SHARES, max_size=2),
    calibration=st.none() | st.tuples(st.integers(0, 16).map(lambda n: n / 16), st.sampled_from([0, 1])))
BATCHES = st.lists(OBSERVATIONS, max_size=12)


def numbers(window: Window) -> dict[str, float]:
    """Every number of a window by its place."""
    def walk(value, place):
        if isinstance(value, dict):
            for name, item in value.items():
                yield from walk(item, f"{place}.{name}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from walk(item, f"{place}.{index}")
        else:
            yield place, value
    return dict(walk(json.loads(window.raw), ""))


def same(one: Window, two: Window) -> bool:
    """Equal but for what rounds off in a mean or a sum of squares."""
    a, b = numbers(one), numbers(two)
    return a.keys() == b.keys() and all(x == b[k] or (isinstance(x, float) and math.isclose(
        x, b[k], rel_tol=1e-9, abs_tol=1e-9)) for k, x in a.items())


@given(BATCHES, BATCHES, BATCHES)
def test_windows_merge_in_any_order_and_grouping(a, b, c):
    """Merging is associative and commutative, and the empty window changes nothing."""
    one, two, three = map(Window.of, (a, b, c))
    assert same(one.merge(two).merge(three), one.merge(two.merge(three)))
    assert one.merge(two).raw == two.merge(one).raw
    assert one.merge(Window()).raw == one.raw == Window().merge(one).raw


@given(BATCHES, st.lists(st.integers(0, 3), max_size=12))
def test_a_batch_is_any_split_of_it(batch, parts):
    """However a batch is split over senders, the windows are those of the whole batch."""
    parts = (parts + [0] * len(batch))[:len(batch)]
    split = [windows_of([one for one, part in zip(batch, parts, strict=True) if part == which]) for which in range(4)]
    whole = windows_of(batch)
    assert whole.keys() == {key for some in split for key in some}
    for key, window in whole.items():
        assert same(window, merged(some[key] for some in split if key in some))


@given(BATCHES)
def test_bytes_bring_the_window_back(batch):
    """A window read from its bytes has the same bytes."""
    window = Window.of(batch)
    assert Window.read(window.raw).raw == window.raw


def test_a_merge_that_counts_twice_is_caught():
    """The broken twin, which adds a batch to itself, is not the whole."""
    batch = [request(ms=n) for n in (1.0, 2.0, 3.0)]
    assert not same(Window.of(batch[:2]).merge(Window.of(batch[:2])), Window.of(batch))


def test_a_window_does_not_grow_with_its_requests(rng):
    """A hundred times the requests take at most half as much again."""
    def size(n: int) -> int:
        return len(Window.of([request(ms=ms, ndcg_delta=d, weight=w, query=f"q{i}") for i, (ms, d, w) in enumerate(zip(
            rng.gamma(4.0, 2.0, n), rng.normal(size=n) / 9, rng.pareto(3.0, n), strict=True))]).raw)
    assert size(30_000) < 1.5 * size(300)


@pytest.mark.parametrize(("change", "named"), [
    ({"latency_ms": {"total": math.nan}}, "column total"), ({"latency_ms": {"total": -1.0}}, "column total"),
    ({"ndcg_delta": math.inf}, "delta nDCG@10"), ({"weight": -1.0}, "weights"),
    ({"calibration": (1.5, 1)}, "calibration"), ({"at": at(0).replace(tzinfo=None)}, "no offset"),
])
def test_what_no_accumulator_takes_is_named(change, named):
    """An impossible value is refused by the name of its measure, never counted."""
    with pytest.raises(InputError, match=named):
        windows_of([replace(request(), **change)])


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"v":2}', b"[1]", Window().raw + b" ", Window().raw[:-1]])
def test_bytes_that_no_window_wrote_are_refused(raw):
    """Anything but a window's own bytes is no evidence."""
    with pytest.raises(EvidenceError, match="not a window"):
        Window.read(raw)


def test_shadow_replays_are_no_requests():
    """A replayed query adds to the deltas and not to the requests, so that errors keep their share."""
    window = Window.of([request(error=True), Observation(at(0), "prod", CANDIDATE, "candidate", ndcg_delta=0.1)])
    assert (window.requests.hits, window.requests.n, window.means["delta nDCG@10"].n) == (1, 1, 1)


def test_slices_hold_their_own_and_all_holds_each_once():
    """An observation counts in `all` and in every slice it names, once each, however often it names it."""
    found = windows_of([request(slices=("all", "hard_nl", "hard_nl")), request()])
    assert {key.slice: window.requests.n for key, window in found.items()} == {"all": 2, "hard_nl": 1}


def test_minutes_add_up_to_hours_and_days():
    """Rolled up to hours, and those to days, nothing is lost and nothing is counted twice."""
    minutes = windows_of([request(n, ms=float(n % 7)) for n in range(3000)])
    hours = rolled_up(minutes, seconds=3600)
    days = rolled_up(hours, seconds=86400)
    assert (len(minutes), len(hours), len(days)) == (3000, 50, 3)
    assert [w.raw for w in days.values()] == [w.raw for w in rolled_up(minutes, seconds=86400).values()]
    assert minute_of(at(1500), resolution_s=86400) == at(1440)


def stored(store) -> dict[Key, Window]:
    """Every window of the store."""
    with store.reading() as connection:
        return read_windows(connection, "prod", since=at(-10_000))


def put(store, name: str, batch, **options):
    """Store a batch in a transaction of its own."""
    with store.writing() as connection:
        return store_windows(connection, name, batch, now=options.pop("now", at(5)), **options)


def test_the_same_batch_counts_once(store):
    """A batch that is sent again is known by its id and changes no byte."""
    batch = [request(n / 10, slices=("hard_nl",)) for n in range(30)]
    assert put(store, "one", batch) == (30, 0, False)
    before = {key: window.raw for key, window in stored(store).items()}
    assert put(store, "one", batch) == (0, 0, True)
    assert {key: window.raw for key, window in stored(store).items()} == before
    assert put(store, "two", batch).counted == 30
    assert sum(w.requests.n for k, w in stored(store).items() if k.slice == "all") == 60


def test_a_transaction_that_breaks_off_leaves_nothing(store):
    """Windows and the id go together: what was not committed is not known, and counts when it is sent again."""
    class KilledError(Exception):
        pass

    with pytest.raises(KilledError), store.writing() as connection:  # noqa: PT012 the kill comes after the write
        store_windows(connection, "one", [request()], now=at(1))
        raise KilledError
    assert stored(store) == {}
    assert put(store, "one", [request()]).counted == 1


def test_late_observations_count_up_to_the_limit(store):
    """An observation as old as the limit counts, an older one is left out and told, and so is one from the future."""
    now = at(0) + LATE
    batch = [request(0), request(-0.1), request(60), request(66)]
    assert put(store, "one", batch, now=now) == (2, 2, False)
    assert sorted(key.minute for key in stored(store)) == [at(0), at(60)]


def test_a_changed_window_is_no_evidence(store):
    """A window whose bytes were changed in the database is named, not read."""
    put(store, "one", [request()])
    with store.writing() as connection:
        connection.execute(update(tables.windows).values(state=Window().raw))
    with pytest.raises(EvidenceError, match="a window was changed"):
        stored(store)
    with pytest.raises(EvidenceError, match="a window was changed"):
        put(store, "two", [request()])


def test_what_is_trimmed_cannot_come_back(store):
    """After windows are forgotten, the same batch is late: nothing is counted twice."""
    put(store, "one", [request()], now=at(1))
    with store.writing() as connection:
        assert trim(connection, "prod", before=at(600)) == 1
    assert put(store, "one", [request()], now=at(600)) == (0, 1, False)


def test_windows_are_read_by_their_span(store):
    """`since` is inside, `until` is not, and another environment is not seen."""
    put(store, "one", [request(n) for n in range(5)])
    with store.reading() as connection:
        found = read_windows(connection, "prod", since=at(1), until=at(3))
        assert read_windows(connection, "staging", since=at(0)) == {}
    assert [key.minute for key in found] == [at(1), at(2)]


def test_a_batch_needs_an_id(store):
    """Without an id nothing could be known again."""
    with pytest.raises(InputError, match="not the id of a batch"):
        put(store, "", [request()])
    with pytest.raises(InputError, match="MONITORING_RESOLUTION"):
        put(store, "one", [request()], resolution_s=0)


def test_a_day_of_random_batches_adds_up(store, rng):
    """However batches overlap in minutes and slices, every request counts once."""
    moments = rng.uniform(0.0, 4.0, 400)
    for start in range(0, 400, 40):
        put(store, f"b{start}", [request(m, ms=5.0 + m) for m in moments[start:start + 40]],
            now=at(4) + timedelta(seconds=start))
    whole = windows_of([request(m, ms=5.0 + m) for m in moments])
    found = stored(store)
    assert found.keys() == whole.keys()
    assert all(same(found[key], whole[key]) for key in whole)
    assert np.isclose(sum(w.requests.n for w in found.values()), 400)
