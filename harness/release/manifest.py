"""The manifest: one YAML file that describes a release, its baseline, its data, its seed and its policy.

Reading is strict. Unknown keys, duplicate keys and wrong types are one-line errors that name the file, the line, what
was expected, what was found and the nearest valid key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from harness.data.canonical import digest_of
from harness.data.store import require_file
from harness.errors import InputError, nearest
from harness.release.charter import Charter
from harness.release.checklist import Checklist, asked_for
from harness.release.parts import Parts
from harness.release.policy import Check, Row, checks_of
from harness.release.rollout_terms import Rollout
from harness.release.schema import Model, Name, Sha256, Source
from harness.release.study_options import ANSWER_DELTAS, Studies
from harness.release.yaml_errors import first_error, read_yaml

__all__ = ["Data", "Loaded", "Manifest", "Recorded", "RecordedSide", "load_manifest", "parse_manifest"]

_LATER = ("answered", "governed", "readied", "repeated")
"""Studies that came after releases had been signed: where they are as they stand, a digest does not hold them."""


class Data(Model):
    """What the release is judged on: an embedded corpus, a BEIR folder (with gold answers), or recorded judgements."""

    corpus: Literal["pydocs", "pyanswers"] | None = None
    beir: str | None = None
    answers: Source | None = None
    sha256: Sha256 | None = None
    qrels: Source | None = None
    slices: Source | None = None
    cluster: str | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Data:
        if sum(given is not None for given in (self.corpus, self.beir, self.qrels)) != 1:
            raise ValueError("data names exactly one of corpus, beir, qrels")
        if self.answers is not None and self.beir is None:
            raise ValueError("answers of one's own go beside a beir folder")
        return self


class RecordedSide(Model):
    """What one release left on disk: its run, the run before reranking, its latencies."""

    run: Source
    before: Source | None = None
    latency: Source | None = None


class Recorded(Model):
    """Recorded files in place of live parts."""

    candidate: RecordedSide
    baseline: RecordedSide | None = None


class Manifest(Model):
    """A release as its manifest describes it."""

    release: Name
    baseline: Name | None = None
    baseline_digest: Sha256 | None = None
    seed: int = Field(ge=0, le=2**32 - 1, strict=True)
    data: Data
    parts: Parts | None = None
    recorded: Recorded | None = None
    studies: Studies = Studies()
    latency_requests: int = Field(500, ge=1, strict=True)
    policy: tuple[Row, ...] = Field(min_length=1)
    contract: Charter | None = None
    checklist: Checklist = ()
    rollout: Rollout | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if (self.parts is None) == (self.recorded is None):
            raise ValueError("a manifest gives either parts (live) or recorded files")
        if self.recorded is not None and self.baseline is not None:
            raise ValueError("a recorded manifest names its baseline under recorded, not by name")
        if self.baseline_digest is not None and self.baseline is None:
            raise ValueError("baseline_digest pins a baseline by name, and the manifest names none")
        if self.recorded is not None and self.data.qrels is None:
            raise ValueError("a recorded manifest needs data.qrels")
        if self.parts is not None and self.data.qrels is not None:
            raise ValueError("live parts need a corpus or a beir folder, not qrels alone")
        named = {measure for check in checks_of(self.policy) for measure in (check.measure, *dict(check.any_with))}
        if self.recorded is not None and "unsigned baseline" in named:
            raise ValueError("'unsigned baseline' needs a live baseline (baseline: NAME); recorded files are unsigned")
        needs = [row.measure for row in self.policy
                 if row.measure and row.measure.startswith(("delta ", "Jaccard@", "unsigned baseline"))
                 and not (self.studies.answered.baseline and row.measure in ANSWER_DELTAS)]
        if needs and not self.has_baseline:
            raise ValueError(f"{needs[0]!r} needs a baseline, and the manifest names none")
        asked_for(self.checklist, checks_of(self.policy))
        return self

    @model_validator(mode="after")
    def _tables_of_what_was_recorded(self) -> Manifest:
        answered, readied = self.studies.answered, self.studies.readied
        given = [name for name, said in (("answered.table", answered.table), ("readied", readied.tables)) if said]
        if self.parts is not None and given:
            raise ValueError(f"studies.{given[0]} goes with recorded files; live parts are measured as they are")
        return self

    @property
    def has_baseline(self) -> bool:
        """True where a delta can be measured."""
        return self.baseline is not None or (self.recorded is not None and self.recorded.baseline is not None)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every (row, slice) of the policy, in order."""
        return checks_of(self.policy)

    @property
    def config_hash(self) -> str:
        """CONFIG_HASH: sha256 of the canonical JSON of the whole manifest, defaults included.

        A manifest without checklist, rollout, reader or answers keeps the digest that it had before there were any.
        """
        absent: dict[str, Any] = {name: True for name in ("checklist", "rollout") if not getattr(self, name)}
        if self.parts is not None and self.parts.reader is None:
            absent["parts"] = {"reader"}
        if self.data.answers is None:
            absent["data"] = {"answers"}
        absent["studies"] = {name for name in _LATER if getattr(self.studies, name) == getattr(Studies(), name)}
        return digest_of(self.model_dump(mode="json", by_alias=True, exclude=absent))


@dataclass(frozen=True)
class Loaded:
    """A manifest, the bytes it was read from, their digest, and the file."""

    manifest: Manifest
    raw: bytes
    path: Path

    @property
    def sha256(self) -> str:
        """Digest of the bytes as they stood on disk."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def folder(self) -> Path:
        """Where relative paths of the manifest start."""
        return self.path.parent


def load_manifest(path: Path | str) -> Loaded:
    """Read and validate one manifest file."""
    file = Path(path)
    try:
        raw = require_file(file).read_bytes()
    except OSError as error:
        siblings = [str(other) for other in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
        raise InputError("cannot read the manifest", where=file, expected="a YAML file", found=error.strerror,
                         hint=nearest(str(file), siblings)) from None
    return Loaded(parse_manifest(raw, where=file), raw, file)


def parse_manifest(raw: bytes, *, where: object) -> Manifest:
    """Validate manifest bytes; `where` names them in errors."""
    value, node = read_yaml(raw, where=where)
    if not isinstance(value, Mapping):
        raise InputError("not a manifest", where=where, expected="a mapping with release, seed, data, policy",
                         found=type(value).__name__)
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        raise first_error(error, Manifest, where=where, node=node) from None
