"""What signing and verifying ask of the approvals, and what the base branch asks of the list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fixtures.attested import FINISHED, MANIFEST, NOW, attested
from harness.errors import EvidenceError, Exit
from harness.release.approvals import Filed, read_approvals
from harness.release.attest import sign_release
from harness.release.manifest import parse_manifest
from harness.release.predicates import InconclusiveError, RefusedError
from harness.release.terms import Base
from harness.release.trust import Trust
from harness.release.verify import Verified, verify
from tests.faults.forged_evidence import failing
from tests.release.listed import ANNA, CHECKLIST, FULL, LISTED, RELEASE, STRANGER, TRUST, filed, line


def signed(*lines: bytes, trust: Trust | None = TRUST) -> bytes:
    return sign_release(LISTED.loaded, LISTED.evidence, LISTED.subjects, [RELEASE], now=NOW, trust=trust,
                        approvals=filed(*lines) if lines else Filed())


def looked(*lines: bytes, trust: Trust = TRUST, **more: object) -> Verified:
    raw = signed(*FULL)
    return verify(raw, manifest=LISTED.loaded, subjects=LISTED.subjects, trust=trust, now=NOW,
                  approvals=filed(*lines) if lines else Filed(), **more)  # type: ignore[arg-type]


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
