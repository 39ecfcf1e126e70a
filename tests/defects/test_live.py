"""Defects done to real parts, observed as any release is: the gate that owns each refuses what was broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from harness.defects.catalogue import caught
from harness.defects.live import LIVE, plant_live
from harness.defects.owners import DEFECTS, named
from harness.errors import InputError
from harness.release.build import Built
from harness.release.judge import Finding, Verdict
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded
from harness.release.observed import IntegrityObserved, Trial
from harness.release.observing import observe, observe_release
from harness.release.policy import Check, Limit
from harness.release.replay import rankings_digest
from tests.defects.gating import found
from tests.release.small import DENSE, FULL, served, small, unrepeated

POLICY = ("[{measure: nDCG@10, at_least: 0.1}, {measure: agreement@10, at_least: 0.5}]")
# Live defect → the measure of the gate that must refuse it, and a limit that the sound release clears.
GATES = {
    "under_probed": ("agreement@10", "at_least", 0.95), "unnormalised_embeddings": ("norm error", "at_most", 0.001),
    "ids_shuffled": ("nDCG@10", "at_least", 0.35), "stale_index": ("ids missing", "at_most", 0.0),
    "ids_doubled": ("ids doubled", "at_most", 0.0), "one_cell_swallows": ("largest cell share", "at_most", 0.8),
    "reranker_weights_permuted": ("lift nDCG@10", "at_least", -0.05),
    "seed_drift": ("replay differences", "at_most", 0.0), "leaked_judgements": ("leaked judgements", "at_most", 0.0),
}  # fmt: skip
SHARED = pytest.mark.slow


class Bench(NamedTuple):
    """A small release with its parts, and what is known of it as it was built."""

    loaded: Loaded
    built: Built
    release: LiveRelease
    sound: Trial

    def trial(self, release: LiveRelease) -> Trial:
        """The release, observed through the real path; its rankings beside those of the one that was built."""
        observed = observe_release(release, self.loaded, self.built)
        digests = {"this process": rankings_digest(observed), "another process": self.digest}
        facts = IntegrityObserved({}, {}, {}, digests)
        return Trial(replace(observed, integrity=facts), None, self.loaded.manifest.seed)

    @property
    def digest(self) -> str:
        """Of the rankings as built."""
        return rankings_digest(self.sound.candidate)

    def gate(self, name: str, trial: Trial) -> Finding:
        """What the defect's gate says of a trial, proven on the defect in the sound one's records."""
        measure, direction, bound = GATES[name]
        row = Check(measure, measure, None, "all", Limit(direction, bound, "value"))
        return found(row, self.sound, named(name), now=trial)


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    folder = tmp_path_factory.mktemp("live")
    loaded = small(folder, FULL, POLICY)
    built, release = served(loaded, folder)
    observed = observe_release(release, loaded, built)
    bare = Bench(loaded, built, release, Trial(observed, None, loaded.manifest.seed))
    return bare._replace(sound=bare.trial(release))


def test_every_live_defect_is_one_of_the_catalogue():
    """The same names, so that the same gates own them, and each has its row here."""
    assert set(LIVE) <= set(DEFECTS) and set(LIVE) == set(GATES)
    assert all(named(name).caught_by(GATES[name][0]) for name in LIVE)


@SHARED
@pytest.mark.parametrize("name", [name for name in LIVE if name != "ids_doubled"])
def test_what_is_broken_in_the_parts_is_caught_by_its_gate(name, bench):
    """As built it passes; broken, run and observed again, it is refused for the number that the defect moves."""
    before = bench.gate(name, bench.sound)
    assert before.verdict is Verdict.PASS, before.reason
    finding = bench.gate(name, bench.trial(plant_live(name, bench.release, named(name).grades[-1])))
    assert caught(named(name), finding, sound=before), (finding.verdict, finding.reason)


@SHARED
def test_a_doubled_index_is_caught_where_nothing_reranks(bench):
    """By its own gate, and by the one that counts doubled hits; the same without the doubles passes both."""
    first = replace(bench.release, second=None)
    sound, broken = bench.trial(first), bench.trial(plant_live("ids_doubled", first, 0.5))
    for name, measure in (("ids_doubled", "ids doubled"), ("hits_duplicated", "duplicated hits")):
        row = Check(measure, measure, None, "all", Limit("at_most", 0.0, "value"))
        before, after = found(row, sound, named(name)), found(row, sound, named(name), now=broken)
        assert caught(named(name), after, sound=before), (before.reason, after.reason)


@SHARED
def test_a_doubled_index_never_reaches_a_reranker_s_gates(bench):
    """The second stage refuses a candidate that comes twice: one line, no finding, nothing to sign."""
    with pytest.raises(InputError, match="candidate codes are wrong; expected distinct codes"):
        bench.trial(plant_live("ids_doubled", bench.release, 0.5))


@SHARED
def test_breaking_leaves_the_release_as_it_was(bench):
    """After all of them were planted, the release ranks as before."""
    for name in LIVE:
        plant_live(name, bench.release, 1.0)
    assert rankings_digest(observe_release(bench.release, bench.loaded, bench.built)) == bench.digest


@SHARED
def test_a_leak_is_found_by_the_query_s_words(bench):
    """A judged query that was taught under another name is a leak; half of them leak half."""
    half, whole = (bench.gate("leaked_judgements", bench.trial(plant_live("leaked_judgements", bench.release, share)))
                   for share in (0.5, 1.0))
    number = whole.reading.estimate
    assert number.value == number.n > 0 and 0.3 < half.reading.estimate.value / number.n < 0.7


@SHARED
def test_another_seed_breaks_other_documents(bench):
    """Two seeds leave out two sets; the same seed the same."""
    lost = [plant_live("stale_index", bench.release, 0.2, seed).first.index.ids.tolist() for seed in (1, 1, 2)]
    assert lost[0] == lost[1] != lost[2]


@SHARED
def test_a_run_manifest_of_another_run_is_seen_where_files_are_frozen(tmp_path, monkeypatch):
    """The seed edited in the frozen file after the freeze: config drift counts it, and names it."""
    monkeypatch.chdir(tmp_path)

    def meddle(what: str) -> None:
        path = Path("artifacts/small/run_manifest.json")
        if what.startswith("running"):
            path.write_text(json.dumps(json.loads(path.read_bytes()) | {"seed": 8}), encoding="utf-8")

    unrepeated(monkeypatch)
    loaded = small(Path(), policy="[{measure: RR, at_least: 0.1}, {measure: config drift, at_most: 0}]")
    row, drifted = loaded.manifest.checks[1], observe(loaded, tell=meddle)
    facts = drifted.candidate.integrity
    assert facts is not None
    as_frozen = replace(facts, run_manifest=dict(facts.run_manifest) | {"seed": 7})
    sound = replace(drifted, candidate=replace(drifted.candidate, integrity=as_frozen))
    before, after = found(row, sound, named("seed_drift")), found(row, sound, named("seed_drift"), now=drifted)
    assert caught(named("seed_drift"), after, sound=before) and after.reading.note == "seed"


@SHARED
def test_the_baseline_under_the_candidate_s_name_is_seen_by_its_files(tmp_path, monkeypatch):
    """The same parts under two names: 1. With a reranker of its own: 0."""
    monkeypatch.chdir(tmp_path)
    rows = "[{measure: RR, at_least: 0.1}, {measure: same as baseline, at_most: 0}]"
    small(Path(), DENSE, name="plain")
    row = small(Path(), DENSE, rows, more="baseline: plain\n").manifest.checks[1]
    same = observe(small(Path(), DENSE, rows, more="baseline: plain\n"))
    other = observe(small(Path(), FULL, rows, more="baseline: plain\n"))
    defect = named("baseline_resubmitted")
    before, after = found(row, other, defect), found(row, other, defect, now=same)
    assert before.verdict is Verdict.PASS and caught(defect, after, sound=before)
    assert "files are those of plain" in after.reading.note


@SHARED
@pytest.mark.parametrize(("name", "parts", "told"), [
    ("under_probed", "{index: {impl: flat}, encoder: {dims: 16}}", "no cells to break; expected an ivf index"),
    ("stale_index", "{retriever: {impl: bm25}}", "no index to break"),
    ("seed_drift", DENSE, "no reranker to break"), ("leaked_judgements", DENSE, "no reranker to break"),
])  # fmt: skip
def test_a_release_without_the_part_cannot_be_broken_there(name, parts, told, tmp_path):
    """One line that names the defect and what was expected."""
    release = served(small(tmp_path, parts), tmp_path)[1]
    with pytest.raises(InputError, match=f"defect {name}.*{told}|{told}"):
        plant_live(name, release, 1.0)


def test_an_unknown_name_or_severity_is_told():
    """With the nearest name, with the range."""
    with pytest.raises(InputError, match=r"no such live defect; .* \(nearest: stale_index\)"):
        plant_live("stale_indx", None, 1.0)
    with pytest.raises(InputError, match="severity out of range"):
        plant_live("stale_index", None, np.nan)
