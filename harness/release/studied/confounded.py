"""The study `confounded`: a log with known propensities, audited before stratification and after.

Live, the log is drawn over the judged queries as they were measured at every spend, by a policy that heeds what the
strata are made of; the target is the release's own spend rule where it has one, else "rerank a uniform quarter". From
files it is the user's own log, or one drawn over his trace of spends.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.data.log_table import LogTable
from harness.data.logs import require_propensity
from harness.errors import InputError
from harness.records import Floats
from harness.release.build import Built
from harness.release.manifest import Loaded, Manifest
from harness.release.measures.confounding import owns
from harness.release.observed import Observed
from harness.release.spends import SpendTable
from harness.release.studied.audit_file import FILE, write_audit
from harness.release.studied.audited import audit
from harness.release.studied.behaviour import at_spends, by_rule, logged, quarter
from harness.release.studied.choices import languages_in
from harness.release.studied.decisions import DecisionLog, LogColumns
from harness.release.studied.routed import RoutedObserved
from harness.release.study_options import ConfoundingStudy

__all__ = ["ARTIFACTS", "live_log", "observe", "recorded", "recorded_log", "wanted"]

ARTIFACTS = Path("artifacts")
Tell = Callable[[str], None]


def wanted(manifest: Manifest) -> bool:
    """Whether a row of the policy reads this study."""
    return any(check.own_gate is None and owns(check.measure) for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed,
            baseline: Observed | None, tell: Tell) -> DecisionLog:  # noqa: ARG001 what every study takes
    """Draw a log over a live release's judged queries, and write its audit beside the release's artifacts."""
    return _audited(loaded, live_log(loaded, built, candidate, tell), tell)


def live_log(loaded: Loaded, built: Built, candidate: Observed, tell: Tell) -> DecisionLog:
    """A log drawn over a live release's judged queries, the same each time.

    Raises InputError where the manifest names a log of the user's own, or no reranker to spend on.
    """
    if loaded.manifest.studies.confounding.log is not None:
        raise InputError("a log of one's own, beside live parts", where=loaded.path, column="studies.confounding.log",
                         expected="recorded files: a live release's log is drawn over its own answers")
    found = candidate.studies.get("routed")
    if isinstance(found, RoutedObserved):  # measured once for both
        table = at_spends(found.table, found.ladder)
        target = by_rule(table, np.asarray(found.ladder)[found.decisions])
    else:
        table = _measured(loaded, built, tell)
        target = quarter(table)
    return _drawn(loaded, table, target)


def recorded(loaded: Loaded, tell: Tell) -> DecisionLog:
    """The user's own log, or one drawn over his trace of spends, audited. Raises InputError as `recorded_log`."""
    return _audited(loaded, recorded_log(loaded), tell)


def recorded_log(loaded: Loaded) -> DecisionLog:
    """The user's own log, or one drawn over his trace of spends. Raises InputError where he gives neither."""
    options, trace = loaded.manifest.studies.confounding, loaded.manifest.studies.routed.spends
    if options.log is not None:
        return _read(loaded, options)
    if trace is None:
        raise InputError("no log of decisions", where=loaded.path, column="studies.confounding.log",
                         expected="a table with a row a decision, or studies.routed.spends", found=None)
    table = SpendTable.from_parquet(loaded.folder / trace.path)
    judged = table.where(table.judged)
    return _drawn(loaded, judged, quarter(judged))


def _measured(loaded: Loaded, built: Built, tell: Tell) -> SpendTable:
    from harness.release.spending import spend_table

    parts = loaded.manifest.parts
    if parts is None or parts.reranker is None:
        raise InputError("nothing to spend on", where=loaded.path, column="parts.reranker", expected="a reranker",
                         found=None)
    tell("measuring every spend on the judged queries")
    return spend_table(loaded.manifest, built.world, built.folders, spends=parts.ladder, fold="judge")


def _drawn(loaded: Loaded, table: SpendTable, target: Floats) -> DecisionLog:
    options = loaded.manifest.studies.confounding
    return logged(table, target=target, rng=np.random.default_rng(loaded.manifest.seed), draws=options.draws,
                  strength=options.strength, least=options.least)


def _read(loaded: Loaded, options: ConfoundingStudy) -> DecisionLog:
    assert options.log is not None
    ((kind, name),) = options.log.spec.items()
    if kind not in {"parquet", "csv", "jsonl"}:
        raise InputError("not a table", where=loaded.path, column="studies.confounding.log", found=kind,
                         expected="parquet, csv or jsonl")
    told = options.columns
    columns = LogColumns(**{name: getattr(told, name) for name in LogColumns._fields})
    table = LogTable(kind, loaded.folder / name)
    require_propensity(table, columns.propensity, otherwise="columns.propensity: null, which has it fitted")
    held = table.held([*columns.names, *columns.beside(table.names), *languages_in(table.names)])
    return DecisionLog.of(held, columns, rng=np.random.default_rng(loaded.manifest.seed), least=options.least)


def _audited(loaded: Loaded, log: DecisionLog, tell: Tell) -> DecisionLog:
    """Write the audit of every slice, before and after; what the gates judge is the log itself."""
    tell("auditing the log of decisions before and after stratification")
    seed = loaded.manifest.seed
    rows = audit(log, rng=np.random.default_rng(seed), slices=[name for name, held in log.slices.items() if held.any()])
    write_audit(ARTIFACTS / loaded.manifest.release / FILE, rows)
    return log
