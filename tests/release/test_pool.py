"""The pool: what came, went and changed is counted, and how much of today's is new has an interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.tiny_corpus import tiny_world
from harness.errors import InputError
from harness.records import Qrels
from harness.release.pool import DOCUMENTS, moved, pool_bytes, pool_of, pool_of_qrels, read_pool


def drawn(rng: np.random.Generator, share: float, *, n: int = 200) -> int:
    """How many of n are new, each with the same chance."""
    return int(rng.binomial(n, share))


def pool(size: int, new: int = 0, words: int = 5):
    """A pool of `size` documents of which `new` are others than by default."""
    return {DOCUMENTS: {f"d{place}": (f"{'x' if place < new else 'o'}{place}", words + place % 3)
                        for place in range(size)}}


def test_a_world_is_its_own_pool():
    """Nothing moved beside itself; every document and every query of every task is in it."""
    world = tiny_world(seed=3)
    found = pool_of(world)
    assert set(found) == {DOCUMENTS, *(f"queries of {name}" for name in world.tasks)}
    assert all(one.still and one.fresh.value == 0.0 for one in moved(found, found))
    assert len(found[DOCUMENTS]) == len(world.corpus)


def test_what_came_went_and_changed_is_named():
    """A document gone, one new, one of other words: each by its id; lengths beside."""
    before = {DOCUMENTS: {"a": ("1", 2), "b": ("2", 3), "c": ("3", 3)}}
    (one,) = moved(before, {DOCUMENTS: {"b": ("9", 9), "c": ("3", 3), "d": ("4", 4)}})
    assert (one.came, one.went, one.changed, one.stayed) == (("d",), ("a",), ("b",), 1)
    assert not one.still and one.fresh.value == pytest.approx(2 / 3)
    assert one.length.value == pytest.approx((9 + 3 + 4) / 3 - 8 / 3)


def test_other_judgements_make_another_query():
    """A query whose relevant document changed is a changed query, though its words are the same."""
    one = pool_of_qrels(Qrels.of(["q1", "q2"], ["a", "b"], [1, 1]))
    two = pool_of_qrels(Qrels.of(["q1", "q2"], ["a", "b"], [1, 2]))
    assert [row.changed for row in moved(one, two)] == [(), ("q2",)]
    world = tiny_world(seed=3)
    name, task = next(iter(world.tasks.items()))
    grades = task.qrels.relevance.copy()
    grades[0] += 1
    again = replace(world, tasks={**world.tasks, name: replace(task, qrels=replace(task.qrels, relevance=grades))})
    told = {row.pool: row.changed for row in moved(pool_of(world), pool_of(again))}
    assert len(told[f"queries of {name}"]) == 1 and told[DOCUMENTS] == ()


def test_a_pool_that_is_gone_is_told():
    """A task that is no longer there went with all its queries; an empty side bounds nothing."""
    (one, two) = moved({DOCUMENTS: {"a": ("1", 1)}, "queries of x": {"q": ("1", 1)}}, {DOCUMENTS: {"a": ("1", 1)}})
    assert one.still and two.went == ("q",)
    assert np.isnan(two.fresh.value) and np.isinf(two.length.high)


def misses(interval, rng: np.random.Generator, *, share: float = 0.07, worlds: int = 400) -> int:
    """Worlds in which the interval of the share that is new leaves the true one out."""
    found = [interval(moved(pool(200), pool(200, drawn(rng, share)))[0].fresh) for _ in range(worlds)]
    return sum(not low <= share <= high for low, high in found)


def test_the_interval_of_what_is_new_keeps_its_promise(rng):
    """In worlds where each document is new with a known chance, the interval leaves it out in one of ten or fewer."""
    from scipy.stats import binom

    limit = binom.isf(1e-6, 400, 0.1)
    assert misses(lambda one: (one.low, one.high), rng) <= limit


def test_an_interval_of_half_the_width_is_caught(rng):
    """The same count refuses a twin that is too narrow."""
    from scipy.stats import binom

    limit = binom.isf(1e-6, 400, 0.1)
    assert misses(lambda one: ((one.value + one.low) / 2, (one.value + one.high) / 2), rng) > limit


def test_a_snapshot_reads_back_and_repeats():
    """Equal pools give equal bytes, without any text of theirs."""
    found = pool_of(tiny_world(seed=3))
    raw = pool_bytes(found)
    assert read_pool(raw) == found and pool_bytes(read_pool(raw)) == raw
    assert b" " not in b"".join(value.encode() for value, _ in found[DOCUMENTS].values())


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"schema": "signoff-pool/1", "pools": {"d": {"a": [1]}}}',
                                 b'{"schema": "signoff-pool/2", "pools": {}}'])
def test_what_is_no_snapshot_is_one_line(raw):
    """Torn and foreign files are errors, never an empty pool."""
    with pytest.raises(InputError):
        read_pool(raw, where="pool.json")
