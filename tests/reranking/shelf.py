"""A small library with a known answer: words tell what is relevant, the vectors only which topic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harness.reranking.features import FeatureMaker
from harness.reranking.stage import Lists

TOPICS = ("sort order rank", "matrix solve linear", "random draw sample", "signal filter window", "table column join",
          "image edge mask")
THINGS = ("stable", "banded", "normal", "median", "outer", "sparse", "circular", "lazy")


@dataclass(frozen=True)
class Shelf:
    """48 documents, 6 topics by 8 things; a query asks for a thing, and its list holds one topic and strays."""

    seed: int = 3
    queries: int = 60

    @cached_property
    def titles(self) -> list[str]:
        return [f"lib {topic.split()[0]} {thing}" for topic in TOPICS for thing in THINGS]

    @cached_property
    def texts(self) -> list[str]:
        return [f"{title} a {thing} way to {topic}" for title, (topic, thing)
                in zip(self.titles, ((topic, thing) for topic in TOPICS for thing in THINGS), strict=True)]

    @cached_property
    def modules(self) -> list[str]:
        return [title.rpartition(" ")[0].replace(" ", ".") for title in self.titles]

    @cached_property
    def vectors(self) -> Any:
        rng = np.random.default_rng(self.seed)
        centres = np.repeat(rng.normal(size=(len(TOPICS), 16)), len(THINGS), axis=0)
        drawn = centres + 0.6 * rng.normal(size=(48, 16))
        return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)

    def lexical(self, text: str, codes: Any) -> Any:
        asked = set(text.split())
        return np.array([len(asked & set(self.texts[code].split())) for code in codes], dtype=np.float64)

    @cached_property
    def maker(self) -> FeatureMaker:
        return FeatureMaker(self.texts, self.titles, self.modules, self.vectors, lexical=self.lexical)

    @cached_property
    def lists(self) -> Lists:
        """Each query names a thing and a topic; grade 2 for both, 1 for the same thing elsewhere; 12 candidates."""
        rng = np.random.default_rng(self.seed + 1)
        texts, vectors, codes, scores, labels = [], [], [], [], []
        for _ in range(self.queries):
            target = int(rng.integers(48))
            vector = self.vectors[target] + 0.5 * rng.normal(size=16)
            vector = (vector / np.linalg.norm(vector)).astype(np.float32)
            similar = self.vectors @ vector
            others = np.argsort(-similar)[:11].tolist()
            code = rng.permutation([target, *[c for c in others if c != target]][:12])
            texts.append(f"the {THINGS[target % 8]} {TOPICS[target // 8].split()[1]}")
            vectors.append(vector)
            codes.append(code.astype(np.int64))
            scores.append(similar[code].astype(np.float64))
            labels.append(np.where(code == target, 2, (code % 8 == target % 8).astype(int)))
        clusters = [f"cluster {place % 10}" for place in range(self.queries)]
        return Lists(texts, np.array(vectors), codes, scores, labels, clusters)


def first_grade(order_scores: list[Any], labels: list[Any]) -> float:
    """Mean grade of the hit that scores highest."""
    return float(np.mean([label[int(np.argmax(score))] for score, label in zip(order_scores, labels, strict=True)]))


def split(values: Any, sizes: Any) -> list[Any]:
    """A flat array cut into its lists."""
    return np.split(values, np.cumsum(sizes)[:-1])
