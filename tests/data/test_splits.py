"""Folds depend on names and seed alone, leave most groups to judge, and slices say what they count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.corpus import FIT, JUDGE
from harness.data.splits import block_folds, hard_nl, keyed, keyed_fold, label_slices, length_slices
from harness.records import Qrels


def test_a_keyed_number_is_the_same_everywhere() -> None:
    """Pinned: a fold must not move with the machine, the version of Python, or its hash seed."""
    assert keyed("numpy.linalg", seed=42) == 1784844379133673963
    assert keyed("numpy.linalg", seed=43) != keyed("numpy.linalg", seed=42) != keyed("numpy.fft", seed=42)


def test_keyed_folds_are_about_halves() -> None:
    """Of 4,000 names, half are judged, give or take 190: six standard deviations of a fair coin."""
    judged = sum(keyed_fold(f"q{number}", seed=7) == JUDGE for number in range(4000))
    assert 1810 <= judged <= 2190


@given(st.dictionaries(st.text("abc", min_size=1), st.integers(0, 50), max_size=30), st.integers(0, 5))
def test_blocks_cover_every_group_once(sizes: dict[str, int], seed: int) -> None:
    """Each group has a fold, the largest is learnt from, and of each following three one is."""
    folds = block_folds(sizes, seed=seed)
    assert set(folds) == set(sizes)
    learnt = sum(fold == FIT for fold in folds.values())
    assert learnt == (1 + (len(sizes) - 1) // 3 if sizes else 0)
    if sizes:
        assert folds[min(sizes, key=lambda name: (-sizes[name], name))] == FIT


def test_the_order_of_groups_does_not_matter() -> None:
    """A dictionary filled the other way round gives the same folds."""
    sizes = {f"m{number}": number % 5 for number in range(20)}
    assert block_folds(sizes, seed=1) == block_folds(dict(reversed(sizes.items())), seed=1)


def test_lengths_part_at_their_cuts() -> None:
    """Up to and with the first cut is short; an empty text is short."""
    slices = length_slices(["", "a", "a b", "a b c d"], cuts=(1, 2))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in slices.items()} == {
        "length=short": [0, 1], "length=medium": [2], "length=long": [3],
    }


def test_labels_are_slices_by_alphabet() -> None:
    """One slice a label that occurs, none for those that do not."""
    assert list(label_slices("package", ["b", "a", "b"])) == ["package=a", "package=b"]
    assert label_slices("package", []) == {}


@pytest.mark.parametrize(
    ("text", "qrels", "hard"),
    [
        ("logarithm grid", [("logspace", 2)], True),
        ("log grid", [("logspace", 2)], False),
        ("log grid", [("linspace", 2), ("logspace", 1)], False),
        ("log grid", [("logspace", 0), ("linspace", 1)], True),
        ("log grid", [("logspace", 0)], False),
        ("", [("logspace", 1)], True),
    ],
)
def test_hard_is_decided_by_relevant_names_alone(text: str, qrels: list[tuple[str, int]], hard: bool) -> None:
    """A word within a relevant name makes it easy; irrelevant names do not; without an answer it is not hard."""
    judged = Qrels.of(["q"] * len(qrels), [name for name, _ in qrels], [grade for _, grade in qrels])
    found = hard_nl(["q"], [text], judged, content_words=lambda words: set(words.split()), name_of=str)
    assert found.tolist() == [hard]


def test_a_query_without_judgements_is_not_hard() -> None:
    """Nothing is known of it, so it is not in the slice."""
    assert hard_nl(["q"], ["log"], Qrels.of([], [], []), content_words=str.split, name_of=str).tolist() == [False]
