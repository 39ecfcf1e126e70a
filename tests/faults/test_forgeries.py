"""Forgeries: each is refused, for its own reason, in one line; and no bundle that was touched is accepted."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fixtures.attested import NOW, trusted
from harness.errors import EvidenceError, Exit
from harness.release.attest import countersign, sign_release
from harness.release.terms import Base
from tests.faults import forged_bundles, forged_evidence, forged_moments
from tests.faults.forging import (
    BASELINE_HASH,
    HONEST,
    KEY,
    PLAY,
    SECOND,
    TRUST,
    Forgery,
    look,
    lying,
    payloads_of,
    sealed_raw,
)

FORGERIES = [*forged_bundles.FORGERIES, *forged_moments.FORGERIES, *forged_evidence.FORGERIES]
GOOD = lying()


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
def test_every_forgery_is_refused_for_its_own_reason(forgery: Forgery):
    """A forgery is refused with exit code 12 and one line that names what gave it away."""
    with pytest.raises(EvidenceError) as refusal:
        look(forgery.raw, **forgery.given)
    line = str(refusal.value)
    assert re.search(forgery.because, line), line
    assert refusal.value.exit_code is Exit.INVALID
    assert "\n" not in line


def test_there_are_at_least_a_hundred_forgeries_each_with_its_name():
    """The collection is as large as promised, and no name stands twice."""
    names = Counter(forgery.name for forgery in FORGERIES)
    assert len(names) >= 100
    assert not [name for name, count in names.items() if count > 1]


def test_the_workshop_unedited_makes_what_an_honest_signer_makes():
    """The forger's tools are honest until told otherwise: every refusal above is the edit's doing."""
    honest = sign_release(HONEST.loaded, HONEST.evidence, HONEST.subjects, [KEY], now=NOW)
    assert honest == GOOD
    assert look(GOOD).release == "small-v1"


@pytest.mark.parametrize("change", [
    {"now": NOW + timedelta(days=89)},
    {"now": NOW - timedelta(minutes=4)},
    {"seen": {"another-run"}, "not_before": NOW - timedelta(days=1)},
    {"base": Base(HONEST.loaded.manifest.model_copy(update={"policy": HONEST.loaded.manifest.policy[1:]}),
                  BASELINE_HASH)},
    {"base": Base(HONEST.loaded.manifest.model_copy(update={"parts": None}), BASELINE_HASH)},
    {"trust": replace(TRUST, keys=(trusted(SECOND), trusted(KEY)))},
], ids=["nearly_too_old", "within_clock_skew", "not_a_replay", "stricter_than_base", "other_parts_than_base",
        "one_of_two_keys"])
def test_what_is_near_a_forgery_and_sound_is_accepted(change):
    """The rules refuse forgeries, not neighbours of forgeries."""
    assert look(GOOD, **change).signers == ("release",)


def test_two_distinct_keys_meet_a_threshold_of_two():
    """A second person's signature counts, and both names are told."""
    two = replace(TRUST, keys=(trusted(KEY), trusted(SECOND)), threshold=2)
    assert set(look(countersign(GOOD, SECOND), trust=two).signers) == {"release", "second"}
    assert set(look(lying(keys=(KEY, SECOND)), trust=two).signers) == {"release", "second"}


def test_a_development_release_is_believed_only_as_such():
    """Where trust allows the development key, the result still says that it is one."""
    trust = replace(TRUST, keys=(trusted(PLAY),), allow_development=True)
    assert look(lying(keys=(PLAY,)), trust=trust).development


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_bundle_with_changed_bytes_is_accepted(data):
    """Replace, drop or insert bytes anywhere: what is not the signed bundle to the byte is refused, in one line."""
    start = data.draw(st.integers(0, len(GOOD)), label="start")
    stop = data.draw(st.integers(start, min(len(GOOD), start + 8)), label="stop")
    raw = GOOD[:start] + data.draw(st.binary(max_size=8), label="bytes") + GOOD[stop:]
    assume(raw != GOOD)
    with pytest.raises(EvidenceError):
        look(raw)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_no_random_bytes_are_accepted(raw):
    """Noise is refused as noise."""
    with pytest.raises(EvidenceError):
        look(raw)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_signed_payload_with_changed_text_is_accepted_unless_it_says_the_same(data):
    """Whoever holds the key and changes a payload's text is refused in one line, or has changed nothing of weight."""
    payloads = payloads_of(GOOD)
    line = data.draw(st.integers(0, 2), label="line")
    text = payloads[line]
    start = data.draw(st.integers(0, len(text) - 1), label="start")
    stop = data.draw(st.integers(start, min(len(text), start + 6)), label="stop")
    piece = data.draw(st.one_of(st.binary(max_size=6), st.sampled_from(_PIECES)), label="piece")
    payloads[line] = text[:start] + piece + text[stop:]
    try:
        verified = look(sealed_raw(payloads))
    except EvidenceError:
        return
    assert replace(verified, signed_at=look(GOOD).signed_at, findings=(), run_id="") \
        == replace(look(GOOD), findings=(), run_id="")
    assert [one.verdict for one in verified.findings] == [one.verdict for one in look(GOOD).findings]


def _leaves(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths to everything inside nested dictionaries and lists, containers too."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here for key, item in inside for here in ((*path, key), *_leaves(item, (*path, key)))]


_LEAVES = _leaves(HONEST.rows)
_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.integers(-2, 2000),
                    st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5), st.just([]), st.just({}),
                    st.sampled_from(["inf", "-inf", "nan", "PASS", "REFUSE", [[]], [1.0, 2.0], {"a": 1}]))


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(_LEAVES), _VALUES)
def test_no_edited_field_of_signed_evidence_crashes_a_verifier_or_excuses_a_gate(path, value):
    """Any field of the evidence set to anything, digests fitting: refused, or still a pass by its own numbers."""

    def edit(rows):
        target = rows
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    try:
        verified = look(lying(rows=edit))
    except EvidenceError:
        return
    assert not [finding for finding in verified.findings if finding.blocks]
    assert {finding.check for finding in verified.findings} == set(HONEST.loaded.manifest.checks)


_PIECES = [b"NaN", b"null", b"true", b"1e999", b"-1", b"[]", b"{}", b'""', b'"inf"', b",", b"9" * 40, b"\\ud800", b" "]
