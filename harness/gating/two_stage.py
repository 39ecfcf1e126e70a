"""The two-stage gate: leave alone, take the cheap stage, or rerank in full, by two thresholds on two signals."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from numpy.typing import ArrayLike

from harness.columns import finite, floats, same_length
from harness.data.canonical import digest_of
from harness.errors import InputError
from harness.gating.dual import Step
from harness.gating.figures import SWEEP, Figures, Swept, decided, figures, sweep
from harness.gating.optimum import optimum
from harness.gating.requests import CHEAP, EXIT, FULL, Decisions, Requests
from harness.gating.surface import floors_of
from harness.gating.terms import Bind, Delta, Terms, Theta
from harness.gating.theta_file import body_of, parts_of, text_of

__all__ = ["TwoStageGate"]


@dataclass(frozen=True)
class TwoStageGate:
    """A fitted gate.

    Attributes:
        theta: θ*: a request at or above both is reranked in full.
        below: θ* - δ, the early exit: a request under either is left alone, one between gets the cheap stage.
        step: How far the sweep goes to either side: 10 % of θ*.
        terms: The limits it was fitted under.
        predicted: What it does to the requests of the fit.
        bound: nDCG units per request that no mix of thresholds within the limits exceeds there.
        iterations: Steps of the dual ascent.
        trace: All of them; the last ones after reading from a file.
        swept: Nine places around θ*, itself the fifth.

    >>> import numpy as np
    >>> rng = np.random.default_rng(7)
    >>> entropy, predicted = rng.random(500), rng.random(500) * 0.2
    >>> gate = TwoStageGate.fit(entropy, predicted, predicted * entropy, np.full(500, 1.0), budget_ms=0.2)
    >>> gate.predicted.share, gate.predicted.cost_mean_ms <= 0.2, gate.decide([0.99, 0.0], [0.19, 0.19]).tolist()
    (0.2, True, [2, 0])
    >>> TwoStageGate.from_json(gate.to_json(), expected=gate.digest).theta == gate.theta
    True
    """

    theta: Theta
    below: Theta
    step: Theta
    terms: Terms
    predicted: Figures
    bound: float
    iterations: int
    trace: tuple[Step, ...]
    swept: tuple[Swept, ...]

    @classmethod
    def fit(cls, entropy: ArrayLike, predicted_gain: ArrayLike, gain: ArrayLike, cost_ms: ArrayLike, *,
            budget_ms: float | None = None, bind: Bind = "mean", share: tuple[float, float] | None = None,
            delta: Delta = 0.1, tolerance: float = 1e-6, overhead_ms: float = 0.0, headroom: float = 0.0,
            levels: int = 256, cheap_gain: ArrayLike | None = None,
            cheap_cost_ms: ArrayLike | None = None) -> TwoStageGate:
        """θ* of most gain within a budget of extra latency, a window of rerank share, or both.

        Args:
            entropy: (n,) signal of the first stage.
            predicted_gain: (n,) nDCG units, the router's.
            gain: (n,) nDCG units, what the full rerank brought.
            cost_ms: (n,) ms it took.
            budget_ms: Extra latency allowed, ms per request.
            bind: Whether its mean or its p95 must keep the budget.
            share: Least and greatest share of requests fully reranked.
            delta: How far below θ* the early exit lies: a share of θ*, or a pair in the signals' units.
            tolerance: nDCG units within which the dual ascent ends.
            overhead_ms: What every request pays for router and gate.
            headroom: Share of every limit that the fit leaves free, so that requests outside it keep the limit too.
            levels: Most thresholds tried per signal.
            cheap_gain: (n,) nDCG units, what the cheap stage brought; without it the cheap stage does nothing.
            cheap_cost_ms: (n,) ms it took; given together with `cheap_gain`.

        Raises:
            InputError: Bad columns or terms; limits that no thresholds keep (it names the smallest feasible budget);
                limits within which no rerank gains anything.
        """
        asked = Requests.of(entropy, predicted_gain, gain, cost_ms, cheap_gain=cheap_gain, cheap_cost_ms=cheap_cost_ms)
        return cls.of(asked, Terms(budget_ms, bind, share, overhead_ms, headroom, delta, levels, tolerance))

    @classmethod
    def of(cls, requests: Requests, terms: Terms) -> TwoStageGate:
        """`fit` to requests under terms that are checked already. Raises InputError as `fit` does for the limits."""
        found, floors = optimum(requests, terms), floors_of(requests)
        theta, below = found.theta, found.below
        step = Theta(*(SWEEP * max(abs(at), floor) for at, floor in zip(theta, floors, strict=True)))
        swept = sweep(requests, theta, below, step, terms)
        decisions = decided(theta, below, requests.entropy, requests.predicted_gain)
        return cls(theta, below, step, terms, figures(requests, decisions, terms), found.bound,
                   len(found.trace), found.trace, swept)

    @property
    def price(self) -> float:
        """λ*: nDCG units that a unit of the limit is worth (per ms of mean latency, or per request of a share)."""
        return self.trace[-1].price

    @property
    def delta(self) -> Theta:
        """How far the early exit lies below θ*."""
        return Theta(self.theta.entropy - self.below.entropy, self.theta.gain - self.below.gain)

    def decide(self, entropy: ArrayLike, gain: ArrayLike) -> Decisions:
        """(n,) int8: 0 left alone, 1 cheap stage, 2 full rerank.

        Raises:
            InputError: Signals that are not finite, or that differ in length.
        """
        columns = {"entropy": floats(entropy, "entropy", "gate"), "gain": floats(gain, "gain", "gate")}
        for name, column in columns.items():
            finite(column, name, "gate")
        same_length("gate", **columns)
        return decided(self.theta, self.below, columns["entropy"], columns["gain"])

    def one(self, entropy: float, gain: float) -> int:
        """`decide` for a single request, without arrays. Raises InputError for a signal that is NaN."""
        if entropy != entropy or gain != gain:  # noqa: PLR0124 - NaN alone differs from itself; math.isnan costs a call
            raise InputError("not finite", where="gate", expected="finite signals", found=(entropy, gain))
        if entropy >= self.theta.entropy and gain >= self.theta.gain:
            return FULL
        return CHEAP if entropy >= self.below.entropy and gain >= self.below.gain else EXIT

    def decided(self, requests: Requests) -> Decisions:
        """`decide` for requests."""
        return decided(self.theta, self.below, requests.entropy, requests.predicted_gain)

    def to_json(self) -> str:
        """The text of `theta_star_production.json`: the same bytes for the same gate."""
        body = self._body()
        return text_of(body, digest_of(body))

    @property
    def digest(self) -> str:
        """sha256 of all that the file holds."""
        return digest_of(self._body())

    @classmethod
    def from_json(cls, raw: str | bytes, *, expected: str | None = None, where: Any = "theta_star") -> TwoStageGate:
        """Read a gate as a stranger's: every number checked, and against each other.

        Args:
            raw: The file's bytes.
            expected: The digest it must have.
            where: Name for messages.

        Raises:
            InputError: One line for the first thing that is off.
        """
        return cls(**parts_of(raw, expected=expected, where=where))

    def _body(self) -> dict[str, Any]:
        return body_of(**{one.name: getattr(self, one.name) for one in fields(self)})
