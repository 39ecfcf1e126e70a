"""Conformal coverage of a release's bands: its law as a verdict, its report, and how its rows are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fixtures.contract import covered_of
from fixtures.trials import sound
from harness.errors import InputError
from harness.estimators.conformal_coverage import slice_coverage
from harness.release.judge import Control, Verdict, judge
from harness.release.live import Answer
from harness.release.measures import read
from harness.release.measures.covered import highest_kept
from harness.release.observed import Trial
from harness.release.policy import Check, Limit
from harness.release.studied import covered
from harness.release.studied.covered import REPORT, CoverageObserved, drawn_halves, read_report, served_by_group
from harness.release.studied.paired import Request
from harness.retrieval.protocols import Hits
from tests.release.small import served, small

WORLDS = 200
LIMIT = binom.isf(1e-6, WORLDS, 0.05)
FEW = sound(queries=20)
LAW = Limit("at_least", 0.95, "lcb")


def row(on: str = "all") -> Check:
    return Check("gate", "conformal coverage", None, on, LAW)


def with_record(record: CoverageObserved) -> Trial:
    return replace(FEW, candidate=replace(FEW.candidate, studies={"covered": record}))


def verdict(record: CoverageObserved, on: str = "all") -> Verdict:
    """The gate's verdict, a refused control beside it."""
    control = Control("narrow", 1.0, 0.5, 0.5, 0.5, 3300)
    return judge(row(on), replace(read(with_record(record), row(on)), control=control)).verdict


@pytest.mark.parametrize("rows", [150, 1600])
@pytest.mark.parametrize("calibrated", [100, 399, 1600, 1601])
def test_the_promise_kept_reaches_95_exactly_where_the_law_allows_the_count(rows, calibrated):
    """One number and the law never disagree, whatever the count: the verdict follows from what is written."""
    for hits in range(int(0.9 * rows), rows + 1, 1 + rows // 200):
        law = slice_coverage({"one": (hits, rows, calibrated)})["one"].kept
        assert (highest_kept(hits, rows, calibrated, alpha=0.05) >= 0.95) == law, hits


def test_a_sound_release_passes_and_says_what_it_saw():
    """Two spends of 1,650 new rows each: PASS, n is the smaller side, and the note has the counts."""
    reading = read(with_record(covered_of()), row())
    assert verdict(covered_of()) is Verdict.PASS and reading.estimate.n == 1650
    assert "of 1,650 covered after 1,650" in reading.note and "the law allows" in reading.note
    assert set(reading.details) == {"share spend=0", "share spend=50", "slices in band", "slices"}


def test_too_few_rows_are_doubt_with_the_n():
    """A slice of 300 rows that covers what it should is INCONCLUSIVE, and 1,600 rows are named."""
    record = covered_of(rows=600)
    finding = judge(row(), read(with_record(record), row()))
    assert finding.verdict is Verdict.INCONCLUSIVE and finding.needed_n == 1600


def test_one_slice_that_undercovers_refuses_the_whole():
    """New requests of one spend that take three times as long refuse that slice and `all`, and not the other."""
    record = covered_of()
    slow = (record.groups == "spend=50") & ~record.calibrating & (np.arange(len(record.scores)) % 4 == 0)
    broken = replace(record, scores=np.where(slow, 3.0 * record.scores, record.scores))
    assert verdict(broken) is verdict(broken, "spend=50") is Verdict.REFUSE
    assert verdict(broken, "spend=0") is Verdict.PASS


def test_slices_too_small_for_a_threshold_are_doubt():
    """Eight calibration rows promise nothing: no pass, no refusal; a group never calibrated neither."""
    small_one = drawn_halves(np.arange(16.0), ["a"] * 16, rng=np.random.default_rng(1))
    assert verdict(small_one) is Verdict.INCONCLUSIVE
    none = replace(small_one, calibrating=np.zeros(16, dtype=bool))
    assert verdict(none) is Verdict.INCONCLUSIVE and none.counts() == {"a": (0, 16, 0)}
    only = replace(small_one, calibrating=np.ones(16, dtype=bool))
    assert verdict(only) is Verdict.INCONCLUSIVE


def _refusals(*, pooled: bool) -> int:
    """Worlds of three groups, sound by construction, of which any is refused; pooled: one threshold for all three."""
    rng, refused = np.random.default_rng(3), 0
    for _ in range(WORLDS):
        scores = np.concatenate([scale * rng.lognormal(size=400) for scale in (1.0, 1.1, 2.0)])
        groups = np.repeat(["a", "b", "c"], 400)
        record = drawn_halves(scores, ["all"] * 1200 if pooled else groups, rng=rng)
        if pooled:
            top = np.sort(scores[record.calibrating])[int(0.95 * 601)]
            counts = {name: (int((scores[new] <= top).sum()), int(new.sum()), int((known & record.calibrating).sum()))
                      for name in "abc" for known in [groups == name] for new in [known & ~record.calibrating]}
            refused += not all(one.kept for one in slice_coverage(counts).values())
        else:
            refused += not all(one.kept for one in record.slices().values())
    return refused


def test_sound_slices_are_refused_at_the_stated_rate_and_one_threshold_for_all_is_caught():
    """Mondrian bands of three groups are refused in at most .05 of worlds; a common threshold in far more."""
    assert _refusals(pooled=False) <= LIMIT < _refusals(pooled=True)


def test_the_division_is_random_seeded_and_half_of_each_group():
    """The same generator gives the same rows, another one others."""
    one, two, other = (drawn_halves(np.arange(100.0), ["a"] * 60 + ["b"] * 40, rng=np.random.default_rng(seed))
                       for seed in (1, 1, 2))
    assert (one.calibrating == two.calibrating).all() and not (one.calibrating == other.calibrating).all()
    assert {name: counts[2] for name, counts in one.counts().items()} == {"a": 30, "b": 20}


@pytest.mark.parametrize(("scores", "groups", "told"), [
    ([], [], "nothing to calibrate"), ([1.0], ["a", "b"], "nothing to calibrate"),
    ([1.0, float("nan")], ["a", "a"], "row 2: score is not a number"),
])  # fmt: skip
def test_scores_that_are_none_are_told(scores, groups, told):
    """Empty, uneven and NaN: one line each."""
    with pytest.raises(InputError, match=told):
        drawn_halves(scores, groups, rng=np.random.default_rng(1))


def test_an_unknown_slice_names_the_nearest():
    """Slices are the groups that were calibrated."""
    with pytest.raises(InputError, match=r"no such slice.*nearest: spend=50"):
        read(with_record(covered_of(rows=60)), row("spend=55"))


# the report


def test_the_report_is_read_back_and_follows_from_its_counts(tmp_path):
    """Nine columns, a row a slice; writing it twice gives the same bytes."""
    path = covered.write_report(covered_of(rows=200), tmp_path)
    before = path.read_bytes()
    assert path.name == REPORT and covered.write_report(covered_of(rows=200), tmp_path).read_bytes() == before
    assert before.splitlines()[0] == b"slice,rows,calibrated,covered,share,low,high,kept,in_band"
    assert read_report(path) == covered_of(rows=200).slices()


@pytest.mark.parametrize(("old", "new", "told"), [
    ("slice,rows", "slice,lines", "not a coverage report"), ("true", "false", "does not follow from the counts"),
    (",100,", ",1e2,", "not a count"), ("spend=50", "spend=0", "not a coverage report"),
])  # fmt: skip
def test_a_report_that_was_touched_is_refused(old, new, told, tmp_path):
    """Another header, another verdict, a count that is none, a slice twice."""
    path = covered.write_report(covered_of(rows=200), tmp_path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_report(path)


# the study


class Spending:
    """A release that reranks 50 for queries of one letter, and none for the others."""

    def search(self, text: str, *, own: int = -1, module: str | None = None) -> Answer:
        none = np.empty((1, 0))
        spend = 50 if len(text) == 1 else 0
        hits = Hits(none.astype(np.int64), none.astype(np.float32))
        return Answer(hits, np.empty(0, dtype=np.int64), 1.0, 1.0, float(spend), spend)


def test_each_spend_gets_its_rows_however_rare_it_is():
    """One query in ten is reranked, and its requests are as many as the others': groups mixed, none left short."""
    rows = [Request(name, name) for name in ["x", *(f"q{number}" for number in range(9))]]
    times, groups = served_by_group(Spending(), rows, least=40, rng=np.random.default_rng(1))
    assert {name: groups.count(name) for name in set(groups)} == {"spend=0": 40, "spend=50": 40}
    assert set(times[np.array(groups) == "spend=50"]) == {52.0} and groups[:40].count("spend=0") not in {0, 40}


def test_a_live_release_is_served_and_reported(tmp_path):
    """A small release of one spend: the record's rows, and a report beside its frozen parts."""
    loaded = small(tmp_path, policy="[{measure: conformal coverage, by: lcb, at_least: 0.95}]",
                   more="studies: {covered: {rows: 30, queries: 20}}\n")
    built, live = served(loaded, tmp_path)
    assert covered.wanted(loaded.manifest)
    record = covered.observe(loaded, built, replace(FEW.candidate, live=live), None, lambda _: None)
    assert record.counts()["spend=20"][1:] == (30, 30) and np.all(record.scores > 0.0)
    assert read_report(built.folders["world"].parent / REPORT).keys() == {"spend=20"}


def test_recorded_latencies_are_grouped_by_what_is_known(tmp_path):
    """Columns `spend` and `cache` make the groups; without them all requests are one."""
    from harness.release.manifest import load_manifest

    frame = pd.DataFrame({"query_id": [f"q{row}" for row in range(80)], "total_ms": np.arange(80.0),
                          "cache": ["warm", "cold"] * 40})
    frame.to_parquet(tmp_path / "latency.parquet")
    (tmp_path / "m.yaml").write_text(
        "release: m\nseed: 1\ndata: {qrels: {trec: q}}\nrecorded: {candidate: {run: {trec: r}, latency: {parquet: "
        "latency.parquet}}}\npolicy: [{measure: conformal coverage, by: lcb, at_least: 0.95}]\n", encoding="utf-8")
    loaded = load_manifest(tmp_path / "m.yaml")
    assert set(covered.recorded(loaded, lambda _: None).counts()) == {"cache=cold", "cache=warm"}
    frame.drop(columns="cache").to_parquet(tmp_path / "latency.parquet")
    assert set(covered.recorded(loaded, lambda _: None).counts()) == {"requests"}
