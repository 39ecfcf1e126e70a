"""Admission: only what verifies may serve, what serves is a copy of its own, and a refusal leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from fixtures.attested import NOW, key_named, trusted
from fixtures.signed import TRUSTING, artifacts_of, signed
from harness.data.store import sha256_file, sha256_tree
from harness.errors import EvidenceError, InputError
from harness.monitor.terms import guards_of_release
from harness.release.attest import bundle_path
from harness.release.derived import MONITORING
from harness.release.held import sealed
from harness.release.manifest import load_manifest
from harness.release.monitoring import SCHEMA, Monitoring, read_monitoring
from harness.release.terms import Base
from harness.rollout.backup import list_backups
from harness.rollout.proving import verify_store
from harness.rollout.released import admitted_here, digest_called
from harness.rollout.store import Store
from tests.rollout.released import everything, let_in, served, serving, told


@pytest.mark.parametrize("changed", ["loosened", "broken", "gone"])
def test_guards_are_those_that_were_admitted_whatever_becomes_of_their_file(store, tmp_path, changed):
    """A configuration that was changed and sealed anew loosens nothing, and one that is no JSON stops nothing."""
    release = let_in(store, signed(tmp_path, "one"))
    file = release.artifacts / MONITORING
    with store.reading() as connection:
        before = [(one.name, one.limit, one.then) for one in guards_of_release(connection, release.digest)]
    body = json.loads(file.read_bytes())
    del body["sha256"]
    for one in body["guards"]:
        one |= {"bound": -1e9, "then": "alert"}
    if changed == "gone":
        file.unlink()
    else:
        file.write_bytes(b"{" if changed == "broken" else sealed(
            body, Monitoring, schema=SCHEMA, where="here").raw)
    with store.reading() as connection:
        after = [(one.name, one.limit, one.then) for one in guards_of_release(connection, release.digest)]
    assert before and after == before


def test_the_first_release_serves_and_a_later_one_waits(store, tmp_path):
    """The pointer names the first; the second may serve, and does not yet; the trail tells both."""
    first = let_in(store, signed(tmp_path, "one"))
    second = let_in(store, signed(tmp_path, "two", days=1), days=1)
    assert first.digest == sha256_file(tmp_path / "manifests" / "signed" / "one.intoto.jsonl")
    assert (serving(store).stable, serving(store).candidate) == (first.digest, None)
    with store.reading() as connection:
        assert admitted_here(connection, "prod") == [first, second]
    assert [one.kind for one in told(store)] == ["backup", "admit", "flip", "backup", "admit"]
    admission = told(store, "admit")[1]
    assert (admission.who, admission.body["digest"], admission.body["signers"]) == ("ada", second.digest, ["release"])
    assert verify_store(store).flips == 1


def test_what_serves_is_a_copy_of_its_own(store, tmp_path):
    """The checkout may be frozen anew or thrown away: the admitted bytes stay, and can be loaded from there."""
    loaded = signed(tmp_path)
    expected = {f"artifacts/{name}": digest for name, digest in sha256_tree(artifacts_of(loaded)).items()}
    found = let_in(store, loaded)
    shutil.rmtree(tmp_path / "artifacts")
    shutil.rmtree(tmp_path / "manifests")
    copy = sha256_tree(found.artifacts.parent)
    assert expected.items() <= copy.items()
    assert sorted(copy.keys() - expected.keys()) == [
        f"artifacts/{MONITORING}", "manifest/signed/small-v1.intoto.jsonl", "manifest/small-v1.yaml"]
    assert load_manifest(found.manifest).raw == loaded.raw


def test_what_watches_a_release_comes_from_the_signed_evidence(store, tmp_path):
    """A monitoring file that lies among the artifacts is not believed: it is made anew, with the policy's guards."""
    loaded = signed(tmp_path)
    (artifacts_of(loaded) / MONITORING).write_text("{}")
    found = let_in(store, loaded)
    raw = (found.artifacts / MONITORING).read_bytes()
    watched = read_monitoring(raw, loaded=load_manifest(found.manifest))
    assert [one.measure for one in watched.guards] == ["delta nDCG@10"] * 2
    assert json.loads(raw)["release"] == "small-v1"


def unsigned(loaded):
    bundle_path(loaded).unlink()


def touched(loaded):
    (artifacts_of(loaded) / "index" / "vectors.npy").write_bytes(b"other")


def more(loaded):
    (artifacts_of(loaded) / "index" / "new.npy").write_bytes(b"new")


def linked(loaded):
    (artifacts_of(loaded) / "index" / "link.npy").symlink_to("vectors.npy")


def gone(loaded):
    shutil.rmtree(artifacts_of(loaded))


@pytest.mark.parametrize(("spoil", "kind", "reason"), [
    (unsigned, EvidenceError, "not signed"), (touched, EvidenceError, "index/vectors.npy: changed since it was signed"),
    (more, EvidenceError, "new.npy"), (linked, EvidenceError, "not a regular file"), (gone, InputError, "no artifacts"),
])  # fmt: skip
def test_what_does_not_verify_leaves_no_trace(store, tmp_path, spoil, kind, reason):
    """Without a bundle, with other bytes, more files, a link, none at all: refused, and the store is as it was."""
    let_in(store, signed(tmp_path, "one"))
    before, backups = everything(store), len(list_backups(store))
    loaded = signed(tmp_path, "two", days=1)
    spoil(loaded)
    with pytest.raises(kind, match=reason):
        let_in(store, loaded, days=1)
    assert (everything(store), len(list_backups(store))) == (before, backups)
    assert not list(store.home.glob("releases/.stage-*"))


def test_a_strangers_signature_admits_nothing(store, tmp_path):
    """The trust says whose signature counts; a base that demands more is heeded too."""
    loaded = signed(tmp_path)
    stranger = replace(TRUSTING, keys=(trusted(key_named("stranger")),))
    with pytest.raises(EvidenceError):
        let_in(store, loaded, trust=stranger)
    stricter = load_manifest(loaded.path).manifest
    row = stricter.policy[0].model_copy(update={"at_least": 0.34})
    base = Base(stricter.model_copy(update={"policy": (row, *stricter.policy[1:])}), "b" * 64)
    with pytest.raises(EvidenceError, match="limit moved"):
        let_in(store, loaded, base=base)
    assert everything(store) == ({name: [] for name in everything(store)[0]}, {})
    assert let_in(store, loaded, base=replace(base, manifest=stricter)).release == "small-v1"


def test_a_run_is_admitted_once_to_an_environment(store, tmp_path):
    """Again: replayed. To another environment: fresh there, over the same files, entered once."""
    loaded = signed(tmp_path)
    first = let_in(store, loaded)
    with pytest.raises(EvidenceError, match="this run was admitted before"):
        let_in(store, loaded)
    assert let_in(store, loaded, environment="staging") == first
    rows = everything(store)[0]
    assert [len(rows[name]) for name in ("releases", "admissions", "pointer")] == [1, 2, 2]


def test_what_was_measured_before_the_last_admission_is_not_admitted_after_it(store, tmp_path):
    """An older bundle brought out again is refused where something newer was admitted, and there only."""
    let_in(store, signed(tmp_path, "new", days=2), days=2)
    old = signed(tmp_path, "old")
    with pytest.raises(EvidenceError, match="older than"):
        let_in(store, old, days=2)
    assert let_in(store, old, environment="staging", days=2).release == "old"


def test_another_operator_who_was_faster_is_told(store, tmp_path, monkeypatch):
    """Between the verification and the entry the same run was entered from elsewhere: the second is refused whole."""
    loaded = signed(tmp_path)

    def meanwhile(*_, **__):
        monkeypatch.undo()
        let_in(Store(store.engine, tmp_path / "elsewhere"), loaded)

    monkeypatch.setattr("harness.rollout.admitting.create_backup", meanwhile)
    with pytest.raises(EvidenceError, match="replayed: its run was admitted before"):
        let_in(store, loaded)
    assert [len(everything(store)[0][name]) for name in ("releases", "admissions")] == [1, 1]
    assert verify_store(store).rows == 3


def test_a_backup_is_made_before(store, tmp_path):
    """Each admission keeps what was there until then: nothing, then the first release."""
    served(store, tmp_path, "one", "two")
    assert [sorted(one.releases) for one in list_backups(store)] == [[], [serving_first(store)]]
    assert list_backups(store)[1].why == "before two is admitted to prod"


def serving_first(store):
    return told(store, "flip")[0].body["stable"]


def test_without_its_backup_nothing_is_admitted(store, tmp_path):
    """A release in the store is damaged, so that no backup can be made: the next one waits until that is mended."""
    (first,) = served(store, tmp_path, "one")
    (first.artifacts / "index" / "vectors.npy").write_bytes(b"damaged")
    before = everything(store)
    with pytest.raises(EvidenceError, match="changed since it was admitted"):
        let_in(store, signed(tmp_path, "two", days=1), days=1)
    assert everything(store) == before


@pytest.mark.parametrize("name", ["", "Prod", "a b", "../up", "-x", "x" * 64, "prod\n"])
def test_an_environment_has_a_plain_name(store, tmp_path, name):
    """What stands in tables, files and labels is refused early where it would be none."""
    with pytest.raises(InputError, match="not the name of an environment"):
        let_in(store, signed(tmp_path), environment=name)


def test_a_release_is_called_by_name_or_by_the_beginning_of_its_digest(store, tmp_path):
    """The newest of a name; eight letters of a digest; nothing shorter, nothing unknown."""
    one, two = served(store, tmp_path, "one", "two")
    again = let_in(store, signed(tmp_path, "one", days=3), days=3)
    with store.reading() as connection:
        assert digest_called(connection, "prod", "one") == again.digest
        assert digest_called(connection, "prod", two.digest[:8]) == two.digest
        assert digest_called(connection, "prod", one.digest) == one.digest
        for said, hint in ((two.digest[:7], ""), ("tow", "nearest: two"), (two.digest[:9] + "zz", "nearest: ")):
            with pytest.raises(InputError, match=f"prod: not admitted.*{hint}"):
                digest_called(connection, "prod", said)


def test_a_clock_that_stands_before_the_signature_admits_nothing(store, tmp_path):
    """Evidence from the future is no evidence."""
    with pytest.raises(EvidenceError, match="from the future"):
        let_in(store, signed(tmp_path, days=1), now=NOW)
    with pytest.raises(InputError, match="no offset"):
        let_in(store, signed(tmp_path), now=(NOW + timedelta(days=1)).replace(tzinfo=None))


def test_what_lies_in_a_releases_place_and_is_not_whole_is_replaced(store, tmp_path):
    """Something half there under the digest's name: the admission leaves the folder whole, with nothing besides."""
    loaded = signed(tmp_path)
    place = store.home / "releases" / sha256_file(bundle_path(loaded))
    (place / "artifacts").mkdir(parents=True)
    (place / "artifacts" / "half").write_text("left")
    let_in(store, loaded)
    files = sha256_tree(place)
    assert "artifacts/index/vectors.npy" in files and "artifacts/half" not in files
