"""The hunt: a planted weakness is found and shrunk to the least that shows it, and soundness is never claimed."""

from __future__ import annotations

import pytest
from hypothesis import Phase

from harness.data.store import sha256_tree
from harness.errors import InputError
from harness.hunting.hunt import PLAIN, hunt, largest_finds
from harness.hunting.mutations import Step, replayed
from harness.hunting.pinning import mutated_chapter, pin_of
from harness.hunting.regressions import Data, write_pin
from harness.hunting.searching import ANY, PROFILES, Find, Seen
from tests.hunting.arenas import TEXTS, arena, doubled, sound, weak

CI = PROFILES["ci"]._replace(examples=40)
DATA = Data(corpus="six", digest="0" * 64)


def found(candidate, *operators, baseline=None, seed=1, **more):
    return hunt(arena(candidate, baseline), profile=CI, seed=seed, operators=operators, **more)


def test_the_texts_have_no_weakness_of_their_own():
    """What the tests plant is not there before it is planted."""
    assert not any(doubled(text) for text in TEXTS)


@pytest.mark.parametrize("operator", ["doubled_letter", ANY])
def test_a_planted_weakness_is_found_and_shrunk(operator):
    """A system that trips over a letter struck twice: one edit, the first letter, the first query."""
    (find,) = found(weak(doubled), operator).finds
    assert (find.seen.row, find.seen.loss) == (0, 1.0)
    assert sum(step.severity for step in find.seen.steps) == 1 and len(find.seen.steps) == 1
    if operator != ANY:
        assert find.seen.steps == (Step("doubled_letter", (1, 0)),) and find.seen.text == "ssort the rows"


def test_without_shrinking_the_find_is_not_minimal(monkeypatch):
    """The test above has teeth: the same search that may not shrink hands back a larger mutation."""
    monkeypatch.setattr("harness.hunting.searching._PHASES", (Phase.generate, Phase.target))
    (find,) = found(weak(doubled), "doubled_letter").finds
    assert find.seen.steps != (Step("doubled_letter", (1, 0)),)


def test_a_letter_that_hurts_is_reached_through_the_keys_beside_it():
    """The weakness is a letter that no query holds: the find types it once, by slips that it records."""
    (find,) = found(weak(lambda text: "q" in text), "neighbour_key", seed=4).finds
    assert find.seen.text.count("q") == 1 and find.seen.loss == 1.0
    assert replayed(TEXTS[find.seen.row], find.seen.steps) == find.seen.text


def test_the_search_climbs_to_the_largest_loss():
    """Of two weaknesses the graver is the find, though the lighter one is met first."""
    def both(text, row):
        if len(text) >= len(TEXTS[row]) + 2:
            return []
        return sound(text, row)[1:] if len(text) > len(TEXTS[row]) else sound(text, row)

    (find,) = found(both, "doubled_letter").finds
    assert find.seen.loss == 1.0 and find.seen.steps[0].severity == 2


def test_a_sound_candidate_gives_no_find_and_says_how_much_was_tried():
    """Nothing is found where nothing is lost; the count is of examples, not a claim about all queries."""
    out = found(sound, "doubled_letter", "case", baseline=sound)
    assert out.finds == ()
    tried = {(one.operator, one.against): one.examples for one in out.tallies}
    assert tried[PLAIN, "baseline"] == len(TEXTS)
    assert all(0 < tried[name, side] <= CI.examples for name in ("doubled_letter", "case")
               for side in ("plain", "baseline"))
    assert out.examples == sum(tried.values()) and all(one.largest == 0.0 for one in out.tallies)


def test_a_loss_under_the_threshold_is_no_find():
    """The second document in the place of the first costs less than all, and no less than nothing."""
    def slips(text, row):
        hits = list(sound(text, row))
        return [hits[1], hits[0], *hits[2:]] if doubled(text) else hits

    least = found(slips, "doubled_letter").finds[0].seen.loss
    assert 0.1 < least < 0.5
    strict = hunt(arena(slips, threshold=least + 0.01), profile=CI, seed=1, operators=("doubled_letter",))
    assert strict.finds == () and strict.tallies[0].largest == pytest.approx(least)


def test_a_loss_beside_the_baseline_needs_the_mutation():
    """Where the plain query loses already, that is the find, without any mutation; the searches look elsewhere."""
    def poor(text, row):
        return [] if row == 4 or doubled(text) else sound(text, row)

    out = found(poor, "doubled_letter", baseline=sound)
    by = {(one.operator, one.against): one for one in out.finds}
    assert by[PLAIN, "baseline"].seen == Seen(4, (), TEXTS[4], 1.0, 0.0)
    assert by["doubled_letter", "baseline"].seen.row == 0
    assert all(one.row != 4 for one in out.seen)  # it has nothing to lose beside itself either


def test_a_mutation_that_hurts_both_is_no_loss_beside_the_baseline():
    """The baseline trips as well: the candidate lost beside its own plain query, and not beside the baseline."""
    out = found(weak(doubled), "doubled_letter", baseline=weak(doubled))
    assert [one.against for one in out.finds] == ["plain"]


def test_the_profile_ci_repeats_itself_to_the_byte(tmp_path):
    """Two hunts under one seed write the same files and tell the same."""
    told = []
    for name in ("one", "two"):
        here = arena(weak(doubled), sound)
        out = hunt(here, profile=CI, seed=5, operators=("doubled_letter", ANY), examples=tmp_path / "db")
        for find in out.finds:
            write_pin(tmp_path / name, pin_of(find, here, release="weak", data=DATA, profile=CI))
        told.append((out.finds, out.tallies, sha256_tree(tmp_path / name)))
    assert told[0] == told[1] and len(told[0][2]) >= 2
    assert not (tmp_path / "db").exists()


def test_another_seed_tries_other_examples():
    """The seed is what the examples hang on."""
    one, two = (found(sound, "dropped_letter", seed=seed).seen for seed in (1, 2))
    assert one != two


def test_the_profile_hunt_keeps_its_examples_and_goes_on_as_long_as_it_may(tmp_path):
    """Two rounds under two seeds; the example database is there for the next time."""
    left = iter([True, True, False, False, False])
    out = hunt(arena(weak(doubled)), profile=PROFILES["hunt"]._replace(examples=30), seed=9, examples=tmp_path,
               operators=("doubled_letter",), more=lambda: next(left))
    assert out.tallies[0].examples > 30
    assert any((tmp_path / "doubled_letter-plain").iterdir())
    assert out.finds[0].seen.steps == (Step("doubled_letter", (1, 0)),)


def test_what_a_release_raises_is_raised_as_it_is():
    """An endpoint that goes away is told in its own words, and no example after it is believed."""
    def gone(text, row):
        if text not in TEXTS:
            raise InputError("no answer in time", where="http://localhost")
        return sound(text, row)

    with pytest.raises(InputError, match="http://localhost: no answer in time"):
        found(gone, "doubled_letter")


def test_nothing_to_lose_is_an_error():
    """A candidate that finds nothing cannot lose anything: that is told, not passed over."""
    with pytest.raises(InputError, match="nothing to hunt in"):
        found(lambda text, row: [], "case")


def test_an_unknown_mutation_names_the_nearest():
    """A typo in an operator's name is one line."""
    with pytest.raises(InputError, match="nearest: doubled_letter"):
        found(sound, "doubled_leter")


def test_the_largest_finds_take_turns_between_the_sides():
    """Pins are few: the sides take turns, and no mutated query is pinned twice."""
    def find(against, row, loss):
        return Find("case", against, Seen(row, (), f"text {row}", 1.0, 1.0 - loss), 0, 1)

    finds = [find("plain", 1, 0.9), find("plain", 2, 0.8), find("plain", 3, 0.7), find("baseline", 1, 0.6),
             find("baseline", 4, 0.5)]
    kept = [(one.against, one.seen.row) for one in largest_finds(finds, most=3)]
    assert kept == [("plain", 1), ("plain", 2), ("baseline", 4)]
    assert largest_finds([], most=3) == []


def test_a_pin_holds_both_rankings_of_what_is_judged():
    """Ranks before and after, nDCG of both, the limits: all as the arena itself says."""
    here = arena(weak(doubled), sound)
    (find,) = [one for one in hunt(here, profile=CI, seed=1, operators=("doubled_letter",)).finds
               if one.against == "baseline"]
    pin = pin_of(find, here, release="weak", data=DATA, profile=CI)
    assert [(one.doc_id, one.relevance, one.before, one.after) for one in pin.judged] == [
        ("d0", 2, 1, None), ("d1", 1, 2, None)]
    assert (pin.ndcg.plain, pin.ndcg.mutated, pin.ndcg.baseline, pin.loss) == (1.0, 0.0, 1.0, 1.0)
    assert (pin.limits.plain, pin.limits.mutated, pin.found.examples) == (0.9, 0.0, find.examples)


def test_the_gallery_of_mutations_shows_each_query_once_a_side():
    """Losses and gains of what was tried, the largest of each query, and no text where none may be shown."""
    here = arena(weak(doubled))
    out = hunt(here, profile=CI, seed=1, operators=("doubled_letter",))
    shown = mutated_chapter(out, here, most=3, shown=True, title=lambda doc: f"Title of {doc}")
    assert len(shown.exhibits) == 3 and all(one.gain == -1.0 for one in shown.exhibits)
    assert len({one.query_id for one in shown.exhibits}) == 3 and shown.compared == out.tallies[0].examples
    assert shown.exhibits[0].hits_before[0].title.startswith("Title of d")
    hidden = mutated_chapter(out, here, most=3, shown=False, title=lambda doc: "")
    assert all(one.text is None and one.asked is None and "doubled_letter × " in one.change for one in hidden.exhibits)
