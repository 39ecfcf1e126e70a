"""Per-query records of a run, kept beside its evidence: what pictures, comparisons and planning are made from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from harness.data.store import atomic_write_text, atomic_writer
from harness.gating.requests import Requests
from harness.gating.roc import roc
from harness.metrics.evaluate import per_query
from harness.release.measures import family_of
from harness.release.measures.quality import values_of
from harness.release.observed import TaskObserved, Trial
from harness.release.policy import Check
from harness.release.studied.harvested import HarvestObserved, write_config
from harness.release.studied.policy_file import FILE as VALUES
from harness.release.studied.policy_file import write_values
from harness.release.studied.policy_log import PolicyLog
from harness.release.studied.policy_values import policy_values
from harness.release.studied.routed import RoutedObserved
from harness.release.studied.stress_file import write_stress
from harness.release.studied.stress_rows import StressObserved
from harness.release.studied.surrogate_record import SurrogateObserved

__all__ = ["INDEX", "PER_QUERY", "ROC", "STAGES", "SURROGATE", "TRACE", "keep_records"]

PER_QUERY, TRACE, INDEX, STAGES, ROC = "per_query.parquet", "trace.parquet", "index.json", "stages.json", "roc.json"
SURROGATE = "surrogate.json"
_DRAWN = 400  # new requests of each state of the cache that a picture shows
_SHOWN = ("R@5", "RR", "nDCG@10", "Success@50")


def keep_records(trial: Trial, checks: tuple[Check, ...], folder: Path) -> None:
    """Write `per_query.parquet` (query_id, cluster, task, measure, value), and eight more as far as they apply.

    `trace.parquet` holds latencies, `index.json` cells and agreement, `stages.json` mean measures before and after
    the second stage, by task, `roc.json` the gain that the spend rule captures at every share, and
    `latency_harvest_config.json` the settings of a graph that were tried, `policy_values.csv` what another policy would
    have earned, `surrogate.json` what the latency surrogate told of new requests, and what they took,
    `stress_report.csv` what perturbed queries found.
    """
    import pandas as pd

    frames = []
    for name, measure in dict.fromkeys((check.task, check.measure) for check in checks if _is_quality(check)):
        task = trial.candidate.task(name)
        clusters = task.clusters if task.clusters is not None else task.qrels.queries
        frames.append(pd.DataFrame({"query_id": task.qrels.queries, "cluster": clusters, "task": task.name,
                                    "measure": measure, "value": values_of(trial, measure, name)}))
    if frames:
        with atomic_writer(folder / PER_QUERY) as stream:
            pd.concat(frames, ignore_index=True).to_parquet(stream, index=False)
    if trial.candidate.trace is not None:
        with atomic_writer(folder / TRACE) as stream:
            trial.candidate.trace.frame.to_parquet(stream, index=False)
    stages = {name: _before_after(task) for name, task in trial.candidate.tasks.items() if task.before is not None}
    if stages:
        atomic_write_text(folder / STAGES, json.dumps(stages) + "\n")
    _keep_studies(trial, folder)
    index = trial.candidate.index
    if index is not None:
        facts = {"cells": index.cells.tolist(), "agreement": np.sort(index.agreement).round(6).tolist()}
        atomic_write_text(folder / INDEX, json.dumps(facts) + "\n")


def _before_after(task: TaskObserved) -> dict[str, list[float]]:
    assert task.before is not None
    return {name: [round(float(per_query(run, task.qrels, name).mean()), 6) for run in (task.before, task.run)]
            for name in _SHOWN}


def _keep_studies(trial: Trial, folder: Path) -> None:
    found = trial.candidate.studies
    harvested, routed, valued = (found.get(name) for name in ("harvested", "routed", "counterfactual"))
    if isinstance(stressed := found.get("stressed"), StressObserved):
        write_stress(folder, stressed)
    if isinstance(harvested, HarvestObserved):
        write_config(harvested.harvest, folder)
    if isinstance(valued, PolicyLog):
        slices = [name for name, held in valued.slices.items() if held.any()]
        write_values(folder / VALUES, policy_values(valued, slices=slices))
    surrogate = found.get("surrogate")
    if isinstance(surrogate, SurrogateObserved):
        atomic_write_text(folder / SURROGATE, json.dumps(_told(surrogate)) + "\n")
    if isinstance(routed, RoutedObserved):
        atomic_write_text(folder / ROC, json.dumps(_roc(routed)) + "\n")


def _roc(found: RoutedObserved) -> dict[str, list[float] | float]:
    """The curves of a full rerank by share, θ* on them (its early exits apart), and how far it is to an oracle.

    `standing` is 0 at chance and 1 at an oracle; 0 too where an oracle has no room.
    """
    curves = roc(Requests.of(found.entropy, found.distilled, found.gains[:, 2], found.costs[:, 2]), found.gate.theta)
    return {name: np.round(np.nan_to_num(values), 6).tolist() for name, values in curves._asdict().items()}


def _told(found: SurrogateObserved) -> dict[str, dict[str, list[float]]]:
    """State → low, high, ms of its first new requests; a state without any, or without an end, is left out."""
    ms, told = found.ms[found.new], {}
    for state in found.states:
        rows = np.flatnonzero((found.groups[found.new] == state) & np.isfinite(found.bands.high))[:_DRAWN]
        if len(rows):
            told[state] = {name: np.round(column[rows], 6).tolist() for name, column
                           in (("low", found.bands.low), ("high", found.bands.high), ("ms", ms))}
    return told


def _is_quality(check: Check) -> bool:
    return check.own_gate is None and family_of(check.measure) == "quality"
