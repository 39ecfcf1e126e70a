"""The service as it runs: how soon a rollback is felt, requests and observations a second, what observing costs.

    python benchmarks/service.py [--rollbacks 20] [--seconds 10] [--batches 20] [--requests 50000] [--only PART]

`signoff serve` is a process of its own over two small signed releases, asked over HTTP from ten threads of this one:
on a machine of two cores both share them, with whatever else runs there. Figures are wall time; those "a core" are by
the server's own CPU time. A rollback is triggered here, through the store, as the command line does; it is felt when
the last answer of the candidate has come.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, perf_counter_ns, sleep

import httpx
import numpy as np

from fixtures.living import Load, checkout, client_of, served, token_of
from harness.rollout.going_back import rollback
from harness.rollout.pointer import current, flip
from harness.rollout.released import admitted_here
from harness.rollout.shapes import Observation
from harness.rollout.store import Store, open_store

Row = tuple[str, str, str]


def candidate_at(store: Store, percent: float) -> None:
    """Give the release that waits a share of traffic."""
    with store.writing() as connection:
        stable, waiting = (one.digest for one in admitted_here(connection, "prod"))
        flip(connection, "prod", stable=stable, candidate=waiting, percent=percent, stage=None, who="bench",
             why="bench", at=datetime.now(UTC))


def rolled_back(store: Store, load: Load) -> float:
    """Milliseconds from the trigger to the end of the last answer that the candidate gave."""
    candidate_at(store, 50.0)
    sleep(1.0)
    seen, start = len(load.answered), monotonic()
    rollback(store, "prod", who="bench", why="bench", now=datetime.now(UTC))
    sleep(1.5)
    late = [end for begun, end, arm in load.answered[seen:] if arm == "candidate" and end >= start]
    return 1e3 * (max(late, default=start) - start)


def felt(folder: Path, rollbacks: int, token: str) -> list[Row]:
    """How soon a rollback is felt, under load and while nothing else is asked."""
    found = []
    with served(folder, "--no-monitor", MONITORING_RESOLUTION="60s") as address, \
            open_store(f"sqlite:///{folder}/.signoff/rollout.db") as store:
        for name, rate in (("under 50 requests/s", 50.0), ("under full load", 0.0)):
            with Load(address, token, per_s=rate) as load:
                sleep(1.0)
                times = [rolled_back(store, load) for _ in range(rollbacks)]
            assert not load.failed, load.failed[0]
            found.append((f"trigger → old release answering, {name}", f"{np.median(times):.0f} ms",
                          f"worst of {rollbacks}: {max(times):.0f} ms"))
        with store.reading() as connection:
            assert current(connection, "prod").candidate is None
    return found


def cpu_of(client: httpx.Client) -> float:
    """Seconds of a core that the server has used so far, by its own metrics."""
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith("process_cpu_seconds")]
    return float(line.split()[1])


def answered(folder: Path, seconds: float, token: str) -> Row:
    """Requests a second, one release serving, all threads asking as fast as they are answered."""
    with (served(folder, "--no-monitor") as address, client_of(address, token) as client,
          Load(address, token, per_s=0.0) as load):
        sleep(1.0)
        seen, start, used = len(load.answered), monotonic(), cpu_of(client)
        sleep(seconds)
        rows, took, used = load.answered[seen:], monotonic() - start, cpu_of(client) - used
    times = np.array([1e3 * (end - begun) for begun, end, _ in rows])
    return ("requests/s over HTTP, ten clients", f"{len(rows) / took:.0f}; {len(rows) / used:.0f} a core of the "
            "server's own", f"p50 {np.median(times):.1f} ms, p99 {np.quantile(times, 0.99):.1f} ms")


def ingested(folder: Path, batches: int, token: str, rng: np.random.Generator) -> Row:
    """Observations a second in batches of 10,000, as one sender sends them one after the other."""
    with open_store(f"sqlite:///{folder}/.signoff/rollout.db") as store, store.reading() as connection:
        stable = current(connection, "prod").stable
    bodies = []
    for number in range(batches):
        at = datetime.now(UTC).isoformat()
        rows = [{"at": at, "assignment": "stable", "latency_ms": {"total": ms}} for ms in rng.exponential(9.0, 10_000)]
        bodies.append(json.dumps({"batch": f"bench-{number}", "stable": stable, "observations": rows}).encode())
    with served(folder, "--no-monitor") as address, client_of(address, token) as client:
        start, used = monotonic(), cpu_of(client)
        counted = sum(client.post("/v1/observations", content=body).json()["counted"] for body in bodies)
        took, used = monotonic() - start, cpu_of(client) - used
    assert counted == batches * 10_000
    return ("observations/s over HTTP", f"{counted / took:,.0f}; {counted / used:,.0f} a core of the server's own",
            f"{batches} batches of 10,000, each in the store")


def metric_of(client: httpx.Client, name: str) -> float:
    """One figure of the server's own metrics."""
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def remembered(folder: Path, requests: int, viewer: str, operator: str, rng: np.random.Generator) -> list[Row]:
    """Resident memory of the server as it goes on answering, with a candidate, the monitor and batches from elsewhere.

    The first fifth of the requests is not counted: what every process loads once is loaded there.
    """
    with open_store(f"sqlite:///{folder}/.signoff/rollout.db") as store:
        candidate_at(store, 25.0)
        with store.reading() as connection:
            stable = str(current(connection, "prod").stable)
    points: list[tuple[int, float]] = []
    with served(folder, "--no-monitor", "--shadow", "1", MONITORING_RESOLUTION="60s") as address, \
            client_of(address, viewer) as client, client_of(address, operator) as sender, \
            Load(address, viewer, per_s=0.0) as load:
        for number in range(1, 11):
            while len(load.answered) < number * requests // 10:
                sleep(0.05)
            at = datetime.now(UTC).isoformat()
            rows = [{"at": at, "assignment": "stable", "latency_ms": {"total": ms}}
                    for ms in rng.exponential(9.0, 1000)]
            sender.post("/v1/observations", json={"batch": f"m-{number}", "stable": stable, "observations": rows})
            points.append((len(load.answered), metric_of(client, "process_resident_memory_bytes") / 1e6))
        assert not load.failed, load.failed[0]
    counted = points[1:]
    slope = np.polyfit([count / 1e3 for count, _ in counted], [size for _, size in counted], 1)[0]
    course = ", ".join(f"{size:.0f}" for _, size in points)
    return [(f"resident memory over {points[-1][0]:,} requests", f"{counted[-1][1] - counted[0][1]:+.1f} MB from a "
             f"fifth on; {1e3 * slope:+.0f} kB per 1,000 requests", f"MB at each tenth: {course}")]


def timed(call: Callable[[], object], count: int) -> np.ndarray:
    times = np.empty(count)
    for place in range(count):
        start = perf_counter_ns()
        call()
        times[place] = perf_counter_ns() - start
    return times / 1e3


def observed(folder: Path, count: int) -> list[Row]:
    """What observing one request costs where it is answered: the observation, the queue, the metrics."""
    from harness.monitor.batching import Batches
    from harness.monitor.metrics import Metrics

    at, metrics = datetime.now(UTC), Metrics()
    latency = {"encode": 0.5, "search": 1.0, "rerank": 0.0, "retrieval": 1.5, "total": 1.5}
    with open_store(f"sqlite:///{folder}/.signoff/rollout.db") as store:
        batches = Batches(store, most=count + 1)
        rows = []
        for name, call in (
                ("observation, queue", lambda: batches.observe(
                    Observation(at, "prod", "a" * 64, "stable", latency, hit=0.5, reranked=False))),
                ("its metrics", lambda: metrics.count(
                    Observation(at, "prod", "a" * 64, "stable", latency, hit=0.5, reranked=False)))):
            times = timed(call, count)
            rows.append((f"observing in process: {name}", f"{np.median(times):.1f} µs",
                         f"p99 {np.quantile(times, 0.99):.1f} µs"))
    return rows


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rollbacks", type=int, default=20)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--batches", type=int, default=20)
    options.add_argument("--requests", type=int, default=50_000)
    options.add_argument("--only", choices=["rollback", "requests", "ingest", "memory", "observing"])
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = checkout(Path(place))
        viewer, operator = token_of(folder, "bench", "viewer"), token_of(folder, "sender", "operator")
        rng = np.random.default_rng(7)
        parts: dict[str, Callable[[], list[Row]]] = {
            "rollback": lambda: felt(folder, asked.rollbacks, viewer),
            "requests": lambda: [answered(folder, asked.seconds, viewer)],
            "ingest": lambda: [ingested(folder, asked.batches, operator, rng)],
            "observing": lambda: observed(folder, 50_000),
            "memory": lambda: remembered(folder, asked.requests, viewer, operator, rng)}
        rows = [row for name, part in parts.items() if asked.only in {None, name} for row in part()]
    table = "\n".join(["| what | found | beside it |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])
    print(table)
    if asked.out is not None:
        asked.out.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
