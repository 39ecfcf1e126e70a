"""Names and the switch."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InputError, UsageError
from harness.reranking.factory import RERANKERS, load_reranker, make_reranker, reranker_enabled


@pytest.mark.parametrize("impl", sorted(RERANKERS))
def test_every_name_makes_its_reranker(impl):
    """A name in the table gives that class, with the seed it was asked for."""
    made = make_reranker(impl, seed=7)
    assert type(made) is RERANKERS[impl]
    assert made.seed == 7


def test_an_unknown_name_gets_a_hint(tmp_path):
    """A misspelt name is answered with the nearest one."""
    with pytest.raises(InputError, match="nearest: lambdamart"):
        make_reranker("lamdamart")
    with pytest.raises(InputError, match="nearest: mlp"):
        load_reranker("mpl", tmp_path)


@pytest.mark.parametrize(("impl", "options", "says"), [
    ("mlp", {"hiden": 3}, "no such option.*nearest: hidden"), ("none", {"hidden": 3}, "expected none"),
    ("mlp", {"hidden": 0}, "hidden: option out of range"), ("mlp", {"epochs": True}, "epochs: option out of range"),
    ("mlp", {"penalty": float("nan")}, "penalty: option out of range"), ("mlp", {"seed": -1}, "seed: option"),
    ("lambdamart", {"leaves": 1}, "a whole number from 2"), ("lambdamart", {"rate": 1.5}, "from 0 to 1"),
])
def test_options_are_checked(impl, options, says):
    """A misspelt or impossible option is answered by name, before anything is fitted."""
    with pytest.raises(InputError, match=says):
        make_reranker(impl, **options)


def test_none_is_the_first_stage():
    """The reranker that is none returns column 0, and a copy of it."""
    features = np.arange(6.0).reshape(3, 2)
    scores = make_reranker("none").scores(features)
    scores[0] = 9.0
    assert features[:, 0].tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(("environ", "on"), [
    ({}, True), ({"RERANKER": "on"}, True), ({"RERANKER": " Off "}, False), ({"RERANKER": "off"}, False),
])
def test_the_switch(environ, on):
    """RERANKER=on|off, on when unset."""
    assert reranker_enabled(environ) is on


@pytest.mark.parametrize("value", ["", "0", "true", "onn"])
def test_a_switch_that_is_neither_is_an_error(value):
    """A misspelt switch never silently means on."""
    with pytest.raises(UsageError, match="RERANKER must be on or off"):
        reranker_enabled({"RERANKER": value})
