"""From a manifest's parts to folders of bytes: each part made once under the digest of all that went into it.

Fits run on one thread, so that the same manifest, code and library versions give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from harness.data.beir import read_beir
from harness.data.corpus import World
from harness.data.plain import world_of
from harness.data.pydocs.build import build_pydocs, pydocs_versions
from harness.data.store import sha256_tree
from harness.release.cache import PartCache, library_versions, source_digest
from harness.release.manifest import Loaded, Manifest
from harness.release.stages import encoder_of, first_stage, lists_to_learn, make_index, rerank_stage

__all__ = ["Built", "build", "needed_parts", "part_inputs"]

_CODE = ("harness/retrieval", "harness/reranking", "harness/release/stages.py", "harness/release/build.py")


@dataclass(frozen=True)
class Built:
    """The world a release is judged in, and a folder for each of its parts."""

    world: World
    folders: Mapping[str, Path]


def needed_parts(manifest: Manifest) -> tuple[str, ...]:
    """Names of the parts that this manifest builds, each after the ones it stands on."""
    parts = manifest.parts
    assert parts is not None
    own = parts.retriever.impl in {"callable", "command", "http"}
    reranked = parts.reranker is not None
    full = reranked and parts.reranker is not None and parts.reranker.features == "full"
    dense = parts.retriever.impl in {"dense", "rrf"} or reranked or parts.sequence is not None
    lexical = parts.retriever.impl in {"bm25", "rrf"} or full
    wanted = {"world": True, "encoder": dense, "index": dense and not own, "lexical": lexical,
              "sequence": parts.sequence is not None, "reranker": reranked}
    return tuple(name for name, needed in wanted.items() if needed)


def part_inputs(loaded: Loaded) -> dict[str, dict[str, Any]]:
    """Part → everything that decides its bytes: options, seed, code, library versions, the parts below it."""
    manifest = loaded.manifest
    parts = manifest.parts
    assert parts is not None
    common = {"seed": manifest.seed, "versions": library_versions(), "code": source_digest(*_CODE)}
    world = {"data": _data_inputs(loaded), "seed": manifest.seed, "code": source_digest("harness/data")}
    encoder = common | {"world": world, "encoder": parts.encoder.model_dump()}
    index = common | {"encoder": encoder, "index": parts.index.model_dump()}
    lexical = common | {"world": world}
    first = {"index": index, "lexical": lexical, "retriever": parts.retriever.model_dump()}
    inputs: dict[str, dict[str, Any]] = {"world": world, "encoder": encoder, "index": index, "lexical": lexical}
    if parts.sequence is not None:
        inputs["sequence"] = common | {"index": index, "sequence": parts.sequence.model_dump()}
    if parts.reranker is not None:
        inputs["reranker"] = common | first | {"reranker": parts.reranker.model_dump()}
    return {name: inputs[name] for name in needed_parts(manifest)}


def build(loaded: Loaded, cache: PartCache) -> Built:
    """Make or find every part. Raises InputError where a part cannot be made."""
    with threadpool_limits(1):
        inputs = part_inputs(loaded)
        folder, _ = cache.part("world", inputs["world"], lambda made: _make_world(loaded, made))
        world, folders = World.load(folder), {"world": folder}
        for name in needed_parts(loaded.manifest)[1:]:
            folders[name], _ = cache.part(name, inputs[name], _maker(name, loaded.manifest, world, dict(folders)))
    return Built(world, folders)


def _maker(name: str, manifest: Manifest, world: World, folders: dict[str, Path]) -> Any:
    parts = manifest.parts
    assert parts is not None
    texts = [document.text for document in world.corpus.documents]

    def encoder(folder: Path) -> None:
        encoder_of(parts.encoder, seed=manifest.seed).fit(texts).save(folder)

    def index(folder: Path) -> None:
        made = make_index(parts.index, world, folders["encoder"], parts.encoder, seed=manifest.seed)
        made.save(folder / "index.faiss")

    def lexical(folder: Path) -> None:
        from harness.retrieval.bm25 import Bm25

        Bm25().fit(texts).save(folder)

    def sequence(folder: Path) -> None:
        from harness.release.reading import fit_sequence

        assert parts.sequence is not None
        fit_sequence(parts.sequence.impl, manifest, world, folders).save(folder)

    def reranker(folder: Path) -> None:
        first = first_stage(manifest, world, folders)
        stage = rerank_stage(manifest, world, folders)
        assert parts.reranker is not None
        stage.fit(lists_to_learn(world, first, depth=parts.reranker.depth)).save(folder)

    return {"encoder": encoder, "index": index, "lexical": lexical, "sequence": sequence, "reranker": reranker}[name]


def _make_world(loaded: Loaded, folder: Path) -> None:
    data = loaded.manifest.data
    if data.corpus == "pydocs":
        build_pydocs(seed=loaded.manifest.seed).save(folder)
        return
    assert data.beir is not None
    beir = read_beir(loaded.folder / data.beir)
    world_of(beir.passages, beir.queries, beir.qrels, name=Path(data.beir).name, seed=loaded.manifest.seed).save(folder)


def _data_inputs(loaded: Loaded) -> dict[str, Any]:
    data = loaded.manifest.data
    if data.corpus == "pydocs":
        return {"corpus": "pydocs", "versions": pydocs_versions()}
    assert data.beir is not None
    return {"beir": sha256_tree(loaded.folder / data.beir)}
