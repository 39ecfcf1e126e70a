"""Runbooks: what to do when a guard speaks, one page an action, written from the policy wherever a number is stated."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.release.charter import Charter
from harness.release.contract import guards_of
from harness.release.manifest import Manifest
from harness.release.policy import Check, Guard, Limit
from harness.report.contract import table, who_decides
from harness.report.markdown import escape
from harness.report.rows import limit_text

__all__ = ["ACTIONS", "INDEX", "runbooks_of"]

INDEX = "README.md"
ACTIONS = ("alert", "hold", "rollback")
_SEVERITIES = {
    "info": "for the record: read it in the next review",
    "warning": "somebody looks within the working day; nothing is taken back",
    "critical": "somebody looks now; what the guard says follows by itself",
    "emergency": "two guards or more are beyond their limits at once: everybody on the list is called",
}
_WHAT = {
    "alert": ("Somebody is told; the release serves on.",
              "The limit has been missed for as long as the guard waits. Nothing was taken back."),
    "hold": ("The ramp stops where it is; the release serves on, to nobody new.",
             "No further traffic goes to the release until somebody decides."),
    "rollback": ("The release before this one serves again.",
                 "The limit was shown to be missed for as long as the guard waits: the release is taken back "
                 "first, and understood afterwards."),
}


def runbooks_of(manifest: Manifest, *, path: str = "MANIFEST", verbs: Collection[str] = ()) -> dict[str, str]:
    r"""File name → Markdown: the index with severities and escalation, and one page for each action.

    Args:
        manifest: Whose policy states guards and limits.
        path: The manifest's path as commands name it.
        verbs: Verbs of the command that are there; steps by others are told in words.

    >>> from harness.release.manifest import parse_manifest
    >>> text = "release: r\nseed: 1\ndata: {corpus: pydocs}\nparts: {}\npolicy: [{measure: RR, at_least: 0.2}]"
    >>> sorted(runbooks_of(parse_manifest(text.encode(), where="r.yaml")))
    ['README.md', 'alert.md', 'hold.md', 'rollback.md']
    """
    guards = guards_of(manifest.policy)
    guarded = [(check, guards[check.id]) for check in manifest.checks if check.id in guards]
    pages = {f"{action}.md": _page(action, manifest, [one for one in guarded if one[1].then == action], path, verbs)
             for action in ACTIONS}
    return {INDEX: _index(manifest, guarded, path), **pages}


def _index(manifest: Manifest, guarded: Sequence[tuple[Check, Guard]], path: str) -> str:
    counts = {action: sum(guard.then == action for _, guard in guarded) for action in ACTIONS}
    rows = [(f"[{action}]({action}.md)", _WHAT[action][0], str(counts[action])) for action in ACTIONS]
    used = {guard.severity for _, guard in guarded}
    severities = [(name, what, "yes" if name in used or name == "emergency" else "no")
                  for name, what in _SEVERITIES.items()]
    parts = [f"# Runbooks of {escape(manifest.release)}",
             f"Made by `signoff contract {path} --runbooks DIR` from the policy: change the manifest, not this page.",
             "## What a guard does",
             _linked(("action", "what it means", "guards"), rows), "## Severities",
             table(("severity", "who does what", "a guard can reach it"), severities),
             "## Who is called, and who decides", *who_decides(manifest.contract)]
    return "\n\n".join(parts) + "\n"


def _page(action: str, manifest: Manifest, guarded: Sequence[tuple[Check, Guard]], path: str,
          verbs: Collection[str]) -> str:
    rows = [(check.measure, check.task or "–", check.slice, _limit(check), guard.for_, guard.severity,
             _warned(check, guard)) for check, guard in guarded]
    none = f"No guard of {escape(manifest.release)} asks for this."
    parts = [f"# {action.capitalize()}: {escape(manifest.release)}", " ".join(_WHAT[action]),
             "## Guards that ask for it",
             table(("measure", "task", "slice", "limit", "missed for", "severity", "warns"), rows) if rows else none,
             "## What to do", "\n".join(f"{place}. {step}" for place, step in enumerate(
                 _steps(action, path, verbs, manifest.contract), start=1)),
             "## Who decides", *who_decides(manifest.contract)]
    return "\n\n".join(parts) + "\n"


def _steps(action: str, path: str, verbs: Collection[str], charter: Charter | None) -> list[str]:
    look = ["Read which guard spoke, its number, its limit and its sample size: an alert carries all four.",
            f"Is the release that serves the one that was signed? `signoff verify {path}`.",
            f"Is the guard's limit still the contract's? `signoff contract {path} --check`."]
    where = [f"Where did it move? `signoff diagnose {path}` for index and reranker, `signoff explain {path} QUERY` for "
             "a query, `signoff compare` for the difference by slice."]
    record = ["Write down what was seen, what was decided and by whom; a limit that was wrong is changed in the "
              "policy, with its reason, and never while an alert is open."]
    may = [f"{escape(one.who)} may {escape(one.may)}" for one in charter.overrides] if charter is not None else []
    override = [f"To set it aside: {', '.join(may)}." if may else "Nobody is named who may set it aside."]
    if action == "alert":
        return [*look, *where, *record]
    if action == "hold":
        return [*look, *where, "Resume when the number is back within its limit over the guard's whole time; take the "
                "release back when its interval lies beyond the limit.", *override, *record]
    back = "`signoff rollback --env prod` flips the pointer and tries the smoke gates" if "rollback" in verbs else \
        "put the release before it in service again, by the means that put this one there"
    return [f"If it has not happened by itself: {back}.",
            "Are the measures back at the level that the monitoring configuration recorded? If not, the cause is not "
            "the release: look at data, load and dependencies.", *look, *where, *override,
            f"Find the loss again offline before the next attempt: `signoff hunt {path}`, and pin what it finds.",
            *record]


def _limit(check: Check) -> str:
    if check.limit is None:
        return "as its gate states it"
    unit = "ms" if check.measure.endswith("_ms") and "/" not in check.measure else "1"
    others = [f"or {name} {_bare(limit)}" for name, limit in check.any_with]
    return " ".join([limit_text(check.limit, measure=check.measure, unit=unit), *others])


def _bare(limit: Limit) -> str:
    return f"{'≥' if limit.direction == 'at_least' else '≤'} {limit.bound:g}"


def _warned(check: Check, guard: Guard) -> str:
    """How near the limit a warning comes first; a share of nothing is nothing: a limit of 0 needs an absolute one."""
    if guard.warn_within is not None:
        return f"within {guard.warn_within:g}"
    return "–" if check.limit is None or check.limit.bound == 0.0 else "within 10 %"


def _linked(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is a link, left as it is."""
    lines = [titles, [":--"] * len(titles), *([row[0], *map(escape, row[1:])] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
