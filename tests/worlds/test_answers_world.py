"""The embedded questions are honest on the real documents: unnamed, answered in the corpus, the same every time."""

from __future__ import annotations

import pytest

from harness.data.pyanswers import build_pyanswers
from harness.data.pyanswers.questions import WORDINGS, names_its_document
from harness.data.pydocs.text import squash
from harness.generation.passages import passages_of

pytestmark = [pytest.mark.slow, pytest.mark.worlds]


@pytest.fixture(scope="module")
def world():
    return build_pyanswers()


def test_there_are_enough_questions_of_each_kind(world):
    """A thousand to judge, each kind among them, in more than thirty modules."""
    judged = world.task("answers").judge()
    assert len(judged) >= 1000 and len(set(judged.clusters)) > 30
    assert all(judged.slices[f"kind={kind}"].sum() >= 20 for kind in ("parameter", "return", "raise"))


def test_no_question_gives_its_document_or_its_answer_away(world):
    """Neither the name, nor the answer, nor is the sentence that is asked left in the document."""
    task, texts = world.task("answers"), {one.id: squash(one.text) for one in world.corpus.documents}
    for query, text in zip(task.query_ids, task.texts, strict=True):
        assert not names_its_document(text, query)
        assert squash(world.answers.text(query)) not in squash(text)
        row = world.answers.row(query)
        wordings = [f" {one.format(world.answers.fields[row])}" for one in WORDINGS[world.answers.kinds[row]]]
        sentence, = {text.removesuffix(one) for one in wordings if text.endswith(one)}
        assert squash(sentence) not in texts[query]


def test_every_answer_can_be_found(world):
    """Cut into passages, each document still says all of the words of its gold answer."""
    passages = passages_of(world.corpus, chunk_words=80)
    for query in world.answers.query_ids:
        said = squash(" ".join(passages.all[one.row].text for one in passages.of(world.corpus.position(query))))
        assert squash(world.answers.text(query)) in said


def test_the_same_packages_give_the_same_questions(world):
    """Made again, the digest is equal; another seed asks other things of the same documents."""
    assert build_pyanswers().digest == world.digest
    other = build_pyanswers(seed=43)
    assert other.corpus.digest == world.corpus.digest and other.digest != world.digest
