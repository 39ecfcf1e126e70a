"""The signals of a query at the moment of decision: from the first stage's hits and what may be looked up beside them.

A batch is its queries one after another, so that what a router was fitted on is, to the bit, what it sees when serving.
Twenty numbers are worked on in plain Python: for so few, numpy's calls cost more than the sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.data.corpus import World
from harness.errors import InputError, nearest
from harness.records import Floats
from harness.release.candidate_terms import KINDS, CandidateTerms
from harness.release.parts import MADE, USUAL
from harness.retrieval.protocols import Codes

__all__ = ["DEFAULT", "HITS", "TEMPERATURE", "WORDS", "SignalMaker"]

HITS = 20  # first hits that the signals look at
WORDS = 10  # of which as many have the query's words looked up: half the time, and nearly all that words tell
TEMPERATURE = 0.05  # of the entropy, in cosine
DEFAULT = USUAL  # of a manifest that names none
_SHARED = tuple(f"{kind}_lead" for kind in KINDS)


class SignalMaker:
    """Makes the signals of `names`, in that order.

    Args:
        names: Of `MADE`; `entropy` among them.
        modules: (n_docs,) the module's code of each document, for `company`.
        terms: For the signals that end in `_lead`.
        temperature: Of the entropy, in the unit of the first stage's scores.

    `lexical_lead` is in units of the best BM25 score among the first ten hits, the other leads are shares of the
    query's weight.

    >>> maker = SignalMaker(("entropy", "margin", "length"))
    >>> maker.one("sort rows", np.array([4, 2]), np.array([0.75, 0.5])).round(3).tolist()
    [0.013, 0.25, 2.0]
    """

    def __init__(self, names: Sequence[str] = DEFAULT, *, modules: Any = None, terms: CandidateTerms | None = None,
                 temperature: float = TEMPERATURE) -> None:
        self.names = _checked(names)
        if not (math.isfinite(temperature) and temperature > 0.0):
            raise InputError("not a temperature", where="signals", expected="a number above 0", found=temperature)
        lacking = "modules" if "company" in names and modules is None else ""
        lacking = "terms" if set(names) & set(_SHARED) and terms is None else lacking
        if lacking:
            raise InputError("a signal lacks what it is made of", where="signals", expected=lacking, found=list(names))
        self._modules = np.asarray(modules, dtype=np.int64) if "company" in names else None
        self._terms, self._temperature = terms, temperature

    @classmethod
    def load(cls, world: World, folders: Mapping[str, Path], names: Sequence[str] = DEFAULT, *,
             temperature: float = TEMPERATURE) -> Self:
        """Off a release's folders. Raises InputError for a name that cannot be made, or a folder that is lacking."""
        terms = None
        if set(names) & set(_SHARED):
            if "lexical" not in folders:
                raise InputError("no lexical part", where="signals", found=list(folders),
                                 expected="a release with BM25 beside its vectors, or signals that need no words")
            kinds = [kind for kind in KINDS if f"{kind}_lead" in names]
            terms = CandidateTerms.load(folders["lexical"], world.corpus, kinds=kinds)
        labels = np.unique([one.module for one in world.corpus.documents], return_inverse=True)[1]
        return cls(names, modules=labels, terms=terms, temperature=temperature)

    def one(self, text: str, codes: Any, scores: Any) -> Floats:
        """(F,) signals of one query from its hits, best first: `codes` (k,), -1 where there is none, `scores` (k,)."""
        found = codes[:HITS]
        if len(found) and found[-1] < 0:  # a short list: what is missing stands at its end
            found = found[:int((found >= 0).sum())]
        score = scores[: len(found)].tolist()
        made = {"entropy": _entropy(score, self._temperature), "margin": _lead(score),
                "nl_confidence": score[0] if score else 0.0, "length": float(len(text.split()))}
        if self._modules is not None and len(found):
            module = self._modules[found].tolist()
            made["company"] = module.count(module[0]) / len(module)
        if self._terms is not None and len(found):
            made |= self._words(text, found[:WORDS])
        return np.array([made.get(name, 0.0) for name in self.names])

    def batch(self, texts: Sequence[str], codes: Any, scores: Any) -> Floats:
        """(n, F) of n queries, `codes` and `scores` (n, k): row by row what `one` makes."""
        rows = [self.one(text, code, score) for text, code, score in zip(texts, codes, scores, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.names))

    def columns(self, made: Floats) -> dict[str, Floats]:
        """Name → (n,) of what `batch` made."""
        return {name: made[:, at] for at, name in enumerate(self.names)}

    def _words(self, text: str, found: Codes) -> dict[str, float]:
        assert self._terms is not None
        shared = dict(zip(self._terms.kinds, self._terms.shared(text, found), strict=True))
        made = {f"{kind}_lead": _lead(values) for kind, values in shared.items()}
        best = max(shared.get("lexical", (0.0,)))
        return made | {"lexical_lead": made["lexical_lead"] / best} if best > 0.0 else made


def _checked(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in MADE:
            raise InputError("no such signal", where="signals", expected=", ".join(MADE), found=name,
                             hint=nearest(name, MADE))
    if "entropy" not in names or len(set(names)) < len(names):
        raise InputError("wrong signals", where="signals", expected="entropy among them, each once", found=list(names))
    return tuple(names)


def _entropy(scores: list[float], temperature: float) -> float:
    """`routing.signals.entropy` of one list, as a share of log HITS."""
    if len(scores) < 2:
        return 0.0
    below = [(score - scores[0]) / temperature for score in scores]
    raised = [math.exp(one) for one in below]
    total = sum(raised)
    nats = math.log(total) - sum(weight * one for weight, one in zip(raised, below, strict=True)) / total
    return min(max(nats / math.log(HITS), 0.0), 1.0)


def _lead(values: list[float]) -> float:
    """`routing.signals.lead` of one list."""
    return values[0] - max(values[1:]) if len(values) > 1 else values[0] if values else 0.0
