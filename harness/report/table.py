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
_LEAST_GATE = 22
_BETWEEN = 3  # what the grid takes beside each column


def terminal_table(evidence: Evidence, console: Console, *, signed: str | None = None) -> None:
    """Print the table and the closing paragraph; narrow terminals get two lines a gate instead of eight columns.

    Only names fold: from 80 columns on, no number, limit or verdict is cut.
    """
    rows = gate_rows(findings_in(evidence))
    wide = [_wide(row) for row in rows]
    room = console.width - _width(wide, len(_WIDE))
    if room >= _LEAST_GATE:
        console.print(_table(_WIDE, wide, room))
    else:
        narrow = [_narrow(row) for row in rows]
        console.print(_table(_NARROW, narrow, max(console.width - _width(narrow, len(_NARROW)), 8)))
    _closing(tell(evidence, signed=signed), console)


_WIDE = ("gate", "task", "slice", "value>", "interval>", "n>", "limit", "verdict")
_NARROW = ("gate, task, slice", "value, interval>", "n, limit>", "verdict")


def _width(cells: list[tuple[str, ...]], columns: int) -> int:
    """Columns of the terminal that everything but the first column takes."""
    widest = [max((len(line) for row in cells for line in row[place].split("\n")), default=0)
              for place in range(1, columns)]
    return sum(max(width, len("verdict")) for width in widest) + _BETWEEN * columns


def _table(titles: tuple[str, ...], cells: list[tuple[str, ...]], room: int) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, title in enumerate(titles):
        table.add_column(title.removesuffix(">"), justify="right" if title.endswith(">") else "left", overflow="fold",
                         no_wrap=place > 0, max_width=room if place == 0 else None)
    for row in cells:
        table.add_row(*map(_text, row[:-1]), _verdict(row[-1]))
    return table


def _wide(row: GateRow) -> tuple[str, ...]:
    verdict = row.verdict + ("" if row.required else " (not required)")
    return row.measure, row.task, row.slice, row.value, row.interval, row.n, row.limit, verdict


def _narrow(row: GateRow) -> tuple[str, ...]:
    place = " · ".join(part for part in (row.task, row.slice) if part != "–")
    return (f"{row.measure}\n  {place}", f"{row.value}\n{row.interval}", f"n = {row.n}\n{row.limit}",
            row.verdict + ("" if row.required else "\n(not required)"))


def _text(words: str) -> Text:
    from rich.text import Text

    return Text(words)


def _verdict(words: str) -> Text:
    from rich.text import Text

    return Text(words, style=STYLES[words.split(maxsplit=1)[0]])


def _closing(story: Story, console: Console) -> None:
    from rich.text import Text

    console.print(Text(story.headline, style=STYLES[story.verdict.name]))
    for sentence in (*story.why, *story.next):
        console.print(Text(sentence), soft_wrap=": signoff " in sentence)  # a command stands whole, to be copied
