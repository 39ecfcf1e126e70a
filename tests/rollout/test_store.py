"""The store: one schema on both databases, whole transactions, one writer at a time, errors in one line."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from fixtures.rollout import NOON, planted
from harness.errors import EvidenceError, InputError
from harness.rollout import tables
from harness.rollout.migrating import NEWEST, steps
from harness.rollout.pointer import flip
from harness.rollout.store import DEFAULT_URL, open_store
from harness.rollout.trail import append, entries


def noted(store, n=1, who="ada"):
    with store.writing() as connection:
        for _ in range(n):
            append(connection, "note", {}, who=who, at=NOON)


def rows(store):
    with store.reading() as connection:
        return len(entries(connection))


def test_the_migrations_make_the_tables_that_the_program_reads(store):
    """Nothing to add, to drop or to change: the steps end where `tables` begins."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []
        assert set(tables.METADATA.tables) < set(inspect(connection).get_table_names())


def test_a_difference_between_migrations_and_tables_would_be_seen(store):
    """The comparison itself: a column more in the database is told."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.writing() as connection:
        connection.execute(text("ALTER TABLE ramp ADD COLUMN extra TEXT"))
    with store.reading() as connection:
        found = compare_metadata(MigrationContext.configure(connection), tables.METADATA)
    assert [one[0] for one in found] == ["remove_column"]


def test_what_is_said_to_be_newest_is_the_last_step():
    """The shortcut that spares Alembic's start names the step that the steps end with."""
    assert steps()[-1] == NEWEST


def test_opening_again_finds_what_was_written(url, tmp_path):
    """A second opening migrates nothing and loses nothing."""
    for expected in (1, 2):
        with open_store(url, home=tmp_path) as store:
            noted(store)
            assert rows(store) == expected


def test_a_schema_of_a_newer_program_is_not_touched(url, tmp_path):
    """Its tables would be misread: an error names both."""
    with open_store(url) as store, store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError, match=f"of a newer program; expected schema {NEWEST} or older, found '9999'"):
        open_store(url)


def test_a_block_that_raises_leaves_nothing(store):
    """Neither the pointer's row nor the trail's is there after an error between them and the end."""
    def broken_off():
        with store.writing() as connection:
            flip(connection, "prod", stable=planted(connection, "prod", "a"), candidate=None, percent=0.0, stage=None,
                 who="ada", why="", at=NOON)
            raise RuntimeError("broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        broken_off()
    with store.reading() as connection:
        assert [connection.execute(select(table)).all() for table in tables.METADATA.sorted_tables] == [[]] * len(
            tables.METADATA.sorted_tables)


def test_writers_wait_their_turn(store):
    """Sixteen threads that each read the last row and add the next lose none and repeat none."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: noted(store, 3, str(n)), range(16)))
    with store.reading() as connection:
        found = entries(connection)
    assert [one.seq for one in found] == list(range(1, 49))
    assert len({one.prev for one in found}) == 48


def test_processes_open_an_empty_database_together(url, tmp_path):
    """Four processes make the schema at once: one does, the others find it, and all write."""
    code = ("import sys; from pathlib import Path; from fixtures.rollout import NOON\n"
            "from harness.rollout.store import open_store; from harness.rollout.trail import append\n"
            "with open_store(sys.argv[1], home=Path(sys.argv[2])) as store, store.writing() as connection:\n"
            "    append(connection, 'note', {}, who='x', at=NOON)")
    started = [subprocess.Popen([sys.executable, "-c", code, url, str(tmp_path)], stderr=subprocess.PIPE)
               for _ in range(4)]
    assert [(one.communicate(timeout=120)[1], one.returncode) for one in started] == [(b"", 0)] * 4
    with open_store(url, home=tmp_path) as store:
        assert rows(store) == 4


def test_a_reader_sees_one_moment(store):
    """What another writes between two of a block's questions is not seen by the second."""
    noted(store)
    with store.reading() as connection:
        before = len(entries(connection))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(noted, store).result()
        assert (before, len(entries(connection))) == (1, 1)
    assert rows(store) == 2


@pytest.mark.parametrize("table", ["pointer", "trail", "releases"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_what_is_written_for_good_takes_no_change(store, table, verb):
    """The database itself refuses to change or delete a row of pointer, trail or releases."""
    with store.writing() as connection:
        flip(connection, "prod", stable=planted(connection, "prod", "a"), candidate=None, percent=0.0, stage=None,
             who="ada", why="", at=NOON)
    column = "release" if table == "releases" else "who"
    with pytest.raises(DBAPIError, match=f"{table} is append-only"), store.writing() as connection:
        connection.execute(text(verb.format(table, column, column)))
    with store.writing() as connection:
        connection.execute(text("DELETE FROM admissions"))  # the rule is not that nothing can be deleted


def test_a_pointer_cannot_name_what_was_never_admitted(store):
    """The database refuses a digest that is in no release, however it is written."""
    with pytest.raises(DBAPIError), store.writing() as connection:
        connection.execute(insert(tables.pointer).values(seq=1, environment="prod", stable="f" * 64, percent=0.0,
                                                         who="ada", why="", at=NOON))


@pytest.mark.parametrize(("said", "reason"), [
    ("mysql://x/y", "not a database"), ("nonsense", "not a database"), ("sqlite://", "forgets what serves"),
    ("sqlite:///:memory:", "forgets what serves"), ("sqlite:///file::memory:?uri=true", "forgets what serves"),
    ("postgresql://nobody:secret@here:port/x", "not a database"),
    ("postgresql://nobody@127.0.0.1:1/x?bogus=1", "invalid connection option"),
    ("postgresql://nobody:secret@127.0.0.1:1/x", "cannot be read or written"),
])  # fmt: skip
def test_a_database_that_cannot_be_used_is_one_line_without_its_password(said, reason, tmp_path):
    """Unknown, in memory, or not answering: told as what it is."""
    if said.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(InputError, match=reason) as told:
        open_store(said, home=tmp_path)
    assert "\n" not in str(told.value) and "secret" not in str(told.value)


def test_a_file_that_is_no_database_is_told(tmp_path):
    """Ten kilobytes of something else are not overwritten."""
    path = tmp_path / "rollout.db"
    path.write_bytes(b"not a database " * 700)
    with pytest.raises(InputError, match="cannot be read or written"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"not a database")


def test_a_damaged_file_is_told(tmp_path):
    """Pages that were overwritten end in one line, for readers and for writers."""
    url = f"sqlite:///{tmp_path}/rollout.db"
    with open_store(url) as store:
        noted(store, 50)
    path = tmp_path / "rollout.db"
    raw = path.read_bytes()
    path.write_bytes(raw[:12288] + bytes(range(1, 256)) * (len(raw) // 255))
    for use in (rows, noted):
        with pytest.raises(InputError, match="cannot be read or written"), open_store(url) as store:
            use(store)


def test_a_writer_that_holds_its_turn_stops_nobody_for_ever(url, tmp_path, monkeypatch):
    """Whoever waits too long for a writer that hangs is told that the store is busy, on both databases."""
    monkeypatch.setattr("harness.rollout.store._WAIT_MS", 200)
    with open_store(url, home=tmp_path) as one, open_store(url, home=tmp_path) as two:
        with one.writing(), pytest.raises(InputError, match="cannot be read or written"):
            noted(two)
        noted(two)
        assert rows(one) == 1


def test_a_text_that_no_database_keeps_is_told_or_kept(store):
    """NUL, which PostgreSQL has in no text, is one line there, and nothing of the block stays."""
    if store.engine.dialect.name == "sqlite":
        noted(store, who="a\0da")
        assert rows(store) == 1
        return
    with pytest.raises(InputError, match="cannot be kept"):
        noted(store, who="a\0da")
    assert rows(store) == 0


def test_variables_say_where_the_store_is(tmp_path, monkeypatch):
    """SIGNOFF_DB and SIGNOFF_HOME, else a folder that git does not see."""
    monkeypatch.chdir(tmp_path)
    with open_store(environ={"SIGNOFF_DB": "sqlite:///there/x.db", "SIGNOFF_HOME": "files"}) as store:
        assert (store.home, (tmp_path / "there" / "x.db").exists()) == (tmp_path / "files", True)
    with open_store(environ={}) as store:
        assert store.home == tmp_path / ".signoff"
    assert (tmp_path / ".signoff" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / DEFAULT_URL.removeprefix("sqlite:///")).exists()


def test_a_commit_is_on_the_disk(tmp_path):
    """SQLite writes ahead and syncs each commit; readers do not stop writers."""
    with open_store(f"sqlite:///{tmp_path}/rollout.db") as store, store.reading() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                 for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]


def test_a_moment_keeps_its_microseconds_and_needs_an_offset(store):
    """What is read is what was written, in UTC; a moment without an offset is refused before it is written."""
    odd = NOON.replace(microsecond=7)
    with store.writing() as connection:
        append(connection, "note", {}, who="ada", at=odd)
    with store.reading() as connection:
        assert entries(connection)[0].at == odd
    with pytest.raises(InputError, match="no offset"), store.writing() as connection:
        append(connection, "note", {}, who="ada", at=odd.replace(tzinfo=None))


@pytest.mark.parametrize(("column", "value"), [("body", "[1]"), ("body", '{"a": 1}'), ("body", "{"), ("at", "noon"),
                                               ("at", "2025-03-01T12:00:00Z")])
def test_a_value_written_by_hand_is_not_read(tmp_path, column, value):
    """A body in another form, a moment at another width: evidence that someone else wrote it."""
    with open_store(f"sqlite:///{tmp_path}/rollout.db") as store:
        noted(store)
        raw = sqlite3.connect(tmp_path / "rollout.db")
        raw.execute("DROP TRIGGER trail_keeps_UPDATE")
        raw.execute(f"UPDATE trail SET {column} = ?", (value,))
        raw.commit()
        raw.close()
        with pytest.raises(EvidenceError), store.reading() as connection:
            entries(connection)


@pytest.mark.parametrize("url", [
    "postgresql+psycopg://ada:s3cret@127.0.0.1:1/x", "postgresql+psycopg://ada@127.0.0.1:1/x?password=s3cret",
    "postgresql://127.0.0.1:1/x?sslPassword=s3cret&connect_timeout=1", "mysql://ada@db/x?password=s3cret",
    "sqlite:///:memory:?password=s3cret", "nonsense?password=s3cret"])  # fmt: skip
def test_no_error_prints_a_password(url):
    """Wherever in the URL it stands, and whatever is wrong with the rest."""
    with pytest.raises(InputError) as told:
        open_store(url)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize("url", ["postgres://ada@127.0.0.1:1/x", "postgres+psycopg://ada@127.0.0.1:1/x"])
def test_a_server_is_named_as_its_hosts_name_it(url):
    """`postgres://` is what they hand out: the error is that nothing answers there, not that it is no database."""
    with pytest.raises(InputError, match=r"postgresql\+psycopg://ada@127.0.0.1:1/x: cannot be read"):
        open_store(url)
