"""`signoff plan`: how many queries would settle each bound of a policy, if the truth is what the user says it is."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.errors import EvidenceError, Exit, InputError, UsageError, nearest

if TYPE_CHECKING:
    from rich.table import Table

    from harness.defects.plan import Bound
    from harness.release.manifest import Loaded
    from harness.release.policy import Check

__all__ = ["command"]

REPORTS = Path("reports")


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    effect: Annotated[list[str] | None, typer.Option(metavar="MEASURE=SIZE", help="The truth to plan for; "
                                                     "repeatable. Default: as measured, and limit + 1 pp.")] = None,
    power: Annotated[float, typer.Option(metavar="SHARE", help="Chance that the bound is then settled.")] = 0.8,
    as_json: JsonFlag = False,
) -> int:
    """Read the last run's evidence, or observe the release; a report, so it exits 0 whatever it says."""
    from harness.release.manifest import load_manifest
    from harness.release.overrides import overridden

    if not 0.5 <= power < 1.0:
        raise UsageError(f"plan: --power is a chance from 0.5 to below 1, not {power:g}")
    loaded = overridden(load_manifest(manifest), os.environ)
    checks = [check for check in loaded.manifest.checks if check.limit is not None and check.limit.by != "value"]
    effects = _effects(effect or [], loaded.manifest.checks, checks)
    source, bounds = _bounds(loaded, checks)
    rows = [row for bound in bounds for row in bound.rows(effects.get(bound.check.measure), power=power)]
    if as_json:
        print_json({"release": loaded.manifest.release, "power": power, "source": source,
                    "by_value": len(loaded.manifest.checks) - len(checks), "bounds": [row._asdict() for row in rows]})
    else:
        _show(loaded, bounds, rows, power=power, source=source)
    return int(Exit.PASSED)


def _effects(words: Sequence[str], checks: Sequence[Check], bound: Sequence[Check]) -> dict[str, list[float]]:
    """Measure → the truths to plan for. Raises UsageError for what no bound of the policy measures."""
    known, all_known = {check.measure for check in bound}, {check.measure for check in checks}
    effects: dict[str, list[float]] = {}
    for word in words:
        measure, sign, size = word.rpartition("=")
        if not sign or not measure:
            raise UsageError(f"plan: --effect is MEASURE=SIZE, not {word!r}")
        if measure not in known:
            why = "is judged by its value, and has no bound to settle" if measure in all_known else "is not known here"
            near = nearest(measure, known)
            raise UsageError(f"plan: {measure!r} {why}; bounds are on {', '.join(sorted(known)) or 'nothing'}"
                             + (f" (nearest: {near})" if near else ""))
        try:
            value = float(size)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UsageError(f"plan: the size of {measure} is a number such as 0.02, not {size!r}")
        effects.setdefault(measure, []).append(_possible(measure, value))
    return effects


def _possible(measure: str, value: float) -> float:
    """A truth that the measure can take. Raises UsageError for a share beyond its range, a latency below 0."""
    from harness.release.measures import family_of
    from harness.release.measures.quality import bare

    family = family_of(measure)
    shares = family == "quality" or measure.startswith("agreement@")
    low = -1.0 if family == "quality" and bare(measure) != measure else 0.0
    if (shares and not low <= value <= 1.0) or (family == "latency" and value < 0.0):
        raise UsageError(f"plan: {measure} lies {f'between {low:g} and 1' if shares else 'at or above 0'}, "
                         f"so {value:g} cannot be the truth")
    return value


def _bounds(loaded: Loaded, checks: Sequence[Check]) -> tuple[str, list[Bound]]:
    """Every bound with what was measured for it: by the last run of these gates, or now."""
    from harness.defects.plan import Bound

    found = _from_evidence(loaded)
    source = f"{REPORTS}/{loaded.manifest.release}/evidence.jsonl"
    if any(check.id not in found for check in checks):
        source, found = "observed now", _from_release(loaded, checks)
    return source, [Bound(check, *found[check.id]) for check in checks]


def _from_evidence(loaded: Loaded) -> dict[str, Any]:
    """Gate → estimate, clusters, the finding's own n; empty unless the last run was of this very manifest."""
    from harness.release.evidence import finding_of, read_evidence

    file = REPORTS / loaded.manifest.release / "evidence.jsonl"
    try:
        evidence = read_evidence(file.read_bytes(), where=file)
    except (OSError, EvidenceError):  # no run, or one that died: measure again
        return {}
    if evidence.header.get("config_hash") != loaded.manifest.config_hash:
        return {}
    findings = [finding_of(row) for row in evidence.findings]
    return {one.check.id: (one.reading.estimate, _clusters(one.reading.details), one.needed_n) for one in findings}


def _from_release(loaded: Loaded, checks: Sequence[Check]) -> dict[str, Any]:
    from harness.cli.live import tell
    from harness.hunting.stressing import with_stress
    from harness.release.judge import judge
    from harness.release.measures import read
    from harness.release.observing import observe

    trial = with_stress(loaded, observe(loaded, tell=tell), tell=tell)
    tell("")
    found = {}
    for check in checks:
        if check.own_gate is not None:
            raise InputError("a gate of your own states its numbers when it runs", where=check.id,
                             expected="evidence of a run: signoff gates", found="none")
        reading = read(trial, check)
        found[check.id] = reading.estimate, _clusters(reading.details), judge(check, reading).needed_n
    return found


def _clusters(details: Mapping[str, Any]) -> int | None:
    count = details.get("clusters")
    return int(count) if isinstance(count, float | int) else None


def _show(loaded: Loaded, bounds: Sequence[Bound], rows: Sequence[Any], *, power: float, source: str) -> None:
    out = console()
    if not rows:
        out.print(f"{loaded.manifest.release} has no bound: every gate is judged by its value", markup=False)
        return
    out.print(_table(rows))
    out.print(f"n that settles a bound with probability {power!r}, if the truth is as said; from {source}.",
              markup=False)
    if any(bound.clusters for bound in bounds):
        out.print("Queries of a cluster resemble each other: n counts queries in new clusters of the same size; more "
                  "of the same clusters would not do.", markup=False)
    out.print("A finding's own n is for a chance of .5 at the measured value.", markup=False)


def _table(rows: Sequence[Any]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from harness.report.rows import number_text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for title in ("bound", "n now", "if the truth is", "n needed", "to"):
        table.add_column(title, justify="left" if title in {"bound", "to"} else "right",
                         overflow="fold" if title == "bound" else "ellipsis")
    last = None
    for row in rows:
        name = f"{row.measure} {row.limit}\n  {row.where}" if row.gate != last else ""
        truth = number_text(row.truth, measure=row.measure, unit=row.unit) + (" (now)" if row.measured else "")
        needed = "no n will do" if row.needed_n is None else f"{row.needed_n:,}"
        needed += f"\nin {row.needed_clusters:,} clusters" if row.needed_clusters else ""
        table.add_row(Text(name), f"{row.n:,}" if name else "", truth, Text(needed), row.to)
        last = row.gate
    return table
