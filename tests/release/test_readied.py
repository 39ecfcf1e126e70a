"""What a reader is given, counted: faults at the doses they come in, live parts as frozen, tables of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fixtures.answers import answers_world
from fixtures.shots import passages_drawn, readied_of, shots_drawn
from fixtures.trials import sound
from harness.defects.owners import named, owner
from harness.errors import InputError
from harness.generation.choosing import word_index
from harness.generation.few_shot import ShotPool
from harness.generation.passages import Passages
from harness.generation.prefix_leaks import held_words, leaked_prefixes, texts_held
from harness.generation.shapes import Shot
from harness.release.build import Built, build
from harness.release.cache import PartCache
from harness.release.freeze import freeze, recorded_digests
from harness.release.judge import Finding, Reading, Verdict
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures import read
from harness.release.measures.readied import EXAMPLES, STUDY
from harness.release.observed import Observed, Trial
from harness.release.policy import Check, Limit
from harness.release.studied import readied
from harness.release.studied.readied_rows import ReadiedObserved
from harness.release.studied.snapshot import Breadth, Snapshot, breadth, snapshot_of
from harness.retrieval.bm25 import Bm25
from tests.defects.gating import LIMITS, found
from tests.gates.recorded import checkout

FEW = sound(queries=20)


def check(measure: str, on: str = "all") -> Check:
    return Check("gate", measure, None, on, Limit(*LIMITS[measure]))


def of(record: ReadiedObserved) -> Trial:
    return FEW.with_study(STUDY, record)


def reading(record: ReadiedObserved, measure: str) -> Reading:
    return read(of(record), check(measure))


def judged(record: ReadiedObserved, measure: str) -> Finding:
    return found(check(measure), of(record), owner(measure))


# budgets and prefixes


def test_one_word_too_many_is_counted():
    """A passage of exactly its words passes, of one more it is refused and named."""
    held = readied_of().passages.all
    for words, verdict in ((80, Verdict.PASS), (81, Verdict.REFUSE)):
        long = (replace(held[0], text=" ".join(["word"] * words)), *held[1:])
        finding = judged(replace(readied_of(), passages=Passages(long)), "passages over budget")
        assert finding.verdict is verdict
    assert held[0].id in finding.reading.note


def test_few_words_of_many_tokens_are_over_the_budget_too():
    """A passage that no prompt has room for is over, however few its words."""
    held = readied_of().passages.all
    dense = (replace(held[0], text="x" * 7000), *held[1:])
    assert reading(replace(readied_of(), passages=Passages(dense)), "passages over budget").estimate.value == 1.0


PREFIXED: dict[str, Callable[[str, str], str]] = {
    "as written": lambda prefix, text: f"{prefix} {text}",
    "in capitals": lambda prefix, text: f"{prefix.upper()}: {text}",
    "at the end": lambda prefix, text: f"{text} ({prefix})",
    "in full-width letters": lambda prefix, text: "".join(chr(ord(one) + 0xFEE0) if one.isascii() and one.isalnum()
                                                          else one for one in prefix) + f" {text}",
    "with underscores": lambda prefix, text: f"{prefix.replace(' · ', '_')} {text}",
    "one word of it": lambda prefix, text: f"{text} {prefix.split()[0]}"}


@pytest.mark.parametrize("way", PREFIXED)
def test_a_prefix_in_the_index_is_found_however_it_is_written(way):
    """Read back from the index's own postings; the index of the authors' words alone is clean."""
    held = passages_drawn(documents=20, share=0.0).all
    texts = [PREFIXED[way](one.prefix, one.text) if at % 4 == 0 else one.text for at, one in enumerate(held)]
    index = Bm25(lead=0, lead_weight=1.0).fit(texts)
    assert leaked_prefixes(held, held_words(index)) == tuple(one.id for one in held[::4])
    assert leaked_prefixes(held, texts_held(texts)) == tuple(one.id for one in held[::4])
    assert leaked_prefixes(held, held_words(word_index(Passages(held)))) == ()


def test_a_word_that_the_author_says_too_is_no_leak():
    """`Parameters` in the text itself is the author's, and an index of other passages is told."""
    one = passages_drawn(documents=1, share=0.0).all[:1]
    said = (replace(one[0], text=f"{one[0].text} Parameters of the domain0 topic0000heading."),)
    assert leaked_prefixes(said, texts_held([said[0].text])) == ()
    with pytest.raises(InputError, match="the index is of other passages"):
        leaked_prefixes(said, texts_held([]))


# near-duplicates and breadth


def test_the_share_of_near_duplicates_is_bounded_on_both_sides():
    """Thinned too far is refused from above, nothing taken out from below; a sound share passes both."""
    low = Check("gate", "near-duplicate share", None, "all", Limit("at_least", 0.10, "value"))
    plant = owner("near-duplicate share", direction="at_least")
    assert plant.name == "near_duplicates_left" and owner("near-duplicate share").name == "thinned_too_far"
    assert found(low, of(readied_of()), plant).verdict is Verdict.PASS
    left = plant.plant(of(readied_of()), 1.0)
    assert read(left, low).estimate.value == 0.0
    assert judged(readied_of(), "near-duplicate share").verdict is Verdict.PASS
    assert reading(readied_of(), "near-duplicate share").note == "143 of 609 passages"


def snapshot(n: int = 2043, *, domains: int = 4, passages: int | None = None) -> Snapshot:
    return Snapshot({f"d{at:05d}": f"domain{at % domains}" for at in range(n)}, 3 * n if passages is None else passages)


def less(before: Snapshot, keep: Callable[[int, str], bool]) -> Snapshot:
    left = {name: domain for at, (name, domain) in enumerate(before.documents.items()) if keep(at, name)}
    return Snapshot(left, 3 * len(left))


CLAMPS: dict[str, tuple[Callable[[int, str], bool], str]] = {
    "exactly 2,000 rows, spread": (lambda at, _: at % 47 != 0 or at == 0, "round number"),
    "a domain gone": (lambda at, _: at % 4 != 2, "domain domain2"),
    "cut after a letter": (lambda at, _: at < 1983, "ids from d01940"),
    "cut before a letter": (lambda at, _: at >= 60, "ids from d00000"),
    "a hole in the middle": (lambda at, _: not 1000 <= at < 1060, "ids from d0"),
    "half of everything": (lambda at, _: at % 2 == 0, "")}


@pytest.mark.parametrize("how", CLAMPS)
def test_a_silent_clamp_is_caught(how):
    """Three of a hundred documents are missing, or many: where they went shows, and the limit of 0.9 refuses."""
    keep, where = CLAMPS[how]
    least = breadth(less(snapshot(), keep), snapshot())
    assert least.share < 0.9 and where in least.where, least


def test_totals_alone_would_not_have_seen_it():
    """The twin that compares counts of rows passes three clamps of three in a hundred."""
    for how in ("exactly 2,000 rows, spread", "cut after a letter", "a hole in the middle"):
        left = less(snapshot(), CLAMPS[how][0])
        assert len(left.documents) / len(snapshot().documents) > 0.95


def test_a_fair_loss_and_growth_within_the_share_pass():
    """Three of a hundred lost evenly is breadth 0.97 or so; the same snapshot is 1; a doubled one is half as stable."""
    assert breadth(snapshot(), snapshot()) == Breadth(1.0, "documents", 2043, 2043)
    assert 0.94 < breadth(less(snapshot(), lambda at, _: at % 33 != 5), snapshot()).share < 0.98
    assert breadth(snapshot(), snapshot(passages=12_000)).share == pytest.approx(6129 / 12_000)
    assert breadth(snapshot(passages=12_258), snapshot()).share == 0.5
    grown = Snapshot({**snapshot().documents, "e": "domain4"}, 6132)
    assert breadth(grown, snapshot()).share == pytest.approx(0.8)
    with pytest.raises(InputError, match="nothing to be as broad as"):
        breadth(snapshot(), Snapshot({}, 0))


def test_a_thinner_cut_of_near_duplicates_changes_no_breadth():
    """What was taken out still counts: its document was ingested."""
    assert snapshot_of(readied_of().passages) == snapshot_of(passages_drawn(share=0.25))


@pytest.mark.parametrize("severity", [0.05, 0.25, 1.0])
@pytest.mark.parametrize("name", ["ingest_clamped", "one_domain_thinned", "items_in_the_pool", "answers_in_the_pool",
                                  "picked_by_place", "prefixes_indexed", "passages_uncut"])
def test_every_grade_that_moves_a_number_is_refused(name, severity):
    """Zero bounds refuse the least grade; breadth does from what its limit of 0.9 says."""
    measure = next(one for one in EXAMPLES if named(name).caught_by(one))
    value = read(named(name).plant(of(readied_of()), severity), check(measure)).estimate.value
    broken = value > 0.0 if named(name).signal.goes == "up" else value < (0.9 if severity > 0.05 else 1.0)
    assert broken, value


# few-shots


def test_a_fixed_word_of_the_prompt_that_tells_an_item_is_a_leak():
    """Not the pool alone: what every prompt says is looked through too."""
    record = readied_of()
    told = replace(record, told=(f"For example: {record.items[3].question}",))
    finding = judged(told, "few-shot leaks")
    assert finding.verdict is Verdict.REFUSE
    assert "question of item0003 in prompt 0" in finding.reading.note


def test_the_note_names_the_item_the_shot_and_how():
    """One planted answer is one judged question told."""
    record = readied_of()
    shots = (replace(record.shots.shots[0], answer=record.items[5].answer), *record.shots.shots[1:])
    one = reading(replace(record, shots=ShotPool(shots)), "few-shot leaks")
    assert one.estimate.value == 1.0 and one.estimate.n == 90
    assert one.note == "answer of item0005 in shot0000 (exact)" and one.details["shots at fault"] == 1.0


@pytest.mark.parametrize("measure", EXAMPLES)
def test_without_the_study_or_its_part_nothing_is_measured(measure):
    """No record, an empty one, a slice: errors all, never a pass."""
    with pytest.raises(InputError, match="the study was not made"):
        read(FEW, check(measure))
    with pytest.raises(InputError, match="was not measured"):
        reading(ReadiedObserved(), measure)
    with pytest.raises(InputError, match="is counted over all"):
        read(of(readied_of()), check(measure, "hard"))


def test_one_repeat_is_nothing_to_compare():
    """A single order shows no difference."""
    with pytest.raises(InputError, match="nothing to compare"):
        replace(readied_of(), picks=readied_of().picks[:1])


# live parts

LIVE = """
release: {name}
seed: 42
{baseline}data: {{corpus: pyanswers}}
parts:
  retriever: {{impl: blend}}
  encoder: {{dims: 8}}
  index: {{impl: flat}}
  reader: {{shots: 2, chunk_words: 12}}
policy:
  - {{measure: RR, at_least: 0.0}}
{rows}"""
ROWS = "".join(f"  - {{measure: {name}, {'at_least' if name == 'snapshot breadth' else 'at_most'}: 0}}\n"
               for name in EXAMPLES)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Loaded, Built]]:
    """Builds and freezes a release over the twelve documents with answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.release.build.build_pyanswers", lambda *, seed: answers_world(seed=seed))

    def made(name: str = "rag", baseline: str = "", rows: str = ROWS) -> tuple[Loaded, Built]:
        path = tmp_path / f"{name}.yaml"
        path.write_text(LIVE.format(name=name, rows=rows, baseline=baseline), encoding="utf-8")
        loaded = load_manifest(path)
        built = build(loaded, PartCache(tmp_path / "cache"))
        folder = freeze(loaded, built, root=tmp_path / "artifacts")
        return loaded, Built(built.world, {part: folder / part for part in built.folders})

    return made


def observed(loaded: Loaded, built: Built) -> ReadiedObserved:
    release = LiveRelease.load(loaded.manifest, built.world, built.folders)
    return readied.observe(loaded, built, Observed(loaded.manifest.release, "", {}, live=release), None, lambda _: None)


def test_live_parts_are_looked_at_as_they_were_frozen(live):
    """Nothing over budget, no prefix indexed, no shot that leaks, the same picks in three orders, no less broad."""
    live("rag-base", rows="")
    record = observed(*live(baseline="baseline: rag-base\n"))
    values = {name: reading(record, name).estimate.value for name in EXAMPLES}
    assert values.pop("snapshot breadth") == 1.0 and values.pop("near-duplicate share") < 0.35
    assert set(values.values()) == {0.0}
    assert record.picks.shape == (3, len(record.items), 2) and len(record.held.rows) == len(record.passages)


def test_an_index_of_prefixes_is_found_where_the_release_makes_it(live, monkeypatch):
    """A release whose lexical index reads prefixes is refused: the index is asked, not the intention."""
    loaded, built = live()
    monkeypatch.setattr("harness.generation.choosing.word_index", lambda passages: Bm25(lead=0, lead_weight=1.0).fit(
        [f"{one.prefix} {one.text}" for one in passages.all]))
    record = observed(loaded, built)
    assert reading(record, "prefix leakage").estimate.value > 0.9 * len(record.passages)


def test_a_release_without_what_is_asked_for_is_told(live):
    """No pool where few-shots are measured, no reader, no baseline to be as broad as."""
    loaded, built = live()
    bare = Built(built.world, {name: folder for name, folder in built.folders.items() if name != "shots"})
    with pytest.raises(InputError, match=r"parts\.reader\.shots: no few-shots were frozen"):
        observed(loaded, bare)
    with pytest.raises(InputError, match=r"parts\.reader: nothing is read"):
        observed(loaded, Built(built.world, {name: built.folders[name] for name in ("world", "encoder", "index",
                                                                                   "lexical")}))
    with pytest.raises(InputError, match="a baseline's passages: was not measured"):
        reading(observed(loaded, built), "snapshot breadth")


def test_the_study_is_made_where_a_row_asks(live):
    """And nowhere else."""
    assert readied.wanted(live()[0].manifest) and not readied.wanted(live("other", rows="")[0].manifest)


# tables of one's own


def written(folder: Path, **tables: list[dict[str, object]]) -> Loaded:
    path = checkout(folder, {"measure": "prefix leakage", "at_most": 0})
    for name, rows in tables.items():
        pd.DataFrame(rows).to_json(folder / f"{name}.jsonl", orient="records", lines=True)
    told = json.loads(path.read_text(encoding="utf-8"))
    options = {name: {"jsonl": f"{name}.jsonl"} for name in tables}
    path.write_text(json.dumps(told | {"studies": {"readied": options}}), encoding="utf-8")
    return load_manifest(path)


def own(n: int = 40) -> dict[str, list[dict[str, object]]]:
    """Passages of which every fourth was taken out, shots, items, two runs."""
    held = passages_drawn(documents=n, share=0.0).all[::3]
    rows: list[dict[str, object]] = [
        {"id": one.id, "doc": one.doc, "text": one.text, "domain": one.domain, "prefix": one.prefix,
         "indexed": one.text, "kept_for": held[0].id if at % 4 == 3 else ""} for at, one in enumerate(held)]
    shots = [{"id": one.id, "question": one.question, "answer": one.answer} for one in shots_drawn(9, seed=2)]
    items = [{"query_id": one.id, "question": one.question, "answer": one.answer} for one in shots_drawn(9, seed=5)]
    shown = [{"query_id": one["query_id"], "run": run, "shots": ["shot0001", "shot0002"]} for one in items
             for run in ("a", "b")]
    return {"passages": rows, "baseline": rows, "shots": shots, "items": items, "shown": shown}


def test_tables_of_ones_own_are_measured(tmp_path):
    """All six numbers from files; what was indexed under a prefix, or shown otherwise in a run, is counted."""
    record = readied.recorded(written(tmp_path, **own()), lambda _: None)
    assert {name: reading(record, name).estimate.value for name in EXAMPLES} == {
        "passages over budget": 0.0, "prefix leakage": 0.0, "near-duplicate share": 0.25, "snapshot breadth": 1.0,
        "few-shot leaks": 0.0, "few-shot differences": 0.0}
    wrong = own()
    wrong["passages"][0]["indexed"] = f"{wrong['passages'][0]['prefix']} {wrong['passages'][0]['text']}"
    wrong["shots"][0]["answer"] = wrong["items"][3]["answer"]
    wrong["shown"][-1]["shots"] = ["shot0001"]
    wrong["passages"] = wrong["passages"][:30]
    record = readied.recorded(written(tmp_path, **wrong), lambda _: None)
    assert [reading(record, name).estimate.value for name in EXAMPLES[1:2] + EXAMPLES[4:]] == [1.0, 1.0, 1.0]
    assert reading(record, "snapshot breadth").estimate.value == 0.0


def test_questions_that_were_shown_nothing_show_no_difference(tmp_path):
    """Two runs of empty lists are alike, and nothing was compared: no number of questions, so no pass."""
    tables = own()
    tables["shown"] = [{**row, "shots": []} for row in tables["shown"]]
    assert reading(readied.recorded(written(tmp_path, **tables), lambda _: None), EXAMPLES[5]).estimate.n == 0
    sound = readied.recorded(written(tmp_path, **own()), lambda _: None)
    assert reading(sound, EXAMPLES[5]).estimate.n == len(own()["items"])


def test_their_digests_are_among_the_files(tmp_path):
    """What was read can be read again."""
    assert {f"{name}.jsonl" for name in own()} <= set(recorded_digests(written(tmp_path, **own())))


def test_who_was_removed_must_be_said_where_it_is_judged(tmp_path):
    """Without a column `kept_for` the share removed is unknown, and no 0 that passes; other measures need none."""
    tables = own()
    bare = [{name: said for name, said in row.items() if name != "kept_for"} for row in tables["passages"]]
    loaded = written(tmp_path, passages=bare)
    readied.recorded(loaded, lambda _: None)
    text = loaded.path.read_text(encoding="utf-8").replace("prefix leakage", "near-duplicate share")
    loaded.path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="column kept_for: no such column"):
        readied.recorded(load_manifest(loaded.path), lambda _: None)


def changed(table: str, row: int, **change: object) -> dict[str, list[dict[str, object]]]:
    tables = own()
    tables[table][row] = {**tables[table][row], **change}
    return tables


@pytest.mark.parametrize(("tables", "line"), [
    ({}, r"studies\.readied: no table of passages or few-shots"),
    (changed("passages", 1, id="doc0000#0000"), "row 2, column id: an id that is empty or stands twice"),
    (changed("passages", 1, id=""), "row 2, column id: an id that is empty or stands twice"),
    (changed("passages", 3, kept_for="doc0000#0009"), r"kept for a passage that is not there; .*nearest"),
    (changed("passages", 0, txet="x"), r"unknown column; .*\(nearest: text\)"),
    ({"shots": [{"id": "a", "question": "b"}]}, "column answer: no such column"),
    (changed("shown", 1, shots="shot0001"), "row 2, column shots: not a list"),
    (changed("shown", 1, run="a"), "row 2, column query_id: a question stands twice in a run"),
    (changed("shown", 1, run="c"), "column query_id: a question is missing from a run"),
    ({"shown": own()["shown"][::2]}, "nothing to compare"),
    (changed("shown", 1, shots=["shot0001", "shot9999"]),
     r"studies\.readied\.shown: shown, and not in the pool; .*shot9999'? \(nearest: shot"),
])
def test_a_table_that_cannot_be_is_one_line(tables, line, tmp_path):
    """By file, row and column, with the nearest."""
    with pytest.raises(InputError, match=line):
        readied.recorded(written(tmp_path, **tables), lambda _: None)


def test_drawn_words_are_no_worlds_of_their_own():
    """The fixture's shots and items share nothing: else every leak test would pass on noise."""
    assert isinstance(shots_drawn(2, seed=1)[0], Shot)
    assert np.unique([one.question for one in shots_drawn(50, seed=1)]).size == 50
