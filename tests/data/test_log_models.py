"""Doubly robust values from a table's columns: right in a known world, and every column that does not fit is named."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from harness.data import log_models, log_table
from harness.data.log_models import ModelColumns, control_findings, robust_values
from harness.data.log_table import LogTable
from harness.data.logs import Roles, audit_log
from harness.errors import InputError

ROLES = Roles("r", "p", "t")
MODELS = ModelColumns(("x", "kind"), "a", "pi_")
WORTH = {"red": 0.2, "blue": 0.5, "green": 0.7}
TARGET = np.array([0.1, 0.3, 0.6])
TRUTH = float(TARGET @ list(WORTH.values()))


@pytest.fixture
def frame(rng):
    """3,000 decisions of a uniform log over three colours; the reward goes with colour and context."""
    n = 3000
    taken, x = rng.integers(0, 3, n), rng.normal(size=n)
    names = np.array(list(WORTH))[taken]
    earned = (rng.random(n) < np.array(list(WORTH.values()))[taken] + 0.05 * np.tanh(x)).astype(int)
    policy = {f"pi_{name}": np.full(n, share) for name, share in zip(WORTH, TARGET, strict=True)}
    return pd.DataFrame({"r": earned, "p": np.full(n, 1 / 3), "t": TARGET[taken], "a": names, "x": x,
                         "kind": np.where(x > 0, "late", "early"), "pos": np.arange(n) % 2 + 1,
                         "id": np.arange(n) // 2, **policy})  # fmt: skip


def robust(frame, tmp_path, *, roles=ROLES, models=MODELS, seed=1, form="parquet"):
    path = tmp_path / f"log.{form}"
    frame.to_parquet(path) if form == "parquet" else frame.to_csv(path, index=False)
    table = LogTable(form, path)
    return robust_values(table, roles, models, audit_log(table, roles), rng=np.random.default_rng(seed))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_values_meet_the_truth(frame, tmp_path, form):
    """DR covers what the target earns, narrower than SNIPS; it and DM lie in SNIPS' interval; the same from CSV."""
    found = robust(frame, tmp_path, form=form)["all"]
    assert found.dr.low < TRUTH < found.dr.high
    assert found.dm.estimate.value == pytest.approx(TRUTH, abs=0.04)
    assert found.dm.estimate.high == math.inf
    assert found.dr_in_snips and found.snips_in_dr and not found.apart
    assert found == robust(frame, tmp_path)["all"]


def test_wrong_propensities_pull_the_two_apart(frame, tmp_path):
    """Propensities that are wrong by reward leave intervals without a common value: said, where SNIPS alone is sure."""
    stale = frame.assign(p=np.where(frame.a == "green", 0.9, 0.1))
    assert robust(stale, tmp_path)["all"].apart


def test_sound_logs_do_not_part(rng, tmp_path):
    """In 30 sound logs of 400 rows the intervals of SNIPS and DR always share a value; misstated ones never do."""
    parted = []
    for shift in (0.0, 0.5):
        for seed in range(30):
            first, x = rng.random(400) < 0.5, rng.normal(size=400)
            reward = (rng.random(400) < np.where(first, 0.1, 0.9)).astype(int)
            said = np.where(first, 0.5 - 0.8 * shift, 0.5 + 0.8 * shift)
            log = pd.DataFrame({"r": reward, "p": said, "t": 0.5, "x": x,
                                "a": np.where(first, "1", "2"), "pi_1": 0.5, "pi_2": 0.5, "kind": "k"})  # fmt: skip
            parted.append(robust(log, tmp_path, seed=seed)["all"].apart)
    assert not any(parted[:30])
    assert all(parted[30:])


def test_slices_positions_and_slates(frame, tmp_path):
    """Each slice with weight has its values; a model a position; intervals by decision where a position is named."""
    roles = ROLES._replace(by=("kind",), position="pos", decision="id")
    found = robust(frame, tmp_path, roles=roles)
    assert list(found) == ["all", "pos=1", "pos=2", "kind=early", "kind=late"]
    assert "1500 clusters" in found["all"].dr.method
    gone = frame.copy()
    late = (gone.kind == "late") & (gone.a == "red")
    gone = gone[(gone.kind == "early") | late].reset_index(drop=True)
    gone.loc[gone.kind == "late", ["t", "pi_red", "pi_blue", "pi_green"]] = [0.0, 0.0, 0.4, 0.6]
    assert list(robust(gone, tmp_path, roles=ROLES._replace(by=("kind",)))) == ["all", "kind=early"]


def test_the_seed_decides_the_folds(frame, tmp_path):
    """One seed, one value to the last bit; another seed, another."""
    one, same, other = (robust(frame, tmp_path, seed=seed)["all"].dr.value for seed in (1, 1, 2))
    assert one == same != other


FAULTS = {
    "an action without a column": (lambda f: f.drop(columns="pi_red"), r"column a: action without .*a column pi_red"),
    "another sum": (lambda f: f.assign(pi_blue=0.4), "row 1, column t: the actions' probabilities do not sum to 1"),
    "another target": (lambda f: f.assign(t=f.t.where(f.index != 4, 0.123)), "row 5, column t: not the probab"),
    "no such prefix": (lambda f: f.rename(columns=lambda c: c.replace("pi_", "q_")), "column pi_: no column begins"),
    "a context hole": (lambda f: f.assign(x=f.x.where(f.index != 6)), "row 7, column x: missing value"),
    "a context of ids": (lambda f: f.assign(kind=np.arange(len(f)).astype(str)), "column kind: too many values"),
    "no such context": (lambda f: f.rename(columns={"x": "xx"}), "column x: .*nearest: xx"),
    "a share above 1": (lambda f: f.assign(pi_red=1.5), "row 1, column pi_red: not a probability"),
    "an action missing": (lambda f: f.assign(a=f.a.where(f.index != 2)), "row 3, column a: missing value"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_columns_that_do_not_fit_are_named(frame, tmp_path, case):
    """Row, column, what was expected: nothing is guessed, and nothing is modelled."""
    broken, words = FAULTS[case]
    with pytest.raises(InputError, match=words):
        robust(broken(frame), tmp_path)


def test_a_table_too_large_to_model_is_refused(frame, tmp_path, monkeypatch):
    """Beyond the cells that a model may take, rows and features are told."""
    monkeypatch.setattr(log_models, "MOST_CELLS", 10_000)
    with pytest.raises(InputError, match=r"too large to model; .*found '3000 rows, 6 features'"):
        robust(frame, tmp_path)


def test_controls_share_the_alpha_and_read_in_batches(frame, tmp_path, monkeypatch):
    """Right propensities pass; two controls are each tested at half of alpha; batches change no digit."""
    frame.to_parquet(tmp_path / "log.parquet")
    table = LogTable("parquet", tmp_path / "log.parquet")
    both = control_findings(table, ROLES, ["x", "pos"])
    assert [(one.name, one.verdict) for one in both] == [("x", "PASS"), ("pos", "PASS")]
    assert both[0].shift.confidence == pytest.approx(0.95)
    monkeypatch.setattr(log_table, "BATCH", 700)
    assert control_findings(table, ROLES, ["x", "pos"]) == both
    assert control_findings(table, ROLES, []) == []
