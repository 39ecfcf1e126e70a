"""Recorded files as a trial: runs, judgements, slices and latencies of a system that ran elsewhere."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.data.canonical import digest_of
from harness.data.store import sha256_file, sha256_tree
from harness.errors import InputError, nearest
from harness.records import Ids, Qrels, Run
from harness.release.manifest import Loaded, RecordedSide
from harness.release.observed import Bools, Observed, TaskObserved, Trial
from harness.release.schema import Source

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TASK", "recorded_files", "recorded_trial"]

TASK = "default"
_MOST_VALUES = 50  # a column with more distinct values than this is no slice


def recorded_files(loaded: Loaded) -> dict[str, Path]:
    """Every file that a recorded manifest names, path as written → path on disk; a folder stands for all in it."""
    files: dict[str, Path] = {}
    for source in _sources(loaded):
        path = loaded.folder / source.path
        inside = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else []
        files |= {f"{source.path}/{one.relative_to(path).as_posix()}": one for one in inside} or {source.path: path}
    return files


def recorded_trial(loaded: Loaded) -> Trial:
    """Read and check every file; a digest that is stated must hold."""
    from harness.data.readers import read_qrels

    manifest = loaded.manifest
    recorded = manifest.recorded
    assert recorded is not None and manifest.data.qrels is not None
    for source in _sources(loaded):
        _digest_holds(loaded, source)
    qrels = read_qrels(_spec(loaded, manifest.data.qrels))
    clusters, slices = _columns(loaded, qrels)
    bare = TaskObserved(TASK, qrels, Run.of([], [], []), clusters=clusters, slices=slices)
    candidate = _observed(loaded, recorded.candidate, manifest.release, bare)
    baseline = None
    if recorded.baseline is not None:
        baseline = _observed(loaded, recorded.baseline, "baseline", bare)
    return Trial(candidate, baseline, manifest.seed)


def _observed(loaded: Loaded, side: RecordedSide, name: str, bare: TaskObserved) -> Observed:
    from harness.data.readers import read_run, read_trace

    task = replace(bare, run=read_run(_spec(loaded, side.run)),
                   before=None if side.before is None else read_run(_spec(loaded, side.before)))
    trace = None if side.latency is None else read_trace(_spec(loaded, side.latency))
    return Observed(name, loaded.manifest.config_hash, {TASK: task}, trace=trace)


def _columns(loaded: Loaded, qrels: Qrels) -> tuple[Ids | None, dict[str, Bools]]:
    """Cluster labels and slice masks from the manifest's slice file, in the order of the judged queries."""
    from harness.data.readers import read_frame

    data = loaded.manifest.data
    if data.slices is None:
        if data.cluster is not None:
            raise InputError("cluster names a column of no file", where=loaded.path, column="data.cluster",
                             expected="data.slices beside it", found=data.cluster)
        return None, {}
    frame = read_frame(_spec(loaded, data.slices))
    _has_column(frame, "query_id", data.slices)
    frame = frame.astype({"query_id": str}).set_index("query_id")
    missing = [query for query in qrels.queries if query not in frame.index]
    if missing or not frame.index.is_unique:
        raise InputError("slices do not cover the judged queries once each", where=data.slices.path, column="query_id",
                         expected=f"{len(qrels.queries)} queries", found=missing[:3] or "duplicates")
    frame = frame.loc[list(qrels.queries)]
    _plain_values(frame, data.slices)
    if data.cluster is None:
        return None, _masks(frame)
    return _clusters(frame, data.cluster, data.slices), _masks(frame.drop(columns=data.cluster))


def _clusters(frame: pd.DataFrame, name: str, source: Source) -> Ids:
    _has_column(frame, name, source)
    labels = frame[name]
    bare = labels.isna() | (labels.astype(str).str.strip() == "")
    if bare.any():
        raise InputError("queries without a cluster", where=source.path, column=name, expected="a label for each",
                         found=frame.index[bare][:3].tolist())
    return labels.astype(str).to_numpy(dtype=object)


def _plain_values(frame: pd.DataFrame, source: Source) -> None:
    """A list or an object in a cell belongs to no slice and no cluster."""
    for name in frame.columns:
        if frame[name].dtype == object:
            wrong = frame.index[[not isinstance(value, Hashable) for value in frame[name]]]
            if len(wrong):
                raise InputError(f"not a plain value for query {wrong[0]}", where=source.path, column=str(name),
                                 expected="text, a number, true or false", found=frame[name][wrong[0]])


def _has_column(frame: pd.DataFrame, name: str, source: Source) -> None:
    present = list(map(str, frame.columns))
    if name not in present:
        raise InputError("no such column", where=source.path, column=name, expected=name, found=present,
                         hint=nearest(name, present))


def _masks(frame: pd.DataFrame) -> dict[str, Bools]:
    """A boolean column is a slice by its name; any other column of few values is one slice a value, `column=value`."""
    masks: dict[str, Bools] = {}
    for column in frame.columns:
        values = frame[column]
        if values.dtype == bool:
            masks[str(column)] = values.to_numpy(dtype=np.bool_)
        elif values.nunique() <= _MOST_VALUES:
            present = values.dropna()
            whole = values.dtype.kind == "f" and len(present) < len(values) and (present % 1 == 0).all()
            for value in sorted(present.unique().tolist(), key=str):  # a gap turned whole numbers into floats
                name = f"{column}={int(value) if whole else value}"
                masks[name] = (values == value).to_numpy(dtype=np.bool_)
    return masks


def _sources(loaded: Loaded) -> list[Source]:
    recorded, data = loaded.manifest.recorded, loaded.manifest.data
    sides = [] if recorded is None else [recorded.candidate, recorded.baseline]
    studies = loaded.manifest.studies
    files = [data.qrels, data.slices, data.answers, studies.routed.spends, studies.confounding.log,
             studies.stressed.table, studies.confounding.truth, studies.surrogate.trace, studies.answered.table,
             studies.answered.baseline, studies.governed.trace, studies.governed.tools, *studies.readied.tables]
    for side in sides:
        files += [] if side is None else [side.run, side.before, side.latency]
    return [source for source in files if source is not None]


def _spec(loaded: Loaded, source: Source) -> dict[str, str]:
    return {key: str(loaded.folder / path) for key, path in source.spec.items()}


def _digest_holds(loaded: Loaded, source: Source) -> None:
    if source.sha256 is None:
        return
    path = loaded.folder / source.path
    found = digest_of(sha256_tree(path)) if path.is_dir() else sha256_file(path)
    if found != source.sha256:
        raise InputError("not the bytes that were frozen", where=path, column="sha256", expected=source.sha256,
                         found=found)
