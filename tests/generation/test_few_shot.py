"""Few-shots: who is picked follows from vectors and ids alone, everybody has a turn, nothing that is judged leaks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom

from fixtures.answers import answers_world
from fixtures.shots import shots_drawn, vectors_drawn
from harness.defects.readied import edited
from harness.errors import InputError
from harness.generation import few_shot_leaks as guard
from harness.generation.few_shot import Picker, ShotPool, curated, items_of
from harness.generation.few_shot_leaks import leaks, plain
from harness.generation.shapes import Shot

SEED = 42
POOL = ShotPool.of(shots_drawn(40, seed=2))
ITEMS = shots_drawn(300, seed=3, name="item")


def picker(pool: ShotPool = POOL) -> Picker:
    """Vectors that belong to the shots, wherever they stand."""
    known = dict(zip(POOL.ids, vectors_drawn(len(POOL), seed=4), strict=True))
    return Picker(pool, np.array([known[name] for name in pool.ids]))


def ids(rows: list[tuple[Shot, ...]]) -> list[list[str]]:
    return [[one.id for one in row] for row in rows]


# picking


def slow_pick(one: Picker, vector: np.ndarray, k: int) -> list[str]:
    """By definition: cosine down, id up."""
    far = [(-round(float(np.dot(vector.astype(float), held.astype(float))), 6), shot.id)
           for held, shot in zip(one.vectors, one.pool.shots, strict=True)]
    return [name for _, name in sorted(far)[:k]]


def test_picks_are_the_nearest_by_definition_ties_by_id():
    """On a grid where most distances are shared, each question gets what sorting all pairs gives it."""
    asked = vectors_drawn(50, seed=6)
    assert ids(picker().pick(asked, k=5)) == [slow_pick(picker(), row, 5) for row in asked]


def test_any_order_of_the_pool_gives_the_same_picks():
    """Ten shuffled pools; the twin that breaks ties by place is seen to differ."""
    asked, rng = vectors_drawn(60, seed=6), np.random.default_rng(1)
    base, by_place = ids(picker().pick(asked, k=3)), 0
    for _ in range(10):
        order = rng.permutation(len(POOL)).tolist()
        pool = ShotPool.of(POOL.shots[at] for at in order)
        assert ids(picker(pool).pick(asked, k=3)) == base
        near = np.round(asked.astype(float) @ picker().vectors[order].T.astype(float), 6)
        twin = [[POOL.shots[order[at]].id for at in row] for row in np.argsort(-near, axis=1, kind="stable")[:, :3]]
        by_place += twin != base
    assert by_place == 10


def test_the_last_bit_of_a_product_decides_nothing():
    """Vectors off by a float's rounding are as near as before."""
    asked = vectors_drawn(60, seed=6)
    assert ids(picker().pick(asked * np.float32(1 - 1e-7), k=4)) == ids(picker().pick(asked, k=4))


def test_more_than_there_are_is_all_and_none_is_none():
    """Beyond the pool it is the pool, at 0 nothing."""
    asked = vectors_drawn(2, seed=6)
    assert [len(row) for row in picker().pick(asked, k=99)] == [40, 40]
    assert picker().pick(asked, k=0) == [(), ()]


@pytest.mark.parametrize(("vectors", "k"), [(np.zeros((1, 3), np.float32), 1), (np.zeros((1, 8), np.float32), -1),
                                            (np.full((1, 8), np.nan, np.float32), 1), (np.zeros(8, np.float32), 1)])
def test_what_cannot_be_picked_by_is_told(vectors, k):
    """Another width, NaN, a negative k, one vector instead of rows."""
    with pytest.raises(InputError, match="few-shots: cannot pick"):
        picker().pick(vectors, k=k)


# turns


def test_every_shot_has_its_turn_and_none_twice_as_often():
    """Over four rotations of ten of forty each shot comes once; over forty rotations of seven, seven times."""
    for active, rotations, each in ((10, 4, 1), (7, 40, 7)):
        came = Counter(name for turn in range(rotations) for name in POOL.turn(turn, seed=SEED, active=active).ids)
        assert came == dict.fromkeys(POOL.ids, each)


def test_a_rotation_follows_from_its_number_and_the_seed():
    """The same again, whatever order the pool came in; another seed turns otherwise."""
    backwards = ShotPool.of(POOL.shots[::-1])
    assert backwards.turn(3, seed=1, active=9) == POOL.turn(3, seed=1, active=9)
    assert POOL.turn(3, seed=2, active=9) != POOL.turn(3, seed=1, active=9)
    assert POOL.turn(0, seed=1, active=99) == POOL
    with pytest.raises(InputError, match="rotation from 0, active from 1"):
        POOL.turn(-1, seed=1)


def test_a_pool_reads_back_as_it_was_written(tmp_path):
    """Same bytes twice, same digest after; a changed byte is found."""
    POOL.save(tmp_path)
    raw = (tmp_path / "shots.json").read_bytes()
    assert ShotPool.load(tmp_path) == POOL and ShotPool.load(tmp_path).digest == POOL.digest
    (tmp_path / "shots.json").write_bytes(raw.replace(b"shot0001", b"shot0999"))
    with pytest.raises(InputError, match="is not what its header names"):
        ShotPool.load(tmp_path)


@pytest.mark.parametrize(("shots", "line"), [
    ([Shot("a", "q", "x"), Shot("a", "r", "y")], "few-shots"), ([Shot("a", " ", "x")], "without a question or an"),
    ([Shot("a", "q", "")], "without a question or an answer")])
def test_a_pool_that_cannot_be_is_told(shots, line):
    """An id twice, an empty question, an empty answer."""
    with pytest.raises(InputError, match=line):
        ShotPool.of(shots)


# curating


def test_a_curated_pool_is_of_questions_to_learn_from_and_like_none_that_is_judged():
    """From the other fold alone, and the guard finds nothing in it; the same seed gives the same pool."""
    world = answers_world()
    task = world.task("answers")
    pool = curated(task, world.answers, seed=SEED, size=5)
    learned = {one.id for one in items_of(task, world.answers, fold="fit")}
    assert 0 < len(pool) <= 5 and set(pool.ids) <= learned
    assert leaks(items_of(task, world.answers), pool.shots) == []
    assert pool == curated(task, world.answers, seed=SEED, size=5)


# leaks


def planted(share: float, part: str, *, seed: int = 0, n: int = 200) -> list[Shot]:
    """Shots whose question or answer is an item's, with a share of its letters changed."""
    rng, base = np.random.default_rng(seed), shots_drawn(n, seed=9)
    return [Shot(one.id, *((edited(getattr(item, part), share, rng), one.answer) if part == "question" else
                           (one.question, edited(getattr(item, part), share, rng))))
            for one, item in zip(base, ITEMS, strict=False)]


def caught(held: list[Shot]) -> int:
    return len({leak.shot for leak in leaks(ITEMS, held)})


@pytest.mark.parametrize("part", ["question", "answer"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_planted_leaks_up_to_a_letter_in_five_are_caught(part, share):
    """Of 200 planted, by any of the three comparisons, all but a binomial few of one in a hundred."""
    assert caught(planted(share, part)) >= 200 - binom.isf(1e-6, 200, 0.01)


def test_a_guard_that_only_compares_exactly_is_caught(monkeypatch):
    """The twin without its two tolerant comparisons lets a letter in twenty pass."""
    monkeypatch.setattr(guard, "CONTAINED", 1.0)
    monkeypatch.setattr(guard, "EDITED", 1.0)
    assert caught(planted(0.0, "question")) == 200
    assert caught(planted(0.05, "question")) == 0


def test_a_sound_pool_raises_no_alarm():
    """300 items beside 400 shots of the same words in other sentences: nothing is found."""
    assert leaks(ITEMS, shots_drawn(400, seed=21)) == []


def test_half_letters_changed_is_another_text():
    """Far enough away nothing is caught: the guard is no wall."""
    assert caught(planted(0.6, "question")) == 0


@pytest.mark.parametrize(("change", "how"), [
    (lambda text: text.upper() + " !!", "exact"), (lambda text: text.replace(" ", ",  "), "exact"),
    (lambda text: f"By the way, somebody once asked this: {text} Thanks for all the fish.", "contained"),
    (lambda text: " ".join(text.split()[:10]), "contained"), (lambda text: text.replace("e", "a"), "edited")])
def test_disguises_are_seen_through(change, how):
    """Case and signs, a longer text around it, a part of it, one letter for another: each by its own comparison."""
    found = leaks(ITEMS[:1], [Shot("s", change(ITEMS[0].question), "Something else entirely.")])
    assert [(leak.item, leak.part, leak.how) for leak in found] == [("item0000", "question", how)]


def tagged(text: str) -> str:
    return "".join(chr(0xE0000 + ord(sign)) for sign in text)


@pytest.mark.parametrize(("change", "how"), [
    (lambda text: " ".join(sorted(text.split())), "reordered"),
    (lambda text: " ".join(text.split()[::-1]), "reordered"),
    (lambda text: text[::-1], "reordered"), (" ".join, "reordered"),
    (lambda text: "Look: " + " ".join(sorted(set(text.lower().split()))), None),
    (lambda text: "Nothing to see." + tagged(text), "exact")])
def test_other_orders_spaces_and_unseen_signs_hide_nothing(change, how, monkeypatch):
    """Words sorted or reversed, letters reversed or apart, tag characters; the twin without the comparison is blind."""
    shot = Shot("s", change(ITEMS[0].question), "Something else entirely.")
    assert [leak.how for leak in leaks(ITEMS[:1], [shot])] == ([how] if how else [])
    monkeypatch.setattr(guard, "_reordered", lambda texts, others: np.zeros((len(texts), len(others)), dtype=bool))
    monkeypatch.setattr(guard, "_tagged", lambda _: "")
    assert leaks(ITEMS[:1], [shot]) == []


def test_few_letters_in_another_order_are_chance():
    """An anagram of a short answer says something else; the same words in another order do not."""
    assert leaks([Shot("i", "", "not a tab")], [Shot("s", "", "bat on at")]) == []


def test_every_shot_at_fault_is_named():
    """Two shots that tell one item are two leaks, else a pool is never clean after the likest is gone."""
    held = [Shot(name, ITEMS[0].question, "Something else entirely.") for name in "ab"]
    assert [leak.shot for leak in leaks(ITEMS, held)] == ["a", "b"]


def test_blocks_of_items_find_what_all_at_once_find(monkeypatch):
    """However many are compared at a time."""
    held = planted(0.1, "answer", n=30)
    whole = leaks(ITEMS, held)
    monkeypatch.setattr(guard, "_ROWS", 7)
    assert leaks(ITEMS, held) == whole != []


def test_nothing_held_or_nothing_judged_is_no_leak():
    """And what is no shot is told; a text without a letter is compared with nothing."""
    assert leaks([], POOL.shots) == [] == leaks(ITEMS, [])
    assert leaks([Shot("i", "???", "!!!")], [Shot("s", "...", "???")]) == [] and plain("?!") == ""
    with pytest.raises(InputError, match="not a question with its answer"):
        leaks(["text"], POOL.shots)
