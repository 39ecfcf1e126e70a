"""The policy that was signed, beside the one that must hold: demanding more is noted, demanding less is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from harness.data.canonical import digest_of
from harness.errors import EvidenceError, InputError
from harness.release.bundle import Subjects
from harness.release.manifest import Loaded
from harness.release.policy import Check, Guard, Row, checks_of, weakened
from harness.release.predicates import policy_digest

__all__ = ["demands_less", "same_policy"]


def same_policy(gates: Mapping[str, Any], manifest: Loaded, base: Sequence[Row] | None, *, signed: Subjects,
                subjects: Subjects, where: object) -> tuple[str, ...]:
    """Notes on the signed policy where it is the manifest's and demands no less than `base`. Raises EvidenceError.

    `signed` and `subjects` are name → sha256 as signed and as found: a manifest that changed is told with what became
    of its policy.
    """
    rows = _rows(gates, where)
    now = manifest.manifest.policy
    name = manifest.path.name
    if subjects.get(name) != manifest.sha256:
        raise EvidenceError("the manifest is not among the files hashed now", where=f"{where}, {name}",
                            expected=manifest.sha256, found=subjects.get(name, "nothing"))
    if name in signed and signed[name] != subjects[name]:
        less = demands_less(rows, now)
        what = f", and its policy weakened ({'; '.join(less)})" if less else ""
        raise EvidenceError(f"changed since it was signed{what}", where=f"{where}, {name}", expected=signed[name],
                            found=subjects[name])
    if rows != tuple(now):
        how = "; ".join(demands_less(now, rows)) or "different rows"
        raise EvidenceError(f"signed under another policy than its manifest's ({how})", where=where,
                            expected=policy_digest(now), found=policy_digest(rows))
    return _beside_base(rows, base, where)


def demands_less(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Ways in which `after` demands less than `before`: limits, guards, and checks that only kept their name.

    >>> demands_less([Row(measure="R@5", at_least=0.3)], [Row(measure="R@5", at_least=0.4)])
    []
    """
    lines = weakened(before, after)
    old, new = _by_id(before), _by_id(after)
    for name in old.keys() & new.keys():
        (check, guard), (other, other_guard) = old[name], new[name]
        for key in ("measure", "task", "slice", "own_gate"):
            if getattr(check, key) != getattr(other, key):
                lines.append(f"{name}: {key} moved from {getattr(check, key)} to {getattr(other, key)}")
        if guard is not None and guard != other_guard:
            lines.append(f"{name}: its guard was changed")
    return sorted(lines)


def _beside_base(rows: Sequence[Row], base: Sequence[Row] | None, where: object) -> tuple[str, ...]:
    if base is None or tuple(base) == tuple(rows):
        return ()
    less = demands_less(base, rows)
    if less:
        raise EvidenceError(f"its policy demands less than the base branch's: {'; '.join(less)}", where=where,
                            expected=policy_digest(base), found=policy_digest(rows))
    return (f"its policy differs from the base branch's and demands no less (base {policy_digest(base)[:12]}, "
            f"signed {policy_digest(rows)[:12]})",)


def _rows(gates: Mapping[str, Any], where: object) -> tuple[Row, ...]:
    written = gates.get("policy")
    try:
        if not isinstance(written, list) or not written:
            raise ValueError("no rows")
        if digest_of(written) != gates.get("policySha256"):
            raise EvidenceError("the policy's digest is not its own", where=where, expected=digest_of(written),
                                found=gates.get("policySha256"))
        rows = tuple(Row.model_validate(row) for row in written)
        checks_of(rows)
        return rows
    except EvidenceError:
        raise
    except (ValidationError, ValueError, InputError) as error:
        found = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise EvidenceError("no policy in the gate result", where=where, expected="the rows of a policy",
                            found=found) from None


def _by_id(rows: Sequence[Row]) -> dict[str, tuple[Check, Guard | None]]:
    return {check.id: (check, row.guard) for row in rows for check in checks_of([row])}
