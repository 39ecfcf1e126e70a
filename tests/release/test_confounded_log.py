"""The log of decisions: read from any table, drawn with known propensities, audited before stratification and after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fixtures.logs import measured, sound_log
from harness.errors import InputError
from harness.estimators.strata import strata_of
from harness.release.studied.audited import CHECKLIST, audit
from harness.release.studied.behaviour import (
    CONTROL,
    at_spends,
    by_rule,
    context_of,
    logged,
    quarter,
    spending_policy,
)
from harness.release.studied.decisions import DecisionLog, LogColumns, shuffled_within

COLUMNS = LogColumns("reward", "p", "pi", "action", ("lang", "words"), ("before",), "user", ("lang",))


def table(rows: int = 200, **other) -> pd.DataFrame:
    """Decisions of twenty users in two languages."""
    rng, row = np.random.default_rng(3), np.arange(rows)
    return pd.DataFrame({
        "reward": rng.random(rows), "p": 0.5, "pi": 0.5, "action": np.where(row % 3 == 0, "rerank", "leave"),
        "lang": np.where(row % 2, "de", "en"), "words": rng.random(rows), "before": rng.random(rows),
        "user": row % 20} | other)


def read(frame: pd.DataFrame, columns: LogColumns = COLUMNS, **options) -> DecisionLog:
    return DecisionLog.of(frame, columns, rng=np.random.default_rng(1), **options)


def probabilities(log: DecisionLog) -> dict[tuple[int, str], set[float]]:
    """(stratum, action) → the propensities that its rows carry."""
    found: dict[tuple[int, str], set[float]] = {}
    for key, value in zip(zip(log.strata.codes.tolist(), log.actions.tolist(), strict=True), log.propensity.tolist(),
                          strict=True):  # fmt: skip
        found.setdefault(key, set()).add(round(value, 12))
    return found


# read from a table

def test_a_table_of_any_names_becomes_a_log():
    """Exposure is what is not the first action, numbers of many values are cut into deciles, slices go by value."""
    log = read(table(), least=1)
    assert log.exposed.tolist() == (log.actions != "leave").astype(float).tolist()
    assert len(log.strata.keys) == 20 and set(log.slices) == {"all", "lang=de", "lang=en"}
    assert read(table(), COLUMNS._replace(reference="rerank")).exposed.tolist() == (1.0 - log.exposed).tolist()


def test_the_least_of_numbered_actions_is_the_one_that_changes_nothing():
    """By size, not by spelling: 9 comes before 20."""
    log = read(table(action=np.where(np.arange(200) % 2, 20, 9)))
    assert set(log.actions[log.exposed == 0.0]) == {"9"}


def test_sparse_strata_join_their_neighbours():
    """None is left under the least."""
    assert read(table(), least=25).strata.counts.min() >= 25


@pytest.mark.parametrize(("change", "line"), [
    ({"p": 0.0}, "log, row 1, column p: not a probability; expected above 0 to 1, found 0.0"),
    ({"pi": 1.5}, "log, row 1, column pi: not a probability"),
    ({"before": np.nan}, "log, row 1, column before: .*finite"),
    ({"reward": "good"}, "log, row 1, column reward: "),
    ({"lang": None}, "log, row 1, column lang: missing value"),
])
def test_a_wrong_value_is_told_by_row_and_column(change, line):
    """One line, and nothing is audited."""
    with pytest.raises(InputError, match=line):
        read(table(**change))


@pytest.mark.parametrize(("columns", "line"), [
    (COLUMNS._replace(reward="rewrd"), r"column rewrd: missing column; .* \(nearest: reward\)"),
    (COLUMNS._replace(reference="rerankk"), r"column action: no such action; .* \(nearest: rerank\)"),
    (COLUMNS._replace(controls=()), "nothing to audit by"),
    (COLUMNS._replace(strata=()), "nothing to audit by"),
])
def test_a_wrong_column_names_the_nearest(columns, line):
    """So does an action; a log without controls or strata has nothing to be audited by."""
    with pytest.raises(InputError, match=line):
        read(table(), columns)


def test_a_log_without_rows_is_refused():
    """Nothing logged is no log."""
    with pytest.raises(InputError, match="no rows"):
        read(table().iloc[:0])


def test_an_unknown_slice_names_the_nearest_and_an_empty_one_is_told():
    """A slice is never silently the whole log."""
    log = read(table())
    with pytest.raises(InputError, match=r"no such slice; .* \(nearest: lang=de\)"):
        log.slice("lang=dee")
    with pytest.raises(InputError, match="slice none: no rows"):
        replace(log, slices={"none": np.zeros(len(log), dtype=np.bool_)}).slice("none")


def test_a_slice_is_its_rows_and_nothing_else():
    """Every column is cut alike, and strata keep their rows together."""
    log = read(table())
    part, mask = log.slice("lang=de"), log.slices["lang=de"]
    assert part.reward.tolist() == log.reward[mask].tolist() and part.units.tolist() == log.units[mask].tolist()
    assert part.controls["before"].tolist() == log.controls["before"][mask].tolist()
    pairs = set(zip(part.strata.codes.tolist(), log.strata.codes[mask].tolist(), strict=True))
    assert len(pairs) == len(part.strata.keys) == len(np.unique(log.strata.codes[mask]))


def dealt_within(shuffle) -> bool:
    """Whether each stratum keeps its own exposures, while rows change."""
    log = sound_log(queries=100, draws=4)
    dealt = shuffle(log.exposed, log.strata, np.random.default_rng(5))
    sums = [np.bincount(log.strata.codes, column).tolist() for column in (dealt, log.exposed)]
    return sums[0] == sums[1] and bool((dealt != log.exposed).any())


def test_a_shuffle_deals_within_strata_and_a_careless_one_is_seen():
    """One that deals over all rows, and one that leaves all where they are, fail the same check."""
    assert dealt_within(shuffled_within)
    assert not dealt_within(lambda values, strata, rng: rng.permutation(values))
    assert not dealt_within(lambda values, strata, rng: values)


# drawn with known propensities

def test_every_row_of_a_stratum_had_the_same_chances():
    """A stratum's propensities are one number an action: shuffles within it are exact."""
    log = sound_log(queries=200, draws=20)
    assert all(len(values) == 1 for values in probabilities(log).values())


def test_actions_are_drawn_as_often_as_their_propensities_say():
    """Inverse propensities of the rows that took an action add up to all rows, for each action."""
    log = sound_log(queries=400, draws=100)
    for action in ("0", "20", "50"):
        weights = np.where(log.actions == action, 1.0 / log.propensity, 0.0)
        assert abs(weights.mean() - 1.0) < 5.0 * weights.std() / np.sqrt(len(log))


def test_the_policy_heeds_the_context():
    """Queries of low NL-confidence are spent more on; at strength 0 nothing is heeded."""
    logs = [sound_log(queries=300, draws=20, strength=strength) for strength in (1.5, 0.0)]
    table = measured(queries=300)
    low = np.repeat(table.signals["nl_confidence"] < 0.5, 20)
    gaps = [log.exposed[low].mean() - log.exposed[~low].mean() for log in logs]
    assert gaps[0] > 0.15 > abs(gaps[1]) + 0.1
    assert set(np.round(logs[1].propensity, 12)) == {round(1 / 3, 12)}


def test_rewards_and_controls_are_the_measured_quality():
    """nDCG@10 at the spend that was drawn, and at spend 0; units are queries."""
    table = measured(queries=50)
    log = logged(table, target=quarter(table), rng=np.random.default_rng(2), draws=3)
    place = [table.at(int(action)) for action in log.actions]
    assert log.reward.tolist() == table.quality[np.repeat(np.arange(50), 3), place].tolist()
    assert log.controls[CONTROL].tolist() == np.repeat(table.quality[:, 0], 3).tolist()
    assert len(np.unique(log.units)) == 50


def test_the_same_seed_draws_the_same_log_and_another_one_another():
    """Randomness is lent."""
    same, again, other = (sound_log(queries=60, draws=2, seed=seed) for seed in (1, 1, 2))
    assert (same.actions == again.actions).all() and (same.shuffled == again.shuffled).all()
    assert not (same.actions == other.actions).all()


def test_a_query_of_two_tasks_is_two_units():
    """Ids are told apart by their task."""
    table = replace(measured(queries=40), queries=np.repeat(measured(queries=20).queries, 2),
                    tasks=np.array(["one", "two"] * 20, dtype=object))
    log = logged(table, target=quarter(table), rng=np.random.default_rng(2), draws=1)
    assert len(np.unique(log.units)) == 40


def test_lengths_come_from_slices_where_there_are_any():
    """Else from thirds of the signal; without either there are no strata to make."""
    table = measured(queries=60)
    short = table.signals["length"] < 4
    sliced = replace(table, slices=table.slices | {"length=long": ~short, "length=short": short})
    assert context_of(sliced)[1].tolist() == np.where(short, 0, 1).tolist()
    assert set(context_of(table)[1]) == {0, 1, 2}
    with pytest.raises(InputError, match="column signal:length: the strata lack a signal"):
        context_of(replace(table, signals={"nl_confidence": table.signals["nl_confidence"]}))


def test_a_target_is_one_of_the_tables_own():
    """A rule's spends become certainties; a spend not measured, or another shape, is refused."""
    table = measured(queries=4)
    assert by_rule(table, np.array([0, 20, 50, 0])).argmax(axis=1).tolist() == [0, 1, 2, 0]
    assert quarter(table).sum(axis=1).tolist() == [1.0] * 4
    with pytest.raises(InputError, match="no such spend"):
        by_rule(table, np.array([0, 21, 50, 0]))
    with pytest.raises(InputError, match="not the target of this table"):
        logged(table, target=np.ones((4, 2)), rng=np.random.default_rng(1))
    assert at_spends(table, (0, 50)).gain(50).tolist() == table.gain(50).tolist()


def test_a_policy_is_a_distribution_at_any_strength():
    """Sums to 1, above 0, and cheaper to dearer as the lean turns."""
    found = spending_policy(strata_of(["a", "b"]), np.array([-1.0, 1.0]), spends=3, strength=5.0)
    assert np.allclose(found.sum(axis=1), 1.0) and (found > 0.0).all()
    assert found[0].argmax() == 0 and found[1].argmax() == 2


def test_a_log_whose_context_was_forgotten_is_flagged_and_passes_once_stratified():
    """Before: spending seems to harm what it cannot touch. After: no effect, shown small, and weights in order."""
    before, after = audit(sound_log(), rng=np.random.default_rng(1))
    assert (before.verdict, after.verdict) == ("REFUSE", "PASS")
    assert before.low > CHECKLIST.margin > after.high and before.p < CHECKLIST.alpha < after.p
    assert after.ess_share >= 0.2 and after.kappa < 0.5


def test_what_the_log_does_not_tell_is_flagged_by_the_stratified_audit_too():
    """Actions that follow the answer's quality within strata: no stratum takes that away."""
    table = measured(queries=400)
    good = np.repeat(table.quality[:, 0] > np.median(table.quality[:, 0]), 10)
    log = logged(table, target=quarter(table), rng=np.random.default_rng(1), draws=10)
    exposed = (np.random.default_rng(2).random(len(log)) < np.where(good, 0.3, 0.7)).astype(np.float64)
    rows = audit(replace(log, exposed=exposed), rng=np.random.default_rng(1))
    assert [row.verdict for row in rows] == ["REFUSE", "REFUSE"]


def test_marginal_propensities_are_the_shares_of_the_actions():
    """What remains of a policy whose context was forgotten."""
    log = sound_log(queries=50, draws=4)
    told = log.forgetful()
    for action in np.unique(log.actions):
        assert set(told.propensity[log.actions == action]) == {float((log.actions == action).mean())}
    assert len(told.strata.keys) == 1


def test_where_nothing_varies_nothing_is_shown():
    """A log that always reranked tells nothing of reranking: no pass, and no refusal for it either."""
    log = sound_log(queries=60, draws=4)
    row = audit(replace(log, exposed=np.ones(len(log))), rng=np.random.default_rng(1))[1]
    assert np.isnan(row.effect) and np.isnan(row.p) and row.verdict == "INCONCLUSIVE"
