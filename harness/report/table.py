"""The terminal's table: one line a gate, readable from 80 columns on, and the words that close it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.release.evidence import Evidence
from harness.report.rows import GateRow, findings_in, gate_rows
from harness.report.story import Story, tell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["STYLES", "terminal_table"]

STYLES = {"PASS": "green", "INCONCLUSIVE": "yellow", "REFUSE": "bold red"}
WIDE = 118


def terminal_table(evidence: Evidence, console: Console, *, signed: str | None = None) -> None:
    """Print the table and the closing paragraph; narrow terminals get two lines a gate instead of eight columns."""
    rows = gate_rows(findings_in(evidence))
    console.print(_wide(rows) if console.width >= WIDE else _narrow(rows))
    _closing(tell(evidence, signed=signed), console)


def _table(*columns: tuple[str, str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=False)
    for title, side in columns:
        table.add_column(title, justify="right" if side == "right" else "left", no_wrap=title not in {"gate", "task"},
                         overflow="fold")
    return table


def _wide(rows: tuple[GateRow, ...]) -> Table:
    table = _table(("gate", ""), ("task", ""), ("slice", ""), ("value", "right"), ("interval", "right"), ("n", "right"),
                   ("limit", ""), ("verdict", ""))
    for row in rows:
        table.add_row(_text(row.measure), _text(row.task), _text(row.slice), _text(row.value), _text(row.interval),
                      _text(row.n), _text(row.limit), _verdict(row))
    return table


def _narrow(rows: tuple[GateRow, ...]) -> Table:
    table = _table(("gate, task, slice", ""), ("value, interval", "right"), ("n, limit", "right"), ("verdict", ""))
    for row in rows:
        place = " · ".join(part for part in (row.task, row.slice) if part != "–")
        table.add_row(_text(f"{row.measure}\n  {place}"), _text(f"{row.value}\n{row.interval}"),
                      _text(f"n = {row.n}\n{row.limit}"), _verdict(row, joint="\n"))
    return table


def _text(words: str) -> Text:
    from rich.text import Text

    return Text(words)


def _verdict(row: GateRow, *, joint: str = " ") -> Text:
    from rich.text import Text

    return Text(row.verdict + ("" if row.required else f"{joint}(not required)"), style=STYLES[row.verdict])


def _closing(story: Story, console: Console) -> None:
    from rich.text import Text

    console.print(Text(story.headline, style=STYLES[story.verdict.name]))
    for sentence in (*story.why, *story.next):
        console.print(Text(sentence))
