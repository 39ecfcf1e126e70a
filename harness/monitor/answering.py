"""One request, answered: which arm it falls to, what is seen of it, and what happens where the candidate fails.

The candidate is waited for up to a limit. Where it raises or takes longer, the stable release answers, and the failure
is the candidate's: in its windows and metrics, not in the stable release's, whose own figures stay those of its own
requests. What is kept of a request has no text and no unit.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import SignoffError
from harness.rollout.assigning import assigned, experiment_key
from harness.rollout.flags import serving_percent
from harness.rollout.shapes import Assignment, Observation

if TYPE_CHECKING:
    from harness.monitor.arms import Arm, Serving
    from harness.monitor.context import Service
    from harness.release.asking import Asked as Read

__all__ = ["MOST_HITS", "READ_S", "Asked", "Served", "UnansweredError", "answer"]

MOST_HITS = 100
READ_S = 60.0  # how long a candidate's answer in words is waited for: a model has limits of its own below it


@dataclass(frozen=True)
class Asked:
    """A query: its text, how many hits, whose it is (a session, a pseudonym; nobody's: drawn anew), its slices.

    With `reads` it is a question, to be answered in words from passages of what was found.
    """

    text: str
    k: int = 10
    unit: str = ""
    slices: tuple[str, ...] = ()
    reads: bool = False


@dataclass(frozen=True)
class Served:
    """An answer: document ids, best first, and who gave it. `fallback` where it was the candidate's to give.

    `read` is what was read and said, where the query was a question.
    """

    digest: str
    release: str
    assignment: Assignment
    hits: Sequence[str]
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    fallback: bool = False
    read: Read | None = None


class _Found(NamedTuple):
    """An arm's answer; `latency_ms` by stage, as the release took it, and as the gates add them up."""

    hits: list[str]
    latency_ms: Mapping[str, float]
    best: float | None
    reranked: bool
    read: Read | None = None


class UnansweredError(SignoffError):
    """The stable release did not answer either."""


def answer(service: Service, asked: Asked) -> Served:
    """Answer one query by the arm that its unit falls to. Raises UnansweredError where the stable release fails."""
    serving = service.arms.serving
    if serving.stable is None:
        raise UnansweredError(f"nothing serves {service.environment}")
    service.shadow.offer(asked.text)
    if _arm(service, serving, asked) == "candidate":
        found = _candidate(service, serving, asked)
        if found is not None:
            return found
        return _stable(service, serving.stable, asked, fallback=True)
    return _stable(service, serving.stable, asked, fallback=False)


def _arm(service: Service, serving: Serving, asked: Asked) -> Assignment:
    pointer = serving.pointer
    percent = serving_percent(pointer, service.environ)
    if pointer is None or pointer.candidate is None or not percent:
        return "stable"
    if serving.candidate is None and pointer.candidate not in serving.broken:
        return "stable"  # it is loading still
    key = experiment_key(service.environment, pointer.candidate, secret=service.secret)
    return assigned(asked.unit or secrets.token_hex(16), key=key, percent=percent)


def _candidate(service: Service, serving: Serving, asked: Asked) -> Served | None:
    """The candidate's answer; None where it has none in time, which is counted against it."""
    arm, start = serving.candidate, perf_counter()
    if arm is None:
        assert serving.pointer is not None and serving.pointer.candidate is not None
        _failed(service, serving.pointer.candidate, "candidate", (), {}, fallback=True)
        return None
    try:
        found = service.workers.call(lambda: _found(arm, asked),
                                     timeout_s=max(service.timeout_s, READ_S * asked.reads))
    except TimeoutError:
        took = {"total": 1e3 * (perf_counter() - start)}
        _failed(service, arm.digest, "candidate", _slices(arm, asked), took, fallback=True)
        return None
    except Exception as error:  # whatever a release's own code raises; its message may hold the query
        service.log.warning("candidate %s failed: %s", arm.digest[:12], type(error).__name__)
        _failed(service, arm.digest, "candidate", _slices(arm, asked), {}, fallback=True)
        return None
    return _seen(service, arm, "candidate", asked, found)


def _stable(service: Service, arm: Arm, asked: Asked, *, fallback: bool) -> Served:
    try:
        found = _found(arm, asked)
    except Exception as error:
        service.log.error("stable %s failed: %s", arm.digest[:12], type(error).__name__)
        _failed(service, arm.digest, "stable", _slices(arm, asked), {}, fallback=False)
        raise UnansweredError(f"{arm.release} did not answer: {type(error).__name__}") from None
    if fallback:
        return Served(arm.digest, arm.release, "stable", found.hits, found.latency_ms, fallback=True, read=found.read)
    return _seen(service, arm, "stable", asked, found)


def _found(arm: Arm, asked: Asked) -> _Found:
    """What an arm answers, read whole: an answer that cannot be read is a failure like any other."""
    if asked.reads:
        return _read(arm, asked)
    found = arm.live.search(asked.text)
    stages = {"encode": found.encode_ms, "search": found.search_ms, "rerank": found.rerank_ms}
    sums = {"retrieval": found.encode_ms + found.search_ms, "total": sum(stages.values())}
    hits = [arm.ids[code] for code in found.codes[: asked.k].tolist() if code >= 0]
    best = float(found.before.scores[0, 0]) if arm.dense and hits else None
    if not all(0.0 <= ms < math.inf for ms in stages.values()) or not math.isfinite(best or 0.0):
        raise ValueError("neither a time nor a score")  # no window takes it: it would be nobody's failure
    return _Found(hits, stages | sums, best, found.spend > 0)


def _read(arm: Arm, asked: Asked) -> _Found:
    """What an arm says to a question; an answer that did not come in time is none."""
    if arm.questions is None:
        raise ValueError("answers no questions")
    found = arm.questions.ask(asked.text)
    if found.reply.timed_out:
        raise TimeoutError
    stages = {"encode": found.embedding_ms, "total": found.total_ms}
    return _Found([arm.ids[code] for code in found.documents], stages, None, reranked=False, read=found)


def _seen(service: Service, arm: Arm, assignment: Assignment, asked: Asked, found: _Found) -> Served:
    one = Observation(service.now(), service.environment, arm.digest, assignment, found.latency_ms,
                      slices=_slices(arm, asked), hit=found.best, reranked=found.reranked)
    service.batches.observe(one)
    service.metrics.count(one)
    return Served(arm.digest, arm.release, assignment, found.hits, found.latency_ms, read=found.read)


def _failed(service: Service, digest: str, assignment: Assignment, slices: tuple[str, ...],
            latency: Mapping[str, float], *, fallback: bool) -> None:
    at: datetime = service.now()
    one = Observation(at, service.environment, digest, assignment, latency, error=True, slices=slices)
    service.batches.observe(one)
    service.metrics.count(one, fallback=fallback)


def _slices(arm: Arm, asked: Asked) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in asked.slices if name in arm.slices and name != "all"))
