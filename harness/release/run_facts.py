"""What a run manifest says of a release beside its digests: models, what was ingested, thresholds, prompts, examples.

All of it follows from the manifest and the frozen files: there is no clock in it, so that it repeats. Who froze or
measured, when and by which command stands in the audit trail beside it (`harness.release.audit_trail`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.canonical import digest_of
from harness.errors import InputError, UsageError
from harness.generation.endpoint import endpoint_from
from harness.generation.limits import limits_from
from harness.release.audit_trail import TRAIL
from harness.release.cache import SUMS, source_digest
from harness.release.manifest import Loaded, Manifest
from harness.release.parts import Parts
from harness.release.reader_parts import ReaderPart

__all__ = ["gaps_of", "ingest_run_id", "run_facts"]

_INGESTED = ("world/", "passages/")
_FITTED = ("encoder", "index", "lexical", "sequence", "reranker", "router", "spends")
_NEEDED = ("data", "artifacts", "versions", "thresholds", "datasets")


def run_facts(loaded: Loaded, *, data: Mapping[str, Any], artifacts: Mapping[str, str], shots: Sequence[str] = ()
              ) -> dict[str, Any]:
    """The facts by their names in the run manifest.

    Args:
        loaded: The manifest.
        data: Name → digest or version of what was measured on.
        artifacts: Name → sha256 of every frozen file, the run manifest apart.
        shots: Ids of the few-shot examples in the frozen pool.
    """
    manifest = loaded.manifest
    reader = None if manifest.parts is None else manifest.parts.reader
    return {
        "INGEST_RUN_ID": ingest_run_id(artifacts), "models": _models(manifest, artifacts),
        "rerank": None if manifest.parts is None or manifest.parts.reranker is None
        else manifest.parts.reranker.model_dump(mode="json"),
        "thresholds": [{"gate": check.id, "measure": check.measure, "task": check.task, "slice": check.slice,
                        "limit": None if check.limit is None else str(check.limit)} for check in manifest.checks],
        "datasets": _datasets(manifest, data, artifacts),
        "few_shot_ids": list(shots), "prompt_hash": _prompt_hash(manifest),
        "cot": False if reader is None else reader.cot, "temperature": 0, "audit_trail": TRAIL,
    }


def ingest_run_id(artifacts: Mapping[str, str]) -> str | None:
    """The digest of what was ingested, corpus and passages; None where nothing was (recorded files).

    >>> ingest_run_id({"index/index.npy": "ab"}) is None
    True
    >>> ingest_run_id({"world/corpus.parquet": "ab", "index/x": "1"}) == ingest_run_id({"world/corpus.parquet": "ab"})
    True
    """
    taken = {name: digest for name, digest in artifacts.items()
             if name.startswith(_INGESTED) and not name.endswith(SUMS)}
    return digest_of(taken) if taken else None


def gaps_of(facts: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """Names of what a run manifest lacks: keys that are not there, tables that are empty, a reader without its prompt.

    A key that must be there and may be null (no prompts, no git) counts as present.

    >>> gaps_of({"data": {}, "seed": 42}, ["data", "seed", "CONFIG_HASH"])
    ['CONFIG_HASH', 'data']
    """
    absent = [key for key in keys if key not in facts]
    empty = [key for key in _NEEDED if key in keys and not facts.get(key) and key not in absent]
    models = facts.get("models")
    reads = isinstance(models, Mapping) and "reader" in models
    unsaid = [key for key in ("prompt_hash", "INGEST_RUN_ID") if reads and not facts.get(key) and key not in absent]
    asked = models["reader"].get("shots", 0) if isinstance(models, Mapping) and reads else 0
    if asked and not facts.get("few_shot_ids") and "few_shot_ids" not in absent:
        unsaid.append("few_shot_ids")
    return absent + empty + unsaid


def _models(manifest: Manifest, artifacts: Mapping[str, str]) -> dict[str, Any]:
    """Part → what it is and its version: of what was fitted, the digest of its bytes."""
    if manifest.parts is None:
        return {}
    found: dict[str, Any] = {"retriever": {"id": manifest.parts.retriever.target or manifest.parts.retriever.impl}}
    for name in _FITTED:
        files = {file: digest for file, digest in artifacts.items()
                 if file.startswith(f"{name}/") and not file.endswith(SUMS)}
        if files:
            part = getattr(manifest.parts, name, None)
            found[name] = {"id": str(getattr(part, "impl", name)), "version": digest_of(files)}
    return found | _reader(manifest.parts)


def _reader(parts: Parts) -> dict[str, Any]:
    """A model over HTTP is known by its name, where it is and how it may be asked; what answers here by its code."""
    part = parts.reader
    if part is None:
        return {}
    if part.impl == "extractive":
        told: dict[str, Any] = {"id": "extractive", "version": source_digest("harness/generation")}
    else:
        told = {"id": part.model, "version": None, "url": _address(part),
                "limits": limits_from(os.environ, part.limits).model_dump(mode="json")}
    return {"reader": told | {"impl": part.impl, "shots": part.shots, "budget": part.budget}}


def _address(part: ReaderPart) -> str | None:
    """Where the model is asked; None where nobody says, or where the address is one that no reader would take."""
    try:
        return endpoint_from({**os.environ, "OPENAI_API_KEY": ""}, model=str(part.model), url=part.url).url
    except (InputError, UsageError):
        return None


def _prompt_hash(manifest: Manifest) -> str | None:
    if manifest.parts is None or manifest.parts.reader is None:
        return None
    from harness.generation.prompts import Template

    return Template(cot=manifest.parts.reader.cot).hash


def _datasets(manifest: Manifest, data: Mapping[str, Any], artifacts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Id and checksum of everything that was measured on."""
    if manifest.parts is None:
        return [{"id": name, "sha256": digest} for name, digest in sorted(data.items())]
    name = manifest.data.corpus or Path(str(manifest.data.beir)).name
    found = [{"id": name, "sha256": data.get("world")}]
    golds = {file: digest for file, digest in artifacts.items() if file.startswith("world/golds")}
    return [*found, {"id": f"{name} gold answers", "sha256": digest_of(golds)}] if golds else found
