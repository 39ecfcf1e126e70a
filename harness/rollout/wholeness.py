"""Whether a release's frozen files are those that were admitted: in full, or at a glance that costs a rollback nothing.

In full, every byte is hashed, and what each file looked like to the file system (size, times, inode) is noted beside
the releases. A glance trusts a file that looks as it did then and hashes every other, so that it takes milliseconds
whatever an index weighs. Whatever is written to a file moves its change time, which no program sets; a disk that loses
bits moves nothing, so that whoever loads a release, and the smoke gates after a flip, hash it in full.
"""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.data.store import atomic_write_text, sha256_file
from harness.errors import InputError
from harness.rollout.files import whole
from harness.rollout.frozen import folder_of

__all__ = ["NOTED", "damage", "hashed", "noted"]

NOTED = "noted"
_THREADS = 4
_Looks = dict[str, tuple[int, ...]]


def hashed(home: Path, digest: str, files: Mapping[str, str]) -> bool:
    """Whether a release's folder holds exactly `files`, name → sha256, by all of their bytes; how they look is noted.

    >>> import tempfile
    >>> from harness.data.store import sha256_bytes
    >>> with tempfile.TemporaryDirectory() as home:
    ...     folder = folder_of(Path(home), "ab")
    ...     folder.mkdir(parents=True)
    ...     _ = (folder / "m").write_bytes(b"m")
    ...     hashed(Path(home), "ab", {"m": sha256_bytes(b"m")}), hashed(Path(home), "ab", {"m": sha256_bytes(b"n")})
    (True, False)
    """
    folder, looks = folder_of(home, digest), _Looks()
    with contextlib.suppress(OSError, InputError):  # what cannot be looked at is not whole either
        looks = _looks(folder)  # before the bytes are read: what changes meanwhile looks otherwise afterwards
    good = whole(folder, files)
    _note(home, digest, looks if good else {})
    return good


def noted(home: Path, digest: str, files: Mapping[str, str]) -> None:
    """Note how the files of a release look that was hashed in full elsewhere a moment ago, and only then was placed.

    Raises InputError where a file is missing or is none.
    """
    looks = _looks(folder_of(home, digest))
    _note(home, digest, looks if looks.keys() == files.keys() else {})


def damage(home: Path, digest: str, files: Mapping[str, str]) -> str:
    """What of a release is not as it was admitted, in a few words; empty where all of it is.

    Files that look as they did when they were last hashed are believed; all others are hashed, several at once.

    Args:
        home: The store's folder.
        digest: The release.
        files: Name → sha256 of each of its files, as they were admitted.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     damage(Path(home), "ab", {"manifest/m.yaml": "00"})
    'its folder is missing'
    """
    folder = folder_of(home, digest)
    if not folder.is_dir():
        return "its folder is missing"
    try:
        looks = _looks(folder)
    except InputError as error:
        return f"{error.what}: {error.where}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if apart := sorted(looks.keys() ^ files.keys()):
        return f"{'missing' if apart[0] in files else 'not of it'}: {apart[0]}"
    known = _read(home, digest)
    doubted = [name for name in sorted(files) if known.get(name) != looks[name]]
    with ThreadPoolExecutor(_THREADS) as threads:
        found = dict(zip(doubted, threads.map(lambda name: _hash(folder / name), doubted), strict=True))
    if wrong := [name for name in doubted if found[name] != files[name]]:
        return f"changed: {wrong[0]}"
    if doubted:
        _note(home, digest, looks)
    return ""


def _hash(path: Path) -> str:
    try:
        return sha256_file(path)
    except (OSError, InputError):
        return ""


def _looks(folder: Path) -> _Looks:
    """Name → size, times, inode of every file in a folder. Raises InputError for a link or a special file."""
    found: _Looks = {}
    for path in folder.rglob("*"):
        seen = path.lstat()
        if stat.S_ISDIR(seen.st_mode):
            continue
        if not stat.S_ISREG(seen.st_mode):
            raise InputError("not a regular file", where=path.relative_to(folder))
        found[path.relative_to(folder).as_posix()] = (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)
    return found


def _note(home: Path, digest: str, looks: _Looks) -> None:
    with contextlib.suppress(OSError, InputError):  # a home that cannot be written costs time, nothing else
        atomic_write_text(home / NOTED / f"{digest}.json", json.dumps(looks))


def _read(home: Path, digest: str) -> _Looks:
    try:
        told = json.loads((home / NOTED / f"{digest}.json").read_text(encoding="utf-8"))
        return {str(name): tuple(look) for name, look in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
