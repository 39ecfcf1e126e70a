"""What a ramp remembers between two looks, and its one form in the store: enough to go on after any interruption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from pydantic import ValidationError

from harness.errors import EvidenceError, InputError
from harness.release.rollout_presets import expanded
from harness.release.rollout_terms import Rollout, Rung, Stage
from harness.rollout.shapes import Guarded
from harness.rollout.tables import moment_text

__all__ = ["Phase", "RampState", "Waiver", "criteria_of", "document_of", "state_of"]

Phase = Literal["up", "down", "promoted", "rolled_back"]


@dataclass(frozen=True)
class Waiver:
    """A rollback that people hold back: the guard it is for, until when, and who agreed."""

    guard: str
    until: datetime
    who: tuple[str, ...]


@dataclass(frozen=True)
class RampState:
    """Where a candidate stands on its ramp.

    Attributes:
        environment: Where it is rolled out.
        stable: Digest of the release that it is to replace, and that everything falls back to.
        candidate: Its own digest.
        ramp: The stages, written out: a manifest that changes later changes no ramp that has begun.
        phase: On its way up, on its way down by the reverse ladder, or at one of the two ends.
        index: The stage (up) or the rung (down) it stands on, from 0.
        started: When the ramp began.
        entered: When this stage or rung was entered.
        seen: The latest moment that was looked at: a clock that shows less goes backwards.
        held_s: Seconds of this stage that were watched and sound; only they count towards its hold.
        said: The last decision, so that the trail repeats none.
        waiver: A rollback that is held back, or None.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> RampState.begun("prod", "ab", "cd", Rollout(preset="5-25-50-100"), now=day).percent
    5.0
    """

    environment: str
    stable: str
    candidate: str
    ramp: Rollout
    phase: Phase
    index: int
    started: datetime
    entered: datetime
    seen: datetime
    held_s: float = 0.0
    said: str = ""
    waiver: Waiver | None = None

    @classmethod
    def begun(cls, environment: str, stable: str, candidate: str, rollout: Rollout, *, now: datetime) -> RampState:
        """A ramp at its first stage. Raises InputError where the moment has no offset or both releases are one."""
        if now.utcoffset() is None:
            raise InputError("no offset", where="now", expected="a time with its offset", found=now.isoformat())
        if stable == candidate:
            raise InputError("a release is no candidate for itself", where=environment, found=candidate,
                             expected="another release than the one that serves")
        at = now.astimezone(UTC)
        return cls(environment, stable, candidate, expanded(rollout), "up", 0, at, at, at)

    @property
    def over(self) -> bool:
        """True at either end: nothing moves it any more."""
        return self.phase in {"promoted", "rolled_back"}

    @property
    def stage(self) -> Stage | None:
        """The stage that it stands on; None unless it is on its way up."""
        return self.ramp.stages[self.index] if self.phase == "up" else None

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The reverse ladder below the stage that it was left from: `index` counts them on the way down."""
        return self.ramp.reverse

    @property
    def percent(self) -> float:
        """The candidate's share of traffic, in [0, 100]."""
        if self.phase == "down":
            return self.rungs[self.index].percent
        return self.ramp.stages[self.index].percent if self.phase == "up" else 100.0 * (self.phase == "promoted")

    @property
    def name(self) -> str:
        """The stage as the pointer and people call it."""
        return {"up": f"{self.percent:g} %", "down": f"down to {self.percent:g} %", "promoted": "promoted",
                "rolled_back": "rolled back"}[self.phase]

    def entering(self, phase: Phase, index: int, now: datetime) -> RampState:
        """The same ramp on another stage or rung, whose hold begins now."""
        return replace(self, phase=phase, index=index, entered=now, seen=max(now, self.seen), held_s=0.0)


def criteria_of(state: RampState) -> tuple[Guarded, ...]:
    """What the stage's own criteria watch, to be read beside the guards: names start with the stage's.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> state = RampState.begun("prod", "ab", "cd", Rollout(preset="5-25-50-100"), now=day)
    >>> [one.name for one in criteria_of(state)]
    ['ramp 5 %: delta error rate (all)', 'ramp 5 %: p95 total_ms (all)']
    """
    stage = state.stage
    return () if stage is None else tuple(
        Guarded(f"ramp {stage.name}: {one.name}", one.measure, one.slice, one.limit, 0, "info", "alert")
        for one in stage.criteria if one.measure is not None and one.limit is not None)


def document_of(state: RampState) -> dict[str, Any]:
    """The state as the store keeps it: a JSON object that `state_of` reads back to the same state."""
    told = {name: moment_text(value) if isinstance(value, datetime) else value for name, value in vars(state).items()}
    waiver = state.waiver
    return told | {"ramp": state.ramp.model_dump(mode="json", by_alias=True), "waiver": waiver and {
        "guard": waiver.guard, "until": moment_text(waiver.until), "who": list(waiver.who)}}


def state_of(document: Mapping[str, Any], *, where: object = "ramp") -> RampState:
    """A state from the store, held to its own stages. Raises EvidenceError for anything that no ramp can be in.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> state = RampState.begun("prod", "ab", "cd", Rollout(preset="1-5-10-25-50"), now=day)
    >>> state_of(document_of(state)) == state
    True
    """
    try:
        fields = dict(document)
        waiver = fields.pop("waiver")
        moments = {name: _moment(fields.pop(name)) for name in ("started", "entered", "seen")}
        held = None if waiver is None else Waiver(waiver["guard"], _moment(waiver["until"]), tuple(waiver["who"]))
        found = RampState(**fields | moments | {"ramp": Rollout.model_validate(fields["ramp"]), "waiver": held})
        _possible(found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ValidationError) as error:
        raise EvidenceError("not the state of a ramp", where=where, expected="what `signoff rollout` wrote",
                            found=f"{type(error).__name__}: {error}") from None
    return found


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.utcoffset() is None:
        raise ValueError(f"no offset: {text!r}")
    return found


def _possible(state: RampState) -> None:
    places = {"up": len(state.ramp.stages), "down": len(state.rungs)}.get(state.phase, 1)
    if state.phase not in get_args(Phase) or not 0 <= state.index < places or state.ramp.preset is not None:
        raise ValueError(f"no such stage: {state.phase} {state.index}")
    if not 0.0 <= state.held_s < float("inf") or not state.started <= state.entered <= state.seen:
        raise ValueError("its moments are out of order")
    if state.stable == state.candidate:
        raise ValueError("a candidate for itself")
