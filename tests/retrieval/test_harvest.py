"""The latency harvest: decided on an injected clock, so that each claim is about the rule and not about the machine."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from harness.data.canonical import digest_of
from harness.errors import InputError
from harness.estimators.quantiles import quantile_difference
from harness.report.harvest_picture import harvest_svg
from harness.retrieval.harvest import Harvest, Requests, harvest, jaccard
from harness.retrieval.harvest_cells import Limits, blamed, choose, frontier
from harness.retrieval.harvest_pages import drop, resident
from harness.retrieval.harvest_timing import Setting, timed_warm
from harness.retrieval.indexes import FaissIndex

N = 300
EFS, TOPKS = (20, 30, 40), (10, 12)
DEFAULT = Setting(40, 12)


class Machine:
    """A clock, and indexes that move it: `cost(ef, topk, request, cold, call)` in ms for each single search."""

    def __init__(self, queries, cost):
        self.now, self.calls, self.cost, self.cold, self.order = 0.0, 0, cost, False, []
        self.index = None
        self.place = {row.tobytes(): at for at, row in enumerate(queries)}

    def clock(self):
        return self.now

    def drop(self, path):
        self.cold = True
        return 0.0

    def load(self, path):
        if self.index is not None:  # reading the same bytes again shows nothing here
            return self.index
        machine, index = self, FaissIndex.load(path)
        plain = index.search

        def search(vectors, *, k):
            if len(vectors) == 1:
                request = machine.place[vectors[0].tobytes()]
                machine.calls += 1
                machine.order.append((index.ef_search, k, request))
                machine.now += machine.cost(index.ef_search, k, request, machine.cold, machine.calls) / 1000.0
                return None
            return plain(vectors, k=k)

        index.search, self.index = search, index
        return index


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(1500, 16)).astype(np.float32)
    path = tmp_path_factory.mktemp("harvest") / "a.hnsw"
    FaissIndex("hnsw", links=16, ef_construction=60).build(vectors).save(path)
    queries = rng.normal(size=(N, 16)).astype(np.float32)
    return path, queries, FaissIndex.load(path)


def base(request):
    """A request's own share of the time: some are slower than others, by less than a factor of two."""
    return 1.0 + 0.5 * ((request * 7919) % N) / N


def plain(ef, topk, request, cold, call):
    """Time grows with ef, warm and cold."""
    return base(request) * (3.0 if cold else 1.0) * ef / 40.0


def noise(ef, topk, request, cold, call):
    """Time that knows nothing of the setting."""
    return base((request * 31 + call * 17) % N)


def run(world, cost, *, quality=None, seed=4, repeats=2, cold=100, **options):
    path, queries, index = world
    machine = Machine(queries, cost)
    index.ef_search = 40
    lift = 0.4 + 0.2 * (np.arange(N) % 7) / 7
    options = {"drop": machine.drop, "baseline_values": lift - 0.1 * (np.arange(N) % 3), **options}
    found = harvest(path, queries, quality or (lambda hits: lift), index.search(queries, k=12), seed=seed, efs=EFS,
                    topks=TOPKS, default=DEFAULT, requests=Requests(200, repeats, cold, 1), clock=machine.clock,
                    load=machine.load, **options)
    return found, machine


@pytest.fixture(scope="module")
def sound(world):
    return run(world, plain)[0]


@pytest.fixture(scope="module")
def even(world):
    """Eight draws in which no setting is faster than another."""
    return [run(world, noise, seed=seed)[0] for seed in range(8)]


def cell_at(found, ef, topk):
    return next(cell for cell in found.cells if cell.setting == Setting(ef, topk))


def test_the_fastest_sound_setting_is_taken(sound):
    """Where ef alone costs time and nothing is lost, the smallest ef is taken, and with it the most hits it allows."""
    assert sound.choice.verdict == "PASS"
    assert sound.choice.setting == Setting(20, 12)
    chosen = sound.chosen
    assert chosen.warm.high < 0 and chosen.cold.high < 0 and chosen.delta.low >= 0 and chosen.jaccard.low >= 0.8
    assert chosen.p95.n == 200 and chosen.cold.n == 100 and chosen.delta.n == N


def test_noise_is_never_chosen(even):
    """Settings that cost the same leave the default standing in each of eight draws."""
    found = [harvested.choice for harvested in even]
    assert {choice.setting for choice in found} == {DEFAULT}
    assert all("default kept" in choice.reason for choice in found)
    assert {choice.verdict for choice in found} == {"INCONCLUSIVE"}


def test_a_cold_start_is_timed_where_it_can_decide(sound, even):
    """Settings told apart from the default when warm, the fastest, and the default itself: no other is timed cold."""
    assert {cell.setting.ef for cell in sound.cells if cell.cold is not None} == {20, 30, 40}
    for found in even:
        told = {cell.setting for cell in found.cells if cell.cold is not None}
        shown = {cell.setting for cell in found.cells if cell.warm.low > 0.0 or cell.warm.high < 0.0}
        assert told >= shown | {DEFAULT} and len(told - shown) <= 2 < len(found.cells)


def test_a_rule_that_takes_the_lowest_p95_picks_noise(even):
    """The twin without an interval leaves the default in those draws: the noise was there to be picked."""
    lowest = [min(harvested.cells, key=lambda cell: cell.p95.value).setting for harvested in even]
    assert sum(setting != DEFAULT for setting in lowest) >= 4


@pytest.mark.parametrize("share", [2, 10], ids=["below the p95", "above the p95"])
def test_a_tail_on_a_share_of_requests_is_refused(world, share):
    """A fast setting that takes ten times as long on 2 % or 10 % of requests is not served with."""
    def cost(ef, topk, request, cold, call):
        slow = ef == 20 and (request * 37) % 100 < share
        return plain(ef, topk, request, cold, call) * (10.0 if slow else 1.0)

    found, _ = run(world, cost)
    assert found.choice.setting.ef == 30
    assert cell_at(found, 20, 12).tail > 2 or cell_at(found, 20, 12).warm.low > 0


def test_a_tail_that_comes_and_goes_is_refused(world):
    """A stall on some calls that the best of repeats hides shows in the worst of them."""
    def cost(ef, topk, request, cold, call):
        stalls = ef == 20 and (call * 7919) % 100 < 12
        return plain(ef, topk, request, cold, call) * (1.0 if not stalls else 10.0)

    found, _ = run(world, cost, repeats=4)
    assert cell_at(found, 20, 12).warm.high < 0, "the best of repeats must be blind to it, or this shows nothing"
    assert any("comes and goes" in told for told in blamed(cell_at(found, 20, 12), found.limits))
    assert found.choice.setting.ef == 30


def test_a_setting_that_loses_quality_is_refused(world):
    """The fastest setting is passed over where its lower bound of ΔnDCG lies below 0; without the loss it is taken."""
    lift = 0.4 + 0.2 * (np.arange(N) % 7) / 7
    seen = []

    def quality(hits):
        seen.append(hits)
        return lift - (0.25 if len(seen) <= 2 else 0.0)  # the first two settings are those of ef 20

    found, _ = run(world, plain, quality=quality)
    assert cell_at(found, 20, 12).delta.high < 0
    assert found.choice.setting == Setting(30, 12)


def test_a_setting_with_other_hits_is_refused(world):
    """Jaccard below .80 against the baseline refuses all, the default with them."""
    path, queries, index = world
    found, _ = run(world, plain)
    assert found.choice.verdict == "PASS"
    machine = Machine(queries, plain)
    other = index.search(np.roll(queries, 1, axis=0), k=12)
    refused = harvest(path, queries, lambda hits: np.full(N, 0.5), other, seed=4, efs=EFS, topks=TOPKS, default=DEFAULT,
                      baseline_values=0.4 - 0.1 * (np.arange(N) % 3), requests=Requests(200, 2, 100, 1),
                      clock=machine.clock, load=machine.load, drop=machine.drop)
    assert refused.choice.verdict == "REFUSE"
    assert refused.choice.setting == DEFAULT
    assert "Jaccard" in refused.choice.reason


def test_signs_that_disagree_keep_the_default(world):
    """Faster warm and slower cold is no harvest."""
    def cost(ef, topk, request, cold, call):
        return base(request) * (ef / 40.0 if not cold else 5.0 - ef / 20.0)

    found, _ = run(world, cost)
    assert cell_at(found, 20, 12).warm.high < 0 < cell_at(found, 20, 12).cold.low
    assert found.choice.setting == DEFAULT


@pytest.mark.parametrize("stays", [None, 0.02, 1.0])
def test_pages_that_stay_leave_it_open(world, stays):
    """Where pages cannot be dropped, or nobody can tell, nothing is taken and the verdict is INCONCLUSIVE."""
    found, _ = run(world, plain, drop=lambda path: stays)
    assert all(cell.cold is None for cell in found.cells)
    assert (found.choice.verdict, found.choice.setting) == ("INCONCLUSIVE", DEFAULT)
    assert "could not be dropped" in found.choice.reason


def test_a_default_that_is_fastest_passes_as_it_stands(world):
    """Where every other setting is shown slower, keeping the default is a decision."""
    found, _ = run(world, lambda ef, topk, request, cold, call: base(request) * (2.0 if (ef, topk) != DEFAULT else 1.0))
    assert (found.choice.verdict, found.choice.setting) == ("PASS", DEFAULT)


def test_settings_are_timed_in_turns_in_a_rotating_order(world):
    """Every request meets all settings before the next comes, and each setting comes first about equally often."""
    _, machine = run(world, plain)
    warm = machine.order[: 200 * 2 * 6]
    groups = [warm[at : at + 6] for at in range(0, len(warm), 6)]
    assert all(len({request for *_, request in group}) == 1 and len(set(group)) == 6 for group in groups)
    first = [sum(group[0][:2] == (ef, topk) for group in groups) for ef in EFS for topk in TOPKS]
    assert max(first) - min(first) <= 4


def test_a_slow_minute_of_the_machine_decides_nothing(world):
    """A machine that slows down threefold half way moves no p95 difference away from 0 beyond its interval."""
    def cost(ef, topk, request, cold, call):
        return base(request) * (3.0 if call > 1200 else 1.0)

    found, _ = run(world, cost)
    assert all(cell.warm.low <= 0 <= cell.warm.high for cell in found.cells)


def test_timing_one_setting_after_another_lets_the_machine_decide(world):
    """The twin without turns calls the settings that came before the slow half faster than the one after."""
    path, queries, _ = world
    machine = Machine(queries, lambda ef, topk, request, cold, call: base(request) * (3.0 if call > 1200 else 1.0))
    index, rng = machine.load(path), np.random.default_rng(1)
    times = [timed_warm(index, queries[:200], [Setting(ef, topk)], repeats=2, clock=machine.clock, rng=rng).best[0]
             for ef in EFS for topk in TOPKS]
    assert quantile_difference(times[0], times[-1], 0.95).high < 0


def test_the_same_seed_gives_the_same_file(world, sound):
    """Two runs on one clock write the same bytes."""
    assert run(world, plain)[0].to_json() == sound.to_json()


def test_the_file_is_read_back_to_what_was_written(sound):
    """Cells, default, limits and choice survive the file; infinite ends as well."""
    again = Harvest.from_json(sound.to_json())
    assert again.to_json() == sound.to_json()
    assert again.choice == sound.choice
    held = json.loads(sound.to_json())
    assert Harvest.from_json(sound.to_json(), expected=held["digest"]).default == DEFAULT
    open_end = dataclasses.replace(sound.cells[0], p95=sound.cells[0].p95._replace(high=np.inf))
    cells = (open_end, *sound.cells[1:])
    wide = Harvest(cells, DEFAULT, sound.limits, choose(cells, DEFAULT, sound.limits))
    assert Harvest.from_json(wide.to_json()).cells[0].p95.high == np.inf


def changed(held, change):
    change(held)
    body = {key: value for key, value in held.items() if key not in ("digest", "format")}
    return json.dumps({**held, "digest": digest_of(body)})


CHANGES = {
    "another choice": lambda held: held["choice"].update(setting={"ef": 30, "topk": 10}),
    "another verdict": lambda held: held["choice"].update(verdict="REFUSE"),
    "a cell without its interval": lambda held: held["cells"][0].pop("warm"),
    "a strange key": lambda held: held["cells"][0].update(warmth=1),
    "a value outside its interval": lambda held: held["cells"][0]["warm"].update(value=99.0),
    "a cell whose loss is hidden from the choice": lambda held: held["cells"][1]["delta"].update(low=-0.1),
    "no cells": lambda held: held.update(cells=[]),
    "a default nobody tried": lambda held: held.update(default={"ef": 1, "topk": 1}),
    "a cell twice": lambda held: held["cells"].append(held["cells"][0]),
    "an ef that is no number": lambda held: held["cells"][0]["setting"].update(ef=True),
    "a frontier cut short": lambda held: held.update(frontier=[]),
    "a limit that nothing breaks": lambda held: held["limits"].update(jaccard=-1.0),
    "another limit": lambda held: held["limits"].update(jaccard=1.0),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_was_changed_is_refused(sound, change):
    """Whoever changes the file and its digest with it is told where, in one line."""
    with pytest.raises(InputError) as told:
        Harvest.from_json(changed(json.loads(sound.to_json()), change), where="latency_harvest_config.json")
    assert str(told.value).startswith("latency_harvest_config.json") and "\n" not in str(told.value)


def test_a_torn_or_tampered_file_is_refused(sound):
    """Every cut of the file, a byte changed under its digest, and another file's digest are input errors."""
    text = sound.to_json()
    for end in range(0, len(text) - 2, 97):
        with pytest.raises(InputError):
            Harvest.from_json(text[:end])
    with pytest.raises(InputError, match="not the harvest"):
        Harvest.from_json(text.replace('"n": 200', '"n": 201', 1))
    with pytest.raises(InputError, match="another harvest"):
        Harvest.from_json(text, expected="0" * 64)


def test_the_frontier_trades_time_for_quality(sound):
    """Along the frontier both p95 and quality rise, and every setting off it is beaten by one on it."""
    cells = [dataclasses.replace(cell, delta=cell.delta._replace(value=gain), p95=cell.p95._replace(value=ms))
             for cell, gain, ms in zip(sound.cells, (0.1, 0.2, 0.15, 0.3, 0.3, 0.0), (1, 2, 3, 4, 5, 6), strict=True)]
    kept = frontier(cells)
    assert [cell.p95.value for cell in kept] == [1, 2, 4]
    for cell in cells:
        assert cell in kept or any(one.p95.value <= cell.p95.value and one.delta.value >= cell.delta.value
                                   for one in kept)


@pytest.mark.parametrize(("options", "match"), [
    ({"efs": []}, "nothing to harvest"), ({"topks": [0]}, "nothing to harvest"),
    ({"requests": Requests(58, 1, 58, 1)}, "too few requests"), ({"requests": Requests(100, 0, 100, 1)}, "too few"),
    ({"quality": lambda hits: np.full(N, np.nan), "baseline_values": np.zeros(N)}, "quality: does not fit"),
    ({"quality": lambda hits: np.zeros(3), "baseline_values": np.zeros(N)}, "quality: does not fit"),
    ({"baseline_values": np.zeros(2)}, "baseline: does not fit"),
    ({"clusters": [1, 2]}, "length"),
])  # fmt: skip
def test_bad_input_is_one_line(world, options, match):
    """Empty grids, too few requests, and values that do not fit the queries are input errors."""
    path, queries, index = world
    given = {"quality": lambda hits: np.full(N, 0.5), "efs": EFS, "topks": TOPKS, "clock": lambda: 0.0, **options}
    quality = given.pop("quality")
    with pytest.raises(InputError, match=match):
        harvest(path, queries, quality, index.search(queries, k=10), seed=1, **given)


@pytest.mark.parametrize("limits", [{"jaccard": 1.2}, {"tail": 0.5}, {"delta": float("nan")}])
def test_limits_outside_what_they_limit_are_refused(limits):
    """A limit that nothing could keep, or NaN, is an input error and not a verdict."""
    with pytest.raises(InputError, match="limits"):
        Limits(**limits)


def test_a_baseline_of_few_hits_is_refused(world):
    """Five hits cannot be held against ten: their Jaccard would be low for no fault of the setting."""
    path, queries, index = world
    with pytest.raises(InputError, match="too few hits"):
        harvest(path, queries, lambda hits: np.zeros(N), index.search(queries, k=5), seed=1)


def test_an_open_verdict_says_what_would_settle_it(world):
    """A setting that is faster by less than its interval is left open, with the requests that would decide."""
    def cost(ef, topk, request, cold, call):
        return noise(ef, topk, request, cold, call) * (0.985 if ef == 20 else 1.0)

    choice = run(world, cost)[0].choice
    assert (choice.verdict, choice.setting) == ("INCONCLUSIVE", DEFAULT)
    assert int(choice.reason.split("seems, ")[1].split()[0]) > 100


def test_an_index_without_a_graph_is_refused(world, tmp_path):
    """Inverted lists have no ef to try."""
    _, queries, _ = world
    FaissIndex("flat").build(queries).save(tmp_path / "flat")
    hits = FaissIndex("flat").build(queries).search(queries, k=10)
    with pytest.raises(InputError, match="has no graph"):
        harvest(tmp_path / "flat", queries, lambda hits: np.zeros(N), hits, seed=1)


def test_jaccard_is_the_literal_share():
    """Against Python's own sets, unanswered rows and shorter rankings included."""
    rng = np.random.default_rng(8)
    one, two = (np.array([rng.permutation(15)[:12] for _ in range(40)]) for _ in range(2))
    one[3, 4:] = -1
    literal = [len(set(a) & set(b)) / len(set(a) | set(b))
               for a, b in (({*x[:10]} - {-1}, {*y[:10]} - {-1}) for x, y in zip(one, two, strict=True))]
    assert jaccard(one, two) == pytest.approx(literal)
    with pytest.raises(InputError, match="do not fit"):
        jaccard(one, two[:3])


def test_pages_really_leave_memory_and_come_back(world):
    """After a drop mincore finds no page; a search on the map brings them back and holds them while it lives."""
    path = world[0]
    path.read_bytes()
    if resident(path) is None or drop(path) != 0.0:
        pytest.skip("this system cannot drop the pages of a file; the harvest is INCONCLUSIVE there")
    path.read_bytes()
    assert resident(path) == 1.0
    assert drop(path) == 0.0
    index = FaissIndex.load(path, mmap=True)
    index.search(world[1][:5], k=10)
    assert drop(path) > 0.0, "a page that is mapped stays, and is counted"
    del index
    assert drop(path) == 0.0


def test_pages_of_no_file_are_an_input_error(tmp_path):
    """A missing file and an empty one are told apart from a warm one."""
    for ask in (drop, resident):
        with pytest.raises(InputError, match="cannot be read"):
            ask(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="no pages"):
        resident(tmp_path / "empty")


def test_the_picture_shows_every_setting_and_the_choice(sound):
    """One mark for each setting, the chosen and the default named, the same bytes twice."""
    picture = harvest_svg(sound)
    assert picture == harvest_svg(sound)
    assert picture.count("<circle") == len(sound.cells)
    assert "20 × 12" in picture and "default 40 × 12" in picture and sound.choice.verdict in picture


def test_the_limits_are_the_contracts():
    """No bound moves without a test that says so."""
    assert Limits() == Limits(delta=0.0, jaccard=0.8, tail=2.0)
