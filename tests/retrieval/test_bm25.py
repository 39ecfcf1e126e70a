"""BM25 and fusion: each meets its literal definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.data.store import sha256_tree
from harness.errors import InputError
from harness.retrieval.bm25 import Bm25
from harness.retrieval.hybrid import HybridRetriever, fuse
from harness.retrieval.protocols import Hits, Retriever
from harness.retrieval.texts import words

TEXTS = ["Sort an array in place.", "Solve a linear system.", "Sort the rows of a table by column labels.",
         "Inverse of a matrix; solve systems with it.", "Array of labels, array of rows.", "Sort sort sort."]


def literal(query, texts, *, k1, b):
    """The formula of the paper, word by word."""
    documents = [words(text) for text in texts]
    mean = sum(map(len, documents)) / len(documents)
    totals = []
    for document in documents:
        total = 0.0
        for word in words(query):
            df = sum(word in other for other in documents)
            tf = document.count(word)
            norm = k1 * (1 - b + b * len(document) / mean)
            total += math.log(1 + (len(documents) - df + 0.5) / (df + 0.5)) * tf * (k1 + 1) / (tf + norm) if tf else 0.0
        totals.append(total)
    return totals


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.5, 0.75), (0.0, 0.0)])
@pytest.mark.parametrize("query", ["sort rows", "solving linear systems", "array array label", "unknown"])
def test_scores_are_the_literal_formula(query, k1, b):
    """Without lead and pairs, every score is the paper's."""
    model = Bm25(k1=k1, b=b, lead=0).fit(TEXTS)
    want = literal(query, TEXTS, k1=k1, b=b)
    np.testing.assert_allclose(model.scores(query, np.arange(6)), want, rtol=1e-6)
    hits = model.retrieve([query], k=6)
    found = hits.codes[0][hits.codes[0] >= 0]
    assert sorted(found) == [code for code, score in enumerate(want) if score > 0]
    assert (np.diff(hits.scores[0][: len(found)]) <= 0).all()


def test_a_lead_word_counts_more():
    """The same word ranks its document higher from the first line than from the last."""
    texts = ["noise one two three four", "one two three four noise", "five six", "five seven"]
    flat = Bm25(lead=0).fit(texts).scores("noise", np.arange(2))
    lead = Bm25(lead=1).fit(texts).scores("noise", np.arange(2))
    assert flat[0] == flat[1]
    assert lead[0] > lead[1]


def test_pairs_reward_neighbours():
    """A phrase seen in two documents lifts the one that keeps its words together."""
    texts = ["linear system", "linear system solver", "system of linear", "graph", "tree"]
    assert Bm25(lead_weight=1.0).fit(texts).retrieve(["linear system"], k=3).codes[0, 0] == 0


def test_a_query_without_known_words_has_no_hits():
    """Nothing shared is no hit, not a hit of score zero."""
    hits = Bm25().fit(TEXTS).retrieve(["zzz", ""], k=3)
    assert (hits.codes == -1).all()
    assert np.isneginf(hits.scores).all()


def test_candidates_score_as_in_the_ranking_and_saving_repeats(tmp_path):
    """Scores of a candidate subset are the ranking's own; the saved model answers alike, from equal bytes."""
    model = Bm25().fit(TEXTS)
    assert isinstance(model, Retriever)
    hits = model.retrieve(["sort rows of an array"], k=4)
    assert (model.scores("sort rows of an array", hits.codes[0]) == np.maximum(hits.scores[0], 0)).all()
    model.save(tmp_path / "a")
    Bm25().fit(TEXTS).save(tmp_path / "b")
    assert sha256_tree(tmp_path / "a") == sha256_tree(tmp_path / "b")
    again = Bm25.load(tmp_path / "a").retrieve(["sort rows of an array"], k=4)
    assert (again.codes == hits.codes).all()
    assert (again.scores == hits.scores).all()


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (lambda: Bm25(b=2.0), "option out of range"),
        (lambda: Bm25().fit([]), "nothing to fit"),
        (lambda: Bm25().retrieve(["x"], k=1), "not fitted"),
        (lambda: Bm25().fit(TEXTS).retrieve("x", k=1), "one text where many"),
        (lambda: Bm25().fit(TEXTS).retrieve(["x"], k=0), "at least 1"),
        (lambda: Bm25().fit(TEXTS).scores("x", np.array([6])), "no such document"),
        (lambda: fuse([], k=1), "nothing to fuse"),
        (lambda: fuse([ranking([1])], k=1, weights=[0.0]), "weights do not fit"),
        (lambda: fuse([ranking([1]), ranking([1], [2])], k=1), "differ in queries"),
    ],
)
def test_wrong_use_is_one_line(action, says):
    """Each misuse is an input error that names what was expected."""
    with pytest.raises(InputError, match=says):
        action()


def ranking(*rows):
    codes = np.asarray(rows, dtype=np.int64)
    return Hits(codes, np.where(codes < 0, -np.inf, -np.arange(codes.shape[1])).astype(np.float32))


def test_fusion_is_the_literal_sum(rng):
    """Every fused score is the sum of reciprocal ranks over the rankings that hold the document."""
    rankings = [ranking(*[rng.permutation(12)[:6] for _ in range(5)]) for _ in range(3)]
    weights = [1.0, 0.5, 2.0]
    fused = fuse(rankings, k=20, weights=weights)
    for row in range(5):
        want: dict[int, float] = {}
        for weight, hits in zip(weights, rankings, strict=True):
            for rank, code in enumerate(hits.codes[row], start=1):
                want[code] = want.get(code, 0.0) + weight / (60 + rank)
        assert {code: pytest.approx(value) for code, value in want.items()} == {
            code: float(score) for code, score in zip(*(part[row] for part in fused), strict=True) if code >= 0}
        assert (np.diff(fused.scores[row][: len(want)]) <= 0).all()


def test_equal_sums_rank_the_higher_code_first():
    """Two documents at the same ranks tie, and the tie rule is the one of all hits."""
    assert fuse([ranking([1, 2]), ranking([2, 1])], k=2).codes.tolist() == [[2, 1]]


def test_empty_places_are_no_documents():
    """A leg without hits gives nothing, and does not invent document -1 or 0."""
    assert fuse([ranking([-1, -1]), ranking([5, -1])], k=2).codes.tolist() == [[5, -1]]


def test_one_leg_or_no_weight_on_the_other_is_that_leg():
    """Limit cases: fusing one ranking, or weighing the other zero within its depth, keeps the order."""
    first, second = ranking([3, 1, 2]), ranking([2, 3, 1])
    assert fuse([first], k=3).codes.tolist() == [[3, 1, 2]]
    assert fuse([first, second], k=3, weights=[1.0, 0.0]).codes.tolist() == [[3, 1, 2]]


def test_the_hybrid_asks_every_leg():
    """The retriever is its legs' rankings, fused."""
    legs = Bm25(lead=0).fit(TEXTS), Bm25(k1=2.0).fit(TEXTS)
    hybrid = HybridRetriever(legs, weights=(1.0, 0.3))
    want = fuse([leg.retrieve(TEXTS, k=100) for leg in legs], k=3, weights=(1.0, 0.3))
    assert (hybrid.retrieve(TEXTS, k=3).codes == want.codes).all()
