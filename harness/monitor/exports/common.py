"""What every export shares: the guards and the ramp of a manifest, names that Kubernetes takes, and YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from harness.errors import InputError
from harness.monitor.presets import guards_of_manifest
from harness.release.contract import guards_of
from harness.release.manifest import Loaded
from harness.release.rollout_presets import expanded
from harness.release.rollout_terms import Rollout
from harness.rollout.shapes import Guarded

__all__ = ["Exports", "Watch", "as_yaml", "kubernetes_name", "ramp_in", "span_text", "watches"]

Exports = Mapping[str, str]  # file name → text


@dataclass(frozen=True)
class Watch:
    """A guard of the manifest, with its `for` as written."""

    guard: Guarded
    for_: str


def watches(loaded: Loaded) -> tuple[Watch, ...]:
    """The guards of a manifest's policy, in its order; named as their checks are, which is how the service shows them.

    Raises InputError where there is none: an export that watches nothing would look like one that does.
    """
    written = guards_of(loaded.manifest.policy)
    found = tuple(Watch(one, written[one.name].for_) for one in guards_of_manifest(loaded.manifest))
    if not found:
        raise InputError("nothing is watched", where=loaded.path,
                         expected="a row of the policy with guard: {for, severity, then}")
    return found


def ramp_in(loaded: Loaded) -> Rollout:
    """The ramp of a manifest, its stages written out. Raises InputError without one."""
    if loaded.manifest.rollout is None:
        raise InputError("no ramp", where=loaded.path, expected="a section rollout: {preset: 5-25-50-100}")
    return expanded(loaded.manifest.rollout)


def kubernetes_name(text: str) -> str:
    """A text as a name of Kubernetes: small letters, digits and hyphens, 50 at most.

    >>> kubernetes_name("Retriever_v0.1"), kubernetes_name("--")
    ('retriever-v0-1', 'release')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:50].strip("-") or "release"


def span_text(seconds: int) -> str:
    """Seconds in the largest unit that Prometheus and Kubernetes both read.

    >>> span_text(1800), span_text(86400), span_text(90)
    ('30m', '24h', '90s')
    """
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def as_yaml(documents: Sequence[Mapping[str, Any]], loaded: Loaded) -> str:
    """YAML documents under a line that says what they were made of; the same manifest gives the same bytes."""
    name = " ".join(loaded.path.name.split())  # a line's end in a file's name would end the comment
    head = f"# Made by signoff export of {name} (sha256 {loaded.sha256}). Make it again; do not edit it.\n"
    return head + "---\n".join(yaml.safe_dump(dict(one), sort_keys=False, allow_unicode=True, width=10_000)
                               for one in documents)
