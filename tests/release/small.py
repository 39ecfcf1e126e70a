"""Small live releases for tests: a BEIR folder of 150 documents, or the tiny documented library in place of pydocs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.beir_folder import write_beir, write_manifest
from fixtures.tiny_corpus import tiny_world
from harness.release.build import Built, build
from harness.release.cache import PartCache
from harness.release.freeze import freeze
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, load_manifest
from harness.release.replay import Replay

DENSE = "{encoder: {dims: 48}, index: {nlist: 3}}"
FULL = "{encoder: {dims: 48}, index: {nlist: 3}, reranker: {impl: mlp, depth: 20}}"
EASY = "[{measure: RR, at_least: 0.1}]"
LIBRARY = """
release: library
seed: 42
data: {corpus: pydocs}
parts:
  encoder: {dims: 16}
  index: {impl: flat}
  sequence: {impl: amn_v0}
  reranker: {impl: mlp, depth: 20}
policy: [{measure: RR, task: see_also, at_least: 0.1}]
"""


def beir(folder: Path) -> Path:
    """The collection in `folder/beir`, written once."""
    if not (folder / "beir").exists():
        write_beir(folder / "beir")
    return folder


def small(folder: Path, parts: str = FULL, policy: str = EASY, *, name: str = "small", **more: str) -> Loaded:
    """A live manifest beside the collection, loaded."""
    return load_manifest(write_manifest(beir(folder) / f"{name}.yaml", parts=parts, policy=policy, **more))


def made(loaded: Loaded, cache: Path) -> Built:
    """The release's parts, built in `cache`."""
    return build(loaded, PartCache(cache))


def served(loaded: Loaded, folder: Path) -> tuple[Built, LiveRelease]:
    """Built, frozen, and loaded from what was frozen."""
    built = made(loaded, folder / "cache")
    frozen = freeze(loaded, built, root=folder / "artifacts")
    built = Built(built.world, {name: frozen / name for name in built.folders})
    return built, LiveRelease.load(loaded.manifest, built.world, built.folders)


def unrepeated(patch: pytest.MonkeyPatch) -> None:
    """No second process and no second build, for rows of integrity that neither decides: `test_replay` holds those."""
    patch.setattr(Replay, "begin", classmethod(lambda cls, loaded, *, wanted, cache: cls(loaded, wanted=False)))


def library(folder: Path, patch: pytest.MonkeyPatch, text: str = LIBRARY) -> Loaded:
    """A manifest of the embedded corpus, with the tiny library in the corpus's place."""
    patch.setattr("harness.release.build.build_pydocs", lambda *, seed: tiny_world(seed=seed))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "library.yaml").write_text(text, encoding="utf-8")
    return load_manifest(folder / "library.yaml")
