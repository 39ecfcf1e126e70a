"""One question through a live release, and a study of all of them: on twelve documents, for real."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.answers import answers_world
from fixtures.openai_server import model_server
from harness.defects.answered_readers import CitesElsewhere, Falters, IgnoresGold, Invents
from harness.errors import InputError
from harness.generation.extractive import ExtractiveReader
from harness.generation.limits import Limits
from harness.generation.passages import passages_of
from harness.release.asking import Asking, reader_of
from harness.release.build import Built
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, parse_manifest
from harness.release.observed import Observed
from harness.release.reader_parts import ReaderPart
from harness.release.studied.answered import observe
from harness.release.studied.answers_file import FILE, read_written
from harness.release.studied.answers_live import asked_in_turns, questions_of
from harness.release.studied.answers_rows import AnswersObserved
from harness.release.studied.answers_table import record_of
from harness.retrieval.bm25 import Bm25
from tests.defects.gating import equal

WORLD = answers_world()
MANIFEST = """
release: {name}
baseline: {baseline}
seed: 42
data: {{corpus: pyanswers}}
parts: {{retriever: {{impl: bm25}}, reader: {{documents: 5, passages: 2, per_document: 1, pool: 8}}}}
studies: {{answered: {{questions: {questions}}}}}
policy: [{policy}]
"""
ROW = "{measure: answer F1, at_least: 0.2}"


def loaded(name: str = "new", *, baseline: str = "null", questions: str = "null", policy: str = ROW,
           folder: Path = Path()) -> Loaded:
    raw = MANIFEST.format(name=name, baseline=baseline, questions=questions, policy=policy).encode()
    (folder / f"{name}.yaml").write_bytes(raw)
    return Loaded(parse_manifest(raw, where=name), raw, folder / f"{name}.yaml")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory) -> Path:
    """Two releases' frozen folders, the old one's passages cut short: three words say little."""
    root = tmp_path_factory.mktemp("checkout")
    for name, words in (("new", 80), ("old", 8)):
        folder = root / "artifacts" / name
        WORLD.save(folder / "world")
        passages_of(WORLD.corpus, chunk_words=words).save(folder / "passages")
        Bm25().fit([one.text for one in WORLD.corpus.documents]).save(folder / "lexical")
    return root


def built(root: Path, name: str = "new") -> Built:
    return Built(WORLD, {part: root / "artifacts" / name / part for part in ("world", "lexical", "passages")})


@pytest.fixture(scope="module")
def asking(artifacts) -> Asking:
    return Asking.load(loaded(folder=artifacts).manifest, WORLD, built(artifacts).folders)


def asked_of(one: Asking) -> AnswersObserved:
    return record_of(asked_in_turns([one], WORLD.task("answers"), WORLD)[0])


def test_a_question_is_found_chosen_and_read(asking):
    """The gold document is in the pool, a passage of it is shown and cited, and stages add up to the whole."""
    task = WORLD.task("answers")
    found = asking.ask(task.texts[2])
    gold = WORLD.corpus.ids.index(task.query_ids[2])
    assert gold in found.pool and len(found.pool) <= 8 and len(found.documents) <= 5
    assert 1 <= len(found.passages) <= 2 and found.reply.cited and found.reply.text
    assert set(found.reply.cited) <= {one.id for one in found.passages}
    assert 0.0 < found.embedding_ms + found.reply.total_ms < found.total_ms


def test_asked_twice_it_answers_the_same(asking):
    """What is not time is the same, question by question."""
    one, two = asked_of(asking), asked_of(asking)
    now = {name: getattr(one, name) for name in ("total_ms", "embedding_ms")}
    assert equal(one, replace(two, **now))


def test_a_stall_of_the_machine_is_nobodys_latency(asking):
    """Of repeated passes each question's fastest counts; asked once, one that stalled would."""

    class Stalls:
        asked = 0

        def __getattr__(self, name):
            return getattr(asking, name)

        def ask(self, text, *, own):
            self.asked += 1
            found = asking.ask(text, own=own)
            return found._replace(total_ms=found.total_ms + 1e6 * (self.asked == 3))

    task = WORLD.task("answers")
    once, thrice = (asked_in_turns([Stalls()], task, WORLD, repeats=n)[0] for n in (1, 3))
    assert max(row.total_ms for row in once) > 1e6 > max(row.total_ms for row in thrice)
    assert [row.answer for row in once] == [row.answer for row in thrice]


def test_an_extractive_reader_is_faithful_and_uses_what_it_finds(asking):
    """Sentences that are copied are supported; nothing is called, repeated or cut."""
    record = asked_of(asking)
    assert record.faithfulness.min() > 0.9 and record.hit.mean() > 0.6 and record.used_gold.any()
    assert not record.calls.any() and not record.retries.any() and not record.timed_out.any()


# planted readers


def broken(asking: Asking, reader) -> AnswersObserved:
    return asked_of(replace(asking, reader=reader))


def test_a_reader_that_invents_is_unfaithful_as_often_as_it_does(asking):
    """Half the sentences from elsewhere lose about half the support, all of them nearly all; at 0 nothing changes."""
    sound = asked_of(asking)
    others = [f"Completely unrelated sentence number {at}." for at in range(20)]
    none, half, whole = (broken(asking, Invents(ExtractiveReader(), share, others=others)).faithfulness.mean()
                         for share in (0.0, 0.5, 1.0))
    assert none == sound.faithfulness.mean() and whole < 0.2
    assert whole < half < none and half == pytest.approx(none / 2, abs=0.2)


def test_a_reader_that_ignores_gold_uses_none_of_it(asking):
    """The gold document is found as before, and no answer rests on it."""
    task = WORLD.task("answers")
    gold = {text: frozenset({name}) for text, name in zip(task.texts, task.query_ids, strict=True)}
    record = broken(asking, IgnoresGold(ExtractiveReader(), gold))
    assert record.hit.mean() == asked_of(asking).hit.mean() and not record.used_gold.any()


def test_a_reader_that_cites_elsewhere_loses_its_support(asking):
    """The answers are as good as before; what they cite does not say them."""
    sound, record = asked_of(asking), broken(asking, CitesElsewhere(ExtractiveReader()))
    assert np.array_equal(record.f1, sound.f1)
    assert record.faithfulness.mean() < 0.5 * sound.faithfulness.mean()
    assert record.used_gold.mean() < sound.used_gold.mean()


@pytest.mark.parametrize(("how", "column"), [("repeated", "retries"), ("cut", "timed_out")])
def test_a_reader_that_falters_is_counted(asking, how, column):
    """Repeated calls and answers that never came, for about the share that was planted, never for none."""
    record = broken(asking, Falters(ExtractiveReader(), how, share=0.5))
    assert 0 < getattr(record, column).sum() < len(record)
    assert (record.calls >= record.retries).all()
    if how == "cut":
        assert not record.f1[record.timed_out == 1.0].any()


def test_a_late_reader_is_late_on_the_record(asking):
    """It says how long it took; the whole takes at least as long."""
    found = replace(asking, reader=Falters(ExtractiveReader(clock=iter(range(10**6)).__next__), "late", factor=7.0))
    assert found.ask(WORLD.task("answers").texts[0]).total_ms >= 7_000.0
    with pytest.raises(InputError, match="no such fault"):
        replace(asking, reader=Falters(ExtractiveReader(), "later")).ask("Why?")


def test_a_model_behind_http_is_measured_like_any_reader(asking):
    """A real server answers: calls are counted, a dropped one is repeated, what it cites is followed to documents."""
    with model_server(plan=lambda number: "500" if number == 3 else "") as server:
        part = ReaderPart(impl="http", model="tiny", url=server.url, limits=Limits(backoff_s=0.0))
        record = broken(asking, reader_of(part, seed=42, environ={}))
    assert record.calls.sum() == len(record) + 1 == len(server.seen) - 1  # one to warm up, which no row counts
    assert record.retries.sum() == 1.0 and not record.timed_out.any()
    assert record.used_gold.any() and record.faithfulness.mean() > 0.9


@pytest.mark.parametrize("fault", ["400", "404", "garbage"])
def test_a_fallbacks_answers_are_no_evidence_of_the_models(asking, fault):
    """A model that answers once and then no more: the fallback's answers are good, and each is a hard time-out."""
    with model_server(plan=lambda number: fault if number else "") as server:
        part = ReaderPart(impl="http", model="tiny", url=server.url, limits=Limits(retries=0))
        record = broken(asking, reader_of(part, seed=42, environ={}))
    assert record.used_gold.any() and not record.retries.any()
    assert record.timed_out.sum() == len(record)  # the one answer was the warm-up's


# the study


def observed(one: Loaded, root: Path) -> Observed:
    name = one.manifest.release
    live = LiveRelease.load(one.manifest, WORLD, built(root, name).folders)
    return Observed(name, one.manifest.config_hash, {}, live=live)


def test_the_study_asks_both_sides_and_writes_what_was_answered(artifacts):
    """Only judged questions; the file reads back to the candidate's record; short passages answer worse."""
    new = loaded(baseline="old", policy="{measure: delta answer F1, at_least: 0.0}", folder=artifacts)
    old = loaded("old", folder=artifacts)
    record = observe(new, built(artifacts), observed(new, artifacts), observed(old, artifacts), lambda _: None)
    assert set(record.query_ids) == set(WORLD.task("answers").judge().query_ids)
    assert record.recall.mean() > record.against.recall.mean()
    kept = record_of(read_written(artifacts / "artifacts" / "new" / FILE))
    assert equal(kept, replace(record, baseline=None))


def test_without_a_comparison_the_baseline_is_not_asked(artifacts):
    """One side, no baseline in the record."""
    one = loaded(folder=artifacts)
    assert observe(one, built(artifacts), observed(one, artifacts), None, lambda _: None).baseline is None
    two = loaded(policy="{measure: answer p95 ratio, at_most: 1.15}", folder=artifacts)
    with pytest.raises(InputError, match="a comparison needs a baseline"):
        observe(two, built(artifacts), observed(two, artifacts), None, lambda _: None)


def test_a_slice_there_is_not_is_told_before_anything_is_asked(artifacts):
    """With the nearest."""
    one = loaded(policy="{measure: answer F1, at_least: 0.2, slices: [kind=retrun]}", folder=artifacts)
    with pytest.raises(InputError, match=r"no such slice; .*\(nearest: kind=return\)"):
        observe(one, built(artifacts), observed(one, artifacts), None, lambda _: None)


def test_questions_are_drawn_by_the_seed(artifacts):
    """As many as the manifest says, where there are so many; each with a gold answer."""
    assert len(questions_of(loaded(questions="59", folder=artifacts), WORLD)) <= 59
    bare = replace(WORLD, answers=None)
    with pytest.raises(InputError, match="which questions are answered is not said"):
        questions_of(loaded(folder=artifacts), bare)
    with pytest.raises(InputError, match="no question has a gold answer"):
        questions_of(loaded(policy="{measure: answer F1, task: answers, at_least: 0.2}", folder=artifacts), bare)


def test_a_release_without_a_reader_answers_nothing(artifacts):
    """One line, for parts without a reader and for folders without passages."""
    one = loaded(folder=artifacts)
    folders = {name: path for name, path in built(artifacts).folders.items() if name != "passages"}
    with pytest.raises(InputError, match=r"column parts.reader: nothing answers"):
        Asking.load(one.manifest, WORLD, folders)
