"""Properties of a live release, each tried on many queries by hypothesis, each with a twin that breaks it.

A property sees a release through its `Surface`: the few calls that a property may make. Its twin is the same surface
with one call spoilt, so that the search is known to find what it looks for.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from harness.errors import InputError, SignoffError, nearest
from harness.hunting.relations import Property
from harness.hunting.relations_index import INDEX
from harness.hunting.relations_laws import LAWS
from harness.hunting.relations_router import ROUTER
from harness.hunting.relations_surface import Surface, surface_of
from harness.hunting.relations_texts import TEXTS

__all__ = ["EXAMPLES", "PROPERTIES", "Property", "Surface", "Tried", "surface_of", "try_property", "try_twin"]

EXAMPLES = 60
PROPERTIES: dict[str, Property] = LAWS | TEXTS | INDEX | ROUTER


class Tried(NamedTuple):
    """How many examples were tried, and the smallest one that broke the property, in words."""

    examples: int
    counterexample: str | None


def try_property(name: str, surface: Surface, *, examples: int = EXAMPLES) -> Tried:
    """Try a property on drawn examples, the same every time; the counterexample is what hypothesis shrank to.

    A break that does not come back when its draws are repeated counts as well: the release answered in two ways.
    Where one example is costly the property tries fewer than `examples`.
    Raises InputError for an unknown name, for nothing to draw from, and what the release itself raises.
    """
    return _search(_named(name), surface, examples, tuple(Phase))


def try_twin(name: str, surface: Surface, *, examples: int = EXAMPLES) -> Tried:
    """Try a property on its spoilt twin, up to the first counterexample, which is left as it was found.

    Raises InputError as `try_property` does.
    """
    return _search(_named(name), _named(name).spoilt(surface), examples, (Phase.generate,))


def _named(name: str) -> Property:
    if name not in PROPERTIES:
        raise InputError("no such property", where="policy", expected=", ".join(PROPERTIES), found=name,
                         hint=nearest(name, PROPERTIES))
    return PROPERTIES[name]


def _search(prop: Property, surface: Surface, examples: int, phases: tuple[Phase, ...]) -> Tried:
    if not surface.texts:
        raise InputError("nothing to try a property on", where="properties", expected="judged queries with texts")
    tried = _Trying(prop, surface)

    @settings(max_examples=min(examples, prop.examples or examples), derandomize=True, database=None, deadline=None,
              phases=phases, report_multiple_bugs=False, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def search(data: st.DataObject) -> None:
        tried.once(data)

    with contextlib.suppress(_Broken, Flaky):
        search()
    if tried.raised is not None:
        raise tried.raised
    return Tried(tried.examples, tried.broken)


@dataclass
class _Trying:
    """One search: what it saw so far. The last break is the one that hypothesis shrank to."""

    prop: Property
    surface: Surface
    examples: int = 0
    broken: str | None = None
    raised: SignoffError | None = None
    drawn: list[int] = field(default_factory=list)

    def once(self, data: st.DataObject) -> None:
        """Try one example; a break and an error of the release both end it."""
        self.drawn = []
        self.examples += 1
        try:
            holds = self.prop.holds(self.surface, lambda strategy: self._noted(data.draw(strategy)))
        except SignoffError as error:
            self.raised = error
            raise _Broken from None
        if not holds:
            self.broken = self.prop.shown(self.surface, self.drawn)
            raise _Broken

    def _noted(self, drawn: int) -> int:
        self.drawn.append(drawn)
        return drawn


class _Broken(Exception):  # noqa: N818  it reports a find, not an error
    """A drawn example for which the property does not hold."""
