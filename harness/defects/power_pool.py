"""Work shared out over processes: the same results in the same order, however many there are.

An interrupt is the first process's to hear: it ends the others, which put away what they had begun and say nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from threading import current_thread, main_thread
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

__all__ = ["Job", "interrupts_held", "worked"]

_SHARED: list[Any] = []  # what every job of a process reads, sent to it once


class Job(NamedTuple):
    """`work(shared, *args)`: a function at the top of a module, and what it is called with."""

    work: Callable[..., Any]
    args: tuple[Any, ...]


def worked(jobs: Sequence[Job], shared: Any, *, processes: int, done: Callable[[], object] = lambda: None) -> list[Any]:
    """The jobs' results in the jobs' order; `done` hears each that is finished. One thread a process.

    >>> worked([Job(divmod, (3,)), Job(divmod, (4,))], 7, processes=1)
    [(2, 1), (1, 3)]
    """
    if processes == 1 or len(jobs) < 2:
        with threadpool_limits(1):
            return [_here(job, shared, done) for job in jobs]
    pool = ProcessPoolExecutor(min(processes, len(jobs)), mp_context=get_context("spawn"), initializer=_begin,
                               initargs=(shared,))
    others = set(active_children())
    try:
        with interrupts_held():  # by the processes too, which begin with what is held here
            futures = [pool.submit(_run, job) for job in jobs]
        for future in as_completed(futures):
            future.result()
            done()
        return [future.result() for future in futures]
    except BaseException:
        for child in set(active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _here(job: Job, shared: Any, done: Callable[[], object]) -> Any:
    result = job.work(shared, *job.args)
    done()
    return result


def _begin(shared: Any) -> None:
    _SHARED[:] = [shared]
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    _SHARED.clear()  # a job that waits in line finds nothing to work on
    raise SystemExit


@contextmanager
def interrupts_held() -> Iterator[None]:
    """What is in the block is done whole: an interrupt is heard when it ends. Processes begun in it never hear one.

    In another thread than the first, which hears no interrupts, and on systems without signal masks it holds nothing.

    >>> with interrupts_held():
    ...     whole = True
    """
    if not hasattr(signal, "pthread_sigmask") or current_thread() is not main_thread():
        yield
        return
    heard: list[int] = []  # the mask is this thread's alone: a signal may reach us by another
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)


def _run(job: Job) -> Any:
    return job.work(_SHARED[0], *job.args)
