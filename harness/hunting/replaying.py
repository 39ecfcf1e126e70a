"""Asking a release one query at a time, scoring the answer by the query's own judgements, and replaying pins so.

A mutated query keeps the judgements of the plain one: what its author meant has not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.data.task import Task
from harness.errors import InputError, nearest
from harness.hunting.regressions import NamedPin, pins_digest, read_pins
from harness.records import Qrels, Run
from harness.release.live import LiveRelease
from harness.release.measures.regressions import value_of
from harness.release.observed import Observed, Pin, PinsObserved
from harness.release.stages import MODULE_TASKS

__all__ = ["Answerer", "Bench", "answerer_of", "one_run", "replayed"]

Answerer = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, eq=False)
class Bench:
    """A task's queries, and a system that answers any text in the place of any of them.

    Attributes:
        task: Queries with judgements.
        answer: (text, row of the query) → document ids, best first. Answers are kept, so that asking twice is free.
    """

    task: Task
    answer: Answerer
    _kept: dict[tuple[str, int], float] = field(default_factory=dict)
    _judged: dict[int, Qrels] = field(default_factory=dict)

    def score(self, text: str, row: int) -> float:
        """nDCG@10 of the answer to `text`, by the judgements of query `row`."""
        key = (text, row)
        if key not in self._kept:
            self._kept[key] = value_of(self.run(text, row), self.qrels(row))
        return self._kept[key]

    def run(self, text: str, row: int) -> Run:
        """The answer to `text` as a run of the one query `row`."""
        return one_run(self.task.query_ids[row], self.answer(text, row))

    def qrels(self, row: int) -> Qrels:
        """The judgements of the one query `row`."""
        if row not in self._judged:
            self._judged[row] = self.task.only(np.arange(len(self.task)) == row).qrels
        return self._judged[row]


def answerer_of(live: LiveRelease, task: Task) -> Answerer:
    """A live release as something that answers a text in the place of a query of `task`, as its latencies are timed."""
    ids = live.world.corpus.ids
    module = task.clusters if task.name in MODULE_TASKS else [None] * len(task)

    def answer(text: str, row: int) -> Sequence[str]:
        codes = live.search(text, own=int(task.own[row]), module=module[row]).codes
        return [ids[code] for code in codes if code >= 0]

    return answer


def one_run(query_id: str, docs: Sequence[str]) -> Run:
    """A run of one query from its documents, best first.

    >>> one_run("q", ["b", "a"]).rank.tolist()
    [1, 2]
    """
    return Run.of([query_id] * len(docs), list(docs), -np.arange(len(docs), dtype=np.float64), source="replay")


def replayed(candidate: Observed, folder: Path) -> PinsObserved:
    """Every pin of the folder that was made on this corpus, both queries asked again.

    Pins of another corpus are another release's business and are left out. Pins of this corpus in another state are
    listed in `elsewhere`. Raises InputError for recorded files, an unreadable pin, and a query that is not judged.
    """
    live = candidate.live
    if live is None:
        raise InputError("pinned regressions are replayed on live parts", where=candidate.release,
                         expected="a live manifest")
    pins = [one for one in read_pins(folder) if one.pin.data.corpus == live.world.corpus.name]
    fresh = [one for one in pins if one.pin.data.digest == live.world.digest]
    elsewhere = tuple(one.name for one in pins if one.pin.data.digest != live.world.digest)
    benches: dict[str, Bench] = {}
    for one in fresh:
        if one.pin.task not in benches:
            task = live.world.task(one.pin.task).judge()
            benches[one.pin.task] = Bench(task, answerer_of(live, task))
    return PinsObserved(tuple(_replay(one, benches[one.pin.task]) for one in fresh), elsewhere, pins_digest(pins))


def _replay(one: NamedPin, bench: Bench) -> Pin:
    pin, ids = one.pin, bench.task.query_ids
    if pin.query_id not in ids:
        raise InputError("no such judged query", where=f"pinned regression {one.name}", column="query_id",
                         expected=f"a query of {bench.task.name}", found=pin.query_id,
                         hint=nearest(pin.query_id, ids))
    row = ids.index(pin.query_id)
    if bench.task.texts[row] != pin.query:
        raise InputError("not the query's text", where=f"pinned regression {one.name}", column="query",
                         expected=repr(bench.task.texts[row]), found=pin.query)
    return Pin(one.name, pin.status, bench.qrels(row), bench.run(pin.query, row), bench.run(pin.mutated, row),
               pin.limits.plain, pin.limits.mutated)
