"""A monitor that is killed at any moment leaves a ramp that the next one goes on with; nothing acknowledged is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from time import sleep

import pytest

from fixtures.rollout import NOON, planted
from harness.rollout.pointer import compare_with_trail, current, flip, history
from harness.rollout.ramp_store import ramp_of
from harness.rollout.store import open_store
from harness.rollout.trail import entries, verify_trail

# Climbs, is aborted, begins anew, for ever; says each row of the pointer once it is told that it is there.
CHILD = """
import sys
from datetime import timedelta
from fixtures.rollout import NOON
from harness.rollout.pointer import current
from harness.rollout.ramp_store import abort, advance, begin, ramp_of
from harness.rollout.store import open_store
from tests.rollout.ramps import QUICK, guard, well
from harness.rollout.ramp_state import criteria_of

with open_store(sys.argv[1]) as store:
    minute = int(sys.argv[2])
    while True:
        minute += 1
        now = NOON + timedelta(minutes=minute)
        with store.reading() as connection:
            state, pointer = ramp_of(connection, "prod"), current(connection, "prod")
        if state is None or pointer.candidate is None:
            done = begin(store, "prod", "new", QUICK, who="child", why="again", now=now)
        elif pointer.percent >= 50:
            done = abort(store, "prod", who="child", why="enough", now=now, gradual=minute % 2 == 0)
        else:
            readings = [well(one) for one in (guard(), *criteria_of(state))]
            done = advance(store, "prod", readings, who="child", now=now)
        print(done.pointer.seq, flush=True)
"""


def killed(url, minute, delay):
    """Run the child for `delay` seconds after its first word; return the last row that it acknowledged."""
    with subprocess.Popen([sys.executable, "-c", CHILD, url, str(minute)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline()]
        sleep(delay)
        child.send_signal(signal.SIGKILL)
        said += [line for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert said[0]
    return int(said[-1])


def broken_by(url, kills, rng, after=lambda store: None):
    """Kill again and again; after each, what serves, the ramp and the trail must agree."""
    for place in range(kills):
        acknowledged = killed(url, place * 10_000, float(rng.uniform(0, 0.25)))
        with open_store(url) as store:
            after(store)
            with store.reading() as connection:
                pointer, state = current(connection, "prod"), ramp_of(connection, "prod")
                rows = entries(connection)
                compare_with_trail(history(connection), rows)
            verify_trail(rows)
            assert pointer.seq >= acknowledged
            assert pointer.percent == state.percent and (pointer.candidate is None) == state.over


@pytest.fixture
def url(tmp_path):
    made = f"sqlite:///{tmp_path}/rollout.db"
    with open_store(made) as store, store.writing() as connection:
        stable = planted(connection, "prod", "old")
        planted(connection, "prod", "new")
        flip(connection, "prod", stable=stable, candidate=None, percent=0, stage=None, who="ada", why="x", at=NOON)
    return made


def test_a_killed_monitor_leaves_no_half_step(url, rng):
    """Six kills at drawn moments: pointer, ramp and trail agree each time."""
    broken_by(url, 6, rng)


@pytest.mark.worlds
def test_two_hundred_kills_leave_no_half_step(url, rng):
    """The same two hundred times."""
    broken_by(url, 200, rng)


def test_a_half_step_would_be_seen(url, rng):
    """A pointer that is flipped without its ramp is caught by the same look."""
    def half(store):
        with store.writing() as connection:
            pointer = current(connection, "prod")
            flip(connection, "prod", stable=pointer.stable, candidate=None, percent=0, stage=None, who="x", why="half",
                 at=pointer.at)

    with pytest.raises(AssertionError):
        broken_by(url, 4, rng, after=half)
