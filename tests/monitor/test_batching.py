"""Observations on their way to the store: nothing that fits is lost, nothing counts twice, no answer waits."""

from __future__ import annotations

from harness.errors import InputError
from harness.monitor import batching
from harness.monitor.batching import Batches
from harness.monitor.window_store import read_windows, store_windows
from harness.rollout.shapes import Observation
from harness.rollout.store import open_store
from tests.monitor.serving import DAY, STABLE


def seen(ms=1.0):
    return Observation(DAY, "prod", STABLE, "stable", {"total": ms})


def counted(store):
    with store.reading() as connection:
        return sum(one.requests.n for one in read_windows(connection, "prod", since=DAY.replace(hour=0)).values())


def batches_of(tmp_path, **more):
    store = open_store(f"sqlite:///{tmp_path}/rollout.db")
    return store, Batches(store, now=lambda: DAY, **more)


def test_a_store_that_is_away_costs_nothing_but_time(tmp_path, monkeypatch):
    """What could not be written is written the next time, in the same batch, and what came since after it."""
    store, batches = batches_of(tmp_path)

    def away(*_, **__):
        raise InputError("cannot be read or written")

    batches.observe(seen())
    monkeypatch.setattr(batching, "store_windows", away)
    assert not batches.write()
    batches.observe(seen())
    assert (batches.waiting, counted(store)) == (2, 0)
    monkeypatch.setattr(batching, "store_windows", store_windows)
    assert batches.write() and batches.waiting == 1 and batches.write()
    assert (batches.waiting, counted(store)) == (0, 2)


def test_an_acknowledgement_that_was_not_heard_counts_once(tmp_path, monkeypatch):
    """A batch that was committed and is sent again keeps its id, and counts once."""
    store, batches = batches_of(tmp_path)

    def unheard(*words, **more):
        with store.writing() as connection:
            store_windows(connection, *words[1:], **more)
        raise InputError("cannot be read or written")

    batches.observe(seen())
    monkeypatch.setattr(batching, "store_windows", lambda connection, *words, **more: None)
    monkeypatch.setattr(Batches, "_add", lambda self, name, batch: unheard(None, name, batch, now=DAY))
    assert not batches.write()
    monkeypatch.undo()
    assert batches.write() and counted(store) == 1


def test_what_does_not_fit_is_dropped_and_counted(tmp_path):
    """A queue that is full takes no more, and says how many it did not take."""
    store, batches = batches_of(tmp_path, most=3)
    for _ in range(5):
        batches.observe(seen())
    assert (batches.waiting, batches.dropped) == (3, 2)
    assert batches.write() and counted(store) == 3


def test_one_bad_observation_costs_no_other(tmp_path):
    """What no window takes is left out and counted; the rest is written."""
    store, batches = batches_of(tmp_path)
    for ms in (1.0, -5.0, float("nan"), 2.0):
        batches.observe(seen(ms))
    assert not batches.write() and batches.write()
    assert (batches.refused, counted(store)) == (2, 2)


def test_the_end_writes_what_waits(tmp_path):
    """A service that stops leaves nothing in the queue."""
    store, batches = batches_of(tmp_path)
    batches.start()
    batches.observe(seen())
    batches.stop()
    assert (batches.waiting, counted(store)) == (0, 1)
