"""The audit of a log of decisions: what negative controls and weights show, before stratification and after.

*Before* is the log as one tells it who forgot the context: one stratum, marginal propensities. *After* is the log with
the propensities that it was written with, in strata of what was known before. A log whose actions followed its context
is flagged before and passes after; one whose actions followed something that it does not tell is flagged in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from harness.estimate import Estimate
from harness.estimators.controls import negative_control, stratified_slope
from harness.estimators.intervals import mean_interval
from harness.estimators.logged import LoggedRows
from harness.estimators.logged_control import logged_control
from harness.estimators.overlap import ESS_FLOOR, MOST_SHARE, WeightCheck
from harness.records import Floats
from harness.release.studied.decisions import DecisionLog

__all__ = ["CHECKLIST", "AuditRow", "Stage", "Terms", "audit", "control_effect", "control_p", "control_shift", "ess",
           "kappa", "magnitude", "mean_weight", "shuffled_effect", "verdict", "weights_of"]

Stage = Literal["before", "after"]
Verdict = Literal["PASS", "INCONCLUSIVE", "REFUSE"]


class Terms(NamedTuple):
    """What an audit asks of a slice.

    Attributes:
        margin: Largest effect on a control that does not matter, in standard deviations of the control.
        alpha: Chance of refusing a sound log by its controls, and of passing an effect as large as the margin.
        floor: Least ESS/N.
        most_kappa: κ must lie under this.
    """

    margin: float = 0.1
    alpha: float = 0.05
    floor: float = ESS_FLOOR
    most_kappa: float = 0.5


CHECKLIST = Terms()


class AuditRow(NamedTuple):
    """What was found of one slice at one stage; NaN where nothing could be.

    Attributes:
        slice: Its name.
        stage: `before` stratification, or `after`.
        n: Decisions.
        effect: Largest effect of the action on a negative control, without its sign, in standard deviations.
        low: Lower end of its interval at 1 - 2 alpha.
        high: Upper end.
        p: Of all controls together (permutations within strata, Bonferroni).
        ess_share: ESS/N of the target policy's weights.
        kappa: Shape of their tail.
        verdict: What the terms say of these numbers.
    """

    slice: str
    stage: Stage
    n: int
    effect: float
    low: float
    high: float
    p: float
    ess_share: float
    kappa: float
    verdict: Verdict


def audit(log: DecisionLog, *, rng: np.random.Generator, terms: Terms = CHECKLIST,
          slices: Sequence[str] = ("all",)) -> tuple[AuditRow, ...]:
    """Each slice before and after stratification.

    Args:
        log: `DecisionLog.of` a table of any column names.
        rng: For the permutations.
        terms: What is asked.
        slices: Of the log.

    Raises:
        InputError: An unknown slice or one without rows.

    >>> import pandas as pd
    >>> from harness.release.studied.decisions import LogColumns
    >>> rng = np.random.default_rng(1)
    >>> hard = rng.random(8000) < 0.5  # hard queries are short, and get the dear action more often
    >>> dear = rng.random(8000) < np.where(hard, 0.7, 0.3)
    >>> frame = pd.DataFrame({"hard": hard, "dear": dear.astype(int), "p": np.where(hard == dear, 0.7, 0.3),
    ...                       "pi": 0.5, "reward": rng.normal(size=8000), "words": rng.normal(size=8000) - hard})
    >>> log = DecisionLog.of(frame, LogColumns("reward", "p", "pi", "dear", ("hard",), ("words",)), rng=rng)
    >>> [(row.stage, row.verdict) for row in audit(log, rng=rng)]
    [('before', 'REFUSE'), ('after', 'PASS')]
    """
    found = []
    for name in slices:
        part = log.slice(name)
        found += [_row(name, "before", part.forgetful(), terms, rng), _row(name, "after", part, terms, rng)]
    return tuple(found)


def _row(name: str, stage: Stage, log: DecisionLog, terms: Terms, rng: np.random.Generator) -> AuditRow:
    effect = control_effect(log, confidence=1.0 - 2.0 * terms.alpha)
    check = weights_of(log)
    numbers = (effect.value, effect.low, effect.high, control_p(log, alpha=terms.alpha, rng=rng).value,
               ess(check, confidence=0.9).value, kappa(check, confidence=0.9).value)
    row = AuditRow(name, stage, len(log), *numbers, "INCONCLUSIVE")
    return row._replace(verdict=verdict(row, terms))


def verdict(row: AuditRow, terms: Terms) -> Verdict:
    """What the terms say of a row's numbers, whatever verdict it carries. What could not be measured is no pass.

    >>> row = AuditRow("all", "after", 6000, 0.01, 0.0, 0.04, 0.4, 0.5, math.nan, "PASS")
    >>> verdict(row, Terms()), verdict(row._replace(kappa=0.1), Terms()), verdict(row._replace(p=0.01), Terms())
    ('INCONCLUSIVE', 'PASS', 'REFUSE')
    """
    if (row.p <= terms.alpha or row.low > terms.margin or row.ess_share < terms.floor or row.kappa >= terms.most_kappa):
        return "REFUSE"
    small = row.p > terms.alpha and row.high < terms.margin
    return "PASS" if small and row.ess_share >= terms.floor and row.kappa < terms.most_kappa else "INCONCLUSIVE"


def control_effect(log: DecisionLog, *, confidence: float) -> Estimate:
    """Largest effect of the action on a control within strata, without its sign, in its standard deviations.

    Each of m controls at (1 - confidence) / m, so that all intervals hold together (Dunn 1961). NaN where a control or
    the action varies in no stratum: it then shows nothing.

    >>> from harness.estimators.strata import strata_of
    >>> from harness.release.studied.decisions import LogColumns
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"r": 1.0, "p": 0.5, "pi": 0.5, "a": [0, 1] * 50, "s": "x", "c": [0, 0, 1, 1] * 25})
    >>> log = DecisionLog.of(frame, LogColumns("r", "p", "pi", "a", ("s",), ("c",)), rng=np.random.default_rng(1))
    >>> found = control_effect(log, confidence=0.9)
    >>> round(found.value, 3), found.low, found.n
    (0.0, 0.0, 100)
    """
    each = 1.0 - (1.0 - confidence) / len(log.controls)
    found = [magnitude(stratified_slope(_scaled(values), log.exposed, log.strata, confidence=each, unit="sd"))
             for values in log.controls.values()]
    return _largest(found, confidence)


def shuffled_effect(log: DecisionLog, *, confidence: float) -> Estimate:
    """Effect on the reward of exposures dealt out anew within strata, without its sign, in the reward's unit."""
    return magnitude(stratified_slope(log.reward, log.shuffled, log.strata, confidence=confidence))


def control_p(log: DecisionLog, *, alpha: float, rng: np.random.Generator) -> Estimate:
    """The p of all negative controls together: m times the least of m, each by permutations within strata.

    The value alone counts; its ends are itself. NaN where the action or every control varies in no stratum.
    """
    level = alpha / len(log.controls)
    found = [negative_control(_scaled(values), log.exposed, log.strata, margin=1.0, rng=rng, alpha=level)
             for values in log.controls.values()]
    told = [one.p for one in found if math.isfinite(one.p)]
    p = min(1.0, len(found) * min(told)) if told else math.nan
    return Estimate(p, p, p, len(log), 1.0 - 2.0 * alpha, f"permuted within {max(one.strata for one in found)} strata")


def control_shift(log: DecisionLog, *, confidence: float) -> Estimate:
    """Largest shift of a control's mean under the target's weights, without its sign, in its standard deviations.

    No policy can change what was known before: a shift says that the propensities are not those that chose. By unit.
    """
    alpha = (1.0 - confidence) / 2.0 / len(log.controls)
    if not log.target.any():
        return _nothing(len(log), confidence, "no overlap")
    found = [magnitude(logged_control(values, log.propensity, log.target, alpha=alpha, clusters=log.units).shift)
             for values in log.controls.values()]
    return _largest(found, confidence)


def weights_of(log: DecisionLog) -> WeightCheck:
    """The target policy's weights, judged row by row."""
    return LoggedRows.of(log.reward, log.propensity, log.target).audit().check


def mean_weight(log: DecisionLog, *, confidence: float) -> Estimate:
    """Mean of target ÷ propensity by unit: 1 where propensities are right and every action of the target was tried."""
    return mean_interval(log.target / log.propensity, clusters=log.units, confidence=confidence)


def ess(check: WeightCheck, *, confidence: float) -> Estimate:
    """Effective sample size over rows, (Σ w)² / (n Σ w²) (Kong 1992), a fact of the log; 0 without overlap."""
    share = 0.0 if check.tail.why == "no weight" else check.ess_share
    return Estimate(share, share, share, check.n, confidence, "(sum of weights)² over n times the sum of squares")


def kappa(check: WeightCheck, *, confidence: float) -> Estimate:
    """κ of the weights with its asymptotic interval, (1 + κ) / √rows (Smith, Biometrika 72, 1985).

    Weights that are bounded or of few values have no tail: κ reads 0, as it lies at or under it, where the largest
    weight is a small share of all, and 1 where one row could hold more than 5 %. NaN where rows are too few to tell.
    """
    from scipy.special import ndtri

    tail = check.tail
    if tail.by_bound:
        held = 0.0 if check.largest_share <= MOST_SHARE else 1.0
        return Estimate(held, held, held, tail.n, confidence, f"weights are {tail.why}")
    if math.isnan(tail.kappa):
        return _nothing(tail.n, confidence, tail.why)
    reach = float(ndtri((1.0 + confidence) / 2.0)) * (1.0 + abs(tail.kappa)) / math.sqrt(tail.rows)
    return Estimate(tail.kappa, tail.kappa - reach, tail.kappa + reach, tail.n, confidence, f"{tail.rows} largest")


def magnitude(one: Estimate) -> Estimate:
    """The estimate without its sign: within a limit only where the whole interval lies within it on both sides.

    >>> magnitude(Estimate(-0.01, -0.03, 0.01, 400, 0.9, "t"))[:3]
    (0.01, 0.0, 0.03)
    """
    if math.isnan(one.value):
        return one._replace(low=0.0, high=math.inf)
    return one._replace(value=abs(one.value), low=max(0.0, one.low, -one.high), high=max(abs(one.low), abs(one.high)))


def _largest(found: Sequence[Estimate], confidence: float) -> Estimate:
    """The largest value with the largest of both ends; nothing where one of them shows nothing."""
    silent = next((one for one in found if math.isnan(one.value) or math.isinf(one.high)), None)
    if silent is not None:
        return _nothing(silent.n, confidence, silent.method)
    worst = max(found, key=lambda one: one.value)
    return worst._replace(low=max(one.low for one in found), high=max(one.high for one in found), confidence=confidence)


def _scaled(values: Floats) -> Floats:
    """In standard deviations; a column without any is left as it is."""
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 1e-12 * (1.0 + abs(float(values.mean()))) else values * 0.0


def _nothing(n: int, confidence: float, why: str) -> Estimate:
    return Estimate(math.nan, 0.0, math.inf, n, confidence, why)
