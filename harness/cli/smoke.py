"""`signoff smoke --env NAME`: is the release that serves whole, does it answer, are its figures where they were?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, own_code, print_json, tell
from harness.cli.rollback import tell_checks
from harness.cli.rollout_common import DatabaseOption, EnvironmentOption, short
from harness.errors import Exit, InputError, nearest

if TYPE_CHECKING:
    from harness.rollout.shapes import Admitted
    from harness.rollout.store import Store

__all__ = ["command"]


def command(
    *,
    env: EnvironmentOption,
    release: Annotated[str | None, typer.Option(metavar="DIGEST", help="Default: the one that serves.")] = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Run the smoke gates on a release's frozen copy: 10 where one fails."""
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
