"""Labels coded by products of their bytes against the dictionary that would have decided."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.estimators import _codes
from harness.estimators._codes import coded, places

TEXTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9), min_size=1)


def by_dictionary(known, wanted):
    """What `places` must say."""
    at = {name: index for index, name in enumerate(known)}
    return [at.get(name, -1) for name in wanted]


@given(TEXTS, TEXTS)
def test_text_is_coded_as_a_dictionary_would(names, wanted):
    """Distinct texts ascend, each row has its own's place, and a text that is not among them has -1."""
    distinct, code = coded(np.array(names))
    assert distinct.tolist() == sorted(set(names))
    assert distinct[code].tolist() == names
    assert places(distinct, np.array(wanted)).tolist() == by_dictionary(sorted(set(names)), wanted)


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1), st.lists(st.integers(-(2**62), 2**62)))
def test_whole_numbers_are_coded_likewise(names, wanted):
    """Numbers near each other, which are counted, and far apart, which are sorted."""
    for scale in (1, 2**50):
        near = [name // scale for name in names]
        distinct, code = coded(np.array(near))
        assert distinct[code].tolist() == near
        asked = [*near[:3], *(one // scale for one in wanted)]
        assert places(distinct, np.array(asked)).tolist() == by_dictionary(distinct.tolist(), asked)


def test_texts_whose_products_are_equal_are_still_told_apart(monkeypatch):
    """With a product that is 0 for every text, codes and places are those of the dictionary."""
    monkeypatch.setattr(_codes, "ODD", np.uint64(0))
    distinct, code = coded(np.array(["b", "a", "b"]))
    assert (distinct.tolist(), code.tolist()) == (["a", "b"], [1, 0, 1])
    assert places(distinct, np.array(["b", "c", "a"])).tolist() == [1, -1, 0]


def test_products_alone_would_confuse_texts(monkeypatch):
    """The twin that trusts the product calls an unseen text a known one, where both have the product 0."""
    monkeypatch.setattr(_codes, "ODD", np.uint64(0))
    known, unseen = np.array(["a"]), np.array(["c"])
    assert (_codes._products(_codes._words(known, 2)) == _codes._products(_codes._words(unseen, 2))).all()
    assert places(known, unseen).tolist() == [-1]


@pytest.mark.parametrize("width", [1, 2, 7, 40])
def test_texts_of_two_widths_meet(width):
    """A column of wider text finds the labels of a narrower one, whatever the padding, from a strided column too."""
    known = np.array(["de", "en"])
    wanted = np.array(["en", "x" * width, "de", "e"])
    assert places(known, wanted).tolist() == [1, -1, 0, -1]
    assert places(known, np.repeat(wanted, 2)[::2]).tolist() == [1, -1, 0, -1]


def test_columns_are_left_as_they_were():
    """Coding neither changes nor sorts the caller's column."""
    column = np.array(["b", "a", "b"])
    coded(column)
    assert column.tolist() == ["b", "a", "b"]
