"""The page in a real browser: it shows everything, asks nobody else for anything, and breaks no rule of its policy."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from harness.monitor.tokens import create_token
from tests.monitor.serving import DAY, http
from tests.monitor.test_watching import minute, ramping

pytestmark = pytest.mark.services
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def with_token(address: str, token: str) -> Iterator[tuple[str, list[str]]]:
    """The service with a token added to each request, as a browser's cookie would; and every path asked for."""
    asked: list[str] = []

    class Front(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            found = httpx.get(address + self.path, headers={"authorization": f"Bearer {token}"}, trust_env=False)
            self.send_response(found.status_code)
            for name in ("content-type", "content-security-policy"):
                self.send_header(name, found.headers.get(name, "text/plain"))
            self.end_headers()
            self.wfile.write(found.content)

        def log_message(self, *_):
            """Nothing to the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def browsed(address: str, profile: Path, *words: str) -> tuple[str, str]:
    """The document as the browser has it once it is loaded, and what its console said."""
    if BROWSER is None:
        pytest.skip("no chromium at hand: the page is not looked at in a browser")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
               "--disable-extensions", "--disable-background-networking", "--disable-component-update",
               "--enable-logging=stderr", f"--user-data-dir={profile}", "--virtual-time-budget=2000", *words,
               "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.fixture
def page(tmp_path):
    """A service whose candidate turned slow a minute ago, behind a front that has the token."""
    service, clock, fake = ramping(tmp_path)
    minute(service, clock)
    fake.ms = 60.0
    minute(service, clock)
    token = create_token(service.store, "browser", "viewer", who="ada", now=DAY)
    with http(service) as address, with_token(address, token) as (front, asked):
        yield front, asked


def test_a_browser_shows_the_page_and_asks_nobody_else(page, tmp_path):
    """Stage, guards with their plots, slices, alerts, pointer; one request, and not a word on the console."""
    address, asked = page
    document, console = browsed(address + "/", tmp_path / "profile")
    for words in ('id="verdict"', 'id="stage"', 'id="guards"', 'id="slices"', 'id="pointer"', "release-b",
                  "all-p95 total_ms-ucb", "ucb ≤ 50"):
        assert words in document, words
    assert document.count("<svg") == 3 and document.count('class="limit"') == 3
    assert (asked, console) == (["/"], "")


def test_the_browser_holds_the_page_to_its_policy(page, tmp_path):
    """What the policy forbids is refused: the empty console above is no accident of a policy that forbids nothing."""
    address, asked = page
    injected = httpx.get(address + "/", trust_env=False)
    assert "default-src 'none'" in injected.headers["content-security-policy"]
    evil = tmp_path / "evil.html"
    evil.write_text("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">"
                    f"<img src='{address}/stolen'><script>console.log('ran')</script>")
    _, console = browsed(evil.as_uri(), tmp_path / "profile")
    assert "/stolen" not in asked and "violates" in console and '"ran"' not in console
