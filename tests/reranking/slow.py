"""The features as they are defined, one plain step after another: what the fast ones must equal, to the bit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from harness.data.spelling import compounds_of, folded, singular
from harness.reranking.vectors import band_edges

FIELDS = (("title", "titles", "words"), ("summary", "lines", "words"), ("body", "texts", "words"),
          ("name", "titles", "grams"), ("phrase", "lines", "pairs"))


@dataclass(frozen=True)
class Slow:
    """The corpus, as `FeatureMaker` is given it; `lexical` scores candidates."""

    texts: list[str]
    titles: list[str]
    modules: list[str]
    vectors: Any
    lexical: Any

    @property
    def lines(self) -> list[str]:
        return [text[:160] for text in self.texts]

    @cached_property
    def compounds(self) -> dict[str, tuple[str, ...]]:
        return compounds_of(self.texts)

    @cached_property
    def held(self) -> list[list[list[str]]]:
        """Document by document the terms of each field."""
        return [[self.terms(getattr(self, column)[place], kind) for _, column, kind in FIELDS]
                for place in range(len(self.texts))]

    @cached_property
    def idf(self) -> dict[str, np.float32]:
        found: dict[str, int] = {}
        for fields in self.held:
            for term in {term for terms in fields for term in terms}:
                found[term] = found.get(term, 0) + 1
        return {term: np.float32(np.log1p(len(self.texts) / count)) for term, count in found.items()}

    def terms(self, text: str, kind: str) -> list[str]:
        found = re.findall("[a-z]+|[0-9]+", folded(text))
        parts = [part for word in found for part in self.compounds.get(singular(word), (word,))]
        if kind == "grams":
            made = [f"#{f'{word} '[start:end]}" for word in parts
                    for start, end in [(0, 2), *((at, at + 3) for at in range(len(word) - 1))]]
        else:
            bare = [word[:-1] if len(word) > 3 and re.search("[^s]s$", word) else word for word in parts]
            made = [word[:6] for word in bare]
            made = [" ".join(two) for two in pairwise(made)] if kind == "pairs" else made
        return list(dict.fromkeys(made))

    def weight(self, terms: list[str]) -> float:
        """Float32, as NumPy adds; terms of no document weigh log(1 + n)."""
        known = np.array([self.idf[term] for term in terms if term in self.idf], dtype=np.float32)
        return float(known.sum() + np.log1p(len(self.texts)).item() * (len(terms) - len(known)))

    def overlap(self, text: str, code: int) -> tuple[list[float], list[float]]:
        recall, precision = [], []
        for (_, _, kind), held in zip(FIELDS, self.held[code], strict=True):
            asked = self.terms(text, kind)
            shared = sum(float(self.idf[term]) for term in held if term in set(asked))
            recall.append(min(shared / max(self.weight(asked), 1e-9), 1.0))
            precision.append(min(shared / max(sum(float(self.idf[term]) for term in held), 1e-9), 1.0))
        return recall, precision

    def features(self, text: str, query: Any, given: Any, first: Any, module: str | None) -> Any:
        order = np.argsort(given)
        codes, scores = np.asarray(given)[order], np.asarray(first, dtype=np.float64)[order]
        found = self.vectors[codes]
        cosine = np.array([(row * query).sum(dtype=np.float64) for row in found])
        distance = np.array([np.abs(row - query).sum(dtype=np.float64) for row in found])
        lexical = np.asarray(self.lexical(text, codes), dtype=np.float64)
        shares = [self.overlap(text, code) for code in codes]
        recall, precision = (np.array(one) for one in zip(*shares, strict=True))
        ranked = np.column_stack([scores, cosine, lexical, recall, precision[:, :2]])
        gap = ranked.max(axis=0) - ranked
        above = np.array([[(column > value).mean() for value in column] for column in ranked.T]).T
        bands = np.add.reduceat(found * query, band_edges(len(query)), axis=1)
        words = self.terms(text, "words")
        wide = np.tile([self.weight(words) / max(len(words), 1), scores.std(), lexical.max()], (len(codes), 1))
        rows = np.column_stack([scores, cosine, distance, lexical, bands, recall, precision, gap, z(ranked), above,
                                self.company(found, codes, scores, module), wide])
        return rows[np.argsort(order)].astype(np.float32)

    def company(self, found: Any, codes: Any, scores: Any, module: str | None) -> Any:
        raised = np.exp(2.0 * (z(scores) - z(scores).max()))
        weights = raised / raised.sum()
        centre = weights.astype(np.float32) @ found
        near = (found @ centre).astype(np.float64) / max(float(np.linalg.norm(centre)), 1e-9)
        columns = [near, near.max() - near]
        modules = np.array([self.modules[code] for code in codes])
        families = np.array([f"{self.modules[code]} {self.titles[code].rpartition(' ')[0]}" for code in codes])
        for label in (modules, families):
            same = label[:, None] == label
            columns += [same.mean(axis=1), same @ weights]
        return np.column_stack([*columns, modules == module if module is not None else np.zeros(len(codes))])


def z(columns: Any) -> Any:
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
