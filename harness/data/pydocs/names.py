"""One name a text: the canonical id, the other paths as aliases, and what a See Also name means where it stands."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Names", "canonical", "path_words"]

_SHORT = {"np": "numpy", "pd": "pandas", "sp": "scipy"}
Path = tuple[str, int, str, bool]
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-zA-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, eq=False)
class Names:
    """`alias`: every public path → canonical id. `last`: (package, last part) → the (path, id) pairs that end so."""

    alias: dict[str, str]
    last: dict[tuple[str, str], list[tuple[str, str]]]

    def resolve(self, name: str, *, near: str) -> str | None:
        """The id that `name` means in the docstring of the path `near`; None where it means nothing or is ambiguous.

        Read from the inside out: in the same class or module, then in each enclosing one, then as a full path, then
        as the only such name of the package.
        """
        head, dot, rest = name.partition(".")
        name = _SHORT.get(head, head) + dot + rest
        scope = near
        while "." in scope:
            scope = scope.rpartition(".")[0]
            found = self.alias.get(f"{scope}.{name}")
            if found is not None:
                return found
        found = self.alias.get(name)
        while found is None and name:
            found = self._only(name, near.partition(".")[0])
            _, _, name = name.partition(".")
            name = name if "." in name else ""  # a bare last part says too little to stand for a longer name
        return found

    def _only(self, name: str, package: str) -> str | None:
        tail = f".{name}"
        ids = {one for path, one in self.last.get((package, name.rpartition(".")[2]), ()) if path.endswith(tail)}
        return min(ids) if len(ids) == 1 else None


def canonical(paths: Iterable[Path], docs: Sequence[str]) -> tuple[Names, dict[str, str]]:
    """Choose an id for each distinct text; returns the names, and id → raw text.

    Preferred: the defining class or module, a path that ends in the object's own name, fewer parts, then the first by
    alphabet. Objects with equal texts are one document.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        found[docs[path[1]]].append(path)
    alias: dict[str, str] = {}
    texts: dict[str, str] = {}
    for text, group in found.items():
        chosen = min(group, key=_rank)[0]
        texts[chosen] = text
        for path in group:
            alias.setdefault(path[0], chosen)
    last: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for path_name, one in alias.items():
        last[path_name.partition(".")[0], path_name.rpartition(".")[2]].append((path_name, one))
    return Names(alias, dict(last)), texts


def _rank(path: Path) -> tuple[bool, bool, int, str]:
    name, _, own, defined = path
    return not defined, name.rpartition(".")[2] != own, name.count("."), name


def path_words(path: str) -> str:
    """The words of a path: dots, underscores and inner capitals part them.

    >>> path_words("sklearn.linear_model.LogisticRegressionCV.fit"), path_words("numpy.linalg.norm")
    ('sklearn linear model Logistic Regression CV fit', 'numpy linalg norm')
    """
    return " ".join(_CAMEL.sub(" ", path.replace(".", " ").replace("_", " ")).split())
