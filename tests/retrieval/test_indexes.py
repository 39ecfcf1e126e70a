"""Indexes: exact where they say so, repeatable to the byte, and honest about what they cannot do."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.store import sha256_file
from harness.errors import InputError
from harness.retrieval.hits import ordered, top_k, without
from harness.retrieval.indexes import KINDS, FaissIndex, default_lists, one_thread
from harness.retrieval.protocols import Hits, Index


def unit(rng, n, width):
    vectors = rng.normal(size=(n, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def gallery():
    return unit(np.random.default_rng(3), 700, 16)


def made(kind, gallery, **options):
    return FaissIndex(kind, seed=7, **options).build(gallery)


def test_flat_is_the_literal_inner_product(gallery):
    """The exact index returns what sorting all inner products returns."""
    queries = gallery[:40] + 0.1
    hits = made("flat", gallery).search(queries, k=10)
    literal = top_k(queries @ gallery.T, k=10)
    assert (hits.codes == literal.codes).all()
    np.testing.assert_allclose(hits.scores, literal.scores, atol=1e-5)


def test_all_lists_probed_is_exact(gallery):
    """IVF with every list probed finds what flat finds: the limit case; with one list it does not."""
    index, flat = made("ivf_flat", gallery, nlist=15), made("flat", gallery)
    index.nprobe = 15
    truth = flat.search(gallery[:60], k=10).codes
    assert (index.search(gallery[:60], k=10).codes == truth).all()
    index.nprobe = 1
    assert (index.search(gallery[:60], k=10).codes != truth).any()


def test_a_wide_graph_search_is_nearly_exact(gallery):
    """HNSW with a wide search agrees with flat, and with the narrowest it agrees less."""
    index, truth = made("hnsw", gallery, links=8), made("flat", gallery).search(gallery, k=10).codes
    agreement = {}
    for width in (1, 200):
        index.ef_search = width
        agreement[width] = np.mean(index.search(gallery, k=10).codes == truth)
    assert agreement[200] > 0.95
    assert agreement[1] < agreement[200]


@pytest.mark.parametrize("opq", [False, True])
def test_quantised_vectors_resemble_the_originals(gallery, opq):
    """IVF-PQ reconstructs vectors near the originals and finds a vector by itself more often than not."""
    index = made("ivf_pq", gallery, m=8, opq=opq, nprobe=99)
    back = index.vectors()
    assert np.mean(np.sum(back * gallery, axis=1)) > 0.8
    assert np.mean(index.search(gallery, k=10).codes[:, 0] == np.arange(len(gallery))) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_its_protocol(kind, gallery, tmp_path):
    """Ids are complete, written bytes repeat, and a loaded index answers as the built one, mapped or not."""
    index = made(kind, gallery)
    assert isinstance(index, Index)
    assert (index.ids == np.arange(len(gallery))).all()
    index.save(tmp_path / "a.index")
    made(kind, gallery).save(tmp_path / "b.index")
    want = index.search(gallery[:20], k=7)
    for mmap in (False, True):
        loaded = FaissIndex.load(tmp_path / "a.index", mmap=mmap)
        assert loaded.kind == kind
        assert all((a == b).all() for a, b in zip(loaded.search(gallery[:20], k=7), want, strict=True))
        assert (loaded.ids == index.ids).all()
        assert (loaded.vectors() == index.vectors()).all()
        loaded.save(tmp_path / f"c{mmap}.index")
    assert len({sha256_file(path) for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize("kind", ["flat", "ivf_flat", "hnsw"])
def test_exact_kinds_give_their_vectors_back(kind, gallery):
    """What is stored unquantised comes back to the bit, in the order of the ids."""
    assert (made(kind, gallery).vectors() == gallery).all()


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_doubled_ids_show(kind, gallery):
    """An index built with a doubled and a missing id says so: integrity checks read the index itself."""
    ids = np.arange(len(gallery))
    ids[5] = 6
    index = FaissIndex(kind).build(gallery, ids=ids)
    assert (np.flatnonzero(np.bincount(index.ids, minlength=len(gallery)) != 1) == [5, 6]).all()


@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_pq"])
def test_cells_hold_every_vector(kind, gallery):
    """The sizes of the cells add up to the gallery."""
    sizes = made(kind, gallery).cell_sizes()
    assert sizes.sum() == len(gallery)
    assert len(sizes) == default_lists(len(gallery))


def test_another_seed_gives_another_clustering(gallery):
    """The seed reaches the training: it is not decoration."""
    assert (made("ivf_flat", gallery).cell_sizes() != FaissIndex("ivf_flat", seed=8).build(gallery).cell_sizes()).any()


def test_default_lists_never_starve_the_training():
    """No list is planned with fewer than 39 points, so faiss has nothing to warn of."""
    assert all(n // default_lists(n) >= 39 or default_lists(n) == 1 for n in range(1, 20_000, 17))
    assert default_lists(6222) == 79


def test_threads_are_given_back():
    """One thread inside, as many as before after, also when the block fails."""
    import faiss

    def fail():
        with one_thread():
            inside.append(faiss.omp_get_max_threads())
            raise RuntimeError

    inside, before = [], faiss.omp_get_max_threads()
    with pytest.raises(RuntimeError):
        fail()
    assert inside == [1]
    assert faiss.omp_get_max_threads() == before


def test_zero_query_and_deep_query_have_stated_outcomes(gallery):
    """A query without direction has no hits; asking for more than there is fills up with -1 at -inf."""
    index = made("flat", gallery[:3])
    hits = index.search(np.vstack([np.zeros(16), gallery[1]]), k=5)
    assert (hits.codes[0] == -1).all()
    assert np.isneginf(hits.scores[0]).all()
    assert hits.codes[1].tolist()[0] == 1
    assert hits.codes[1].tolist()[3:] == [-1, -1]
    assert made("flat", gallery).search(np.empty((0, 16)), k=4).codes.shape == (0, 4)


def test_equal_scores_rank_the_higher_code_first(gallery):
    """Doubled vectors tie, and the tie rule is trec_eval's for ids in ascending order."""
    doubled = np.repeat(gallery[:50], 2, axis=0)
    codes = made("flat", doubled).search(gallery[:50], k=2).codes
    assert (codes == np.arange(100).reshape(50, 2)[:, ::-1]).all()


def test_ordering_leaves_untied_rows_alone():
    """Only equal scores move, and empty places stay at the end."""
    hits = ordered(np.array([[4, 7, 2], [1, 0, -1]]), np.array([[0.5, 0.5, 0.1], [0.9, 0.8, 0.8]], np.float32))
    assert hits.codes.tolist() == [[7, 4, 2], [1, 0, -1]]


def test_own_document_is_taken_out():
    """Later hits move up; a query whose own document was not found keeps its row."""
    hits = Hits(np.array([[4, 2, -1], [1, 3, 0]]), np.array([[0.9, 0.5, -np.inf], [0.9, 0.8, 0.7]], np.float32))
    left = without(hits, np.array([4, -1]))
    assert left.codes.tolist() == [[2, -1, -1], [1, 3, 0]]
    assert np.isneginf(left.scores[0, 1:]).all()


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (lambda g: FaissIndex("flatt"), "nearest: flat"),
        (lambda g: FaissIndex("flat").search(g, k=1), "not built"),
        (lambda g: made("flat", g).search(g, k=0), "at least 1"),
        (lambda g: made("flat", g).search(g[:, :5], k=1), r"expected \(n, 16\)"),
        (lambda g: made("flat", g * np.nan), "row 1: vector is not finite"),
        (lambda g: made("flat", g[:0]), "nothing to index"),
        (lambda g: made("flat", g).cell_sizes(), "no cells"),
        (lambda g: made("ivf_flat", g).ef_search, "no graph"),
        (lambda g: setattr(made("ivf_flat", g), "nprobe", 0), "nprobe out of range"),
        (lambda g: made("ivf_flat", g, nlist=9999), "nlist out of range"),
        (lambda g: made("ivf_pq", g[:100]), "too few vectors"),
        (lambda g: made("ivf_pq", g, m=5), "divisor of 16"),
        (lambda g: FaissIndex("flat").build(g, ids=np.arange(3)), "differ in length"),
    ],
)
def test_wrong_use_is_one_line(action, says, gallery):
    """Every wrong call is told in one line that says what was expected."""
    with pytest.raises(InputError, match=says) as caught:
        action(gallery)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_torn_or_foreign_file_is_told(mmap, gallery, tmp_path):
    """A truncated index, a text file and a missing file are input errors, not crashes."""
    made("ivf_flat", gallery).save(tmp_path / "whole")
    (tmp_path / "torn").write_bytes((tmp_path / "whole").read_bytes()[:-5000])
    (tmp_path / "text").write_text("not an index at all, but long enough to be read as one")
    (tmp_path / "empty").touch()
    for name in ("torn", "text", "empty", "missing"):
        with pytest.raises(InputError):
            FaissIndex.load(tmp_path / name, mmap=mmap)
