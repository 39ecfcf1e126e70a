"""Files of the store: folders that take their name in one step, and one process at a time that changes them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.data.store import atomic_writer, sha256_file, sha256_tree
from harness.errors import InputError

try:
    import fcntl
except ImportError:  # no such locks on this system: two operators at once are then theirs to avoid
    fcntl = None  # type: ignore[assignment]

__all__ = ["alone", "environment_named", "mend", "place", "staging", "synced", "whole"]

_STAGE = ".stage-"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def environment_named(name: str) -> str:
    """`name`, where it is the name of an environment. Raises InputError.

    >>> environment_named("prod-eu.2")
    'prod-eu.2'
    """
    if not _NAME.fullmatch(name):
        raise InputError("not the name of an environment", where="environment", found=name,
                         expected="small letters, digits, '.', '_' and '-', such as prod")
    return name


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold a store's folder against a second process that changes it; a killed holder holds nothing.

    Stages and parts that a killed process left are removed: whoever is alone here knows that nobody fills them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home, alone(Path(home)):
    ...     (Path(home) / ".lock").exists()
    True
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("wb") as stream:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX)
        for left in home.glob(f"*/{_STAGE}*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in home.glob("backups/**/.*.part"):
            left.unlink()
        yield


@contextlib.contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A new folder below `root`, to be filled and placed; it vanishes where it was not placed.

    Raises InputError where it cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     with staging(Path(root)) as stage:
    ...         _ = (stage / "index").write_bytes(b"v")
    ...         place(stage, Path(root, "release"))
    ...     sorted(path.name for path in Path(root).iterdir())
    ['release']
    """
    stage = root / f"{_STAGE}{secrets.token_hex(6)}"
    try:
        stage.mkdir(parents=True)
        yield stage
    except OSError as error:
        raise InputError("cannot be written", where=root, found=error.strerror or str(error)) from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def place(stage: Path, target: Path) -> None:
    """Give a filled stage its name: before, the target is as it was; after, it is whole, and on the disk.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     Path(root, "stage").mkdir()
    ...     place(Path(root, "stage"), Path(root, "release"))
    ...     [path.name for path in Path(root).iterdir()]
    ['release']
    """
    synced(stage)
    if target.exists():  # whatever stood there was not whole, or would not be replaced
        target.rename(stage.with_name(f"{stage.name}-old"))
    stage.rename(target)
    _sync(target.parent)
    shutil.rmtree(stage.with_name(f"{stage.name}-old"), ignore_errors=True)


def whole(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether a folder holds exactly these files, name → sha256. A link or a special file is never whole.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     whole(Path(folder), {}), whole(Path(folder), {"index": "00"}), whole(Path(folder, "gone"), {})
    (True, False, False)
    """
    try:
        return folder.is_dir() and sha256_tree(folder) == dict(files)
    except InputError:
        return False


def mend(folder: Path, files: Mapping[str, Path], digests: Mapping[str, str]) -> int:
    """Make a folder hold exactly `files`, name → where its bytes lie; returns how many had to be written.

    Each file is replaced whole, so that whoever reads the folder meanwhile finds it no worse than it was.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     kept, folder = Path(place, "kept"), Path(place, "folder")
    ...     folder.mkdir()
    ...     _ = kept.write_bytes(b"v"), (folder / "stray").write_bytes(b"")
    ...     mend(folder, {"index": kept}, {"index": sha256_file(kept)}), [path.name for path in folder.iterdir()]
    (1, ['index'])
    """
    for path in sorted(folder.rglob("*"), reverse=True):
        if (path.is_symlink() or not path.is_dir()) and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    written = 0
    for name, source in files.items():
        target = folder / name
        if not _is(target, digests[name]):
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            with source.open("rb") as stream, atomic_writer(target) as aside:
                shutil.copyfileobj(stream, aside)
            written += 1
    return written


def synced(folder: Path) -> None:
    """Force every file and folder below to the disk. Raises OSError where one cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     synced(Path(folder))
    """
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            continue
        _sync(path)


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and not path.is_symlink() and sha256_file(path) == digest


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
