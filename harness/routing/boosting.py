"""LightGBM held to what the teacher promises: monotone, one signal a tree, the same text on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.errors import InputError
from harness.records import Floats

__all__ = ["booster_of", "fitted_text", "scores_of", "steps_of"]

_QUIET: dict[str, Any] = {"verbosity": -1, "num_threads": 1}


def fitted_text(matrix: Floats, target: Floats, *, signs: tuple[int, ...], seed: int, trees: int, leaves: int,
                rate: float, bins: int) -> str:
    """LightGBM's text of a least-squares model of `target` (n,) over (n, F) signals, monotone by `signs` (F,)."""
    import lightgbm

    options = {**_QUIET, "objective": "regression", "deterministic": True, "force_row_wise": True, "seed": seed,
               "num_leaves": leaves, "learning_rate": rate, "min_data_in_leaf": max(5, min(100, len(matrix) // 20)),
               "lambda_l2": 10.0, "monotone_constraints": list(signs), "monotone_constraints_method": "basic",
               "interaction_constraints": [[place] for place in range(matrix.shape[1])]}
    data = lightgbm.Dataset(matrix, label=target, params={**_QUIET, "min_data_in_bin": 3, "max_bin": bins})
    text: str = lightgbm.train(options, data, num_boost_round=trees).model_to_string()
    return text


def booster_of(text: str, *, width: int, where: object) -> Any:
    """The model of a text. Raises InputError where it is cut, is no model, or asks for other than `width` signals."""
    import lightgbm

    if not text.startswith("tree\n") or "\nend of trees\n" not in text:
        raise InputError("not a whole LightGBM model", where=where, expected="text from 'tree' to 'end of trees'",
                         found=text[:40])
    try:
        made = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise InputError("LightGBM cannot read the model", where=where, found=str(error)) from None
    if made.num_feature() != width:
        raise InputError("the model reads other signals", where=where, expected=f"{width} signals",
                         found=made.num_feature())
    return made


def steps_of(booster: Any) -> tuple[tuple[float, ...], ...]:
    """(F,) of each signal, ascending, the values up to which (and beyond which) some tree answers differently."""
    found: list[set[float]] = [set() for _ in range(booster.num_feature())]
    nodes = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while nodes:
        node = nodes.pop()
        if "split_feature" in node:
            found[node["split_feature"]].add(float(node["threshold"]))
            nodes += [node["left_child"], node["right_child"]]
    return tuple(tuple(sorted(steps)) for steps in found)


def scores_of(booster: Any, matrix: Floats) -> Floats:
    """(n,) sums of leaf values of (n, F) signals; no rows, no values."""
    if not len(matrix):
        return np.empty(0, dtype=np.float64)
    return np.asarray(booster.predict(matrix, raw_score=True, num_threads=1), dtype=np.float64)
