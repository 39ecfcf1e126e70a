"""Going back: the pointer is flipped at once, and only then is it looked at whether all is as it was.

Before it, the target's files are glanced at: a release whose files are damaged is stepped past, for the one that was
good before it. Where none is whole, what serves stays, alone: the pointer says `degraded`, and nothing new may start.
The flip is one transaction of a few milliseconds. Caches, smoke gates and the comparison with the recorded figures come
after it, and whatever fails there is told and kept in the trail: it never keeps a bad release in place.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from time import perf_counter

from sqlalchemy import Connection

from harness.errors import EvidenceError, InputError, SignoffError
from harness.release.judge import Finding
from harness.rollout.files import environment_named
from harness.rollout.incidents import INCIDENT, Seen, written
from harness.rollout.pointer import DEGRADED, current, flip
from harness.rollout.released import admitted_of, digest_called
from harness.rollout.shapes import Admitted, Pointer
from harness.rollout.store import Store
from harness.rollout.trail import append
from harness.rollout.ways import Way, way_back

__all__ = ["Back", "Cache", "Checked", "Smoke", "after_rollback", "check_rollback", "leaves", "rollback"]

Cache = Callable[[], object]
_LOG = logging.getLogger("signoff.rollout")


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at after a flip: whether it is in order, and with which numbers."""

    name: str
    good: bool
    told: str


@dataclass(frozen=True)
class Back:
    """One recorded figure and what is measured now; numbers are None where there is none. `back` is never assumed."""

    gate: str
    measure: str
    recorded: float | None
    low: float | None
    high: float | None
    now: float | None
    back: bool


Smoke = Callable[[Admitted], Sequence[Checked]]


def rollback(store: Store, environment: str, *, to: str | None = None, leaving: str | None = None, who: str, why: str,
             now: datetime, caches: Sequence[Cache] = (), smoke: Smoke | None = None, seen: Seen | None = None
             ) -> Pointer:
    """Take a candidate back, or go back to the release that served before; then clear caches and run the smoke gates.

    Args:
        store: Where the pointer stands.
        environment: Which one goes back.
        to: The release to go back to: digest, its beginning, or name; by default the last good one that is whole.
        leaving: The release that is to be left, as `to` is named: what the caller saw. Of two who take the same
            candidate back at once, the second would otherwise take the sound release back too.
        who: Who or what does it.
        why: For what reason.
        now: The moment.
        caches: Called one after the other once the pointer is flipped.
        smoke: What looks at the release that serves again; its findings are added to the trail.
        seen: What the incident file tells of readings and windows (`incidents.written`).

    Returns: The pointer's new row. Raises InputError where nothing serves, nothing is there to go back to, or it would
    not leave `leaving`: then nothing has changed. Raises EvidenceError where `to` is damaged (nothing has changed), or
    where every release that served before is: then what serves stays, and the pointer and trail say so. What caches and
    smoke gates find is in the trail (`after_rollback`), and raises nothing.
    """
    environment_named(environment)
    made = None
    while made is None:
        before, way = way_back(store, environment, to=to)  # reads files: never while other writers wait
        with store.writing() as connection:
            if current(connection, environment) == before:  # else somebody was faster: look again
                _meant(connection, before, way, leaving)
                made = _flipped(connection, before, way, who=who, why=why, at=now)
    if way.target is None:
        _noted(store, made, seen, None)
        raise EvidenceError("nothing whole to go back to: what serves stays, and nothing new may start",
                            where=environment, found=way.told,
                            expected="files as they were admitted (signoff backup restore brings them back)")
    after_rollback(store, made, who=who, now=now, caches=caches, smoke=smoke, seen=seen)
    return made


def leaves(store: Store, environment: str) -> str | None:
    """What a rollback would leave now: the candidate, else what serves; None where nothing does. See `rollback`."""
    with store.reading() as connection:
        found = current(connection, environment)
    return None if found is None else found.candidate or found.stable


def _meant(connection: Connection, before: Pointer, way: Way, leaving: str | None) -> None:
    """Raises InputError where going this way takes back another release than the one that was meant."""
    if leaving is None:
        return
    meant = digest_called(connection, before.environment, leaving)
    first = (before.candidate,) if before.candidate is not None else (before.stable,)
    if meant not in (first if way.target == before.stable else (before.stable, before.candidate)):
        raise InputError("another release would be taken back: somebody was faster", where=before.environment,
                         expected=f"{meant[:12]}, serving or on its way",
                         found=" and ".join(one[:12] for one in (before.stable, before.candidate) if one))


def _flipped(connection: Connection, before: Pointer, way: Way, *, who: str, why: str, at: datetime) -> Pointer:
    passed = {"damaged": dict(way.damaged)} if way.damaged else {}
    if way.target is None and before.stage == DEGRADED:
        return before
    append(connection, "rollback", {"environment": before.environment, "stable": before.stable, "to": way.target,
                                    "candidate": before.candidate, "why": why} | passed, who=who, at=at)
    stage = DEGRADED if way.target is None else None
    told = f"{why} ({way.told})" if way.damaged else why
    return flip(connection, before.environment, stable=way.target or before.stable, candidate=None, percent=0.0,
                stage=stage, who=who, why=told, at=at)


def after_rollback(store: Store, made: Pointer, *, who: str, now: datetime, caches: Sequence[Cache] = (),
                   smoke: Smoke | None = None, seen: Seen | None = None) -> tuple[Checked, ...]:
    """Clear caches, run the smoke gates, enter what they found in the trail, and write the incident's files.

    Nothing that fails is raised. Returns what was looked at, and last whether the incident file could be written.
    The files are written before the smoke gates, too: those may take minutes, or not come back.
    """
    early = _noted(store, made, seen, None)
    if not caches and smoke is None:
        return (early,)
    began = perf_counter()
    found = [_cleared(place, cache) for place, cache in enumerate(caches, start=1)]
    if smoke is not None and made.stable is not None:
        with store.reading() as connection:
            release = admitted_of(connection, made.stable)
        found += _smoked(smoke, release)
    with store.writing() as connection:
        append(connection, "checked", {"environment": made.environment, "digest": made.stable, "pointer": made.seq,
                                       "good": all(one.good for one in found),
                                       "checks": [asdict(one) for one in found]}, who=who, at=now)
    return (*found, _noted(store, made, seen, round(perf_counter() - began, 3)))


def check_rollback(recorded: Sequence[Finding], measured: Mapping[str, float]) -> tuple[Back, ...]:
    """Whether figures are back where they were recorded: no worse than the end of the recorded interval.

    Where the data did not bound that end, the recorded value itself is what must be reached.

    Args:
        recorded: Findings of the signed evidence, of the release that serves again.
        measured: Check id → value measured now. A figure that is missing or no number is not back.

    Returns: One line a finding, in order.
    """
    return tuple(_back(one, measured.get(one.check.id)) for one in recorded)


def _back(finding: Finding, now: float | None) -> Back:
    estimate, limit = finding.reading.estimate, finding.limit
    good = False
    if now is not None:  # a comparison with NaN is false: what was not measured is not back
        worst = estimate.low if limit.direction == "at_least" else estimate.high
        worst = worst if math.isfinite(worst) else estimate.value
        good = now >= worst if limit.direction == "at_least" else now <= worst
    return Back(finding.check.id, finding.check.measure, _finite(estimate.value), _finite(estimate.low),
                _finite(estimate.high), _finite(now), good)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _noted(store: Store, made: Pointer, seen: Seen | None, took_s: float | None) -> Checked:
    try:
        place = written(store, made, seen=seen, took_s=took_s)
    except Exception as error:  # no disk, no folder: the release that is gone back to serves all the same
        _LOG.error("the incident of pointer row %d is not written: %s", made.seq, type(error).__name__)
        return Checked(INCIDENT, False, f"not written: {type(error).__name__}")
    return Checked(INCIDENT, True, str(place))


def _cleared(place: int, cache: Cache) -> Checked:
    name = f"cache {place}"
    try:
        told = cache()
    except Exception as error:  # whatever a user's hook raises: the release serves already
        return Checked(name, False, f"{type(error).__name__}: {error}")
    return Checked(name, True, told if isinstance(told, str) else "cleared")


def _smoked(smoke: Smoke, release: Admitted | None) -> list[Checked]:
    if release is None:
        return [Checked("release", False, "not in the store")]
    try:
        found = list(smoke(release))
    except Exception as error:  # a smoke gate that breaks is one that did not pass
        told = str(error) if isinstance(error, SignoffError) else f"{type(error).__name__}: {error}"
        return [Checked("smoke", False, told)]
    return found or [Checked("smoke", False, "no smoke gate ran")]
