"""The contract's page and the runbooks: every number comes from finding or policy, nothing ends a cell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fixtures.attested import MANIFEST
from harness.cli.app import VERBS
from harness.estimate import Estimate
from harness.release.charter import Charter, Escalation, Override
from harness.release.contract import ReleaseContract
from harness.release.judge import Control, Reading, judge
from harness.release.manifest import load_manifest, parse_manifest
from harness.release.policy import Row, checks_of
from harness.report.contract import NOBODY, contract_markdown, guard_table, table, who_decides
from harness.report.runbooks import ACTIONS, INDEX, runbooks_of
from tests.house.source import TOP
from tests.release.test_contract import NAMED, contract_of

BOOKS = TOP / "docs" / "runbooks"


def cells(page: str, first: str) -> list[str]:
    """The cells of the table row that begins with `first`."""
    line = next(one for one in page.splitlines() if one.startswith(f"| {first} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_a_clause_says_limit_value_interval_and_what_was_planted():
    """One row a clause: what was promised, what was measured on how many, which defect was refused by what number."""
    page = contract_markdown(contract_of()[0])
    assert cells(page, "delta nDCG@10") == [
        "delta nDCG@10", "see\\_also", "all", "lcb ≥ 0 pp", "+2.10 pp", "\\[+1.20, +3.00\\]", "1,500", "PASS",
        "shuffled\\_ranking at 1: −20.00 pp against lcb ≥ 0 pp, refused"]
    assert cells(page, "acceptance")[7] == "INCONCLUSIVE (not required)"


def test_what_is_open_says_why_and_how_much_would_settle_it():
    """A clause that is not required carries the policy's reason and the n that would decide it."""
    contract, _ = contract_of()
    page, finding = contract_markdown(contract), contract.clauses[-2].finding
    row = cells(page, "see\\_also-all-acceptance-lcb")
    assert row[1] == "INCONCLUSIVE" and row[3] == f"{finding.needed_n:,}" and row[4] == "few queries are reranked here"


def test_the_triggers_are_the_guards():
    """A row a guarded clause with its own limit; without any guard the page says that nothing is watched."""
    contract, _ = contract_of()
    assert cells(contract_markdown(contract).split("## Rollback triggers")[1], "delta nDCG@10") == [
        "delta nDCG@10", "see\\_also", "all", "lcb ≥ 0 pp", "3m", "critical", "rollback"]
    assert "nothing of this contract is watched" in guard_table(())


def test_who_decides_is_told_or_that_nobody_is_named():
    """Owners, overrides, escalation as the manifest names them; what is not named is said to be missing."""
    page = contract_markdown(contract_of(NAMED)[0])
    assert cells(page, "release managers") == ["release managers", "hold a rollback", "2"]
    assert cells(page, "critical") == ["critical", "15m", "engineering lead"]
    assert who_decides(None) == (NOBODY,)
    assert who_decides(Charter(owners=("a",)))[1:] == ("Nobody may override a gate or a rollback.",
                                                       "No escalation is named.")


@pytest.mark.parametrize(("value", "place"), [(0.01, "below"), (0.03, "within"), (0.06, "above"),
                                              (float("nan"), "nothing measured")])
def test_expected_effects_say_where_ours_lies(value, place):
    """Below, within or above what was expected; NaN lies nowhere."""
    check = checks_of([Row(measure="lift R@5", by="lcb", at_least=0.0, expect=(0.02, 0.05))])[0]
    control = Control("x", 1.0, -0.2, -0.3, -0.1, 900)
    finding = judge(check, Reading(Estimate(value, value - 0.01, value + 0.01, 900, 0.9, "t"), control=control))
    page = contract_markdown(ReleaseContract.of_findings("mine", [finding]))
    assert cells(page.split("## Expected")[1], "lift R@5")[2] == "+2.00 pp to +5.00 pp"
    assert cells(page.split("## Expected")[1], "lift R@5")[-1] == place


def test_text_from_a_manifest_ends_no_cell_and_opens_no_tag():
    """Bars, brackets and tags in names are escaped."""
    assert table(("a",), [["x | <b> [y](z)"]]).splitlines()[-1] == "| x \\| &lt;b&gt; \\[y\\](z) |"
    charter = Charter(owners=("<script>",), overrides=(Override(who="a|b", may="*c*"),),
                      escalation=(Escalation(severity="info", to="`d`"),))
    told = "\n".join(who_decides(charter))
    assert "<script>" not in told and "a\\|b" in told and "\\*c\\*" in told and "\\`d\\`" in told


def test_a_guard_stands_in_the_runbook_of_its_action_alone():
    """Its limit, wait and severity on one page; the other pages say that no guard asks for them."""
    pages = runbooks_of(parse_manifest(NAMED.encode(), where="m"), path="m.yaml")
    assert set(pages) == {INDEX, *(f"{action}.md" for action in ACTIONS)}
    assert cells(pages["rollback.md"], "delta nDCG@10")[3:] == ["lcb ≥ 0 pp", "3m", "critical", "–"]
    assert all("No guard of small-v1 asks for this." in pages[f"{name}.md"] for name in ("alert", "hold"))
    assert "release managers may hold a rollback" in pages["rollback.md"] and "15m" in pages[INDEX]


def test_a_limit_that_moves_moves_the_runbook():
    """No number in a runbook is a constant: another wait, limit or alternative in the policy is another page."""
    before = runbooks_of(parse_manifest(MANIFEST.encode(), where="m"))
    after = runbooks_of(parse_manifest(MANIFEST.replace("for: 3m", "for: 7m").encode(), where="m"))
    assert before["rollback.md"].replace("3m", "7m") == after["rollback.md"] != before["rollback.md"]
    guarded = MANIFEST.replace("at_least: 0.2}]}", "at_least: 0.2}], guard: {for: 1m, then: hold, warn_within: 0.05}}")
    page = runbooks_of(parse_manifest(guarded.encode(), where="m"))["hold.md"]
    assert cells(page, "R@5")[3:] == ["≥ 0.3 or RR ≥ 0.2", "1m", "warning", "within 0.05"]


def test_a_runbook_names_no_verb_that_is_not_there():
    """Steps by verbs that this version lacks are told in words."""
    manifest = parse_manifest(MANIFEST.encode(), where="m")
    assert "signoff rollback" in runbooks_of(manifest, verbs={"rollback"})["rollback.md"]
    told = "".join(runbooks_of(manifest, verbs=VERBS).values())
    assert set(re.findall(r"`signoff (\w+)", told)) <= set(VERBS)


def test_the_runbooks_that_ship_are_what_the_policy_gives():
    """docs/runbooks is made of the manifest that its index names, and of no other hand."""
    index = (BOOKS / INDEX).read_text(encoding="utf-8")
    path = re.search(r"`signoff contract (\S+) --runbooks DIR`", index)[1]
    pages = runbooks_of(load_manifest(TOP / path).manifest, path=path, verbs=VERBS)
    assert {file.name: file.read_text(encoding="utf-8") for file in sorted(BOOKS.iterdir())} == pages
    assert Path(path).parent == Path("manifests")
