"""Assignment: uniform, independent of other experiments, monotone in the percent, the same after a restart."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency

from harness.errors import InputError
from harness.rollout.assigning import assigned, experiment_key, point

KEY = experiment_key("prod", "c" * 64)
UNITS = [f"unit-{number}" for number in range(20_000)]
POINTS = np.array([point(unit, key=KEY) for unit in UNITS])
LIMIT = 1e-6  # one false alarm in a million choices of key


def uniform_p(points: np.ndarray) -> float:
    counts = np.histogram(points, bins=100, range=(0, 1))[0]
    expected = len(points) / 100
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), 99))


def independent_p(one: np.ndarray, other: np.ndarray) -> float:
    table = np.histogram2d(one, other, bins=10, range=[[0, 1], [0, 1]])[0]
    return float(chi2_contingency(table).pvalue)


def test_points_are_uniform():
    """A hundred equal parts of [0, 1) get a hundredth of 20,000 units each (chi-square)."""
    assert uniform_p(POINTS) > LIMIT


def test_a_lopsided_hash_is_caught():
    """The same count refuses points whose share below one half is 0.56."""
    lopsided = np.where(POINTS < 0.56, POINTS / 0.56 * 0.5, 0.5 + (POINTS - 0.56) / 0.44 * 0.5)
    assert uniform_p(lopsided) < LIMIT


def test_experiments_are_independent():
    """Where a unit falls in one experiment says nothing of where it falls in another."""
    others = np.array([point(unit, key=experiment_key("prod", "d" * 64)) for unit in UNITS])
    assert independent_p(POINTS, others) > LIMIT


def test_experiments_that_share_a_hash_are_caught():
    """A twin that forgets its key puts the same units first in every experiment, and the same table shows it."""
    keyless = np.array([int.from_bytes(sha256(unit.encode()).digest()[:4], "big") / 2**32 for unit in UNITS])
    assert independent_p(keyless, keyless) < LIMIT


@given(st.text(min_size=1), st.floats(0, 100), st.floats(0, 100))
def test_raising_the_percent_moves_nobody_out_of_the_canary(unit, one, other):
    """Whoever gets the candidate at a share gets it at every greater one."""
    low, high = sorted((one, other))
    if assigned(unit, key=KEY, percent=low) == "candidate":
        assert assigned(unit, key=KEY, percent=high) == "candidate"


@given(st.text(min_size=1))
def test_the_ends_are_nobody_and_everybody(unit):
    """0 % is nobody and 100 % is everybody, whatever the unit."""
    assert assigned(unit, key=KEY, percent=0) == "stable"
    assert assigned(unit, key=KEY, percent=100) == "candidate"


@pytest.mark.parametrize(("unit", "expected"), [
    ("session-1", 0.6163614664067165), ("session-2", 0.4782863649299339), ("Zürich", 0.9823522235574279),
    ("a", 0.47208507757605145), ("0", 0.70430092382837)])  # fmt: skip
def test_points_are_the_ones_that_were_always_drawn(unit, expected):
    """Golden vectors: a new version that moves a unit moves people between arms. By `openssl dgst -sha256 -hmac k`."""
    assert point(unit, key=b"k") == expected


def test_a_restart_moves_nobody():
    """Another process, with another hash seed, draws the same point."""
    code = ("from harness.rollout.assigning import experiment_key, point\n"
            "print(repr(point('session-9', key=experiment_key('prod', 'c' * 64))))")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(told.stdout) == point("session-9", key=KEY)


@pytest.mark.parametrize("percent", [-1.0, 100.1, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused(percent):
    """Nobody is assigned by a percent outside [0, 100]."""
    with pytest.raises(InputError, match="percent: not a share of traffic"):
        assigned("unit", key=KEY, percent=percent)


@pytest.mark.parametrize(("unit", "key", "told"), [("", b"k", "unit: nobody to assign"), ("u", b"", "key: no key")])
def test_nobody_and_no_key_are_refused(unit, key, told):
    """An empty unit would put all strangers into one arm; an empty key would join all experiments."""
    with pytest.raises(InputError, match=told):
        point(unit, key=key)


def test_a_secret_draws_anew():
    """With a secret, who knows candidate and environment cannot tell who is in the canary."""
    assert experiment_key("prod", "c" * 64, secret=b"s") != KEY
