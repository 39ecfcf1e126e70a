"""Documents are cut at their authors' seams, whole, and what is removed is still said by what was kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.answers import answers_world
from harness.data.corpus import Corpus, Document
from harness.errors import InputError
from harness.generation.passages import Offer, Passages, chunks, passages_of, sentences
from harness.retrieval.texts import words


@pytest.fixture(scope="module")
def world():
    return answers_world()


@pytest.fixture(scope="module")
def passages(world):
    return passages_of(world.corpus, chunk_words=80)


def one_document(text: str, *, title: str = "") -> Corpus:
    return Corpus.of("c", [Document("d", title, "", f"{title}\n{text}" if title else text, "c", "c")])


def test_every_gold_answer_stands_under_its_entry(world, passages):
    """What the authors wrote under the entry asked about is a passage of that section and field, word for word."""
    golds, sections = world.answers, {"parameter": "parameters", "return": "returns", "raise": "raises"}
    for row, query in enumerate(golds.query_ids):
        offers = passages.of(world.corpus.position(query))
        found = [passages.all[one.row].text for one in offers if one.section == sections[golds.kinds[row]]
                 and golds.fields[row] in {"", one.field}]
        assert golds.texts[row] in found


def test_no_prefix_stands_in_the_text(world, passages):
    """Package and section of a document, which its prefix tells, are no words of its passages; a leak is seen."""
    first = passages.all[0]
    assert first.prefix == "bake · dough fold · Summary" and "bake" not in words(first.text)
    leaked = replace(first, text=f"{first.prefix} {first.text}")
    assert "bake" in words(leaked.text)


def test_passages_come_back_from_disk(passages, tmp_path):
    """Saved and loaded, removed ones and all, the digest is the same; a changed byte is refused."""
    fewer = passages.without({passages.all[3].id: passages.all[0].id})
    fewer.save(tmp_path)
    assert Passages.load(tmp_path).digest == fewer.digest != passages.digest
    raw = (tmp_path / "passages.json").read_bytes()
    (tmp_path / "passages.json").write_bytes(raw.replace(b"middle", b"muddle"))
    with pytest.raises(InputError, match="is not what its header names"):
        Passages.load(tmp_path)


def test_what_is_removed_is_still_offered_by_its_document(passages):
    """A near-duplicate's document keeps its section and field, in the words of the one that was kept for it."""
    kept, gone = passages.all[1], passages.all[-1]
    fewer = passages.without({gone.id: kept.id})
    assert len(fewer) == len(passages) - 1
    assert fewer.of(gone.place)[-1] == Offer(1, gone.section, gone.field)
    assert fewer.documents(kept.id) == {kept.doc, gone.doc} and passages.documents(kept.id) == {kept.doc}
    assert all(one.text == "" for one, _ in fewer.removed)


def test_a_removed_passage_needs_one_that_stands_for_it(passages):
    """Kept for nobody's sake, or twice under one id, passages are refused; an unknown id is told with its neighbour."""
    with pytest.raises(InputError, match="a passage that is not there"):
        passages.without({passages.all[0].id: "bake.dough.fold#9999"})
    with pytest.raises(InputError, match="repeated"):
        Passages((passages.all[0], passages.all[0]))
    with pytest.raises(InputError, match=r"nearest|bake\.dough\.fold#0000"):
        passages.at("bake.dough.fold#00000")


@pytest.mark.parametrize("most", [8, 20, 80])
def test_no_piece_is_longer_than_asked_and_no_word_is_lost(most):
    """Pieces of a long text hold all of its words in order, and none has more than it may."""
    text = " ".join(f"Sentence number {number} says {'very ' * (number % 30)}little." for number in range(60))
    pieces = chunks(text, most=most)
    assert " ".join(pieces).split() == text.split()
    assert max(len(piece.split()) for piece in pieces) <= most


def test_text_of_any_kind_is_cut_by_paragraphs():
    """A page without headings gives one passage a paragraph; title, code and what leads up to code give none."""
    text = "The first thing.\n\nThe second\nthing.\n\nHow to do it:\n\n>>> 1 + 1\n2\n\nTwo words."
    made = passages_of(one_document(text, title="A page of text"), chunk_words=9)
    assert [(one.id, one.text) for one in made.all] == [("d#0000", "The first thing."), ("d#0001", "The second thing.")]


def test_nothing_to_cut_is_refused():
    """Signs without a word are no passage; a corpus of them is an error, as is a piece of no words."""
    with pytest.raises(InputError, match="nothing to cut"):
        passages_of(one_document("--- !!! ---"), chunk_words=9)
    with pytest.raises(InputError, match="chunk_words"):
        passages_of(one_document("Words."), chunk_words=0)


def test_sentences_are_not_broken_at_abbreviations():
    """Abbreviations and decimal points end nothing."""
    assert sentences("Use it, i.e. Here, at 0.5 e.g. Now. Go!") == ["Use it, i.e. Here, at 0.5 e.g. Now.", "Go!"]
