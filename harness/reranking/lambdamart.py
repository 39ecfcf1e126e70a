"""LambdaMART: LightGBM's boosted trees on nDCG's pairwise gradients, kept as LightGBM's own text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.data.store import atomic_write_text
from harness.errors import InputError
from harness.records import Floats
from harness.reranking.files import read_json, read_text, write_json
from harness.reranking.options import number, whole
from harness.reranking.protocols import checked_features, checked_lists

__all__ = ["LambdaMartReranker"]

_CONFIG = ("impl", "leaves", "rate", "seed", "trees")


class LambdaMartReranker:
    """Trees that order each query's list (Burges 2010), deterministic: one thread, row-wise histograms, seeded.

    Args:
        seed: Of every draw LightGBM makes.
        trees: Boosting rounds; fixed, so that no query is kept back to stop by.
        leaves: Leaves a tree.
        rate: Shrinkage of each tree.
    """

    def __init__(self, *, seed: int = 42, trees: int = 150, leaves: int = 7, rate: float = 0.1) -> None:
        self.seed, self.trees = whole(seed, "seed", low=0), whole(trees, "trees")
        self.leaves, self.rate = whole(leaves, "leaves", low=2), number(rate, "rate", high=1.0)
        self._text, self._booster = "", None

    def fit(self, features: Any, labels: Any, groups: Any) -> Self:
        """Learn from (n, F) features, (n,) whole grades and (n_queries,) list sizes."""
        import lightgbm

        matrix, label, sizes = checked_lists(features, labels, groups)
        if (label != np.rint(label)).any() or label.max() > 30:
            raise InputError("labels are not grades", where="lambdamart", expected="whole numbers from 0 to 30",
                             found=float(label.max()))
        data = lightgbm.Dataset(matrix.astype(np.float32), label=label, group=sizes, params=_QUIET, free_raw_data=True)
        booster = lightgbm.train(self._parameters(), data, num_boost_round=self.trees)
        return self._hold(booster.model_to_string())

    def scores(self, features: Any) -> Floats:
        """(n,) float64 sums of leaf values."""
        if self._booster is None:
            raise InputError("the reranker is not fitted", where="lambdamart", expected="fit or load first")
        matrix = checked_features(features, width=self._booster.num_feature())
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        return np.asarray(self._booster.predict(matrix, raw_score=True, num_threads=1), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write `lambdamart.json` and `lambdamart.txt` (LightGBM's text, byte for byte as it was fitted)."""
        if not self._text:
            raise InputError("the reranker is not fitted", where="lambdamart", expected="fit or load first")
        write_json(folder / "lambdamart.json", {"impl": "lambdamart", "seed": self.seed, "trees": self.trees,
                                                "leaves": self.leaves, "rate": self.rate})
        atomic_write_text(folder / "lambdamart.txt", self._text)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; a missing, cut or foreign file is an `InputError`."""
        config = read_json(folder / "lambdamart.json", keys=_CONFIG)
        made = cls(**{key: config[key] for key in ("seed", "trees", "leaves", "rate")})
        text = read_text(folder / "lambdamart.txt")
        if not text.startswith("tree\n") or "\nend of trees\n" not in text:
            raise InputError("not a whole LightGBM model", where=folder / "lambdamart.txt",
                             expected="text from 'tree' to 'end of trees'", found=text[:40])
        return made._hold(text)

    def _hold(self, text: str) -> Self:
        import lightgbm

        try:
            self._booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise InputError("LightGBM cannot read the model", where="lambdamart", found=str(error)) from None
        self._text = text
        return self

    def _parameters(self) -> dict[str, Any]:
        return {**_QUIET, "objective": "lambdarank", "deterministic": True, "force_row_wise": True,
                "seed": self.seed, "num_leaves": self.leaves, "learning_rate": self.rate, "min_data_in_leaf": 50,
                "lambda_l2": 5.0, "feature_fraction": 0.6, "lambdarank_truncation_level": 15}


_QUIET: dict[str, Any] = {"verbosity": -1, "num_threads": 1}
