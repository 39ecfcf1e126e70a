"""The study of the latency surrogate: requests served under load, warm and cold, what is judged, and what refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fixtures.surrogate import requests_of, surrogate_of
from fixtures.trials import sound
from harness.errors import EvidenceError, InputError
from harness.latency.features import CACHE, FEATURES, STATES, states_of
from harness.latency.surrogate import LatencySurrogate
from harness.latency.surrogate_file import FILES
from harness.release.artifact_files import read_artifacts, wanted_files
from harness.release.derived import is_derived
from harness.release.judge import IN_ALL, Control, Verdict, judge
from harness.release.live import LiveRelease
from harness.release.loads import Ask, Gauge, asked, ef_of, served_at_once, served_by
from harness.release.manifest import Loaded, Manifest, load_manifest
from harness.release.mapped import MappedIndex
from harness.release.measures import read
from harness.release.measures.surrogate import EXAMPLES
from harness.release.observed import Trial
from harness.release.policy import Check, Limit
from harness.release.studied import surrogate
from harness.release.studied.paired import requests_of as queries_of
from harness.release.studied.surrogate_live import Drawn, cold_requests, smaller
from harness.release.studied.surrogate_record import CALIBRATE, NEW, TRAIN, SurrogateObserved, drawn_folds, repeated
from harness.release.study_options import SurrogateStudy
from tests.defects.gating import LIMITS
from tests.release.small import served, small

GRAPH = "{encoder: {dims: 48}, index: {impl: hnsw, ef: 40}, reranker: {impl: mlp, depth: 20}}"
POLICY = "[{measure: surrogate coverage, by: lcb, at_least: 0.95}]"
FEW = "studies: {surrogate: {rows: 40, train: 60, own: 60, predictions: 59}}\n"


def row(measure: str = "surrogate coverage", on: str = "all") -> Check:
    return Check("gate", measure, None, on, Limit(*LIMITS[measure]))


def with_record(record: SurrogateObserved) -> Trial:
    return sound(queries=20).with_study("surrogate", record)


def verdict(record: SurrogateObserved, measure: str = "surrogate coverage", on: str = "all") -> Verdict:
    """The gate's verdict, a refused control beside it."""
    worst = 0.5 if measure == "surrogate coverage" else 1e6
    control = Control("shown", 1.0, worst, worst, worst, 3300)
    return judge(row(measure, on), replace(read(with_record(record), row(measure, on)), control=control)).verdict


# measures


@pytest.mark.parametrize("measure", EXAMPLES)
def test_a_sound_surrogate_passes_every_gate(measure):
    """Covered as promised, narrower than a constant, fast, within its budget."""
    assert verdict(surrogate_of(), measure) is Verdict.PASS


def test_coverage_is_judged_in_the_state_that_keeps_least():
    """Cold requests that slow down refuse `cache=cold` and `all`; warm ones pass as before."""
    record = surrogate_of()
    cold = record.new & (record.groups == "cold")
    broken = replace(record, ms=np.where(cold, 3.0 * record.ms, record.ms))
    assert verdict(broken) is verdict(broken, on="cache=cold") is Verdict.REFUSE
    assert verdict(broken, on="cache=warm") is Verdict.PASS


def test_what_was_seen_is_told():
    """Shares of both states, the law's ends, the band; loads are said to be unpromised."""
    reading = read(with_record(surrogate_of()), row())
    assert {"share cache=warm", "share cache=cold", "slices in band"} <= set(reading.details)
    assert "of 1,650 covered after 1,650" in reading.note and "the law allows" in reading.note
    beside = read(with_record(surrogate_of()), row(on="load=2"))
    assert "nothing was promised of it alone" in beside.note


def test_far_from_the_promise_an_alarm_is_told():
    """Under 90 % covered, the note says that it were an alarm."""
    record = surrogate_of()
    slower = replace(record, ms=np.where(record.new, 3.0 * record.ms, record.ms))
    assert "an alarm were it live" in read(with_record(slower), row()).note
    assert "alarm" not in read(with_record(record), row()).note


def test_too_few_rows_are_doubt_with_the_n():
    """Three hundred rows a state that cover what they should are INCONCLUSIVE, and 1,600 are named."""
    finding = judge(row(), read(with_record(surrogate_of(rows=300)), row()))
    assert finding.verdict is Verdict.INCONCLUSIVE and finding.needed_n == 1600


@pytest.mark.parametrize("measure", EXAMPLES[:3])
def test_too_few_rows_say_how_many_it_takes_in_all(measure):
    """Training rows count among what a state takes, at the study's own options; enough rows, or a load, say nothing."""
    few = replace(surrogate_of(rows=300), train=900, rows=300)
    reading = read(with_record(few), row(measure, "cache=warm"))
    assert reading.details[IN_ALL] == 900 + 2 * 1600
    assert "4,100 requests in all" in reading.note and "studies.surrogate.rows is 300" in reading.note
    assert IN_ALL not in read(with_record(few), row(measure, "load=2")).details
    assert IN_ALL not in read(with_record(surrogate_of()), row(measure)).details


def test_a_cold_slice_that_could_not_be_had_is_never_a_pass():
    """Warm requests alone, where both states were asked for: nothing measured, n = 0; the warm slice stands."""
    record = surrogate_of()
    warm = record.groups == "warm"
    alone = SurrogateObserved(record.surrogate, record.features[warm], record.ms[warm], record.fold[warm],
                              record.own[warm], record.own_ms, record.predict_ms)
    reading = read(with_record(alone), row())
    assert reading.estimate.n == 0 and verdict(alone) is Verdict.INCONCLUSIVE
    assert verdict(alone, on="cache=cold") is Verdict.INCONCLUSIVE
    assert verdict(alone, on="cache=warm") is Verdict.PASS


def test_a_threshold_without_an_end_measures_no_width():
    """An interval to infinity is no width, no sharpness and no coverage worth having."""
    record = surrogate_of()
    held = replace(record.surrogate.thresholds, values=np.array([np.inf, np.inf]), counts=np.array([5, 5]))
    endless = replace(record, surrogate=replace(record.surrogate, thresholds=held))
    for measure in EXAMPLES[:3]:
        assert verdict(endless, measure) is Verdict.INCONCLUSIVE


def test_features_that_tell_nothing_are_no_sharper_than_a_constant():
    """Shuffled within their state they widen the intervals beyond the constant ones."""
    record, rng = surrogate_of(), np.random.default_rng(1)
    features = record.features.copy()
    for state in STATES:
        rows = np.flatnonzero(record.groups == state)
        features[rows] = features[rng.permutation(rows)]
    held = record.fold == CALIBRATE
    blunt = replace(record, features=features,
                    surrogate=record.surrogate.recalibrated(features[held], record.ms[held]))
    assert verdict(blunt, "surrogate sharpness") is Verdict.REFUSE and verdict(blunt) is Verdict.PASS


def test_no_own_requests_bound_nothing():
    """A p95 of no requests, or of fewer than 59, is no number under the budget."""
    record = surrogate_of()
    for kept in (0, 58):
        few = replace(record, own_ms=record.own_ms[:kept])
        assert verdict(few, "surrogate p95 bound ms") is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("measure", "on"), [
    ("surrogate coverage", "cache=tepid"), ("surrogate coverage", "load=3"), ("surrogate width ms", "hard"),
    ("surrogate ms", "cache=warm"), ("surrogate p95 bound ms", "load=1"),
])  # fmt: skip
def test_a_slice_that_is_none_is_told(measure, on):
    """What the study did not divide is one line."""
    with pytest.raises(InputError, match="no such slice"):
        read(with_record(surrogate_of()), row(measure, on))


def test_folds_take_their_share_of_what_there_is():
    """Short of rows, new and calibration rows stay equal and training is not left out."""
    states = np.array(["warm"] * 90 + ["cold"] * 1000)
    folds = drawn_folds(states, rows=300, train=300, rng=np.random.default_rng(1))
    assert np.bincount(folds[:90]).tolist() == [30, 30, 30] and np.bincount(folds[90:]).tolist() == [400, 300, 300]


def test_copies_of_a_row_share_one_fold_and_only_train():
    """A copy among the new rows would be one that the boosters had seen; drawn as they come, copies are parted."""
    rng = np.random.default_rng(1)
    features, ms = requests_of(600, rng=rng)
    features[1::20], ms[1::20] = features[7::20], ms[7::20]
    copies = repeated(features, ms)
    assert copies.sum() == 60 and copies[1::20].all() and copies[7::20].all()
    folds, parted = (drawn_folds(states_of(features), rows=100, train=100, rng=np.random.default_rng(1), copies=known)
                     for known in (copies, None))
    assert set(folds[copies]) == {TRAIN} and np.bincount(folds)[1:].tolist() == [200, 200]
    assert (parted[1::20] != parted[7::20]).any()


def test_a_trace_that_was_joined_to_itself_is_refused(tmp_path, monkeypatch):
    """Every row twice is half as many requests; a copy in a hundred is borne, and trains."""
    monkeypatch.chdir(tmp_path)
    twice = pd.concat([_trace(200), _trace(200)])
    with pytest.raises(InputError, match=r"row 201: rows stand more than once; .*found '200 of 400 rows'"):
        surrogate.recorded(_manifest(tmp_path, twice), lambda _: None)
    few = pd.concat([_trace(400), _trace(400).iloc[:4]])
    record = surrogate.recorded(_manifest(tmp_path, few), lambda _: None)
    assert set(record.fold[[0, 1, 2, 3, 400, 401, 402, 403]]) == {TRAIN}


# serving under load


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> tuple[Loaded, object, LiveRelease]:
    """A small release on a graph, frozen and loaded back."""
    folder = tmp_path_factory.mktemp("graph")
    loaded = small(folder, GRAPH, POLICY, more=FEW)
    return (loaded, *served(loaded, folder))


def _asks(live: LiveRelease, n: int) -> list[Ask]:
    rows = queries_of(live.world, (), 50, seed=1)
    return [Ask(rows[place % len(rows)]) for place in range(n)]


def test_a_gauge_counts_what_is_in_flight_and_forgets_no_wait():
    """Three arrive, two finish: the next is the second in flight, and knows the slower of the two."""
    gauge = Gauge()
    assert [gauge.arrived()[0] for _ in range(3)] == [1, 2, 3]
    gauge.done(1.0)
    gauge.done(9.0)
    assert gauge.arrived() == (2, 9.0)


def test_several_are_in_flight_and_each_is_served_once(graph):
    """Four threads: every request answered in its place, and none sees more than four in flight."""
    live, asks = graph[2], _asks(graph[2], 60)
    found = served_by(live, asks, flying=4, gauge=Gauge())
    assert [one.features.length for one in found] == [len(ask.request.text.split()) for ask in asks]
    assert {one.features.load for one in found} <= {1, 2, 3, 4} and max(one.features.load for one in found) > 1
    assert {one.features.load for one in served_by(live, asks[:20], flying=1, gauge=Gauge())} == {1}


def test_answers_under_load_are_those_of_one_at_a_time(graph):
    """Four threads and one get the same documents in the same order: nothing that is written is shared."""
    live, asks = graph[2], _asks(graph[2], 60)

    def answered(ask: Ask) -> list[int]:
        return live.search(ask.request.text, own=ask.request.own).codes.tolist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(answered, asks)) == [answered(ask) for ask in asks]


def test_a_request_without_settings_of_its_own_is_the_releases_own(graph):
    """The very release serves it; fewer hits and a planned rerank make another, with that spend."""
    live = graph[2]
    ask = _asks(live, 1)[0]
    assert asked(live, ask) is live
    other = asked(live, ask._replace(topk=30, spend=5)).search(ask.request.text, own=ask.request.own)
    assert other.spend == 5 and (other.before.codes[0] >= 0).sum() <= 31
    assert live.search(ask.request.text, own=ask.request.own).spend == 20


def test_what_could_not_be_made_cold_is_not_served(graph):
    """Pages that stay leave no request behind that could be called cold."""
    live, asks = graph[2], _asks(graph[2], 2)
    with ThreadPoolExecutor(2) as pool:
        assert served_at_once(live, asks, gauge=Gauge(), pool=pool, cool=lambda: False) == []
        found = served_at_once(live, asks, gauge=Gauge(), pool=pool, cool=lambda: True)
    assert [one.features.cache for one in found] == [1.0, 1.0]


def test_an_index_is_cold_only_where_its_pages_are_seen_to_be_gone(graph, monkeypatch):
    """Pages that stay, or that nobody can count, are not cold; an index answers as before once it is mapped."""
    _, built, live = graph
    mapped = MappedIndex.open(built.folders["index"] / "index.faiss")
    vectors = live.first.vectors(["sort an array"])
    for left, cold in ((0.0, True), (0.5, False), (None, False)):
        monkeypatch.setattr("harness.release.mapped.drop", lambda _, left=left: left)
        assert mapped.cool() is (cold and bool(mapped.spans))
    assert np.array_equal(mapped.graph.search(vectors, k=5).codes, live.first.index.search(vectors, k=5).codes)
    assert not mapped._replace(spans=()).cool()


def test_a_machine_that_cannot_cool_serves_nothing_cold(graph, monkeypatch):
    """After as many rounds on end as are tried, the cold slice stays empty, and says so by its n."""
    loaded, built, live = graph
    monkeypatch.setattr("harness.release.mapped.drop", lambda _: 1.0)
    drawn = Drawn(queries_of(live.world, (), 50, seed=1), (60, 100), (0, 20))
    options = loaded.manifest.studies.surrogate
    assert cold_requests(live, built.folders["index"], drawn, options, rng=np.random.default_rng(1),
                         tell=lambda _: None) == []
    assert cold_requests(live, None, drawn, options, rng=np.random.default_rng(1), tell=lambda _: None) == []


@pytest.mark.parametrize(("index", "ef"), [("{impl: hnsw, ef: 40}", 40), ("{nlist: 3}", 0), ("{impl: flat}", 0)])
def test_a_smaller_index_is_the_releases_own_over_fewer_documents(index, ef, tmp_path):
    """Half of the documents under their own codes, walked as the whole is; a graph tells its ef, other kinds 0."""
    loaded = small(tmp_path, f"{{encoder: {{dims: 48}}, index: {index}}}")
    live = served(loaded, tmp_path)[1]
    half = smaller(live, 0.5)
    found = half.search("sort an array").before.codes
    assert half.first.index.kind == live.first.index.kind and ef_of(half.first.index) == ef
    assert set(half.first.index.ids) < set(live.first.index.ids) and set(found[found >= 0]) <= set(half.first.index.ids)
    assert len(half.first.index.ids) == round(len(live.first.index.ids) / 2)
    if half.first.index.has_cells:  # 75 documents are too few for more than one
        assert half.first.index.nprobe == min(live.first.index.nprobe, len(half.first.index.cell_sizes()))


def test_no_more_are_reranked_than_were_found():
    """Rungs above the hits that are asked for are not drawn; half of the requests are left to the rule."""
    drawn = Drawn([ask for ask in [queries_of(sound_world(), (), 3, seed=1)] for ask in ask], (20,), (0, 20, 50))
    asks = drawn.asks(400, np.random.default_rng(1))
    assert {ask.spend for ask in asks} == {None, 0, 20}
    assert 150 < sum(ask.spend is None for ask in asks) < 250


def sound_world():
    from fixtures.tiny_corpus import tiny_world

    return tiny_world(seed=1)


# the study


def test_a_live_release_is_served_fitted_written_and_read_back(graph):
    """Both sizes of the index, both walks, all loads; folds of each state; files that load; times of predictions."""
    loaded, built, live = graph
    assert surrogate.wanted(loaded.manifest)
    told: list[str] = []
    candidate = replace(sound(queries=20).candidate, live=live, tasks={})
    record = surrogate.observe(loaded, built, candidate, None, told.append)
    column = {name: set(record.features[:, at]) for at, name in enumerate(FEATURES)}
    warm = record.groups == "warm"
    assert column["ef"] == {40.0, 80.0} and len(column["size"]) == 2 and column["topk"] == {60.0, 100.0}
    assert len(record.own_ms) == 60 and (record.own_ms <= record.ms[record.own]).all()
    assert record.own.sum() == 60 and set(record.features[record.own, FEATURES.index("load")]) == {1.0}
    assert record.states == STATES and record.counts("cache=warm")[1:] == (40, 40)
    assert len(record.predict_ms) == 59 and (record.ms > 0.0).all() and warm.sum() >= 140
    folder = built.folders["world"].parent
    assert LatencySurrogate.load(folder).texts == record.surrogate.texts
    assert live.first.index.ef_search == 40 and any("cold" in line for line in told)


def test_the_files_follow_from_a_run_and_are_read_with_distrust(graph, tmp_path):
    """They are no part of the release, wanted where the policy measures them, and refused where touched."""
    loaded = graph[0]
    assert all(is_derived(name) for name in FILES) and FILES[0] in wanted_files(loaded)
    surrogate_of().surrogate.save(tmp_path)
    assert set(read_artifacts(loaded, tmp_path)) == {FILES[0]}
    (tmp_path / FILES[1]).write_text("tree\n")
    with pytest.raises(EvidenceError, match="cannot be believed"):
        read_artifacts(loaded, tmp_path)


def test_a_prediction_is_timed_one_request_at_a_time():
    """Each by the clock that is lent, the fastest of its passes, the first pass not counted."""
    ticks = iter(np.cumsum([0, 1, 0, 1, 0, 9, 0, 2, 0, 4, 0, 7]).tolist())  # three passes of two predictions
    times = surrogate.predict_times(surrogate_of().surrogate, surrogate_of().features[:9], most=2, repeats=2,
                                    clock=lambda: float(next(ticks)))
    assert times.tolist() == [4000.0, 2000.0]


# recorded


def _trace(rows: int = 400) -> pd.DataFrame:
    features, ms = requests_of(rows, rng=np.random.default_rng(1))
    frame = pd.DataFrame(features, columns=list(FEATURES))
    frame["cache"] = np.where(features[:, CACHE] == 1.0, "cold", "warm")
    return frame.assign(total_ms=ms)


def _manifest(folder: Path, frame: pd.DataFrame | None) -> Loaded:
    trace = "trace: {parquet: trace.parquet}, " if frame is not None else ""
    if frame is not None:
        frame.to_parquet(folder / "trace.parquet")
    (folder / "m.yaml").write_text(
        "release: m\nseed: 1\ndata: {qrels: {trec: q}}\nrecorded: {candidate: {run: {trec: r}}}\n"
        f"studies: {{surrogate: {{{trace}rows: 50, train: 100}}}}\npolicy: {POLICY}\n", encoding="utf-8")
    return load_manifest(folder / "m.yaml")


def test_a_trace_of_ones_own_is_studied_alike(tmp_path, monkeypatch):
    """Ten features and a latency a row; caches by name or number; the own requests by a column, or warm and alone."""
    monkeypatch.chdir(tmp_path)
    record = surrogate.recorded(_manifest(tmp_path, _trace()), lambda _: None)
    alone = (record.groups == "warm") & (record.features[:, FEATURES.index("load")] == 1.0)
    assert record.counts("cache=cold")[1:] == (50, 50) and (record.own == alone).all()
    frame = _trace().assign(cache=np.arange(400) % 2, own=np.arange(400) < 100)
    again = surrogate.recorded(_manifest(tmp_path, frame), lambda _: None)
    assert again.own.sum() == 100 and (again.features == record.features).all()
    assert again.surrogate.texts == record.surrogate.texts
    assert (record.fold == NEW).sum() == 100 and states_of(record.features).tolist() == record.groups.tolist()


def test_a_trace_of_warm_requests_alone_promises_nothing_cold(tmp_path, monkeypatch):
    """Its states are those it holds."""
    monkeypatch.chdir(tmp_path)
    frame = _trace(800)
    record = surrogate.recorded(_manifest(tmp_path, frame[frame["cache"] == "warm"]), lambda _: None)
    assert record.states == ("warm",)
    with pytest.raises(InputError, match="no such slice"):
        record.mask("cache=cold")


@pytest.mark.parametrize(("change", "told"), [
    (lambda frame: frame.drop(columns="recent_p95"), "recent_p95"),
    (lambda frame: frame.drop(columns="total_ms"), "total_ms"),
    (lambda frame: frame.assign(entropy=np.nan), "row 1, column entropy: not a finite number"),
    (lambda frame: frame.assign(cache="tepid"), "column cache"),
    (lambda frame: frame.assign(cache=frame["cache"] == "cold"), "row 1, column cache: .*warm or cold, or 0 or 1"),
    (lambda frame: frame.assign(cache=np.where(frame["cache"] == "cold", "miss", "hit")), "1 = cold.*found 'hit'"),
    (lambda frame: frame.drop(columns=["size", "load", "total_ms"]), "column size, load, total_ms: missing columns"),
    (lambda frame: frame.assign(total_ms=0.0), "row 1, column total_ms: not a latency"),
    (lambda frame: frame.assign(load="many"), "column load"), (lambda frame: frame[:0], "no rows"),
])  # fmt: skip
def test_a_trace_that_lacks_something_is_one_line(change, told, tmp_path, monkeypatch):
    """A column that is missing, a feature that is none, no row: by file, row and column, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=told) as error:
        surrogate.recorded(_manifest(tmp_path, change(_trace())), lambda _: None)
    assert "\n" not in str(error.value) and "trace.parquet" in str(error.value)
    assert not (tmp_path / "artifacts").exists()


@pytest.mark.parametrize(("measure", "on", "told"), [
    ("surrogate coverage", "cache=tepid", r"one of all, cache=warm, cache=cold, load=1.*\(nearest: cache="),
    ("surrogate width ms", "load=3", "no such slice; expected one of all"),
    ("surrogate ms", "cache=warm", "no such slice; expected all, found 'cache=warm'"),
])  # fmt: skip
def test_a_slice_that_no_request_is_of_is_told_before_anything_is_fitted(measure, on, told, tmp_path, monkeypatch):
    """By manifest and gate, of a trace and of a live release; nothing is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LatencySurrogate, "fit", None)
    loaded = _manifest(tmp_path, _trace())
    policy = ({"measure": measure, "at_most": 1.0, "slices": [on]},)
    asked = Manifest.model_validate({**loaded.manifest.model_dump(by_alias=True, exclude_none=True), "policy": policy})
    with pytest.raises(InputError, match=told) as error:
        surrogate.recorded(replace(loaded, manifest=asked), lambda _: None)
    assert "m.yaml, gate" in str(error.value) and measure in str(error.value)
    assert not (tmp_path / "artifacts").exists()


def test_without_a_trace_it_is_told_what_is_expected(tmp_path):
    """Recorded files without live parts need one."""
    with pytest.raises(InputError, match=r"studies.surrogate.trace: no trace of requests; expected a Parquet file"):
        surrogate.recorded(_manifest(tmp_path, None), lambda _: None)


def test_a_trace_is_a_parquet_file():
    """Another format is refused where the manifest is read."""
    with pytest.raises(ValueError, match="a trace of requests is a Parquet file"):
        SurrogateStudy.model_validate({"trace": {"csv": "a.csv"}})
