"""Features of (query, candidate) pairs: vectors, words, and the company a candidate keeps in its list.

Nothing in a row names a document, so links that cross from the fit fold to the judged one teach nothing by heart.
Candidates are worked on in code order and handed back in the order given: a shuffled list gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.spelling import compounds_of
from harness.errors import InputError, nearest
from harness.reranking.fields import TermFields, grams, pairs, words
from harness.reranking.protocols import Codes, FeatureSource, Matrix
from harness.reranking.vectors import band_edges, checked_list, softmax

__all__ = ["FeatureMaker", "Lexical", "feature_lists"]

Lexical = Callable[[str, Codes], Any]
Columns = list[NDArray[np.float64]]

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
        lexical: (text, codes) → (len(codes),) scores such as BM25.
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
                 *, lexical: Lexical, summaries: Sequence[str] | None = None) -> None:
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if self._vectors.ndim != 2 or not len(texts) == len(titles) == len(modules) == len(self._vectors):
            raise InputError("corpus columns differ in length", where="features", expected="one row a document",
                             found=[len(texts), len(titles), len(modules), *self._vectors.shape])
        lines = summaries if summaries is not None else [text[:160] for text in texts]
        split = compounds_of(texts)  # as the first stage reads them: off the indexed bodies
        word, piece, pair = (partial(cut, compounds=split) for cut in (words, grams, pairs))
        self._fields = TermFields({"title": (titles, word), "summary": (lines, word), "body": (texts, word),
                                   "name": (titles, piece), "phrase": (lines, pair)})
        self._modules, self._module = np.unique(np.asarray(modules, dtype=str), return_inverse=True)
        families = [f"{module} {title.rpartition(' ')[0]}" for module, title in zip(modules, titles, strict=True)]
        self._family = np.unique(np.asarray(families, dtype=str), return_inverse=True)[1]
        self._bands = band_edges(self._vectors.shape[1])
        self._lexical = lexical
        self.names = self._column_names()

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
        if not given.size:
            return np.empty((0, len(self.names)), dtype=np.float32)
        order = np.argsort(given)
        rows = self._rows(text, query, given[order], score[order], self._module_code(query_module))
        made = np.empty((len(given), len(self.names)), dtype=np.float32)
        made[order] = rows
        return made

    def _rows(self, text: str, query: NDArray[np.float32], codes: Codes, scores: NDArray[np.float64],
              own: int) -> NDArray[np.float64]:
        found = self._vectors[codes]
        products = found * query
        cosine = products.sum(axis=1, dtype=np.float64)
        distance = np.abs(found - query).sum(axis=1, dtype=np.float64)
        lexical = np.asarray(self._lexical(text, codes), dtype=np.float64)
        if lexical.shape != codes.shape or not np.isfinite(lexical).all():
            raise InputError("lexical scores are wrong", where="features", expected=f"{len(codes)} finite numbers",
                             found=lexical.tolist())
        overlap = self._fields.overlap(text, codes)
        shared = np.column_stack([overlap.recall, overlap.precision])
        ranked = np.column_stack([scores, cosine, lexical, overlap.recall, overlap.precision[:, :2]])
        company = self._company(found, codes, scores, own)
        query_wide = np.broadcast_to([overlap.weight, scores.std(), lexical.max()], (len(codes), 3))
        bands = np.add.reduceat(products, self._bands, axis=1)
        return np.column_stack([scores, cosine, distance, lexical, bands, shared, *_within_list(ranked), *company,
                                query_wide])

    def _company(self, found: NDArray[np.float32], codes: Codes, scores: NDArray[np.float64], own: int) -> Columns:
        """Likeness to the centre of the best hits, and how many and how good hits share module and family."""
        weights = softmax(_z(scores), sharpness=2.0)
        centre = weights.astype(np.float32) @ found
        centroid = (found @ centre).astype(np.float64) / max(float(np.linalg.norm(centre)), 1e-9)
        columns = [centroid, centroid.max() - centroid]
        for label in (self._module[codes], self._family[codes]):
            same = label[:, None] == label
            columns += [same.mean(axis=1), same @ weights]
        return [*columns, (self._module[codes] == own).astype(np.float64)]

    def _module_code(self, module: str | None) -> int:
        if module is None:
            return -1
        place = int(np.searchsorted(self._modules, module))
        if place == len(self._modules) or self._modules[place] != module:
            known = self._modules.tolist()
            raise InputError("no such module", where="features", expected="a module of the corpus", found=module,
                             hint=nearest(module, known))
        return place

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


def _within_list(columns: NDArray[np.float64]) -> Columns:
    """For each column: the gap to the list's best, the z-score, and the share of the list that is strictly above."""
    gap = columns.max(axis=0) - columns
    above = (columns[:, None, :] > columns[None, :, :]).mean(axis=0)
    return [gap, _z(columns), above]


def _z(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard scores within the list; 0 where all are equal."""
    spread = columns.std(axis=0)
    standard: NDArray[np.float64] = (columns - columns.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
    return standard
