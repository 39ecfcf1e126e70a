"""How long an environment's windows are, said once and kept in its store: adopted by whoever says nothing.

A program that says something else is refused while there are windows: they are what the guards' proof is made of, and
windows of two lengths are no one series. What takes a candidate back asks without refusing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from harness.errors import InputError
from harness.monitor.windows import RESOLUTION_S
from harness.rollout import tables
from harness.rollout.store import Store

__all__ = ["RESOLUTION", "kept_resolution", "known_resolution", "resolution_of", "settled_resolution"]

RESOLUTION = "MONITORING_RESOLUTION"


def settled_resolution(store: Store, environment: str, now: datetime, *, environ: Mapping[str, str] = os.environ
                       ) -> int:
    """Seconds of an environment's windows, for a program that writes them or steps by them: noted from now on.

    Raises: InputError where `MONITORING_RESOLUTION` says another length than the windows there have.
    """
    with store.writing() as connection:  # two that begin at once: the second sees what the first noted
        found = _fitting(connection, environment, environ)
        if kept_resolution(connection, environment) != found:
            connection.execute(delete(tables.resolutions).where(tables.resolutions.c.environment == environment))
            connection.execute(insert(tables.resolutions).values(environment=environment, seconds=found, at=now))
    return found


def known_resolution(store: Store, environment: str, *, environ: Mapping[str, str] = os.environ) -> int:
    """The same for a program that only looks: nothing is noted. Errors as `settled_resolution`."""
    with store.reading() as connection:
        return _fitting(connection, environment, environ)


def kept_resolution(connection: Connection, environment: str) -> int | None:
    """Seconds that the store holds; None where nobody has said them yet."""
    kept = tables.resolutions.c
    found: int | None = connection.execute(select(kept.seconds).where(kept.environment == environment)).scalar()
    return found


def resolution_of(environ: Mapping[str, str] = os.environ) -> int:
    """Seconds of a window by `MONITORING_RESOLUTION`, such as 60, 60s, 1m; a minute where it is not set.

    Raises: InputError for what is no whole number of seconds from 1 to 3,600.

    >>> resolution_of({}), resolution_of({"MONITORING_RESOLUTION": "1s"}), resolution_of({RESOLUTION: "5m"})
    (60, 1, 300)
    """
    said = environ.get(RESOLUTION, "").strip() or str(RESOLUTION_S)
    number, unit = (said[:-1], said[-1]) if said[-1:] in {"s", "m", "h"} else (said, "s")
    seconds = int(number) * {"s": 1, "m": 60, "h": 3600}[unit] if number.isascii() and number.isdigit() else 0
    if not 1 <= seconds <= 3600 or 3600 % seconds:
        raise InputError("not a resolution", where=RESOLUTION, expected="1s to 1h, a whole part of an hour", found=said)
    return seconds


def _fitting(connection: Connection, environment: str, environ: Mapping[str, str]) -> int:
    asked, kept = resolution_of(environ), kept_resolution(connection, environment)
    if kept is None or asked == kept:
        return asked
    if not environ.get(RESOLUTION, "").strip():
        return kept
    windows = select(tables.windows.c.minute).where(tables.windows.c.environment == environment).limit(1)
    if connection.execute(windows).first() is None:
        return asked
    raise InputError(f"the windows of {environment} have another length", where=RESOLUTION,
                     expected=f"{kept}s, or nothing: it is kept in the store", found=environ[RESOLUTION])
