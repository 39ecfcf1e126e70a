"""What the verbs of the rollout share: the store, who calls, and how long digests are shown."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.rollout.going_back import Checked, Smoke
    from harness.rollout.shapes import Admitted, Pointer
    from harness.rollout.store import Store

__all__ = ["WHO", "DatabaseOption", "EnvironmentOption", "WhoOption", "caller", "pointer_facts", "short",
           "smoke_later", "told_pointer"]

WHO = "SIGNOFF_WHO"
DatabaseOption = Annotated[str | None, typer.Option(
    "--db", metavar="URL", help="The store. Default: SIGNOFF_DB, else sqlite:///.signoff/rollout.db.")]
EnvironmentOption = Annotated[str, typer.Option("--env", metavar="NAME", help="Which environment.")]
WhoOption = Annotated[str | None, typer.Option(
    metavar="NAME", help="Who does it, for the trail. Default: SIGNOFF_WHO, else the user's name.")]


def caller(said: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Whom the trail names. Raises InputError where nobody can be named: the trail takes no anonymous row.

    >>> caller("ada"), caller(None, {"SIGNOFF_WHO": "ci"})
    ('ada', 'ci')
    """
    found = said or environ.get(WHO)
    if not found:
        try:
            found = getpass.getuser()
        except (KeyError, OSError, ImportError):
            found = None
    if not found or not found.isprintable():
        raise InputError("nobody to name", where="--who", expected="a name for the trail", found=found)
    return found


def short(digest: str | None) -> str:
    """The first letters of a digest, enough to name it again; nothing is a dash.

    >>> short("a" * 64), short(None)
    ('aaaaaaaaaaaa', '–')
    """
    return "–" if digest is None else digest[:12]


def pointer_facts(one: Pointer) -> dict[str, Any]:
    """A pointer's row, as JSON tells it."""
    return {**vars(one), "at": _utc(one.at)}


def told_pointer(one: Pointer) -> str:
    """A pointer's row in words.

    >>> from datetime import UTC
    >>> from harness.rollout.shapes import Pointer
    >>> told_pointer(Pointer(3, "prod", "a" * 64, None, 0.0, None, "ada", "", datetime(2025, 3, 1, tzinfo=UTC)))
    'prod serves aaaaaaaaaaaa (row 3, 2025-03-01T00:00:00Z, by ada)'
    """
    candidate = "" if one.candidate is None else f", candidate {short(one.candidate)} at {one.percent:g} %"
    serves = "nothing" if one.stable is None else short(one.stable)
    return f"{one.environment} serves {serves}{candidate} (row {one.seq}, {_utc(one.at)}, by {one.who})"


def smoke_later(store: Store) -> Smoke:
    """The smoke gates, which load indexes and models, and so nothing before a release was taken back."""
    def smoke(release: Admitted) -> Sequence[Checked]:
        from harness.rollout.smoke import smoke_of

        return smoke_of(store)(release)
    return smoke


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
