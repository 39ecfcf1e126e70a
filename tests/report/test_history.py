"""The history: appended whole, read strictly, seen over the last days."""

from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from harness.errors import InputError
from harness.report.history import append, history_svg, history_table, read_history, rolling

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


def entry(value: float, *, release: str = "r") -> dict[str, object]:
    """An evaluation of one measure."""
    return {"release": release, "task": "see_also", "measures": {"R@5": value}}


def filled(path: Path) -> Path:
    """R@5 on days 16, 10, 8, 3 and 0 before NOW, not written in that order."""
    for days, value in ((3, 0.5), (16, 0.9), (10, 0.2), (0, 0.6), (8, 0.4)):
        append(path, entry(value), at=NOW - timedelta(days=days))
    return path


def test_what_was_appended_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    """Entries come back by moment, whatever the order of writing; no file is an empty history."""
    assert read_history(tmp_path / "none.jsonl") == []
    rows = read_history(filled(tmp_path / "a" / "history.jsonl"))
    assert [row["measures"]["R@5"] for row in rows] == [0.9, 0.2, 0.4, 0.5, 0.6]
    assert rows[-1]["at"] == "2026-03-20T12:00:00+00:00"


def test_the_rolling_view_takes_seven_days_and_the_seven_before(tmp_path: Path) -> None:
    """Mean, range and count are of the window; the change is against the window before; older entries take no part."""
    (one,) = rolling(read_history(filled(tmp_path / "h.jsonl")), now=NOW)
    assert (one.latest, one.evaluations, one.low, one.high) == (0.6, 2, 0.5, 0.6)
    assert one.mean == pytest.approx(0.55)
    assert one.before == pytest.approx(0.3)


def test_an_entry_on_the_edge_counts_once(tmp_path: Path) -> None:
    """Exactly seven days ago belongs to the window before; the future to none."""
    path = tmp_path / "h.jsonl"
    for days in (0, 7, -1):
        append(path, entry(days / 10 + 0.5), at=NOW - timedelta(days=days))
    (one,) = rolling(read_history(path), now=NOW)
    assert (one.evaluations, one.mean, one.before) == (1, 0.5, pytest.approx(1.2))


def test_a_time_zone_does_not_move_a_moment(tmp_path: Path) -> None:
    """Moments are compared in UTC, and one without a zone is refused."""
    path = append(tmp_path / "h.jsonl", entry(0.5), at=datetime.fromisoformat("2026-03-20T14:00:00+02:00"))
    assert read_history(path)[0]["at"] == "2026-03-20T12:00:00+00:00"
    with pytest.raises(InputError, match="time zone"):
        append(path, entry(0.5), at=datetime(2026, 3, 20))


@pytest.mark.parametrize("bad", [
    {}, {"release": "r", "task": "t"}, {"release": "r", "task": "t", "measures": {}},
    {"release": "r", "task": "t", "measures": {"R@5": float("nan")}},
    {"release": "r", "task": "t", "measures": {"R@5": "0.5"}}, {"release": 1, "task": "t", "measures": {"R@5": 0.5}},
], ids=str)
def test_what_is_no_evaluation_is_not_appended(bad: dict[str, object], tmp_path: Path) -> None:
    """A wrong entry is an error and leaves the file to the byte as it was."""
    path = filled(tmp_path / "h.jsonl")
    before = path.read_bytes()
    with pytest.raises(InputError):
        append(path, bad, at=NOW)
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", ["{", '{"at": "x", "at": "y"}', '{"at": "yesterday", "release": "r", "task": "t", '
                                  '"measures": {"R@5": 1}}', "[]"])
def test_a_damaged_line_is_told_by_number(line: str, tmp_path: Path) -> None:
    """Reading names the line, and appending does not write onto a damaged history."""
    path = filled(tmp_path / "h.jsonl")
    path.write_text(path.read_text() + line + "\n")
    for act in (lambda: read_history(path), lambda: append(path, entry(1.0), at=NOW)):
        with pytest.raises(InputError, match="line 6"):
            act()


def test_two_writers_lose_no_line(tmp_path: Path) -> None:
    """Writers at the same time wait for each other."""
    path = tmp_path / "h.jsonl"

    def write(name: str) -> None:
        for _ in range(15):
            append(path, entry(0.5, release=name), at=NOW)

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read_history(path)) == 45
    assert [entry.name for entry in tmp_path.iterdir()] == ["h.jsonl"]


def test_a_last_line_without_its_end_is_not_run_into(tmp_path: Path) -> None:
    """A file that an editor left without a line break keeps its last entry."""
    path = tmp_path / "h.jsonl"
    path.write_text(json.dumps({"at": NOW.isoformat(), **entry(0.1)}))
    append(path, entry(0.2), at=NOW)
    assert len(read_history(path)) == 2


def test_the_view_is_shown_as_table_and_picture(tmp_path: Path) -> None:
    """The table names mean and change; the picture holds the points of the span and no others."""
    rows = read_history(filled(tmp_path / "h.jsonl"))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(history_table(rolling(rows, now=NOW)))
    assert "+0.2500" in console.export_text()
    svg = history_svg(rows, release="r", task="see_also", measure="R@5", now=NOW, span=9)
    assert "R@5: from 0.4 to 0.6" in svg
    with pytest.raises(InputError, match="nothing to draw"):
        history_svg(rows, release="other", task="see_also", measure="R@5", now=NOW)
