"""`signoff smoke`: is what serves whole, does it answer, are its figures back; and the nightly suites on a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, own_code, plain, print_json, tell
from harness.cli.live import TaskOption
from harness.cli.rollback import tell_checks
from harness.cli.rollout_common import DatabaseOption, short
from harness.errors import Exit, InputError, UsageError, nearest

if TYPE_CHECKING:
    from harness.release.tool_traces import ToolTrace
    from harness.rollout.shapes import Admitted
    from harness.rollout.store import Store

__all__ = ["command"]


def command(
    manifest: Annotated[Path | None, typer.Argument(help="Run the nightly suites on this release.")] = None,
    *,
    env: Annotated[str | None, typer.Option("--env", metavar="NAME", help="Or look at what serves there.")] = None,
    release: Annotated[str | None, typer.Option(metavar="DIGEST", help="--env: default, the one that serves.")] = None,
    suite: Annotated[list[str] | None, typer.Option(
        metavar="NAME", help="all, ops, database, rag, meta or negatives; repeatable.")] = None,
    trace: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Where tool calls go. Default: reports/RELEASE/tool_trace.jsonl.")] = None,
    task: TaskOption = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Run the smoke gates on what serves, or the suites on a manifest: 10 where one fails."""
    if (manifest is None) == (env is None):
        raise UsageError("smoke looks at what serves (--env NAME) or at a release (MANIFEST): say one of them")
    if env is not None:
        if suite or trace or task:
            raise UsageError("--suite, --trace and --task go with a MANIFEST, not with --env")
        return _served(env, release, db, as_json=as_json)
    if release is not None or db is not None:
        raise UsageError("--release and --db go with --env: the suites have a store of their own")
    assert manifest is not None
    return _nightly(manifest, suite or ["all"], trace, task, as_json=as_json)


def _served(env: str, release: str | None, db: str | None, *, as_json: bool) -> int:
    from harness.rollout.smoke import smoke_of
    from harness.rollout.store import open_store

    own_code()
    with open_store(db) as store:
        found = _serving(store, env, release)
        checks = smoke_of(store, tell=tell)(found)
        tell("")
    good = all(one.good for one in checks)
    if as_json:
        print_json({"environment": env, "release": found.release, "digest": found.digest, "good": good,
                    "checks": [vars(one) for one in checks]})
    else:
        tell_checks(f"{found.release} ({short(found.digest)}) in {env}", checks)
    return int(Exit.PASSED if good else Exit.REFUSED)


def _serving(store: Store, env: str, release: str | None) -> Admitted:
    from harness.rollout.pointer import current, history
    from harness.rollout.released import admitted_of, digest_called

    with store.reading() as connection:
        serving = current(connection, env)
        digest = digest_called(connection, env, release) if release else serving.stable if serving else None
        found = None if digest is None else admitted_of(connection, digest)
        if found is None:
            raise InputError("nothing serves there", where=env, expected="an environment with a release",
                             hint=nearest(env, {one.environment for one in history(connection)}))
    return found


def _nightly(manifest: Path, names: list[str], file: Path | None, task: str | None, *, as_json: bool) -> int:
    from harness.cli.live import live_release, task_of
    from harness.governance.driving import night_of
    from harness.governance.suites import known_suites
    from harness.release.tool_traces import FILE

    known_suites(names)
    loaded, built, live = live_release(manifest)
    night = night_of(loaded, live, built.folders, task_of(built.world, task), names, tell=tell)
    tell("")
    written = night.registry.write(file or Path("reports") / loaded.manifest.release / FILE)
    rows = _judged(night.registry.trace())
    faults = [one for one in rows if one["calls"] and not one["good"]]
    good = all(check.good for _, check in night.checks) and not faults
    if as_json:
        print_json({"release": loaded.manifest.release, "good": good, "trace": str(written), "governance": rows,
                    "checks": [{"suite": name, **vars(one)} for name, one in night.checks]})
    else:
        _tell(loaded.manifest.release, night.checks, rows, written)
    return int(Exit.PASSED if good else Exit.REFUSED)


def _judged(trace: ToolTrace) -> list[dict[str, Any]]:
    """The trace by the measures of its gates. A share is held to by its value here: one suite makes few calls."""
    from harness.release.measures.governed import CONFORMANCE, EXAMPLES, reading
    from harness.release.policy import Check, Limit
    from harness.release.studied.governed import governed_of

    record, rows = governed_of(trace), []
    for name in EXAMPLES:
        limit = Limit("at_least", 0.95, "value") if name == CONFORMANCE else Limit("at_most", 0.0, "value")
        found = reading(record, Check(name, name, None, "all", limit)).estimate
        good = found.value >= limit.bound if name == CONFORMANCE else found.value <= limit.bound
        rows.append({"measure": name, "good": bool(good), "calls": found.n, **plain(found._asdict())})
    return rows


def _tell(release: str, checks: Any, rows: list[dict[str, Any]], written: Path) -> None:
    out = console()
    for suite in dict.fromkeys(name for name, _ in checks):
        tell_checks(f"{release}, suite {suite}", [one for name, one in checks if name == suite])
    for one in rows:
        if one["calls"]:
            out.print(f"  {'ok  ' if one['good'] else 'FAIL'} {one['measure']}: {one['value']:.3g} "
                      f"[{one['low']:.3g}, {one['high']:.3g}] of {one['calls']} calls", markup=False, soft_wrap=True)
    out.print(f"  every call is in {written}", markup=False, soft_wrap=True)
