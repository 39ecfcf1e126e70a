"""A small release that answers, frozen for real: twelve documents, the questions that their authors answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.answers import answers_world
from harness.release.build import build
from harness.release.cache import PartCache
from harness.release.freeze import freeze
from harness.release.manifest import Loaded, load_manifest

__all__ = ["READER", "ROWS", "answering", "frozen_answering"]

READER = "{documents: 5, passages: 3, per_document: 1, pool: 8}"
ROWS = "{measure: health faults, at_most: 0}, {measure: run manifest gaps, at_most: 0}"
_MANIFEST = """
release: bakery
seed: 42
data: {{corpus: pyanswers}}
parts: {{retriever: {{impl: bm25}}, reader: {reader}}}
policy: [{rows}]
"""


def answering(folder: Path, *, reader: str = READER, rows: str = ROWS) -> Loaded:
    """The manifest, written into a folder and loaded."""
    path = folder / "bakery.yaml"
    path.write_text(_MANIFEST.format(reader=reader, rows=rows), encoding="utf-8")
    return load_manifest(path)


def frozen_answering(loaded: Loaded, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Built of the small package and frozen below `folder/artifacts`; returns the release's folder."""
    patch.setattr("harness.release.build.build_pyanswers", lambda *, seed: answers_world(seed=seed))
    return freeze(loaded, build(loaded, PartCache(folder / "cache")), root=folder / "artifacts")
