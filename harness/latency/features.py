"""The ten features of a request, in the one order that every surrogate reads them in.

Nine are known when the request arrives or is planned. Entropy and margin are known once the first stage has answered,
before the rerank, which is the work that can still be left undone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.columns import floats, same_length
from harness.errors import InputError, nearest
from harness.records import Floats

__all__ = ["CACHE", "FEATURES", "STATES", "RequestFeatures", "cache_codes", "checked_features", "checked_ms",
           "checked_row", "drawn_calibration", "states_of"]


class RequestFeatures(NamedTuple):
    """What is known of a request before its work is done.

    Attributes:
        length: Words of the query.
        entropy: Of the first stage's scores, as a share of its most, in [0, 1].
        margin: Between the first stage's two best scores, in the score's unit.
        ef: Candidates held while the graph is walked; 0 without a graph.
        topk: Hits asked of the first stage.
        spend: Candidates that are to be reranked.
        cache: 0 warm, 1 cold.
        size: Documents in the index.
        load: Requests in flight on arrival, this one among them.
        recent_p95: 95th percentile of the requests that finished before, in milliseconds.

    >>> RequestFeatures(4, 0.5, 0.1, 112, 100, 20, 0, 6222, 1, 1.3)._fields == FEATURES
    True
    """

    length: float
    entropy: float
    margin: float
    ef: float
    topk: float
    spend: float
    cache: float
    size: float
    load: float
    recent_p95: float


FEATURES = RequestFeatures._fields
CACHE = FEATURES.index("cache")
STATES = ("warm", "cold")
"""Of the cache, by the number that says it in the features."""


_CACHES = "warm or cold, or 0 or 1 (1 = cold)"


def checked_features(features: Any) -> Floats:
    """(n, 10) finite features, caches 0 or 1.

    Args:
        features: (n, 10) in the order of FEATURES, or a DataFrame, an Arrow table or a mapping with these ten columns
            in any order: those are taken by name.

    Raises:
        InputError: Another shape, a column that is missing or unknown, a feature that is no finite number, or a cache
            that is neither warm nor cold.

    >>> checked_features([[4, 0.5, 0.1, 112, 100, 20, 0, 6222, 1, 1.3]]).shape
    (1, 10)
    >>> row = RequestFeatures(4, 0.5, 0.1, 112, 100, 20, 0, 6222, 1, 1.3)._asdict()
    >>> checked_features({name: [row[name]] for name in sorted(row)}).tolist() == [list(row.values())]
    True
    """
    names = _names(features)
    try:
        found = np.ascontiguousarray(features if names is None else _columns(features, names), dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("not numbers", where="features", expected=", ".join(FEATURES)) from None
    if found.ndim != 2 or found.shape[1] != len(FEATURES):
        raise InputError("wrong shape", where="features", expected=f"(n, {len(FEATURES)}): {', '.join(FEATURES)}",
                         found=found.shape)
    good = np.isfinite(found)
    if not good.all():
        row, column = (int(at) for at in np.argwhere(~good)[0])
        raise InputError("not a finite number", where="features", row=row + 1, column=FEATURES[column],
                         expected="a number", found=float(found[row, column]))
    odd = (found[:, CACHE] != 0.0) & (found[:, CACHE] != 1.0)
    if odd.any():
        row = int(np.argmax(odd))
        raise InputError("no state of a cache", where="features", row=row + 1, column="cache", expected=_CACHES,
                         found=float(found[row, CACHE]))
    return found


def checked_row(row: Any) -> Floats:
    """(1, 10) checked features of one request: ten numbers in the order of FEATURES, or a mapping or Series by name.

    Raises:
        InputError: As `checked_features`.

    >>> checked_row(RequestFeatures(4, 0.5, 0.1, 112, 100, 20, 0, 6222, 1, 1.3)).shape
    (1, 10)
    """
    names = _names(row)
    return checked_features(np.asarray(row)[None] if names is None else {name: [row[name]] for name in names})


def cache_codes(states: Any, *, where: object = "features") -> Floats:
    """(n,) 0 for `warm` and 1 for `cold`, from these words or numbers. Truth values are refused: true of what?

    Raises:
        InputError: Anything else, the first row named.

    >>> cache_codes(["warm", "cold"]).tolist()
    [0.0, 1.0]
    """
    told = np.asarray(states)
    if told.dtype.kind in "iuf":
        return np.asarray(told, dtype=np.float64)
    codes = np.empty(len(told))
    for at, one in enumerate(told.tolist()):
        if isinstance(one, str) and one in STATES:
            codes[at] = STATES.index(one)
        elif isinstance(one, (int, float)) and not isinstance(one, bool):
            codes[at] = one
        else:
            raise InputError("no state of a cache", where=where, row=at + 1, column="cache", expected=_CACHES,
                             found=one)
    return codes


def _names(features: Any) -> list[str] | None:
    """Names of a table's columns or of a labelled row; None for plain numbers."""
    keys = getattr(features, "keys", None)
    found = keys() if callable(keys) else getattr(features, "column_names", None)
    return None if found is None else [str(name) for name in found]


def _columns(table: Any, names: list[str]) -> Floats:
    """(n, 10) of a table's columns, in the order of FEATURES."""
    lacking = [name for name in FEATURES if name not in names]
    unknown = [name for name in names if name not in FEATURES]
    if lacking or unknown:
        wrong, hint = (lacking[0], nearest(lacking[0], unknown)) if lacking else (unknown[0], None)
        raise InputError("missing columns" if lacking else "unknown columns", where="features",
                         column=", ".join(lacking or unknown), expected=", ".join(FEATURES), found=names,
                         hint=hint or (None if lacking else nearest(wrong, FEATURES)))
    columns = [cache_codes(table[name]) if name == "cache" else floats(table[name], name, "features")
               for name in FEATURES]
    same_length("features", **dict(zip(FEATURES, columns, strict=True)))
    return np.column_stack(columns)


def checked_ms(ms: ArrayLike, rows: int) -> Floats:
    """(rows,) finite milliseconds above 0.

    Raises:
        InputError: Another length, or a latency that is no finite number above 0.

    >>> checked_ms([1.5, 2], 2).tolist()
    [1.5, 2.0]
    """
    try:
        found = np.asarray(ms, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("not numbers", where="ms", expected="milliseconds") from None
    if found.shape != (rows,):
        raise InputError("wrong shape", where="ms", expected=f"{rows} latencies", found=found.shape)
    good = np.isfinite(found) & (found > 0.0)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError("not a latency", where="ms", row=row + 1, expected="a finite number above 0",
                         found=float(found[row]))
    return found


def states_of(features: Floats) -> NDArray[np.str_]:
    """(n,) `warm` or `cold`, of checked features (n, 10).

    >>> states_of(checked_features([[4, 0.5, 0.1, 112, 100, 20, 1, 6222, 1, 1.3]])).tolist()
    ['cold']
    """
    return np.array(STATES)[features[:, CACHE].astype(np.int64)]


def drawn_calibration(states: NDArray[np.str_], *, share: float = 0.5, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n,) true for a random `share` of each state's rows, rounded down: what calibrates, the rest being fitted on.

    >>> drawn_calibration(np.array(["warm", "cold"] * 5), rng=np.random.default_rng(1)).sum()
    np.int64(4)
    """
    chosen = np.zeros(len(states), dtype=np.bool_)
    for state in STATES:
        rows = np.flatnonzero(states == state)
        chosen[rng.permutation(rows)[: int(share * len(rows))]] = True
    return chosen
