"""Releases that were admitted: found by digest, by the beginning of one, or by environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from harness.errors import InputError, nearest
from harness.rollout import tables
from harness.rollout.pointer import admitted_in
from harness.rollout.shapes import Admitted
from harness.rollout.store import HOME

__all__ = ["admitted_here", "admitted_of", "digest_called", "files_of"]


def admitted_of(connection: Connection, digest: str) -> Admitted | None:
    """The release of a digest; None where none was admitted anywhere."""
    found = connection.execute(select(tables.releases).where(tables.releases.c.digest == digest)).one_or_none()
    return None if found is None else _admitted(found, connection.get_execution_options()[HOME])


def admitted_here(connection: Connection, environment: str) -> list[Admitted]:
    """Every release that may serve an environment, oldest admission first."""
    found = (admitted_of(connection, digest) for digest in admitted_in(connection, environment))
    return [one for one in found if one is not None]


_SHOWN = 5  # names of releases that an error lists, the newest first


def digest_called(connection: Connection, environment: str, said: str) -> str:
    """The digest that begins with `said` (8 letters or more), or of the newest release of that name, in an environment.

    Raises InputError where none or several do, with the nearest that is there.
    """
    here = admitted_here(connection, environment)
    named = [one.digest for one in here if one.release == said]
    if named:
        return named[-1]
    found = [one.digest for one in here if len(said) >= 8 and one.digest.startswith(said)]
    if len(found) != 1:
        known = [name for one in here for name in (one.release, one.digest[:max(8, len(said))])]
        names = list(dict.fromkeys(one.release for one in here[::-1]))
        listed = ", ".join(names[:_SHOWN]) + ", …" * (len(names) > _SHOWN) or "none is admitted yet"
        raise InputError("several releases begin so" if found else "not admitted", where=environment, found=said,
                         expected=f"a digest, its first 8 letters or more, or a release's name: {listed}",
                         hint=nearest(said, known))
    return found[0]


def files_of(connection: Connection, digest: str) -> dict[str, str] | None:
    """Name → sha256 of every file in a release's folder, as it was admitted; None where it was admitted nowhere."""
    asked = select(tables.releases.c.files).where(tables.releases.c.digest == digest)
    found = connection.execute(asked).scalar_one_or_none()
    return None if found is None else dict(found)


def _admitted(row: Row[Any], home: Path) -> Admitted:
    return Admitted(row.digest, row.release, home / row.manifest_path, home / row.artifacts, row.run_id,
                    row.measured_at, row.admitted_at)
