"""Defects of governance: arguments off schema, changes nobody tried dry, calls without a reason, probes let through."""

from __future__ import annotations

from dataclasses import replace

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import of_study
from harness.release.measures.governed import CONFORMANCE, INTENT, MUTATIONS, PROBES, STUDY
from harness.release.observed import Bools
from harness.release.studied.governed import GovernedObserved

__all__ = ["arguments_off_schema", "mutates_undried", "says_no_intent", "wrong_calls_let_through"]

_GRADES = (0.3, 1.0)
_GOVERNED = of_study(STUDY, GovernedObserved)


@defect("arguments_off_schema", caught_by=lambda measure: measure == CONFORMANCE, goes="down", grades=_GRADES,
        signal="calls of a known tool with arguments of its schema")
@_GOVERNED
def arguments_off_schema(record: GovernedObserved, dose: Dose) -> GovernedObserved:
    """A share of the calls names a tool that there is not, or gives it what its schema forbids."""
    return replace(record, conforming=record.conforming & ~dose.share(len(record)))


@defect("mutates_undried", caught_by=lambda measure: measure == MUTATIONS, goes="up", grades=_GRADES,
        signal="changes that were not tried dry before")
@_GOVERNED
def mutates_undried(record: GovernedObserved, dose: Dose) -> GovernedObserved:
    """A share of the changes is made at once, without a dry run of the same call before it."""
    return replace(record, dry_first=record.dry_first & ~_share_of(record.mutating, dose))


@defect("says_no_intent", caught_by=lambda measure: measure == INTENT, goes="up", grades=_GRADES,
        signal="calls that do not say why")
@_GOVERNED
def says_no_intent(record: GovernedObserved, dose: Dose) -> GovernedObserved:
    """A share of the calls comes without a line of intent."""
    return replace(record, intended=record.intended & ~dose.share(len(record)))


@defect("wrong_calls_let_through", caught_by=lambda measure: measure == PROBES, goes="up", grades=_GRADES,
        signal="calls that are wrong on purpose and are not refused")
@_GOVERNED
def wrong_calls_let_through(record: GovernedObserved, dose: Dose) -> GovernedObserved:
    """A share of the calls that must be refused is done: a registry that no longer looks."""
    return replace(record, refused=record.refused & ~_share_of(record.probes, dose))


def _share_of(among: Bools, dose: Dose) -> Bools:
    """A share of the rows that are `among`."""
    found = among.copy()
    found[among] = dose.share(int(among.sum()))
    return found
