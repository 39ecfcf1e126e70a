"""What was signed, beside what must hold: more is noted; less, or measured on something else, is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from harness.data.canonical import digest_of
from harness.errors import EvidenceError, InputError
from harness.release.bundle import Subjects
from harness.release.checklist import demands_fewer
from harness.release.manifest import Loaded, Manifest
from harness.release.policy import Row, checks_of, rows_of, weakened
from harness.release.predicates import policy_digest
from harness.release.rollout_presets import ramp_demands_less

__all__ = ["Base", "demands_less", "measured_elsewhere", "same_baseline", "same_policy"]

_LAND_FIRST = "land the change of what is measured on first, reviewed by itself"
_GROUND = {"data", "baseline", "baseline_digest", "seed", "latency_requests", "studies"}


@dataclass(frozen=True)
class Base:
    """What was reviewed before: the base branch's manifest, and the CONFIG_HASH of the baseline it names."""

    manifest: Manifest
    baseline_hash: str | None = None

    def __post_init__(self) -> None:
        if (self.manifest.baseline is None) != (self.baseline_hash is None):
            raise InputError("the baseline's digest belongs to its name", where="base", column="baseline",
                             expected="both or neither", found=self.manifest.baseline)


def same_policy(gates: Mapping[str, Any], manifest: Loaded, base: Base | None, *, signed: Subjects,
                subjects: Subjects, where: object) -> tuple[str, ...]:
    """Notes on what was signed where its policy is the manifest's, demands no less than `base`'s, and is measured on
    the same. Raises EvidenceError.

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
    return () if base is None else (*_beside_base(rows, base.manifest.policy, where),
                                    *_same_list(base.manifest, manifest.manifest, where),
                                    *_same_ramp(base.manifest, manifest.manifest, where),
                                    *_same_ground(base.manifest, manifest.manifest, where))


def same_baseline(header: Mapping[str, Any], base: Base | None, *, where: object) -> None:
    """A live baseline is the one that the base branch describes, not only one of its name. Raises EvidenceError."""
    if base is None or base.baseline_hash is None:
        return
    found = header["baseline"]["config_hash"]
    if found != base.baseline_hash:
        raise EvidenceError(f"measured against another {base.manifest.baseline} than the base branch's: {_LAND_FIRST}",
                            where=where, expected=base.baseline_hash, found=found)


def measured_elsewhere(before: Manifest, after: Manifest) -> list[str]:
    """Fields that say what is measured on (data, baseline, seed, requests) and differ. A digest that is new is none.

    The candidate's own parts or files may differ: they are what is on trial.
    """
    old, new = _ground(before), _ground(after)
    pinned = {name for name in new.keys() - old.keys() if name.endswith(("sha256", "baseline_digest"))}
    return [f"{name} moved from {old.get(name, 'nothing')} to {new.get(name, 'nothing')}"
            for name in sorted((old.keys() | new.keys()) - pinned) if old.get(name) != new.get(name)]


def demands_less(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Ways in which `after` demands less than `before`: limits, guards, and checks that only kept their name.

    >>> demands_less([Row(measure="R@5", at_least=0.3)], [Row(measure="R@5", at_least=0.4)])
    []
    """
    lines = weakened(before, after)
    old, new = rows_of(before), rows_of(after)
    for name in old.keys() & new.keys():
        (check, _), (other, _) = old[name], new[name]
        for key in ("measure", "task", "slice", "own_gate"):
            if getattr(check, key) != getattr(other, key):
                lines.append(f"{name}: {key} moved from {getattr(check, key)} to {getattr(other, key)}")
    return sorted(lines)


def _same_list(base: Manifest, now: Manifest, where: object) -> tuple[str, ...]:
    if base.checklist == now.checklist:
        return ()
    less = demands_fewer(base.checklist, now.checklist, old=base.checks, new=now.checks)
    if less:
        raise EvidenceError(f"its checklist demands less than the base branch's: {'; '.join(less)}", where=where,
                            expected="the base's checklist, or one that demands more")
    return ("its checklist differs from the base branch's and demands no less",)


def _same_ramp(base: Manifest, now: Manifest, where: object) -> tuple[str, ...]:
    if base.rollout == now.rollout:
        return ()
    less = ramp_demands_less(base.rollout, now.rollout)
    if less:
        raise EvidenceError(f"its rollout demands less than the base branch's: {'; '.join(less)}", where=where,
                            expected="the base's ramp, or a slower one that asks no less")
    return ("its rollout differs from the base branch's and demands no less",)


def _same_ground(base: Manifest, now: Manifest, where: object) -> tuple[str, ...]:
    moved = measured_elsewhere(base, now)
    if moved:
        raise EvidenceError(f"measured on something else than the base branch's manifest: {'; '.join(moved)}",
                            where=where, expected=f"the same ({_LAND_FIRST})")
    bare = _unpinned(_ground(base))
    return (f"without a sha256 at the base, so that review alone holds what is in it: {', '.join(bare)}",) if bare \
        else ()


def _ground(manifest: Manifest) -> dict[str, object]:
    """Dotted name → value of all that says what is measured on; what is not given is absent."""
    said = manifest.model_dump(mode="json", include=_GROUND)
    other = manifest.recorded.baseline if manifest.recorded is not None else None
    said |= {"recorded": {"baseline": None if other is None else other.model_dump(mode="json")}}
    return dict(_leaves(said, ""))


def _leaves(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}" if place else str(key))
    elif value is not None:
        yield place, value


def _unpinned(ground: Mapping[str, object]) -> list[str]:
    """Files and folders that are named without their digest (the embedded corpus is pinned by the package)."""
    paths = [name for name in ground if name.startswith(("data.", "recorded.")) and not name.endswith(".sha256")
             and name not in {"data.corpus", "data.cluster"}]
    return sorted(name for name in paths if f"{name.rpartition('.')[0]}.sha256" not in ground)


def _beside_base(rows: Sequence[Row], base: Sequence[Row], where: object) -> tuple[str, ...]:
    if tuple(base) == tuple(rows):
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
