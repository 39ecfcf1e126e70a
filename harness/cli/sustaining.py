"""What the steps of `signoff sustain` do: today's data read, the release built from it and asked, nothing of it signed.

The release that serves is only read. What a cycle makes lies in its own folder, but for the candidate's manifest, which
comes last and stands beside the release's own, where baselines are found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from harness.cli.live import tell
from harness.cli.sustaining_trial import built_today, digests_in, trial_of
from harness.data.corpus import World
from harness.data.store import atomic_write_bytes, atomic_write_text, unlisted
from harness.errors import InputError
from harness.estimate import Estimate
from harness.hunting.changes import keep_changes, read_changes
from harness.hunting.gallery import gallery
from harness.release.build import Built
from harness.release.cache import library_versions
from harness.release.derived import GALLERY
from harness.release.freeze import recorded_digests
from harness.release.judge import verdict_of
from harness.release.manifest import Loaded, load_manifest, parse_manifest
from harness.release.measures import family_of, read
from harness.release.observed import Trial
from harness.release.observing import baseline_of
from harness.release.policy import Check
from harness.release.pool import Moved, Pool, moved, pool_bytes, pool_of, pool_of_qrels, read_pool
from harness.release.recording import recorded_trial
from harness.release.sustaining import State, Step, candidate_text, run_cycle
from harness.report.rows import interval_text, limit_text, number_text

__all__ = ["Cycle", "sustained"]

POOL = "pool.json"
STATE = "state.json"
# Families of measures by step. What is not here is the gates' own: latency, index, integrity, hygiene, pins,
# whether what answers is fit to be evaluated, and what tools were called.
AUDIT, COVERAGE, GATING = ("confounding", "counterfactual"), ("covered", "surrogate"), ("routed", "harvested")
QUALITY = ("quality", "beside", "calibrated", "stressed", "answered", "readied")


def sustained(manifest: Path, out: Path | None, *, now: datetime, anew: bool = False) -> dict[str, Any]:
    """One cycle, taken up where an unfinished one stopped; returns what every step came to. Raises SignoffError."""
    loaded = load_manifest(manifest)
    folder = out or Path("reports") / loaded.manifest.release / "sustain"
    if out is None:
        unlisted(Path("reports"))
    state = State.open(folder / STATE, loaded.manifest.release, now=now, anew=anew)
    cycle = Cycle(loaded, folder, state.begun)
    done = run_cycle(state, cycle.steps, tell=tell)
    tell("")
    return {"release": loaded.manifest.release, "begun": state.begun.isoformat(), "folder": folder,
            "candidate": cycle.path, "steps": [{"name": one.name, "kept": one.kept, "result": one.result}
                                               for one in done]}


@dataclass(frozen=True)
class Cycle:
    """One cycle of one release: what its steps share."""

    loaded: Loaded
    folder: Path
    begun: datetime

    @property
    def name(self) -> str:
        """The candidate's release name: the release's and the day the cycle began."""
        return f"{self.loaded.manifest.release}-{self.begun:%Y%m%d}"

    @property
    def path(self) -> Path:
        """Where the candidate's manifest will stand: beside the release's own."""
        return self.loaded.folder / f"{self.name}.yaml"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order. What the first depends on is today's data; the others follow from the ones before."""
        data: dict[str, Any] = {"manifest": self.loaded.sha256, "versions": library_versions()}
        if self.loaded.manifest.baseline is not None:
            data |= {"baseline": baseline_of(self.loaded).sha256}
        if self.loaded.manifest.recorded is not None:
            data |= {"files": recorded_digests(self.loaded)}
        else:
            data |= {"world": self._built.world.digest}
        return (Step("refresh", self.refresh, data),
                *(Step(name, partial(self.measured, families))
                  for name, families in (("audit", AUDIT), ("coverage", COVERAGE), ("gating", GATING),
                                         ("quality", QUALITY))),
                Step("artifacts", self.artifacts), Step("candidate", self.candidate))

    @cached_property
    def candidate_raw(self) -> bytes:
        """The candidate's manifest."""
        return candidate_text(self.loaded, self.name, begun=self.begun)

    @cached_property
    def trial(self) -> Trial:
        """The candidate beside the baseline on today's data, with every study that the policy asks for."""
        return trial_of(self._renamed, self.loaded, self.folder / self.name / "artifacts")

    def refresh(self) -> dict[str, Any]:
        """Today's pool beside the one of the last cycle, or of the release as it was frozen."""
        recorded = self.loaded.manifest.recorded is not None
        now = pool_of_qrels(recorded_trial(self.loaded).candidate.task(None).qrels) if recorded \
            else pool_of(self._built.world)
        source, before = self._pool_before()
        target = atomic_write_bytes(self.folder / self.name / POOL, pool_bytes(now))
        told = [] if before is None else moved(before, now)
        said = f"the first pool, {sum(map(len, now.values())):,} documents and queries: nothing to compare it with" \
            if before is None else f"beside {source}: " + (
                "nothing came, went or changed" if all(one.still for one in told) else
                ", ".join(one.pool for one in told if not one.still) + " moved")
        return {"said": said, "lines": [_moved_line(one) for one in told],
                "pools": [{**one._asdict(), "came": list(one.came)[:20], "went": list(one.went)[:20],
                           "changed": list(one.changed)[:20], "fresh": _ends(one.fresh), "length": _ends(one.length)}
                          for one in told], "files": [str(target)]}

    def measured(self, families: tuple[str, ...]) -> dict[str, Any]:
        """The readings of the policy's rows of some families, each with what its limit alone says of it."""
        checks = [check for check in self.loaded.manifest.checks
                  if check.own_gate is None and family_of(check.measure) in families]
        if not checks:
            return {"said": f"no row of the policy asks for it ({', '.join(families)})", "rows": []}
        rows = [self._row(check) for check in checks]
        said = [row["says"] for row in rows]
        told = ", ".join(f"{said.count(one)} {one}" for one in dict.fromkeys(said))
        return {"said": f"{len(rows)} rows on today's data: {told} by their limits alone", "rows": rows,
                "lines": [row["line"] for row in rows if row["says"] != "PASS"]}

    def artifacts(self) -> dict[str, Any]:
        """The candidate's artifacts and gallery in the cycle's folder, and which parts differ from the release's."""
        trial = self.trial
        release, folder = self.loaded.manifest.release, self.folder / self.name
        old = digests_in(Path("artifacts") / release)
        new = digests_in(folder / "artifacts" / self.name)
        parts = sorted({name.split("/")[0] for name in old.keys() | new.keys()
                        if "/" in name and old.get(name) != new.get(name)})
        kept, files = keep_changes(trial, self._renamed, folder), []
        if kept is not None:
            chapters = read_changes(kept.read_bytes(), where=kept, release=trial.candidate.release)
            files = [str(kept), str(atomic_write_text(folder / GALLERY, gallery(self.name, chapters)))]
        said = "no part of its own to make" if not new else f"parts that are new: {', '.join(parts) or 'none'}"
        return {"said": said + (f"; gallery: {folder / GALLERY}" if files else ""), "parts": parts, "files": files}

    def candidate(self) -> dict[str, Any]:
        """The new manifest, last of all; one of that name that says something else is never written over."""
        if self.path.exists() and self.path.read_bytes() != self.candidate_raw:
            raise InputError("another manifest has the candidate's name", where=self.path,
                             expected=f"nothing, or what this cycle makes of {self.loaded.path.name}")
        atomic_write_bytes(self.path, self.candidate_raw)
        return {"said": f"{self.path}, for the gates; {self.loaded.path.name} stays as it is",
                "files": [str(self.path)]}

    @cached_property
    def _built(self) -> Built:
        return built_today(self.loaded)

    @cached_property
    def _renamed(self) -> Loaded:
        return Loaded(parse_manifest(self.candidate_raw, where=self.path), self.candidate_raw, self.path)

    def _row(self, check: Check) -> dict[str, Any]:
        assert check.limit is not None
        estimate = read(self.trial, check).estimate
        shown = {"measure": check.measure, "unit": estimate.unit}
        says = verdict_of(estimate, check.limit).name
        line = (f"{says} {check.id}: {number_text(estimate.value, limit=check.limit.bound, **shown)} "
                f"{interval_text(estimate, measure=check.measure)}, limit {limit_text(check.limit, **shown)}, "
                f"n = {estimate.n:,}")
        return {"gate": check.id, **_ends(estimate), "limit": str(check.limit), "says": says, "line": line}

    def _pool_before(self) -> tuple[str, Pool | None]:
        """The newest pool of an earlier cycle, else the world that the release was frozen with, else none."""
        earlier = sorted(path for path in self.folder.glob(f"*/{POOL}") if path.parent.name != self.name)
        if earlier:
            return earlier[-1].parent.name, read_pool(earlier[-1].read_bytes(), where=earlier[-1])
        world = Path("artifacts") / self.loaded.manifest.release / "world"
        if self.loaded.manifest.recorded is None and world.is_dir():
            return f"the release as it was frozen ({world})", pool_of(World.load(world))
        return "", None


def _moved_line(one: Moved) -> str:
    share = number_text(100.0 * one.fresh.value, unit="%")
    ends = f"[{100.0 * one.fresh.low:.2f}, {100.0 * one.fresh.high:.2f}]"
    return (f"{one.pool}: {len(one.came):,} came, {len(one.went):,} went, {len(one.changed):,} changed, "
            f"{one.stayed:,} stayed; {share} {ends} of today's are new; words {one.length.value:+.2f} "
            f"[{one.length.low:+.2f}, {one.length.high:+.2f}]")


def _ends(estimate: Estimate) -> dict[str, Any]:
    """An estimate's numbers as JSON holds them: what is not finite as its word."""
    ends = {name: getattr(estimate, name) for name in ("value", "low", "high")}
    return {**{name: float(end) if abs(end) < float("inf") else str(float(end)) for name, end in ends.items()},
            "n": int(estimate.n), "unit": estimate.unit}
