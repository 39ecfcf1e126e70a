"""What stands behind logged actions: columns of the user's own, and propensities fitted where none were logged."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import InputError
from harness.release.judge import Verdict, judge
from harness.release.measures.counterfactual import read
from harness.release.studied.choices import fitted_propensities, merged_levels, unit_folds
from harness.release.studied.decisions import DecisionLog, LogColumns
from harness.release.studied.propensity_file import calibration_bins
from tests.defects.gating import check
from tests.release.test_policy_values import COLUMNS, TRUTH, made, table, trial_of

UNLOGGED = COLUMNS._replace(propensity=None, language="lang", context=("x",))


def read_log(frame, columns: LogColumns = UNLOGGED) -> DecisionLog:
    return DecisionLog.of(frame, columns, rng=np.random.default_rng(1))


# from columns

def test_a_log_of_three_columns_has_nothing_behind_it():
    """As before: no prefix, and logged propensities."""
    assert read_log(table(200), COLUMNS._replace(prefix=None)).choices is None


@pytest.mark.parametrize(("change", "line"), [
    ({"pi_dear": 0.9}, "row 1, column pi: the actions' probabilities do not sum to 1"),
    ({"pi_dear": 0.25, "pi_cheap": 0.75}, "column pi: not the probability that the action's own column says"),
    ({"act": "third"}, "row 1, column act: action without its column of target probabilities; expected a column pi_"),
])
def test_columns_that_are_no_policy_are_told(change, line):
    """By row and column."""
    with pytest.raises(InputError, match=line):
        read_log(table(200).assign(**change), COLUMNS)


def test_a_prefix_without_columns_is_told():
    """By its name, and nothing is read."""
    with pytest.raises(InputError, match="column pi-: no column begins with this prefix"):
        read_log(table(200), COLUMNS._replace(prefix="pi-"))


def test_strata_are_the_context_where_none_is_named():
    """They are known before the action, or they would be no strata."""
    choices = read_log(table(200), COLUMNS._replace(context=())).choices
    assert choices is not None and choices.context is not None and choices.context.shape == (200, 2)


# fitted propensities

def test_propensities_that_were_not_logged_are_fitted_by_language_and_calibrated():
    """They meet the true ones and their own calibration; values read off them meet the truth."""
    frame = table(8000)
    log = read_log(frame)
    assert log.choices is not None and log.choices.groups is not None
    assert set(log.choices.groups) == {"de", "en"}
    assert float(np.abs(log.propensity - frame.p.to_numpy()).mean()) < 0.03
    valued = made(frame, UNLOGGED)
    reading = read(trial_of(valued), check("propensity calibration"))
    assert reading.estimate.high < 0.06
    assert reading.details["propensities"] == "fitted" and reading.note.startswith("2 models by level")
    assert abs(read(trial_of(valued), check("policy value")).estimate.value - TRUTH) < 0.02


def test_one_model_for_two_languages_that_differ_is_seen_by_its_calibration():
    """The twin of language-specific models: of one language it says too much, of the other too little."""
    rng, n = np.random.default_rng(4), 6000
    german = np.arange(n) % 2 == 0
    chance = np.where(german, 0.8, 0.3)
    dear = rng.random(n) < chance
    frame = table(n).assign(act=np.where(dear, "dear", "cheap"), pi=np.where(dear, 0.75, 0.25), won=dear * 0.5,
                            lang=np.where(german, "de", "en"))
    errors = {}
    for language in ("lang", "one"):
        log = made(frame.assign(one="all"), UNLOGGED._replace(language=language))
        errors[language] = read(trial_of(log), replace(check("propensity calibration"), slice="lang=de")).estimate
    assert errors["lang"].high < 0.08 and errors["one"].low > 0.15


@pytest.mark.parametrize(("renamed", "told"), [
    ("lang", " (columns.language: lang gives each its own)"), ("tongue", "")])
def test_without_a_column_of_languages_one_model_is_said_to_be_for_all(renamed, told):
    """Note and artifact say so, and a column that looks like a language is offered."""
    frame = table(400).rename(columns={"lang": renamed})
    valued = made(frame, UNLOGGED._replace(language=None, strata=(renamed,), slices=()))
    note = read(trial_of(valued), check("propensity calibration")).note
    assert note.startswith(f"one model for all{told}; a perfect one")
    assert {one.model for one in calibration_bins(valued)} == {"one model for all"}


def test_where_few_rows_tell_nothing_is_shown():
    """Of 200 decisions no calibration can be shown under the limit: INCONCLUSIVE, not a pass."""
    row = check("propensity calibration")
    reading = read(trial_of(made(table(200), UNLOGGED)), row)
    assert reading.estimate.high > 0.06 and reading.estimate.low == 0.0
    assert judge(row, reading).verdict is Verdict.INCONCLUSIVE


def test_logged_propensities_need_no_calibration_and_pass_none():
    """A row of the policy that asks for it is INCONCLUSIVE, and says why."""
    reading = read(trial_of(made(table(400))), check("propensity calibration"))
    assert math.isnan(reading.estimate.value) and "columns.propensity: null" in reading.note


def test_chances_of_many_actions_sum_to_one_and_meet_the_shares():
    """Continuation ratios of four actions; the mean chance of each is its share."""
    rng, x = np.random.default_rng(2), np.random.default_rng(3).random((3000, 1))
    weight = np.exp(np.hstack([x, 1.0 - x, 0.5 * x, 0.0 * x]))
    share = weight / weight.sum(axis=1, keepdims=True)
    taken = (rng.random(3000)[:, None] > np.cumsum(share, axis=1)).sum(axis=1)
    found = fitted_propensities(x, taken, names="abcd", levels=None, units=np.arange(3000), rng=rng)
    assert np.allclose(found.chances.sum(axis=1), 1.0) and (found.chances > 0.0).all()
    assert np.allclose(found.chances.mean(axis=0), np.bincount(taken) / 3000, atol=0.005)
    assert float(np.abs(found.chances - share).mean()) < 0.02


def test_thin_languages_share_a_model_and_join_the_largest_where_even_that_is_thin():
    """The rule of 30 rows of each action; each row stays somewhere."""
    levels, taken = np.repeat(["de", "en", "fr", "it"], [100, 400, 40, 40]), np.arange(580) % 2
    assert np.unique(merged_levels(levels, taken, names="ab")).tolist() == ["de", "en", "rest"]
    alone = np.repeat(["de", "en", "fr"], [100, 400, 40])
    found = merged_levels(alone, taken[:540], names="ab")
    assert np.unique(found).tolist() == ["de", "en"] and set(found[alone == "fr"]) == {"en"}
    assert set(merged_levels(np.repeat(["a", "b"], 40), taken[:80], names="ab")) == {"rest"}


def test_an_action_too_rare_to_fit_is_refused():
    """In the whole log: neither its propensity nor its weight could be told."""
    with pytest.raises(InputError, match=r"too few rows of an action to fit its propensity; .* found '20 of dear'"):
        read_log(table(400).assign(act=np.where(np.arange(400) < 20, "dear", "cheap"), pi=0.25, pi_cheap=0.25,
                                   pi_dear=0.75), UNLOGGED._replace(prefix=None))
    with pytest.raises(InputError, match=r"expected at least 2 actions, found '?a"):
        fitted_propensities(np.zeros((40, 1)), np.zeros(40, dtype=np.int64), names="a", levels=None,
                            units=np.arange(40), rng=np.random.default_rng(1))


def test_an_action_that_one_fold_never_saw_still_has_a_chance():
    """All of its rows are one user's: the smoothed share stands in, above 0 and under 1."""
    taken = (np.arange(300) < 40).astype(np.int64)
    units = np.where(taken == 1, 0, np.arange(300))
    found = fitted_propensities(np.zeros((300, 1)), taken, names="ab", levels=None, units=units,
                                rng=np.random.default_rng(1))
    assert ((found.chances > 0.0) & (found.chances < 1.0)).all()


def test_folds_keep_units_whole():
    """Three folds, each unit in one."""
    units = np.repeat(np.arange(30), 4)
    found = unit_folds(units, np.random.default_rng(1))
    assert all(len(set(found[units == one])) == 1 for one in range(30)) and set(found) == {0, 1, 2}
