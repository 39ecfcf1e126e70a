"""`signoff audit LOG`: what a target policy would have earned, from another policy's log, and whether to believe it.

Any table will do: a row a decision, with its reward, the probability it was taken with, and the one that the target
policy gives it. Parquet streams through accumulators, whatever its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.errors import Exit, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from harness.data.logs import Audits

__all__ = ["command"]

Name = "COL"
_HEAD = ("slice\nn", "ESS/N\ntop row", "κ\nE[w]", "IPS", "SNIPS\ninterval", "verdict")


def command(
    log: Annotated[str, typer.Argument(metavar="LOG", help="A table; FORMAT:PATH where no suffix tells.")],
    *,
    reward: Annotated[str, typer.Option(metavar=Name, help="What the logged action earned.")],
    propensity: Annotated[str, typer.Option(metavar=Name, help="The log's probability of the action, in (0, 1].")],
    target: Annotated[str, typer.Option(metavar=Name, help="The target policy's probability of it, in [0, 1].")],
    by: Annotated[str | None, typer.Option(metavar="SLICE", help="Also one audit a value of this.")] = None,
    floor: Annotated[float, typer.Option(min=0.0, max=1.0, help="Least ESS/N of each slice.")] = 0.2,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the two-sided intervals.")] = 0.9,
    as_json: JsonFlag = False,
) -> int:
    """Audit a log: the value of the target policy, and whether its weights can carry it. Exits 0, 10, 11 or 2."""
    from harness.data.logs import audit_log

    form, path = _table_at(log)
    found = audit_log(form, path, reward=reward, propensity=propensity, target=target, by=by, floor=floor,
                      confidence=confidence)  # fmt: skip
    worst = max(map(_verdict, found.values()), key=list(_EXITS).index)
    if as_json:
        print_json({"log": log, "verdict": worst, "floor": floor, "by": by,
                    "slices": {name: _document(one) for name, one in found.items()}})  # fmt: skip
    else:
        _show(found, worst)
    return int(_EXITS[worst])


def _table_at(log: str) -> tuple[str, str]:
    from harness.cli.sources import source_spec

    ((form, path),) = source_spec(log).items()
    if form in {"trec", "beir"}:
        raise UsageError("audit: a log is a table; give .parquet, .csv or .jsonl, or write parquet:PATH, csv:PATH …")
    return form, path


_EXITS = {"PASS": Exit.PASSED, "INCONCLUSIVE": Exit.INCONCLUSIVE, "REFUSE": Exit.REFUSED}


def _verdict(one: Any) -> str:
    """The gravest word on one slice: a refusal, then a doubt."""
    if one.check.refusals:
        return "REFUSE"
    return "INCONCLUSIVE" if one.doubts else "PASS"


def _document(one: Any) -> dict[str, Any]:
    check = one.check
    return {
        "verdict": _verdict(one), "refusals": check.refusals, "doubts": one.doubts, "n": check.n,
        "ips": one.ips, "snips": one.snips, "logged": one.logged, "ess_share": check.ess_share,
        "largest_share": check.largest_share, "tail": check.tail, "mean_weight": check.mean,
        "unlogged_share": check.unlogged_share, "rewarded_rows": one.rewarded,
        "carried": one.carried,
    }  # fmt: skip


def _show(found: Audits, worst: str) -> None:
    out = console()
    out.print(_table(found))
    for name, one in found.items():
        for words in (*one.check.refusals, *one.doubts):
            out.print(f"{name}: {words}", markup=False)
    whole = found["all"]
    tail = whole.check.tail
    if tail.by_bound:
        out.print(f"κ: – as the weights are {tail.why}; instead the largest, {tail.bound:.4g}, is held to 5 % of "
                  "their sum.", markup=False)
    out.print(f"After weighting, {whole.rewarded:,.0f} rewarded rows stand behind the value: differences under "
              f"±{whole.reach:.0%} of it cannot be told.", markup=False)
    out.print(f"Verdict: {worst}", markup=False)


def _table(found: Audits) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, title in enumerate(_HEAD):
        ends = place in {0, len(_HEAD) - 1}
        table.add_column(Text(title), justify="left" if ends else "right", overflow="fold", no_wrap=place > 0)
    for name, one in found.items():
        table.add_row(*map(Text, _row(name, one)))
    return table


def _row(name: str, one: Any) -> tuple[str, ...]:
    check, snips = one.check, one.snips
    kappa = f"{check.tail.kappa:.2f}" if not check.tail.why else "–"
    return (f"{name}\n{check.n:,}", f"{check.ess_share:.3f}\n{check.largest_share:.2%}",
            f"{kappa}\n{check.mean.value:.3f}", f"{one.ips.value:.4g}",
            f"{snips.value:.4g}\n[{snips.low:.4g}, {snips.high:.4g}]", _verdict(one))
