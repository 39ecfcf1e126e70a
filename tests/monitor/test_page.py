"""The page: everything that an operator asks in one document, which loads nothing and says nothing of a user."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from harness.monitor.answering import Asked, answer
from harness.monitor.page import live_page, login_page
from harness.monitor.page_plot import plot_of
from harness.release.policy import Limit
from harness.rollout import tables
from harness.rollout.ramp_store import begin
from harness.rollout.shapes import Guarded, Reading
from tests.monitor.serving import CANDIDATE, DAY, STABLE, Fake, service_of
from tests.monitor.test_watching import RAMP, minute, ramping


def test_the_page_says_who_serves_and_what_the_guards_show(tmp_path):
    """Stage, guards with their limits, windows by slice, alerts, pointer history."""
    service, clock, fake = ramping(tmp_path)
    minute(service, clock)
    fake.ms = 60.0
    minute(service, clock)
    page = live_page(service)
    for words in ("release-a", "release-b", "takes 50 %", "held", "all-p95 total_ms-ucb", "ucb ≤ 50", "By slice",
                  "<code>aaaaaaaaaaaa</code>", "ramp 50 %: error rate (all)", "windows, none that shows it"):
        assert words in page, words
    assert page.count("<svg") == page.count("</svg>") == 3


def test_an_alert_names_its_release(tmp_path):
    """By the name that it was admitted under; one that is not known here is named by its digest alone."""
    service, clock, _ = ramping(tmp_path)
    minute(service, clock)
    with service.store.writing() as connection:
        connection.execute(tables.alerts.insert().values(
            environment="prod", at=DAY, severity="critical", guard="g", state="critical",
            body={"reason": "", "release": "e" * 64}))
        connection.execute(tables.alerts.insert().values(
            environment="prod", at=DAY, severity="critical", guard="old", state="critical", body={"reason": ""}))
    said = re.findall(r'data-of="Release">(.*?)</td>', live_page(service))
    assert said[:2] == ["<code>–</code>", f"<code>{'e' * 12}</code>"]
    assert said[2:] and set(said[2:]) == {"release-b <code>bbbbbbbbbbbb</code>"}


def test_a_page_of_a_service_that_saw_nothing_yet_says_so(tmp_path):
    """Nothing is shown as nothing: no guard is green before it was read."""
    page = live_page(service_of(tmp_path, {STABLE: Fake()}))
    for words in ("inconclusive", "nothing was looked at lately", "No rollout was begun", "No guard was read yet",
                  "Nothing was observed yet", "None."):
        assert words in page, words


@pytest.mark.parametrize("page", [login_page(), login_page(wrong=True)])
def test_the_form_loads_nothing(page):
    """No address but its own."""
    assert _loads(page) == []


def test_the_page_loads_nothing(tmp_path):
    """No script, no picture, no font, no address of another host."""
    service, clock, _ = ramping(tmp_path)
    minute(service, clock)
    assert _loads(live_page(service)) == []


def test_what_people_wrote_is_text_and_no_markup(tmp_path):
    """A reason in the trail cannot become a script on the page."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()})
    begin(service.store, "prod", CANDIDATE, RAMP, who="<script>eve()</script>", why="<img src=x>", now=DAY)
    page = live_page(service)
    assert "<script" not in page and "<img" not in page and "&lt;script&gt;eve()" in page


def test_no_query_is_on_the_page(tmp_path):
    """Neither what was asked nor by whom."""
    service, clock, _ = ramping(tmp_path)
    answer(service, Asked("zebracrossing", unit="user-4711"))
    clock.at += timedelta(minutes=1)
    service.watching.look()
    page = live_page(service)
    assert "zebracrossing" not in page and "4711" not in page


GUARD = Guarded("errors", "error rate", "all", Limit("at_most", 0.01, "ucb"))


def shown(*numbers):
    """A reading of the guard from its value, low and high; None for one that showed nothing."""
    value, low, high = numbers if numbers else (None, None, None)
    return Reading(GUARD, "ok" if numbers else "missing", value, low, high, 90 if numbers else 0, None, "")


def points(picture, name):
    """Rows of the points of each shape of that class."""
    return [[float(pair.split(",")[1]) for pair in found.split()]
            for found in re.findall(f'class="{name}" points="([^"]*)"', picture)]


def test_a_plot_puts_the_interval_on_its_side_of_the_limit():
    """Within an upper limit all of the interval stands below the line; beyond it, all of it above."""
    for numbers, below in (((0.005, 0.001, 0.008), True), ((0.05, 0.03, 0.08), False)):
        picture = plot_of([shown(*numbers)])
        bar = float(re.search(r'class="limit".*y1="([\d.]+)"', picture)[1])
        (interval,) = points(picture, "interval")
        assert all((y > bar) is below for y in interval)


def test_a_plot_draws_the_looks_in_order_with_gaps():
    """One line for each run of looks that showed something: what was not observed is not drawn through."""
    picture = plot_of([shown(0.001, 0, 0.01), shown(0.002, 0, 0.01), shown(), shown(0.003, 0, 0.01)])
    lines = points(picture, "course")
    assert [len(line) for line in lines] == [2, 1] and lines[0][0] > lines[0][1] > lines[1][0]


def test_a_plot_of_an_open_end_runs_to_the_edge():
    """An end without a bound is drawn as far as the picture goes, not as a number."""
    picture = plot_of([shown(0.005, float("-inf"), 0.008)])
    assert max(points(picture, "interval")[0]) == 44.0 and "inf" not in picture


def _loads(page):
    """Whatever a browser would ask another host for."""
    return re.findall(r"<(?:script|img|iframe|object|embed)|(?:src|href)=\"(?!data:,)[^\"]*\"|url\(|@import|https?://",
                      page)
