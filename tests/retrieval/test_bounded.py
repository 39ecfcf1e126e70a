"""No program and no endpoint is awaited for ever, read without end, or survived by what it started."""

from __future__ import annotations

import fcntl
import http.server
import json
import sys
import threading
import time

import pytest

from harness.errors import InputError
from harness.retrieval.bounded import run
from harness.retrieval.external import CommandSource, HttpSource

ANSWER = json.dumps({"hits": [[["a", 1.0]]]}).encode()
TRICKLES = {
    "/body": b"HTTP/1.0 200 OK\r\n\r\n", "/head": b"HTTP/1.0 200 OK\r\nX-Slow: ", "/status": b"",
    "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n",
}  # fmt: skip


class Handler(http.server.BaseHTTPRequestHandler):
    """One right answer, and one path for each way to trickle."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path not in TRICKLES:
            self.send_response(200)
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)
            return
        self.wfile.write(TRICKLES[self.path])
        for _ in range(1000):  # a byte every few milliseconds, so that no single wait is ever long
            self.wfile.write(b"7")
            time.sleep(0.02)

    def log_message(self, *args):
        """Keep the tests' output clean."""


@pytest.fixture(scope="module")
def endpoint():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.handle_error = True, lambda *args: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", TRICKLES)
def test_an_endpoint_that_never_pauses_and_never_ends_is_late(endpoint, path):
    """The deadline is for the whole answer, status line and headers too: bytes that keep coming do not put it off."""
    started, before = time.monotonic(), threading.active_count()
    with pytest.raises(InputError, match=r"no answer in time; expected within 0\.3 s"):
        HttpSource(endpoint + path, timeout_s=0.3).answer(["a"], k=1)
    assert time.monotonic() - started < 5  # the endpoint itself would take 20 s
    while threading.active_count() > before + 1 and time.monotonic() - started < 5:  # the endpoint's own thread is one
        time.sleep(0.01)
    assert threading.active_count() <= before + 1


@pytest.mark.parametrize("path", ["/hits", "/body", "/chunks"])
def test_an_endpoint_without_measure_is_cut_off(endpoint, path):
    """An answer is read up to a size, whether its length is stated or not."""
    with pytest.raises(InputError, match="answer is too large; expected at most 5 bytes"):
        HttpSource(endpoint + path, timeout_s=5, most_bytes=5).answer(["a"], k=1)
    whole = HttpSource(endpoint + "/hits", timeout_s=5, most_bytes=len(ANSWER))
    assert whole.answer(["a"], k=1) == [[("a", 1.0)]]


HOLDS = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, 2); print(flush=True); time.sleep(60)"
LEAVES_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], stdout=subprocess.PIPE)
child.stdout.readline()
open(sys.argv[2], "w").write("held")
{then}
"""


@pytest.mark.parametrize(("then", "says"), [
    ("time.sleep(60)", "no answer in time"), ("print('[]')", None), ("sys.exit(3)", "exited with 3"),
    ("sys.stdout.write('x' * 9999); sys.stdout.flush(); time.sleep(60)", "too large"),
])  # fmt: skip
def test_a_command_ends_with_all_that_it_started(tmp_path, then, says):
    """Late, done, failed or saying too much: no process of the command outlives it."""
    lock = tmp_path / "lock"
    lock.touch()
    words = (sys.executable, "-c", LEAVES_A_CHILD.format(then=then), HOLDS, str(lock))
    source = CommandSource(words, timeout_s=2, most_bytes=999)
    if says is None:
        assert source.answer(["a"], k=1) == [[]]
    else:
        with pytest.raises(InputError, match=says):
            source.answer(["a"], k=1)
    assert lock.read_text() == "held"
    assert is_let_go(lock)


def is_let_go(lock):
    """Whether, within some seconds, nobody holds the lock any more: a process that ended holds none."""
    ends = time.monotonic() + 5
    with lock.open() as stream:
        while time.monotonic() < ends:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
            else:
                return True
    return False


def test_a_command_without_measure_is_cut_off():
    """What a command says without end fills no memory: its answer is refused, of its complaints the end is kept."""
    program = "import sys\nwhile True: sys.stdout.write('x' * 99_999)"
    with pytest.raises(InputError, match="answer is too large; expected at most 1000 bytes"):
        run((sys.executable, "-c", program), b"", timeout_s=20, where="mine", most_bytes=1000)
    program = "import sys\nfor _ in range(99): sys.stderr.write('x' * 9999)\nsys.exit('the end')"
    done = run((sys.executable, "-c", program), b"", timeout_s=20, where="mine")
    assert (done.code, done.out, len(done.err)) == (1, b"", 1 << 16)
    assert done.err.endswith(b"the end\n")


def test_a_command_may_leave_its_questions_unread():
    """More than a pipe holds is sent; to leave it unread is no fault, and who reads gets all."""
    done = run((sys.executable, "-c", "print(1)"), b"x" * (1 << 22), timeout_s=20, where="mine")
    assert (done.code, done.out.strip()) == (0, b"1")
    program = "import sys; print(len(sys.stdin.buffer.read()))"
    assert int(run((sys.executable, "-c", program), b"x" * (1 << 22), timeout_s=20, where="mine").out) == 1 << 22


def test_a_long_patience_is_no_overflow(endpoint):
    """A time-out beyond what clocks count is as good as none."""
    assert run((sys.executable, "-c", ""), b"", timeout_s=1e300, where="mine").code == 0
    assert HttpSource(endpoint + "/hits", timeout_s=1e300).answer(["a"], k=1) == [[("a", 1.0)]]
