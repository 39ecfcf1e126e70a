"""Services for tests: admitted releases whose arms are made of plain functions, and a clock that is turned by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from sqlalchemy import insert

from harness.monitor.arms import Arm, Arms
from harness.monitor.batching import Batches
from harness.monitor.context import Service
from harness.monitor.service import make_app
from harness.monitor.tokens import create_token, held_tokens
from harness.release.live import Answer
from harness.retrieval.protocols import Hits
from harness.rollout import tables
from harness.rollout.pointer import flip
from harness.rollout.store import Store, open_store

DAY = datetime(2025, 3, 1, 12, tzinfo=UTC)
STABLE, CANDIDATE, OLD = "a" * 64, "b" * 64, "c" * 64
MANIFEST = b"""
release: release-x
seed: 7
data: {beir: beir}
parts: {encoder: {dims: 8}, index: {impl: flat}}
policy:
  - {measure: p95 total_ms, at_most: 50.0, by: ucb, guard: {for: 0m, severity: critical, then: rollback}}
  - {measure: R@5, at_least: 0.1, guard: {for: 0m, severity: warning, then: alert}}
rollout:
  stages:
    - {percent: 50, hold: 0m, criteria: [{measure: error rate, at_most: 0.2}]}
    - {percent: 100, hold: 0m, criteria: [{guards: all}]}
contract:
  owners: [search team]
  overrides: [{who: release managers, may: advance a ramp, needs: 2}]
"""
OPEN: list[Store] = []
IDS = tuple(f"doc-{number:02d}" for number in range(20))


@dataclass
class Fake:
    """Answers like a release; `does` runs first, with the query's text."""

    shift: int = 0
    ms: float = 1.0
    does: Callable[[str], object] = lambda text: None
    asked: list[str] = field(default_factory=list)

    def search(self, text: str, *, own: int = -1, module: str | None = None) -> Answer:
        self.asked.append(text)
        self.does(text)
        codes = (np.arange(20) + self.shift) % 20
        codes = np.concatenate([codes[codes != own], [-1] * int(own in codes)]).astype(np.int64)
        return Answer(Hits(codes[None], np.linspace(0.9, 0.1, 20, dtype=np.float32)[None]), codes,
                      self.ms, self.ms, 0.0, 0)


def admitted(store: Store, *digests: str, environment: str = "prod") -> None:
    """Enter releases as an admission would, without their files."""
    with store.writing() as connection:
        for digest in digests:
            connection.execute(insert(tables.releases).values(
                digest=digest, release=f"release-{digest[0]}", manifest_path="m.yaml", manifest=MANIFEST, bundle=b"",
                artifacts="none", files={}, run_id=digest[:8], measured_at=DAY, admitted_at=DAY))
            connection.execute(insert(tables.admissions).values(environment=environment, digest=digest, at=DAY,
                                                                who="ada"))


def point(store: Store, stable: str, candidate: str | None = None, percent: float = 0.0) -> None:
    with store.writing() as connection:
        flip(connection, "prod", stable=stable, candidate=candidate, percent=percent, stage=None, who="ada",
             why="test", at=DAY)


def service_of(folder: Path, fakes: dict[str, Fake], *, candidate: str | None = None, percent: float = 0.0,
               **more) -> Service:
    """A service over a new store, its arms loaded: nothing runs in the background."""
    store = open_store(more.pop("url", None) or f"sqlite:///{folder}/rollout.db", home=folder)
    OPEN.append(store)
    admitted(store, *fakes)
    point(store, STABLE, candidate, percent)

    def load(_: Store, release) -> Arm:
        return Arm(release.digest, release.release, fakes[release.digest], IDS, dense=True, indexed=True,
                   slices=frozenset({"all", "language=de"}))

    arms = Arms(store, "prod", load)
    more.setdefault("environ", {})
    now = more.pop("now", lambda: DAY)
    service = Service(store, "prod", arms, Batches(store, now=now), now=now, **more)
    arms.look()
    arms.fill()
    return service


@contextmanager
def http(service: Service) -> Iterator[str]:
    """The service on a free port of this machine, by the server that serves in production; its address."""
    server = uvicorn.Server(uvicorn.Config(make_app(service), port=0, access_log=True, log_config=None))
    service.start()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended before it began"
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        service.stop()


def client_of(service: Service, address: str, role: str | None = "approver") -> httpx.Client:
    """A client with a new token of `role`; without one where it is None."""
    client = httpx.Client(base_url=address, timeout=10, trust_env=False)
    if role is not None:
        name = f"t{len(held_tokens(service.store))}-{role}"
        token = create_token(service.store, name, role, who="ada", now=DAY)
        client.headers["authorization"] = f"Bearer {token}"
    return client
