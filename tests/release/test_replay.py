"""Replay: what ran once runs again in another process and from a second build, and a step without a seed is caught."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import harness.release.replay as room
from harness.errors import InputError
from harness.release.judge import Reading
from harness.release.manifest import Loaded
from harness.release.measures import read
from harness.release.observing import CACHE, observe
from harness.release.replay import Replay, parts_digest, rankings_digest
from tests.release.small import DENSE, small

REPLAYED = "[{measure: replay differences, at_most: 0}]"
OWN = "{{retriever: {{impl: callable, target: 'system_of_mine:{0}'}}}}"
SYSTEM = """
import json
import os
import random
from pathlib import Path

LINES = Path(__file__).with_name("beir").joinpath("corpus.jsonl").read_text(encoding="utf-8").splitlines()
IDS = [json.loads(line)["_id"] for line in LINES]


def listed(ids, queries, k):
    return [[(one, 1.0 / place) for place, one in enumerate(ids[:k], start=1)] for _ in queries]


def steady(queries, k):
    return listed(IDS, queries, k)


def unseeded(queries, k):
    return listed(random.sample(IDS, len(IDS)), queries, k)


def hashed(queries, k):
    return listed(sorted(IDS, key=hash), queries, k)


def secretive(queries, k):
    shown = [name for name in os.environ if name.startswith("SIGNOFF_KEY")]
    return listed(IDS[len(shown):], queries, k)


def fails(queries, k):
    if Path("fail").exists():
        raise RuntimeError("out of order")
    Path("fail").touch()
    return listed(IDS, queries, k)
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    (tmp_path / "system_of_mine.py").write_text(SYSTEM, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Path()


def replayed(loaded: Loaded) -> tuple[Reading, dict[str, str]]:
    trial = observe(loaded)
    return read(trial, loaded.manifest.checks[0]), dict(trial.candidate.integrity.replayed)


@pytest.fixture
def started(monkeypatch) -> list[tuple[str, ...]]:
    """The words of every process that was started."""
    calls: list[tuple[str, ...]] = []
    real = room._spawn
    monkeypatch.setattr(room, "_spawn", lambda manifest, *words: calls.append(words) or real(manifest, *words))
    return calls


def test_three_processes_find_the_same(here, started):
    """This one, a fresh one and a second build agree; the build's digest is kept, and not made twice."""
    loaded = small(here, DENSE, REPLAYED)
    reading, found = replayed(loaded)
    assert reading.estimate.value == 0.0 and reading.estimate.n == 3
    assert list(found) == ["this process", "another process", "a second build"] and len(set(found.values())) == 1
    assert sorted(words[0] for words in started) == ["--frozen", "--rebuild"]
    started.clear()
    assert replayed(loaded)[1] == found
    assert [words[0] for words in started] == ["--frozen"]


def test_another_task_or_seed_is_built_a_second_time_again(here):
    """What is kept speaks for one set of inputs and one set of questions; policy limits are no part of it."""
    def receipt(policy: str, seed: int = 7) -> Path:
        replay = Replay.begin(small(here, DENSE, policy, seed=seed), wanted=True, cache=CACHE)
        replay.stop()
        return replay.receipt

    one = receipt(REPLAYED)
    assert receipt("[{measure: replay differences, at_most: 1}]") == one
    others = {receipt("[{measure: RR, task: search, at_least: 0.1}]"), receipt(REPLAYED, 8)}
    assert len(others | {one}) == 3


@pytest.mark.parametrize("target", ["unseeded", "hashed"])
def test_a_step_without_a_seed_is_caught(here, target):
    """Random answers, and answers in the order of a hash, differ between processes."""
    reading, found = replayed(small(here, OWN.format(target), REPLAYED))
    assert reading.estimate.value >= 1.0 and len(set(found.values())) >= 2
    assert "another process" in reading.note or "a second build" in reading.note


def test_one_s_own_system_may_change_between_runs(here):
    """No receipt speaks for code that no digest covers: what answers otherwise today is no difference by itself."""
    loaded = small(here, OWN.format("steady"), REPLAYED)
    assert replayed(loaded)[0].estimate.value == 0.0
    text = (here / "system_of_mine.py").read_text(encoding="utf-8")
    (here / "system_of_mine.py").write_text(text + "\nIDS.reverse()\n", encoding="utf-8")
    import importlib

    importlib.reload(importlib.import_module("system_of_mine"))
    assert replayed(loaded)[0].estimate.value == 0.0
    assert not list(CACHE.glob("rebuilt-*.json"))


@pytest.mark.slow
def test_a_disagreement_is_not_kept(here, monkeypatch):
    """A second build that differed is made again the next time, and not remembered as the truth."""
    loaded = small(here, DENSE, REPLAYED)
    real = room.rankings_digest
    with monkeypatch.context() as patch:
        patch.setattr(room, "rankings_digest", lambda observed: real(observed)[::-1])
        assert replayed(loaded)[0].estimate.value == 2.0
    assert not list(CACHE.glob("rebuilt-*.json"))
    assert replayed(loaded)[0].estimate.value == 0.0


def test_the_repeating_process_holds_no_signing_key(here, monkeypatch):
    """Its environment has no SIGNOFF_KEY; the twin, this process, has one, so the test can tell."""
    monkeypatch.setenv("SIGNOFF_KEY", "/nowhere/release.pem")
    reading, found = replayed(small(here, OWN.format("secretive"), REPLAYED))
    assert found["another process"] == found["a second build"] != found["this process"]
    assert reading.estimate.value == 2.0


def test_a_process_that_fails_is_told_in_its_own_words(here):
    """One line with what it said last; no digest is made up for it."""
    with pytest.raises(InputError, match=r"replay: the repeating process failed: system_of_mine:fails: .*out of order"):
        replayed(small(here, OWN.format("fails"), REPLAYED))


def test_a_process_that_hangs_is_ended(here, monkeypatch):
    """Within the time allowed, and nothing of it stays behind."""
    (here / "system_of_mine.py").write_text(SYSTEM + "\nif not Path('once').exists():\n    Path('once').touch()\n"
                                            "else:\n    import time\n    time.sleep(60)\n", encoding="utf-8")
    monkeypatch.setattr(room, "_REBUILD_S", 0.5)
    loaded = small(here, OWN.format("steady"), REPLAYED)
    import system_of_mine  # type: ignore[import-not-found]  # noqa: F401  the first to load it is this process

    with pytest.raises(InputError, match=r"the repeating process did not end; expected within 0\.5 s"):
        replayed(loaded)


def test_a_run_that_stops_early_ends_its_second_build(here):
    """The process and its folder are gone."""
    replay = Replay.begin(small(here, DENSE, REPLAYED), wanted=True, cache=CACHE)
    child, folder = replay.rebuilding, Path(replay._folder.name)
    assert folder.is_dir() and child.poll() is None
    replay.stop()
    assert child.poll() is not None and not folder.exists()


def test_a_policy_that_does_not_ask_starts_nothing(here, started):
    """No integrity row, no process, and no digest that could pass for one."""
    trial = observe(small(here, DENSE))
    assert started == [] and trial.candidate.integrity.replayed == {}


def test_digests_are_of_the_rankings_and_the_parts(here):
    """Another document in another place, or one byte of a part: another digest; the run manifest is left out."""
    loaded = small(here, DENSE, "[{measure: RR, at_least: 0}]")
    one = observe(loaded).candidate
    assert rankings_digest(one) == rankings_digest(observe(loaded).candidate)
    run = one.task("search").run
    turned = replace(one.task("search"), run=replace(run, doc=run.doc[::-1].copy()))
    assert rankings_digest(one) != rankings_digest(replace(one, tasks={"search": turned}))
    folder = Path("artifacts/small")
    before = parts_digest(folder)
    facts = json.loads((folder / "run_manifest.json").read_bytes())
    (folder / "run_manifest.json").write_text(json.dumps(facts | {"git_commit": "other"}), encoding="utf-8")
    assert parts_digest(folder) == before
    (folder / "index" / "index.faiss").write_bytes(b"other")
    assert parts_digest(folder) != before
