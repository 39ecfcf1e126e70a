"""Relations: each finds the fault it is there for on every kind of index, and asking changes nothing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from harness.errors import InputError
from harness.hunting.properties import PROPERTIES, Property, Surface, surface_of, try_property, try_twin
from harness.hunting.relations import same_hits
from harness.hunting.relations_index import INDEX
from harness.hunting.relations_page import page
from harness.hunting.relations_texts import TEXTS
from harness.release.measures import family_of
from harness.retrieval.hits import unit
from harness.retrieval.indexes import FaissIndex
from tests.house.source import TOP

KINDS = {
    "flat": {}, "ivf_flat": {"nlist": 16, "nprobe": 4}, "hnsw": {}, "ivf_pq": {"nlist": 8, "nprobe": 4, "m": 8},
    "ivf_opq": {"nlist": 8, "nprobe": 4, "m": 8, "opq": True},
}  # fmt: skip
DOCUMENTS = [f"document {place}" for place in range(700)]


class Hashed:
    """An encoder of nothing but noise: a text's vector is drawn from its letters, without case or blanks."""

    def documents(self, texts):
        return self.queries(texts)

    def queries(self, texts):
        seeds = [list("".join(text.lower().split()).encode()) for text in texts]
        drawn = [np.random.default_rng(seed).standard_normal(16) for seed in seeds]
        return unit(np.array(drawn, dtype=np.float32).reshape(len(texts), 16))


@pytest.fixture(scope="module", params=KINDS)
def index(request) -> FaissIndex:
    kind = request.param.replace("opq", "pq")
    return FaissIndex(kind, **KINDS[request.param]).build(Hashed().documents(DOCUMENTS))


def released(index: FaissIndex, encoder: object) -> Surface:
    first = SimpleNamespace(part=SimpleNamespace(impl="dense"), index=index, encoder=encoder, vectors=encoder.queries,
                            hits=lambda texts, vectors, *, k: index.search(vectors, k=k))
    documents = [SimpleNamespace(text=text) for text in DOCUMENTS]
    return surface_of(SimpleNamespace(first=first, second=None, rule=None, world=SimpleNamespace(
        corpus=SimpleNamespace(documents=documents))), [f"query {place}" for place in range(50)])


@pytest.mark.parametrize("name", INDEX)
def test_relations_hold_on_every_kind_of_index(index, name):
    """Exact, in cells, a graph, quantised, rotated: no counterexample, and each twin is found."""
    surface = released(index, Hashed())
    assert try_property(name, surface, examples=10).counterexample is None
    assert try_twin(name, surface, examples=10).counterexample is not None


@pytest.mark.parametrize("name", INDEX)
def test_asking_leaves_the_release_as_it_was(index, name):
    """Documents come and go on a copy: afterwards the release holds the same and answers the same."""
    surface = released(index, Hashed())
    held, before = index.vectors(), surface.hits(surface.texts, 20)
    try_property(name, surface, examples=3)
    after = surface.hits(surface.texts, 20)
    assert np.array_equal(index.vectors(), held) and np.array_equal(index.ids, np.arange(len(DOCUMENTS)))
    assert np.array_equal(before[0], after[0]) and np.array_equal(before[1], after[1])


def test_changes_are_what_they_say(index):
    """The best hit can be taken out, and comes in again under a new code; the next question sees neither."""
    surface = released(index, Hashed())
    ask = surface.vectors()
    found = surface.hits(["query 1"], 5)[0][0]
    without, _ = ask.changed(found[:1], np.empty((0, 0), np.float32))(["query 1"], 5)
    assert found[0] not in without and without[0, 0] == found[1]
    copied, _ = ask.changed(found[:1], ask.encode([DOCUMENTS[found[0]]]))(["query 1"], 5)
    assert copied[0].tolist() == [len(DOCUMENTS), *found[1:]]
    assert ask.changed(np.empty(0, np.int64), np.empty((0, 0), np.float32))(["query 1"], 5)[0][0].tolist() \
        == found.tolist()


def test_a_filter_passes_what_it_says(index):
    """Only the allowed are hits, best first; a filter of none has no hits."""
    surface = released(index, Hashed())
    found = surface.hits(["query 1"], 5)[0][0]
    only = surface.vectors().among(["query 1"], 5, found[[4, 2]])[0][0]
    assert only.tolist() == [found[2], found[4], -1, -1, -1]
    assert (surface.vectors().among(["query 1"], 5, np.empty(0, np.int64))[0] == -1).all()


class Cased(Hashed):
    """An encoder that sees capitals."""

    def queries(self, texts):
        return super().queries([text + "x" * sum(map(str.isupper, text)) for text in texts])


class Spaced(Hashed):
    """An encoder that sees how long a text is, blanks and all."""

    def queries(self, texts):
        return super().queries([f"{text} {len(text)}" for text in texts])


def test_text_relations_find_encoders_that_see_what_a_reader_does_not():
    """Capitals, blanks, wide letters: each fault is found by its relation, and told with the text that shows it."""
    index = FaissIndex("flat").build(Hashed().documents(DOCUMENTS))
    found = {name: try_property(name, released(index, encoder)).counterexample
             for name, encoder in (("case_blind", Cased()), ("white_space_blind", Spaced()),
                                   ("normal_form_blind", Hashed()))}
    assert found["case_blind"] == "draws [0, 1, 0, 0], query 'query 0', as 'QUERY 0'"
    assert found["white_space_blind"] == "draws [0, 1, 0, 0], query 'query 0', as '  query 0'"
    assert found["normal_form_blind"] == "draws [0, 1, 0], query 'query 0', as 'ｑｕｅｒｙ 0'"
    assert try_property("case_blind", released(index, Hashed())).counterexample is None
    assert try_property("white_space_blind", released(index, Hashed())).counterexample is None


def test_the_reranker_is_asked_too():
    """A second stage that sees capitals is found where the first stage does not."""
    index = FaissIndex("flat").build(Hashed().documents(DOCUMENTS))

    def rerank(text, codes, scores):
        return codes[::-1] if text.isupper() or text[0].isupper() else codes

    surface = replace(released(index, Hashed()), rerank=rerank)
    assert try_property("case_blind", surface).counterexample is not None
    assert try_property("white_space_blind", surface).counterexample is None


def test_near_scores_may_trade_places_and_others_not():
    """Ties within 1e-5 are no difference; a larger gap, another score, or another document is."""
    one = (np.array([[3, 2, 1]]), np.array([[0.9, 0.5, 0.1]], np.float32))
    near = (np.array([[3, 2, 1]]), np.array([[0.500004, 0.5, 0.1]], np.float32))
    assert same_hits(near, (near[0][:, [1, 0, 2]], near[1])) and not same_hits(one, (one[0][:, [1, 0, 2]], one[1]))
    assert not same_hits(one, (one[0], one[1] + np.float32(1e-3)))
    assert not same_hits(one, (np.array([[4, 2, 1]]), one[1]))


def test_index_relations_need_an_index():
    """A release that searches no vectors is told so, in one line."""
    surface = Surface(("one",), lambda texts, k: (np.full((len(texts), k), -1), np.full((len(texts), k), -np.inf)),
                      None, lambda gains, k: np.zeros(len(gains)))
    for name in INDEX:
        with pytest.raises(InputError, match="no vector index to try; expected a release with a dense retriever"):
            try_property(name, surface)


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_relation_is_a_measure_and_says_what_it_means(name):
    """Any policy can name it, and the page can print it in one row."""
    one = PROPERTIES[name]
    assert isinstance(one, Property) and family_of(f"violations of {name}") == "properties"
    assert all(words and "|" not in words and "\n" not in words for words in (one.claim, one.twin, one.meaning))


def test_the_page_is_written_from_the_relations():
    """docs/relations.md is what `python -m harness.hunting.relations_page` prints."""
    assert (TOP / "docs" / "relations.md").read_text(encoding="utf-8") == page()
    assert all(f"| `{name}` |" in page() for name in (*INDEX, *TEXTS))
