"""Approvals: what they say, and which of them count."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from securesystemslib.dsse import Envelope

from fixtures.attested import MANIFEST, NOW, attested, trusted
from harness.errors import EvidenceError, InputError
from harness.release.approvals import APPROVAL, Filed, approval_line, read_approvals
from harness.release.approvals_counted import Standing, standings_of
from harness.release.manifest import Loaded
from harness.release.trust import Trust
from tests.release.listed import (
    ANNA,
    BEN,
    CHECKLIST,
    EARLIER,
    FULL,
    LISTED,
    PLAY,
    RELEASE,
    TRUST,
    filed,
    item_of,
    line,
)


def standing(name: str, *lines: bytes, trust: Trust = TRUST, loaded: Loaded = LISTED.loaded) -> Standing:
    """How one item stands by a file of these lines."""
    found = standings_of(filed(*lines) if lines else Filed(), manifest=loaded, trust=trust, now=NOW)
    return next(one for one in found if one.item.item == name)


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


def test_of_a_long_history_only_what_helps_is_told():
    """Of each person who is lacking the last approval that does not count, and nothing of those who are not."""
    past = [attested(f"{MANIFEST}{CHECKLIST}# {n}\n").loaded for n in range(9)]
    old = [line("capacity", key, loaded=loaded, now=NOW - timedelta(days=9 - n))
           for n, loaded in enumerate(past) for key in (ANNA, BEN)]
    assert standing("capacity", *old, line("capacity", ANNA)).words == (
        "1 of 2 approvals (by anna or ben), not ben's of 2025-02-28T12:10:00Z (an earlier version of this manifest)")
    assert standing("capacity", *old, *FULL).words == "2 of 2 approvals (by anna or ben)"


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
