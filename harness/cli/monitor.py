"""`signoff monitor run|show|replay|alert-test`: watch what serves by its signed guards, or recorded traffic again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.monitor_replay import code_of, replayed
from harness.cli.rollout_common import DatabaseOption, smoke_later
from harness.errors import Exit, SignoffError, UsageError

if TYPE_CHECKING:
    from harness.monitor.alerts import Alerts
    from harness.monitor.running import Scene, Ticked
    from harness.rollout.shapes import Reading
    from harness.rollout.store import Store

__all__ = ["Action", "command"]

_MARKS = {"ok": "ok", "warning": "WARN", "critical": "CRIT", "emergency": "EMERG", "missing": "MISS"}


class Action(StrEnum):
    """What is done."""

    RUN = "run"
    SHOW = "show"
    REPLAY = "replay"
    ALERT_TEST = "alert-test"


def command(
    action: Annotated[Action, typer.Argument(help="run (look each window), show (change nothing), replay TRACE, "
                                              "alert-test (tell every channel).")],
    trace: Annotated[Path | None, typer.Argument(help="replay: recorded traffic, Parquet with a column `at`.")] = None,
    *,
    env: Annotated[str | None, typer.Option(metavar="NAME", help="run, show: which environment.")] = None,
    once: Annotated[bool, typer.Option("--once", help="run: one look.")] = False,
    speed: Annotated[str, typer.Option(metavar="X", help="replay: max, or so many times as fast as time.")] = "max",
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="replay: guards of a preset (t1, rag, …).")] = None,
    manifest: Annotated[Path | None, typer.Option(metavar="FILE", help="replay: guards of a manifest.")] = None,
    ramp: Annotated[str | None, typer.Option(metavar="NAME", help="replay: a ramp preset, canary-48h ….")] = None,
    every: Annotated[int | None, typer.Option(metavar="S", help="replay: seconds from look to look.")] = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Hold the signed limits against traffic: 10 where a guard is beyond its limit, 11 where one is missing."""
    if action is Action.ALERT_TEST and trace is None:
        return _alert_test(env or "", as_json=as_json)
    if (action is Action.REPLAY) != (trace is not None) or (action is not Action.REPLAY and env is None):
        raise UsageError("monitor: replay takes a trace, run and show take --env NAME (see signoff monitor --help)")
    if trace is not None:
        return replayed(trace, preset, manifest, {"rollout": ramp, "speed": speed, "every_s": every, "db": db},
                        as_json=as_json)
    assert env is not None
    return _watch(env, db, once=once, acting=action is Action.RUN, as_json=as_json)


def _watch(env: str, db: str | None, *, once: bool, acting: bool, as_json: bool) -> int:
    from harness.monitor.resolutions import known_resolution, settled_resolution
    from harness.monitor.running import arms_together, scene_of
    from harness.rollout.store import open_store

    with open_store(db) as store:
        if not acting:
            resolution_s = known_resolution(store, env)
            with store.reading() as connection:
                return _show(scene_of(connection, env, datetime.now(UTC), resolution_s=resolution_s,
                                      together=arms_together()), None, as_json)
        resolution_s = settled_resolution(store, env, datetime.now(UTC))
        alerts = _alerts(store)
        last: list[Ticked] = []  # windows that it read are not parsed again

        def look() -> int:
            last[:] = [_ticked(store, env, alerts, resolution_s)]
            return _show(last[0].scene, last[0], as_json)
        if not once:
            return _forever(look, resolution_s)
        code = look()
        alerts.flush()
        return code


def _alerts(store: Store) -> Alerts:
    from harness.monitor.alerts import Alerts
    from harness.monitor.delivery import channels_of, checked, names_of

    checked()

    return Alerts(channels_of(), names=names_of(), folder=store.home / "snapshots", store=store)


def _alert_test(env: str, *, as_json: bool) -> int:
    """Tell every channel that this is a test: 10 where one is not reached, 11 where there is none."""
    from harness.monitor.delivery import CHANNELS, Message, checked, deliver

    message = Message("info", f"Signoff {env}".strip() + ": a test of this channel", "Nothing is amiss: by hand.")
    reached = {one.name: deliver(one, message, pauses_s=(0.0, 1.0)) > 0 for one in checked()}
    if as_json:
        print_json({"channels": reached})
    else:
        for name, there in reached.items() or {f"no channel in {CHANNELS}": False}.items():
            console().print(f"{'ok  ' if there else 'FAIL'} {name}", markup=False, soft_wrap=True)
    return int(Exit.INCONCLUSIVE if not reached else Exit.PASSED if all(reached.values()) else Exit.REFUSED)


def _ticked(store: Store, env: str, alerts: Alerts, resolution_s: int) -> Ticked:
    import os

    from harness.monitor.running import arms_together, tick
    from harness.rollout.caches import caches_of
    from harness.rollout.flags import killed

    return tick(store, env, datetime.now(UTC), resolution_s=resolution_s, together=arms_together(),
                killed=killed(os.environ), caches=caches_of(store.home), smoke=smoke_later(store), tell=alerts)


def _forever(look: Callable[[], int], resolution_s: int) -> int:
    """Look at the beginning of each window; a look that fails is told, and moves nothing."""
    from time import sleep

    while True:
        try:
            look()
        except SignoffError as error:
            console(as_json=True).print(f"monitor: {error}", soft_wrap=True)
        sleep(resolution_s - datetime.now(UTC).timestamp() % resolution_s)


def _show(scene: Scene, ticked: Ticked | None, as_json: bool) -> int:
    from harness.monitor.snapshot import snapshot

    advanced = None if ticked is None else ticked.advanced
    document = snapshot(scene, advanced, datetime.now(UTC))
    if as_json:
        print_json(document)
    else:
        out = console()
        if scene.watch is None:
            out.print("nothing serves there: signoff admit MANIFEST --env NAME first")
        else:
            out.print(f"watched: {scene.watch.release[:12]} as {scene.watch.assignment}", highlight=False)
        _lines(scene.readings)
        if advanced is not None:
            decision = advanced.decision
            out.print(f"→ {decision.action} at {decision.percent:g} %: {decision.reason}", soft_wrap=True)
    return code_of(scene.readings)


def _lines(readings: Sequence[Reading]) -> None:
    out = console()
    for one in readings:
        out.print(f"{_MARKS[one.state]:<6}{one.guard.name}\n      {one.reason}", soft_wrap=True)
