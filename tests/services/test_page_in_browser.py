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

from harness.monitor import page as live
from harness.monitor import routes_watch
from harness.monitor.tokens import create_token
from tests.monitor.serving import DAY, http
from tests.monitor.test_watching import minute, ramping

pytestmark = pytest.mark.services
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Of the page in the frame: how wide it is, and in how many rows a plot lies over a number, or a number is out of sight.
LOOKED_AT = """document.querySelector("iframe").onload = event => {
    const page = event.target.contentDocument, wide = event.target.clientWidth;
    const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const hidden = [...page.querySelectorAll("#guards tbody tr")].filter(row => {
        const plot = row.querySelector("svg"), drawn = plot.getBoundingClientRect();
        return [...row.cells].filter(cell => !cell.contains(plot)).map(cell => cell.getBoundingClientRect()).some(
            cell => cell.height === 0 || cell.right > wide + 1 || over(cell, drawn));
    });
    document.title = page.documentElement.scrollWidth;
    document.body.dataset.hidden = hidden.length;
};"""


@contextmanager
def with_token(address: str, token: str) -> Iterator[tuple[str, list[str]]]:
    """The service with a token added to each request, as a browser's cookie would; and every path asked for."""
    asked: list[str] = []

    class Front(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/framed-"):
                self.framed(self.path.removeprefix("/framed-"))
                return
            asked.append(self.path)
            found = httpx.get(address + self.path, headers={"authorization": f"Bearer {token}"}, trust_env=False)
            self.send_response(found.status_code)
            for name in ("content-type", "content-security-policy")[:1 if self.path == "/?framed" else 2]:
                self.send_header(name, found.headers.get(name, "text/plain"))
            self.end_headers()
            self.wfile.write(found.content)

        def framed(self, width):
            """The page in a frame so many pixels wide; how wide its content came out is the title."""
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(f'''<iframe src="/?framed" style="width:{width}px;height:4000px;border:0"></iframe>
                <script>{LOOKED_AT}</script>'''.encode())

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


@pytest.mark.parametrize("width", [320, 400, 1400])
def test_nothing_is_cut_off_on_a_narrow_screen(page, tmp_path, width):
    """The content is as wide as the window and no wider: nobody scrolls sideways to read a limit."""
    address, _ = page
    document, _ = browsed(f"{address}/framed-{width}", tmp_path / "profile")
    assert f"<title>{width}</title>" in document


def test_a_table_that_does_not_stack_is_caught(page, tmp_path, monkeypatch):
    """The check has teeth: without the rule for narrow screens the page is wider than 400 pixels."""
    made = live.live_page
    monkeypatch.setattr(routes_watch, "live_page", lambda service: made(service).replace("@media (max-width:48rem)",
                        "@media (max-width:1px)").replace("overflow-x:auto", ""))
    document, _ = browsed(f"{page[0]}/framed-400", tmp_path / "profile")
    assert int(document.split("<title>")[1].split("<")[0]) > 400


@pytest.mark.parametrize("width", [320, 400, 800])
def test_no_plot_hides_a_number(page, tmp_path, width):
    """Value, interval and n of every guard are in sight, with nothing drawn over them, on a phone and a tablet."""
    document, _ = browsed(f"{page[0]}/framed-{width}", tmp_path / "profile")
    assert 'data-hidden="0"' in document


@pytest.mark.parametrize("fault", ["td svg { position:relative; top:-4rem }", "td.n { display:none !important }",
                                   "td.n { position:relative; left:30rem }"])
def test_a_plot_over_a_number_is_caught(page, tmp_path, monkeypatch, fault):
    """The look has teeth: a plot moved up, numbers taken away or beyond the edge are seen in each row."""
    made = live.live_page
    monkeypatch.setattr(routes_watch, "live_page",
                        lambda service: made(service).replace("</style>", fault + "</style>"))
    document, _ = browsed(f"{page[0]}/framed-400", tmp_path / "profile")
    assert 'data-hidden="3"' in document


def test_alerts_name_their_release(page, tmp_path):
    """Each row says whose alert it is, in the browser too: by name, and by its digest."""
    document, _ = browsed(page[0] + "/", tmp_path / "profile")
    rows = document.split('id="alerts"')[1].split("</table>")[0].split("<tr>")[2:]
    assert rows and all("release-b <code>bbbbbbbbbbbb</code>" in row for row in rows)
