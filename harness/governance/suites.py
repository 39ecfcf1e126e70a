"""The nightly suites: what they call through the governed registry, and what must come of it.

`ops` looks at health, `database` works the store through, `rag` asks the release, `meta` reads what governs it, and
`negatives` makes the calls that must be refused. All but the last act as a careful operator would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.data.canonical import digest_of
from harness.errors import UsageError, nearest
from harness.governance.registry import Outcome, Registry
from harness.governance.scratch import ENVIRONMENT
from harness.governance.tools import Scene, offered
from harness.release.tool_traces import DRY_RUN
from harness.rollout.going_back import Checked

__all__ = ["SUITES", "Night", "known_suites", "run_suites"]

_ENV = {"environment": ENVIRONMENT}
_SILENT = "no intent"
_FEW = 10  # questions that are asked again, to see that the answers stay


class Night(NamedTuple):
    """What a night found: every check by its suite, and the registry with its trace."""

    checks: tuple[tuple[str, Checked], ...]
    registry: Registry


@dataclass(frozen=True, eq=False)
class _Drive:
    """One suite at the registry: its calls are of one session."""

    registry: Registry
    scene: Scene
    session: str

    def call(self, tool: str, intent: str, **arguments: Any) -> Outcome:
        return self.registry.call(tool, arguments, intent=intent, session=self.session)

    def change(self, tool: str, intent: str, **arguments: Any) -> Outcome:
        """Dry first, then in earnest; a dry run that fails ends it."""
        dry = self.call(tool, f"{intent}: what would it do?", **arguments, **{DRY_RUN: True})
        return self.call(tool, intent, **arguments) if dry.good else dry

    def probe(self, tool: str, arguments: Mapping[str, Any] | str, *, intent: str) -> Outcome:
        return self.registry.call(tool, arguments, intent=intent, session=self.session, probe=True)


def run_suites(scene: Scene, names: Sequence[str], *, tell: Callable[[str], None] = lambda _: None) -> Night:
    """Run suites by name, or `all`, in the order they stand in `SUITES`. Raises UsageError for one there is not.

    >>> from harness.governance.scratch import scratch
    >>> with scratch() as made:
    ...     night = run_suites(Scene(made, made.refused["unsigned"]), ["database"])
    >>> all(check.good for _, check in night.checks)
    True
    """
    known_suites(names)
    registry, found = Registry(offered(scene)), list[tuple[str, Checked]]()
    for name, suite in SUITES.items():
        if name in names or "all" in names:
            tell(f"suite {name}")
            found += [(name, check) for check in suite(_Drive(registry, scene, name))]
    return Night(tuple(found), registry)


def known_suites(names: Sequence[str]) -> None:
    """Raises UsageError for a name of a suite that there is not, with the nearest.

    >>> known_suites(["all", "ops"])
    """
    for name in names:
        if name not in (*SUITES, "all"):
            near = nearest(name, (*SUITES, "all"))
            raise UsageError(f"no such suite: {name!r}; expected all, {', '.join(SUITES)}"
                             + (f" (nearest: {near})" if near else ""))


def _ops(drive: _Drive) -> list[Checked]:
    serving = drive.call("pointer_read", "see what serves", **_ENV)
    listed = drive.call("releases_list", "see what may serve", **_ENV)
    trail = drive.call("trail_verify", "see that nobody changed the trail")
    held = drive.call("pointer_history", "see that pointer and trail agree", **_ENV)
    known = drive.call("manifest_read", "see which release is looked at")
    backups = drive.call("backup_list", "see that backups can be listed")
    whole = serving.values.get("stable") in listed.values.get("releases", [])
    return [_good("serving", [serving, listed], whole, "what serves is admitted"),
            _good("trail", [trail, held], True, f"{trail.values.get('rows')} rows hold"),
            _good("backups", [backups], True, f"{len(backups.values.get('backups', []))} there, the list reads"),
            _good("manifest", [known], bool(known.values.get("config_hash")), str(known.values.get("release")))]


def _database(drive: _Drive) -> list[Checked]:
    first, second = drive.scene.scratch.releases
    made = drive.change("backup_create", "keep what serves before it is changed", why="nightly rehearsal")
    name = str(made.values.get("id"))
    whole = drive.call("backup_verify", "see that it can be brought back", name=name)
    there = drive.change("pointer_flip", "let the other release serve", **_ENV, release=second, why="rehearsal")
    now = drive.call("pointer_read", "see that it serves", **_ENV)
    back = drive.change("pointer_flip", "go back to the first", **_ENV, release=first, why="rehearsal: back")
    again = drive.call("pointer_read", "see that the first serves again", **_ENV)
    drive.change("pointer_flip", "leave, to be brought back by the backup", **_ENV, release=second, why="rehearsal")
    restored = drive.change("backup_restore", "bring the backup back", name=name)
    after = drive.call("pointer_read", "see that the backup's release serves", **_ENV)
    trail = drive.call("trail_verify", "see that history was not rewritten")
    moves = drive.call("pointer_history", "see that pointer and trail agree still", **_ENV)
    return [_good("backup", [made, whole], True, "made and whole"),
            _good("flip", [there, now], now.values.get("stable") == second, "the other release serves"),
            _good("flip back", [back, again], again.values.get("stable") == first, "the first serves again"),
            _good("restore", [restored, after], after.values.get("stable") == first, "the backup's release serves"),
            _good("history", [trail, moves], True, f"{trail.values.get('rows')} rows of the trail hold")]


def _rag(drive: _Drive) -> list[Checked]:
    questions = drive.scene.questions
    asked = [drive.call("question_ask", "see that a judged question is answered", query_id=one) for one in questions]
    again = drive.call("evaluate", "see that the first questions are answered the same again", questions=_FEW)
    same = again.values.get("sha256") == digest_of([dict(one.values) for one in asked[:_FEW]])
    answered = [one.values for one in asked if one.good]
    told = ", ".join(f"{name} {sum(one[name] for one in answered) / len(answered):.3f}"
                     for name in (answered[0] if answered else ()))
    found = sum(one.get("answered", 0.0) == 1.0 for one in answered)  # an empty answer is none
    return [_good("answers", asked, 0 < found == len(asked), f"{found:.0f} of {len(asked)} questions answered"),
            _good("figures", asked, bool(told), told or "none"),
            _good("repeats", [again], same, f"the same figures again, the first {min(_FEW, len(asked))} questions")]


def _meta(drive: _Drive) -> list[Checked]:
    policy = drive.call("policy_read", "see which gates the release must pass")
    known = drive.call("manifest_read", "see by which configuration")
    again = drive.call("manifest_read", "see that it reads the same twice")
    gated = drive.call("policy_read", "see that the gates are the same twice")
    backups = drive.call("backup_list", "see what could be brought back")
    gates = policy.values.get("gates", [])
    return [_good("policy", [policy, gated], bool(gates) and gated.values == policy.values,
                  f"{len(gates)} gates, each of a known family"),
            _good("configuration", [known, again], known.values == again.values, "the same digest twice"),
            _good("backups", [backups], True, f"{len(backups.values.get('backups', []))} there")]


def _negatives(drive: _Drive) -> list[Checked]:
    first, second = drive.scene.scratch.releases
    wrong = _wrong(second)
    tried = [drive.call("release_admit", "try an admission dry", **_ENV, release=name, **{DRY_RUN: True})
             for name in drive.scene.scratch.refused]
    found = [(name, drive.probe(tool, arguments, intent=" " if name == _SILENT else "see it refused"))
             for name, (tool, arguments) in wrong.items()]
    serving = drive.call("pointer_read", "see that nothing was changed", **_ENV)
    refused = [Checked(name, not one.good, f"refused: {one.why}" if not one.good else "LET THROUGH")
               for name, one in found]
    return [*refused, _good("nothing changed", [*tried, serving], serving.values.get("stable") == first,
                            "the first release serves as before")]


def _wrong(release: str) -> dict[str, tuple[str, Mapping[str, Any] | str]]:
    """What must be refused, by its name: the tool, and the arguments."""
    flip = {**_ENV, "release": release, "why": "rehearsal"}
    return {
        "a release nobody signed": ("release_admit", {**_ENV, "release": "unsigned"}),
        "a bundle that is no signature": ("release_admit", {**_ENV, "release": "forged"}),
        "flip without a dry run": ("pointer_flip", flip),
        "restore without a dry run": ("backup_restore", {"name": "latest"}),
        "unknown tool": ("pointer_delete", _ENV),
        "argument missing": ("pointer_read", {}),
        "argument of another type": ("evaluate", {"questions": "all"}),
        "argument that is none": ("trail_verify", {"force": True}),
        "arguments that are no JSON": ("pointer_read", '{"environment": '),
        _SILENT: ("pointer_read", _ENV),
        "a release that was not admitted": ("pointer_flip", {**flip, "release": "0" * 64, DRY_RUN: True}),
        "a backup there is not": ("backup_verify", {"name": "no-such-backup"}),
        "an environment that serves nothing": ("pointer_read", {"environment": "nowhere"}),
        "a question nobody judged": ("question_ask", {"query_id": "no such question"}),
        "a person's address": ("backup_create", {"why": "ask ada@example.org", DRY_RUN: True})}


def _good(name: str, outcomes: Sequence[Outcome], holds: bool, told: str) -> Checked:
    faults = [one.why for one in outcomes if not one.good]
    return Checked(name, not faults and holds, faults[0] if faults else told if holds else f"not so: {told}")


SUITES: Mapping[str, Callable[[_Drive], list[Checked]]] = {
    "ops": _ops, "database": _database, "rag": _rag, "meta": _meta, "negatives": _negatives}
