"""False rollbacks: how often sound hours are taken back, whatever minutes remember and pods differ by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from harness.monitor.evidence import evidence_of
from harness.monitor.series import Course
from harness.release.policy import Limit

ALPHA, HOUR, DAY, POD = 0.05, 60, 1440, 0.3
AT_MOST = Limit("at_most", 0.0, "ucb")
SHORT = 300
LENGTHS = [SHORT, pytest.param(10_000, marks=pytest.mark.worlds)]


def ar(rng, n: int, f: float):
    """(n,) of a stationary AR(1) series of unit spread."""
    noise = rng.normal(size=n) * np.sqrt(1.0 - f * f)
    noise[0] = rng.normal()
    return lfilter([1.0], [1.0, -f], noise)


def course(before, x, *, paired: bool = False, together: bool = False) -> Course:
    """A course of the values `x`."""
    return Course(np.arange(len(x)), x, np.full(len(x), 100.0), None, before, paired, together=together)


def alarms(rng, worlds: int, f: float, *, pod: float = 0.0, paired: bool = False, forget: bool = False) -> int:
    """Sound hours, exactly at the limit, in which a rollback is asked for; `forget` takes minutes as independent."""
    count = 0
    for _ in range(worlds):
        offset = pod * rng.normal()
        before = ar(rng, DAY, 0.0 if forget else f) + offset
        found = evidence_of(course(before, ar(rng, HOUR, f) + offset, paired=paired), AT_MOST, support=None,
                            alpha=ALPHA)
        count += bool(found.harm.any())
    return count


@pytest.mark.parametrize("worlds", LENGTHS)
@pytest.mark.parametrize("f", [0.0, 0.5, 0.8])
def test_sound_hours_are_left_alone(rng, worlds, f):
    """At most one sound hour in twenty is rolled back, at any of its looks, though minutes remember each other."""
    assert alarms(rng, worlds, f) <= binom.isf(1e-6, worlds, ALPHA)


@pytest.mark.parametrize("worlds", LENGTHS)
@pytest.mark.parametrize("f", [0.0, 0.5])
def test_pods_that_differ_for_good_are_left_alone(rng, worlds, f):
    """Nor is one rolled back for its pod, once a day of the stable release on it is known."""
    assert alarms(rng, worlds, f, pod=POD, paired=True) <= binom.isf(1e-6, worlds, ALPHA)


def test_a_difference_between_pods_that_nobody_knows_proves_nothing(rng):
    """Arms on pods of their own, never compared before: no harm and no lack of it is shown, however large."""
    found = evidence_of(course(np.zeros(0), ar(rng, HOUR, 0.0) + 9.0, paired=True), AT_MOST, support=None, alpha=ALPHA)
    assert found.unknown and not found.harm.any()
    assert (found.low, found.high) == (-np.inf, np.inf) and found.value > 8.0
    same = evidence_of(course(np.zeros(0), ar(rng, HOUR, 0.0) + 9.0, paired=True, together=True), AT_MOST, support=None,
                       alpha=ALPHA)
    assert same.harm.any() and not same.unknown


def test_a_guard_that_forgets_memory_is_caught(rng):
    """The broken twin, which takes AR(1) minutes of .8 as independent, rolls back far too many sound hours."""
    assert alarms(rng, SHORT, 0.8, forget=True) > binom.isf(1e-6, SHORT, ALPHA)


def test_a_guard_that_ignores_pods_is_caught(rng):
    """The broken twin, which takes nothing off, rolls back sound hours for the pod they ran on."""
    assert alarms(rng, SHORT, 0.0, pod=2 * POD) > binom.isf(1e-6, SHORT, ALPHA)


@pytest.mark.parametrize("worlds", [100, pytest.param(10_000, marks=pytest.mark.worlds)])
def test_error_rates_at_the_limit_are_left_alone(rng, worlds):
    """Hours whose error rate is exactly at its limit, hour-long waves included, are rolled back within the promise."""
    limit, count = Limit("at_most", 0.02, "ucb"), 0
    for _ in range(worlds):
        rate = np.clip(0.02 * np.exp(0.3 * ar(rng, HOUR, 0.8) - 0.045), 0.0, 1.0)
        hits = rng.binomial(100, rate).astype(float)
        before = rng.binomial(100, np.clip(0.02 * np.exp(0.3 * ar(rng, DAY, 0.8) - 0.045), 0.0, 1.0)) / 100.0
        seen = Course(np.arange(HOUR), hits / 100.0, np.full(HOUR, 100.0), hits, before, paired=False)
        count += bool(evidence_of(seen, limit, support=(0.0, 1.0), alpha=ALPHA).harm.any())
    assert count <= binom.isf(1e-6, worlds, ALPHA)
