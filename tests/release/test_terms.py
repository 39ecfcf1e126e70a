"""What is measured on, beside the base branch's: every field of it is watched, and the candidate's own are not."""

from __future__ import annotations

import pytest

from fixtures.attested import MANIFEST
from harness.errors import InputError
from harness.release.manifest import Manifest, parse_manifest
from harness.release.policy import Row
from harness.release.terms import Base, demands_less, measured_elsewhere

OWN = """\
release: own
seed: 1
data: {qrels: {trec: qrels.txt, sha256: PIN}, slices: {csv: slices.csv}, cluster: author}
recorded:
  candidate: {run: {trec: new.run}, before: {trec: new.before}}
  baseline: {run: {trec: old.run}, before: {trec: old.before}, latency: {csv: old.csv}}
policy: [{measure: delta nDCG@10, by: lcb, at_least: 0.0}]
""".replace("PIN", "a" * 64)


def parsed(text: str) -> Manifest:
    return parse_manifest(text.encode(), where="own.yaml")


@pytest.mark.parametrize(("old", "new", "told"), [
    ("trec: qrels.txt", "trec: easy.txt", "data.qrels.trec moved from qrels.txt to easy.txt"),
    ("trec: qrels.txt", "beir: qrels.txt", "data.qrels.beir moved from nothing to qrels.txt"),
    ("a" * 64, "b" * 64, f"data.qrels.sha256 moved from {'a' * 64} to {'b' * 64}"),
    (f", sha256: {'a' * 64}", "", f"data.qrels.sha256 moved from {'a' * 64} to nothing"),
    ("slices.csv", "other.csv", "data.slices.csv moved from slices.csv to other.csv"),
    (", cluster: author", "", "data.cluster moved from author to nothing"),
    ("cluster: author", "cluster: query_id", "data.cluster moved from author to query_id"),
    (", slices: {csv: slices.csv}, cluster: author", "", "data.slices.csv moved from slices.csv to nothing"),
    ("trec: old.run", "trec: weak.run", "recorded.baseline.run.trec moved from old.run to weak.run"),
    ("old.before", "weak.before", "recorded.baseline.before.trec moved from old.before to weak.before"),
    (", latency: {csv: old.csv}", "", "recorded.baseline.latency.csv moved from old.csv to nothing"),
    ("seed: 1", "seed: 2", "seed moved from 1 to 2"),
    ("seed: 1", "seed: 1\nlatency_requests: 5", "latency_requests moved from 500 to 5"),
])  # fmt: skip
def test_every_field_of_what_is_measured_on_is_watched(old, new, told):
    """Changed, dropped, added or moved to another format: named with both values."""
    text = OWN.replace(old, new)
    assert text != OWN
    assert told in measured_elsewhere(parsed(OWN), parsed(text))


@pytest.mark.parametrize(("old", "new"), [
    ("new.run", "newer.run"),
    (", before: {trec: new.before}", ""),
    ("csv: slices.csv", f"csv: slices.csv, sha256: {'c' * 64}"),
    ("trec: old.run", f"trec: old.run, sha256: {'c' * 64}"),
    ("at_least: 0.0", "at_least: 0.1"),
])  # fmt: skip
def test_the_candidates_own_files_and_new_digests_are_no_change(old, new):
    """What is on trial may differ, and a file that gets its digest is the same file."""
    assert measured_elsewhere(parsed(OWN), parsed(OWN.replace(old, new))) == []


def test_no_field_of_a_manifest_is_overlooked():
    """Every top-level field is watched here, held elsewhere (policy, checklist, release), or the candidate's own."""
    watched = {"data", "baseline", "baseline_digest", "seed", "latency_requests", "studies"}
    assert set(Manifest.model_fields) == watched | {
        "policy", "checklist", "rollout", "release", "contract"} | {"parts", "recorded"}


def test_a_live_manifest_names_its_baseline():
    """Another name under the same policy is another baseline."""
    assert measured_elsewhere(parsed(MANIFEST), parsed(MANIFEST.replace("small-v0", "small-v-1"))) == [
        "baseline moved from small-v0 to small-v-1"]


@pytest.mark.parametrize(("text", "digest"), [(MANIFEST, None), (OWN, "a" * 64)])
def test_a_named_baseline_comes_with_its_digest(text, digest):
    """A base that names a baseline and does not say which is an error, and so is the contrary."""
    with pytest.raises(InputError, match="both or neither"):
        Base(parsed(text), digest)


@pytest.mark.parametrize("at", [0, 1])
def test_a_guard_of_either_row_of_one_measure_is_missed(at):
    """Two limits on one measure are two checks: the guard that is dropped from either of them is told."""
    rows = [Row(measure="log ESS/N", at_least=0.2, guard={"for": "10m", "then": "alert"}),
            Row(measure="log ESS/N", at_least=0.1, guard={"for": "10m", "then": "rollback"})]
    less = [row.model_copy(update={"guard": None}) if place == at else row for place, row in enumerate(rows)]
    assert demands_less(rows, less) == [("all-log ESS/N-value: its guard was changed",
                                         "all-log ESS/N-value-0.1: its guard was changed")[at]]
    assert demands_less(rows, rows) == []
