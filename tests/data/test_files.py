"""Only what is a file is read: a pipe would be waited for, a device has no end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.readers import read_frame, read_qrels, read_run
from harness.data.store import sha256_file
from harness.errors import InputError

GOOD = b"q1 Q0 d1 1 2.5 t\n"


def told(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    return str(caught.value)


READERS = {"trec run": lambda path: read_run({"trec": path}), "trec qrels": lambda path: read_qrels({"trec": path}),
           "jsonl": lambda path: read_run({"jsonl": path}), "csv": lambda path: read_frame({"csv": path}),
           "parquet": lambda path: read_run({"parquet": path}), "digest": sha256_file}


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_never_waited_for(tmp_path: Path, name: str) -> None:
    """A pipe that nobody writes to, one behind a link, a device and a name with a zero byte: one line, at once."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    lines = [str(told(READERS[name], path))
             for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero"), Path("a\0b"))]
    assert ["not a regular file" in line for line in lines] == [True, True, True, False]
    assert "a pipe" in lines[1] and "a device" in lines[2]
    assert "not a path" in lines[3] and "\0" not in lines[3]


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    """What a link leads to counts, not the link."""
    (tmp_path / "real").write_bytes(GOOD)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(read_run({"trec": tmp_path / "link"})) == 1
    assert sha256_file(tmp_path / "link") == sha256_file(tmp_path / "real")
