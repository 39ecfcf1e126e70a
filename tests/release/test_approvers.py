"""Approvers in a trust file: read as keys are, named once among all, and of no weight where a release is signed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fixtures.attested import key_named
from harness.errors import InputError
from harness.release.trust import Trust, parse_trust


def pem(name: str) -> bytes:
    """The public half of a key that anyone can make again, as a file."""
    private = key_named(name).signer._private_key
    return bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def read(text: str) -> Trust:
    return parse_trust(text.encode(), where="trust.yaml", read=lambda name: pem(Path(name).stem))


def test_approvers_stand_beside_the_keys_and_are_not_among_them():
    """They may approve; the keys that sign releases are the others."""
    trust = read("keys: [{name: release, public: release.pub}]\napprovers: [{name: anna, public: anna.pub}]")
    assert ([one.name for one in trust.keys], [one.name for one in trust.approvers]) == (["release"], ["anna"])
    assert read("keys: [{name: release, public: release.pub}]").approvers == ()


@pytest.mark.parametrize(("text", "told"), [
    ("keys: [{name: anna, public: release.pub}]\napprovers: [{name: anna, public: anna.pub}]", "a name stands twice"),
    ("keys: [{name: release, public: anna.pub}]\napprovers: [{name: anna, public: anna.pub}]", "a key id stands twice"),
    ("keys: [{name: release, public: release.pub}]\nthreshold: 2\napprovers: [{name: anna, public: anna.pub}]",
     "the threshold can never be met"),
    ("approvers: [{name: anna, public: anna.pub}]", "keys"),
    ("keys: []\napprovers: [{name: anna, public: anna.pub}]", "keys"),
    ("keys: [{name: release, public: release.pub}]\napprovers: [{nam: anna, public: anna.pub}]", "nearest: name"),
    ("keys: [{name: release, public: release.pub}]\naprovers: []", "nearest: approvers"),
], ids=["one_name_twice", "one_key_twice", "no_help_to_a_threshold", "no_keys", "empty_keys", "typo", "typo_above"])
def test_a_trust_file_that_mixes_them_up_is_one_line(text, told):
    """A name or key in both lists, and approvers in place of signers, are refused where the file is read."""
    with pytest.raises(InputError) as refusal:
        read(text)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
