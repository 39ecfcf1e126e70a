"""Whole numbers drawn by hypothesis alike in every process, whatever else that process has imported.

hypothesis mixes the constants of the source code at hand (of ours where it is installed editable, of a user's engine)
into the integers it draws. A search that is derandomised would then find something else in every checkout.
"""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["whole"]

_FAR = 7_368_787_000_000_000_000_000  # where no code has constants: none of them lies in a range that starts here


def whole(low: int, high: int) -> st.SearchStrategy[int]:
    """Whole numbers from `low` to `high`, both included; shrinks towards `low`.

    >>> from hypothesis import find
    >>> find(whole(3, 9), lambda n: n > 4)
    5
    """
    return st.integers(_FAR, _FAR + high - low).map(lambda drawn: drawn - _FAR + low)
