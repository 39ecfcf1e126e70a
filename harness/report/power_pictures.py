"""A gate's operating characteristic as a picture: outcomes against severity, each share with its exact interval."""

from __future__ import annotations

from collections.abc import Iterator

from harness.defects.power import CATCH, GatePower
from harness.estimate import Estimate
from harness.report.svg import Scale, circle, document, line, path, text, width_of

__all__ = ["power_svg"]

WIDTH, HEIGHT = 400.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 44.0, 44.0
_OUTCOMES = (("PASS", "pass"), ("INCONCLUSIVE", "inconclusive"), ("REFUSE", "refuse"))


def power_svg(one: GatePower) -> str:
    """Shares of PASS, INCONCLUSIVE and REFUSE; the first place is severity 0: candidates that changed nothing.

    >>> from harness.defects.power import NoOps, Point, Tally
    >>> gate = GatePower("g", "R@5", "all", "value ≥ 0.3", "d", "queries", 0.05, None, 9,
    ...                  (Point(1.0, Tally(9, 0, 0, 9), 9, 0.0),), (NoOps("drawn again", Tally(9, 9)),))
    >>> power_svg(gate).startswith("<svg")
    True
    """
    columns = [("0", one.idle)] if one.idle.n else []
    columns += [(f"{point.severity:g}", point.tally) for point in one.points]
    x = Scale(0.0, max(len(columns) - 1, 1), _LEFT + 10, WIDTH - _RIGHT - 10)
    y = Scale(0.0, 1.0, HEIGHT - _BOTTOM, _TOP)
    parts = [*_frame(x, y, [name for name, _ in columns]), *_legend()]
    for place, (_, colour) in enumerate(_OUTCOMES):
        shares = [tally.share(tally[1 + place]) for _, tally in columns]
        parts += [*_course(shares, x, y, colour, nudge=3.0 * (place - 1))]
    return document(WIDTH, HEIGHT, parts, title=f"{one.gate}, {one.defect}", desc=_told(one))


def _frame(x: Scale, y: Scale, names: list[str]) -> Iterator[str]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield line(_LEFT, y(share), WIDTH - _RIGHT, y(share))
        yield text(_LEFT - 6, y(share) + 4, f"{share:g}", colour="muted", anchor="end")
    yield line(_LEFT, y(CATCH), WIDTH - _RIGHT, y(CATCH), colour="muted", dash="3 3")
    for place, name in enumerate(names):
        yield text(x(place), HEIGHT - _BOTTOM + 17, name, colour="muted", anchor="middle", size=11)
    yield text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, "severity of the planted defect", colour="muted",
               anchor="middle")


def _legend() -> Iterator[str]:
    left = 0.0
    for name, colour in _OUTCOMES:
        yield line(left, 12, left + 18, 12, colour=colour, width=3)
        yield text(left + 23, 16, name)
        left += 40 + width_of(name)
    yield text(WIDTH - _RIGHT, 34, "share of trials", colour="muted", anchor="end")


def _course(shares: list[Estimate], x: Scale, y: Scale, colour: str, *, nudge: float) -> Iterator[str]:
    """A line through the shares, with intervals a little apart so that none hides another."""
    points = [(x(place), y(share.value)) for place, share in enumerate(shares)]
    yield path(points, colour=colour)
    for (across, up), share in zip(points, shares, strict=True):
        yield line(across + nudge, y(share.low), across + nudge, y(share.high), colour=colour, width=1.5)
        yield circle(across, up, 3, colour=colour, tip=f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}]")


def _told(one: GatePower) -> str:
    seen = "never caught" if one.caught_from is None else f"caught with probability {CATCH:g} from {one.caught_from:g}"
    idle = one.idle
    return (f"Planted defect {one.defect}, {seen}; of {idle.n} no-op candidates {idle.refused + idle.crashed} refused, "
            f"{idle.inconclusive} inconclusive")
