"""Backups: what is brought back is what was kept, byte by byte; what broke off left everything as it was."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import text

from fixtures.attested import NOW
from fixtures.signed import signed
from harness.data.store import sha256_file, sha256_tree
from harness.errors import EvidenceError, InputError, UsageError
from harness.rollout import backup, tables
from harness.rollout.backup import Broken, create_backup, list_backups, restore_backup, verify_backup
from harness.rollout.backup_index import BACKUPS, index_of, read_index
from harness.rollout.dumping import DUMPED, dumped
from harness.rollout.files import alone, mend, staging, whole
from harness.rollout.going_back import rollback
from harness.rollout.objects import Objects
from harness.rollout.proving import verify_store
from harness.rollout.pruning import prune_backups
from harness.rollout.released import admitted_here
from harness.rollout.store import open_store
from tests.rollout.released import everything, let_in, promoted, served, serving, told

LATER = NOW + timedelta(days=30)


def kept(store, *, now=LATER):
    with alone(store.home):
        return create_backup(store, who="ada", why="by hand", now=now)


def brought_back(store, name="latest"):
    return restore_backup(store, name, confirmed=True, who="ada", now=LATER)


def dumps(store):
    with store.reading() as connection:
        return {table.name: dumped(connection, table) for table in DUMPED}


def parts(store):
    return store.home / BACKUPS / "objects"


def test_a_backup_brings_back_files_tables_and_pointer_byte_by_byte(store, tmp_path):
    """All frozen files gone or damaged, the pointer moved on: everything is as it was, and history only grew."""
    one, two = served(store, tmp_path, "one", "two")
    index = kept(store)
    files, before = sha256_tree(store.home / "releases"), dumps(store)
    rollback(store, "prod", who="eve", why="mistake", now=LATER)
    shutil.rmtree(one.artifacts.parent)
    (two.artifacts / "index" / "vectors.npy").write_bytes(b"damaged")
    (two.artifacts / "index" / "stray.npy").write_bytes(b"stray")
    done = brought_back(store, index.id)
    assert (done.files, [one.stable for one in done.flipped]) == (6 + 1, [two.digest])
    assert sha256_tree(store.home / "releases") == files
    assert serving(store).stable == two.digest
    after = dumps(store)
    assert all(after[name].startswith(before[name]) for name in before)
    assert [row.kind for row in told(store)][-3:] == ["flip", "flip", "restore"]
    assert verify_store(store).flips == 4


def test_a_lost_database_is_brought_back_whole(url, tmp_path):
    """The database is made anew, empty: every row is there again, with the bytes that it had."""
    with open_store(url, home=tmp_path / "home") as store:
        served(store, tmp_path, "one", "two")
        before, pointer = dumps(store), serving(store)
        kept(store)
        emptied(store)
    with open_store(url, home=tmp_path / "home") as store:
        assert serving(store) is None
        done = brought_back(store)
        assert done.flipped == () and done.rows == sum(raw.count(b"\n") for raw in before.values())
        assert serving(store) == pointer
        assert all(raw.startswith(before[name]) for name, raw in dumps(store).items())
        assert [one.kind for one in told(store)][-1] == "restore"
        verify_store(store)
        assert let_in(store, signed(tmp_path, "three", days=3), days=3).release == "three"


def emptied(store):
    """Every table dropped."""
    with store.writing() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in reversed(tables.METADATA.sorted_tables):
            connection.execute(text(f"DROP TABLE {table.name}"))
        connection.execute(text("DROP TABLE alembic_version"))


def test_a_rollout_that_was_on_its_way_is_on_its_way_again(store, tmp_path):
    """Candidate, share and the ramp's state come back as they were kept."""
    one, two = served(store, tmp_path, "one", "two")
    promoted(store, one.digest, candidate=two.digest, percent=25.0)
    state = {"environment": "prod", "state": {"stage": 1}, "at": NOW}
    with store.writing() as connection:
        connection.execute(tables.ramp.insert().values(state))
    kept(store)
    rollback(store, "prod", who="eve", why="", now=LATER)
    with store.writing() as connection:
        connection.execute(tables.ramp.update().values(state={"stage": 9}))
    brought_back(store)
    assert (serving(store).stable, serving(store).candidate, serving(store).percent) == (one.digest, two.digest, 25.0)
    with store.reading() as connection:
        assert connection.execute(tables.ramp.select()).one().state == {"stage": 1}


def test_equal_files_are_kept_once(store, tmp_path):
    """Two backups of the same releases share their parts; a third release adds its own alone."""
    served(store, tmp_path, "one")
    first, before = kept(store), len(sha256_tree(parts(store)))
    second = kept(store, now=LATER + timedelta(hours=1))
    assert first.releases == second.releases and first.id != second.id
    assert len(sha256_tree(parts(store))) == before + 1  # the trail, longer by the first backup's row
    assert all(sha256_file(parts(store) / name) == name.split("/")[1] for name in sha256_tree(parts(store)))


def test_a_backup_says_what_it_is(store, tmp_path):
    """Listed oldest first with reason and size; verified by every part; called by name, beginning, or latest."""
    served(store, tmp_path, "one")
    index = kept(store)
    assert [type(one).__name__ for one in list_backups(store)] == ["Index", "Index"]
    assert list_backups(store)[-1] == index == verify_backup(store, index.id) == verify_backup(store, "latest")
    assert verify_backup(store, index.id[:16]) == index
    assert index.id.startswith("20250331T121000Z-") and (index.who, index.why) == ("ada", "by hand")
    assert index.head == (len(told(store)) - 1, told(store)[-2].sha256)
    assert told(store, "backup")[-1].body["sha256"] == index.sha256


def test_the_latest_of_one_second_is_the_latest(store):
    """Several backups of the same second are in order of their microseconds, whatever their digests."""
    made = [kept(store, now=LATER + timedelta(microseconds=step)).id for step in range(6)]
    assert [one.id for one in list_backups(store)] == made != sorted(made)
    assert verify_backup(store, "latest").id == made[-1]


@pytest.mark.parametrize(("name", "reason"), [("2024", "no such backup"), ("2025", "several backups begin so"),
                                              ("", "no such backup"), ("../x", "no such backup")])
def test_a_backup_that_is_not_there_is_told(store, tmp_path, name, reason):
    """Unknown, ambiguous, empty, a path: one line."""
    served(store, tmp_path, "one", "two")
    with pytest.raises(InputError, match=reason):
        verify_backup(store, name)


def test_without_any_backup_there_is_no_latest(store):
    """Nothing kept, nothing to bring back."""
    with pytest.raises(InputError, match="no such backup"):
        brought_back(store)


def test_a_restore_is_confirmed_or_not_done(store, tmp_path):
    """What serves may change: it is asked for in as many words."""
    served(store, tmp_path, "one")
    kept(store)
    before = everything(store)
    with pytest.raises(UsageError, match="--confirm"):
        restore_backup(store, "latest", confirmed=False, who="ada", now=LATER)
    assert everything(store) == before


def damaged_part(store, index):
    path = Objects(parts(store)).path(max(index.objects))
    path.write_bytes(path.read_bytes() + b"x")


def missing_part(store, index):
    Objects(parts(store)).path(min(index.objects)).unlink()


def edited_index(store, index):
    path = store.home / BACKUPS / f"{index.id}.json"
    path.write_text(path.read_text().replace('"by hand"', '"by foot"'))


def another_index(store, index):
    told = index.model_dump(mode="json", by_alias=True)
    other = index_of({key: told[key] for key in told.keys() - {"sha256", "schema"}} | {"why": "another"})
    (store.home / BACKUPS / f"{index.id}.json").write_bytes(other.raw)


def torn_index(store, index):
    path = store.home / BACKUPS / f"{index.id}.json"
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(("spoil", "reason"), [
    (damaged_part, "damaged"), (missing_part, "missing"), (edited_index, "cannot be believed"),
    (another_index, "cannot be believed"), (torn_index, "cannot be believed"),
])  # fmt: skip
def test_a_backup_that_is_not_whole_is_brought_back_in_no_part(store, tmp_path, spoil, reason):
    """A part damaged or missing, the index edited, exchanged, torn: refused before anything is touched."""
    (one,) = served(store, tmp_path, "one")
    index = kept(store)
    shutil.rmtree(one.artifacts)
    spoil(store, index)
    before = everything(store)
    for ask in (lambda: verify_backup(store, index.id), lambda: brought_back(store, index.id)):
        with pytest.raises(EvidenceError, match=reason):
            ask()
    assert everything(store) == before
    listed = list_backups(store)[-1]
    assert isinstance(listed, Broken) is ("index" in spoil.__name__)


def test_an_index_that_fits_itself_and_not_the_store_is_refused(store, tmp_path):
    """Someone wrote index and digest anew, under its own name: the store noted another."""
    served(store, tmp_path, "one")
    index = kept(store)
    with store.writing() as connection:
        connection.execute(tables.backups.update().where(tables.backups.c.id == index.id).values(sha256="0" * 64))
    with pytest.raises(EvidenceError, match="not the backup that was made"):
        brought_back(store, index.id)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../b", "a//b", "", ".", "a\\b", "a\0b"])
def test_a_path_that_leads_out_is_no_part_of_a_backup(store, tmp_path, name):
    """An index whose digest fits and whose files would be written elsewhere is not read."""
    good = index_of({"at": "2025-03-01T12:00:00.000000Z", "who": "", "why": "", "head": None, "tables": {},
                     "releases": {"a" * 64: {"fine.npy": {"sha256": "b" * 64, "bytes": 1}}}})
    assert read_index(good.raw) == good
    told = json.loads(good.raw)
    told["releases"]["a" * 64][name] = told["releases"]["a" * 64].pop("fine.npy")
    with pytest.raises(EvidenceError):
        index_of({key: told[key] for key in told.keys() - {"sha256", "schema"}})


def test_another_stores_backup_is_refused_before_a_file_is_touched(store, tmp_path):
    """Rows that both have differ: nothing is written, neither files nor rows."""
    served(store, tmp_path / "here", "one")
    with open_store(f"sqlite:///{tmp_path}/other/rollout.db") as other:
        served(other, tmp_path / "there", "two")
        strange = kept(other)
        shutil.copytree(other.home / BACKUPS, store.home / BACKUPS, dirs_exist_ok=True)
    before = everything(store)
    with pytest.raises(EvidenceError, match="tell different stories"):
        brought_back(store, strange.id)
    assert everything(store) == before


def test_stores_that_share_a_folder_of_backups_leave_each_others_alone(tmp_path):
    """Neither sees tampering in the other's backups, lists, restores or prunes them; how many there are is told."""
    home = tmp_path / "home"
    with (open_store(f"sqlite:///{tmp_path}/a.db", home=home) as one,
          open_store(f"sqlite:///{tmp_path}/b.db", home=home) as two):
        served(one, tmp_path / "here", "one")
        mine = kept(one)
        served(two, tmp_path / "there", "two")
        kept(two)
        for store in (one, two):
            found = verify_store(store)
            assert (found.noted, found.others) == (1, 2) and len(list_backups(store)) == 2
        assert brought_back(one).index.id == mine.id
        prune_backups(one, keep=1, confirmed=True, who="ada", now=LATER)
        for place in list_backups(two):
            verify_backup(two, place.id)
        with one.writing() as connection:
            connection.exec_driver_sql("DROP TRIGGER trail_keeps_UPDATE")
            connection.execute(tables.trail.update().where(tables.trail.c.seq == 1).values(sha256="f" * 64))
        with pytest.raises(EvidenceError):
            verify_store(one)


def test_damage_is_not_backed_up(store, tmp_path):
    """A frozen file that is no longer what was admitted: no backup, and the one before mends it."""
    (one,) = served(store, tmp_path, "one")
    kept(store)
    (one.artifacts / "index" / "vectors.npy").write_bytes(b"damaged")
    shutil.rmtree(parts(store) / sha256_file(tmp_path / "artifacts" / "one" / "index" / "vectors.npy")[:2])
    count = len(list_backups(store))
    with pytest.raises(EvidenceError, match="changed since it was admitted"):
        kept(store, now=LATER + timedelta(hours=1))
    assert len(list_backups(store)) == count


def test_a_damaged_part_is_mended_by_the_next_backup(store, tmp_path):
    """What was kept and has rotted is written again from the release that is still whole."""
    served(store, tmp_path, "one")
    index = kept(store)
    damaged_part(store, index)
    kept(store, now=LATER + timedelta(hours=1))
    assert verify_backup(store, index.id) == index


class BrokeOffError(Exception):
    """In place of a power cut."""


def breaking(patch, target, at):
    """Let the call number `at` of a function break off before it does anything; returns how often it was called."""
    module, _, name = target.rpartition(".")
    owner = __import__(module, fromlist=["x"])
    real, calls = getattr(owner, name), []

    def called(*given, **more):
        calls.append(given)
        if len(calls) == at:
            raise BrokeOffError
        return real(*given, **more)

    patch.setattr(target, called)
    return calls


CREATING = [("harness.rollout.objects.atomic_writer", 1), ("harness.rollout.objects.atomic_writer", 2),
            ("harness.rollout.objects.atomic_write_bytes", 1), ("harness.rollout.backup.atomic_write_bytes", 1),
            ("harness.rollout.backup.append", 1)]  # fmt: skip
RESTORING = [("harness.rollout.files.atomic_writer", 1), ("harness.rollout.files.atomic_writer", 3),
             ("harness.rollout.backup.place", 1), ("harness.rollout.backup.merge", 3),
             ("harness.rollout.backup.merge", 9), ("harness.rollout.backup.flip", 1),
             ("harness.rollout.backup.append", 1)]  # fmt: skip


@pytest.mark.parametrize(("target", "at"), CREATING)
def test_a_backup_that_broke_off_is_none(tmp_path, monkeypatch, target, at):
    """At whatever step: the store is as it was, earlier backups are whole, and the next one goes through."""
    with open_store(f"sqlite:///{tmp_path}/home/rollout.db") as store:
        served(store, tmp_path, "one")
        shutil.rmtree(store.home / BACKUPS)
        before = everything(store)
        with monkeypatch.context() as patch:
            calls = breaking(patch, target, at)
            with pytest.raises(BrokeOffError):
                kept(store)
        assert len(calls) == at
        assert everything(store) == before
        assert len(list_backups(store)) == int(target.endswith("append"))  # the index is the last of the files
        assert verify_backup(store, kept(store, now=LATER + timedelta(hours=1)).id)
        verify_store(store)


@pytest.mark.parametrize(("target", "at"), RESTORING)
def test_a_restore_that_broke_off_left_what_was_whole(tmp_path, monkeypatch, target, at):
    """At whatever step: the tables as they were, no file worse than before, and a second try goes through."""
    with open_store(f"sqlite:///{tmp_path}/home/rollout.db") as store:
        one, two = served(store, tmp_path, "one", "two")
        kept(store)
        files = sha256_tree(store.home / "releases")
        rollback(store, "prod", who="eve", why="", now=LATER)
        shutil.rmtree(one.artifacts.parent)
        (two.artifacts / "index" / "vectors.npy").write_bytes(b"damaged")
        rows, left = everything(store)
        with monkeypatch.context() as patch:
            calls = breaking(patch, target, at)
            with pytest.raises(BrokeOffError):
                brought_back(store)
        assert len(calls) == at
        after, now = everything(store)
        assert after == rows
        assert all(now[name] in {digest, files[name]} for name, digest in left.items() if "stage" not in name)
        brought_back(store)
        assert sha256_tree(store.home / "releases") == files and serving(store).stable == two.digest
        verify_store(store)


def test_a_twin_that_flips_before_it_has_the_files_is_seen(tmp_path, monkeypatch):
    """The test above has teeth: a restore that writes rows first and then breaks off leaves other rows."""
    with open_store(f"sqlite:///{tmp_path}/home/rollout.db") as store:
        served(store, tmp_path, "one", "two")
        kept(store)
        rollback(store, "prod", who="eve", why="", now=LATER)
        rows, _ = everything(store)
        monkeypatch.setattr(backup, "_rehearsed", lambda store, dumped_rows: entered(store))
        breaking(monkeypatch, "harness.rollout.backup.hashed", 1)
        with pytest.raises(BrokeOffError):
            brought_back(store)
        assert everything(store)[0] != rows


def entered(store):
    with store.writing() as connection:
        backup.append(connection, "restore", {}, who="ada", at=LATER)


def test_one_process_at_a_time_changes_the_files(tmp_path):
    """A second one waits; what a dead one left half done is cleared away."""
    left = tmp_path / "releases" / ".stage-dead"
    left.mkdir(parents=True)
    part = tmp_path / "backups" / "objects" / "ab" / ".abcd.0123.part"
    part.parent.mkdir(parents=True)
    part.touch()
    with ExitStack() as release:
        release.enter_context(alone(tmp_path))
        assert not left.exists() and not part.exists()
        code = "import sys; from pathlib import Path; from harness.rollout.files import alone\n" \
               "print('asks', flush=True)\nwith alone(Path(sys.argv[1])): Path(sys.argv[1], 'entered').touch()"
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as waiting:
            assert waiting.stdout.readline() == b"asks\n"
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(0.2)
            assert not (tmp_path / "entered").exists()
            release.close()
            assert waiting.wait(60) == 0 and (tmp_path / "entered").exists()


def test_a_stage_vanishes_where_it_was_not_placed(tmp_path):
    """An error while it is filled leaves no folder."""
    with pytest.raises(InputError, match="cannot be written"), staging(tmp_path) as stage:
        (stage / "x" / "y").write_text("no such folder")
    assert list(tmp_path.iterdir()) == []


def test_links_and_strangers_make_no_whole_folder(tmp_path):
    """A link is followed neither for reading nor for writing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("theirs")
    source = tmp_path / "source"
    source.write_text("ours")
    folder, digests = tmp_path / "folder", {"sub/a": sha256_file(source)}
    folder.mkdir()
    (folder / "sub").symlink_to(outside)
    assert not whole(folder, digests)
    assert mend(folder, {"sub/a": source}, digests) == 1
    assert whole(folder, digests) and (outside / "a").read_text() == "theirs"
    (folder / "sub" / "b").write_text("stray")
    assert not whole(folder, digests) and not whole(tmp_path / "nothing", {})


def test_a_restore_to_another_home_finds_its_files(url, tmp_path):
    """Paths are kept relative to the store's folder: a store that moved serves from where it is."""
    with open_store(url, home=tmp_path / "home") as store:
        served(store, tmp_path, "one")
        kept(store)
    shutil.move(tmp_path / "home" / BACKUPS, tmp_path / "moved" / BACKUPS)
    with open_store(url, home=tmp_path / "moved") as store:
        brought_back(store)
        with store.reading() as connection:
            (found,) = admitted_here(connection, "prod")
        assert found.artifacts.is_relative_to(tmp_path / "moved")
        assert (found.artifacts / "index" / "vectors.npy").is_file() and found.manifest.is_file()
