"""Names of the metrics that the service shows and that exported rules and dashboards ask for."""

from __future__ import annotations

from collections.abc import Mapping

from harness.rollout.shapes import State

__all__ = ["CANARY_PERCENT", "DROPPED", "ERRORS", "FALLBACKS", "GUARD_LIMIT", "GUARD_STATE", "GUARD_VALUE",
           "HITS_ABOVE", "REPLAYS", "REQUESTS", "REQUEST_SECONDS", "RERANKS", "STATES", "VECTORS_MOVED", "WAITING"]

REQUEST_SECONDS = "signoff_request_seconds"  # histogram: stage, release, assignment
REQUESTS = "signoff_requests_total"  # release, assignment
ERRORS = "signoff_errors_total"  # release, assignment
FALLBACKS = "signoff_fallbacks_total"  # release
RERANKS = "signoff_rerank_total"  # release, assignment
HITS_ABOVE = "signoff_hits_above_total"  # release, assignment, above (the cosine)
GUARD_VALUE = "signoff_guard_value"  # guard, release
GUARD_LIMIT = "signoff_guard_limit"  # guard, release
GUARD_STATE = "signoff_guard_state"  # guard, release; a number of `STATES`
VECTORS_MOVED = "signoff_vectors_moved"  # release, is (added, removed)
CANARY_PERCENT = "signoff_canary_percent"
DROPPED = "signoff_observations_dropped"
WAITING = "signoff_observations_waiting"
REPLAYS = "signoff_shadow_replays_total"
STATES: Mapping[State, int] = {"missing": -1, "ok": 0, "warning": 1, "critical": 2, "emergency": 3}
