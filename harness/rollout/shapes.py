"""The shapes that rollout, monitor and service share: frozen values, every moment with its offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from harness.release.policy import Limit

__all__ = ["Action", "Admitted", "Assignment", "Decision", "Entry", "Guarded", "Observation", "Pointer", "Reading",
           "Severity", "State", "Then"]

Assignment = Literal["stable", "candidate"]
Severity = Literal["info", "warning", "critical", "emergency"]
Then = Literal["alert", "hold", "rollback"]
State = Literal["ok", "warning", "critical", "emergency", "missing"]
Action = Literal["proceed", "hold", "tune", "rollback"]


@dataclass(frozen=True)
class Pointer:
    """Which release serves an environment, from one moment on; the newest row of an environment counts.

    Attributes:
        seq: Number of the row; later rows have greater ones.
        environment: `prod`, `staging`, …
        stable: Digest of the release that serves; None where the environment serves nothing.
        candidate: Digest of the release on its way in; None outside of a rollout.
        percent: Share of traffic that the candidate gets, in [0, 100].
        stage: Name of the ramp's stage; None outside of a rollout.
        who: Who or what flipped it.
        why: For what reason.
        at: When, in UTC.
    """

    seq: int
    environment: str
    stable: str | None
    candidate: str | None
    percent: float
    stage: str | None
    who: str
    why: str
    at: datetime


@dataclass(frozen=True)
class Entry:
    """A row of the audit trail. `sha256` is over all the rest, `prev` the `sha256` of the row before ("" at first)."""

    seq: int
    at: datetime
    who: str
    kind: str
    body: Mapping[str, Any]
    prev: str
    sha256: str


@dataclass(frozen=True)
class Admitted:
    """A release that may serve: it verified, and a backup was made.

    Attributes:
        digest: The sha256 of its signed bundle: manifest, artifacts, evidence and signatures in one name.
        release: Its name.
        manifest: Where its manifest lay.
        artifacts: Folder of its frozen files.
        run_id: The gate run that it was signed for.
        measured_at: Start of that run.
        admitted_at: When it was admitted.
    """

    digest: str
    release: str
    manifest: Path
    artifacts: Path
    run_id: str
    measured_at: datetime
    admitted_at: datetime


@dataclass(frozen=True)
class Observation:
    """One request served, or one judged query replayed through both arms. It holds no query text and no user.

    Attributes:
        at: When it was answered.
        environment: Where.
        release: Digest of the release that answered.
        assignment: As which arm.
        latency_ms: Milliseconds by stage: `encode`, `search`, `rerank`, `total`.
        error: It failed or timed out.
        slices: Names of the slices that it belongs to, beside `all`.
        hit: Best cosine of the answer.
        ndcg_delta: Shadow replay: nDCG@10 of the candidate less the stable release's, in [-1, 1].
        rr_delta: The same of the reciprocal rank.
        jaccard: Overlap of both arms' first ten documents, in [0, 1].
        reranked: Whether the second stage ran.
        weight: Importance weight of a logged decision, ≥ 0.
        covered: Whether a conformal interval held what came.
        query: Id of a judged query, for whoever looks for the worst ones; never its text.
        values: Whatever else was measured of it, by its measure's name (`R@5`, `memory_mb`): finite numbers.
        calibration: A stated probability and whether it came true, 1 or 0.
    """

    at: datetime
    environment: str
    release: str
    assignment: Assignment
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    error: bool = False
    slices: tuple[str, ...] = ()
    hit: float | None = None
    ndcg_delta: float | None = None
    rr_delta: float | None = None
    jaccard: float | None = None
    reranked: bool | None = None
    weight: float | None = None
    covered: bool | None = None
    query: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    calibration: tuple[float, float] | None = None


@dataclass(frozen=True)
class Guarded:
    """A limit that is watched live: from the signed manifest's guards, or from a preset.

    `for_s` is how many seconds it must be missed, `warn_within` the distance from the limit that warns (None: a tenth
    of the limit). `others` may speak for it, as alternatives do for their gate: it fires only where they would too.
    """

    name: str
    measure: str
    slice: str
    limit: Limit
    for_s: int = 0
    severity: Severity = "warning"
    then: Then = "alert"
    warn_within: float | None = None
    others: tuple[tuple[str, Limit], ...] = ()


@dataclass(frozen=True)
class Reading:
    """What a guard shows at one moment. Numbers are None where nothing was observed: `missing`, never `ok`.

    `since` is when the limit was first missed without a break. `spoken` says that one of the guard's `others` is
    shown to be kept, and speaks for it.
    """

    guard: Guarded
    state: State
    value: float | None
    low: float | None
    high: float | None
    n: int
    since: datetime | None
    reason: str
    spoken: bool = False


@dataclass(frozen=True)
class Decision:
    """What follows for a ramp, and the guard whose reading decided (None where time or a person did)."""

    action: Action
    stage: str | None
    percent: float
    reason: str
    guard: str | None = None
