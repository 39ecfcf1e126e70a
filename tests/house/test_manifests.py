"""The shipped manifests: each is read whole, and each row of a policy has a defect that its gate must refuse."""

from __future__ import annotations

import pytest

from harness.defects.owners import owner
from harness.errors import SignoffError
from harness.hunting.properties import PROPERTIES as CLAIMS
from harness.release.manifest import load_manifest
from harness.release.measures import PROPERTIES, family_of
from tests.house.source import TOP

MANIFESTS = sorted(path for path in (TOP / "manifests").glob("*.yaml") if path.name != "trust.yaml")


def unowned(measures: list[str]) -> list[str]:
    """Measures that no planted defect is known for."""
    without = []
    for measure in measures:
        try:
            if family_of(measure) == PROPERTIES:
                _ = CLAIMS[measure.removeprefix("violations of ")].spoilt
            else:
                owner(measure)
        except (LookupError, SignoffError) as error:
            without.append(f"{measure}: {error}")
    return without


def test_manifests_are_shipped():
    """The parametrised tests below have something to run on."""
    assert MANIFESTS


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_every_row_of_a_policy_has_an_owner(path):
    """A gate that no defect is planted for is decoration."""
    checks = load_manifest(path).manifest.checks
    assert unowned([check.measure for check in checks if check.own_gate is None]) == []


@pytest.mark.parametrize("measure", ["violations of nothing", "p95 total", "R"])
def test_a_row_without_an_owner_would_be_seen(measure):
    """The rule fails on a measure that nobody plants a defect for."""
    assert unowned([measure])


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_named_after_its_release(path):
    """`baseline: NAME` is looked up as NAME.yaml."""
    manifest = load_manifest(path).manifest
    assert manifest.release == path.stem
    assert manifest.baseline is None or (TOP / "manifests" / f"{manifest.baseline}.yaml").is_file()
