"""Operating characteristics as a reader meets them: a table of gates, what to do next, a page of pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.defects.power import GatePower, Point, Tally
from harness.estimate import Estimate

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["BLUNT", "next_steps", "picture_name", "power_document", "power_markdown",
           "power_table", "share_text"]

BLUNT = 0.1  # a gate that lets a tenth of its release be broken unseen is worth a sentence
_COLUMNS = ("gate\n  planted defect", "caught\nfrom", "no-ops\nrefused", "in\ndoubt", "verdict")


def power_table(gates: Sequence[GatePower]) -> Table:
    """One row a gate, within 80 columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for title in _COLUMNS:
        words = title in {_COLUMNS[0], "verdict"}
        table.add_column(title, justify="left" if words else "right", no_wrap=title != _COLUMNS[0], overflow="fold")
    for one in gates:
        count, bound = _false(one)
        table.add_row(Text(f"{one.measure} · {one.where}\n  {one.defect or one.note}"), Text(_caught(one)),
                      Text(f"{count}\n{bound}"), Text(_doubt(one)), Text(one.verdict.name))
    return table


def power_markdown(gates: Sequence[GatePower], *, release: str, facts: Sequence[str]) -> str:
    """The index page: what was decided, the table, what to do next, one picture a gate beside it."""
    rows = ["| " + " | ".join([_cell(one.gate), _cell(one.defect or one.note), _caught(one), " ".join(_false(one)),
                               _doubt(one), one.verdict.name, _link(one)]) + " |" for one in gates]
    return "\n".join([
        f"# Power of the gates of {release}", "", *(f"- {fact}" for fact in facts), "",
        "| gate | planted defect | caught from | false refusals | in doubt | verdict | |",
        "| :-- | :-- | --: | --: | --: | :-- | :-- |", *rows, "", "**Next.** " + " ".join(next_steps(gates)), ""])


def next_steps(gates: Sequence[GatePower]) -> list[str]:
    """What to do about gates that catch late, never, or refuse what is sound."""
    steps = [step for one in gates for step in _steps(one)]
    return steps or [f"Nothing: every gate catches its defect at a severity of {BLUNT:g} or less."]


def power_document(gates: Sequence[GatePower]) -> list[dict[str, Any]]:
    """The gates as plain values, every count with its interval."""
    return [{
        "gate": one.gate, "measure": one.measure, "limit": one.limit, "defect": one.defect, "sampled": one.sampled,
        "n": one.n, "observed": one.observed, "verdict": one.verdict, "caught_from": one.caught_from,
        "seen_from": one.seen_from, "nominal": one.nominal, "false_refusals": _interval(one.false_refusals),
        "no_ops": {kind.kind: kind.tally._asdict() for kind in one.noops}, "note": one.note,
        "points": [{"severity": point.severity, **point.tally._asdict(), "caught": _interval(point.share),
                    "value": point.value, "needed_n": point.needed_n} for point in one.points],
    } for one in gates]


def share_text(share: Estimate) -> str:
    """A share with its interval, in percent.

    >>> share_text(Estimate(0.01, 0.0, 0.0256, 300, 0.9, "Clopper-Pearson"))
    '1.0 % [0.0, 2.6]'
    """
    if math.isnan(share.value):
        return "–"
    return f"{100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def picture_name(one: GatePower) -> str:
    """The file of a gate's picture.

    >>> from harness.defects.power import GatePower
    >>> picture_name(GatePower("all-R@5-value", "R@5", "all", "", None, "", 0.05, None, 0))
    'all-R@5-value.svg'
    """
    name = one.gate if one.defect is None else f"{one.gate}--{one.defect}"
    return "".join(letter if letter.isalnum() or letter in "-_@.=" else "_" for letter in name) + ".svg"


def _steps(one: GatePower) -> list[str]:
    if not one.points:
        return [f"{one.gate}: {one.note or 'not examined'}."]
    steps = []
    if one.caught_from is None:
        steps.append(f"{one.gate} is not shown to catch {one.defect} at any severity: {_why(one, one.points[-1])}.")
    elif one.caught_from > BLUNT:
        last = next(point for point in reversed(one.points) if point.severity < one.caught_from)
        steps.append(f"{one.gate} is blunt, it catches {one.defect} from {one.caught_from:g}: {_why(one, last)}.")
    share = one.false_refusals
    if share.value > one.nominal or share.low > one.nominal:
        steps.append(f"{one.gate} refuses what is sound, {share_text(share)}: its limit is too near.")
    return steps


def _why(one: GatePower, point: Point) -> str:
    """Too few observations, or a limit too far away for any number of them."""
    if not _misses(one, point.value):
        return f"at {point.severity:g} it measures {point.value:.4g}, which its limit {one.limit} allows"
    if point.needed_n is None or point.needed_n <= one.n:
        return f"at {point.severity:g} it catches {share_text(point.share)}"
    return f"at {point.severity:g} about n = {point.needed_n:,} would catch it (now {one.n:,})"


def _misses(one: GatePower, value: float) -> bool:
    """Whether a value is on the wrong side of the limit."""
    sign, _, bound = one.limit.partition(" ")[2].partition(" ")
    return value < float(bound) if sign == "≥" else value > float(bound)


def _caught(one: GatePower) -> str:
    if not one.points:
        return "–"
    return "never" if one.caught_from is None else f"{one.caught_from:g}"


def _false(one: GatePower) -> tuple[str, str]:
    idle = one.idle
    return (f"{idle.refused + idle.crashed}/{idle.n}", f"≤ {100 * one.false_refusals.high:.1f} %") if idle.n \
        else ("–", "")


def _doubt(one: GatePower) -> str:
    idle: Tally = one.idle
    return f"{100 * idle.inconclusive / idle.n:.0f} %" if idle.n else "–"


def _interval(share: Estimate) -> dict[str, float]:
    return {"value": share.value, "low": share.low, "high": share.high, "n": share.n}


def _link(one: GatePower) -> str:
    return f"[picture]({picture_name(one)})" if one.points else "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("_", "\\_")

