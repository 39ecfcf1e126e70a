"""Tables that the database itself keeps from being changed: an update or a deletion of a row is an error there."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, text

__all__ = ["KEPT", "append_only", "changeable"]

KEPT = ("releases", "pointer", "trail")

_SQLITE = """\
CREATE TRIGGER {table}_keeps_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""
_FUNCTION = """\
CREATE OR REPLACE FUNCTION signoff_keeps() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"""
_POSTGRES = """\
CREATE TRIGGER {table}_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION signoff_keeps()"""


def append_only(connection: Connection, table: str) -> None:
    """Forbid updates and deletions of a table's rows, whoever asks; its owner can still lift the rule, and the trail's
    chain shows what was done then.
    """
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(_SQLITE.format(table=table, verb=verb))
    else:
        connection.exec_driver_sql(_FUNCTION.replace("%", "%%"))
        connection.exec_driver_sql(_POSTGRES.format(table=table))


def changeable(connection: Connection, tables: Iterable[str]) -> list[str]:
    """Those of the tables whose rows the database would let anyone change: the rule was lifted, or switched off."""
    if connection.dialect.name == "sqlite":
        asked = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        wanted = {table: {f"{table}_keeps_UPDATE", f"{table}_keeps_DELETE"} for table in tables}
    else:
        asked = "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'"
        wanted = {table: {f"{table}_keeps"} for table in tables}
    there = set(connection.execute(text(asked)).scalars())
    return [table for table, names in wanted.items() if not names <= there]
