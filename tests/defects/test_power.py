"""Operating characteristics: what is drawn is read and judged as the gate does it, and counted honestly."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from scipy.stats import beta

from fixtures.studies import with_studies
from fixtures.trials import sound
from harness.cli.common import emit_json
from harness.defects.changes import coded
from harness.defects.owners import owner
from harness.defects.power import GRID, GatePower, NoOps, Point, Tally, power_verdict, severities
from harness.defects.power_pool import Job, interrupts_held, worked
from harness.defects.power_run import Size, bare, examine, reordered_variants, study_of
from harness.defects.power_trials import FEWEST, Setting, point_of, verdicts_on
from harness.defects.trials import draw, judged, records_of, reordered
from harness.errors import InputError
from harness.release.judge import Verdict
from harness.release.measures import PROPERTIES, family_of, read
from harness.release.policy import Check, Limit
from harness.report.power import next_steps, power_document
from tests.defects.test_catalogue import LIMITS

SIZE = Size(trials=60, draws=60, reorderings=2, quick=True)
READ = [measure for measure in LIMITS if family_of(measure) != PROPERTIES]


@pytest.fixture(scope="module")
def fair():
    return with_studies(sound())


def gate(measure: str, *limit: object, slice_: str = "all") -> Check:
    return Check(measure, measure, None, slice_, Limit(*(limit or LIMITS[measure])))


def studied(trial, checks, *, size: Size = SIZE, processes: int = 1, seed: int = 7) -> list[GatePower]:
    studies = [study_of(trial, check, size) for check in checks]
    variants = reordered_variants(studies, {check.id: check for check in checks}, size)
    return examine(studies, variants, Setting(bare(trial), seed, size.trials, 2), processes=processes)


@pytest.mark.parametrize("measure", READ)
def test_undrawn_records_give_the_gates_own_reading(measure, fair):
    """What trials draw from is what the gate reads: the same estimate, check, least n and alternatives."""
    check = gate(measure)
    mine, gates = records_of(fair, check).read(None, fair.seed), read(fair, check)
    assert (mine.estimate, mine.cross, mine.min_n, mine.alternatives) == (
        gates.estimate, gates.cross, gates.min_n, gates.alternatives)


def test_a_cluster_is_drawn_whole_and_twice_counts_as_two(fair):
    """Sixty modules are drawn: rows of one label are one module's, and labels are as many as draws."""
    records = records_of(fair, gate("R@5"))
    one = draw(records, np.random.default_rng(3))
    names = fair.candidate.task(None).clusters[one.rows]
    assert len(np.unique(one.labels)) == 60 and len(np.unique(names)) < 50
    assert all(len(set(names[one.labels == label])) == 1 for label in range(60))


def test_draws_scatter_as_the_interval_says(fair):
    """Means of drawn clusters have the standard error of the closed interval, within a tenth: rows alone would not."""
    trial = _uneven(fair)
    check, rng = gate("delta nDCG@10"), np.random.default_rng(5)
    records = records_of(trial, check)
    found = [records.read(draw(records, rng), 0).estimate.value for _ in range(600)]
    estimate = records.read(None, 0).estimate
    error = (estimate.high - estimate.low) / 2.0 / 1.67
    assert np.std(found) == pytest.approx(error, rel=0.12)
    flat = replace(records, sampled="queries", clusters=None)
    assert np.std([flat.read(draw(flat, rng), 0).estimate.value for _ in range(200)]) < 0.7 * error


def power_of(hits: list[tuple[float, int]], n: int) -> GatePower:
    """A gate whose defect was caught so often, and which refused none of 100 no-ops."""
    points = tuple(Point(severity, Tally(n, n - count, 0, count), count, 0.0) for severity, count in hits)
    return GatePower("g", "m", "all", "value ≥ 1", "d", "", 0.05, Verdict.PASS, 9, points,
                     (NoOps("drawn again", Tally(100, 100)),))


def _uneven(trial):
    """Whole modules that rank worse: every third module has its hits handed on among its queries."""
    task = trial.candidate.task(None)
    rows = np.flatnonzero(np.array([int(str(name)[6:]) % 3 == 0 for name in task.clusters]))
    target = np.arange(600)
    target[rows] = np.roll(rows, 1)
    run = coded(task.run, target[task.run.query].astype(np.int32), np.ones(len(task.run), dtype=np.bool_))
    return replace(trial, candidate=replace(trial.candidate, tasks={task.name: replace(task, run=run)}))


@pytest.mark.parametrize("measure", ["R@5", "delta nDCG@10", "p95 total_ms", "agreement@10", "ids missing",
                                     "digest mismatches"])
def test_another_order_of_rows_changes_no_finding(measure, fair):
    """A reordered trial is a no-op: the same verdict and the same number to six digits."""
    check, one = gate(measure), owner(measure)
    other = reordered(fair, np.random.default_rng(1))
    before, after = (judged(check, records_of(trial, check), records_of(one.plant(trial, 1.0), check), one)
                     for trial in (fair, other))
    assert before.verdict is after.verdict is Verdict.PASS
    assert before.reading.estimate.value == pytest.approx(after.reading.estimate.value, abs=1e-6)


def test_every_gate_catches_its_defect_and_spares_what_is_sound(fair):
    """On the sound trial each family's gate passes the study; caught from a severity, none of its no-ops refused."""
    checks = [gate(measure) for measure in ("nDCG@10", "p95 rerank_ms", "ids missing", "replay differences")]
    found = studied(fair, checks)
    assert [one.verdict for one in found] == [Verdict.PASS] * 4
    assert all(one.caught_from is not None and one.idle.refused == 0 and one.idle.n >= 60 for one in found)
    assert power_verdict(found) is Verdict.PASS


def test_a_gate_that_cannot_fail_is_told(fair):
    """A limit that everything meets catches nothing at any severity: REFUSE, and the next step names the gate."""
    found = studied(fair, [gate("nDCG@10", "at_least", 0.0, "value")])
    assert found[0].caught_from is None and found[0].verdict is Verdict.REFUSE
    assert "not shown to catch" in next_steps(found)[0]


def test_a_limit_at_the_release_itself_refuses_what_is_sound(fair):
    """A value gate whose limit is the measured value refuses about half of the no-op draws: REFUSE."""
    value = read(fair, gate("nDCG@10")).estimate.value
    found = studied(fair, [gate("nDCG@10", "at_least", round(value, 6) - 1e-6, "value")])
    assert found[0].false_refusals.low > 0.2 and found[0].verdict is Verdict.REFUSE


def test_a_release_that_is_refused_shows_nothing_of_its_gate(fair):
    """No trials are run where the gate refuses the release anyhow, and the verdict is no pass."""
    found = studied(fair, [gate("nDCG@10", "at_least", 0.999, "value")])
    assert found[0].points == () and found[0].verdict is Verdict.INCONCLUSIVE and "refused here" in found[0].note


def test_a_crash_is_no_catch(fair, monkeypatch):
    """A gate that dies on the planted trial has caught nothing, and one that dies on a no-op has refused it."""
    def dies(*_):
        raise InputError("broken")

    monkeypatch.setattr("harness.defects.power_trials.records_of", dies)
    point = point_of(Setting(bare(fair), 7, 60, 2), gate("nDCG@10"), "answers_to_another_query", 1.0)
    assert point.tally == Tally(60, crashed=60) and point.caught == 0 and point.share.high < 0.1
    assert verdicts_on(fair, [(gate("nDCG@10"), "answers_to_another_query")]) == {"nDCG@10": None}
    one = power_of([(1.0, 200)], 200)._replace(noops=(NoOps("reordered", Tally(100, crashed=100)),))
    assert one.verdict is Verdict.REFUSE


def test_a_refusal_for_another_reason_is_no_catch(fair):
    """Refused, but by a gate that the defect does not own: counted as refused, not as caught."""
    point = point_of(Setting(bare(fair), 7, 60, 2), gate("R@5"), "queries_dropped", 1.0)
    assert point.tally.refused == 60 and point.caught == 0


@pytest.mark.parametrize(("caught", "verdict"), [(60, Verdict.PASS), (59, Verdict.INCONCLUSIVE), (40, Verdict.REFUSE)])
def test_the_lower_bound_decides_what_is_caught(caught, verdict):
    """60 of 60 show .95; 59 of 60 leave it open; 40 of 60 show that it is not so."""
    one = power_of([(1.0, caught)], 60)
    assert one.verdict is verdict
    assert (one.caught_from == 1.0) == (caught == 60)
    assert one.points[0].share.low == pytest.approx(beta.ppf(0.05, caught, 61 - caught))


def test_caught_from_needs_every_greater_severity():
    """A curve that dips is caught from above the dip only."""
    one = power_of([(0.1, 60), (0.2, 30), (0.5, 60), (1.0, 60)], 60)
    assert one.caught_from == 0.5 and one.seen_from == 0.5
    assert one.verdict is Verdict.PASS and one._replace(noops=()).verdict is Verdict.INCONCLUSIVE


def test_without_a_defect_nothing_is_shown():
    """A gate for which nothing can be planted is refused, as is a study of nothing in doubt."""
    assert GatePower("g", "m", "all", "value ≥ 1", None, "", 0.05, None, 0).verdict is Verdict.REFUSE
    assert power_verdict([]) is Verdict.INCONCLUSIVE


def test_the_same_seed_gives_the_same_bytes_in_one_process_and_in_two(fair):
    """The table is a function of trial, policy and seed; another seed gives another one."""
    checks = [gate("nDCG@10"), gate("ids missing")]
    size = SIZE._replace(draws=20, reorderings=1)
    one, two, other = (emit_json(power_document(studied(fair, checks, size=size, processes=jobs, seed=seed)))
                       for jobs, seed in ((1, 7), (2, 7), (1, 8)))
    assert one == two
    assert json.loads(one) != json.loads(other)


def test_a_gate_gets_the_same_trials_alone_and_among_others(fair):
    """Filtering gates changes no number of those that stay."""
    alone = studied(fair, [gate("nDCG@10")])[0]
    among = studied(fair, [gate("ids missing"), gate("nDCG@10")])[1]
    assert alone.points == among.points and alone.noops[0] == among.noops[0]


def test_a_count_over_rankings_is_tried_anew_each_time(fair):
    """Nothing can be drawn: each trial is another plant, as few as show .95, and no reading is counted twice."""
    found, = studied(fair, [gate("duplicated hits")])
    assert found.verdict is Verdict.PASS and found.sampled == ""
    assert {point.tally.n for point in found.points} == {found.idle.n} == {FEWEST}


def test_severities_end_at_the_last_grade():
    """The grid rises to what the gate is shown, and holds it."""
    assert severities((0.1, 0.5))[-1] == 0.5 and set(severities((0.1, 0.5))[:-1]) < set(GRID)
    assert severities((1.0,)) == GRID


def _interrupting(folder: str) -> None:
    """A job that begins something, has its study interrupted, and would end long after."""
    with TemporaryDirectory(dir=folder):
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(20.0)
        Path(folder, "done").touch()


def test_an_interrupted_study_leaves_nothing_behind(tmp_path, capfd):
    """The other processes are ended at once: what they had begun is put away, and none of them says a word."""
    with pytest.raises(KeyboardInterrupt):
        worked([Job(_interrupting, ())] * 2, str(tmp_path), processes=2)
    assert list(tmp_path.iterdir()) == [] and "Traceback" not in capfd.readouterr().err


def test_what_is_held_is_done_whole():
    """An interrupt in the block is heard when the block ends, not before and not never."""
    done = []

    def held() -> None:
        with interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        held()
    assert done == [True]
