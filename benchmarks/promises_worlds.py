"""What a row of `docs/estimators.md` is: one promise, a world whose truth is known, and the figure measured there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from harness.estimate import Estimate

Rng = np.random.Generator
Draw = Callable[[Rng], Estimate]
ENDS = "each end misses ≤ .05"
ROUNDING = 1e-12  # what is under it differs from machine to machine
TWIN = "none: shown for what it does"


class Figure(NamedTuple):
    """What was measured, as text, and the worst number in it where the promise bounds one."""

    text: str
    worst: float | None = None


class Row(NamedTuple):
    """One promise: `measure(rng, worlds)` runs its worlds; `rate` is what each end, or the test, may miss."""

    estimator: str
    promise: str
    world: str
    measure: Callable[[Rng, int], Figure]
    rate: float = 0.05
    share: float = 1.0  # of the worlds asked for: slow ones take fewer, and say so
    exact: bool = False  # a bound, not a rate: chance excuses nothing

    def worlds(self, asked: int) -> int:
        """Worlds that this row runs."""
        return max(50, int(asked * self.share))

    def most(self, asked: int) -> float:
        """The rate plus three standard errors, or the bound itself."""
        slack = 0.0 if self.exact else 3.0 * float(np.sqrt(self.rate * (1.0 - self.rate) / self.worlds(asked)))
        return self.rate + slack


def _counted(n: int, asked: int) -> str:
    return "" if n == asked else f" ({n:,} worlds)"


def ends(name: str, world: str, draw: Draw, truth: float, share: float = 1.0, promise: str = ENDS) -> Row:
    """A row of miss rates of both ends of a 90 % interval."""

    def measure(rng: Rng, asked: int) -> Figure:
        found = [draw(rng) for _ in range(row.worlds(asked))]
        low, high = (
            float(np.mean(side)) for side in zip(*((e.low > truth, e.high < truth) for e in found), strict=True)
        )
        return Figure(f"misses {low:.3f} / {high:.3f}" + _counted(len(found), asked),
                      None if promise == TWIN else max(low, high))

    row = Row(name, promise, world, measure, share=share)
    return row


def alarms(
    name: str, promise: str, world: str, reject: Callable[[Rng], Any], share: float = 1.0, *,
    rate: float = 0.05, wrong: bool = True,
) -> Row:  # fmt: skip
    """A row of one rate; `wrong` if it must stay at or under `rate`."""

    def measure(rng: Rng, asked: int) -> Figure:
        n = row.worlds(asked)
        hit = float(np.mean([bool(reject(rng)) for _ in range(n)]))
        return Figure(f"{hit:.{4 if rate < 0.01 else 3}f}" + _counted(n, asked), hit if wrong else None)

    row = Row(name, promise, world, measure, rate, share)
    return row


def twin(name: str, world: str, reject: Callable[[Rng], Any], share: float = 1.0) -> Row:
    """A row of a broken way's rate, which nothing bounds: it shows what the promise is worth."""
    return alarms(f"(twin) {name}", TWIN, world, reject, share, wrong=False)


def average(
    name: str, promise: str, world: str, number: Callable[[Rng], float], share: float = 1.0, *,
    goal: float | None = None, off: float = 0.0, form: str = ".3f",
) -> Row:  # fmt: skip
    """A row of a mean over worlds; beyond three of its standard errors it must lie within `off` of `goal`, if given."""

    def measure(rng: Rng, asked: int) -> Figure:
        found = np.array([number(rng) for _ in range(row.worlds(asked))], dtype=float)
        mean, error = float(found.mean()), float(found.std()) / len(found) ** 0.5
        worst = None if goal is None else max(0.0, abs(mean - goal) - 3.0 * error)
        told = f"{mean:{form}}" + ("" if goal is None else f", expected {goal:{form}}")
        return Figure(told + _counted(len(found), asked), worst)

    row = Row(name, promise, world, measure, off, share, exact=True)
    return row


def law(name: str, promise: str, world: str, residue: Callable[[Rng], float], most: float = 1e-9) -> Row:
    """A row of an identity that holds in every world: the residue measured in one."""

    def measure(rng: Rng, _: int) -> Figure:
        found = float(residue(rng))
        return Figure(f"off by {found:.0e}" if found >= ROUNDING else f"off by less than {ROUNDING:g}", found)

    return Row(name, promise, world, measure, most, exact=True)


def covers(name: str, world: str, covered: Callable[[Rng], float], share: float = 1.0) -> Row:
    """A row of mean coverage over splits, promised .95: three of its own standard errors excuse it."""

    def measure(rng: Rng, asked: int) -> Figure:
        found = np.array([covered(rng) for _ in range(row.worlds(asked))])
        mean, error = float(found.mean()), float(found.std()) / len(found) ** 0.5
        return Figure(f"covers {mean:.4f}" + _counted(len(found), asked), max(0.0, 0.95 - mean - 3.0 * error))

    row = Row(name, "covers ≥ .95 on average", world, measure, 0.0, share, exact=True)
    return row
