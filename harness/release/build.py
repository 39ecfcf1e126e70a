"""From a manifest's parts to folders of bytes: each part made once under the digest of all that went into it.

Fits run on one thread, so that the same manifest, code and library versions give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from harness.data.answers import read_golds
from harness.data.beir import read_beir
from harness.data.canonical import digest_of
from harness.data.corpus import World
from harness.data.plain import with_answers, world_of
from harness.data.pyanswers.build import build_pyanswers
from harness.data.pydocs.build import build_pydocs, pydocs_versions
from harness.data.store import sha256_file, sha256_tree
from harness.errors import InputError
from harness.release.cache import PartCache, library_versions, source_digest
from harness.release.manifest import Loaded, Manifest
from harness.release.readying import PASSAGES, SHOTS, make_passages, make_shots
from harness.release.routers import make_router, make_spends
from harness.release.stages import encoder_of, first_stage, lists_to_learn, make_index, rerank_stage

__all__ = ["Built", "build", "first_stage_is_own", "needed_parts", "part_inputs"]

_CODE = ("harness/retrieval", "harness/reranking", "harness/estimators", "harness/release/stages.py",
         "harness/release/build.py", "harness/release/reading.py")
_READ = ("harness/generation", "harness/release/readying.py")
_ROUTED = ("harness/routing", "harness/gating", *(f"harness/release/{name}.py" for name in (
    "routers", "signals", "candidate_terms", "crossfit", "spends", "spends_columns", "spending", "traffic", "live",
    "parts")))


@dataclass(frozen=True)
class Built:
    """The world a release is judged in, and a folder for each of its parts."""

    world: World
    folders: Mapping[str, Path]


def needed_parts(manifest: Manifest) -> tuple[str, ...]:
    """Names of the parts that this manifest builds, each after the ones it stands on."""
    parts = manifest.parts
    assert parts is not None
    own, sequence = first_stage_is_own(manifest), parts.sequence is not None
    reranked = parts.reranker is not None
    full = reranked and parts.reranker is not None and parts.reranker.features == "full"
    dense = parts.retriever.impl in {"dense", "rrf", "blend"} or reranked or sequence
    lexical = parts.retriever.impl in {"bm25", "rrf", "blend"} or full or parts.speller is not None
    routed, read = parts.router is not None, parts.reader is not None
    wanted = {"world": True, "encoder": dense, "index": dense and (sequence or not own), "lexical": lexical,
              "sequence": sequence, "reranker": reranked, "spends": routed, "router": routed,
              PASSAGES: read, SHOTS: parts.reader is not None and parts.reader.shots > 0}
    return tuple(name for name, needed in wanted.items() if needed)


def first_stage_is_own(manifest: Manifest) -> bool:
    """Whether the user's own system answers: a callable, a command, an endpoint."""
    return manifest.parts is not None and manifest.parts.retriever.target is not None


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
    if parts.speller is not None:
        first["speller"] = parts.speller.model_dump()
    inputs: dict[str, dict[str, Any]] = {"world": world, "encoder": encoder, "index": index, "lexical": lexical}
    if parts.sequence is not None:
        inputs["sequence"] = common | {"index": index, "sequence": parts.sequence.model_dump()}
    if parts.reranker is not None:
        inputs["reranker"] = common | first | {"reranker": parts.reranker.model_dump()}
    if parts.router is not None:
        shared = {"reranker": inputs["reranker"], "code": source_digest(*_ROUTED), "versions": library_versions()}
        inputs["spends"] = inputs["router"] = shared | {"router": parts.router.model_dump()}
    if parts.reader is not None:
        shared = {"world": world, "code": source_digest(*_READ), "versions": library_versions()}
        cut = parts.reader.model_dump(include={"chunk_words", "near_duplicates"})
        inputs |= {PASSAGES: shared | cut, SHOTS: shared | {"seed": manifest.seed}}
    return {name: inputs[name] for name in needed_parts(manifest)}


def build(loaded: Loaded, cache: PartCache) -> Built:
    """Make or find every part. Raises InputError where a part cannot be made."""
    with threadpool_limits(1):
        inputs = part_inputs(loaded)
        folder, _ = cache.part("world", inputs["world"], lambda made: _make_world(loaded, made))
        world, folders = World.load(folder), {"world": folder}
        for name in needed_parts(loaded.manifest)[1:]:
            if name == "reranker" and first_stage_is_own(loaded.manifest):  # whose code no digest here covers
                inputs[name]["answers"] = _answers(loaded.manifest, world, folders)
            folders[name], _ = cache.part(name, inputs[name], _maker(name, loaded.manifest, world, dict(folders)))
    return Built(world, folders)


def _maker(name: str, manifest: Manifest, world: World, folders: dict[str, Path]) -> Callable[[Path], None]:
    makers: dict[str, Callable[[Path], None]] = {
        "encoder": lambda folder: _make_encoder(manifest, world, folder),
        "index": lambda folder: _make_index(manifest, world, folders, folder),
        "lexical": lambda folder: _make_lexical(world, folder),
        "sequence": lambda folder: _make_sequence(manifest, world, folders, folder),
        "reranker": lambda folder: _make_reranker(manifest, world, folders, folder),
        "spends": lambda folder: make_spends(manifest, world, folders, folder),
        "router": lambda folder: make_router(manifest, folders, folder),
        PASSAGES: lambda folder: _make_passages(manifest, world, folder),
        SHOTS: lambda folder: make_shots(world, folder, seed=manifest.seed)}
    return _on_one_thread(makers[name])


def _on_one_thread(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Libraries first, the limit then: it binds only those that are loaded when it is set."""
    def run(folder: Path) -> None:
        import scipy.linalg  # noqa: F401
        import sklearn.utils.extmath  # noqa: F401

        with threadpool_limits(1):
            make(folder)

    return run


def _make_encoder(manifest: Manifest, world: World, folder: Path) -> None:
    assert manifest.parts is not None
    encoder_of(manifest.parts.encoder, seed=manifest.seed).fit(_texts(world)).save(folder)


def _make_index(manifest: Manifest, world: World, folders: Mapping[str, Path], folder: Path) -> None:
    parts = manifest.parts
    assert parts is not None
    made = make_index(parts.index, world, folders["encoder"], parts.encoder, seed=manifest.seed)
    made.save(folder / "index.faiss")


def _make_lexical(world: World, folder: Path) -> None:
    from harness.retrieval.bm25 import Bm25

    Bm25().fit(_texts(world)).save(folder)


def _make_sequence(manifest: Manifest, world: World, folders: Mapping[str, Path], folder: Path) -> None:
    from harness.release.reading import fit_sequence

    assert manifest.parts is not None and manifest.parts.sequence is not None
    fit_sequence(manifest.parts.sequence.impl, manifest, world, folders).save(folder)


def _make_reranker(manifest: Manifest, world: World, folders: Mapping[str, Path], folder: Path) -> None:
    assert manifest.parts is not None and manifest.parts.reranker is not None
    lists = lists_to_learn(world, first_stage(manifest, world, folders), depth=manifest.parts.reranker.depth)
    rerank_stage(manifest, world, folders).fit(lists).save(folder)


def _make_passages(manifest: Manifest, world: World, folder: Path) -> None:
    assert manifest.parts is not None and manifest.parts.reader is not None
    make_passages(world, manifest.parts.reader, folder)


def _answers(manifest: Manifest, world: World, folders: Mapping[str, Path]) -> str:
    """Digest of what the user's own system finds for the queries that its reranker learns from."""
    assert manifest.parts is not None and manifest.parts.reranker is not None
    lists = lists_to_learn(world, first_stage(manifest, world, folders), depth=manifest.parts.reranker.depth)
    return digest_of([[codes.tolist(), [repr(float(score)) for score in scores]]
                      for codes, scores in zip(lists.codes, lists.scores, strict=True)])


def _texts(world: World) -> list[str]:
    return [document.text for document in world.corpus.documents]


def _make_world(loaded: Loaded, folder: Path) -> None:
    data = loaded.manifest.data
    if data.corpus is not None:
        embedded = {"pydocs": build_pydocs, "pyanswers": build_pyanswers}
        embedded[data.corpus](seed=loaded.manifest.seed).save(folder)
        return
    assert data.beir is not None
    beir = read_beir(loaded.folder / data.beir)
    world = world_of(beir.passages, beir.queries, beir.qrels, name=Path(data.beir).name, seed=loaded.manifest.seed)
    if data.answers is not None:
        spec = {kind: loaded.folder / path for kind, path in data.answers.spec.items()}
        world = with_answers(world, read_golds(spec), where=loaded.folder / data.answers.path)
    world.save(folder)


def _data_inputs(loaded: Loaded) -> dict[str, Any]:
    data = loaded.manifest.data
    if data.corpus is not None:
        return {"corpus": data.corpus, "versions": pydocs_versions()}
    assert data.beir is not None
    if data.slices is not None or data.cluster is not None:
        raise InputError("slices and clusters of one's own go with recorded files", where=loaded.path,
                         column="data.slices" if data.slices is not None else "data.cluster",
                         expected="a beir folder alone beside live parts")
    digests = sha256_tree(loaded.folder / data.beir)
    if data.sha256 is not None and digest_of(digests) != data.sha256:
        raise InputError("the collection is not the one that was frozen", where=loaded.folder / data.beir,
                         column="data.sha256", expected=data.sha256, found=digest_of(digests))
    inputs: dict[str, Any] = {"beir": digests}
    if data.answers is not None:
        inputs["answers"] = sha256_file(loaded.folder / data.answers.path)
        if data.answers.sha256 not in {None, inputs["answers"]}:
            raise InputError("the answers are not those that were frozen", where=loaded.folder / data.answers.path,
                             column="data.answers.sha256", expected=data.answers.sha256, found=inputs["answers"])
    return inputs
