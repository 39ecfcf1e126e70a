"""Kubernetes: the service as a Deployment and a Service, probed where it tells how it is.

`GET /health` answers 503 only where nothing can be answered, and says `degraded` otherwise: the readiness probe takes
such a pod out of traffic; the liveness probe restarts one that takes no connection at all.
"""

from __future__ import annotations

from typing import Any

from harness.monitor.exports.common import Exports, as_yaml, kubernetes_name
from harness.release.manifest import Loaded

__all__ = ["PORT", "exported", "pod_of"]

PORT = 8000


def exported(loaded: Loaded, *, image: str = "signoff:latest", environment: str = "prod") -> Exports:
    """`deployment.yaml` and `service.yaml`; the store's URL comes from the secret `signoff-db`, key `url`."""
    name = kubernetes_name(loaded.manifest.release)
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
                  "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}},
                           "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                           "template": pod_of(name, image, loaded.manifest.release, environment)}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": {"app": name}},
               "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": PORT, "targetPort": "http"}]}}
    return {"deployment.yaml": as_yaml([deployment], loaded), "service.yaml": as_yaml([service], loaded)}


def pod_of(name: str, image: str, release: str, environment: str = "prod") -> dict[str, Any]:
    """The template of a pod that serves an environment: no root, no writing but to its own scratch space."""
    http = {"httpGet": {"path": "/health", "port": "http"}, "timeoutSeconds": 5}
    container = {
        "name": "signoff", "image": image,
        "command": ["signoff", "serve", "--env", environment, "--host", "0.0.0.0", "--port", str(PORT)],
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [{"name": "SIGNOFF_DB", "valueFrom": {"secretKeyRef": {"name": "signoff-db", "key": "url"}}},
                {"name": "SIGNOFF_HOME", "value": "/var/lib/signoff"}],
        "startupProbe": {**http, "periodSeconds": 5, "failureThreshold": 60},
        "readinessProbe": {**http, "periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 30, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "home", "mountPath": "/var/lib/signoff"}, {"name": "scratch", "mountPath": "/tmp"}]}
    return {"metadata": {"labels": {"app": name}, "annotations": {
                "signoff/release": release, "prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)}},
            "spec": {"securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001},
                     "containers": [container],
                     "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "signoff-home"}},
                                 {"name": "scratch", "emptyDir": {}}]}}
