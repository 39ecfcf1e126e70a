"""Operating characteristics of properties: outcomes of real examples, recorded once and drawn again.

A property's twin is spoilt for every query; at severity s it is spoilt for a share s of them. An example that meets a
spoilt query breaks as often as the twin's own recorded examples do, the others as the release's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.defects.power import CATCH, GatePower, Point, Tally, severities
from harness.defects.power_pool import Job
from harness.defects.power_run import Size, Study
from harness.defects.power_trials import Setting, rng_of
from harness.estimate import Estimate
from harness.hunting.properties import EXAMPLES, PROPERTIES, Property, surface_of
from harness.release.judge import Control, Reading, Verdict, judge
from harness.release.live import LiveRelease
from harness.release.policy import Check

__all__ = ["Outcomes", "outcomes_of", "property_draws", "property_point", "property_study"]

_PREFIX = "violations of "
_POOL = 2  # recorded examples for each that a gate tries


class Outcomes(NamedTuple):
    """Recorded examples of one property: true where the example broke it, on the release and on its twin.

    `tried` is the number of examples that the gate tries.
    """

    sound: NDArray[np.bool_]
    spoilt: NDArray[np.bool_]
    tried: int


def outcomes_of(live: LiveRelease, name: str, *, number: int, times: int = _POOL) -> Outcomes:
    """Try a property and its twin on `times` the gate's examples each, drawn under a seed; nothing is shrunk."""
    prop = PROPERTIES[name]
    tried = min(EXAMPLES, prop.examples or EXAMPLES)
    task = next(one for one in live.world.tasks.values() if one.contexts is None)
    surface = surface_of(live, task.judge().texts)
    return Outcomes(_broken(lambda draw: prop.holds(surface, draw), times * tried, number),
                    _broken(_twin(prop, surface), times * tried, number + 1), tried)


def property_study(live: LiveRelease | None, check: Check, size: Size, *, number: int) -> tuple[Study, Outcomes | None]:
    """A property gate's jobs, and what they read."""
    name = check.measure.removeprefix(_PREFIX)
    limit = str(check.limit) if check.limit else "its own"
    start = GatePower(check.id, check.measure, check.slice, limit, f"spoilt_{name}", "examples",
                      round((1.0 - check.confidence) / 2.0, 12), None, 0)
    if live is None:
        return Study(start._replace(note="properties are tried on live parts")), None
    found = outcomes_of(live, name, number=number, times=1 if size.quick else _POOL)
    start = start._replace(n=found.tried, observed=Verdict.REFUSE if found.sound.any() else Verdict.PASS)
    if found.sound.any():
        return Study(start._replace(note="the release itself breaks this property")), None
    points = tuple(Job(property_point, (check, severity)) for severity in severities((1.0,), quick=size.quick))
    return Study(start, points, (("drawn again", Job(property_draws, (check, size.draws))),)), found


def property_point(setting: Setting, check: Check, severity: float) -> Point:
    """Searches in which a share of the queries is spoilt; caught where one of the examples breaks."""
    rng = rng_of(setting, check.id, "spoilt", severity)
    verdicts = [_verdict(setting.more[check.id], check, severity, rng) for _ in range(setting.trials)]
    value = float(np.mean([verdict is Verdict.REFUSE for verdict in verdicts]))
    breaks = severity * float(setting.more[check.id].spoilt.mean())
    needed = None if breaks == 0.0 else 1 if breaks == 1.0 else math.ceil(math.log(1 - CATCH) / math.log1p(-breaks))
    return Point(severity, Tally.of(verdicts), sum(verdict is Verdict.REFUSE for verdict in verdicts), value, needed)


def property_draws(setting: Setting, check: Check, count: int) -> Tally:
    """Searches on the release itself."""
    rng = rng_of(setting, check.id, "drawn again")
    return Tally.of([_verdict(setting.more[check.id], check, 0.0, rng) for _ in range(count)])


def _verdict(outcomes: Outcomes, check: Check, severity: float, rng: np.random.Generator) -> Verdict:
    n = outcomes.tried
    spoilt = rng.random(n) < severity
    broken = rng.choice(outcomes.spoilt, n), rng.choice(outcomes.sound, n)
    found = float(np.where(spoilt, *broken).any())
    twin = float(rng.choice(outcomes.spoilt, n).any())
    control = Control(f"spoilt_{check.measure.removeprefix(_PREFIX)}", 1.0, twin, twin, twin, n)
    estimate = Estimate(found, found, found, n, check.confidence, "drawn by hypothesis", "found")
    return judge(check, Reading(estimate, control=control)).verdict


def _twin(prop: Property, surface: object) -> Callable[[object], bool]:
    """The property on its twin, a new twin for each example: some drift from one call to the next."""
    return lambda draw: prop.holds(prop.spoilt(surface), draw)  # type: ignore[arg-type]


def _broken(holds: Callable[..., bool], examples: int, number: int) -> NDArray[np.bool_]:
    found: list[bool] = []

    @seed(number)
    @settings(max_examples=examples, database=None, deadline=None, phases=(Phase.generate,),
              suppress_health_check=list(HealthCheck))
    @given(st.data())
    def search(data: st.DataObject) -> None:
        found.append(not holds(data.draw))

    search()
    return np.array(found, dtype=np.bool_)
