"""What stands just inside the verifier's rules is believed, and told in full; what stands just outside is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fixtures.attested import MANIFEST, NOW, STARTED, Attested, attested, trusted
from harness.data.store import sha256_bytes
from harness.errors import InputError
from harness.estimate import Estimate
from harness.release.attest import sign_release
from harness.release.evidence import Evidence, row_of
from harness.release.findings import least_n, recheck_finding
from harness.release.judge import Control, Reading, judge
from harness.release.manifest import Loaded, parse_manifest
from harness.release.policy import Limit
from harness.release.recheck import compare_digests, recheck, settled
from harness.release.terms import Base
from harness.release.verify import Verified, verify
from tests.faults import forging
from tests.faults.forged_evidence import OWN, put
from tests.faults.forging import BASELINE_HASH, HONEST, KEY, PLAY, TRUST, look, lying
from tests.release.test_verify_lines import line_of

GOOD = lying()
DELTA = HONEST.loaded.manifest.checks[1]
RECORDED = """\
release: own
seed: 1
data: {qrels: {trec: qrels.txt}}
recorded: {candidate: {run: {trec: new.run}}, baseline: {run: {trec: old.run}}}
policy: [{measure: nDCG@10, at_least: 0.4}]
"""


def test_what_was_verified_is_told_whole():
    """Every field of the result, from the evidence that was signed and from nobody's say-so."""
    told = look(GOOD)
    assert told == Verified(
        release="small-v1", run_id="8f14e45f-0001", findings=told.findings, subjects=HONEST.subjects,
        signers=("release",), development=False, integrity_only=False, measured_at=STARTED, signed_at=NOW,
        evidence_sha256=sha256_bytes(HONEST.evidence), config_hash=HONEST.loaded.manifest.config_hash, notes=())
    assert [one.check for one in told.findings] == list(HONEST.loaded.manifest.checks)
    assert told.subjects is not HONEST.subjects
    assert [one.check.id for one in told.undecided] == ["see_also-all-acceptance-lcb"]


def test_integrity_only_and_development_are_told():
    """A trust that names nobody, and a key for play, each leave their mark on the result."""
    assert look(GOOD, trust=replace(TRUST, integrity_only=True)).integrity_only
    play = replace(TRUST, keys=(trusted(PLAY),), allow_development=True)
    assert look(lying(keys=(PLAY,)), trust=play).development
    marked = lying(say=lambda statements: statements[2][1]["signoff"].__setitem__("development", True))
    assert look(marked, trust=replace(TRUST, allow_development=True)).development


def test_what_the_base_branch_asked_is_noted():
    """A base that asks for less is no offence; that this one demands no less is told."""
    less = HONEST.loaded.manifest.model_copy(update={"policy": HONEST.loaded.manifest.policy[:-1]})
    (note,) = look(GOOD, base=Base(less, BASELINE_HASH)).notes
    assert "demands no less" in note


def test_a_moment_without_its_offset_is_refused_in_full():
    """The whole line: what, where, expected, found."""
    with pytest.raises(InputError) as error:
        look(GOOD, now=datetime(2025, 3, 1))
    assert str(error.value) == "now: no offset; expected a time with its offset, found '2025-03-01T00:00:00'"


@pytest.mark.parametrize("given", [
    {"now": STARTED + timedelta(days=90)}, {"not_before": STARTED}, {"not_before": STARTED - timedelta(days=1)},
    {"seen": ["8f14e45f-0002"]}, {"release": "small-v1"},
], ids=["as_old_as_allowed", "measured_with_the_last", "measured_after_the_last", "another_run", "the_release_named"])
def test_the_last_sound_moment_is_sound(given):
    """An age at its limit, a run as old as the one before: the rules begin beyond."""
    assert look(GOOD, **given).run_id == "8f14e45f-0001"


def test_without_a_name_a_refusal_names_the_bundle():
    """`where` is "bundle" unless said, and the rooms below say "evidence", for the signer."""
    assert line_of(lambda: look(b"")).startswith("bundle: ")
    assert line_of(lambda: settled({"failed": 1})).startswith("evidence: tests failed beside the gates; ")
    assert line_of(lambda: settled({"failed": 0, "exit_status": 3})).startswith("evidence: the run ended with an error")
    header, *findings, closing = HONEST.rows
    skipped = Evidence(header, tuple(findings), {**closing, "skipped": 1})
    told = line_of(lambda: recheck(skipped, loaded=HONEST.loaded, subjects=HONEST.subjects))
    assert told == "evidence, closing line: gates were skipped; expected 0 skipped, found 1"


def test_a_clean_end_is_settled():
    """No failed test and status 0: nothing is raised."""
    assert settled({"failed": 0, "exit_status": 0}) is None


def test_digests_are_told_in_the_order_of_their_names():
    """Of several files that differ the first by name is told, whichever way it differs."""
    told = [line_of(lambda one=one, other=other: compare_digests(one, other, where="w"))
            for one, other in (({"b": "1", "a": "1"}, {"b": "2", "a": "2"}), ({"b": "1"}, {"a": "1", "b": "1"}))]
    assert told == ["w, a: changed since it was signed; expected 1, found '2'",
                    "w, a: there now, and was not signed; expected no such file, found '1'"]


def test_a_policy_that_requires_nothing_shows_nothing_even_when_signed(monkeypatch):
    """Every row excused, and signed all the same: refused, for want of a required gate."""
    text = MANIFEST[: MANIFEST.index("policy:")].replace("baseline: small-v0\n", "") + (
        "policy:\n  - {measure: R@5, task: see_also, at_least: 0.3, required: false, why: a look around}\n")
    excused = attested(text, change=lambda rows: rows[0].update(baseline=None))
    monkeypatch.setattr(forging, "HONEST", excused)
    raw = lying()
    told = line_of(lambda: verify(raw, manifest=excused.loaded, subjects=excused.subjects, trust=TRUST, now=NOW))
    assert told == "bundle: signed although it does not pass; expected PASS, found 'no required gate'"


# recorded releases


def recorded(change=lambda rows: None) -> Attested:
    """A recorded release: its files are subjects, its baseline has no name, there is no run manifest among them."""
    raw = RECORDED.encode()
    loaded = Loaded(parse_manifest(raw, where="own.yaml"), raw, Path("own.yaml"))
    rows = [dict(row) for row in attested().rows]
    files = {"qrels.txt": "a" * 64, "new.run": "b" * 64, "old.run": "c" * 64}
    (check,) = loaded.manifest.checks
    reading = Reading(Estimate(0.5, 0.45, 0.55, 300, check.confidence, "t", "1"),
                      control=Control("shuffled", 1.0, 0.1, 0.05, 0.15, 300))
    rows[0].update(release="own", manifest="own.yaml", manifest_sha256=loaded.sha256, seed=1, artifacts=files,
                   config_hash=loaded.manifest.config_hash, run_manifest_sha256="d" * 64,
                   baseline={"release": "baseline", "config_hash": "e" * 64})
    rows[1:-1] = [{"kind": "finding", "test": "t", **row_of(judge(check, reading))}]
    rows[-1].update(ran=1, collected=1, passed=1)
    change(rows)
    return Attested(loaded, {"own.yaml": loaded.sha256, **files}, rows)


def signed(release: Attested) -> bytes:
    """As `signoff sign` signs it."""
    return sign_release(release.loaded, release.evidence, release.subjects, [KEY], now=NOW)


def test_a_recorded_release_is_believed_without_a_run_manifest_among_its_files():
    """Its baseline goes by no name, and the digest of its run manifest stands in the header alone."""
    release = recorded()
    told = verify(signed(release), manifest=release.loaded, subjects=release.subjects, trust=TRUST, now=NOW)
    assert (told.release, len(told.findings)) == ("own", 1)
    assert signed(recorded(lambda rows: rows[0]["baseline"].update(release="any name", config_hash="")))


@pytest.mark.parametrize(("change", "line"), [
    (lambda rows: rows[0].update(baseline=None),
     "evidence, header: no baseline; expected release recorded with its config_hash"),
    (lambda rows: rows[0].update(seed=True),
     "evidence, header: seed is not this manifest's; expected 1, found True"),
    (lambda rows: rows[0].update(baseline={"release": "x"}),
     "evidence, header: no baseline; expected release recorded with its config_hash, found {'release': 'x'}"),
])
def test_a_recorded_releases_header_is_held_to_its_manifest(change, line):
    """A recorded baseline was measured against, and a seed of 1 is a number, not the word true."""
    assert line_of(lambda: signed(recorded(change))) == line


# one finding


@pytest.mark.parametrize(("measure", "by", "least"), [
    ("delta nDCG@10", "lcb", 200), ("lift RR", "lcb", 200), ("over last_vector nDCG@10", "lcb", 200),
    ("agreement@10", "lcb", 500), ("nDCG@10", "lcb", 0), ("p95 total_ms", "ucb", 0), ("delta nDCG@10", "value", 0),
    ("agreement@10", "value", 0),
])
def test_only_bounds_of_small_differences_have_a_least_n(measure, by, least):
    """What is judged by its value has none, nor has a measure that the table does not name."""
    assert least_n(measure, Limit("at_most" if by == "ucb" else "at_least", 0.0, by)) == least


@pytest.mark.parametrize(("n", "refused"), [(1, False), (2, True)])
def test_a_bound_of_two_observations_needs_its_cross_check(n, refused):
    """One observation cannot be resampled; from two on, a bound without its bootstrap is refused."""
    reading = Reading(Estimate(0.01, -0.2, 0.2, n, DELTA.confidence, "t", "1"), min_n=200,
                      control=Control("shuffled", 1.0, -0.2, -0.22, -0.18, 400))
    row = row_of(judge(DELTA, reading))
    if refused:
        assert line_of(lambda: recheck_finding(row, DELTA, where="w")) == (
            "w: a bound without its cross-check; expected a resampled interval")
    else:
        assert recheck_finding(row, DELTA, where="w").reading.estimate.n == n


def test_nothing_measured_may_be_written_as_such():
    """NaN over no observations, judged in doubt, is an honest finding: only what would pass needs observations."""
    spend = HONEST.loaded.manifest.checks[4]
    nothing = Reading(Estimate(math.nan, math.nan, math.nan, 0, spend.confidence, "t", "1"))
    again = recheck_finding(row_of(judge(spend, nothing)), spend, where="w")
    assert (again.verdict.name, again.reason) == ("INCONCLUSIVE", "nothing was measured (n = 0)")


@pytest.mark.parametrize(("n", "line"), [
    (200, None),
    (199, "evidence, see_also-all-delta nDCG@10-lcb: delta RR speaks on too few observations; "
          "expected n ≥ 200, found 199"),
])
def test_an_alternative_speaks_from_its_least_n_on(n, line):
    """Two hundred are enough, one fewer is told with what was expected and found."""
    text = MANIFEST[: MANIFEST.index("policy:")] + (
        "policy:\n  - {measure: delta nDCG@10, task: see_also, by: lcb, at_least: 0.02, "
        "any_with: [{measure: delta RR, at_least: 0.2}]}\n")
    release = attested(text, change=put(1, "alternatives", 0, "estimate", "n", value=n))
    if line is None:
        assert signed(release)
    else:
        assert line_of(lambda: signed(release)) == line


def test_one_observation_is_enough_for_a_value():
    """A value of one observation passes where nothing more is asked."""
    assert signed(attested(change=put(1, "estimate", "n", value=1)))


def test_what_the_defect_left_of_an_alternative_may_be_nothing():
    """Under the planted defect an alternative that does not speak need not have been measured."""
    assert signed(attested(change=put(1, "alternatives", 0, "broken", "n", value=0)))


def test_an_own_gate_may_have_alternatives_that_the_policy_cannot_name():
    """A gate of the user's own states its limit itself, and what may speak in its place."""
    assert signed(attested(change=lambda rows: rows[OWN].update(alternatives=rows[1]["alternatives"])))


def test_all_alternatives_that_the_policy_names_are_told():
    """Where another one speaks, the line lists those that might."""
    first = "{measure: RR, at_least: 0.2}"
    text = MANIFEST.replace(first, f"{first}, {{measure: AP, at_least: 0.1}}")
    release = attested(text, change=put(1, "alternatives", 0, "measure", value="nDCG"))
    assert line_of(lambda: signed(release)) == (
        "evidence, see_also-all-R@5-value: an alternative that the policy does not name; "
        "expected RR value ≥ 0.2, AP value ≥ 0.1, found 'nDCG value ≥ 0.2'")


def test_an_expectation_has_two_ends():
    """A third number in a written expectation is seen, and told as what it is."""
    text = MANIFEST.replace("at_least: 0.3, any_with", "at_least: 0.3, expect: [0.3, 0.4], any_with")
    assert signed(attested(text))
    longer = attested(text, change=put(1, "expect", value=[0.3, 0.4, 0.5]))
    assert line_of(lambda: signed(longer)) == (
        "evidence, see_also-all-R@5-value: expect does not follow from the finding's numbers; "
        "expected [0.3, 0.4], found [0.3, 0.4, 0.5]")
