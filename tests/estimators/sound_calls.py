"""One sound call of every public estimator: what the tests of bad input spoil, one argument at a time."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

import harness.estimators
from harness.estimate import Estimate
from harness.estimators.calibration import CalibrationError
from harness.estimators.closed import Shape
from harness.estimators.conformal import Bands
from harness.estimators.conformal_adaptive import AdaptiveRun
from harness.estimators.conformal_groups import mondrian
from harness.estimators.logged import LoggedRows
from harness.estimators.logged_units import LoggedUnits
from harness.estimators.moments import ClusterMoments, Moments
from harness.estimators.propensity import Logistic
from harness.estimators.sequential import ConfidenceSequence, EProcess
from harness.estimators.sketch import LatencySketch
from harness.estimators.strata import strata_of
from harness.estimators.tally import Tally
from harness.estimators.weighted import MassMoments, WeightedMoments
from harness.estimators.weights import TopWeights

__all__ = ["CALLS", "Arguments", "found_public", "public", "rng"]

Arguments = dict[str, Any]

N = 60
DRAWN = np.random.default_rng(0)
U, V = DRAWN.random(N), DRAWN.random(N)
BIT = np.tile([0.0, 1.0, 1.0], N // 3)
ID = np.arange(N) % 12
BINS = np.arange(N) % 3
LOG = {"reward": BIT, "propensity": np.full(N, 0.5), "target": 0.2 + 0.6 * U}
CELLS = strata_of(["a", "b"] * (N // 2))
HITS, TRIALS = np.cumsum(BIT), np.arange(1.0, N + 1.0)
ARMS = np.column_stack([HITS, TRIALS])
EVEN = [0.5, 0.5]
TOP = TopWeights.of(U)
SEEN = Estimate(0.0, -1.0, 1.0, 10, 0.9, "t")


def rng() -> np.random.Generator:
    """The same fresh generator for each call."""
    return np.random.default_rng(1)


def _halves(_: int) -> Any:
    return np.full(N, 0.5)


def _audited() -> Any:
    return LoggedRows.of(**LOG).audit()


def found_public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, and every public method that takes more than a state, by name as `CALLS` has it."""
    rooms = [f"harness.estimators.{one.name}" for one in pkgutil.iter_modules(harness.estimators.__path__)]
    for room in [*(room for room in rooms if "._" not in room), "harness.metrics.calibration"]:
        module = importlib.import_module(room)
        for name in module.__all__:
            one = getattr(module, name)
            if getattr(one, "__module__", None) == room and inspect.isfunction(one):
                yield name, one
            elif getattr(one, "__module__", None) == room and inspect.isclass(one):
                yield from _methods(one)


def _methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in vars(kind).items():
        made = isinstance(value, classmethod)
        if name.startswith("_") or name in {"merge", "of_sums"} or not (made or inspect.isfunction(value)):
            continue
        one = getattr(kind, name)
        if len(inspect.signature(one).parameters) > (not made):
            yield f"{kind.__name__}.{name}", one


@cache
def public() -> dict[str, Callable[..., Any]]:
    """`found_public`, looked up once."""
    return dict(found_public())


MEANS: dict[str, Arguments] = {
    "abc_interval": {"x": U, "clusters": ID}, "mean_interval": {"x": U, "clusters": ID, "support": (0.0, 1.0)},
    "paired": {"after": U, "before": V}, "bootstrap": {"x": U, "rng": rng, "clusters": ID, "resamples": 999},
    "bootstrap_ends": {"x": U, "rng": rng, "clusters": ID, "resamples": 999}, "empirical_bernstein": {"x": U},
    "abc_ends": {"value": 0.0, "error": 0.1, "shape": Shape(), "tail": 0.05},
    "closed_interval": {"value": 0.0, "error": 0.1, "shape": Shape(), "n": 20, "units": 20.0, "confidence": 0.9,
                        "support": (-1.0, 1.0)},
    "effective_units": {"sizes": np.array([3.0, 4.0, 5.0])},
    "ratio_shape": {"sizes": np.array([3.0, 4.0, 5.0]), "influence": np.array([0.1, -0.3, 0.2])},
    "quantile_difference": {"after": U, "before": V, "q": 0.5}, "quantile_interval": {"x": U, "q": 0.5},
    "quantile_ranks": {"n": 50, "q": 0.5, "tail": 0.05}, "big_loser_share": {"delta": U - 0.5},
    "ratio_interval": {"numerator": BIT, "denominator": U + 1.0, "clusters": ID},
    "clopper_pearson": {"hits": 3, "n": 10}, "wilson": {"hits": 3, "n": 10},
    "needed_for_mean": {"gap": 0.1, "sd": 1.0}, "needed_for_quantile": {"q": 0.95, "share_below": 0.97},
    "needed_for_share": {"truth": 0.97, "limit": 0.95}, "needed_n": {"estimate": SEEN, "limit": 0.5},
    "Moments.of": {"x": U}, "Moments.estimate": {"self": Moments.of(U), "support": (0.0, 1.0)},
    "ClusterMoments.of": {"x": U, "clusters": ID},
    "ClusterMoments.estimate": {"self": ClusterMoments.of(U, ID), "support": (0.0, 1.0)},
    "WeightedMoments.of": {"x": U, "weights": V},
    "WeightedMoments.estimate": {"self": WeightedMoments.of(U, V), "support": (0.0, 1.0)},
    "MassMoments.about": {"self": MassMoments(1.0, 0.5, 0.1, 0.0), "centre": 0.5},
    "LatencySketch.of": {"latency_ms": U}, "LatencySketch.quantile": {"self": LatencySketch.of(U), "q": 0.5},
    "Tally.of": {"hit": BIT}, "Tally.estimate": {"self": Tally(1, 2)},
    "BySlice.of": {"x": BIT, "slices": ID, "into": Tally.of},
}  # fmt: skip
LOGS: dict[str, Arguments] = {
    "importance_weights": {"propensity": LOG["propensity"], "target": LOG["target"]}, "logged_rows": {**LOG},
    "ips": {**LOG, "clusters": ID}, "snips": {**LOG, "clusters": ID, "support": (0.0, 1.0)},
    "clipped_ips": {**LOG, "at": 2.0, "clusters": ID}, "by_position": {**LOG, "position": ID},
    "snips_bootstrap": {**LOG, "rng": rng, "clusters": ID, "resamples": 500}, "direct_method": {"expected": U},
    "doubly_robust": {**LOG, "fitted": U, "expected": V, "clusters": ID},
    "self_normalised_dr": {**LOG, "fitted": U, "expected": V, "clusters": ID},
    "cross_fitted_outcome": {"context": U[:, None], "action": BIT, "reward": BIT, "actions": np.array([[0.0], [1.0]]),
                             "policy": _halves, "rng": rng, "by": np.zeros(N, dtype=int)},
    "LoggedRows.of": {**LOG}, "LoggedRows.audit": {"self": LoggedRows.of(**LOG)},
    "LoggedUnits.of": {**LOG, "units": ID},
    "LoggedUnits.audit": {"self": LoggedUnits.of(**LOG, units=ID), "by_row": _audited()},
    "logged_control": {"control": U, "propensity": LOG["propensity"], "target": LOG["target"], "clusters": ID},
    "TopWeights.of": {"weights": U}, "largest_of": {"weights": U, "most": 5}, "check_state": {"state": TOP},
    "check_weights": {"weights": U}, "mean_weight": {"state": TOP}, "gpd_shape": {"excess": U}, "tail_rows": {"n": 100},
    "kappa_limit": {"n": 100}, "pareto_tail": {"weights": U}, "tail_of": {"state": TOP},
}  # fmt: skip
STRATA: dict[str, Arguments] = {
    "strata_of": {"columns": ID}, "Strata.moments": {"self": CELLS, "x": U}, "quantile_edges": {"x": U},
    "merge_sparse": {"strata": CELLS, "least": 5}, "quantile_bins": {"x": U, "edges": [0.25, 0.5]},
    "post_stratified": {"states": CELLS.moments(U), "population": {"a": 0.5, "b": 0.5}, "support": (0.0, 1.0)},
    "fit_logistic": {"features": U, "exposed": BIT}, "propensity_calibration": {"propensity": U, "exposed": BIT},
    "Logistic.predict": {"self": Logistic(0.0, np.array([1.0])), "features": U},
    "cross_fitted": {"features": U, "exposed": BIT, "rng": rng, "by": np.zeros(N, dtype=int)},
    "permutation_tests": {"outcome": BIT, "exposure": U, "strata": CELLS, "rng": rng, "draws": 99},
    "stratified_slope": {"outcome": BIT, "exposure": U, "strata": CELLS}, "equivalent": {"found": SEEN, "margin": 0.5},
    "negative_control": {"outcome": BIT, "exposure": U, "strata": CELLS, "margin": 0.5, "rng": rng, "draws": 999},
    "control_battery": {"outcome": BIT, "exposure": U, "strata": CELLS, "margins": {"c": 0.5}, "rng": rng,
                        "outcomes": {"c": V}},
    "bonferroni_combined": {"p": U}, "fisher_combined": {"p": U}, "draws_needed": {"strata": 5},
}  # fmt: skip
PROMISED: dict[str, Arguments] = {
    "absolute_scores": {"truth": U, "predicted": V}, "conformal_p": {"scores": U, "new": V},
    "conformal_rank": {"n": 20, "coverage": 0.9}, "covered_by": {"truth": U, "bands": Bands(U - 1.0, U + 1.0)},
    "cqr_bands": {"low": U, "high": U + 1.0, "thresholds": 0.5}, "cqr_scores": {"truth": U, "low": U, "high": U + 1.0},
    "needed_for_threshold": {"coverage": 0.9}, "split_bands": {"predicted": U, "thresholds": 0.5},
    "split_threshold": {"scores": U}, "adaptive": {"scores": U}, "adaptive_slack": {"rows": 100},
    "AdaptiveRun.worst_stretch": {"self": AdaptiveRun(U, U, BIT > 0.0), "width": 5}, "effective_rows": {"weights": U},
    "mondrian": {"scores": U, "groups": ID}, "GroupThresholds.at": {"self": mondrian(U, ID), "groups": ID},
    "weighted_thresholds": {"scores": U, "weights": V, "new_weights": V[:5]},
    "band_chance": {"rows": 50, "calibrated": 50}, "coverage_law": {"rows": 50, "calibrated": 50},
    "coverage_range": {"rows": 50, "calibrated": 50}, "needed_for_band": {"chance": 0.5},
    "slice_coverage": {"slices": {"a": (90, 100, 100)}},
    "adaptive_ece": {"predicted": U, "outcome": BIT}, "brier": {"predicted": U, "outcome": BIT},
    "equal_mass": {"predicted": U}, "reliability": {"predicted": U, "outcome": BIT},
    "calibration_error": {"predicted": U, "outcome": BIT, "bins": BINS, "rng": rng, "clusters": ID, "draws": 100},
    "calibration_floor": {"predicted": U, "bins": BINS}, "reliability_ends": {"hits": [3, 4], "counts": [10, 20]},
    "needed_for_calibration": {"bound": 0.05, "found": CalibrationError(SEEN, 0.03, 0.05)},
    "CalibrationError.can_pass": {"self": CalibrationError(SEEN, 0.03, 0.05), "bound": 0.05},
    "calibration_drift": {"residual": U - 0.5, "later": BIT, "bins": BINS, "clusters": ID},
}  # fmt: skip
TRIED: dict[str, Arguments] = {
    "bernstein_sequence": {"x": U}, "betting_sequence": {"x": U}, "betting_wealth": {"x": U, "null": 0.5},
    "asymptotic_sequence": {"x": U}, "carriers_so_far": {"x": U}, "student_sequence": {"x": U},
    "arm_scores": {"x": U, "treated": BIT}, "block_length": {"correlation": 0.5}, "block_means": {"x": U, "size": 5},
    "block_sequence": {"x": U, "block": 5, "baseline": V}, "bounded_arms_sequence": {"x": U, "treated": BIT},
    "lag_correlation": {"x": U}, "arms_process": {"hits": ARMS, "shares": EVEN},
    "ratio_process": {"counts": ARMS, "shares": EVEN}, "rate_process": {"hits": HITS, "trials": TRIALS, "limit": 0.1},
    "rate_sequence": {"hits": HITS, "trials": TRIALS},
    "EProcess.alarm": {"self": EProcess(U, TRIALS, ""), "alpha": 0.05},
    "ConfidenceSequence.at": {"self": ConfidenceSequence(U, U - 1.0, U + 1.0, TRIALS, 0.9, ""), "look": 0},
    "ConfidenceSequence.excludes": {"self": ConfidenceSequence(U, U - 1.0, U + 1.0, TRIALS, 0.9, ""), "null": 0.5},
    "assign": {"units": ID, "salt": "a", "shares": EVEN}, "hashed_shares": {"units": ID, "salt": "a"},
    "ratio_mismatch": {"counts": [100, 110], "shares": EVEN}, "cuped": {"y": BIT, "before": U},
    "mean_effect": {"treated": U, "control": V}, "all_of": {"p": U}, "benjamini_hochberg": {"p": U}, "holm": {"p": U},
    "ratio_effect": {"numerator": BIT, "denominator": U + 1.0, "treated": (ID % 2).astype(float), "users": ID},
    "share_effect": {"hits_treated": 3, "n_treated": 10, "hits_control": 4, "n_control": 10},
    "mean_needs": {"gap": 0.1, "sd": 1.0}, "mean_power": {"gap": 0.1, "sd": 1.0, "n": 50},
    "mean_sees": {"sd": 1.0, "n": 50},
    "share_needs": {"treated": 0.2, "control": 0.1}, "share_power": {"treated": 0.2, "control": 0.1, "n": 50},
    "share_sees": {"control": 0.1, "n": 50},
}  # fmt: skip
CALLS: dict[str, Arguments] = {**MEANS, **LOGS, **STRATA, **PROMISED, **TRIED}
