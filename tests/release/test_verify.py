"""Verification as its users meet it: trust files, the base branch, the command, and one line for what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.attested import MANIFEST, NOW, attested, key_named, trusted
from harness.errors import EvidenceError, Exit, InputError
from harness.release.attest import sign_release
from harness.release.keys import keygen
from harness.release.terms import Base
from harness.release.trust import Trust, development_trust, load_trust, parse_trust
from harness.release.verify import verify
from tests.faults.forging import BASELINE_HASH
from tests.release.checkout import M, git, made_in, run, written

HONEST = attested()
KEY = key_named("release")
PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


def _nothing(name: str) -> bytes:
    raise AssertionError(f"read {name}")


def parse(text: str) -> Trust:
    return parse_trust(text.encode(), where="trust.yaml", read=_nothing)


def inline(*names: str) -> str:
    return "keys:\n" + "".join(f"  - name: {name}\n    public: |\n" + "".join(
        f"      {line}\n" for line in PEM.splitlines()) for name in names)


def test_what_was_verified_is_told_with_its_numbers():
    """Signer, findings judged again, excused ones, times, digests."""
    raw = sign_release(HONEST.loaded, HONEST.evidence, HONEST.subjects, [KEY], now=NOW)
    verified = verify(raw, manifest=HONEST.loaded, subjects=HONEST.subjects, trust=Trust((trusted(KEY),)),
                      now=NOW + timedelta(days=1))
    assert verified.signers == ("release",)
    assert len(verified.findings) == 6
    assert [one.check.id for one in verified.undecided] == ["see_also-all-acceptance-lcb"]
    assert verified.signed_at == NOW
    assert verified.subjects == HONEST.subjects
    assert (verified.development, verified.integrity_only, verified.notes) == (False, False, ())


def test_a_stricter_policy_than_the_base_branchs_is_noted():
    """Demanding more than the base is no offence, and is said."""
    base = HONEST.loaded.manifest.model_copy(update={"policy": HONEST.loaded.manifest.policy[:-1]})
    raw = sign_release(HONEST.loaded, HONEST.evidence, HONEST.subjects, [KEY], now=NOW)
    verified = verify(raw, manifest=HONEST.loaded, subjects=HONEST.subjects, trust=Trust((trusted(KEY),)), now=NOW,
                      base=Base(base, BASELINE_HASH))
    assert "demands no less" in verified.notes[0]


def test_verify_needs_a_moment_with_an_offset():
    """A naive time would be read as whatever the machine thinks: an error."""
    with pytest.raises(InputError, match="offset"):
        verify(b"", manifest=HONEST.loaded, subjects={}, trust=Trust(()), now=datetime(2025, 3, 1))


def test_a_trust_file_names_keys_by_text_or_path(tmp_path):
    """Inline PEM and a path beside the file are the same key."""
    private, public = keygen(tmp_path / "keys" / "release.pem")
    (tmp_path / "trust.yaml").write_text("threshold: 1\nmax_age_days: 30\n"
                                         "keys: [{name: release, public: keys/release.pub}]\n")
    trust = load_trust(tmp_path / "trust.yaml")
    text = json.dumps({"keys": [{"name": "release", "public": public.read_text()}]})
    assert trust.keys[0].keyid == parse(text).keys[0].keyid
    assert (trust.threshold, trust.max_age_days, trust.allow_development) == (1, 30.0, False)
    assert private.exists()


@pytest.mark.parametrize(("text", "because"), [
    ("", "valid dictionary|instance of _Trust|mapping"),
    ("keys: []\n", "at least 1 item"),
    ("treshold: 1\n" + inline("a"), "unknown key 'treshold'.*nearest: threshold"),
    (inline("a").replace("public", "publik"), "unknown key 'publik'.*nearest: public"),
    ("threshold: 2\nthreshold: 1\n" + inline("a"), "duplicate key 'threshold'"),
    ("threshold: 0\n" + inline("a"), "greater than or equal to 1"),
    ("threshold: '1'\n" + inline("a"), "valid integer"),
    ("threshold: true\n" + inline("a"), "valid integer"),
    ("threshold: 2\n" + inline("a"), "can never be met"),
    ("threshold: 2\n" + inline("a", "b"), "a key id stands twice"),
    (inline("a", "a"), "a name stands twice"),
    ("max_age_days: .nan\n" + inline("a"), "finite|greater than 0"),
    ("max_age_days: 1e9\n" + inline("a"), "not an age|valid number"),
    ("max_age_days: 1000000\n" + inline("a"), "not an age"),
    ("allow_development: sometimes\n" + inline("a"), "valid boolean"),
    ("keys: [{name: a, public: '-----BEGIN nothing'}]\n", "not a public key"),
    ("keys: [\n", "not YAML"),
    ("keys: !!python/object:os.system {}\n", "not YAML"),
], ids=str)
def test_a_trust_file_that_is_not_clear_is_an_error(text, because):
    """Unknown, doubled, mistyped or unreachable demands are one-line errors, never a laxer trust."""
    with pytest.raises(InputError, match=because) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_a_trust_file_in_another_encoding_is_an_error():
    """Bytes that are no UTF-8 are told as such."""
    with pytest.raises(InputError, match="not UTF-8"):
        parse_trust(b"\xff\xfe", where="trust.yaml", read=_nothing)


@pytest.mark.parametrize("text", ["max_age_days: 2025-13-45\n", "keys: " + "[" * 5000], ids=["date", "nested"])
def test_a_trust_file_that_breaks_its_reader_is_an_error(text):
    """A date that is none, and brackets without end: one line, no traceback."""
    with pytest.raises(InputError, match=r"not YAML|nested too deeply"):
        parse(text)


def test_a_trust_file_of_many_keys_is_read_in_linear_work(monkeypatch):
    """Names and ids are counted in one pass: comparisons grow with the number of keys, not with its square."""
    import harness.release.trust as room

    compared = 0

    class Counted(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    monkeypatch.setattr(room, "TrustedKey", lambda name, key: SimpleNamespace(
        name=Counted(name), keyid=Counted(name), material=name))
    count = 300
    parse(inline(*(f"key{number}" for number in range(count))))
    assert compared < 10 * count


def test_one_key_under_two_names_is_one_signer():
    """A threshold of two cannot be met by listing one key twice, whatever ids it is given."""
    twice = "threshold: 2\n" + inline("a", "b").replace("name: b\n", "name: b\n    keyid: other\n")
    with pytest.raises(InputError, match=r"can never be met.*at most 1"):
        parse(twice)


@pytest.mark.parametrize("age", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_an_impossible_age_is_an_error(age):
    """`--max-age` must be an age."""
    with pytest.raises(InputError, match="not an age"):
        Trust(()).aged(age)


def test_a_threshold_of_nobody_is_an_error():
    """A trust that asks for no signature cannot be built."""
    with pytest.raises(InputError, match="no threshold"):
        replace(Trust(()), threshold=0)


def test_without_a_trust_file_only_this_checkouts_development_key_counts(tmp_path):
    """Integrity, told as such; and without that key nothing is trusted."""
    with pytest.raises(EvidenceError, match="no key to trust"):
        development_trust(tmp_path)
    keygen(tmp_path / "development.pem")
    trust = development_trust(tmp_path)
    assert (trust.integrity_only, trust.allow_development, trust.keys[0].name) == (True, True, "development")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    return made_in(tmp_path, monkeypatch)


def release_key(project: Path, capsys, **trust: object) -> None:
    run(capsys, "keygen", "keys/release.pem")
    document = {"keys": [{"name": "release", "public": "../keys/release.pub"}], **trust}
    (project / "manifests" / "trust.yaml").write_text(json.dumps(document))


def test_sign_and_verify_with_the_development_key_say_so_loudly(project, capsys):
    """The first run needs no setup, and both verbs say what it is worth."""
    code, out, _ = run(capsys, "sign", M)
    assert (code, "DEVELOPMENT KEY" in out) == (Exit.PASSED, True)
    assert (project / "manifests" / "signed" / "small-v1.intoto.jsonl").exists()
    code, out, _ = run(capsys, "verify", M)
    assert (code, "INTEGRITY ONLY" in out) == (Exit.PASSED, True)
    assert "6 findings judged again" in out
    assert "5 PASS, 1 excused" in " ".join(out.split())


def test_sign_and_verify_with_a_release_key(project, capsys):
    """keygen, a trust file, sign, verify: named signer, no warning, JSON with the same facts."""
    release_key(project, capsys)
    code, out, _ = run(capsys, "sign", M, "--key", "keys/release.pem", "--json")
    assert (code, json.loads(out)["development"]) == (Exit.PASSED, False)
    code, out, _ = run(capsys, "verify", M)
    assert code == Exit.PASSED
    assert "signed by release" in out
    assert "ONLY" not in out
    code, out, err = run(capsys, "verify", M, "--json")
    told = json.loads(out)
    assert (code, told["verified"], told["signers"], told["findings"], err) == (0, True, ["release"], 6, "")


@pytest.mark.parametrize(("file", "reason"), [
    ("artifacts/small-v1/index/vectors.npy", "index/vectors.npy: changed since it was signed"),
    ("artifacts/small-v1/SHA256SUMS", "SHA256SUMS: changed since it was signed"),
    ("artifacts/small-v1/new.bin", "new.bin: there now, and was not signed"),
    ("manifests/small-v1.yaml", "small-v1.yaml: changed since it was signed"),
])
def test_one_edited_file_is_named_with_both_digests(project, capsys, file, reason):
    """With one file edited, verify says which digest differs and exits with its own code."""
    run(capsys, "sign", M)
    path = project / file
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n# edited\n")
    code, out, err = run(capsys, "verify", M)
    assert (code, out) == (Exit.INVALID, "")
    assert reason in err
    assert "expected" in err
    assert "found" in err
    assert err.count("\n") == 1


def test_a_failed_verification_is_a_json_document_too(project, capsys):
    """`--json` tells a refusal as data, and keeps exit code and line."""
    run(capsys, "sign", M)
    (project / "artifacts" / "small-v1" / "SHA256SUMS").unlink()
    code, out, err = run(capsys, "verify", M, "--json")
    told = json.loads(out)
    assert (code, told["verified"], told["exit_code"]) == (Exit.INVALID, False, 12)
    assert told["reason"] in err


@pytest.mark.parametrize(("break_it", "words", "code", "reason"), [
    ("reports/small-v1/evidence.jsonl", ("sign", M), 12, "no evidence"),
    ("artifacts/small-v1", ("sign", M), 2, "no artifacts"),
    (None, ("verify", M), 12, "not signed|no key to trust"),
    (None, ("verify", "manifests/nothing.yaml"), 2, "cannot read the manifest"),
    (None, ("verify", M, "--trust", "nowhere.yaml"), 2, "nowhere.yaml: cannot be read"),
    (None, ("sign", M, "--key", "nowhere.pem"), 2, "cannot read the signing key"),
    (None, ("verify", M, "--base", "--output=x"), 2, "not a git ref"),
    (None, ("verify", M, "--base", "HEAD"), 12, "not at the base"),
])
def test_what_is_missing_is_said_in_one_line(project, capsys, break_it, words, code, reason):
    """Nothing to sign, nothing to verify, nobody to trust: each its line and code."""
    import re

    if break_it:
        (project / break_it).rename(project / "away")
    found, _, err = run(capsys, *words)
    assert found == code
    assert re.search(reason, err), err
    assert err.count("\n") == 1


def test_a_failed_signing_leaves_the_signed_release_as_it_was(project, capsys):
    """An existing bundle is never overwritten by a run that does not pass."""
    run(capsys, "sign", M)
    bundle = project / "manifests" / "signed" / "small-v1.intoto.jsonl"
    before = bundle.read_bytes()
    evidence = project / "reports" / "small-v1" / "evidence.jsonl"
    evidence.write_bytes(evidence.read_bytes().replace(b'"skipped": 0', b'"skipped": 1'))
    code, _, err = run(capsys, "sign", M)
    assert (code, "gates were skipped" in err) == (Exit.INVALID, True)
    assert bundle.read_bytes() == before
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_policy_and_trust_come_from_the_base_branch(project, capsys):
    """A work tree that swaps its trust file, or weakens its policy and signs again, is refused by the base's."""
    release_key(project, capsys)
    git(project, "init", "-q")
    git(project, "add", "manifests", "keys/release.pub")
    git(project, "commit", "-qm", "base")
    run(capsys, "sign", M, "--key", "keys/release.pem")
    assert run(capsys, "verify", M, "--base", "HEAD")[0] == Exit.PASSED

    run(capsys, "keygen", "keys/mallory.pem")
    swapped = {"keys": [{"name": "release", "public": "../keys/mallory.pub"}]}
    honest = (project / "manifests" / "trust.yaml").read_text()
    (project / "manifests" / "trust.yaml").write_text(json.dumps(swapped))
    run(capsys, "sign", M, "--key", "keys/mallory.pem")
    assert run(capsys, "verify", M)[0] == Exit.PASSED
    code, _, err = run(capsys, "verify", M, "--base", "HEAD")
    assert (code, "unknown key" in err) == (Exit.INVALID, True)

    (project / "manifests" / "trust.yaml").write_text(honest)
    written(project, MANIFEST.replace("at_least: 0.3,", "at_least: 0.2,"))
    assert run(capsys, "sign", M, "--key", "keys/release.pem")[0] == Exit.PASSED
    code, _, err = run(capsys, "verify", M, "--base", "HEAD")
    assert code == Exit.INVALID
    assert "demands less than the base branch's: see_also-all-R@5-value: limit moved" in err


def test_another_release_and_an_old_one_are_refused_by_option(project, capsys):
    """`--release` and `--max-age` bind what is accepted."""
    run(capsys, "sign", M)
    assert "another release" in run(capsys, "verify", M, "--release", "small-v2")[2]
    assert "not an age" in run(capsys, "verify", M, "--max-age", "0")[2]
    assert run(capsys, "verify", M, "--max-age", "1")[0] == Exit.PASSED


def test_two_people_sign_one_after_the_other(project, capsys):
    """Under a threshold of two the first signature is not enough, the second person's makes it so, strangers cannot."""
    for name in ("release", "second", "stranger"):
        run(capsys, "keygen", f"keys/{name}.pem")
    keys = [{"name": name, "public": f"../keys/{name}.pub"} for name in ("release", "second")]
    (project / "manifests" / "trust.yaml").write_text(json.dumps({"keys": keys, "threshold": 2}))
    assert "not signed" in run(capsys, "sign", M, "--countersign", "--key", "keys/second.pem")[2]
    run(capsys, "sign", M, "--key", "keys/release.pem")
    assert "too few distinct keys" in run(capsys, "verify", M)[2]
    assert "not trusted" in run(capsys, "sign", M, "--countersign", "--key", "keys/stranger.pem")[2]
    assert "already" in run(capsys, "sign", M, "--countersign", "--key", "keys/release.pem")[2]
    assert run(capsys, "sign", M, "--countersign", "--key", "keys/second.pem")[0] == Exit.PASSED
    code, out, _ = run(capsys, "verify", M)
    assert (code, "signed by release, second" in out) == (Exit.PASSED, True)


def test_a_changed_release_is_not_countersigned(project, capsys):
    """A second signature is given only to what verifies now; the bundle stays as it was."""
    release_key(project, capsys)
    run(capsys, "sign", M, "--key", "keys/release.pem")
    bundle = project / "manifests" / "signed" / "small-v1.intoto.jsonl"
    before = bundle.read_bytes()
    (project / "artifacts" / "small-v1" / "SHA256SUMS").write_text("edited")
    code, _, err = run(capsys, "sign", M, "--countersign", "--key", "keys/release.pem")
    assert (code, "SHA256SUMS: changed since it was signed" in err) == (Exit.INVALID, True)
    assert bundle.read_bytes() == before
