"""Small changes: found on one half, judged on the other, and seldom suggested where nothing helps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from fixtures.answers import answers_world
from harness.errors import InputError
from harness.generation.extractive import ExtractiveReader
from harness.generation.passages import passages_of
from harness.release.asking import Asking
from harness.release.live import LiveRelease
from harness.release.manifest import parse_manifest
from harness.retrieval.bm25 import Bm25
from harness.triage.nudges import EVERYWHERE, Option, halves, judged
from harness.triage.options import tried_answers, tried_ranking
from tests.release.small import served, small

WORLDS = 300
CLUSTERS = tuple(f"{'ab'[row % 2]}.m{row // 10:02d}" for row in range(400))
LESS, MORE = Option("cap", "2", "1", by_domain=True), Option("cap", "2", "3", by_domain=True)


def test_halves_are_whole_modules_and_the_seeds_own():
    """No module is in both; another seed deals them otherwise."""
    one, two = halves(CLUSTERS, seed=1), halves(CLUSTERS, seed=2)
    for half in (one, two):
        names = np.array(CLUSTERS)
        assert not set(names[half]) & set(names[~half]) and 0.45 < half.mean() < 0.55
    assert not np.array_equal(one, two)


def test_where_nothing_helps_a_nudge_is_seldom_suggested_and_judging_on_the_searched_half_is_caught():
    """Ten options of noise: at most one week of twenty suggests any; the twin that judges where it searched, many."""
    rng, suggested = np.random.default_rng(3), {"other half": 0, "same half": 0}
    options = [Option(f"knob{number // 5}", "0", str(number)) for number in range(10)]
    for _ in range(WORLDS):
        base = np.full(400, 0.5)
        tried = {one: base + rng.choice([-0.3, 0.0, 0.0, 0.3], 400) for one in options}
        suggested["other half"] += any(one.suggested for one in judged(base, tried, CLUSTERS, seed=1))
        search = halves(CLUSTERS, seed=1)
        twin = {one: np.where(search, values, _mirrored(values, search)) for one, values in tried.items()}
        suggested["same half"] += any(one.suggested for one in judged(base, twin, CLUSTERS, seed=1))
    limit = binom.isf(1e-6, WORLDS, 0.05)
    assert suggested["other half"] <= limit < suggested["same half"], suggested


def _mirrored(values, search):
    """The values of the searched half, in order, in the place of the other's: judged where it was found."""
    found = np.empty(len(values))
    found[~search] = np.resize(values[search], (~search).sum())
    return found


def test_a_gain_in_one_domain_is_found_there_and_not_in_the_other():
    """Up on `a` for one option, on `b` for the other: each is suggested where it helps; everywhere the two cancel."""
    base = np.full(400, 0.5)
    sign = np.where(np.array([name[0] == "a" for name in CLUSTERS]), 0.2, -0.2)
    noise = np.random.default_rng(1).normal(0, 0.02, 400)
    found = judged(base, {LESS: base - sign + noise, MORE: base + sign + noise}, CLUSTERS, seed=1)
    assert {(one.domain, one.option.after) for one in found if one.suggested} == {("a", "3"), ("b", "1")}
    assert all(one.effect.value == pytest.approx(0.2, abs=0.02) for one in found if one.suggested)
    assert all(not one.suggested for one in found if one.domain == EVERYWHERE)


def test_the_more_are_judged_the_wider_each_interval():
    """Bonferroni: the level is shared by what was judged."""
    rng = np.random.default_rng(2)
    base = np.full(400, 0.4)
    gain = base + rng.normal(0.05, 0.2, 400).clip(-0.4, 0.4)
    one = Option("knob", "1", "2")
    (alone,) = judged(base, {one: gain}, CLUSTERS, seed=1)
    many = judged(base, {one: gain, **{Option(f"k{n}", "1", "2"): gain for n in range(9)}}, CLUSTERS, seed=1)
    assert len(many) == 10 and alone.effect.confidence == pytest.approx(0.9)
    assert many[0].effect.confidence == pytest.approx(0.99) and many[0].effect.low < alone.effect.low


def test_what_gained_nothing_where_it_was_searched_is_not_judged():
    """No nudge, and no interval that would have to be corrected for."""
    base = np.full(400, 0.5)
    assert judged(base, {LESS: base, MORE: base - 0.1}, CLUSTERS, seed=1) == []


@pytest.mark.parametrize(("clusters", "n", "line"), [
    (CLUSTERS, 399, "columns differ in length"), (("a.m",) * 400, 400, "too few modules for two halves")])
def test_what_cannot_be_judged_is_one_line(clusters, n, line):
    """Other queries, or one module."""
    with pytest.raises(InputError, match=line):
        judged(np.zeros(400), {LESS: np.ones(n)}, clusters, seed=1)


def test_a_hybrid_is_tried_with_other_weights_and_left_as_it_was(tmp_path):
    """Words weigh a fifth less and a quarter more; the release ranks as before; a dense one has no weights."""
    _, live = served(small(tmp_path, parts="{encoder: {dims: 48}, index: {nlist: 3}, retriever: {impl: rrf}}"),
                     tmp_path)
    task = live.world.task("search").fit()
    before = live.answer(task).run
    tried = tried_ranking(live, task)
    assert [one.after for one in tried.options] == ["[0.8, 1]", "[1.25, 1]"]
    after = live.answer(task).run
    assert np.array_equal(before.doc, after.doc) and np.array_equal(before.score, after.score)
    whole = replace(live, first=replace(live.first, part=live.first.part.model_copy(update={"weights": (1.25, 1.0)})))
    assert np.array_equal(tried_ranking(whole, task).base, tried.options[list(tried.options)[1]])
    _, dense = served(small(tmp_path / "dense", parts="{encoder: {dims: 48}, index: {nlist: 3}}"), tmp_path / "dense")
    assert tried_ranking(dense, task).options == {}


def asking(folder: Path) -> Asking:
    """Twelve documents and a reader of them."""
    world = answers_world()
    raw = (b"release: r\nseed: 42\ndata: {corpus: pyanswers}\nparts: {retriever: {impl: bm25}, reader: {documents: 5, "
           b"passages: 3, per_document: 2}}\npolicy: [{measure: answer F1, at_least: 0.2}]\n")
    manifest = parse_manifest(raw, where="r")
    Bm25().fit([one.text for one in world.corpus.documents]).save(folder / "lexical")
    passages_of(world.corpus, chunk_words=80).save(folder / "passages")
    live = LiveRelease.load(manifest, world, {"lexical": folder / "lexical"})
    return Asking.of(live, manifest, {"passages": folder / "passages"})


def test_a_reader_is_tried_with_other_caps_and_chunks(tmp_path):
    """One passage a document more and less, chunks a fifth shorter and a quarter longer; each read by sentences."""
    one = asking(tmp_path)
    task = one.live.world.task("answers").fit()
    tried = tried_answers(one, task, one.live.world)
    assert [(option.knob, option.after) for option in tried.options] == [
        ("per_document", "1"), ("per_document", "3"), ("chunk_words", "64"), ("chunk_words", "100")]
    assert all(len(values) == len(task) for values in (tried.base, *tried.options.values()))
    assert (one.chooser.per_document, type(one.reader)) == (2, ExtractiveReader)
    short = replace(one, chooser=replace(one.chooser, per_document=1))
    assert np.array_equal(tried_answers(short, task, one.live.world).base, tried.options[next(iter(tried.options))])


def test_halves_are_even_however_large_the_modules_are():
    """One module of a hundred among small ones: by a hash alone one half could have next to nothing."""
    clusters = ("a.big",) * 100 + tuple(f"a.m{row // 4}" for row in range(120)) + ("b.one",) * 60 + ("b.two",) * 50
    for seed in range(20):
        half = halves(clusters, seed=seed)
        for package in ("a", "b"):
            rows = np.array([name.startswith(package) for name in clusters])
            assert 0.4 < half[rows].mean() < 0.6
