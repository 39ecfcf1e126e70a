"""The store: one database that says what serves, what happened and what was watched; SQLite, or PostgreSQL by URL.

Whoever writes waits its turn and sees what the writer before left: `BEGIN IMMEDIATE` in SQLite, one advisory lock in
PostgreSQL. What a block wrote is there whole when it ends, and not at all where it broke off, even by a kill.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, NoSuchModuleError, OperationalError

from harness.data.store import unlisted
from harness.errors import InputError
from harness.rollout.migrating import migrated

__all__ = ["DEFAULT_URL", "HOME", "URL_VARIABLE", "Store", "home_of", "open_store", "shown_url"]

DEFAULT_URL = "sqlite:///.signoff/rollout.db"
URL_VARIABLE, HOME = "SIGNOFF_DB", "SIGNOFF_HOME"
_WAIT_MS = 30_000  # how long a writer waits for its turn before it says that the store is busy
_LOCK = 0x516E0FF
_WRITES = {"signoff_writes": True}
_SECRET = re.compile(r"(?i)([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*")
_PASSWORD = re.compile(r"(://[^:/@?]*:)[^@/?]*@")
_NO_DATABASE = ("file is not a database", "disk image is malformed", "invalid connection option")


@dataclass(frozen=True, eq=False)
class Store:
    """An open database, and the folder where files that belong to it lie (frozen releases, backups)."""

    engine: Engine
    home: Path
    file: tuple[int, int] | None = None  # device and inode of the SQLite file that was opened

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer overlaps: committed where the block ends, undone where it raises.

        Raises InputError where the database cannot be reached or stays busy, or its file is another one now.
        """
        self._same_file()
        with _reached(self.engine), self.engine.connect() as bare:
            connection = bare.execution_options(**_WRITES)
            with connection.begin():
                if self.engine.dialect.name == "postgresql":
                    connection.execute(text(f"SET LOCAL lock_timeout = {_WAIT_MS}"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot: everything read in the block is of one moment. Raises InputError as `writing`."""
        self._same_file()
        with _reached(self.engine), self.engine.connect() as connection:
            if self.engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
            with connection.begin():
                yield connection

    def _same_file(self) -> None:
        """A file that was put in the place of the open one, or deleted, goes on being written, and nobody reads it."""
        if self.file is not None and (found := _file_of(self.engine.url)) != self.file:
            raise InputError("no longer the file that was opened", where=shown_url(self.engine.url),
                             found="another file" if found else "no file",
                             expected="the same file (put it back, or start again with the new one)")

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(url: str | None = None, *, environ: Mapping[str, str] = os.environ, home: Path | None = None) -> Store:
    """Open a database, make or bring up its schema, and return the store.

    Args:
        url: SQLAlchemy's way to name a database; by default `SIGNOFF_DB` of `environ`, else a file below `.signoff`.
        environ: Where variables are read.
        home: Folder of the files; by default `SIGNOFF_HOME`, else where the SQLite file lies, else `.signoff`.

    Raises: InputError where the URL is none, the database cannot be reached, or its schema is newer than this program.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/rollout.db") as store:
    ...     with store.reading() as connection:
    ...         connection.execute(text("SELECT count(*) FROM pointer")).scalar_one()
    0
    """
    named = _url(url or environ.get(URL_VARIABLE) or DEFAULT_URL)
    file = Path(named.database or "") if named.get_backend_name() == "sqlite" else None
    place = home or home_of(url, environ=environ)
    for folder in {place, file.parent if file else place}:
        _made(folder)
    store = Store(_engine(named, place.resolve()), place.resolve())
    try:
        migrated(store.reading, store.writing, where=shown_url(named))
    except BaseException:
        store.close()
        raise
    return replace(store, file=_file_of(named))


def home_of(url: str | None = None, *, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of a store's files, as `open_store` finds it; nothing is opened or made. Raises as `open_store`.

    >>> home_of("sqlite:///ops/rollout.db", environ={}), home_of(environ={"SIGNOFF_HOME": "shared"})
    (PosixPath('ops'), PosixPath('shared'))
    """
    if environ.get(HOME):
        return Path(environ[HOME])
    named = _url(url or environ.get(URL_VARIABLE) or DEFAULT_URL)
    return Path(named.database or "").parent if named.get_backend_name() == "sqlite" else Path(".signoff")


def shown_url(url: URL | str) -> str:
    """A database's URL as it may be printed: no password, wherever it stands.

    >>> shown_url("postgresql://ada:secret@db/x?sslmode=require&password=secret")
    'postgresql://ada:***@db/x?sslmode=require&password=***'
    """
    text = url.render_as_string(hide_password=True) if isinstance(url, URL) else url
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1***@", text))


def _file_of(url: URL) -> tuple[int, int] | None:
    """Device and inode of an SQLite file; None where there is none, or the database is no file."""
    if url.get_backend_name() != "sqlite":
        return None
    try:
        found = Path(url.database or "").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _url(said: str) -> URL:
    try:
        named = make_url(re.sub(r"^postgres(?=(\+\w+)?://)", "postgresql", said))  # as hosts of databases spell it
        known = named.get_backend_name() in {"sqlite", "postgresql"}
    except (ArgumentError, ValueError):  # a port that is no number, too
        known = False
    if not known:
        raise InputError("not a database", where=URL_VARIABLE, found=shown_url(said.rsplit("@", maxsplit=1)[-1]),
                         expected="sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME")
    if named.get_backend_name() == "sqlite" and (not named.database or ":memory:" in named.database):
        raise InputError("a store in memory forgets what serves", where=URL_VARIABLE, expected="sqlite:///FILE",
                         found=shown_url(said))
    return named.set(drivername="postgresql+psycopg") if named.drivername in {"postgresql", "postgres"} else named


def _made(folder: Path) -> None:
    if folder.name == ".signoff":
        unlisted(folder)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("cannot be written", where=folder, found=error.strerror or str(error)) from None


def _engine(named: URL, home: Path) -> Engine:
    try:
        engine = create_engine(named, pool_pre_ping=named.get_backend_name() != "sqlite",
                               execution_options={HOME: home})
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise InputError("no driver for this database", where=URL_VARIABLE, found=str(error),
                         expected="the extra 'postgres' (pip install 'signoff[postgres]')") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepared)
        event.listen(engine, "begin", _begun)
    return engine


def _prepared(raw: Any, _: object) -> None:
    """A new SQLite connection: readers do not stop writers, a commit is on the disk, transactions are begun by us."""
    raw.isolation_level = None
    for pragma in (f"busy_timeout = {_WAIT_MS}", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        raw.execute(f"PRAGMA {pragma}").close()


def _begun(connection: Connection) -> None:
    writes = connection.get_execution_options().get("signoff_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def _reached(engine: Engine) -> Iterator[None]:
    """What the driver says of a database that is away, locked or no database, in one line."""
    try:
        yield
    except OperationalError as error:
        _not_reached(engine, error.orig)
    except DataError as error:  # a letter that PostgreSQL keeps in no text
        raise InputError("cannot be kept", where="store", expected="text without NUL, numbers in range",
                         found=_first_line(error.orig)) from None
    except Exception as error:
        if not any(said in str(error) for said in _NO_DATABASE):
            raise
        _not_reached(engine, error)


def _not_reached(engine: Engine, error: BaseException | None) -> None:
    raise InputError("cannot be read or written", where=shown_url(engine.url),
                     expected="a database that answers", found=_first_line(error)) from None


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).splitlines()), "no answer")
