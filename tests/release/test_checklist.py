"""The checklist as data: one kind an item, names that the policy has, and never less than was reviewed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.attested import MANIFEST
from harness.errors import InputError
from harness.release.checklist import Item, asked_for, demands_fewer, human_items
from harness.release.manifest import Manifest, parse_manifest
from tests.release.listed import CHECKLIST, LISTED

CAPACITY = "{item: capacity, asks: twice the peak of last quarter fits, by: [anna, ben], needs: 2}"


def parsed(old: str = "", new: str = "") -> Manifest:
    assert old in CHECKLIST
    return parse_manifest((MANIFEST + CHECKLIST.replace(old, new)).encode(), where="small-v1.yaml")


@pytest.mark.parametrize(("old", "new", "told"), [
    ("gates: [total p95]", "gates: [total p59]", "'latency' waits for 'total p59', which no row of the policy asks for "
                                                 "(nearest: total p95)"),
    ("see_also-all-R@5-value", "see_also-R@5-value", "(nearest: see_also-all-R@5-value)"),
    ("item: latency, gates", "item: quality, gates", "'quality' stands twice in the checklist"),
    ("gates: [total p95]", "gates: [total p95], asks: is it fast", "needs either gates (automatic) or asks"),
    (", gates: [total p95]", "", "needs either gates (automatic) or asks"),
    ("gates: [total p95]", "gates: []", "needs either gates (automatic) or asks"),
    ("gates: [total p95]", "gates: [total p95], needs: 2", "by and needs belong to one that asks"),
    ("gates: [total p95]", "gates: [total p95], by: [anna]", "by and needs belong to one that asks"),
    ("gates: [total p95]", "gates: [total p95, total p95]", "names something twice under gates"),
    ("[anna, ben]", "[anna, anna]", "names something twice under by"),
    ("needs: 2", "needs: 3", "needs 3 approvals by 2 names: never met"),
    ("needs: 2", "needs: 0", "needs"), ("needs: 2", "needs: true", "needs"), ("needs: 2", "needs: '2'", "needs"),
    ("[anna, ben]", "anna", "by"), ("item: latency", "item: ' latency'", "without white space around it"),
    ("item: latency", "item: ''", "item"), ("item: latency", 'item: "late\\ncy"', "one line of printable text"),
    ("needs: 2", "need: 2", "unknown key 'need'"), ("asks: search", "aks: search", "(nearest: asks)"),
])  # fmt: skip
def test_a_list_that_says_nothing_sound_is_one_line(old, new, told):
    """Unknown gates with the nearest name, two kinds or none in one item, a name twice: refused at reading."""
    with pytest.raises(InputError) as refusal:
        parsed(old, new)
    assert told in str(refusal.value), str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_measure_means_all_of_its_checks_and_an_id_only_one():
    """An item waits for every slice of a measure that it names."""
    manifest = LISTED.loaded.manifest
    waits = asked_for(manifest.checklist, manifest.checks)
    assert [one.id for one in waits["quality"]] == [
        "see_also-all-delta nDCG@10-lcb", "see_also-hard_nl-delta nDCG@10-lcb", "see_also-all-R@5-value"]
    assert list(waits) == ["quality", "latency"]
    assert [one.item for one in human_items(manifest.checklist)] == ["capacity", "stakeholder approval"]


def test_a_manifest_without_a_list_keeps_its_digest_and_one_with_a_list_has_another():
    """What was signed before there were checklists still verifies; a changed list is a changed configuration."""
    plain = parse_manifest(MANIFEST.encode(), where="m")
    assert plain.config_hash == parse_manifest((MANIFEST + "checklist: []\n").encode(), where="m").config_hash
    assert len({plain.config_hash, parsed().config_hash, parsed("needs: 2", "needs: 1").config_hash}) == 3


def less(after: Manifest) -> list[str]:
    before = LISTED.loaded.manifest
    return demands_fewer(before.checklist, after.checklist, old=before.checks, new=after.checks)


@pytest.mark.parametrize(("old", "new", "told"), [
    (f"  - {CAPACITY}\n", "", "capacity: no longer on the list"),
    ("  - {item: latency, gates: [total p95]}\n", "", "latency: no longer on the list"),
    ("needs: 2", "needs: 1", "capacity: 2 approvals needed, now 1"),
    ("by: [anna, ben]", "by: [anna, ben, carol]", "capacity: approved by anna, ben, now by anna, ben, carol"),
    ("by: [anna, ben], ", "", "capacity: approved by anna, ben, now by anyone trusted"),
    ("by: [anna, ben]", "by: [dora, emil]", "capacity: approved by anna, ben, now by dora, emil"),
    ("twice the peak", "half the peak", "capacity: asks for something else"),
    ("asks: search may ship this", "gates: [total p95]", "stakeholder approval: no longer asks for an approval"),
    ("gates: [total p95]", "asks: is it fast", "latency: no longer waits for all-total p95-ucb"),
    ("delta nDCG@10, ", "", "quality: no longer waits for see_also-all-delta nDCG@10-lcb"),
    ("[delta nDCG@10,", "[see_also-all-delta nDCG@10-lcb,", "no longer waits for see_also-hard_nl-delta nDCG@10-lcb"),
])  # fmt: skip
def test_a_list_that_demands_less_is_told_item_by_item(old, new, told):
    """Dropped items, fewer approvals, more people, other words, fewer gates: each is named."""
    assert any(told in one for one in less(parsed(old, new)))


@pytest.mark.parametrize(("old", "new"), [
    ("", ""),
    ("by: [anna, ben], needs: 2", "by: [anna, ben], needs: 2"),
    ("asks: search may ship this", "asks: search may ship this, needs: 2, by: [anna, ben]"),
    ("gates: [total p95]", "gates: [total p95, no_dead_links]"),
    ("gates: [total p95]", "gates: [all-total p95-ucb]"),
    ("  - {item: latency", "  - {item: training, asks: support has practised}\n  - {item: latency"),
])  # fmt: skip
def test_a_list_that_demands_as_much_or_more_is_no_complaint(old, new):
    """More approvals, fewer people, more gates, more items, the same gate by its other name."""
    assert less(parsed(old, new)) == []


NAMES = st.sampled_from(["anna", "ben", "carol", "dora"])
ITEMS = st.builds(lambda by, needs: Item(item="capacity", asks="it fits", by=tuple(by), needs=min(needs, len(by) or 3)),
                  st.lists(NAMES, unique=True), st.integers(1, 3))


def met(item: Item, people: set[str]) -> bool:
    """The literal meaning: enough of these people are among those whose approval counts."""
    return len(people & set(item.by) if item.by else people) >= item.needs


@given(ITEMS, ITEMS, st.sets(NAMES))
def test_where_nothing_demands_less_whoever_meets_the_new_list_meets_the_old(before, after, people):
    """The law behind the comparison: an accepted change lets nobody through whom the reviewed list would stop."""
    if not demands_fewer([before], [after], old=[], new=[]) and met(after, people):
        assert met(before, people)


def test_a_comparison_that_looks_at_needs_alone_breaks_that_law():
    """The broken twin: widening `by` lets strangers through although as many approve as before."""
    before = Item(item="capacity", asks="it fits", by=("anna", "ben"), needs=1)
    after = Item(item="capacity", asks="it fits", by=("anna", "carol"), needs=1)
    assert after.needs >= before.needs
    assert met(after, {"carol"})
    assert not met(before, {"carol"})
    assert demands_fewer([before], [after], old=[], new=[])
