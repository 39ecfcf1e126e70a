"""A two-layer perceptron over standardised features: scikit-learn fits it, numpy serves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats
from harness.reranking.files import read_array, read_json, write_array, write_json
from harness.reranking.options import flag, number, whole
from harness.reranking.protocols import SCORE, checked_features, checked_lists

__all__ = ["MlpReranker"]

_CONFIG = ("epochs", "hidden", "impl", "inputs", "penalty", "residual", "seed")
_ARRAYS = ("centre", "scale", "first_weights", "first_bias", "second_weights", "second_bias", "score_slope")


class MlpReranker:
    """Regress the grade on the features with one hidden layer of ReLUs; the prediction is the score.

    Args:
        seed: Of the initial weights and the batch order.
        hidden: Width of the hidden layer.
        epochs: Passes over the data; fixed, so that no row is kept back to stop by.
        penalty: L2 penalty on the weights.
        residual: True keeps a straight line on the first-stage score and fits the network to what it leaves.

    Fitted at one thread; scores are rounded to 9 decimals, so that a matrix product's blocking cannot order ties.
    """

    def __init__(self, *, seed: int = 42, hidden: int = 32, epochs: int = 20, penalty: float = 0.3,
                 residual: bool = False) -> None:
        self.seed, self.hidden = whole(seed, "seed", low=0), whole(hidden, "hidden")
        self.epochs, self.penalty = whole(epochs, "epochs"), number(penalty, "penalty")
        self.residual = flag(residual, "residual")
        self._weights: dict[str, NDArray[np.float64]] | None = None

    def fit(self, features: Any, labels: Any, groups: Any) -> Self:
        """Learn from (n, F) features and (n,) grades; `groups` are checked, the loss is by row."""
        matrix, label, _ = checked_lists(features, labels, groups)
        centre, spread = matrix.mean(axis=0), matrix.std(axis=0)
        scale = np.where(spread > 1e-9, spread, 1.0)
        inputs = (matrix - centre) / scale
        slope = _slope(inputs[:, SCORE], label) if self.residual else 0.0
        first, second = self._trained(inputs, label - label.mean() - slope * inputs[:, SCORE])
        self._weights = {"centre": centre, "scale": scale, "first_weights": first[0], "first_bias": first[1],
                         "second_weights": second[0].ravel(), "second_bias": second[1],
                         "score_slope": np.array([slope])}
        return self

    def scores(self, features: Any) -> Floats:
        """(n,) float64 predicted grades, up to a constant."""
        held = self._held()
        matrix = checked_features(features, width=len(held["centre"]))
        inputs = np.minimum(np.maximum((matrix - held["centre"]) / held["scale"], -8.0), 8.0)
        inner = np.maximum(inputs @ held["first_weights"] + held["first_bias"], 0.0)
        raw = inner @ held["second_weights"] + held["second_bias"] + held["score_slope"] * inputs[:, SCORE]
        return np.round(raw, 9)

    def save(self, folder: Path) -> None:
        """Write `mlp.json` and one .npy for each array."""
        held = self._held()
        write_json(folder / "mlp.json", {
            "impl": "mlp", "seed": self.seed, "hidden": self.hidden, "epochs": self.epochs, "penalty": self.penalty,
            "residual": self.residual, "inputs": len(held["centre"])})
        for name in _ARRAYS:
            write_array(folder / f"{name}.npy", held[name])

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; wrong shapes, missing or odd files are an `InputError`."""
        config = read_json(folder / "mlp.json", keys=_CONFIG)
        made = cls(**{key: config[key] for key in ("seed", "hidden", "epochs", "penalty", "residual")})
        inputs, hidden = whole(config["inputs"], "inputs"), made.hidden
        shapes = ((inputs,), (inputs,), (inputs, hidden), (hidden,), (hidden,), (1,), (1,))
        made._weights = {name: read_array(folder / f"{name}.npy", shape=shape)
                         for name, shape in zip(_ARRAYS, shapes, strict=True)}
        return made

    def _trained(self, inputs: NDArray[np.float64], target: NDArray[np.float64]) -> list[Any]:
        """[(weights, bias) of the hidden layer, (weights, bias) of the output], from `epochs` passes of Adam."""
        from sklearn.neural_network import MLPRegressor
        from threadpoolctl import threadpool_limits

        # Rows are shuffled here, once an epoch: done inside, batch by batch, it costs a third of the fit.
        model = MLPRegressor(hidden_layer_sizes=(self.hidden,), alpha=self.penalty, batch_size=min(256, len(inputs)),
                             random_state=self.seed, shuffle=False)
        rng, clipped = np.random.default_rng(self.seed), np.clip(inputs, -8.0, 8.0)
        with threadpool_limits(limits=1):
            for _ in range(self.epochs):
                order = rng.permutation(len(clipped))
                model.partial_fit(clipped[order], target[order])
        return list(zip(model.coefs_, model.intercepts_, strict=True))

    def _held(self) -> dict[str, NDArray[np.float64]]:
        if self._weights is None:
            raise InputError("the reranker is not fitted", where="mlp", expected="fit or load first")
        return self._weights


def _slope(score: NDArray[np.float64], label: NDArray[np.float64]) -> float:
    return float(score @ (label - label.mean()) / max(float(score @ score), 1e-9))
