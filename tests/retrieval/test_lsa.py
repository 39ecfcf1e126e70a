"""LSA: the factors are the literal ones, the bytes repeat, and one query costs what one query should."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.spelling import compounds_of
from harness.data.store import sha256_tree
from harness.errors import InputError
from harness.retrieval import lsa
from harness.retrieval.lsa import LsaEncoder
from harness.retrieval.protocols import Encoder
from harness.retrieval.texts import Vocabulary, words

TOPICS = {"matrix": ["solve", "linear", "system", "matrix", "inverse", "eigenvalue", "vector", "norm", "rank"],
          "frame": ["table", "column", "group", "merge", "index", "label", "sort", "row", "missing"],
          "signal": ["filter", "window", "spectrum", "frequency", "sample", "wave", "phase", "noise", "band"]}


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(5)
    return [" ".join(rng.choice(TOPICS[topic], 12)) for topic in TOPICS for _ in range(30)]


@pytest.fixture(scope="module")
def encoder(texts):
    return LsaEncoder(dimension=8).fit(texts)


def test_topics_find_their_own(encoder, texts):
    """A query of one topic's words ranks that topic's documents above all others."""
    assert isinstance(encoder, Encoder)
    queries = encoder.queries(["the eigenvalues of a matrix", "sorted rows", "filtering noise"])
    scores = queries @ encoder.documents(texts).T
    assert (np.argsort(-scores, axis=1)[:, :20] // 30 == np.arange(3)[:, None]).all()


def test_vectors_have_length_one(encoder, texts):
    """Documents and queries are unit vectors of float32; a text without a known word is the zero vector."""
    vectors = np.vstack([encoder.documents([*texts, ""]), encoder.queries(["matrix norm", "zzz qqq"])])
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    empty = [len(texts), len(texts) + 2]
    assert (lengths[empty] == 0).all()
    np.testing.assert_allclose(np.delete(lengths, empty), 1, atol=1e-6)


def test_factors_span_what_the_literal_svd_spans(texts):
    """The factors give the subspace of numpy's full SVD, and nothing of the next ones."""
    vocabulary = Vocabulary.fit(texts, min_df=2, lead=30)
    matrix = lsa._unit_rows(vocabulary.count(texts))
    basis = lsa._basis(matrix, 5, seed=1)
    literal = np.linalg.svd(matrix.toarray())[2][:5]
    cosines = np.linalg.svd(literal @ basis)[1]
    np.testing.assert_allclose(cosines, 1, atol=1e-3)
    assert np.linalg.svd(np.linalg.svd(matrix.toarray())[2][5:10] @ basis)[1].max() < 0.05


def test_the_same_fit_gives_the_same_bytes(encoder, texts, tmp_path):
    """Two fits write equal files, and what is read back encodes to the bit; another seed writes others."""
    encoder.save(tmp_path / "a")
    LsaEncoder(dimension=8).fit(texts).save(tmp_path / "b")
    LsaEncoder(dimension=8, seed=1).fit(texts).save(tmp_path / "c")
    assert sha256_tree(tmp_path / "a") == sha256_tree(tmp_path / "b") != sha256_tree(tmp_path / "c")
    loaded = LsaEncoder.load(tmp_path / "a")
    assert (loaded.queries(texts[:5]) == encoder.queries(texts[:5])).all()
    assert (loaded.documents(texts) == encoder.documents(texts)).all()
    assert loaded.dimension == encoder.dimension


def test_a_batch_is_its_queries_one_by_one(encoder):
    """Encoding together or apart gives the same bits: latency is measured on what quality is measured on."""
    batch = ["matrix norm", "table of rows", "noise"]
    assert (encoder.queries(batch) == np.vstack([encoder.queries([text]) for text in batch])).all()


def test_no_more_dimensions_than_the_texts_have():
    """Three texts cannot fill 768 dimensions; the encoder says how many there are."""
    encoder = LsaEncoder(min_df=1).fit(["sort rows", "solve systems", "filter noise", "filter noise"])
    assert encoder.dimension == 3
    assert encoder.documents(["sort"]).shape == (1, 3)


def test_the_lead_weighs_more():
    """A word in the first lines pulls a document nearer to its query than the same word further down."""
    filler = "solve linear system matrix inverse"
    documents = [f"noise {filler}", f"{filler} noise", *TOPICS["frame"], *TOPICS["matrix"]]
    encoder = LsaEncoder(dimension=8, min_df=1, lead=2).fit(documents)
    first, last = encoder.documents(documents[:2]) @ encoder.queries(["noise"])[0]
    assert first > last


def test_words_fold_what_should_match():
    """Plurals, case and identifiers meet; function words and single letters go."""
    split = compounds_of(["A HermitianMatrix."])
    assert words("The eigenvalues of HermitianMatrix x", compounds=split) == ["eigenvalue", "hermitian", "matrix"]
    assert words("classes frequencies axis bus ranks") == ["class", "frequency", "axis", "bus", "rank"]
    assert words("") == []


def test_a_single_text_counts_as_in_a_batch(texts):
    """The fast road for one query finds the terms and counts of the batch road, pairs included."""
    vocabulary = Vocabulary.fit(texts, min_df=2, lead=30)
    for text in (texts[0], "matrix unknownword norm", "", "rank rank rank"):
        codes, counts = vocabulary.terms(text)
        row = np.zeros(len(vocabulary), np.float32)
        row[codes] = counts
        assert (vocabulary.count([text]).toarray()[0] == row).all()


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (lambda: LsaEncoder(dimension=0), "option out of range"),
        (lambda: LsaEncoder().queries(["x"]), "not fitted"),
        (lambda: LsaEncoder().fit([]), "too little text"),
        (lambda: LsaEncoder().fit(["the of", "a", "is"]), "too little text"),
        (lambda: LsaEncoder().fit("one text"), "one text where many"),
        (lambda: LsaEncoder().fit(["one", None, "two"]), "row 2: not a text"),
    ],
)
def test_wrong_input_is_one_line(action, says):
    """Each misuse is an input error that names what was expected."""
    with pytest.raises(InputError, match=says):
        action()


@pytest.mark.parametrize("fault", ["missing", "torn", "swapped", "json", "kind"])
def test_a_damaged_encoder_is_told(encoder, tmp_path, fault):
    """A missing or torn array, another part's card or no JSON at all: an input error each, never a wrong vector."""
    encoder.save(tmp_path)
    array, card = tmp_path / "idf.npy", tmp_path / "part.json"
    if fault == "missing":
        array.unlink()
    elif fault == "torn":
        array.write_bytes(array.read_bytes()[:-4])
    elif fault == "swapped":
        (tmp_path / "basis.npy").replace(array)
    else:
        card.write_text("{" if fault == "json" else card.read_text().replace("lsa encoder", "bm25"))
    with pytest.raises(InputError):
        LsaEncoder.load(tmp_path)
