"""Defects of identity: a run manifest with gaps or of another run, changed bytes, a step that does not repeat."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import with_integrity
from harness.release.measures.integrity import RUN_MANIFEST_KEYS
from harness.release.observed import IntegrityObserved, Trial

__all__ = ["changed_after_freeze", "manifest_with_gaps", "seed_drift", "unseeded_step",
           "unsigned_baseline"]


@defect("manifest_with_gaps", caught_by=lambda measure: measure == "run manifest gaps", goes="up",
        signal="the number of keys missing, by name")
def manifest_with_gaps(trial: Trial, dose: Dose) -> Trial:
    """Keys are missing from the run manifest, as after a hand edit."""

    def change(facts: IntegrityObserved) -> IntegrityObserved:
        gone = dose.share(len(RUN_MANIFEST_KEYS))
        lost = {key for key, chosen in zip(RUN_MANIFEST_KEYS, gone, strict=True) if chosen}
        kept = {key: value for key, value in facts.run_manifest.items() if key not in lost}
        return replace(facts, run_manifest=kept)

    return with_integrity(trial, change)


@defect("changed_after_freeze", caught_by=lambda measure: measure == "digest mismatches", goes="up",
        signal="the number of files whose digest differs, by name")
def changed_after_freeze(trial: Trial, dose: Dose) -> Trial:
    """The measured bytes are not the frozen ones: a re-export under an old name."""

    def change(facts: IntegrityObserved) -> IntegrityObserved:
        names = sorted(facts.found)
        changed = {name for name, chosen in zip(names, dose.share(len(names)), strict=True) if chosen}
        found = {name: _other(digest) if name in changed else digest for name, digest in facts.found.items()}
        return replace(facts, found=found)

    return with_integrity(trial, change)


@defect("unseeded_step", caught_by=lambda measure: measure == "replay differences", goes="up",
        signal="the number of repetitions that ranked otherwise, by name", grades=(1.0,))
def unseeded_step(trial: Trial, dose: Dose) -> Trial:
    """A share of the repetitions in other processes ranks differently: a set's order, an unseeded draw."""

    def change(facts: IntegrityObserved) -> IntegrityObserved:
        others = list(facts.replayed)[1:]
        names = set(others[: int(np.ceil(dose.severity * len(others)))])
        replayed = {name: _other(digest) if name in names else digest for name, digest in facts.replayed.items()}
        return replace(facts, replayed=replayed)

    return with_integrity(trial, change)


@defect("seed_drift", caught_by=lambda measure: measure in {"config drift", "replay differences"}, goes="up",
        grades=(1.0,), signal="the number of frozen settings, or of repetitions, that are not this run's, by name")
def seed_drift(trial: Trial, dose: Dose) -> Trial:
    """What was frozen is of another seed, and from over severity 0.5 of another configuration, than what is run."""

    def change(facts: IntegrityObserved) -> IntegrityObserved:
        drifted = [key for key in ("seed", "CONFIG_HASH") if key in facts.run_manifest]
        drifted = drifted[: int(np.ceil(dose.severity * len(drifted)))]
        frozen = dict(facts.run_manifest) | {key: f"{facts.run_manifest[key]}~" for key in drifted}
        replayed = {name: _other(digest) if dose.severity > 0.0 and place else digest
                    for place, (name, digest) in enumerate(facts.replayed.items())}
        return replace(facts, run_manifest=frozen, replayed=replayed)

    return with_integrity(trial, change)


@defect("unsigned_baseline", caught_by=lambda measure: measure == "unsigned baseline", goes="up", grades=(1.0,),
        signal="the baseline, and what its attestation lacks")
def unsigned_baseline(trial: Trial, dose: Dose) -> Trial:
    """The release is held against something that nobody signed: a favourable baseline of one's own making."""

    def change(facts: IntegrityObserved) -> IntegrityObserved:
        broken = {name: (False, "no bundle") if dose.severity > 0.0 else found for name, found
                  in facts.standing.items()}
        return replace(facts, standing=broken)

    return with_integrity(trial, change)


def _other(digest: str) -> str:
    return hashlib.sha256(digest.encode()).hexdigest()
