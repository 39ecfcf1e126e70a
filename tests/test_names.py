"""Ids find themselves among another record's, whatever they are made of and however their hashes fall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import names
from harness.codes import objects
from harness.names import Names, match, words_of

IDS = st.one_of(st.text(min_size=1, max_size=3), st.text("a\x00é", min_size=1, max_size=20),
                st.text("ab", min_size=1, max_size=4).map(lambda end: end[:2] + "/long" * 20 + end[2:])
                ).filter(lambda name: not any("\ud800" <= letter < "\ue000" for letter in name))
SETS = st.sets(IDS, max_size=30)


@settings(max_examples=200, deadline=None)
@given(wanted=SETS, known=SETS)
def test_names_are_matched(wanted: set[str], known: set[str]) -> None:
    """Each id finds itself, and an absent one -1: short, long, alike in their last 64 bytes, with zero bytes."""
    assert _match(wanted, known) == _literal(wanted, known)


def test_many_names_are_matched() -> None:
    """Thousands of ids of two widths, half of them absent: the lower tables are reached."""
    known, wanted = {f"doc{n}" for n in range(20_000)}, {f"doc{n * 7}-" [: 4 + n % 9] for n in range(20_000)}
    assert len(_names(known).tables) > 2
    assert _match(wanted, known) == _literal(wanted, known)


@settings(max_examples=60, deadline=None)
@given(wanted=SETS, known=SETS, hashes=st.integers(1, 3))
def test_ids_of_one_hash_are_not_mixed_up(wanted: set[str], known: set[str], hashes: int) -> None:
    """Hashes only propose: when nearly all ids share one, the ids decide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "_hash", lambda words: words.sum(axis=0, dtype=np.uint64) % np.uint64(hashes))
        assert _match(wanted, known) == _literal(wanted, known)


def test_words_alone_would_mix_ids_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ids alike in their last 64 bytes are told apart by the ids themselves; without that they would not be."""
    known, wanted = {"a" + "x" * 64}, {"b" + "x" * 64}
    assert _match(wanted, known) == [-1]
    believed = [_names(ids)._replace(exact=True) for ids in (wanted, known)]
    assert match(*believed).tolist() == [0]


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.text("ab0é\U0001f600", min_size=1, max_size=40), min_size=1, unique=True))
def test_words_say_all_of_an_id_whatever_its_company(ids: list[str]) -> None:
    """An id is found by what it is alone, among longer ones, and with its words given: else records would not match."""
    together = _names(set(ids))
    given_words = Names.of(together.ids, together.words)
    assert max(len(name.encode()) for name in ids) > names.WIDEST or together.exact
    for place, name in enumerate(sorted(ids)):
        alone = _names({name})
        assert match(alone, together).tolist() == [place]
        if together.exact:
            assert match(alone, given_words).tolist() == [place]


def test_words_are_padded_with_zeros() -> None:
    """Nine bytes are two words, the second with one byte of its own."""
    letters = np.frombuffer(b"12345678a", dtype=np.uint8).reshape(1, 9)
    assert words_of(letters).tolist() == [[int.from_bytes(b"12345678", "little")], [ord("a")]]


def _names(ids: set[str]) -> Names:
    return Names.of(objects(sorted(ids)))


def _match(wanted: set[str], known: set[str]) -> list[int]:
    found: list[int] = match(_names(wanted), _names(known)).tolist()
    return found


def _literal(wanted: set[str], known: set[str]) -> list[int]:
    place = {name: code for code, name in enumerate(sorted(known))}
    return [place.get(name, -1) for name in sorted(wanted)]
