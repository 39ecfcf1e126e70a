"""Defects under stress: misspelt words that are lost, gains that turn round, long queries and languages that break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import with_record
from harness.records import Floats
from harness.release.measures.stressed import DELTA, JACCARD, LANGUAGES, LOSS, SIGN, STABILITY, STUDY
from harness.release.observed import Bools, Trial
from harness.release.studied.stress_rows import LANGUAGE, StressObserved

__all__ = ["answers_lost_in_noise", "gain_turns_round", "long_query_collapse", "one_language_breaks", "sign_flips",
           "typo_fragile_encoder"]

_GRADES = (0.3, 1.0)


@defect("typo_fragile_encoder", caught_by=lambda measure: measure == JACCARD, goes="down", grades=_GRADES,
        signal="documents that a query and its perturbed text have in common")
def typo_fragile_encoder(trial: Trial, dose: Dose) -> Trial:
    """A share of the queries is answered by a system that cannot read what was edited: of the rest, if anything.

    What is found without the edited words was measured; where nothing was asked, nothing is found.
    """

    def change(record: StressObserved) -> StressObserved:
        broken = dose.share(len(record))
        return replace(record, stressed=_lower(record.stressed, record.lost, broken),
                       overlap=_lower(record.overlap, record.lost_overlap, broken))

    return _stressed(trial, dose, change)


@defect("sign_flips", caught_by=lambda measure: measure == SIGN, goes="down", grades=_GRADES,
        signal="pairs in which the same side is ahead on both texts")
def sign_flips(trial: Trial, dose: Dose) -> Trial:
    """On a share of the perturbed texts who was ahead falls behind: candidate and baseline trade places."""

    def change(record: StressObserved) -> StressObserved:
        plain, stressed = record.deltas
        return _traded(record, dose.share(len(record)) & (plain * stressed > 0.0))

    return _stressed(trial, dose, change)


@defect("gain_turns_round", caught_by=lambda measure: measure == STABILITY, goes="down", grades=_GRADES,
        signal="resamples on which the mean difference has one sign on both texts")
def gain_turns_round(trial: Trial, dose: Dose) -> Trial:
    """What the candidate gained it loses where texts are perturbed: on a share of them the sides trade places."""
    return _stressed(trial, dose, lambda record: _traded(record, dose.share(len(record)) & record.altered))


@defect("long_query_collapse", caught_by=lambda measure: measure == DELTA, goes="down", grades=_GRADES,
        signal="candidate less baseline on perturbed texts")
def long_query_collapse(trial: Trial, dose: Dose) -> Trial:
    """The longest texts drown what they ask for and find nothing relevant: long queries first, in the end all."""
    return _stressed(trial, dose, lambda record: _collapsed(record, dose))


@defect("answers_lost_in_noise", caught_by=lambda measure: measure == LOSS, goes="up", grades=_GRADES,
        signal="what a perturbed text loses beside the plain one")
def answers_lost_in_noise(trial: Trial, dose: Dose) -> Trial:
    """The same collapse, seen by what the candidate loses beside itself."""
    return _stressed(trial, dose, lambda record: _collapsed(record, dose))


@defect("one_language_breaks", caught_by=lambda measure: measure == LANGUAGES, goes="down", grades=(1 / 3, 1.0),
        signal="candidate less baseline in the language where it is least")
def one_language_breaks(trial: Trial, dose: Dose) -> Trial:
    """Queries of one language find nothing any more, then those of the next: a tokeniser that knows some alphabets."""

    def change(record: StressObserved) -> StressObserved:
        levels = record.kinds_of(LANGUAGE)
        gone = levels[: round(dose.severity * len(levels))]
        return replace(record, stressed=np.where(np.isin(record.kinds, gone), 0.0, record.stressed))

    return _stressed(trial, dose, change)


def _stressed(trial: Trial, dose: Dose, change: Callable[[StressObserved], StressObserved]) -> Trial:
    """The trial with its record changed, as `with_record` has it."""
    return with_record(trial, dose, STUDY, StressObserved, lambda record, _: change(record))


def _traded(record: StressObserved, rows: Bools) -> StressObserved:
    return replace(record, stressed=np.where(rows, record.baseline_stressed, record.stressed),
                   baseline_stressed=np.where(rows, record.stressed, record.baseline_stressed))


def _lower(values: Floats, lost: Floats, rows: Bools) -> Floats:
    """No better than what is left without the edited words; 0 where that was not asked."""
    return np.where(rows, np.minimum(values, np.nan_to_num(lost, nan=0.0)), values)


def _collapsed(record: StressObserved, dose: Dose) -> StressObserved:
    """Rows of long texts first, in drawn order, then all others."""
    drawn = dose.rng(len(record)).permutation(len(record))
    long = np.array([kind.partition("=")[0] == "long" for kind in record.kinds.tolist()], dtype=np.bool_)
    order = drawn[np.argsort(~long[drawn], kind="stable")]
    chosen = order[: round(dose.severity * len(record))]
    stressed = record.stressed.copy()
    stressed[chosen] = 0.0
    return replace(record, stressed=stressed)
