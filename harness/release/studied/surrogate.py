"""The study `surrogate`: latencies measured under load, a surrogate fitted to them, and how its intervals fare.

Live, requests are served by threads, several at once, at settings drawn for each, warm and cold; recorded, the user's
own trace tells the ten features and what each request took. Either way the surrogate is written, loaded back, and only
then judged, on requests that it has not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError
from harness.latency.features import FEATURES, STATES, cache_codes, checked_features, checked_ms, states_of
from harness.latency.surrogate import LatencySurrogate
from harness.records import Floats
from harness.release.loads import Served
from harness.release.measures.surrogate import WHOLE, owns
from harness.release.observed import Bools
from harness.release.studied.paired import requests_of
from harness.release.studied.slices import require_slices
from harness.release.studied.surrogate_live import Drawn, cold_requests, warm_requests
from harness.release.studied.surrogate_record import (
    CALIBRATE,
    LOAD,
    NEW,
    SPEND,
    TRAIN,
    SurrogateObserved,
    drawn_folds,
    repeated,
)

if TYPE_CHECKING:
    from harness.release.build import Built
    from harness.release.manifest import Loaded, Manifest
    from harness.release.observed import Observed
    from harness.release.policy import Check
    from harness.release.study_options import SurrogateStudy

__all__ = ["observe", "predict_times", "recorded", "surrogate_of", "wanted"]

_BESIDE = re.compile(r"(load|spend)=\d+")
MOST_COPIES = 0.01  # of a trace: more is one that was joined to itself, and fewer requests than it says
QUERIES = 2000  # judged queries that requests are drawn from
Tell = Callable[[str], None]


def wanted(manifest: Manifest) -> bool:
    """True where the policy names a measure of the surrogate."""
    return any(check.own_gate is None and owns(check.measure) for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed,
            baseline: Observed | None, tell: Tell) -> SurrogateObserved:  # noqa: ARG001 as every study
    """Serve the candidate under load, fit the surrogate, and load it back. Raises InputError without live parts."""
    live = candidate.live
    if live is None:
        raise InputError("nothing to serve", where=loaded.manifest.release, expected="live parts", found="surrogate")
    require_slices(loaded, owns, lambda check: _slices(check, STATES, (check.slice,) if _BESIDE.fullmatch(check.slice)
                                                       else ()))
    options, parts = loaded.manifest.studies.surrogate, loaded.manifest.parts
    assert parts is not None
    rng = np.random.default_rng(loaded.manifest.seed)
    ladder = () if live.second is None else (0, live.depth) if parts.router is None else parts.steps
    drawn = Drawn(requests_of(live.world, tuple(candidate.tasks), QUERIES, seed=loaded.manifest.seed), options.topks,
                  ladder)
    plain, fastest, warm = warm_requests(live, drawn, options, rng=rng, tell=tell)
    cold = cold_requests(live, built.folders.get("index"), drawn, options, rng=rng, tell=tell)
    features, ms = _columns([*plain, *warm, *cold])
    own = np.arange(len(ms)) < len(plain)
    return replace(surrogate_of(features, ms, own, options, folder=built.folders["world"].parent, rng=rng, tell=tell),
                   own_ms=fastest)


def recorded(loaded: Loaded, tell: Tell) -> SurrogateObserved:
    """The same from a trace of the user's own, whose features its columns tell. Raises InputError where one lacks."""
    options = loaded.manifest.studies.surrogate
    if options.trace is None:
        raise InputError("no trace of requests", where=loaded.path, column="studies.surrogate.trace",
                         expected="a Parquet file with a row a request", found="live parts are not given either")
    features, ms, own = _trace(loaded.folder / options.trace.path)
    found = tuple(state for state in STATES if (states_of(features) == state).any())
    beside = [f"{name}={value:g}" for name, at in (("load", LOAD), ("spend", SPEND))
              for value in np.unique(features[:, at])]
    require_slices(loaded, owns, lambda check: _slices(check, found, beside))
    from harness.release.observing import ARTIFACTS  # loads live parts

    return surrogate_of(features, ms, own, options, folder=ARTIFACTS / loaded.manifest.release, states=found,
                        rng=np.random.default_rng(loaded.manifest.seed), tell=tell)


def surrogate_of(features: Floats, ms: Floats, own: Bools, options: SurrogateStudy, *, folder: Path,
                 rng: np.random.Generator, tell: Tell, states: tuple[str, ...] = STATES) -> SurrogateObserved:
    """The record of (n, 10) features and (n,) milliseconds: rows divided, surrogate fitted, written, loaded back.

    Raises:
        InputError: Too few rows to fit and to calibrate on, or a file that does not read back as it was written.
    """
    fold = drawn_folds(states_of(features), rows=options.rows, train=options.train, rng=rng,
                       copies=repeated(features, ms))
    tell(f"fitting the latency surrogate on {int((fold == TRAIN).sum()):,} of {len(ms):,} requests")
    seen = fold != NEW
    made = LatencySurrogate.fit(features[seen], ms[seen], calibrating=(fold == CALIBRATE)[seen], rng=rng,
                                coverage=options.coverage)
    made.save(folder)
    read = LatencySurrogate.load(folder)
    if read.texts != made.texts:
        raise InputError("does not read back as it was written", where=folder, expected="the same boosters")
    times = predict_times(read, features[fold == NEW], most=options.predictions,
                          repeats=options.repeats)
    return SurrogateObserved(read, features, ms, fold, own, ms[own], times, states, options.alpha,
                             options.train, options.rows)


def predict_times(surrogate: LatencySurrogate, rows: Floats, *, most: int, repeats: int,
                  clock: Callable[[], float] = perf_counter) -> Floats:
    """(m,) milliseconds of one prediction for up to `most` rows, a request at a time, the fastest of its `repeats`.

    Repeats are passes; one more before them is not counted.
    """
    asked, passes = rows[:most], []
    for _ in range(1 + repeats):
        times = []
        for row in asked:
            start = clock()
            surrogate.one(row)
            times.append(1e3 * (clock() - start))
        passes.append(times)
    fastest: Floats = np.array(passes[1:]).min(axis=0)
    return fastest


def _slices(check: Check, states: Sequence[str], beside: Sequence[str]) -> tuple[str, ...]:
    """What a row may name beside `all`; a percentile of the own requests, or of predictions, is of all of them."""
    return () if check.measure in WHOLE else (*(f"cache={state}" for state in states), *beside)


def _columns(served: Sequence[Served]) -> tuple[Floats, Floats]:
    return (checked_features(np.array([one.features for one in served])),
            checked_ms(np.array([one.ms for one in served]), len(served)))


def _trace(path: Path) -> tuple[Floats, Floats, Bools]:
    """Features, milliseconds and the `own` mask of a user's trace; without `own`, warm requests alone in flight."""
    from harness.columns import floats, require
    from harness.data.tables import read_parquet

    frame = read_parquet(path).to_pandas(ignore_metadata=True)
    require(frame, (*FEATURES, "total_ms"), path)
    columns = [cache_codes(frame[name], where=path) if name == "cache" else floats(frame[name], name, path)
               for name in FEATURES]
    try:
        features, ms = checked_features(np.column_stack(columns)), checked_ms(frame["total_ms"], len(frame))
    except InputError as error:
        raise InputError(error.what, where=path, row=error.row, column=error.column or "total_ms",
                         expected=error.expected, found=error.found) from None
    _few_copies(features, ms, path)
    if "own" in frame.columns:
        return features, ms, np.asarray(frame["own"] == True)  # noqa: E712 - a column, not a truth
    return features, ms, (states_of(features) == "warm") & (features[:, FEATURES.index("load")] <= 1.0)


def _few_copies(features: Floats, ms: Floats, path: Path) -> None:
    distinct, first = np.unique(np.column_stack([features, ms]), axis=0, return_index=True)
    copies = len(ms) - len(distinct)
    if copies > MOST_COPIES * len(ms):
        row = int(np.setdiff1d(np.arange(len(ms)), first)[0]) + 1
        raise InputError("rows stand more than once", where=path, row=row, found=f"{copies:,} of {len(ms):,} rows",
                         expected=f"copies of features and total_ms to be at most {MOST_COPIES:.0%}")
