"""The contract: made of findings, held to them on reading, and nothing typed into it survives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.attested import MANIFEST, attested
from harness.data.canonical import digest_of
from harness.errors import EvidenceError
from harness.release.charter import Charter, Escalation, Override, seconds_of
from harness.release.contract import ReleaseContract, guards_of
from harness.release.derived import is_derived, measured_files
from harness.release.evidence import read_evidence
from harness.release.judge import Verdict
from harness.release.policy import Row
from harness.release.recheck import recheck

NAMED = MANIFEST + """\
contract:
  owners: [search team]
  overrides: [{who: release managers, may: hold a rollback, needs: 2}]
  escalation: [{severity: critical, after: 15m, to: engineering lead}]
"""


def contract_of(text: str = MANIFEST, **more: Any) -> tuple[ReleaseContract, Any]:
    """The contract of the small release's evidence, and its manifest."""
    made = attested(text, **more)
    evidence = read_evidence(made.evidence)
    findings = recheck(evidence, loaded=made.loaded, subjects=made.subjects)
    return ReleaseContract.of_evidence(made.loaded, evidence, findings), made.loaded


def rewritten(contract: ReleaseContract, change: Any) -> bytes:
    """The twin with something changed, and its digest made to fit."""
    document = json.loads(contract.raw)
    change(document)
    document["sha256"] = digest_of({key: value for key, value in document.items() if key != "sha256"})
    return json.dumps(document).encode()


def test_a_contract_says_what_the_findings_say():
    """Verdict, clauses and guards follow from evidence and policy, excused doubt included."""
    contract, loaded = contract_of(NAMED)
    assert contract.holds and contract.verdict is Verdict.PASS
    assert [one.finding.check.id for one in contract.clauses] == [check.id for check in loaded.manifest.checks]
    assert [one.finding.check.id for one in contract.clauses if not one.holds] == ["see_also-all-acceptance-lcb"]
    assert {one.finding.check.id for one in contract.clauses if one.guard} == set(guards_of(loaded.manifest.policy))
    assert contract.charter == loaded.manifest.contract and contract.provenance.baseline == "small-v0"


def test_a_twin_reads_back_to_the_same_contract():
    """What was written is what is read, with the manifest at hand and without."""
    contract, loaded = contract_of(NAMED)
    assert ReleaseContract.read(contract.raw, loaded=loaded) == contract
    assert ReleaseContract.read(contract.raw).raw == contract.raw


def test_a_contract_without_clauses_holds_nothing():
    """Without findings nothing was shown."""
    empty = ReleaseContract("mine", ())
    assert not empty.holds and empty.verdict is Verdict.INCONCLUSIVE
    assert ReleaseContract.read(empty.raw) == empty


def _raise_value(document: dict[str, Any]) -> None:
    document["clauses"][1]["finding"]["estimate"]["low"] = 0.02


def _say_pass(document: dict[str, Any]) -> None:
    document["clauses"][-2]["finding"]["verdict"] = "PASS"


def _no_defect(document: dict[str, Any]) -> None:
    document["clauses"][0]["finding"]["control"] = None


def _say_no_hold(document: dict[str, Any]) -> None:
    document["holds"] = False


@pytest.mark.parametrize(("change", "said"), [
    (_say_pass, "verdict does not follow"), (_no_defect, "without a planted defect"),
    (_say_no_hold, "holds does not follow"),
    (lambda one: one.pop("charter"), "not a contract"), (lambda one: one.update(more=1), "not a contract"),
    (lambda one: one["clauses"][0].update(more=1), "not a contract"),
    (lambda one: one["clauses"][0].update(guard={"for": "3w"}), "not a contract"),
    (lambda one: one.update(charter={"owners": []}), "not a contract"),
    (lambda one: one["provenance"].pop("run_id"), "not a contract"),
    (lambda one: one.update(clauses=[3]), "not a contract"),
])  # fmt: skip
def test_an_edited_twin_is_refused_even_with_a_fitting_digest(change, said):
    """Numbers, verdicts and shapes are judged again: a digest made anew vouches for nothing."""
    contract, _ = contract_of()
    with pytest.raises(EvidenceError, match=said):
        ReleaseContract.read(rewritten(contract, change), where="c.json")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"schema": "other"}', b'{"a": 1, "a": 2}'])
def test_what_is_no_contract_is_one_line(raw):
    """Torn, empty and foreign files are errors that name the schema."""
    with pytest.raises(EvidenceError, match="not a contract") as told:
        ReleaseContract.read(raw, where="c.json")
    assert "\n" not in str(told.value)


def test_a_changed_byte_is_seen_by_the_digest():
    """The twin carries the sha256 of all else in it."""
    contract, _ = contract_of()
    with pytest.raises(EvidenceError, match="changed since it was written"):
        ReleaseContract.read(contract.raw.replace(b"small-v1", b"small-v2", 1), where="c.json")


@pytest.mark.parametrize(("text", "said"), [
    (MANIFEST.replace("at_least: 0.3,", "at_least: 0.31,"), "the limit is not the policy's"),
    (MANIFEST.replace("for: 3m", "for: 5m"), "manifest is not this manifest's"),
    (NAMED, "manifest is not this manifest's"),
])
def test_a_contract_of_another_policy_is_refused(text, said):
    """Held to a manifest whose limits, guards or people differ, the twin is of something else."""
    contract, _ = contract_of()
    other = attested(text.replace("release: small-v1", "release: small-v1")).loaded
    with pytest.raises(EvidenceError, match=said):
        ReleaseContract.read(contract.raw, where="c.json", loaded=other)


@pytest.mark.parametrize(("change", "said"), [
    (lambda one: one["clauses"].pop(0), "its clauses is not"),
    (lambda one: one["clauses"].append(one["clauses"][0]), "its clauses is not"),
    (lambda one: one["clauses"][1].update(guard=None), "its guards is not"),
    (lambda one: one.update(charter={"owners": ["me"], "overrides": [], "escalation": []}), "its charter is not"),
])
def test_a_twin_that_leaves_something_out_is_refused_beside_its_manifest(change, said):
    """A clause that is gone or doubled, a guard that is gone, people put in: whole in itself, and not the policy's."""
    contract, loaded = contract_of()
    raw = rewritten(contract, change)
    ReleaseContract.read(raw)
    with pytest.raises(EvidenceError, match=said):
        ReleaseContract.read(raw, where="c.json", loaded=loaded)


def test_derived_files_are_no_artifacts(tmp_path):
    """Contract, monitoring configuration and gallery lie among artifacts and are never measured; a part's file is."""
    derived = ("T1_release_contract.md", "T1_release_contract.json", "regression_gallery.md",
               "production_monitoring_config.json", "conformal_coverage_report.csv", "latency_harvest_config.json",
               "counterfactual_audit_fixed.csv")
    for name in (*derived, "index/a.npy", "index/regression_gallery.md", "release_contract.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert set(measured_files(tmp_path)) == {"index/a.npy", "index/regression_gallery.md", "release_contract.md"}
    assert not is_derived("T1_release_contract.npy")


@pytest.mark.parametrize("wrong", [
    {"owners": []}, {"owners": [" "]}, {"owners": ["a\nb"]}, {"owners": "me"}, {"owners": ["a"], "owner": "b"},
    {"owners": ["a"], "overrides": [{"who": "b", "may": "c", "needs": 0}]},
    {"owners": ["a"], "overrides": [{"who": "b", "may": "c", "needs": True}]},
    {"owners": ["a"], "escalation": [{"severity": "bad", "to": "b"}]},
    {"owners": ["a"], "escalation": [{"severity": "critical", "to": "b", "after": "3w"}]},
])
def test_a_charter_is_strict(wrong):
    """No empty or unprintable name, nobody agreeing with nobody, no severity or span that is not one."""
    with pytest.raises(ValueError, match="validation error"):
        Charter.model_validate(wrong)
    fine = Charter(owners=("a",), overrides=(Override(who="b", may="c"),),
                   escalation=(Escalation(severity="critical", to="d"),))
    assert (fine.overrides[0].needs, fine.escalation[0].after) == (1, "0m")


@pytest.mark.parametrize("span", ["", "m", "3", "-1m", "3w", "1.5h"])
def test_what_is_no_span_is_an_error(span):
    """Seconds are of whole numbers and of s, m, h, d alone."""
    with pytest.raises(ValueError, match="not a span"):
        seconds_of(span)
    assert seconds_of("2d") == 172800


def test_each_of_two_limits_on_one_measure_keeps_its_own_guard():
    """A guard belongs to its row's check: a limit that is none of its own is not watched in its place."""
    found = guards_of([Row(measure="rerank share", at_least=0.14),
                       Row(measure="rerank share", at_least=0.12, guard={"for": "10m"}),
                       Row(measure="rerank share", at_most=0.18, guard={"for": "5m"})])
    assert {name: guard.for_ for name, guard in found.items()} == {"all-rerank share-value-0.12": "10m",
                                                                   "all-rerank share-value-0.18": "5m"}
