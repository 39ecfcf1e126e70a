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
    """Head, rows and records are those the script makes: none added by hand, none left out."""
    text = PAGE.read_text(encoding="utf-8")
    worlds, seed = options(text)
    head = bench.HEAD.format(worlds=worlds, seed=seed, error=(0.05 * 0.95 / worlds) ** 0.5)
    assert text.startswith(head)
    assert text.endswith(bench.FOOT + bench.returned())
    lines = text.removeprefix(head).removesuffix(bench.FOOT + bench.returned()).splitlines()
    assert [line.rsplit(" | ", 1)[0] for line in lines] == [bench.key(row) for row in bench.ALL]
    assert len(set(lines)) == len(lines)


def test_figures_of_the_page_come_out_again(bench):
    """Quick rows, measured again with the page's own worlds and seed, print the page's own lines."""
    text = PAGE.read_text(encoding="utf-8")
    quick = [*importlib.import_module("promises_means").SHARES, *bench.LAWS]
    for row in quick:
        assert bench.line(row, *options(text)) in text
    assert len(quick) > 30


def test_laws_leave_next_to_nothing(bench):
    """What promises an identity is off by no more than rounding, in another world than the page's."""
    for row in bench.LAWS:
        found = row.measure(bench.np.random.default_rng(11), 50)
        assert found.worst is None or found.worst <= row.most(50), bench.key(row)


def test_a_figure_over_its_promise_is_bold(bench):
    """A rate over its promise by more than three standard errors stands out, and so does NaN; one within does not."""
    row = bench.ALL[0]
    for worst, bold in ((0.2, True), (0.05, False), (float("nan"), True), (None, False)):
        figure = type(row.measure(bench.np.random.default_rng(0), 50))(f"{worst}", worst)
        line = bench.line(row._replace(measure=lambda rng, worlds, f=figure: f), 2000, 7)
        assert (f"**{worst}**" in line) is bold
