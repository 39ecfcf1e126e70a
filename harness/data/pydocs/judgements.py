"""Three tasks that the authors of the documentation have judged themselves: relatedness, recognition, reading order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.pydocs.library import Article, Library
from harness.data.pydocs.text import content_words, prose_sentences, squash
from harness.data.pydocs.unique import HEAD_BYTES, occurrences
from harness.data.splits import hard_nl, label_slices, length_slices
from harness.data.task import FIT, Task
from harness.records import Qrels

__all__ = ["CUTS", "Question", "known_items", "reading_steps", "see_also_questions", "task_of"]

CUTS = {"see_also": (7, 10), "known_item": (13, 20), "reading_order": (13, 16)}  # about the thirds
CONTEXT = 4
_MIN_SUMMARY = 4
_SENTENCE = range(5, 61)  # words
_SECTIONS = ("notes", "examples")


@dataclass(frozen=True)
class Question:
    """One query: its text, the document it was made of, the context before it, and doc id → grade."""

    id: str
    text: str
    own: str
    module: str
    relevant: Mapping[str, int]
    context: tuple[str, ...] = ()


def see_also_questions(library: Library) -> list[Question]:
    """Query = summary; grade 2 for See Also targets, 1 for documents that name this one in theirs.

    Documents with equal summaries are one query, asked for the first of them, with the links of all.
    """
    back: dict[str, set[str]] = defaultdict(set)
    for source, targets in library.links.items():
        for target in targets:
            back[target].add(source)
    groups: dict[str, list[str]] = defaultdict(list)
    for name in library.links:
        summary = library.articles[name].parsed.summary
        if len(summary.split()) >= _MIN_SUMMARY:
            groups[" ".join(summary.lower().split())].append(name)
    return sorted((_related(group, library, back) for group in groups.values()), key=lambda question: question.id)


def _related(group: Sequence[str], library: Library, back: Mapping[str, set[str]]) -> Question:
    own = library.articles[group[0]]
    grades = {one: 1 for name in group for one in sorted(back.get(name, ()))}
    grades |= {one: 2 for name in group for one in library.links[name]}
    grades.pop(own.id, None)
    return Question(own.id, own.parsed.summary, own.id, own.module, grades)


def known_items(library: Library) -> list[Question]:
    """Query = a sentence that stands nowhere else, quoted names aside; the document that it was cut from is its answer.

    Taken is the first sentence of the extended summary, else of the Notes, else of the prose of the Examples.
    """
    articles = library.articles
    offered = [(name, sentence) for name, article in articles.items() for sentence in _sentences(article)]
    counts = occurrences([squash(sentence) for _, sentence in offered], [squash(one.body) for one in articles.values()])
    chosen: dict[str, str] = {}
    for (name, sentence), count in zip(offered, counts.tolist(), strict=True):
        if count == 1:
            chosen.setdefault(name, sentence)
    return [Question(name, text, name, articles[name].module, {name: 2}) for name, text in sorted(chosen.items())]


def _sentences(article: Article) -> list[str]:
    parts = (article.parsed.extended, *map(article.parsed.section, _SECTIONS))
    firsts = [next(prose_sentences(part), "") for part in parts]
    return [one for one in firsts if len(one.split()) in _SENTENCE and len(squash(one).encode()) >= HEAD_BYTES]


def reading_steps(library: Library) -> list[Question]:
    """Query = four documents in reading order; the next one is its answer."""
    questions: dict[tuple[str, ...], Question] = {}
    for listing in library.listings:
        for step in range(len(listing.ids) - CONTEXT):
            *context, target = listing.ids[step : step + CONTEXT + 1]
            titles = " ".join(library.articles[name].title for name in context)
            question = Question(f"{listing.name}#{step:04d}", titles, context[-1], listing.module, {target: 2},
                                tuple(context))
            questions.setdefault((*context, target), question)
    return sorted(questions.values(), key=lambda question: question.id)


def task_of(
    name: str, questions: Sequence[Question], library: Library, places: Mapping[str, int], folds: Mapping[str, str]
) -> Task:
    """Columns of a task; `places` doc id → position, `folds` module → fold.

    A query to learn from keeps only judgements of documents from modules to learn from, since the same pair, turned
    round, may be judged; where none is left, the query is dropped. A known item is judged by its own module's fold.
    """
    kept = [(one, grades) for one in questions if (grades := _within_fold(one, library, folds))]
    rows = [(one.id, doc, grade) for one, grades in kept for doc, grade in sorted(grades.items())]
    qrels = Qrels.of([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], source=name)
    chosen = [one for one, _ in kept]
    ids, texts = tuple(one.id for one in chosen), tuple(one.text for one in chosen)
    slices = {"all": np.ones(len(ids), dtype=np.bool_),
              "hard_nl": hard_nl(ids, texts, qrels, content_words=content_words, name_of=_bare_name),
              **length_slices(texts, cuts=CUTS[name]),
              **label_slices("package", [library.articles[one.own].package for one in chosen])}
    own = np.asarray([-1 if one.own in one.relevant else places[one.own] for one in chosen], dtype=np.int64)
    contexts = tuple(tuple(places[doc] for doc in one.context) for one in chosen)
    return Task(name, ids, texts, own, qrels, tuple(one.module for one in chosen),
                tuple(folds[one.module] for one in chosen), slices, contexts if any(contexts) else None)


def _within_fold(question: Question, library: Library, folds: Mapping[str, str]) -> dict[str, int]:
    """The judgements that may be used: all of them to judge, those within the fold to learn."""
    if folds[question.module] != FIT:
        return dict(question.relevant)
    return {doc: grade for doc, grade in question.relevant.items() if folds[library.articles[doc].module] == FIT}


def _bare_name(doc_id: str) -> str:
    return doc_id.rpartition(".")[2].replace("_", "").lower()
