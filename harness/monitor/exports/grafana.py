"""Grafana: one dashboard of a manifest's guards beside their limits, and of what the service does."""

from __future__ import annotations

import json
from typing import Any

from harness.monitor import metric_names as names
from harness.monitor.exports.common import Exports, Watch, watches
from harness.release.manifest import Loaded

__all__ = ["exported", "panels_of"]

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDE, _HIGH = 8, 7


def exported(loaded: Loaded) -> Exports:
    """`dashboard.json`; the data source is chosen when it is imported. Raises InputError where nothing is watched."""
    name = loaded.manifest.release
    board = {
        "uid": f"signoff-{loaded.sha256[:12]}", "title": f"Signoff: {name}", "tags": ["signoff"], "schemaVersion": 39,
        "version": 1, "editable": True, "refresh": "30s", "timezone": "utc", "time": {"from": "now-6h", "to": "now"},
        "description": f"Made of {loaded.path.name}, sha256 {loaded.sha256}",
        "templating": {"list": [{"name": "source", "label": "Data source", "type": "datasource",
                                 "query": "prometheus"}]},
        "annotations": {"list": []}, "panels": panels_of(watches(loaded))}
    return {"dashboard.json": json.dumps(board, indent=1, ensure_ascii=False) + "\n"}


def panels_of(found: tuple[Watch, ...]) -> list[dict[str, Any]]:
    """The service first, then a panel a guard, three in a row."""
    rate = "sum by (release, assignment) (rate({}[5m]))"
    latency = (f"histogram_quantile(0.95, sum by (le, stage, assignment) "
               f"(rate({names.REQUEST_SECONDS}_bucket[5m])))")
    requests = rate.format(names.REQUESTS)
    made = [
        _panel("Canary share", "percent", [(f"max({names.CANARY_PERCENT})", "candidate")]),
        _panel("State of the guards", "none", [(f"max by (guard) ({names.GUARD_STATE})", "{{guard}}")]),
        _panel("Requests per second", "reqps", [(requests, "{{assignment}} {{release}}")]),
        _panel("Latency, p95", "s", [(latency, "{{stage}} {{assignment}}")]),
        _panel("Error rate", "percentunit", [(f"{rate.format(names.ERRORS)} / ({requests} > 0)", "{{assignment}}")]),
        _panel("Rerank share", "percentunit", [(f"{rate.format(names.RERANKS)} / ({requests} > 0)",
                                                "{{assignment}}")]),
        _panel("Hits above the bar", "percentunit", [
            (f"sum by (release, assignment) (rate({names.HITS_ABOVE}[5m])) / ({requests} > 0)", "{{assignment}}")]),
        _panel("Fallbacks per second", "reqps", [(f"sum by (release) (rate({names.FALLBACKS}[5m]))", "{{release}}")]),
        _panel("Observations dropped", "none", [(f"max({names.DROPPED})", "dropped")]),
        *(_guard(one) for one in found)]
    return [{**one, "id": place + 1, "gridPos": {"h": _HIGH, "w": _WIDE, "x": place % 3 * _WIDE,
                                                  "y": place // 3 * _HIGH}} for place, one in enumerate(made)]


def _guard(one: Watch) -> dict[str, Any]:
    """What a guard reads, with its signed limit as a line and the bad side shaded."""
    label = json.dumps(one.guard.name, ensure_ascii=False)
    panel = _panel(f"{one.guard.measure} ({one.guard.slice}) {one.guard.limit}", "none", [
        (f"max by (release) ({names.GUARD_VALUE}{{guard={label}}})", "{{release}}"),
        (f"max({names.GUARD_LIMIT}{{guard={label}}})", "limit")])
    low, high = ("red", "green") if one.guard.limit.direction == "at_least" else ("green", "red")
    defaults = panel["fieldConfig"]["defaults"]
    defaults["thresholds"] = {"mode": "absolute", "steps": [{"color": low, "value": None},
                                                             {"color": high, "value": float(one.guard.limit.bound)}]}
    defaults["custom"] = {"thresholdsStyle": {"mode": "line+area"}}
    return panel | {"description": f"for {one.for_}, {one.guard.severity}, then {one.guard.then}"}


def _panel(title: str, unit: str, queries: list[tuple[str, str]]) -> dict[str, Any]:
    targets = [{"refId": chr(65 + place), "expr": expr, "legendFormat": legend, "datasource": _SOURCE}
               for place, (expr, legend) in enumerate(queries)]
    return {"type": "timeseries", "title": title, "datasource": _SOURCE, "targets": targets,
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
            "options": {"legend": {"displayMode": "list", "placement": "bottom"}}}
