"""Tables as lines of JSON and back: what a backup keeps of the database, the same bytes for the same rows.

Reading back never rewrites what is there. Trail and pointer of one store can only be longer or shorter than each other:
where they differ on a row that both have, they are of two stores, and nothing is touched.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, delete, insert, select

from harness.data.canonical import strict_json
from harness.errors import EvidenceError, InputError
from harness.rollout import tables
from harness.rollout.tables import Moment, json_text, moment_of, moment_text

__all__ = ["DUMPED", "dumped", "merge", "read_dump"]

Row = Mapping[str, Any]
DUMPED: Sequence[Table] = (tables.releases, tables.admissions, tables.pointer, tables.trail, tables.ramp)
_CURRENT = {tables.ramp}  # one row an environment, which changes


def dumped(connection: Connection, table: Table) -> bytes:
    """A table as one canonical JSON object a line, in the order of its key."""
    rows = connection.execute(select(table).order_by(*table.primary_key.columns))
    return "".join(json_text(_plain(table, row._asdict())) + "\n" for row in rows).encode()


def read_dump(table: Table, raw: bytes, *, where: object) -> list[Row]:
    """The rows of a dump, with the table's own kinds of values. Raises EvidenceError where they are none."""
    try:
        return [_typed(table, strict_json(line, where=where)) for line in raw.splitlines()]
    except (InputError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise EvidenceError("not the rows of a table", where=where, expected=table.name, found=str(error)) from None


def merge(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Enter the rows of a dump that are not there yet, within a writing transaction; returns how many.

    Raises: EvidenceError where a row that is there says something else, as one of another store does.
    """
    there = {_key(table, json.loads(line)): line for line in dumped(connection, table).decode().splitlines()}
    if table in _CURRENT and set(there.values()) != {json_text(_plain(table, row)) for row in rows}:
        connection.execute(delete(table))
        there = {}
    new = []
    for row in rows:
        plain = _plain(table, row)
        found = there.get(_key(table, plain))
        if found is None:
            new.append(dict(row))
        elif found != json_text(plain):
            raise EvidenceError("the store and the backup tell different stories", where=table.name,
                                expected=json_text(plain)[:200], found=found)
    if new:
        connection.execute(insert(table), new)
    return len(new)


def _plain(table: Table, row: Row) -> dict[str, Any]:
    return {name: _written(table.c[name].type, value) for name, value in row.items()}


def _written(kind: object, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Moment):
        return moment_text(value)
    return base64.b64encode(value).decode() if isinstance(kind, LargeBinary) else value


def _typed(table: Table, row: Row) -> Row:
    if set(row) != set(table.c.keys()):
        raise LookupError(f"columns {sorted(row)}")
    return {name: _read(table.c[name].type, value) for name, value in row.items()}


def _read(kind: object, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Moment):
        return moment_of(value)
    return base64.b64decode(value, validate=True) if isinstance(kind, LargeBinary) else value


def _key(table: Table, row: Row) -> object:
    return tuple(row[column.name] for column in table.primary_key.columns)
