"""The suites on a release: judged queries asked, a scratch store worked through, the trace as a study's record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.data.task import Task
from harness.errors import InputError
from harness.governance.scratch import scratch
from harness.governance.suites import Night, run_suites
from harness.governance.tools import Asks, Scene
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded
from harness.release.measures.governed import STUDY
from harness.release.observed import Trial
from harness.release.stages import MODULE_TASKS
from harness.release.studied.governed import kept, recorded, wanted

if TYPE_CHECKING:
    from harness.release.asking import Asking

__all__ = ["night_of", "with_governed"]

_SHOWN = 10  # hits among which a plain release's gold document counts as found


def with_governed(loaded: Loaded, trial: Trial, *, tell: Callable[[str], None] = lambda _: None) -> Trial:
    """The trial with its live candidate's tool calls, where the policy asks for them: a trace's, or the suites'.

    A trial that has the study, or has no live candidate to drive, is handed back as it is.

    Raises:
        InputError: A trace that cannot be believed, a slice that it has not, or no task of query texts.
    """
    live = trial.candidate.live
    if live is None or not wanted(loaded.manifest) or STUDY in trial.candidate.studies:
        return trial
    if loaded.manifest.studies.governed.trace is not None:
        return trial.with_study(STUDY, recorded(loaded, tell))
    folders = {one.name: one for one in (Path("artifacts") / loaded.manifest.release).glob("*") if one.is_dir()}
    night = night_of(loaded, live, folders, _task(live, tuple(trial.candidate.tasks)), ["all"], tell=tell)
    return trial.with_study(STUDY, kept(loaded, night.registry.trace()))


def night_of(loaded: Loaded, live: LiveRelease, folders: Mapping[str, Path], task: Task, names: Sequence[str], *,
             tell: Callable[[str], None] = lambda _: None) -> Night:
    """Run suites on a live release and a scratch store.

    Args:
        loaded: Its manifest.
        live: Its stages.
        folders: Its frozen parts, for a release that answers.
        task: Whose judged queries are asked: `studies.governed.questions` of them, as the seed draws them.
        names: Which suites.
        tell: Hears of progress.

    Raises UsageError for a suite that there is not, InputError where the task has no query texts.
    """
    judged = task.judge()
    most = min(len(judged), loaded.manifest.studies.governed.questions)
    drawn = np.sort(np.random.default_rng(loaded.manifest.seed).permutation(len(judged))[:most])
    with scratch() as made:
        scene = Scene(made, loaded, tuple(judged.query_ids[place] for place in drawn),
                      _asks(loaded, live, folders, judged))
        return run_suites(scene, names, tell=tell)


def _task(live: LiveRelease, observed: Sequence[str]) -> Task:
    """The first task of query texts: of those that were observed, else of the world's."""
    for name in (*observed, *live.world.tasks):
        if live.world.task(name).contexts is None:
            return live.world.task(name)
    raise InputError("nothing to ask", where=f"corpus {live.world.corpus.name}", expected="a task of query texts")


def _asks(loaded: Loaded, live: LiveRelease, folders: Mapping[str, Path], task: Task) -> Asks:
    """Figures of one question: with a reader what became of its answer, without one whether its document was found."""
    place = {name: row for row, name in enumerate(task.query_ids)}
    gold, ids = _gold(task), live.world.corpus.ids
    parts = loaded.manifest.parts
    if parts is not None and parts.reader is not None:
        from harness.release.asking import Asking  # loads readers

        asking = cache(lambda: Asking.of(live, loaded.manifest, folders))  # where a question is asked at all
        return lambda query: _answered(asking(), task, place[query], gold[query], ids)
    return lambda query: _listed(live, task, place[query], gold[query], ids)


def _answered(asking: Asking, task: Task, row: int, gold: frozenset[str], ids: Sequence[str]) -> Mapping[str, float]:
    found = asking.ask(task.texts[row], own=int(task.own[row]))
    docs = {one.id: one.doc for one in found.passages}
    return {"answered": float(bool(found.reply.text.strip())), "cited": float(bool(found.reply.cited)),
            "found": float(any(ids[code] in gold for code in found.pool)),
            "used": float(any(docs.get(one) in gold for one in found.reply.cited))}


def _listed(live: LiveRelease, task: Task, row: int, gold: frozenset[str], ids: Sequence[str]) -> Mapping[str, float]:
    module = task.clusters[row] if task.name in MODULE_TASKS else None
    found = live.search(task.texts[row], own=int(task.own[row]), module=module).codes.tolist()
    codes = [code for code in found if code >= 0]
    return {"answered": float(bool(codes)), "found": float(any(ids[code] in gold for code in codes[:_SHOWN]))}


def _gold(task: Task) -> Mapping[str, frozenset[str]]:
    """Query → its relevant documents."""
    found: dict[str, set[str]] = {query: set() for query in task.query_ids}
    graded = task.qrels
    for query, doc, grade in zip(graded.query.tolist(), graded.doc.tolist(), graded.relevance.tolist(), strict=True):
        if grade > 0:
            found[str(graded.queries[query])].add(str(graded.docs[doc]))
    return {query: frozenset(docs) for query, docs in found.items()}
