"""Laws of a spend rule: its teacher keeps, over the whole space of signals, the directions that were promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.errors import InputError
from harness.hunting.drawing import whole
from harness.hunting.relations import Draw, Property
from harness.hunting.relations_surface import RouterSurface, Surface
from harness.records import Floats

__all__ = ["ROUTER"]

STEPS = 1000  # places of a signal between a quarter below the least and a quarter above the greatest one fitted
PROMISED = {"tau": 0, "spend": 1}  # ∂τ/∂entropy ≥ 0 and ∂spend/∂entropy ≥ 0


def _teacher_monotone(surface: Surface, draw: Draw) -> bool:
    """Two requests that differ in entropy alone: the one of higher entropy gets no lower τ and no lower spend."""
    router = _router(surface)
    reach = router.high - router.low
    place = np.array([draw(whole(0, STEPS)) for _ in router.names]) / STEPS
    row = router.low - 0.25 * reach + 1.5 * place * reach
    raised = row.copy()
    raised[router.names.index("entropy")] += draw(whole(0, STEPS)) / STEPS * reach[router.names.index("entropy")]
    below, above = router.teach(np.vstack([row, raised]))
    return all(above[column] >= below[column] for column in PROMISED.values())


def _entropy_turned(surface: Surface) -> Surface:
    router = _router(surface)

    def teach(rows: Floats) -> Floats:
        turned = rows.copy()
        turned[:, router.names.index("entropy")] *= -1.0
        answers = router.teach(rows)
        answers[:, 1] = answers[:, 1] + turned[:, router.names.index("entropy")]
        return answers

    return replace(surface, router=replace(router, teach=teach))


def _router(surface: Surface) -> RouterSurface:
    if surface.router is None:
        raise InputError("no router to try", where="properties", expected="a release with parts.router")
    return surface.router


def _signals_said(surface: Surface, drawn: Sequence[int]) -> str:
    names = (*_router(surface).names, "the step of entropy")
    return f"draws {list(drawn)}, each of {STEPS}: {', '.join(names)}"


ROUTER: dict[str, Property] = {
    "teacher_monotone": Property(
        "more entropy never lowers τ or the chance to spend", _teacher_monotone, _entropy_turned,
        twin="spend falls with entropy", shown=_signals_said,
        meaning="any signals, a quarter beyond what was fitted to either side; entropy raised by up to its reach; "
                "no tolerance"),
}
