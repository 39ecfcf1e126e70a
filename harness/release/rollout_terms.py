"""The section `rollout:` of a manifest: by which stages a release takes over traffic, and how it gives it back.

Either the name of a preset (`harness.release.rollout_presets`) or stages of one's own. A stage is a share of traffic,
how long it is held, and what must be shown before the next one begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.release.charter import seconds_of
from harness.release.policy import Finite, Limit
from harness.release.schema import Model

__all__ = ["Criterion", "Rollout", "Rung", "Stage"]

LONGEST_S = 366 * 86400


def _bearable(span: str) -> str:
    if seconds_of(span) > LONGEST_S:
        raise ValueError("longer than a year")
    return span


_Span = Annotated[str, Field(pattern=r"^\d{1,6}[smhd]$", strict=True), AfterValidator(_bearable)]


class Criterion(Model):
    """What a stage must show: a live measure within a limit, or the signed guards themselves.

    `guards: critical` asks that every guard of that severity or a graver one is shown to hold, `guards: all` every
    guard there is. A limit speaks by the end of the interval that proves it (`by: value` by the value alone).

    >>> str(Criterion(measure="delta nDCG@10", at_least=0.0).limit), Criterion(guards="all").limit
    ('lcb ≥ 0', None)
    """

    measure: str | None = Field(None, min_length=1, max_length=200)
    guards: Literal["critical", "all"] | None = None
    slice: str = Field("all", min_length=1, max_length=200)
    at_least: Finite | None = None
    at_most: Finite | None = None
    by: Literal["value", "lcb", "ucb"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Criterion:
        if (self.measure is None) == (self.guards is None):
            raise ValueError("a criterion names either a measure or guards")
        bounds = (self.at_least is not None) + (self.at_most is not None)
        if bounds != (self.measure is not None):
            raise ValueError("a measure needs exactly one of at_least and at_most, guards carry their own")
        if self.guards is not None and (self.by is not None or self.slice != "all"):
            raise ValueError("guards carry their own by and slice")
        if (self.by, self.at_least is None) in {("lcb", True), ("ucb", False)}:
            raise ValueError("lcb goes with at_least, ucb with at_most: the other end proves nothing")
        return self

    @property
    def limit(self) -> Limit | None:
        """The limit as the judge takes it; None where guards are asked for."""
        if self.at_least is not None:
            return Limit("at_least", self.at_least, self.by or "lcb")
        return None if self.at_most is None else Limit("at_most", self.at_most, self.by or "ucb")

    @property
    def name(self) -> str:
        """What it asks about, told apart from every other: measure and slice, or which guards."""
        return f"guards: {self.guards}" if self.guards else f"{self.measure} ({self.slice})"


class Stage(Model):
    """A share of traffic in percent, how long it is held, and what must be shown before it is left upwards."""

    percent: Finite = Field(gt=0, le=100)
    hold: _Span
    criteria: tuple[Criterion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Stage:
        names = [one.name for one in self.criteria]
        if len(set(names)) != len(names):
            raise ValueError("a stage asks each thing once")
        return self

    @property
    def hold_s(self) -> int:
        """Seconds of `hold`."""
        return seconds_of(self.hold)

    @property
    def name(self) -> str:
        """The stage as people call it.

        >>> Stage(percent=25, hold="2h", criteria=(Criterion(guards="all"),)).name
        '25 %'
        """
        return f"{self.percent:g} %"


class Rung(Model):
    """A share of traffic in percent on the way down, and how long it is kept before the next."""

    percent: Finite = Field(ge=0, lt=100)
    hold: _Span = "0m"

    @property
    def hold_s(self) -> int:
        """Seconds of `hold`."""
        return seconds_of(self.hold)


REVERSE = (Rung(percent=50, hold="15m"), Rung(percent=25, hold="15m"), Rung(percent=0))


class Rollout(Model):
    """The section as written: a preset's name, or stages; `reverse` is the ladder of a gradual rollback.

    `validate` is the least age of a ramp, counted from its start, at which its candidate may become the stable release.
    """

    preset: Literal["5-25-50-100", "1-5-10-25-50", "canary-48h"] | None = None
    stages: tuple[Stage, ...] = ()
    reverse: tuple[Rung, ...] = Field(REVERSE, min_length=1)
    validate_: _Span = Field("0m", alias="validate")

    @model_validator(mode="after")
    def _consistent(self) -> Rollout:
        if (self.preset is None) == (not self.stages):
            raise ValueError("a rollout names either a preset or stages")
        if not _sorted([one.percent for one in self.stages]):
            raise ValueError("stages go up: each takes more traffic than the one before")
        if not _sorted([-one.percent for one in self.reverse]) or self.reverse[-1].percent != 0:
            raise ValueError("the reverse ladder goes down, and ends at 0")
        return self

    @property
    def validate_s(self) -> int:
        """Seconds of `validate`."""
        return seconds_of(self.validate_)


def _sorted(numbers: Sequence[float]) -> bool:
    return all(one < other for one, other in pairwise(numbers))
