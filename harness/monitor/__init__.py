"""What watches a release in traffic: windows, guards, alerts, the service that observes; limits are the signed ones."""

__all__: list[str] = []
