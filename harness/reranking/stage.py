"""The reranking stage whole: features, model and margin behind one call per query, fitted and frozen together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from harness.errors import InputError
from harness.records import Floats
from harness.reranking.acceptance import cross_fitted_gaps, margin_for, with_margin
from harness.reranking.factory import load_reranker, make_reranker
from harness.reranking.features import feature_lists
from harness.reranking.files import read_json, write_json
from harness.reranking.options import number
from harness.reranking.protocols import Codes, FeatureSource, Reranker, rerank_order

__all__ = ["Lists", "RerankStage", "Reranked"]

_CONFIG = ("accept_share", "impl", "margin", "names", "options", "seed")


class Reranked(NamedTuple):
    """One query's hits in their new order.

    Attributes:
        codes: (n,) document codes, best first; the -1 of short lists are gone.
        scores: (n,) float64, descending (as float32, the order of `rerank_order`).
    """

    codes: Codes
    scores: Floats


class Lists(NamedTuple):
    """The first stage's lists of many queries, with grades to learn from.

    Attributes:
        texts: (n_queries,) queries.
        query_vectors: (n_queries, d).
        codes: For each query its candidates' codes, -1 for none; `scores` and `labels` (grades) go with them.
        scores: For each query the first-stage scores.
        labels: For each query the grades; 0 for unjudged.
        clusters: (n_queries,) such as modules: the margin is fitted across them.
        query_modules: (n_queries,) where the query's own module may be used; `rerank` must then be given it too.
    """

    texts: Sequence[str]
    query_vectors: Any
    codes: Sequence[Any]
    scores: Sequence[Any]
    labels: Sequence[Any]
    clusters: Sequence[str]
    query_modules: Sequence[str | None] | None = None

    def present(self) -> Lists:
        """Without the -1 that fill short lists, and without the queries that have nothing else."""
        places = [place for place, codes in enumerate(self.codes) if (np.asarray(codes) >= 0).any()]
        held = [np.asarray(self.codes[place]) >= 0 for place in places]

        def cut(columns: Sequence[Any]) -> list[Any]:
            return [np.asarray(columns[place])[mask] for place, mask in zip(places, held, strict=True)]

        modules = None if self.query_modules is None else [self.query_modules[place] for place in places]
        return Lists([self.texts[place] for place in places], np.asarray(self.query_vectors)[places],
                     cut(self.codes), cut(self.scores), cut(self.labels), [self.clusters[place] for place in places],
                     modules)


class RerankStage:
    """Features, model and margin.

    Args:
        source: Makes the features; not saved, since it is rebuilt from corpus and encoder.
        impl: `mlp`, `lambdamart` or `none`.
        seed: Of the fit.
        accept_share: About which share of queries may change their first hit (see `acceptance.margin_for`); None for
            no margin, every challenger that scores higher wins.
        options: To the reranker's constructor.
    """

    def __init__(self, source: FeatureSource, impl: str, *, seed: int = 42, accept_share: float | None = None,
                 **options: Any) -> None:
        self.source, self.impl, self.seed, self.options = source, impl, seed, options
        self.accept_share = None if accept_share is None else number(accept_share, "accept_share", high=1.0)
        self.margin = 0.0
        self.model: Reranker = make_reranker(impl, seed=seed, **options)

    def fit(self, lists: Lists) -> Self:
        """Learn from the first stage's lists of many queries; queries without candidates teach nothing."""
        taught = lists.present()
        features, sizes = feature_lists(self.source, taught.texts, taught.query_vectors, taught.codes, taught.scores,
                                        query_modules=taught.query_modules)
        label = np.concatenate([np.empty(0), *taught.labels])
        self.model.fit(features, label, sizes)
        if self.accept_share is not None:
            gaps = cross_fitted_gaps(self._fresh, features, label, sizes, taught.clusters)
            self.margin = margin_for(gaps, share=self.accept_share)
        return self

    def rerank(self, text: str, query_vector: Any, codes: Any, scores: Any,
               *, query_module: str | None = None) -> Reranked:
        """One query's candidates in their new order; no candidates, no hits."""
        code, score = _present(codes, scores)
        if not len(code):
            return Reranked(code, score)
        made = self.source.features(text, query_vector, code, score, query_module=query_module)
        new = with_margin(self.model.scores(made), score, code, margin=self.margin)
        order = rerank_order(new, code)
        return Reranked(code[order], new[order])

    def save(self, folder: Path) -> None:
        """Write `stage.json` and the model's files."""
        self.model.save(folder)
        write_json(folder / "stage.json", {"impl": self.impl, "seed": self.seed, "options": self.options,
                                           "accept_share": self.accept_share, "margin": self.margin,
                                           "names": list(self.source.names)})

    @classmethod
    def load(cls, folder: Path, source: FeatureSource) -> Self:
        """Read what `save` wrote; `source` must make the very columns that the model was fitted on."""
        config = read_json(folder / "stage.json", keys=_CONFIG)
        if config["names"] != list(source.names):
            raise InputError("the features are not the ones fitted on", where=folder / "stage.json",
                             expected=", ".join(config["names"]), found=", ".join(source.names))
        if not isinstance(config["impl"], str) or not isinstance(config["options"], dict):
            raise InputError("not a reranking stage", where=folder / "stage.json", expected="a name and its options",
                             found=[config["impl"], config["options"]])
        made = cls(source, config["impl"], seed=config["seed"], accept_share=config["accept_share"],
                   **config["options"])
        made.model, made.margin = load_reranker(config["impl"], folder), number(config["margin"], "margin")
        return made

    def _fresh(self) -> Reranker:
        return make_reranker(self.impl, seed=self.seed, **self.options)


def _present(codes: Any, scores: Any) -> tuple[Codes, Floats]:
    """Without the -1 that fill short lists."""
    code, score = np.asarray(codes, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    if code.ndim != 1 or code.shape != score.shape:
        raise InputError("candidates and scores differ in length", where="rerank", expected=f"{code.shape}",
                         found=score.shape)
    held = code >= 0
    return (code, score) if held.all() else (code[held], score[held])
