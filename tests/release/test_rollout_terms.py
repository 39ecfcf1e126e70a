"""The section `rollout:`: what it accepts, what it refuses, and what counts as demanding less than before."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fixtures.attested import MANIFEST
from harness.errors import EvidenceError, InputError
from harness.release.manifest import parse_manifest
from harness.release.rollout_presets import PRESETS, expanded, ramp_demands_less
from harness.release.rollout_terms import Criterion, Rollout
from harness.release.terms import _same_ramp

OWN = """
rollout:
  stages:
    - {percent: 10, hold: 1h, criteria: [{measure: delta error rate, at_most: 0.01}]}
    - percent: 50
      hold: 6h
      criteria: [{measure: delta nDCG@10, at_least: 0.0, slice: hard_nl}, {guards: critical}]
  reverse: [{percent: 25, hold: 10m}, {percent: 0}]
  validate: 12h
"""


def parsed(text: str) -> Rollout | None:
    return parse_manifest((MANIFEST + text).encode(), where="own.yaml").rollout


def own(old: str = "", new: str = "") -> Rollout:
    text = OWN.replace(old, new) if old else OWN
    assert not old or text != OWN
    found = parsed(text)
    assert found is not None
    return found


def test_a_section_is_read_whole():
    """Stages, criteria with the end that proves them, the ladder and the least age."""
    ramp = own()
    assert [(one.percent, one.hold_s, [str(two.limit) for two in one.criteria]) for one in ramp.stages] == [
        (10, 3600, ["ucb ≤ 0.01"]), (50, 21600, ["lcb ≥ 0", "None"])]
    assert ([one.percent for one in ramp.reverse], ramp.validate_s) == ([25, 0], 43200)


def test_a_preset_is_a_section():
    """By name; `validate` may be later than the preset's, never sooner."""
    assert expanded(parsed("\nrollout: {preset: 5-25-50-100}\n")).validate_ == "48h"
    assert expanded(parsed("\nrollout: {preset: 5-25-50-100, validate: 1h}\n")).validate_ == "48h"
    assert expanded(parsed("\nrollout: {preset: 5-25-50-100, validate: 7d}\n")).validate_ == "7d"


def test_a_manifest_without_the_section_keeps_its_digest():
    """What was signed before there were ramps and readers is still what was signed; a ramp changes the digest."""
    bare, with_ramp = (parse_manifest((MANIFEST + text).encode(), where="x") for text in ("", OWN))
    assert bare.config_hash == "29dd42d9b37191f3774cca7fff2e83cb8cf9eb8826e88c8fa0f06a054ef03e27"
    assert bare.config_hash != with_ramp.config_hash


@pytest.mark.parametrize(("old", "new", "told"), [
    ("percent: 50", "percent: 5", "stages go up"), ("percent: 10", "percent: 0", "greater than 0"),
    ("percent: 50", "percent: 101", "less than or equal to 100"), ("hold: 6h", "hold: 6 hours", "match pattern"),
    ("hold: 6h", "hold: 900d", "longer than a year"),
    ("[{measure: delta error rate, at_most: 0.01}]", "[]", "at least 1"),
    ("at_most: 0.01", "at_most: 0.01, at_least: 0", "exactly one of"),
    ("guards: critical", "guards: some", "'critical' or"),
    ("at_most: 0.01", "at_most: 0.01, by: lcb", "the other end proves nothing"),
    ("guards: critical", "guards: critical, at_most: 1", "guards carry their own"),
    ("guards: critical", "guards: critical, slice: x", "carry their own by and slice"),
    ("guards: critical", "guards: critical, measure: R@5", "either a measure or guards"),
    ("at_most: 0.01", "at_most: .nan", "finite"), ("percent: 0}", "percent: 5}", "ends at 0"),
    ("percent: 25, hold: 10m", "percent: 0, hold: 10m", "goes down"),
    ("  validate: 12h", "  preset: 5-25-50-100", "either a preset or stages"),
    ("validate: 12h", "validat: 12h", "validate"),
    ("{guards: critical}]", "{guards: critical}, {guards: critical}]", "asks each thing once")])
def test_what_makes_no_ramp_is_one_line(old, new, told):
    """Each mistake of a section is named, with the manifest and the line."""
    with pytest.raises(InputError, match=told) as caught:
        own(old, new)
    assert "own.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_preset_that_nobody_knows_is_refused():
    """With the names of those there are."""
    with pytest.raises(InputError, match="5-25-50-100"):
        parsed("\nrollout: {preset: 5-25-50}\n")
    with pytest.raises(ValidationError):
        Rollout()


@pytest.mark.parametrize(("old", "new", "told"), [
    ("hold: 1h", "hold: 30m", "50 % after 1800 s, not 3600 s"),
    ("percent: 10", "percent: 20", "20 % after 0 s, not 3600 s"),
    ("validate: 12h", "validate: 1h", "takes over for good after 25200 s, not 43200 s"),
    ("at_most: 0.01", "at_most: 0.02", "delta error rate (all) no longer shown by 10 %"),
    ("at_most: 0.01", "at_most: 0.01, by: value", "delta error rate (all) no longer shown by 10 %"),
    ("at_most: 0.01", "at_most: 0.01, slice: easy", "delta error rate (all) no longer shown by 10 %"),
    (", {guards: critical}", "", "guards: critical no longer shown by 50 %"),
    ("hold: 10m", "hold: 20m", "a gradual rollback is down to 0 % after 1200 s, not 600 s"),
    ("percent: 25, hold", "percent: 30, hold", "a gradual rollback is down to 25 % after 600 s, not 0 s")])
def test_a_faster_ramp_or_a_missing_criterion_demands_less(old, new, told):
    """Each way to get more traffic sooner, on less, or to give it back later, is named."""
    assert f"rollout: {told}" in ramp_demands_less(own(), own(old, new))


@pytest.mark.parametrize(("old", "new"), [
    ("hold: 1h", "hold: 2h"), ("percent: 10", "percent: 5"), ("at_most: 0.01", "at_most: 0.005"),
    ("guards: critical", "guards: all"), ("validate: 12h", "validate: 2d"), ("percent: 25, hold", "percent: 20, hold"),
    ("hold: 10m", "hold: 5m"), ("{guards: critical}]", "{guards: critical}, {measure: R@5, at_least: 0.2}]")])
def test_a_slower_ramp_or_one_more_criterion_demands_no_less(old, new):
    """More is allowed without a word."""
    assert ramp_demands_less(own(), own(old, new)) == []


def test_presets_and_their_absence_are_compared_as_ramps():
    """A preset is what it expands to; no ramp any more is less, a first ramp is not."""
    slow, quick = PRESETS["1-5-10-25-50"], PRESETS["5-25-50-100"]
    assert ramp_demands_less(Rollout(preset="1-5-10-25-50"), slow) == []
    assert ramp_demands_less(slow, quick) and ramp_demands_less(slow, None) and not ramp_demands_less(None, quick)


def test_a_weaker_ramp_than_the_base_branchs_is_refused():
    """Verification holds the section to the base branch's, as it does the policy; a stricter one is noted."""
    base, weaker, stricter = (parse_manifest((MANIFEST + text).encode(), where="x")
                              for text in (OWN, OWN.replace("1h", "1m"), OWN.replace("1h", "2h")))
    with pytest.raises(EvidenceError, match="its rollout demands less than the base branch's: rollout: 50 %"):
        _same_ramp(base, weaker, "bundle")
    assert _same_ramp(base, base, "bundle") == ()
    assert "demands no less" in _same_ramp(base, stricter, "bundle")[0]


def test_a_criterion_is_proven_by_the_right_end():
    """A limit from below by the lower bound, from above by the upper one, unless the value is asked for."""
    assert str(Criterion(measure="x", at_most=1).limit) == "ucb ≤ 1"
    assert str(Criterion(measure="x", at_most=1, by="value").limit) == "value ≤ 1"
