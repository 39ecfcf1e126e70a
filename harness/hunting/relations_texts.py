"""Relations of the query's text: what a reader does not notice must not change the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from harness.hunting.drawing import whole
from harness.hunting.mutations import MUTATIONS, mutated
from harness.hunting.relations import Draw, Property, query, same_hits
from harness.hunting.relations_surface import Surface
from harness.retrieval.protocols import Codes, Vectors

__all__ = ["TEXTS"]

_DEPTH = 20
_MEANING = ("1 to 3 edits; 20 hits with scores within 1e-5, nearer ones may trade places; where those are the same, "
            "the reranker's order of them is, too")


def _unmoved_by(operator: str) -> Callable[[Surface, Draw], bool]:
    def holds(surface: Surface, draw: Draw) -> bool:
        text = query(surface, draw)
        changed = MUTATIONS[operator].apply(text, draw=lambda n: draw(whole(0, n - 1)))
        before, after = surface.hits([text], _DEPTH), surface.hits([changed], _DEPTH)
        if not same_hits(before, after):
            return False
        return surface.rerank is None or bool(np.array_equal(
            surface.rerank(text, before[0][0], before[1][0]), surface.rerank(changed, before[0][0], before[1][0])))

    return holds


def _said_of(operator: str) -> Callable[[Surface, Sequence[int]], str]:
    def shown(surface: Surface, drawn: Sequence[int]) -> str:
        text = surface.texts[drawn[0]]
        return f"draws {list(drawn)}, query {text!r}, as {mutated(text, operator, choices=drawn[1:])!r}"

    return shown


def _reversed_where(noticed: Callable[[str], bool]) -> Callable[[Surface], Surface]:
    """A twin that answers the other way round where it notices something in the text."""
    def spoilt(surface: Surface) -> Surface:
        def hits(texts: Sequence[str], k: int) -> tuple[Codes, Vectors]:
            codes, scores = surface.hits(texts, k)
            turned = np.array([noticed(text) for text in texts], dtype=np.bool_)[:, None]
            return np.where(turned, codes[:, ::-1], codes), np.where(turned, scores - np.float32(1.0), scores)

        return replace(surface, hits=hits)

    return spoilt


TEXTS: dict[str, Property] = {
    "case_blind": Property(
        "case changes nothing", _unmoved_by("case"),
        _reversed_where(lambda text: sum(map(str.isupper, text)) % 2 == 1),
        twin="hits turn round where an odd number of letters is upper case",
        meaning=f"words in capitals, small, capitalised or with case turned round: {_MEANING}",
        shown=_said_of("case")),
    "white_space_blind": Property(
        "white space changes nothing", _unmoved_by("white_space"),
        _reversed_where(lambda text: text != " ".join(text.split())),
        twin="hits turn round where there is more than one blank between words",
        meaning=f"doubled blanks, tabs, line ends, wide and unbreakable blanks, at the ends too: {_MEANING}",
        shown=_said_of("white_space")),
    "normal_form_blind": Property(
        "Unicode normal form changes nothing", _unmoved_by("normal_form"),
        _reversed_where(lambda text: not text.isascii()),
        twin="hits turn round where a letter is not ASCII",
        meaning=f"NFC, NFD, NFKC, NFKD, and words in wide letters (one NFKC): {_MEANING}",
        shown=_said_of("normal_form")),
}
