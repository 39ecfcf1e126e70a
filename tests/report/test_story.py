"""The words that close a report follow from the evidence and never claim more."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.estimate import Estimate
from harness.release.evidence import Evidence
from harness.release.judge import IN_ALL, Control, CrossCheck, Reading, Verdict, judge
from harness.release.policy import Check, Limit
from harness.report.markdown import markdown
from harness.report.story import _settle, tell
from tests.report.samples import BROKEN, SOUND, evidence


def test_a_pass_names_its_closest_call(tmp_path: Path) -> None:
    """A passing run says how many gates passed and where the room was smallest."""
    story = tell(evidence(tmp_path))
    assert story.verdict is Verdict.PASS
    assert story.headline == "retriever-v0 passed all 9 required gates"
    assert "closest call was see_also-hard_nl-delta nDCG@10-lcb: lcb +0.11 pp" in " ".join(story.why)
    assert story.next == ("Nothing is signed yet. To sign it: signoff sign retriever-v0.yaml",)


def test_a_signed_pass_says_where(tmp_path: Path) -> None:
    """With a signature the next step is to verify it."""
    told = " ".join(tell(evidence(tmp_path), signed="x.intoto.jsonl by release-key").next)
    assert "Signed: x.intoto.jsonl by release-key" in told
    assert "signoff verify" in told


def test_a_refusal_names_gate_number_limit_and_n(tmp_path: Path) -> None:
    """Every blocking gate is told with its number, its limit and its n; the gravest first."""
    story = tell(evidence(tmp_path, BROKEN))
    assert story.verdict is Verdict.REFUSE
    assert story.headline == "retriever-v0 is refused: 2 refused and 1 inconclusive of 10 gates"
    assert story.why[0] == "all-p95 retrieval_ms-ucb (REFUSE): lcb 10.4 > 8 (n = 40)."
    assert "lcb -0.021 < 0" in story.why[2]
    assert "measure 200 or more (now 158)" in " ".join(story.next)
    assert "Nothing was signed." in story.next


def test_a_baseline_that_is_not_signed_is_to_be_signed_first(tmp_path: Path) -> None:
    """Its refusal is no shortfall of the release: the next step is the command that signs the baseline."""
    told = evidence(tmp_path, BROKEN)
    finding = next(row for row in told.findings if row["verdict"] == "REFUSE")
    unsigned = {**finding, "gate": "all-unsigned baseline-value", "measure": "unsigned baseline"}
    rows = tuple(unsigned if row is finding else row for row in told.findings)
    lines = " ".join(tell(Evidence({**told.header, "called_as": "manifests/rag.yaml", "baseline": {"release": "base"}},
                                   rows, told.closing)).next)
    assert "base is not signed as it stands: signoff gates manifests/base.yaml --sign, then run" in lines
    assert "change the release" in lines and "unsigned baseline-value" not in lines


def test_a_refusal_tells_which_one_fell(tmp_path: Path) -> None:
    """What a gate noted (the pin that fell, the draw that broke a property) stands in its sentence; a pass has none."""
    told = evidence(tmp_path, BROKEN)
    noted = [{**row, "note": "pin a-b-1 fell"} for row in told.findings]
    story = tell(Evidence(told.header, tuple(noted), told.closing))
    assert story.why[0] == "all-p95 retrieval_ms-ucb (REFUSE): lcb 10.4 > 8 (n = 40); pin a-b-1 fell."
    assert "fell" not in " ".join(tell(evidence(tmp_path)).why)


def test_the_n_that_would_settle_it_is_told(tmp_path: Path) -> None:
    """An inconclusive gate with observations enough for a bound says how many would settle it."""
    wide = {**SOUND, "delta nDCG@10/all": (0.01, -0.01, 0.03, 400, "1")}
    story = tell(evidence(tmp_path, wide))
    assert story.verdict is Verdict.INCONCLUSIVE
    assert "measure about 1,600 observations (now 400)" in " ".join(story.next)


def test_an_n_that_would_settle_it_against_the_release_says_so(tmp_path: Path) -> None:
    """Where the value itself misses the limit, more observations would refuse it, and that is said."""
    short = {**SOUND, "delta nDCG@10/all": (-0.01, -0.03, 0.01, 400, "1")}
    told = " ".join(tell(evidence(tmp_path, short)).next)
    assert "measure about 1,600 observations (now 400): at this value they would refuse it" in told
    assert "refuse it" not in " ".join(tell(evidence(tmp_path, {**short, "delta nDCG@10/all": (
        0.01, -0.01, 0.03, 400, "1")})).next)


def test_a_latency_in_doubt_asks_for_a_quiet_machine_first(tmp_path: Path) -> None:
    """A busy moment widens a latency's interval more than few requests do: both ways out are told."""
    wide = {**SOUND, "p95 retrieval_ms/all": (7.5, 7.0, 9.0, 500, "ms")}
    story = tell(evidence(tmp_path, wide))
    assert story.verdict is Verdict.INCONCLUSIVE
    assert "run again when the machine is quiet, or time about 4,500 requests" in " ".join(story.next)


def test_a_row_that_is_not_required_may_stay_open_and_is_told(tmp_path: Path) -> None:
    """A doubt set aside is still told and counted, with the policy's reason for setting it aside."""
    story = tell(evidence(tmp_path, {**SOUND, "acceptance": (math.nan, math.nan, math.nan, 0, "1")}))
    assert story.verdict is Verdict.PASS
    assert story.counts == {"PASS": 9, "INCONCLUSIVE": 0, "REFUSE": 0, "not required": 1}
    assert "Not required, and left open: all-acceptance-value (INCONCLUSIVE)" in story.why[-1]
    assert "until a month of traffic" in story.why[-1]


def test_a_refusal_blocks_though_not_required(tmp_path: Path) -> None:
    """A row set aside that is refused keeps the release from passing, and is counted among the refusals."""
    story = tell(evidence(tmp_path, {**SOUND, "acceptance": BROKEN["acceptance"]}))
    assert story.verdict is Verdict.REFUSE
    assert story.counts == {"PASS": 9, "INCONCLUSIVE": 0, "REFUSE": 1, "not required": 1}
    assert story.why[0].startswith("all-acceptance-value (REFUSE)")


@pytest.mark.parametrize("lost", ["skipped", "deselected", "xfailed", "errors"])
def test_a_run_that_lost_gates_is_no_pass(lost: str, tmp_path: Path) -> None:
    """Whatever the findings say, a gate that did not run keeps the story from saying passed."""
    story = tell(evidence(tmp_path, **{lost: 1}))
    assert story.verdict is Verdict.INCONCLUSIVE
    assert f"1 {lost}" in story.why[0]


def test_without_findings_nothing_passes() -> None:
    """An empty run is told as inconclusive, not as all of nothing passed."""
    story = tell(Evidence({"release": "r"}, (), {"ran": 0}))
    assert story.verdict is Verdict.INCONCLUSIVE
    assert "No gate left a finding" in " ".join(story.why)


def test_findings_that_went_missing_are_told(tmp_path: Path) -> None:
    """Ten gates that ran and nine findings are not the same run."""
    story = tell(evidence(tmp_path, ran=11))
    assert story.verdict is Verdict.INCONCLUSIVE
    assert "11 gates ran but 10 findings were written" in " ".join(story.why)


def test_an_inconclusive_gate_says_what_it_noted_and_its_n_once(tmp_path: Path) -> None:
    """The note of a gate in doubt stands with its reason, also in the summary; "nothing was measured" says n once."""
    blank = {**SOUND, "lift nDCG@10": (math.nan, math.nan, math.nan, 12000, "1")}
    told = evidence(tmp_path, blank)
    rows = tuple({**row, "note": "κ 0.93 in stratum de."} for row in told.findings)
    noted = Evidence(told.header, rows, told.closing)
    sentence = next(one for one in tell(noted).why if "lift" in one)
    assert sentence == ("see_also-all-lift nDCG@10-lcb (INCONCLUSIVE): nothing was measured (n = 12,000); "
                        "κ 0.93 in stratum de.")
    assert "κ 0.93 in stratum de" in markdown(noted)


def test_a_long_note_is_cut_where_it_is_seen_to_be(tmp_path: Path) -> None:
    """Three hundred letters of a note are enough, and the cut is shown."""
    told = evidence(tmp_path, BROKEN)
    noted = [{**row, "note": "x" * 400} for row in told.findings]
    assert tell(Evidence(told.header, tuple(noted), told.closing)).why[0].endswith(f"; {'x' * 299}….")


@pytest.mark.parametrize(("number", "words"), [
    ((0.005, 0.002, 0.008), "state a narrower limit: one over +0.05 pp would show its planted defect"),
    ((0.002, -0.06, 0.062), "no limit would do: its planted defect"),
], ids=["between", "overlapping"])
def test_a_limit_wider_than_its_defect_is_told_with_the_one_that_would_do(number, words) -> None:
    """Where the defect got past the limit: the limit that would refuse it, unless the release fell with it."""
    check = Check("gate", "delta nDCG@10", None, "all", Limit("at_least", -0.1, "lcb"))
    control = Control("slight", 0.2, -0.0004, -0.0013, 0.0005, 900)
    cross = CrossCheck(*number[1:], 0.0004, 0.0004, "bootstrap")
    finding = judge(check, Reading(Estimate(*number, 900, 0.9, "t"), cross=cross, control=control))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert words in _settle(finding) and "more of the same" not in _settle(finding)


def test_too_few_requests_of_a_state_are_told_with_those_of_fitting() -> None:
    """Rows that are divided first: what it takes in all, not only the rows that are judged."""
    check = Check("gate", "surrogate coverage", None, "all", Limit("at_least", 0.95, "lcb"))
    reading = Reading(Estimate(0.96, 0.96, 0.96, 300, 0.9, "t"), min_n=1600, details={IN_ALL: 4500.0})
    assert "give 4,500 requests of each state of the cache in all" in _settle(judge(check, reading))
