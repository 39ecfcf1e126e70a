"""Agreement, tuning and health: each says what is lost, and to whom."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness.errors import InputError
from harness.retrieval.agreement import flat_agreement, overlap
from harness.retrieval.health import diversity, duplicates, gini, health_of, index_health
from harness.retrieval.hits import without
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.protocols import Hits
from harness.retrieval.tune import Judged, ProbeRow, Target, choose, sweep_nprobe


def unit(rng, n, width=12):
    vectors = rng.normal(size=(n, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def parts():
    gallery = unit(np.random.default_rng(2), 800)
    queries = unit(np.random.default_rng(3), 60)
    return FaissIndex("ivf_flat").build(gallery), FaissIndex("flat").build(gallery), gallery, queries


def lowest(values, rows):
    return float(values.min())


def mean(values, rows):
    return float(values.mean())


@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_pq", "hnsw"])
def test_agreement_is_the_literal_share_where_nothing_ties(kind, parts):
    """Without ties, agreement is the size of the intersection over k."""
    _, flat, gallery, queries = parts
    index = FaissIndex(kind, nprobe=3, ef_search=4, m=4).build(gallery)
    pairs = zip(index.search(queries, k=10).codes, flat.search(queries, k=10).codes, strict=True)
    literal = [len(set(a) & set(b)) / 10 for a, b in pairs]
    assert (flat_agreement(index, flat, queries) == literal).all()
    assert np.mean(literal) < 1


def test_an_index_agrees_with_itself(parts):
    """Exact against exact is 1 for every query, at any depth, also deeper than the gallery."""
    _, flat, gallery, queries = parts
    assert (flat_agreement(flat, flat, queries, k=25) == 1).all()
    few = FaissIndex("flat").build(gallery[:3])
    assert (flat_agreement(few, few, queries, k=10) == 1).all()


def test_equal_scores_at_the_cut_are_no_disagreement(parts):
    """Each of two equal documents may fill the last place; one of lower score, or the same one twice, may not."""
    _, _, gallery, _ = parts
    flat = FaissIndex("flat").build(np.vstack([gallery[:2], gallery[1], gallery[5]]))
    query = (gallery[:1] + 0.9 * gallery[1:2]) / 2
    truth = flat.search(query, k=2)
    assert truth.codes[0, 0] == 0
    assert truth.codes[0, 1] in (1, 2)

    def against(*codes):
        found = Hits(np.array([codes]), np.full((1, len(codes)), truth.scores[0, 1]))
        return overlap(found, truth, query, flat, exact=True)[0]

    assert against(0, 1) == against(0, 2) == 1
    assert against(0, 3) == against(0, 0) == 0.5
    assert against(1, 2) == 0.5  # both equals of the cut, but the better document is lost


def test_right_scores_under_wrong_ids_agree_with_nothing(parts):
    """A stale mapping of ids keeps every score and loses every document: scores alone would not notice."""
    _, flat, gallery, queries = parts
    stale = FaissIndex("ivf_flat", nprobe=99).build(gallery, ids=(np.arange(len(gallery)) + 400) % len(gallery))
    assert (stale.search(queries, k=10).scores == flat.search(queries, k=10).scores).mean() > 0.3
    assert flat_agreement(stale, flat, queries).mean() < 0.1


def test_a_query_without_direction_agrees_when_both_are_empty(parts):
    """Neither index has a hit for the zero vector: nothing is lost."""
    index, flat, _, _ = parts
    assert flat_agreement(index, flat, np.zeros((2, 12))).tolist() == [1, 1]


def test_agreement_needs_the_exact_index(parts):
    """Two approximate indexes can agree and both be wrong."""
    index, _, _, queries = parts
    with pytest.raises(InputError, match="expected flat"):
        flat_agreement(index, index, queries)


def test_the_sweep_measures_what_the_index_does(parts):
    """Each row is what the index gives at that nprobe; more lists never lose agreement here; its own nprobe stays."""
    index, flat, _, queries = parts
    index.nprobe = 3
    ticks = itertools.count()
    rows = sweep_nprobe(index, flat, queries, clock=lambda: next(ticks) * 1e-3, grid=(1, 4, 20, 999), timed=5, rounds=2)
    assert [row.nprobe for row in rows] == [0, 1, 4, 20]
    assert index.nprobe == 3
    index.nprobe = 4
    assert (rows[2].agreement == flat_agreement(index, flat, queries)).all()
    assert rows[1].agreement.mean() < rows[2].agreement.mean() < 1.0
    assert (rows[3].agreement == 1).all()
    assert all(row.recall_delta is None and len(row.latency_ms) == 5 for row in rows)
    assert rows[1].p50_ms == pytest.approx(1.0)
    assert rows[1].p95_ms >= rows[1].p50_ms


def test_recall_is_paired_with_the_exact_index(parts):
    """The change of R@10 per query is against the exact index, after the query's own document is removed."""
    index, flat, _, queries = parts
    own = flat.search(queries, k=1).codes
    truth = without(flat.search(queries, k=11), own).codes[:, :10]
    relevant = [row[[0, 4]] for row in truth[:-1]] + [np.empty(0, np.int64)]
    rows = sweep_nprobe(index, flat, queries, clock=iter(range(10**6)).__next__, grid=(2, 20),
                        judged=Judged(relevant, own), timed=1, rounds=1)
    index.nprobe = 2
    found = without(index.search(queries, k=11), own).codes[:, :10]
    literal = [np.mean([code in row for code in want]) - 1 for want, row in zip(relevant[:-1], found, strict=False)]
    np.testing.assert_allclose(rows[1].recall_delta[:-1], literal)
    assert np.isnan(rows[1].recall_delta[-1])
    assert np.nanmax(np.abs(rows[2].recall_delta)) == 0


def row(nprobe, agreement, delta, ms):
    values = None if delta is None else np.full(9, delta)
    return ProbeRow(nprobe, np.full(9, agreement), values, np.full(9, ms))


def test_the_smallest_that_meets_every_demand_is_chosen():
    """Agreement, recall and latency must all hold; each refusal gives its number and its limit."""
    rows = [row(0, 1.0, 0.0, 9.0), row(8, 0.97, -0.01, 1.0), row(32, 0.99, 0.0, 3.0), row(16, 0.96, -0.004, 2.0),
            row(4, 0.90, 0.0, 0.5), row(64, 1.0, 0.0, 9.0)]
    chosen = choose(rows, target=Target(), lower=mean)
    assert chosen.nprobe == 16
    assert list(chosen.reasons) == [4, 8, 16, 32, 64]
    assert chosen.reasons[4] == ["agreement: lower bound 0.9000 < 0.95"]
    assert chosen.reasons[8] == ["recall: lower bound of the change -0.0100 < -0.005"]
    assert chosen.reasons[64] == ["latency: p95 9.000 ms > 8 ms"]


@pytest.mark.parametrize(
    "only", [row(8, np.nan, 0.0, 1.0), row(8, 1.0, None, 1.0), row(8, 1.0, np.nan, 1.0), row(8, 1.0, 0.0, np.nan)]
)
def test_what_was_not_measured_is_not_met(only):
    """NaN, missing judgements and missing times choose nothing; a demand left out needs no measurement."""
    assert choose([only], target=Target(), lower=lowest).nprobe is None
    assert choose([], target=Target(), lower=lowest).nprobe is None
    assert choose([only], target=Target(None, None, None), lower=lowest).nprobe == 8


def test_a_bound_looks_rows_up():
    """The bound gets the rows it speaks of, so that clusters can be found for judged queries only."""
    seen = []
    delta = np.array([0.0, np.nan, 0.0])
    choose([ProbeRow(8, np.ones(3), delta, np.ones(3))], target=Target(),
           lower=lambda values, rows: seen.append(rows.tolist()) or 1.0)
    assert seen == [[0, 1, 2], [0, 2]]


def test_an_empty_sweep_is_told(parts):
    """No queries, no usable nprobe or unfitting judgements are input errors."""
    index, flat, _, queries = parts
    clock = iter(range(10**6)).__next__
    for asked, options in ((queries[:0], {}), (queries, {"grid": (999,)}), (queries, {"rounds": 0})):
        with pytest.raises(InputError, match="nothing to sweep"):
            sweep_nprobe(index, flat, asked, clock=clock, **options)
    with pytest.raises(InputError, match="do not fit the queries"):
        sweep_nprobe(index, flat, queries, clock=clock, judged=Judged([]))


def test_gini_knows_its_ends():
    """Equal cells 0, one cell with all (n - 1) / n, the textbook value between, nothing NaN, negative refused."""
    assert gini(np.array([3, 3, 3])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 5])) == 0.75
    assert gini(np.array([1, 3])) == pytest.approx(0.25)
    assert np.isnan(gini(np.array([])))
    assert np.isnan(gini(np.zeros(3)))
    with pytest.raises(InputError, match="negative size"):
        gini(np.array([1, -1]))


def test_health_of_a_sound_and_of_a_sick_index(parts):
    """Every fault shows in its own number: a missing, a doubled, a foreign id, a long vector, a copied vector."""
    index, _, gallery, _ = parts
    sound = health_of(index, expected=800)
    assert (sound.missing_ids, sound.doubled_ids, sound.foreign_ids, sound.duplicates) == (0, 0, 0, 0)
    assert sound.worst_norm_error < 1e-6
    assert sound.memory_bytes > gallery.nbytes
    assert sound.cells == 20
    assert 0 < sound.cell_gini < 0.5
    ids, sick = np.arange(800), gallery.copy()
    ids[:2] = [5, 900]
    sick[7], sick[9] = sick[8], sick[9] * 1.5
    found = health_of(FaissIndex("flat").build(sick, ids=ids), expected=800)
    assert (found.missing_ids, found.doubled_ids, found.foreign_ids, found.duplicates) == (2, 1, 1, 1)
    assert found.worst_norm_error == pytest.approx(0.5, abs=1e-6)
    assert found.cells is None


def test_facts_to_show_hold_what_applies(parts):
    """The facts are the health's numbers, without those of cells where there are none, and the first hits' variety."""
    index, flat, gallery, queries = parts
    facts = index_health(flat, queries)
    assert facts["vectors"] == 800
    assert not any("cell" in name for name in facts)
    assert facts["top5_diversity"] == pytest.approx(diversity(flat.search(queries, k=5), gallery).mean())
    assert index_health(index, queries)["cells"] == 20
    assert index_health(flat, queries, expected=801)["missing_ids"] == 1
    assert np.isnan(index_health(flat, np.zeros((1, 12)))["top5_diversity"])


def test_diversity_is_the_literal_mean_distance(parts):
    """One minus the mean cosine of all pairs; copies give 0, a single hit NaN."""
    _, flat, gallery, queries = parts
    hits = flat.search(queries[:4], k=9)
    for value, codes in zip(diversity(hits, gallery), hits.codes, strict=True):
        pairs = [gallery[a] @ gallery[b] for a, b in itertools.combinations(codes[:5], 2)]
        assert value == pytest.approx(1 - np.mean(pairs), abs=1e-6)
    single = Hits(np.array([[3, -1], [-1, -1], [3, 3]]), np.zeros((3, 2), np.float32))
    values = diversity(single, gallery)
    assert np.isnan(values[:2]).all()
    assert values[2] == pytest.approx(0, abs=1e-6)
    assert duplicates(gallery[:0]) == 0
