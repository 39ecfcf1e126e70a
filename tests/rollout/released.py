"""Signed releases, admitted: short ways to say it in tests, and what a store holds, as bytes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from fixtures.attested import NOW
from fixtures.signed import TRUSTING, artifacts_of, signed
from harness.data.store import sha256_tree
from harness.release.manifest import Loaded
from harness.rollout import tables
from harness.rollout.admitting import admit
from harness.rollout.pointer import current, flip
from harness.rollout.shapes import Admitted, Pointer
from harness.rollout.store import Store
from harness.rollout.trail import Entry, entries


def let_in(store: Store, loaded: Loaded, *, environment: str = "prod", days: float = 0.0, **more: Any) -> Admitted:
    """Admit a release, some days after the first could be."""
    given = {"artifacts": artifacts_of(loaded), "trust": TRUSTING, "who": "ada", "now": NOW + timedelta(days=days)}
    return admit(store, loaded, environment=environment, **(given | more))


def served(store: Store, folder: Path, *names: str, size: int = 100) -> list[Admitted]:
    """Releases admitted one after the other, each made the stable one of `prod`."""
    found = []
    for days, name in enumerate(names):
        found.append(let_in(store, signed(folder, name, days=days, size=size), days=days))
        promoted(store, found[-1].digest, at=NOW + timedelta(days=days))
    return found


def promoted(store: Store, digest: str, *, candidate: str | None = None, percent: float = 0.0, at: datetime = NOW
             ) -> None:
    """Point `prod` at a release, where it is elsewhere."""
    with store.writing() as connection:
        there = current(connection, "prod")
        if there is None or (there.stable, there.candidate, there.percent) != (digest, candidate, percent):
            flip(connection, "prod", stable=digest, candidate=candidate, percent=percent, stage=None, who="ada",
                 why="promoted", at=at)


def serving(store: Store, environment: str = "prod") -> Pointer | None:
    with store.reading() as connection:
        return current(connection, environment)


def told(store: Store, kind: str | None = None) -> list[Entry]:
    with store.reading() as connection:
        return entries(connection, kind=kind)


def everything(store: Store) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """All rows of the tables that say what serves, and the sha256 of every frozen file."""
    kept = (tables.releases, tables.admissions, tables.pointer, tables.trail, tables.ramp)
    with store.reading() as connection:
        rows = {table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
                for table in kept}
    frozen = store.home / "releases"
    return rows, sha256_tree(frozen) if frozen.is_dir() else {}
