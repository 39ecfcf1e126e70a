"""Fitting the router of a release: what was spent on the fit fold in, teacher, int8 tables and θ* out.

The gate is fitted on what the int8 tables predict for queries of modules that they were not fitted on, so that θ* meets
predictions like those it will see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from harness.data.corpus import World
from harness.data.store import atomic_write_text, atomic_writer
from harness.data.tables import read_parquet
from harness.errors import InputError, nearest
from harness.gating.requests import Requests
from harness.gating.two_stage import TwoStageGate
from harness.records import Floats
from harness.release.crossfit import folds_of
from harness.release.manifest import Manifest
from harness.release.parts import Costs, RouterPart
from harness.release.spends import SpendTable
from harness.release.traffic import at_share, traffic_signals
from harness.routing.distill import distill
from harness.routing.int8 import Int8Router
from harness.routing.teacher import RouterTeacher

__all__ = ["GATE", "ROUTER", "SPENDS", "TEACHER", "TRAFFIC", "FittedRouter", "Ladder", "cost_law", "fit_router",
           "make_router", "make_spends", "overhead_of", "priced", "signals_of"]

ROUTER, GATE, TEACHER, REQUESTS, SPENDS, TRAFFIC = (
    "router_distilled_int8.json", "theta_star_production.json", "teacher", "gate_requests.parquet", "spends.parquet",
    "traffic.parquet")
Ladder = tuple[int, int, int]
_COLUMNS = ("entropy", "predicted_gain", "gain", "cost_ms", "cheap_gain", "cheap_cost_ms")


class FittedRouter(NamedTuple):
    """Teacher, its int8 tables, the gate over them, and the requests that the gate was fitted to."""

    teacher: RouterTeacher
    router: Int8Router
    gate: TwoStageGate
    requests: Requests

    def save(self, folder: Path) -> None:
        """Write the two production files, the teacher, and the requests."""
        self.teacher.save(folder / TEACHER)
        atomic_write_text(folder / ROUTER, self.router.to_json())
        atomic_write_text(folder / GATE, self.gate.to_json())
        frame = pd.DataFrame({name: getattr(self.requests, name) for name in _COLUMNS})
        with atomic_writer(folder / REQUESTS) as file:
            frame.to_parquet(file, index=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, each file validated. Raises InputError."""
        frame = read_parquet(folder / REQUESTS).to_pandas()
        if tuple(frame.columns) != _COLUMNS:
            raise InputError("not the requests of a gate", where=folder / REQUESTS, expected=", ".join(_COLUMNS),
                             found=", ".join(map(str, frame.columns)))
        columns = {name: frame[name].to_numpy(dtype=np.float64) for name in _COLUMNS}
        return cls(RouterTeacher.load(folder / TEACHER),
                   Int8Router.from_json((folder / ROUTER).read_bytes(), where=folder / ROUTER),
                   TwoStageGate.from_json((folder / GATE).read_bytes(), where=folder / GATE), Requests.of(**columns))


def fit_router(table: SpendTable, part: RouterPart, ladder: Ladder, *, seed: int,
               traffic: Floats | None = None) -> FittedRouter:
    """Teacher, tables and gate from the fit fold of a table. Raises InputError for too few queries, or no budget.

    `traffic` are (m, F) signals of queries that nobody need have judged, for a share that is held there; by default
    those of the table's judged queries.
    """
    if table.judged.all():
        raise InputError("nothing to learn from", where="spend table", column="fold", expected="rows with fold fit")
    fit = table.where(~table.judged)
    matrix, (_, cheap, full) = signals_of(fit, part.signals), ladder
    gain, cost = fit.gain(full), fit.rerank_ms[:, fit.at(full)]
    teacher = RouterTeacher(seed).fit(matrix, part.signals, gain, cost)
    predicted = _unseen(fit, matrix, part, cost, full=full, seed=seed)
    requests = Requests.of(matrix[:, part.signals.index("entropy")], predicted, gain, cost, cheap_gain=fit.gain(cheap),
                           cheap_cost_ms=fit.rerank_ms[:, fit.at(cheap)])
    router, fitted = distill(teacher, matrix, part.signals), partial(_gated, requests, part, overhead_of(fit))
    if part.share_of == "fit" or part.share is None:
        return FittedRouter(teacher, router, fitted(part.share), requests)
    asked = signals_of(table.where(table.judged), part.signals) if traffic is None else traffic
    return FittedRouter(teacher, router, at_share(fitted, router, asked, part.share), requests)


def overhead_of(table: SpendTable) -> float:
    """Mean milliseconds of the signals, which every query pays; 0 where nobody measured them."""
    known = np.isfinite(table.signals_ms)
    return float(table.signals_ms[known].mean()) if known.any() else 0.0


def signals_of(table: SpendTable, names: tuple[str, ...]) -> Floats:
    """(n, F) of the named signals. Raises InputError with the nearest name for one that the table lacks."""
    lacking = [name for name in names if name not in table.signals]
    if lacking:
        raise InputError("no such signal in the spend table", where="router", column="signals",
                         expected=f"some of {', '.join(table.signals)}", found=", ".join(lacking),
                         hint=nearest(lacking[0], table.signals))
    return np.column_stack([table.signals[name] for name in names])


def make_spends(manifest: Manifest, world: World, folders: Mapping[str, Path], folder: Path) -> None:
    """The part `spends`: what each step brings on the fit fold, and what it costs by the manifest's own law."""
    from harness.release.spending import spend_table

    parts = manifest.parts
    assert parts is not None and parts.router is not None and parts.router.costs_ms is not None
    table = spend_table(manifest, world, folders, spends=parts.steps, fold="fit", passes=1, cold=0)
    priced(table, parts.router.costs_ms).to_parquet(folder / SPENDS)
    if parts.router.share_of == "traffic":
        signals = traffic_signals(manifest, world, folders, parts.router.signals)
        frame = pd.DataFrame(signals, columns=list(parts.router.signals))
        with atomic_writer(folder / TRAFFIC) as file:
            frame.to_parquet(file, index=False)


def make_router(manifest: Manifest, folders: Mapping[str, Path], folder: Path) -> None:
    """The part `router`, from the part `spends`."""
    parts = manifest.parts
    assert parts is not None and parts.router is not None
    traffic = None
    if parts.router.share_of == "traffic":
        frame = read_parquet(folders["spends"] / TRAFFIC).to_pandas()
        traffic = frame[list(parts.router.signals)].to_numpy(dtype=np.float64)
    fit_router(SpendTable.from_parquet(folders["spends"] / SPENDS), parts.router, parts.steps,
               seed=manifest.seed, traffic=traffic).save(folder)


def priced(table: SpendTable, costs: Costs) -> SpendTable:
    """The table with stated times in place of measured ones, and none where nothing is stated.

    Raises InputError where the law counts words and the table has no signal `length`.
    """
    if costs.word and "length" not in table.signals:
        raise InputError("a cost by word, and no words counted", where="costs_ms", column="word",
                         expected="the signal length", found=", ".join(table.signals))
    words = table.signals["length"] if costs.word else np.zeros(len(table))
    rerank = np.column_stack([costs.rerank + costs.candidate * spend + costs.word * words if spend
                              else np.zeros(len(table)) for spend in table.spends])
    nothing = np.full(len(table), np.nan)
    return replace(table, rerank_ms=rerank, signals_ms=np.full(len(table), costs.signals), base_ms=nothing,
                   cold_ms=nothing, timed=np.zeros(len(table), dtype=np.bool_))


def cost_law(table: SpendTable) -> Costs:
    """The law that fits a table's measured times best: least squares over all queries and spends, none below 0."""
    words = table.signals.get("length", np.zeros(len(table)))
    rows = [np.column_stack([np.ones(len(table)), np.full(len(table), spend), words]) for spend in table.spends[1:]]
    from scipy.optimize import nnls

    found, _ = nnls(np.vstack(rows), np.concatenate(list(table.rerank_ms[:, 1:].T)))
    rerank, candidate, word = np.round(found, 6).tolist()
    return Costs(signals=round(overhead_of(table), 6), rerank=rerank, candidate=candidate, word=word)


def _gated(requests: Requests, part: RouterPart, overhead_ms: float, share: tuple[float, float] | None
           ) -> TwoStageGate:
    return TwoStageGate.fit(*requests[:4], budget_ms=part.budget_ms, bind=part.bind, share=share, delta=part.delta,
                            headroom=part.headroom, overhead_ms=overhead_ms, cheap_gain=requests.cheap_gain,
                            cheap_cost_ms=requests.cheap_cost_ms)


def _unseen(fit: SpendTable, matrix: Floats, part: RouterPart, cost: Floats, *, full: int, seed: int) -> Floats:
    """(n,) gain that int8 tables fitted on the other folds predict; folds are whole modules."""
    gain, predicted = fit.gain(full), np.zeros(len(matrix))
    for seen, left in folds_of(fit.clusters):
        teacher = RouterTeacher(seed).fit(matrix[seen], part.signals, gain[seen], cost[seen])
        predicted[left] = distill(teacher, matrix[seen], part.signals).predict(matrix[left]).gain
    return predicted
