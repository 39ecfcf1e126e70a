"""Recorded traffic under a simulated clock: a canary of days in seconds, and real incidents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.cli.app import main
from harness.errors import InputError
from harness.monitor.presets import ra_guard
from harness.monitor.replaying import LOOKS, replay
from harness.monitor.trace import read_observations
from harness.release.policy import Limit
from harness.release.rollout_terms import Rollout
from harness.rollout.shapes import Guarded, Observation
from tests.monitor.traffic import DAY, at

SERIES = "realKnownCause/ec2_request_latency_system_failure"


def trace(path: Path, rng, minutes: int, *, bad_from: int | None = None, per_minute: int = 6) -> Path:
    """A Parquet file of both arms; the candidate answers slowly and fails often from a minute on."""
    n = minutes * per_minute
    moment = np.sort(rng.uniform(0.0, minutes, n))
    candidate = rng.random(n) < 0.5
    bad = candidate & (moment >= (minutes + 1 if bad_from is None else bad_from))
    pq.write_table(pa.table({
        "at": [DAY + timedelta(minutes=float(m)) for m in moment], "query_id": [f"q{i % 97}" for i in range(n)],
        "total_ms": rng.gamma(4.0, 2.0, n) + 300.0 * bad, "error": rng.random(n) < np.where(bad, 0.3, 0.001),
        "assignment": np.where(candidate, "candidate", "stable"), "cache": np.where(moment % 2 < 1, "warm", "cold"),
        "ndcg_delta": np.where(candidate, rng.normal(0.0, 0.1, n).clip(-1, 1), np.nan),
        "depth": rng.integers(1, 9, n)}), path)
    return path


def test_a_trace_is_read_by_its_columns(tmp_path, rng):
    """Latencies, errors, slices, replayed differences and other numbers find their places, in order of time."""
    found = read_observations(trace(tmp_path / "t.parquet", rng, 5))
    assert [one.at for one in found] == sorted(one.at for one in found)
    one = next(one for one in found if one.assignment == "candidate")
    assert set(one.latency_ms) == {"total"} and one.slices[0].startswith("cache=") and one.ndcg_delta is not None
    assert set(one.values) == {"depth"} and {row.release for row in found} == {"candidate", "stable"}


@pytest.mark.parametrize(("column", "value", "named"), [
    ("at", "noon", "not a moment"), ("assignment", "third", "not an arm"), ("total_ms", "fast", "not a number"),
    ("error", "false", "not true or false"), ("covered", 0.5, "not true or false"),
])
def test_a_bad_row_is_named(tmp_path, column, value, named):
    """File, row and column of what no observation can hold."""
    rows = {"at": [datetime(2025, 3, 1, tzinfo=UTC)], "total_ms": [1.0], "assignment": ["stable"]} | {column: [value]}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=f"row 1, column {column}: {named}"):
        read_observations(tmp_path / "t.parquet")


def test_no_parquet_and_no_moments_are_refused(tmp_path):
    """A file that is none, and one without `at`, are told apart."""
    (tmp_path / "t.parquet").write_text("no")
    with pytest.raises(InputError, match="not a Parquet file"):
        read_observations(tmp_path / "t.parquet")
    pq.write_table(pa.table({"total_ms": [1.0]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="no column of moments"):
        read_observations(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="nothing to watch"):
        replay([], ra_guard())


def test_a_canary_that_turns_bad_is_rolled_back(tmp_path, rng):
    """Sound for four hours, then slow and failing: rolled back within the hour, in at most `LOOKS` looks."""
    found = replay(read_observations(trace(tmp_path / "t.parquet", rng, 360, bad_from=240, per_minute=44)),
                   ra_guard()[:3], rollout=Rollout(preset="5-25-50-100"))
    assert found.rolled_back is not None and found.looks <= LOOKS
    assert at(240) < found.rolled_back <= at(300)
    assert found.by in {"ra-guard: error rate ≤ 0.02", "ra-guard: delta p95 total_ms ≤ 200"}
    assert found.ramp.phase == "rolled_back"


def test_a_sound_canary_is_left_alone(tmp_path, rng):
    """The same traffic without the fault never rolls back."""
    found = replay(read_observations(trace(tmp_path / "t.parquet", rng, 120, per_minute=44)), ra_guard()[:3])
    assert (found.rolled_back, found.by) == (None, None)


def test_the_verb_tells_what_happened(tmp_path, rng, capsys):
    """`signoff monitor replay` says when it rolled back and by which guard, and exits with 10."""
    path = trace(tmp_path / "t.parquet", rng, 90, bad_from=40, per_minute=44)
    assert main(["monitor", "replay", str(path), "--preset", "ra-guard", "--json"]) == 10
    told = json.loads(capsys.readouterr().out)
    assert told["by"].startswith("ra-guard: ") and told["rolled_back"] > at(60).isoformat()
    assert main(["monitor", "replay", str(path), "--preset", "ra-guard", "--speed", "max"]) == 10
    assert "rolled back at" in capsys.readouterr().out


def test_the_verb_says_what_its_figures_do_not_rest_on(tmp_path, rng, capsys):
    """A replay that stops at the rollback says how many rows it left, and without a column of arms that there is none;
    where neither is so, neither is said.
    """
    whole = trace(tmp_path / "whole.parquet", rng, 240, bad_from=60)
    table = pq.read_table(whole)
    pq.write_table(table.drop_columns(["assignment"]), tmp_path / "bare.parquet")
    assert main(["monitor", "replay", str(whole), "--preset", "ra-guard", "--json"]) == 10
    told = json.loads(capsys.readouterr().out)
    assert told["arms"] is True and 0 < told["unseen"] == table.num_rows - told["observations"]
    assert main(["monitor", "replay", str(whole), "--preset", "ra-guard"]) == 10
    said = capsys.readouterr().out
    assert f"stopped at the rollback: {told['unseen']:,} later observations" in said and "no column" not in said
    main(["monitor", "replay", str(tmp_path / "bare.parquet"), "--preset", "ra-guard"])
    assert "no column `assignment`: every row counts as the candidate's" in capsys.readouterr().out
    main(["monitor", "replay", str(trace(tmp_path / "sound.parquet", rng, 30)), "--preset", "ra-guard"])
    said = capsys.readouterr().out
    assert "stopped at" not in said and "no column" not in said


@pytest.mark.parametrize("words", [
    ["replay"], ["run"], ["show"], ["replay", "t.parquet"], ["replay", "t.parquet", "--preset", "t3"],
    ["replay", "t.parquet", "--preset", "t1", "--speed", "fast"], ["replay", "none.parquet", "--preset", "t1"],
])
def test_a_call_that_makes_no_sense_is_one_line(words, capsys, tmp_path, monkeypatch):
    """Missing or contradicting options are usage errors."""
    monkeypatch.chdir(tmp_path)
    assert main(["monitor", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_run_and_show_look_at_an_environment(tmp_path, capsys, monkeypatch):
    """In an empty store nothing serves: nothing was shown, so the code is inconclusive."""
    monkeypatch.chdir(tmp_path)
    assert main(["monitor", "show", "--env", "prod"]) == 11
    assert "nothing serves there" in capsys.readouterr().out
    assert main(["monitor", "run", "--env", "prod", "--once", "--json"]) == 11
    assert json.loads(capsys.readouterr().out)["findings"] == []


def real_series(folder: Path) -> list[tuple[datetime, float]]:
    """Six days of a real series, one value every five minutes, before anything labelled happened."""
    lines = (folder / "nab_latency" / "data" / f"{SERIES}.csv").read_text().splitlines()[1:]
    values = [(datetime.fromisoformat(a).replace(tzinfo=UTC), float(b)) for a, b in (row.split(",") for row in lines)]
    labels = json.loads((folder / "nab_latency" / "labels" / "combined_windows.json").read_text())[f"{SERIES}.csv"]
    first = datetime.fromisoformat(labels[0][0]).replace(tzinfo=UTC)
    return [(moment, value) for moment, value in values if moment < first]


def canary(values, day: int, *, shift: float = 0.0, limit: float):
    """A day's canary over a real series, which rises by a share after twelve hours."""
    since = values[0][0] + timedelta(days=day)
    seen = [Observation(m, "nab", "old" if m < since else "new", "stable" if m < since else "candidate",
                        values={"level": v * (1.0 + shift * (m >= since + timedelta(hours=12)))})
            for m, v in values if m < since + timedelta(days=1)]
    guard = Guarded("level", "level", "all", Limit("at_most", limit, "ucb"), 600, "critical", "rollback")
    return since, replay(seen, [guard], since=since, resolution_s=300, every_s=300)


@pytest.mark.parametrize("day", [2, 4])
def test_a_shift_in_a_real_series_is_found_and_its_own_noise_is_not(shared_data, day):
    """Real minutes: no rollback in a day that is only noisy, and one within five hours where it rises by .3."""
    values = real_series(shared_data)
    limit = 1.05 * float(np.mean([v for m, v in values if m < values[0][0] + timedelta(days=2)]))
    assert canary(values, day, limit=limit)[1].rolled_back is None
    since, found = canary(values, day, shift=0.3, limit=limit)
    assert found.rolled_back is not None
    assert timedelta(hours=12) < found.rolled_back - since <= timedelta(hours=17)
