"""The latency harvest as a study: what is read of the chosen setting, what cold says, and a live release's harvest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.contract import harvested_of
from fixtures.trials import sound
from harness.errors import InputError
from harness.release.judge import Verdict, judge
from harness.release.keep import keep_records
from harness.release.measures import family_of, read
from harness.release.observed import Trial
from harness.release.policy import Check, Limit
from harness.release.studied import harvested
from harness.release.studied.harvested import CONFIG, HarvestObserved, first_hits
from harness.report.gather import pictures_of
from harness.retrieval.harvest import Harvest
from tests.release.small import served, small

FEW = sound(queries=20)
GRAPH = "{encoder: {dims: 48}, index: {impl: hnsw, m: 8, ef: 32}"
POLICY = "[{measure: RR, at_least: 0.1}, {measure: harvest p95 change, by: ucb, at_most: 0}]"
OPTIONS = ("baseline: plain\nstudies: {harvested: {efs: [16, 32], topks: [20], warm: 59, warm_repeats: 1, cold: 59, "
           "cold_repeats: 1}}\n")


def row(measure: str, bound: float = 0.0, *, by: str = "ucb") -> Check:
    way = "at_least" if by == "lcb" else "at_most"
    return Check("gate", f"harvest {measure}", None, "all", Limit(way, bound, by))


def with_record(record: HarvestObserved) -> Trial:
    return replace(FEW, candidate=replace(FEW.candidate, studies={"harvested": record}))


def test_each_number_is_that_of_the_chosen_setting():
    """104 × 80 is chosen: .2 ms faster, .05 better (a loss of -.05), .95 alike."""
    trial = with_record(harvested_of())
    found = {name: read(trial, row(name)).estimate for name in ("p95 change", "nDCG@10 loss", "Jaccard@10")}
    assert found["p95 change"][:3] == pytest.approx((-0.2, -0.25, -0.15)) and found["p95 change"].unit == "ms"
    assert found["nDCG@10 loss"][:3] == pytest.approx((-0.05, -0.07, -0.03))
    assert found["Jaccard@10"].low == pytest.approx(0.94)
    details = read(trial, row("p95 change")).details
    assert (details["ef"], details["hits"], details["verdict"]) == (104.0, 80.0, "PASS")


def test_where_the_default_stands_its_change_is_no_pass():
    """A setting beside itself is 0 with a width: INCONCLUSIVE, and the note says how many requests would settle it."""
    record = harvested_of().harvest
    noisy = tuple(replace(cell, warm=cell.warm._replace(low=cell.warm.value - 0.3, high=cell.warm.value + 0.3))
                  for cell in record.cells)
    again = harvested_again(record, noisy)
    finding = judge(row("p95 change"), read(with_record(HarvestObserved(again)), row("p95 change")))
    assert again.choice.setting == again.default and finding.verdict is Verdict.INCONCLUSIVE
    assert "would settle it" in finding.reading.note


def harvested_again(record: Harvest, cells) -> Harvest:
    from harness.retrieval.harvest_cells import choose

    return replace(record, cells=cells, choice=choose(cells, record.default, record.limits))


def test_signs_are_counted_where_a_difference_is_shown_warm():
    """Two of three settings are shown faster warm and cold; turned about when cold, each counts; noise has no sign."""
    record = harvested_of().harvest
    check = row("sign disagreements", by="value")
    assert read(with_record(harvested_of()), check).estimate[:4] == (0.0, 0.0, 0.0, 2)
    turned = tuple(replace(cell, cold=cell.cold._replace(value=0.4, low=0.2, high=0.6)) for cell in record.cells)
    assert read(with_record(HarvestObserved(replace(record, cells=turned))), check).estimate.value == 2.0
    blurred = tuple(replace(cell, cold=cell.cold._replace(value=0.4, low=-5.0, high=6.0)) for cell in record.cells)
    assert read(with_record(HarvestObserved(replace(record, cells=blurred))), check).estimate.n == 0
    finding = judge(check, read(with_record(harvested_of(cold=False)), check))
    assert finding.verdict is Verdict.INCONCLUSIVE and finding.reading.estimate.n == 0


def test_names_and_slices_are_told():
    """The family owns its four names; a slice is no business of it; without the study nothing is read."""
    assert family_of("harvest Jaccard@10") == "harvested"
    with pytest.raises(InputError, match="unknown measure"):
        family_of("harvest p99 change")
    with pytest.raises(InputError, match="one for all queries"):
        read(with_record(harvested_of()), replace(row("p95 change"), slice="hard"))
    with pytest.raises(InputError, match="the study was not made"):
        read(replace(FEW, candidate=replace(FEW.candidate, studies={})), row("p95 change"))


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A small graph with a reranker, frozen and loaded, and the same without."""
    folder = tmp_path_factory.mktemp("graph")
    loaded = small(folder, GRAPH + ", reranker: {impl: mlp, depth: 10}}", POLICY, more=OPTIONS)
    return loaded, *served(loaded, folder), served(small(folder, GRAPH + "}", name="plain"), folder)[1]


def test_first_hits_are_what_the_release_serves(live):
    """Given its own first stage's hits, the first ten are those of its answers, rerank and own document included."""
    release = live[2]
    task = next(task for task in release.world.tasks.values() if task.contexts is None).judge()
    vectors = release.first.vectors(task.texts)
    found = first_hits(release, task, vectors, release.first.hits(task.texts, vectors, k=101))
    run = release.answer(task).run
    served_first = {name: [] for name in task.query_ids}
    for query, doc in zip(run.query[run.rank <= 10], run.doc[run.rank <= 10], strict=True):
        served_first[run.queries[query]].append(run.docs[doc])
    ids = np.array([*release.world.corpus.ids, None], dtype=object)
    assert [[doc for doc in ids[codes] if doc is not None] for codes in found] == list(served_first.values())


def test_a_live_graph_is_harvested_on_a_copy_and_its_file_read_back(live, monkeypatch):
    """Two settings timed and judged; the frozen index and its folder keep their bytes, and no copy is left."""
    loaded, built, release, other = live
    index = built.folders["index"] / "index.faiss"
    before, root = index.read_bytes(), built.folders["index"].parent
    sides = [replace(FEW.candidate, live=release, tasks={}), replace(FEW.baseline, live=other, tasks={})]
    assert harvested.wanted(loaded.manifest)
    whole = [task for task in release.world.tasks.values() if task.contexts is None]  # the judged are too few
    halves = [whole[0].only(np.arange(len(whole[0])) % 2 == half) for half in (0, 1)]
    monkeypatch.setattr(harvested, "_tasks", lambda _: halves)
    record = harvested.observe(loaded, built, *sides, lambda _: None)
    assert [cell.setting for cell in record.harvest.cells] == [(16, 20), (32, 20)]
    assert record.harvest.default == (32, 20) and index.read_bytes() == before
    again = Harvest.from_json((root / CONFIG).read_bytes())
    assert again.choice == record.harvest.choice
    assert not list(root.parent.glob(".harvest-*"))
    with pytest.raises(InputError, match="nothing to harvest against"):
        harvested.observe(loaded, built, sides[0], None, lambda _: None)


def test_a_release_without_a_graph_is_told(tmp_path):
    """Cells are no graph: one line, before anything is timed."""
    loaded = small(tmp_path, "{encoder: {dims: 16}, index: {nlist: 3}}", POLICY, more=OPTIONS)
    built, release = served(loaded, tmp_path)
    sides = [replace(one, live=release) for one in (FEW.candidate, FEW.baseline)]
    with pytest.raises(InputError, match=r"no graph to harvest; expected hnsw, found 'ivf_flat'"):
        harvested.observe(loaded, built, *sides, lambda _: None)


def test_the_harvest_is_kept_beside_the_evidence_and_drawn(tmp_path):
    """A run keeps the settings it tried, and the report draws them; a file that was touched is refused."""
    keep_records(with_record(harvested_of()), (), tmp_path)
    assert "104 × 80" in pictures_of(tmp_path, [])["Latency harvest"]
    (tmp_path / CONFIG).write_text((tmp_path / CONFIG).read_text(encoding="utf-8").replace("104", "105"),
                                   encoding="utf-8")
    with pytest.raises(InputError, match="not the harvest that was written"):
        pictures_of(tmp_path, [])
