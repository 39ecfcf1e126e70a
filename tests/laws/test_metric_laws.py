"""Laws over the whole catalogue: every measure is classified, and each law is seen to bite."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.dicts import qrels_of_dict, run_of_dict
from harness.metrics.agreement import agreement
from harness.metrics.evaluate import per_query
from harness.metrics.spec import CATALOGUE, MetricSpec
from harness.records import Run

OF_TWO_RUNS = {str(spec) for spec in CATALOGUE.values() if spec.compares_runs}
ORDER_AWARE = {"nDCG", "nDCG@10", "nDCG(dcg='exp-log2')@10", "RR", "RR@10", "AP", "AP@100", "AP(rel=2)", "RBO(p=0.9)"}
ORDER_BLIND = {"R@5", "R@100", "P@10", "Success@50", "Jaccard@10"}  # within their first k
DOCS = [f"d{number:02d}" for number in range(14)]

Grades = Mapping[str, int]
ranking = st.permutations(DOCS).flatmap(lambda docs: st.integers(1, len(docs)).map(lambda n: list(docs[:n])))
grades = st.dictionaries(st.sampled_from(DOCS), st.integers(0, 4), min_size=1)


def value(spelling: str, docs: list[str], judged: Grades) -> float:
    """One measure of one ranking; a measure of two runs compares with the ideal ranking."""
    spec, run = CATALOGUE[spelling], ranked(docs)
    if spec.compares_runs:
        best = sorted(judged, key=lambda doc: (-judged[doc], doc))
        return agreement(run, ranked(best), spec).mean
    return float(per_query(run, qrels_of_dict({"q": dict(judged)}), spec)[0])


def ranked(docs: list[str]) -> Run:
    """A run of one query, best first."""
    return run_of_dict({"q": {doc: -float(rank) for rank, doc in enumerate(docs)}})


def test_every_measure_is_classified() -> None:
    """A new measure cannot slip in without saying whether it looks at order."""
    assert set(CATALOGUE) == ORDER_BLIND | ORDER_AWARE
    assert not ORDER_BLIND & ORDER_AWARE


@pytest.mark.parametrize("spelling", CATALOGUE)
@settings(max_examples=40, deadline=None)
@given(docs=ranking, judged=grades)
def test_values_are_within_zero_and_one(spelling: str, docs: list[str], judged: Grades) -> None:
    """All measures here are shares."""
    assert 0.0 <= value(spelling, docs, judged) <= 1.0 + 1e-12


@pytest.mark.parametrize("spelling", sorted(set(CATALOGUE) - OF_TWO_RUNS))
@settings(max_examples=40, deadline=None)
@given(docs=st.permutations(DOCS), judged=grades, seed=st.integers(0, 999))
def test_moving_a_better_document_up_never_costs(spelling: str, docs: list[str], judged: Grades, seed: int) -> None:
    """Swapping a document with a worse one that stands above it never lowers a value."""
    low, high = sorted(np.random.default_rng(seed).choice(len(docs), 2, replace=False).tolist())
    swapped = list(docs)
    swapped[low], swapped[high] = docs[high], docs[low]
    if judged.get(docs[low], 0) > judged.get(docs[high], 0):
        docs, swapped = swapped, list(docs)
    assert value(spelling, swapped, judged) >= value(spelling, list(docs), judged) - 1e-12


@pytest.mark.parametrize("spelling", sorted(ORDER_BLIND))
@settings(max_examples=30, deadline=None)
@given(docs=ranking, judged=grades, seed=st.integers(0, 999))
def test_a_blind_measure_ignores_order_in_its_depth(spelling: str, docs: list[str], judged: Grades, seed: int) -> None:
    """A shuffle of the first k changes nothing."""
    k = CATALOGUE[spelling].k or len(docs)
    shuffled = np.random.default_rng(seed).permutation(docs[:k]).tolist() + docs[k:]
    assert value(spelling, shuffled, judged) == value(spelling, docs, judged)


@pytest.mark.parametrize("spelling", sorted(ORDER_AWARE))
def test_an_aware_measure_sees_an_order(spelling: str) -> None:
    """There is an order that changes it: the law above is no truism."""
    judged = {DOCS[0]: 3, DOCS[1]: 2}
    assert value(spelling, DOCS, judged) > value(spelling, [*DOCS[2:10], DOCS[1], DOCS[0]], judged)


@pytest.mark.parametrize("spelling", sorted(set(CATALOGUE) - OF_TWO_RUNS))
@settings(max_examples=30, deadline=None)
@given(judged=grades)
def test_the_ideal_ranking_is_best(spelling: str, judged: Grades) -> None:
    """Nothing beats the judgements' own order, and where a measure can reach 1 it does."""
    best = sorted(judged, key=lambda doc: (-judged[doc], doc))
    spec: MetricSpec = CATALOGUE[spelling]
    reached = value(spelling, best, judged)
    assert all(reached >= value(spelling, best[shift:] + best[:shift], judged) - 1e-12 for shift in range(len(best)))
    enough = len([grade for grade in judged.values() if grade >= spec.rel])
    if enough and spec.name not in {"P", "R"}:
        assert reached == pytest.approx(1.0)
    if not enough:
        assert reached == 0.0


@pytest.mark.parametrize("spelling", sorted(set(CATALOGUE) - OF_TWO_RUNS - {"P@10"}))
@settings(max_examples=20, deadline=None)
@given(docs=ranking, judged=grades)
def test_names_do_not_matter(spelling: str, docs: list[str], judged: Grades) -> None:
    """Renaming documents moves no value: ids decide ties only."""
    assert value(spelling, [f"x{doc}" for doc in docs], {f"x{doc}": grade for doc, grade in judged.items()}) == value(
        spelling, docs, judged)


@pytest.mark.parametrize("spelling", sorted(set(CATALOGUE) - OF_TWO_RUNS))
@settings(max_examples=20, deadline=None)
@given(docs=ranking, judged=grades)
def test_judging_a_document_worthless_changes_nothing(spelling: str, docs: list[str], judged: Grades) -> None:
    """Grade 0, a negative grade and no judgement weigh the same: linear and exponential gain alike."""
    more = dict.fromkeys(DOCS, 0) | dict(judged)
    less = {doc: grade or -1 for doc, grade in judged.items()}
    assert value(spelling, docs, judged) == value(spelling, docs, more) == value(spelling, docs, less)


@pytest.mark.parametrize("name", sorted(OF_TWO_RUNS))
@settings(max_examples=40, deadline=None)
@given(a=ranking, b=ranking)
def test_agreement_is_symmetric_and_whole_with_itself(name: str, a: list[str], b: list[str]) -> None:
    """No run is the reference of the other."""
    here, there = ranked(a), ranked(b)
    assert agreement(here, there, name).mean == pytest.approx(agreement(there, here, name).mean)
    assert agreement(here, here, name).mean == pytest.approx(1.0)


@settings(max_examples=40, deadline=None)
@given(docs=ranking, judged=grades, k=st.integers(1, 12))
def test_depth_only_adds(docs: list[str], judged: Grades, k: int) -> None:
    """R, Success, RR and AP never fall as the cut deepens; P may, and is seen to."""
    qrels, run = qrels_of_dict({"q": dict(judged)}), ranked(docs)
    for name in ("R", "Success", "RR", "AP"):
        assert per_query(run, qrels, f"{name}@{k + 1}")[0] >= per_query(run, qrels, f"{name}@{k}")[0]
    assert per_query(ranked(["a", "b"]), qrels_of_dict({"q": {"a": 1}}), "P@2")[0] < 1.0
