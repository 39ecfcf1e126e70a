"""The spend rule as a study: from a user's own trace, by slice and task, and with each promise a number of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.routed import routed, spend_table
from fixtures.studies import with_studies
from fixtures.trials import sound
from harness.errors import InputError
from harness.release.manifest import load_manifest
from harness.release.measures import read
from harness.release.observed import Trial
from harness.release.observing import observe
from harness.release.policy import Check, Limit
from harness.routing.routed import OUTPUTS

MANIFEST = """
release: own-router
seed: 11
data: {qrels: {trec: qrels.txt}}
recorded: {candidate: {run: {trec: own.run}}}
studies: {routed: {spends: {parquet: trace.parquet}, router: {cheap: 20, signals: [entropy, margin, lexical_lead]}}}
policy:
  - {measure: "beyond chance nDCG@10", by: lcb, at_least: 0.0}
"""


def row(measure: str, *, task: str | None = None, on: str = "all", by: str = "value") -> Check:
    return Check(measure, measure, task, on, Limit("at_least", 0.0, by))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "qrels.txt").write_text("q 0 d 1\n")
    (tmp_path / "own.run").write_text("q Q0 d 1 1.0 own\n")
    (tmp_path / "own.yaml").write_text(MANIFEST)
    spend_table().to_parquet(tmp_path / "trace.parquet")
    return tmp_path


@pytest.fixture(scope="module")
def fair() -> Trial:
    return with_studies(sound())


def test_a_trace_of_ones_own_is_fitted_and_judged(folder):
    """A Parquet file alone: the router of its fit fold beats chance on its judge fold, as the made study does."""
    trial = observe(load_manifest(folder / "own.yaml"))
    found = read(trial, row("beyond chance nDCG@10", by="lcb"))
    assert found.estimate.low > 0.0 and found.cross is not None
    made = trial.candidate.studies["routed"]
    assert np.array_equal(made.decisions, routed().decisions) and (made.served == -1).all()
    with pytest.raises(InputError, match="nobody recorded what was served"):
        read(trial, row("decision mismatches"))


def test_a_policy_without_a_trace_is_one_line(folder):
    """A row on the spend rule of a recorded release says what is missing before anything else runs."""
    text = MANIFEST.replace("spends: {parquet: trace.parquet}, ", "")
    (folder / "own.yaml").write_text(text)
    with pytest.raises(InputError, match=r"no trace of spends; .*Parquet"):
        observe(load_manifest(folder / "own.yaml"))


def test_a_spend_that_the_trace_lacks_is_one_line(folder):
    """The early exit must have been measured."""
    (folder / "own.yaml").write_text(MANIFEST.replace("cheap: 20", "cheap: 30"))
    with pytest.raises(InputError, match="no such spend"):
        observe(load_manifest(folder / "own.yaml"))


@pytest.mark.parametrize(("given", "line"), [({"on": "hardd"}, "no such slice.*nearest: hard"),
                                             ({"task": "serch"}, "no such task.*nearest: search")])
def test_an_unknown_slice_or_task_names_the_nearest(fair, given, line):
    """A typo in a policy's row is one line."""
    with pytest.raises(InputError, match=line):
        read(fair, row("rerank share", **given))


def test_a_slice_reads_its_own_queries(fair):
    """Half of the queries are in the slice, and its mean is theirs alone."""
    whole, part = read(fair, row("rerank share")).estimate, read(fair, row("rerank share", on="hard")).estimate
    mask = routed().table.slices["hard"]
    assert part.n == mask.sum() < whole.n and part.value == pytest.approx((routed().decisions[mask] > 0).mean())


def test_beyond_chance_is_what_a_shuffle_of_the_decisions_would_not_bring():
    """Its mean is the decisions' gain less the mean gain over 400 shuffles of the same decisions, within noise."""
    made, rng = routed(), np.random.default_rng(5)
    found = read(with_studies(sound()), row("beyond chance nDCG@10")).estimate.value
    shuffled = [replace(made, decisions=rng.permutation(made.decisions)) for _ in range(400)]
    by_chance = np.mean([one.taken(one.gains).mean() for one in shuffled])
    assert found == pytest.approx(made.taken(made.gains).mean() - by_chance, abs=4e-4)
    assert abs(found) > 10 * 4e-4


def test_rounding_stays_within_the_stated_bound():
    """The int8 answers lie no farther from the curves than the file says, for every query and output."""
    made = routed()
    assert all((made.rounding[output] <= made.router.error_bound[output]).all() for output in OUTPUTS)
    assert all(made.rounding[output].max() > 0 for output in OUTPUTS)


def test_no_study_is_no_pass():
    """A trial without the record raises: absence never reads as a number."""
    with pytest.raises(InputError, match="the study was not made; expected RoutedObserved"):
        read(replace(sound(), candidate=replace(sound().candidate, studies={})), row("rerank share"))


@pytest.mark.parametrize(("old", "new", "line"), [
    ("{parquet: trace.parquet}", "{csv: trace.csv}", "a trace of spends is a Parquet file"),
    ("[entropy, margin, lexical_lead]", "[entropy, company, body_lead]",
     "expected some of .*found 'company, body_lead'")])
def test_what_a_trace_cannot_give_is_one_line(folder, old, new, line):
    """Another format, and signals that it lacks, all of them at once."""
    (folder / "own.yaml").write_text(MANIFEST.replace(old, new))
    with pytest.raises(InputError, match=line):
        observe(load_manifest(folder / "own.yaml"))


@pytest.mark.parametrize(("fold", "line"), [("judge", "expected rows with fold fit"), ("fit", "rows with fold judge")])
def test_a_trace_of_one_fold_is_one_line(folder, fold, line):
    """There must be something to learn from, and something to judge."""
    table = spend_table()
    table.where(table.judged == (fold == "judge")).to_parquet(folder / "trace.parquet")
    with pytest.raises(InputError, match=line):
        observe(load_manifest(folder / "own.yaml"))
