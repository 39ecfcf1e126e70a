"""Guards that release checklists ask for, by name; and those of a release's own signed policy.

nDCG is in [0, 1]: a point of a hundred is 0.01. A limit `by: value` is compared with the last windows' value, any other
needs proof, and so does every guard that rolls back. What a checklist calls high is `critical` that alerts, medium is
`warning`. A guard of severity `warning` that rolls back does so down the reverse ladder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from harness.errors import InputError, nearest
from harness.monitor.answered import F1, ORACLE, PRECISION, RATE, USED_GOLD
from harness.monitor.windows import COVERED, ERRORS, JACCARD, NDCG, RERANKED
from harness.release.charter import seconds_of
from harness.release.contract import guards_of
from harness.release.manifest import Manifest
from harness.release.monitoring import Monitoring
from harness.release.policy import Limit
from harness.rollout.shapes import Guarded, Severity, Then

__all__ = ["PRESETS", "guards_of_manifest", "guards_of_monitoring", "preset", "ra_guard", "rag", "retriever_v0",
           "robustness", "t1"]

_By = Literal["value", "lcb", "ucb"]
_MINUTE, _HOUR = 60, 3600
_P95 = "p95 total_ms"


def t1(*, margin: float = 0.005, p95_ms: float = 120.0) -> tuple[Guarded, ...]:
    """Quality, latency, agreement and calibration of a first-stage release.

    Args:
        margin: ΔnDCG@10 under minus this, for certain, is a loss.
        p95_ms: Milliseconds.

    >>> [one.name for one in t1()][:2]
    ['t1: delta nDCG@10 ≥ -0.005', 't1: p95 total_ms ≤ 120']
    """
    return (
        _least("t1", NDCG, -margin, for_s=3 * _MINUTE, severity="critical", then="rollback", warn_within=margin),
        _most("t1", _P95, p95_ms, for_s=5 * _MINUTE, severity="critical", then="rollback"),
        _least("t1", JACCARD, 0.75, severity="warning", then="hold"),
        _most("t1", "AECE", 0.02, severity="warning", then="hold"))


def robustness(*, sla_ms: float = 10.0) -> tuple[Guarded, ...]:
    """What takes a rerank policy back at once, step by step, or only tells.

    More than 5 % of requests miss an SLA exactly where their p95 is above it.

    >>> len(robustness())
    16
    """
    day = 24 * _HOUR
    return (
        _least("robustness", NDCG, -0.1, severity="critical", then="rollback"),
        _most("robustness", _P95, sla_ms, severity="critical", then="rollback"),
        _least("robustness", "ESS/N", 0.1, severity="critical", then="rollback"),
        _most("robustness", ERRORS, 0.01, severity="critical", then="rollback"),
        _least("robustness", COVERED, 0.90, for_s=day, then="rollback"),
        _most("robustness", COVERED, 0.98, for_s=day, then="rollback"),
        _least("robustness", "spend rule gain", 0.0, for_s=day, then="rollback"),
        _most("robustness", "stress failures", 0.0, for_s=day, then="rollback"),
        _least("robustness", "ESS/N", 0.2, severity="critical", then="hold"),
        _most("robustness", _P95, 1.2 * sla_ms, severity="critical", then="hold"),
        _least("robustness", RERANKED, 0.12, by="value"), _most("robustness", RERANKED, 0.18, by="value"),
        _least("robustness", "negative control p", 0.05, by="value"),
        _most("robustness", "router gap", 0.05, by="value"), _most("robustness", "p95 router_ms", 1.0, by="value"),
        _most("robustness", "monotonicity violations", 0.0, by="value"))


def retriever_v0() -> tuple[Guarded, ...]:
    """A first retriever: whom it wakes, whom it tells.

    >>> [one.severity for one in retriever_v0()].count("critical")
    3
    """
    return (
        _most("retriever", _P95, 20.0, for_s=10 * _MINUTE, severity="critical", then="rollback"),
        _most("retriever", ERRORS, 0.01, for_s=10 * _MINUTE, severity="critical", then="rollback"),
        _least("retriever", "delta R@5", -0.10, for_s=10 * _MINUTE, severity="critical", then="rollback"),
        _most("retriever", _P95, 10.0, by="value", for_s=30 * _MINUTE),
        _least("retriever", "delta R@5", -0.05, by="value", for_s=30 * _MINUTE),
        _least("retriever", "Success@50", 0.80, by="value"),
        _least("retriever", "acceptance", 0.10, by="value", severity="info"),
        _most("retriever", "rise memory_mb", 0.20, by="value", severity="info"))


def ra_guard() -> tuple[Guarded, ...]:
    """A reranker's guard. Health is 1 where a check answers in time, 0 where it fails; by hand: `signoff rollback`.

    >>> [one.for_s // 60 for one in ra_guard() if one.then == "rollback"]
    [15, 15, 120]
    """
    return (
        _most("ra-guard", ERRORS, 0.02, for_s=15 * _MINUTE, severity="critical", then="rollback"),
        _most("ra-guard", f"delta {_P95}", 200.0, for_s=15 * _MINUTE, severity="critical", then="rollback"),
        _least("ra-guard", NDCG, -0.01, for_s=2 * _HOUR, severity="critical", then="rollback"),
        _least("ra-guard", "health", 1.0, by="value", severity="critical", then="hold", warn_within=0.0),
        _most("ra-guard", ERRORS, 0.01, by="value", severity="critical"),
        _most("ra-guard", f"delta {_P95}", 100.0, by="value", severity="critical"),
        _least("ra-guard", NDCG, 0.0, by="value", for_s=4 * _HOUR, severity="critical"),
        _most("ra-guard", "rise complaints", 0.20, by="value"), _least("ra-guard", "power", 0.80, by="value"))


RAG_RISING = (_P95,)  # more of it is worse
RAG_FALLING = (ORACLE, PRECISION, F1, USED_GOLD, RATE)


def rag(*, rising: Sequence[str] = RAG_RISING, falling: Sequence[str] = RAG_FALLING, share: float = 0.15
        ) -> tuple[Guarded, ...]:
    """Anything worse by more than a share of the stable release's level: a rollback is considered, then done.

    At once the ramp holds and people are called; where it is so for two hours without a break and nobody has held it
    (`signoff rollout override --hold`), the release goes back. Errors are held by points, since a release that hardly
    fails has no level to take a share of. More found than `ORACLE` can be expected to gain is told: questions may have
    leaked. It never holds a ramp, and never takes it back.

    Args:
        rising: Measures of which more is worse.
        falling: Measures of which less is worse.
        share: Of the stable level.

    >>> sorted({one.limit.bound for one in rag()}), [one.then for one in rag()].count("rollback")
    ([-0.15, 0.02, 0.15], 7)
    """
    def bounded(of: str, then: Then, for_s: int) -> tuple[Guarded, ...]:
        return (*(_most(of, f"rise {one}", share, for_s=for_s, severity="critical", then=then) for one in rising),
                _most(of, f"delta {ERRORS}", 0.02, for_s=for_s, severity="critical", then=then),
                *(_least(of, f"rise {one}", -share, for_s=for_s, severity="critical", then=then) for one in falling))
    return (*bounded("rag", "hold", 0), *bounded("rag 2h", "rollback", 2 * _HOUR),
            _most("rag", f"delta {ORACLE}", 0.15))


PRESETS: Mapping[str, Callable[[], tuple[Guarded, ...]]] = {
    "t1": t1, "robustness": robustness, "retriever-v0": retriever_v0, "ra-guard": ra_guard, "rag": rag}


def preset(name: str) -> tuple[Guarded, ...]:
    """The guards of a preset. Raises InputError for an unknown name, with the nearest.

    >>> len(preset("rag"))
    15
    """
    if name not in PRESETS:
        raise InputError("no such preset", where="guards", expected=", ".join(PRESETS), found=name,
                         hint=nearest(name, PRESETS))
    return PRESETS[name]()


def guards_of_monitoring(found: Monitoring) -> tuple[Guarded, ...]:
    """The guards of a release's monitoring configuration, each by its gate's name.

    >>> from harness.release.contract import ReleaseContract
    >>> from harness.release.monitoring import monitoring_of
    >>> guards_of_monitoring(monitoring_of(ReleaseContract("mine", ())))
    ()
    """
    return tuple(Guarded(
        one.gate, one.measure, one.slice, one.limit, one.for_s, one.severity, one.then, one.warn_within,
        tuple((other.measure, Limit(one.limit.direction, other.bound, one.by)) for other in one.any_with))
        for one in found.guards)


def guards_of_manifest(manifest: Manifest) -> tuple[Guarded, ...]:
    """The guards of a signed manifest's policy, each by its gate's name; a user's own gate states no live limit."""
    watched = guards_of(manifest.policy)
    return tuple(Guarded(
        check.id, check.measure, check.slice, check.limit, seconds_of(guard.for_), guard.severity, guard.then,
        guard.warn_within, check.any_with)
        for check in manifest.checks if check.limit is not None and (guard := watched.get(check.id)) is not None)


def _least(of: str, measure: str, bound: float, *, by: _By = "lcb", for_s: int = 0, severity: Severity = "warning",
           then: Then = "alert", warn_within: float | None = None) -> Guarded:
    return Guarded(f"{of}: {measure} ≥ {bound:g}", measure, "all", Limit("at_least", bound, by), for_s, severity, then,
                   warn_within)


def _most(of: str, measure: str, bound: float, *, by: _By = "ucb", for_s: int = 0, severity: Severity = "warning",
          then: Then = "alert") -> Guarded:
    return Guarded(f"{of}: {measure} ≤ {bound:g}", measure, "all", Limit("at_most", bound, by), for_s, severity, then)
