"""Ids read as numbers keep their order and their distinctness, by table and by sorting alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data import arrow, radix
from harness.data.radix import Numbers, codes_of, numbers

COUNTERS = st.integers(0, 99_999)
IDS = st.lists(st.one_of(COUNTERS.map(str), COUNTERS.map("doc{:07d}".format), st.text("aZ~é", min_size=1, max_size=4),
                         COUNTERS.map(lambda n: f"FBIS{n % 5}-{n}")), min_size=1, max_size=200)


@settings(max_examples=200, deadline=None)
@given(ids=IDS, cuts=st.lists(st.integers(0, 200), max_size=3))
def test_numbers_are_ordered_as_their_ids(ids: list[str], cuts: list[int]) -> None:
    """Smaller id, smaller number; equal id, equal number; all below the size: however the rows are cut into chunks."""
    found = numbers(_chunks(ids, cuts))
    if found is None:
        return
    values = found.values.tolist()
    assert min(values) >= 0 and max(values) < found.size
    place = {name: number for number, name in enumerate(sorted(set(ids)))}
    rank = {value: number for number, value in enumerate(sorted(set(values)))}
    assert [rank[value] for value in values] == [place[name] for name in ids]


def test_counters_are_small_numbers() -> None:
    """Leading letters cost nothing and padding costs one digit's value: few enough for a table."""
    assert _numbers([f"doc{n:07d}" for n in range(100_000)]).size == 100_000
    assert _numbers([str(n) for n in range(1000)]).size == 10 * 11 * 11
    assert _numbers(["same", "same"]).size == 1


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.integers(0, 5000), min_size=1), wide=st.booleans())
def test_table_and_sorting_agree(values: list[int], wide: bool) -> None:
    """Ascending codes for the distinct numbers, and a row of each: as numpy's own unique has it."""
    found = Numbers(np.array(values, dtype=np.int64 if wide else np.int32), 5001)
    literal, inverse = np.unique(values, return_inverse=True)
    for way in (radix._by_table, radix._by_sorting, codes_of):
        codes, row = way(found)
        assert codes.tolist() == inverse.tolist()
        assert found.values[row].tolist() == literal.tolist()


def test_what_fits_no_word_is_no_number() -> None:
    """Sixteen free letters are beyond 63 bits; the column is coded by hashing all the same."""
    ids = ["".join(letters) for letters in np.random.default_rng(1).choice(list("az09AZ"), (50, 16))]
    assert numbers(_chunks(ids, [])) is None
    coded = arrow.coded(pa.chunked_array([ids, ids[:7]], pa.string()))
    assert coded.ids[coded.codes].tolist() == ids + ids[:7]


@pytest.mark.parametrize("ids", [[f"{n * 7919 % 10_000_019}" for n in range(500)], [f"d{n % 90}" for n in range(500)]],
                         ids=["sorted", "table"])
def test_a_column_is_coded_alike_as_numbers_and_by_hashing(ids: list[str]) -> None:
    """The same ids, codes and words from a plain column in chunks as from a dictionary."""
    column = pa.chunked_array([ids[:200], [], ids[200:]], pa.string())
    one, two = arrow.coded(column), arrow.coded(column.dictionary_encode())
    assert one.ids.tolist() == two.ids.tolist() == sorted(set(ids))
    assert one.codes.tolist() == two.codes.tolist()
    assert one.words is not None and two.words is not None and one.words.tolist() == two.words.tolist()


def _numbers(ids: list[str]) -> Numbers:
    found = numbers(_chunks(ids, [len(ids) // 3]))
    assert found is not None
    return found


def _chunks(ids: list[str], cuts: list[int]) -> list[NDArray[np.uint8]]:
    rows = np.array([name.encode() for name in ids], dtype=bytes)
    return np.split(rows.view(np.uint8).reshape(len(ids), rows.itemsize), sorted(cuts))
