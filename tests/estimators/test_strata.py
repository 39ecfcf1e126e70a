"""Strata are a partition made of counts alone, and their weighed mean is the literal one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.estimators.moments import Moments
from harness.estimators.slices import BySlice
from harness.estimators.strata import Strata, merge_sparse, post_stratified, quantile_bins, quantile_edges, strata_of

CELLS = st.lists(st.tuples(st.sampled_from(["de", "en", "fr"]), st.integers(0, 4)), min_size=1, max_size=60)


def cells(rows: list[tuple[str, int]]) -> Strata:
    return strata_of([language for language, _ in rows], [decile for _, decile in rows])


def test_quantile_bins_hold_equal_mass(rng):
    """Of distinct values each of ten bins holds a tenth, within one row."""
    for n in (10, 97, 1000):
        counts = np.bincount(quantile_bins(rng.permutation(n)))
        assert len(counts) == 10
        assert counts.max() - counts.min() <= 1


def test_ties_never_part():
    """Rows of one value share a bin, however many bins that costs; a constant column is one bin."""
    x = np.array([0.0] * 80 + [1.0] * 15 + [2.0] * 5)
    code = quantile_bins(x)
    assert all(len(set(code[x == value])) == 1 for value in (0.0, 1.0, 2.0))
    assert set(quantile_bins([3.0] * 20)) == {0}
    assert len(quantile_edges([3.0] * 20)) == 0


def test_edges_of_one_sample_bin_another():
    """Two samples binned by the same edges mean the same by a bin; values beyond fall in the outer ones."""
    edges = quantile_edges(np.arange(100.0), bins=4)
    assert quantile_bins([-5.0, 24.9, 25.0, 1e6], edges=edges).tolist() == [0, 0, 1, 3]


@given(CELLS)
def test_strata_are_a_partition(rows):
    """Each row is in the cell of its own values; counts are those of the codes; names are distinct."""
    found = cells(rows)
    assert all(found.keys[code] == row for code, row in zip(found.codes, rows, strict=True))
    assert np.bincount(found.codes).tolist() == found.counts.tolist()
    assert list(found.keys) == sorted(set(rows)) and len(set(found.names)) == len(found.names)


@given(CELLS, st.integers(1, 20))
def test_merging_leaves_no_sparse_stratum_and_splits_no_cell(rows, least):
    """After the merge every stratum has enough rows, or is the only one; a cell's rows stay together, in cell order."""
    before = cells(rows)
    after = merge_sparse(before, least=least)
    assert after.counts.min() >= least or len(after.counts) == 1
    assert np.bincount(after.codes).tolist() == after.counts.tolist() and after.counts.sum() == len(rows)
    into = [set(after.codes[before.codes == at]) for at in range(len(before.counts))]
    assert all(len(one) == 1 for one in into)
    assert [min(one) for one in into] == sorted(min(one) for one in into)


def test_the_merge_rule_is_the_stated_one():
    """The smallest joins the neighbour of its own language first; of two such, the smaller one."""
    rows = [("de", 1)] * 9 + [("de", 2)] * 2 + [("de", 3)] * 5 + [("en", 1)] * 3
    found = merge_sparse(cells(rows), least=4)
    assert found.names == ("de × 1", "de × 2 to en × 1")
    assert found.counts.tolist() == [9, 10]
    kept = merge_sparse(cells(rows), least=3)
    assert kept.names == ("de × 1", "de × 2 to de × 3", "en × 1")


def test_nothing_is_merged_where_nothing_is_sparse():
    """Strata that all have enough rows come back as they were."""
    before = strata_of(["a", "b"] * 10)
    after = merge_sparse(before, least=10)
    assert after.names == before.names and after.codes.tolist() == before.codes.tolist()


def test_post_stratified_mean_and_error_are_the_literal_ones(rng):
    """The value is the weighed sum of means, the error the root of sum W^2 s^2 / n (read off the t interval)."""
    x, code = rng.normal(size=900), np.repeat([0, 1, 2], [500, 300, 100])
    found = post_stratified(strata_of(code).moments(x), {"0": 0.2, "1": 0.3, "2": 0.5})
    parts, shares = [x[code == at] for at in range(3)], (0.2, 0.3, 0.5)
    assert found.value == pytest.approx(sum(w * part.mean() for w, part in zip(shares, parts, strict=True)), abs=1e-12)
    error = np.sqrt(sum(w**2 * part.var(ddof=1) / len(part) for w, part in zip(shares, parts, strict=True)))
    assert found.half_width == pytest.approx(1.66 * error, rel=0.02)


def test_shares_of_the_sample_give_the_plain_mean(rng):
    """Weighed by its own counts a sample has its own mean; so it does in one stratum, interval included."""
    x, names = rng.exponential(size=400), rng.choice(["a", "b"], 400)
    strata = strata_of(names)
    own = dict(zip(strata.names, strata.counts.tolist(), strict=True))
    assert post_stratified(strata.moments(x), own).value == pytest.approx(x.mean(), abs=1e-12)
    one, plain = post_stratified({"all": Moments.of(x)}, {"all": 1.0}), Moments.of(x).estimate()
    assert one[:4] == pytest.approx(plain[:4], rel=1e-12)


def test_merged_partitions_give_the_same_estimate(rng):
    """States merged from two partitions post-stratify as the whole does."""
    x, names = rng.normal(size=600), rng.choice(["a", "b", "c"], 600)
    shares = {"a": 1.0, "b": 2.0, "c": 3.0}
    parts = [BySlice.of(x[half], names[half], into=Moments.of) for half in (slice(0, 200), slice(200, 600))]
    merged = post_stratified(parts[0].merge(parts[1]).states, shares)
    assert merged[:4] == pytest.approx(post_stratified(strata_of(names).moments(x), shares)[:4], rel=1e-9)


def test_single_rows_and_constant_strata_are_not_certain():
    """A weighted stratum of one row leaves no interval; one without variation takes the pooled variance, not zero."""
    lone = post_stratified({"a": Moments.of([0.1, 0.2, 0.4]), "b": Moments.of([0.5])}, {"a": 1, "b": 1})
    assert (lone.low, lone.high, lone.method) == (-np.inf, np.inf, "a stratum under two rows")
    ten = Moments.of(np.arange(10.0))
    flat = post_stratified({"a": ten, "b": Moments.of([5.0] * 10)}, {"a": 1, "b": 99})
    half = 1.73 * np.sqrt(0.99**2 * ten.m2 / 18 / 10)
    assert flat.half_width > half
    assert post_stratified({"a": Moments.of([1.0] * 5)}, {"a": 1}).half_width > 0.0


def test_post_stratification_refuses_what_it_cannot_weigh():
    """A stratum without rows, without a share, negative or no shares: each is named."""
    states = {"a": Moments.of([0.1, 0.2]), "b": Moments.of([0.3, 0.4])}
    for shares, told in (
        ({"a": 1, "b": 1, "c": 1}, "weighted stratum without rows; expected at least 1 row, found 'c'"),
        ({"a": 1}, "population: stratum without a share; .* found 'b'"),
        ({"a": 1, "b": -1}, "population: index 1 is out of bounds"),
        ({"a": 0, "b": 0}, "population: sums to nothing"),
        ({"a": 1, "b": float("nan")}, "population: index 1 is not finite"),
    ):
        with pytest.raises(InputError, match=told):
            post_stratified(states, shares)


def test_bad_columns_and_edges_are_refused():
    """No column, an empty one, unequal lengths, fractions as labels, edges out of order, bins under 1."""
    for call in (
        strata_of,
        lambda: strata_of([]),
        lambda: strata_of(["a", "b"], ["c"]),
        lambda: strata_of([0.5, 1.5]),
        lambda: quantile_bins([1.0, np.nan]),
        lambda: quantile_bins([1.0], edges=[2.0, 1.0]),
        lambda: quantile_bins([1.0], bins=0),
        lambda: merge_sparse(strata_of(["a"]), least=0),
        lambda: strata_of(["a", "b"]).moments([1.0]),
    ):
        with pytest.raises(InputError, match="expected"):
            call()
