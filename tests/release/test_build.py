"""Building: each part made once from exactly what decides it, whole or not at all, and from the fit fold alone."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.data.canonical import digest_of
from harness.data.store import sha256_tree
from harness.data.task import Task
from harness.errors import InputError
from harness.release.build import build, first_stage_is_own, needed_parts, part_inputs
from harness.release.cache import PartCache
from harness.release.manifest import load_manifest
from harness.reranking.stage import RerankStage
from harness.retrieval.lsa import LsaEncoder
from tests.release.small import FULL, made, small

ALL = ("world", "encoder", "index", "lexical", "reranker")


@pytest.mark.parametrize(("parts", "needed"), [
    ("{}", "world encoder index"),
    ("{retriever: {impl: bm25}}", "world lexical"),
    ("{retriever: {impl: rrf}}", "world encoder index lexical"),
    ("{reranker: {impl: mlp}}", "world encoder index lexical reranker"),
    ("{reranker: {impl: mlp, features: vectors}}", "world encoder index reranker"),
    ("{retriever: {impl: bm25}, reranker: {features: vectors}}", "world encoder index lexical reranker"),
    ("{sequence: {impl: gru_v0}}", "world encoder index sequence"),
    ("{retriever: {impl: callable, target: 'a:b'}}", "world"),
    ("{retriever: {impl: callable, target: 'a:b'}, reranker: {}}", "world encoder lexical reranker"),
    ("{retriever: {impl: callable, target: 'a:b'}, sequence: {}}", "world encoder index sequence"),
])  # fmt: skip
def test_a_release_builds_what_it_uses_and_no_more(tmp_path, parts, needed):
    """Each part stands after the ones it is made from; a part that nothing reads is not made."""
    loaded = small(tmp_path, parts)
    assert needed_parts(loaded.manifest) == tuple(needed.split())
    assert tuple(part_inputs(loaded)) == tuple(needed.split())
    assert first_stage_is_own(loaded.manifest) is ("callable" in parts)


def keys(loaded) -> dict[str, str]:
    return {name: digest_of({"part": name, **inputs}) for name, inputs in part_inputs(loaded).items()}


@pytest.mark.parametrize(("parts", "seed", "other"), [
    (FULL, 8, ALL),
    (FULL.replace("48", "32"), 7, ("encoder", "index", "reranker")),
    (FULL.replace("nlist: 3", "nlist: 2"), 7, ("index", "reranker")),
    (FULL.replace("depth: 20", "depth: 10"), 7, ("reranker",)),
    (FULL.replace("mlp", "lambdamart"), 7, ("reranker",)),
    (FULL, 7, ()),
])  # fmt: skip
def test_a_part_is_another_one_when_what_it_is_made_of_changes(tmp_path, parts, seed, other):
    """Seed, option, or a part below: every part that stands on it gets another key, and no other part does."""
    before, after = keys(small(tmp_path)), keys(small(tmp_path, parts, name="other", seed=seed))
    assert {name for name in before if before[name] != after[name]} == set(other)


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_changed_byte_of_the_data_changes_every_part(tmp_path, file):
    """The collection is known by its bytes, not by its name."""
    loaded = small(tmp_path)
    before = keys(loaded)
    path = tmp_path / "beir" / file
    path.write_bytes(path.read_bytes() + b"\n")
    assert all(before[name] != key for name, key in keys(loaded).items())


@pytest.mark.parametrize(("room", "other"), [("harness/retrieval", ALL[1:]), ("harness/data", ALL)])
def test_changed_code_changes_the_parts_it_makes(tmp_path, monkeypatch, room, other):
    """A part made by other code is another part."""
    loaded = small(tmp_path)
    before = keys(loaded)
    real = part_inputs.__globals__["source_digest"]
    monkeypatch.setattr("harness.release.build.source_digest",
                        lambda *rooms: real(*rooms) + ("changed" if room in rooms else ""))
    after = keys(loaded)
    assert {name for name in before if before[name] != after[name]} == set(other)


def test_the_same_inputs_make_nothing_twice(tmp_path):
    """The second build hears of no part, and finds the same folders."""
    loaded, heard = small(tmp_path), []
    first = build(loaded, PartCache(tmp_path / "cache", heard.append))
    assert heard == list(ALL)
    second = build(loaded, PartCache(tmp_path / "cache", heard.append))
    assert heard == list(ALL) and second.folders == first.folders
    assert second.world.digest == first.world.digest


def test_two_builds_from_nothing_give_the_same_bytes(tmp_path):
    """Same manifest, other cache: every file of every part is equal."""
    loaded = small(tmp_path)
    one, two = made(loaded, tmp_path / "one"), made(loaded, tmp_path / "two")
    for name in ALL:
        assert sha256_tree(one.folders[name]) == sha256_tree(two.folders[name]), name


THREADS = """
import sys
from pathlib import Path
from harness.data.store import sha256_tree
from harness.release.build import build
from harness.release.cache import PartCache
from harness.release.manifest import load_manifest
built = build(load_manifest(sys.argv[1]), PartCache(Path(sys.argv[2])))
print({name: sha256_tree(folder) for name, folder in sorted(built.folders.items())})
"""


def test_the_number_of_threads_at_hand_decides_no_byte(tmp_path):
    """A limit binds only libraries that are loaded: ones that a fit loads itself must not slip past it."""
    loaded = small(tmp_path)

    def said(threads: str) -> bytes:
        return subprocess.run([sys.executable, "-c", THREADS, str(loaded.path), str(tmp_path / threads)], check=True,
                              env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads,
                                   "PYTHONHASHSEED": threads}, stdout=subprocess.PIPE).stdout

    assert said("1") == said("2") != b""


def test_another_seed_is_another_release(tmp_path):
    """The twin of the test above: a seed that is not the same is not ignored."""
    one, two = (made(small(tmp_path, name=f"seed{seed}", seed=seed), tmp_path / "cache") for seed in (7, 8))
    assert sha256_tree(one.folders["reranker"]) != sha256_tree(two.folders["reranker"])
    assert one.world.task("search").fold != two.world.task("search").fold


@pytest.mark.parametrize("part", ALL)
def test_a_torn_part_is_made_again(tmp_path, part):
    """One flipped byte in a cached part: it is made again, to the bytes it had, and the others are kept."""
    loaded = small(tmp_path)
    folder = made(loaded, tmp_path / "cache").folders[part]
    before = sha256_tree(folder)
    victim = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    victim.write_bytes(bytes([victim.read_bytes()[0] ^ 1]) + victim.read_bytes()[1:])
    heard: list[str] = []
    build(loaded, PartCache(tmp_path / "cache", heard.append))
    assert heard == [part] and sha256_tree(folder) == before


KILLED = """
import sys, time
from pathlib import Path
from harness.release import build as room
from harness.release.cache import PartCache
from harness.release.manifest import load_manifest
from harness.release.manifest import load_manifest

def half(manifest, world, folders, folder):
    (folder / "stage.json").write_text("{", encoding="utf-8")
    print("half", flush=True)
    time.sleep(60)

room._make_reranker = half
room.build(load_manifest(sys.argv[1]), PartCache(Path(sys.argv[2])))
"""


def test_a_killed_build_leaves_nothing_that_looks_whole(tmp_path):
    """Killed in the middle of the last part: the parts before stand, that one does not, and the next build makes it."""
    loaded, cache = small(tmp_path), tmp_path / "cache"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(loaded.path), str(cache)], stdout=subprocess.PIPE,
                             env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert child.stdout is not None and child.stdout.readline() == b"half\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert sorted(path.name.split("-")[0] for path in cache.glob("[a-z]*")) == sorted(ALL[:-1])
    heard: list[str] = []
    folder = build(loaded, PartCache(cache, heard.append)).folders["reranker"]
    assert heard == ["reranker"]
    assert sha256_tree(folder) == sha256_tree(made(loaded, tmp_path / "fresh").folders["reranker"])


def asked_while_building(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """(query texts that any fit or tuning saw, query texts that are judged)."""
    seen: set[str] = set()
    queries, fit = LsaEncoder.queries, RerankStage.fit

    def spied_queries(self, texts):
        seen.update(texts)
        return queries(self, texts)

    def spied_fit(self, lists):
        seen.update(lists.texts)
        return fit(self, lists)

    monkeypatch.setattr(LsaEncoder, "queries", spied_queries)
    monkeypatch.setattr(RerankStage, "fit", spied_fit)
    built = made(small(folder, FULL.replace("}, reranker", ", nprobe: tuned}, reranker")), folder / "cache")
    return seen, set(built.world.task("search").judge().texts)


def test_nothing_that_is_judged_was_learnt_from(tmp_path, monkeypatch):
    """Tuning and fitting ask queries, and none of them is judged."""
    seen, kept_apart = asked_while_building(tmp_path, monkeypatch)
    assert len(seen) > 20 and len(kept_apart) > 20
    assert not seen & kept_apart


def test_a_leak_between_the_folds_would_be_seen(tmp_path, monkeypatch):
    """The twin: a build that takes every query for the fit fold is caught by the same question."""
    monkeypatch.setattr(Task, "fit", lambda self: self)
    seen, kept_apart = asked_while_building(tmp_path, monkeypatch)
    assert kept_apart <= seen


OWN = """
import json
from pathlib import Path

LINES = Path(__file__).with_name("beir").joinpath("corpus.jsonl").read_text(encoding="utf-8").splitlines()
IDS = [json.loads(line)["_id"] for line in LINES]


def answer(queries, k):
    return [[(one, 1.0 / place) for place, one in enumerate(IDS[:k], 1)] for _ in queries]
"""


def test_a_reranker_over_ones_own_system_follows_what_it_answers(tmp_path, monkeypatch):
    """No digest covers the user's code: when its answers change, the reranker that learnt from them is made again."""
    (tmp_path / "answers_of_mine.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = small(tmp_path, "{encoder: {dims: 16}, retriever: {impl: callable, target: 'answers_of_mine:answer'}, "
                             "reranker: {impl: mlp, depth: 20}}")
    first = made(loaded, tmp_path / "cache").folders["reranker"]
    assert made(loaded, tmp_path / "cache").folders["reranker"] == first
    importlib.import_module("answers_of_mine").IDS.reverse()
    assert made(loaded, tmp_path / "cache").folders["reranker"] != first


@pytest.mark.parametrize(("data", "told"), [
    ("{beir: nowhere}", "nowhere: not a folder; expected a folder"),
    ("{beir: beir, slices: {csv: s.csv}}", "column data.slices: slices and clusters of one's own go with recorded"),
    ("{beir: beir, cluster: topic}", "column data.cluster: slices and clusters of one's own go with recorded files"),
    (f"{{beir: beir, sha256: {'ab' * 32}}}", "column data.sha256: the collection is not the one that was frozen"),
], ids=["no folder", "slices", "cluster", "digest"])  # fmt: skip
def test_data_that_is_not_what_the_manifest_says_is_refused(tmp_path, data, told):
    """One line; a key that would be ignored is an error, and so is another collection under a stated digest."""
    loaded = small(tmp_path)
    loaded.path.write_text(loaded.path.read_text(encoding="utf-8").replace("{beir: beir}", data), encoding="utf-8")
    with pytest.raises(InputError, match=told):
        made(load_manifest(loaded.path), tmp_path / "cache")


def test_a_stated_digest_that_holds_is_no_hindrance(tmp_path):
    """The twin: the digest of the folder's file digests is accepted."""
    loaded = small(tmp_path)
    digest = digest_of(sha256_tree(tmp_path / "beir"))
    loaded.path.write_text(loaded.path.read_text(encoding="utf-8").replace("{beir: beir}",
                           f"{{beir: beir, sha256: {digest}}}"), encoding="utf-8")
    assert part_inputs(load_manifest(loaded.path))["world"]["data"]["beir"] == sha256_tree(tmp_path / "beir")
