"""From a find to a pin, and from what was tried to the gallery's pictures of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.hunting.gallery import Chapter, Exhibit, Hit, hits_of
from harness.hunting.hunt import Hunted
from harness.hunting.regressions import Data, Found, Judged, Limits, Pinned, Scores, Step, stated_limits
from harness.hunting.replaying import Bench
from harness.hunting.searching import Arena, Find, Profile, Seen
from harness.records import Run

__all__ = ["mutated_chapter", "pin_of"]


def pin_of(find: Find, arena: Arena, *, release: str, data: Data, profile: Profile) -> Pinned:
    """The find as it is written: a known loss, with both rankings of the judged documents and the limits it sets."""
    seen, bench = find.seen, arena.candidate
    query = bench.task.texts[seen.row]
    if find.against == "plain" or arena.baseline is None:
        before = bench.run(query, seen.row)
    else:
        before = arena.baseline.run(seen.text, seen.row)
    scores = Scores(plain=bench.score(query, seen.row), mutated=seen.score,
                    baseline=None if arena.baseline is None else arena.baseline.score(seen.text, seen.row))
    limits: Limits = stated_limits(scores, against=find.against, status="known")
    return Pinned(
        release=release, data=data, task=bench.task.name, query_id=bench.task.query_ids[seen.row], query=query,
        steps=tuple(Step(operator=step.operator, choices=step.choices) for step in seen.steps), mutated=seen.text,
        against=find.against, judged=_judged(bench, seen.row, before, bench.run(seen.text, seen.row)), ndcg=scores,
        loss=round(seen.loss, 6), limits=limits,
        found=Found(profile=profile.name, seed=find.seed, examples=find.examples))


def mutated_chapter(hunted: Hunted, arena: Arena, *, most: int, shown: bool,
                    title: Callable[[str], str]) -> Chapter:
    """The mutations that lost and gained most beside the plain query, each query once a side.

    `shown` says whether query texts may be shown; without, what was done to them is.
    """
    bench = arena.candidate
    ordered = sorted(hunted.seen, key=lambda one: (one.loss, one.row))
    ends = [*_each_query_once(reversed(ordered), most), *_each_query_once(ordered, most)]
    exhibits = tuple(_exhibit(one, bench, shown=shown, title=title) for one in dict.fromkeys(ends) if one.loss != 0.0)
    tried = sum(one.examples for one in hunted.tallies if one.against == "plain")
    return Chapter("Mutated queries: the candidate beside itself", "plain", "mutated", tried, exhibits)


def _each_query_once(ordered: Iterable[Seen], most: int) -> list[Seen]:
    kept: dict[int, Seen] = {}
    for one in ordered:
        kept.setdefault(one.row, one)
        if len(kept) == most:
            break
    return list(kept.values())


def _exhibit(one: Seen, bench: Bench, *, shown: bool, title: Callable[[str], str]) -> Exhibit:
    text = bench.task.texts[one.row]
    sides = [_hits(bench, asked, one.row, title) for asked in (text, one.text)]
    change = ", then ".join(f"{step.operator} × {step.severity}" for step in one.steps)
    return Exhibit(bench.task.query_ids[one.row], text if shown else None, change, one.text if shown else None,
                   one.reference, one.score, sides[0], sides[1])


def _hits(bench: Bench, text: str, row: int, title: Callable[[str], str]) -> tuple[Hit, ...]:
    return hits_of(bench.answer(text, row), _grades(bench, row), title)


def _grades(bench: Bench, row: int) -> dict[str, int]:
    qrels = bench.qrels(row)
    return dict(zip(qrels.docs[qrels.doc].tolist(), qrels.relevance.tolist(), strict=True))


def _judged(bench: Bench, row: int, before: Run, after: Run) -> tuple[Judged, ...]:
    relevant = sorted(((doc, grade) for doc, grade in _grades(bench, row).items() if grade > 0),
                      key=lambda one: (-one[1], one[0]))
    ranks = [_ranks(run) for run in (before, after)]
    return tuple(Judged(doc_id=doc, relevance=grade, before=ranks[0].get(doc), after=ranks[1].get(doc))
                 for doc, grade in relevant)


def _ranks(run: Run) -> Mapping[str, int]:
    docs: Sequence[str] = run.docs[run.doc].tolist()
    return dict(zip(docs, run.rank.tolist(), strict=True))
