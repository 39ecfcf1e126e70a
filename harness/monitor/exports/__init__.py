"""Files for other systems, from a signed manifest: Prometheus, Grafana, Argo Rollouts, Flagger, Kubernetes."""

__all__: list[str] = []
