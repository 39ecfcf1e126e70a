"""Releases under stress: planted languages whose answers are known, who is asked what, and what is measured of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.languages import LANGUAGES, baseline, planted_task, reads_all, reads_all_but
from fixtures.tiny_corpus import tiny_world
from fixtures.trials import sound
from harness.data.task import Task
from harness.defects.owners import named, owner
from harness.errors import InputError
from harness.hunting.stressing import Ranks, author_paraphrases, one_by_one, stress, with_stress
from harness.hunting.synonyms import Lexicon
from harness.records import Run
from harness.release.judge import Finding, Verdict
from harness.release.measures import read
from harness.release.measures.stressed import STUDY
from harness.release.observing import observe_release
from harness.release.policy import Check, Limit
from harness.release.studied.stress_file import FILE, read_stress
from harness.release.studied.stress_rows import StressObserved
from tests.defects.gating import found
from tests.hunting.arenas import TEXTS
from tests.hunting.arenas import task as six
from tests.release.small import DENSE, served, small

LEXICON = Lexicon({"rows": ("lines",), "mean": ("sum",)}, ("in a table", "for all values"))
LEAST = Limit("at_least", 0.0, "lcb")


def exact(task: Task) -> Ranks:
    """Finds what a query's text stands for, letter by letter; other texts find nothing."""
    own = dict(zip(task.texts, [f"d{row}" for row in range(len(task))], strict=True))
    return one_by_one(lambda text: [own[text]] if text in own else ["d25"])


def of_planted(candidate: Ranks, task: Task) -> StressObserved:
    return stress(candidate, baseline(task), [task], kinds=["language"], rng=np.random.default_rng(1))


def judged(record: StressObserved, measure: str, on: str = "all") -> Finding:
    trial = sound(queries=20).with_study(STUDY, record)
    return found(Check("gate", measure, None, on, LEAST), trial, owner(measure))


# planted languages


@pytest.fixture(scope="module")
def planted() -> Task:
    return planted_task()


def test_a_release_that_is_better_in_every_language_passes(planted):
    """Three alphabets, 210 queries each: the least delta clears the limit, and the planted defect is refused."""
    finding = judged(of_planted(reads_all(planted), planted), "language delta nDCG@10")
    assert finding.verdict is Verdict.PASS, finding.reason
    assert finding.reading.estimate.n == 210 and set(finding.reading.details) == {f"language={one}"
                                                                                  for one in LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_that_lost_an_alphabet_is_refused_although_its_average_passes(language, planted):
    """The mean over all languages is the twin that lets it through; the least of them names which."""
    record = of_planted(reads_all_but(planted, language), planted)
    average = judged(record, "stress delta nDCG@10", "language")
    assert average.verdict is Verdict.PASS and average.reading.estimate.value > 0.05, average.reason
    finding = judged(record, "language delta nDCG@10")
    assert finding.verdict is Verdict.REFUSE and finding.reading.note == f"least in language={language}"
    alone = judged(record, "language delta nDCG@10", f"language={language}")
    assert alone.verdict is Verdict.REFUSE and alone.reading.estimate.n == 210


def test_one_language_is_never_a_pass_however_good():
    """A worst of one is no worst: nothing was compared, and the note says so."""
    task = planted_task(languages=["de"])
    finding = judged(of_planted(reads_all(task), task), "language delta nDCG@10")
    assert finding.verdict is Verdict.INCONCLUSIVE and finding.reading.note == "the corpus holds one language: de"
    without = stress(exact(six()), exact(six()), [six()], rng=np.random.default_rng(1), kinds=["typo", "language"])
    finding = judged(without, "language delta nDCG@10")
    assert finding.verdict is Verdict.INCONCLUSIVE and finding.reading.note == "the corpus holds one language"


def test_too_few_queries_of_a_language_bound_nothing():
    """Of 190 queries a language the lower bound is doubted, as everywhere under 200."""
    task = planted_task(queries=190)
    finding = judged(of_planted(reads_all(task), task), "language delta nDCG@10")
    assert finding.verdict is Verdict.INCONCLUSIVE and "needs n ≥ 200" in finding.reason


def test_the_defect_of_a_third_is_refused_too(planted):
    """One language in three that finds nothing more is enough."""
    trial = sound(queries=20).with_study(STUDY, of_planted(reads_all(planted), planted))
    check = Check("gate", "language delta nDCG@10", None, "all", LEAST)
    broken = read(named("one_language_breaks").plant(trial, 1 / 3), check)
    assert broken.estimate.high < 0.0 and broken.note == "least in language=de"


# who is asked what


def test_every_query_is_asked_in_every_kind():
    """Five slips, a synonym where there is one, clauses on all, the longest as they are, and a paraphrase of two."""
    said = {"search": {"q0": "bring the rows in order", "q1": TEXTS[1], "q2": "average"}}
    record = stress(exact(six()), None, [six()], rng=np.random.default_rng(1), lexicon=LEXICON, paraphrases=said)
    counts = {kind: int((record.kinds == kind).sum()) for kind in record.names if kind not in {"typo", "long"}}
    assert counts.pop("long=own") >= 1 and counts.pop("synonym") == 2 and counts.pop("paraphrase") == 2
    assert counts == dict.fromkeys(("typo=neighbour_key", "typo=transposition", "typo=dropped_letter",
                                    "typo=doubled_letter", "typo=joined_words", "long=appended"), 6)
    assert record.plain[record.kinds == "synonym"].tolist() == pytest.approx([0.7601877, 0.7601877], abs=1e-6)
    assert not record.stressed[record.altered].any() and np.isnan(record.baseline_plain).all()
    assert (record.stressed == record.plain)[record.kinds == "long=own"].all()


def test_a_paraphrase_is_judged_as_the_plain_query_and_its_own_document_stays_removed():
    """The other words of the author are asked in the place of the summary, under its id and with its `own`."""
    world, seen = tiny_world(), list[Task]()
    task = world.task("see_also").judge()

    def watching(asked: Task) -> Run:
        seen.append(asked)
        return Run.of(list(asked.query_ids), ["none"] * len(asked), [1.0] * len(asked))

    said = author_paraphrases(world)
    record = stress(watching, None, [task], kinds=["paraphrase"], rng=np.random.default_rng(1), paraphrases=said)
    assert len(record) and set(record.kinds) == {"paraphrase"}
    plain, asked = seen[0], seen[1]
    assert asked.texts == tuple(said["see_also"][name] for name in asked.query_ids) != plain.texts
    places = [plain.query_ids.index(name) for name in asked.query_ids]
    assert asked.own.tolist() == plain.own[places].tolist() and (asked.own >= 0).all()
    assert set(asked.qrels.queries.tolist()) == set(asked.query_ids)


def test_the_same_seed_asks_the_same_and_kinds_do_not_hang_on_each_other():
    """Texts of one kind are the same whichever others are asked for; another seed gives others."""

    def texts(kinds: list[str], seed: int) -> list[str]:
        asked = list[str]()
        note = one_by_one(lambda text: asked.append(text) or ["d0"])  # type: ignore[func-returns-value]
        stress(note, None, [six()], kinds=kinds, rng=np.random.default_rng(seed), lexicon=LEXICON)
        return asked

    synonyms = texts(["synonym"], 1)
    assert synonyms == texts(["synonym"], 1) and set(synonyms) <= set(texts(["typo", "synonym"], 1))
    assert texts(["typo"], 1) != texts(["typo"], 2)


def test_what_is_lost_is_what_is_left_without_the_edited_words():
    """A system that reads any of the words finds its document still, and scores so."""
    first = one_by_one(lambda text: [f"d{row}" for row, plain in enumerate(TEXTS) if text.split()[0] in plain.split()])
    record = stress(first, None, [six()], kinds=["typo"], rng=np.random.default_rng(1))
    assert ((record.lost >= 0.0) & (record.lost <= 1.0)).all() and record.lost.any()
    whole = stress(one_by_one(lambda text: ["d0"] if text else ["d1"]), None,
                   [replace(six(), texts=("sort",) * 6)], kinds=["typo"], rng=np.random.default_rng(1))
    assert np.isnan(whole.lost[whole.kinds != "typo=joined_words"]).all()  # one word, misspelt: nothing is left to ask


def test_a_system_that_finds_nothing_shares_nothing_with_itself():
    """Two empty rankings are no agreement: overlap 0, quality 0, on every row."""
    record = stress(one_by_one(lambda _: []), None, [six()], rng=np.random.default_rng(1), kinds=["typo"])
    assert len(record) == 30 and not record.overlap.any() and not record.plain.any() and not record.stressed.any()


def test_unjudged_queries_are_left_out():
    """A query without judgements has no value to lose."""
    queries = replace(six(), query_ids=("a", *six().query_ids), texts=("any text", *TEXTS), own=np.full(7, -1),
                      clusters=tuple("abcdefg"), fold=("judge",) * 7, slices={})
    record = stress(exact(six()), None, [queries], kinds=["typo"], rng=np.random.default_rng(1))
    assert set(record.queries) == set(six().query_ids)


@pytest.mark.parametrize(("kinds", "tasks", "line"), [
    (["typos"], [six()], r"no such kind of stress; expected paraphrase, .* found 'typos' \(nearest: typo\)"),
    (["typo"], [], "nothing was put under stress"),
    (["synonym"], [six()], "nothing was put under stress"),
    (["typo"], [six(), six()], "the same task twice.*found 'search'"),
    (["typo"], [replace(six(), contexts=((0,),) * 6)], "task search: a reading order has no texts to perturb"),
])
def test_what_cannot_be_asked_is_one_line(kinds, tasks, line):
    """Unknown kinds, no tasks, no words to give way, sequences."""
    with pytest.raises(InputError, match=line):
        stress(exact(six()), None, tasks, kinds=kinds, rng=np.random.default_rng(1))


# live releases


POLICY = ("[{measure: stress Jaccard@10, at_least: 0.5, slices: [typo]}, "
          "{measure: stress delta nDCG@10, by: lcb, at_least: -0.05, slices: [long]}]")


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A small live release whose policy asks for stress, observed; itself its baseline."""
    folder = tmp_path_factory.mktemp("stressed")
    loaded = small(folder, DENSE, POLICY)
    built, release = served(loaded, folder)
    from harness.release.observed import Trial

    side = observe_release(release, loaded, built)
    return loaded, Trial(side, side, loaded.manifest.seed)


def test_a_live_release_is_put_under_stress_where_its_policy_asks(live, tmp_path, monkeypatch):
    """The record is in the trial, twice the same, its report is believed; against itself nothing differs."""
    monkeypatch.chdir(tmp_path)
    loaded, trial = live
    one, two = (with_stress(loaded, trial).candidate.studies[STUDY] for _ in range(2))
    assert isinstance(one, StressObserved) and np.array_equal(one.stressed, two.stressed)
    assert {"typo", "synonym", "long"} <= set(one.names) and not one.deltas[1].any()
    assert 0.0 < one.overlap[one.altered].mean() < 1.0 and (one.overlap[~one.altered] == 1.0).all()
    rows = read_stress(tmp_path / "artifacts" / "small" / FILE)
    typo = next(row for row in rows if (row.kind, row.measure) == ("typo", "stress Jaccard@10"))
    assert typo.value == pytest.approx(one.overlap[one.rows("typo")].mean())


@pytest.mark.parametrize("on", ["typos", "language=de", "hard"])
def test_a_slice_that_stress_will_not_have_is_told_before_anything_is_asked(live, on, monkeypatch):
    """By manifest and gate, with the nearest; a sort of a kind that is asked for is one."""
    loaded, trial = live
    monkeypatch.setattr("harness.hunting.stressing.stress", None)
    row = loaded.manifest.policy[0].model_copy(update={"slices": (on,)})
    told = replace(loaded, manifest=loaded.manifest.model_copy(update={"policy": (row,)}))
    with pytest.raises(InputError, match=rf"small\.yaml, gate .*{on}.*: no such slice; expected one of all"):
        with_stress(told, trial)
    sort = loaded.manifest.policy[0].model_copy(update={"slices": ("typo=transposition",)})
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        with_stress(replace(loaded, manifest=loaded.manifest.model_copy(update={"policy": (sort,)})), trial)


def test_a_policy_that_asks_for_no_stress_gets_none(live):
    """The trial is handed back as it is; so is one of recorded files, and one that has its record."""
    loaded, trial = live
    plain = loaded.manifest.model_copy(update={"policy": ()})
    assert with_stress(replace(loaded, manifest=plain), trial) is trial
    recorded = replace(trial, candidate=replace(trial.candidate, live=None))
    assert with_stress(loaded, recorded) is recorded
    held = trial.with_study(STUDY, object())
    assert with_stress(loaded, held) is held
