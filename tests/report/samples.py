"""Evidence for the report's tests, made the way a run makes it: readings judged against a manifest's policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.estimate import Estimate
from harness.release.evidence import Evidence, EvidenceWriter, read_evidence, rounded
from harness.release.judge import Alternative, Control, CrossCheck, Reading, judge
from harness.release.manifest import Manifest, parse_manifest
from harness.release.policy import Limit

MANIFEST = """
release: retriever-v0
baseline: retriever-v-1
seed: 42
data: {corpus: pydocs}
parts: {reranker: {impl: mlp}}
policy:
  - {measure: R@5, task: see_also, at_least: 0.30, any_with: [{measure: RR, at_least: 0.20}]}
  - {measure: Success@50, task: see_also, at_least: 0.82}
  - {measure: delta nDCG@10, task: see_also, by: lcb, at_least: 0.0, slices: [all, hard_nl]}
  - {measure: lift nDCG@10, task: see_also, by: lcb, at_least: 0.0}
  - {measure: p95 retrieval_ms, by: ucb, at_most: 8}
  - {measure: agreement@10, by: lcb, at_least: 0.95}
  - {measure: max norm error, at_most: 0.001}
  - {measure: duplicate ids, at_most: 0}
  - {measure: acceptance, at_least: 0.10, required: false, why: reported until a month of traffic is at hand}
"""

Numbers = Mapping[str, tuple[float, float, float, int, str]]

SOUND: Numbers = {
    "R@5": (0.3421337, 0.318224, 0.366043, 1471, "1"), "RR": (0.4012, 0.38, 0.42, 1471, "1"),
    "Success@50": (0.8912, 0.8701, 0.912334, 1471, "1"),
    "delta nDCG@10/all": (0.061241, 0.048812, 0.07367, 1471, "1"),
    "delta nDCG@10/hard_nl": (0.024, 0.00112, 0.0469, 655, "1"),
    "lift nDCG@10": (0.058, 0.0461, 0.0699, 1471, "1"), "p95 retrieval_ms": (4.81, 4.6, 5.12, 500, "ms"),
    "agreement@10": (0.9831, 0.9742, 0.992, 500, "1"), "max norm error": (2e-7, 2e-7, 2e-7, 6222, "1"),
    "duplicate ids": (0.0, 0.0, 0.0, 6222, "rows"), "acceptance": (0.294, 0.274, 0.314, 1471, "1"),
}

BROKEN: Numbers = {
    **SOUND, "R@5": (0.29996, 0.28, 0.32, 1471, "1"), "delta nDCG@10/hard_nl": (0.011, -0.021, 0.043, 158, "1"),
    "p95 retrieval_ms": (11.2, 10.4, float("inf"), 40, "ms"), "acceptance": (0.06, 0.04, 0.08, 1471, "1"),
}

_BAD = {"R@5": 0.04, "Success@50": 0.31, "delta nDCG@10": -0.12, "lift nDCG@10": -0.09, "p95 retrieval_ms": 61.0,
        "agreement@10": 0.55, "max norm error": 0.4, "duplicate ids": 12.0, "acceptance": 0.01}


def manifest() -> Manifest:
    """The handwritten manifest behind every sample."""
    return parse_manifest(MANIFEST.encode(), where="retriever-v0.yaml")


def evidence(folder: Path, numbers: Numbers = SOUND, *, release: str = "retriever-v0", without: tuple[str, ...] = (),
             **closing: int) -> Evidence:
    """Evidence of the policy's checks on these numbers, written and read back; `without` drops measures' findings."""
    path = folder / "evidence.jsonl"
    writer = EvidenceWriter(path, _header(release))
    checks = [check for check in manifest().checks if check.measure not in without]
    for check in checks:
        reading = rounded(_reading(check.measure, check.slice, check.any_with, numbers))
        writer.add(judge(check, reading), test=f"gates/test_bounds.py::test_bound[{check.id}]")
    counts = {"collected": len(checks), "ran": len(checks), "passed": len(checks), "failed": 0, "skipped": 0,
              "deselected": 0, "xfailed": 0, "errors": 0, "exit_status": 0}
    writer.close({"finished": "2026-01-02T03:04:45+00:00", **counts, **closing})
    return read_evidence(path.read_bytes())


def _header(release: str) -> dict[str, object]:
    return {"run_id": "7f6e", "release": release, "manifest": "retriever-v0.yaml", "manifest_sha256": "ab" * 32,
            "config_hash": "cd" * 32, "run_manifest_sha256": "ef" * 32, "artifacts": {"index.faiss": "12" * 32},
            "baseline": {"release": "retriever-v-1", "config_hash": "34" * 32}, "seed": 42,
            "started": "2026-01-02T03:04:05+00:00", "plugin_version": "0.1.0", "threads": 1}


def _reading(measure: str, name: str, others: tuple[tuple[str, Limit], ...], numbers: Numbers) -> Reading:
    value, low, high, n, unit = numbers.get(f"{measure}/{name}") or numbers[measure]
    bad, spread = _BAD[measure], abs(_BAD[measure]) / 20
    delta = measure.startswith(("delta ", "lift "))
    return Reading(
        Estimate(value, low, high, n, 0.9, "t by cluster, skew-corrected", unit), min_n=200 if delta else 0,
        cross=CrossCheck(low, high, 0.0004, 0.0004, "clustered bootstrap") if delta else None,
        alternatives=tuple(Alternative(str(other), Estimate(*numbers[other][:4], 0.9, "t", "1"), limit,
                                       Estimate(0.02, 0.01, 0.03, n, 0.9, "planted defect"))
                           for other, limit in others),
        control=Control("shuffled_ranking", 1.0, bad, bad - spread, bad + spread, n),
        details={"p5 of queries": 0.7, "threads": "1"} if measure == "agreement@10" else {},
    )
