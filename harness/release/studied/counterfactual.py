"""The study `counterfactual`: what the target policy would have earned, by four estimators, with the truth beside.

It reads the log of the study `confounded`: drawn over a live release's judged queries, where what the target earns is
known at every spend, or the user's own, with what the target earned on a log of its own where he gives that too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.data.log_table import LogTable, column_of_labels, column_of_numbers
from harness.data.log_truth import require_another_log
from harness.errors import InputError
from harness.release.build import Built
from harness.release.manifest import Loaded, Manifest
from harness.release.measures.counterfactual import owns
from harness.release.observed import Observed
from harness.release.studied import confounded
from harness.release.studied.decisions import STUDY as LOG
from harness.release.studied.decisions import DecisionLog
from harness.release.studied.policy_file import FILE, write_values
from harness.release.studied.policy_log import OnPolicy, PolicyLog, policy_log
from harness.release.studied.policy_values import policy_values
from harness.release.studied.propensity_file import FILE as CALIBRATION
from harness.release.studied.propensity_file import calibration_bins, write_calibration

__all__ = ["ARTIFACTS", "observe", "recorded", "wanted"]

ARTIFACTS = Path("artifacts")
Tell = Callable[[str], None]


def wanted(manifest: Manifest) -> bool:
    """Whether a row of the policy reads this study."""
    return any(check.own_gate is None and owns(check.measure) for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed,
            baseline: Observed | None, tell: Tell) -> PolicyLog:  # noqa: ARG001 what every study takes
    """Value the target over a live release's log, drawn anew where no row of the policy has asked for it."""
    if loaded.manifest.studies.confounding.truth is not None:
        raise InputError("a truth of one's own, beside live parts", where=loaded.path,
                         column="studies.confounding.truth",
                         expected="recorded files: a live release's truth is measured at every spend")
    found = candidate.studies.get(LOG)
    log = found if isinstance(found, DecisionLog) else confounded.live_log(loaded, built, candidate, tell)
    return _valued(loaded, log, None, tell)


def recorded(loaded: Loaded, tell: Tell) -> PolicyLog:
    """The user's own log, or one drawn over his trace of spends, with what the target earned itself if he gives it.

    Raises InputError where he gives neither log nor trace; where the truth is no table, is the log itself, or
    lacks the log's reward.
    """
    return _valued(loaded, confounded.recorded_log(loaded), _truth(loaded), tell)


def _truth(loaded: Loaded) -> OnPolicy | None:
    """The target's own log: the log's column of reward, and those of unit and slices as far as they are there."""
    options = loaded.manifest.studies.confounding
    if options.truth is None:
        return None
    ((kind, name),) = options.truth.spec.items()
    if kind not in {"parquet", "csv", "jsonl"}:
        raise InputError("not a table", where=loaded.path, column="studies.confounding.truth", found=kind,
                         expected="parquet, csv or jsonl")
    table, told = LogTable(kind, loaded.folder / name), options.columns
    if options.log is not None:
        ((form, log),) = options.log.spec.items()
        require_another_log(LogTable(form, loaded.folder / log), table, told.named)
    slices = [one for one in told.slices if one in table.names]
    unit = told.unit if told.unit in table.names else None
    batch = table.held([told.reward, *slices, *([unit] if unit else [])])
    reward = column_of_numbers(batch, told.reward)
    masks = {"all": np.ones(len(reward), dtype=np.bool_)}
    for one in slices:
        labels = column_of_labels(batch, one, "the name of a slice").astype(np.str_)
        masks |= {f"{one}={value}": labels == value for value in np.unique(labels).tolist()}
    return OnPolicy(reward, column_of_labels(batch, unit, "a unit") if unit else np.arange(len(reward)), masks)


def _valued(loaded: Loaded, log: DecisionLog, truth: OnPolicy | None, tell: Tell) -> PolicyLog:
    """Write the values of every slice; what the gates judge is the record itself."""
    tell("valuing the target policy by IPS, SNIPS, DR and DM")
    found = policy_log(log, rng=np.random.default_rng(loaded.manifest.seed), on_policy=truth)
    rows = policy_values(found, slices=[name for name, held in found.slices.items() if held.any()])
    write_values(ARTIFACTS / loaded.manifest.release / FILE, rows)
    if bins := calibration_bins(found):
        write_calibration(ARTIFACTS / loaded.manifest.release / CALIBRATION, bins)
    return found
