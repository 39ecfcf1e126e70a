"""A part is made once under the digest of its inputs, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.data.store import sha256_bytes
from harness.release.cache import SUMS, PartCache, library_versions, read_sums, source_digest, write_sums


def maker(text: str, calls: list[str]):
    def make(folder: Path) -> None:
        calls.append(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "data.txt").write_text(text, encoding="utf-8")
        (folder / "part.json").write_text("{}", encoding="utf-8")

    return make


def test_a_part_is_made_once(tmp_path):
    """The same inputs find the same folder and make nothing; the progress display hears of the first only."""
    calls, told = [], []
    cache = PartCache(tmp_path / "cache", told.append)
    first = cache.part("encoder", {"seed": 1}, maker("a", calls))
    assert cache.part("encoder", {"seed": 1}, maker("b", calls)) == first
    assert calls == ["a"] and told == ["encoder"]
    assert (first[0] / "sub" / "data.txt").read_text(encoding="utf-8") == "a"
    assert first[0].name == f"encoder-{first[1][:16]}"


@pytest.mark.parametrize(("name", "inputs"), [("encoder", {"seed": 2}), ("index", {"seed": 1}),
                                              ("encoder", {"seed": 1, "code": "x"})])
def test_other_inputs_are_another_part(tmp_path, name, inputs):
    """Name and every input decide the folder."""
    calls: list[str] = []
    cache = PartCache(tmp_path)
    one, two = cache.part("encoder", {"seed": 1}, maker("a", calls)), cache.part(name, inputs, maker("b", calls))
    assert one[0] != two[0] and calls == ["a", "b"]


def test_a_build_that_fails_leaves_nothing(tmp_path):
    """An exception in the middle: no folder under the part's name, none aside, and the next attempt makes it."""
    cache = PartCache(tmp_path)

    def dies(folder: Path) -> None:
        (folder / "half").write_text("half", encoding="utf-8")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        cache.part("encoder", {}, dies)
    assert list(tmp_path.iterdir()) == []
    calls: list[str] = []
    cache.part("encoder", {}, maker("a", calls))
    assert calls == ["a"]


@pytest.mark.parametrize("spoil", [
    lambda folder: (folder / "part.json").write_text("{1}", encoding="utf-8"),
    lambda folder: (folder / "part.json").unlink(),
    lambda folder: (folder / "new.txt").write_text("", encoding="utf-8"),
    lambda folder: (folder / SUMS).unlink(),
    lambda folder: (folder / SUMS).write_text("", encoding="utf-8"),
    lambda folder: (folder / SUMS).write_bytes(b"\xff"),
], ids=["changed", "lost", "added", "no sums", "empty sums", "unreadable sums"])
def test_a_part_whose_bytes_changed_is_made_again(tmp_path, spoil):
    """Any change to a cached part is seen, the part is remade, and the broken one is gone."""
    calls: list[str] = []
    cache = PartCache(tmp_path)
    folder, _ = cache.part("encoder", {}, maker("a", calls))
    spoil(folder)
    again, _ = cache.part("encoder", {}, maker("a", calls))
    assert again == folder and calls == ["a", "a"]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert read_sums(folder)["part.json"] == sha256_bytes(b"{}")


def test_another_process_that_was_first_wins(tmp_path):
    """Two builds of one part race: the second finds the first one's folder whole and keeps it."""
    cache = PartCache(tmp_path)
    inner: list[str] = []

    def slow(folder: Path) -> None:
        cache.part("encoder", {}, maker("a", inner))  # the other process, in the middle of this one
        maker("b", inner)(folder)

    folder, _ = cache.part("encoder", {}, slow)
    assert inner == ["a", "b"]
    assert (folder / "sub" / "data.txt").read_text(encoding="utf-8") == "a"
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_sums_are_what_sha256sum_reads(tmp_path):
    """Two spaces, POSIX paths, sorted, itself left out."""
    maker("a", [])(tmp_path)
    write_sums(tmp_path)
    assert (tmp_path / SUMS).read_text(encoding="utf-8").splitlines() == [
        f"{sha256_bytes(b'{}')}  part.json", f"{sha256_bytes(b'a')}  sub/data.txt"]  # fmt: skip
    assert read_sums(tmp_path) == {"part.json": sha256_bytes(b"{}"), "sub/data.txt": sha256_bytes(b"a")}
    assert read_sums(tmp_path / "nowhere") == {}


def test_versions_are_those_installed():
    """The libraries whose results stand in artifacts, as installed; one that is absent is left out."""
    import numpy as np

    found = library_versions()
    assert found["numpy"] == np.__version__ and "signoff" in found


def test_the_source_digest_follows_the_source():
    """Rooms differ, a room's digest repeats in another process, and a file counts like a folder."""
    room = source_digest("harness/metrics")
    assert room != source_digest("harness/estimators") != source_digest("harness/errors.py")
    done = subprocess.run([sys.executable, "-c", "from harness.release.cache import source_digest as s;"
                           "print(s('harness/metrics'))"], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONHASHSEED": "3"})  # fmt: skip
    assert done.stdout.strip() == room
