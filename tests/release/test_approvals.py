"""Approvals: which count, what signing and verifying ask of them, and what the base branch asks of the list."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from securesystemslib.dsse import Envelope

from fixtures.attested import FINISHED, MANIFEST, NOW, attested, trusted
from harness.errors import EvidenceError, Exit, InputError
from harness.release.approvals import APPROVAL, Filed, approval_line, read_approvals
from harness.release.approvals_counted import Standing, standings_of
from harness.release.attest import sign_release
from harness.release.manifest import Loaded, parse_manifest
from harness.release.predicates import InconclusiveError, RefusedError
from harness.release.terms import Base
from harness.release.trust import Trust
from harness.release.verify import Verified, verify
from tests.faults.forged_evidence import failing
from tests.release.listed import (
    ANNA,
    BEN,
    CHECKLIST,
    EARLIER,
    FULL,
    LISTED,
    PLAY,
    RELEASE,
    STRANGER,
    TRUST,
    filed,
    item_of,
    line,
)


def standing(name: str, *lines: bytes, trust: Trust = TRUST, loaded: Loaded = LISTED.loaded) -> Standing:
    """How one item stands by a file of these lines."""
    found = standings_of(filed(*lines) if lines else Filed(), manifest=loaded, trust=trust, now=NOW)
    return next(one for one in found if one.item.item == name)


def signed(*lines: bytes, trust: Trust | None = TRUST) -> bytes:
    return sign_release(LISTED.loaded, LISTED.evidence, LISTED.subjects, [RELEASE], now=NOW, trust=trust,
                        approvals=filed(*lines) if lines else Filed())


def looked(*lines: bytes, trust: Trust = TRUST, **more: object) -> Verified:
    raw = signed(*FULL)
    return verify(raw, manifest=LISTED.loaded, subjects=LISTED.subjects, trust=trust, now=NOW,
                  approvals=filed(*lines) if lines else Filed(), **more)  # type: ignore[arg-type]


def test_an_approval_is_a_statement_that_other_tools_read():
    """DSSE around in-toto Statement v1, over the manifest's file name and digest, saying what was asked of whom."""
    told = json.loads(line("capacity", ANNA, says="load test of Tuesday"))
    assert Envelope.from_dict(dict(told)).verify([trusted(ANNA).key], 1)
    statement = json.loads(base64.b64decode(told["payload"]))
    assert statement["predicateType"] == APPROVAL == "urn:signoff:approval/v1"
    assert statement["subject"] == [{"name": "small-v1.yaml", "digest": {"sha256": LISTED.loaded.sha256}}]
    assert statement["predicate"] == {
        "release": "small-v1", "configHash": LISTED.loaded.manifest.config_hash, "item": "capacity",
        "itemSha256": item_of("capacity").digest, "asks": "twice the peak of last quarter fits", "who": "anna",
        "says": "load test of Tuesday", "when": "2025-03-01T12:09:00.000000Z", "development": False, "withdraws": []}


def test_what_is_written_is_what_is_read():
    """A round trip keeps who, what, when and why."""
    one, = read_approvals(line("capacity", BEN, says="fits"), release="small-v1", trust=TRUST, now=NOW)
    assert (one.key.name, one.item, one.says, one.when, one.withdraws) == ("ben", "capacity", "fits", EARLIER, ())
    assert (one.manifest, one.manifest_sha256) == ("small-v1.yaml", LISTED.loaded.sha256)


def test_as_many_distinct_keys_as_are_needed_and_no_fewer():
    """Two of two; one and one again is one, whatever ids it goes by."""
    assert standing("capacity", line("capacity", ANNA), line("capacity", BEN)).done
    twice = standing("capacity", line("capacity", ANNA), line("capacity", ANNA, now=NOW))
    assert (twice.missing, twice.passed_over[0][1]) == (1, "the same key again")
    again = replace(TRUST, approvers=(trusted(ANNA), replace(trusted(ANNA, keyid="other"), name="ben")))
    assert standing("capacity", line("capacity", ANNA), line("capacity", ANNA, now=NOW), trust=again).missing == 1


def test_counting_lines_rather_than_keys_would_be_fooled():
    """The broken twin: two lines of one key are two lines, and a count of lines says done."""
    lines = (line("capacity", ANNA), line("capacity", ANNA, now=NOW))
    assert len(read_approvals(b"".join(lines), release="small-v1", trust=TRUST, now=NOW)) == 2
    assert not standing("capacity", *lines).done


def test_only_those_who_are_asked_count_and_release_keys_may_approve():
    """`by` names people as the trust file does; without it anyone who is trusted to approve may, signers included."""
    assert standing("capacity", line("capacity", RELEASE)).passed_over[0][1] == "not among those asked"
    for key in (RELEASE, ANNA):
        assert standing("stakeholder approval", line("stakeholder approval", key)).done


def test_an_approval_of_an_earlier_manifest_does_not_count_and_is_told():
    """One letter of the manifest changes, and whoever approved is asked again."""
    text = (MANIFEST + CHECKLIST).replace("at_least: 0.3,", "at_least: 0.31,")
    other = attested(text).loaded
    found = standing("stakeholder approval", line("stakeholder approval", RELEASE), loaded=other)
    assert not found.done
    assert "not release's of 2025-03-01T12:09:00Z (an earlier version of this manifest)" in found.words


def test_an_approval_of_the_same_bytes_under_another_name_does_not_count():
    """The statement names the file; a copy of the manifest elsewhere is another manifest."""
    copy = replace(LISTED.loaded, path=LISTED.loaded.path.with_name("copy.yaml"))
    found = standing("stakeholder approval", line("stakeholder approval", RELEASE), loaded=copy)
    assert (found.done, found.passed_over[0][1]) == (False, "another manifest (small-v1.yaml)")


def test_an_approval_ages_as_evidence_does():
    """At `max_age_days` it counts, a minute later it does not."""
    for days, done in ((90, True), (90 + 1 / 1440, False)):
        old = line("stakeholder approval", RELEASE, now=NOW - timedelta(days=days))
        found = standing("stakeholder approval", old)
        assert (found.done, [why for _, why in found.passed_over]) == (done, [] if done else ["older than 90 days"])


def test_what_is_taken_back_no_longer_counts_and_can_be_given_again():
    """A withdrawal names the approval by its digest, so that the order of the lines has no say."""
    given = line("stakeholder approval", RELEASE)
    digest = read_approvals(given, release="small-v1", trust=TRUST, now=NOW)[0].digest
    back = line("stakeholder approval", RELEASE, now=EARLIER, withdraws=[digest])
    new = line("stakeholder approval", RELEASE, now=NOW)
    for order in itertools.permutations((given, back)):
        found = standing("stakeholder approval", *order)
        assert (found.done, found.passed_over[0][1]) == (False, "withdrawn 2025-03-01T12:09:00Z")
    for order in itertools.permutations((given, back, new)):
        assert standing("stakeholder approval", *order).done


def test_nobody_takes_back_another_persons_approval():
    """A withdrawal by another key, however well signed, changes nothing."""
    given = line("stakeholder approval", RELEASE)
    digest = read_approvals(given, release="small-v1", trust=TRUST, now=NOW)[0].digest
    assert standing("stakeholder approval", given, line("stakeholder approval", ANNA, withdraws=[digest])).done


def test_the_order_of_the_lines_has_no_say():
    """Every order of a file says the same of every item."""
    told = {str(standings_of(filed(*order), manifest=LISTED.loaded, trust=TRUST, now=NOW))
            for order in itertools.permutations(FULL)}
    assert len(told) == 1


def test_what_can_never_be_met_is_told():
    """Two approvals by people of whom the trust file knows one: waiting is no answer."""
    only = replace(TRUST, approvers=(trusted(ANNA),))
    assert "trust.yaml trusts 1 key to give them" in standing("capacity", line("capacity", ANNA), trust=only).words
    assert standing("capacity", line("capacity", ANNA)).outlook == ""


def test_signing_waits_for_every_approval_and_then_signs():
    """Without them it is INCONCLUSIVE, one line with each item and its command; with them the bundle verifies."""
    with pytest.raises(InconclusiveError) as refusal:
        signed(line("capacity", ANNA))
    told = str(refusal.value)
    assert refusal.value.exit_code is Exit.INCONCLUSIVE
    assert "'capacity' has 1 of 2 approvals (by anna or ben): " in told
    assert "signoff approve manifests/small-v1.yaml --item capacity --key FILE" in told
    assert "--item 'stakeholder approval' --key FILE" in told
    assert "\n" not in told
    assert [one.item.item for one in looked(*FULL).approvals] == ["capacity", "stakeholder approval"]


def test_a_caller_who_hands_over_no_approvals_is_not_excused():
    """The defaults fail closed: no file, and no trust, sign and verify nothing that asks people."""
    with pytest.raises(InconclusiveError):
        sign_release(LISTED.loaded, LISTED.evidence, LISTED.subjects, [RELEASE], now=NOW)
    with pytest.raises(EvidenceError, match="nobody is trusted to approve"):
        signed(*FULL, trust=None)
    with pytest.raises(EvidenceError, match="not approved"):
        looked()


def test_a_verifier_asks_again_whatever_was_signed():
    """A bundle signed when all had approved does not verify once an approval is gone, taken back, or too old."""
    assert looked(*FULL).release == "small-v1"
    digest = read_approvals(FULL[2], release="small-v1", trust=TRUST, now=NOW)[0].digest
    back = line("stakeholder approval", RELEASE, withdraws=[digest])
    for lines in (FULL[1:], FULL[:2], (*FULL, back)):
        with pytest.raises(EvidenceError, match="not approved") as refusal:
            looked(*lines)
        assert refusal.value.exit_code is Exit.INVALID
    old = [line("capacity", ANNA, now=FINISHED - timedelta(days=2)), *FULL[1:]]
    assert looked(*old).release == "small-v1"
    with pytest.raises(EvidenceError, match="older than 1 days"):
        looked(*old, trust=replace(TRUST, max_age_days=1.0))


def test_approvals_excuse_no_gate():
    """All approved, and a gate that refuses still refuses: exit code 10 comes before 11."""
    bad = attested(MANIFEST + CHECKLIST, change=failing)
    for given in (filed(*FULL), Filed()):
        with pytest.raises(RefusedError, match="R@5"):
            sign_release(bad.loaded, bad.evidence, bad.subjects, [RELEASE], now=NOW, trust=TRUST, approvals=given)


def test_the_development_key_approves_only_where_it_is_allowed_and_says_so():
    """Its statements are marked, and believed where the trust file, or the lack of one, says so."""
    play = Trust((trusted(PLAY),), allow_development=True)
    given = line("stakeholder approval", PLAY)
    assert standing("stakeholder approval", given, trust=play).done
    with pytest.raises(EvidenceError, match="approved with a development key"):
        standing("stakeholder approval", given, trust=replace(play, allow_development=False))


def test_a_statement_that_could_not_be_believed_is_not_made():
    """An automatic item, an item of another list, a comment of two lines, a time without its offset: InputError."""
    for name, more in (("quality", {}), ("capacity", {"says": "two\nlines"}), ("capacity", {"says": " "}),
                       ("capacity", {"now": NOW.replace(tzinfo=None)})):
        with pytest.raises(InputError):
            line(name, ANNA, **more)
    with pytest.raises(InputError, match="not an item that people approve"):
        approval_line(attested().loaded, item_of("capacity"), ANNA, now=NOW)


def test_a_manifest_that_asks_nobody_reads_no_approvals():
    """Files of approvals beside a plain manifest have no say in it."""
    plain = attested()
    assert standings_of(Filed(b"torn"), manifest=plain.loaded, trust=None, now=NOW) == ()


def test_a_list_that_demands_less_than_the_base_branchs_is_refused():
    """`verify --base` compares the checklists as it compares the policies."""
    def base(old: str, new: str) -> Base:
        text = (MANIFEST + CHECKLIST).replace(old, new)
        return Base(parse_manifest(text.encode(), where="base"), "b" * 64)

    assert looked(*FULL, base=base("needs: 2", "needs: 2")).notes == ()
    assert looked(*FULL, base=base("needs: 2", "needs: 1")).notes == (
        "its checklist differs from the base branch's and demands no less",)
    with pytest.raises(EvidenceError, match=r"checklist demands less .* training: no longer on the list"):
        looked(*FULL, base=base("checklist:\n", "checklist:\n  - {item: training, asks: support has practised}\n"))
    with pytest.raises(EvidenceError, match="by dora, now by anna, ben"):
        looked(*FULL, base=base("[anna, ben], needs: 2", "[dora]"))


def test_an_approvers_key_signs_no_release():
    """Trust to approve is not trust to sign: the verifier does not know the key."""
    raw = sign_release(LISTED.loaded, LISTED.evidence, LISTED.subjects, [ANNA], now=NOW, trust=TRUST,
                       approvals=filed(*FULL))
    with pytest.raises(EvidenceError, match="signed by an unknown key"):
        verify(raw, manifest=LISTED.loaded, subjects=LISTED.subjects, trust=TRUST, now=NOW, approvals=filed(*FULL))


def test_a_strangers_key_approves_nothing():
    """A line by a key that the trust file does not name makes the file unbelievable, wherever it stands."""
    for lines in ((*FULL, line("capacity", STRANGER)), (line("capacity", STRANGER), *FULL)):
        with pytest.raises(EvidenceError, match="unknown key"):
            looked(*lines)
