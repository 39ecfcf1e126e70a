"""Flagger: a Canary whose weights are the ramp's, and metrics that read the guards' states from Prometheus.

Flagger knows one interval for all weights and no waiting for proof. The interval is the ramp's longest hold, so that no
stage is shorter than signed; every guard that may hold or roll back must read, and be within its limit, at each step:
one failed look takes the canary back. Harm between two looks is taken back by Signoff's own monitor.
"""

from __future__ import annotations

import re
from typing import Any

from harness.errors import InputError
from harness.monitor import metric_names as names
from harness.monitor.exports.common import Exports, as_yaml, kubernetes_name, ramp_in, span_text, watches
from harness.monitor.exports.kubernetes import PORT
from harness.release.manifest import Loaded

__all__ = ["exported"]

_API = "flagger.app/v1beta1"


def exported(loaded: Loaded, *, prometheus: str = "http://prometheus:9090") -> Exports:
    """`canary.yaml` and `metrics.yaml`. Raises InputError without a ramp, without guards that stop one, or at 0.5 %."""
    name, ramp = kubernetes_name(loaded.manifest.release), ramp_in(loaded)
    strict = [one.guard.name for one in watches(loaded) if one.guard.then != "alert"]
    if not strict:
        raise InputError("no guard stops a ramp", where=loaded.path, expected="a guard with then: hold or rollback")
    weights = [stage.percent for stage in ramp.stages]
    if any(one != int(one) for one in weights):
        raise InputError("not a whole percent", where=loaded.path, expected="1 to 100, for Flagger", found=weights)
    held = max(stage.hold_s for stage in ramp.stages)
    metrics = [_metric(f"{name}-worst", maximum=names.STATES["warning"]), _metric(f"{name}-least", minimum=0),
               _metric(f"{name}-read", minimum=len(strict))]
    canary = {"apiVersion": _API, "kind": "Canary", "metadata": {"name": name}, "spec": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "service": {"port": PORT, "targetPort": "http"},
        "analysis": {"interval": span_text(held), "threshold": 1, "stepWeights": [int(one) for one in weights],
                     "metrics": metrics}}}
    state = f"{names.GUARD_STATE}{{guard=~{_pattern(strict)}}}"
    templates = [_template(f"{name}-worst", f"max({state})", prometheus),
                 _template(f"{name}-least", f"min({state})", prometheus),
                 _template(f"{name}-read", f"count(max by (guard) ({state}))", prometheus)]
    return {"canary.yaml": as_yaml([canary], loaded), "metrics.yaml": as_yaml(templates, loaded)}


def _metric(template: str, *, minimum: int | None = None, maximum: int | None = None) -> dict[str, Any]:
    span = {key: value for key, value in (("min", minimum), ("max", maximum)) if value is not None}
    return {"name": template, "templateRef": {"name": template}, "thresholdRange": span, "interval": "1m"}


def _template(name: str, query: str, prometheus: str) -> dict[str, Any]:
    return {"apiVersion": _API, "kind": "MetricTemplate", "metadata": {"name": name},
            "spec": {"provider": {"type": "prometheus", "address": prometheus}, "query": query}}


def _pattern(guards: list[str]) -> str:
    """An RE2 pattern of exactly these names, as a string of PromQL."""
    inner = "|".join(re.sub(r"([.+*?()|\[\]{}^$\\])", r"\\\1", one) for one in guards)
    return '"' + inner.replace("\\", "\\\\").replace('"', '\\"') + '"'
