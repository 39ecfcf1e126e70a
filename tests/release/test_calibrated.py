"""Calibration drift: its floors, its interval in worlds of known drift, the maps, and the study of a live release."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from fixtures.contract import calibrated_of
from fixtures.trials import judgements, ranking, sound
from harness.errors import InputError
from harness.metrics.calibration import adaptive_ece
from harness.records import Floats
from harness.release.judge import Verdict, judge
from harness.release.measures import read
from harness.release.measures.calibrated import calibration_gap
from harness.release.observed import Trial
from harness.release.policy import Check, Limit
from harness.release.studied import calibrated
from harness.release.studied.calibrated import CalibratedHits, CalibrationObserved, Hitlist, fitted_map, hitlist
from tests.release.small import DENSE, FULL, served, small

SHORT, LONG = 60, 400
FAIR = sound()


def row(bound: float = 0.01, *, on: str = "all", task: str | None = None) -> Check:
    return Check("gate", "AECE drift", task, on, Limit("at_most", bound, "ucb"))


def with_record(record: CalibrationObserved) -> Trial:
    return replace(FAIR, candidate=replace(FAIR.candidate, studies={"calibrated": record}))


def hits(predicted: Floats, outcome: Floats, query: np.ndarray) -> CalibratedHits:
    return CalibratedHits(predicted, outcome, query)


def test_the_value_is_the_difference_of_the_two_calibration_errors():
    """By the metric's own function, on each side; the floors and the errors stand beside it."""
    record = calibrated_of()
    reading = read(with_record(record), row())
    errors = [adaptive_ece(side.predicted, side.outcome) for side in record.task("search")]
    assert reading.estimate.value == pytest.approx(errors[0] - errors[1])
    assert reading.details["AECE candidate"] == pytest.approx(errors[0]) and reading.estimate.n == 6000
    assert 0.5 < reading.details["floor baseline"] / errors[1] < 2.0  # a perfect model's error is its floor


def test_rows_under_the_floor_are_doubt_with_the_n():
    """600 queries of a perfect model cannot show .01: INCONCLUSIVE, and more rows are asked for; 6,000 can show .02."""
    few = judge(row(), read(with_record(calibrated_of(queries=200)), row()))
    assert few.verdict is Verdict.INCONCLUSIVE and few.needed_n is not None and few.needed_n > 2000
    assert read(with_record(calibrated_of()), row()).estimate.high < 0.02


def test_a_candidate_that_is_too_sure_is_refused():
    """Odds told e times as good on one side: an error of several points, by the lower end."""
    record = calibrated_of()
    side, other = record.task("search")
    p = side.predicted
    sure = replace(side, predicted=p * np.e / (1.0 - p + p * np.e))
    finding = judge(row(), read(with_record(CalibrationObserved({"search": (sure, other)})), row()))
    assert finding.verdict is Verdict.REFUSE and finding.reading.estimate.low > 0.03


def test_a_slice_is_read_alone_and_an_unknown_task_is_told():
    """Half the queries are half the rows; a task that was not studied is an error."""
    assert read(with_record(calibrated_of()), row(on="hard")).estimate.n == 3000
    with pytest.raises(InputError, match="was not studied"):
        read(with_record(calibrated_of(task="other")), row())


def test_no_hits_and_one_cluster_bound_nothing():
    """Nothing to compare is NaN; a single cluster has a value and no ends."""
    record = calibrated_of()
    nothing = tuple(hits(np.empty(0), np.empty(0), np.empty(0, dtype=object)) for _ in range(2))
    found = judge(row(), read(with_record(replace(record, tasks={"search": nothing})), row()))
    assert found.verdict is Verdict.INCONCLUSIVE and found.reading.estimate.n == 0
    side, same = record.task("search")[0], np.array(["m"] * 6000, dtype=object)
    alone = calibration_gap(side, side, same, same, rng=np.random.default_rng(1)).estimate
    assert alone.value == 0.0 and (alone.low, alone.high) == (-np.inf, np.inf)


def _world(rng: np.random.Generator, shift: float, spread: float) -> tuple[CalibratedHits, Floats]:
    """120 clusters of 20 hits, their odds moved together by `spread`; p told `shift` too high: true error `shift`."""
    truth = np.repeat(rng.beta(4.0, 8.0, 120) * 0.5 + 0.1, 20)
    moved = np.clip(truth + np.repeat(spread * rng.choice([-1.0, 1.0], 120), 20), 0.0, 1.0)
    names = np.repeat(np.arange(120).astype(str).astype(object), 20)
    return hits(truth + shift, (rng.random(2400) < moved).astype(np.float64), names), names


def _most(worlds: int) -> float:
    """Misses that one end has in so many worlds by chance alone, once in a million runs."""
    return float(binom.isf(1e-6, worlds, 0.05))


def _misses(*, candidate: float, baseline: float, spread: float = 0.1, worlds: int = SHORT, naive: bool = False
            ) -> tuple[int, int]:
    """Worlds in which either end leaves the true drift out; naive: rows one by one, and no floor."""
    rng, below, above = np.random.default_rng(5), 0, 0
    for _ in range(worlds):
        (one, names), (two, _) = _world(rng, candidate, spread), _world(rng, baseline, spread)
        labels = np.arange(2400).astype(object) if naive else names
        found = calibration_gap(one, two, labels, labels, rng=rng, draws=200)
        low = found.estimate.low + (found.floors[0] if naive else 0.0)
        high = found.estimate.high - (found.floors[1] if naive else 0.0)
        below, above = below + (high < candidate - baseline), above + (low > candidate - baseline)
    return below, above


def test_either_end_keeps_its_promise_and_one_blind_to_floors_and_clusters_is_caught():
    """A perfect baseline, a candidate off by .1, whose floor hides part of it: the naive upper end misses, ours not."""
    below, above = _misses(candidate=0.1, baseline=0.0)
    assert max(below, above) <= _most(SHORT) < _misses(candidate=0.1, baseline=0.0, naive=True)[0]


@pytest.mark.worlds
@pytest.mark.parametrize(("candidate", "baseline", "spread"), [(0.0, 0.0, 0.1), (0.1, 0.0, 0.1), (0.1, 0.1, 0.1),
                                                               (0.0, 0.1, 0.1), (0.03, 0.0, 0.0)])
def test_either_end_keeps_its_promise_where_the_drift_is_known(candidate, baseline, spread):
    """Perfect, drifted, equally wrong, better, barely drifted; hits of a cluster alike: at most .05 at either end."""
    below, above = _misses(candidate=candidate, baseline=baseline, spread=spread, worlds=LONG)
    assert max(below, above) <= _most(LONG)


# maps and hits


def test_hits_of_a_run_carry_their_grade_and_their_scale():
    """The first k of each judged query; a document nobody judged is not relevant, a query nobody judged no row."""
    run = ranking({"q1": ["a", "b", "c"], "q2": ["x", "a"], "extra": ["a"]})
    qrels = judgements({"q1": {"b": 2, "a": 0}, "q2": {"a": 1}, "q3": {"a": 1}})
    found = hitlist(run, qrels, k=2, groups={"q1": "spend=50"})
    assert found.outcome.tolist() == [0.0, 1.0, 0.0, 1.0] and found.query.tolist() == ["q1", "q1", "q2", "q2"]
    assert found.group.tolist() == ["spend=50", "spend=50", "all", "all"] and found.score.tolist() == [0, -1, 0, -1]


def test_a_map_is_fitted_for_each_scale_and_never_falls():
    """The same scores mean more on one scale than on the other; a scale unseen gets the share of all."""
    rng = np.random.default_rng(2)
    score = rng.random(4000)
    group = np.array(["a", "b"] * 2000, dtype=object)
    chance = np.where(group == "a", score, 0.2 * score)
    known = Hitlist(score, (rng.random(4000) < chance).astype(float), group, group)
    fitted, grid = fitted_map(known), np.linspace(0.1, 0.9, 9)
    high, low = (fitted(grid, np.array([name] * 9, dtype=object)) for name in "ab")
    assert np.abs(high - grid).max() < 0.15 and np.abs(low - 0.2 * grid).max() < 0.1
    assert (np.diff(high) >= 0).all() and (np.diff(low) >= 0).all()
    assert fitted(grid[:1], np.array(["c"], dtype=object))[0] == pytest.approx(known.outcome.mean())


def test_nothing_to_fit_to_is_told():
    """An empty fit fold makes no map."""
    none = np.empty(0)
    with pytest.raises(InputError, match="no hit to fit"):
        fitted_map(Hitlist(none, none, none.astype(object), none.astype(object)))


def test_a_live_release_is_calibrated_beside_its_baseline(tmp_path):
    """Fitted on the fit fold, applied to the judged queries of both: the same queries, ten hits each."""
    loaded = small(tmp_path, FULL, "[{measure: RR, at_least: 0.1}, {measure: AECE drift, by: ucb, at_most: 0.01}]",
                   more="baseline: plain\nstudies: {calibrated: {hits: 10}}\n")
    built, ours = served(loaded, tmp_path)
    _, other = served(small(tmp_path, DENSE, name="plain"), tmp_path)
    name = next(name for name, task in ours.world.tasks.items() if task.contexts is None)
    task = ours.world.task(name).judge()
    seen = replace(FAIR.candidate.task(None), name=name, qrels=task.qrels, run=ours.answer(task).run)
    sides = [replace(FAIR.candidate, live=ours, tasks={name: seen}), replace(FAIR.baseline, live=other, tasks={})]
    assert calibrated.wanted(loaded.manifest)
    record = calibrated.observe(loaded, built, *sides, lambda _: None)
    first, second = record.task(name)
    assert set(first.query) == set(second.query) == set(task.qrels.queries)
    assert np.bincount(np.unique(first.query.astype(str), return_inverse=True)[1]).max() == 10
    with pytest.raises(InputError, match="no baseline to drift from"):
        calibrated.observe(loaded, built, sides[0], None, lambda _: None)


def test_recorded_scores_that_are_probabilities_are_read_as_such(tmp_path):
    """Both runs' scores beside the judgements; a score above 1 is no probability, and is told with its file."""
    from harness.release.manifest import load_manifest

    (tmp_path / "q").write_text("q1 0 a 1\nq1 0 b 0\n", encoding="utf-8")
    (tmp_path / "new").write_text("q1 Q0 a 1 0.75 r\nq1 Q0 b 2 0.5 r\n", encoding="utf-8")
    (tmp_path / "old").write_text("q1 Q0 b 1 0.25 r\n", encoding="utf-8")
    (tmp_path / "m.yaml").write_text(
        "release: m\nseed: 1\ndata: {qrels: {trec: q}}\nrecorded: {candidate: {run: {trec: new}}, baseline: {run: "
        "{trec: old}}}\npolicy: [{measure: AECE drift, by: ucb, at_most: 0.01}]\n", encoding="utf-8")
    one, two = calibrated.recorded(load_manifest(tmp_path / "m.yaml"), lambda _: None).task("default")
    assert one.predicted.tolist() == [0.75, 0.5] and one.outcome.tolist() == [1.0, 0.0]
    assert two.predicted.tolist() == [0.25] and two.outcome.tolist() == [0.0]
    (tmp_path / "old").write_text("q1 Q0 b 1 7.5 r\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"old, column score: score is no probability; expected in \[0, 1\]"):
        calibrated.recorded(load_manifest(tmp_path / "m.yaml"), lambda _: None)
