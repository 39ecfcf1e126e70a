"""The files of a release that others read: each by its name, with the reader that believes none of it unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.data.store import sha256_file
from harness.errors import EvidenceError, InputError
from harness.release.manifest import Loaded
from harness.release.measures import family_of

__all__ = ["FILES", "read_artifacts", "wanted_files"]

FILES: Mapping[str, str] = {  # name below the release's folder → the family of measures that asks for it
    "router/router_distilled_int8.json": "routed", "router/theta_star_production.json": "routed",
    "latency_harvest_config.json": "harvested", "conformal_coverage_report.csv": "covered",
    "counterfactual_audit_fixed.csv": "confounding", "policy_values.csv": "counterfactual",
    "latency_surrogate_conformal.json": "surrogate", "stress_report.csv": "stressed",
    "answers.jsonl": "answered", "tool_trace.jsonl": "governed"}


def wanted_files(loaded: Loaded) -> tuple[str, ...]:
    """Files that a live release must have, since its policy measures what they hold; recorded files promise none."""
    if loaded.manifest.recorded is not None:
        return ()
    families = {_family(check.measure) for check in loaded.manifest.checks if check.own_gate is None}
    return tuple(name for name, family in FILES.items() if family in families)


def read_artifacts(loaded: Loaded, folder: Path) -> dict[str, str]:
    """Name → sha256 of every such file that is there, each read by its own reader.

    Raises EvidenceError where one cannot be believed, or is missing though the policy measures what it holds.
    """
    found = {}
    for name in FILES:
        path = folder / name
        if not path.is_file():
            if name in wanted_files(loaded):
                raise EvidenceError("no such artifact", where=path, found="no such file",
                                    expected=f"what the policy's {FILES[name]} rows measure (signoff gates writes it)")
            continue
        try:
            _READERS[path.name](path, loaded)
        except InputError as error:
            raise EvidenceError(f"cannot be believed: {error.what}", where=error.where, row=error.row,
                                column=error.column, expected=error.expected, found=error.found) from None
        found[name] = sha256_file(path)
    return found


def _family(measure: str) -> str | None:
    try:
        return family_of(measure)
    except InputError:  # evidence of it was believed by whoever measured it; no file of ours holds it
        return None


def _router(path: Path, _: Loaded) -> None:
    from harness.routing.int8 import Int8Router

    Int8Router.from_json(_text(path), where=path)


def _theta(path: Path, _: Loaded) -> None:
    from harness.gating.two_stage import TwoStageGate

    TwoStageGate.from_json(_text(path), where=path)


def _harvest(path: Path, _: Loaded) -> None:
    from harness.retrieval.harvest import Harvest

    Harvest.from_json(_text(path), where=path)


def _coverage(path: Path, loaded: Loaded) -> None:
    from harness.release.studied.covered import read_report

    options = loaded.manifest.studies.covered
    read_report(path, coverage=options.coverage, alpha=options.alpha)


def _audit(path: Path, _: Loaded) -> None:
    from harness.release.studied.audit_file import read_audit

    read_audit(path)


def _values(path: Path, _: Loaded) -> None:
    from harness.release.studied.policy_file import read_values

    read_values(path)


def _surrogate(path: Path, _: Loaded) -> None:
    from harness.latency.surrogate import LatencySurrogate

    LatencySurrogate.load(path.parent)


def _stress(path: Path, _: Loaded) -> None:
    from harness.release.studied.stress_file import read_stress

    read_stress(path)


def _answers(path: Path, _: Loaded) -> None:
    from harness.release.studied.answers_file import read_written
    from harness.release.studied.answers_table import record_of

    record_of(read_written(path))


def _trace(path: Path, _: Loaded) -> None:
    from harness.release.tool_traces import read_trace

    read_trace(path)


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None


_READERS: Mapping[str, Callable[[Path, Loaded], None]] = {
    "router_distilled_int8.json": _router, "theta_star_production.json": _theta,
    "latency_harvest_config.json": _harvest, "conformal_coverage_report.csv": _coverage,
    "counterfactual_audit_fixed.csv": _audit, "stress_report.csv": _stress, "policy_values.csv": _values,
    "latency_surrogate_conformal.json": _surrogate, "answers.jsonl": _answers,
    "tool_trace.jsonl": _trace}
