"""Defects of what a reader is given: passages that were not cut, not thinned or not all there, shots that tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import of_study
from harness.generation.few_shot import ShotPool
from harness.generation.passages import Passages
from harness.release.measures.readied import BREADTH, DIFFERENCES, DUPLICATES, LEAKS, OVER, PREFIXES, STUDY
from harness.release.studied.readied_rows import ReadiedObserved
from harness.retrieval.texts import words

__all__ = ["answers_in_the_pool", "edited", "ingest_clamped", "items_in_the_pool", "near_duplicates_left",
           "one_domain_thinned", "passages_uncut", "picked_by_place", "prefixes_indexed", "thinned_too_far"]

_READIED = of_study(STUDY, ReadiedObserved)
_GRADES = (0.05, 0.25, 1.0)
_EDITED = 0.05  # of the letters of a planted item are others: somebody's copy, tidied up


def _one(name: str) -> Callable[[str], bool]:
    return lambda measure: measure == name


@defect("passages_uncut", caught_by=_one(OVER), goes="up", grades=_GRADES, signal="passages over their budget")
@_READIED
def passages_uncut(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """A share of the passages runs on past what a passage may hold: a cutter that missed their seams."""
    if record.passages is None:
        return record
    held, rows = record.passages.all, dose.share(len(record.passages))
    most = record.chunk_words + 1
    long = tuple(replace(one, text=" ".join((one.text.split() * most)[:most])) if row else one
                 for one, row in zip(held, rows.tolist(), strict=True))
    return replace(record, passages=Passages(long, record.passages.removed))


@defect("prefixes_indexed", caught_by=_one(PREFIXES), goes="up", grades=_GRADES,
        signal="passages that the index finds by their prefix")
@_READIED
def prefixes_indexed(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """The lexical index is given a share of the passages with their contextual prefix before them."""
    if record.passages is None or record.held is None:
        return record
    rows = dose.share(len(record.passages)).tolist()
    told = [words(one.prefix, compounds=record.held.compounds) for one in record.passages.all]
    with_them = tuple(row | set(prefix) if hit else row
                      for row, prefix, hit in zip(record.held.rows, told, rows, strict=True))
    return replace(record, held=record.held._replace(rows=with_them))


@defect("thinned_too_far", caught_by=_one(DUPLICATES), goes="up", signal="passages taken out as near-duplicates")
@_READIED
def thinned_too_far(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """A share of all passages is removed for another that says something else: a threshold far too low."""
    if record.passages is None or len(record.passages) < 2:
        return record
    stands, *held = record.passages.all  # which stands for all that goes
    gone = dose.share(len(held)).tolist()
    for_it = tuple((replace(one, text=""), stands.id) for one, hit in zip(held, gone, strict=True) if hit)
    removed = tuple((one, stands.id) for one, _ in record.passages.removed)
    rest = tuple(one for one, hit in zip(held, gone, strict=True) if not hit)
    return replace(record, passages=Passages((stands, *rest), (*removed, *for_it)), held=None)


@defect("near_duplicates_left", caught_by=_one(DUPLICATES), goes="down",
        signal="passages taken out as near-duplicates")
@_READIED
def near_duplicates_left(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """A share of the near-duplicates stays: the same words stand in the prompt twice."""
    if record.passages is None:
        return record
    gone, texts = record.passages.removed, {one.id: one.text for one in record.passages.all}
    back = dose.share(len(gone)).tolist()
    again = tuple(replace(one, text=texts[kept]) for (one, kept), hit in zip(gone, back, strict=True) if hit)
    left = tuple(pair for pair, hit in zip(gone, back, strict=True) if not hit)
    return replace(record, passages=Passages((*record.passages.all, *again), left), held=None)


@defect("ingest_clamped", caught_by=_one(BREADTH), goes="down", grades=_GRADES,
        signal="least share of what the baseline held")
@_READIED
def ingest_clamped(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """The last share of the documents by id is not there: an ingest that stopped at its limit and said nothing."""
    return _without(record, lambda docs, _: set(docs[max(1, round((1.0 - dose.severity) * len(docs))):]))


@defect("one_domain_thinned", caught_by=_one(BREADTH), goes="down", grades=_GRADES,
        signal="least share of what the baseline held")
@_READIED
def one_domain_thinned(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """A share of one domain's documents is gone: a source that answered with errors, one document in so many."""
    def lost(docs: list[str], domains: dict[str, str]) -> set[str]:
        smallest = min(sorted(set(domains.values())), key=lambda name: list(domains.values()).count(name))
        its = [name for name in docs if domains[name] == smallest]
        return {name for name, hit in zip(its, dose.share(len(its)).tolist(), strict=True) if hit}

    return _without(record, lost)


@defect("items_in_the_pool", caught_by=_one(LEAKS), goes="up", grades=_GRADES,
        signal="judged questions that few-shots tell")
@_READIED
def items_in_the_pool(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """A share of the shots is made of judged questions, each with a letter in twenty changed."""
    return _planted(record, dose, "question")


@defect("answers_in_the_pool", caught_by=_one(LEAKS), goes="up", grades=_GRADES,
        signal="judged questions that few-shots tell")
@_READIED
def answers_in_the_pool(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """A share of the shots answers other questions with what is judged, a letter in twenty changed."""
    return _planted(record, dose, "answer")


@defect("picked_by_place", caught_by=_one(DIFFERENCES), goes="up", grades=_GRADES,
        signal="questions that get other shots in another order")
@_READIED
def picked_by_place(record: ReadiedObserved, dose: Dose) -> ReadiedObserved:
    """For a share of the questions ties go to whoever stands first: another order of the pool, another prompt."""
    if record.picks is None or not record.picks.size:
        return record
    rows, picks = dose.share(record.picks.shape[1]), record.picks.copy()
    known = sorted(set(picks.ravel().tolist()))
    after = dict(zip(known, [*known[1:], f"{known[0]}, another"], strict=True))
    picks[-1, rows, -1] = [after[name] for name in picks[0, rows, -1].tolist()]
    return replace(record, picks=picks)


def edited(text: str, share: float, rng: np.random.Generator) -> str:
    """A text with a share of its letters replaced by others, drawn without repetition.

    >>> edited("abcdef", 0.5, np.random.default_rng(0)) != "abcdef", edited("abc", 0.0, np.random.default_rng(0))
    (True, 'abc')
    """
    letters = list(text)
    for at in rng.permutation(len(letters))[: round(share * len(letters))].tolist():
        letters[at] = chr(ord("a") + (ord(letters[at]) + 1 + int(rng.integers(24))) % 26)
    return "".join(letters)


def _planted(record: ReadiedObserved, dose: Dose, part: str) -> ReadiedObserved:
    if record.shots is None or not record.items:
        return record
    shots, rng = list(record.shots.shots), dose.rng(len(record.shots))
    items = [record.items[at] for at in rng.permutation(len(record.items)).tolist()]
    for place in np.flatnonzero(dose.share(len(shots))).tolist():
        told = edited(getattr(items[place % len(items)], part), _EDITED, rng)
        shots[place] = replace(shots[place], **{part: told})
    return replace(record, shots=ShotPool(tuple(shots)))


def _without(record: ReadiedObserved, lost: Callable[[list[str], dict[str, str]], set[str]]) -> ReadiedObserved:
    """Less the passages of some documents, and what was kept for them; the index is no longer theirs."""
    if record.passages is None:
        return record
    domains = {one.doc: one.domain for one in (*record.passages.all, *(one for one, _ in record.passages.removed))}
    gone = lost(sorted(domains), domains)
    held = tuple(one for one in record.passages.all if one.doc not in gone)
    ids = {one.id for one in held}
    removed = tuple(pair for pair in record.passages.removed if pair[0].doc not in gone and pair[1] in ids)
    return replace(record, passages=Passages(held, removed), held=None)
