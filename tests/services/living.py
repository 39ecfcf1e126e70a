"""A checkout with two small signed releases, and the real `signoff serve` over it: processes, HTTP, clocks that run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from fixtures.beir_folder import write_beir, write_manifest

TOP = Path(__file__).resolve().parents[2]
POLICY = ("[{measure: 'nDCG@10', task: search, at_least: 0.05}, {measure: p95 total_ms, by: ucb, at_most: 250, "
          "guard: {for: 0m, severity: critical, then: rollback}}]")
RAMP = """rollout:
  stages:
    - {percent: 10, hold: 2s, criteria: [{measure: error rate, at_most: 0.5}]}
    - {percent: 25, hold: 10m, criteria: [{measure: error rate, at_most: 0.5}]}
  reverse: [{percent: 0}]
"""
ENGINE = '''"""A search engine of one's own: words shared. It turns slow when a file says so, as a dependency might."""

import json
import time
from functools import cache
from pathlib import Path


@cache
def index():
    rows = map(json.loads, open("manifests/beir/corpus.jsonl", encoding="utf-8"))
    return {row["_id"]: frozenset((row["title"] + " " + row["text"]).lower().split()) for row in rows}


def search(queries, k):
    if Path("turn-slow").exists():
        time.sleep(0.5)
    return [[(name, float(score)) for score, name in
             sorted(((len(set(query.lower().split()) & there), name) for name, there in index().items()),
                    reverse=True)[:k]] for query in queries]
'''


def said(folder: Path, *words: str, **environ: str) -> str:
    """What `signoff` says on stdout, from a checkout; it must pass."""
    done = subprocess.run([sys.executable, "-m", "harness", *words], cwd=folder, env=_environ(environ), text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, f"signoff {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def checkout(folder: Path) -> Path:
    """Two releases over one small collection, gated, signed and admitted to prod: steady serves, turning waits."""
    write_beir(folder / "manifests" / "beir")
    (folder / "engine.py").write_text(ENGINE, encoding="utf-8")
    for name, retriever, more in (("steady", "{impl: bm25}", ""),
                                  ("turning", "{impl: callable, target: 'engine:search'}", RAMP)):
        write_manifest(folder / "manifests" / f"{name}.yaml", parts=f"{{retriever: {retriever}}}", policy=POLICY,
                       more=more)
        said(folder, "gates", "--sign", f"manifests/{name}.yaml")
        said(folder, "admit", f"manifests/{name}.yaml", "--env", "prod")
    return folder


@contextmanager
def served(folder: Path, *words: str, **environ: str) -> Iterator[str]:
    """`signoff serve` as a process on a free port; its address. It ends by the signal that a supervisor sends."""
    with (folder / "serve.log").open("w+") as log:
        command = [sys.executable, "-m", "harness", "serve", "--env", "prod", "--port", "0", *words]
        process = subprocess.Popen(command, cwd=folder, env=_environ(environ), stdout=log, stderr=log)
        try:
            yield _address(process, folder / "serve.log")
        finally:
            process.terminate()
            process.wait(timeout=30)


def token_of(folder: Path, name: str, role: str) -> str:
    """A new token."""
    return said(folder, "serve", "token", "create", name, "--role", role).split()[0]


def client_of(address: str, token: str) -> httpx.Client:
    """A client of a service."""
    return httpx.Client(base_url=address, headers={"authorization": f"Bearer {token}"}, timeout=30, trust_env=False)


class Load:
    """Requests at a steady rate from a few threads: how many were answered, and every answer that was none."""

    def __init__(self, address: str, token: str, *, per_s: float, threads: int = 10) -> None:
        self.answered, self.failed = 0, list[str]()
        self._stop, self._each, self._lock = threading.Event(), threads / per_s, threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(address, token)) for _ in range(threads)]

    def __enter__(self) -> Load:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join()

    def _ask(self, address: str, token: str) -> None:
        with client_of(address, token) as client:
            while not self._stop.is_set():
                start = time.monotonic()
                found = client.post("/search", json={"query": "sort an array along an axis"})
                with self._lock:
                    if found.status_code == 200 and found.json()["hits"]:
                        self.answered += 1
                    else:
                        self.failed.append(found.text)
                self._stop.wait(max(0.0, self._each - (time.monotonic() - start)))


def until(what: str, held, *, within_s: float):
    """Wait until `held()` is true, and return it; fail after a while, saying what was waited for."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = held()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {within_s:g} s: {what}")


def _environ(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    return kept | {"PYTHONPATH": str(TOP)} | more


def _address(process: subprocess.Popen, log: Path) -> str:
    def found():
        assert process.poll() is None, log.read_text()
        return re.search(r"running on (http://[\d.]+:\d+)", log.read_text())

    return until("signoff serve answers", found, within_s=120)[1]
