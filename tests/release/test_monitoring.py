"""The monitoring configuration: the policy's guards, and nothing that was not in the policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.attested import MANIFEST, attested
from harness.data.canonical import digest_of
from harness.errors import EvidenceError
from harness.release.judge import verdict_of
from harness.release.monitoring import Monitoring, monitoring_of, read_monitoring
from harness.release.policy import checks_of
from tests.release.test_contract import NAMED, contract_of


def rewritten(config: Monitoring, change: Any) -> bytes:
    """The file with something changed, and its digest made to fit."""
    document = json.loads(config.raw)
    change(document)
    document["sha256"] = digest_of({key: value for key, value in document.items() if key != "sha256"})
    return json.dumps(document).encode()


def test_every_guard_of_the_policy_is_watched_by_its_own_limit():
    """One line a guarded check, its limit the judge's own, its measured level and people beside."""
    contract, loaded = contract_of(NAMED)
    config = monitoring_of(contract)
    guarded = {check.id: check for row in loaded.manifest.policy if row.guard for check in checks_of([row])}
    assert [one.gate for one in config.guards] == list(guarded)
    for one in config.guards:
        finding = next(clause.finding for clause in contract.clauses if clause.finding.check.id == one.gate)
        assert one.limit == guarded[one.gate].limit == finding.limit
        assert (one.for_s, one.severity, one.then, one.unit) == (180, "critical", "rollback", "1")
        assert one.measured.value == finding.reading.estimate.value
        assert verdict_of(finding.reading.estimate, one.limit).name == one.measured.verdict
    assert config.owners == ("search team",) and config.escalation[0].to == "engineering lead"


def test_it_reads_back_and_its_bytes_repeat():
    """Reading what was written gives the same, to the byte, beside its manifest and without."""
    contract, loaded = contract_of(NAMED)
    config = monitoring_of(contract)
    again = read_monitoring(config.raw, loaded=loaded)
    assert again == config == read_monitoring(config.raw) and again.raw == config.raw


@pytest.mark.parametrize(("change", "said"), [
    (lambda one: one["guards"][0].update(bound=-0.5), "limit is not the policy's"),
    (lambda one: one["guards"][0].update(by="value"), "limit is not the policy's"),
    (lambda one: one["guards"][0].update({"for": "9m", "for_s": 540}), "guard is not the policy's"),
    (lambda one: one["guards"][0].update(for_s=1), "for_s is not the policy's"),
    (lambda one: one["guards"][0].update(then="alert"), "guard is not the policy's"),
    (lambda one: one["guards"][0].update(any_with=[{"measure": "RR", "bound": 0.0}]), "any_with is not the policy's"),
    (lambda one: one["guards"].pop(0), "guards is not the policy's"),
    (lambda one: one["guards"].append(one["guards"][0]), "guards is not the policy's"),
    (lambda one: one.update(release="other"), "release is not the policy's"),
])  # fmt: skip
def test_a_guard_that_is_not_the_policys_is_refused(change, said):
    """A loosened, lost or added guard is consistent in itself, and still refused beside the manifest."""
    contract, loaded = contract_of()
    raw = rewritten(monitoring_of(contract), change)
    read_monitoring(raw)
    with pytest.raises(EvidenceError, match=said):
        read_monitoring(raw, where="m.json", loaded=loaded)


@pytest.mark.parametrize("change", [
    lambda one: one.pop("guards"), lambda one: one.update(more=1), lambda one: one["guards"][0].pop("unit"),
    lambda one: one["guards"][0].update(bound="0"), lambda one: one["guards"][0].update(severity="bad"),
    lambda one: one["guards"][0]["measured"].update(n=1.5), lambda one: one.update(schema="signoff-monitoring/2"),
])
def test_another_shape_is_refused(change):
    """Missing, unknown and mistyped fields are one line that names the schema, whatever the digest says."""
    contract, _ = contract_of()
    with pytest.raises(EvidenceError, match="signoff-monitoring/1") as told:
        read_monitoring(rewritten(monitoring_of(contract), change), where="m.json")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"a": NaN}'])
def test_what_is_no_configuration_is_one_line(raw):
    """Torn and foreign files are errors."""
    with pytest.raises(EvidenceError):
        read_monitoring(raw, where="m.json")


def test_a_changed_byte_is_seen_by_the_digest():
    """The file carries the sha256 of all else in it."""
    contract, _ = contract_of()
    with pytest.raises(EvidenceError, match="changed since it was written"):
        read_monitoring(monitoring_of(contract).raw.replace(b'"bound": 0.0', b'"bound": -0.1', 1), where="m.json")


def test_a_policy_without_guards_watches_nothing():
    """No guard is an empty list, said as such."""
    contract, _ = contract_of(MANIFEST.replace(",\n     guard: {for: 3m, severity: critical, then: rollback}", ""))
    assert monitoring_of(contract).guards == ()
    assert attested(MANIFEST).loaded.manifest.policy[1].guard is not None


def test_whole_numbers_in_a_policy_are_numbers():
    """`at_least: 0` and `warn_within: 1` give a file that reads back by its own digest."""
    text = MANIFEST.replace("at_least: 0.0, slices", "at_least: 0, slices").replace("then: rollback", "warn_within: 1")
    contract, loaded = contract_of(text)
    config = monitoring_of(contract)
    assert read_monitoring(config.raw, loaded=loaded) == config
    assert {(one.bound, one.warn_within) for one in config.guards} == {(0.0, 1.0)}
