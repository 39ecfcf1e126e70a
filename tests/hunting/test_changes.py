"""What a run changed is kept: the largest losses and gains, with titles of hits, and texts where they may be shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixtures.trials import sound
from harness.errors import EvidenceError
from harness.hunting.changes import CHANGES, MOST, keep_changes, read_changes
from harness.hunting.gallery import exhibits_of, gallery, largest
from harness.release.manifest import Loaded, parse_manifest

TEXT = b"""
release: small
seed: 1
data: {qrels: {trec: q}}
recorded: {candidate: {run: {trec: a}}, baseline: {run: {trec: b}}}
policy: [{measure: delta R@5, by: lcb, at_least: 0.0}, {measure: delta RR, by: lcb, at_least: 0.0}]
"""


@pytest.fixture(scope="module")
def trial():
    return sound(queries=60)


@pytest.fixture
def loaded(tmp_path) -> Loaded:
    return Loaded(parse_manifest(TEXT, where="m"), TEXT, tmp_path / "small.yaml")


def test_the_largest_losses_and_gains_are_kept(trial, loaded, tmp_path):
    """A compared task once, whatever the number of its rows, with the same exhibits that the trial itself gives."""
    path = keep_changes(trial, loaded, tmp_path)
    (chapter,) = read_changes(path.read_bytes(), release=trial.candidate.release)
    losses, gains = largest(exhibits_of(trial, None), most=MOST)
    assert list(chapter.exhibits) == losses + gains and 0 < len(chapter.exhibits) <= 2 * MOST
    assert chapter.compared == len(trial.candidate.task(None).qrels.queries)
    assert (chapter.before, chapter.after) == (trial.baseline.release, trial.candidate.release)
    assert all(one.text is None for one in chapter.exhibits)
    assert gallery("small", [chapter]).count("**") == 2 * min(5, len(losses)) + 2 * min(5, len(gains))


def test_without_a_comparison_nothing_is_kept(trial, loaded, tmp_path):
    """No baseline, or a policy that compares nothing: no file that reads as a release that changed nothing."""
    assert keep_changes(replace(trial, baseline=None), loaded, tmp_path) is None
    plain = TEXT.replace(b"delta R@5, by: lcb", b"R@5").replace(b"delta RR, by: lcb", b"RR")
    assert keep_changes(trial, replace(loaded, manifest=parse_manifest(plain, where="m")), tmp_path) is None
    assert not (tmp_path / CHANGES).exists()


def spoilt(raw: bytes, change) -> bytes:
    document = json.loads(raw)
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(("change", "said"), [
    (lambda one: one.update(schema="other"), "not the changes"), (lambda one: one.pop("chapters"), "not the changes"),
    (lambda one: one["chapters"][0].pop("compared"), "not the changes"),
    (lambda one: one["chapters"][0]["exhibits"][0].pop("text"), "not the changes"),
    (lambda one: one["chapters"][0]["exhibits"][0].update(before=1.5), "not nDCG"),
    (lambda one: one["chapters"][0]["exhibits"][0].update(hits_after=[["a", "b"]]), "not the changes"),
    (lambda one: one.update(release="other"), "another release"),
])  # fmt: skip
def test_another_shape_is_one_line(trial, loaded, tmp_path, change, said):
    """Missing fields, impossible numbers and another release are errors that name the file."""
    raw = keep_changes(trial, loaded, tmp_path).read_bytes()
    with pytest.raises(EvidenceError, match=said) as told:
        read_changes(spoilt(raw, change), where="changes.json", release=trial.candidate.release)
    assert "\n" not in str(told.value)
    with pytest.raises(EvidenceError, match="not the changes"):
        read_changes(raw[: len(raw) // 2])


def test_titles_and_texts_come_from_the_corpus_where_it_may_be_shown(tmp_path):
    """Over the embedded corpus query and titles are kept; over the user's own data, titles and ids alone."""
    from harness.hunting.changes import _chapter
    from harness.release.observed import Trial
    from harness.release.observing import observe_live
    from tests.release.small import FULL, served, small

    new, old = small(tmp_path, FULL), small(tmp_path, "{encoder: {dims: 48}, index: {nlist: 3}}", name="old")
    sides = [observe_live(one, served(one, tmp_path / one.manifest.release)[0], tell=lambda _: None)
             for one in (new, old)]
    for shown in (True, False):
        exhibits = _chapter(Trial(*sides, 7), "search", shown=shown)["exhibits"]
        assert exhibits and all((one["text"] is not None) is shown for one in exhibits)
        assert any(title for one in exhibits for _, title, _ in one["hits_after"])
