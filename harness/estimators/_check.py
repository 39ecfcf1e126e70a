"""What every estimator asks of its arguments, said as parameter, index, value and bound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError

__all__ = [
    "LARGEST",
    "ROUNDING",
    "Floats",
    "Labels",
    "bounded",
    "count",
    "generator",
    "grid",
    "inside",
    "labels",
    "level",
    "numbers",
    "real",
    "same_length",
    "share",
    "span",
    "varies",
    "zero_one",
]

Floats = NDArray[np.float64]
Labels = NDArray[Any]  # text or int64

LARGEST = 1e90  # a cube of it, summed over any table, is still a float64
LABELS = 2**63  # whole-number labels lie under it: int64 holds them
ROUNDING = 1e-14  # of the values' size: what differs by less has not varied


def numbers(x: ArrayLike, name: str = "x", *, low: float = -LARGEST, high: float = LARGEST, least: int = 1) -> Floats:
    """`x` as a one-dimensional float64 array (never the caller's own, if it had to be converted) within [low, high].

    Booleans, integers and float32 are widened; objects, text, masks, NaN and infinities are refused.
    """
    array = _array(x, name)
    if array.dtype.kind not in "biuf":
        raise _not_numbers(array, name)
    if array.ndim != 1:
        raise InputError("wrong shape", where=name, expected="one dimension", found=array.shape)
    with np.errstate(over="ignore"):  # what a wider float alone can hold is infinite here, and refused
        values = array.astype(np.float64, copy=False)
    if len(values) and not _plainly_within(values, low, high):
        _refuse_outside(values, name, low, high)
    if len(values) < least:
        raise InputError("too few values", where=name, expected=f"at least {least}", found=len(values))
    return values


def _not_numbers(array: NDArray[np.generic], name: str) -> InputError:
    """The error for objects or text, which names the first that is no number."""
    what, found = "not an array of numbers", array.dtype.name
    if array.ndim == 1:
        index = next((at for at, item in enumerate(array) if not isinstance(item, int | float)), 0)
        what, found = f"not an array of numbers, by index {index}", f"{array[index]!r} among {found}"
    return InputError(what, where=name, expected="real numbers", found=found)


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


def grid(x: ArrayLike, name: str, expected: str) -> NDArray[Any]:
    """`x` as an array that still has its mask, for `numbers` to check column by column."""
    try:
        return x if isinstance(x, np.ma.MaskedArray) else np.asarray(x)
    except (ValueError, TypeError) as error:
        raise InputError("not an array", where=name, expected=expected, found=str(error)) from None


def _between(low: float, high: float) -> str:
    return f"a number from {low:g} to {high:g}"


def labels(ids: ArrayLike, name: str = "clusters") -> Labels:
    """`ids` as a one-dimensional array of text or int64 labels, none of them missing."""
    array = _array(ids, name)
    if array.ndim != 1:
        raise InputError("wrong shape", where=name, expected="one dimension", found=array.shape)
    if array.dtype.kind in "ib" or (array.dtype.kind == "u" and (not array.size or int(array.max()) < LABELS)):
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "U" and hasattr(ids, "dtype"):
        return array.astype(np.str_, copy=False)
    if array.size == 0:
        return array.astype(np.str_ if array.dtype.kind == "U" else np.int64)
    return _listed(array.tolist() if hasattr(ids, "dtype") else list(ids), name)  # type: ignore[arg-type]


def _listed(items: list[Any], name: str) -> Labels:
    """Labels of items as they were given: numpy would write a number or a NaN among text as text."""
    text = isinstance(items[0], str)

    def fits(item: Any) -> bool:
        return isinstance(item, str) if text else isinstance(item, int | np.integer) and -LABELS <= int(item) < LABELS

    index = next((at for at, item in enumerate(items) if not fits(item)), None)
    if index is None:
        return np.asarray(items, dtype=np.str_ if text else np.int64)
    expected = "text, or whole numbers under 2**63, all of one kind"
    raise InputError(f"index {index} is not a label", where=name, expected=expected, found=items[index])


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


def real(value: float, name: str, *, above: float = -float("inf"), below: float = float("inf")) -> float:
    """A number strictly between two bounds; None, text and NaN are none."""
    try:
        number = float("nan") if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if above < number < below:
        return number
    bound = f"above {above:g}" if below == float("inf") else f"inside ({above:g}, {below:g})"
    expected = "a finite number" if above == -float("inf") else f"a finite number {bound}"
    raise InputError("out of bounds", where=name, expected=expected, found="nothing" if value is None else value)


def generator(rng: np.random.Generator) -> np.random.Generator:
    """`rng` itself: a seed, or nothing, is refused, so that nobody draws from a stream that the caller cannot see."""
    if not isinstance(rng, np.random.Generator):
        raise InputError("not a generator", where="rng", expected="a numpy.random.Generator", found=rng)
    return rng


def span(support: tuple[float, float] | None) -> tuple[float, float] | None:
    """The least and greatest value that can occur, in that order, or None where they are unknown."""
    if support is None:
        return None
    try:
        low, high = (float(end) for end in support)
    except (TypeError, ValueError):
        raise InputError("not two numbers", where="support", expected="(least, greatest)", found=support) from None
    if not low < high:
        raise InputError("ends out of order", where="support", expected="least < greatest", found=support)
    return low, high


def bounded(support: tuple[float, float] | None) -> tuple[float, float]:
    """`span` of a support that must be known, with both ends finite."""
    within = span(support)
    if within is None:
        raise InputError("missing", where="support", expected="least and greatest possible value")
    if max(-within[0], within[1]) > LARGEST:
        raise InputError("without an end", where="support", expected="two finite numbers", found=support)
    return within


def inside(values: Floats, name: str, support: tuple[float, float] | None) -> None:
    """Refuse the first of (n,) `values` that is outside the support by more than rounding; None refuses nothing."""
    within = span(support)
    if within is None or not len(values):
        return
    slack = 1e-9 * max([1.0, *(abs(end) for end in within if np.isfinite(end))])
    wrong = (values < within[0] - slack) | (values > within[1] + slack)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise InputError(f"index {index} is outside the support", where=name, expected=_between(*within),
                         found=float(values[index]))  # fmt: skip


def varies(deviation: Floats, values: Floats) -> bool:
    """Whether deviations from a centre are more than what rounds off in values of this size."""
    return bool(np.abs(deviation).max(initial=0.0) > ROUNDING * np.abs(values).max(initial=0.0))


def zero_one(x: ArrayLike, name: str) -> Floats:
    """(n,) numbers that are all 0 or 1: an arm, an exposure, an outcome that happened or not."""
    array = numbers(x, name, low=0.0, high=1.0)
    between = (array != 0.0) & (array != 1.0)
    if between.any():
        index = int(np.argmax(between))
        raise InputError(f"index {index} is neither", where=name, expected="0 or 1", found=float(array[index]))
    return array
