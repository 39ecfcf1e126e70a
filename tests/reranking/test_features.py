"""Feature rows: what the columns mean, and that nothing in them knows a document by name or place."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from harness.errors import InputError
from harness.reranking.features import FeatureMaker, feature_lists
from harness.reranking.protocols import SCORE
from harness.reranking.vectors import VectorFeatures
from tests.reranking.shelf import Shelf

SHELF = Shelf()


def one(query: int = 0) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    lists = SHELF.lists
    return lists.texts[query], lists.query_vectors[query], lists.codes[query], lists.scores[query]


def column(name: str, rows: np.ndarray) -> np.ndarray:
    return rows[:, SHELF.maker.names.index(name)]


def test_columns_have_one_name_each():
    """As many distinct names as columns, the first stage's score first."""
    rows = SHELF.maker.features(*one())
    assert rows.dtype == np.float32
    assert rows.shape == (len(one()[2]), len(SHELF.maker.names))
    assert len(set(SHELF.maker.names)) == len(SHELF.maker.names)
    assert np.array_equal(rows[:, SCORE], one()[3].astype(np.float32))


def test_columns_equal_their_slow_definitions():
    """Cosine, bands, gaps, shares above and module shares, each from plain loops."""
    text, vector, codes, scores = one(4)
    rows = SHELF.maker.features(text, vector, codes, scores)
    cosine = [float(SHELF.vectors[c] @ vector) for c in codes]
    modules = [SHELF.modules[c] for c in codes]
    assert column("cosine", rows) == pytest.approx(cosine, abs=1e-5)
    bands = sum(column(name, rows) for name in SHELF.maker.names if name.startswith("band_"))
    assert bands == pytest.approx(cosine, abs=1e-5)
    assert column("distance", rows) == pytest.approx(
        [float(np.abs(SHELF.vectors[c] - vector).sum()) for c in codes], abs=1e-4)
    assert column("lexical", rows).tolist() == SHELF.lexical(text, codes).tolist()
    assert column("score_gap", rows) == pytest.approx([scores.max() - s for s in scores], abs=1e-6)
    assert column("score_above", rows) == pytest.approx([np.mean(scores > s) for s in scores], abs=1e-6)
    assert column("score_z", rows) == pytest.approx((scores - scores.mean()) / scores.std(), abs=1e-4)
    assert column("module_share", rows) == pytest.approx([modules.count(m) / len(modules) for m in modules])


def test_a_list_of_equals_has_no_spread():
    """Constant scores give z-scores, gaps and shares above of 0: nothing divides by zero."""
    text, vector, codes, _ = one()
    rows = SHELF.maker.features(text, vector, codes, np.ones(len(codes)))
    assert not column("score_z", rows).any()
    assert not column("score_gap", rows).any()
    assert np.isfinite(rows).all()


def test_one_candidate_and_none():
    """A single candidate has finite features; no candidate gives no row."""
    text, vector, codes, scores = one()
    assert np.isfinite(SHELF.maker.features(text, vector, codes[:1], scores[:1])).all()
    assert SHELF.maker.features(text, vector, [], []).shape == (0, len(SHELF.maker.names))


def test_a_query_without_words_is_no_error():
    """An empty query shares nothing with anybody."""
    rows = SHELF.maker.features("", *one()[1:])
    assert not column("body_recall", rows).any()
    assert np.isfinite(rows).all()


def test_module_counts_only_where_it_is_given():
    """`same_module` is 0 throughout unless the caller passes the query's module: in known_item it would leak."""
    codes, module = one()[2], SHELF.modules[one()[2][0]]
    assert not column("same_module", SHELF.maker.features(*one())).any()
    told = column("same_module", SHELF.maker.features(*one(), query_module=module))
    assert told.tolist() == [float(SHELF.modules[code] == module) for code in codes]
    with pytest.raises(InputError, match=r"no such module.*nearest: lib\.sort"):
        SHELF.maker.features(*one(), query_module="lib.sorrt")


def test_features_do_not_know_which_document_it_is():
    """The same documents under other codes have the same rows: nothing can be learnt by heart."""
    turn = np.random.default_rng(0).permutation(48)
    place = np.argsort(turn)
    texts, titles, modules = ([column[i] for i in turn] for column in (SHELF.texts, SHELF.titles, SHELF.modules))

    def lexical(text, codes):
        return SHELF.lexical(text, turn[codes])

    other = FeatureMaker(texts, titles, modules, SHELF.vectors[turn], lexical=lexical)
    text, vector, codes, scores = one(7)
    assert np.allclose(other.features(text, vector, place[codes], scores),
                       SHELF.maker.features(text, vector, codes, scores), atol=1e-5)


def test_inputs_are_left_as_they_were():
    """No argument is written to."""
    text, vector, codes, scores = one()
    kept = vector.copy(), codes.copy(), scores.copy()
    SHELF.maker.features(text, vector, codes, scores)
    assert all(np.array_equal(a, b) for a, b in zip(kept, (vector, codes, scores), strict=True))


@pytest.mark.parametrize(("change", "says"), [
    ({"codes": [1, 1]}, "distinct codes"),
    ({"codes": [-1, 1]}, "distinct codes"),
    ({"codes": [1, 48]}, "from 0 to 47"),
    ({"codes": [1]}, "differ in length"),
    ({"scores": [0.1, np.nan]}, "row 2: a first-stage score is not finite"),
    ({"query_vector": np.zeros(3)}, "expected 16 finite numbers"),
    ({"query_vector": np.full(16, np.nan)}, "expected 16 finite numbers"),
])
@pytest.mark.parametrize("source", [SHELF.maker, VectorFeatures(SHELF.vectors)], ids=["full", "vectors"])
def test_bad_candidates_are_refused(source, change, says):
    """Doubled, unknown, missing and NaN candidates are one-line errors in either source."""
    call = {"query_vector": one()[1], "codes": [1, 2], "scores": [0.2, 0.1]} | change
    with pytest.raises(InputError, match=says):
        source.features("sort", **call)


@pytest.mark.parametrize("returned", [[1.0], [1.0, np.nan]])
def test_a_broken_lexical_scorer_is_refused(returned):
    """A scorer that answers short or with NaN stops the query; it does not become a zero."""
    maker = FeatureMaker(SHELF.texts, SHELF.titles, SHELF.modules, SHELF.vectors, lexical=lambda *_: returned)
    with pytest.raises(InputError, match="lexical scores are wrong; expected 2 finite numbers"):
        maker.features("sort", one()[1], [1, 2], [0.2, 0.1])


def test_uneven_corpus_is_refused():
    """Texts, titles, modules and vectors describe the same documents."""
    with pytest.raises(InputError, match="corpus columns differ"):
        FeatureMaker(SHELF.texts[:-1], SHELF.titles, SHELF.modules, SHELF.vectors, lexical=SHELF.lexical)


def test_many_queries_are_one_after_another():
    """The batch is the queries' own rows, stacked, with their sizes; no query, no row."""
    lists = SHELF.lists
    rows, sizes = feature_lists(SHELF.maker, lists.texts, lists.query_vectors, lists.codes, lists.scores)
    assert sizes.tolist() == [len(codes) for codes in lists.codes]
    assert np.array_equal(rows[:sizes[0]], SHELF.maker.features(*one()))
    assert feature_lists(SHELF.maker, [], [], [], [])[0].shape == (0, len(SHELF.maker.names))


def test_bytes_do_not_depend_on_the_hash_seed():
    """Two processes with different string hashing make the same features, byte for byte."""
    code = ("import sys, hashlib; from tests.reranking.test_features import digest; print(digest())")
    seen = {subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
                           capture_output=True, text=True).stdout for seed in ("1", "2")}
    assert len(seen) == 1


def digest() -> str:
    return hashlib.sha256(SHELF.maker.features(*one()).tobytes()).hexdigest()


def test_vectors_alone_hold_products_and_distances():
    """The vectors-only source is score, cosine, and the leading coordinates' products and distances."""
    source = VectorFeatures(SHELF.vectors, leading=4)
    text, vector, codes, scores = one()
    rows = source.features(text, vector, codes, scores, query_module="anything")
    near = SHELF.vectors[codes]
    assert rows.shape == (len(codes), 10) == (len(codes), len(source.names))
    assert np.allclose(rows[:, 1], near @ vector, atol=1e-6)
    assert np.allclose(rows[:, 2:6], near[:, :4] * vector[:4], atol=1e-6)
    assert np.allclose(rows[:, 6:], np.abs(near[:, :4] - vector[:4]), atol=1e-6)
