"""Limits hold to the last digit on a clock of their own, and with real threads."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from pydantic import ValidationError

from harness.errors import InputError
from harness.generation.limits import SWITCHES, Limits, Question, Turns, limits_from, read_many
from harness.generation.shapes import Reply


class Clock:
    """Time that passes only by sleeping or by being told to."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def starts(limits, takes):
    """When each of so many requests starts, one after the other, each taking its time."""
    clock, found = Clock(), []
    turns = Turns(limits, clock=clock, sleep=clock.sleep)
    for seconds in takes:
        with turns.turn():
            found.append(clock.now)
            clock.now += seconds
    return found


def broken_rate(found, per_s):
    """Pairs of starts that are closer than one over the rate."""
    return [pair for pair in pairwise(found) if pair[1] - pair[0] < 1.0 / per_s - 1e-9]


@pytest.mark.parametrize("per_s", [0.12, 1.0, 3.0, 1000.0])
@pytest.mark.parametrize("takes", [[0.0] * 20, [0.5, 20.0] * 10, [0.001] * 20])
def test_two_starts_are_never_closer_than_the_rate(per_s, takes):
    """On an exact clock: at the rate when requests are quick, at their own pace when they are slow, never faster."""
    found = starts(Limits(requests_per_second=per_s), takes)
    assert broken_rate(found, per_s) == []
    assert found[-1] == pytest.approx(sum(max(1.0 / per_s, one) for one in takes[:-1]))


def test_a_burst_is_seen():
    """The same question of turns without a rate, or with twice the rate, finds the burst."""
    assert broken_rate(starts(Limits(), [0.0] * 5), 0.12)
    assert broken_rate(starts(Limits(requests_per_second=0.24), [0.0] * 5), 0.12)


def test_a_rest_holds_back_everyone():
    """After the server asked for a pause, no request starts before it is over; a shorter one does not cut it short."""
    clock = Clock()
    turns = Turns(Limits(), clock=clock, sleep=clock.sleep)
    turns.rest(7.0)
    turns.rest(2.0)
    with turns.turn():
        assert clock.now == 7.0


@pytest.mark.parametrize("cap", [1, 2])
def test_no_more_are_under_way_than_the_cap(cap):
    """Six threads, and never more than the cap inside; it is reached, so the count can count."""
    turns, guard, inside, most = Turns(Limits(in_flight=cap)), threading.Lock(), [0], [0]
    full = threading.Semaphore(0)

    def work():
        with turns.turn():
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                if inside[0] == cap:
                    for _ in range(6):
                        full.release()
            assert full.acquire(timeout=5)
            with guard:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most[0] == cap


def test_a_turn_that_fails_is_given_back():
    """An error inside a turn does not eat a place."""
    turns = Turns(Limits(in_flight=1))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.turn():
            raise ZeroDivisionError
    with turns.turn():
        pass


@pytest.mark.parametrize("wrong", [
    {"workers": 0}, {"workers": 4}, {"workers": True}, {"in_flight": 0}, {"requests_per_second": 0},
    {"requests_per_second": float("nan")}, {"requests_per_second": float("inf")}, {"call_timeout_s": 0},
    {"text_timeout_s": 36.0}, {"retries": -1}, {"backoff_s": -1}, {"wokers": 2},
])  # fmt: skip
def test_limits_that_limit_nothing_are_refused(wrong):
    """More than three workers, no rate at all, a text that may outlive its call, a misspelt key."""
    with pytest.raises(ValidationError):
        Limits(**wrong)


def test_the_environment_sets_limits():
    """Each switch sets its limit, the others stay; 0.12 requests a second is legal."""
    held = Limits(workers=1, backoff_s=2.0)
    found = limits_from({"READER_REQUESTS_PER_SECOND": "0.12", "READER_RETRIES": " 1 ", "READER_WORKERS": ""}, held)
    assert found == held.model_copy(update={"requests_per_second": 0.12, "retries": 1})
    assert limits_from({}) == Limits()
    assert set(SWITCHES.values()) == set(Limits.model_fields)


@pytest.mark.parametrize(("switch", "value"), [
    ("READER_WORKERS", "4"), ("READER_WORKERS", "two"), ("READER_REQUESTS_PER_SECOND", "0"),
    ("READER_TEXT_TIMEOUT_S", "36"), ("READER_RETRIES", "1.5"), ("READER_BACKOFF_S", "nan"),
])  # fmt: skip
def test_a_switch_that_sets_no_limit_is_one_line(switch, value):
    """The variable is named with what it holds."""
    with pytest.raises(InputError, match=rf"^environment, {switch}: not a limit of a reader; exp.*found '{value}'$"):
        limits_from({switch: value})


class Slow:
    """A reader whose first questions take longest, and that may fail at one."""

    model = "slow"

    def __init__(self, fails=None):
        self.fails, self.asked = fails, []

    def read(self, question, passages, shots=()):
        self.asked.append(question)
        if question == self.fails:
            raise InputError("no key")
        time.sleep(0.02 if question in "01" else 0.005)
        return Reply(question, (), (), 0, 0, False, 0, 0, self.model, 0.0)


def test_replies_stand_in_the_order_asked():
    """Whoever is done first, reply i is question i's, and each is told once."""
    asked, told = [Question(str(at), ()) for at in range(12)], []
    found = read_many(Slow(), asked, Limits(), done=lambda: told.append(1))
    assert [one.text for one in found] == [one.text for one in asked]
    assert len(told) == 12


def test_an_error_of_the_reader_ends_the_run():
    """What is wrong for every question is raised once, and the questions that waited are not asked."""
    reader = Slow(fails="0")
    with pytest.raises(InputError, match="no key"):
        read_many(reader, [Question(str(at), ()) for at in range(400)], Limits(workers=1))
    assert len(reader.asked) < 400
