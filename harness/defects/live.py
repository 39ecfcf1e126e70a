"""Defects done to the parts themselves: a live release in, a broken one out, to be observed through the real path.

The names are the catalogue's, and so is the gate that must refuse each. What went in is left as it was.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.defects import live_fits, live_index
from harness.defects.catalogue import Dose, checked_severity
from harness.errors import InputError, nearest
from harness.release.live import LiveRelease

__all__ = ["LIVE", "plant_live"]

LIVE: dict[str, Callable[[LiveRelease, Dose], LiveRelease]] = {
    change.__name__: change for change in (
        live_index.under_probed, live_index.unnormalised_embeddings, live_index.ids_shuffled, live_index.stale_index,
        live_index.ids_doubled, live_index.one_cell_swallows, live_fits.reranker_weights_permuted,
        live_fits.seed_drift, live_fits.leaked_judgements)}


def plant_live(name: str, release: LiveRelease, severity: float, seed: int | None = None) -> LiveRelease:
    """The release with the defect in its parts; at severity 0 the release itself.

    Raises InputError for a name without a live form, a severity outside [0, 1], or a release without the part.
    """
    if name not in LIVE:
        raise InputError("no such live defect", where="defects", expected=f"one of {', '.join(sorted(LIVE))}",
                         found=name, hint=nearest(name, LIVE))
    dose = Dose(checked_severity(name, severity), seed)
    return release if dose.severity == 0.0 else LIVE[name](release, dose)
