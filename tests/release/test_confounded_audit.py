"""The audit's file reads back to the bit and is believed once it adds up; its measures pass and refuse for cause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.logs import sound_log
from harness.defects.owners import owner
from harness.errors import InputError
from harness.estimate import Estimate
from harness.release.derived import is_derived
from harness.release.judge import Verdict, verdict_of
from harness.release.measures.confounding import EXAMPLES, read
from harness.release.observed import Observed, Trial
from harness.release.policy import Check, Limit
from harness.release.studied.audit_file import FILE, read_audit, write_audit
from harness.release.studied.audited import AuditRow, Terms, audit, kappa, magnitude, weights_of
from harness.release.studied.decisions import DecisionLog
from tests.defects.gating import LIMITS, check, gated

ROWS = (AuditRow("all", "before", 6000, 0.3, 0.25, 0.35, 0.003, 0.5, 0.1, "REFUSE"),
        AuditRow("all", "after", 6000, 1 / 30, 0.0, 0.08, 0.7, 0.4, 0.1 + 0.2, "PASS"),
        AuditRow("tiny", "before", 4, np.nan, 0.0, np.inf, np.nan, 0.5, np.nan, "INCONCLUSIVE"),
        AuditRow("tiny", "after", 4, np.nan, 0.0, np.inf, np.nan, 0.5, np.nan, "INCONCLUSIVE"))


def trial_of(log: DecisionLog) -> Trial:
    """A candidate of which nothing but its log is known."""
    return Trial(Observed("candidate", "c" * 64, {}, studies={"confounded": log}), None, seed=7)


@pytest.fixture(scope="module")
def log() -> DecisionLog:
    return sound_log(queries=200, draws=8, least=80)


# the file

def test_an_audit_reads_back_to_the_bit(tmp_path):
    """Numbers, infinite ends and empty cells."""
    path = write_audit(tmp_path / FILE, ROWS)
    again = read_audit(path)
    assert np.array_equal(np.array([row[2:9] for row in again]), np.array([row[2:9] for row in ROWS]), equal_nan=True)
    assert [row[:2] + row[9:] for row in again] == [row[:2] + row[9:] for row in ROWS]
    assert path.read_text(encoding="utf-8").splitlines()[0] == "slice,stage,n,effect,low,high,p,ESS/N,kappa,verdict"


@pytest.mark.parametrize(("old", "new", "line"), [
    ("PASS", "REFUSE", "row 3, column verdict: does not follow from its numbers; expected PASS"),
    ("0.7", "1.7", "row 3, column p: out of bounds"),
    ("0.35", "0.26", "row 2, column effect: lies outside its interval"),
    ("0.4", "nan", "row 3, column ESS/N: out of bounds"),
    ("0.4", "0_4", "row 3, column ESS/N: out of bounds"),
    ("0.4", "many", "row 3, column ESS/N: out of bounds"),
    ("after,6000", "aftr,6000", r"row 3, column stage: no such stage; .* \(nearest: after\)"),
    ("after,6000", "before,6000", "row 2, column slice: not one row before and one after"),
    ("before,6000", "before,0", "row 2, column n: not a count"),
    ("kappa", "kapa", r"another header; .* \(nearest: kappa\)"),
    (",PASS", "", "row 3: not a row of the audit; expected 10 cells, found 9"),
])
def test_a_tampered_audit_is_told_by_row_and_column(tmp_path, old, new, line):
    """One line, whatever was changed."""
    path = write_audit(tmp_path / FILE, ROWS)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=line):
        read_audit(path)


def test_an_audit_cut_short_or_empty_is_none(tmp_path):
    """Half of a slice, or a header alone."""
    path = write_audit(tmp_path / FILE, ROWS)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:2]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="not one row before and one after"):
        read_audit(path)
    path.write_text(lines[0] + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="no rows"):
        read_audit(path)


def test_what_would_not_read_back_is_not_written(tmp_path):
    """A verdict that does not follow leaves no file."""
    with pytest.raises(InputError, match="does not follow"):
        write_audit(tmp_path / FILE, [ROWS[0], ROWS[1]._replace(p=0.01)])
    assert not (tmp_path / FILE).exists()


def test_other_terms_judge_the_same_numbers_otherwise(tmp_path):
    """A reader with a stricter floor does not believe the verdicts of a laxer one."""
    path = write_audit(tmp_path / FILE, ROWS)
    with pytest.raises(InputError, match="does not follow"):
        read_audit(path, terms=Terms(floor=0.45))


def test_the_file_is_no_artifact_of_the_release():
    """It is made of measurements: freezing and signing leave it apart."""
    assert is_derived(FILE)


# the measures

@pytest.mark.parametrize("measure", EXAMPLES)
def test_each_measure_passes_a_sound_log_and_refuses_its_defect(measure, log):
    """With the planted defect beside it, as the gate shows it."""
    finding = gated(measure, trial_of(log))
    assert finding.verdict is Verdict.PASS, finding.reason
    control = finding.reading.control
    assert control is not None and verdict_of(control.estimate, finding.limit) is Verdict.REFUSE


@pytest.mark.parametrize("measure", EXAMPLES)
def test_each_measure_is_read_by_slice(measure, log):
    """Of the slice's rows alone; an unknown slice names the nearest."""
    assert read(trial_of(log), check(measure, "hard")).estimate.n <= log.slices["hard"].sum()
    with pytest.raises(InputError, match=r"no such slice; .* \(nearest: hard\)"):
        read(trial_of(log), check(measure, "hrd"))


@pytest.mark.parametrize("measure", EXAMPLES)
def test_a_gate_reads_the_confidence_that_its_policy_asks_for(measure, log):
    """A finding's confidence is checked against the policy's when it is verified."""
    row = Check(measure, measure, None, "all", Limit(*LIMITS[measure]), confidence=0.95)
    assert read(trial_of(log), row).estimate.confidence == 0.95
    assert read(trial_of(log), check(measure)).estimate.confidence == 0.9


def test_without_a_log_nothing_is_measured(log):
    """One line, and no pass."""
    with pytest.raises(InputError, match="candidate: no log of decisions"):
        read(replace(trial_of(log), candidate=Observed("candidate", "c" * 64, {})), check("log kappa"))


def test_a_control_that_cannot_speak_passes_nothing(log):
    """Filled with one value it leaves effect and p unknown, and the forgetful log unflagged."""
    mute = trial_of(replace(log, controls={"filled": np.zeros(len(log))}))
    assert np.isnan(read(mute, check("negative control p")).estimate.value)
    assert np.isnan(read(mute, check("negative control effect")).estimate.value)
    assert read(mute, check("unstratified p")).estimate.value == 1.0


def test_without_overlap_nothing_is_effective(log):
    """A target that takes none of the logged actions: ESS/N reads 0, κ and the shift are unknown."""
    apart = trial_of(replace(log, target=np.zeros(len(log))))
    assert read(apart, check("log ESS/N")).estimate.value == 0.0
    assert np.isnan(read(apart, check("log kappa")).estimate.value)
    assert np.isnan(read(apart, check("control shift")).estimate.value)
    assert read(apart, check("unlogged share")).estimate.value == 1.0


def test_bounded_weights_have_no_tail_until_one_row_is_large(log):
    """κ reads 0 for a few values of like size, 1 where one of few rows is above 5 % of all."""
    few = replace(log, propensity=np.full(len(log), 0.5), target=np.full(len(log), 0.25))
    assert kappa(weights_of(few), confidence=0.9).value == 0.0
    target = np.where(np.arange(len(log)) == 3, 1.0, 0.0)
    assert kappa(weights_of(replace(few, target=target)), confidence=0.9).value == 1.0


def test_a_heavy_tail_is_measured_with_its_interval(log):
    """Pareto weights of shape .8 read about that, and the interval narrows with the rows."""
    weight = 1.0 + np.random.default_rng(4).pareto(1.25, size=len(log))
    heavy = kappa(weights_of(replace(log, propensity=1.0 / weight, target=np.ones(len(log)))), confidence=0.9)
    assert heavy.low < 0.8 < heavy.high and 0.5 < heavy.value < 1.1


def test_a_magnitude_is_small_only_where_both_ends_are():
    """The sign is dropped, not an end."""
    assert magnitude(Estimate(0.02, -0.05, 0.09, 9, 0.9, "t"))[:3] == (0.02, 0.0, 0.09)
    assert magnitude(Estimate(-0.3, -0.4, -0.2, 9, 0.9, "t"))[:3] == (0.3, 0.2, 0.4)
    assert magnitude(Estimate(np.nan, -np.inf, np.inf, 9, 0.9, "t"))[1:3] == (0.0, np.inf)


def test_owners_refuse_what_they_own_and_stay_calm_otherwise(log):
    """A heavy weight is no confounder: what it breaks is told by ESS/N, not by a negative control."""
    broken = owner("log ESS/N").plant(trial_of(log), 1.0)
    before, after = (read(trial, check("negative control effect")).estimate for trial in (trial_of(log), broken))
    assert before == after


def test_every_slice_stands_before_and_after(log):
    """In the order asked for."""
    rows = audit(log, rng=np.random.default_rng(1), slices=("hard", "all"))
    assert [row[:2] for row in rows] == [("hard", "before"), ("hard", "after"), ("all", "before"), ("all", "after")]
