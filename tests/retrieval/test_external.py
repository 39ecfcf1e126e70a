"""A user's own retriever: answers through each door, and every way to fail is one line."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import time

import numpy as np
import pytest

from harness.errors import InputError
from harness.retrieval.external import (
    CallableSource,
    CommandSource,
    ExternalRetriever,
    HttpSource,
    checked_answers,
    external_retriever,
    external_source,
)
from harness.retrieval.protocols import Retriever

DOCS = {"a": 0, "b": 1, "c": 2}


def by_letter(queries, k):
    """A retriever: a document's score is how often its letter stands in the query."""
    rows = [[(doc, float(query.count(doc))) for doc in DOCS if doc in query] for query in queries]
    return [sorted(row, key=lambda pair: -pair[1])[:k] for row in rows]


def broken(queries, k):
    raise ZeroDivisionError("user code")


NOT_CALLABLE = 7

PROGRAM = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    pairs = sorted(([doc, asked["query"].count(doc)] for doc in "abc"), key=lambda pair: -pair[1])
    print(json.dumps([pair for pair in pairs[: asked["k"]] if pair[1]]))
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """One path for each way to answer."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hits = by_letter(asked["queries"], asked["k"])
        if self.path == "/slow":
            time.sleep(0.5)
        status = 503 if self.path == "/down" else 200
        answer = {"/list": hits, "/short": hits[:-1], "/object": {"results": hits}}.get(self.path, {"hits": hits})
        body = b"<html>" if self.path == "/html" else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + (9 if self.path == "/torn" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep the tests' output clean."""


@pytest.fixture(scope="module")
def endpoint():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def python(program):
    return CommandSource((sys.executable, "-c", program), timeout_s=20)


@pytest.mark.parametrize("door", ["callable", "command", "http", "list"])
def test_every_door_gives_the_same_hits(door, endpoint):
    """One retriever behind three doors ranks alike, ties by the rule of all hits, no answer is no hit."""
    source = {"callable": CallableSource(f"{__name__}:by_letter"), "command": python(PROGRAM),
              "http": HttpSource(f"{endpoint}/search"), "list": HttpSource(f"{endpoint}/list")}[door]
    retriever = ExternalRetriever(source, DOCS, batch=2)
    assert isinstance(retriever, Retriever)
    hits = retriever.retrieve(["bba", "abc", "zzz"], k=2)
    assert hits.codes.tolist()[0] == [1, 0]
    assert hits.codes.tolist()[2] == [-1, -1]
    assert hits.codes[1, 0] > hits.codes[1, 1]
    assert hits.scores[0].tolist() == [2, 1]
    assert np.isneginf(hits.scores[2]).all()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no_such_module:f", "cannot be imported"),
        (f"{__name__}:missing", "cannot be imported"),
        (f"{__name__}:NOT_CALLABLE", "not callable"),
        (f"{__name__}:broken", "failed; found 'ZeroDivisionError: user code'"),
        ("just_a_name", "expected package.module:function"),
    ],
)
def test_a_bad_callable_is_one_line(target, says):
    """Whatever is wrong with the user's function is told with its name."""
    with pytest.raises(InputError, match=says) as caught:
        CallableSource(target).answer(["a"], k=1)
    assert target in str(caught.value)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; sys.exit('out of memory')", "exited with 1; expected exit code 0, found 'out of memory'"),
        ("print('[]')", "expected 2 lines, found 1"),
        ("print('[]'); print('hm')", "row 2: answer is not JSON"),
        ("print('[]'); print('[[1, 2]]')", "row 2: not a hit"),
        ("print('[]'); print('[[\"a\", NaN]]')", "score is not a number"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\n\\xff')", "not UTF-8"),
    ],
)
def test_a_bad_command_is_one_line(program, says):
    """A crash, a missing line and a malformed line of a real process are told apart."""
    with pytest.raises(InputError, match=says) as caught:
        python(program).answer(["a", "b"], k=2)
    assert "\n" not in str(caught.value)


def test_a_missing_or_hanging_command_is_one_line():
    """A program that is not there, or does not end, does not hang the gates."""
    with pytest.raises(InputError, match="cannot be run"):
        CommandSource("/no/such/program --flag").answer(["a"], k=1)
    with pytest.raises(InputError, match="cannot be run"):
        CommandSource("").answer(["a"], k=1)
    with pytest.raises(InputError, match="no answer in time"):
        CommandSource((sys.executable, "-c", "import time; time.sleep(30)"), timeout_s=0.3).answer(["a"], k=1)


@pytest.mark.parametrize(
    ("path", "says"),
    [("/down", "expected status 200, found 503"), ("/html", "not JSON"), ("/short", "wrong number of answers"),
     ("/object", "wrong number of answers"), ("/slow", "no answer in time"), ("/torn", "cannot be reached")],
)
def test_a_bad_endpoint_is_one_line(endpoint, path, says):
    """An error status, a page instead of JSON, missing answers, silence and a torn body are told apart."""
    with pytest.raises(InputError, match=says):
        HttpSource(endpoint + path, timeout_s=0.2).answer(["a", "b"], k=1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/none", "file:///etc/passwd", "nonsense", "http://"])
def test_an_unreachable_or_foreign_address_is_one_line(url):
    """Nothing listening, another scheme or no address: an input error that names it."""
    with pytest.raises(InputError, match=r"cannot be reached|not an HTTP address"):
        HttpSource(url, timeout_s=2).answer(["a"], k=1)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "expected a list of 1, found 'NoneType'"),
        ({"a": 1}, "wrong number of answers"),
        ([None], "not a list of hits"),
        ([[("a", 1.0), ("b", 1.0), ("c", 1.0)]], "at most 2 pairs"),
        ([[("a", 1.0), ("a", 2.0)]], "twice"),
        ([[("", 1.0)]], "not a hit"),
        ([["ab"]], "not a hit"),
        ([[("a", "1")]], "not a number"),
        ([[("a", True)]], "not a number"),
        ([[("a", float("inf"))]], "not a number"),
        ([[("a", 10**400)]], "not a number"),
    ],
)
def test_every_malformed_answer_is_refused(answer, says):
    """No shape of nonsense becomes a hit or an empty list."""
    with pytest.raises(InputError, match=says):
        checked_answers(answer, 1, k=2, where="mine")
    assert checked_answers([[("a", np.float32(1)), ["b", 2]]], 1, k=2, where="mine") == [[("a", 1.0), ("b", 2.0)]]


def test_an_unknown_document_is_not_dropped():
    """A hit outside the corpus means the wrong corpus or the wrong index: it is told."""
    with pytest.raises(InputError, match="hit is not in the corpus"):
        ExternalRetriever(CallableSource(f"{__name__}:by_letter"), {"a": 0}).retrieve(["b"], k=1)


def test_a_manifest_names_its_source():
    """Three kinds and no fourth."""
    assert external_source("callable", "m:f") == CallableSource("m:f")
    assert external_source("command", "run", timeout_s=3) == CommandSource("run", timeout_s=3)
    assert external_source("http", "http://x") == HttpSource("http://x")
    with pytest.raises(InputError, match="callable, command, http"):
        external_source("grpc", "x")


def test_places_of_ids_are_codes():
    """A retriever made from a manifest numbers the documents as the corpus does."""
    retriever = external_retriever("callable", f"{__name__}:by_letter", ids=("b", "c", "a"))
    assert retriever.retrieve(["aab"], k=2).codes.tolist() == [[2, 0]]


def test_only_an_end_of_line_ends_an_answer():
    """An id may hold what other systems take for the end of a line."""
    program = "import sys; sys.stdout.buffer.write('[[\"a\u2028b\", 1]]\\r\\n'.encode())"
    assert python(program).answer(["a"], k=1) == [[("a\u2028b", 1.0)]]


@pytest.mark.parametrize("source", [CommandSource("run 'it"), HttpSource("http://[")], ids=str)
def test_what_cannot_be_taken_apart_is_one_line(source):
    """An open quote in a command and an open bracket in an address are told, not thrown."""
    with pytest.raises(InputError, match=r"not a command|cannot be reached"):
        source.answer(["a"], k=1)
