"""What averages hide, counted by hand: ties at the cut, doubled hits, scores that are no numbers, leaks, old files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.trials import judgements, ranking, sound, trial_of
from harness.data.task import FIT, JUDGE, Task
from harness.errors import InputError
from harness.estimate import Estimate
from harness.records import Qrels, Run
from harness.release.evidence import row_of, stable_digest
from harness.release.judge import Control, Reading, Verdict, judge
from harness.release.leaks import leaked
from harness.release.measures import read
from harness.release.observed import Observed, Trial
from harness.release.policy import Check, Limit


def measured(trial: Trial, measure: str, on: str = "all") -> Reading:
    return read(trial, Check(measure, measure, None, on, Limit("at_most", 0.0, "value")))


def told(trial: Trial, measure: str, on: str = "all") -> tuple[float, int, str]:
    reading = measured(trial, measure, on)
    assert reading.estimate.low == reading.estimate.value == reading.estimate.high
    return reading.estimate.value, reading.estimate.n, reading.note


def scored(rows: dict[str, list[tuple[str, float]]]) -> Run:
    flat = [(query, doc, score) for query, hits in rows.items() for doc, score in hits]
    return Run.of(*([row[place] for row in flat] for place in range(3)))


THREE = judgements({"q1": {"a": 1}, "q2": {"a": 1, "b": 0}, "q3": {"c": 2}})
RUN = scored({"q1": [("a", 3.0), ("b", 2.0), ("c", 2.0)], "q2": [("a", 2.0), ("b", 1.0)],
              "q3": [("a", 1.0), ("b", 1.0 - 1e-12), ("c", 0.5)]})  # fmt: skip


@pytest.mark.parametrize(("k", "value", "note"), [(1, 1 / 3, "q3"), (2, 1 / 3, "q1"), (3, 0.0, ""), (50, 0.0, "")])
def test_a_cut_between_equal_scores_is_counted_by_query(k, value, note):
    """Equal as float32, as trec_eval compares; a ranking that ends above the cut is not cut there."""
    assert told(trial_of(RUN, THREE), f"tied at cut@{k}") == (value, 3, note)


def test_ties_are_counted_on_a_slice_and_over_judged_queries_alone():
    """A query that nobody judged is not asked; a slice counts its own."""
    more = scored({"q1": [("a", 1.0), ("b", 1.0)], "stray": [("a", 1.0), ("b", 1.0)]})
    trial = trial_of(more, THREE, slices={"odd": np.array([False, True, True])})
    assert told(trial, "tied at cut@1") == (1 / 3, 3, "q1")
    assert told(trial, "tied at cut@1", "odd") == (0.0, 2, "")


def test_a_hit_that_its_query_had_before_is_counted():
    """The same document under two queries is none; twice under one is one; three times two."""
    assert told(trial_of(RUN, THREE), "duplicated hits") == (0.0, 8, "")
    doc = RUN.doc.copy()
    doc[:3], doc[4] = doc[0], doc[3]
    twice = Run(RUN.queries, RUN.docs, RUN.query, doc, RUN.score, RUN.rank)
    assert told(trial_of(twice, THREE), "duplicated hits") == (3.0, 8, "q1, q2")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_counted_before_and_after_the_second_stage(number):
    """Of both rankings where there are two; infinity is no score either."""
    score = RUN.score.copy()
    score[4] = number
    spoilt = Run(RUN.queries, RUN.docs, RUN.query, RUN.doc, score, RUN.rank)
    assert told(trial_of(RUN, THREE), "non-finite scores") == (0.0, 8, "")
    assert told(trial_of(spoilt, THREE), "non-finite scores") == (1.0, 8, "q2")
    assert told(trial_of(RUN, THREE, before=spoilt), "non-finite scores") == (1.0, 16, "q2")


def test_leaked_pairs_are_counted_among_the_relevant():
    """A pair of grade 0 that was taught is not evidence of relevance, and not counted on either side."""
    mask = np.array([True, False, True, False])
    assert told(trial_of(RUN, THREE, leaked=mask), "leaked judgements") == (1.0, 3, "q1")
    assert told(trial_of(RUN, THREE, leaked=np.zeros(4, dtype=bool)), "leaked judgements") == (0.0, 3, "")


def test_without_a_word_on_what_was_taught_there_is_no_reading():
    """Not known is not none."""
    with pytest.raises(InputError, match="nobody recorded what the release was fitted on; expected live parts"):
        measured(trial_of(RUN, THREE), "leaked judgements")


def test_nothing_looked_at_is_nothing_measured():
    """A run without a hit has no doubled one to show: INCONCLUSIVE, never a pass."""
    empty = trial_of(Run.of([], [], []), THREE)
    for measure in ("duplicated hits", "non-finite scores"):
        row = Check(measure, measure, None, "all", Limit("at_most", 0.0, "value"))
        reading = replace(read(empty, row), control=Control("planted", 1.0, 9.0, 9.0, 9.0, 9))
        assert judge(row, reading).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("measure", ["duplicated hits", "non-finite scores", "leaked judgements"])
def test_what_is_counted_over_the_task_knows_no_slices(measure):
    """A slice is told, not ignored."""
    with pytest.raises(InputError, match="counted over the whole task; expected all, found 'hard'"):
        measured(sound(queries=20), measure, "hard")


def pair(files: dict[str, str], other: dict[str, str], run: Run = RUN, theirs: Run = RUN) -> Trial:
    trial = trial_of(run, THREE, baseline=theirs)
    assert trial.baseline is not None
    return replace(trial, candidate=replace(trial.candidate, files=files),
                   baseline=replace(trial.baseline, files=other))


OTHER_RUN = ranking({"q1": ["b", "a"]})


@pytest.mark.parametrize(("trial", "value", "n", "note"), [
    (pair({"a": "1", "b": "2"}, {"a": "1", "b": "2"}), 1.0, 2, "2 of 2 files are those of baseline"),
    (pair({"a": "1", "b": "2"}, {"a": "1", "b": "3"}), 0.0, 2, "1 of 2 files are those of baseline"),
    (pair({"a": "1"}, {"a": "1", "b": "2"}), 0.0, 1, "1 of 1 files are those of baseline"),
    (pair({"a": "1"}, {"a": "1"}, theirs=OTHER_RUN), 0.0, 1, "1 of 1 files are those of baseline"),
    (pair({"a": "1", "run_manifest.json": "x"}, {"a": "1", "run_manifest.json": "y"}), 1.0, 1,
     "1 of 1 files are those of baseline"),
])  # fmt: skip
def test_the_baseline_again_is_told_by_files_and_rankings_together(trial, value, n, note):
    """All of both: an option of the query's time changes no file, and its rankings are then others."""
    assert told(trial, "same as baseline") == (value, n, note)


def test_without_a_baseline_s_files_there_is_nothing_to_be_the_same_as():
    """Recorded runs that are identical have no files of parts: they are compared by their deltas."""
    with pytest.raises(InputError, match="no files of a baseline; expected a live manifest with a baseline"):
        measured(trial_of(RUN, THREE, baseline=RUN), "same as baseline")


@pytest.mark.parametrize(("theirs", "more"), [(RUN, ", which ranks the same: nothing was changed"), (OTHER_RUN, "")])
def test_identical_recorded_runs_pass_with_a_note(theirs, more):
    """A delta of nothing clears an allowed loss, and the finding says that nothing was changed."""
    row = Check("delta RR", "delta RR", None, "all", Limit("at_least", -0.02, "value"))
    reading = measured(trial_of(RUN, THREE, baseline=theirs), "delta RR")
    assert reading.note == f"against baseline{more}"
    finding = judge(row, replace(reading, control=Control("planted", 1.0, -1.0, -1.0, -1.0, 9)))
    assert finding.verdict is Verdict.PASS


# what was taught


def task(*rows: tuple[str, str, str, int, str]) -> Task:
    """Rows of query id, text, document, grade, fold, in the order of the ids."""
    qrels = Qrels.of([row[0] for row in rows], [row[2] for row in rows], [row[3] for row in rows])
    names = sorted({row[0] for row in rows})
    first = {row[0]: row for row in reversed(rows)}
    return Task("search", tuple(names), tuple(first[name][1] for name in names), np.full(len(names), -1), qrels,
                tuple("m" for _ in names), tuple(first[name][4] for name in names))


PAIRS = frozenset({("id q1", "a"), ("text sum rows", "b")})


@pytest.mark.parametrize(("row", "is_leak"), [
    (("q1", "anything", "a", 1, JUDGE), True),  # the very query
    (("q9", "sum rows", "b", 2, JUDGE), True),  # its words under another name
    (("q1", "anything", "b", 1, JUDGE), False),  # another document
    (("q9", "sum rows", "a", 1, JUDGE), False),
    (("q1", "anything", "a", 0, JUDGE), False),  # judged, and not relevant
    (("sum rows", "anything", "b", 1, JUDGE), False),  # an id that reads like a text
])  # fmt: skip
def test_a_pair_leaks_by_its_query_s_id_or_words(row, is_leak):
    """The pair must be the same, the name of the query need not."""
    assert leaked(task(row), PAIRS).tolist() == [is_leak]


def test_where_nothing_learns_nothing_is_known():
    """None in, None out; an empty set of pairs leaks none."""
    one = task(("q1", "t", "a", 1, FIT))
    assert leaked(one, None) is None and leaked(one, frozenset()).tolist() == [False]


def test_a_ratio_of_percentiles_is_the_same_on_a_machine_of_another_speed():
    """Twice as slow throughout: the same ratio; one cold request of ten: another."""
    trial = sound()
    frame = trial.candidate.trace.frame
    twice = frame.assign(**{name: frame[name] * 2.0 for name in frame.columns if name.endswith("_ms")})
    slow = replace(trial, candidate=replace(trial.candidate, trace=replace(trial.candidate.trace, frame=twice)))
    one, two = (measured(each, "p99/p50 total_ms").estimate for each in (trial, slow))
    assert one == two and 1.0 < one.low < one.value < one.high < 1.3


def test_what_was_timed_need_not_repeat_to_the_byte():
    """A ratio of latencies is left out of the digest that two runs must share, as latencies are."""
    row = Check("ratio", "p99/p50 total_ms", None, "all", Limit("at_most", 3.0, "ucb"))
    timed = row_of(judge(row, measured(sound(), "p99/p50 total_ms")))
    assert stable_digest([timed]) == stable_digest([]) != stable_digest([{**timed, "measure": "RR"}])


def test_a_clock_that_shows_nothing_gives_no_ratio():
    """A median of zero is not divided by."""
    trial = sound()
    frame = trial.candidate.trace.frame.assign(total_ms=0.0)
    still = replace(trial, candidate=replace(trial.candidate, trace=replace(trial.candidate.trace, frame=frame)))
    assert np.isnan(measured(still, "p99/p50 total_ms").estimate.value)


def test_a_configuration_that_drifted_is_named():
    """Release, CONFIG_HASH and seed of the frozen manifest, beside the run's own."""
    trial = sound()
    assert told(trial, "config drift") == (0.0, 3, "")
    other = Observed("renamed", "d" * 64, trial.candidate.tasks, integrity=trial.candidate.integrity)
    assert told(replace(trial, candidate=other, seed=8), "config drift") == (3.0, 3, "release, CONFIG_HASH, seed")


def test_every_reading_here_is_counted():
    """No interval is claimed where nothing was sampled."""
    assert measured(sound(), "tied at cut@10").estimate == Estimate(0.0, 0.0, 0.0, 600, 0.9, "counted", "1")
