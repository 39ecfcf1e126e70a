"""`signoff rollout`: start, status, step, abort, override, told with the number that decided and what is next."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fixtures.attested import MANIFEST
from fixtures.rollout import planted
from harness.cli.app import main
from harness.release.keys import keygen
from harness.rollout.pointer import current, flip
from harness.rollout.ramp_store import advance, ramp_of
from harness.rollout.store import open_store
from harness.rollout.trail import append, entries, verify_trail

SECTIONS = """
contract: {owners: [search], overrides: [{who: managers, may: advance a ramp, needs: 2},
                                         {who: managers, may: hold a rollback}]}
rollout:
  stages:
    - {percent: 5, hold: 1m, criteria: [{measure: delta error rate, at_most: 0.01}]}
    - {percent: 50, hold: 1h, criteria: [{guards: all}]}
"""


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SIGNOFF_DB", "SIGNOFF_HOME", "SIGNOFF_KILL", "SIGNOFF_KEY", "MONITORING_RESOLUTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIGNOFF_WHO", "ada")
    now = datetime.now(UTC)
    with open_store() as made:
        with made.writing() as connection:
            stable = planted(connection, "prod", "old", manifest=MANIFEST.encode())
            planted(connection, "prod", "new", manifest=(MANIFEST + SECTIONS).encode())
            planted(connection, "prod", "bare", manifest=MANIFEST.encode())
            flip(connection, "prod", stable=stable, candidate=None, percent=0, stage=None, who="ada", why="x", at=now)
        yield made


def run(capsys, *words):
    code = main(["rollout", *words, "--env", "prod"])
    told = capsys.readouterr()
    return code, told.out, told.err


def document(capsys, *words):
    code, out, _ = run(capsys, *words, "--json")
    return code, json.loads(out)


def pointing(store):
    with store.reading() as connection:
        return current(connection, "prod").percent


def test_a_rollout_starts_and_is_shown(store, capsys):
    """The first stage of the admitted manifest's ramp; every line tells what, by which number, and what next."""
    code, out, _ = run(capsys, "start", "new")
    assert code == 0 and "prod: proceed, 5 %: rollout of small-v1" in out and "next: signoff rollout step" in out
    code, out, _ = run(capsys, "status")
    assert code == 0 and "> 5 %    1m, held 0 s" in out and "delta error rate (all): ucb ≤ 0.01" in out
    assert max(map(len, out.splitlines())) <= 110 and pointing(store) == 5


def test_a_step_without_data_holds(store, capsys):
    """Nothing was observed: exit code 11, and the percent stays."""
    run(capsys, "start", "new")
    code, found = document(capsys, "step")
    assert (code, found["decision"]["action"], found["percent"]) == (11, "hold", 5)


def test_the_kill_switch_ends_it_at_the_next_look(store, capsys, monkeypatch):
    """Exit code 10, the pointer without candidate; and nothing starts while it is set."""
    run(capsys, "start", "new")
    monkeypatch.setenv("SIGNOFF_KILL", "1")
    code, found = document(capsys, "step")
    assert (code, found["decision"]["reason"], found["pointer"]["candidate"]) == (10, "the kill switch is set", None)
    code, _, err = run(capsys, "start", "new")
    assert code == 2 and "SIGNOFF_KILL: the kill switch is set" in err


@pytest.mark.parametrize(("words", "phase", "percent"), [((), "rolled_back", 0), (("--gradual",), "rolled_back", 0)])
def test_an_abort_ends_it(store, capsys, words, phase, percent):
    """By hand and with a reason: exit code 0, since it was meant."""
    run(capsys, "start", "new")
    code, found = document(capsys, "abort", "--why", "complaints", *words)
    assert (code, found["phase"], found["percent"]) == (0, phase, percent)
    assert run(capsys, "status")[1].startswith("prod: 11507a0e2f5e was rolled back")


def test_status_tells_of_a_rollback_by_hand(store, capsys):
    """What `signoff rollback` did is told before the monitor looks again, and nothing is written by telling it."""
    run(capsys, "start", "new")
    assert main(["rollback", "--env", "prod", "--no-smoke"]) == 0
    capsys.readouterr()
    code, found = document(capsys, "status")
    assert (code, found["phase"], found["percent"]) == (0, "rolled_back", 0)
    with store.reading() as connection:
        assert ramp_of(connection, "prod").phase == "up"


def test_status_tells_of_a_promotion_that_was_taken_back(store, capsys):
    """It serves no longer, whatever the ramp came to; the next step is another release, not another rollback."""
    run(capsys, "start", "new")
    with store.writing() as connection:
        pointer, state = current(connection, "prod"), ramp_of(connection, "prod")
        flip(connection, "prod", stable=state.candidate, candidate=None, percent=0, stage=None, who="ada", why="x",
             at=datetime.now(UTC))
    assert "was promoted\n" in run(capsys, "status")[1]
    advance(store, "prod", (), who="ada", now=datetime.now(UTC))
    with store.writing() as connection:
        flip(connection, "prod", stable=pointer.stable, candidate=None, percent=0, stage=None, who="ada", why="x",
             at=datetime.now(UTC))
    said = run(capsys, "status")[1]
    assert "was promoted, and was taken back since" in said and "signoff rollback takes it back" not in said


def test_a_ramp_that_asks_guards_of_a_release_without_any_is_not_begun(store, capsys):
    """It would hold at that stage for ever, with nothing that could be shown."""
    unguarded = (MANIFEST + SECTIONS).replace(", slices: [all, hard_nl],\n     guard: {for: 3m, severity: critical, "
                                              "then: rollback}}", "}")
    with store.writing() as connection:
        planted(connection, "prod", "unguarded", manifest=unguarded.encode())
    code, _, err = run(capsys, "start", "unguarded")
    assert code == 2 and "no guards: nothing could be shown" in err and "stage 50 %" in err and not pointing(store)
    _, _, err = run(capsys, "start", "smal-v1")
    assert all(name in err for name in ("old", "bare", "unguarded", "new"))


def test_status_names_the_switches_that_are_set(store, capsys, monkeypatch):
    """A share that is not what the stage says has a reason that is looked for in vain elsewhere."""
    run(capsys, "start", "new")
    monkeypatch.setenv("CANARY_PERCENT", "1")
    assert "CANARY_PERCENT=1 counts here" in run(capsys, "status")[1]
    assert document(capsys, "status")[1]["switches"] == {"CANARY_PERCENT": "1"}


@pytest.fixture
def trust(store, tmp_path):
    (tmp_path / "manifests").mkdir()
    for name in ("ada", "ben", "eve"):
        keygen(tmp_path / "manifests" / f"{name}.pem")
    file = tmp_path / "manifests" / "trust.yaml"
    file.write_text("keys: [{name: ada, public: ada.pub}]\napprovers: [{name: ben, public: ben.pub}]\n")
    return tmp_path / "manifests"


def agree(capsys, trust, name, *words):
    return document(capsys, "override", "--key", str(trust / f"{name}.pem"), "--why", "the board met", *words)


def test_two_signed_agreements_advance_a_stage(store, capsys, trust):
    """The first is noted (11), the second takes effect (0), and the trail holds both and verifies."""
    run(capsys, "start", "new")
    code, found = agree(capsys, trust, "ada")
    assert (code, found["missing"], pointing(store)) == (11, 1, 5)
    code, found = agree(capsys, trust, "ben")
    assert (code, found["agreed"], pointing(store)) == (0, ["ada", "ben"], 50)
    with store.reading() as connection:
        verify_trail(entries(connection))


def test_a_key_that_nobody_trusts_agrees_to_nothing(store, capsys, trust):
    """Told in one line; nothing is entered."""
    run(capsys, "start", "new")
    code, _, err = run(capsys, "override", "--key", str(trust / "eve.pem"), "--why", "x")
    assert code == 2 and "this key is not trusted" in err
    with store.reading() as connection:
        assert entries(connection, kind="override asked") == []


@pytest.mark.parametrize("change", [{"signature": "00" * 64}, {"signature": ""}, {"identity": "nobody"}])
def test_an_agreement_that_was_written_by_hand_does_not_count(store, capsys, trust, change):
    """A row of the trail in a person's name, without that person's signature, is no agreement."""
    run(capsys, "start", "new")
    agree(capsys, trust, "ada")
    with store.writing() as connection:
        real = entries(connection, kind="override asked")[0]
        from harness.release.trust import load_trust

        ben = load_trust(trust / "trust.yaml").approvers[0]
        body = {**real.body, "identity": ben.material, **change}
        append(connection, "override asked", body, who="ben", at=datetime.now(UTC))
    code, found = agree(capsys, trust, "ben")
    assert found["agreed"] == ["ada", "ben"] and code == 0  # ben's own, not the one in his name
    assert pointing(store) == 50


def test_a_rollback_is_held_for_a_named_guard(store, capsys, trust):
    """One agreement is enough where the charter says so; the waiver is shown with its end."""
    run(capsys, "start", "new")
    code, found = agree(capsys, trust, "ada", "--hold", "all-R@5-value", "--for", "2h")
    with store.reading() as connection:
        waiver = ramp_of(connection, "prod").waiver
    assert (code, waiver.guard, waiver.who) == (0, "all-R@5-value", ("ada",))
    assert "ada hold all-R@5-value until" in run(capsys, "status")[1] and found["percent"] == 5


@pytest.mark.parametrize(("words", "code", "told"), [
    (("start",), 2, "names a release"), (("status", "new"), 2, "names no release"),
    (("start", "newest"), 2, "nearest: new"), (("start", "bare"), 2, "has no ramp"),
    (("start", "bare", "--preset", "5-25"), 2, "nearest: 5-25-50-100"),
    (("start", "new", "--preset", "5-25-50-100"), 2, "the preset demands less"),
    (("start", "new", "--gradual"), 2, "--gradual says nothing to rollout start"),
    (("status",), 2, "no ramp was begun there"), (("step",), 2, "no ramp is under way"),
    (("abort",), 2, "--why"), (("override", "--why", "x", "--hold", "g"), 2, "--for 2h"),
    (("step", "--for", "2h"), 2, "--for says nothing"), (("jump",), 2, "jump")])  # fmt: skip
def test_what_makes_no_sense_is_one_line(store, capsys, words, code, told):
    """Unknown, missing and useless words: exit code 2, one line on stderr, nothing flipped."""
    found, out, err = run(capsys, *words)
    assert (found, out, err.count("\n")) == (code, "", 1) and told in err and pointing(store) == 0


def test_a_preset_serves_where_the_manifest_has_no_ramp(store, capsys):
    """By name, from its first stage."""
    code, found = document(capsys, "start", "bare", "--preset", "1-5-10-25-50")
    assert (code, found["percent"], len(found["ramp"]["ramp"]["stages"])) == (0, 1, 5)


def test_a_live_setting_takes_two_trusted_keys(store, trust, capsys):
    """Proposed with 11, refused to the same key and to a stranger, applied with 0; shown, and in the trail."""
    def signed(who, *words):
        return run(capsys, *words, "--key", str(trust / f"{who}.pem"))

    code, out, _ = signed("ada", "propose", "CANARY_PERCENT=10", "--why", "a busy day")
    assert code == 11 and "nothing has changed yet" in out and all(len(line) <= 80 for line in out.splitlines())
    number = out.split("approve ")[1].split()[0]
    for who, reason in (("ada", "the same person"), ("eve", "not trusted")):
        code, _, err = signed(who, "approve", number)
        assert code == 2 and reason in err and err.count("\n") == 1
    assert number in run(capsys, "config")[1]
    code, out, _ = signed("ben", "approve", number)
    assert code == 0 and "prod: CANARY_PERCENT=10 applies" in out and "by ben" in out
    assert run(capsys, "config")[1] == "prod: CANARY_PERCENT=10\n"
    with store.reading() as connection:
        verify_trail(entries(connection))
    assert signed("ada", "propose", "SIGNOFF_KILL=1", "--why", "harm")[0] == 0
    code, _, err = run(capsys, "start", "new")
    assert code == 2 and "the kill switch is set" in err


@pytest.mark.parametrize(("words", "said"), [
    (("propose",), "names a change"), (("propose", "X=1"), "says why"), (("approve",), "names a proposal"),
    (("approve", "two"), "by its number"), (("config", "x"), "names no release"),
    (("propose", "CANARY=1", "--why", "x"), "nearest: CANARY_PERCENT"),
])  # fmt: skip
def test_what_is_no_setting_is_told_in_one_line(store, capsys, words, said):
    """A missing word, an unknown name: 2, and what was expected."""
    code, _, err = run(capsys, *words)
    assert code == 2 and said in err and err.count("\n") == 1
