"""One exchange with a real server: what is sent, what may go wrong, by when it is over, and where the key is not."""

from __future__ import annotations

import asyncio
import http.server
import logging
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from fixtures.openai_server import FAULTS, model_server
from harness.errors import InputError, UsageError
from harness.generation.client import (
    Client,
    DeniedError,
    LateError,
    RefusedError,
    TransientError,
    checked_temperature,
)
from harness.generation.endpoint import Endpoint, endpoint_from

KEY = "sk-very-secret-000"
ASKED = [{"role": "user", "content": "[1] np: the axis\n[2] np: the dtype\n\nQuestion: which dtype?"}]
ENDS = {"slow": None, "hang": LateError, "trickle": LateError, "500": TransientError, "429": TransientError,
        "400": RefusedError, "401": DeniedError, "404": DeniedError, "garbage": TransientError,
        "no text": TransientError, "closed": TransientError, "torn": TransientError,
        "huge": RefusedError, "301": DeniedError}  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with model_server(key=KEY, slow_s=0.01) as running:
        yield running


def client_of(server, key=KEY, **options):
    return Client(Endpoint(server.url, options.pop("model", "tiny"), SecretStr(key) if key else None), **options)


def test_a_request_is_at_temperature_0_with_its_seed(server):
    """The server got the model, the conversation, temperature 0, the seed, the length, and the key in a header."""
    server.plan = lambda _: ""
    found = client_of(server, seed=7, max_tokens=99).complete(ASKED, within_s=5)
    seen = server.seen[-1]
    assert seen.sent == {"model": "tiny", "messages": ASKED, "temperature": 0, "seed": 7, "max_tokens": 99,
                         "stream": False}  # fmt: skip
    assert seen.key == f"Bearer {KEY}"
    assert found == ("the dtype [2]", 11, 3, "tiny fp_tiny")


def test_the_server_would_see_another_temperature(server):
    """A client that sends what samples is refused by the test's own server: the check above can fail."""

    class Warm(Client):
        def payload(self, messages):
            return super().payload(messages) | {"temperature": 0.7}

    with pytest.raises(RefusedError, match="status 400"):
        Warm(Endpoint(server.url, "tiny", SecretStr(KEY))).complete(ASKED, within_s=5)


def test_every_fault_has_an_end():
    """No fault of the server's is forgotten below."""
    assert set(FAULTS) <= set(ENDS)


@pytest.mark.parametrize("fault", ENDS)
def test_each_fault_ends_in_its_own_way(server, fault):
    """By what may be done about it, as one line that names the server, long before the server would be done."""
    server.plan = lambda _: fault
    started, ending = time.monotonic(), ENDS[fault]
    if ending is None:
        assert client_of(server).complete(ASKED, within_s=5).text == "the dtype [2]"
        return
    with pytest.raises(ending) as caught:
        client_of(server).complete(ASKED, within_s=0.1 if ending is LateError else 5)
    assert type(caught.value) is ending
    assert str(caught.value).startswith(f"model server {server.url}: ") and "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert time.monotonic() - started < 4


def test_a_server_that_is_not_there_is_told_apart():
    """Nobody listens: transient, but marked as never reached."""
    with model_server() as gone:
        pass
    with pytest.raises(TransientError, match="cannot be reached; expected a server that is running") as caught:
        client_of(gone).complete(ASKED, within_s=5)
    assert caught.value.unreached


def test_a_name_that_is_looked_up_for_ever_is_late(monkeypatch):
    """The deadline covers the name as well: a resolver that is silent for half a minute holds nobody."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: over.wait(30) or [])
    client, started = Client(Endpoint("http://models.invalid/v1", "tiny")), time.monotonic()
    with pytest.raises(LateError, match=r"no answer in time; expected within 0\.1 s"):
        client.complete(ASKED, within_s=0.1)
    over.set()
    assert time.monotonic() - started < 10


def test_the_key_is_in_no_text(server, caplog):
    """Not in a repr, an error or a log at its most talkative, though the server repeats it."""
    server.plan = lambda _: "404"
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DeniedError, match=r"planned 404 for model tiny, key …") as caught:
        client_of(server).complete(ASKED, within_s=5)
    assert caught.value.__cause__ is None
    assert "httpcore" in caplog.text
    client = client_of(server)
    assert KEY not in "".join([caplog.text, str(caught.value), repr(client.endpoint), repr(vars(client))])


@pytest.mark.parametrize(("after", "seconds"), [
    ("2", 2.0), ("0.25", 0.25), ("", 0.0), ("soon", 0.0), ("-5", 0.0), ("nan", 0.0), ("inf", 0.0),
    ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0),
])  # fmt: skip
def test_a_server_may_say_when_to_come_back(server, after, seconds):
    """Retry-After in seconds; what is none asks for nothing."""
    server.plan, server.after = lambda _: "429", after
    with pytest.raises(TransientError, match="the server is busy; found 'status 429'") as caught:
        client_of(server).complete(ASKED, within_s=5)
    assert caught.value.after_s == seconds


def test_a_date_to_come_back_is_read_by_the_servers_clock(server):
    """A date far ahead of the server's own is that many seconds, whatever this machine's clock says."""
    server.plan, server.after = lambda _: "429", "Fri, 31 Dec 9999 23:59:59 GMT"
    with pytest.raises(TransientError) as caught:
        client_of(server).complete(ASKED, within_s=5)
    assert caught.value.after_s > 1e9


def test_no_proxy_stands_before_a_server_on_this_machine(server, monkeypatch):
    """A proxy that the environment names, and that is not there, is not asked for a local address."""
    server.plan = lambda _: ""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert client_of(server).complete(ASKED, within_s=5).text == "the dtype [2]"


@pytest.fixture
def impostor(tmp_path):
    """A server behind a certificate that it signed itself, and the requests that it got to read."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    began = datetime(2020, 1, 1, tzinfo=UTC)
    signed = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
              .serial_number(1).not_valid_before(began).not_valid_after(began + timedelta(days=36_500))
              .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
              .sign(key, hashes.SHA256()))  # fmt: skip
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "pair.pem").write_bytes(own + signed.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    read = []

    class Reads(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            read.append(self.headers["Authorization"])

        def log_message(self, *args):
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Reads)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}/v1", read
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_without_a_trusted_certificate_gets_no_key(impostor):
    """Over https the certificate is verified: an impostor is told by its certificate and reads nothing."""
    url, read = impostor
    with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        Client(Endpoint(url, "tiny", SecretStr(KEY))).complete(ASKED, within_s=5)
    assert caught.value.unreached and read == []


def test_models_are_listed(server):
    """The names that it serves; a wrong key is told here too."""
    assert client_of(server).models(within_s=5) == ["tiny"]
    with pytest.raises(DeniedError, match="the key is not accepted; expected a valid OPENAI_API_KEY"):
        client_of(server, key="sk-other").models(within_s=5)


def test_a_thread_with_a_loop_may_ask_too(server):
    """In a notebook or a service an event loop runs already."""
    server.plan = lambda _: ""

    async def ask():
        return client_of(server).complete(ASKED, within_s=5).text

    assert asyncio.run(ask()) == "the dtype [2]"


@pytest.mark.parametrize(("url", "says"), [
    ("localhost:8000", "not the address"), ("ftp://host/v1", "not the address"), ("http://", "not the address"),
    ("http://host/v1?key=1", "not the address"), ("https://me:sk-123@host/v1", "an address holds no password"),
])  # fmt: skip
def test_an_address_that_is_none_is_one_line(url, says):
    """Where it stands, what was expected; a password in it is not repeated."""
    with pytest.raises(InputError, match=rf"^reader\.url: {says}") as caught:
        Endpoint(url, "tiny")
    assert "sk-123" not in str(caught.value)


def test_keys_and_models_that_cannot_be_are_told_without_repeating_them():
    """A key with a line end would be a header of its own."""
    with pytest.raises(InputError, match="OPENAI_API_KEY: not an API key; expected printable ASCII") as caught:
        Endpoint("http://host/v1", "tiny", SecretStr("sk-123\r\nX: y"))
    assert "sk-123" not in str(caught.value)
    with pytest.raises(InputError, match=r"reader\.model: no model is named"):
        Endpoint("http://host/v1", " ")


def test_the_environment_names_the_server():
    """The manifest's address before the environment's; without either nothing is asked."""
    environ = {"OPENAI_BASE_URL": "http://one/v1", "OPENAI_API_KEY": " sk-1 "}
    assert endpoint_from(environ, model="m").url == "http://one/v1"
    found = endpoint_from(environ, model="m", url="http://two/v1")
    assert (found.url, found.key.get_secret_value()) == ("http://two/v1", "sk-1")
    with pytest.raises(UsageError, match=r"set reader\.url in the manifest or OPENAI_BASE_URL"):
        endpoint_from({"OPENAI_API_KEY": "sk-1"}, model="m")


@pytest.mark.parametrize("value", [0.7, "1", "warm", True, float("nan"), 1e-9])
def test_another_temperature_is_refused(value):
    """One line, whatever it is; nothing but 0 is 0."""
    with pytest.raises(InputError, match=r"^reader\.temperature: temperature is 0 and nothing else"):
        checked_temperature(value)
    assert checked_temperature("0") == checked_temperature(0.0) == 0
