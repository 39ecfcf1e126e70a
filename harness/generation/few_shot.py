"""Few-shot examples: a curated pool that is frozen with a release, whose turn it is, and which of them a question gets.

Nothing here is drawn at run time. The pool is made of questions to learn from; which shots are in a rotation follows
from its number, the seed and the shots' ids; which a question is shown from vectors, ties by id. The order in which the
pool is given makes no difference to any of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

import numpy as np

from harness.data.answers import Golds
from harness.data.bodies import body_of, fetch_body, store_body
from harness.data.splits import keyed
from harness.data.store import sha256_bytes
from harness.data.task import FIT, JUDGE, Task, ascending
from harness.errors import InputError
from harness.generation.few_shot_leaks import leaks
from harness.generation.shapes import Shot
from harness.retrieval.protocols import Vectors

__all__ = ["ACTIVE", "POOL", "Picker", "ShotPool", "curated", "items_of"]

POOL = 200  # shots that are curated
ACTIVE = 50  # of them in one rotation
_NAME = "shots"
_ANSWER = range(6, 61)  # words of an answer that shows how to answer: neither a type nor a chapter
_DECIMALS = 6  # of a cosine: what differs by less is a tie, which the id decides


@dataclass(frozen=True)
class ShotPool:
    """Examples by ascending id.

    >>> pool = ShotPool.of([Shot("b", "Why?", "So."), Shot("a", "When?", "Now.")])
    >>> pool.ids, pool.turn(0, seed=1, active=1).ids != pool.turn(1, seed=1, active=1).ids
    (('a', 'b'), True)
    """

    shots: tuple[Shot, ...]

    def __post_init__(self) -> None:
        ascending(self.ids, "few-shots", "shot id")
        for row, one in enumerate(self.shots):
            if not (one.question.strip() and one.answer.strip()):
                raise InputError("an example without a question or an answer", where="few-shots", row=row + 1,
                                 expected="both", found=one.id)

    @classmethod
    def of(cls, shots: Iterable[Shot]) -> ShotPool:
        """The shots in order. Raises InputError for an id that stands twice, and for an empty question or answer."""
        return cls(tuple(sorted(shots, key=lambda one: one.id)))

    @property
    def ids(self) -> tuple[str, ...]:
        """The few_shot_ids of a run manifest."""
        return tuple(one.id for one in self.shots)

    def turn(self, rotation: int, *, seed: int, active: int = ACTIVE) -> ShotPool:
        """The `active` shots whose turn it is in a rotation, from 0; the next go on where these end.

        Every shot has had its turn after ceil(n / active) rotations, and none comes twice as often as another.

        Raises:
            InputError: A negative rotation, or `active` below 1.
        """
        if rotation < 0 or active < 1:
            raise InputError("option out of range", where="few-shots", expected="rotation from 0, active from 1",
                             found=(rotation, active))
        order = sorted(self.shots, key=lambda one: (keyed(one.id, seed=seed), one.id))
        count = min(active, len(order))
        return ShotPool.of(order[(rotation * active + place) % len(order)] for place in range(count))

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over the canonical JSON of the shots."""
        return sha256_bytes(self._body())

    def save(self, folder: str | Path) -> None:
        """Write `shots.json` and, last, its header; equal pools give equal bytes."""
        store_body(Path(folder), _NAME, self._body(), f"{_NAME}.header", {"shots": len(self)})

    @classmethod
    def load(cls, folder: str | Path) -> ShotPool:
        """Read what `save` wrote; `InputError` where it is missing, torn or changed."""
        return fetch_body(Path(folder), _NAME, f"{_NAME}.header",
                          lambda _, rows: cls(tuple(Shot(*row) for row in rows)))

    def __len__(self) -> int:
        return len(self.shots)

    def _body(self) -> bytes:
        return body_of([list(astuple(one)) for one in self.shots], where="few-shots")


@dataclass(frozen=True, eq=False)
class Picker:
    """Picks the nearest shots of each question.

    Attributes:
        pool: The shots that are in turn.
        vectors: (n, d) unit vectors of their questions, in the pool's order.
    """

    pool: ShotPool
    vectors: Vectors

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.pool):
            raise InputError("not a vector for each shot", where="few-shots", expected=f"({len(self.pool)}, d)",
                             found=self.vectors.shape)

    @classmethod
    def of(cls, pool: ShotPool, encode: Callable[[Sequence[str]], Vectors]) -> Picker:
        """A picker whose vectors are the encoder's of the questions."""
        return cls(pool, np.asarray(encode([one.question for one in pool.shots])))

    def pick(self, vectors: Vectors, *, k: int) -> list[tuple[Shot, ...]]:
        """For each row the `k` shots of greatest cosine, the nearest first, ties by ascending id; all where k is more.

        Cosines are compared to six decimals, so that the last bit of a product decides nothing.

        Args:
            vectors: (m, d) unit vectors of questions.
            k: How many, from 0.

        Raises:
            InputError: Another width than the shots' vectors, NaN among them, or a negative k.

        >>> pool = ShotPool.of([Shot("a", "x", "1"), Shot("b", "y", "2")])
        >>> picker = Picker(pool, np.eye(2, dtype=np.float32))
        >>> [one.id for one in picker.pick(np.array([[0.6, 0.8]], dtype=np.float32), k=2)[0]]
        ['b', 'a']
        """
        if k < 0 or vectors.ndim != 2 or vectors.shape[1] != self.vectors.shape[1] or not np.isfinite(vectors).all():
            raise InputError("cannot pick", where="few-shots", found=(vectors.shape, k),
                             expected=f"finite (m, {self.vectors.shape[1]}) vectors and k from 0")
        near = np.round(vectors.astype(np.float64) @ self.vectors.T.astype(np.float64), _DECIMALS)
        order = np.argsort(-near, axis=1, kind="stable")[:, :k]  # stable over ascending ids
        return [tuple(self.pool.shots[at] for at in row) for row in order.tolist()]


def items_of(task: Task, golds: Golds, *, fold: str = JUDGE) -> list[Shot]:
    """Questions of a fold with their gold answers, as far as they have any, by ascending id."""
    known = set(golds.query_ids)
    return [Shot(name, text, golds.text(name)) for name, text, where in
            zip(task.query_ids, task.texts, task.fold, strict=True) if where == fold and name in known]


def curated(task: Task, golds: Golds, *, seed: int, size: int = POOL) -> ShotPool:
    """A pool of at most `size` shots from the questions to learn from, balanced over the kinds of question.

    Left out are answers of fewer than 6 or more than 60 words, and all that is like a question or an answer that is
    judged (`few_shot_leaks.leaks`): documentation repeats itself, and what was learned by heart is not measured.

    Args:
        task: With both folds.
        golds: Its gold answers.
        seed: Draws which.
        size: How many at most, from 1.

    Raises:
        InputError: No shot is left.
    """
    offered = [one for one in items_of(task, golds, fold=FIT) if len(one.answer.split()) in _ANSWER]
    kinds: dict[str, list[Shot]] = defaultdict(list)
    for one in sorted(offered, key=lambda shot: keyed(f"{shot.id} shot", seed=seed)):
        kinds[golds.kinds[golds.row(one.id)]].append(one)
    order = [one for row in zip_longest(*(kinds[name] for name in sorted(kinds))) for one in row if one is not None]
    items, pool = items_of(task, golds), list[Shot]()
    for start in range(0, len(order), 2 * size):
        if len(pool) < size:
            ahead = order[start : start + 2 * size]
            like = {leak.shot for leak in leaks(items, ahead)}
            pool += [one for one in ahead if one.id not in like][: size - len(pool)]
    if not pool:
        raise InputError("no shot is left", where="few-shots", found=len(offered),
                         expected="questions to learn from that are like none that is judged")
    return ShotPool.of(pool)
