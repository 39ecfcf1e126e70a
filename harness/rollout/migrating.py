"""Bringing a database's schema up to this program's: Alembic's steps, all of them or none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from harness.errors import InputError

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["NEWEST", "migrated", "steps"]

NEWEST = "0003"  # said here too, so that opening a store that is up to date need not load Alembic
_Block = Callable[[], AbstractContextManager[Connection]]


def steps() -> list[str]:
    """Revisions that this program knows, first to newest.

    >>> steps()[0], steps()[-1] == NEWEST
    ('0001', True)
    """
    from alembic.script import ScriptDirectory

    return [one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def migrated(reading: _Block, writing: _Block, *, where: str) -> None:
    """Bring the schema up, by at most one process at a time.

    Raises InputError where the database was written by a newer program: its tables would be misread.
    """
    with reading() as connection:
        if _revision(connection) == NEWEST:
            return
    from alembic import command

    with writing() as connection:
        found = _revision(connection)
        if found is not None and found not in steps():
            raise InputError("the store is of a newer program", where=where, expected=f"schema {NEWEST} or older",
                             found=found)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "harness.rollout:migrations")
    config.set_main_option("path_separator", "os")
    return config
