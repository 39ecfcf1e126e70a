"""Properties: each holds on real small releases, its spoilt twin is found, and what goes wrong is told in one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.routed import SIGNALS, fitted_router, spend_table
from harness.errors import InputError
from harness.hunting.properties import PROPERTIES, Surface, surface_of, try_property, try_twin
from harness.hunting.reading import property_reading
from harness.hunting.relations_index import INDEX
from harness.hunting.relations_router import ROUTER
from harness.hunting.relations_surface import RouterSurface
from harness.release.judge import Verdict, judge
from harness.release.live import LiveRelease
from harness.release.observed import Observed, Trial
from harness.release.policy import Check, Limit
from harness.release.routers import signals_of
from harness.routing.teacher import RouterTeacher
from tests.release.small import DENSE, FULL, served, small

HYBRID = "{retriever: {impl: rrf}, encoder: {dims: 48}, reranker: {}}"
WORDS = "{retriever: {impl: bm25}, encoder: {dims: 16}, reranker: {impl: lambdamart}}"


@pytest.fixture(scope="module", params=[
    pytest.param(FULL, id="dense"), pytest.param(HYBRID, id="hybrid"),
    pytest.param(WORDS, id="bm25", marks=pytest.mark.slow),
])  # fmt: skip
def live(request, tmp_path_factory) -> LiveRelease:
    folder = tmp_path_factory.mktemp("hunting")
    return served(small(folder, request.param), folder)[1]


@pytest.fixture(scope="module")
def dense(tmp_path_factory) -> LiveRelease:
    folder = tmp_path_factory.mktemp("dense")
    return served(small(folder), folder)[1]


def surface(live: LiveRelease) -> Surface:
    """A release's own surface; none of these has a router, so that they all take a made one's."""
    own = surface_of(live, live.world.task("search").judge().texts)
    rows, teacher = signals_of(spend_table(), SIGNALS), fitted_router().teacher
    return replace(own, router=RouterSurface(SIGNALS, rows.min(axis=0), rows.max(axis=0),
                                             lambda asked: np.column_stack(teacher.predict(asked))))


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_property_holds_on_a_sound_release(live, name):
    """Twenty to sixty examples, real queries and real parts, and no counterexample."""
    if name in INDEX and live.first.part.impl != "dense":
        with pytest.raises(InputError, match="no vector index to try; expected a release with a dense retriever"):
            try_property(name, surface(live))
        return
    tried = try_property(name, surface(live))
    assert tried.counterexample is None and tried.examples >= 20


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_spoilt_twin_is_found(live, name):
    """The search finds what it looks for, and says it with the draws."""
    if name in INDEX and live.first.part.impl != "dense":
        with pytest.raises(InputError, match="no vector index to try"):
            try_twin(name, surface(live))
        return
    found = try_twin(name, surface(live))
    assert found.counterexample is not None and found.counterexample.startswith("draws [")


def test_a_counterexample_is_shrunk_and_a_control_is_not(dense):
    """What a person reads is the smallest break; a control only has to be one."""
    spoilt = PROPERTIES["topk_prefix"].spoilt(surface(dense))
    shrunk, control = try_property("topk_prefix", spoilt), try_twin("topk_prefix", surface(dense))
    assert shrunk.counterexample is not None and shrunk.counterexample.startswith("draws [0, 2]")
    assert control.examples < shrunk.examples


def test_the_search_repeats_itself(dense):
    """Same release, same property: the same examples and the same counterexample."""
    spoilt = PROPERTIES["topk_prefix"].spoilt(surface(dense))
    assert try_property("topk_prefix", spoilt) == try_property("topk_prefix", spoilt)


def answers(codes: list[int], scores: list[float]) -> Surface:
    def hits(texts, k):
        held, best = np.full((len(texts), k), -1, np.int64), np.full((len(texts), k), -np.inf, np.float32)
        held[:, : len(codes)], best[:, : len(codes)] = codes[:k], scores[:k]
        return held, best

    return Surface(("one query", "another"), hits, None, lambda gains, k: np.zeros(len(gains)))


def test_equal_scores_at_the_cut_may_go_either_way():
    """Two documents with one vector: which of them is last of the top k is nobody's promise, above it is."""
    def hits(texts, k):
        return answers([3, 1] if k == 2 else [3, 2, 1], [0.9, 0.5, 0.5][: 2 if k == 2 else 3]).hits(texts, k)

    assert try_property("topk_prefix", replace(answers([], []), hits=hits)).counterexample is None

    def swapped(texts, k):
        return answers([3, 1, 2] if k % 2 else [1, 3, 2], [0.9, 0.8, 0.5]).hits(texts, k)

    assert try_property("topk_prefix", replace(answers([], []), hits=swapped)).counterexample is not None


@pytest.mark.parametrize("name", ["topk_prefix", "batch_equals_single", "same_twice"])
def test_short_lists_and_none_at_all_are_sound(name):
    """A system that finds two documents, or none, breaks nothing and divides by nothing."""
    assert try_property(name, answers([4, 7], [0.5, 0.25])).counterexample is None
    assert try_property(name, answers([], [])).counterexample is None


@pytest.mark.parametrize("name", ["topk_prefix", "batch_equals_single", "same_twice"])
def test_an_unseeded_release_is_broken_even_where_no_break_repeats(name):
    """Random answers rarely break twice in the same way; that is a find, not an accident of the search."""
    rng = np.random.default_rng()  # unseeded on purpose: this is the fault

    def hits(texts, k):
        return np.array([rng.permutation(60)[:k] for _ in texts]), np.sort(rng.random((len(texts), k)))[:, ::-1]

    assert try_property(name, replace(answers([], []), hits=hits)).counterexample is not None


def test_what_the_release_raises_is_raised_as_it_is():
    """An endpoint that goes away in the middle of the search is told in its own words."""
    calls = iter(range(100))

    def hits(texts, k):
        if next(calls) > 2:
            raise InputError("no answer in time", where="http://localhost")
        return answers([1], [0.5]).hits(texts, k)

    with pytest.raises(InputError, match="http://localhost: no answer in time"):
        try_property("same_twice", replace(answers([], []), hits=hits))


def test_an_unknown_property_names_the_nearest(dense):
    """A typo in a policy is one line."""
    with pytest.raises(InputError, match=r"no such property; expected topk_prefix, .* \(nearest: topk_prefix\)"):
        try_property("top_prefix", surface(dense))


def test_no_query_is_nothing_tried():
    """Without texts nothing was shown."""
    with pytest.raises(InputError, match="nothing to try a property on"):
        try_property("same_twice", replace(answers([], []), texts=()))


def check(name: str) -> Check:
    return Check(name, f"violations of {name}", None, "all", Limit("at_most", 0.0, "value"))


def observed(live: LiveRelease | None) -> Trial:
    return Trial(Observed("small", "0" * 64, {}, live=live), None, 7)


@pytest.mark.parametrize("name", [name for name in PROPERTIES if name not in ROUTER])
def test_a_reading_carries_its_twin_as_the_control(dense, name):
    """No violation on the release, one on the twin: the gate passes, and was seen to refuse."""
    reading = property_reading(check(name), observed(dense))
    assert (reading.estimate.value, reading.estimate.high) == (0.0, 0.0) and reading.estimate.n >= 20
    assert reading.control is not None and reading.control.value == 1.0
    assert judge(check(name), reading).verdict is Verdict.PASS


def test_a_release_without_a_router_has_no_teacher_to_try(dense):
    """One line says what is lacking; nothing tried is no pass."""
    with pytest.raises(InputError, match=r"no router to try; expected a release with parts\.router"):
        property_reading(check("teacher_monotone"), observed(dense))


def test_a_teacher_that_promises_nothing_is_caught(dense):
    """Fitted without constraints to a spend that falls with entropy, it is found, and told with its draws."""
    rng = np.random.default_rng(3)
    rows = rng.random((400, 3))
    free = {output: {} for output in ("tau", "spend", "gain")}
    teacher = RouterTeacher(trees=20, monotone=free).fit(rows, SIGNALS, 0.5 - rows[:, 0], np.full(400, 1.0))
    own = replace(surface(dense), router=RouterSurface(
        SIGNALS, rows.min(axis=0), rows.max(axis=0), lambda asked: np.column_stack(teacher.predict(asked))))
    tried = try_property("teacher_monotone", own)
    assert tried.counterexample is not None and "entropy" in tried.counterexample


def test_a_broken_release_is_refused(dense, monkeypatch):
    """The same gate over a release whose reranker clings to the first hit says so, with the counterexample."""
    real = surface_of
    monkeypatch.setattr("harness.hunting.reading.surface_of",
                        lambda *words: PROPERTIES["reranker_order_blind"].spoilt(real(*words)))
    reading = property_reading(check("reranker_order_blind"), observed(dense))
    assert reading.estimate.value == 1.0 and reading.note.startswith("draws [")
    assert judge(check("reranker_order_blind"), reading).verdict is Verdict.REFUSE


def test_recorded_files_have_no_parts_to_try():
    """Properties need something that answers."""
    with pytest.raises(InputError, match="properties are tried on live parts; expected a live manifest"):
        property_reading(check("same_twice"), observed(None))


def test_a_release_without_a_second_stage_has_no_reranker_to_try(tmp_path):
    """An input error, not a property that holds because nothing was asked."""
    single = served(small(tmp_path, DENSE), tmp_path)[1]
    with pytest.raises(InputError, match="no reranker to try; expected a release with a second stage"):
        try_property("reranker_order_blind", surface(single))
