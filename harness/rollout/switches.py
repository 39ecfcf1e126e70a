"""The switches that count: those of the environment and those that the store holds, the stricter of the two.

A service reads the store's with the pointer, every 50 ms, so that one change reaches every host; where the store cannot
be read, what was read last stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, func, select

from harness.rollout import tables
from harness.rollout.flags import CANARY_PERCENT, KILL, killed, most_percent
from harness.rollout.shapes import Entry
from harness.rollout.trail import entries

__all__ = ["APPLIED", "Switches", "kept_off", "settings_after", "settings_of"]

APPLIED = "config applied"  # rows of the trail: all that a setting of the store is


class Switches(Mapping[str, str]):
    """Variables of the environment with the store's settings beside them, read anew at each look.

    Either kill switch kills, the smaller share counts, and of the rest the environment's own word does.

    >>> both = Switches({"CANARY_PERCENT": "30", "SIGNOFF_KILL": "0"}, {"CANARY_PERCENT": "10", "RERANKER": "off"})
    >>> both["CANARY_PERCENT"], both["RERANKER"], both.get("SIGNOFF_KILL")
    ('10', 'off', '0')
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, stored: Mapping[str, str] | None = None) -> None:
        self._environ, self._stored, self._seen = environ, dict(stored or {}), 0

    def follow(self, connection: Connection, environment: str) -> None:
        """Take over what was applied in the store since the last look."""
        last = connection.execute(select(func.max(tables.trail.c.seq))).scalar() or 0
        if last > self._seen:
            rows = entries(connection, kind=APPLIED, after=self._seen)
            self._stored, self._seen = settings_after(self._stored, rows, environment), int(last)

    def __getitem__(self, name: str) -> str:
        """One switch. Raises KeyError where neither sets it."""
        said = [one[name] for one in (self._environ, self._stored) if name in one]
        if not said:
            raise KeyError(name)
        if name == KILL:
            return next((one for one in said if killed({KILL: one})), said[0])
        if name == CANARY_PERCENT:
            return min(said, key=lambda one: most_percent({CANARY_PERCENT: one}))
        return said[0]

    def __iter__(self) -> Iterator[str]:
        """Names, each once."""
        return iter(dict.fromkeys((*self._environ, *self._stored)))

    def __len__(self) -> int:
        """How many."""
        return len({*self._environ, *self._stored})


def kept_off(connection: Connection, environment: str) -> bool:
    """Whether the store's own kill switch is set for an environment: no candidate has traffic, none may begin."""
    return killed(settings_of(connection, environment))


def settings_of(connection: Connection, environment: str) -> dict[str, str]:
    """What is set, name → value; a setting that is not set is missing."""
    return settings_after({}, entries(connection, kind=APPLIED), environment)


def settings_after(before: Mapping[str, str], rows: list[Entry], environment: str) -> dict[str, str]:
    """Settings once the rows of the trail are applied to them, in order; other rows change nothing."""
    found = dict(before)
    for one in rows:
        if one.kind == APPLIED and one.body.get("environment") == environment:
            name, value = str(one.body["name"]), one.body["value"]
            found.pop(name, None)
            if value is not None:
                found[name] = str(value)
    return found
