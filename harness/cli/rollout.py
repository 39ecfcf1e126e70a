"""`signoff rollout start|status|step|abort|override|config|propose|approve --env NAME`: traffic, and live settings."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag
from harness.cli.rollout_common import DatabaseOption, EnvironmentOption, WhoOption, caller
from harness.errors import Exit, UsageError

if TYPE_CHECKING:
    from harness.rollout.store import Store

__all__ = ["Action", "command"]

_TAKES = {"start": {"preset", "why"}, "status": set[str](), "step": set[str](), "abort": {"gradual", "why"},
          "override": {"hold", "span", "why", "key", "trust"}, "config": set[str](), "propose": {"why", "key", "trust"},
          "approve": {"key", "trust"}}
_NAMES = {"start": "a release: signoff rollout start RELEASE --env NAME",
          "propose": "a change: signoff rollout propose NAME=VALUE --env NAME",
          "approve": "a proposal: signoff rollout approve NUMBER --env NAME (signoff rollout config lists them)"}


_Release = Annotated[str | None, typer.Argument(
    metavar="[RELEASE|NAME=VALUE|NUMBER]", help="start: the candidate, an admitted release: name, digest or its "
    "first 8 letters. propose: a live setting. approve: a proposal.")]
_Preset = Annotated[str | None, typer.Option(
    metavar="NAME", help="start: 5-25-50-100, 1-5-10-25-50 or canary-48h, where the manifest has no ramp.")]
_Hold = Annotated[str | None, typer.Option(
    metavar="GUARD", help="override: hold this guard's rollback. Default: go on by one stage.")]
_Span = Annotated[str | None, typer.Option("--for", metavar="2h", help="override --hold: for how long.")]
_Key = Annotated[Path | None, typer.Option(
    metavar="FILE", help="override, propose, approve: your private key. Default: SIGNOFF_KEY, else the development "
    "key.")]
_Trust = Annotated[Path | None, typer.Option(
    metavar="FILE", help="override, propose, approve: whose word counts. Default: manifests/trust.yaml.")]
_Why = Annotated[str | None, typer.Option(metavar="TEXT", help="start, abort, override, propose: the reason.")]


class Action(StrEnum):
    """What is done with a rollout."""

    START = "start"
    STATUS = "status"
    STEP = "step"
    ABORT = "abort"
    OVERRIDE = "override"
    CONFIG = "config"
    PROPOSE = "propose"
    APPROVE = "approve"


def command(
    action: Annotated[Action, typer.Argument(help="start RELEASE, status, step (one look), abort, override; "
                                              "live settings: config (show), propose NAME=VALUE, approve NUMBER.")],
    release: _Release = None,
    *,
    env: EnvironmentOption,
    preset: _Preset = None,
    gradual: Annotated[bool, typer.Option("--gradual", help="abort: down the reverse ladder.")] = False,
    hold: _Hold = None,
    span: _Span = None,
    key: _Key = None,
    trust: _Trust = None,
    why: _Why = None,
    who: WhoOption = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Give a candidate traffic stage by stage, look at it, take it back: 10 where it is rolled back, 11 on hold."""
    given = {"preset": preset, "gradual": gradual or None, "hold": hold, "span": span, "key": key, "trust": trust,
             "why": why}
    said = {name: value for name, value in given.items() if value is not None}
    _fitting(action, release, said)
    from harness.rollout.store import open_store

    with open_store(db) as store:
        return _done(store, action, release, env, said, who=caller(who), as_json=as_json)


def _fitting(action: Action, release: str | None, said: dict[str, Any]) -> None:
    if (action.value in _NAMES) != (release is not None):
        raise UsageError(f"rollout {action} names {_NAMES[action.value]}" if release is None
                         else f"rollout {action} names no release: it is the one under way; found {release!r}")
    if useless := sorted(said.keys() - _TAKES[action.value]):
        raise UsageError(f"--{'for' if useless[0] == 'span' else useless[0]} says nothing to rollout {action}")
    if action is Action.OVERRIDE and ("hold" in said) != ("span" in said):
        raise UsageError("rollout override --hold GUARD says for how long: --for 2h")
    if action in {Action.ABORT, Action.OVERRIDE, Action.PROPOSE} and not said.get("why", "").strip():
        raise UsageError(f"rollout {action} says why: --why TEXT, for the trail")


def _done(store: Store, action: Action, release: str | None, env: str, said: dict[str, Any], *, who: str,
          as_json: bool) -> int:
    from harness.cli import rollout_config, rollout_moves, rollout_tell

    if action in {Action.CONFIG, Action.PROPOSE, Action.APPROVE}:
        return rollout_config.done(store, env, action.value, release or "", said, as_json=as_json)
    if action is Action.STATUS:
        return rollout_tell.status(store, env, as_json=as_json)
    if action is Action.OVERRIDE:
        agreed = rollout_moves.overridden(store, env, said)
        rollout_tell.agreement(agreed, as_json=as_json)
        return int(Exit.INCONCLUSIVE if agreed.missing else Exit.PASSED)
    done = {Action.START: lambda: rollout_moves.started(store, env, str(release), said, who=who),
            Action.STEP: lambda: rollout_moves.stepped(store, env),
            Action.ABORT: lambda: rollout_moves.ended(store, env, said, who=who)}[action]()
    return rollout_tell.advanced(done, as_json=as_json, meant=action is Action.ABORT)
