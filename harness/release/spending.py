"""A spend table from a live release: every query answered at every spend, scored, and timed as it is served.

A fit query is reranked by a stage that never saw its module (`crossfit`), a judged one by the release's own, which saw
no judged query. Times are those of `LiveRelease.search`: one query at a time, on one thread, fastest of some passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.data.corpus import World
from harness.data.task import FIT, JUDGE, Bools, Task
from harness.errors import InputError
from harness.metrics.evaluate import per_query
from harness.records import Floats
from harness.release.cold import cold_searches
from harness.release.crossfit import CrossFitted, Remembered, cross_fitted
from harness.release.live import DEPTH, LiveRelease, run_of
from harness.release.manifest import Manifest
from harness.release.signals import DEFAULT, SignalMaker
from harness.release.spends import SpendTable
from harness.release.stages import MODULE_TASKS, learnable, lists_to_learn
from harness.reranking.stage import RerankStage

__all__ = ["COLD", "PASSES", "SPENDS", "overlap_at", "spend_table"]

SPENDS = (0, 20, 50, 100)
PASSES = 3
COLD = 100  # requests that are searched on a cold index too
AT = 10  # depth that quality and overlap are read at
Tell = Callable[[str], None]


class _Request(NamedTuple):
    task: Task
    place: int
    stage: RerankStage


class _Plan(NamedTuple):
    asked: Sequence[_Request]
    ladder: tuple[int, ...]
    names: Sequence[str]
    timed: Bools


@dataclass(frozen=True, eq=False)
class _Measured:
    """(n, …) of the requests; times are the fastest so far."""

    top: NDArray[np.int64]
    signals: Floats
    base_ms: Floats
    signals_ms: Floats
    rerank_ms: Floats


def spend_table(manifest: Manifest, world: World, folders: Mapping[str, Path], *, spends: Sequence[int] = SPENDS,
                fold: str | None = None, names: Sequence[str] | None = None, passes: int = PASSES,
                requests: int | None = None, cold: int = COLD, tell: Tell = lambda _: None) -> SpendTable:
    """Measure every query of every text task at every spend.

    Args:
        manifest: Of a live release with a reranker.
        world: Its corpus and tasks.
        folders: Its parts' folders, by name.
        spends: Candidates reranked, ascending from 0, at most 100.
        fold: `fit` or `judge`; None for both.
        names: Signals to be made; None for those of the manifest's router, or the usual ones where it has none.
        passes: Times that a request is served; its fastest counts.
        requests: How many requests, drawn by the manifest's seed, are served in every pass; the others take their
            stage's median time (`timed` false). None: all of them.
        cold: How many of them are searched once more on an index whose pages are dropped.
        tell: Told what is being done.

    Raises:
        InputError: No reranker, a ladder that does not ascend from 0 to at most 100, no such fold, no query in it, a
            signal that cannot be made, or fewer than two clusters to learn from.
    """
    ladder = _ladder(spends)
    if fold not in (None, FIT, JUDGE):
        raise InputError("no such fold", where="spend_table", expected=f"{FIT} or {JUDGE}", found=fold)
    live = LiveRelease.load(manifest, world, folders)
    if live.second is None:
        raise InputError("nothing to spend on", where=manifest.release, column="parts.reranker", expected="a reranker")
    router = manifest.parts.router if manifest.parts is not None else None
    maker = SignalMaker.load(world, folders, names or (DEFAULT if router is None else router.signals))
    with threadpool_limits(1):
        asked = (_fitted(manifest, live, tell) if fold != JUDGE else []) + (_judged(live) if fold != FIT else [])
        plan = _Plan(asked, ladder, maker.names, _sample(len(asked), requests, manifest.seed))
        measured = _served(live, maker, plan, passes=passes, tell=tell)
        tell("measuring cold searches")
        cold_ms, some = np.full(len(asked), np.nan), np.flatnonzero(_sample(len(asked), cold, manifest.seed))
        cold_ms[some] = cold_searches(live, folders.get("index"), [asked[at][:2] for at in some])
    return _table(plan, measured, cold_ms, world.corpus.ids)


def overlap_at(before: Any, after: Any) -> Floats:
    """(n,) shared documents of two (n, k) lists of codes (-1: none) as a share of all of either; 1 for two empty ones.

    >>> overlap_at([[1, 2], [-1, -1]], [[2, 3], [-1, -1]]).round(3).tolist()
    [0.333, 1.0]
    """
    one, two = np.asarray(before), np.asarray(after)
    both = ((one[:, :, None] == two[:, None, :]) & (one[:, :, None] >= 0)).any(axis=2).sum(axis=1)
    either = (one >= 0).sum(axis=1) + (two >= 0).sum(axis=1) - both
    return np.asarray(np.where(either > 0, both / np.maximum(either, 1), 1.0), dtype=np.float64)


def _ladder(spends: Sequence[int]) -> tuple[int, ...]:
    ladder = tuple(spends)
    if len(ladder) < 2 or ladder[0] != 0 or ladder[-1] > DEPTH or list(ladder) != sorted(set(ladder)):
        raise InputError("not a ladder of spends", where="spends", found=list(ladder),
                         expected=f"whole numbers ascending from 0 to at most {DEPTH}, two or more")
    return ladder


def _fitted(manifest: Manifest, live: LiveRelease, tell: Tell) -> list[_Request]:
    """Every fit query with the stage that never saw its module."""
    held = _cross_fitted(manifest, live, tell)
    fit = [(task, place) for task in learnable(live.world) for place in range(len(task))]  # as the lists are made
    return [_Request(task, place, held.of(at)) for at, (task, place) in enumerate(fit)]


def _judged(live: LiveRelease) -> list[_Request]:
    """Every judged query with the release's own stage."""
    assert live.second is not None
    tasks = [task.judge() for task in live.world.tasks.values() if task.contexts is None]
    return [_Request(task, place, live.second) for task in tasks for place in range(len(task))]


def _cross_fitted(manifest: Manifest, live: LiveRelease, tell: Tell) -> CrossFitted:
    assert manifest.parts is not None and manifest.parts.reranker is not None and live.second is not None
    part, source = manifest.parts.reranker, Remembered(live.second.source)
    lists = lists_to_learn(live.world, live.first, depth=part.depth)
    held = cross_fitted(lambda: RerankStage(source, part.impl, seed=manifest.seed, accept_share=part.accept_share),
                        lists, tell=tell)
    for stage in held.stages:
        stage.source = live.second.source  # what is served is made anew, and takes its time
    return held


def _sample(n: int, requests: int | None, seed: int) -> Bools:
    chosen = np.ones(n, dtype=np.bool_)
    if requests is not None and requests < n:
        chosen[:] = False
        chosen[np.random.default_rng([seed, n]).permutation(n)[:max(requests, 1)]] = True
    return chosen


def _served(live: LiveRelease, maker: SignalMaker, plan: _Plan, *, passes: int, tell: Tell) -> _Measured:
    n, steps = len(plan.asked), len(plan.ladder)
    held = _Measured(np.full((n, steps, AT), -1, dtype=np.int64), np.empty((n, len(plan.names))),
                     np.full(n, np.inf), np.full(n, np.inf), np.full((n, steps), np.inf))
    held.rerank_ms[:, 0] = 0.0
    for turn in range(max(passes, 1)):
        places = np.arange(n) if turn == 0 else np.flatnonzero(plan.timed)
        for count, at in enumerate(places.tolist()):
            if count % 500 == 0:
                tell(f"measuring spends, pass {turn + 1} of {passes}: {count:,} of {len(places):,} queries")
            _serve(live, maker, plan, held, at)
    return _with_medians(held, plan.timed)


def _serve(live: LiveRelease, maker: SignalMaker, plan: _Plan, held: _Measured, at: int) -> None:
    """One query at every spend, into its row."""
    task, place, stage = plan.asked[at]
    text, own = task.texts[place], int(task.own[place])
    (asked,) = live.first.mended([text])  # the speller's time is the encoding's
    module = task.clusters[place] if task.name in MODULE_TASKS else None
    for step, spend in enumerate(plan.ladder):
        answer = replace(live, second=stage, depth=spend, rule=None).search(text, own=own, module=module)
        held.base_ms[at] = min(held.base_ms[at], answer.encode_ms + answer.search_ms)
        held.top[at, step, :len(answer.codes[:AT])] = answer.codes[:AT]
        if step:
            held.rerank_ms[at, step] = min(held.rerank_ms[at, step], answer.rerank_ms)
            continue
        start = perf_counter()  # at spend 0 the signals are made where they are when serving: right after the search
        held.signals[at] = maker.one(asked, answer.before.codes[0], answer.before.scores[0])
        held.signals_ms[at] = min(held.signals_ms[at], 1e3 * (perf_counter() - start))


def _with_medians(measured: _Measured, timed: Bools) -> _Measured:
    """A request that was not timed takes the median of those that were."""
    def filled(times: Floats) -> Floats:
        made = times.copy()
        made[~timed] = np.median(times[timed], axis=0)
        return made

    return replace(measured, base_ms=filled(measured.base_ms), signals_ms=filled(measured.signals_ms),
                   rerank_ms=filled(measured.rerank_ms))


def _table(plan: _Plan, measured: _Measured, cold_ms: Floats, doc_ids: Sequence[str]) -> SpendTable:
    def column(of: Callable[[_Request], str]) -> NDArray[np.object_]:
        return np.array([of(one) for one in plan.asked], dtype=object)

    overlaps = [overlap_at(measured.top[:, 0], measured.top[:, step]) for step in range(len(plan.ladder))]
    made = SpendTable(
        column(lambda one: one.task.query_ids[one.place]), column(lambda one: one.task.name),
        column(lambda one: one.task.clusters[one.place]), column(lambda one: one.task.fold[one.place]) == JUDGE,
        _slices(plan.asked), {name: measured.signals[:, at] for at, name in enumerate(plan.names)}, plan.ladder,
        _quality(plan.asked, measured.top, doc_ids), np.column_stack(overlaps), measured.base_ms, measured.signals_ms,
        measured.rerank_ms, cold_ms, plan.timed)
    return SpendTable.of(made.frame(), source="measured spends")


def _slices(asked: Sequence[_Request]) -> dict[str, Bools]:
    """Every slice of every task; a query of a task without it is outside."""
    names = dict.fromkeys(name for one in asked for name in one.task.slices)
    return {name: np.array([name in one.task.slices and bool(one.task.slices[name][one.place]) for one in asked])
            for name in names} | {"all": np.ones(len(asked), dtype=np.bool_)}


def _quality(asked: Sequence[_Request], top: NDArray[np.int64], doc_ids: Sequence[str]) -> Floats:
    """(n, S) nDCG@10, scored as a release's runs are."""
    quality = np.empty(top.shape[:2])
    of_task = np.array([id(one.task) for one in asked])
    for task in {id(one.task): one.task for one in asked}.values():
        rows = np.flatnonzero(of_task == id(task))
        for step in range(top.shape[1]):
            run = run_of(top[rows, step], None, task.query_ids, doc_ids)
            quality[rows, step] = per_query(run, task.qrels, "nDCG@10", queries=task.query_ids)
    return quality
