"""Health of a release that answers, before anything is evaluated: what must hold, and what to do where it does not.

`ready` looks at what is there before a part is built: the environment, the database, the model behind HTTP. `healthy`
looks at what was frozen: bytes, run manifest, budget, prefixes, models that answer. An evaluation asks both, and is not
begun where one check fails: numbers of a sick system are nobody's evidence.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.errors import Exit, SignoffError
from harness.release.manifest import Loaded

__all__ = ["STUDY", "HealthCheck", "HealthObserved", "UnhealthyError", "checked_healthy", "checked_ready", "healthy",
           "reads", "ready", "required"]

STUDY = "healthy"


class HealthCheck(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: What, in a word or two.
        good: Whether it is as it must be.
        said: What was found.
        do: What to do about it; "" where it is good.
        bytes: Whether a failure means other bytes than the frozen ones: exit 12 in the place of 2.
    """

    name: str
    good: bool
    said: str
    do: str = ""
    bytes: bool = False

    @property
    def line(self) -> str:
        """The check in one line.

        >>> HealthCheck("database", False, "cannot be reached", "start it, or unset SIGNOFF_DB").line
        'database: cannot be reached; start it, or unset SIGNOFF_DB'
        """
        return " ".join(f"{self.name}: {self.said}{f'; {self.do}' if self.do else ''}".split())


@dataclass(frozen=True)
class HealthObserved:
    """All checks of one look, in the order in which they were made."""

    checks: tuple[HealthCheck, ...]

    @property
    def faults(self) -> tuple[HealthCheck, ...]:
        """Those that failed."""
        return tuple(one for one in self.checks if not one.good)


class UnhealthyError(SignoffError):
    """The system is not fit to be evaluated: every failed check, and what to do about it."""

    def __init__(self, faults: Sequence[HealthCheck], *, release: str) -> None:
        """Join the failed checks; the exit code is 12 where frozen bytes are others, else 2."""
        self.faults = tuple(faults)
        self.exit_code = Exit.INVALID if any(one.bytes for one in faults) else Exit.USAGE
        lines = " · ".join(one.line for one in faults)
        super().__init__(f"{release} is not healthy, and nothing was evaluated ({len(faults)}): {lines}")


def reads(loaded: Loaded) -> bool:
    """Whether the release answers by a reader: then its health is looked at before it is evaluated."""
    return loaded.manifest.parts is not None and loaded.manifest.parts.reader is not None


def ready(loaded: Loaded, environ: Mapping[str, str] = os.environ) -> HealthObserved:
    """What can be seen before anything is built: switches of the environment, the database, a model behind HTTP."""
    from harness.release.health_checks import database, model, switches  # loads readers

    return HealthObserved((*switches(loaded, environ), *database(environ), *model(loaded, environ)))


def healthy(loaded: Loaded, folder: Path) -> HealthObserved:
    """What was frozen: present and of its digests, its run manifest whole, its budget, prefixes and stages in order."""
    from harness.release.health_checks import frozen_bytes, run_manifest_whole, stages

    held = frozen_bytes(folder)
    if not all(one.good for one in held):  # what is not what was frozen is not loaded
        return HealthObserved(tuple(held))
    return HealthObserved((*held, *run_manifest_whole(loaded, folder), *stages(loaded, folder)))


def required(found: HealthObserved, *, release: str) -> None:
    """Raises UnhealthyError, with a line for each fault, unless all checks are good and there is one at least."""
    if found.faults or not found.checks:
        nothing = HealthCheck("health", False, "nothing was looked at", "name a release that answers")
        raise UnhealthyError(found.faults or (nothing,), release=release)


def checked_ready(loaded: Loaded) -> None:
    """Raises UnhealthyError where a release that answers is not ready to be built and asked; others pass by."""
    if reads(loaded):
        required(ready(loaded), release=loaded.manifest.release)


def checked_healthy(loaded: Loaded, folder: Path, *, tell: Callable[[str], None] = lambda _: None
                    ) -> dict[str, HealthObserved]:
    """The record of all checks as a study, for a release that answers; nothing for others. Raises UnhealthyError."""
    if not reads(loaded):
        return {}
    tell(f"looking after the health of {loaded.manifest.release}")
    found = HealthObserved((*ready(loaded).checks, *healthy(loaded, folder).checks))
    required(found, release=loaded.manifest.release)
    return {STUDY: found}
