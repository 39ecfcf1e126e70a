"""Arenas without any search engine: six queries, each with its document, and systems whose weakness is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.data.plain import world_of
from harness.data.task import Task
from harness.hunting.mutations import MUTATIONS, Step, replayed
from harness.hunting.pinning import pin_of
from harness.hunting.regressions import Data, Pinned
from harness.hunting.replaying import Answerer, Bench, answerer_of
from harness.hunting.searching import PROFILES, Arena, Find, Seen
from harness.records import Qrels
from harness.release.live import LiveRelease

TEXTS = ("sort the rows", "invert a matrix", "mean of values", "plot two lines", "read from disk", "join both tables")


def task() -> Task:
    """Six judged queries; the document of each is graded 2, the next query's 1."""
    documents = [(f"d{row}", f"Title {row}", f"body of {row}") for row in range(len(TEXTS) + 20)]
    queries = {f"q{row}": text for row, text in enumerate(TEXTS)}
    rows = [(f"q{row}", f"d{place % len(TEXTS)}", grade) for row in range(len(TEXTS))
            for place, grade in ((row, 2), (row + 1, 1))]
    qrels = Qrels.of([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    made = world_of(documents, queries, qrels, name="six").tasks["search"]
    return made


def sound(text: str, row: int) -> Sequence[str]:
    """Reads the query's mind: its own document first, the next one second, whatever was typed."""
    return [f"d{row}", f"d{(row + 1) % len(TEXTS)}", *(f"d{place}" for place in range(10, 22))]


def weak(hurts: Callable[[str], bool]) -> Answerer:
    """Sound, but for texts that hurt: there it finds nothing relevant."""
    return lambda text, row: [f"d{place}" for place in range(10, 22)] if hurts(text) else sound(text, row)


def doubled(text: str) -> bool:
    """True for a text in which a letter stands twice in a row; none of TEXTS is one."""
    return any(one == two for one, two in itertools.pairwise(text))


def arena(candidate: Answerer, baseline: Answerer | None = None, **more: Any) -> Arena:
    """An arena over all six queries."""
    queries = task()
    sides = [None if one is None else Bench(queries, one) for one in (candidate, baseline)]
    plain = [None if one is None else np.array([one.score(text, row) for row, text in enumerate(queries.texts)])
             for one in sides]
    assert sides[0] is not None and plain[0] is not None
    return Arena(sides[0], sides[1], plain[0], plain[1], np.ones(len(queries), dtype=np.bool_), **more)


def real_pin(live: LiveRelease) -> Pinned:
    """A loss that a live release really has: of all its judged queries cut to one word, the one that loses most."""
    queries = live.world.task("search").judge()
    bench = Bench(queries, answerer_of(live, queries))
    plain = np.array([bench.score(text, row) for row, text in enumerate(queries.texts)])
    steps = (Step("truncation", (MUTATIONS["truncation"].most,)),)
    cut = [replayed(text, steps) for text in queries.texts]
    row = int(np.argmax([plain[row] - bench.score(text, row) for row, text in enumerate(cut)]))
    find = Find("truncation", "plain", Seen(row, steps, cut[row], plain[row], bench.score(cut[row], row)), 3, len(cut))
    asked = Arena(bench, None, plain, None, np.ones(len(queries), dtype=np.bool_))
    return pin_of(find, asked, release="small", profile=PROFILES["ci"],
                  data=Data(corpus=live.world.corpus.name, digest=live.world.digest))
