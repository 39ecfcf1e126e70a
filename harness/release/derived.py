"""Files that lie among a release's artifacts and follow from a gate run: contract, monitoring, gallery, study reports.

They are made by a run or after it, of what it found, so that no run can measure them and no signature of the run can
cover them. Each is held by other means: it is read with a validation of its own, and the contract carries its digest.
No part of a release is ever loaded from one.
"""

from __future__ import annotations

from pathlib import Path

from harness.data.store import sha256_tree

__all__ = ["GALLERY", "MONITORING", "contract_file", "is_derived", "measured_files"]

MONITORING = "production_monitoring_config.json"
GALLERY = "regression_gallery.md"
_CONTRACT = "_release_contract"
_STUDIED = {"audit_trail.jsonl", "prompt_audit.jsonl",
            "answers.jsonl", "tool_trace.jsonl", "stress_report.csv", "counterfactual_audit_fixed.csv",
            "policy_values.csv", "propensity_calibration.csv",
            "conformal_coverage_report.csv",
            "latency_harvest_config.json",
            "latency_surrogate_conformal.json", "latency_surrogate_conformal.lower.txt",
            "latency_surrogate_conformal.upper.txt"}  # written by studies, whose records are what is judged


def contract_file(release: str, suffix: str = "md") -> str:
    """The name of a release's contract, or of its JSON twin.

    >>> contract_file("t1"), contract_file("retriever-v0", "json")
    ('T1_release_contract.md', 'Retriever-v0_release_contract.json')
    """
    return f"{release[:1].upper()}{release[1:]}{_CONTRACT}.{suffix}"


def is_derived(name: str) -> bool:
    """True for a file, by its name in the artifacts' folder, that follows from a run and is no part of a release.

    >>> is_derived("T1_release_contract.md"), is_derived("index/T1_release_contract.md"), is_derived("SHA256SUMS")
    (True, False, False)
    """
    stem, dot, suffix = name.rpartition(".")
    contract = bool(dot) and suffix in {"md", "json"} and stem.endswith(_CONTRACT)
    return "/" not in name and (name in {MONITORING, GALLERY} | _STUDIED or contract)


def measured_files(folder: Path | str) -> dict[str, str]:
    """Name → sha256 of every artifact below a release's folder, in path order, what is derived apart.

    Raises InputError where the folder is none, or holds a link or a special file, whatever its name.
    """
    return {name: digest for name, digest in sha256_tree(folder).items() if not is_derived(name)}
