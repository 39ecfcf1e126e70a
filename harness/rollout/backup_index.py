"""The index of a backup: which objects it is made of, and where the trail stood. One file, written last and at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, InputError, nearest
from harness.release.held import read_sealed, sealed

__all__ = ["BACKUPS", "SCHEMA", "Broken", "Index", "Kept", "index_of", "indexes", "named", "read_index"]

SCHEMA = "signoff-backup/1"
BACKUPS = "backups"
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _inside(name: str) -> str:
    if not name or {"", ".", ".."} & set(name.split("/")) or "\\" in name or "\0" in name:
        raise ValueError("a path that leads out of its folder")
    return name


_Path = Annotated[str, AfterValidator(_inside)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Kept(_Model):
    """An object: the sha256 of its bytes, and how many they are."""

    sha256: _Digest
    bytes: Annotated[int, Field(ge=0)]


class Index(_Model):
    """A backup. `head` is the trail's last row when it was made; `sha256` is over everything else here."""

    schema_: Literal["signoff-backup/1"] = Field(alias="schema")
    at: str
    who: str
    why: str
    head: tuple[int, str] | None
    tables: dict[str, Kept]
    releases: dict[_Digest, dict[_Path, Kept]]
    sha256: _Digest

    @property
    def id(self) -> str:
        """The backup's name: when it was made, and the beginning of its digest."""
        moment = datetime.fromisoformat(self.at)
        return f"{moment:%Y%m%dT%H%M%SZ}-{self.sha256[:8]}"

    @property
    def raw(self) -> bytes:
        """The index file's bytes."""
        return (json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False) + "\n").encode()

    @property
    def objects(self) -> dict[str, int]:
        """Digest → bytes of everything that the backup is made of, each once."""
        files = (kept for files in self.releases.values() for kept in files.values())
        return {kept.sha256: kept.bytes for kept in (*self.tables.values(), *files)}

    @property
    def bytes(self) -> int:
        """How large it is, objects that it shares with other backups included."""
        return sum(self.objects.values())


@dataclass(frozen=True)
class Broken:
    """An index file that cannot be believed, and why."""

    id: str
    reason: str


def index_of(told: Mapping[str, Any]) -> Index:
    """An index of plain values, its digest added.

    >>> one = index_of({"at": "2025-03-01T12:00:00.000000Z", "who": "ada", "why": "", "head": None, "tables": {},
    ...                 "releases": {}})
    >>> one.id, read_index(one.raw) == one
    ('20250301T120000Z-0d9c3469', True)
    """
    return sealed({"schema": SCHEMA, **told}, Index, schema=SCHEMA, where="backup")


def read_index(raw: bytes, *, where: object = "backup") -> Index:
    """An index file's bytes, held to their own digest. Raises EvidenceError."""
    return read_sealed(raw, Index, what="not the index of a backup", since="made", schema=SCHEMA, where=where,
                       shown=lambda value: sha256_bytes(repr(value).encode()))  # it may hold what nobody should read


def indexes(home: Path) -> list[Index | Broken]:
    """Every backup of a store, oldest first; one that cannot be read stands there with the reason."""
    found: list[Index | Broken] = []
    for path in sorted((home / BACKUPS).glob("*.json")):
        try:
            index = read_index(path.read_bytes(), where=path)
        except (OSError, EvidenceError) as error:
            found.append(Broken(path.stem, str(error)))
        else:
            found.append(index if index.id == path.stem else Broken(path.stem, f"{path}: is backup {index.id}"))
    return sorted(found, key=_moment)


def _moment(one: Index | Broken) -> str:
    """When it was made; names tell the second alone, in which several may have been made."""
    return f"{datetime.fromisoformat(one.at):%Y%m%dT%H%M%S.%f}" if isinstance(one, Index) else one.id


def named(home: Path, name: str, *, found: Sequence[Index | Broken] | None = None) -> Index:
    """The backup of that name, of its beginning, or `latest`. Raises InputError, EvidenceError where it is broken.

    `found` is among which; by default all of the folder.
    """
    found = indexes(home) if found is None else found
    ids = [one.id for one in found]
    fitting = found[-1:] if name == "latest" else [one for one in found if name and one.id.startswith(name)]
    if len(fitting) != 1:
        raise InputError("several backups begin so" if fitting else "no such backup", where=home / BACKUPS, found=name,
                         expected="a name of signoff backup list, or latest", hint=nearest(name, ids))
    if isinstance(fitting[0], Broken):
        raise EvidenceError("cannot be believed", where=f"backup {fitting[0].id}", expected=SCHEMA,
                            found=fitting[0].reason)
    return fitting[0]
