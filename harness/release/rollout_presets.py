"""The ramps that release checklists ask for, as data, and what a manifest's section comes to with them.

`5-25-50-100` is quick and watches errors and latency: 30 minutes, 2, 6 and 24 hours, and the candidate becomes the
stable release no sooner than 48 hours after the start. `1-5-10-25-50` takes a day a stage and asks more at each.
`canary-48h` is for releases that answer: a tenth of the traffic for two days, and then all of it, by proof that more is
found, that answers are no worse and that none of them is slower or rarer than a stated share.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.release.rollout_terms import Criterion, Rollout, Stage

__all__ = ["PRESETS", "expanded", "ramp_demands_less"]

_ERRORS = Criterion(measure="delta error rate", at_most=0.002)
_FAST = Criterion(measure="p95 total_ms", at_most=10.0)

PRESETS: Mapping[str, Rollout] = {
    "5-25-50-100": Rollout(validate_="48h", stages=tuple(
        Stage(percent=percent, hold=hold, criteria=(_ERRORS, _FAST))
        for percent, hold in ((5.0, "30m"), (25.0, "2h"), (50.0, "6h"), (100.0, "24h")))),
    "1-5-10-25-50": Rollout(stages=tuple(
        Stage(percent=percent, hold="24h", criteria=(criterion,)) for percent, criterion in (
            (1.0, Criterion(guards="critical")),
            (5.0, Criterion(measure="delta p95 total_ms", at_most=100.0)),
            (10.0, Criterion(measure="delta error rate", at_most=0.01)),
            (25.0, Criterion(measure="delta nDCG@10", at_least=0.0)),
            (50.0, Criterion(guards="all"))))),
    "canary-48h": Rollout(validate_="48h", stages=(Stage(percent=10.0, hold="48h", criteria=(
        Criterion(measure="delta oracle_retrieval_hit_prefilter", at_least=0.05),
        Criterion(measure="delta answer F1", at_least=0.0),
        Criterion(measure="delta reader_used_gold", at_least=0.0),
        Criterion(measure="delta answer precision", at_least=-0.02),
        Criterion(measure="rise p95 total_ms", at_most=0.15),
        Criterion(measure="rise answers a minute", at_least=-0.05))),)),
}


def expanded(rollout: Rollout) -> Rollout:
    """The ramp with its stages: a preset's, under the section's own reverse ladder and the later `validate`.

    >>> [stage.percent for stage in expanded(Rollout(preset="5-25-50-100")).stages]
    [5.0, 25.0, 50.0, 100.0]
    """
    if rollout.preset is None:
        return rollout
    preset = PRESETS[rollout.preset]
    later = max(rollout.validate_, preset.validate_, key=lambda span: Rollout(
        stages=preset.stages, validate_=span).validate_s)
    return preset.model_copy(update={"reverse": rollout.reverse, "validate_": later})


def ramp_demands_less(before: Rollout | None, after: Rollout | None) -> list[str]:
    """Ways in which the ramp `after` is faster, asks less or gives traffic back later than `before`, one line each.

    >>> ramp_demands_less(Rollout(preset="5-25-50-100"), Rollout(preset="5-25-50-100"))
    []
    >>> ramp_demands_less(Rollout(preset="1-5-10-25-50"), None)
    ['rollout: no ramp any more']
    """
    if before is None or before == after:
        return []
    if after is None:
        return ["rollout: no ramp any more"]
    old, new = expanded(before), expanded(after)
    return [f"rollout: {line}" for line in (*_faster(old, new), *_asks_fewer(old, new), *_falls_later(old, new))]


def _faster(old: Rollout, new: Rollout) -> list[str]:
    lines, began = [], 0
    for stage in new.stages:
        there = _reached(old, stage.percent)
        if began < there:
            lines.append(f"{stage.name} after {began} s, not {there} s")
        began += stage.hold_s
    there = _reached(old, float("inf"))
    done = max(began, new.validate_s)
    return [*lines, *([f"takes over for good after {done} s, not {there} s"] if done < there else [])]


def _reached(ramp: Rollout, percent: float) -> int:
    """Seconds, at the earliest, until a ramp gives its candidate so much traffic; past its last stage, for good."""
    began = 0
    for stage in ramp.stages:
        if stage.percent >= percent:
            return began
        began += stage.hold_s
    return max(began, ramp.validate_s)


def _asks_fewer(old: Rollout, new: Rollout) -> list[str]:
    """Each criterion must be asked, as strictly, by the new ramp's last stage at or below the old one's share."""
    lines = []
    for stage in old.stages:
        below = [one for one in new.stages if one.percent <= stage.percent]
        there = below[-1].criteria if below else ()
        lines += [f"{criterion.name} no longer shown by {stage.name}" for criterion in stage.criteria
                  if not any(_as_strict(criterion, other) for other in there)]
    return lines


def _as_strict(old: Criterion, new: Criterion) -> bool:
    if old.guards is not None:
        return new.guards in {old.guards, "all"}
    was, now = old.limit, new.limit
    if was is None or now is None or (old.name, was.direction) != (new.name, now.direction):
        return False
    if was.by != now.by and now.by == "value":
        return False
    return now.bound >= was.bound if was.direction == "at_least" else now.bound <= was.bound


def _falls_later(old: Rollout, new: Rollout) -> list[str]:
    lines, began = [], 0
    for rung in old.reverse:
        there = _fallen(new, rung.percent)
        if there > began:
            lines.append(f"a gradual rollback is down to {rung.percent:g} % after {there} s, not {began} s")
        began += rung.hold_s
    return lines


def _fallen(ramp: Rollout, percent: float) -> int:
    began = 0
    for rung in ramp.reverse:
        if rung.percent <= percent:
            break
        began += rung.hold_s
    return began
