"""What a healthy embedded world looks like: the figures below which nothing measured on it should be believed."""

from __future__ import annotations

from dataclasses import dataclass

from harness.data.corpus import World
from harness.data.task import FIT, JUDGE

__all__ = ["VitalSign", "vital_signs"]


@dataclass(frozen=True)
class VitalSign:
    """A counted figure and the end it must not pass: `least` or `most`, the other is None.

    >>> VitalSign("documents", 6417, least=5000).met, VitalSign("unresolved share", 0.07, most=0.06).met
    (True, False)
    """

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the figure is within its limit; a value that is no number never is."""
        low = self.least is None or self.value >= self.least
        return low and (self.most is None or self.value <= self.most)


def vital_signs(world: World) -> tuple[VitalSign, ...]:
    """Counts of documents, queries, links and folds against their limits; a missing task or fact counts as none.

    The limits leave room for older and newer package versions; a world that misses one was built from stripped,
    partial or much changed packages.
    """
    names = world.facts.get("see_also_names", 0)
    unresolved = world.facts.get("see_also_unresolved", 0) / names if names else float("nan")
    return (
        VitalSign("documents", len(world.corpus), least=5000),
        VitalSign("packages", len({document.package for document in world.corpus.documents}), least=4),
        VitalSign("see_also queries", _count(world, "see_also"), least=2000),
        VitalSign("known_item queries", _count(world, "known_item"), least=2500),
        VitalSign("reading_order steps", _count(world, "reading_order"), least=2500),
        VitalSign("unresolved share", unresolved, most=0.06),
        VitalSign("see_also queries to judge", _count(world, "see_also", fold=JUDGE), least=1200),
        VitalSign("see_also queries to fit", _count(world, "see_also", fold=FIT), least=800),
        VitalSign("see_also hard_nl to judge", _count(world, "see_also", fold=JUDGE, slice_name="hard_nl"), least=200),
        VitalSign("modules to judge", len(_modules(world, JUDGE)), least=30),
        VitalSign("modules in both folds", len(_modules(world, JUDGE) & _modules(world, FIT)), most=0),
    )


def _count(world: World, task_name: str, *, fold: str | None = None, slice_name: str = "all") -> int:
    task = world.tasks.get(task_name)
    if task is None or slice_name not in task.slices:
        return 0
    within = zip(task.fold, task.slices[slice_name].tolist(), strict=True)
    return sum(inside and fold in (None, one) for one, inside in within)


def _modules(world: World, fold: str) -> set[str]:
    tasks = world.tasks.values()
    return {module for task in tasks for module, one in zip(task.clusters, task.fold, strict=True) if one == fold}
