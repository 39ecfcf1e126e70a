"""The checks of a release's health, each with the one line that says what to do. A check that breaks has failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path

import numpy as np

from harness.data.corpus import World
from harness.errors import SignoffError
from harness.generation.passages import Passages
from harness.generation.prefix_leaks import held_words, leaked_prefixes
from harness.generation.prompts import Template, build
from harness.release.asking import reader_of
from harness.release.freeze import IN_YAML, RUN_MANIFEST, artifact_sums
from harness.release.health import HealthCheck
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded
from harness.release.measures.integrity import RUN_MANIFEST_KEYS
from harness.release.reader_parts import ReaderPart
from harness.release.readying import PASSAGES
from harness.release.run_facts import gaps_of
from harness.release.switches import SWITCHES, faults_of

__all__ = ["database", "frozen_bytes", "model", "run_manifest_whole", "stages", "switches"]

Found = Iterator[HealthCheck]
_NAMED = 3
_WAIT_S = 5


def _told(name: str, do: str) -> Callable[[Callable[..., Found]], Callable[..., list[HealthCheck]]]:
    """What breaks inside a check is its failure, told by what was raised; `do` is what to do about that."""

    def over(check: Callable[..., Found]) -> Callable[..., list[HealthCheck]]:
        @wraps(check)
        def checked(*given: object) -> list[HealthCheck]:
            found: list[HealthCheck] = []
            try:
                found.extend(check(*given))
            except SignoffError as error:
                found.append(HealthCheck(name, False, str(error), do))
            except Exception as error:  # whatever it is, nothing is evaluated on it
                found.append(HealthCheck(name, False, f"{type(error).__name__}: {error}", do))
            return found

        return checked

    return over


@_told("environment", "mend the variable, or take configs/deterministic_evaluation.env")
def switches(loaded: Loaded, environ: Mapping[str, str]) -> Found:
    """The switches of a deterministic evaluation, each by its name."""
    faults = faults_of(environ, seed=loaded.manifest.seed)
    for name, wanted in SWITCHES.items():
        said = faults.get(name, "")
        yield HealthCheck(name, not said, said or f"as it must be ({wanted})", f"set {wanted}" if said else "")


@_told("database", "start it, or mend SIGNOFF_DB, or unset it")
def database(environ: Mapping[str, str]) -> Found:
    """The store that SIGNOFF_DB names answers; without the variable there is nothing to reach."""
    url = environ.get("SIGNOFF_DB", "").strip()
    if not url:
        return
    from sqlalchemy import create_engine, make_url, text

    named = make_url(url)
    sqlite = named.get_backend_name() == "sqlite"
    if sqlite and named.database not in {None, "", ":memory:"} and not Path(str(named.database)).is_file():
        yield HealthCheck("database", False, f"no such file: {named.database}", "mend SIGNOFF_DB, or unset it")
        return
    waits = {"timeout" if sqlite else "connect_timeout": _WAIT_S}
    engine = create_engine(named, connect_args=waits)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM sqlite_master" if sqlite else "SELECT 1"))  # reads the file
    finally:
        engine.dispose()
    yield HealthCheck("database", True, f"{named.render_as_string(hide_password=True)} answers")


@_told("reader", "start the model's server, or mend OPENAI_BASE_URL, OPENAI_API_KEY, parts.reader (docs/rag-models.md)")
def model(loaded: Loaded, environ: Mapping[str, str]) -> Found:
    """The model behind HTTP answers one small request; what reads here needs no server."""
    part = _part(loaded)
    reader = reader_of(part, seed=loaded.manifest.seed, environ=environ)
    if part.impl == "http":
        reader.check()  # type: ignore[attr-defined]  # an HttpReader
    yield HealthCheck("reader", True, f"{reader.model} answers")


@_told("artifacts", "freeze the release again: signoff freeze MANIFEST")
def frozen_bytes(folder: Path) -> Found:
    """Every frozen file is there and of its digest: data, index, models, passages."""
    if not folder.is_dir():
        yield HealthCheck("artifacts", False, f"no folder {folder}", "freeze the release: signoff freeze MANIFEST")
        return
    stated, found = artifact_sums(folder)
    other = sorted(name for name in {*stated, *found} if stated.get(name) != found.get(name))
    said = f"{len(found)} files as frozen" if not other else (
        f"{len(other)} of {len(stated)} files are not as frozen: {', '.join(other[:_NAMED])}")
    good = bool(stated) and not other
    yield HealthCheck("artifacts", good, said, "" if good else "freeze the release again: signoff freeze MANIFEST",
                      bytes=True)


@_told("run manifest", "freeze the release again: signoff freeze MANIFEST")
def run_manifest_whole(loaded: Loaded, folder: Path) -> Found:
    """The run manifest is whole, of this very configuration, and says the same in JSON and in YAML."""
    import yaml

    facts = json.loads((folder / RUN_MANIFEST).read_bytes())
    gaps = gaps_of(facts, RUN_MANIFEST_KEYS)
    if facts.get("CONFIG_HASH") != loaded.manifest.config_hash:
        gaps.append("CONFIG_HASH of this manifest")
    found = artifact_sums(folder)[1]
    if facts.get("artifacts") != {name: found[name] for name in found if name not in (RUN_MANIFEST, IN_YAML)}:
        gaps.append("the digests of the files that are there")
    if yaml.safe_load((folder / IN_YAML).read_bytes()) != facts:
        gaps.append(f"the same facts in {IN_YAML}")
    yield HealthCheck("run manifest", not gaps, f"lacks {', '.join(gaps)}" if gaps else "whole",
                      "freeze the release again: signoff freeze MANIFEST" if gaps else "")


@_told("stages", "freeze the release again: signoff freeze MANIFEST; a model that cannot load is named above")
def stages(loaded: Loaded, folder: Path) -> Found:
    """Data as frozen; a prompt has room; no prefix is indexed; encoder, index and reranker answer a question."""
    world = World.load(folder / "world")
    facts = json.loads((folder / RUN_MANIFEST).read_bytes())
    same = facts["data"].get("world") == world.digest
    yield HealthCheck("data", same, f"{world.corpus.name}, {len(world.corpus):,} documents" if same else
                      "the world is not the one in the run manifest", "" if same else "signoff freeze MANIFEST",
                      bytes=True)
    passages, part = Passages.load(folder / PASSAGES), _part(loaded)
    text = max((text for task in world.tasks.values() for text in task.texts), key=len)
    yield _room(part, passages, text)
    yield _prefixes(passages)
    live = LiveRelease.load(loaded.manifest, world, {one.name: one for one in folder.iterdir() if one.is_dir()})
    vector = live.first.vectors([text])
    if vector.shape[1]:
        length = float(np.linalg.norm(vector[0].astype(np.float64)))
        good = abs(length - 1.0) < 1e-3
        yield HealthCheck("encoder", good, f"a vector of length {length:.3f}", "" if good else "fit the encoder again")
    found = live.search(text)
    hits = int((found.codes >= 0).sum())
    yield HealthCheck("retrieval", hits > 0, f"{hits} documents for one question",
                      "" if hits else "look into it: signoff diagnose MANIFEST")


def _room(part: ReaderPart, passages: Passages, question: str) -> HealthCheck:
    longest = max(passages.all, key=lambda one: len(one.text))
    prompt = build(Template(cot=part.cot), question, [longest], budget=part.budget)
    good = not prompt.left_out
    said = f"{prompt.tokens} of {part.budget} tokens for the longest question with the longest passage"
    return HealthCheck("token budget", good, said if good else f"{part.budget} tokens have no room for {longest.id}",
                       "" if good else "raise parts.reader.budget, or lower chunk_words")


def _prefixes(passages: Passages) -> HealthCheck:
    from harness.generation.choosing import word_index

    leaked = leaked_prefixes(passages.all, held_words(word_index(passages)))
    return HealthCheck("prefix leakage", not leaked, f"{len(leaked)} of {len(passages):,} passages" + (
        f": {', '.join(leaked[:_NAMED])}" if leaked else ""), "index Passage.text alone" if leaked else "")


def _part(loaded: Loaded) -> ReaderPart:
    assert loaded.manifest.parts is not None and loaded.manifest.parts.reader is not None
    return loaded.manifest.parts.reader
