"""Shadow replay: of the judged queries that are asked, a share is answered by both arms in the background.

Only they can tell live whether the candidate finds better or worse, by the judgements that the gates judge on: paired
differences, and each arm's own value of the measures of its policy; of releases that answer, of their answers too.
Whoever asked waits for nothing of it. Where no judged query is asked nothing is known, and the ramp holds.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING

from harness.monitor.judged import Judged, plain_text, scored, values_of
from harness.rollout.shapes import Assignment, Observation

if TYPE_CHECKING:
    from harness.monitor.arms import Arm, Serving
    from harness.monitor.context import Service

__all__ = ["ANSWER_S", "DEPTH", "SHARE", "Shadow", "overlap"]

SHARE = 0.01
DEPTH = 10
ANSWER_S = 60.0  # a model has limits of its own, and nobody waits for this
_PAIRED = scored(["nDCG@10", "RR@10"])
_WAITING = 100  # what comes faster than it can be replayed is left out: a sample of a sample


class Shadow:
    """Takes a share of the judged queries that are asked, and replays them through both arms on a thread of its own.

    Args:
        service: Whose arms, clock, queue and metrics.
        share: Of the judged queries, in [0, 1].
        draw: A fresh number in [0, 1) for each.
    """

    def __init__(self, service: Service, *, share: float = SHARE, draw: Callable[[], float] | None = None) -> None:
        self._service, self._share, self._draw = service, share, draw or _fresh
        self._queue: Queue[Judged] = Queue(_WAITING)
        self._stop = threading.Event()

    def offer(self, text: str) -> None:
        """A query that was asked: taken where it is judged and drawn. Never waits."""
        stable = self._service.arms.serving.stable
        judged = None if stable is None else stable.judged.get(plain_text(text))
        if judged is not None and self._draw() < self._share:
            try:
                self._queue.put_nowait(judged)
            except Full:
                return

    def work(self) -> int:
        """Replay everything that waits; how many queries were."""
        done = 0
        while not self._stop.is_set():
            try:
                judged = self._queue.get_nowait()
            except Empty:
                break
            try:
                done += self._replay(self._service.arms.serving, judged)
            except Exception as error:  # whatever a release's own code raises: nothing is claimed of this query
                self._service.log.warning("shadow replay of %s failed: %s", judged.query, type(error).__name__)
        return done

    def start(self) -> None:
        """Replay in the background from now on."""
        threading.Thread(target=self._loop, name="signoff-shadow", daemon=True).start()

    def stop(self) -> None:
        """Replay no more."""
        self._stop.set()

    def _loop(self) -> None:
        while not self._stop.wait(0.05):
            self.work()

    def _replay(self, serving: Serving, judged: Judged) -> bool:
        """What the stable release finds, and what the candidate finds beside it, each as an observation.

        An arm that fails here shows nothing: its failures are counted where it was asked.
        """
        stable, candidate, service = serving.stable, serving.candidate, self._service
        if stable is None:
            return False
        one = _asked(stable, judged)
        two = None if candidate is None else service.workers.call(lambda: _asked(candidate, judged),
                                                                  timeout_s=service.timeout_s)
        if stable.measures:
            self._observe(stable, judged, one)
        if candidate is not None and two is not None:
            self._compare(candidate, judged, one, two)
        self._answered(stable, candidate, judged)
        service.metrics.replayed()
        return True

    def _observe(self, stable: Arm, judged: Judged, answer: Sequence[str]) -> None:
        self._service.batches.observe(Observation(
            self._service.now(), self._service.environment, stable.digest, "stable", slices=judged.slices,
            query=judged.query, values=values_of(judged, answer, stable.measures)))

    def _answered(self, stable: Arm, candidate: Arm | None, judged: Judged) -> None:
        """What both arms answer to a judged question is worth, and the candidate's beside the stable release's."""
        service = self._service
        old, new = stable.questions, None if candidate is None else candidate.questions
        before = {} if old is None else old.values(judged.query)
        after = {} if new is None else service.workers.call(lambda: new.values(judged.query), timeout_s=ANSWER_S)
        after |= {f"delta {name}": after[name] - before[name] for name in after.keys() & before.keys()}
        sides: list[tuple[Arm | None, Assignment, dict[str, float]]] = [
            (stable, "stable", before), (candidate, "candidate", after)]
        for arm, assignment, values in sides:
            if arm is not None and values:
                service.batches.observe(Observation(
                    service.now(), service.environment, arm.digest, assignment, slices=judged.slices,
                    query=judged.query, values=values))

    def _compare(self, candidate: Arm, judged: Judged, one: Sequence[str], two: Sequence[str]) -> None:
        before, after = values_of(judged, one, _PAIRED), values_of(judged, two, _PAIRED)
        self._service.batches.observe(Observation(
            self._service.now(), self._service.environment, candidate.digest, "candidate", slices=judged.slices,
            ndcg_delta=after["nDCG@10"] - before["nDCG@10"], rr_delta=after["RR@10"] - before["RR@10"],
            jaccard=overlap(one[:DEPTH], two[:DEPTH]), query=judged.query,
            values=values_of(judged, two, candidate.measures)))


def overlap(one: Sequence[str], two: Sequence[str]) -> float:
    """Jaccard of two answers, in [0, 1]; two empty ones are the same.

    >>> overlap(["a", "b"], ["b", "c"]), overlap([], [])
    (0.3333333333333333, 1.0)
    """
    both = {*one, *two}
    return len({*one} & {*two}) / len(both) if both else 1.0


def _asked(arm: Arm, judged: Judged) -> list[str]:
    """What an arm answers a judged query with, its own document left out, as the gates ask it."""
    own = -1 if judged.own is None else arm.place_of(judged.own)
    found = arm.live.search(judged.text, own=own, module=judged.module)
    return [arm.ids[code] for code in found.codes.tolist() if code >= 0]


def _fresh() -> float:
    return secrets.randbits(53) / 2.0**53
