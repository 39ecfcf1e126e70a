"""Requests to the demo's service, 60 a second, until the candidate serves or is taken back; it turns slow at 25 %.

    python load.py [ADDRESS]

At 25 % it makes the file `turn-slow`, which engine.py waits for: from then on the candidate takes half a second longer.
It ends with 0 where the candidate was rolled back and every request had an answer, else with 1.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["main"]

_PER_S, _THREADS, _TURNS_AT, _WAIT_S, _MOST_S = 60.0, 10, 25.0, 60.0, 300.0
_SLOW, _TOKEN, _QUERIES = Path("turn-slow"), Path("load.token"), Path("manifests/beir/queries.jsonl")


def main(address: str = "http://127.0.0.1:8080") -> int:
    """Ask until the rollout is over, and tell what becomes of it."""
    _SLOW.unlink(missing_ok=True)
    service = _Service(address, _TOKEN.read_text(encoding="utf-8").strip())
    _until_it_answers(service)
    asked = [json.loads(row)["text"] for row in _QUERIES.read_text(encoding="utf-8").splitlines()]
    counts: Counter[str] = Counter()
    over = threading.Event()
    threads = [threading.Thread(target=_load, args=(service, asked[place:] + asked[:place], counts, over))
               for place in range(_THREADS)]
    for one in threads:
        one.start()
    try:
        phase = _watched(service)
    finally:
        over.set()
        for one in threads:
            one.join()
    _say(f"{counts.total():,} requests: {counts['stable']:,} answered by steady, {counts['candidate']:,} by turning, "
         f"{counts['none']:,} by nobody")
    return int(phase != "rolled_back" or counts["none"] > 0)


class _Service:
    """The service, asked with the token; a connection for each caller."""

    def __init__(self, address: str, token: str) -> None:
        self._at, self._token = urlsplit(address).netloc, token

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What it answers, as JSON; None where it does not, or answers that it cannot."""
        connection = HTTPConnection(self._at, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"authorization": f"Bearer {self._token}", "content-type": "application/json"})
            answer = connection.getresponse()
            return json.loads(answer.read()) if answer.status == 200 else None
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()


def _until_it_answers(service: _Service) -> None:
    end = time.monotonic() + _WAIT_S
    while service.ask("GET", "/v1/ramp") is None:
        if time.monotonic() > end:
            sys.exit(f"load: no service answers: start signoff serve in this folder (waited {_WAIT_S:g} s)")
        time.sleep(0.5)


def _load(service: _Service, queries: list[str], counts: Counter[str], over: threading.Event) -> None:
    """One of the callers: a query, its answer, a pause."""
    for query in cycle(queries):
        begun = time.monotonic()
        found = service.ask("POST", "/search", {"query": query})
        counts[found["assignment"] if found and found["hits"] else "none"] += 1
        if over.wait(max(0.0, _THREADS / _PER_S - (time.monotonic() - begun))):
            return


def _watched(service: _Service) -> str:
    """Tell each stage as it is reached, turn the candidate slow at 25 %; the phase that it ended in."""
    begun, told = time.monotonic(), ""
    while (after := time.monotonic() - begun) < _MOST_S:
        found = service.ask("GET", "/v1/ramp") or {}
        ramp, percent = found.get("ramp") or {}, (found.get("pointer") or {}).get("percent", 0.0)
        if ramp and (now := f"{ramp['phase'].replace('_', ' ')}, turning takes {percent:g} %") != told:
            _say(f"{after:4.0f} s  {now}")
            told = now
        if percent >= _TURNS_AT and not _SLOW.exists():
            _SLOW.touch()
            _say(f"{after:4.0f} s  its dependency turns slow: half a second more for each answer of turning")
        if ramp.get("phase") in {"promoted", "rolled_back"}:
            return str(ramp["phase"])
        time.sleep(0.5)
    sys.exit(f"load: the rollout is not over after {_MOST_S:g} s: signoff rollout status --env prod says why")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
