"""What one process works on: a point of a curve, a batch of no-op draws, a whole trial in another guise.

Every job is seeded by the run's seed and by what it is about, never by its place: a gate gets the same trials whether
it is examined alone or among others, in one process or in many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

import numpy as np

from harness.defects.catalogue import Defect, caught
from harness.defects.owners import named
from harness.defects.plan import needed_rows
from harness.defects.power import CATCH, Point, Tally
from harness.defects.trials import Records, draw, judged, records_of, reordered
from harness.release.judge import Finding, Verdict
from harness.release.measures import family_of
from harness.release.observed import Trial
from harness.release.policy import Check

__all__ = ["FEWEST", "Setting", "Verdicts", "costly", "draws_of", "point_of", "reorderings", "rng_of", "verdicts_on"]

Verdicts = dict[str, Verdict | None]
FEWEST = 59  # all of so many caught show .95: enough where each trial reads whole rankings again
_FACTS = {"index", "integrity", "latency"}  # families that read no ranking
_BY_TASK = {"quality", "hygiene"}  # families whose rows read the one task that they name


@dataclass(frozen=True, eq=False)
class Setting:
    """What all jobs read.

    Attributes:
        trial: The release beside its baseline, as observed, without its live parts.
        seed: Of all trials.
        trials: At each severity.
        plants: Ways to choose what is broken, where records are costly to break; elsewhere each trial has its own.
        more: What other rooms' jobs read.
    """

    trial: Trial
    seed: int
    trials: int = 200
    plants: int = 5
    more: Mapping[str, Any] = field(default_factory=dict)


def point_of(setting: Setting, check: Check, name: str, severity: float) -> Point:
    """Trials at one severity: plant, draw, judge; the defect is caught where the finding names it."""
    defect, base = named(name), _needed(setting.trial, check)
    shown = _broken(base, check, defect) if costly(check) else None
    found: list[Finding | None] = []
    values: list[float] = []
    needed = None
    for plant, count in enumerate(_shared_out(setting, check)):
        try:
            rng = rng_of(setting, check.id, name, severity, plant)
            trial = defect.plant(_mixed(base, check, rng), severity, int(rng.integers(2**31)))
            pair = records_of(trial, check), shown or _broken(trial, check, defect)
            estimate = pair[0].read(None, 0).estimate
            found += [_judged(check, pair, defect, rng) for _ in range(count)]
            needed = needed_rows(estimate, check.limit, power=CATCH) if not values and check.limit else needed
            values.append(estimate.value)
        except Exception:  # whatever it is: a gate that crashes has not caught the defect
            found += [None] * count
    verdicts = [None if one is None else one.verdict for one in found]
    value = float(np.mean(values)) if values else float("nan")
    return Point(severity, Tally.of(verdicts), sum(caught(defect, one) for one in found), value, needed)


def draws_of(setting: Setting, check: Check, name: str, count: int) -> Tally:
    """No-op candidates: the release itself, its queries or requests drawn again."""
    pair, rng = _pair(setting.trial, check, named(name)), rng_of(setting, check.id, "drawn again")
    found = [_judged(check, pair, named(name), rng) for _ in range(count)]
    return Tally.of([None if one is None else one.verdict for one in found])


def reorderings(setting: Setting, gates: Sequence[tuple[Check, str]], first: int, count: int) -> list[Verdicts]:
    """No-op candidates: the records with their rows in another order, judged by several gates."""
    facts = all(family_of(check.measure) in _FACTS for check, _ in gates)
    trial = _with_tasks(setting.trial) if facts else setting.trial
    shown = {check.id: _broken(_needed(trial, check), check, named(name)) for check, name in gates if costly(check)}
    return [verdicts_on(reordered(trial, rng_of(setting, "reordered", number)), gates, shown)
            for number in range(first, first + count)]


def verdicts_on(trial: Trial, gates: Sequence[tuple[Check, str]], shown: Mapping[str, Records] | None = None
                ) -> Verdicts:
    """Each gate's verdict on a whole trial; None where it crashed. `shown` are planted defects that are at hand."""
    found: Verdicts = {}
    for check, name in gates:
        try:
            needed, defect = _needed(trial, check), named(name)
            broken = (shown or {}).get(check.id) or _broken(needed, check, defect)
            found[check.id] = judged(check, records_of(needed, check), broken, defect, seed=trial.seed).verdict
        except Exception:  # told as a crash, which counts as a refusal of a sound candidate
            found[check.id] = None
    return found


def rng_of(setting: Setting, *about: str | float) -> np.random.Generator:
    """A generator for one thing, by the run's seed and the thing's own name."""
    return np.random.default_rng([setting.seed, *(crc32(repr(one).encode()) for one in about)])


def _judged(check: Check, pair: tuple[Records, Records], defect: Defect, rng: np.random.Generator) -> Finding | None:
    drawn, seed = draw(pair[0], rng), int(rng.integers(2**31))
    try:
        return judged(check, *pair, defect, drawn=drawn, seed=seed)
    except Exception:  # as above
        return None


def _pair(trial: Trial, check: Check, defect: Defect) -> tuple[Records, Records]:
    """What the check reads of the trial, and of the same with its gate's planted defect."""
    needed = _needed(trial, check)
    return records_of(needed, check), _broken(needed, check, defect)


def _broken(trial: Trial, check: Check, defect: Defect) -> Records:
    return records_of(defect.plant(trial, defect.grades[-1]), check)


def _shared_out(setting: Setting, check: Check) -> list[int]:
    """Trials for each plant: one where nothing is drawn or breaking is cheap, else spread over a few plants."""
    if costly(check):
        return [1] * FEWEST
    plants = setting.trials if family_of(check.measure) in _FACTS else min(setting.plants, setting.trials)
    return [len(range(plant, setting.trials, plants)) for plant in range(plants)]


def costly(check: Check) -> bool:
    """Whether a check counts over whole rankings: nothing can be drawn again, and each trial reads all of them.

    >>> from harness.release.policy import Check
    >>> [costly(Check("gate", measure, None, "all", None)) for measure in ("duplicated hits", "ids missing", "R@5")]
    [True, False, False]
    """
    return family_of(check.measure) not in _FACTS | {"quality"}


def _needed(trial: Trial, check: Check) -> Trial:
    """The trial without the tasks that the check does not read: what is not there need not be broken."""
    family = family_of(check.measure)
    if family in _FACTS:
        return _with_tasks(trial)
    if check.task is None or family not in _BY_TASK:
        return trial
    return _with_tasks(trial, check.task)


def _with_tasks(trial: Trial, *names: str) -> Trial:
    kept = {name: task for name, task in trial.candidate.tasks.items() if name in names}
    return replace(trial, candidate=replace(trial.candidate, tasks=kept))


def _mixed(trial: Trial, check: Check, rng: np.random.Generator) -> Trial:
    """Facts in another order first, so that a plant that takes the first few rows takes others each time."""
    return reordered(trial, rng) if family_of(check.measure) in _FACTS else trial
