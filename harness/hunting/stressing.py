"""Putting a release under stress: its queries said otherwise, misspelt, lengthened, and in each of their languages.

A perturbed query keeps the judgements of the plain one: what its author meant has not changed. Both releases answer
the same texts in batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.corpus import World
from harness.data.task import Bools, Task
from harness.errors import InputError, nearest
from harness.hunting.perturbing import LETTERS, Perturbed, added_clauses, drawn_for, longest, synonyms, typos
from harness.hunting.synonyms import NOTHING, Lexicon, lexicon_of
from harness.metrics.agreement import jaccard_at
from harness.metrics.evaluate import per_query
from harness.records import Floats, Run
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded
from harness.release.measures.stressed import STUDY, owns
from harness.release.observed import Trial
from harness.release.studied.slices import require_slices
from harness.release.studied.stress_file import write_stress
from harness.release.studied.stress_rows import LANGUAGE, StressObserved, joined_rows
from harness.release.studied.stressed import asked, wanted

__all__ = ["ARTIFACTS", "KINDS", "Ranks", "author_paraphrases", "one_by_one", "stress", "with_stress"]

ARTIFACTS = Path("artifacts")
KINDS = ("paraphrase", "synonym", "typo", "long", "language")
MEASURE, DEPTH = "nDCG@10", 10
_AUTHORS = {"see_also": "known_item"}  # a summary, and the first sentence that goes on from it
Ranks = Callable[[Task], Run]
Paraphrases = Mapping[str, Mapping[str, str]]


def stress(candidate: Ranks, baseline: Ranks | None, tasks: Sequence[Task], *, rng: np.random.Generator,
           kinds: Sequence[str] = KINDS, lexicon: Lexicon = NOTHING,
           paraphrases: Paraphrases | None = None) -> StressObserved:
    """Ask both releases every judged query of the tasks as it stands, and under every kind of perturbation.

    Args:
        candidate: Ranks the queries of a task; `one_by_one` makes one of anything that ranks a text.
        baseline: The same of what the candidate must not fall behind; None leaves deltas unmeasured.
        tasks: Text tasks; slices `language=…` say which language a query is in.
        rng: Draws words, slips and clauses; the same seed gives the same texts, whichever kinds are asked for.
        kinds: Of KINDS. `typo` has five sorts of slips, each on every query; `long` the longest queries as they are,
            and all queries with clauses appended.
        lexicon: Lends synonyms and clauses; without any there are no such rows.
        paraphrases: Task → query id → the same query in other words.

    Returns:
        A row a query and perturbation; one that left a text as it was has no row.

    Raises:
        InputError: An unknown kind, no task, one task twice, a sequence task, or nothing that could be perturbed.

    >>> from harness.data.plain import world_of
    >>> from harness.records import Qrels
    >>> documents = [("d0", "Sort", "sort rows"), ("d1", "Plot", "plot lines")]
    >>> queries, judged = {"q0": "sort rows", "q1": "plot lines"}, Qrels.of(["q0", "q1"], ["d0", "d1"], [1, 1])
    >>> task = world_of(documents, queries, judged, name="two").tasks["search"]
    >>> exact = one_by_one(lambda text: [doc for doc, _, body in documents if text == body])
    >>> found = stress(exact, None, [task], kinds=["typo"], rng=np.random.default_rng(1))
    >>> len(found), float(found.plain.mean()), float(found.stressed.mean())
    (10, 1.0, 0.0)
    """
    for kind in kinds:
        if kind not in KINDS:
            raise InputError("no such kind of stress", where="stress", expected=", ".join(KINDS), found=kind,
                             hint=nearest(kind, KINDS))
    if twice := next((name for name, count in Counter(task.name for task in tasks).items() if count > 1), None):
        raise InputError("the same task twice", where="stress", expected="each task once, as its queries count once",
                         found=twice)
    plan = _Plan(tuple(kinds), int(rng.integers(2**32)), lexicon, paraphrases or {})
    return joined_rows([part for task in tasks for part in _task(candidate, baseline, _judged(task), plan)])


def one_by_one(rank: Callable[[str], Sequence[str]]) -> Ranks:
    """Anything that ranks a text, document ids best first, as something that ranks the queries of a task.

    >>> one_by_one(lambda text: ["d1"])  # doctest: +ELLIPSIS
    <function one_by_one...
    """

    def ranks(task: Task) -> Run:
        rows = [(name, doc, float(-place)) for name, text in zip(task.query_ids, task.texts, strict=True)
                for place, doc in enumerate(rank(text))]
        return Run.of([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], source="stress")

    return ranks


def author_paraphrases(world: World) -> dict[str, dict[str, str]]:
    """Task → query id → what the same author wrote of the same document in the other task's query, where there is one.

    The summary of a documented object and the first sentence of its extended summary say what it is in two ways.

    >>> from fixtures.tiny_corpus import tiny_world
    >>> author_paraphrases(tiny_world())["see_also"]["kit.clock.alarm"]
    'The bell stays silent on public holidays unless told otherwise.'
    """
    found = {}
    for name, other in _AUTHORS.items():
        if name in world.tasks and other in world.tasks:
            said = dict(zip(world.task(other).query_ids, world.task(other).texts, strict=True))
            found[name] = {query: said[query] for query in world.task(name).query_ids if query in said}
    return found


def with_stress(loaded: Loaded, trial: Trial, *, tell: Callable[[str], None] = lambda _: None) -> Trial:
    """The trial with its live candidate put under stress, where the policy asks for it, and the report written.

    Recorded files have their rows from a table (`release.studied.stressed`); such a trial is handed back as it is.

    Raises:
        InputError: A task that is none of texts.
    """
    live = trial.candidate.live
    if live is None or not wanted(loaded.manifest) or STUDY in trial.candidate.studies:
        return trial
    world, other = live.world, None if trial.baseline is None else trial.baseline.live
    tasks = [world.task(name).judge() for name in asked(loaded.manifest, tuple(trial.candidate.tasks))]
    own = {name for task in tasks for name in task.slices}
    require_slices(loaded, owns, lambda check: _known(check.slice, loaded.manifest.studies.stressed.kinds, own))
    tell(f"asking {sum(map(len, tasks)):,} queries under stress")
    record = stress(_ranks(live), None if other is None else _ranks(other), tasks,
                    rng=np.random.default_rng(loaded.manifest.seed), kinds=loaded.manifest.studies.stressed.kinds,
                    lexicon=lexicon_of([document.text for document in world.corpus.documents]),
                    paraphrases=author_paraphrases(world))
    write_stress(ARTIFACTS / loaded.manifest.release, record)
    return trial.with_study(STUDY, record)


def _known(name: str, kinds: Sequence[str], own: Set[str]) -> tuple[str, ...]:
    """Slices that a record of these kinds will have, `name` among them where it is a sort of one of the kinds."""
    sort = () if name.startswith(f"{LANGUAGE}=") or name.partition("=")[0] not in kinds else (name,)
    return tuple(dict.fromkeys((*kinds, *sort, *sorted(own - {"all"}))))


def _ranks(live: LiveRelease) -> Ranks:
    return lambda task: live.answer(task).run


def _judged(task: Task) -> Task:
    if task.contexts is not None:
        raise InputError("a reading order has no texts to perturb", where=f"task {task.name}",
                         expected="a task of query texts")
    return task.only(np.isin(np.asarray(task.query_ids, dtype=object), task.qrels.queries))


class _Plan(NamedTuple):
    kinds: tuple[str, ...]
    base: int
    lexicon: Lexicon
    paraphrases: Paraphrases


def _task(candidate: Ranks, baseline: Ranks | None, task: Task, plan: _Plan) -> Iterator[StressObserved]:
    plain, other = candidate(task), None if baseline is None else baseline(task)
    scores = _scores(plain, task), _nothing(len(task)) if other is None else _scores(other, task)
    for made in _perturbed(task, plan):
        if not made.rows:
            continue
        rows = np.zeros(len(task), dtype=np.bool_)
        rows[list(made.rows)] = True
        text = replace(task.only(rows), texts=made.texts)
        now = candidate(text)
        lost, lost_overlap = _lost(candidate, plain, text, made)
        yield StressObserved(
            np.asarray(text.query_ids, dtype=object), _named(task.name, len(text)),
            np.asarray(text.clusters, dtype=object), _named(made.kind, len(text)), np.array(made.edits, dtype=np.int64),
            scores[0][rows], _scores(now, text), scores[1][rows],
            _nothing(len(text)) if baseline is None else _scores(baseline(text), text),
            _overlap(now, plain, text), lost, lost_overlap, dict(_slices(text)))


def _perturbed(task: Task, plan: _Plan) -> Iterator[Perturbed]:
    texts, (kinds, base, lexicon, _) = task.texts, plan
    if "paraphrase" in kinds:
        paraphrases = plan.paraphrases.get(task.name, {})
        rows = tuple(row for row, name in enumerate(task.query_ids) if paraphrases.get(name, texts[row]) != texts[row])
        said = tuple(paraphrases[task.query_ids[row]] for row in rows)
        yield Perturbed("paraphrase", rows, said, (1,) * len(rows))
    if "synonym" in kinds:
        yield synonyms(texts, lexicon, rng=drawn_for(base, task.name, "synonym"))
    if "typo" in kinds:
        yield from (typos(texts, slip, rng=drawn_for(base, task.name, slip)) for slip in LETTERS)
    if "long" in kinds:
        yield longest(texts)
        yield added_clauses(texts, lexicon, rng=drawn_for(base, task.name, "long"))
    if LANGUAGE in kinds:
        for name in sorted(name for name in task.slices if name.startswith(f"{LANGUAGE}=")):
            here = tuple(np.flatnonzero(task.slices[name]).tolist())
            yield Perturbed(name, here, tuple(texts[row] for row in here), (0,) * len(here))


def _lost(candidate: Ranks, plain: Run, text: Task, made: Perturbed) -> tuple[Floats, Floats]:
    """What is found without the edited words; NaN where that was not asked, or nothing is left to ask."""
    score, overlap = _nothing(len(text)), _nothing(len(text))
    left = np.array([bool(one) for one in made.lost or ("",) * len(text)], dtype=np.bool_)
    if made.lost is not None and left.any():
        short = replace(text.only(left), texts=tuple(one for one in made.lost if one))
        found = candidate(short)
        score[left], overlap[left] = _scores(found, short), _overlap(found, plain, short)
    return score, overlap


def _scores(run: Run, task: Task) -> Floats:
    return per_query(run, task.qrels, MEASURE, queries=task.query_ids)


def _overlap(run: Run, plain: Run, task: Task) -> Floats:
    """(n,) Jaccard@10 of the task's queries; 0 where neither run has a hit."""
    if not len(run) and not len(plain):
        return np.zeros(len(task))
    found = jaccard_at(run, plain, k=DEPTH)
    shared = dict(zip(found.queries.tolist(), found.values.tolist(), strict=True))
    return np.array([shared.get(name, 0.0) for name in task.query_ids], dtype=np.float64)


def _slices(task: Task) -> Iterator[tuple[str, Bools]]:
    """The task's own slices, but for those that the record names itself."""
    yield from ((name, mask) for name, mask in task.slices.items()
                if name != "all" and not name.startswith(f"{LANGUAGE}="))


def _named(name: str, n: int) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.full(n, name, dtype=object)


def _nothing(n: int) -> Floats:
    return np.full(n, np.nan)
