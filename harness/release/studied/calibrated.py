"""What a score is worth: P(relevant) of each hit by a map fitted on the fit fold, beside what judges said of it.

Each release has its own map of each task, isotonic (Zadrozny & Elkan 2002), one for every spend where a spend rule
decides: scores of two stages lie on two scales. A hit that nobody judged relevant counts as not relevant, as in every
measure of quality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.codes import Names, match
from harness.errors import InputError, nearest
from harness.records import Floats, Ids, Qrels, Run
from harness.shown import brief

if TYPE_CHECKING:
    from harness.data.task import Task
    from harness.release.build import Built
    from harness.release.live import LiveRelease
    from harness.release.manifest import Loaded, Manifest
    from harness.release.observed import Observed
    from harness.release.schema import Source

__all__ = ["DRIFT", "CalibratedHits", "CalibrationObserved", "Hitlist", "Map", "fitted_map", "hitlist", "observe",
           "recorded", "wanted"]

DRIFT = "AECE drift"
Map = Callable[[Floats, Ids], Floats]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CalibratedHits:
    """The first hits of every answered query.

    Attributes:
        predicted: (n,) P(relevant), in [0, 1].
        outcome: (n,) 1 where the hit is relevant, else 0.
        query: (n,) query of each hit.
    """

    predicted: Floats
    outcome: Floats
    query: Ids

    __repr__ = brief


@dataclass(frozen=True, eq=False)
class CalibrationObserved:
    """Task → hits of the candidate and of the baseline, on the same judged queries."""

    tasks: Mapping[str, tuple[CalibratedHits, CalibratedHits]]
    bins: int = 15

    __repr__ = brief

    def task(self, name: str) -> tuple[CalibratedHits, CalibratedHits]:
        """Candidate and baseline of a task. Raises InputError for one that was not studied."""
        if name not in self.tasks:
            raise InputError("calibration of this task was not studied", where="calibrated", found=name,
                             expected=f"one of {', '.join(self.tasks)}", hint=nearest(name, self.tasks))
        return self.tasks[name]


@dataclass(frozen=True, eq=False)
class Hitlist:
    """The first hits before a map is applied.

    Attributes:
        score: (n,) as the release gave it.
        outcome: (n,) 1 where relevant.
        query: (n,) query of each hit.
        group: (n,) which of the release's scales the score is on.
    """

    score: Floats
    outcome: Floats
    query: Ids
    group: Ids

    def by(self, fitted: Map) -> CalibratedHits:
        """With the map's probabilities in the scores' place."""
        return CalibratedHits(fitted(self.score, self.group), self.outcome, self.query)


def wanted(manifest: Manifest) -> bool:
    """True where the policy names calibration drift."""
    return any(check.own_gate is None and check.measure == DRIFT for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed, baseline: Observed | None,  # noqa: ARG001 as every study
            tell: Callable[[str], None]) -> CalibrationObserved:
    """Fit each side's maps on the fit fold and apply them to the judged queries.

    Raises InputError without live parts of both sides, or for a task without query texts.
    """
    ours, other = candidate.live, None if baseline is None else baseline.live
    if ours is None or other is None or baseline is None:
        raise InputError("no baseline to drift from", where=loaded.manifest.release, expected="a live baseline",
                         found=loaded.manifest.baseline)
    options = loaded.manifest.studies.calibrated
    names = dict.fromkeys(candidate.task(check.task).name for check in loaded.manifest.checks
                          if check.own_gate is None and check.measure == DRIFT)
    found = {}
    for name in names:
        tell(f"fitting scores to relevance on {name}")
        task, k = ours.world.task(name), options.hits
        found[name] = (_calibrated(ours, task, candidate, k), _calibrated(other, task, baseline, k))
    return CalibrationObserved(found, options.bins)


def recorded(loaded: Loaded, tell: Callable[[str], None]) -> CalibrationObserved:
    """Recorded runs whose scores are probabilities already: each side's own word for how relevant its hits are.

    Raises InputError without a baseline's run, or for a score outside [0, 1].
    """
    from harness.data.readers import read_qrels, read_run
    from harness.release.recording import TASK

    sides, judged = loaded.manifest.recorded, loaded.manifest.data.qrels
    if sides is None or sides.baseline is None or judged is None:
        raise InputError("no baseline to drift from", where=loaded.path, column="recorded.baseline",
                         expected="a run whose scores are probabilities", found=None)
    tell("reading scores as probabilities of relevance")
    qrels, options = read_qrels(_spec(loaded, judged)), loaded.manifest.studies.calibrated
    one, two = (_as_told(read_run(_spec(loaded, side.run)), qrels, k=options.hits, where=side.run.path)
                for side in (sides.candidate, sides.baseline))
    return CalibrationObserved({TASK: (one, two)}, options.bins)


def hitlist(run: Run, qrels: Qrels, *, k: int, groups: Mapping[str, str] | None = None) -> Hitlist:
    """The first `k` hits of each judged query; `groups` tells the scale that a query's scores are on.

    >>> run = Run.of(["q", "q"], ["a", "b"], [2.0, 1.0])
    >>> hitlist(run, Qrels.of(["q"], ["b"], [1]), k=10).outcome.tolist()
    [0.0, 1.0]
    """
    judged = match(run.names[0], Names.of(qrels.queries))
    top = (run.rank <= k) & (judged[run.query] >= 0)
    relevant = qrels.relevance > 0
    pairs = qrels.query[relevant].astype(np.int64) * len(qrels.docs) + qrels.doc[relevant]
    doc = match(run.names[1], Names.of(qrels.docs))[run.doc[top]]
    here = np.where(doc >= 0, judged[run.query[top]] * len(qrels.docs) + doc, -1)
    query = run.queries[run.query[top]]
    group = np.array([(groups or {}).get(name, "all") for name in query.tolist()], dtype=object)
    return Hitlist(run.score[top], np.isin(here, pairs).astype(np.float64), query, group)


def fitted_map(known: Hitlist) -> Map:
    """Score → P(relevant), never falling, for each group; a group that the fit fold lacks takes the share of them all.

    Raises:
        InputError: No hit to fit to.

    >>> scores, outcome = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0, 1.0])
    >>> names = np.array(["q"] * 4, dtype=object)
    >>> fitted_map(Hitlist(scores, outcome, names, names))(np.array([1.5, 9.0]), names[:2]).tolist()
    [0.5, 1.0]
    """
    from sklearn.isotonic import IsotonicRegression

    if not len(known.score):
        raise InputError("no hit to fit a map to", where="calibrated", expected="answered queries in the fit fold")
    share = float(known.outcome.mean())
    maps = {group: IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(
        known.score[known.group == group], known.outcome[known.group == group])
        for group in sorted(set(known.group.tolist()))}

    def apply(score: Floats, group: Ids) -> Floats:
        predicted = np.full(len(score), share)
        for name, one in maps.items():
            rows = group == name
            if rows.any():
                predicted[rows] = one.predict(score[rows])
        return predicted

    return apply


def _calibrated(live: LiveRelease, task: Task, observed: Observed, k: int) -> CalibratedHits:
    fit, judged = task.fit(), task.judge()
    known = hitlist(live.answer(fit).run, fit.qrels, k=k, groups=_scales(live, fit))
    run = observed.tasks[task.name].run if task.name in observed.tasks else live.answer(judged).run
    return hitlist(run, judged.qrels, k=k, groups=_scales(live, judged)).by(fitted_map(known))


def _scales(live: LiveRelease, task: Task) -> dict[str, str]:
    """Query → the spend that is decided for it; empty where one scale is all there is."""
    if live.rule is None:
        return {}
    return {name: f"spend={spend}" for name, spend in zip(task.query_ids, live.planned(task), strict=True)}


def _as_told(run: Run, qrels: Qrels, *, k: int, where: object) -> CalibratedHits:
    known = hitlist(run, qrels, k=k)
    wrong = np.flatnonzero((known.score < 0.0) | (known.score > 1.0))
    if wrong.size:
        raise InputError("score is no probability", where=where, column="score", expected="in [0, 1], for AECE drift",
                         found=float(known.score[wrong[0]]))
    return CalibratedHits(known.score, known.outcome, known.query)


def _spec(loaded: Loaded, source: Source) -> dict[str, str]:
    return {key: str(loaded.folder / path) for key, path in source.spec.items()}
