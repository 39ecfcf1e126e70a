"""What a person needs who is woken: what was beyond which limit, what both arms did lately, which queries to look at.

Numbers, names of guards and slices, digests, ids of judged queries. No query text and no user: an id that does not look
like one is replaced by the beginning of its hash.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.data.store import sha256_bytes
from harness.monitor.measures import measure_of
from harness.monitor.running import Scene
from harness.monitor.windows import ALL, KEPT, Key, Ranked, Window
from harness.rollout.ramp_store import Advanced
from harness.rollout.shapes import Reading

__all__ = ["LATELY", "safe_id", "snapshot", "snapshot_lines"]

LATELY = 15  # windows that are shown
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,63}")
_SHOWN = ("error rate", "p50 total_ms", "p95 total_ms", "p99 total_ms", "delta nDCG@10", "Jaccard@10", "rerank share")


def safe_id(name: str) -> str:
    """An id as it is, or the beginning of its hash where it could be a text.

    >>> safe_id("q-17"), safe_id("how do I sort?")
    ('q-17', 'sha256:44a5c6c8f')
    """
    return name if _ID.fullmatch(name) else f"sha256:{sha256_bytes(name.encode())[:9]}"


def snapshot(scene: Scene, advanced: Advanced | None, now: datetime) -> dict[str, Any]:
    """The document of a moment: what serves, what was decided by which number, windows by arm, queries to look at.

    Numbers that are not finite are left out, so that it is strict JSON.
    """
    pointer, decision = scene.pointer, None if advanced is None else advanced.decision
    lately = _lately(scene.windows)
    whole = Window()
    for one in lately.values():
        whole = whole.merge(one)
    return {
        "at": now.isoformat(), "environment": None if pointer is None else pointer.environment,
        "stable": None if pointer is None else pointer.stable,
        "candidate": None if pointer is None else pointer.candidate,
        "percent": None if pointer is None else pointer.percent,
        "decision": None if decision is None else {"action": decision.action, "stage": decision.stage,
                                                   "percent": decision.percent, "reason": decision.reason,
                                                   "guard": decision.guard},
        "findings": [_finding(one) for one in scene.readings],
        "windows": [{"release": release[:12], "as": arm, "requests": one.requests.n, **_figures(one)}
                    for (release, arm), one in sorted(lately.items())],
        "slowest": _queries(whole.slowest, "ms"), "worst": _queries(whole.worst, "delta nDCG@10")}


def snapshot_lines(document: Mapping[str, Any]) -> list[str]:
    """The same for a message: a few lines that fit a phone."""
    lines = [f"{one['guard']}: {one['state']}: {one['reason']}" for one in document["findings"]
             if one["state"] not in {"ok", "warning"}]
    decision = document["decision"]
    if decision is not None:
        lines.append(f"ramp: {decision['action']} at {decision['percent']:g} %: {decision['reason']}")
    lines += [f"{one['as']} {one['release']}: " + ", ".join(
        f"{name} {one[name]:.4g}" for name in _SHOWN if name in one) + f", n {one['requests']}"
        for one in document["windows"]]
    for name in ("slowest", "worst"):
        if document[name]:
            lines.append(f"{name}: " + ", ".join(one["query"] for one in document[name]))
    return lines


def _finding(one: Reading) -> dict[str, Any]:
    numbers = {"value": one.value, "low": one.low, "high": one.high}
    return {"guard": one.guard.name, "measure": one.guard.measure, "slice": one.guard.slice, "state": one.state,
            "severity": one.guard.severity, "then": one.guard.then, "limit": str(one.guard.limit), "n": one.n,
            "since": one.since and one.since.isoformat(), "reason": one.reason,
            **{name: value for name, value in numbers.items() if value is not None and math.isfinite(value)}}


def _lately(windows: Mapping[Key, Window]) -> dict[tuple[str, str], Window]:
    """The last `LATELY` windows on all queries, by release and arm."""
    minutes = sorted({key.minute for key in windows})[-LATELY:]
    found: dict[tuple[str, str], Window] = defaultdict(Window)
    for key, one in windows.items():
        if key.slice == ALL and key.minute in minutes:
            found[key.release, key.assignment] = found[key.release, key.assignment].merge(one)
    return dict(found)


def _figures(one: Window) -> dict[str, float]:
    shown = {name: measure_of(name).read(one) for name in _SHOWN}
    return {name: minute.value for name, minute in shown.items() if minute is not None}


def _queries(ranked: Ranked | Sequence[tuple[float, str]], unit: str) -> list[dict[str, Any]]:
    return [{"query": safe_id(name), unit: value} for value, name in ranked[:KEPT]]
