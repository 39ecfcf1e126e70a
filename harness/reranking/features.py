"""Features of (query, candidate) pairs: vectors, words, and the company a candidate keeps in its list.

Nothing in a row names a document, so links that cross from the fit fold to the judged one teach nothing by heart.
Candidates are worked on in code order and handed back in the order given: a shuffled list gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.spelling import compounds_of
from harness.errors import InputError, nearest
from harness.reranking.fields import TermFields, WordScores
from harness.reranking.protocols import Codes, FeatureSource, Matrix
from harness.reranking.terms import TermReader
from harness.reranking.vectors import band_edges, checked_list, softmax

__all__ = ["FeatureMaker", "Lexical", "feature_lists"]

Lexical = Callable[[str, Codes], Any]

_FLAT = 1e-12  # a spread that is none
_PAIR = ("score", "cosine", "distance", "lexical")
_LIST = ("gap", "z", "above")
_COMPANY = ("centroid", "centroid_gap", "module_share", "module_weight", "family_share", "family_weight",
            "same_module")
_QUERY = ("query_weight", "score_spread", "lexical_best")


class FeatureMaker:
    """Lexical, vector and list features over one corpus, everything about documents precomputed.

    Args:
        texts: (n,) indexed bodies.
        titles: (n,) path words, the document's own name last; all words but the last make its family (a class).
        modules: (n,) names; a candidate's module counts by how many of its list share it.
        vectors: (n, d) L2-normalised.
        lexical: (text, codes) → (len(codes),) scores such as BM25; or its terms and weights, looked up in one go.
        summaries: (n,) first lines; the texts' first 160 letters where not given.

    `query_module` of `features` marks candidates of the query's own module (the checklist's same-article filter). Pass
    it where the query's page is known, as in see_also; in known_item it would give the target away, so leave it
    None: the column is then 0 throughout.

    >>> maker = FeatureMaker(["sort rows", "solve it"], ["lib sort", "lib solve"], ["lib", "lib"], np.eye(2),
    ...                      lexical=lambda text, codes: np.zeros(len(codes)))
    >>> rows = maker.features("sort", [1.0, 0.0], [1, 0], [0.1, 0.9])
    >>> rows[:, maker.names.index("title_recall")].tolist()
    [0.0, 1.0]
    """

    def __init__(self, texts: Sequence[str], titles: Sequence[str], modules: Sequence[str], vectors: Any,
                 *, lexical: Lexical | WordScores, summaries: Sequence[str] | None = None) -> None:
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if self._vectors.ndim != 2 or not len(texts) == len(titles) == len(modules) == len(self._vectors):
            raise InputError("corpus columns differ in length", where="features", expected="one row a document",
                             found=[len(texts), len(titles), len(modules), *self._vectors.shape])
        lines = summaries if summaries is not None else [text[:160] for text in texts]
        reader = TermReader(compounds=compounds_of(texts))  # as the first stage reads them: off the indexed bodies
        self._lexical = lexical if callable(lexical) else None
        self._fields = TermFields({"title": (titles, "words"), "summary": (lines, "words"), "body": (texts, "words"),
                                   "name": (titles, "grams"), "phrase": (lines, "pairs")}, reader,
                                  scores=None if callable(lexical) else lexical)
        known, module = np.unique(np.asarray(modules, dtype=str), return_inverse=True)
        self._modules = {name: code for code, name in enumerate(known.tolist())}
        families = [f"{module} {title.rpartition(' ')[0]}" for module, title in zip(modules, titles, strict=True)]
        family = np.unique(np.asarray(families, dtype=str), return_inverse=True)[1]
        self._labels = np.stack([module, family])
        self._bands = band_edges(self._vectors.shape[1])
        self.names = self._column_names()
        recall, bands = len(self._fields.names), len(self._bands)
        shares = len(_PAIR) + bands
        ranked = shares + 2 * recall
        self._ranked = [0, 1, 3, *range(shares, shares + recall + 2)]
        self._starts = len(_PAIR), shares, ranked, ranked + len(_LIST) * len(self._ranked)

    def features(self, text: str, query_vector: Any, codes: Any, scores: Any,
                 *, query_module: str | None = None) -> Matrix:
        """(n_candidates, n_features) float32 of one query; column 0 is the first-stage score.

        Args:
            text: The query.
            query_vector: (d,) its vector.
            codes: (n_candidates,) distinct document codes, in any order; drop the -1 of short lists first.
            scores: (n_candidates,) finite first-stage scores.
            query_module: The query's own module where that does not leak; must be a module of the corpus.
        """
        query, given, score = checked_list(self._vectors, query_vector, codes, scores)
        made = np.empty((len(given), len(self.names)), dtype=np.float32)
        if given.size:
            order = given.argsort()
            made[order] = self._columns(text, query, given[order], score[order], self._module_code(query_module)).T
        return made

    def _columns(self, text: str, query: NDArray[np.float32], codes: Codes, scores: NDArray[np.float64],
                 own: int) -> NDArray[np.float64]:
        """(n_features, n_candidates) of candidates in code order, block by block as in `names`."""
        overlap, found = self._fields.overlap(text, codes), self._vectors.take(codes, axis=0)
        lexical = overlap.scores if self._lexical is None else _checked(self._lexical(text, codes), codes)
        made = np.empty((len(self.names), len(codes)), dtype=np.float64)
        pair, shares, ranked, company = self._starts
        made[0], made[3] = scores, lexical
        made[1], made[2], made[pair:shares] = self._nearness(found, query)
        made[shares:ranked] = overlap.shares
        _within_list(made.take(self._ranked, axis=0), made[ranked:company])
        spread = self._company(found, codes, scores, own, made[company:-3])
        made[-3], made[-2], made[-1] = overlap.weight, spread, np.maximum.reduce(lexical)
        return made

    def _nearness(self, found: NDArray[np.float32], query: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
        """Cosine and city-block distance, (n,) each, and the (n_bands, n) parts of the cosine."""
        apart = np.empty((2, *found.shape), dtype=np.float32)
        np.multiply(found, query, out=apart[0])
        np.subtract(found, query, out=apart[1])
        np.abs(apart[1], out=apart[1])
        cosine, distance = np.add.reduce(apart, axis=2, dtype=np.float64)
        return cosine, distance, np.add.reduceat(apart[0], self._bands, axis=1).T

    def _company(self, found: NDArray[np.float32], codes: Codes, scores: NDArray[np.float64], own: int,
                 out: NDArray[np.float64]) -> float:
        """Likeness to the centre of the best hits, how many and how good hits share module and family; the spread."""
        away = scores - np.add.reduce(scores) / len(scores)
        spread = sqrt(np.add.reduce(away * away) / len(scores))
        weights = softmax(away / (spread if spread > _FLAT else inf), sharpness=2.0)
        centre = weights.astype(np.float32) @ found
        out[0] = found @ centre
        out[0] /= max(float(np.sqrt(centre @ centre)), 1e-9)
        np.subtract(np.maximum.reduce(out[0]), out[0], out=out[1])
        labels = self._labels.take(codes, axis=1)
        same = (labels[:, :, None] == labels[:, None, :]).astype(np.float64)
        np.divide(np.add.reduce(same, axis=1), len(codes), out=out[2:6:2])
        out[3:6:2] = same @ weights
        out[6] = labels[0] == own
        return spread

    def _module_code(self, module: str | None) -> int:
        if module is None:
            return -1
        if module not in self._modules:
            raise InputError("no such module", where="features", expected="a module of the corpus", found=module,
                             hint=nearest(module, list(self._modules)))
        return self._modules[module]

    def _column_names(self) -> tuple[str, ...]:
        fields = self._fields.names
        recall, precision = [f"{field}_recall" for field in fields], [f"{field}_precision" for field in fields]
        ranked = ["score", "cosine", "lexical", *recall, *precision[:2]]
        return (*_PAIR, *(f"band_{start}" for start in self._bands), *recall, *precision,
                *(f"{name}_{kind}" for kind in _LIST for name in ranked), *_COMPANY, *_QUERY)


def feature_lists(source: FeatureSource, texts: Sequence[str], query_vectors: Any, codes: Sequence[Any],
                  scores: Sequence[Any], *, query_modules: Sequence[str | None] | None = None) -> tuple[Matrix, Codes]:
    """Features of many queries for a fit: ((n_rows, n_features), (n_queries,) list sizes), lists one after another."""
    modules = query_modules if query_modules is not None else [None] * len(texts)
    lists = [source.features(text, vector, code, score, query_module=module) for text, vector, code, score, module
             in zip(texts, query_vectors, codes, scores, modules, strict=True)]
    sizes = np.array([len(rows) for rows in lists], dtype=np.int64)
    return np.vstack([np.empty((0, len(source.names)), dtype=np.float32), *lists]), sizes


def _checked(scores: Any, codes: Codes) -> NDArray[np.float64]:
    lexical = np.asarray(scores, dtype=np.float64)
    if lexical.shape != codes.shape or not np.isfinite(lexical).all():
        raise InputError("lexical scores are wrong", where="features", expected=f"{len(codes)} finite numbers",
                         found=lexical.tolist())
    return lexical


def _within_list(columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """For each of (k, n) columns: the gap to the list's best, the z-score, the share of the list strictly above."""
    width, size = columns.shape
    rows = columns.T.copy()  # row after row, as sums down a list are added
    np.subtract(np.maximum.reduce(columns, axis=1)[:, None], columns, out=out[:width])
    away = rows - np.add.reduce(rows, axis=0) / size
    spread = np.sqrt(np.add.reduce(away * away, axis=0) / size)
    spread[spread <= _FLAT] = inf
    np.divide(away.T, spread[:, None], out=out[width:2 * width])
    above = (rows[:, :, None] > columns).view(np.uint8)
    counts = np.add.reduce(above, axis=0, dtype=np.uint8 if size < 256 else np.int64)  # a byte holds a short list
    np.divide(counts, size, out=out[2 * width:])
