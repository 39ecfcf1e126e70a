"""Processes that are killed in the middle of what changes a store: what is done, where, and what must hold after it.

`python -m tests.faults.killing` is a process that has everything loaded: it reads a job a line, forks a child for it
and kills that; what the child acknowledged and how it ended are told.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from fixtures.attested import NOW
from fixtures.signed import signed
from harness.data.store import sha256_tree
from harness.errors import EvidenceError
from harness.monitor.window_store import read_windows, store_windows
from harness.release.children import dies_with_parent
from harness.release.manifest import load_manifest
from harness.rollout import tables
from harness.rollout.backup import Index, create_backup, list_backups, restore_backup, verify_backup
from harness.rollout.files import alone, whole
from harness.rollout.frozen import folder_of
from harness.rollout.going_back import rollback
from harness.rollout.proving import verify_store
from harness.rollout.shapes import Observation
from harness.rollout.store import Store, open_store
from harness.rollout.trail import append
from tests.rollout.released import let_in, served, serving, told

LATER = NOW + timedelta(days=30)
SIZE, BATCHES, EACH = 300_000, 12, 60
Acknowledge = Callable[[str], None]


@dataclass(frozen=True)
class Operation:
    """Something that changes a store: made ready once, done by a child, looked at after its death."""

    ready: Callable[[Store, Path], None]
    done: Callable[[Store, Path, Acknowledge], None]
    stands: Callable[[Store, Path, list[str]], None]
    again: Callable[[Store, Path], None]


def two_served(store: Store, folder: Path) -> None:
    served(store, folder, "one", "two", size=SIZE)


def admits(store: Store, folder: Path, say: Acknowledge) -> None:
    say(let_in(store, load_manifest(folder / "manifests" / "three.yaml"), days=3).digest)


def with_a_third(store: Store, folder: Path) -> None:
    two_served(store, folder)
    signed(folder, "three", days=3, size=SIZE)


def admitted_or_not(store: Store, folder: Path, said: list[str]) -> None:
    kinds = [row.kind for row in told(store)]
    assert kinds.count("admit") in {2, 3} and kinds[:6] == ["backup", "admit", "flip"] * 2
    with store.reading() as connection:
        files = {row.digest: dict(row.files) for row in connection.execute(select(tables.releases))}
    assert all(whole(folder_of(store.home, digest), inside) for digest, inside in files.items())
    assert len(files) == kinds.count("admit") and set(said) <= set(files)


def admits_again(store: Store, folder: Path) -> None:
    if len(told(store, "admit")) == 2:
        admits(store, folder, lambda _: None)
    with pytest.raises(EvidenceError, match="admitted before"):
        admits(store, folder, lambda _: None)
    admitted_or_not(store, folder, [])
    assert len(told(store, "admit")) == 3


def goes_back(store: Store, folder: Path, say: Acknowledge) -> None:
    say(str(rollback(store, "prod", who="ada", why="", now=LATER).stable))


def back_or_not(store: Store, folder: Path, said: list[str]) -> None:
    back = len(told(store, "rollback"))
    first = told(store, "flip")[0].body["stable"]
    assert back in {0, 1} and len(told(store, "flip")) == 2 + back
    assert (serving(store).stable == first) is bool(back)
    assert not said or (said == [first] and back == 1)


def back_again(store: Store, folder: Path) -> None:
    if not told(store, "rollback"):
        goes_back(store, folder, lambda _: None)
    back_or_not(store, folder, [told(store, "flip")[0].body["stable"]])


def backs_up(store: Store, folder: Path, say: Acknowledge) -> None:
    with alone(store.home):
        say(create_backup(store, who="ada", why="", now=LATER).id)


def backed_up_or_not(store: Store, folder: Path, said: list[str]) -> None:
    found = list_backups(store)
    assert all(isinstance(one, Index) and verify_backup(store, one.id) == one for one in found)
    assert len(found) in {2, 3, 4} and set(said) <= {one.id for one in found}


def backs_up_again(store: Store, folder: Path) -> None:
    backs_up(store, folder, lambda _: None)
    backed_up_or_not(store, folder, [])
    assert len(told(store, "backup")) >= 3


def damaged(store: Store, folder: Path) -> None:
    """Kept; then the pointer moved, one release lost, one damaged."""
    two_served(store, folder)
    backs_up(store, folder, lambda _: None)
    (folder / "frozen.json").write_text(json.dumps(sha256_tree(store.home / "releases")))
    one, two = (row.body["digest"] for row in told(store, "admit"))
    goes_back(store, folder, lambda _: None)
    shutil.rmtree(folder_of(store.home, one))
    (folder_of(store.home, two) / "artifacts" / "index" / "vectors.npy").write_bytes(b"damaged")


def restores(store: Store, folder: Path, say: Acknowledge) -> None:
    say(str(restore_backup(store, "latest", confirmed=True, who="ada", now=LATER).files))


def restored_or_not(store: Store, folder: Path, said: list[str]) -> None:
    right, done = json.loads((folder / "frozen.json").read_text()), len(told(store, "restore"))
    there = {name: digest for name, digest in sha256_tree(store.home / "releases").items() if ".stage-" not in name}
    wrong = {name for name, digest in there.items() if right.get(name) != digest and ".part" not in name}
    assert all(name.endswith("index/vectors.npy") for name in wrong) and done in {0, 1}
    assert len(told(store, "flip")) == 3 + done
    if done or said:
        assert (there, done, serving(store).stable) == (right, 1, told(store, "admit")[1].body["digest"])


def restores_again(store: Store, folder: Path) -> None:
    if not told(store, "restore"):
        restores(store, folder, lambda _: None)
    restored_or_not(store, folder, ["done"])


def batch(number: int) -> list[Observation]:
    return [Observation(NOW + timedelta(seconds=number * 7 + n % 3), "prod", "a" * 64, "stable",
                        {"total": 1.0 + n, "search": 1.0}, slices=("hard_nl",)) for n in range(EACH)]


def counts(store: Store, folder: Path, say: Acknowledge) -> None:
    for number in range(BATCHES):
        with store.writing() as connection:
            store_windows(connection, f"batch-{number}", batch(number), now=NOW + timedelta(minutes=2))
        say(f"batch-{number}")


def counted_or_not(store: Store, folder: Path, said: list[str]) -> None:
    with store.reading() as connection:
        windows = read_windows(connection, "prod", since=NOW - timedelta(hours=1))
        known = set(connection.execute(select(tables.acknowledged.c.id)).scalars())
    of_all = sum(one.requests.n for key, one in windows.items() if key.slice == "all")
    assert of_all == EACH * len(known) and set(said) <= known <= {*said, f"batch-{len(said)}"}


def counts_again(store: Store, folder: Path) -> None:
    counts(store, folder, lambda _: None)
    counted_or_not(store, folder, [f"batch-{number}" for number in range(BATCHES)])


OPERATIONS = {
    "admit": Operation(with_a_third, admits, admitted_or_not, admits_again),
    "rollback": Operation(two_served, goes_back, back_or_not, back_again),
    "backup": Operation(two_served, backs_up, backed_up_or_not, backs_up_again),
    "restore": Operation(damaged, restores, restored_or_not, restores_again),
    "windows": Operation(lambda store, folder: None, counts, counted_or_not, counts_again),
}


def torn(store: Store, folder: Path, say: Acknowledge) -> None:
    """A rollback that tells the trail in one transaction and dies before it flips the pointer in another."""
    with store.writing() as connection:
        append(connection, "rollback", {}, who="ada", at=LATER)
    os.kill(os.getpid(), signal.SIGKILL)


def hasty(store: Store, folder: Path, say: Acknowledge) -> None:
    """A batch that is acknowledged before its transaction ends, which it never does."""
    with store.writing() as connection:
        store_windows(connection, "batch-0", batch(0), now=NOW + timedelta(minutes=2))
        say("batch-0")
        os.kill(os.getpid(), signal.SIGKILL)


TWINS = {"torn rollback": replace(OPERATIONS["rollback"], done=torn),
         "hasty windows": replace(OPERATIONS["windows"], done=hasty)}


class Worker:
    """The process that forks children to be killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.faults.killing"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, preexec_fn=dies_with_parent())  # noqa: PLW1509  one call to the kernel

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def killed(self, job: dict[str, str], after_s: float | None) -> tuple[list[str], bool, float]:
        """What a child acknowledged, whether it was killed, and how many seconds it lived."""
        began, lines = time.monotonic(), list[str]()
        self._process.stdin.write(json.dumps({**job, "after_s": after_s}).encode() + b"\n")
        self._process.stdin.flush()
        while (line := self._process.stdout.readline().decode().strip()) and not line.startswith("ended "):
            lines.append(line)
        status = int(line.removeprefix("ended "))
        assert status in {0, signal.SIGKILL}, lines
        return lines, status == signal.SIGKILL, time.monotonic() - began


def stands(name: str, url: str, place: Path, said: list[str]) -> None:
    """The store opens, is consistent in itself, and holds all that was acknowledged; the same can be done again."""
    with open_store(url, home=place / "home") as store:
        if url.startswith("sqlite"):
            with store.reading() as connection:
                assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        verify_store(store)
        operation = (OPERATIONS | TWINS)[name]
        operation.stands(store, place, said)
        operation.again(store, place)
        verify_store(store)
        with store.reading() as connection:
            assert connection.execute(select(func.count()).select_from(tables.trail)).scalar() == len(told(store))


def main() -> None:
    """Fork a child a line; the parent stays as it was after its imports."""
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_job(job))
        if job["after_s"] is not None:
            time.sleep(job["after_s"])
            os.kill(child, signal.SIGKILL)  # not waited for yet: its id is nobody else's, even where it has ended
        _say(f"ended {os.waitpid(child, 0)[1]}")


def _say(what: str) -> None:
    os.write(1, f"{what}\n".encode())


def _job(job: dict[str, Any]) -> int:
    try:
        with open_store(job["url"], home=Path(job["place"]) / "home") as store:
            (OPERATIONS | TWINS)[job["name"]].done(store, Path(job["place"]), _say)
    except BaseException:
        os.write(1, traceback.format_exc().encode())
        return 1
    return 0


if __name__ == "__main__":
    main()
