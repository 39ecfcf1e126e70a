"""Defects of answers: invented, taken from elsewhere, wrongly cited, not found, slow, repeated, cut off.

These change the record that measures read. Readers that go wrong in the text itself, for the measures to be measured
by, are in `answered_readers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import of_study
from harness.records import Floats
from harness.release.measures.answered import EMBEDDING, P95, P95_RATIO, RETRIES, STUDY, THROUGHPUT, TIMEOUTS
from harness.release.observed import Bools
from harness.release.studied.answers_rows import SHARES, AnswersObserved

__all__ = ["answers_cut_off", "answers_elsewhere", "calls_repeated", "cites_at_random", "gold_not_found",
           "invents_its_answers", "says_too_little", "slow_answers", "slow_beside_answers", "slow_embedding",
           "slow_throughput", "talks_past_the_answer"]

_GRADES = (0.3, 1.0)
_ANSWERED = of_study(STUDY, AnswersObserved)


def _one(name: str) -> Callable[[str], bool]:
    """True for a measure and its delta."""
    return lambda measure: measure.removeprefix("delta ") == name


@defect("talks_past_the_answer", caught_by=_one("answer precision"), goes="down", grades=_GRADES,
        signal="tokens of the answer that the gold answer has")
@_ANSWERED
def talks_past_the_answer(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A share of the answers is buried: a hundred words for each one that was asked for."""
    broken = dose.share(len(record))
    precision = np.where(broken, record.precision / 100.0, record.precision)
    return replace(record, precision=precision, f1=_harmonic(precision, record.recall))


@defect("says_too_little", caught_by=_one("answer recall"), goes="down", grades=_GRADES,
        signal="tokens of the gold answer that the answer has")
@_ANSWERED
def says_too_little(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A share of the answers is cut after a word: one in a hundred of what was wanted is there."""
    recall = np.where(dose.share(len(record)), record.recall / 100.0, record.recall)
    return replace(record, recall=recall, f1=_harmonic(record.precision, recall))


@defect("answers_elsewhere", caught_by=_one("answer F1"), goes="down", grades=_GRADES,
        signal="tokens in common with the gold answer")
@_ANSWERED
def answers_elsewhere(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A share of the questions gets the answer to another one, faithful to what it cites: none of it was asked."""
    return _zeroed(record, dose.share(len(record)), "precision", "recall", "f1", "used_gold")


@defect("invents_its_answers", caught_by=_one("faithfulness"), goes="down", grades=_GRADES,
        signal="content tokens that the cited passages say")
@_ANSWERED
def invents_its_answers(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A share of the answers is made up: fluent, and nothing of it stands in what is cited."""
    return _zeroed(record, dose.share(len(record)), "precision", "recall", "f1", "faithfulness")


@defect("gold_not_found", caught_by=_one("oracle_retrieval_hit_prefilter"), goes="down", grades=_GRADES,
        signal="questions whose gold document is in the first stage's pool")
@_ANSWERED
def gold_not_found(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """For a share of the questions the first stage loses the gold document: nobody after it can answer."""
    return _zeroed(record, dose.share(len(record)), *(name for name in SHARES if name != "faithfulness"))


@defect("cites_at_random", caught_by=_one("reader_used_gold"), goes="down", grades=_GRADES,
        signal="answers that cite a passage of a gold document")
@_ANSWERED
def cites_at_random(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A share of the answers cites passages that have nothing to do with them: neither gold nor what they say."""
    return _zeroed(record, dose.share(len(record)), "used_gold", "faithfulness")


@defect("slow_answers", caught_by=lambda measure: measure == P95, goes="up",
        signal="the 95th percentile of question to answer")
@_ANSWERED
def slow_answers(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A fifth of the answers takes up to a hundred thousand times as long: a model that queues."""
    return replace(record, total_ms=_slower(record.total_ms, dose, share=0.2, factor=99_999.0))


@defect("slow_beside_answers", caught_by=lambda measure: measure == P95_RATIO, goes="up",
        signal="the candidate's percentile over the baseline's")
@_ANSWERED
def slow_beside_answers(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """Three of five answers take the candidate up to a thousand times as long, and the baseline not."""
    return replace(record, total_ms=_slower(record.total_ms, dose, share=0.6, factor=999.0))


@defect("slow_throughput", caught_by=lambda measure: measure == THROUGHPUT, goes="down",
        signal="questions answered in a second beside the baseline")
@_ANSWERED
def slow_throughput(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """Every answer takes up to ten times as long, the fast ones too."""
    return replace(record, total_ms=_slower(record.total_ms, dose, share=1.0, factor=9.0))


@defect("slow_embedding", caught_by=lambda measure: measure == EMBEDDING, goes="up",
        signal="the 95th percentile of the question's vector")
@_ANSWERED
def slow_embedding(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A fifth of the questions waits up to a hundred thousand times as long for its vector: another process embeds."""
    slow = _slower(record.embedding_ms, dose, share=0.2, factor=99_999.0)
    return replace(record, embedding_ms=slow, total_ms=record.total_ms + slow - record.embedding_ms)


@defect("calls_repeated", caught_by=lambda measure: measure == RETRIES, goes="up", grades=_GRADES,
        signal="repeated calls of all calls")
@_ANSWERED
def calls_repeated(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A share of the questions is answered at the second call only: a model that drops connections."""
    again = dose.share(len(record))
    return replace(record, retries=record.retries + again, calls=np.maximum(record.calls, 1.0) + again)


@defect("answers_cut_off", caught_by=lambda measure: measure == TIMEOUTS, goes="up", grades=_GRADES,
        signal="questions without an answer in time")
@_ANSWERED
def answers_cut_off(record: AnswersObserved, dose: Dose) -> AnswersObserved:
    """A share of the questions is given up at the hard time-out."""
    return replace(record, timed_out=np.maximum(record.timed_out, dose.share(len(record)).astype(np.float64)))


def _zeroed(record: AnswersObserved, rows: Bools, *names: str) -> AnswersObserved:
    """The rows' values at 0; what nobody measured stays unmeasured."""
    columns = {name: np.where(rows & ~np.isnan(getattr(record, name)), 0.0, getattr(record, name)) for name in names}
    return replace(record, **columns)  # type: ignore[arg-type] # float columns by name


def _harmonic(precision: Floats, recall: Floats) -> Floats:
    total = precision + recall
    found: Floats = np.where(total > 0.0, 2.0 * precision * recall / np.where(total > 0.0, total, 1.0), 0.0)
    return found


def _slower(values: Floats, dose: Dose, *, share: float, factor: float) -> Floats:
    slow = dose.rng(len(values)).permutation(len(values)) < share * len(values)
    return np.where(slow, (values + dose.severity) * (1.0 + factor * dose.severity), values)
