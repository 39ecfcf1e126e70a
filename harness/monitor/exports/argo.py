"""Argo Rollouts: the manifest's ramp as steps, and the service's verdict as analyses.

Two analyses read `GET /v1/verdict`, which always answers 200. `harm` runs all the time and aborts on `fail`. `proof`
stands at the end of each stage and lets the next one begin on `pass` alone; `inconclusive` pauses the rollout until a
person resumes it. An answer that is no answer is an error, and three in a row abort.
"""

from __future__ import annotations

from typing import Any

from harness.data.store import sha256_file
from harness.errors import InputError
from harness.monitor.exports.common import Exports, as_yaml, kubernetes_name, ramp_in, span_text
from harness.monitor.exports.kubernetes import pod_of
from harness.release.attest import bundle_path
from harness.release.manifest import Loaded
from harness.release.rollout_terms import Rollout

__all__ = ["exported", "steps_of"]

_API = "argoproj.io/v1alpha1"
_SECRET = {"name": "signoff-token", "key": "viewer"}


def exported(loaded: Loaded, *, service: str = "http://signoff:8000", image: str = "signoff:latest") -> Exports:
    """`rollout.yaml` and `analysis.yaml`; `service` is where the verdict is asked.

    Raises InputError without a ramp, or where the release is not signed.
    """
    name = kubernetes_name(loaded.manifest.release)
    rollout = {"apiVersion": _API, "kind": "Rollout", "metadata": {"name": name}, "spec": {
        "replicas": 4, "revisionHistoryLimit": 3, "selector": {"matchLabels": {"app": name}},
        "template": pod_of(name, image, loaded.manifest.release),
        "strategy": {"canary": {
            "analysis": {"templates": [{"templateName": f"{name}-harm"}], "args": _arguments(loaded)},
            "steps": steps_of(ramp_in(loaded), name, loaded)}}}}
    harm = _template(f"{name}-harm", service, {
        "interval": "1m", "successCondition": "result != 'fail'", "failureCondition": "result == 'fail'",
        "failureLimit": 0})
    proof = _template(f"{name}-proof", service, {
        "count": 1, "successCondition": "result == 'pass'", "failureCondition": "result == 'fail'",
        "failureLimit": 0, "inconclusiveLimit": 0})
    return {"rollout.yaml": as_yaml([rollout], loaded), "analysis.yaml": as_yaml([harm, proof], loaded)}


def steps_of(ramp: Rollout, name: str, loaded: Loaded) -> list[dict[str, Any]]:
    """Weight, hold and proof of each stage; and the rest of `validate` before the last proof.

    Raises InputError for a share that is no whole percent: Argo knows no other.
    """
    steps: list[dict[str, Any]] = []
    rest = ramp.validate_s - sum(stage.hold_s for stage in ramp.stages)
    for stage in ramp.stages:
        if stage.percent != int(stage.percent):
            raise InputError("not a whole percent", where=loaded.path, expected="1 to 100, for Argo Rollouts",
                             found=stage.percent)
        last = stage is ramp.stages[-1]
        held = stage.hold_s + (max(0, rest) if last else 0)
        proof = {"templates": [{"templateName": f"{name}-proof"}], "args": _arguments(loaded)}
        steps += [{"setWeight": int(stage.percent)}, {"pause": {"duration": span_text(held)}}, {"analysis": proof}]
    return steps


def _arguments(loaded: Loaded) -> list[dict[str, Any]]:
    """The release on trial, by the digest that it is admitted under: the sha256 of its signed bundle."""
    return [{"name": "release", "value": sha256_file(bundle_path(loaded))}]


def _template(name: str, service: str, verdict: dict[str, Any]) -> dict[str, Any]:
    web = {"url": f"{service}/v1/verdict?release={{{{args.release}}}}", "timeoutSeconds": 10,
           "jsonPath": "{$.verdict}", "headers": [{"key": "Authorization", "value": "Bearer {{args.token}}"}]}
    return {"apiVersion": _API, "kind": "AnalysisTemplate", "metadata": {"name": name}, "spec": {
        "args": [{"name": "release"}, {"name": "token", "valueFrom": {"secretKeyRef": _SECRET}}],
        "metrics": [{"name": "verdict", **verdict, "consecutiveErrorLimit": 2, "provider": {"web": web}}]}}
