"""`signoff sustain`: one cycle on recorded files and on live parts, resumed, told, and never a signature."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.cli import sustaining
from harness.cli.sustaining import sustained
from harness.data.store import sha256_tree
from harness.errors import Exit, InputError
from harness.release.manifest import load_manifest
from tests.gates.recorded import DOUBTFUL, PASSING, REFUSED, checkout, write
from tests.release.checkout import run
from tests.release.small import EASY, small

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
LATER = datetime(2026, 4, 12, 3, 0, tzinfo=UTC)
DELTA = {"measure": "delta nDCG@10", "by": "lcb", "at_least": 0.0}
STEPS = ["refresh", "audit", "coverage", "gating", "quality", "artifacts", "candidate"]


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A checkout with recorded files."""
    monkeypatch.chdir(tmp_path)
    checkout(tmp_path, PASSING, REFUSED, DOUBTFUL, DELTA)
    return Path("mine.yaml")


def said(document: dict, name: str) -> dict:
    """What a step came to."""
    return next(one["result"] for one in document["steps"] if one["name"] == name)


def test_a_cycle_ends_in_a_candidate_and_signs_nothing(mine, tmp_path):
    """Every step is told; the candidate is the release renamed; nothing else of the checkout changed."""
    before = sha256_tree(tmp_path)
    document = sustained(mine, None, now=NOW)
    assert [one["name"] for one in document["steps"]] == STEPS
    made = load_manifest(document["candidate"]).manifest
    assert made == load_manifest(mine).manifest.model_copy(update={"release": "mine-20260301"})
    new = {name for name, digest in sha256_tree(tmp_path).items() if before.get(name) != digest}
    assert {name.split("/")[0] for name in new} == {"mine-20260301.yaml", "reports"}
    assert not any("signed" in name or "intoto" in name for name in new)


def test_what_was_not_asked_for_is_said_not_skipped_over(mine):
    """A step without a row of the policy says so; rows that are not passed by their limit are shown."""
    document = sustained(mine, None, now=NOW)
    assert said(document, "audit")["said"] == "no row of the policy asks for it (confounding, counterfactual)"
    quality = said(document, "quality")
    assert {row["gate"]: row["says"] for row in quality["rows"]} == {
        "all-RR-value": "PASS", "all-P@1-value": "REFUSE", "all-R@1-lcb": "INCONCLUSIVE",
        "all-delta nDCG@10-lcb": "PASS"}
    assert len(quality["lines"]) == 2 and "1 REFUSE" in quality["said"]
    assert "the first pool" in said(document, "refresh")["said"]
    assert Path(said(document, "artifacts")["files"][1]).read_text().startswith("# Regression gallery of mine-20260301")


def test_the_next_cycle_tells_what_moved(mine, tmp_path):
    """A query that came, one whose judgement changed, and the share of today's pool that is new, with its interval."""
    sustained(mine, None, now=NOW)
    lines = (tmp_path / "qrels.txt").read_text().splitlines()
    write(tmp_path / "qrels.txt", [*lines[:-1], "q11 0 q11-a 2", "q99 0 q00-a 1"])
    document = sustained(mine, None, now=LATER)
    queries = next(one for one in said(document, "refresh")["pools"] if one["pool"] == "queries of default")
    assert (queries["came"], queries["went"], queries["changed"]) == (["q99"], [], ["q11"])
    assert queries["fresh"]["low"] < 2 / 13 < queries["fresh"]["high"]
    assert "beside mine-20260301" in said(document, "refresh")["said"]
    assert sorted(path.name for path in tmp_path.glob("mine*.yaml")) == [
        "mine-20260301.yaml", "mine-20260412.yaml", "mine.yaml"]


@pytest.mark.parametrize("step", ["measured", "artifacts", "candidate"])
def test_a_cycle_that_fails_leaves_the_release_and_goes_on_later(mine, tmp_path, monkeypatch, step):
    """No candidate appears while a step fails; the next call takes up the same cycle, under the day it began."""

    def broken(*_: object) -> None:
        raise InputError("the disk is full", where=step)

    before = sha256_tree(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(sustaining.Cycle, step, broken)
        with pytest.raises(InputError, match="the disk is full"):
            sustained(mine, None, now=NOW)
    after = sha256_tree(tmp_path)
    assert {name: after[name] for name in before} == before and not (tmp_path / "mine-20260301.yaml").exists()
    document = sustained(mine, None, now=LATER)
    kept = [one["name"] for one in document["steps"] if one["kept"]]
    assert kept == STEPS[:{"measured": 1, "artifacts": 5, "candidate": 6}[step]]
    assert document["candidate"] == Path("mine-20260301.yaml")


def test_a_candidate_is_never_written_over_another_manifest(mine, tmp_path):
    """What somebody wrote under that name stays, and the cycle says so."""
    (tmp_path / "mine-20260301.yaml").write_text("release: somebody-elses")
    with pytest.raises(InputError, match="another manifest has the candidate's name"):
        sustained(mine, None, now=NOW)
    assert (tmp_path / "mine-20260301.yaml").read_text() == "release: somebody-elses"


def test_one_cycle_leaves_the_same_bytes_twice(mine, tmp_path):
    """Data, manifest and time given, everything that a cycle writes repeats."""
    sustained(mine, Path("one"), now=NOW)
    again = sha256_tree(tmp_path / "one")
    sustained(mine, Path("one"), now=NOW, anew=True)
    assert sha256_tree(tmp_path / "one") == again


def test_live_parts_are_built_from_today_and_kept_apart(tmp_path, monkeypatch):
    """The candidate's artifacts lie in the cycle's folder; new parts are named; the release's own are not touched."""
    from harness.release.observing import frozen

    monkeypatch.chdir(tmp_path)
    policy = "[{measure: RR, task: search, at_least: 0.1}, {measure: delta RR, task: search, by: lcb, at_least: -1}]"
    small(tmp_path, parts="{encoder: {dims: 48}, index: {impl: flat}}", name="old")
    small(tmp_path, parts="{encoder: {dims: 48}, index: {nlist: 3}}")
    text = (tmp_path / "small.yaml").read_text().replace(EASY, policy)
    (tmp_path / "small.yaml").write_text(text.replace("release: small\n", "release: small\nbaseline: old\n"))
    frozen(load_manifest("small.yaml"), tell=lambda _: None)
    before = sha256_tree(tmp_path / "artifacts")
    document = sustained(Path("small.yaml"), None, now=NOW)
    assert sha256_tree(tmp_path / "artifacts") == before
    assert "nothing came, went or changed" in said(document, "refresh")["said"]
    assert said(document, "artifacts")["parts"] == []
    with (tmp_path / "beir" / "corpus.jsonl").open("a") as stream:
        stream.write(json.dumps({"_id": "new-1", "title": "New", "text": "a document that came"}) + "\n")
    document = sustained(Path("small.yaml"), None, now=LATER)
    assert "documents moved" in said(document, "refresh")["said"]
    assert {"encoder", "index", "world"} <= set(said(document, "artifacts")["parts"])
    assert sha256_tree(tmp_path / "artifacts") == before


def test_the_verb_tells_each_step_and_what_comes_next(mine, capsys):
    """A line a step, the rows that did not pass, and the gates as the next thing to do; --json is one document."""
    code, out, _ = run(capsys, "sustain", mine)
    assert code == Exit.PASSED and "Nothing is signed. The gates decide: signoff gates mine-" in out
    assert all(f"{name}: " in out for name in STEPS) and "REFUSE all-P@1-value" in out
    code, out, _ = run(capsys, "sustain", mine, "--json", "--out", "other")
    assert (code, [one["name"] for one in json.loads(out)["steps"]]) == (0, STEPS)


def test_a_schedule_is_printed_and_nothing_is_run(mine, tmp_path, capsys):
    """--every gives the lines for cron and CI, and leaves no file."""
    before = sha256_tree(tmp_path)
    code, out, _ = run(capsys, "sustain", mine, "--every", "6w")
    assert (code, sha256_tree(tmp_path) == before) == (0, True)
    assert r"[ $(( $(date +\%s) / 604800 \% 6 )) -eq 0 ] && signoff sustain mine.yaml" in out and "schedule:" in out
    assert json.loads(run(capsys, "sustain", mine, "--every", "6w", "--json")[1])["cron"].startswith("0 3 * * 1")
    code, _, err = run(capsys, "sustain", mine, "--every", "six weeks")
    assert (code, err.count("\n")) == (Exit.USAGE, 1)


def test_every_family_of_measures_belongs_to_a_step_or_to_the_gates():
    """A study that is added is measured by a step of the cycle; none is forgotten because nobody named it."""
    from harness.release.measures import EXAMPLES, PROPERTIES, family_of

    gates_own = {"latency", "index", "integrity", "hygiene", "regressions", "readiness", "governed", PROPERTIES}
    steps = {*sustaining.AUDIT, *sustaining.COVERAGE, *sustaining.GATING, *sustaining.QUALITY}
    assert {family_of(name) for name in EXAMPLES} - gates_own <= steps
