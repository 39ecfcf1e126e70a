"""`signoff hunt`: search for the query and mutation on which a release loses most, and pin what is found."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.live import TaskOption
from harness.errors import Exit, UsageError, nearest

__all__ = ["command"]

MINUTES = 5.0  # of the profile `hunt`, where nobody says


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest, with live parts.")],
    *,
    minutes: Annotated[float | None, typer.Option(min=0.0, max=1e5, help="How long to search; implies hunt.")] = None,
    profile: Annotated[str | None, typer.Option(
        metavar="ci|hunt", help="ci: the same examples every time. hunt: new ones until the time is up.")] = None,
    slice_: Annotated[str, typer.Option("--slice", help="Hunt in these queries.")] = "all",
    task: TaskOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: the manifest's (ci) or a new one (hunt).")] = None,
    threshold: Annotated[float, typer.Option(min=0.01, max=1.0, help="nDCG@10 that a find loses at least.")] = 0.1,
    most: Annotated[int, typer.Option(min=0, help="Finds to pin, at most.")] = 4,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where pins are kept.")] = Path("regressions"),
    gallery: Annotated[bool, typer.Option("--gallery", help="No search: the gallery of recorded files.")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Hunt for losses: 0 nothing new, 10 a new find was pinned, a pin broke or a relation did, 2 bad input."""
    from harness.cli.hunting import gallery_alone, ground_of, hunted

    if gallery:
        return _said(gallery_alone(manifest, task), _show_gallery, as_json=as_json)
    options = _options(manifest, _profile(profile, minutes), minutes, seed, slice_, threshold, most, out)
    return _said(hunted(ground_of(manifest, task, options), options), _show, as_json=as_json)


def _options(manifest: Path, profile: str, minutes: float | None, seed: int | None, *rest: Any) -> Any:
    """The call as the hunt takes it: ci under the manifest's seed and once, hunt under a new one and for minutes."""
    from harness.cli.hunting import Options
    from harness.hunting.searching import PROFILES
    from harness.release.manifest import load_manifest

    if seed is None:
        seed = secrets.randbelow(2**31) if profile == "hunt" else load_manifest(manifest).manifest.seed
    time = 0.0 if profile == "ci" else MINUTES if minutes is None else minutes
    return Options(PROFILES[profile], seed, time, *rest)


def _profile(name: str | None, minutes: float | None) -> str:
    known = ("ci", "hunt")
    chosen = name or ("ci" if minutes is None else "hunt")
    if chosen not in known:
        near = nearest(chosen, known)
        raise UsageError(f"hunt: unknown profile {chosen!r}; expected one of {', '.join(known)}"
                         + (f" (nearest: {near})" if near else ""))
    if chosen == "ci" and minutes is not None:
        raise UsageError("hunt: the profile ci ends after its examples; --minutes goes with --profile hunt")
    return chosen


def _said(document: dict[str, Any], show: Callable[[dict[str, Any]], None], *, as_json: bool) -> int:
    """Tell the document, in words or as JSON; 10 where somebody has to look at it."""
    if as_json:
        print_json(document)
    else:
        show(document)
    return int(Exit.REFUSED if _speaks(document) else Exit.PASSED)


def _speaks(document: dict[str, Any]) -> bool:
    """True where somebody has to look: a new pin, a broken one, one of other data, a broken relation."""
    replayed = document.get("replayed", {"broken": [], "elsewhere": []})
    return bool(document.get("pinned") or replayed["broken"] or replayed["elsewhere"]
                or any(row["counterexample"] for row in document.get("relations", [])))


def _show_gallery(document: dict[str, Any]) -> None:
    console().print(f"{document['release']}: {document['differ']:,} of {document['compared']:,} queries differ "
                    f"from the baseline's.\nRead {document['gallery']}.", markup=False)


def _show(document: dict[str, Any]) -> None:
    out = console()
    beside = f" beside {document['baseline']}" if document["baseline"] else ""
    out.print(f"{document['release']}{beside}, {document['task']} · {document['slice']}: {document['examples']:,} "
              f"examples, profile {document['profile']}, seed {document['seed']}", markup=False)
    out.print(_table(document))
    for find in document["finds"]:
        _show_find(find, out)
    if document["over_threshold"] > len(document["finds"]):
        out.print(f"{document['over_threshold']} of {len(document['searches'])} searches found a loss of "
                  f"{document['threshold']:g} or more; these are the largest.", markup=False)
    if not document["over_threshold"]:
        out.print(f"No loss of {document['threshold']:g} or more among the {document['examples']:,} examples tried. "
                  "That is what was tried, not all there is.", markup=False)
    for line in _closing(document):
        out.print(f"→ {line}", markup=False)


def _table(document: dict[str, Any]) -> Any:
    """One line a mutation: beside each side how many examples, their mean loss, and the largest."""
    from rich import box
    from rich.table import Table

    sides = ["plain", "baseline"] if document["baseline"] else ["plain"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for title in ("mutation", *(word for side in sides for word in (f"{side}:\ntried", "mean\nloss", "largest\nloss"))):
        table.add_column(title, justify="left" if title == "mutation" else "right", no_wrap=True)
    found = {(row.operator, row.against): row for row in document["searches"]}
    for name in dict.fromkeys(row.operator for row in document["searches"]):
        cells = [found.get((name, side)) for side in sides]
        table.add_row(name, *(cell for row in cells for cell in _cells(row)))
    return table


def _cells(row: Any) -> tuple[str, ...]:
    return ("", "", "") if row is None else (f"{row.examples:,}", f"{row.mean:+.3f}", f"{row.largest:+.3f}")


def _show_find(find: dict[str, Any], out: Any) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from harness.hunting.gallery import visible

    steps = ", then ".join(f"{step['operator']} × {step['choices'][0] if step['choices'] else 0}"
                           for step in find["steps"])
    before = find["ndcg"]["plain" if find["against"] == "plain" else "baseline"]
    out.print(f"−{find['loss']:.3f} beside the {find['against']}: {before:.3f} → {find['ndcg']['mutated']:.3f} "
              f"nDCG@10 ({'new' if find['new'] else 'pinned already'})", markup=False)
    shown = [(find["query_id"], "query"), *([(steps, "mutated")] if steps else [])]
    for title, name in shown:
        out.print(Padding(Text(f"{title}: {visible(find[name], beside=find['query'])}"), (0, 0, 0, 2)))


def _closing(document: dict[str, Any]) -> list[str]:
    replayed, lines = document["replayed"], []
    lines += [f"broken: {name} scores under its limit" for name in replayed["broken"]]
    lines += [f"{name} was pinned on other data: hunt again, then delete it" for name in replayed["elsewhere"]]
    lines += [f"{name} loses no longer: write `status: fixed` and its limit, and it may not come back"
              for name in replayed["settled"]]
    for row in document["relations"]:
        if row["counterexample"]:
            lines.append(f"broken relation {row['relation']} ({row['claim']}): {row['counterexample']}; the row "
                         f"`- {{measure: violations of {row['relation']}, at_most: 0}}` holds it")
    tried = [row for row in document["relations"] if not row["untried"]]
    lines.append(f"{len(tried)} relations tried, {sum(not row['counterexample'] for row in tried)} held")
    without = ", ".join(row["relation"] for row in document["relations"] if row["untried"])
    lines += [f"not tried, for want of a part that this release does not have: {without}"] if without else []
    lines += [f"pinned: {path}" for path in document["pinned"]]
    lines += _rows(document)
    return [*lines, f"read {document['gallery']}"]


def _rows(document: dict[str, Any]) -> list[str]:
    count = document["replayed"]["pins"] + len(document["pinned"])
    rows = {"regressions": "at_most: 0", "pinned regressions": f"at_least: {count}"}
    return [f"the policy does not ask for it yet; add\n  - {{measure: {name}, {limit}}}"
            for name, limit in rows.items() if count and name not in document["asked"]]
