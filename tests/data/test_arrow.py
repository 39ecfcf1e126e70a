"""The fast sort of Arrow strings is Python's own order."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.arrow import ascending, coded, plain

IDS = st.lists(st.one_of(st.text("ab\x00", min_size=1, max_size=20),
                         st.text("09aé€\U0001f600~", min_size=1, max_size=70),
                         st.text(min_size=1, max_size=6).map("a_long_prefix_that_all_share/".__add__)),
               min_size=1, max_size=60, unique=True).filter(lambda ids: all(_encodes(name) for name in ids))


@settings(max_examples=150, deadline=None)
@given(ids=IDS, cut=st.integers(0, 5))
def test_the_order_is_pythons(ids: list[str], cut: int) -> None:
    """Ids of any width, with shared beginnings, zero bytes or four-byte letters, also in a sliced array."""
    array = pa.array(ids)[min(cut, len(ids) - 1):]
    assert [array[int(place)].as_py() for place in ascending(array)] == sorted(array.to_pylist())


@settings(max_examples=50, deadline=None)
@given(ids=IDS)
def test_codes_lead_back_to_the_ids(ids: list[str]) -> None:
    """Coding a column and looking the codes up gives the column."""
    rows = ids + ids[::-1]
    found = coded(pa.chunked_array([rows[:1], rows[1:]], pa.string()).dictionary_encode())
    assert found.ids[found.codes].tolist() == rows
    assert found.ids.tolist() == sorted(ids)


def test_what_is_not_plain() -> None:
    """Empty, spaced, controlled, commented and gigantic ids are not for the fast way."""
    assert plain(pa.array(["a", "é€", "x#"]))
    for wrong in ("", "a b", "a\tb", "a\x00", "#a", "x" * 70_000):
        assert not plain(pa.array(["a", wrong]))
    assert not plain(pa.array([], pa.string()))


def _encodes(name: str) -> bool:
    return not any(0xD800 <= ord(letter) < 0xE000 for letter in name)
