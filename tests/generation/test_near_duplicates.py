"""Near-duplicates: nobody is removed below the threshold, hardly anybody above it stays, and the order is nobody's."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.shots import passages_drawn, words_drawn
from harness.errors import InputError
from harness.generation import near_duplicates as room
from harness.generation.near_duplicates import jaccard, near_duplicates, shingles, without_near_duplicates
from harness.generation.passages import Passages
from harness.generation.shapes import Passage

THRESHOLD = 0.8


def passages(*texts: str) -> list[Passage]:
    return [Passage(f"d{at:04d}#0000", f"d{at:04d}", at, "notes", "", "", text, "p") for at, text in enumerate(texts)]


def drawn(n: int = 150, seed: int = 3) -> list[Passage]:
    """Pairs of texts from the same to quite unlike: the second has a few words of its own."""
    rng, texts = np.random.default_rng(seed), []
    for _ in range(n):
        text = words_drawn(rng, 40).split()
        for at in rng.permutation(40)[: int(rng.integers(0, 4))].tolist():
            text[at] = "other"
        end = int(rng.integers(34, 41))
        texts += [" ".join(text), " ".join([*text[:end], *words_drawn(rng, int(rng.integers(0, 6))).split()])]
    return passages(*texts)


def wrong(held: list[Passage], threshold: float = THRESHOLD) -> set[str]:
    """What is wrong with who was removed, found by comparing every passage with every other."""
    found, sets = near_duplicates(held, threshold=threshold), {one.id: shingles(one.text) for one in held}
    gone, faults = {one.removed for one in found}, set()
    kept = sorted(set(sets) - gone)
    for one in found:
        exact = jaccard(sets[one.removed], sets[one.kept])
        faults |= {"below the threshold"} if exact < threshold or one.jaccard != exact else set()
        faults |= {"kept for by one that is gone"} if one.kept in gone or one.kept > one.removed else set()
    pairs = [(a, b) for at, a in enumerate(kept) for b in kept[at + 1 :] if jaccard(sets[a], sets[b]) >= threshold]
    return faults | ({f"{len(pairs)} left"} if len(pairs) > 0.02 * len(gone) else set())


def test_removed_are_those_that_all_pairs_would_remove():
    """Of 300 texts as alike as not, nobody goes below the threshold and at most one pair in fifty stays above it."""
    assert wrong(drawn()) == set()
    assert 20 < len(near_duplicates(drawn(), threshold=THRESHOLD)) < 150


def test_proposals_believed_unseen_are_caught(monkeypatch):
    """The twin that does not count the shingles of what MinHash proposes removes what is not alike."""
    monkeypatch.setattr(room, "_MISSED", 1e-12)
    assert wrong(drawn()) == set()
    monkeypatch.setattr(room, "jaccard", lambda *_: 1.0)
    assert "below the threshold" in wrong(drawn())


def test_bands_that_overlook_pairs_are_caught(monkeypatch):
    """The twin that only looks for pairs that cannot be mistaken leaves many."""
    monkeypatch.setattr(room, "_MISSED", 1.0)
    assert any(fault.endswith("left") for fault in wrong(drawn()))


def test_the_order_of_passages_makes_no_difference():
    """Backwards and shuffled, the same go for the same."""
    held = drawn(60)
    orders = [held, held[::-1], [held[at] for at in np.random.default_rng(1).permutation(len(held)).tolist()]]
    assert len({near_duplicates(order, threshold=THRESHOLD) for order in orders}) == 1


def test_the_least_id_stays_for_the_whole_group():
    """Three that say the same: the first stays for the other two."""
    found = near_duplicates(passages("Axis to sort along.", "AXIS to sort, along", "axis to sort along"), threshold=0.8)
    assert [(one.removed[:5], one.kept[:5]) for one in found] == [("d0001", "d0000"), ("d0002", "d0000")]


def test_a_threshold_of_one_removes_the_same_words_alone():
    """Another word in forty is another passage then; case and punctuation are not words."""
    text = "one two three four five six seven eight nine ten"
    held = passages(text, text.upper() + "!", text.replace("nine", "zero"))
    assert [one.removed for one in near_duplicates(held, threshold=1.0)] == ["d0001#0000"]


def test_two_words_are_nobodys_duplicate():
    """`Sample weights.` of two fields are two passages; of three words they are one."""
    assert not near_duplicates(passages("Sample weights.", "Sample weights."), threshold=0.8)
    assert len(near_duplicates(passages("The sample weights.", "The sample weights."), threshold=0.8)) == 1


def test_documents_still_offer_what_was_removed():
    """A passage that is gone stands in its document's offers, by the one that was kept for it."""
    whole = passages_drawn()
    thinned = without_near_duplicates(whole, threshold=THRESHOLD)
    assert 0.1 < len(thinned.removed) / len(whole) < 0.35
    assert all(len(thinned.of(place)) == len(whole.of(place)) for place in range(203))
    gone, kept = thinned.removed[0]
    assert gone.doc in thinned.documents(kept)
    assert thinned.digest == without_near_duplicates(whole, threshold=THRESHOLD).digest


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01, float("nan")])
def test_a_threshold_that_is_none_is_told(threshold):
    """Before anything is compared."""
    with pytest.raises(InputError, match="column threshold: option out of range"):
        near_duplicates([], threshold=threshold)


def test_nothing_to_thin_stays_nothing():
    """No passages, nobody removed; one passage stays."""
    assert near_duplicates([], threshold=0.8) == () == near_duplicates(passages("a b c d"), threshold=0.8)
    assert len(without_near_duplicates(Passages(tuple(passages("a b c d"))), threshold=0.8)) == 1


def moulded(n: int) -> list[Passage]:
    """Texts of one mould, each with ten words of its own: Jaccard 0.77 between any two; the last is twice there."""
    mould = [f"w{at}" for at in range(70)]
    texts = [" ".join([*mould, *(f"u{at}x{place}" for place in range(10))]) for at in range(n)]
    return passages(*texts, texts[-1] + " more")


def test_texts_of_one_mould_do_not_cost_their_square(monkeypatch):
    """Just below the threshold at most so many are counted for each, a real one is found; the twin counts all pairs."""
    counts = []
    for counted in (8, 10**6):
        calls = []
        monkeypatch.setattr(room, "_COUNTED", counted)
        monkeypatch.setattr(room, "jaccard", lambda one, two, calls=calls: calls.append(1) or jaccard(one, two))
        assert [one[:2] for one in near_duplicates(moulded(120), threshold=0.8)] == [("d0120#0000", "d0119#0000")]
        counts.append(len(calls))
    assert counts[0] <= 8 * 121 < 0.5 * 120 * 121 / 2 < counts[1]


def test_a_crowd_grows_no_further(monkeypatch):
    """Beyond it nobody is proposed to; the same words are still removed."""
    most = []
    real = room._Known.likest

    def watched(self, name, held):
        found = real(self, name, held)
        most.append(self._asked[3])
        return found

    monkeypatch.setattr(room._Known, "likest", watched)
    monkeypatch.setattr(room, "_CROWD", 20)
    held = moulded(120)
    again = Passage("e#0000", "e", 200, "notes", "", "", held[100].text, "p")
    assert ("e#0000", "d0100#0000", 1.0) in near_duplicates([*held, again], threshold=0.8)
    assert max(most) < 30
