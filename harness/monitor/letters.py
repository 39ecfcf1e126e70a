"""What an alert says: where, of which release by name, what is beyond which limit, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from harness.monitor.delivery import Message
from harness.monitor.ledger import OVER, Word
from harness.monitor.running import Scene
from harness.rollout.shapes import Reading

__all__ = ["LONGEST", "ROLLBACK", "message_of"]

ROLLBACK = "rollback"  # the name under which a ramp's way back is told
LONGEST = 3000  # letters of a message


def message_of(one: Reading, word: Word, scene: Scene, lines: Sequence[str], *, release: str = "") -> Message:
    """The message of a reading.

    Args:
        one: What is told.
        word: Its severity as it is told, or that it is over.
        scene: What was seen.
        lines: Of `snapshot_lines`.
        release: Name of the watched release; without one its digest speaks for itself.

    >>> from harness.release.policy import Limit
    >>> from harness.rollout.shapes import Guarded
    >>> guard = Guarded("errors", "error rate", "all", Limit("at_most", 0.01, "ucb"), 0, "critical")
    >>> seen = Reading(guard, "critical", 0.05, 0.03, 0.07, 900, None, "error rate 0.05")
    >>> message_of(seen, "critical", Scene(None, None, None), []).title
    'Signoff: CRITICAL: errors'
    """
    name, pointer = one.guard.name, scene.pointer
    head = "Signoff" if pointer is None else f"Signoff {pointer.environment}"
    if word == OVER:
        return Message("info", f"{head}: over: {name}", _joined([one.reason, *_where(scene, release)]))
    title = one.reason[:150] if name == ROLLBACK else f"{word.upper()}: {name}"
    more = [*_where(scene, release), *_next(one, scene), *(line for line in lines if line != one.reason)]
    return Message(word, f"{head}: {title}", _joined([one.reason, *more]))


def _where(scene: Scene, release: str) -> list[str]:
    watch, pointer = scene.watch, scene.pointer
    if watch is None or pointer is None:
        return []
    share = f"takes {pointer.percent:g} % of" if watch.release == pointer.candidate else "serves"
    return [f"{release} ({watch.release[:12]}) {share} {pointer.environment}".lstrip()]


def _next(one: Reading, scene: Scene) -> list[str]:
    pointer = scene.pointer
    if pointer is None:
        return []
    if one.guard.name == ROLLBACK:
        return [f"next: signoff rollout status --env {pointer.environment}"]
    back = "" if one.state not in {"critical", "emergency"} else (
        f"; signoff rollout abort --env {pointer.environment} --why …" if pointer.candidate is not None
        else f"; signoff rollback --env {pointer.environment}")
    return [f"next: signoff monitor show --env {pointer.environment}{back}"]


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines)[:LONGEST]
