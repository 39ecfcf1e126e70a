"""The rerank share of the traffic: θ* is fitted where gains are known, and held to its share where queries are.

Gains are known of the fit queries only; how often thresholds are passed, of any query. So the window of the share is
asked of unjudged traffic, and the fit gets the window on its own queries that leads there. No judgement is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from harness.data.corpus import World
from harness.errors import InputError
from harness.gating.requests import FULL
from harness.gating.two_stage import TwoStageGate
from harness.records import Floats
from harness.release.manifest import Manifest
from harness.release.signals import SignalMaker
from harness.routing.int8 import Int8Router

__all__ = ["at_share", "traffic_signals"]

_FITS = 10  # of the gate alone: halving a window ten times leaves a thousandth of it
Window = tuple[float, float]


def traffic_signals(manifest: Manifest, world: World, folders: Mapping[str, Path], names: tuple[str, ...]) -> Floats:
    """(n, F) signals of the queries of the judge fold, of every text task in turn; their judgements are not read."""
    from harness.release.live import LiveRelease  # whose spend rule reads what routers wrote

    live, maker = LiveRelease.load(manifest, world, folders), SignalMaker.load(world, folders, names)
    found = [live.first_hits(task.judge()) for task in world.tasks.values() if task.contexts is None]
    return np.vstack([maker.batch(texts, hits.codes, hits.scores) for texts, _, hits in found])


def at_share(fit: Callable[[Window], TwoStageGate], router: Int8Router, traffic: Floats,
             window: Window) -> TwoStageGate:
    """Of the gates that `fit` makes for windows on its own queries, the one that meets `window` best on the traffic.

    Args:
        fit: A window of the share → the gate fitted within it.
        router: Whose predictions the gate sees.
        traffic: (n, F) signals in the router's order.
        window: Least and greatest share of the traffic that is reranked in full.

    Raises:
        InputError: No traffic, or no gate whose share of it lies within the window.
    """
    if not len(traffic):
        raise InputError("no traffic", where="rerank share", expected="signals of at least one query")
    entropy, gain = traffic[:, router.names.index("entropy")], router.predict(traffic).gain
    middle, half = sum(window) / 2.0, (window[1] - window[0]) / 2.0
    low, high = half, 1.0 - half
    found, centre = list[tuple[float, TwoStageGate]](), min(max(middle, low), high)
    while not found or (len(found) < _FITS and low < high):  # a window of everything leaves one place to try
        gate = fit((centre - half, centre + half))
        share = float((gate.decide(entropy, gain) == FULL).mean())
        found.append((share, gate))
        low, high = (centre, high) if share < middle else (low, centre)
        guess = centre * middle / share if share else high
        centre = guess if low < guess < high else (low + high) / 2.0
        if abs(share - middle) < half / 10.0:
            break
    share, gate = min(found, key=lambda one: abs(one[0] - middle))
    if not window[0] <= share <= window[1]:
        raise InputError("no thresholds keep the share on the traffic", where="rerank share", found=round(share, 4),
                         expected=f"{window[0]:g} to {window[1]:g}")
    return gate
