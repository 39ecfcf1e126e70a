"""What the windows of the watched arm show by slice: requests, latency, coverage, the health of its weights."""

from __future__ import annotations

import math
from typing import Any

from harness.estimate import Estimate
from harness.estimators.psis import tail_of
from harness.monitor.running import Scene
from harness.monitor.windows import COVERED, Window, merged

__all__ = ["slice_rows"]


def slice_rows(scene: Scene) -> list[dict[str, Any]]:
    """One row a slice, `all` first, `cache=…` next: numbers as text, a dash where nothing was observed."""
    watch = scene.watch
    if watch is None:
        return []
    mine: dict[str, list[Window]] = {}
    for key, one in scene.windows.items():
        if (key.release, key.assignment) == (watch.release, watch.assignment):
            mine.setdefault(key.slice, []).append(one)
    names = sorted(mine, key=lambda name: (name != "all", not name.startswith("cache="), name))
    return [_row(name, merged(mine[name])) for name in names]


def _row(name: str, one: Window) -> dict[str, Any]:
    latency, covered, weights = one.latency.get("total"), one.shares.get(COVERED), one.weights
    return {
        "slice": name, "requests": one.requests.n, "errors": one.requests.hits,
        "p95": "–" if latency is None or not latency.n else _told(latency.quantile(0.95)),
        "coverage": "–" if covered is None or not covered.n else _told(covered.estimate()),
        "ess": _number(weights.ess_share) if weights.n else "–",
        "kappa": _number(tail_of(weights).kappa) if weights.n else "–"}


def _told(found: Estimate) -> str:
    return f"{_number(found.value)} [{_number(found.low)}, {_number(found.high)}]"


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "–" if math.isnan(value) else "∞" if value > 0 else "-∞"
