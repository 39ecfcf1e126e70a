"""The gallery: losses and gains, largest first, with the hits before and after; no text where none may be shown."""

from __future__ import annotations

import pytest

from fixtures.trials import judgements, ranking, trial_of
from harness.errors import InputError
from harness.hunting.gallery import Chapter, Exhibit, Hit, exhibits_of, gallery, hits_of, largest, visible

GRADES = {"q1": {"a": 1}, "q2": {"a": 1}, "q3": {"a": 1}, "q4": {"a": 2, "b": 0}}
NEW = {"q1": ["a", "b", "c"], "q2": ["b", "c", "a"], "q3": ["b", "a"], "q4": ["b", "a"]}
OLD = {"q1": ["b", "c", "a"], "q2": ["a", "b"], "q3": ["b", "a"]}


def trial():
    return trial_of(ranking(NEW), judgements(GRADES), baseline=ranking(OLD))


def test_only_queries_that_differ_are_shown_with_both_values():
    """q3 answers alike; q4 the baseline did not answer at all, and that is a gain from zero."""
    found = {one.query_id: (round(one.before, 3), round(one.after, 3)) for one in exhibits_of(trial(), None)}
    assert found == {"q1": (0.5, 1.0), "q2": (1.0, 0.5), "q4": (0.0, 0.631)}


def test_hits_carry_their_rank_s_document_and_grade():
    """The first hits in order; a judged 0 is told from what nobody judged."""
    (one,) = [one for one in exhibits_of(trial(), None, title=str.upper) if one.query_id == "q4"]
    assert one.hits_before == () and one.hits_after == (Hit("b", "B", 0), Hit("a", "A", 2))
    assert hits_of(["x", "y", "z", "w"], {"y": 1}) == (Hit("x", "", None), Hit("y", "", 1), Hit("z", "", None))


def test_losses_and_gains_stand_apart_largest_first():
    """Both ends of the same list; equal ones in the order of ids; what did not change is in neither."""
    shown = [Exhibit(name, None, "", None, 0.5, after, (), ()) for name, after in
             [("a", 0.1), ("b", 0.0), ("c", 0.5), ("d", 0.9), ("e", 0.6), ("f", 0.0)]]
    losses, gains = largest(shown, most=2)
    assert [one.query_id for one in losses] == ["b", "f"] and [one.query_id for one in gains] == ["d", "e"]


def test_texts_are_shown_where_they_are_given_and_ids_elsewhere():
    """With texts the query is quoted; without, its id stands alone."""
    texts = {"q1": "first words", "q2": "second words"}
    with_texts = gallery("r", [Chapter("Plain", "old", "new", 4, exhibits_of(trial(), None, texts=texts))])
    bare = gallery("r", [Chapter("Plain", "old", "new", 4, exhibits_of(trial(), None))])
    assert "**-0.500** (1.000 → 0.500) q2: “second words”" in with_texts
    assert "**-0.500** (1.000 → 0.500) q2\n" in bare and "words" not in bare


def test_the_gallery_shows_both_sides_beside_each_other():
    """A table a query: ranks down, before and after across, marks for the judgement."""
    told = gallery("r", [Chapter("Plain", "old", "new", 4, exhibits_of(trial(), None))])
    assert "| rank | old | new |\n| --: | :-- | :-- |\n| 1 | ● a | · b |\n| 2 | · b | · c |\n| 3 | – | ● a |" in told
    assert told.index("### Largest losses") < told.index("### Largest gains") and "4 compared" in told


def test_a_chapter_without_losses_says_so():
    """Empty is told as empty among what was compared, not as none there."""
    told = gallery("r", [Chapter("Plain", "old", "new", 7, ())])
    assert told.count("among what was compared.") == 2 and told.endswith("\n")


def test_what_a_query_holds_cannot_break_the_page():
    """Mark-up, table bars and tags of a query or title are text; signs that nobody sees are spelt out."""
    one = Exhibit("q|1", "a <b> | c\td", "", None, 1.0, 0.0, (Hit("d", "x | y <i>", 1),), ())
    told = gallery("r", [Chapter("Plain", "old", "new", 1, (one,))])
    assert "“a &lt;b&gt; \\| c‹U+0009›d”" in told and "● d: x \\| y &lt;i&gt;" in told and "<b>" not in told


def test_a_look_alike_is_seen():
    """A Cyrillic letter that the plain query has not is spelt out; one that it has is its own text."""
    assert visible("Мask", beside="Mask") == "‹U+041C›ask" and visible("Маск", beside="Маск") == "Маск"


def test_one_release_has_no_gallery():
    """Without a baseline there is nothing to stand beside."""
    with pytest.raises(InputError, match="a gallery needs two releases; expected a baseline"):
        exhibits_of(trial_of(ranking(NEW), judgements(GRADES)), None)
