"""A glance at a release's files: nothing that was changed is believed, and what was not is not read again."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from fixtures.attested import NOW
from harness.errors import EvidenceError, InputError
from harness.rollout import wholeness
from harness.rollout.admitting import rollback
from harness.rollout.backup import create_backup, restore_backup
from harness.rollout.files import alone
from harness.rollout.frozen import folder_of
from harness.rollout.pointer import DEGRADED
from harness.rollout.proving import verify_store
from harness.rollout.ramp_store import begin
from harness.rollout.released import files_of
from harness.rollout.wholeness import NOTED, damage, hashed
from tests.rollout.ramps import QUICK
from tests.rollout.released import everything, promoted, served, serving, told

LATER = NOW + timedelta(days=30)


def back(store, **more):
    return rollback(store, "prod", **({"who": "ada", "why": "slow", "now": LATER} | more))


def admitted_files(store, release):
    with store.reading() as connection:
        return files_of(connection, release.digest)


def index_of(store, release):
    return folder_of(store.home, release.digest) / "artifacts" / "index" / "vectors.npy"


def look(store, release):
    return damage(store.home, release.digest, admitted_files(store, release))


def overwritten(path):
    path.write_bytes(b"\0" * path.stat().st_size)


def with_its_old_time(path):
    seen = path.stat()
    overwritten(path)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def swapped(path):
    aside = path.with_name("aside")
    aside.write_bytes(b"\0" * path.stat().st_size)
    aside.replace(path)


def linked(path):
    aside = path.parent.parent.parent.parent / "elsewhere"
    path.rename(aside)
    path.symlink_to(aside)


@pytest.mark.parametrize(("change", "expected"), [
    (overwritten, "changed: artifacts/index/vectors.npy"), (with_its_old_time, "changed: artifacts/index/vectors.npy"),
    (swapped, "changed: artifacts/index/vectors.npy"), (lambda path: path.unlink(), "missing: artifacts/index/"),
    (linked, "not a regular file: artifacts/index/vectors.npy"),
    (lambda path: (path.parent / "more").write_bytes(b""), "not of it: artifacts/index/more"),
])  # fmt: skip
def test_no_change_of_a_file_is_missed(store, tmp_path, change, expected):
    """Same size, same time, another inode, a link, a file too few or too many: each is named, by glance and in full."""
    (one,) = served(store, tmp_path, "one")
    assert look(store, one) == ""
    change(index_of(store, one))
    assert look(store, one).startswith(expected)
    assert not hashed(store.home, one.digest, admitted_files(store, one))
    assert look(store, one).startswith(expected)


def test_what_looks_as_it_did_is_not_read_again(store, tmp_path, monkeypatch):
    """Admission noted every file; without the note each is hashed once, and noted for the next glance."""
    (one,) = served(store, tmp_path, "one")
    read = []
    monkeypatch.setattr(wholeness, "_hash", lambda path: read.append(path) or wholeness.sha256_file(path))
    assert (look(store, one), read) == ("", [])
    (store.home / NOTED / f"{one.digest}.json").write_text("[]")
    assert look(store, one) == "" and len(read) == len(admitted_files(store, one))
    assert look(store, one) == "" and len(read) == len(admitted_files(store, one))


def test_a_damaged_release_is_stepped_past_and_the_trail_says_so(store, tmp_path):
    """The one before the last good one serves; the row names which was passed, and what is wrong with it."""
    one, two, _ = served(store, tmp_path, "one", "two", "three")
    overwritten(index_of(store, two))
    made = back(store)
    assert made.stable == one.digest == serving(store).stable and made.stage is None
    (row,) = told(store, "rollback")
    assert row.body["damaged"] == {two.digest: "changed: artifacts/index/vectors.npy"}
    assert two.digest[:12] in made.why and verify_store(store).flips == 4


def test_a_damaged_release_that_is_asked_for_is_refused(store, tmp_path):
    """One line with the file; the pointer stays, and a whole one can be named still."""
    one, two, _ = served(store, tmp_path, "one", "two", "three")
    overwritten(index_of(store, two))
    before = everything(store)
    with pytest.raises(EvidenceError, match=r"two: its files are not what was admitted; .*vectors\.npy"):
        back(store, to="two")
    assert everything(store) == before and back(store, to="one").stable == one.digest


def test_where_nothing_is_whole_what_serves_stays_and_nothing_new_may_start(store, tmp_path):
    """Said by the error, the pointer and the trail, once; a restore brings files and pointer back."""
    one, two = served(store, tmp_path, "one", "two")
    with alone(store.home):
        create_backup(store, who="ada", why="", now=LATER)
    index_of(store, one).unlink()
    for _ in range(2):
        with pytest.raises(EvidenceError, match=r"nothing whole to go back to: .* stays.*backup restore"):
            back(store)
        assert (serving(store).stable, serving(store).stage) == (two.digest, DEGRADED)
    assert len(told(store, "rollback")) == 1
    with pytest.raises(InputError, match="nothing whole to go back to"):
        begin(store, "prod", one.digest, QUICK, who="ada", why="", now=LATER)
    restore_backup(store, "latest", confirmed=True, who="ada", now=LATER)
    assert serving(store).stage is None and back(store).stable == one.digest


def test_a_backup_that_was_made_while_degraded_lifts_it_all_the_same(store, tmp_path):
    """Its files are whole: it would not have been kept otherwise."""
    one, two = served(store, tmp_path, "one", "two")
    with alone(store.home):
        create_backup(store, who="ada", why="", now=LATER)
    index_of(store, one).unlink()
    with pytest.raises(EvidenceError, match="nothing whole"):
        back(store)
    with alone(store.home):
        create_backup(store, who="ada", why="", now=LATER)
    restore_backup(store, "latest", confirmed=True, who="ada", now=LATER)
    assert (serving(store).stable, serving(store).stage) == (two.digest, None)


def test_a_candidate_is_taken_back_whatever_became_of_the_files_beside_it(store, tmp_path):
    """The stable release is loaded and answers: harm ends first, the damage is told."""
    one, two = served(store, tmp_path, "one", "two")
    promoted(store, two.digest, candidate=one.digest, percent=25.0)
    overwritten(index_of(store, two))
    made = back(store)
    assert (made.stable, made.candidate) == (two.digest, None) and "is damaged" in made.why


def test_a_flip_between_look_and_rollback_is_looked_at_again(store, tmp_path, monkeypatch):
    """Somebody promotes another release while the files are read: the way back is from there."""
    from harness.rollout import going_back

    one, two, three = served(store, tmp_path, "one", "two", "three")
    looks = []

    def slow(*given, **more):
        found = going_back.__dict__["looked"](*given, **more)
        if not looks:
            promoted(store, one.digest)
            promoted(store, three.digest)
            promoted(store, two.digest)
        looks.append(found[1].target)
        return found

    monkeypatch.setitem(going_back.__dict__, "looked", going_back.way_back)
    monkeypatch.setattr(going_back, "way_back", slow)
    assert back(store).stable == looks[-1] == three.digest and looks[0] == two.digest
