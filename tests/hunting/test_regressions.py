"""Pins: a file form that cannot be loosened unseen, and a replay that catches what comes back and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.hunting.mutations import Step as Drawn
from harness.hunting.mutations import replayed as repeated
from harness.hunting.regressions import (
    Data,
    Pinned,
    Scores,
    name_of,
    parse_pin,
    pins_digest,
    read_pins,
    stated_limits,
    write_pin,
)
from harness.hunting.replaying import replayed
from harness.release.judge import Control, Verdict, judge
from harness.release.live import LiveRelease
from harness.release.measures import read
from harness.release.measures.regressions import broken_pins
from harness.release.observed import Observed, Trial
from harness.release.policy import Check, Limit
from harness.retrieval.hits import Hits
from tests.house.source import TOP
from tests.hunting.arenas import real_pin
from tests.release.small import DENSE, served, small

ROW = Check("regressions", "regressions", None, "all", Limit("at_most", 0.0, "value"))
COUNT = Check("pinned", "pinned regressions", None, "all", Limit("at_least", 1.0, "value"))


@pytest.fixture(scope="module")
def live(tmp_path_factory) -> LiveRelease:
    folder = tmp_path_factory.mktemp("pins")
    return served(small(folder, DENSE), folder)[1]


def observed(live: LiveRelease | None) -> Observed:
    return Observed("small", "0" * 64, {}, live=live)


@pytest.fixture(scope="module")
def pin(live) -> Pinned:
    """A loss that the small release really has."""
    return real_pin(live)


@pytest.fixture
def folder(tmp_path, pin):
    write_pin(tmp_path, pin)
    return tmp_path


def body(pin: Pinned, **changes: Any) -> bytes:
    return yaml.safe_dump(pin.model_dump(mode="json") | changes).encode()


def overturned(live: LiveRelease) -> LiveRelease:
    """The same release with its rankings upside down: every loss that there was is back, and more."""
    first = live.first

    class Upside:
        part, index, vectors, mended = first.part, first.index, staticmethod(first.vectors), staticmethod(first.mended)

        @staticmethod
        def hits(texts, vectors, *, k):
            found = first.hits(texts, vectors, k=k)
            return Hits(np.ascontiguousarray(found.codes[:, ::-1]), found.scores)

    return replace(live, first=Upside)


def counted(live: LiveRelease, folder) -> float:
    trial = Trial(replace(observed(live), pins=replayed(observed(live), folder)), None, 7)
    return read(trial, ROW).estimate.value


# the file


def test_a_pin_is_read_back_as_it_was_written(tmp_path, pin):
    """The same pin, the same bytes, under a name that says what it is."""
    path = write_pin(tmp_path, pin)
    (one,) = read_pins(tmp_path)
    assert one.pin == pin and one.name == path.stem == name_of(pin) and path.stem.startswith("truncation-plain-")
    before = path.read_bytes()
    assert write_pin(tmp_path, one.pin).read_bytes() == before


def test_a_pin_repeats_its_own_steps(pin):
    """The text that is replayed is what the recorded steps make of the query."""
    assert repeated(pin.query, [Drawn(step.operator, step.choices) for step in pin.steps]) == pin.mutated != pin.query


@pytest.mark.parametrize(("changes", "told"), [
    ({"limits": {"plain": 0.0, "mutated": 0.0}}, "limits.plain 0 is looser than status known asks"),
    ({"loss": 0.01}, "loss is ndcg.plain less ndcg.mutated"),
    ({"statsu": "fixed"}, r"unknown key 'statsu'.*nearest: status"),
    ({"status": "gone"}, "Input should be 'known' or 'fixed'"),
    ({"status": "fixed"}, "limits.mutated .* is looser than status fixed asks"),
    ({"against": "baseline"}, "a loss against the baseline needs ndcg.baseline"),
    ({"judged": []}, "at least 1 item"),
    ({"loss": float("nan")}, "finite number|greater than or equal"),
    ({"data": {"corpus": "beir", "digest": "short"}}, "pattern"),
])  # fmt: skip
def test_a_pin_that_says_less_than_it_found_is_one_line(pin, changes, told):
    """Loosened limits, numbers that do not add up, unknown keys and values: each is told with its file and place."""
    with pytest.raises(InputError, match=told) as caught:
        parse_pin(body(pin, **changes), where="regressions/one.yaml")
    assert str(caught.value).startswith("regressions/one.yaml, row ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(("raw", "told"), [(b"- 1", "not a pinned regression"), (b"a: [", "not YAML"),
                                           (b"\xff\xfe", "not UTF-8"), (b"", "not a pinned regression")])
def test_what_is_no_pin_is_never_no_pin_at_all(tmp_path, raw, told):
    """An unreadable file stops the reading of the folder: it is not passed over."""
    (tmp_path / "torn.yaml").write_bytes(raw)
    with pytest.raises(InputError, match=told):
        read_pins(tmp_path)


@pytest.mark.parametrize("name", ["copy.yaml", "{}.yml", "{}-2.yaml"])
def test_a_copy_of_a_pin_is_no_second_pin(folder, pin, name):
    """A pin stands under the name of its content alone: a copy does not fill the place of a deleted one."""
    kept = folder / f"{name_of(pin)}.yaml"
    (folder / name.format(name_of(pin))).write_bytes(kept.read_bytes())
    with pytest.raises(InputError, match=f"not the name of what it pins; expected {name_of(pin)}.yaml"):
        read_pins(folder)


def test_a_pin_whose_text_was_edited_is_one_line(folder, pin):
    """A mutated query made plain again would never lose: the name tells that the content is not what was found."""
    path = folder / f"{name_of(pin)}.yaml"
    path.write_bytes(body(pin.model_copy(update={"mutated": pin.query})))
    with pytest.raises(InputError, match="not the name of what it pins"):
        read_pins(folder)


@pytest.mark.parametrize("make", [lambda path: path.write_text(""), lambda path: path.symlink_to("nowhere")])
def test_pins_that_are_no_folder_are_an_error(tmp_path, make):
    """A file, or a link to nowhere, in the folder's place is told: it is not an empty folder."""
    make(tmp_path / "regressions")
    with pytest.raises(InputError, match="not a folder"):
        read_pins(tmp_path / "regressions")


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \t\n\r\x85\u2028\u2029'#:\""), min_size=1))
@settings(max_examples=60, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("a\x85b")
@example(" \u2028 ")
def test_any_text_is_read_back_as_it_was_written(tmp_path, pin, text):
    """Ids and texts of any script, with any white space: the replayed query is the one that was found."""
    written = pin.model_copy(update={"query_id": text, "query": text, "mutated": f"{text} "})
    path = write_pin(tmp_path, written)
    assert parse_pin(path.read_bytes(), where=path) == written


def test_a_limit_may_be_stricter_than_its_status_asks(pin):
    """Who holds a release to more may write so."""
    stricter = {"plain": pin.ndcg.plain, "mutated": pin.ndcg.mutated}
    assert parse_pin(body(pin, limits=stricter), where="x").limits.plain == pin.ndcg.plain


def test_a_fixed_pin_is_held_beside_its_reference():
    """Known: not worse than found. Fixed: less than a find under the plain query, or the baseline."""
    found = Scores(plain=0.9, mutated=0.3, baseline=0.7)
    assert stated_limits(found, against="plain", status="known").mutated == pytest.approx(0.28)
    assert stated_limits(found, against="plain", status="fixed").mutated == pytest.approx(0.8)
    assert stated_limits(found, against="baseline", status="fixed").mutated == pytest.approx(0.6)


def test_a_deleted_or_edited_pin_shows_in_the_digest(folder, pin):
    """The digest hangs on names and bytes."""
    path = write_pin(folder, pin.model_copy(update={"mutated": "something else"}))
    both = pins_digest(read_pins(folder))
    path.write_bytes(path.read_bytes() + b"\n")
    edited = pins_digest(read_pins(folder))
    path.unlink()
    assert len({both, edited, pins_digest(read_pins(folder))}) == 3


# the replay


def test_a_sound_release_passes_its_own_pins(live, folder):
    """What was found is there still, and has not grown."""
    assert counted(live, folder) == 0.0


def test_a_release_that_broke_again_is_caught(live, folder):
    """The rankings stand on their heads: the replay counts the pin, on the same release's code."""
    assert counted(overturned(live), folder) == 1.0


def test_a_plain_query_that_falls_is_caught_though_the_mutated_one_cannot_fall(live, folder, pin):
    """A known loss of everything leaves the mutated query nothing to lose: the plain one is held as well."""
    pins = replayed(observed(live), folder)
    (one,) = pins.pins
    assert broken_pins(replace(pins, pins=(replace(one, plain=one.mutated, mutated=one.mutated),))) == [one.name]
    assert pin.ndcg.plain - pin.ndcg.mutated > 0.1


def test_a_known_loss_that_is_declared_fixed_is_refused(live, tmp_path, pin):
    """`status: fixed` on a loss that is still there is a regression."""
    fixed = pin.model_copy(update={
        "status": "fixed", "limits": stated_limits(pin.ndcg, against=pin.against, status="fixed")})
    write_pin(tmp_path, fixed)
    assert counted(live, tmp_path) == 1.0


def test_pins_of_other_bytes_of_this_corpus_are_doubt(live, tmp_path, pin):
    """A changed corpus makes the replay mean something else: INCONCLUSIVE, with the pin's name, never a pass."""
    write_pin(tmp_path, pin.model_copy(update={"data": Data(corpus=pin.data.corpus, digest="0" * 64)}))
    pins = replayed(observed(live), tmp_path)
    assert pins.pins == () and pins.elsewhere == (name_of(pin),)
    for row in (ROW, COUNT):
        reading = read(Trial(replace(observed(live), pins=pins), None, 7), row)
        assert judge(row, reading).verdict is Verdict.INCONCLUSIVE and "other data" in reading.note


def test_doubt_about_one_pin_hides_no_broken_one(live, folder, pin):
    """A pin of other bytes beside one that broke: REFUSE, with the broken one's name, though the rest is doubt."""
    write_pin(folder, pin.model_copy(update={"mutated": "aside", "data": Data(corpus=pin.data.corpus,
                                                                              digest="0" * 64)}))
    broken, whole = (replace(observed(live), pins=replayed(observed(one), folder)) for one in (overturned(live), live))
    reading = read(Trial(broken, None, 7), ROW)
    assert judge(ROW, reading).verdict is Verdict.REFUSE and name_of(pin) in reading.note
    assert judge(ROW, read(Trial(whole, None, 7), ROW)).verdict is Verdict.INCONCLUSIVE


def test_doubt_about_one_pin_hides_no_deleted_one(live, folder, pin):
    """Where even with the pins of other bytes there are too few, the row that counts them refuses; else it doubts."""
    write_pin(folder, pin.model_copy(update={"mutated": "aside", "data": Data(corpus=pin.data.corpus,
                                                                              digest="0" * 64)}))
    trial = Trial(replace(observed(live), pins=replayed(observed(live), folder)), None, 7)
    for least, verdict in ((3.0, Verdict.REFUSE), (2.0, Verdict.INCONCLUSIVE), (1.0, Verdict.INCONCLUSIVE)):
        row = replace(COUNT, limit=Limit("at_least", least, "value"))
        assert judge(row, read(trial, row)).verdict is verdict


def test_pins_of_another_corpus_are_another_release_s_business(live, tmp_path, pin):
    """They are not replayed and not counted."""
    write_pin(tmp_path, pin.model_copy(update={"data": Data(corpus="elsewhere", digest="0" * 64)}))
    pins = replayed(observed(live), tmp_path)
    assert (pins.pins, pins.elsewhere) == ((), ())


def test_without_pins_nothing_was_measured(live, tmp_path):
    """An empty folder is doubt for the losses, and a refusal where a number of pins is asked for."""
    trial = Trial(replace(observed(live), pins=replayed(observed(live), tmp_path)), None, 7)
    shown = replace(read(trial, ROW), control=Control("returned_losses", 1.0, 1.0, 1.0, 1.0, 1))
    assert judge(ROW, shown).verdict is Verdict.INCONCLUSIVE
    assert judge(COUNT, read(trial, COUNT)).verdict is Verdict.REFUSE


@pytest.mark.parametrize(("changes", "told"), [
    ({"query_id": "q9999"}, "no such judged query"), ({"query": "another text"}, "not the query's text"),
    ({"task": "serach"}, r"no such task.*nearest: search"),
])  # fmt: skip
def test_a_pin_of_an_unknown_query_is_one_line(live, tmp_path, pin, changes, told):
    """A pin that no judged query answers to is an error, not a pin that holds."""
    write_pin(tmp_path, pin.model_copy(update=changes))
    with pytest.raises(InputError, match=told):
        replayed(observed(live), tmp_path)


def test_recorded_files_cannot_be_asked_again(tmp_path):
    """A replay needs something that answers."""
    with pytest.raises(InputError, match="replayed on live parts; expected a live manifest"):
        replayed(observed(None), tmp_path)


def test_pins_that_were_not_replayed_are_an_error():
    """A trial without a replay is no trial without regressions."""
    with pytest.raises(InputError, match="no pinned regressions were replayed"):
        read(Trial(observed(None), None, 7), ROW)


SHIPPED = read_pins(TOP / "regressions")


@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.name)
def test_a_shipped_pin_is_named_after_what_its_steps_make(one):
    """The pins of this repository: valid, named after their content, and their steps give their text."""
    assert one.name == name_of(one.pin)
    assert repeated(one.pin.query, [Drawn(step.operator, step.choices) for step in one.pin.steps]) == one.pin.mutated
