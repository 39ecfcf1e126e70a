"""A week's triage of a live release: of its answers where it has a reader, of its rankings where it has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.task import Task
from harness.errors import InputError
from harness.metrics.evaluate import per_query
from harness.release.asking import Asking
from harness.release.build import Built
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded
from harness.release.measures.answered import COLUMNS, P95
from harness.release.studied.answers_live import asked_in_turns, questions_of
from harness.release.studied.answers_table import record_of
from harness.triage.causes import Case, answered_cases, counted, ranked_cases, worst
from harness.triage.nudges import Nudge, judged
from harness.triage.options import RANKED, Tried, tried_answers, tried_ranking

__all__ = ["SLOW_MS", "Week", "triaged"]

SLOW_MS = 30_000.0  # where the policy does not say how slow is too slow
_SHOWN = 20
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Week:
    """What was found: every judged query's case, the worst, what would help, and means of what was measured.

    `searched` is how many queries to learn from the nudges were found and judged on; `why` says where there are none.
    """

    task: str
    measure: str
    cases: tuple[Case, ...]
    worst: tuple[Case, ...]
    nudges: tuple[Nudge, ...]
    measures: dict[str, float]
    searched: int
    why: str = ""

    def document(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {"task": self.task, "measure": self.measure, "queries": len(self.cases),
                "causes": counted(self.cases), "worst": [one._asdict() for one in self.worst],
                "searched": self.searched, "why": self.why,
                "nudges": [{**one.option._asdict(), "domain": one.domain, "found": one.found,
                            "effect": one.effect._asdict(), "suggested": one.suggested} for one in self.nudges]}


def triaged(loaded: Loaded, built: Built, live: LiveRelease, task: Task, *, queries: int, tell: Tell = lambda _: None
            ) -> Week:
    """Triage the judged queries of a task and try nudges on its queries to learn from, at most `queries` of them.

    A release with a reader is triaged on the questions that have gold answers, whatever `task` is.
    """
    parts = loaded.manifest.parts
    if parts is not None and parts.reader is not None:
        return _answers(loaded, built, live, queries, tell)
    return _rankings(loaded, live, task, queries, tell)


def _answers(loaded: Loaded, built: Built, live: LiveRelease, queries: int, tell: Tell) -> Week:
    asking = Asking.of(live, loaded.manifest, built.folders)
    asked = questions_of(loaded, built.world)
    tell(f"asking {len(asked):,} questions")
    (rows,) = asked_in_turns([asking], asked, built.world)
    record = record_of(rows)
    cases = answered_cases(rows, record, slow_ms=_slow(loaded))
    golds = set() if built.world.answers is None else set(built.world.answers.query_ids)
    learnt = built.world.task(asked.name).fit()
    learnt = learnt.only(np.array([one in golds for one in learnt.query_ids], dtype=np.bool_))
    drawn = _drawn(learnt, queries, loaded.manifest.seed)
    measures = {name: float(np.mean(record.column(column))) for name, column in COLUMNS.items()}
    nudges, why = _nudges(loaded, drawn, lambda: tried_answers(asking, drawn, built.world, tell=tell))
    return Week(asked.name, "answer F1", tuple(cases), tuple(worst(cases, most=_SHOWN)), nudges, measures, len(drawn),
                why)


def _rankings(loaded: Loaded, live: LiveRelease, task: Task, queries: int, tell: Tell) -> Week:
    asked = task.judge()
    tell(f"ranking {len(asked):,} queries")
    found = live.answer(asked)
    values = per_query(found.run, asked.qrels, RANKED, queries=asked.query_ids)
    cases = ranked_cases(found.run, found.before, asked, values)
    drawn = _drawn(task.fit(), queries, loaded.manifest.seed)
    nudges, why = _nudges(loaded, drawn, lambda: tried_ranking(live, drawn, tell=tell))
    return Week(asked.name, RANKED, tuple(cases), tuple(worst(cases, most=_SHOWN)), nudges, {}, len(drawn), why)


def _nudges(loaded: Loaded, drawn: Task, tries: Callable[[], Tried]) -> tuple[tuple[Nudge, ...], str]:
    """What was judged; and, where nothing was, why not."""
    if not len(drawn):
        return (), "There are no queries to learn from"
    tried = tries()
    if not tried.options:
        return (), "There is nothing to nudge: neither a hybrid's weights nor a reader"
    try:
        return tuple(judged(tried.base, tried.options, drawn.clusters, seed=loaded.manifest.seed)), ""
    except InputError as error:  # said, and no reason to lose the week's triage
        return (), error.what.capitalize()


def _drawn(task: Task, most: int, seed: int) -> Task:
    """At most that many queries of a task, as the seed draws them."""
    if len(task) <= most:
        return task
    rows = np.random.default_rng(seed).permutation(len(task))[:most]
    return task.only(np.isin(np.arange(len(task)), rows))


def _slow(loaded: Loaded) -> float:
    """The policy's own limit on an answer's time."""
    limits = [check.limit.bound for check in loaded.manifest.checks
              if check.measure == P95 and check.limit is not None and check.limit.direction == "at_most"]
    return min(limits, default=SLOW_MS)
