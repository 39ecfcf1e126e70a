"""`signoff audit LOG`: what a target policy would have earned, from another policy's log, and whether to believe it.

Any table will do: a row a decision, with its reward, the probability it was taken with, and the one that the target
policy gives it. Parquet streams through accumulators, whatever its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from harness.cli.common import JsonFlag, print_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.cli.audit_view import Told
    from harness.data.log_models import ModelColumns
    from harness.data.log_table import LogTable
    from harness.data.logs import Roles
    from harness.data.stream import Progress

__all__ = ["command"]

Name = "COL"
PATIENCE_S = 2.0

Log = Annotated[str, typer.Argument(metavar="LOG", help="A table; FORMAT:PATH where no suffix tells.")]
Reward = Annotated[str, typer.Option(metavar=Name, help="What the logged action earned.")]
Propensity = Annotated[str, typer.Option(metavar=Name, help="The log's probability of the action, in (0, 1].")]
Target = Annotated[str, typer.Option(metavar=Name, help="The target policy's probability of it, in [0, 1].")]
Slices = Annotated[list[str] | None, typer.Option(metavar="SLICE", help="Also one audit a value; repeatable.")]
Cluster = Annotated[str | None, typer.Option(metavar=Name, help="User or session: intervals are by its values.")]
Decision = Annotated[str | None, typer.Option(metavar=Name, help="Id of the decision: finds slates.")]
Position = Annotated[str | None, typer.Option(metavar=Name, help="Of an action in its slate: one audit each.")]
Control = Annotated[list[str] | None, typer.Option(metavar=Name, help="No action can have moved it; repeatable.")]
Margin = Annotated[float, typer.Option(metavar="SD", help="Largest shift of a control that does not matter.")]
Context = Annotated[list[str] | None, typer.Option(metavar=Name, help="For doubly robust values; repeatable.")]
Action = Annotated[str | None, typer.Option(metavar=Name, help="The logged action; with --context.")]
Prefix = Annotated[str | None, typer.Option(
    metavar="TEXT", help="TEXT + action is the column of the target's probability of it; with --context.")]  # fmt: skip
Truth = Annotated[str | None, typer.Option(
    metavar="LOG", help="The target's own log: what it earned, beside.")]  # fmt: skip
Seed = Annotated[int, typer.Option(min=0, help="Of the folds of --context.")]
Floor = Annotated[float, typer.Option(min=0.0, max=1.0, help="Least ESS/N of each slice.")]
Level = Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the two-sided intervals.")]


def command(
    log: Log, *, reward: Reward, propensity: Propensity, target: Target, by: Slices = None, cluster: Cluster = None,
    decision: Decision = None, position: Position = None, control: Control = None, margin: Margin = 0.1,
    context: Context = None, action: Action = None, target_prefix: Prefix = None, truth: Truth = None, seed: Seed = 42,
    floor: Floor = 0.2, confidence: Level = 0.9, as_json: JsonFlag = False,
) -> int:  # fmt: skip
    """Audit a log: the value of the target policy, and whether its weights can carry it. Exits 0, 10, 11 or 2."""
    from harness.cli.audit_view import EXITS, document, gravest, show
    from harness.data.logs import Roles

    models = _models(context, action, target_prefix)
    roles = Roles(reward, propensity, target, tuple(by or ()), cluster, decision, position)
    _known_before(roles, {"--control": control, "--context": context}, action)
    with _watched(log) as progress:
        own = _table_at(truth) if truth else None
        asked = _Asked(models, tuple(control or ()), margin, seed, floor, confidence, own)
        found = _audited(_table_at(log), roles, asked, progress)
    if as_json:
        print_json({"log": log, "verdict": gravest(found), "floor": floor, "confidence": confidence, "columns": roles,
                    **document(found)})  # fmt: skip
    else:
        show(found, roles)
    return int(EXITS[gravest(found)])


class _Asked(NamedTuple):
    models: ModelColumns | None
    control: tuple[str, ...]
    margin: float
    seed: int
    floor: float
    confidence: float
    truth: LogTable | None


def _audited(table: LogTable, roles: Roles, asked: _Asked, progress: Progress) -> dict[str, Told]:
    import numpy as np

    from harness.cli.audit_view import Told
    from harness.data.log_models import control_findings, robust_values
    from harness.data.log_truth import beside_truth, require_another_log
    from harness.data.logs import ALL, audit_log, require_propensity

    level, models = asked.confidence, asked.models
    if asked.truth:
        require_another_log(table, asked.truth, roles.columns, progress=progress)
    require_propensity(table, roles.propensity, otherwise="a manifest with studies.confounding.columns.propensity: "
                       "null, which has it fitted")  # fmt: skip
    audits = audit_log(table, roles, floor=asked.floor, confidence=level, progress=progress)
    controls = control_findings(table, roles, asked.control, margin=asked.margin, progress=progress)
    robust = robust_values(table, roles, models, audits, rng=np.random.default_rng(asked.seed), confidence=level,
                           progress=progress) if models else {}  # fmt: skip
    beside = beside_truth(table, asked.truth, roles, audits, robust, confidence=level,
                          progress=progress) if asked.truth else {}  # fmt: skip
    return {name: Told(one, robust.get(name), tuple(controls) if name == ALL else (), beside.get(name))
            for name, one in audits.items()}  # fmt: skip


def _models(context: list[str] | None, action: str | None, prefix: str | None) -> ModelColumns | None:
    """The columns of the reward's model; all three options or none."""
    from harness.data.log_models import ModelColumns

    given = {"--context": context, "--action": action, "--target-prefix": prefix}
    missing = [name for name, value in given.items() if not value]
    if len(missing) == len(given):
        return None
    if missing or not context or not action or not prefix:
        raise UsageError(f"audit: doubly robust values lack {' and '.join(missing)}: they need the context, the logged "
                         "action, and one column an action of the target's probability of it (--target-prefix pi_ "
                         "reads pi_17 for action 17)")  # fmt: skip
    return ModelColumns(tuple(dict.fromkeys(context)), action, prefix)


def _known_before(roles: Roles, given: dict[str, list[str] | None], action: str | None) -> None:
    """Controls and context are known before the action: none of them is the action, or follows from it."""
    later = {roles.reward: "the reward", roles.propensity: "the propensity", roles.target: "the target"}
    later |= {action: "the action"} if action else {}
    for option, names in given.items():
        for name in names or ():
            if name in later:
                raise UsageError(f"audit: {option} {name} is {later[name]}; it takes what was known before the action")


def _table_at(log: str) -> LogTable:
    from harness.cli.sources import source_spec
    from harness.data.log_table import LogTable

    ((form, path),) = source_spec(log).items()
    if ".tsv" in path.lower() and form == "trec":
        form = "csv"  # its reader tells tabs by the header
    if form in {"trec", "beir"}:
        raise UsageError(f"audit: {log!r} is no table by its name; a log is .parquet, .csv, .tsv or .jsonl, or is "
                         "written parquet:PATH, csv:PATH …")  # fmt: skip
    return LogTable(form, path)


@contextmanager
def _watched(log: str) -> Iterator[Progress]:
    """A bar over rows on stderr, on terminals only, where reading takes longer than two seconds."""
    from threading import Timer

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=words, transient=True, disable=not words.is_terminal)
    rows = bar.add_task(f"auditing {log}"[:30], total=None)
    soon = Timer(PATIENCE_S, bar.start)
    soon.daemon = True
    soon.start()
    try:
        yield lambda done, of: bar.update(rows, completed=done, total=of)
    finally:
        soon.cancel()
        soon.join()
        bar.stop()
