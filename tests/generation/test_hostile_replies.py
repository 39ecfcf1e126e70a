"""Replies, addresses and texts that are made to make a reader fall over, wait, or see no leak."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from contextlib import contextmanager

import pytest

from fixtures.openai_server import model_server
from harness.errors import InputError
from harness.generation.client import Client, RefusedError, TransientError
from harness.generation.endpoint import Endpoint
from harness.generation.few_shot_leaks import leaks
from harness.generation.http_reader import HttpReader
from harness.generation.limits import Limits, Turns
from harness.generation.prompts import parse
from harness.generation.reply_cache import ReplyCache
from harness.generation.shapes import Passage, Shot

ASKED = [{"role": "user", "content": "Why?"}]
ITEM = Shot("q", "Along which axis are the elements of the array sorted?", "The last one, unless another is named.")


@contextmanager
def says(body, **headers):
    """A server that says the same to everyone; its address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.do_POST()

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def said(text):
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def test_an_answer_that_is_packed_twice_is_not_unpacked():
    """A kilobyte can be a gigabyte: it would take all memory and outlast the deadline. Packed once it is read."""
    once = gzip.compress(said("Because."))
    with says(once, Content_Encoding="gzip") as url:
        assert Client(Endpoint(url, "tiny")).complete(ASKED, within_s=5.0).text == "Because."
    with says(gzip.compress(once), Content_Encoding="gzip, gzip") as url, \
            pytest.raises(RefusedError, match="packed twice"):
        Client(Endpoint(url, "tiny")).complete(ASKED, within_s=5.0)


def test_half_a_sign_at_the_end_of_an_answer_can_be_kept(tmp_path):
    """Where tokens ran out within a pair of surrogates: U+FFFD stands for it, in the reply and in the cache."""
    passages = [Passage("a#0", "a", 0, "", "", "", "Rows are counted.", "x")]
    with says(said("Rows \ud83d [1]")) as url:
        reader = HttpReader(Client(Endpoint(url, "tiny")), cache=ReplyCache(tmp_path / "replies"))
        first, again = (reader.read("What?", passages) for _ in range(2))
    assert first.text == again.text == "Rows \ufffd" and (first.calls, again.calls) == (1, 0)


@pytest.mark.parametrize("listed", [5, True, {"id": "tiny"}])
def test_a_list_of_models_that_is_none_names_no_model(listed):
    """The request that follows tells whether there is one."""
    with says(json.dumps({"data": listed}).encode()) as url:
        assert Client(Endpoint(url, "tiny")).models(within_s=5.0) == []


def test_a_moment_beyond_all_calendars_asks_for_no_rest():
    """Retry-After with a year that no clock has."""
    with model_server(plan=lambda _: "429", after="Wed, 21 Oct 99999999999999999999 07:28:00 GMT") as server, \
            pytest.raises(TransientError) as caught:
        Client(Endpoint(server.url, "tiny")).complete(ASKED, within_s=5.0)
    assert caught.value.after_s == 0.0


@pytest.mark.parametrize("url", ["http://localhost:99999/v1", "http://localhost:abc/v1", "http://[::1/v1"])
def test_an_address_that_none_can_have_is_one_line(url):
    """Before anything is sent."""
    with pytest.raises(InputError, match="not the address of a model server"):
        Endpoint(url, "tiny")


def test_a_host_that_no_name_can_be_is_one_line():
    """Only looking it up tells."""
    with pytest.raises(TransientError, match="model server http://xn--/v1"):
        Client(Endpoint("http://xn--/v1", "tiny")).complete(ASKED, within_s=5.0)


def test_a_rate_of_almost_nothing_waits_by_the_hour():
    """No clock can sleep for ages at once."""
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    turns = Turns(Limits(requests_per_second=1e-5), clock=lambda: now[0], sleep=sleep)
    for _ in range(2):
        with turns.turn():
            pass
    assert now[0] == pytest.approx(1e5) and max(slept) == 3600.0


def test_a_long_answer_without_a_word_is_read_at_once():
    """Chain of thought of nothing but lines: what grows with its square would never end at this length."""
    assert parse("\n" * 1_000_000 + "Answer: rows", [], cot=True).text == "rows"
    assert parse("So.\n** Answer **: rows", [], cot=True).text == "rows"


@pytest.mark.parametrize("sign", ["\u200b", "\u00ad", "\u2060", "\ufeff", "\u200d"])
def test_signs_that_nobody_sees_hide_no_leak(sign):
    """Put between all letters of a question that is judged."""
    held = Shot("s", sign.join(ITEM.question), "Nothing to see here.")
    assert [(one.part, one.how) for one in leaks([ITEM], [held])] == [("question", "exact")]
