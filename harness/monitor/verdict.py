"""What a release's guards come to, in one word: `pass`, `fail` or `inconclusive`. Pure.

`fail` is proof of harm: a guard that rolls back is beyond its limit, for as long as it asks. `pass` is proof too: every
guard that may hold or roll back is shown to be within its limit. Everything else, a release that nobody watches and a
look that is stale included, is `inconclusive`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from harness.monitor.watching import Look
from harness.release.judge import Verdict
from harness.rollout.ramp_rules import beyond, shown, unproven
from harness.rollout.shapes import Reading

__all__ = ["Word", "reading_facts", "verdict_of"]

Word = Literal["pass", "fail", "inconclusive"]
_LEAST = 8  # letters of a digest that name a release


def verdict_of(look: Look | None, release: str) -> dict[str, Any]:
    """The verdict on a release by the last look, with its reason and every guard's bounds.

    Args:
        look: The last one that proves anything; None where there is none.
        release: Digest, or its first letters; empty for the one that is watched.

    >>> verdict_of(None, "")["verdict"]
    'inconclusive'
    """
    watch = None if look is None else look.scene.watch
    if look is None or watch is None:
        return _told("inconclusive", release or None, "nothing was looked at lately", ())
    if release and not (len(release) >= _LEAST and watch.release.startswith(release)):
        return _told("inconclusive", release, f"not the release that is watched, {watch.release[:12]}", ())
    readings = look.scene.readings
    said, reason = _word(readings)
    return _told(said, watch.release, reason, readings) | {"at": look.at.isoformat(), "assignment": watch.assignment}


def reading_facts(one: Reading) -> dict[str, Any]:
    """A reading as JSON; an end without a bound is null."""
    guard = one.guard
    return {"guard": guard.name, "measure": guard.measure, "slice": guard.slice, "limit": str(guard.limit),
            "then": guard.then, "severity": guard.severity, "state": one.state, "shown": shown(one).name.lower(),
            "value": _finite(one.value), "low": _finite(one.low), "high": _finite(one.high), "n": one.n,
            "reason": one.reason}


def _word(readings: Sequence[Reading]) -> tuple[Word, str]:
    harmed = beyond(readings, "rollback")
    if harmed:
        return "fail", harmed[0].reason
    if not any(one.guard.then != "alert" for one in readings):
        return "inconclusive", "no guard may hold or roll back: nothing is shown"
    verdict, reason, _ = unproven(readings)
    return ("pass", "every guard that may hold or roll back is shown to be kept") if verdict is Verdict.PASS else (
        "inconclusive", reason)


def _told(word: Word, release: str | None, reason: str, readings: Sequence[Reading]) -> dict[str, Any]:
    return {"verdict": word, "release": release, "reason": reason, "guards": [reading_facts(one) for one in readings]}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
