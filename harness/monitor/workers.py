"""Threads that a candidate runs on: it is waited for up to a limit, and one that hangs holds up nobody else.

Daemons, unlike the standard pool's: a candidate that never returns must not keep the service from ending either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Workers"]

_Found = TypeVar("_Found")
_Task = tuple["Future[Any]", Callable[[], Any]]


class Workers:
    """A few threads, and calls that wait for them no longer than a limit.

    >>> Workers(1).call(lambda: 6 * 7, timeout_s=10.0)
    42
    """

    def __init__(self, count: int) -> None:
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._free = threading.BoundedSemaphore(count)
        for number in range(count):
            threading.Thread(target=self._run, name=f"signoff-candidate-{number}", daemon=True).start()

    def call(self, function: Callable[[], _Found], *, timeout_s: float) -> _Found:
        """What `function` returns or raises; TimeoutError after `timeout_s`, and at once where no thread is free.

        Nobody waits in a line for what hangs: whoever asks has another answer to give, and a thread to give it on.
        """
        if not self._free.acquire(blocking=False):
            raise TimeoutError("every thread is taken")
        future: Future[_Found] = Future()
        self._tasks.put((future, function))
        return future.result(timeout_s)

    def _run(self) -> None:
        while True:
            future, function = self._tasks.get()
            try:
                found = function()
            except BaseException as error:  # whoever waits gets it, but is not told to end by a release that wants to
                self._free.release()
                future.set_exception(error if isinstance(error, Exception) else RuntimeError(type(error).__name__))
            else:
                self._free.release()  # before whoever waits goes on to ask again
                future.set_result(found)
                del found
            del future, function  # an idle thread keeps no release alive
