"""What is measured under stress: signs that can fail, languages one by one, tables of a user's own, and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fixtures.stressed import stressed_of
from fixtures.trials import sound
from harness.defects.owners import named, owner
from harness.errors import InputError
from harness.release.judge import Finding, Reading, Verdict
from harness.release.manifest import load_manifest
from harness.release.measures import read
from harness.release.measures.stressed import EXAMPLES, STUDY
from harness.release.observed import Trial
from harness.release.observing import observe
from harness.release.policy import Check, Limit
from harness.release.studied.stress_figures import mean_of, stability_of
from harness.release.studied.stress_file import FILE, read_stress, stress_rows, write_stress
from harness.release.studied.stress_rows import MEASURED, StressObserved, joined_rows
from harness.release.studied.stressed import recorded, stress_of
from tests.defects.gating import found
from tests.gates.recorded import checkout

FEW = sound(queries=20)
WORLDS = 300
LIMITS = {"stress Jaccard@10": Limit("at_least", 0.8, "lcb"), "stress loss nDCG@10": Limit("at_most", 0.05, "ucb"),
          "stress sign consistency": Limit("at_least", 0.9, "lcb"),
          "stress sign stability": Limit("at_least", 0.9, "value")}


def check(measure: str, on: str = "all", task: str | None = None) -> Check:
    return Check("gate", measure, task, on, LIMITS.get(measure, Limit("at_least", 0.0, "lcb")))


def of(record: StressObserved) -> Trial:
    return FEW.with_study(STUDY, record)


def reading(record: StressObserved, measure: str, on: str = "all", task: str | None = None) -> Reading:
    return read(of(record), check(measure, on, task))


def judged(record: StressObserved, measure: str, on: str = "all") -> Finding:
    return found(check(measure, on), of(record), owner(measure))


# signs


def barely_changed(n: int = 400) -> StressObserved:
    """A release that differs from its baseline on one query in fifty, and there by the same on both texts."""
    record = stressed_of(queries=n)
    moved = np.array([name.endswith(("00", "50")) for name in record.queries.tolist()])
    shift = np.where(moved, 0.2, 0.0)
    return replace(record, plain=np.full(len(record), 0.5), stressed=np.full(len(record), 0.5),
                   baseline_plain=0.5 - shift, baseline_stressed=0.5 - shift)


def test_not_contradicting_cannot_fail_where_little_was_changed_and_material_signs_can():
    """With every sign turned round 98 % of all pairs still do not contradict; of the material ones none agree."""
    flipped = named("sign_flips").plant(of(barely_changed()), 1.0)
    found = read(flipped, check("stress sign consistency", "typo"))
    assert found.details["not contradicting"] == pytest.approx(0.98) and found.estimate.value == 0.0
    assert found.details["agree where moved"] == 0.0 and found.estimate.n == 16


def test_signs_of_few_material_pairs_are_doubted_and_of_none_not_measured():
    """Sixteen pairs that all agree bound no 90 %; a release that is its baseline has no sign to keep."""
    few = judged(barely_changed(), "stress sign consistency", "typo")
    assert few.verdict is Verdict.INCONCLUSIVE and few.reading.estimate.value == 1.0
    same = stressed_of(queries=40)
    same = replace(same, baseline_plain=same.plain, baseline_stressed=same.stressed)
    for measure in ("stress sign consistency", "stress sign stability"):
        nothing = judged(same, measure)
        assert nothing.verdict is Verdict.INCONCLUSIVE and np.isnan(nothing.reading.estimate.value)


def test_chance_is_what_shuffled_pairs_give():
    """The share told beside agrees with dealing the perturbed differences out at random, a thousand times."""
    record = stressed_of()
    rows = record.rows("typo")
    told = reading(record, "stress sign consistency", "typo").details["agree by chance"]
    plain, stressed = (np.sign(one[rows]) for one in record.deltas)
    rng = np.random.default_rng(3)
    assert told == pytest.approx(np.mean([(plain == rng.permutation(stressed)).mean() for _ in range(1000)]), abs=2e-3)


def test_clusters_that_move_together_widen_the_interval_of_signs():
    """One module that turns round whole is worth less than as many queries all over the place."""
    record = stressed_of()
    plain = record.deltas[0]
    whole = np.isin(record.clusters, ["module000", "module001", "module002"])
    spread = np.arange(len(record)) % 10 == 0
    widths = []
    for turned in (whole, spread):
        now = record.stressed - np.where(turned, -np.sign(plain), np.sign(plain)) * 0.15
        one = reading(replace(record, baseline_stressed=now), "stress sign consistency", "typo").estimate
        assert one.value == pytest.approx(0.9, abs=0.01)
        widths.append(one.high - one.low)
    assert widths[0] > 1.5 * widths[1]


def test_a_gain_that_turns_round_on_perturbed_texts_loses_its_stability():
    """Sound it keeps its sign on every resample; traded for the baseline on none; gone to nothing on about half."""
    record = stressed_of()
    rows, rng = record.rows("typo"), np.random.default_rng(1)
    assert stability_of(record, rows, confidence=0.9, rng=rng).value == 1.0
    turned = read(named("gain_turns_round").plant(of(record), 1.0), check("stress sign stability", "typo"))
    assert turned.estimate.value == 0.0
    noise = record.stressed - np.random.default_rng(5).choice([-0.1, 0.1], len(record))
    gone = stability_of(replace(record, baseline_stressed=noise), rows, confidence=0.9, rng=rng)
    assert 0.02 < gone.value < 0.98


# languages


def test_the_worst_of_many_sound_languages_is_rarely_refused_and_uncorrected_often():
    """Six languages exactly at the limit: refused in at most one world of twenty; the uncorrected twin in far more."""
    rng = np.random.default_rng(11)
    modules = np.array([f"m{row // 10}" for row in range(200)], dtype=object)
    refused = {"corrected": 0, "twin": 0}
    for _ in range(WORLDS):
        deltas = [rng.choice([-0.3, 0.0, 0.0, 0.3], size=200) for _ in range(6)]
        for name, confidence in (("corrected", 1.0 - 0.1 / 6), ("twin", 0.9)):
            highs = [mean_of(one, modules, confidence=confidence, signed=True).high for one in deltas]
            refused[name] += min(highs) < 0.0
    limit = binom.isf(1e-6, WORLDS, 0.05)
    assert refused["corrected"] <= limit < refused["twin"], refused


def test_the_measure_corrects_for_its_languages():
    """Its upper end is that of the worst language at a third of the error, its lower end is each one's own."""
    record = stressed_of()
    found = reading(record, "language delta nDCG@10").estimate
    alone = [reading(record, "language delta nDCG@10", f"language={one}").estimate for one in ("de", "en", "fr")]
    assert found.low == min(one.low for one in alone) and found.value == min(one.value for one in alone)
    assert found.high > min(one.high for one in alone)


@pytest.mark.parametrize("on", ["typo", "language=xx", "langauge=de"])
def test_a_slice_that_is_no_language_is_told(on):
    """`typo` would read as a language; a misspelt one names the nearest."""
    with pytest.raises(InputError, match=r"no such slice; expected one of all, language=de, language=en, language=fr"):
        reading(stressed_of(queries=40), "language delta nDCG@10", on)


# slices


def test_what_is_asked_as_it_is_agrees_with_itself_and_is_left_out():
    """Long queries as they are have a delta, but no overlap, loss or sign of their own."""
    record = stressed_of(queries=200)
    assert reading(record, "stress delta nDCG@10", "long").estimate.n == 400
    assert reading(record, "stress Jaccard@10", "long").estimate.n == 200
    for measure in ("stress Jaccard@10", "stress loss nDCG@10", "stress sign consistency"):
        assert judged(record, measure, "long=own").verdict is Verdict.INCONCLUSIVE


def test_slices_are_kinds_families_and_the_queries_own():
    """`typo` is all its sorts; `hard` the altered rows of hard queries; `all` every altered row."""
    record = stressed_of(queries=40)
    counts = {on: int(record.rows(on).sum()) for on in ("typo", "typo=transposition", "hard", "all", "language")}
    assert counts == {"typo": 80, "typo=transposition": 40, "hard": 100, "all": 200, "language": 120}


@pytest.mark.parametrize(("on", "task", "line"), [
    ("typos", None, r"no such slice; .*\(nearest: typo\)"), ("typo", "serach", r"no such task .*\(nearest: search\)")])
def test_unknown_slices_and_tasks_are_one_line(on, task, line):
    """With the nearest there is."""
    with pytest.raises(InputError, match=line):
        reading(stressed_of(queries=20), "stress Jaccard@10", on, task)


@pytest.mark.parametrize("measure", ["stress delta nDCG@10", "stress sign consistency", "stress sign stability",
                                     "language delta nDCG@10"])
def test_a_delta_without_a_baseline_is_told(measure):
    """Nothing to compare with is no difference of 0; overlap and loss need no baseline."""
    alone = replace(stressed_of(queries=20), baseline_stressed=np.full(180, np.nan))
    with pytest.raises(InputError, match="a delta needs a baseline"):
        reading(alone, measure)
    assert reading(alone, "stress Jaccard@10").estimate.n == 100


@pytest.mark.parametrize("measure", EXAMPLES)
def test_without_the_study_nothing_is_measured(measure):
    """No record is an error, never a pass."""
    with pytest.raises(InputError, match="the study was not made"):
        read(FEW, check(measure))


# the report


def test_the_report_holds_what_the_gates_read(tmp_path):
    """Written twice it has the same bytes, and a figure in it is the measure's own to the bit."""
    record = stressed_of(queries=60)
    raw = [write_stress(tmp_path, record).read_bytes() for _ in range(2)]
    rows = {row[1:3]: row for row in read_stress(tmp_path / FILE)}
    assert raw[0] == raw[1] and len(rows) == len(stress_rows(record))
    for measure in ("stress Jaccard@10", "stress delta nDCG@10", "stress loss nDCG@10", "stress sign consistency"):
        one, gate = rows["typo", measure], reading(record, measure, "typo").estimate
        assert (one.n, one.value, one.low, one.high) == (gate.n, gate.value, gate.low, gate.high)
    assert ("long=own", "stress Jaccard@10") not in rows and ("language=de", "stress delta nDCG@10") in rows


@pytest.mark.parametrize(("old", "new", "line"), [
    ("task,kind", "task,sort", "another header"),
    ("stress Jaccard@10", "stress Jaccard@9", r"row 2?\d+, column measure: no such measure"),
    (",120,", ",-3,", "column n: not a count"),
    (",120,", ",120,9", "out of bounds|not a row"),
    (",120,0.", ",120,nan", "column value: out of bounds"),
])
def test_a_report_that_was_touched_is_not_believed(old, new, line, tmp_path):
    """Header, measure, count and numbers: by row and column."""
    path = write_stress(tmp_path, stressed_of(queries=60))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=line):
        read_stress(path)


def test_a_report_without_rows_or_with_one_twice_is_not_believed(tmp_path):
    """Nothing measured is no report."""
    path = write_stress(tmp_path, stressed_of(queries=60))
    head, first, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(head, encoding="utf-8")
    with pytest.raises(InputError, match="no rows"):
        read_stress(path)
    path.write_text("".join([head, first, first, *rest]), encoding="utf-8")
    with pytest.raises(InputError, match="row 3: the same row twice"):
        read_stress(path)


# a table of one's own


def frame() -> pd.DataFrame:
    """The sound record as a user's table."""
    record = stressed_of(queries=60)
    return pd.DataFrame({"query_id": record.queries, "task": record.tasks, "cluster": record.clusters,
                         "kind": record.kinds, **{name: getattr(record, name) for name in MEASURED}})


def test_a_table_of_ones_own_is_measured_as_the_record_it_came_from():
    """Every measure reads the same; edits are told by the kinds."""
    record, again = replace(stressed_of(queries=60), slices={}), stress_of(frame())
    assert again.edits.tolist() == record.edits.tolist()
    for measure in EXAMPLES:
        assert reading(again, measure).estimate == reading(record, measure).estimate


def test_a_table_needs_five_columns():
    """Task, cluster, edits, baseline and what was lost may be left out: each query is then its own cluster."""
    again = stress_of(frame()[["query_id", "kind", "plain", "stressed", "overlap"]])
    assert set(again.tasks) == {"default"} and again.clusters.tolist() == again.queries.tolist()
    assert judged(again, "stress Jaccard@10", "typo").verdict is Verdict.PASS


@pytest.mark.parametrize(("change", "line"), [
    (lambda rows: rows.drop(columns="overlap"), "column overlap: no such column"),
    (lambda rows: rows.assign(stresed=0.5), r"unknown column; .* found 'stresed' \(nearest: stressed\)"),
    (lambda rows: rows.drop(columns="baseline_plain"), "half a baseline"),
    (lambda rows: rows.assign(plain=1.5), "row 1, column plain: out of range"),
    (lambda rows: rows.assign(stressed=np.nan), "row 1, column stressed: out of range"),
    (lambda rows: rows.assign(baseline_plain=np.inf), "row 1, column baseline_plain: out of range"),
    (lambda rows: rows.assign(overlap="high"), "column overlap: not numbers"),
    (lambda rows: rows.assign(kind="a typo"), "row 1, column kind: not a kind of perturbation"),
    (lambda rows: rows.assign(kind=None), "row 1, column kind: empty name"),
    (lambda rows: rows.assign(edits=-1), "row 1, column edits: not a count"),
    (lambda rows: rows.iloc[:0], "no rows"),
    (lambda rows: rows.iloc[[0, 1, 2, 1]], "row 4: a query stands twice under one perturbation; .* as in row 2"),
    (lambda rows: pd.concat([rows, rows]), "a query stands twice"),
])
def test_a_table_that_cannot_be_read_is_one_line(change, line):
    """Row and column, and what was expected."""
    with pytest.raises(InputError, match=line):
        stress_of(change(frame()))


def test_recorded_files_are_judged_by_the_table_of_the_manifest(tmp_path, monkeypatch):
    """Read where the manifest says, reported beside the artifacts, held to the limit; without a table it is told."""
    monkeypatch.chdir(tmp_path)
    frame().to_parquet(tmp_path / "stress.parquet", index=False)
    path = checkout(tmp_path, {"measure": "stress Jaccard@10", "by": "lcb", "at_least": 0.8, "slices": ["typo"]})
    with pytest.raises(InputError, match=r"studies.stressed.table: no table of perturbed queries"):
        recorded(load_manifest(path), lambda _: None)
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"studies": {"stressed": {"table": {"parquet": "stress.parquet"}}}}))
    trial = observe(load_manifest(path))
    assert "stress.parquet" in " ".join(trial.candidate.files)
    assert read(trial, check("stress Jaccard@10", "typo")).estimate.low > 0.9
    assert read_stress(Path("artifacts") / "mine" / FILE)
    path.write_text(json.dumps(told | {"studies": {"stressed": {"table": {"trec": "stress.run"}}}}))
    with pytest.raises(InputError, match="is a table: parquet, csv or jsonl"):
        load_manifest(path)


def test_a_slice_that_the_table_has_not_is_told_by_manifest_and_gate(tmp_path, monkeypatch):
    """Before a report is written; the nearest is named."""
    monkeypatch.chdir(tmp_path)
    frame().to_parquet(tmp_path / "stress.parquet", index=False)
    path = checkout(tmp_path, {"measure": "stress Jaccard@10", "by": "lcb", "at_least": 0.8, "slices": ["typos"]})
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"studies": {"stressed": {"table": {"parquet": "stress.parquet"}}}}))
    with pytest.raises(InputError, match=rf"{path.name}, gate .*typos.*: no such slice.*\(nearest: typo\)"):
        recorded(load_manifest(path), lambda _: None)
    assert not (tmp_path / "artifacts" / "mine" / FILE).exists()


def test_parts_are_joined_and_none_is_told():
    """Slices that a part lacks hold none of its rows."""
    one, two = stressed_of(queries=20), replace(stressed_of(queries=30), slices={})
    both = joined_rows([one, two])
    assert len(both) == 450 and int(both.slices["hard"].sum()) == int(one.slices["hard"].sum())
    with pytest.raises(InputError, match="nothing was put under stress"):
        joined_rows([])
