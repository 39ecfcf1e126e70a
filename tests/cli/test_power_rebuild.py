"""Rebuilds as no-ops: each gate judges what another seed made, and a rebuild that dies is no pass."""

from __future__ import annotations

import json

import pytest

from harness.cli.app import main
from harness.cli.power_rebuild import rebuilt, rebuilt_variants, shared_live
from harness.defects.power import GatePower
from harness.defects.power_pool import Job
from harness.defects.power_run import Study
from harness.defects.power_trials import Setting
from harness.release.judge import Verdict
from harness.release.live import LiveRelease
from harness.release.observing import frozen, observe
from harness.release.policy import Check
from tests.release.small import small, unrepeated

POLICY = ("[{measure: RR, at_least: 0.1}, {measure: ids missing, at_most: 0}, {measure: digest mismatches, at_most: 0},"
          " {measure: p95 total_ms, by: ucb, at_most: 500},"
          " {measure: violations of topk_prefix, at_most: 0}]")
DEFECT = {"RR": "answers_to_another_query", "ids missing": "stale_index", "digest mismatches": "changed_after_freeze",
          "p95 total_ms": "slow_tail", "violations of topk_prefix": "spoilt"}

pytestmark = pytest.mark.slow


@pytest.fixture
def release(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unrepeated(monkeypatch)
    return small(tmp_path, policy=POLICY)


def test_a_rebuild_is_another_release_that_every_gate_passes(release):
    """Under another seed it is built, frozen, run and timed; every kind of gate judges it, and passes it."""
    trial = observe(release)
    folders = frozen(release, tell=lambda _: None)[0].folders
    gates = [(check, DEFECT[check.measure]) for check in release.manifest.checks]
    places = {name: str(one) for name, one in folders.items()}
    verdicts, = rebuilt(Setting(trial, 1), str(release.path), places, gates, 5)
    assert verdicts == dict.fromkeys([check.id for check, _ in gates], Verdict.PASS)


def test_what_rebuilds_share_changes_no_answer(release):
    """Features read once for all rebuilds rank as those that a release loads for itself, to the last score."""
    built, _ = frozen(release, tell=lambda _: None)
    task = next(one for one in built.world.tasks.values() if one.contexts is None).judge()
    own = LiveRelease.load(release.manifest, built.world, built.folders).answer(task)
    shared = shared_live(release, built.folders).answer(task)
    assert own.before is not None and shared.before is not None
    for one, other in ((own.run, shared.run), (own.before, shared.before)):
        assert (one.docs[one.doc] == other.docs[other.doc]).all() and (one.score == other.score).all()
    assert not (own.run.docs[own.run.doc] == own.before.docs[own.before.doc]).all()


def test_gates_that_no_rebuild_is_observed_for_see_none(release):
    """Studies and pins are not made again, so that their gates neither pass nor crash on a rebuild."""
    names = ("RR", "pinned regressions", "replay differences")
    checks = {name: Check(name, name, None, "all", None) for name in names}
    studies = [Study(GatePower(name, name, "all", "", "some defect", "", 0.05, None, 9), (Job(print, ()),))
               for name in names]
    one, two = rebuilt_variants(release, studies, checks, {"index": release.folder}, seed=1, number=2)
    assert [check.id for check, _ in one.job.args[2]] == ["RR"] and one.job.args[3] != two.job.args[3]


def test_a_rebuild_that_dies_is_a_crash_of_every_gate(release):
    """Folders that are not there: None for each gate, which counts as a refusal of what is sound."""
    gates = [(check, DEFECT[check.measure]) for check in release.manifest.checks]
    verdicts, = rebuilt(Setting(None, 1), str(release.path), {"world": "nowhere"}, gates, 5)
    assert set(verdicts.values()) == {None}


def test_quick_builds_nothing_again_and_says_so(release, capsys):
    """--quick on a live release: no rebuilds among the no-ops, and a fact that tells it."""
    main(["power", str(release.path), "--quick", "--jobs", "1", "--gate", "all-RR-value", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert any("nothing was built again" in fact for fact in told["facts"])
    assert "rebuilt" not in told["gates"][0]["no_ops"]
