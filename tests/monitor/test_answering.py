"""One request: its arm, what is seen of it, and the stable release in place of a candidate that fails."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from harness.estimators.tally import Tally
from harness.monitor.answering import Asked, UnansweredError, answer
from harness.monitor.window_store import read_windows
from harness.monitor.windows import merged
from harness.monitor.workers import Workers
from harness.retrieval.protocols import Hits
from tests.monitor.serving import CANDIDATE, DAY, IDS, STABLE, Fake, point, service_of


def seen(service, assignment, slice_="all"):
    """What the store knows of an arm once the queue is written."""
    assert service.batches.write()
    with service.store.reading() as connection:
        windows = read_windows(connection, "prod", since=DAY.replace(hour=0))
    return merged(one for key, one in windows.items() if (key.assignment, key.slice) == (assignment, slice_))


def broken(_):
    raise RuntimeError("secret query")


def test_the_stable_release_answers_where_nothing_is_on_its_way(tmp_path):
    """Without a candidate every request is the stable release's, and is counted as its own."""
    service = service_of(tmp_path, {STABLE: Fake()})
    found = answer(service, Asked("a query", k=3))
    assert (found.digest, found.assignment, found.hits) == (STABLE, "stable", [*IDS[:3]])
    assert seen(service, "stable").requests == Tally(0, 1)


@pytest.mark.parametrize(("percent", "share"), [(0.0, (0, 0)), (25.0, (0.19, 0.31)), (100.0, (1, 1))])
def test_a_candidate_gets_its_share(tmp_path, percent, share):
    """Of a thousand units, the candidate answers about its percent, and each unit always by the same arm."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=percent)
    arms = [[answer(service, Asked("q", unit=f"u{n}")).assignment for n in range(1000)] for _ in range(2)]
    assert arms[0] == arms[1]
    assert share[0] <= arms[0].count("candidate") / 1000 <= share[1]


def test_who_names_no_unit_is_drawn_anew(tmp_path):
    """Requests without a unit fall to both arms."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=50.0)
    assert {answer(service, Asked("q")).assignment for _ in range(60)} == {"stable", "candidate"}


def test_a_candidate_that_raises_falls_back_and_is_counted_against(tmp_path, caplog):
    """The stable release answers; the error is the candidate's, and the stable release's figures stay untouched."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake(does=broken)}, candidate=CANDIDATE, percent=100.0)
    found = answer(service, Asked("a secret query"))
    assert (found.digest, found.assignment, found.fallback) == (STABLE, "stable", True)
    assert seen(service, "candidate").requests == Tally(1, 1)
    assert seen(service, "stable").requests == Tally(0, 0)
    assert "RuntimeError" in caplog.text and "secret" not in caplog.text


@pytest.mark.parametrize("ms", [float("nan"), float("inf"), -1.0])
def test_a_candidate_whose_times_are_none_falls_back_and_is_counted_against(tmp_path, ms):
    """An answer that no window takes is a failure of the candidate, not a request that nobody ever saw."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake(ms=ms)}, candidate=CANDIDATE, percent=100.0)
    found = answer(service, Asked("a query", unit="u"))
    assert (found.digest, found.fallback) == (STABLE, True)
    assert seen(service, "candidate").requests == Tally(1, 1) and service.batches.refused == 0


def test_a_candidate_whose_scores_are_no_numbers_falls_back_and_is_counted_against(tmp_path):
    """An encoder that gives NaN would otherwise rank by nothing, and leave no trace in the windows."""
    class Nothing(Fake):
        def search(self, text, *, own=-1, module=None):
            found = super().search(text, own=own, module=module)
            return found._replace(before=Hits(found.before.codes, np.full_like(found.before.scores, np.nan)))

    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Nothing()}, candidate=CANDIDATE, percent=100.0)
    assert answer(service, Asked("a query", unit="u")).digest == STABLE
    assert seen(service, "candidate").requests == Tally(1, 1)


@pytest.mark.parametrize("ends", [SystemExit, KeyboardInterrupt])
def test_a_candidate_that_wants_the_program_to_end_falls_back(tmp_path, ends):
    """What it raises costs nobody an answer, whatever it is."""
    def leave(_):
        raise ends

    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake(does=leave)}, candidate=CANDIDATE, percent=100.0)
    assert answer(service, Asked("a query", unit="u")).fallback
    assert seen(service, "candidate").requests == Tally(1, 1)


def test_a_candidate_that_takes_too_long_falls_back(tmp_path):
    """A candidate that does not come back in time costs its limit, once, and is counted as an error."""
    never = threading.Event()
    fakes = {STABLE: Fake(), CANDIDATE: Fake(does=lambda _: never.wait(30))}
    service = service_of(tmp_path, fakes, candidate=CANDIDATE, percent=100.0, timeout_ms=20.0)
    found = answer(service, Asked("q"))
    never.set()
    assert (found.digest, found.fallback) == (STABLE, True)
    window = seen(service, "candidate")
    assert window.requests == Tally(1, 1) and window.latency["total"].quantile(0.5).value >= 20.0


def test_a_candidate_that_hangs_takes_no_more_threads_than_its_own(tmp_path):
    """Once each of its threads hangs, nobody waits for it any more: the stable release answers at once."""
    never = threading.Event()
    fakes = {STABLE: Fake(), CANDIDATE: Fake(does=lambda _: never.wait(30))}
    service = service_of(tmp_path, fakes, candidate=CANDIDATE, percent=100.0, timeout_ms=30.0, workers=Workers(2))
    for _ in range(2):
        answer(service, Asked("q"))
    service.timeout_ms = 60_000.0  # whoever waited now would wait for a minute
    assert answer(service, Asked("q")).fallback is True
    never.set()
    assert len(fakes[CANDIDATE].asked) == 2 and seen(service, "candidate").requests == Tally(3, 3)


def test_a_candidate_that_cannot_be_loaded_is_counted_against(tmp_path):
    """Its share of requests are its errors, answered by the stable release."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()})

    def load(*_):
        raise OSError("no such file")

    service.arms.load = load
    point(service.store, STABLE, CANDIDATE, 100.0)
    service.arms.look()
    assert answer(service, Asked("q")).fallback is False  # it is loading still
    service.arms.fill()
    assert answer(service, Asked("q")).fallback is True
    assert seen(service, "candidate").requests == Tally(1, 1)


def test_the_kill_switch_serves_the_stable_release(tmp_path):
    """One variable of the environment, read at each request."""
    environ = {}
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=100.0,
                         environ=environ)
    before = answer(service, Asked("q", unit="u")).assignment
    environ["SIGNOFF_KILL"] = "1"
    assert (before, answer(service, Asked("q", unit="u")).assignment) == ("candidate", "stable")


def test_a_stable_release_that_fails_says_so_without_the_query(tmp_path, caplog):
    """The error names its kind; it is counted, and repeats nothing of what was asked."""
    service = service_of(tmp_path, {STABLE: Fake(does=broken)})
    with pytest.raises(UnansweredError, match="release-a did not answer: RuntimeError"):
        answer(service, Asked("a secret query"))
    assert seen(service, "stable").requests == Tally(1, 1) and "secret" not in caplog.text


def test_only_slices_of_the_policy_are_counted_apart(tmp_path):
    """A name that the release's policy does not know makes no window."""
    service = service_of(tmp_path, {STABLE: Fake()})
    answer(service, Asked("q", slices=("language=de", "user=eve", "all")))
    assert seen(service, "stable", "language=de").requests == Tally(0, 1)
    assert seen(service, "stable", "user=eve").requests == Tally(0, 0)
    assert seen(service, "stable").requests == Tally(0, 1)
