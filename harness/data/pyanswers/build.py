"""The world of answers: the documents of `pydocs` laid out under their headings, one task, and the gold answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.data.answers import Golds
from harness.data.corpus import Corpus, Document, World
from harness.data.pyanswers.questions import Asked, questions_of
from harness.data.pydocs.build import PACKAGES, Progress, harvest_packages, pydocs_versions, world_from
from harness.data.pydocs.library import Article, Library, library_of
from harness.data.pydocs.text import content_words, cut
from harness.data.splits import hard_nl, label_slices, length_slices
from harness.data.task import Bools, Task
from harness.records import Qrels

__all__ = ["CUTS", "answers_from", "build_pyanswers"]

CUTS = (19, 26)  # words of a question: about the thirds
_LEFT_OUT = frozenset({"methods", "references", "see also"})


def build_pyanswers(*, seed: int = 42, progress: Progress | None = None) -> World:
    """Read the installed packages and make the world; `seed` draws the folds, the fields asked and the wordings.

    One task, `answers`, and the gold answers. `progress` is told what begins. `InputError` where a package is missing.
    """
    tell = progress or (lambda _: None)
    versions = pydocs_versions()
    tell("reading docstrings")
    harvest = harvest_packages(list(PACKAGES))
    tell("making questions and answers")
    return answers_from(library_of(harvest), versions, seed=seed)


def answers_from(library: Library, versions: Mapping[str, str], *, seed: int) -> World:
    """Corpus, the task `answers` and its golds from a library; folds and cut sentences are those of `pydocs`."""
    plain = world_from(library, versions, seed=seed)
    known = plain.task("known_item")
    sentences = dict(zip(known.query_ids, known.texts, strict=True))
    asked = questions_of(library, sentences, seed=seed)
    corpus = Corpus.of("pyanswers", [_document(one, sentences.get(name)) for name, one in library.articles.items()],
                       dict(versions))
    folds = dict(zip(known.query_ids, known.fold, strict=True))
    golds = Golds.of((one.id, one.kind, one.field, one.answer) for one in asked)
    facts = {"documents": len(corpus), "sentences": len(known), "answers_asked": len(asked)}
    return World(corpus, {"answers": _task(asked, library, folds)}, facts, golds)


def _document(article: Article, sentence: str | None) -> Document:
    """A document under its headings, without the sentence that is asked."""
    parsed = article.parsed
    parts = [part for part in (parsed.summary, parsed.extended) if part.strip()]
    for name, text in parsed.sections:
        if name not in _LEFT_OUT and text.strip():
            parts += [f"{name.capitalize()}\n{'-' * len(name)}", text]
    body = "\n\n".join(parts)
    text = f"{article.title}\n\n{body if sentence is None else cut(body, sentence)}"
    return Document(article.id, article.title, parsed.summary, text, article.module, article.package)


def _task(asked: list[Asked], library: Library, folds: Mapping[str, str]) -> Task:
    ids, texts = tuple(one.id for one in asked), tuple(one.text for one in asked)
    qrels = Qrels.of(ids, ids, np.full(len(ids), 2), source="answers")
    slices: dict[str, Bools] = {
        "all": np.ones(len(ids), dtype=np.bool_),
        "hard_nl": hard_nl(ids, texts, qrels, content_words=content_words, name_of=_bare_name),
        **length_slices(texts, cuts=CUTS),
        **label_slices("kind", [one.kind for one in asked]),
        **label_slices("package", [library.articles[name].package for name in ids])}
    return Task("answers", ids, texts, np.full(len(ids), -1, dtype=np.int64), qrels,
                tuple(library.articles[name].module for name in ids), tuple(folds[name] for name in ids), slices)


def _bare_name(doc_id: str) -> str:
    return doc_id.rpartition(".")[2].replace("_", "").lower()
