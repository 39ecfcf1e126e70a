"""The history of evaluations: one JSON line each, and the rolling view over the last days.

Appending never loses a line: the file is rewritten whole under a lock, so that a reader sees all of it or the old one.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.data.canonical import strict_json
from harness.data.store import atomic_write_bytes
from harness.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Rolling", "append", "history_svg", "history_table", "read_history", "rolling"]


class Rolling(NamedTuple):
    """One measure of one release and task over the days before a moment, beside as many days before those.

    `mean`, `low`, `high` are over the evaluations within the window; `before` is the mean of the window before, None
    where it holds no evaluation.
    """

    release: str
    task: str
    measure: str
    latest: float
    mean: float
    low: float
    high: float
    evaluations: int
    before: float | None


def append(path: Path | str, entry: Mapping[str, Any], *, at: datetime) -> Path:
    """Add one evaluation (`release`, `task`, `measures`: name → value) to the history, stamped with `at`.

    Raises InputError where the entry is not an evaluation or the history is not readable; the file is then as it was.
    """
    if at.tzinfo is None:
        raise InputError("a moment without a time zone", where="at", expected="a time in UTC", found=at.isoformat())
    row = _entry({"at": at.astimezone(UTC).isoformat(timespec="seconds"), **entry}, "the entry")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent):
        old = target.read_bytes() if target.exists() else b""
        _parse(old, target)
        new = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        return atomic_write_bytes(target, old + (b"" if old.endswith(b"\n") or not old else b"\n") + new)


def read_history(path: Path | str) -> list[dict[str, Any]]:
    """All evaluations, in the order of their moments; a missing file is an empty history."""
    target = Path(path)
    try:
        raw = target.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError("cannot be read", where=target, found=error.strerror) from None
    return sorted(_parse(raw, target), key=lambda row: _moment(row, target))


def rolling(history: Sequence[Mapping[str, Any]], *, now: datetime, days: int = 7) -> list[Rolling]:
    """One line a (release, task, measure) seen in the `days` before `now`, later entries left out."""
    start, earlier = now - timedelta(days=days), now - timedelta(days=2 * days)
    inside: dict[tuple[str, str, str], list[float]] = {}
    before: dict[tuple[str, str, str], list[float]] = {}
    for row in sorted(history, key=lambda row: _moment(row, "history")):
        at = _moment(row, "history")
        window = inside if start < at <= now else before if earlier < at <= start else None
        if window is None:
            continue
        for measure, value in row["measures"].items():
            window.setdefault((row["release"], row["task"], measure), []).append(float(value))
    return [Rolling(*key, values[-1], math.fsum(values) / len(values), min(values), max(values), len(values),
                    math.fsum(before[key]) / len(before[key]) if key in before else None)
            for key, values in inside.items()]


def history_table(lines: Sequence[Rolling], *, days: int = 7) -> Table:
    """The rolling view as a terminal table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("release", "task", "measure", "latest", f"{days}-day mean", "range", "n", "change"):
        table.add_column(title, justify="left" if title in {"release", "task", "measure"} else "right")
    for one in lines:
        change = "–" if one.before is None else f"{one.mean - one.before:+.4f}"
        table.add_row(Text(one.release), Text(one.task), Text(one.measure), f"{one.latest:.4f}", f"{one.mean:.4f}",
                      f"{one.low:.4f} to {one.high:.4f}", str(one.evaluations), change)
    return table


def history_svg(history: Sequence[Mapping[str, Any]], *, release: str, task: str, measure: str, now: datetime,
                days: int = 7, span: int = 28) -> str:
    """Each evaluation of one measure over the last `span` days, and the mean of the `days` up to it."""
    from harness.report.pictures import lines_svg

    rows = [row for row in sorted(history, key=lambda row: _moment(row, "history"))
            if (row["release"], row["task"]) == (release, task) and measure in row["measures"]]
    points = [((_moment(row, "history") - now) / timedelta(days=1), float(row["measures"][measure])) for row in rows]
    shown = [(x, y) for x, y in points if -span <= x <= 0]
    if not shown:
        raise InputError("nothing to draw", where=f"history of {release}, {task}",
                         expected=f"{measure} within {span} days", found=len(points))
    windows = {x: [y for z, y in points if x - days < z <= x] for x, _ in shown}
    means = [(x, math.fsum(near) / len(near)) for x, near in windows.items()]
    return lines_svg({measure: shown, f"{days}-day mean": means}, title=f"{measure} of {release} on {task}",
                     x_label="days before now", y_label="")


def _parse(raw: bytes, where: Path) -> list[dict[str, Any]]:
    return [_entry(strict_json(line, where=f"{where}, line {number}"), f"{where}, line {number}")
            for number, line in enumerate(raw.splitlines(), start=1) if line.strip()]


def _entry(row: Any, where: str) -> dict[str, Any]:
    shape = isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("at", "release", "task"))
    measures = row.get("measures") if shape else None
    if not isinstance(measures, Mapping) or not measures:
        raise InputError("not an evaluation", where=where, expected="at, release, task and measures",
                         found=sorted(row) if isinstance(row, dict) else type(row).__name__)
    for name, value in measures.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise InputError("not a finite number", where=where, column=str(name), expected="a number", found=value)
    _moment(row, where)
    return dict(row)


def _moment(row: Mapping[str, Any], where: object) -> datetime:
    try:
        at = datetime.fromisoformat(row["at"])
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InputError("not a moment", where=where, column="at", expected="ISO 8601 with a zone", found=row["at"])
    return at


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer a folder at a time, where the system has such locks."""
    try:
        import fcntl
    except ImportError:  # a system without them: the rename still keeps every reader safe
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
