"""What a release was fitted on, beside what it is judged on: a judged pair that was taught is no evidence."""

from __future__ import annotations

import numpy as np

from harness.data.corpus import World
from harness.data.task import Task
from harness.records import Qrels
from harness.release.manifest import Manifest
from harness.release.observed import Bools
from harness.release.reading import taught_steps
from harness.release.stages import learnable

__all__ = ["leaked", "taught"]

Pairs = frozenset[tuple[str, str]]


def taught(manifest: Manifest, world: World) -> Pairs | None:
    """(query, document) pairs of grade ≥ 1 in the very folds that parts are fitted on; None where no part learns.

    A query stands in twice, by its id and by its text: a judged query copied into the fit fold under another name
    was taught all the same.

    >>> from fixtures.tiny_corpus import tiny_world
    >>> from harness.release.manifest import Manifest
    >>> said = {"release": "r", "seed": 1, "data": {"corpus": "pydocs"}, "policy": [{"measure": "RR", "at_least": 0}]}
    >>> learns = Manifest.model_validate(said | {"parts": {"reranker": {"impl": "mlp"}}})
    >>> len(taught(learns, tiny_world())) > 0, taught(Manifest.model_validate(said | {"parts": {}}), tiny_world())
    (True, None)
    """
    parts = manifest.parts
    if parts is None:
        return None
    tasks = learnable(world) if parts.reranker is not None else []
    if parts.sequence is not None:
        tasks = [*tasks, taught_steps(world)]
    if not tasks:
        return None
    return frozenset(pair for task in tasks for pairs in zip(*_pairs(task), strict=True) for pair in pairs)


def leaked(task: Task, pairs: Pairs | None) -> Bools | None:
    """(n_judgements,) true where a judged pair of the task, of grade ≥ 1, is among the taught; None for None.

    >>> qrels = Qrels.of(["q1", "q1"], ["a", "b"], [1, 1])
    >>> task = Task("search", ("q1",), ("sum rows",), np.array([-1]), qrels, ("m",), ("judge",))
    >>> leaked(task, frozenset({("text sum rows", "b")})).tolist()
    [False, True]
    """
    if pairs is None:
        return None
    mask = np.zeros(len(task.qrels), dtype=np.bool_)
    known = [by_id in pairs or by_text in pairs for by_id, by_text in zip(*_pairs(task), strict=True)]
    mask[np.flatnonzero(task.qrels.relevance > 0)] = known
    return mask


def _pairs(task: Task) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The task's pairs of grade ≥ 1, by the query's id and by its text."""
    graded: Qrels = task.qrels
    text = dict(zip(task.query_ids, task.texts, strict=True))
    rows = np.flatnonzero(graded.relevance > 0)
    names = [(str(graded.queries[graded.query[row]]), str(graded.docs[graded.doc[row]])) for row in rows]
    return [(f"id {query}", doc) for query, doc in names], [(f"text {text[query]}", doc) for query, doc in names]
