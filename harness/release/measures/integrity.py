"""Measures of a release's identity: its run manifest is whole and its own, its bytes match, it repeats itself."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import InputError
from harness.estimate import Estimate
from harness.release.judge import Reading
from harness.release.observed import IntegrityObserved, Trial
from harness.release.policy import Check
from harness.release.run_facts import gaps_of

__all__ = ["EXAMPLES", "RUN_MANIFEST_KEYS", "owns", "read"]

EXAMPLES = ("run manifest gaps", "config drift", "digest mismatches", "replay differences", "unsigned baseline")
RUN_MANIFEST_KEYS = ("release", "CONFIG_HASH", "seed", "data", "artifacts", "versions", "python", "git_commit",
                     "threads", "few_shot_ids", "prompt_hash", "INGEST_RUN_ID", "models", "rerank", "thresholds",
                     "datasets", "cot", "temperature", "audit_trail")


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES."""
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Faults counted over what was looked at; nothing looked at is nothing measured."""
    facts = trial.candidate.integrity
    if facts is None:
        raise InputError("no integrity facts were observed", where=trial.candidate.release,
                         expected="a frozen release", found=check.measure)
    faults, n = _drifted(trial, facts) if check.measure == "config drift" else _COUNTS[check.measure](facts)
    count = float(len(faults))
    estimate = Estimate(count, count, count, n, check.confidence, "counted", "faults")
    told = [said for signed, said in facts.standing.values() if signed] if check.measure == "unsigned baseline" else []
    return Reading(estimate, note=", ".join(faults[:3] or told))


def _gaps(facts: IntegrityObserved) -> tuple[list[str], int]:
    return gaps_of(facts.run_manifest, RUN_MANIFEST_KEYS), len(RUN_MANIFEST_KEYS)


def _drifted(trial: Trial, facts: IntegrityObserved) -> tuple[list[str], int]:
    """Settings of the run manifest that are not those of the run: what was frozen is not what is measured."""
    asked = {"release": trial.candidate.release, "CONFIG_HASH": trial.candidate.config_hash, "seed": trial.seed}
    return [key for key, value in asked.items() if facts.run_manifest.get(key) != value], len(asked)


def _mismatches(facts: IntegrityObserved) -> tuple[list[str], int]:
    names = sorted(set(facts.stated) | set(facts.found))
    return [name for name in names if facts.stated.get(name) != facts.found.get(name)], len(names)


def _differences(facts: IntegrityObserved) -> tuple[list[str], int]:
    digests = list(facts.replayed.items())
    n = len(digests) if len(digests) > 1 else 0  # one process alone repeats nothing
    return [name for name, digest in digests if digest != digests[0][1]], n


def _unsigned(facts: IntegrityObserved) -> tuple[list[str], int]:
    return [f"{name}: {said}" for name, (signed, said) in facts.standing.items() if not signed], len(facts.standing)


_COUNTS: dict[str, Callable[[IntegrityObserved], tuple[list[str], int]]] = {
    "run manifest gaps": _gaps, "digest mismatches": _mismatches, "replay differences": _differences,
    "unsigned baseline": _unsigned,
}
