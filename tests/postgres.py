"""A PostgreSQL of the suite's own: started from the installed server's binaries, thrown away at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from harness.release.children import dies_with_parent

_USERS = ("postgres", "nobody")
_QUIET = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50", "-c", "shared_buffers=16MB"]
_NUMBERS = count(1)


def account() -> pwd.struct_passwd | None:
    """Who runs the server: this user, or where that is root, which the server refuses, one without rights."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[str]:
    """URL of a running server on a socket of its own; tests that ask for it skip where no server can be started."""
    who = account()
    binaries = [shutil.which("initdb"), shutil.which("postgres")]
    if who is None or None in binaries:
        pytest.skip("no PostgreSQL: initdb and postgres are not on the path, or no user may run them")
    pytest.importorskip("psycopg", reason="no driver: the extra 'postgres' is not installed")
    folder = Path(tempfile.mkdtemp(prefix="signoff-pg-"))
    try:
        os.chown(folder, who.pw_uid, who.pw_gid)
        with running(folder, who, *map(str, binaries)) as server:
            url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
            answers(url, server)
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_cluster: str) -> Iterator[str]:
    """URL of an empty database."""
    from sqlalchemy import create_engine

    name = f"signoff_{next(_NUMBERS)}"
    engine = create_engine(postgres_cluster, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield postgres_cluster.replace("/postgres?", f"/{name}?")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


def running(folder: Path, who: pwd.struct_passwd, initdb: str, postgres: str) -> subprocess.Popen[bytes]:
    """The server over a new cluster; it dies with the suite, and its log lies beside its data."""
    us = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    subprocess.run([initdb, "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"],
                   check=True, capture_output=True, cwd=folder, **us)
    with (folder / "log").open("wb") as log:
        return _Server([postgres, "-D", str(folder / "data"), "-k", str(folder), *_QUIET], stdin=subprocess.DEVNULL,
                       stdout=log, stderr=log, cwd=folder, preexec_fn=dies_with_parent(), **us)


class _Server(subprocess.Popen):  # type: ignore[type-arg]
    """A server that is told to end, fast, when its block does."""

    def __exit__(self, *error: object) -> None:
        self.send_signal(2)
        super().__exit__(*error)


def answers(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server takes connections."""
    import psycopg

    limit, plain = time.monotonic() + 60.0, url.replace("+psycopg", "")
    while time.monotonic() < limit and server.poll() is None:
        try:
            psycopg.connect(plain).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server did not begin to answer: exit {server.poll()}")
