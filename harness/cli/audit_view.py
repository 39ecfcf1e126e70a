"""What `signoff audit` tells: tables of 80 columns that end in the verdict and its next step, or one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli.common import console
from harness.errors import Exit

if TYPE_CHECKING:
    from rich.table import Table

    from harness.data.log_models import Robust
    from harness.data.log_truth import Beside
    from harness.data.logs import Roles
    from harness.estimate import Estimate
    from harness.estimators.logged import Audit
    from harness.estimators.logged_control import LogControl

__all__ = ["EXITS", "Told", "document", "gravest", "show"]

EXITS = {"PASS": Exit.PASSED, "INCONCLUSIVE": Exit.INCONCLUSIVE, "REFUSE": Exit.REFUSED}
_HEAD = ("slice\nn", "ESS/N\ntop row", "κ\nE[w]", "IPS", "SNIPS\ninterval", "verdict")
_MODEL_HEAD = ("slice", "SNIPS", "DR\ninterval", "DM", "DR in SNIPS'\nSNIPS in DR's")
_TRUTH_HEAD = ("slice", "estimator", "value", "interval", "errors from truth")
_PASSED = "the target's value may be read off SNIPS and its interval."
_NEXT = (
    (("too few to judge",), "log more rows: so few of them tell nothing."),
    (("weighting moves",), "the propensities are not those the log was written with: mend them, then audit again."),
    (("ESS/N", "one row", "κ", "no overlap"), "this log cannot carry this target. Log with more exploration where the "
                                              "target goes, or audit a target nearer to the log."),
    (("the target earned itself",), "compare both logs: one policy, one time, the propensities that chose."),
    (("of the weight",), "log more of the units: too few of them are the answer."),
    (("excludes 1",), "compare the propensities with what wrote the log; actions it could not take are not in it."),
    (("share no value",), "compare the propensities, and the actions' columns, with what wrote the log."),
    (("",), "more rows would settle it."),
)  # fmt: skip
"""What to do next, by words of the reasons, the gravest first."""


class Told(NamedTuple):
    """All that was found of one slice: its audit, what else was asked for, and controls (of `all` alone)."""

    audit: Audit
    robust: Robust | None = None
    controls: Sequence[LogControl] = ()
    beside: Beside | None = None

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why its value must not be used."""
        far = [] if self.beside is None or not self.beside.refused else [
            f"SNIPS lies {abs(self.beside.distances['SNIPS'].z):.1f} standard errors from what the target earned "
            f"itself, more than {self.beside.limit:.1f}"]  # fmt: skip
        return (*self.audit.check.refusals, *far, *self._controls("REFUSE"))

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why it cannot be told whether it may be used."""
        apart = ("the intervals of SNIPS and DR share no value: propensities or the model's columns are wrong",)
        return (*self.audit.doubts, *(apart if self.robust and self.robust.apart else ()),
                *self._controls("INCONCLUSIVE"))  # fmt: skip

    def _controls(self, verdict: str) -> list[str]:
        return [f"control {one.name}: {one.reason}" for one in self.controls if one.verdict == verdict]

    @property
    def verdict(self) -> str:
        """The gravest word: a refusal, then a doubt."""
        return "REFUSE" if self.refusals else "INCONCLUSIVE" if self.doubts else "PASS"


def gravest(found: Mapping[str, Told]) -> str:
    """The verdict of a whole audit: the gravest of its slices."""
    return max((one.verdict for one in found.values()), key=list(EXITS).index)


def document(found: Mapping[str, Told]) -> dict[str, Any]:
    """What `--json` says of every slice, and of the controls."""
    return {
        "slices": {name: _slice(one) for name, one in found.items()},
        "controls": {one.name: one._asdict() for told in found.values() for one in told.controls},
    }


def _slice(told: Told) -> dict[str, Any]:
    one, check, robust = told.audit, told.audit.check, told.robust
    models = {} if robust is None else {
        "dr": robust.dr, "dm": robust.dm.estimate, "dm_sampling_error": robust.dm.sampling_error,
        "dr_in_snips": robust.dr_in_snips, "snips_in_dr": robust.snips_in_dr,
    }  # fmt: skip
    return {
        "verdict": told.verdict, "refusals": told.refusals, "doubts": told.doubts, "n": check.n,
        "ips": one.ips, "snips": one.snips, "logged": one.logged, **models, "ess_share": check.ess_share,
        **({} if told.beside is None else {"truth": told.beside.truth, "from_truth": told.beside.distances}),
        "largest_share": check.largest_share, "tail": check.tail, "mean_weight": check.mean,
        "unlogged_share": check.unlogged_share, "rewarded_rows": one.rewarded,
        "carried": one.carried,
    }  # fmt: skip


def show(found: Mapping[str, Told], roles: Roles) -> None:
    """Tables, reasons and the verdict, on stdout."""
    out = console()
    out.print(_table(_HEAD, [_row(name, one) for name, one in found.items()]))
    models = [_model_row(name, one) for name, one in found.items() if one.robust]
    if models:
        out.print(_table(_MODEL_HEAD, models))
    truths = [row for name, one in found.items() if one.beside for row in _truth_rows(name, one)]
    if truths:
        out.print(_table(_TRUTH_HEAD, truths))
    for name, told in found.items():
        for words in (*told.refusals, *told.doubts):
            out.print(f"{name}: {words}", markup=False)
        for one in told.controls:
            if one.verdict == "PASS":
                out.print(f"control {one.name}: {one.reason}", markup=False)
    for words in _notes(found["all"], roles, models=bool(models)):
        out.print(words, markup=False)
    out.print(f"Verdict: {gravest(found)}: {_next(found)}", markup=False)


def _next(found: Mapping[str, Told]) -> str:
    reasons = [words for one in found.values() if one.verdict == gravest(found)
               for words in (*one.refusals, *one.doubts)]  # fmt: skip
    if not reasons:
        return _PASSED
    return next(advice for words, advice in _NEXT if any(
        mark in reason for mark in words for reason in reasons))


def _notes(whole: Told, roles: Roles, *, models: bool) -> list[str]:
    """What the figures mean, where they could be read wrongly."""
    audit, tail, notes = whole.audit, whole.audit.check.tail, []
    if tail.by_bound:
        notes.append(f"κ: – as the weights are {tail.why}; instead the largest, {tail.bound:.4g}, is held to 5 % of "
                     "their sum.")  # fmt: skip
    if roles.position:
        rows = f"intervals are by {roles.units}" if roles.units else (
            "its interval takes rows for independent: --decision or --cluster names what is")
        notes.append(f"A slate is audited position by position; `all` is the mean over positions, {rows}.")
    if models:
        notes.append("DM is the model alone: shown, it decides nothing, as its bias has no bound.")
    kind = f"rewarded values of {roles.units}" if roles.units else "rewarded rows"
    if audit.reach < float("inf") and audit.snips.method != "no variation seen":
        notes.append(f"After weighting, {audit.rewarded:,.0f} {kind} stand behind the value: differences under "
                     f"±{audit.reach:.{0 if audit.reach >= 0.01 else 2}%} of it cannot be told.")  # fmt: skip
    return notes


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, title in enumerate(head):
        ends = place in {0, len(head) - 1}
        table.add_column(Text(title), justify="left" if ends else "right", overflow="fold", no_wrap=place > 0)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _row(name: str, told: Told) -> tuple[str, ...]:
    check, one = told.audit.check, told.audit
    kappa = f"{check.tail.kappa:.2f}" if not check.tail.why else "–"
    return (f"{name}\n{check.n:,}", f"{check.ess_share:.3f}\n{check.largest_share:.2%}",
            f"{kappa}\n{check.mean.value:.3f}", f"{one.ips.value:.4g}", _both(one.snips), told.verdict)  # fmt: skip


def _model_row(name: str, told: Told) -> tuple[str, ...]:
    assert told.robust is not None
    one = told.robust
    said = (f"{'yes' if inside else 'no'}" for inside in (one.dr_in_snips, one.snips_in_dr))
    return name, f"{told.audit.snips.value:.4g}", _both(one.dr), f"{one.dm.estimate.value:.4g}", "\n".join(said)


def _truth_rows(name: str, told: Told) -> list[tuple[str, ...]]:
    """Every estimator with its distance from the truth in standard errors, then the truth itself."""
    assert told.beside is not None
    values = {"IPS": told.audit.ips, "SNIPS": told.audit.snips}
    if told.robust is not None:
        values |= {"DR": told.robust.dr, "DM": told.robust.dm.estimate}
    rows = [("", one, f"{values[one].value:.4g}", _ends(values[one]), f"{far.z:+.2f}")
            for one, far in told.beside.distances.items()]  # fmt: skip
    truth = told.beside.truth
    rows.append(("", "in truth", f"{truth.value:.4g}", _ends(truth), f"n {truth.n:,}"))
    return [(name, *rows[0][1:]), *rows[1:]]


def _ends(found: Estimate) -> str:
    return "–" if found.low == -float("inf") else f"[{found.low:.4g}, {found.high:.4g}]"


def _both(found: Estimate) -> str:
    return f"{found.value:.4g}\n[{found.low:.4g}, {found.high:.4g}]"
