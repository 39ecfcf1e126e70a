"""A world from plain values: the documents, queries and judgements of any collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from harness.data.answers import Golds
from harness.data.corpus import Corpus, Document, World
from harness.data.pydocs.text import content_words
from harness.data.splits import hard_nl, keyed_fold, length_slices
from harness.data.task import Task
from harness.errors import InputError, nearest
from harness.records import Qrels

__all__ = ["LENGTH_CUTS", "with_answers", "world_of"]

LENGTH_CUTS = (5, 10)  # words: keywords, a question, a sentence


def world_of(
    documents: Iterable[tuple[str, str, str]],
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    name: str,
    task: str = "search",
    seed: int = 42,
    own: Mapping[str, str] | None = None,
) -> World:
    """One task over (id, title, text) rows; each query is its own cluster, its fold drawn by seed from its id alone.

    Queries without judgements are left out and counted in `facts`, as are judged documents that the corpus lacks (they
    stay relevant: nobody can find them). `own`: query id → document to be removed from its hits. An empty corpus, no
    judged query, or a judgement of an unknown query is an `InputError`.
    """
    corpus = Corpus.of(name, [_document(row, name) for row in documents])
    judged = set(qrels.queries.tolist())
    ids = tuple(sorted(judged & set(queries)))
    if not len(corpus) or not ids:
        raise InputError("nothing to judge", where=name, expected="documents and judged queries",
                         found=f"{len(corpus)} documents, {len(ids)} judged queries")
    texts = tuple(queries[query] for query in ids)
    titles = {document.id: _bare(document.title) for document in corpus.documents}
    hard = hard_nl(ids, texts, qrels, content_words=content_words, name_of=lambda doc: titles.get(doc, ""))
    slices = {"all": np.ones(len(ids), dtype=np.bool_), "hard_nl": hard, **length_slices(texts, cuts=LENGTH_CUTS)}
    removed = np.asarray([corpus.position(own[one]) if own and one in own else -1 for one in ids], dtype=np.int64)
    folds = tuple(keyed_fold(query, seed=seed) for query in ids)
    facts = {"documents": len(corpus), "queries_unjudged": len(set(queries) - judged),
             "judged_documents_missing": len(set(qrels.docs.tolist()) - set(corpus.ids))}
    return World(corpus, {task: Task(task, ids, texts, removed, qrels, ids, folds, slices)}, facts)


def with_answers(world: World, golds: Golds, *, where: object) -> World:
    """The world with the gold answers of its judged queries; answers to others are counted in `facts`.

    Raises:
        InputError: No judged query has an answer; `where` names the file.
    """
    asked = [query for task in world.tasks.values() for query in task.query_ids]
    kept = golds.only(asked)
    if not len(kept):
        found, hint = ", ".join(golds.query_ids[:3]), nearest(golds.query_ids[0], asked)
        raise InputError("no judged query is answered", where=where, column="query_id", expected="judged queries' ids",
                         found=found, hint=hint)
    return replace(world, answers=kept, facts=world.facts | {"answers_unjudged": len(golds) - len(kept)})


def _document(row: tuple[str, str, str], name: str) -> Document:
    doc_id, title, text = row
    head = title or text.strip().partition("\n")[0]
    return Document(doc_id, title, head, f"{title}\n{text}" if title else text, name, name)


def _bare(title: str) -> str:
    return "".join(letter for letter in title.lower() if letter.isalnum())
