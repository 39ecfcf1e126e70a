"""Every gate has been seen to pass and to refuse: each measure on the sound trial, and on the defect it owns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from fixtures.studies import with_studies
from fixtures.trials import sound
from harness.defects.catalogue import DEFECTS, defect
from harness.defects.latency import slow_tail
from harness.defects.owners import owner, owners
from harness.errors import InputError
from harness.estimate import Estimate
from harness.release.judge import Verdict
from harness.release.measures import EXAMPLES, PROPERTIES, family_of, read
from harness.release.observed import Trial
from tests.defects.gating import LIMITS, check, gated


@pytest.fixture(scope="module")
def fair() -> Trial:
    return with_studies(sound())


@pytest.fixture(scope="module")
def planted(fair) -> Callable[[str, float], Estimate]:
    """What a measure reads with its owner's defect in the trial, each severity planted and read once.

    `test_planting_leaves_the_trial_alone` holds it to a planting and a reading of its own.
    """
    return cache(lambda measure, severity: read(owner(measure).plant(fair, severity), check(measure)).estimate)


def test_the_table_covers_every_measure_that_is_read():
    """A new example of a measure is not left without both outcomes."""
    assert {name for name in EXAMPLES if family_of(name) != PROPERTIES} <= set(LIMITS)


@pytest.mark.parametrize("measure", LIMITS)
def test_each_gate_has_seen_both_outcomes(measure, fair):
    """The sound trial passes, its defect at full severity is refused by the limit, and so is a release that has it."""
    finding = gated(measure, fair)
    assert finding.verdict is Verdict.PASS, finding.reason
    plant = owner(measure)
    broken = plant.plant(fair, plant.grades[-1])
    assert gated(measure, broken).verdict is Verdict.REFUSE


@pytest.mark.parametrize("measure", LIMITS)
def test_severity_zero_changes_nothing(measure, fair, planted):
    """A defect that was not planted leaves the reading as it was, and the gate unproven."""
    assert planted(measure, 0.0) == read(fair, check(measure)).estimate
    assert gated(measure, fair, severity=0.0).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("measure", LIMITS)
def test_a_graver_defect_measures_no_better(measure, planted):
    """Along its grades a defect only gets worse, in the measure that owns it."""
    row = check(measure)
    values = [planted(measure, severity).value for severity in (0.0, *owner(measure).grades)]
    sign = 1.0 if row.limit.direction == "at_most" else -1.0
    assert all(sign * (late - early) >= -1e-12 for early, late in pairwise(values)), values
    assert sign * (values[-1] - values[0]) > 0.0


@pytest.mark.parametrize("measure", LIMITS)
def test_planting_leaves_the_trial_alone(measure, fair, planted):
    """A defect is pure: what was measured before it was planted is measured after, and twice is the same."""
    plant, row = owner(measure), check(measure)
    before, one = planted(measure, 0.0), planted(measure, plant.grades[-1])
    two = read(plant.plant(fair, plant.grades[-1]), row).estimate
    assert read(fair, row).estimate == before and one == two


def test_a_trial_without_the_thing_to_break_is_left_as_it_is():
    """No trace, no index, no reranker, no frozen bytes: planting is no crash, and proves nothing either."""
    trial = sound(queries=20)
    task = replace(trial.candidate.task(None), before=None, best=None)
    bare = replace(trial, candidate=replace(trial.candidate, trace=None, index=None, integrity=None, pins=None,
                                            studies={}, tasks={task.name: task}))
    owner("R@5")  # registers all
    for one in DEFECTS.values():
        one.plant(bare, 1.0)


ALONE = {  # family of the defect's measures → a measure of another family, which must not notice
    "quality": "p95 total_ms", "latency": "nDCG@10", "index": "nDCG@10", "integrity": "p95 total_ms",
    "hygiene": "agreement@10", "regressions": "nDCG@10", "beside": "agreement@10", "covered": "nDCG@10",
    "calibrated": "p95 total_ms", "harvested": "nDCG@10",
    "confounding": "nDCG@10", "counterfactual": "nDCG@10", "routed": "nDCG@10",
    "surrogate": "nDCG@10",
    "stressed": "nDCG@10", "answered": "nDCG@10",
    "governed": "nDCG@10", "readied": "nDCG@10", "readiness": "nDCG@10",
}  # fmt: skip


@pytest.mark.parametrize("measure", LIMITS)
def test_a_defect_breaks_one_family_only(measure, fair):
    """Each fault has its gates: one of another family passes as before."""
    plant, other = owner(measure), ALONE[family_of(measure)]
    assert gated(other, plant.plant(fair, plant.grades[-1])).verdict is Verdict.PASS


def test_every_defect_is_owned_by_some_measure():
    """A defect that no measure catches would never be planted."""
    owned = {one.name for measure in LIMITS for on in ("all", "hard") for one in owners(measure, on=on)}
    assert owned == set(DEFECTS)


@pytest.mark.parametrize("measure", LIMITS)
def test_grades_rise_to_the_one_that_is_shown(measure):
    """Severities are above 0 and ascending."""
    grades = owner(measure).grades
    assert grades == tuple(sorted(set(grades))) and grades[0] > 0.0


@pytest.mark.parametrize("measure", ["violations of topk_prefix", "no such thing", "p95 total", ""])
def test_a_measure_without_a_defect_has_no_owner(measure):
    """A measure that nothing is planted for is an error: its gate could pass anything."""
    with pytest.raises(InputError, match="no planted defect"):
        owner(measure)


def test_a_name_is_registered_once():
    """A second defect under a taken name would hide the first."""
    owner("R@5")
    with pytest.raises(ValueError, match="registered twice"):
        defect("slow_tail", caught_by=lambda _: True, goes="up", signal="")(slow_tail)
    assert DEFECTS["slow_tail"].caught_by("R@5") is False


def test_hits_of_another_query_keep_their_number(fair):
    """The rotated run has as many hits a query as before: nothing is lost, all of it is wrong."""
    task = owner("R@5").plant(fair, 1.0).candidate.task(None)
    assert task.run.hits.tolist() == fair.candidate.task(None).run.hits.tolist()
    assert read(owner("R@5").plant(fair, 1.0), check("R@5")).estimate.value == 0.0


def test_half_the_severity_breaks_about_half(fair):
    """Severity is the share that is broken: at 0.5, the R@5 of half the queries is gone."""
    whole = read(fair, check("R@5")).estimate.value
    half = read(owner("R@5").plant(fair, 0.5), check("R@5")).estimate.value
    assert half == pytest.approx(whole / 2, abs=0.01)


def test_a_larger_severity_breaks_a_superset(fair):
    """Queries dropped at 0.1 are dropped at 0.5 too."""
    from harness.release.measures.quality import values_of

    few, many = (values_of(owner("unanswered").plant(fair, share), "unanswered", None) for share in (0.1, 0.5))
    assert few.sum() == 60 and many.sum() == 300
    assert np.all(many[few == 1.0] == 1.0)


def test_an_index_that_cannot_be_under_probed_is_not_proven(fair):
    """Without cells there is no nprobe to lower: the gate ends in doubt, not in an error and not in a pass."""
    index = fair.candidate.index
    assert index is not None
    flat = replace(fair, candidate=replace(fair.candidate, index=replace(
        index, under_probed=np.full(len(index.agreement), np.nan), cells=np.empty(0, dtype=np.int64))))
    finding = gated("agreement@10", flat)
    assert finding.verdict is Verdict.INCONCLUSIVE and "under_probed was not refused" in finding.reason


def test_a_limit_from_below_is_shown_a_defect_that_falls(fair):
    """`rerank share` is held from both sides; what breaks the other side leaves this limit kept, and proves nothing."""
    row = check("rerank share")
    assert row.limit is not None and row.limit.direction == "at_most"
    share = read(fair, row).estimate.value
    falls, rises = (owner("rerank share", direction=side) for side in ("at_least", "at_most"))
    assert read(falls.plant(fair, 1.0), row).estimate.value == 0.0 < share
    assert read(rises.plant(fair, 1.0), row).estimate.value > share
