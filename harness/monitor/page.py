"""The live page: who serves, the ramp's stage, every guard with its limit, windows by slice, alerts, pointer history.

It is one document that asks nobody for anything: no script, no picture, no font from elsewhere. It asks for itself
again every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from harness.monitor.page_plot import plot_of
from harness.monitor.page_slices import slice_rows
from harness.monitor.verdict import verdict_of
from harness.rollout import tables
from harness.rollout.pointer import history
from harness.rollout.ramp_state import RampState
from harness.rollout.ramp_store import ramp_of
from harness.rollout.settings import SETTINGS
from harness.rollout.shapes import Reading

if TYPE_CHECKING:
    from jinja2 import Template

    from harness.monitor.context import Service
    from harness.monitor.watching import Look

__all__ = ["REFRESH_S", "live_page", "login_page"]

REFRESH_S = 5
_ROWS = 20


def live_page(service: Service) -> str:
    """The page as it stands."""
    look = service.watching.last
    with service.store.reading() as connection:
        ramp, rows = ramp_of(connection, service.environment), history(connection, service.environment, limit=_ROWS)
        alerts = _alerts(connection, service.environment)
    status, health = service.health.told()
    return _template("live.html.j2").render(
        refresh=REFRESH_S, environment=service.environment, status=status, health=health, now=_moment(service.now()),
        ramp=None if ramp is None else _ramp(ramp), verdict=verdict_of(service.watching.fresh, ""),
        looked=None if look is None else _moment(look.at), failed=service.watching.failed, decision=_decision(look),
        guards=[] if look is None else [_guard(one, service.watching.course(one.guard.name) or [one])
                                        for one in look.scene.readings],
        slices=[] if look is None else slice_rows(look.scene), alerts=alerts,
        switches={name: service.environ[name] for name in SETTINGS if name in service.environ},
        pointer=[{**vars(one), "at": _moment(one.at), "stable": _short(one.stable), "candidate": _short(one.candidate)}
                 for one in rows])


def login_page(*, wrong: bool = False) -> str:
    """The form that a token is given to."""
    return _template("login.html.j2").render(wrong=wrong)


def _ramp(state: RampState) -> dict[str, Any]:
    stage = state.stage
    hold = None if stage is None else timedelta(seconds=stage.hold_s)
    return {"candidate": _short(state.candidate), "name": state.name, "percent": state.percent, "phase": state.phase,
            "stages": [{"name": one.name, "hold": one.hold, "here": one is stage} for one in state.ramp.stages],
            "held": None if hold is None else f"{timedelta(seconds=round(state.held_s))} of {hold}",
            "said": state.said, "over": state.over}


def _decision(look: Look | None) -> Mapping[str, Any] | None:
    return None if look is None or look.decision is None else vars(look.decision)


def _guard(one: Reading, looks: Sequence[Reading]) -> dict[str, Any]:
    return {"name": one.guard.name, "slice": one.guard.slice, "limit": str(one.guard.limit), "state": one.state,
            "then": one.guard.then, "value": _number(one.value), "low": _number(one.low), "high": _number(one.high),
            "width": _number(None if one.low is None or one.high is None else one.high - one.low), "n": one.n,
            "reason": one.reason, "plot": plot_of(looks)}


def _alerts(connection: Connection, environment: str) -> Sequence[Mapping[str, Any]]:
    columns = tables.alerts.c
    asked = select(tables.alerts).where(columns.environment == environment).order_by(columns.seq.desc()).limit(_ROWS)
    rows = connection.execute(asked).all()
    known = tables.releases.c
    named = {row.digest: row.release for row in connection.execute(
        select(known.digest, known.release).where(known.digest.in_({row.body.get("release", "") for row in rows})))}
    return [{"at": _moment(row.at), "severity": row.severity, "guard": row.guard, "state": row.state,
             "release": named.get(row.body.get("release"), ""), "digest": _short(row.body.get("release") or None),
             "reason": row.body.get("reason", "")} for row in rows]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _short(digest: str | None) -> str:
    return "–" if digest is None else digest[:12]


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True,
                       undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return made.get_template(name)
