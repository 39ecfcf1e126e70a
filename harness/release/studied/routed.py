"""The study `routed`: on queries that nothing was fitted on, what the spend rule decides, brings and costs.

Beside the int8 router stand its teacher under the same θ*, chance at the same share, and the optimum of the gate's own
problem, so that each promise of the rule is a number of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.gating.requests import Requests
from harness.gating.two_stage import TwoStageGate
from harness.records import Floats
from harness.release.build import Built
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, Manifest
from harness.release.measures.routed import owns
from harness.release.observed import Observed
from harness.release.routers import SPENDS, FittedRouter, Ladder, fit_router, overhead_of, signals_of
from harness.release.spends import SpendTable
from harness.routing.distill import fitted
from harness.routing.int8 import Int8Router
from harness.routing.routed import OUTPUTS, SPANS
from harness.shown import brief

__all__ = ["RoutedObserved", "decide", "observe", "recorded", "routed_of", "wanted"]

Steps = NDArray[np.int64]
Tell = Callable[[str], None]
TIMED = 600  # judged queries that are served in every pass; the others take the median of their spend
COLD = 30  # of them are served once more on a cold index, a fifth of a second each


@dataclass(frozen=True, eq=False)
class RoutedObserved:
    """The spend rule on n judged queries of all text tasks.

    Attributes:
        table: What each spend brings and costs, judged queries only.
        ladder: Candidates reranked when left alone (0), at the early exit, in full.
        router: The int8 tables.
        gate: The two thresholds.
        requests: What the gate was fitted to.
        entropy: (n,) the gate's first signal.
        full: (n,) gain that the teacher predicts.
        distilled: (n,) gain that the int8 tables predict.
        decisions: (n,) step of the ladder that the rule takes: 0, 1, 2.
        served: (n,) candidates that the release itself reranked when it answered; -1 where nobody recorded it.
        rounding: Output → (n,) how far the int8 tables' answer lies from the curves that they were rounded from.
        overhead_ms: Mean time of the signals, which every query pays.
    """

    table: SpendTable
    ladder: tuple[int, int, int]
    router: Int8Router
    gate: TwoStageGate
    requests: Requests
    entropy: Floats
    full: Floats
    distilled: Floats
    decisions: Steps
    served: Steps
    rounding: Mapping[str, Floats]
    overhead_ms: float

    __repr__ = brief

    @property
    def gains(self) -> Floats:
        """(n, 3) nDCG@10 that each step brings over none."""
        return np.column_stack([self.table.gain(spend) for spend in self.ladder])

    @property
    def costs(self) -> Floats:
        """(n, 3) milliseconds that each step takes, the signals apart."""
        return np.column_stack([self.table.rerank_ms[:, self.table.at(spend)] for spend in self.ladder])

    def taken(self, columns: Floats) -> Floats:
        """(n,) of (n, 3): each query's value at the step that the rule takes."""
        return np.asarray(np.take_along_axis(columns, self.decisions[:, None], axis=1)[:, 0], dtype=np.float64)

    @property
    def by_teacher(self) -> Steps:
        """(n,) the steps that the teacher's predictions lead to, under the same θ*."""
        return decide(self.gate, self.entropy, self.full)


def decide(gate: TwoStageGate, entropy: Floats, gain: Floats) -> Steps:
    """(n,) steps of the ladder."""
    return np.asarray(gate.decide(entropy, gain), dtype=np.int64)


def wanted(manifest: Manifest) -> bool:
    """Whether a row of the policy reads this study."""
    return any(check.own_gate is None and owns(check.measure) for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed,
            baseline: Observed | None, tell: Tell) -> RoutedObserved:  # noqa: ARG001 what every study takes
    """Measure every spend on the judged queries of a live release, loaded back from its frozen folders."""
    from harness.release.spending import spend_table

    manifest, release = loaded.manifest, candidate.live
    assert release is not None
    if manifest.parts is None or manifest.parts.router is None or manifest.parts.reranker is None:
        raise InputError("no router", where=loaded.path, column="parts.router",
                         expected="one, for a policy that measures it")
    tell("measuring every spend on the judged queries")
    table = spend_table(manifest, built.world, built.folders, spends=manifest.parts.ladder, fold="judge",
                        requests=TIMED, cold=COLD, tell=tell)
    fit = SpendTable.from_parquet(built.folders["spends"] / SPENDS)
    return routed_of(table, fit, FittedRouter.load(built.folders["router"]), manifest.parts.steps,
                     served=_served(release, table))


def recorded(loaded: Loaded, tell: Tell) -> RoutedObserved:
    """The same from a trace of the user's own: fitted on its fit fold, judged on its judge fold."""
    options = loaded.manifest.studies.routed
    if options.spends is None:
        raise InputError("no trace of spends", where=loaded.path, column="studies.routed.spends",
                         expected="a Parquet file with a row a query", found="live parts are not given either")
    tell("fitting the router on the trace")
    table = SpendTable.from_parquet(loaded.folder / options.spends.path)
    ladder = (0, options.router.cheap, options.router.full or table.spends[-1])
    if not table.judged.any():
        raise InputError("nothing to judge", where=loaded.folder / options.spends.path, column="fold",
                         expected="rows with fold judge")
    for spend in ladder:  # told before anything is fitted
        table.at(spend)
    found = fit_router(table, options.router, ladder, seed=loaded.manifest.seed)
    return routed_of(table.where(table.judged), table.where(~table.judged), found, ladder)


def routed_of(table: SpendTable, fit: SpendTable, fitted_router: FittedRouter, ladder: Ladder, *,
              served: Steps | None = None) -> RoutedObserved:
    """The record, from the judged table, the fitted one, and what was fitted."""
    teacher, router, gate, requests = fitted_router
    matrix = signals_of(table, router.names)
    entropy, answer = matrix[:, router.names.index("entropy")], router.predict(matrix)
    curves = fitted(teacher, signals_of(fit, router.names), router.names)
    rounding = {output: np.abs(getattr(answer, output) - np.clip(curves[output].at(matrix), *SPANS[output]))
                for output in OUTPUTS}
    return RoutedObserved(table, ladder, router, gate, requests, entropy, teacher.predict(matrix).gain, answer.gain,
                          decide(gate, entropy, answer.gain),
                          np.full(len(table), -1) if served is None else served, rounding, overhead_of(table))


def _served(release: LiveRelease, table: SpendTable) -> Steps:
    """(n,) candidates that the release reranks for each query of the table, asked for anew and in batch."""
    found: dict[tuple[str, str], int] = {}
    for name in dict.fromkeys(table.tasks.tolist()):
        task = release.world.task(name).judge()
        found |= {(name, query): spend for query, spend in zip(task.query_ids, release.planned(task), strict=True)}
    return np.array([found[task, query] for task, query in zip(table.tasks, table.queries, strict=True)])
