"""What the store takes: a flip, a rollback, an admission, a backup, and verifying a long trail; on both databases.

    python benchmarks/rollout.py [--postgres URL] [--flips 300] [--rows 10000]

Beside each flip the time of one synced write of the same machine's disk, which no committed flip can go below.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from fixtures.attested import NOW
from fixtures.rollout import planted
from fixtures.signed import TRUSTING, artifacts_of, signed
from harness.rollout.admitting import admit
from harness.rollout.backup import create_backup, restore_backup, verify_backup
from harness.rollout.files import alone
from harness.rollout.going_back import rollback
from harness.rollout.pointer import current, flip
from harness.rollout.proving import verify_store
from harness.rollout.store import Store, open_store
from harness.rollout.trail import append

INDEX_MB = 40


def taken(what: Callable[[], object], times: int = 1) -> np.ndarray:
    """Milliseconds of each of `times` calls."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        found.append(1e3 * (time.perf_counter() - began))
    return np.array(found)


def row(name: str, ms: np.ndarray) -> None:
    """A line of the table."""
    p50, p99 = np.percentile(ms, [50, 99])
    print(f"| {name} | {len(ms)} | {p50:.2f} | {p99:.2f} | {ms.max():.2f} |")


def flips(store: Store, times: int) -> None:
    """Flips to and fro, alone and while readers ask and writers append."""
    with store.writing() as connection:
        digests = [planted(connection, "bench", name) for name in "ab"]
    turns = iter(range(10**9))

    def once() -> None:
        with store.writing() as connection:
            flip(connection, "bench", stable=digests[next(turns) % 2], candidate=None, percent=0.0, stage=None,
                 who="bench", why="measured", at=NOW)

    def seen() -> None:
        with store.reading() as connection:
            current(connection, "bench")

    row("flip, alone", taken(once, times))
    row("reading the pointer", taken(seen, times))
    over = threading.Event()
    workers = [threading.Thread(target=_busy, args=(store, over, writes)) for writes in (True, False, False)]
    for worker in workers:
        worker.start()
    row("flip, beside one writer and two readers", taken(once, times))
    over.set()
    for worker in workers:
        worker.join()


def _busy(store: Store, over: threading.Event, writes: bool) -> None:
    while not over.is_set():
        if writes:
            with store.writing() as connection:
                append(connection, "note", {}, who="bench", at=NOW)
            over.wait(0.002)
        else:
            with store.reading() as connection:
                current(connection, "bench")


def releases(store: Store, folder: Path) -> None:
    """Admissions of releases with an index of 40 MB, rollbacks, a backup, a restore."""
    made = [signed(folder, name, days=days, size=INDEX_MB * 10**6) for days, name in enumerate(("one", "two"))]
    found = []
    for days, loaded in enumerate(made):
        beside = "with a backup of the first" if days else "the first"
        row(f"admit ({INDEX_MB} MB, {beside})", taken(lambda one=loaded: found.append(
            admit(store, one, environment="prod", artifacts=artifacts_of(one), trust=TRUSTING, who="bench",
                  now=NOW + timedelta(days=2)))))
    times = []
    for _ in range(50):
        with store.writing() as connection:
            flip(connection, "prod", stable=found[1].digest, candidate=None, percent=0.0, stage=None, who="bench",
                 why="", at=NOW)
        times.append(taken(lambda: rollback(store, "prod", to="one", who="bench", why="", now=NOW))[0])
    row("rollback (the flip and its two rows of the trail)", np.array(times))
    with alone(store.home):
        row("backup create", taken(lambda: create_backup(store, who="bench", why="", now=NOW + timedelta(days=3))))
    row("backup verify", taken(lambda: verify_backup(store, "latest")))
    row("backup restore, nothing lost", taken(
        lambda: restore_backup(store, "latest", confirmed=True, who="bench", now=NOW)))


def long_trail(store: Store, rows: int) -> None:
    """Verifying every row."""
    with store.writing() as connection:
        for number in range(rows):
            append(connection, "note", {"number": number}, who="bench", at=NOW)
    row(f"trail verify, {rows:,} rows and more", taken(lambda: verify_store(store)))


def disk(folder: Path, times: int) -> None:
    """One synced write of 4 kB."""
    with (folder / "disk").open("wb", buffering=0) as stream:
        def once() -> None:
            stream.write(b"x" * 4096)
            os.fsync(stream.fileno())

        row("one synced write of 4 kB (the floor of a commit)", taken(once, times))


def main() -> None:
    """Print one table a database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", help="URL of an empty PostgreSQL database")
    parser.add_argument("--flips", type=int, default=300)
    parser.add_argument("--rows", type=int, default=10_000)
    asked = parser.parse_args()
    for name, url in (("SQLite", None), ("PostgreSQL", asked.postgres)):
        if name == "PostgreSQL" and url is None:
            continue
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            print(f"\n| {name}: ms | n | p50 | p99 | largest |\n|---|--:|--:|--:|--:|")
            disk(folder, asked.flips)
            with open_store(url or f"sqlite:///{folder}/home/rollout.db", home=folder / "home") as store:
                releases(store, folder)
                long_trail(store, asked.rows)
                flips(store, asked.flips)


if __name__ == "__main__":
    main()
