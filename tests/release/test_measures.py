"""Each measure on trials small enough to add up by hand, and each thing that can be missing."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from fixtures.studies import with_studies
from fixtures.trials import TASK, index_of, integrity_of, judgements, ranking, sound, trace_of, trial_of
from harness.errors import InputError
from harness.estimators.proportions import clopper_pearson
from harness.release.findings import least_n
from harness.release.judge import Verdict, judge
from harness.release.measures import EXAMPLES, PROPERTIES, family_of, read
from harness.release.measures.integrity import RUN_MANIFEST_KEYS
from harness.release.measures.quality import MIN_N, reading_of, values_of
from harness.release.observed import Trial
from harness.release.policy import Check, Limit, Row, checks_of

# Four queries, one of them unanswered. Judged: a (grade 2) and b for each; the rest of the hits carry no judgement.
QRELS = judgements({query: {"a": 2, "b": 1} for query in ("q1", "q2", "q3", "q4")})
RUN = ranking({"q1": ["a", "b"], "q2": ["x", "a", "b"], "q3": ["x", "y"], "extra": ["a"]})
BEFORE = ranking({"q1": ["b", "a"], "q2": ["x", "a", "b"], "q3": ["y", "x"], "q4": ["x"]})
BASELINE = ranking({"q1": ["x", "a"], "q2": ["a"], "q3": ["x"], "q4": ["a"]})


def small(**changes) -> Trial:
    task = {"before": BEFORE, "slices": {"first": np.array([True, False, False, False])},
            "best": np.array([0.9, 0.5, 0.49, np.nan]), "references": {"popularity": BASELINE}} | changes  # fmt: skip
    return trial_of(RUN, QRELS, baseline=BASELINE, **task)


@cache
def fair() -> Trial:
    """The sound trial, built once: nothing here writes into it."""
    return sound()


def check(measure: str, *, by: str = "value", slice_: str = "all", at_least: bool = True, any_with=()) -> Check:
    limit = Limit("at_least" if at_least else "at_most", 0.0, by)
    return Check(f"{slice_}-{measure}-{by}", measure, None, slice_, limit, any_with)


NDCG_Q2 = (2 / math.log2(3) + 1 / math.log2(4)) / (2 + 1 / math.log2(3))


@pytest.mark.parametrize(("measure", "expected"), [
    ("RR", [1.0, 0.5, 0.0, 0.0]), ("R@1", [0.5, 0.0, 0.0, 0.0]), ("P@2", [1.0, 0.5, 0.0, 0.0]),
    ("Success@2", [1.0, 1.0, 0.0, 0.0]), ("AP", [1.0, (1 / 2 + 2 / 3) / 2, 0.0, 0.0]),
    ("nDCG@10", [1.0, NDCG_Q2, 0.0, 0.0]),
    ("delta RR", [0.5, -0.5, 0.0, -1.0]), ("lift RR", [0.0, 0.0, 0.0, 0.0]), ("lift R@1", [0.0, 0.0, 0.0, 0.0]),
    ("over popularity RR", [0.5, -0.5, 0.0, -1.0]),
    ("acceptance", [1.0, 0.0, 1.0, 1.0]),  # an unanswered query's first hit is gone: that is a change
    ("unanswered", [0.0, 0.0, 0.0, 1.0]),
    ("unjudged@2", [0.0, 0.5, 1.0, 0.0]), ("unjudged@10", [0.0, 1 / 3, 1.0, 0.0]),
    ("cosine>=0.5", [1.0, 1.0, 0.0, 0.0]), ("cosine>=0.9", [1.0, 0.0, 0.0, 0.0]),
])  # fmt: skip
def test_each_query_has_the_value_worked_out_by_hand(measure, expected):
    """One value per judged query in judged order; the unanswered one scores 0, the unjudged one is left out."""
    assert values_of(small(), measure, None) == pytest.approx(expected)


def test_the_reading_is_the_mean_over_the_slice():
    """`all` is every judged query; a slice is its mask, also for alternatives."""
    assert read(small(), check("RR")).estimate.value == pytest.approx(1.5 / 4)
    first = read(small(), check("RR", slice_="first", any_with=(("P@2", Limit("at_least", 0.5, "value")),)))
    assert (first.estimate.value, first.estimate.n) == (1.0, 1)
    assert [(one.measure, one.estimate.value, one.estimate.n) for one in first.alternatives] == [("P@2", 1.0, 1)]


def test_one_query_bounds_nothing():
    """A slice of a single query has a value, and an interval that no lower bound passes."""
    reading = read(small(), check("RR", by="lcb", slice_="first"))
    assert reading.estimate.value == 1.0 and reading.cross is None
    assert judge(check("RR", by="lcb"), reading, limit=Limit("at_least", 0.9, "lcb")).verdict is not Verdict.PASS


def test_an_empty_slice_measures_nothing():
    """No query in the slice: NaN, n = 0, INCONCLUSIVE; never a zero that could be compared."""
    for by in ("value", "lcb"):
        one = check("RR", by=by, slice_="none")
        reading = read(small(slices={"none": np.zeros(4, dtype=bool)}), one)
        assert math.isnan(reading.estimate.value) and reading.estimate.n == 0
        assert judge(one, reading).verdict is Verdict.INCONCLUSIVE


def test_clusters_widen_the_interval_and_are_counted():
    """Queries of one module stand together: the interval knows, and so does the reader."""
    trial = fair()
    alone = replace(trial, candidate=replace(trial.candidate, tasks={
        TASK: replace(trial.candidate.task(None), clusters=None)}))
    together, apart = read(trial, check("cosine>=0.7")), read(alone, check("cosine>=0.7"))
    assert together.details["clusters"] == 60.0 and "clusters" not in apart.details
    assert together.estimate.value == pytest.approx(apart.estimate.value)
    assert together.estimate.half_width > 1.5 * apart.estimate.half_width


@pytest.mark.parametrize(("measure", "by", "min_n", "crossed"), [
    ("RR", "value", 0, False), ("RR", "lcb", 0, True), ("delta RR", "value", 0, False),
    ("delta RR", "lcb", MIN_N, True), ("lift RR", "lcb", MIN_N, True), ("over last_vector RR", "lcb", MIN_N, True),
])  # fmt: skip
def test_a_bound_of_a_difference_needs_its_least_n_and_a_cross_check(measure, by, min_n, crossed):
    """The least n holds for lower bounds of paired differences; every bound has a resampled one beside it."""
    reading = read(fair(), check(measure, by=by))
    assert reading.min_n == min_n
    assert (reading.cross is not None) == crossed


@pytest.mark.parametrize("measure", [name for name in EXAMPLES if family_of(name) in {"quality", "index"}])
def test_the_verifier_demands_the_least_n_that_was_measured_with(measure):
    """What reads a bound and what checks its signature name the same least n, so that neither can be lowered."""
    limit = Limit("at_least", 0.0, "lcb")
    measured = read(fair(), replace(check(measure), limit=limit))
    assert least_n(measure, limit) == measured.min_n
    assert least_n(measure, replace(limit, by="value")) == 0


def test_an_alternative_that_is_a_difference_brings_its_least_n():
    """A row whose alternative is a paired difference inherits that measure's least n."""
    row = check("RR", by="lcb", any_with=(("delta RR", Limit("at_least", 0.0, "lcb")),))
    assert read(fair(), row).min_n == MIN_N


def test_the_cross_check_is_seeded_by_the_trial():
    """The same trial gives the same resampled bound; another seed another one, near it."""
    trial, one = fair(), check("delta nDCG@10", by="lcb")
    first, again, other = (read(each, one).cross for each in (trial, trial, replace(trial, seed=8)))
    assert first == again and first != other
    assert first is not None and other is not None
    assert abs(first.low - other.low) < 6 * (first.low_se + other.low_se)


def test_a_difference_tells_who_lost():
    """Beside the mean: the share of queries that got worse, that got better, and the worst loss."""
    details = read(small(), check("delta RR")).details
    lost = clopper_pearson(2, 4, confidence=0.9)
    assert details == {"queries worse": 0.5, "queries better": 0.25, "largest loss": -1.0,
                       "big losers": lost.value, "big losers, at most": lost.high}


def test_big_losers_are_bounded_by_cluster_where_queries_are_clustered():
    """Rows of one cluster are one loser; a twin that counts its rows would be five times as sure."""
    delta = np.repeat([-0.6, *np.zeros(19)], 5)
    columns, row = {"delta RR": delta}, check("delta RR")
    by_cluster = reading_of(columns, np.repeat(np.arange(20), 5), row, seed=1).details["big losers, at most"]
    by_row = reading_of(columns, None, row, seed=1).details["big losers, at most"]
    assert by_cluster == clopper_pearson(1, 20, confidence=row.confidence).high > 2.0 * by_row - 0.05


def test_a_delta_is_named_after_its_baseline():
    """The note says against what; a plain measure needs none."""
    assert read(small(), check("delta RR")).note == "against baseline"
    assert read(small(), check("RR")).note == ""


@pytest.mark.parametrize(("measure", "changes", "words"), [
    ("lift RR", {"before": None}, "no ranking before the reranker"),
    ("acceptance", {"before": None}, "no ranking before"),
    ("cosine>=0.5", {"best": None}, "no cosines"), ("over popularty RR", {}, "nearest: popularity"),
    ("over popularity RR", {"references": {}}, "no such reference"),
])  # fmt: skip
def test_what_a_measure_needs_and_does_not_have_is_said(measure, changes, words):
    """Missing input is one line that names what was expected, never a value."""
    with pytest.raises(InputError, match=words):
        read(small(**changes), check(measure))


def test_a_delta_without_a_baseline_is_an_error():
    """Nothing to compare with."""
    with pytest.raises(InputError, match="a delta needs a baseline"):
        read(replace(small(), baseline=None), check("delta RR"))


def test_a_delta_on_different_queries_is_an_error():
    """Candidate and baseline must be judged on the same queries, or the pairs would not be pairs."""
    other = trial_of(BASELINE, judgements({"q1": {"a": 1}, "q2": {"a": 1}})).candidate
    with pytest.raises(InputError, match="judged on different queries"):
        read(replace(small(), baseline=other), check("delta RR"))


def test_an_unknown_slice_or_task_names_the_nearest():
    """A typo in a policy row is told with what was meant."""
    with pytest.raises(InputError, match=r"no such slice.*nearest: first"):
        read(small(), check("RR", slice_="frist"))
    with pytest.raises(InputError, match=r"no such task.*nearest: search"):
        read(small(), replace(check("RR"), task="serach"))


def test_a_row_without_a_task_needs_a_release_of_one():
    """With two tasks a row must say which."""
    trial = small()
    two = replace(trial.candidate, tasks={TASK: trial.candidate.task(None), "other": trial.candidate.task(None)})
    with pytest.raises(InputError, match="names no task"):
        read(replace(trial, candidate=two), check("RR"))


# latency


def test_a_percentile_is_the_order_statistic_of_its_stage():
    """1 … 500 ms: the p95 is numpy's linear quantile, in ms, over all requests, with p50 and max beside."""
    trial = replace(fair(), details={"threads": 1.0})
    trial = replace(trial, candidate=replace(trial.candidate, trace=trace_of(total=np.arange(1.0, 501.0))))
    reading = read(trial, check("p95 total_ms", by="ucb", at_least=False))
    assert reading.estimate.value == pytest.approx(np.quantile(np.arange(1.0, 501.0), 0.95))
    assert (reading.estimate.n, reading.estimate.unit) == (500, "ms")
    assert reading.estimate.low < 475.05 < reading.estimate.high
    assert reading.details == {"p50": 250.5, "max": 500.0, "threads": 1.0}


def test_retrieval_is_encoding_plus_search_request_by_request():
    """Where the two were timed apart they are added before the quantile; a column of that name is taken as it is."""
    trial = fair()
    apart = replace(trial, candidate=replace(trial.candidate, trace=trace_of(encode=[1.0, 9.0], search=[8.0, 2.0])))
    assert read(apart, check("p50 retrieval_ms")).estimate.value == 10.0
    given = replace(trial, candidate=replace(trial.candidate, trace=trace_of(retrieval=[3.0, 3.0], encode=[1.0, 1.0])))
    assert read(given, check("p50 retrieval_ms")).estimate.value == 3.0


def test_too_few_requests_leave_an_open_end():
    """58 requests cannot bound a p95 from above: the end is infinite, and the gate inconclusive."""
    trial = fair()
    for n, verdict in ((58, Verdict.INCONCLUSIVE), (59, Verdict.PASS)):
        short = replace(trial, candidate=replace(trial.candidate, trace=trace_of(total=np.full(n, 2.0))))
        row = replace(check("p95 total_ms", by="ucb", at_least=False), limit=Limit("at_most", 8.0, "ucb"))
        finding = judge(row, replace(read(short, row), control=_control(row)))
        assert finding.verdict is verdict


def _control(row):
    from harness.release.judge import Control

    worst = 1e9 if row.limit.direction == "at_most" else -1e9
    return Control("worst", 1.0, worst, worst, worst, 500)


@pytest.mark.parametrize(("trace", "measure", "slice_", "words"), [
    (None, "p95 total_ms", "all", "no latencies were recorded"),
    (trace_of(total=[1.0, 2.0]), "p95 rerank_ms", "all", "no such stage"),
    (trace_of(total=[1.0, 2.0]), "p95 retrieval_ms", "all", "no such stage"),
    (trace_of(total=[1.0, 2.0]), "p95 total_ms", "hard", "over all requests"),
])  # fmt: skip
def test_latency_that_was_not_recorded_is_said(trace, measure, slice_, words):
    """No trace, no such stage, a slice of requests: one line each."""
    trial = fair()
    with pytest.raises(InputError, match=words):
        read(replace(trial, candidate=replace(trial.candidate, trace=trace)), check(measure, slice_=slice_))


def test_a_trace_without_requests_passes_nothing():
    """An empty trace is an error or NaN, never a fast release."""
    trial = fair()
    empty = replace(trial, candidate=replace(trial.candidate, trace=trace_of(total=[])))
    with pytest.raises(InputError):
        read(empty, check("p95 total_ms"))


# index


def with_index(**changes) -> Trial:
    trial = fair()
    return replace(trial, candidate=replace(trial.candidate, index=replace(index_of(docs=10, cells=2), **changes)))


@pytest.mark.parametrize(("measure", "changes", "value", "n"), [
    ("ids missing", {}, 0.0, 10), ("ids missing", {"ids": np.array([0, 1, 2, 2, 17])}, 7.0, 10),
    ("ids doubled", {}, 0.0, 10), ("ids doubled", {"ids": np.array([0, 1, 1, 1, 2, 2])}, 3.0, 10),
    ("norm error", {"norms": np.array([1.0, 0.98, 1.01])}, 0.02, 3),
    ("largest cell share", {"cells": np.array([6, 3, 1])}, 0.6, 10),
])  # fmt: skip
def test_an_index_is_counted(measure, changes, value, n):
    """Missing and repeated ids, the worst norm, the fullest cell: counted, so the interval is the number itself."""
    estimate = read(with_index(**changes), check(measure)).estimate
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((value, value, value))
    assert estimate.n == n


def test_agreement_is_a_mean_with_its_tail_beside():
    """The mean over queries; the 5th percentile and the share under a half tell what a mean hides."""
    agreement = np.array([1.0] * 540 + [0.4] * 60)
    reading = read(with_index(agreement=agreement), check("agreement@10", by="lcb"))
    assert reading.estimate.value == pytest.approx(0.94)
    assert reading.min_n == 500 and reading.cross is not None
    assert reading.details == {"5th percentile of queries": pytest.approx(0.4), "queries under 0.5": pytest.approx(0.1)}


def test_balance_is_told_with_the_gini():
    """Equal cells have a Gini of 0, one full cell of four (n - 1) / n."""
    assert read(with_index(cells=np.array([5, 5])), check("largest cell share")).details == {"cells": 2.0, "Gini": 0.0}
    one = read(with_index(cells=np.array([0, 0, 0, 8])), check("largest cell share"))
    assert one.details == {"cells": 4.0, "Gini": 0.75}


@pytest.mark.parametrize(("measure", "changes"), [
    ("norm error", {"norms": np.empty(0)}), ("largest cell share", {"cells": np.empty(0, dtype=np.int64)}),
    ("largest cell share", {"cells": np.zeros(3, dtype=np.int64)}), ("ids missing", {"size": 0}),
    ("agreement@10", {"agreement": np.empty(0), "clusters": np.empty(0, dtype=object)}),
    ("agreement@10", {"agreement": np.full(600, np.nan)}),
])  # fmt: skip
def test_an_index_without_the_thing_measured_passes_nothing(measure, changes):
    """No vectors, no cells, no queries, an index that cannot be under-probed: INCONCLUSIVE by n or by NaN."""
    row = check(measure, at_least=False)
    finding = judge(row, replace(read(with_index(**changes), row), control=_control(row)))
    assert finding.verdict is Verdict.INCONCLUSIVE


def test_no_index_is_an_error():
    """A release that has none cannot have its index measured."""
    with pytest.raises(InputError, match="no index was observed"):
        read(small(), check("ids missing"))


# integrity


def with_integrity(**changes) -> Trial:
    trial = fair()
    return replace(trial, candidate=replace(trial.candidate, integrity=replace(integrity_of(), **changes)))


_KEYS = len(RUN_MANIFEST_KEYS)


@pytest.mark.parametrize(("measure", "changes", "faults", "n", "note"), [
    ("run manifest gaps", {}, 0, _KEYS, ""),
    ("run manifest gaps", {"run_manifest": {key: 1 for key in RUN_MANIFEST_KEYS if key != "seed"}}, 1, _KEYS, "seed"),
    ("run manifest gaps", {"run_manifest": dict.fromkeys(RUN_MANIFEST_KEYS, 1) | {"data": {}}}, 1, _KEYS, "data"),
    ("run manifest gaps", {"run_manifest": {}}, _KEYS, _KEYS, "release, CONFIG_HASH, seed"),
    ("digest mismatches", {"stated": {"a": "1", "b": "2"}, "found": {"a": "1", "b": "2"}}, 0, 2, ""),
    ("digest mismatches", {"stated": {"a": "1", "b": "2"}, "found": {"a": "1", "b": "3"}}, 1, 2, "b"),
    ("digest mismatches", {"stated": {"a": "1"}, "found": {"a": "1", "new": "2"}}, 1, 2, "new"),
    ("digest mismatches", {"stated": {"a": "1", "gone": "2"}, "found": {"a": "1"}}, 1, 2, "gone"),
    ("unsigned baseline", {"standing": {"base": (True, "signed by me")}}, 0, 1, "signed by me"),
    ("unsigned baseline", {"standing": {"base": (False, "no bundle")}}, 1, 1, "base: no bundle"),
    ("replay differences", {"replayed": {"here": "x", "there": "x"}}, 0, 2, ""),
    ("replay differences", {"replayed": {"here": "x", "there": "y", "again": "x"}}, 1, 3, "there"),
])  # fmt: skip
def test_faults_of_identity_are_counted_and_named(measure, changes, faults, n, note):
    """Gaps, changed, added and lost files, processes that differ: how many, of how many, and which."""
    reading = read(with_integrity(**changes), check(measure))
    assert (reading.estimate.value, reading.estimate.low, reading.estimate.high) == (faults, faults, faults)
    assert (reading.estimate.n, reading.note) == (n, note)


@pytest.mark.parametrize(("measure", "changes"), [
    ("replay differences", {"replayed": {}}), ("replay differences", {"replayed": {"this process": "x"}}),
    ("digest mismatches", {"stated": {}, "found": {}}), ("unsigned baseline", {"standing": {}}),
])  # fmt: skip
def test_nothing_compared_is_nothing_shown(measure, changes):
    """One process repeats nothing and no file matches nothing: n = 0, INCONCLUSIVE."""
    row = replace(check(measure), limit=Limit("at_most", 0.0, "value"))
    finding = judge(row, replace(read(with_integrity(**changes), row), control=_control(row)))
    assert finding.reading.estimate.n == 0 and finding.verdict is Verdict.INCONCLUSIVE


def test_no_integrity_facts_is_an_error():
    """A trial that was never frozen has no identity to check."""
    with pytest.raises(InputError, match="no integrity facts"):
        read(small(), check("digest mismatches"))


# names


def test_every_example_has_a_family_that_reads_it():
    """Each spelling that the documentation offers is read off a sound trial; properties are tried elsewhere."""
    studied = with_studies(fair())
    for measure in EXAMPLES:
        if family_of(measure) == PROPERTIES:
            with pytest.raises(InputError, match="tried, not read"):
                read(fair(), check(measure))
        else:
            assert read(studied, check(measure)).estimate.n > 0


@pytest.mark.parametrize("measure", ["delta acceptance", "lift unanswered", "p42 total_ms", "R", "cosine>=1.5",
                                     "unjudged@0", "RBO", "Jaccard@10", "nDGC@10", "", "delta", "over R@5"])
def test_a_name_that_no_family_owns_is_an_error(measure):
    """An unknown measure, a depth that is missing, a measure of two runs: one line, never a crash later."""
    with pytest.raises(InputError, match="unknown measure"):
        family_of(measure)


def test_a_misspelt_measure_names_the_nearest():
    """The hint is a spelling that works."""
    with pytest.raises(InputError, match="nearest: agreement@10"):
        family_of("agrement@10")


def test_a_policy_row_reads_through_to_a_finding():
    """Row → check → reading → finding, at the row's own confidence."""
    row = Row(measure="delta nDCG@10", by="lcb", at_least=0.0, slices=("all", "hard"), confidence=0.8)
    for one in checks_of([row]):
        assert read(fair(), one).estimate.confidence == 0.8
