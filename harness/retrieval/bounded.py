"""Another program's answer, awaited until a deadline and read up to a size, from a process or from an endpoint.

A time-out that counts from byte to byte never ends where bytes keep coming, and ending one process leaves those that it
started: here one deadline holds for the whole exchange, and a program ends with its whole group.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NamedTuple

from harness.errors import InputError

__all__ = ["MOST_BYTES", "Done", "post", "run"]

MOST_BYTES = 256 << 20
"""What an answer may hold unless a source says otherwise: 256 MiB."""

_PIECE = 1 << 16
_LONGEST_S = 1e9  # the system's clocks count no further than some billions of seconds


class Done(NamedTuple):
    """How a program ended: its exit code, what it wrote, and the end of what it complained of."""

    code: int
    out: bytes
    err: bytes


class _Output:
    """What a stream has given so far: all of it up to `most` bytes, or only its end."""

    def __init__(self, *, most: int, only_end: bool) -> None:
        self.held, self.too_large = bytearray(), False
        self._most, self._only_end = most, only_end

    def read(self, stream: IO[bytes], stop: Callable[[], object]) -> None:
        with stream:
            while piece := os.read(stream.fileno(), _PIECE):
                self.held += piece
                if len(self.held) > self._most and self._only_end:
                    del self.held[: -self._most]
                elif len(self.held) > self._most:
                    self.too_large = True
                    stop()
                    return


def run(words: Sequence[str], sent: bytes, *, timeout_s: float, where: str, most_bytes: int = MOST_BYTES,
        environment: Mapping[str, str] | None = None) -> Done:
    """Run a program over `sent`; when it ends, is late or says too much, everything it started ends with it.

    Raises InputError where the deadline passes or more than `most_bytes` come; OSError or ValueError where it cannot
    be started.
    """
    deadline = time.monotonic() + min(timeout_s, _LONGEST_S)
    pipe = subprocess.PIPE
    child = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True,
                             env=None if environment is None else dict(environment))
    out, err = _Output(most=most_bytes, only_end=False), _Output(most=_PIECE, only_end=True)
    try:
        talks = [_started(_write, child.stdin, sent), _started(out.read, child.stdout, child.kill),
                 _started(err.read, child.stderr, child.kill)]
        child.wait(_left(deadline))
    except subprocess.TimeoutExpired:
        raise _late(where, timeout_s) from None
    finally:
        _end_group(child)  # also what an ended program left behind, which holds its pipes open
        child.wait()
    for talk in talks:
        talk.join(_left(deadline))
    if out.too_large:
        raise _too_large(where, most_bytes)
    if any(talk.is_alive() for talk in talks):
        raise _late(where, timeout_s)
    return Done(child.returncode, bytes(out.held), bytes(err.held))


def post(request: urllib.request.Request, *, timeout_s: float, where: str, most_bytes: int = MOST_BYTES) -> bytes:
    """What an endpoint answers. The deadline covers the name, the connection, the headers and the body together.

    Raises InputError where the deadline passes or more than `most_bytes` come, and what urllib raises.
    """
    connections: list[http.client.HTTPConnection] = []
    seconds = min(timeout_s, _LONGEST_S)
    deadline = time.monotonic() + seconds
    outcomes: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with _opener(connections).open(request, timeout=seconds) as response:
                outcomes.put(_body(response, deadline, where, most_bytes))
        except Exception as error:  # told on the side that waits
            outcomes.put(error)

    _started(ask)
    try:
        outcome = outcomes.get(timeout=seconds)
    except queue.Empty:
        raise _late(where, timeout_s) from None
    finally:
        for connection in connections:
            _hang_up(connection)
    if isinstance(outcome, Exception):
        raise _late(where, timeout_s) if isinstance(outcome, TimeoutError) else outcome
    return outcome


def _body(response: Any, deadline: float, where: str, most: int) -> bytes:
    if (response.length or 0) > most:
        raise _too_large(where, most)
    body = bytearray()
    while piece := response.read1(_PIECE):
        body += piece
        if len(body) > most:
            raise _too_large(where, most)
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:  # read1, unlike read, ends quietly where a body is torn off
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _opener(connections: list[http.client.HTTPConnection]) -> urllib.request.OpenerDirector:
    """The usual opener, whose connections are kept where the side that waits can end them."""

    def kept(kind: type[http.client.HTTPConnection]) -> Any:
        def connect(*args: Any, **options: Any) -> http.client.HTTPConnection:
            connections.append(kind(*args, **options))
            return connections[-1]

        return connect

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(kept(http.client.HTTPConnection), req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(kept(http.client.HTTPSConnection), req)

    return urllib.request.build_opener(Http, Https)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    held = connection.sock  # None where the answer's headers have come: then the body's own deadline ends it
    if held is not None:
        with contextlib.suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)


def _write(stream: IO[bytes], sent: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), stream:  # a program may answer without reading all
        rest = memoryview(sent)
        while rest:
            rest = rest[stream.write(rest[:_PIECE]) :]


def _started(target: Callable[..., None], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # no one left, or only a zombie
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


def _late(where: str, timeout_s: float) -> InputError:
    return InputError("no answer in time", where=where, expected=f"within {timeout_s:g} s")


def _too_large(where: str, most: int) -> InputError:
    return InputError("answer is too large", where=where, expected=f"at most {most} bytes")
