"""What every estimator asks of its arguments, said as parameter, index, value and bound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError

__all__ = ["LARGEST", "Floats", "Labels", "count", "labels", "level", "numbers", "same_length", "share", "span",
           "zero_one"]

Floats = NDArray[np.float64]
Labels = NDArray[Any]  # text or int64

LARGEST = 1e90  # a cube of it, summed over any table, is still a float64


def numbers(x: ArrayLike, name: str = "x", *, low: float = -LARGEST, high: float = LARGEST, least: int = 1) -> Floats:
    """`x` as a one-dimensional float64 array (never the caller's own, if it had to be converted) within [low, high].

    Booleans, integers and float32 are widened; objects, text, masks, NaN and infinities are refused.
    """
    array = _array(x, name)
    if array.dtype.kind not in "biuf":
        raise InputError("not an array of numbers", where=name, expected="real numbers", found=array.dtype.name)
    if array.ndim != 1:
        raise InputError("wrong shape", where=name, expected="one dimension", found=array.shape)
    values = array.astype(np.float64, copy=False)
    if len(values) and not _plainly_within(values, low, high):
        _refuse_outside(values, name, low, high)
    if len(values) < least:
        raise InputError("too few values", where=name, expected=f"at least {least}", found=len(values))
    return values


def _plainly_within(values: Floats, low: float, high: float) -> bool:
    """Whether all lie within [low, high], without a mask of all rows; may be False where a bound of 0 meets a -0.0.

    The bits of floats from 0 up ascend as the floats do, with those of negative ones, infinities and NaN above.
    """
    if low == 0.0:
        return bool(values.view(np.uint64).max() <= np.float64(high).view(np.uint64))
    return bool(low <= values.min() and values.max() <= high)


def _refuse_outside(values: Floats, name: str, low: float, high: float) -> None:
    """Raise for the first value outside [low, high], if there is one."""
    bad = ~((values >= low) & (values <= high))
    if bad.any():
        index = int(np.argmax(bad))
        what = f"index {index} is out of bounds" if np.isfinite(values[index]) else f"index {index} is not finite"
        raise InputError(what, where=name, expected=_between(low, high), found=float(values[index]))


def _array(x: ArrayLike, name: str) -> NDArray[np.generic]:
    if np.ma.isMaskedArray(x) and np.ma.getmaskarray(x).any():
        raise InputError(
            f"index {int(np.argmax(np.ma.getmaskarray(x)))} is masked", where=name, expected="no missing values"
        )
    try:
        array: NDArray[np.generic] = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise InputError("not an array", where=name, expected="one dimension of numbers", found=str(error)) from None
    return array.astype(np.float64) if array.size == 0 and array.dtype == object else array


def _between(low: float, high: float) -> str:
    return f"a number from {low:g} to {high:g}"


def labels(ids: ArrayLike, name: str = "clusters") -> Labels:
    """`ids` as a one-dimensional array of text or int64 labels, none of them missing."""
    array = _array(ids, name)
    if array.ndim != 1:
        raise InputError("wrong shape", where=name, expected="one dimension", found=array.shape)
    if array.dtype.kind in "iub":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "U":
        return array.astype(np.str_, copy=False)
    if array.dtype.kind == "f" and array.size == 0:
        return array.astype(np.int64)
    listed = array.tolist()
    kinds = set(map(type, listed))
    for kind, dtype in ((str, np.str_), (int, np.int64)):
        if kinds and all(issubclass(one, kind) for one in kinds):
            return np.asarray(listed, dtype=dtype)
    index = next((i for i, item in enumerate(listed) if not isinstance(item, str)), 0)
    raise InputError(
        f"index {index} is not a label",
        where=name,
        expected="text or whole numbers, all of one kind",
        found=listed[index],
    )


def same_length(**arrays: NDArray[np.generic]) -> None:
    """Refuse arrays that should pair up and do not."""
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        first, *rest = sizes
        other = next(name for name in rest if sizes[name] != sizes[first])
        raise InputError("lengths differ", where=other, expected=f"{sizes[first]} as in {first}", found=sizes[other])


def level(confidence: float) -> float:
    """The miss rate of each end, (1 - confidence) / 2, of a two-sided confidence inside (0, 1)."""
    return (1.0 - share(confidence, "confidence")) / 2.0


def share(value: float, name: str, *, closed: bool = False) -> float:
    """A number inside (0, 1), or within [0, 1] if `closed`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if (0.0 <= number <= 1.0) if closed else (0.0 < number < 1.0):
        return number
    bound = "a number from 0 to 1" if closed else "a number above 0 and below 1"
    raise InputError("out of bounds", where=name, expected=bound, found=value)


def count(value: float, name: str, *, least: int = 0, most: float = float("inf")) -> int:
    """A whole number within [least, most]."""
    bound = f"a whole number of at least {least}" + ("" if most == float("inf") else f" and at most {most:g}")
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError("not a count", where=name, expected=bound, found=value) from None
    if whole != value or not least <= whole <= most:
        raise InputError("out of bounds", where=name, expected=bound, found=value)
    return whole


def span(support: tuple[float, float] | None) -> tuple[float, float] | None:
    """The least and greatest value that can occur, in that order, or None where they are unknown."""
    if support is None:
        return None
    low, high = (float(end) for end in support)
    if not low < high:
        raise InputError("ends out of order", where="support", expected="least < greatest", found=support)
    return low, high


def zero_one(x: ArrayLike, name: str) -> Floats:
    """(n,) numbers that are all 0 or 1: an arm, an exposure, an outcome that happened or not."""
    array = numbers(x, name, low=0.0, high=1.0)
    between = (array != 0.0) & (array != 1.0)
    if between.any():
        index = int(np.argmax(between))
        raise InputError(f"index {index} is neither", where=name, expected="0 or 1", found=float(array[index]))
    return array
