"""What the monitor adds to an incident file: the readings, and the course of windows on both arms. Numbers alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.monitor.answered import ANSWERS, ORACLE, RATE
from harness.monitor.measures import measure_of
from harness.monitor.replaying import Replayed
from harness.monitor.resolutions import kept_resolution
from harness.monitor.window_store import read_windows
from harness.monitor.windows import ALL, RESOLUTION_S, Key, Window
from harness.rollout.incidents import Seen, facts_of, next_steps, written_to
from harness.rollout.pointer import current
from harness.rollout.shapes import Reading
from harness.rollout.store import Store
from harness.rollout.tables import moment_text

__all__ = ["LATELY", "course_of", "replayed_incident", "seen_before", "seen_of"]

LATELY = 24  # windows of each arm that an incident file holds
_SHOWN = ("error rate", "p95 total_ms", RATE, *ANSWERS, f"delta {ORACLE}", "delta nDCG@10")


def seen_of(readings: Sequence[Reading], windows: Mapping[Key, Window]) -> Seen:
    """What an incident tells of what a look decided by."""
    return lambda: {"readings": [facts_of(one) for one in readings], "windows": course_of(windows)}


def seen_before(store: Store, environment: str, *, resolution_s: int | None = None) -> Seen:
    """What an incident tells where a person decided: the last windows before the flip, and no readings.

    Windows are as long as is said, else as the store says: nobody's setting stands in the way of a rollback.
    """
    def seen() -> dict[str, Any]:
        with store.reading() as connection:
            step = timedelta(seconds=resolution_s or kept_resolution(connection, environment) or RESOLUTION_S)
            last = current(connection, environment)
            found = {} if last is None else read_windows(connection, environment, since=last.at - LATELY * step,
                                                         until=last.at)
        return {"windows": course_of(found)}
    return seen


def course_of(windows: Mapping[Key, Window]) -> list[dict[str, Any]]:
    """The last `LATELY` windows on all queries, a row an arm, oldest first; no ids, and no number that is not finite.

    >>> course_of({})
    []
    """
    minutes = sorted({key.minute for key in windows if key.slice == ALL})[-LATELY:]
    return [{"at": moment_text(key.minute), "as": key.assignment, "requests": one.requests.n, **_figures(one)}
            for key, one in sorted(windows.items(), key=lambda item: (item[0].minute, item[0].assignment))
            if key.slice == ALL and key.minute in minutes]


def replayed_incident(found: Replayed, folder: Path) -> Path:
    """The incident files that a replayed ramp would have left. Raises InputError where it did not roll back."""
    ramp = found.ramp
    if ramp is None or ramp.phase != "rolled_back" or not found.events:
        raise InputError("nothing was rolled back", where="replay", expected="a ramp that was",
                         found=ramp and ramp.name)
    at = found.rolled_back or found.events[-1].at
    reading = next((one for one in found.readings if one.guard.name == found.by), None)
    tripped = {"guard": None, "reason": ramp.said} if reading is None else facts_of(reading)
    before = next((one.state for one in reversed(found.events) if one.what == "ramp" and "rollback" not in one.state),
                  None)
    share = float(before.split()[1]) if before else ramp.ramp.stages[0].percent
    return written_to(folder, {
        "incident": f"{at:%Y%m%dT%H%M%S}-{ramp.environment}-{ramp.candidate[:12]}", "environment": ramp.environment,
        "at": moment_text(at), "who": "replay", "why": ramp.said, "left": _release(ramp.candidate),
        "serves": _release(ramp.stable), "tripped": tripped, "pointer": {
            "before": {"stable": ramp.stable, "candidate": ramp.candidate, "percent": share},
            "after": {"stable": ramp.stable, "candidate": None, "percent": 0.0}},
        "cleared": [], "smoke": [], "answering_after_s": None, "trail": None,
        "readings": [facts_of(one) for one in found.readings],
        "timeline": [{"row": place, "at": moment_text(one.at), "what": one.what, "who": "replay",
                      "told": f"{one.state}: {one.reason}"} for place, one in enumerate(found.events, start=1)],
        "windows": course_of(found.windows), "next": _replay_steps(ramp.environment)})


def _replay_steps(environment: str) -> list[str]:
    _, *rest = next_steps(environment, (), head=None)
    return ["A replay: no pointer was flipped, no cache cleared, no smoke gate run.", *rest]


def _release(digest: str) -> dict[str, str]:
    return {"digest": digest, "release": digest[:12]}


def _figures(one: Window) -> dict[str, float]:
    shown = {name: measure_of(name).read(one) for name in _SHOWN}
    return {name: minute.value for name, minute in shown.items() if minute is not None and math.isfinite(minute.value)}
