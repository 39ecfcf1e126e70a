"""Beside the baseline: percentiles of the same requests, rankings of the same queries, and their intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fixtures.contract import paired_of
from fixtures.trials import judgements, ranking, sound, trial_of
from harness.errors import InputError
from harness.records import Trace
from harness.release.findings import least_n
from harness.release.judge import Verdict, judge
from harness.release.live import Answer
from harness.release.measures import family_of, read
from harness.release.measures.beside import overlap_of
from harness.release.observed import Trial
from harness.release.policy import Check, Limit
from harness.release.studied import paired
from harness.release.studied.paired import PairedLatency, Request, in_turns, joined
from harness.retrieval.protocols import Hits
from tests.release.small import DENSE, FULL, served, small

WORLDS, MISS = 400, 0.05
MOST = binom.isf(1e-6, WORLDS, MISS)
FEW = sound(queries=20)


def row(measure: str, bound: float, *, by: str = "ucb", on: str = "all") -> Check:
    way = "at_most" if by == "ucb" else "at_least"
    return Check("gate", measure, None, on, Limit(way, bound, by))


def with_latency(record: PairedLatency) -> Trial:
    return replace(FEW, candidate=replace(FEW.candidate, studies={"paired": record}))


@pytest.mark.parametrize("name", ["delta p95 total_ms", "delta p50 retrieval_ms", "Jaccard@10 baseline"])
def test_names_belong_to_this_family(name):
    """Neither a metric's delta nor a bare percentile is taken for one of these."""
    assert family_of(name) == "beside"
    assert family_of("delta nDCG@10") == "quality" and family_of("p95 total_ms") == "latency"


def test_a_constant_gap_is_found_whole():
    """Each request takes .05 ms longer: so does every percentile, and the limit of 1 ms holds."""
    check = row("delta p95 total_ms", 1.0)
    reading = read(with_latency(paired_of()), check)
    assert reading.estimate.value == pytest.approx(0.05) and reading.estimate.unit == "ms"
    assert reading.estimate.low < 0.05 < reading.estimate.high < 0.2
    assert reading.min_n == least_n(check.measure, check.limit) and reading.cross is not None
    assert reading.details["requests slower"] == 1.0


@pytest.mark.parametrize(("slower", "verdict"), [(0.05, Verdict.INCONCLUSIVE), (1.5, Verdict.REFUSE)])
def test_the_limit_decides_by_the_upper_end(slower, verdict):
    """Without a control nothing passes; a gap of 1.5 ms is refused with its interval."""
    check = row("delta p95 total_ms", 1.0)
    assert judge(check, read(with_latency(paired_of(slower_ms=slower)), check)).verdict is verdict


def test_too_few_requests_are_no_pass():
    """At 59 requests the p95 has no upper end worth a pass, and the least n says so."""
    check = row("delta p95 total_ms", 1.0)
    reading = read(with_latency(paired_of(requests=59)), check)
    assert judge(check, reading).verdict is Verdict.INCONCLUSIVE and reading.min_n == 200


def _misses(rng: np.random.Generator, *, halved: bool = False) -> int:
    """Worlds in which the upper end lies below the true difference: noise shared by both, and noise of either."""
    truth, n, missed = 0.5, 300, 0
    for _ in range(WORLDS):
        shared = rng.gamma(4.0, 0.5, n)
        before, after = (shared + rng.exponential(0.3, n) for _ in range(2))
        record = PairedLatency(np.arange(n).astype(object), {"total": after + truth}, {"total": before})
        found = read(with_latency(record), replace(row("delta p95 total_ms", 1.0), limit=None)).estimate
        high = found.value + (0.4 if halved else 1.0) * (found.high - found.value)
        missed += high < truth
    return missed


def test_the_upper_end_keeps_its_promise_and_a_narrow_one_is_caught():
    """Where the truth is .5 ms the end misses at most .05 of worlds; at two fifths of its reach it is seen to."""
    assert _misses(np.random.default_rng(1)) <= MOST < _misses(np.random.default_rng(1), halved=True)


def test_an_unknown_stage_and_a_slice_are_told():
    """One line with the nearest name."""
    with pytest.raises(InputError, match=r"no such stage on both sides.*nearest: rerank"):
        read(with_latency(paired_of()), row("delta p95 rerankk_ms", 1.0))
    with pytest.raises(InputError, match="over all requests"):
        read(with_latency(paired_of()), row("delta p95 total_ms", 1.0, on="hard"))
    with pytest.raises(InputError, match="the study was not made"):
        read(replace(FEW, candidate=replace(FEW.candidate, studies={})), row("delta p95 total_ms", 1.0))


# overlap


QRELS = judgements({query: {"a": 1} for query in ("q1", "q2", "q3", "q4")})
RUN = ranking({"q1": ["a", "b"], "q2": ["x", "a"], "q3": ["x"], "extra": ["a"]})
BASELINE = ranking({"q1": ["b", "a"], "q2": ["y", "a"], "q4": ["a"]})


def test_each_query_overlaps_as_worked_out_by_hand():
    """Order is nothing, half is a third; a query that one of the two left out, or both, agrees on nothing."""
    assert overlap_of(trial_of(RUN, QRELS, baseline=BASELINE), None, k=10) == pytest.approx([1.0, 1 / 3, 0.0, 0.0])


def test_an_overlap_is_read_over_a_slice_with_its_cross_check():
    """The sound trial's rankings hold the same ten but for the place of one."""
    reading = read(sound(), row("Jaccard@10 baseline", 0.8, by="lcb", on="hard"))
    assert reading.estimate.n == 300 and reading.estimate.low > 0.8 and reading.cross is not None


def test_without_a_baseline_there_is_no_overlap():
    """Nothing to compare with is an error, not a 1."""
    with pytest.raises(InputError, match="needs a baseline"):
        read(trial_of(RUN, QRELS), row("Jaccard@10 baseline", 0.8, by="lcb"))


# the study


class Ticking:
    """A release that counts its calls in a shared list, and takes what it is told to."""

    def __init__(self, name: str, told: list[str], ms: float) -> None:
        self.name, self.told, self.ms = name, told, ms

    def search(self, text: str, *, own: int = -1, module: str | None = None) -> Answer:
        self.told.append(f"{self.name} {text}")
        none = np.empty((1, 0))
        return Answer(Hits(none.astype(np.int64), none.astype(np.float32)), np.empty(0, dtype=np.int64), 0.0,
                      self.ms + len(self.told), 0.5)


def test_requests_are_served_in_turns_and_the_first_pass_is_not_counted():
    """Both answer a request before the next; who is first changes with request and pass; the fastest pass counts."""
    told: list[str] = []
    one, two = Ticking("one", told, 0.0), Ticking("two", told, 100.0)
    mine, theirs = in_turns(one, two, [Request("a", "a"), Request("b", "b")], repeats=2)
    assert told[:8] == ["two a", "one a", "one b", "two b", "one a", "two a", "two b", "one b"]
    assert mine["search"].tolist() == [5.0, 8.0] and theirs["search"].tolist() == [106.0, 107.0]
    assert mine["total"].tolist() == [5.5, 8.5] and mine["retrieval"].tolist() == [5.0, 8.0]


def test_a_live_release_is_timed_beside_its_baseline(tmp_path):
    """The same collection with and without a reranker: every judged query once, and the rerank costs time."""
    loaded = small(tmp_path, FULL, "[{measure: RR, at_least: 0.1}, {measure: delta p95 total_ms, at_most: 9}]",
                   more="baseline: plain\nstudies: {paired: {requests: 60, repeats: 1}}\n")
    built, ours = served(loaded, tmp_path)
    _, other = served(small(tmp_path, DENSE, name="plain"), tmp_path)
    sides = [replace(one, live=live) for one, live in ((FEW.candidate, ours), (FEW.baseline, other))]
    assert paired.wanted(loaded.manifest)
    record = paired.observe(loaded, built, *sides, lambda _: None)
    candidate, baseline = record.both("total")
    assert len(set(record.requests)) == len(candidate) <= 60
    assert np.median(candidate) > np.median(baseline) > 0.0
    with pytest.raises(InputError, match="nothing to serve beside"):
        paired.observe(loaded, built, sides[0], None, lambda _: None)


def trace(names: list[str], ms: list[float]) -> Trace:
    return Trace.of(pd.DataFrame({"query_id": names, "total_ms": ms}))


def test_recorded_requests_are_joined_by_query_and_turn():
    """A query served twice on each side stands with its first beside the other's first."""
    record = joined(trace(["a", "b", "a"], [1.0, 2.0, 3.0]), trace(["a", "a", "b"], [10.0, 30.0, 20.0]))
    assert record.baseline["total"].tolist() == [10.0, 20.0, 30.0] and record.requests.tolist() == ["a", "b", "a"]


def test_a_request_that_one_side_left_out_is_told():
    """What was not served may be what was slow: nothing is dropped in silence."""
    with pytest.raises(InputError, match="served by one side only"):
        joined(trace(["a", "b"], [1.0, 2.0]), trace(["a"], [1.0]))


def test_an_overlap_without_a_baseline_is_told_before_anything_is_built(tmp_path):
    """The manifest names none: one line that names the measure."""
    with pytest.raises(InputError, match="'Jaccard@10 baseline' needs a baseline"):
        small(tmp_path, DENSE, "[{measure: Jaccard@10 baseline, by: lcb, at_least: 0.8}]")


def test_two_recorded_latency_files_are_read_and_joined(tmp_path):
    """Candidate and baseline each name a table; where one does not, nothing can be said of the difference."""
    from harness.release.manifest import load_manifest

    for name, ms in (("new", [2.0, 1.0]), ("old", [3.0, 4.0])):
        trace(["a", "b"] if name == "new" else ["b", "a"], ms).frame.to_parquet(tmp_path / f"{name}.parquet")
    text = ("release: m\nseed: 1\ndata: {qrels: {trec: q}}\nrecorded:\n"
            "  candidate: {run: {trec: r}, latency: {parquet: new.parquet}}\n"
            "  baseline: {run: {trec: r}, latency: {parquet: old.parquet}}\n"
            "policy: [{measure: delta p95 total_ms, by: ucb, at_most: 1}]\n")
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    record = paired.recorded(load_manifest(tmp_path / "m.yaml"), lambda _: None)
    assert [column.tolist() for column in record.both("total")] == [[2.0, 1.0], [4.0, 3.0]]
    (tmp_path / "m.yaml").write_text(text.replace(", latency: {parquet: old.parquet}", ""), encoding="utf-8")
    with pytest.raises(InputError, match="no latencies of both sides"):
        paired.recorded(load_manifest(tmp_path / "m.yaml"), lambda _: None)
