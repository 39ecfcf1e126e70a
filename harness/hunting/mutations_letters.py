"""One edit of letters: slips of the keyboard, letters lost and doubled, signs, and letters that only look alike.

Each function takes a text and `pick(n)`, which gives a whole number from 0 to n - 1, and does at most one edit; where
there is nothing to edit the text comes back as it was. Places are asked for first, kinds of edit after.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["LOOK_ALIKES", "NEIGHBOURS", "SIGNS", "Pick", "doubled_letter", "dropped_letter", "joined_words",
           "look_alike", "neighbour_key", "punctuation", "transposition"]

Pick = Callable[[int], int]

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
SIGNS = ".,;:!?-/'\"()"

# Latin letters and what cannot be told from them by eye, Cyrillic first, then Greek (pairs listed in the data of
# Unicode Technical Standard 39). No normal form folds them.
LOOK_ALIKES = {
    "a": "а", "c": "с", "d": "ԁ", "e": "е", "h": "һ", "i": "і", "j": "ј", "o": "оο", "p": "рρ", "q": "ԛ", "s": "ѕ",
    "v": "ν", "w": "ԝ", "x": "х", "y": "у", "A": "АΑ", "B": "ВΒ", "C": "С", "E": "ЕΕ", "H": "НΗ", "I": "ІΙ", "K": "КΚ",
    "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "ҮΥ", "Z": "Ζ",
}  # fmt: skip


def _neighbours() -> dict[str, str]:
    """Key → the keys that touch it: beside it, and in the rows above and below, each row set off by half a key."""
    at = {key: (row, 2 * column + row) for row, keys in enumerate(_ROWS) for column, key in enumerate(keys)}
    return {key: "".join(other for other, (there, along) in at.items()
                         if other != key and abs(there - row) <= 1 and abs(along - place) <= 2 - abs(there - row))
            for key, (row, place) in at.items() if row}


NEIGHBOURS = _neighbours()


def neighbour_key(text: str, pick: Pick) -> str:
    """A letter gives way to a key beside it on a QWERTY keyboard.

    >>> neighbour_key("sort", lambda n: 0)
    'wort'
    """
    places = [place for place, letter in enumerate(text) if letter.lower() in NEIGHBOURS]
    if not places:
        return text
    place = places[pick(len(places))]
    near = NEIGHBOURS[text[place].lower()]
    key = near[pick(len(near))]
    return text[:place] + (key.upper() if text[place].isupper() else key) + text[place + 1:]


def transposition(text: str, pick: Pick) -> str:
    """Two letters side by side change places.

    >>> transposition("sort", lambda n: 1)
    'srot'
    """
    places = [place for place in range(len(text) - 1)
              if text[place].isalnum() and text[place + 1].isalnum() and text[place] != text[place + 1]]
    if not places:
        return text
    place = places[pick(len(places))]
    return text[:place] + text[place + 1] + text[place] + text[place + 2:]


def dropped_letter(text: str, pick: Pick) -> str:
    """A letter or digit is lost.

    >>> dropped_letter("sort", lambda n: 2)
    'sot'
    """
    place = _alphanumeric(text, pick)
    return text if place is None else text[:place] + text[place + 1:]


def doubled_letter(text: str, pick: Pick) -> str:
    """A letter or digit is struck twice.

    >>> doubled_letter("sort", lambda n: 0)
    'ssort'
    """
    place = _alphanumeric(text, pick)
    return text if place is None else text[:place] + text[place] + text[place:]


def look_alike(text: str, pick: Pick) -> str:
    """A Latin letter gives way to one of another script that looks the same.

    >>> look_alike("sort", lambda n: 0).encode("ascii", "replace")
    b'?ort'
    """
    places = [place for place, letter in enumerate(text) if letter in LOOK_ALIKES]
    if not places:
        return text
    place = places[pick(len(places))]
    twins = LOOK_ALIKES[text[place]]
    return text[:place] + twins[pick(len(twins))] + text[place + 1:]


def joined_words(text: str, pick: Pick) -> str:
    """A blank is lost.

    >>> joined_words("sort rows", lambda n: 0)
    'sortrows'
    """
    places = [place for place, letter in enumerate(text) if letter.isspace()]
    if not places:
        return text
    place = places[pick(len(places))]
    return text[:place] + text[place + 1:]


def punctuation(text: str, pick: Pick) -> str:
    """A sign is put behind a word, or one that is there is lost.

    >>> punctuation("sort rows", lambda n: 0), punctuation("sort, rows", lambda n: n - 1)
    ('sort. rows', 'sort rows')
    """
    ends = [place + 1 for place, letter in enumerate(text)
            if letter.isalnum() and not text[place + 1:place + 2].isalnum()]
    there = [place for place, letter in enumerate(text) if letter in SIGNS]
    if not ends + there:
        return text
    which = pick(len(ends) + len(there))
    if which >= len(ends):
        place = there[which - len(ends)]
        return text[:place] + text[place + 1:]
    return text[:ends[which]] + SIGNS[pick(len(SIGNS))] + text[ends[which]:]


def _alphanumeric(text: str, pick: Pick) -> int | None:
    places = [place for place, letter in enumerate(text) if letter.isalnum()]
    return places[pick(len(places))] if places else None
