"""Who froze or measured a release, when, and by which command: lines that are only ever added.

`audit_trail.jsonl` lies beside the run manifest and is no part of the release: it has a clock in it, and the run
manifest repeats to the byte. Each line holds the digest of all before it, so that a line that was changed or taken out
is seen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from getpass import getuser
from pathlib import Path
from typing import Any

from harness.data.canonical import strict_json
from harness.data.files import read_text
from harness.data.store import atomic_write_text, sha256_bytes
from harness.errors import EvidenceError, InputError

__all__ = ["TRAIL", "read_trail", "record", "whoever"]

TRAIL = "audit_trail.jsonl"
_RUN_MANIFEST = "run_manifest.json"


def record(folder: Path, *, who: str, when: datetime, command: Sequence[str]) -> Path:
    """Add one line to a release's audit trail: the release's own facts are those of its run manifest. Returns the file.

    Args:
        folder: The release's frozen folder.
        who: The user that ran it.
        when: The moment, with its time zone.
        command: The words of the command.

    Raises:
        EvidenceError: The trail there was changed.
        InputError: There is no run manifest, or the trail cannot be read or written.

    >>> import tempfile
    >>> from datetime import UTC
    >>> with tempfile.TemporaryDirectory() as place:
    ...     _ = (Path(place) / "run_manifest.json").write_text('{"CONFIG_HASH": "cc", "git_commit": null}')
    ...     for word in ("freeze", "gates"):
    ...         file = record(Path(place), who="ada", when=datetime(2025, 3, 1, tzinfo=UTC), command=["signoff", word])
    ...     [row["command"] for row in read_trail(file)]
    ['signoff freeze', 'signoff gates']
    """
    file, run = folder / TRAIL, read_text(folder / _RUN_MANIFEST)
    facts = strict_json(run, where=folder / _RUN_MANIFEST)
    before, rows = _text(file), read_trail(file)
    row = {"number": len(rows) + 1, "when": when.isoformat(timespec="seconds"), "who": who,
           "command": " ".join(command), "git_commit": facts.get("git_commit"), "CONFIG_HASH": facts.get("CONFIG_HASH"),
           "run_manifest_sha256": sha256_bytes(run.encode("utf-8")), "before": sha256_bytes(before.encode("utf-8"))}
    return atomic_write_text(file, before + json.dumps(row) + "\n")


def read_trail(file: Path) -> list[dict[str, Any]]:
    """The rows of a trail, oldest first; none where there is no file.

    Raises:
        EvidenceError: A row was changed, taken out, or is none.
    """
    rows: list[dict[str, Any]] = []
    before = ""
    for number, line in enumerate(_text(file).splitlines(keepends=True), start=1):
        try:
            row = strict_json(line, where=file)
        except InputError as error:
            raise EvidenceError("not a row of an audit trail", where=file, row=number, found=error.what) from None
        expected = {"number": number, "before": sha256_bytes(before.encode("utf-8"))}
        found = {name: row.get(name) for name in expected} if isinstance(row, dict) else {}
        if found != expected:
            raise EvidenceError("the audit trail was changed", where=file, row=number,
                                expected=f"row {number} after what stands before it", found=found.get("number"))
        rows.append(row)
        before += line
    return rows


def whoever() -> str:
    """The user of this process by name, by number where the system knows no name (as in most containers).

    >>> bool(whoever())
    True
    """
    try:
        return getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the audit trail cannot be read", where=file, found=str(error)) from None
