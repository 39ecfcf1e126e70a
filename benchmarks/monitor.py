"""The monitor in figures: false rollbacks of sound hours, delay until harm is found, what observing costs.

    python benchmarks/monitor.py rates [--worlds 10000]     false rollbacks beside two peers
    python benchmarks/monitor.py delay                      minutes until a drop of 1, 2 and 5 points is found
    python benchmarks/monitor.py cost                       observing in process, memory over a week, windows a second
    python benchmarks/monitor.py nab --data FOLDER          labelled incidents of four real series

A sound hour: 60 minutes of canary minus control whose mean is exactly at the limit, in units of a minute's spread, with
a day before it. `pod offset`: the canary's pod is N(0, .3**2) spreads apart for good. The guard is judged as it takes
the arms to run: apart with nothing known of before, apart with the day before known, or together (which is a wrong
claim where there is an offset). A rank-sum judge (98 %) compares the hour's minutes of both arms at its end; a naive
peeker looks at t > 1.645 from the third minute on.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import lfilter
from scipy.stats import ranksums

from harness.monitor.evidence import evidence_of
from harness.monitor.replaying import replay
from harness.monitor.series import Course, Watch
from harness.monitor.windows import Window, merged, windows_of
from harness.release.policy import Limit
from harness.rollout.shapes import Guarded, Observation

DAY = datetime(2025, 3, 1, tzinfo=UTC)
HOUR, BEFORE, POD, ALPHA = 60, 1440, 0.3, 0.05
AT_MOST = Limit("at_most", 0.0, "ucb")
OLD, NEW = "a" * 64, "b" * 64
WATCH = Watch(NEW, "candidate", DAY, OLD, together=True)
GUARDS = (Guarded("errors", "error rate", "all", Limit("at_most", 0.02, "ucb"), 600, "critical", "rollback"),
          Guarded("p95", "delta p95 total_ms", "all", Limit("at_most", 5.0, "ucb"), 600, "critical", "rollback"))
WORLDS = {"independent": (0.0, 0.0), "AR(1) .5": (0.5, 0.0), "AR(1) .8": (0.8, 0.0), "pod offset": (0.0, POD),
          "AR(1) .5, pod offset": (0.5, POD)}


def ar(rng: np.random.Generator, n: int, f: float) -> Any:
    """(n,) of a stationary AR(1) series of unit spread."""
    noise = rng.normal(size=n) * np.sqrt(1.0 - f * f)
    noise[0] = rng.normal()
    return lfilter([1.0], [1.0, -f], noise)


def hour(rng: np.random.Generator, f: float, pod: float) -> tuple[Any, Any, Any]:
    """Differences of the day before and of the hour, and the two arms of the hour."""
    offset = pod * rng.normal()
    before = ar(rng, BEFORE, f) + offset
    canary, control = ar(rng, HOUR, f) / np.sqrt(2.0) + offset, ar(rng, HOUR, f) / np.sqrt(2.0)
    return before, canary, control


def judged(before: Any, change: Any, *, calm: Any = None, together: bool = False) -> bool:
    """Whether the guard ever says that the difference is above 0."""
    course = Course(np.arange(len(change)), change, np.full(len(change), 100.0), None, before, paired=True,
                    together=together, calm=calm)
    return bool(evidence_of(course, AT_MOST, support=None, alpha=ALPHA).harm.any())


def peeked(change: Any) -> bool:
    """Whether a one-sided t at any minute from the third is above 1.645."""
    n = np.arange(1, len(change) + 1)
    mean = np.cumsum(change) / n
    spread = np.sqrt(np.maximum(np.cumsum(change**2) - n * mean**2, 1e-12) / np.maximum(n - 1, 1))
    return bool((mean / spread * np.sqrt(n) > 1.645)[2:].any())


JUDGES: dict[str, Callable[[Any, Any, Any], bool]] = {
    "apart": lambda _, canary, control: judged(np.empty(0), canary - control),
    "apart, a day known": lambda before, canary, control: judged(before, canary - control),
    "together": lambda before, canary, control: judged(np.empty(0), canary - control, calm=before, together=True),
    "rank sum": lambda _, canary, control: bool(ranksums(canary, control, alternative="greater").pvalue < 0.02),
    "naive peeker": lambda _, canary, control: peeked(canary - control)}


def rates(worlds: int, seed: int = 7) -> Iterator[tuple[str, dict[str, float]]]:
    """By world, the share of sound hours that each judge rolls back."""
    for name, (f, pod) in WORLDS.items():
        rng = np.random.default_rng(seed)
        found = dict.fromkeys(JUDGES, 0)
        for _ in range(worlds):
            before, canary, control = hour(rng, f, pod)
            for judge, ask in JUDGES.items():
                found[judge] += ask(before, canary, control)
        yield name, {judge: count / worlds for judge, count in found.items()}


def delays(drop: float, *, after: int, worlds: int = 101, queries: int = 20, spread: float = 0.25, seed: int = 7
           ) -> tuple[float, float]:
    """Median minutes until a drop of ΔnDCG is found, and the share of worlds in which it is within four hours more."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(worlds):
        means = np.where(np.arange(after + 240) < after, 0.0, -drop)
        x = np.clip(rng.normal(means[:, np.newaxis], spread, (len(means), queries)), -1.0, 1.0).mean(axis=1)
        course = Course(np.arange(len(x)), x, np.full(len(x), float(queries)), None, np.empty(0), False)
        harm = evidence_of(course, Limit("at_least", -0.001, "lcb"), support=(-1.0, 1.0), alpha=ALPHA).harm[after:]
        found.append(int(np.argmax(harm)) + 1 if harm.any() else np.inf)
    return float(np.median(found)), float(np.isfinite(found).mean())


def enough(drop: float, *, share: float = 0.9, worlds: int = 51) -> int:
    """Judged queries a minute, by doublings of 20, that find a drop within four hours in such a share of worlds."""
    queries = 20
    while delays(drop, after=0, worlds=worlds, queries=queries)[1] < share:
        queries *= 2
    return queries


def cost() -> Iterator[str]:
    """Lines: observing, windows, memory."""
    import tempfile

    from harness.monitor.batching import Batches
    from harness.rollout.store import open_store

    one = Observation(DAY, "prod", "a" * 64, "candidate", {"encode": 1.0, "search": 2.0, "total": 3.2})
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/r.db") as store:
        batches = Batches(store)
        taken = []
        for _ in range(20_000):
            begun = time.perf_counter_ns()
            batches.observe(one)
            taken.append(time.perf_counter_ns() - begun)
    yield "observe: median {:.2f} µs, p99 {:.2f} µs".format(*(np.quantile(taken, q) / 1e3 for q in (0.5, 0.99)))
    rng = np.random.default_rng(7)
    rows = [Observation(DAY + timedelta(seconds=i / 300), "prod", "a" * 64, "candidate",
                        {"search": float(a), "total": float(b)}, slices=("hard_nl",) if i % 5 == 0 else ())
            for i, (a, b) in enumerate(rng.gamma(4.0, 2.0, (30_000, 2)))]
    begun = time.perf_counter()
    windows_of(rows)
    yield f"windows: {len(rows) / (time.perf_counter() - begun):,.0f} observations/s"
    yield week(rng)
    yield from watched(rng)


def resident() -> float:
    """MiB of this process that lie in memory, as Linux counts them."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def watched(rng: np.random.Generator, every: int = 120) -> Iterator[str]:
    """A real store through a week of minutes of both arms: resident memory, a look's time, windows that it reads."""
    import tempfile

    from harness.rollout.store import open_store

    held: dict[Any, Window] = {}  # as a monitor holds what it read last
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/r.db") as store:
        for minute in range(-1440, 7 * 1440, every):
            now = DAY + timedelta(minutes=minute + every)
            filled(store, rng, DAY + timedelta(minutes=minute), now)
            if now > DAY:
                begun = time.perf_counter()
                held = looked(store, now)
                if now in {DAY + timedelta(days=n) for n in (1, 3, 5, 7)}:
                    yield (f"day {(now - DAY).days}: resident {resident():.0f} MiB, {len(held):,} windows read, look "
                           f"{time.perf_counter() - begun:.2f} s")


def filled(store: Any, rng: np.random.Generator, since: datetime, until: datetime) -> None:
    """Minutes of both arms into the store, and what is old out of it."""
    from sqlalchemy import insert

    from harness.data.store import sha256_bytes
    from harness.monitor.running import KEEP
    from harness.monitor.series import spans_of
    from harness.monitor.window_store import trim
    from harness.monitor.windows import Key
    from harness.rollout import tables

    minutes = range(int((until - since).total_seconds()) // 60)
    rows = [(Key("prod", release, arm, "all", since + timedelta(minutes=k)), Window.of(
        [Observation(DAY, "prod", release, arm, {"total": float(ms)}) for ms in rng.gamma(4.0, 2.0, 20)]).raw)
        for k in minutes for release, arm in ((OLD, "stable"), (NEW, "candidate"))]
    with store.writing() as connection:
        connection.execute(insert(tables.windows), [
            {**key._asdict(), "state": raw, "sha256": sha256_bytes(raw)} for key, raw in rows])
        trim(connection, "prod", before=until - KEEP, keep=spans_of(WATCH, max(until, DAY)))


def looked(store: Any, now: datetime) -> dict[Any, Window]:
    """One look of two guards; the windows that it read."""
    from harness.monitor.guards import readings
    from harness.monitor.series import spans_of
    from harness.monitor.window_store import read_windows

    found: dict[Any, Window] = {}
    with store.reading() as connection:
        for since, until in spans_of(WATCH, now):
            found |= read_windows(connection, "prod", since=since, until=until)
    readings(GUARDS, found, now, watch=WATCH)
    return found


def week(rng: np.random.Generator) -> str:
    """Memory of merged state after a day and after a week of minutes."""
    tracemalloc.start()
    whole, sizes = Window(), []
    for day in range(7):
        for _ in range(1440):
            whole = merged([whole, Window.of([Observation(DAY, "prod", "a", "candidate", {"total": float(ms)})
                                              for ms in rng.gamma(4.0, 2.0, 20)])])
        sizes.append((len(whole.raw), tracemalloc.get_traced_memory()[0]))
        del day
    tracemalloc.stop()
    (first, held), (last, still) = sizes[0], sizes[-1]
    return (f"memory: state {first:,} bytes after a day, {last:,} after a week; "
            f"traced {held:,} and {still:,} bytes")


def nab(folder: Path) -> Iterator[str]:
    """Each labelled window watched from a day before it: found or not, after how long; and quiet days."""
    labels = json.loads((folder / "nab_latency" / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
    yield "| series | guard | labelled windows found | delay | quiet days | rolled back on one |"
    yield "|---|---|--:|--:|--:|--:|"
    for series, windows in labels.items():
        lines = (folder / "nab_latency" / "data" / series).read_text(encoding="utf-8").splitlines()[1:]
        values = [(datetime.fromisoformat(a).replace(tzinfo=UTC), float(b)) for a, b in (r.split(",") for r in lines)]
        spans = [tuple(datetime.fromisoformat(end).replace(tzinfo=UTC) for end in one) for one in windows]
        for by in ("ucb", "value"):
            yield _nab_row(Path(series).stem, values, spans, by)


def _nab_row(name: str, values: list[tuple[datetime, float]], spans: list[Any], by: Any) -> str:
    start, step = values[0][0], 300 if "TravelTime" not in name else 600
    limit = 1.15 * float(np.mean([v for m, v in values if m < start + timedelta(days=2)]))

    def fired(since: datetime, until: datetime) -> datetime | None:
        seen = [Observation(m, "nab", "old" if m < since else "new", "stable" if m < since else "candidate",
                            values={"level": v}) for m, v in values if since - timedelta(days=2) <= m <= until]
        guard = Guarded("level", "level", "all", Limit("at_most", limit, by), 600, "critical",
                        "rollback" if by == "ucb" else "alert")
        if not any(one.assignment == "candidate" for one in seen):
            return None
        found = replay(seen, [guard], since=since, resolution_s=step, every_s=step)
        return next((one.at for one in found.events if one.state in {"critical", "emergency"}), None)

    hits = [(fired(max(begin - timedelta(hours=2), start), end), begin) for begin, end in spans]
    delay = [(at - begin).total_seconds() / 60 for at, begin in hits if at is not None and at >= begin]
    days = [start + timedelta(days=n) for n in range(2, (values[-1][0] - start).days)]
    quiet = [day for day in days if all(day + timedelta(days=1) < begin or day > end for begin, end in spans)]
    false = sum(fired(day, day + timedelta(days=1)) is not None for day in quiet)
    told = f"{np.median(delay):.0f} min" if delay else "–"
    return f"| {name} | {by} | {len(delay)} of {len(spans)} | {told} | {len(quiet)} | {false} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["rates", "delay", "cost", "nab"])
    parser.add_argument("--worlds", type=int, default=10_000)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    if given.what == "rates":
        print(f"{given.worlds:,} sound hours each\n| minutes | " + " | ".join(JUDGES) + " |")
        for name, found in rates(given.worlds):
            print(f"| {name} | " + " | ".join(f"{rate:.4f}" for rate in found.values()) + " |", flush=True)
    elif given.what == "delay":
        for drop in (0.01, 0.02, 0.05):
            told = [delays(drop, after=after) for after in (0, 360)]
            print(f"| {100 * drop:.0f} | " + " | ".join(f"{m:g} ({share:.2f})" for m, share in told) + " |", flush=True)
        print(f"a point is found in four hours (.9 of worlds) by {enough(0.01)} judged queries a minute")
    elif given.what == "cost":
        print("\n".join(cost()))
    else:
        print("\n".join(nab(given.data)))


if __name__ == "__main__":
    main()
