"""How hard a model may be asked: workers, requests in flight, requests a second, time-outs, retries.

Two time-outs, of which the text's is the shorter. `text_timeout_s`: one request has its whole text by then, or the
question is given up: asking a slow server again makes it slower. `call_timeout_s`: all that one question takes,
requests, retries and the pauses between them. Either one is a hard time-out. Waiting for a turn counts in neither: at
0.12 requests a second that is the rule, not the server's doing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import InputError
from harness.generation.shapes import Passage, Reader, Reply, Shot

__all__ = ["SWITCHES", "Limits", "Question", "Turns", "limits_from", "read_many"]

SWITCHES = {
    "READER_WORKERS": "workers", "READER_IN_FLIGHT": "in_flight", "READER_REQUESTS_PER_SECOND": "requests_per_second",
    "READER_CALL_TIMEOUT_S": "call_timeout_s", "READER_TEXT_TIMEOUT_S": "text_timeout_s", "READER_RETRIES": "retries",
    "READER_BACKOFF_S": "backoff_s",
}  # fmt: skip
"""Environment variable → the limit that it sets instead of the manifest."""


class Limits(BaseModel):
    """The limits of a reader behind HTTP; unknown keys are errors.

    Attributes:
        workers: Questions that are worked on at once.
        in_flight: Requests that are under way at once, whoever asks.
        requests_per_second: Starts of requests, retries too: two are never closer than one over this; 0.12 is one every
            8⅓ seconds, None sets no rate.
        call_timeout_s, text_timeout_s: Seconds, see the module's head.
        retries: Repeats of a request that failed in a way that may pass.
        backoff_s: Pause before the first repeat in seconds, doubled each time; a server's Retry-After if longer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int = Field(3, ge=1, le=3, strict=True)
    in_flight: int = Field(3, ge=1, le=64, strict=True)
    requests_per_second: float | None = Field(None, gt=0.0, le=10_000.0, allow_inf_nan=False)
    call_timeout_s: float = Field(35.0, gt=0.0, le=3600.0, allow_inf_nan=False)
    text_timeout_s: float = Field(25.0, gt=0.0, le=3600.0, allow_inf_nan=False)
    retries: int = Field(3, ge=0, le=10, strict=True)
    backoff_s: float = Field(0.5, ge=0.0, le=60.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _text_within_call(self) -> Limits:
        if self.text_timeout_s > self.call_timeout_s:
            raise ValueError(f"text_timeout_s {self.text_timeout_s:g} is longer than call_timeout_s "
                             f"{self.call_timeout_s:g}: the call would end before its text")
        return self


def limits_from(environ: Mapping[str, str], limits: Limits | None = None) -> Limits:
    """`limits` with what the environment sets instead; an empty variable sets nothing.

    Raises:
        InputError: A variable holds something that the limit cannot be.

    >>> limits_from({"READER_REQUESTS_PER_SECOND": "0.12"}).requests_per_second
    0.12
    """
    held = {name: str(value) for name, value in (limits or Limits()).model_dump().items() if value is not None}
    set_here = {name: environ[switch].strip() for switch, name in SWITCHES.items() if environ.get(switch, "").strip()}
    try:
        return Limits.model_validate_strings({**held, **set_here})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "text_timeout_s"
        switch = next(key for key, value in SWITCHES.items() if value == name)
        raise InputError("not a limit of a reader", where=f"environment, {switch}", found=set_here.get(name),
                         expected=str(first["msg"]).removeprefix("Value error, ")) from None


class Turns:
    """Lets requests start: never more than `in_flight` at once, never closer than one over the rate.

    >>> now = [0.0]
    >>> turns = Turns(Limits(requests_per_second=0.12), clock=lambda: now[0],
    ...               sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    >>> for _ in range(3):
    ...     with turns.turn():
    ...         print(round(now[0], 3))
    0.0
    8.333
    16.667
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        """Start with all turns free; `clock` in seconds."""
        rate = limits.requests_per_second
        self._gap, self._clock, self._sleep = 0.0 if rate is None else 1.0 / rate, clock, sleep
        self._free = threading.BoundedSemaphore(limits.in_flight)
        self._start, self._held = threading.Lock(), threading.Lock()
        self._next = float("-inf")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The block of one request; waits for its turn first."""
        with self._free:
            with self._start:  # one at a time: who waits here holds no start that others could crowd
                while (left := self._next - self._clock()) > 0.0:
                    self._sleep(min(left, 3600.0))  # no clock sleeps for ages
                self._no_start_before(self._clock() + self._gap)
            yield

    def rest(self, seconds: float) -> None:
        """No request starts for so many seconds: the server asked for it."""
        self._no_start_before(self._clock() + seconds)

    def _no_start_before(self, at: float) -> None:
        with self._held:
            self._next = max(self._next, at)


class Question(NamedTuple):
    """What a reader is given for one question."""

    text: str
    passages: Sequence[Passage]
    shots: Sequence[Shot] = ()


def read_many(reader: Reader, asked: Sequence[Question], limits: Limits, *,
              done: Callable[[], None] | None = None) -> list[Reply]:
    """A reply for each question, in the order asked, by at most `limits.workers` at once.

    Args:
        reader: Any reader; the order in which it is called is not the order of the replies.
        asked: The questions.
        limits: Of which `workers` counts here; the rest is the reader's own business.
        done: Called once for each reply, for a progress bar.

    Raises:
        InputError: What the reader itself raises; questions not yet begun are then not asked.

    >>> read_many(reader=None, asked=[], limits=Limits())
    []
    """
    pool = ThreadPoolExecutor(limits.workers, thread_name_prefix="reader")
    replies = []
    try:
        for future in [pool.submit(reader.read, *one) for one in asked]:
            replies.append(future.result())
            if done is not None:
                done()
    finally:
        pool.shutdown(cancel_futures=True)
    return replies
