"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from harness.data.store import (
    atomic_write_bytes,
    atomic_write_text,
    atomic_writer,
    sha256_bytes,
    sha256_file,
    sha256_tree,
)
from harness.errors import InputError


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Bytes survive as they are, parents are made, and nothing else stays behind."""
    path = atomic_write_bytes(tmp_path / "a" / "b.bin", b"\r\n\x00")
    assert path.read_bytes() == b"\r\n\x00"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.bin"]


def test_text_keeps_its_line_ends(tmp_path: Path) -> None:
    """Text is UTF-8 with the line ends it came with."""
    assert atomic_write_text(tmp_path / "t", "é\r\n").read_bytes() == "é\r\n".encode()


def test_a_crash_leaves_the_old_file(tmp_path: Path) -> None:
    """An error in the middle of writing leaves the old bytes and no half file."""
    path = atomic_write_bytes(tmp_path / "kept", b"old")

    def crash() -> None:
        with atomic_writer(path) as stream:
            stream.write(b"ne")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        crash()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_reach_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced while it still has its neighbour's name: at that moment the target does not exist."""
    seen: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append((tmp_path / "x").exists()))
    atomic_write_bytes(tmp_path / "x", b"data")
    assert seen[0] is False


def test_a_rewritten_file_keeps_its_mode(tmp_path: Path) -> None:
    """A file others could read stays readable when it is written again."""
    path = atomic_write_bytes(tmp_path / "m", b"1")
    path.chmod(0o640)
    assert atomic_write_bytes(path, b"2").stat().st_mode & 0o777 == 0o640


def test_an_unwritable_place_is_one_line(tmp_path: Path) -> None:
    """A parent that is a file is told in one line, not as a traceback of the system's own."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        atomic_write_bytes(tmp_path / "file" / "x", b"")


def test_digests_agree_with_hashlib(tmp_path: Path) -> None:
    """A file's digest is the digest of its bytes."""
    data = bytes(range(256)) * 9000
    path = atomic_write_bytes(tmp_path / "d", data)
    assert sha256_file(path) == sha256_bytes(data) == hashlib.sha256(data).hexdigest()
    with pytest.raises(InputError, match="cannot be read"):
        sha256_file(tmp_path / "absent")


def test_a_tree_is_named_by_relative_paths_in_order(tmp_path: Path) -> None:
    """Every file is listed once, by POSIX path, in an order that no file system chooses."""
    for name in ("b", "a/z", "a/b/c", "a.txt"):
        atomic_write_text(tmp_path / name, name)
    tree = sha256_tree(tmp_path)
    assert list(tree) == ["a.txt", "a/b/c", "a/z", "b"]
    assert tree["a/z"] == sha256_bytes(b"a/z")
    atomic_write_text(tmp_path / "b", "changed")
    assert sha256_tree(tmp_path)["b"] != tree["b"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A link's digest would vouch for bytes that live elsewhere, so a tree with one is an error."""
    atomic_write_text(tmp_path / "t" / "real", "x")
    (tmp_path / "t" / "link").symlink_to(tmp_path / "t" / "real")
    with pytest.raises(InputError, match="not a regular file"):
        sha256_tree(tmp_path / "t")
    with pytest.raises(InputError, match="not a folder"):
        sha256_tree(tmp_path / "absent")
