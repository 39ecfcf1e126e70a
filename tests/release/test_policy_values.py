"""Four estimators of a target policy beside the truth: what each needs, what each survives, and what a slice is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fixtures.logs import sound_log, sound_policies
from harness.defects.owners import named
from harness.errors import InputError
from harness.estimators.counterfactual import ips, snips
from harness.release.judge import Control, Verdict, judge
from harness.release.measures.counterfactual import EXAMPLES, read
from harness.release.observed import Observed, Trial
from harness.release.policy import Check, Limit
from harness.release.studied.choices import Choices
from harness.release.studied.decisions import DecisionLog, LogColumns
from harness.release.studied.policy_log import OnPolicy, PolicyLog, cross_fitted_rewards, policy_log
from harness.release.studied.policy_values import audit_of, error_z, gap_z, policy_values, truth_of, value_by, values_of
from tests.defects.gating import LIMITS, check, gated

COLUMNS = LogColumns("won", "p", "pi", "act", ("lang",), ("before",), "user", ("lang",), prefix="pi_",
                     context=("x", "lang"))


SHOWN = Control("planted", 1.0, 0.0, 0.0, 0.0, 6000)  # a control that was refused


def trial_of(log: PolicyLog) -> Trial:
    """A candidate of which nothing but its values is known."""
    return Trial(Observed("candidate", "c" * 64, {}, studies={"counterfactual": log}), None, seed=7)


def table(rows: int = 4000, seed: int = 3) -> pd.DataFrame:
    """Two actions, drawn by x; the dear one earns more where x is large. The target takes it three times in four."""
    rng = np.random.default_rng(seed)
    x = rng.random(rows)
    dear = rng.random(rows) < 0.2 + 0.6 * x
    return pd.DataFrame({
        "won": 0.2 + 0.5 * x * dear + 0.1 * rng.normal(size=rows), "p": np.where(dear, 0.2 + 0.6 * x, 0.8 - 0.6 * x),
        "pi": np.where(dear, 0.75, 0.25), "act": np.where(dear, "dear", "cheap"), "pi_dear": 0.75, "pi_cheap": 0.25,
        "x": x, "lang": np.where(np.arange(rows) % 2, "de", "en"), "before": rng.normal(size=rows),
        "user": np.arange(rows) // 2})


TRUTH = 0.2 + 0.75 * 0.5 * 0.5  # of `table`: x is uniform


def made(frame: pd.DataFrame, columns: LogColumns = COLUMNS, **options) -> PolicyLog:
    log = DecisionLog.of(frame, columns, rng=np.random.default_rng(1))
    return policy_log(log, rng=np.random.default_rng(1), **options)


# values

def test_every_estimator_meets_the_truth_and_ips_and_snips_are_the_libraries():
    """Within three standard errors; IPS and SNIPS to the bit."""
    log = made(table())
    found = values_of(log, confidence=0.9)
    assert list(found) == ["IPS", "SNIPS", "DR", "DM"]
    assert all(abs(one.value - TRUTH) < 0.02 for one in found.values())
    columns = (log.reward, log.propensity, log.target)
    assert found["IPS"] == ips(*columns, clusters=log.units) and found["SNIPS"] == snips(*columns, clusters=log.units)
    assert math.isinf(found["DM"].high) and found["DR"].half_width < found["SNIPS"].half_width


def off(log: PolicyLog, name: str) -> float:
    """Distance from the world's truth, in half widths of the estimator's own interval at .9."""
    found = value_by(log, name, confidence=0.9)
    return abs(found.value - TRUTH) / found.half_width


def test_dr_survives_a_wrong_model_or_wrong_propensities_but_not_both():
    """Double robustness; SNIPS survives the first alone, the model the second alone."""
    log = made(table(rows=16_000))
    assert log.fitted is not None and log.expected is not None
    wrong_model = replace(log, fitted=log.fitted * 0.0 + 0.9, expected=log.expected * 0.0 + 0.9)
    wrong_chances = replace(log, propensity=np.full(len(log), 0.5))
    both = replace(wrong_chances, fitted=wrong_model.fitted, expected=wrong_model.expected)
    assert off(wrong_model, "DR") < 2.0 and off(wrong_model, "SNIPS") < 2.0
    assert off(wrong_chances, "DR") < 2.0 and off(wrong_chances, "SNIPS") > 4.0
    assert off(both, "DR") > 4.0 and abs(float(wrong_model.expected.mean()) - TRUTH) > 0.4


def test_a_slice_is_its_rows_with_the_same_predictions():
    """Nothing is fitted anew; a slice that the log does not know names the nearest."""
    log = made(table())
    part, mask = log.slice("lang=de"), log.slices["lang=de"]
    assert log.expected is not None and part.expected is not None
    assert part.expected.tolist() == log.expected[mask].tolist() and len(part) == mask.sum()
    rows = policy_values(log, slices=("all", "lang=de"))
    assert [(row.slice, row.n) for row in rows[::4]] == [("all", 4000), ("lang=de", 2000)]
    with pytest.raises(InputError, match=r"no such slice; .* \(nearest: lang=de\)"):
        log.slice("lang=dee")
    with pytest.raises(InputError, match="slice none: no rows"):
        replace(log, slices={"none": np.zeros(len(log), dtype=np.bool_)}).slice("none")


def test_without_the_targets_probabilities_there_is_no_dr_and_nothing_passes_for_it():
    """Two estimators are left; the agreement is INCONCLUSIVE and says which option is missing."""
    log = made(table(), COLUMNS._replace(prefix=None))
    assert [row.estimator for row in policy_values(log)] == ["IPS", "SNIPS"]
    assert {row.agree for row in policy_values(log)} == {""}
    for measure in ("estimators disagree", "estimator gap z"):
        reading = read(trial_of(log), check(measure))
        assert math.isnan(reading.estimate.value) and "columns.prefix" in reading.note
        assert judge(check(measure), reading).verdict is Verdict.INCONCLUSIVE


def test_without_overlap_there_is_no_value():
    """A target that takes none of the logged actions."""
    log = replace(sound_policies(), target=np.zeros(len(sound_policies())))
    assert all(math.isnan(row.value) and row.ess_share == 0.0 for row in policy_values(log))
    assert judge(check("policy value"), read(trial_of(log), check("policy value"))).verdict is Verdict.INCONCLUSIVE


def test_a_value_whose_weights_are_refused_shows_no_bound():
    """The number is told; its ends are infinite, so that no limit on a bound passes, and the note says why."""
    log = made(table())
    heavy = replace(log, propensity=np.where(np.arange(len(log)) == 3, 1e-8, log.propensity))
    reading = read(trial_of(heavy), check("policy value"))
    assert math.isinf(reading.estimate.low) and "under the floor" in reading.note
    assert judge(check("policy value"), reading).verdict is not Verdict.PASS
    assert math.isfinite(read(trial_of(log), check("policy value")).estimate.low)


@pytest.mark.parametrize("by", ["lcb", "value"])
def test_a_value_that_the_audit_doubts_shows_no_bound(by):
    """Propensities stated too large, nothing that refuses them, and a mean weight that is not 1: no gate passes."""
    log = made(table(6000))
    row = replace(check("policy value"), limit=Limit("at_least", 0.1, by))
    assert judge(row, replace(read(trial_of(log), row), control=SHOWN)).verdict is Verdict.PASS
    stated = replace(log, propensity=np.minimum(1.0, 2.2 * log.propensity))
    audit = audit_of(stated)
    assert not audit.check.refusals and "propensities too large" in " ".join(audit.doubts)
    reading = read(trial_of(stated), row)
    assert judge(row, replace(reading, control=SHOWN)).verdict is Verdict.INCONCLUSIVE
    assert "excludes 1" in reading.note and "SNIPS 0." in reading.note


def test_an_interval_that_the_audit_doubts_passes_nothing_and_may_still_refuse():
    """A handful of rewards among thousands: the end that would pass is gone, the one that refuses is kept."""
    log = made(table(6000))
    few = replace(log, reward=np.where(np.arange(6000) % 1500 == 7, 1.0, 0.0))
    assert not audit_of(few).check.doubts and "rare rewards" in audit_of(few).doubts[0]
    passing, refusing = (replace(check("policy value"), limit=Limit("at_least", bound, "lcb")) for bound in (1e-9, 0.1))
    verdicts = [judge(row, replace(read(trial_of(few), row), control=SHOWN)).verdict for row in (passing, refusing)]
    assert verdicts == [Verdict.INCONCLUSIVE, Verdict.REFUSE]


def test_weights_that_differ_by_user_are_doubted_by_user():
    """Rows that repeat a user's weight are no more proof that the mean is not 1 than the user is, as in the audit."""
    rng = np.random.default_rng(4)
    rows = np.repeat(np.arange(100), 100)
    weight = rng.lognormal(0.0, 0.7, 100)
    weight = (1.1 * weight / weight.mean())[rows]
    log = made(table(10_000))
    repeated = replace(log, units=rows, propensity=np.full(len(rows), 0.1), target=np.minimum(1.0, 0.1 * weight))
    by_row = replace(repeated, units=np.arange(len(rows)))
    assert audit_of(by_row).check.doubts and not audit_of(repeated).check.doubts


# models see no row of the unit that they predict

def leaks(fit) -> bool:
    """Whether a user's predictions move when his own rewards do."""
    log = DecisionLog.of(table(400), COLUMNS, rng=np.random.default_rng(1))
    mine = log.units == log.units[7]
    assert log.choices is not None
    one, other = (fit(log.choices, reward, log.units) for reward in (log.reward, np.where(mine, 9.0, log.reward)))
    return bool((one[mine] != other[mine]).any())


def test_no_row_is_predicted_by_a_model_that_saw_its_unit_and_a_careless_fit_is_seen():
    """Folds by user; folds by row let a user's second decision teach the first."""

    def by_unit(choices: Choices, reward: np.ndarray, units: np.ndarray) -> np.ndarray:
        return cross_fitted_rewards(choices, reward, units=units, rng=np.random.default_rng(2)).fitted

    def by_row(choices: Choices, reward: np.ndarray, units: np.ndarray) -> np.ndarray:
        return by_unit(choices, reward, np.arange(len(units)))

    assert not leaks(by_unit) and leaks(by_row)


def test_rewards_of_0_and_1_are_predicted_as_probabilities():
    """A logistic model; and a constant reward is predicted as it is."""
    frame = table()
    yes = made(frame.assign(won=(frame.won > 0.4).astype(int)))
    same = made(frame.assign(won=0.25))
    assert yes.fitted is not None and same.fitted is not None
    assert ((yes.fitted > 0.0) & (yes.fitted < 1.0)).all() and set(same.fitted) == {0.25}


def test_a_context_too_wide_to_hold_is_refused(monkeypatch):
    """Before anything is fitted."""
    monkeypatch.setattr("harness.release.studied.policy_log.MOST_CELLS", 100)
    with pytest.raises(InputError, match="too large to model"):
        made(table(400))


# the truth

def test_a_drawn_logs_truth_is_what_its_queries_would_have_earned():
    """The target's mean reward over all queries, at every spend; a slice has its own."""
    log = sound_policies()
    assert log.earned is not None
    found = truth_of(log, confidence=0.9)
    assert found is not None and found.value == found.low == found.high == log.earned.mean()
    part = truth_of(log.slice("hard"), confidence=0.9)
    assert part is not None and part.value == log.earned[log.slices["hard"]].mean() != found.value


def test_the_targets_own_log_is_the_truth_of_the_users_with_both_errors():
    """Errors add up as squares; of a slice that the other log lacks nothing is known."""
    rng, frame = np.random.default_rng(5), table()
    own = rng.normal(TRUTH, 0.2, 500)
    everywhere = np.ones(500, dtype=np.bool_)
    log = made(frame, on_policy=OnPolicy(own, np.arange(500), {"all": everywhere, "lang=de": everywhere}))
    gap = value_by(log, "SNIPS", confidence=0.9).value - own.mean()
    alone = gap / error_z(log, "SNIPS")
    assert alone > own.std(ddof=1) / math.sqrt(500) and abs(error_z(log, "SNIPS")) < 3.0
    assert error_z(log.slice("lang=de"), "SNIPS") != 0.0 and math.isnan(error_z(log.slice("lang=en"), "SNIPS"))
    far = replace(log, on_policy=OnPolicy(own + 0.2, np.arange(500), {"all": everywhere}))
    assert error_z(far, "SNIPS") < -5.0


def test_where_the_truth_is_not_known_no_error_passes():
    """INCONCLUSIVE, and the note names the option."""
    reading = read(trial_of(made(table())), check("policy value error z"))
    assert judge(check("policy value error z"), reading).verdict is Verdict.INCONCLUSIVE
    assert "studies.confounding.truth" in reading.note


# the measures

@pytest.mark.parametrize("measure", EXAMPLES)
def test_each_measure_passes_a_sound_log_and_refuses_its_defect(measure):
    """As a gate: with the planted defect beside it, on the whole log."""
    finding = gated(measure, trial_of(sound_policies()))
    assert finding.verdict is Verdict.PASS, finding.reason


@pytest.mark.parametrize("measure", EXAMPLES)
def test_a_gate_reads_slice_and_confidence_as_its_policy_says(measure):
    """Of the slice's rows alone; a finding's confidence is checked when it is verified."""
    row = Check(measure, measure, None, "hard", Limit(*LIMITS[measure]), confidence=0.95)
    reading = read(trial_of(sound_policies()), row)
    assert (reading.estimate.n, reading.estimate.confidence) == (sound_policies().slices["hard"].sum(), 0.95)
    assert reading.details["propensities"] == "logged"


def test_without_the_study_nothing_is_measured():
    """One line, and no pass."""
    with pytest.raises(InputError, match="candidate: no log of decisions"):
        read(Trial(Observed("candidate", "c" * 64, {}), None, seed=7), check("policy value"))


def test_the_note_shows_all_estimates_side_by_side():
    """Names, values and intervals, and the truth where it is known."""
    note = read(trial_of(sound_policies()), check("estimators disagree")).note
    assert all(name in note for name in ("IPS 0.", "SNIPS 0.", "DR 0.", "DM 0.", "in truth 0."))


def test_stale_propensities_set_the_estimators_apart_and_dr_stays():
    """SNIPS leaves, DR holds as its model is right: the disagreement is what tells."""
    sound = sound_policies()
    stale = named("stale_propensities").plant(trial_of(sound), 1.0).candidate.studies["counterfactual"]
    assert abs(gap_z(sound)) < 3.0 < abs(gap_z(stale))
    truth = truth_of(sound, confidence=0.9)
    assert truth is not None
    assert abs(value_by(stale, "DR", confidence=0.9).value - truth.value) < 0.02
    assert abs(value_by(stale, "SNIPS", confidence=0.9).value - truth.value) > 0.05


def test_a_drawn_log_holds_what_its_record_needs():
    """Contexts, the target's probability of every spend, and what it earns there."""
    choices = sound_log(queries=60, draws=2).choices
    assert choices is not None and choices.context is not None and choices.policy is not None
    assert choices.names == ("0", "20", "50") and np.allclose(choices.policy.sum(axis=1), 1.0)
    assert len(choices.where(np.arange(120) < 7).context) == 7  # type: ignore[arg-type]


def test_an_action_that_was_never_logged_is_predicted_all_the_same():
    """The target may know an action that the log never took: no row to learn from, and no crash."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"r": rng.random(300), "p": 0.5, "pi": 0.4, "a": np.arange(300) % 2, "pi_0": 0.4, "pi_1": 0.4,
                          "pi_2": 0.2, "x": rng.random(300), "c": rng.random(300)})
    columns = LogColumns("r", "p", "pi", "a", ("x",), ("c",), prefix="pi_")
    log = policy_log(DecisionLog.of(frame, columns, rng=rng), rng=rng)
    assert log.expected is not None and np.isfinite(log.expected).all()
