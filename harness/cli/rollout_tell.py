"""How `signoff rollout` tells what was decided, by which finding, and what to do next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.cli.common import console, print_json
from harness.cli.rollout_common import pointer_facts, short, told_pointer
from harness.errors import Exit, InputError
from harness.rollout.flags import CANARY_PERCENT, KILL
from harness.rollout.pointer import current
from harness.rollout.ramp_moves import reconciled
from harness.rollout.ramp_state import document_of
from harness.rollout.ramp_store import ramp_of

if TYPE_CHECKING:
    from harness.rollout.overrides import Agreement
    from harness.rollout.ramp_state import RampState
    from harness.rollout.ramp_store import Advanced
    from harness.rollout.shapes import Pointer
    from harness.rollout.store import Store

__all__ = ["advanced", "agreement", "status", "switches"]


def advanced(found: Advanced, *, as_json: bool, meant: bool = False) -> int:
    """What one move came to. Returns the exit code: a rollback is 10 (unless it was meant), a hold 11, else 0."""
    code = {"proceed": Exit.PASSED, "hold": Exit.INCONCLUSIVE, "tune": Exit.INCONCLUSIVE, "rollback": Exit.REFUSED}
    if as_json:
        print_json(_facts(found.state, found.pointer) | {"decision": vars(found.decision), "flipped": found.flipped})
    else:
        decision = found.decision
        said = f"{found.state.environment}: {decision.action}, {decision.stage}: {decision.reason}"
        _lines([said, *(_pointer(found.pointer)), _next(found.state, decision.action)])
    return int(Exit.PASSED if meant or found.state.phase == "promoted" else code[found.decision.action])


def agreement(found: Agreement, *, as_json: bool) -> None:
    """How an override stands."""
    done = found.advanced
    if as_json:
        print_json(_facts(done.state, done.pointer) | {
            "agreed": list(found.people), "needs": found.may.needs, "missing": found.missing, "may": found.may.may,
            "decision": vars(done.decision), "flipped": done.flipped})
        return
    agreed = f"{len(found.people)} of {found.may.needs} agree ({', '.join(found.people)}) to {found.may.may}"
    _lines([f"{done.state.environment}: {agreed}", *(_pointer(done.pointer) if not found.missing else []),
            f"next: {found.missing} more, each with a key of their own" if found.missing
            else _next(done.state, done.decision.action)])


def status(store: Store, env: str, *, as_json: bool) -> int:
    """Where the ramp stands. Raises InputError where none was begun."""
    with store.reading() as connection:
        pointer, ramp = current(connection, env), ramp_of(connection, env)
    if ramp is None:
        raise InputError("no ramp was begun there", where=env, expected="signoff rollout start RELEASE --env NAME")
    ramp = reconciled(ramp, pointer, datetime.now(UTC))  # as the next look would find it
    if as_json:
        print_json(_facts(ramp, pointer) | {"switches": switches(os.environ)})
    else:
        left = ramp.phase == "promoted" and pointer is not None and pointer.stable != ramp.candidate
        head = f"{'was' if ramp.over else 'is at'} {ramp.name}" + ", and was taken back since" * left
        said = [f"  {name}={value} counts here" for name, value in switches(os.environ).items()]
        _lines([f"{env}: {short(ramp.candidate)} {head}", *_pointer(pointer), *said, *_stages(ramp),
                _after_rollback(env) if left else _next(ramp, "")])
    return int(Exit.PASSED)


def switches(environ: Mapping[str, str]) -> dict[str, str]:
    """Switches of this shell's environment that take traffic away: those of the service may be others.

    >>> switches({"SIGNOFF_KILL": "1", "HOME": "x"})
    {'SIGNOFF_KILL': '1'}
    """
    return {name: environ[name] for name in (KILL, CANARY_PERCENT) if environ.get(name)}


def _after_rollback(env: str) -> str:
    return (f"next: signoff trail show says why; then mend the release, sign and admit it anew:\n"
            f"  signoff admit MANIFEST --env {env} && signoff rollout start RELEASE --env {env}")


def _facts(state: RampState, pointer: Pointer | None) -> dict[str, Any]:
    return {"environment": state.environment, "phase": state.phase, "stage": state.name, "percent": state.percent,
            "ramp": document_of(state), "pointer": pointer and pointer_facts(pointer)}


def _stages(state: RampState) -> list[str]:
    lines = []
    for place, one in enumerate(state.ramp.stages):
        mark = ">" if state.phase == "up" and place == state.index else " "
        held = f", held {int(state.held_s)} s" if mark == ">" else ""
        lines.append(f"  {mark} {one.name:<6} {one.hold}{held}")
        lines += [f"      {two.name}{'' if two.limit is None else f': {two.limit}'}" for two in one.criteria]
    if state.waiver is not None:
        lines.append(f"    {', '.join(state.waiver.who)} hold {state.waiver.guard} until {state.waiver.until:%FT%TZ}")
    return [*lines, f"  last: {state.said}"] if state.said else lines


def _pointer(pointer: Pointer | None) -> list[str]:
    return [] if pointer is None else [f"  {told_pointer(pointer)}"]


def _next(state: RampState, action: str) -> str:
    env = state.environment
    if state.phase == "promoted":
        return "next: it serves; signoff rollback takes it back"
    if state.phase == "rolled_back":
        return _after_rollback(env)
    if action == "tune":
        return f"next: waiting cannot mend it: signoff rollout abort --env {env} --why …, and tune the release"
    return (f"next: signoff rollout step --env {env}\n"
            "  or nothing: signoff serve and signoff monitor run look by themselves")


def _lines(lines: list[str]) -> None:
    out = console()
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
