"""Forged approvals: each is refused or does not count, for its own reason, in one line; no changed byte is accepted."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fixtures.attested import MANIFEST, NOW, attested, trusted
from harness.errors import EvidenceError, Exit
from harness.release.approvals import APPROVAL, MAX_BYTES
from harness.release.approvals_counted import Standing, approved_or_invalid
from harness.release.bundle import GATE_RESULT, seal, statement_bytes
from harness.release.keys import SigningKey
from harness.release.trust import Trust
from tests.release.listed import (
    ANNA,
    BEN,
    CHECKLIST,
    FULL,
    LISTED,
    PLAY,
    RELEASE,
    STRANGER,
    TRUST,
    filed,
    line,
)

GOOD = b"".join(FULL)
OWN = line("stakeholder approval", RELEASE)  # the third line, which most of the forgeries stand in for


def look(raw: bytes, trust: Trust = TRUST) -> tuple[Standing, ...]:
    """What a verifier makes of a file of approvals."""
    return approved_or_invalid(filed(raw), manifest=LISTED.loaded, trust=trust, now=NOW)


def payload_of(raw: bytes) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(json.loads(raw)["payload"])))


def said(key: SigningKey = RELEASE, *, kind: str = APPROVAL, subjects: dict[str, str] | None = None, **more: object
         ) -> bytes:
    """The third line again with other words in it, signed by someone who signs anything."""
    predicate = payload_of(OWN)["predicate"] | more
    given = subjects if subjects is not None else {"small-v1.yaml": LISTED.loaded.sha256}
    return seal(statement_bytes(kind, predicate, given), [key]).line


def text(edit: Callable[[str], str], key: SigningKey = RELEASE) -> bytes:
    """The third line with its payload edited as text and signed again."""
    payload = base64.b64decode(json.loads(OWN)["payload"]).decode()
    edited = edit(payload)
    assert edited != payload
    return seal(edited.encode(), [key]).line


def envelope(**more: object) -> bytes:
    """The third line with its envelope edited."""
    return json.dumps(json.loads(OWN) | more, separators=(",", ":")).encode() + b"\n"


def other(release: str = "small-v2") -> bytes:
    """A sound approval of another release by the same person."""
    loaded = attested((MANIFEST + CHECKLIST).replace("release: small-v1", f"release: {release}")).loaded
    return line("stakeholder approval", RELEASE, loaded=loaded)


EARLIER_TEXT = (MANIFEST + CHECKLIST).replace("seed: 7", "seed: 8")
SIGS = json.loads(OWN)["signatures"]
FORGERIES: list[tuple[str, str, bytes]] = [
    ("empty_file", "empty; expected a signed statement a line", b""),
    ("torn_line", "cut short", GOOD[:-1]),
    ("torn_in_the_middle", "cut short", GOOD[:-200]),
    ("huge_file", "too large to be approvals", b"x" * (MAX_BYTES + 1)),
    ("blank_line", "not JSON", GOOD + b"\n"),
    ("not_json", "not JSON", GOOD + b"approved\n"),
    ("carriage_returns", "one byte form", GOOD.replace(b"\n", b"\r\n")),
    ("white_space", "one byte form", GOOD.replace(b'","', b'", "')),
    ("duplicate_key_in_envelope", "duplicate key", GOOD.replace(b'"payloadType":', b'"payload":"","payloadType":')),
    ("other_payload_type", "wrong payloadType", FULL[0] + FULL[1] + envelope(payloadType="text/plain")),
    ("no_signature", "no signature", FULL[0] + FULL[1] + envelope(signatures=[])),
    ("one_signature_twice", "a key id signs twice", FULL[0] + FULL[1] + envelope(signatures=SIGS * 2)),
    ("two_people_in_one_line", "not one person's approval",
     FULL[0] + FULL[1] + seal(base64.b64decode(json.loads(OWN)["payload"]), [RELEASE, ANNA]).line),
    ("foreign_key", "signed by an unknown key", FULL[0] + FULL[1] + line("stakeholder approval", STRANGER)),
    ("another_keys_signature", "the signature does not hold", FULL[0] + FULL[1] + envelope(signatures=[
        SIGS[0] | {"sig": json.loads(FULL[0])["signatures"][0]["sig"]}])),
    ("moved_signature", "the signature does not hold", FULL[0] + FULL[1] + envelope(
        payload=json.loads(FULL[0])["payload"])),
    ("duplicate_key_in_payload", "duplicate key", FULL[0] + FULL[1] + text(
        lambda one: one.replace('"item":', '"item":"capacity","item":'))),
    ("fields_in_another_order", "one byte form of an approval", FULL[0] + FULL[1] + text(
        lambda one: one.replace('"development":false,"withdraws":[]', '"withdraws":[],"development":false'))),
    ("spaces_in_payload", "one byte form of an approval", FULL[0] + FULL[1] + text(
        lambda one: one.replace('","', '", "'))),
    ("another_clock", "one byte form of an approval", FULL[0] + FULL[1] + said(when="2025-03-01T13:09:00+01:00")),
    ("not_a_time", "when is not a time", FULL[0] + FULL[1] + said(when="yesterday")),
    ("no_offset", "when is not a time", FULL[0] + FULL[1] + said(when="2025-03-01T12:09:00")),
    ("from_the_future", "from the future", FULL[0] + FULL[1] + line(
        "stakeholder approval", RELEASE, now=NOW + timedelta(minutes=6))),
    ("another_kind", "not an approval", FULL[0] + FULL[1] + said(kind=GATE_RESULT)),
    ("no_subject", "no subjects", FULL[0] + FULL[1] + said(subjects={})),
    ("two_subjects", "over one manifest", FULL[0] + FULL[1] + said(
        subjects={"small-v1.yaml": LISTED.loaded.sha256, "small-v2.yaml": "0" * 64})),
    ("another_release", "an approval of another release", FULL[0] + FULL[1] + other()),
    ("further_field", "withdrawn", FULL[0] + FULL[1] + said(withdrawn=False)),
    ("a_number_for_a_name", "item", FULL[0] + FULL[1] + said(item=7)),
    ("a_word_for_a_digest", "withdraws.0", FULL[0] + FULL[1] + said(withdraws=["all"])),
    ("development_as_a_number", "development", FULL[0] + FULL[1] + said(development=0)),
    ("marked_as_development", "approved with a development key", FULL[0] + FULL[1] + said(development=True)),
    # What follows is well formed and signed by someone trusted; it does not count.
    ("earlier_manifest", "an earlier version of this manifest", FULL[0] + FULL[1] + line(
        "stakeholder approval", RELEASE, loaded=attested(EARLIER_TEXT).loaded)),
    ("replayed_onto_another_file", "another manifest", FULL[0] + FULL[1] + said(
        subjects={"big-v1.yaml": LISTED.loaded.sha256})),
    ("another_question", "asked something else", FULL[0] + FULL[1] + said(itemSha256="0" * 64)),
    ("other_words_under_the_same_digest", "asked something else", FULL[0] + FULL[1] + said(asks="search may rest")),
    ("another_configuration", "asked something else", FULL[0] + FULL[1] + said(configHash="0" * 64)),
    ("another_item", "'capacity' has 1 of 2", FULL[0] + FULL[2] + FULL[2]),
    ("an_item_that_is_not_there", "'stakeholder approval' has 0 of 1", FULL[0] + FULL[1] + said(item="training")),
    ("not_asked", "not among those asked", FULL[0] + line("capacity", RELEASE) + FULL[2]),
    ("one_key_twice", "the same key again", FULL[0] + line("capacity", ANNA, now=NOW) + FULL[2]),
    ("a_line_dropped", "'capacity' has 1 of 2", FULL[1] + FULL[2]),
    ("too_old", "older than 90 days", FULL[0] + FULL[1] + line(
        "stakeholder approval", RELEASE, now=NOW - timedelta(days=91))),
]  # fmt: skip


@pytest.mark.parametrize(("because", "raw"), [row[1:] for row in FORGERIES], ids=[row[0] for row in FORGERIES])
def test_every_forged_approval_is_refused_for_its_own_reason(because: str, raw: bytes):
    """Exit code 12 and one line that names what gave it away."""
    with pytest.raises(EvidenceError) as refusal:
        look(raw)
    told = str(refusal.value)
    assert re.search(re.escape(because), told), told
    assert refusal.value.exit_code is Exit.INVALID
    assert told.startswith("approvals.jsonl")
    assert "\n" not in told


def test_the_workshop_unedited_makes_sound_approvals():
    """The forger's tools are honest until told otherwise: every refusal above is the edit's doing."""
    assert said() == OWN == FULL[2]
    assert [one.done for one in look(FULL[0] + FULL[1] + said())] == [True, True]
    assert len({name for name, _, _ in FORGERIES}) == len(FORGERIES) >= 40


def test_an_unmarked_development_approval_is_refused():
    """A statement by the development key says so, or is not believed."""
    play = Trust((trusted(RELEASE), trusted(PLAY)), allow_development=True, approvers=TRUST.approvers)
    assert look(FULL[0] + FULL[1] + said(PLAY, development=True, who="development"), play)
    with pytest.raises(EvidenceError, match="not marked so"):
        look(FULL[0] + FULL[1] + said(PLAY, development=False), play)


def test_trust_decides_whose_approval_it_is_and_not_the_statement():
    """Anna who says that she is Ben is Anna."""
    lie = payload_of(FULL[1])["predicate"] | {"who": "ben"}
    forged = seal(statement_bytes(APPROVAL, lie, {"small-v1.yaml": LISTED.loaded.sha256}), [ANNA]).line
    with pytest.raises(EvidenceError, match="the same key again"):
        look(FULL[0] + forged + FULL[2])


def test_a_key_that_is_no_longer_trusted_takes_its_approvals_with_it():
    """Out of the trust file, out of the count: the line is by nobody that is known."""
    with pytest.raises(EvidenceError, match="line 2: signed by an unknown key"):
        look(GOOD, replace(TRUST, approvers=(trusted(ANNA),)))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_approvals_with_changed_bytes_are_accepted(data):
    """Replace, drop or insert bytes anywhere: refused in one line, unless whole lines were left as they are."""
    start = data.draw(st.integers(0, len(GOOD)), label="start")
    stop = data.draw(st.integers(start, min(len(GOOD), start + 8)), label="stop")
    raw = GOOD[:start] + data.draw(st.binary(max_size=8), label="bytes") + GOOD[stop:]
    assume(raw != GOOD)
    with pytest.raises(EvidenceError):
        look(raw)


_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.text(max_size=5), st.just([]),
                    st.floats(allow_nan=False, allow_infinity=False), st.just({}), st.just(["0" * 64]))
_FIELDS = st.sampled_from(sorted(payload_of(OWN)["predicate"]))


@settings(max_examples=200, deadline=None)
@given(_FIELDS, _VALUES)
def test_no_field_set_to_anything_crashes_a_verifier_or_counts_for_more(name, value):
    """Whoever holds a trusted key and signs any words approves that item once, or nothing."""
    try:
        raw = FULL[0] + FULL[1] + said(**{name: value})
    except UnicodeEncodeError:  # half a surrogate pair cannot be signed at all
        return
    try:
        found = look(raw)
    except EvidenceError:
        return
    assert name in {"who", "says", "withdraws"} or payload_of(OWN)["predicate"][name] == value
    assert [len(one.approvals) for one in found] == [2, 1]
    assert BEN.name in {one.key.name for one in found[0].approvals}
