"""Arms: who answers follows the pointer; what cannot be read or loaded gets no traffic."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.monitor import arms
from harness.monitor.arms import LOST_AFTER_S, Arms
from harness.rollout.store import open_store
from tests.monitor.serving import CANDIDATE, OLD, STABLE, Fake, point, service_of


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


def test_a_release_whose_files_changed_is_not_loaded(tmp_path):
    """What does not lie in the store as it was admitted never answers."""
    service = service_of(tmp_path, {STABLE: Fake()})
    with pytest.raises(InputError, match=r"cannot be loaded.*changed since it was admitted"):
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
