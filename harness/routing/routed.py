"""What a router answers, and the checks of what it is asked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.errors import InputError, nearest
from harness.records import Floats

__all__ = ["MONOTONE", "OUTPUTS", "SPANS", "Monotone", "Routed", "checked_matrix", "checked_names", "signs_of"]

Monotone = Mapping[str, Mapping[str, int]]
OUTPUTS = ("tau", "spend", "gain")
MONOTONE: Monotone = {"tau": {"entropy": 1}, "spend": {"entropy": 1}, "gain": {"entropy": 1}}
SPANS = {"tau": (0.0, np.inf), "spend": (0.0, 1.0), "gain": (-1.0, 1.0)}


class Routed(NamedTuple):
    """A router's answer, each (n,) float64.

    Attributes:
        tau: nDCG units, ≥ 0: the gain below which a rerank of this request is not worth its price.
        spend: In [0, 1]: the chance that the gain exceeds `tau`.
        gain: nDCG units, in [-1, 1]: the gain that a rerank is expected to bring.
    """

    tau: Floats
    spend: Floats
    gain: Floats


def checked_names(names: Sequence[str], *, where: object) -> tuple[str, ...]:
    """Distinct, non-empty names of features, at least one. Raises InputError otherwise."""
    given = tuple(names) if isinstance(names, Sequence) and not isinstance(names, str) else ()
    if not given or any(not isinstance(name, str) or not name for name in given):
        raise InputError("not names of features", where=where, expected="one text a column, at least one", found=names)
    double = next((name for place, name in enumerate(given) if name in given[:place]), None)
    if double is not None:
        raise InputError("a feature is named twice", where=where, expected="each name once", found=double)
    return given


def checked_matrix(features: Any, names: Sequence[str], *, where: object) -> Floats:
    """`features` as contiguous (n, F) finite float64, F = len(names).

    Raises InputError naming row and column of what is wrong: absence is never a zero signal.
    """
    try:
        matrix = np.ascontiguousarray(features, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("features are not numbers", where=where, expected="(n, F) numbers", found=str(error)) from None
    if matrix.ndim != 2 or matrix.shape[1] != len(names):
        raise InputError("features have the wrong shape", where=where, expected=f"(n, {len(names)})",
                         found=matrix.shape)
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0].tolist()
        raise InputError("a signal is not finite", where=where, row=row + 1, column=names[column],
                         expected="a finite number", found=float(matrix[row, column]))
    return matrix


def signs_of(monotone: Monotone, names: Sequence[str], *, where: object) -> dict[str, tuple[int, ...]]:
    """Output → (F,) signs: +1 never falls as the feature grows, -1 never rises, 0 free.

    Raises InputError for an unknown output or feature, or a sign that is none. A promise about a feature that is not
    among `names` is an error too, save that of `MONOTONE` itself: a router without entropy promises nothing of it.
    """
    signs = {}
    for output, asked in monotone.items():
        if output not in OUTPUTS:
            raise InputError("no such output", where=where, expected=", ".join(OUTPUTS), found=output,
                             hint=nearest(str(output), OUTPUTS))
        for name, sign in asked.items():
            if name not in names and MONOTONE[output].get(name) != sign:
                raise InputError("no such feature", where=where, expected=", ".join(names), found=name,
                                 hint=nearest(str(name), names))
            if isinstance(sign, bool) or sign not in (-1, 0, 1):
                raise InputError("not a direction", where=where, column=name, expected="-1, 0 or 1", found=sign)
        signs[output] = tuple(int(asked.get(name, 0)) for name in names)
    return {output: signs.get(output, (0,) * len(names)) for output in OUTPUTS}
