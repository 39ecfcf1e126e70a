"""`signoff monitor replay TRACE`: recorded traffic under its own clock, what changed, the incident that it left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.common import console, print_json
from harness.errors import Exit, UsageError, nearest

if TYPE_CHECKING:
    from harness.monitor.replaying import Replayed
    from harness.rollout.shapes import Guarded, Reading

__all__ = ["code_of", "replayed"]


def replayed(trace: Path, preset: str | None, manifest: Path | None, said: Mapping[str, Any], *, as_json: bool) -> int:
    """Replay a trace by what was said (`rollout`, `speed`, `every_s`, `db`): 10 where it goes back.

    Raises UsageError for options that make no sense, InputError for a trace that cannot be read.
    """
    speed, ramp = _speed(said["speed"]), _ramp(said["rollout"])
    found = _replayed(trace, _guards(preset, manifest), rollout=ramp, speed=speed, every_s=said["every_s"])
    from harness.monitor.trace import names_arms

    return _show_replay(found, _incident(found, said["db"]), as_json=as_json, arms=names_arms(trace))


def _guards(preset: str | None, manifest: Path | None) -> tuple[Guarded, ...]:
    from harness.monitor import presets

    if (preset is None) == (manifest is None):
        raise UsageError("monitor replay: guards come from --preset NAME or --manifest FILE, one of them")
    if manifest is not None:
        from harness.release.manifest import load_manifest

        return presets.guards_of_manifest(load_manifest(manifest).manifest)
    return presets.preset(preset or "")


def _speed(said: str) -> float | None:
    if said == "max":
        return None
    try:
        speed = float(said)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < 1e9:
        raise UsageError(f"monitor replay: --speed is max or a number above 0, not {said!r}")
    return speed


def _ramp(said: str | None) -> Any:
    from harness.release.rollout_presets import PRESETS

    if said is not None and said not in PRESETS:
        raise UsageError(f"monitor replay: no such ramp: {said!r}; expected {', '.join(PRESETS)}"
                         + (f" (nearest: {near})" if (near := nearest(said, PRESETS)) else ""))
    return None if said is None else PRESETS[said]


def _replayed(trace: Path, guards: Sequence[Guarded], *, rollout: Any, speed: Any, every_s: Any) -> Replayed:
    from rich.progress import Progress

    from harness.cli.common import console as words
    from harness.monitor.replaying import replay
    from harness.monitor.resolutions import resolution_of
    from harness.monitor.running import arms_together
    from harness.monitor.trace import read_observations

    observations = read_observations(trace)
    first = observations[0].at if observations else datetime.now(UTC)
    whole = (observations[-1].at - first).total_seconds() if observations else 0.0
    with Progress(console=words(as_json=True), transient=True) as progress:
        task = progress.add_task("replaying", total=whole)
        return replay(observations, guards, rollout=rollout,
                      resolution_s=resolution_of(), every_s=every_s, together=arms_together(),
                      pace=_pace(speed, lambda at: progress.update(task, completed=(at - first).total_seconds())))


def _pace(speed: float | None, tell: Callable[[datetime], object]) -> Callable[[datetime], None]:
    from time import sleep

    last: list[datetime] = []

    def pace(at: datetime) -> None:
        if speed is not None and last:
            sleep((at - last[-1]).total_seconds() / speed)
        last[:] = [at]
        tell(at)
    return pace


def _incident(found: Replayed, db: str | None) -> Path | None:
    """The files that the rollback would have left, where the store's lie; None where no ramp went back."""
    if found.ramp is None or found.ramp.phase != "rolled_back":
        return None
    from harness.monitor.incidents import replayed_incident
    from harness.rollout.incidents import FOLDER
    from harness.rollout.store import home_of

    return replayed_incident(found, home_of(db) / FOLDER)


def _show_replay(found: Replayed, incident: Path | None, *, as_json: bool, arms: bool) -> int:
    if as_json:
        print_json({"incident": incident and str(incident), "observations": found.observations, "looks": found.looks,
                    "unseen": found.unseen, "arms": arms,
                    "rolled_back": _iso(found.rolled_back), "by": found.by,
                    "stage": None if found.ramp is None else found.ramp.name,
                    "events": [{**one._asdict(), "at": one.at.isoformat()} for one in found.events]})
    else:
        out = console()
        for one in found.events:
            out.print(f"{one.at:%Y-%m-%d %H:%M} {one.what}: {one.state}\n      {one.reason}", soft_wrap=True)
        end = "never rolled back" if found.rolled_back is None else f"rolled back at {found.rolled_back} by {found.by}"
        out.print(f"{found.observations:,} observations, {found.looks:,} looks: {end}", soft_wrap=True)
        for line in _limits(found, arms):
            out.print(line, soft_wrap=True, highlight=False)
        _ended(found, incident)
    return int(Exit.REFUSED) if found.rolled_back is not None else code_of(found.readings)


def _limits(found: Replayed, arms: bool) -> list[str]:
    """What the figures do not rest on: rows after the end, a stable arm that was not recorded."""
    told = []
    if found.unseen:
        why = "rollback" if found.rolled_back is not None else "end of the ramp"
        told.append(f"stopped at the {why}: {found.unseen:,} later observations were not looked at")
    if not arms:
        told.append("no column `assignment`: every row counts as the candidate's, and nothing is compared with a "
                    "stable release")
    return told


def _ended(found: Replayed, incident: Path | None) -> None:
    """Where the ramp stands, and what to do next, in the last lines."""
    out = console()
    if found.ramp is not None:
        out.print(f"ramp: {found.ramp.name}", highlight=False)
    if incident is not None:
        out.print(f"incident: {incident}\nnext: read it: what tripped, and what to do", soft_wrap=True, highlight=False)


def _iso(at: datetime | None) -> Any:
    return None if at is None else at.isoformat()


def code_of(readings: Sequence[Reading]) -> int:
    """10 where a guard is beyond its limit, 11 where one is missing or none was read, else 0."""
    states = {one.state for one in readings}
    if states & {"critical", "emergency"}:
        return int(Exit.REFUSED)
    return int(Exit.INCONCLUSIVE) if "missing" in states or not readings else int(Exit.PASSED)
