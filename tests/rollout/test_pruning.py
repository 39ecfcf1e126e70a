"""Pruning: what nobody needs goes, what somebody could need stays, and whatever is in doubt stops it."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from fixtures.attested import NOW
from fixtures.signed import signed
from harness.errors import EvidenceError, InputError, UsageError
from harness.rollout.backup import create_backup, list_backups, restore_backup, verify_backup
from harness.rollout.backup_index import BACKUPS
from harness.rollout.files import alone
from harness.rollout.going_back import rollback
from harness.rollout.proving import verify_store
from harness.rollout.pruning import prune_backups, superfluous
from tests.rollout.released import let_in, promoted, served, serving, told

LATER = NOW + timedelta(days=30)


def kept(store, days=0):
    with alone(store.home):
        return create_backup(store, who="ada", why="", now=LATER + timedelta(days=days))


def pruned(store, keep=1, *, confirmed=True):
    return prune_backups(store, keep=keep, confirmed=confirmed, who="ada", now=LATER + timedelta(days=60))


def objects(store):
    return {path.name for path in (store.home / BACKUPS / "objects").glob("??/*")}


def test_the_newest_stay_and_their_parts_with_them(store, tmp_path):
    """Each that stays is whole; no part is left that none of them names; the trail tells which went."""
    one, _ = served(store, tmp_path, "one", "two")
    made = [kept(store, days) for days in range(4)]
    done = pruned(store, keep=2)
    assert [one.id for one in done.kept] == [one.id for one in made[-2:]] == [one.id for one in list_backups(store)]
    assert len(done.gone) == 4 and done.parts > 0
    assert objects(store) == {digest for one in made[-2:] for digest in one.objects}
    assert all(verify_backup(store, one.id) == one for one in made[-2:])
    (row,) = told(store, "prune")
    assert row.body["gone"] == [one.id for one in done.gone] and verify_store(store).flips == 2
    shutil.rmtree(one.artifacts.parent)
    restore_backup(store, "latest", confirmed=True, who="ada", now=LATER)
    assert rollback(store, "prod", who="ada", why="", now=LATER).stable == one.digest


def test_a_backup_that_alone_holds_what_serves_stays(store, tmp_path):
    """Whatever its age: of each release that serves, comes in, or could be gone back to, the newest that has it."""
    one, two = served(store, tmp_path, "one", "two")
    full = kept(store)
    index = full.model_copy(update={"sha256": "e" * 64, "releases": {}})
    newer = full.model_copy(update={"sha256": "f" * 64, "releases": {two.digest: full.releases[two.digest]}})
    assert superfluous([full, newer], keep=1, needed={one.digest, two.digest}) == []
    assert superfluous([full, newer], keep=1, needed={two.digest}) == [full]
    assert superfluous([index, full, newer], keep=1, needed={one.digest}) == [index]
    promoted(store, two.digest, candidate=let_in(store, signed(tmp_path, "three", days=5), days=5).digest, percent=5.0)
    kept(store, 1)
    assert pruned(store).kept[-1].releases.keys() >= {serving(store).candidate, one.digest, two.digest}


@pytest.mark.parametrize(("keep", "confirmed", "error", "reason"), [
    (1, False, UsageError, "prune removes 2 of 3 backups, .* MB: say so with --confirm"),
    (0, True, InputError, "no backup would be left"),
])  # fmt: skip
def test_nothing_goes_without_a_word(store, tmp_path, keep, confirmed, error, reason):
    """Unconfirmed, or down to none: refused, and told what would have gone."""
    served(store, tmp_path, "one", "two")
    kept(store)
    before = objects(store), list_backups(store)
    with pytest.raises(error, match=reason):
        pruned(store, keep, confirmed=confirmed)
    assert (objects(store), list_backups(store)) == before and told(store, "prune") == []


def test_nothing_goes_while_the_last_good_one_is_in_doubt(store, tmp_path):
    """The newest has a damaged part, or another cannot be read: the older ones may be all there is."""
    served(store, tmp_path, "one")
    last = kept(store)
    part = store.home / BACKUPS / "objects" / last.tables["trail"].sha256[:2] / last.tables["trail"].sha256
    raw = part.read_bytes()
    part.write_bytes(b"damaged")
    with pytest.raises(EvidenceError, match="a part of the backup is damaged"):
        pruned(store)
    part.write_bytes(raw)
    broken = store.home / BACKUPS / "20250101T000000Z-00000000.json"
    broken.write_text("{}")
    with pytest.raises(EvidenceError, match="which parts it needs"):
        pruned(store)
    broken.unlink()
    assert len(list_backups(store)) == 2 and len(pruned(store).gone) == 1


def test_a_prune_that_broke_off_is_called_again(store, tmp_path, monkeypatch):
    """Between an index and its parts: what stays is whole, and the next call removes what was left."""
    from harness.rollout import pruning

    served(store, tmp_path, "one", "two")
    last = kept(store)
    with monkeypatch.context() as patch:
        patch.setattr(pruning, "_swept", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pruned(store)
    assert [one.id for one in list_backups(store)] == [last.id] and verify_backup(store, last.id) == last
    assert objects(store) > set(last.objects)
    pruned(store)
    assert objects(store) == set(last.objects)
