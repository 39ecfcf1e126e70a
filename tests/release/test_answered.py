"""What is measured of answers: bounds that hold, comparisons that are paired, tables of a user's own."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fixtures.answered import answered_of, answers_table
from fixtures.trials import sound
from harness.defects.owners import named, owner
from harness.errors import InputError
from harness.release.evidence import stable_digest
from harness.release.judge import Finding, Reading, Verdict
from harness.release.manifest import load_manifest
from harness.release.measures import family_of, read
from harness.release.measures.answered import COLUMNS, EXAMPLES, STUDY
from harness.release.observed import Trial
from harness.release.observing import observe
from harness.release.policy import Check, Limit
from harness.release.studied.answered import beside, recorded
from harness.release.studied.answers_file import FILE, read_answers, read_written, write_answers
from harness.release.studied.answers_rows import AnswersObserved
from harness.release.studied.answers_table import AnsweredRow, record_of, rows_of
from harness.release.study_options import ANSWER_DELTAS
from tests.data.test_rag_results import FILES
from tests.defects.gating import LIMITS, equal, found
from tests.gates.recorded import checkout

FEW = sound(queries=20)
WORLDS = 400


def check(measure: str, on: str = "all") -> Check:
    return Check("gate", measure, None, on, Limit(*LIMITS[measure]))


def of(record: AnswersObserved) -> Trial:
    return FEW.with_study(STUDY, record)


def reading(record: AnswersObserved, measure: str, on: str = "all") -> Reading:
    return read(of(record), check(measure, on))


def judged(record: AnswersObserved, measure: str) -> Finding:
    return found(check(measure), of(record), owner(measure))


# figures


def test_a_reader_that_is_its_baseline_differs_by_nothing():
    """Delta 0, ratios 1, and each interval holds them."""
    same = answered_of()
    same = replace(same, baseline=replace(same, baseline=None))
    for measure in EXAMPLES:
        if measure.startswith("delta ") or "ratio" in measure:
            one = reading(same, measure).estimate
            assert one.value == pytest.approx(1.0 if "ratio" in measure else 0.0), measure
            assert one.low <= one.value <= one.high and one.low < one.high, measure


def test_a_ratio_of_percentiles_is_that_of_the_percentiles():
    """Every answer 1.3 times as slow is 1.3 at the p95, and a throughput of one over it."""
    record = answered_of()
    slow = replace(record, total_ms=1.3 * record.against.total_ms)
    assert reading(slow, "answer p95 ratio").estimate.value == pytest.approx(1.3)
    assert reading(slow, "answer throughput ratio").estimate.value == pytest.approx(1 / 1.3)
    assert judged(slow, "answer p95 ratio").verdict is Verdict.REFUSE
    assert judged(slow, "answer throughput ratio").verdict is Verdict.REFUSE


def test_ratios_miss_as_rarely_as_they_promise_and_halved_ones_do_not():
    """Over worlds with a known ratio both ends miss within their level; the twin of half the width is caught."""
    rng, n, misses = np.random.default_rng(5), 300, {"p95": 0, "throughput": 0, "halved p95": 0, "halved throughput": 0}
    one = answered_of(questions=n)
    for _ in range(WORLDS):
        shared = rng.lognormal(0.0, 0.3, n)
        record = replace(one, total_ms=1.1 * shared * rng.lognormal(0.0, 0.1, n),
                         baseline=replace(one.against, total_ms=shared * rng.lognormal(0.0, 0.1, n)))
        for name, truth in (("p95", 1.1), ("throughput", 1 / 1.1)):
            value, low, high = reading(record, f"answer {name} ratio").estimate[:3]
            misses[name] += not low <= truth <= high
            misses[f"halved {name}"] += not (value + low) / 2 <= truth <= (value + high) / 2
    limit = binom.isf(1e-6, WORLDS, 0.1)
    assert max(misses["p95"], misses["throughput"]) <= limit, misses
    assert min(misses["halved p95"], misses["halved throughput"]) > limit, misses


def test_no_retry_among_few_calls_bounds_nothing_small():
    """Of 100 questions none was repeated: that allows three in a hundred, not one."""
    few = judged(answered_of(questions=100), "retry share")
    assert few.verdict is Verdict.INCONCLUSIVE and few.reading.estimate.value == 0.0
    assert judged(answered_of(questions=300), "retry share").verdict is Verdict.PASS


def test_retries_of_one_question_do_not_count_as_many_questions():
    """Six retries of one call widen the bound beyond that of six calls repeated once."""
    record = answered_of()
    calls = np.ones(len(record))
    burst, spread = np.zeros(len(record)), np.zeros(len(record))
    burst[0], spread[:6] = 6.0, 1.0
    ends = [reading(replace(record, calls=calls + x, retries=x), "retry share").estimate.high for x in (burst, spread)]
    assert ends[0] > ends[1] > 6 / 606


def test_one_time_out_is_refused():
    """Zero means zero."""
    record = answered_of()
    assert judged(record, "hard time-outs").verdict is Verdict.PASS
    cut = replace(record, timed_out=np.eye(1, len(record), 7)[0])
    assert judged(cut, "hard time-outs").verdict is Verdict.REFUSE


def test_percentiles_of_few_answers_bound_nothing():
    """Fifty-eight answers hold no upper end of a p95."""
    for measure in ("p95 answer_ms", "embedding ms"):
        assert judged(answered_of(questions=58), measure).verdict is Verdict.INCONCLUSIVE
        assert judged(answered_of(questions=59), measure).verdict is Verdict.PASS


def test_a_gain_of_a_few_questions_is_no_gain_yet():
    """A lower bound of a delta passes from 200 questions."""
    assert judged(answered_of(questions=190), "delta answer F1").verdict is Verdict.INCONCLUSIVE
    assert judged(answered_of(questions=200), "delta answer F1").verdict is Verdict.PASS


def test_what_a_clock_decides_is_no_part_of_what_must_repeat():
    """Times and their ratios may differ between two runs of one seed; nothing else that is measured of answers may."""
    record = answered_of()
    slower = replace(record, total_ms=1.01 * record.total_ms, embedding_ms=1.01 * record.embedding_ms)
    timed = {name for name in EXAMPLES if reading(record, name) != reading(slower, name)}
    assert timed == {"p95 answer_ms", "embedding ms", "answer p95 ratio", "answer throughput ratio"}
    for name in EXAMPLES:
        one, two = ({"measure": name, "estimate": reading(each, name).estimate._asdict()} for each in (record, slower))
        assert stable_digest([one]) == stable_digest([two]), name
    assert stable_digest([one]) != stable_digest([])


def test_the_answers_own_latency_is_no_stage_of_the_trace():
    """`p95 answer_ms` is of this family; any other stage is the trace's."""
    assert family_of("p95 answer_ms") == "answered" and family_of("p95 total_ms") == "latency"


# what is missing


@pytest.mark.parametrize("measure", EXAMPLES)
def test_without_the_study_nothing_is_measured(measure):
    """No record is an error, never a pass."""
    with pytest.raises(InputError, match="the study was not made"):
        read(FEW, check(measure))


@pytest.mark.parametrize("measure", [one for one in EXAMPLES if one.startswith("delta ") or "ratio" in one])
def test_a_comparison_needs_a_baseline(measure):
    """Nothing to compare with is no difference of 0."""
    with pytest.raises(InputError, match="a comparison needs a baseline"):
        reading(replace(answered_of(questions=20), baseline=None), measure)


@pytest.mark.parametrize("measure", EXAMPLES)
def test_a_column_with_a_gap_is_not_measured(measure):
    """One question without a number is an error that counts them: it is neither dropped nor a zero."""
    record = answered_of(questions=20)
    gap = np.where(np.arange(20) == 3, np.nan, 1.0)
    torn = replace(record, **dict.fromkeys((*COLUMNS.values(), "total_ms", "embedding_ms", "calls", "retries",
                                            "timed_out"), gap))
    with pytest.raises(InputError, match=r"was not measured; .* found '?1 of 20 without one"):
        reading(torn, measure)


@pytest.mark.parametrize(("measure", "on", "line"), [
    ("answer F1", "hrad", r"no such slice; .*\(nearest: hard\)"),
    ("p95 answer_ms", "hard", "is measured over all questions")])
def test_slices_that_are_none_are_told(measure, on, line):
    """Means have slices; what a machine took is taken over all."""
    with pytest.raises(InputError, match=line):
        reading(answered_of(questions=20), measure, on)
    assert reading(answered_of(questions=20), "answer F1", "hard").estimate.n == 10


def test_columns_and_sides_that_do_not_go_together_are_told():
    """Another length, other questions."""
    record = answered_of(questions=20)
    with pytest.raises(InputError, match="column f1: columns of different lengths"):
        replace(record, f1=record.f1[:3])
    with pytest.raises(InputError, match="answered different questions"):
        replace(record, baseline=answered_of(questions=10))


def test_unmeasured_columns_stay_unmeasured_under_a_defect():
    """A plant does not make a number of what nobody measured."""
    record = replace(answered_of(questions=20), faithfulness=np.full(20, np.nan))
    broken = named("cites_at_random").plant(of(record), 1.0).candidate.studies[STUDY]
    assert np.isnan(broken.faithfulness).all() and not broken.used_gold.any()


# tables


def test_a_table_of_ones_own_is_measured():
    """Token measures are counted, citations followed to documents, the pool looked through."""
    record = record_of(rows_of(answers_table()))
    assert record.recall.tolist() == [1.0] * 60 and record.precision.tolist() == [pytest.approx(0.5)] * 60
    assert record.hit.all() and record.used_gold.all() and record.rows("even").sum() == 30
    assert record.faithfulness.tolist() == [1.0] * 60
    wrong = record_of(rows_of([{**row, "cited": [f"d{at}#0"]} for at, row in enumerate(answers_table())]))
    assert not wrong.used_gold.any() and not wrong.faithfulness.any()


def test_three_columns_are_enough_for_token_measures():
    """Nothing else is measured then; without `cited` all that was shown counts as cited."""
    least = [{name: row[name] for name in ("query_id", "answer", "gold_answers")} for row in answers_table()]
    record = record_of(rows_of(least))
    assert judged(record, "answer F1").verdict is Verdict.PASS
    for measure in ("faithfulness", "reader_used_gold", "oracle_retrieval_hit_prefilter", "p95 answer_ms"):
        with pytest.raises(InputError, match="was not measured"):
            reading(record, measure)
    shown = [{**row, "passages": "It is the number of rows."} for row in least]
    assert np.nanmin(record_of(rows_of(shown)).faithfulness) == pytest.approx(2 / 3)


def test_scores_measured_elsewhere_are_taken_as_they_are():
    """In the place of token counts; a row without one is a gap, since a judge's share and tokens have no mean."""
    rows = [{**row, "faithfulness": 0.25} for row in answers_table(2)]
    assert record_of(rows_of(rows)).faithfulness.tolist() == [0.25, 0.25]
    with pytest.raises(InputError, match=r"column faithfulness: was not measured; .* found '?1 of 3 without one"):
        record_of(rows_of([*rows, answers_table(3)[2]])).column("faithfulness")


@pytest.mark.parametrize(("change", "line"), [
    ({"answr": "x"}, r"row 2, column answr: unknown key 'answr'; .*\(nearest: answer\)"),
    ({"answer": None}, "row 2, column answer: Field required"),
    ({"gold_answers": 3.5}, "row 2, column gold_answers: Input should be a valid tuple"),
    ({"total_ms": -1.0}, "row 2, column total_ms: Input should be greater than or equal to 0"),
    ({"faithfulness": 1.5}, "row 2, column faithfulness: Input should be less than or equal to 1"),
    ({"cited": ["d9#9"]}, "row 2: cites 'd9#9', which was not shown"),
    ({"passage_docs": ["other"]}, "row 2: passage_docs holds 1 of 2 passages"),
    ({"passage_ids": ["a", "a"], "cited": ["a"]}, "row 2: a passage id stands twice"),
    ({"retries": 2}, "row 2: more retries than calls"),
    ({"query_id": "q000"}, "row 2, column query_id: a question stands twice; .*q000 as in row 1"),
    ({"query_id": ""}, "row 2, column query_id: String should have at least 1 character"),
])
def test_a_row_that_cannot_be_is_one_line(change, line):
    """By row and column, with the nearest."""
    first, second = answers_table(2)
    with pytest.raises(InputError, match=line):
        rows_of([first, {**second, **change}])


def test_no_rows_are_told():
    """An empty table is no run."""
    with pytest.raises(InputError, match="no rows"):
        rows_of([])


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_table_reads_as_the_rows_it_was_written_from(kind, tmp_path):
    """JSON lines of ours, and Parquet of anyone's."""
    rows = rows_of(answers_table())
    if kind == "jsonl":
        write_answers(tmp_path, rows)
    else:
        pd.DataFrame(answers_table()).to_parquet(tmp_path / "answers.parquet", index=False)
    again = read_answers({kind: tmp_path / f"answers.{kind}"})
    assert again == rows and equal(record_of(again), record_of(rows))


def test_written_twice_it_has_the_same_bytes(tmp_path):
    """And without a row nothing is written."""
    raw = [write_answers(tmp_path, rows_of(answers_table())).read_bytes() for _ in range(2)]
    assert raw[0] == raw[1]
    with pytest.raises(InputError, match="no rows"):
        write_answers(tmp_path / "none", list[AnsweredRow]())
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("old", "new", "line"), [
    (b'"answers": 60', b'"answers": 61', "another number of answers; expected 61"),
    (b"The number 3", b"The number 4", "not the answers that were written"),
    (b'{"answers"', b'{"answer"', "row 1: not a file of answers"),
    (b"answer", b"answr", "not a file of answers"),
])
def test_a_written_file_that_was_touched_is_not_believed(old, new, line, tmp_path):
    """Its first line counts its rows and holds their digest."""
    path = write_answers(tmp_path, rows_of(answers_table()))
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(InputError, match=line):
        read_written(path)


def test_sides_are_paired_by_question():
    """Whatever their order; a question of one side alone is told."""
    rows, other = rows_of(answers_table()), rows_of(answers_table(good=False))
    record = beside(rows, other[::-1])
    assert record.against.query_ids.tolist() == record.query_ids.tolist()
    assert (record.f1 > record.against.f1).all()
    with pytest.raises(InputError, match=r"only one side answered; .* found '?q003"):
        beside(rows, [row for row in other if row.query_id != "q003"])


# recorded releases


def written(folder, *policy, **study):
    path = checkout(folder, *policy)
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"studies": {"answered": study}}), encoding="utf-8")
    return load_manifest(path)


GATE = {"measure": "answer F1", "by": "lcb", "at_least": 0.22}


def test_a_recorded_table_is_judged_and_kept(tmp_path, monkeypatch):
    """Read where the manifest says, its digest among the files, written beside the artifacts, baseline beside it."""
    monkeypatch.chdir(tmp_path)
    for name, good in (("new", True), ("old", False)):
        pd.DataFrame(answers_table(good=good)).to_json(tmp_path / f"{name}.jsonl", orient="records", lines=True)
    loaded = written(tmp_path, {**GATE, "slices": ["all", "even"]}, table={"jsonl": "new.jsonl"},
                     baseline={"jsonl": "old.jsonl"})
    trial = observe(loaded)
    assert {"new.jsonl", "old.jsonl"} <= trial.candidate.files.keys()
    assert read(trial, check("answer F1", "even")).estimate.n == 30
    assert read(trial, check("delta answer F1")).estimate.value == pytest.approx(1 / 3)
    kept = read_answers({"jsonl": tmp_path / "artifacts" / "mine" / FILE})
    assert equal(record_of(kept), replace(trial.candidate.studies[STUDY], baseline=None))


@pytest.mark.parametrize("kind", FILES)
def test_results_of_other_evaluators_are_judged(kind, tmp_path, monkeypatch):
    """Their answers by our tokens; by their own scores where the manifest says so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.json").write_text(json.dumps(FILES[kind]), encoding="utf-8")
    for scores, value in (("tokens", 0.5 if kind == "ragchecker" else 1.0), ("file", 0.75)):
        loaded = written(tmp_path, GATE, table={"jsonl": "theirs.json"}, written_by=kind, scores=scores)
        assert recorded(loaded, lambda _: None).faithfulness.tolist() == [value]


@pytest.mark.parametrize(("study", "line"), [
    ({}, "studies.answered.table: no table of answers"),
    ({"table": {"trec": "x"}}, "answers are a table: parquet, csv or jsonl"),
    ({"baseline": {"jsonl": "x"}}, "a baseline's answers go beside a table"),
    ({"table": {"jsonl": "x"}, "written_by": "ragass"}, "written_by"),
])
def test_a_manifest_without_readable_tables_is_told(study, line, tmp_path):
    """Before anything is written."""
    with pytest.raises(InputError, match=line):
        recorded(written(tmp_path, GATE, **study), lambda _: None)
    assert not (tmp_path / "artifacts").exists()


def test_a_slice_that_the_table_has_not_is_told_by_the_gate(tmp_path, monkeypatch):
    """With the nearest, before a file is written."""
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(answers_table()).to_json(tmp_path / "new.jsonl", orient="records", lines=True)
    loaded = written(tmp_path, {**GATE, "slices": ["evn"]}, table={"jsonl": "new.jsonl"})
    with pytest.raises(InputError, match=r"no such slice; .*\(nearest: even\)"):
        recorded(loaded, lambda _: None)
    assert not (tmp_path / "artifacts").exists()


def test_a_manifest_without_answers_keeps_its_digest(tmp_path):
    """The study's options are no part of a release that has none; said, they are."""
    bare = load_manifest(checkout(tmp_path, GATE)).manifest
    said = written(tmp_path, GATE, questions=100).manifest
    assert bare.config_hash != said.config_hash
    assert bare.config_hash == written(tmp_path, GATE).manifest.config_hash


def test_a_delta_of_answers_needs_their_baseline_and_no_other(tmp_path):
    """A second table is enough for what is measured of answers, and for nothing else."""
    assert set(ANSWER_DELTAS) == {one for one in EXAMPLES if one.startswith("delta ")}
    sides = {"table": {"jsonl": "new.jsonl"}, "baseline": {"jsonl": "old.jsonl"}}
    for measure, study, told in (("delta answer F1", sides, False), ("delta answer F1", {}, True),
                                 ("delta nDCG@10", sides, True)):
        path = checkout(tmp_path, {"measure": measure, "by": "lcb", "at_least": 0.0})
        value = json.loads(path.read_text(encoding="utf-8")) | {"studies": {"answered": study}}
        del value["recorded"]["baseline"]
        path.write_text(json.dumps(value), encoding="utf-8")
        if told:
            with pytest.raises(InputError, match="needs a baseline, and the manifest names none"):
                load_manifest(path)
        else:
            assert load_manifest(path).manifest.studies.answered.baseline is not None
