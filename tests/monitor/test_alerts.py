"""Alerts: told by severity, escalated while open, over real HTTP, and never in the way of a rollback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

import pytest

from harness.cli.app import main
from harness.errors import InputError
from harness.monitor.alerts import Alerts, severity_of
from harness.monitor.delivery import CHANNELS, PAUSES_S, Channel, Message, channels_of, deliver
from harness.monitor.running import Scene
from harness.monitor.series import Watch
from harness.monitor.snapshot import snapshot, snapshot_lines
from harness.monitor.windows import windows_of
from harness.release.charter import Escalation
from harness.release.policy import Limit
from harness.rollout.shapes import Guarded, Reading
from tests.monitor.serving import CANDIDATE, DAY, STABLE, Fake, service_of
from tests.monitor.traffic import at, request

pytestmark = pytest.mark.filterwarnings("ignore:'(imghdr|cgi)' is deprecated:DeprecationWarning")  # Apprise's plugins
GUARD = Guarded("errors", "error rate", "all", Limit("at_most", 0.01, "ucb"), 0, "critical", "rollback")
HELLO = Message("critical", "Signoff: CRITICAL: errors", "error rate 0.05")


def reading(state="critical", guard=GUARD, since=None) -> Reading:
    """A reading of a guard."""
    if state == "missing":
        return Reading(guard, state, None, None, None, 0, None, "nothing was observed")
    return Reading(guard, state, 0.05, 0.03, 0.07, 900, since, "error rate 0.05 [0.03, 0.07]")


def scene(*readings: Reading, **rest) -> Scene:
    """What was seen, with these readings."""
    return Scene(None, None, None, readings=readings, **rest)


class Heard:
    """A channel's far end in memory."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []

    def __call__(self, channel: Channel, message: Message) -> int:
        self.got.append((channel.name, message.title))
        return 1


@contextmanager
def answering(status: int, *, first: int | None = None) -> Iterator[tuple[str, list[dict]]]:
    """A real HTTP server that answers `status` (the first time `first`), its address, and what it was sent."""
    sent: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(first if first is not None and len(sent) == 1 else status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_message_gets_there_over_http():
    """Apprise posts title and body to a real server at the first try."""
    with answering(200) as (url, sent):
        assert deliver(Channel("json", url), HELLO) == 1
    assert [(one["title"], one["message"], one["type"]) for one in sent] == [
        ("Signoff: CRITICAL: errors", "error rate 0.05", "failure")]


def test_a_failing_channel_is_tried_again_with_growing_pauses():
    """A server that answers 500 once hears the second try; one that always does is given up after the last pause."""
    slept: list[float] = []
    with answering(200, first=500) as (url, sent):
        assert deliver(Channel("json", url), HELLO, sleep=slept.append) == 2
    assert (slept, len(sent)) == ([1.0], 2)
    slept.clear()
    with answering(500) as (url, sent):
        assert deliver(Channel("json", url), HELLO, sleep=slept.append) == 0
    assert (slept, len(sent)) == ([1.0, 4.0, 16.0], len(PAUSES_S))


def test_a_channel_that_refuses_is_given_up():
    """Nobody listens there: every try fails, and nothing is raised."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert deliver(Channel("dead", f"json://127.0.0.1:{port}"), HELLO, sleep=lambda _: None) == 0


def test_a_channel_that_hangs_holds_up_nobody():
    """A server that takes the call and never answers delays neither the caller nor the other channel."""
    with closing(socket.socket()) as hanging, answering(200) as (url, sent):
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        told = Alerts([Channel("hangs", f"json://127.0.0.1:{hanging.getsockname()[1]}"), Channel("works", url)],
                      tell=lambda channel, message: deliver(channel, message, pauses_s=(0.0,)))
        begun = monotonic()
        assert told(scene(reading()), None, at(0)) == 2
        assert monotonic() - begun < 1.0
        assert told.flush(30.0)
    assert len(sent) == 1
    assert {(one.channel, one.turn) for one in told.delivered} == {("hangs", 0), ("works", 1)}


def test_whatever_a_channel_raises_is_a_try_that_failed():
    """A channel that breaks breaks nothing else."""
    def broken(channel: Channel, message: Message) -> bool:
        raise RuntimeError(channel.name)
    assert deliver(Channel("x", "json://localhost"), HELLO, send=broken, pauses_s=(0.0, 0.0)) == 0
    told = Alerts([Channel("x", "json://localhost")], tell=broken)
    assert told(scene(reading()), None, at(0)) == 1
    assert told.flush()
    assert [one.turn for one in told.delivered] == [0]


@pytest.mark.parametrize(("state", "severity", "expected"), [
    ("ok", "critical", None), ("warning", "critical", "warning"), ("warning", "info", "info"),
    ("critical", "critical", "critical"), ("critical", "info", "info"), ("emergency", "critical", "emergency"),
    ("missing", "critical", "warning"),
])
def test_how_grave_a_reading_is(state, severity, expected):
    """A guard's own severity where it fires, a warning where it is near or missing, nothing where it is well."""
    guard = Guarded("g", "error rate", "all", Limit("at_most", 0.01, "ucb"), 0, severity)
    assert severity_of(reading(state, guard)) == expected


def test_channels_hear_their_severity_and_graver_ones():
    """A critical alert goes to the channels of warnings and of criticals, not to those of emergencies."""
    heard = Heard()
    told = Alerts([Channel(name, "x://", name) for name in ("warning", "critical", "emergency")], tell=heard)
    told(scene(reading()), None, at(0))
    assert told.flush()
    assert sorted(name for name, _ in heard.got) == ["critical", "warning"]


def test_an_open_alert_escalates_once_and_is_called_off():
    """Told once, again when graver, to the pager after its delay, and all who were told hear that it is over."""
    heard = Heard()
    told = Alerts([Channel("team", "x://", "warning"), Channel("pager", "x://", "critical", 900)], tell=heard)
    looks = [(0, "warning"), (1, "critical"), (2, "critical"), (14, "critical"), (16, "critical"), (17, "warning"),
             (18, "ok"), (19, "ok")]
    course = []
    for minute, state in looks:
        told(scene(reading(state)), None, at(minute))
        assert told.flush()
        course.append([f"{name}: {title.split(': ')[1]}" for name, title in heard.got])
        heard.got.clear()
    assert course == [["team: WARNING"], ["team: CRITICAL"], [], [], ["pager: CRITICAL"], [],
                      ["team: over", "pager: over"], []] or course[6] == ["pager: over", "team: over"]


def test_channels_are_read_from_the_environment():
    """Severity, delay and name stand before the URL; the charter's escalation reaches named channels."""
    environ = {CHANNELS: "warning=json://a critical+15m=slack://b/c/d @oncall=pagerduty://k@s"}
    found = channels_of(environ, escalation=(Escalation(severity="emergency", after="5m", to="oncall"),))
    assert [(one.name, one.severity, one.after_s) for one in found] == [
        ("json 1", "warning", 0), ("slack 2", "critical", 900), ("oncall", "emergency", 300)]
    assert channels_of({}) == ()


@pytest.mark.parametrize("said", ["json://secret", "critcal=json://secret", "critical+15x=json://secret",
                                  "critical=secret"])
def test_a_word_that_is_no_channel_is_refused_without_its_secret(said):
    """A misspelt channel is named by its place, and its URL, which holds secrets, is not shown."""
    with pytest.raises(InputError, match="word 2 is no channel") as caught:
        channels_of({CHANNELS: f"info=json://x {said}"})
    assert "secret" not in str(caught.value).removeprefix("json://secret") or said == "json://secret"
    with pytest.raises(InputError, match="nobody of that name"):
        channels_of({}, escalation=(Escalation(severity="critical", to="oncall"),))
    assert "token" not in repr(Channel("x", "slack://token"))


def test_a_snapshot_tells_what_to_look_at_and_nobodys_data():
    """Findings, windows by arm, slowest and worst queries by id; what could be a query's text is hashed."""
    seen = windows_of([request(n / 9, ms=float(n), ndcg_delta=-n / 100, query=f"q{n}") for n in range(1, 10)]
                      + [request(0, ms=99.0, ndcg_delta=-0.9, query="how do I reach ada@example.org?")])
    document = snapshot(scene(reading(), windows=seen), None, at(2))
    text = json.dumps(document, allow_nan=False)
    assert [one["query"] for one in document["slowest"]][1:3] == ["q9", "q8"]
    assert document["worst"][0]["query"].startswith("sha256:")
    assert document["findings"][0]["limit"] == "ucb ≤ 0.01"
    assert document["windows"][0]["requests"] == 10
    assert "ada" not in text and "how do I" not in text
    assert any("q9" in line for line in snapshot_lines(document))


def test_a_snapshot_is_kept_beside_the_alert(tmp_path):
    """What was seen when an alert was told lies in the folder, once per moment."""
    told = Alerts([Channel("team", "x://")], folder=tmp_path, tell=Heard())
    told(scene(reading()), None, at(0))
    told(scene(reading()), None, at(0) + timedelta(minutes=1))
    assert told.flush()
    assert [one.name for one in tmp_path.iterdir()] == ["20250301T000000Z.json"]
    assert json.loads((tmp_path / "20250301T000000Z.json").read_text())["findings"][0]["state"] == "critical"


def test_a_message_says_where_of_whom_and_what_next(tmp_path):
    """Environment, the release by its name, its share, and the command to go on with."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=25.0)
    told: list[Message] = []
    alerts = Alerts([Channel("team", "json://localhost")], store=service.store,
                    tell=lambda _, message: told.append(message) or 1)
    seen = Scene(service.arms.serving.pointer, None, Watch(CANDIDATE, "candidate", DAY), readings=(reading(),))
    alerts(seen, None, DAY)
    assert alerts.flush() and told[0].title == "Signoff prod: CRITICAL: errors"
    assert "release-b (bbbbbbbbbbbb) takes 25 % of prod" in told[0].body
    assert "next: signoff monitor show --env prod; signoff rollout abort --env prod --why …" in told[0].body


def test_a_channel_that_leads_nowhere_is_told_at_the_start(monkeypatch, capsys, tmp_path):
    """By its place and never by its text; a test of the channels is refused as well, and tells who is not reached."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CHANNELS, "critical=nosuch://s3cret")
    assert main(["monitor", "alert-test"]) == main(["monitor", "run", "--env", "prod", "--once"]) == 2
    said = capsys.readouterr().err
    assert said.count("has a URL that cannot be read") == 2 and "s3cret" not in said
    with answering(200) as (address, sent), answering(500) as (dead, _):
        monkeypatch.setenv(CHANNELS, f"critical={address}")
        assert main(["monitor", "alert-test", "--env", "prod"]) == 0 and len(sent) == 1
        monkeypatch.setenv(CHANNELS, f"critical={address} @oncall={dead}")
        assert main(["monitor", "alert-test"]) == 10
    assert "FAIL @oncall" in capsys.readouterr().out
    monkeypatch.delenv(CHANNELS)
    assert main(["monitor", "alert-test"]) == 11
