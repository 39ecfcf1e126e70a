"""Parts made once: a folder per part, named by the digest of everything that went into it.

A part is made aside and takes its name in one step, so that a killed build leaves nothing that looks whole. Each holds
a SUMS file; a part whose bytes no longer match is made again, and the broken one is moved out of the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.data.canonical import digest_of
from harness.data.store import atomic_write_text, sha256_tree
from harness.release.derived import measured_files

__all__ = ["SUMS", "PartCache", "library_versions", "read_sums", "source_digest", "write_sums"]

SUMS = "SHA256SUMS"
_LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "lightgbm", "faiss-cpu", "pyarrow", "signoff")


@dataclass(frozen=True)
class PartCache:
    """A folder of parts. `tell` hears a part's name before it is made (for the progress display)."""

    root: Path
    tell: Callable[[str], None] = lambda _: None

    def part(self, name: str, inputs: Mapping[str, object], make: Callable[[Path], None]) -> tuple[Path, str]:
        """The part's folder and key; `make(folder)` fills a new one where no whole one is there."""
        key = digest_of({"part": name, **inputs})
        folder = self.root / f"{name}-{key[:16]}"
        if not _whole(folder):
            self.tell(name)
            with self._aside(folder) as made:
                make(made)
                write_sums(made)
        return folder, key

    @contextlib.contextmanager
    def _aside(self, folder: Path) -> Iterator[Path]:
        aside = self.root / f".{folder.name}.{secrets.token_hex(4)}"
        aside.mkdir(parents=True)
        try:
            yield aside
            if folder.exists() and not _whole(folder):
                folder.rename(self.root / f".broken-{folder.name}.{secrets.token_hex(4)}")
            with contextlib.suppress(OSError):  # another process made the same part first: its bytes are as good
                aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            for broken in self.root.glob(f".broken-{folder.name}.*"):
                shutil.rmtree(broken, ignore_errors=True)


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over every other file below the folder but derived ones, as `sha256sum -c` reads it."""
    digests = {name: digest for name, digest in measured_files(folder).items() if name != SUMS}
    atomic_write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in digests.items()))


def read_sums(folder: Path) -> dict[str, str]:
    """Name → sha256 as stated in a folder's SHA256SUMS; empty where there is none."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = [line.split("  ", 1) for line in lines]
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def library_versions() -> dict[str, str]:
    """Versions of the libraries whose results stand in the artifacts."""
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@cache
def source_digest(*rooms: str) -> str:
    """Digest of the source of rooms such as `harness/retrieval`: a part is made again when its code changes."""
    top = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for room in rooms:
        place = top / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.relative_to(top).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _whole(folder: Path) -> bool:
    stated = read_sums(folder)
    if not stated or not folder.is_dir():
        return False
    return {name: digest for name, digest in sha256_tree(folder).items() if name != SUMS} == stated
