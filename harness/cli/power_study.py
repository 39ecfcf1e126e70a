"""What `signoff power` examines: the gates asked for, observed once, tried many times, with progress on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from harness.cli.live import tell
from harness.defects.owners import DEFECTS, owners_of
from harness.defects.power import GatePower, power_verdict
from harness.defects.power_run import Size, Study, Variant, bare, examine, reordered_variants, study_of, unstudied
from harness.defects.power_trials import Setting
from harness.errors import UsageError, nearest
from harness.hunting.stressing import with_stress
from harness.release.judge import Verdict
from harness.release.manifest import Loaded
from harness.release.measures import PROPERTIES, family_of
from harness.release.observed import Trial
from harness.release.observing import frozen, observe
from harness.release.policy import Check

__all__ = ["Asked", "Studied", "studied", "wanted"]

QUICK_PLANTS, PLANTS = 2, 5
MOST_NAMED = 8  # of many, in one line


class Asked(NamedTuple):
    """A gate, and the defect to plant; None for the one that the gate is shown."""

    check: Check
    defect: str | None


class Studied(NamedTuple):
    """A release's gates, examined; `facts` say what was tried, in words."""

    release: str
    seed: int
    trials: int
    gates: list[GatePower]
    facts: list[str]

    @property
    def verdict(self) -> Verdict:
        """The gravest gate speaks."""
        return power_verdict(self.gates)


def wanted(checks: Sequence[Check], gates: Sequence[str] | None, defects: Sequence[str] | None) -> list[Asked]:
    """The gates to examine. Raises UsageError for a gate or a defect that is not there, naming the nearest."""
    known = [check.id for check in checks]
    for name in gates or ():
        if name not in known:
            raise UsageError(_unknown("gate", name, known))
    for name in defects or ():
        if name not in DEFECTS:
            raise UsageError(_unknown("defect", name, DEFECTS))
    chosen = [check for check in checks if gates is None or check.id in gates]
    for check in chosen:
        if check.own_gate is None:
            family_of(check.measure)  # a misspelt measure is told before anything is built
    if defects is None:
        return [Asked(check, None) for check in chosen]
    found = [Asked(check, one.name) for check in chosen for one in owners_of(check)
             if one.name in defects]
    if not found:
        raise UsageError(f"power: no gate here is asked to refuse {', '.join(defects)}")
    return found


def studied(loaded: Loaded, asked: Sequence[Asked], size: Size, *, seed: int, processes: int) -> Studied:
    """Observe the release once, then run every gate's trials."""
    trial = _observed(loaded, asked)
    more: dict[str, object] = {}
    studies = [_study(trial, one, size, seed, more) for one in asked]
    checks = {one.check.id: one.check for one in asked}
    variants = [*_rebuilt(loaded, studies, checks, size, seed), *reordered_variants(studies, checks, size)]
    setting = Setting(bare(trial), seed, size.trials, QUICK_PLANTS if size.quick else PLANTS, more)
    tell("")
    with _progress(studies, variants) as done:
        gates = examine(studies, variants, setting, processes=processes, done=done)
    return Studied(loaded.manifest.release, seed, size.trials, gates, _facts(loaded, gates, size))


def _rebuilt(loaded: Loaded, studies: Sequence[Study], checks: Mapping[str, Check], size: Size, seed: int
             ) -> list[Variant]:
    """Real rebuilds, of a live release in a full study."""
    if not size.rebuilds or loaded.manifest.recorded is not None:
        return []
    from harness.cli.power_rebuild import rebuilt_variants

    built, _ = frozen(loaded, tell=tell)
    return rebuilt_variants(loaded, studies, checks, built.folders, seed=seed, number=size.rebuilds)


def _observed(loaded: Loaded, asked: Sequence[Asked]) -> Trial:
    """The release, observed; with its pinned regressions replayed where a gate asks for them."""
    trial = with_stress(loaded, observe(loaded, tell=tell), tell=tell)
    if not any(one.check.own_gate is None and family_of(one.check.measure) == "regressions" for one in asked):
        return trial
    from harness.hunting.regressions import FOLDER
    from harness.hunting.replaying import replayed

    tell("replaying pinned regressions")
    return replace(trial, candidate=replace(trial.candidate, pins=replayed(trial.candidate, FOLDER)))


def _study(trial: Trial, one: Asked, size: Size, seed: int, more: dict[str, object]) -> Study:
    if one.check.own_gate is not None:
        return unstudied(one.check, "a gate of your own: its numbers are known when it runs", defect="its own")
    if family_of(one.check.measure) != PROPERTIES:
        return study_of(trial, one.check, size, defect=one.defect)
    from harness.hunting.power import property_study

    tell(f"trying {one.check.measure.removeprefix('violations of ')} and its twin")
    study, more[one.check.id] = property_study(trial.candidate.live, one.check, size, number=seed)
    return study


def _facts(loaded: Loaded, gates: Sequence[GatePower], size: Size) -> list[str]:
    kinds: dict[str, int] = {}
    for one in gates:
        for kind in one.noops:
            kinds[kind.kind] = max(kinds.get(kind.kind, 0), kind.tally.n)
    facts = [f"{size.trials} trials at each severity; no-op candidates of a gate: "
             + ", ".join(f"up to {count} {kind}" for kind, count in kinds.items())]
    if loaded.manifest.recorded is not None:
        facts.append("recorded files: nothing could be built again")
    elif not size.rebuilds:
        facts.append("nothing was built again: --rebuilds 20 asks for it, as a full study does")
    elif "rebuilt" in kinds:
        facts.append("built again under other seeds: index, sequence retriever, reranker, where there are any")
    return facts


@contextmanager
def _progress(studies: Sequence[Study], variants: Sequence[Variant]) -> Iterator[Callable[[], object]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    total = len(variants) + sum(len(one.points) + len(one.noops) for one in studies)
    columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("trials", total=total)
        yield lambda: bar.advance(task)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = nearest(name, names)
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return f"power: unknown {what} {name!r}" + (f" (nearest: {near})" if near else "") + f"; known: {shown}"
