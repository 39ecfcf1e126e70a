"""`docs/estimators.md` is what `benchmarks/promises.py` prints, and misses no promise of an estimator that is there."""

from __future__ import annotations

import importlib

import pytest

from tests.house.source import TOP

PAGE = TOP / "docs" / "estimators.md"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(TOP / "benchmarks"))
    return importlib.import_module("promises")


def options(text: str) -> tuple[int, int]:
    """Worlds and seed of the command at the page's top."""
    (command,) = (line.split() for line in text.splitlines() if line.startswith("    python benchmarks/promises.py"))
    return int(command[command.index("--worlds") + 1]), int(command[command.index("--seed") + 1])


def test_the_page_is_the_scripts_own(bench):
    """Head and rows are those the script makes: none added by hand, none of a present estimator left out."""
    text = PAGE.read_text(encoding="utf-8")
    worlds, seed = options(text)
    head = bench.HEAD.format(worlds=worlds, seed=seed, error=(0.05 * 0.95 / worlds) ** 0.5)
    assert text.startswith(head)
    lines = text[len(head) :].splitlines()
    known = {bench.key(row): bench.there(row) for row in bench.ALL}
    keys = [line.rsplit(" | ", 1)[0] for line in lines]
    assert set(keys) <= set(known) and len(set(keys)) == len(keys)
    assert {key for key, there in known.items() if there} <= set(keys)


def test_figures_of_the_page_come_out_again(bench):
    """Quick rows, measured again with the page's own worlds and seed, print the page's own lines."""
    text = PAGE.read_text(encoding="utf-8")
    quick = [row for row in bench.ALL if row.module in {"proportions", "sketch"}]
    for row in quick:
        assert bench.line(row, *options(text)) in text
    assert len(quick) > 5


def test_a_figure_over_its_promise_is_bold(bench):
    """A rate more than three standard errors above what was promised stands out; one within does not."""
    row = bench.ROWS[0]
    for worst, bold in ((0.2, True), (0.05, False), (None, False)):
        figure = type(row.measure(bench.np.random.default_rng(0), 50))(f"{worst}", worst)
        line = bench.line(row._replace(measure=lambda rng, worlds, f=figure: f), 2000, 7)
        assert (f"**{worst}**" in line) is bold
