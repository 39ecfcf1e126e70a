"""A run against judgements: what is missing is counted, never dropped, and ties fall as in trec_eval."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.dicts import qrels_of_dict, run_of_dict
from harness.errors import InputError, UsageError
from harness.metrics.evaluate import evaluate, per_query, unjudged
from harness.metrics.spec import CATALOGUE, EXPONENTIAL
from harness.metrics.summary import per_query_rows, rows_of, summarise
from harness.records import Qrels, Run
from tests.metrics import slow

QRELS = qrels_of_dict({"q1": {"a": 1, "b": 0}, "q2": {"a": 1}, "q3": {"c": 0}, "q4": {"d": 2, "e": 1}})
RUN = run_of_dict({"q1": {"a": 2.0, "x": 1.0}, "q3": {"c": 1.0}, "q4": {"e": 3.0, "y": 2.0, "d": 1.0},
                   "other": {"a": 9.0}})
ONE_RUN = [spec for spec in CATALOGUE.values() if not spec.compares_runs]


def test_an_unanswered_query_scores_zero_and_is_counted() -> None:
    """One perfect answer of two judged queries is a mean of .5, not of 1."""
    qrels = qrels_of_dict({"q1": {"a": 1}, "q2": {"a": 1}})
    found = evaluate(run_of_dict({"q1": {"a": 1.0}}), qrels, ["nDCG@10", "RR"])
    assert found.mean("nDCG@10") == found.mean("RR") == 0.5
    assert found.unanswered.tolist() == ["q2"]


def test_everything_that_is_missing_is_counted() -> None:
    """Unanswered queries, queries without a relevant document, queries without judgements: each has its count."""
    found = evaluate(RUN, QRELS, ["RR"])
    assert found.queries.tolist() == ["q1", "q2", "q3", "q4"]
    assert found.values["RR"].tolist() == [1, 0, 0, 1]
    assert found.unanswered.tolist() == ["q2"]
    assert found.no_relevant.tolist() == ["q3"]
    assert found.unknown == 1


def test_unjudged_hits_are_reported() -> None:
    """The share of the first k hits that nobody judged; a grade below 0 means seen but not judged."""
    assert evaluate(RUN, QRELS, ["nDCG@2"]).unjudged(2).tolist() == [0.5, 0, 0, 0.5]
    assert unjudged(RUN, QRELS, k=10) == pytest.approx([0.5, 0, 0, 1 / 3])
    assert unjudged(run_of_dict({"q": {"a": 1.0}}), qrels_of_dict({"q": {"a": -1}}), k=1).tolist() == [1]


def test_ties_rank_by_document_descending_whatever_the_order_of_rows(rng: np.random.Generator) -> None:
    """Equal scores fall as in trec_eval, and no shuffle of the file moves a value."""
    docs = [f"d{number:02d}" for number in range(30)]
    order = rng.permutation(30)
    run = Run.of(["q"] * 30, [docs[place] for place in order], np.ones(30))
    assert run.docs[run.doc].tolist() == docs[::-1]
    qrels = Qrels.of(["q"], ["d29"], [1])
    assert evaluate(run, qrels, ["RR", "RR@10"]).values["RR@10"].tolist() == [1.0]


def test_scores_are_compared_in_single_precision() -> None:
    """Two doubles that are one float32 are a tie, and the document id decides, as in trec_eval."""
    run = Run.of(["q", "q"], ["a", "b"], [1.0 + 1e-9, 1.0])
    assert run.docs[run.doc].tolist() == ["b", "a"]
    assert Run.of(["q", "q"], ["a", "b"], [1.0 + 1e-6, 1.0]).doc.tolist() == [0, 1]
    assert Run.of(["q", "q"], ["a", "b"], [1e300, 2e300]).doc.tolist() == [1, 0]  # both beyond float32
    assert Run.of(["q", "q"], ["a", "b"], [0.0, -0.0]).doc.tolist() == [1, 0]
    assert Run.of(["q", "q", "q"], ["a", "b", "c"], [-2.0, -1.0, 1e-40]).doc.tolist() == [2, 1, 0]


@pytest.mark.parametrize("spec", ONE_RUN, ids=str)
def test_every_measure_meets_its_literal_definition(rng: np.random.Generator, spec: object) -> None:
    """Vectorised over integer codes, each value is the textbook's loop over one ranking."""
    grades, scores = world(rng)
    ours = per_query(run_of_dict(scores), qrels_of_dict(grades), spec)  # type: ignore[arg-type]
    rankings = {query: sorted(docs, key=lambda doc: (docs[doc], doc), reverse=True) for query, docs in scores.items()}
    expected = [slow.value(spec, rankings.get(query, []), grades[query]) for query in sorted(grades)]  # type: ignore[arg-type]
    assert ours.tolist() == pytest.approx(expected, abs=1e-15)
    assert len({value for value in expected if value}) > 0


def test_linear_and_exponential_gain_differ() -> None:
    """trec_eval's gain is the grade; 2^grade - 1 has its own spelling and another value."""
    linear, exponential = "nDCG@10", f"nDCG(dcg='{EXPONENTIAL}')@10"
    found = evaluate(RUN, QRELS, [linear, exponential])
    log3 = np.log2(3)
    assert found.values[linear][3] == pytest.approx((1 + 2 / 2) / (2 + 1 / log3))
    assert found.values[exponential][3] == pytest.approx((1 + 3 / 2) / (3 + 1 / log3))


def test_values_can_be_had_in_any_order_of_queries() -> None:
    """Alignment is by name; a query that was never judged has no value."""
    assert per_query(RUN, QRELS, "RR", queries=["q4", "q2", "q4"]).tolist() == [1, 0, 1]
    with pytest.raises(InputError, match=r"query is not judged.*'q5'"):
        per_query(RUN, QRELS, "RR", queries=["q1", "q5"])


def test_equal_ids_of_a_query_and_a_document_are_two_things() -> None:
    """Query ids that are also document ids mix nothing up."""
    assert evaluate(run_of_dict({"1": {"1": 1.0}, "2": {"1": 1.0}}), qrels_of_dict({"1": {"1": 1}, "2": {"2": 1}}),
                    ["RR"]).values["RR"].tolist() == [1, 0]


def test_nothing_in_common_is_zero_and_counted() -> None:
    """A run without judged queries scores 0 everywhere, all of them unanswered."""
    found = evaluate(run_of_dict({"z": {"a": 1.0}}), QRELS, ["AP", "nDCG@5"])
    assert found.mean("AP") == found.mean("nDCG@5") == 0
    assert len(found.unanswered) == 4


def test_an_empty_run_answers_nothing_and_empty_judgements_are_an_error() -> None:
    """No hit is a mean of 0; no judgement is no mean at all."""
    empty = Run.of([], [], [])
    assert len(evaluate(empty, QRELS, ["RR@10"]).unanswered) == 4
    with pytest.raises(InputError, match="no judgements"):
        evaluate(RUN, Qrels.of([], [], []), ["RR"])


def test_a_measure_of_two_runs_is_refused() -> None:
    """RBO has no value against judgements."""
    with pytest.raises(UsageError, match="RBO"):
        evaluate(RUN, QRELS, ["RBO"])


def test_a_repeated_pair_is_refused_and_named() -> None:
    """The last of two rows never wins in silence."""
    with pytest.raises(InputError, match=r"row 3: duplicate .*\('q', 'a'\)"):
        Run.of(["q", "q", "q"], ["a", "b", "a"], [1, 2, 3])


def test_the_summary_has_a_row_a_measure() -> None:
    """Mean, counts and the unjudged share, in the order asked for; a measure asked twice is one row."""
    rows = summarise(RUN, QRELS, ["RR", "nDCG@2", "RR"])
    assert [row.measure for row in rows] == ["RR", "nDCG@2"]
    assert rows[0][1:] == (0.5, 4, 1, 1, 1, None)
    assert rows[1].unjudged == 0.25
    found = evaluate(RUN, QRELS, ["RR"])
    assert rows_of(found)[0] == rows[0]
    assert per_query_rows(found)[:2] == [("RR", "q1", 1.0), ("RR", "q2", 0.0)]


def world(rng: np.random.Generator) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Judgements and hits with ties, unanswered, unjudged and hopeless queries."""
    docs = [f"d{number}" for number in range(60)]
    grades, scores = {}, {}
    for number in range(25):
        judged = rng.choice(docs, int(rng.integers(1, 30)), replace=False)
        levels = rng.integers(-1, 4, len(judged)).tolist()
        grades[f"q{number}"] = dict(zip(judged.tolist(), levels, strict=True))
        hits = rng.choice(docs, int(rng.integers(0, 50)), replace=False)
        scores[f"q{number + 3}"] = {str(doc): float(rng.integers(0, 9)) for doc in hits}
    return grades, scores


def test_an_order_of_ties_that_follows_the_file_would_be_seen() -> None:
    """Of five tied documents the last by id ranks first, for RR and RR@10 alike; the file's order would say 1/5."""
    run = Run.of(["q"] * 5, ["a", "b", "c", "d", "e"], [0.5] * 5)
    found = evaluate(run, qrels_of_dict({"q": {"e": 1}}), ["RR", "RR@10"])
    assert found.values["RR"].tolist() == found.values["RR@10"].tolist() == [1.0]
    as_in_the_file = Run.of(["q"] * 5, ["a", "b", "c", "d", "e"], [0.5, 0.4, 0.3, 0.2, 0.1])
    assert per_query(as_in_the_file, qrels_of_dict({"q": {"e": 1}}), "RR").tolist() == [0.2]


def test_a_run_is_its_own() -> None:
    """What the caller does later to the array of scores does not reach the run."""
    scores = np.array([2.0, 1.0])
    run = Run.of(["q", "q"], ["a", "b"], scores)
    scores[:] = 0.0
    assert run.score.tolist() == [2.0, 1.0]


def test_long_ids_meet(rng: np.random.Generator) -> None:
    """Ids longer than what is hashed, alike in their ends or their beginnings, still find only themselves."""
    ids = [start + "x" * 90 + end for start in ("a", "b", "") for end in ("1", "2")]
    run = run_of_dict({"q": {name: float(rank) for rank, name in enumerate(ids)}})
    for rank, name in enumerate(reversed(ids), start=1):
        assert per_query(run, qrels_of_dict({"q": {name: 1}}), "RR").tolist() == [1 / rank]


def test_the_same_call_gives_the_same_bytes() -> None:
    """Nothing is remembered from one call to the next, and the records stay as they were."""
    before = RUN.doc.tolist(), QRELS.relevance.tolist()
    first, second = (evaluate(RUN, QRELS, map(str, ONE_RUN)) for _ in range(2))
    assert all(first.values[name].tobytes() == second.values[name].tobytes() for name in first.values)
    assert (RUN.doc.tolist(), QRELS.relevance.tolist()) == before
