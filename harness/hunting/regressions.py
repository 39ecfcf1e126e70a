"""Pinned regressions as files: `regressions/NAME.yaml`, one found loss each, written whole and read strictly.

A find starts as `status: known`: nobody has repaired it, and from then on it may not grow. Who repairs it writes
`status: fixed`, and it may not come back. Either way a file states the least nDCG@10 of both its queries, and may
state more than its status asks for, never less: a limit cannot be loosened without changing what was found.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.data.canonical import digest_of
from harness.data.store import atomic_write_text, require_file, sha256_bytes
from harness.errors import InputError
from harness.release.yaml_errors import first_error, read_yaml

__all__ = ["FOLDER", "THRESHOLD", "TOLERANCE", "Data", "Found", "Judged", "Limits", "NamedPin", "Pinned", "Scores",
           "Step", "name_of", "parse_pin", "pins_digest", "read_pins", "stated_limits", "write_pin"]

FOLDER = Path("regressions")
THRESHOLD = 0.1  # nDCG@10: a loss of this much is a find, and a repaired one may not lose as much again
TOLERANCE = 0.02  # nDCG@10: what a known loss may grow before it counts as worse
_DIGITS = 6
_SLACK = 2e-6  # two roundings
_BREAKS = frozenset("\n\r\x85\u2028\u2029")

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(_Model):
    """One mutation: the operator, and the choices that repeat it."""

    operator: str
    choices: tuple[int, ...]


class Judged(_Model):
    """A relevant document's rank for the reference query and for the mutated one; null where it was not found."""

    doc_id: Text
    relevance: int = Field(ge=1)
    before: int | None = Field(ge=1)
    after: int | None = Field(ge=1)


class Scores(_Model):
    """nDCG@10 when found: the candidate on the plain and the mutated query, the baseline on the mutated one."""

    plain: Share
    mutated: Share
    baseline: Share | None = None


class Limits(_Model):
    """The least nDCG@10 that the replay must reach, of each query."""

    plain: Share
    mutated: Share


class Found(_Model):
    """How it was found: the search's seed and profile, and how many examples it had tried."""

    profile: Literal["ci", "hunt"]
    seed: int = Field(ge=0, strict=True)
    examples: int = Field(ge=1, strict=True)


class Data(_Model):
    """The corpus's name, and the sha256 of corpus and tasks."""

    corpus: Text
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Pinned(_Model):
    """One found loss. `against` says beside what: the candidate's own `plain` query, or the `baseline`'s answer."""

    release: Text
    data: Data
    task: Text
    query_id: Text
    query: str
    steps: tuple[Step, ...]
    mutated: str
    against: Literal["plain", "baseline"]
    judged: tuple[Judged, ...] = Field(min_length=1)
    ndcg: Scores
    loss: Share
    status: Literal["known", "fixed"] = "known"
    limits: Limits
    found: Found

    @model_validator(mode="after")
    def _consistent(self) -> Pinned:
        if self.against == "baseline" and self.ndcg.baseline is None:
            raise ValueError("a loss against the baseline needs ndcg.baseline")
        if abs(self.loss - (self.reference - self.ndcg.mutated)) > _SLACK:
            raise ValueError(f"loss is ndcg.{self.against} less ndcg.mutated, "
                             f"{self.reference - self.ndcg.mutated:.6g}, not {self.loss:g}")
        least = stated_limits(self.ndcg, against=self.against, status=self.status)
        for name in ("plain", "mutated"):
            asked, stated = getattr(least, name), getattr(self.limits, name)
            if stated < asked - _SLACK:
                raise ValueError(f"limits.{name} {stated:g} is looser than status {self.status} asks: {asked:g}")
        return self

    @property
    def reference(self) -> float:
        """nDCG@10 of what the mutated query is held beside."""
        return float((self.ndcg.baseline or 0.0) if self.against == "baseline" else self.ndcg.plain)


class NamedPin(NamedTuple):
    """A pin, the name of its file, and the sha256 of its bytes."""

    name: str
    pin: Pinned
    sha256: str


def stated_limits(ndcg: Scores, *, against: str, status: str) -> Limits:
    """The loosest limits that a status allows (nDCG@10, at least).

    The plain query may lose less than a find. The mutated one may lose `TOLERANCE` on what was known, or, once fixed,
    less than a find beside its reference.

    >>> stated_limits(Scores(plain=1.0, mutated=0.43), against="plain", status="known")
    Limits(plain=0.9, mutated=0.41)
    >>> stated_limits(Scores(plain=1.0, mutated=0.43), against="plain", status="fixed").mutated
    0.9
    """
    reference = (ndcg.baseline or 0.0) if against == "baseline" else ndcg.plain
    mutated = ndcg.mutated - TOLERANCE if status == "known" else reference - THRESHOLD
    return Limits(plain=_least(ndcg.plain - THRESHOLD), mutated=_least(mutated))


def parse_pin(raw: bytes, *, where: object) -> Pinned:
    """Validate a pin's bytes; `where` names them in the one-line InputError of whatever is wrong."""
    value, node = read_yaml(raw, where=where)
    if not isinstance(value, Mapping):
        raise InputError("not a pinned regression", where=where, expected="a mapping with query, steps, loss, limits",
                         found=type(value).__name__)
    try:
        return Pinned.model_validate(value)
    except ValidationError as error:
        raise first_error(error, Pinned, where=where, node=node) from None


def read_pins(folder: Path) -> tuple[NamedPin, ...]:
    """Every `*.yaml` of the folder, in the order of names; none where there is no folder.

    Raises InputError for a file that cannot be read or is no pin (an unreadable pin is never an absent one), and for
    one under another name than its content gives it: a copy would stand in the count for a pin that was deleted.
    """
    pins = []
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError("not a folder", where=folder, expected="the folder of pinned regressions")
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            raw = require_file(path).read_bytes()
        except OSError as error:
            raise InputError("cannot read the pinned regression", where=path, expected="a YAML file",
                             found=error.strerror) from None
        pin = parse_pin(raw, where=path)
        if path.name != f"{name_of(pin)}.yaml":
            raise InputError("not the name of what it pins", where=path, expected=f"{name_of(pin)}.yaml",
                             found=path.name)
        pins.append(NamedPin(path.stem, pin, sha256_bytes(raw)))
    return tuple(pins)


def write_pin(folder: Path, pin: Pinned) -> Path:
    """Write a pin under its own name, whole or not at all; equal pins give equal bytes. Returns the path."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes text with a line break of any script, which plain YAML would read back as another."""

    def shown(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
        style = '"' if _BREAKS & set(text) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, shown)
    body = yaml.dump(pin.model_dump(mode="json"), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100,
                     default_flow_style=None)
    return atomic_write_text(folder / f"{name_of(pin)}.yaml", body)


def name_of(pin: Pinned) -> str:
    """Operators, what it lost against, and a digest of query and steps: the same find has the same name."""
    operators = "-".join(step.operator for step in pin.steps) or "plain"
    told = digest_of([pin.data.corpus, pin.task, pin.query_id, pin.mutated, pin.against])[:8]
    return f"{operators[:60]}-{pin.against}-{told}"


def pins_digest(pins: Sequence[NamedPin]) -> str:
    """sha256 (hex) over names and bytes: a pin that is deleted or edited shows.

    >>> pins_digest([])[:8]
    '44136fa3'
    """
    return digest_of({one.name: one.sha256 for one in pins})


def _least(value: float) -> float:
    return round(max(value, 0.0), _DIGITS)
