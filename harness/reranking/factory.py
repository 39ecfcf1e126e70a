"""Which reranker serves: by name in the release, switched by RERANKER in the environment."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from harness.errors import InputError, UsageError, nearest
from harness.records import Floats
from harness.reranking.files import read_json, write_json
from harness.reranking.lambdamart import LambdaMartReranker
from harness.reranking.mlp import MlpReranker
from harness.reranking.options import whole
from harness.reranking.protocols import SCORE, Reranker, checked_features, checked_lists

__all__ = ["RERANKERS", "NoReranker", "load_reranker", "make_reranker", "reranker_enabled"]


class NoReranker:
    """The first stage's own score: the baseline release, and the point that every lift starts from."""

    def __init__(self, *, seed: int = 42) -> None:
        self.seed = whole(seed, "seed", low=0)

    def fit(self, features: Any, labels: Any, groups: Any) -> Self:
        """Check the lists as any reranker does, and learn nothing."""
        checked_lists(features, labels, groups)
        return self

    def scores(self, features: Any) -> Floats:
        """(n,) column 0, untouched."""
        return checked_features(features)[:, SCORE].copy()

    def save(self, folder: Path) -> None:
        """Write `none.json`."""
        write_json(folder / "none.json", {"impl": "none", "seed": self.seed})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls(seed=read_json(folder / "none.json", keys=("impl", "seed"))["seed"])


RERANKERS: dict[str, type[Any]] = {"lambdamart": LambdaMartReranker, "mlp": MlpReranker, "none": NoReranker}


def make_reranker(impl: str, *, seed: int = 42, **options: Any) -> Reranker:
    """A reranker by name: `mlp`, `lambdamart` or `none`; options go to its constructor.

    >>> make_reranker("mlp", seed=7, residual=True).seed
    7
    """
    kind = _known(impl)
    allowed = [name for name in inspect.signature(kind).parameters if name != "seed"]
    for name in options:
        if name not in allowed:
            raise InputError("no such option", where=f"reranker {impl}", found=name, hint=nearest(name, allowed),
                             expected=", ".join(allowed) or "none")
    made: Reranker = kind(seed=seed, **options)
    return made


def load_reranker(impl: str, folder: Path) -> Reranker:
    """The reranker `impl` that was saved in `folder`."""
    made: Reranker = _known(impl).load(folder)
    return made


def reranker_enabled(environ: Mapping[str, str]) -> bool:
    """Whether RERANKER in `environ` is `on` (also when unset) or `off`; anything else is a `UsageError`."""
    value = environ.get("RERANKER", "on").strip().lower()
    if value not in ("on", "off"):
        raise UsageError(f"RERANKER must be on or off, found {value[:40]!r}")
    return value == "on"


def _known(impl: str) -> type[Any]:
    if impl not in RERANKERS:
        raise InputError("no such reranker", where="reranker", expected=", ".join(RERANKERS), found=impl,
                         hint=nearest(impl, RERANKERS))
    return RERANKERS[impl]
