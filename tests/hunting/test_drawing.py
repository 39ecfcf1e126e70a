"""Draws that are the same in every process: what else is imported does not steer a derandomised search."""

from __future__ import annotations

import importlib

import pytest
from hypothesis import Phase, find, given, seed, settings
from hypothesis import strategies as st

from harness.hunting.drawing import whole
from harness.hunting.mutations import mutations
from tests.hunting.arenas import TEXTS


def drawn(strategy: st.SearchStrategy[object]) -> list[object]:
    """What one seed draws in this process, now."""
    seen: list[object] = []

    @settings(max_examples=300, database=None, deadline=None, phases=(Phase.generate,))
    @seed(7)
    @given(strategy)
    def search(one: object) -> None:
        seen.append(one)

    search()
    return seen


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Imports a module full of whole numbers from the one named on, as a user's engine may be."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def bring(first: int) -> None:
        numbers = list(range(first, first + 300))  # of a module with many more hypothesis reads none
        (tmp_path / f"engine_{first}.py").write_text(f"KNOWN = {numbers}\n", encoding="utf-8")
        importlib.import_module(f"engine_{first}")

    return bring


@pytest.mark.parametrize(("strategy", "first"), [(whole(0, 2000), 1000), (mutations(TEXTS), 0)],
                         ids=["whole", "mutations"])
def test_an_imported_module_changes_no_draw(engine, strategy, first):
    """The same seed draws the same before and after a module full of constants is imported."""
    before = drawn(strategy)
    engine(first)
    assert drawn(strategy) == before and len({str(one) for one in before}) > 50


def test_plain_integers_are_steered_by_what_is_imported(engine):
    """The twin: hypothesis's own integers are no longer the same, which is what `whole` is for."""
    before = drawn(st.integers(0, 2000))
    engine(1500)
    assert drawn(st.integers(0, 2000)) != before


@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, 1), (3, 9), (0, 2**16)])
def test_both_ends_are_drawn_and_nothing_beyond(low, high):
    """Whole numbers of a range, both ends included; shrinking ends at the low one."""
    seen = drawn(whole(low, high))
    assert min(seen) >= low and max(seen) <= high and (high - low > 9 or set(seen) == set(range(low, high + 1)))
    assert find(whole(low, high), lambda _: True) == low
