"""Defects of identity: a run manifest with gaps, bytes changed after the freeze, a step that does not repeat."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from harness.defects.catalogue import defect
from harness.release.observed import IntegrityObserved, Trial

__all__ = ["changed_after_freeze", "manifest_with_gaps", "unseeded_step"]


@defect("manifest_with_gaps", caught_by=lambda measure: measure == "run manifest gaps")
def manifest_with_gaps(trial: Trial, severity: float) -> Trial:
    """Keys are missing from the run manifest, as after a hand edit."""

    def change(facts: IntegrityObserved) -> IntegrityObserved:
        keys = sorted(facts.run_manifest)
        lost = set(keys[: round(severity * len(keys))])
        kept = {key: value for key, value in facts.run_manifest.items() if key not in lost}
        return replace(facts, run_manifest=kept)

    return _integrity(trial, change)


@defect("changed_after_freeze", caught_by=lambda measure: measure == "digest mismatches")
def changed_after_freeze(trial: Trial, severity: float) -> Trial:
    """The measured bytes are not the frozen ones: a re-export under an old name."""

    def change(facts: IntegrityObserved) -> IntegrityObserved:
        names = sorted(facts.found)
        changed = set(names[: round(severity * len(names))])
        found = {name: _other(digest) if name in changed else digest for name, digest in facts.found.items()}
        return replace(facts, found=found)

    return _integrity(trial, change)


@defect("unseeded_step", caught_by=lambda measure: measure == "replay differences", grades=(1.0,))
def unseeded_step(trial: Trial, severity: float) -> Trial:
    """The second process ranks differently: a set's order, an unseeded draw."""

    def change(facts: IntegrityObserved) -> IntegrityObserved:
        names = list(facts.replayed)[1:] if severity > 0 else []
        replayed = {name: _other(digest) if name in names else digest for name, digest in facts.replayed.items()}
        return replace(facts, replayed=replayed)

    return _integrity(trial, change)


def _other(digest: str) -> str:
    return hashlib.sha256(digest.encode()).hexdigest()


def _integrity(trial: Trial, change: object) -> Trial:
    assert callable(change)
    facts = trial.candidate.integrity
    return trial if facts is None else replace(trial, candidate=replace(trial.candidate, integrity=change(facts)))
