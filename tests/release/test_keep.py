"""Per-query records: what is kept beside the evidence is what the gates averaged, by query, as it was measured."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fixtures.studies import with_studies
from fixtures.trials import sound
from harness.errors import InputError
from harness.release.keep import INDEX, PER_QUERY, ROC, STAGES, TRACE, keep_records
from harness.release.measures.quality import values_of
from harness.release.observed import Trial
from harness.release.policy import Row, checks_of
from harness.report.gather import pictures_of
from tests.release.small import FULL, served, small


@pytest.fixture(scope="module")
def trial() -> Trial:
    return sound(queries=40)


def rows(*measures: str):
    return checks_of([Row(measure=name, at_least=0.0) for name in measures])


def test_the_table_holds_what_the_gates_average(trial, tmp_path):
    """One row a query and measure, in judged order, with the query's cluster; each measure once, quality alone."""
    checks = (*rows("R@5", "delta nDCG@10", "agreement@10", "p95 total_ms"),
              *checks_of([Row(measure="R@5", by="lcb", at_least=0.1), Row(gate="own")]))
    keep_records(trial, checks, tmp_path)
    frame, task = pd.read_parquet(tmp_path / PER_QUERY), trial.candidate.task(None)
    assert frame.columns.tolist() == ["query_id", "cluster", "task", "measure", "value"]
    assert frame["measure"].unique().tolist() == ["R@5", "delta nDCG@10"] and len(frame) == 80
    for name, kept in frame.groupby("measure"):
        assert kept["query_id"].tolist() == task.qrels.queries.tolist()
        assert np.array_equal(kept["value"], values_of(trial, name, None))
        expected = task.qrels.queries if task.clusters is None else task.clusters
        assert kept["cluster"].tolist() == expected.tolist()


def test_latencies_and_index_are_kept_as_observed(trial, tmp_path):
    """The trace as a table; cells, and agreement in ascending order, as JSON."""
    keep_records(trial, rows("R@5"), tmp_path)
    assert pd.read_parquet(tmp_path / TRACE).equals(trial.candidate.trace.frame)
    facts = json.loads((tmp_path / INDEX).read_bytes())
    assert facts["cells"] == trial.candidate.index.cells.tolist()
    assert facts["agreement"] == sorted(trial.candidate.index.agreement.round(6).tolist())


def test_both_stages_are_kept_where_there_are_two(tmp_path):
    """Mean measures before and after the reranker; equal to the means of the rankings themselves."""
    from harness.metrics.evaluate import per_query
    from harness.release.observing import observe_live

    loaded = small(tmp_path, FULL)
    built, _ = served(loaded, tmp_path)
    observed = observe_live(loaded, built, tell=lambda _: None)
    keep_records(Trial(observed, None, 7), loaded.manifest.checks, tmp_path)
    task = observed.task("search")
    kept = json.loads((tmp_path / STAGES).read_bytes())["search"]
    for name, (before, after) in kept.items():
        assert before == pytest.approx(per_query(task.before, task.qrels, name).mean(), abs=1e-6)
        assert after == pytest.approx(per_query(task.run, task.qrels, name).mean(), abs=1e-6)
    assert kept["RR"][0] != kept["RR"][1]


def test_a_policy_without_quality_keeps_no_table(trial, tmp_path):
    """No empty file that reads as a run without queries."""
    keep_records(trial, rows("agreement@10"), tmp_path)
    assert not (tmp_path / PER_QUERY).exists()


def test_the_spend_rule_is_kept_as_its_curves(tmp_path):
    """The report draws the router between chance and an oracle from what was kept; a torn file is one line."""
    keep_records(with_studies(sound()), (), tmp_path)
    kept = json.loads((tmp_path / ROC).read_text())
    place = kept["at_share"]
    by_chance, best = (np.interp(place, kept["share"], kept[name]) for name in ("random", "oracle"))
    assert by_chance < kept["at_gain"] < best
    assert kept["standing"] == pytest.approx((kept["at_gain"] - by_chance) / (best - by_chance), abs=0.02)
    (title,) = [name for name in pictures_of(tmp_path, ()) if name.startswith("Gain by share")]
    assert f"{kept['standing']:.0%}" in title
    (tmp_path / ROC).write_text(json.dumps({"share": kept["share"]}))
    with pytest.raises(InputError, match="not the curves of a spend rule"):
        pictures_of(tmp_path, ())
