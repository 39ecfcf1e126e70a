"""Arms: who answers follows the pointer; what cannot be read or loaded gets no traffic."""

from __future__ import annotations

import threading
import time

import pytest

from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, InputError
from harness.monitor import arms
from harness.monitor.arms import LOST_AFTER_S, Arms
from harness.rollout import tables
from harness.rollout.frozen import folder_of
from harness.rollout.pointer import DEGRADED, flip
from harness.rollout.store import open_store
from tests.monitor.serving import CANDIDATE, DAY, OLD, STABLE, Fake, point, service_of


def named(serving):
    return tuple(arm and arm.digest for arm in (serving.stable, serving.candidate))


def test_a_flip_is_seen_at_the_next_look(tmp_path):
    """A rollback by another process takes the candidate's traffic as soon as the pointer is read."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=50.0)
    assert named(service.arms.serving) == (STABLE, CANDIDATE)
    point(service.store, STABLE)
    assert named(service.arms.look()) == (STABLE, None)


def test_what_would_be_gone_back_to_is_loaded(tmp_path):
    """After a promotion, going back needs no loading: the release before is there at the first look."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()})
    point(service.store, CANDIDATE)
    service.arms.look()
    assert named(service.arms.serving) == (STABLE, None)  # the new one is loading, the one before answers
    service.arms.fill()
    assert named(service.arms.serving) == (CANDIDATE, None)
    point(service.store, STABLE)
    assert named(service.arms.look()) == (STABLE, None)


def test_what_nobody_goes_back_to_is_let_go(tmp_path):
    """At most what serves, what is on its way and the one before are kept in memory."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake(), OLD: Fake()})
    for digest in (OLD, CANDIDATE):
        point(service.store, digest)
        service.arms.look()
        service.arms.fill()
    assert set(service.arms._loaded) == {OLD, CANDIDATE}


def test_without_the_store_no_candidate_answers(tmp_path):
    """Where the pointer cannot be read for a while, a rollback would not be seen: the stable release answers all."""
    clock = [0.0]
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=50.0)
    service.arms.clock = lambda: clock[0]
    service.arms.look()
    service.store.close()
    (tmp_path / "rollout.db").rename(tmp_path / "away.db")
    (tmp_path / "rollout.db").mkdir()
    clock[0] = LOST_AFTER_S - 0.1
    assert named(service.arms.look()) == (STABLE, CANDIDATE)
    clock[0] = LOST_AFTER_S + 0.1
    assert named(service.arms.look()) == (STABLE, None)
    assert service.health.told()[0] == "degraded"


def test_an_environment_without_a_release_is_not_served(tmp_path):
    """The error names what to do first."""
    with pytest.raises(InputError, match=r"nothing serves there.*signoff admit"):
        Arms(open_store(f"sqlite:///{tmp_path}/rollout.db"), "prod").start()


def test_a_release_whose_files_are_elsewhere_is_not_loaded(tmp_path):
    """A host that does not have the store's folder answers nothing, and says so in one line."""
    service = service_of(tmp_path, {STABLE: Fake()})
    with pytest.raises(InputError, match=r"cannot be loaded.*its files are not on this host"):
        Arms(service.store, "prod").start()


def test_nothing_that_a_driver_raises_ends_the_watch(tmp_path, monkeypatch):
    """A look that fails in any way leaves who serves in place, and the next one follows the pointer again."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=50.0)

    def broken(*_):
        raise RuntimeError

    monkeypatch.setattr(arms, "current", broken)
    assert named(service.arms.look()) == (STABLE, CANDIDATE)
    monkeypatch.undo()
    point(service.store, STABLE)
    assert named(service.arms.look()) == (STABLE, None)


def frozen(service, digest, raw=b"m"):
    """Give a release a folder as it was admitted, on this host."""
    folder = folder_of(service.store.home, digest)
    folder.mkdir(parents=True)
    (folder / "m").write_bytes(raw)
    with service.store.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS releases_keeps_UPDATE")
        connection.execute(tables.releases.update().where(tables.releases.c.digest == digest)
                           .values(files={"m": sha256_bytes(b"m")}))
    return folder / "m"


def test_a_host_whose_files_are_gone_says_so_and_answers_from_memory(tmp_path):
    """Degraded with the file's name, every query answered; mended, it is well again without a restart."""
    service = service_of(tmp_path, {STABLE: Fake()})
    file = frozen(service, STABLE)
    service.arms.check()
    assert service.health.told()[0] == "ok"
    file.write_bytes(b"x")
    service.arms.check()
    status, told = service.health.told()
    assert status == "degraded" and "files on this host are damaged, changed: m" in told["why"][0]
    assert service.arms.serving.stable.digest == STABLE
    file.write_bytes(b"m")
    service.arms.check()
    assert service.health.told()[0] == "ok"


def test_what_could_not_be_loaded_is_tried_again(tmp_path):
    """The pointer moved to a release that this host does not have: the one before answers until the files are there."""
    here, service = [], service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()})
    load = service.arms.load

    def fetched(store, release):
        if release.digest == CANDIDATE and not here:
            raise EvidenceError("its files are not on this host", where="releases")
        return load(store, release)

    service.arms.load = fetched
    point(service.store, CANDIDATE)
    service.arms.look()
    service.arms.fill()
    status, told = service.health.told()
    assert status == "degraded" and any("not on this host" in one for one in told["why"])
    assert named(service.arms.serving) == (STABLE, None)
    here.append(True)
    service.arms.check()
    assert named(service.arms.serving) == (CANDIDATE, None)
    assert not any("not on this host" in one for one in service.health.told()[1]["why"])


def soon(true, *, within=10.0):
    """Whether something becomes true in a while."""
    until = time.monotonic() + within
    while not (found := true()) and time.monotonic() < until:
        time.sleep(0.005)
    return found


def held_up(service, digest):
    """A service that is started anew, in which one release never ends loading until it is let."""
    free, load, order = threading.Event(), service.arms.load, []

    def slow(store, release):
        order.append(release.digest)
        if release.digest == digest:
            free.wait(60.0)
        return load(store, release)

    return Arms(service.store, "prod", slow, load_s=0.1), free, order


def test_a_candidate_that_never_ends_loading_holds_up_nothing(tmp_path):
    """The service begins at once, health says who is late; another release is loaded beside it, and late is there."""
    other = "d" * 64
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake(), OLD: Fake(), other: Fake()})
    point(service.store, OLD)
    point(service.store, OLD, CANDIDATE, 50.0)
    service.arms, free, order = held_up(service, CANDIDATE)
    service.arms.start()
    assert named(service.arms.serving) == (OLD, None)
    assert soon(lambda: any("not loaded after 0.1 s" in one for one in service.health.told()[1]["why"]))
    assert order == [OLD, STABLE, CANDIDATE]
    point(service.store, other)
    assert soon(lambda: named(service.arms.serving) == (other, None))
    point(service.store, OLD, CANDIDATE, 50.0)
    free.set()
    assert soon(lambda: named(service.arms.serving) == (OLD, CANDIDATE))
    service.arms.stop()


def test_a_release_that_was_late_and_is_wanted_no_more_is_not_kept(tmp_path):
    """The pointer went on while it was loading: nothing of it stays in memory."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()})
    point(service.store, STABLE, CANDIDATE, 50.0)
    arms, free, order = held_up(service, CANDIDATE)
    arms.look()
    arms.fill()
    assert order == [STABLE, CANDIDATE] and CANDIDATE in arms.serving.broken
    point(service.store, STABLE)
    arms.look()
    late = arms._loading[CANDIDATE]
    free.set()
    late.join(10.0)
    assert set(arms._loaded) == {STABLE} and not arms.serving.broken


def test_a_pointer_without_a_way_back_is_degraded(tmp_path):
    """Nothing whole to go back to: the stable release answers, and health says why."""
    service = service_of(tmp_path, {STABLE: Fake()})
    with service.store.writing() as connection:
        flip(connection, "prod", stable=STABLE, candidate=None, percent=0.0, stage=DEGRADED, who="ada",
             why="cccccccccccc is damaged", at=DAY)
    service.arms.look()
    status, told = service.health.told()
    assert (status, told["why"]) == ("degraded", ["nothing whole to go back to: cccccccccccc is damaged"])
