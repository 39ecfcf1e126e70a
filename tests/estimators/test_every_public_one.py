"""Every public estimator, argument by argument: what it must refuse, in one line that names the argument."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from harness.errors import InputError
from tests.estimators.sound_calls import CALLS, Arguments, public

NAN, INF = math.nan, math.inf
CHANCE = (0.0, 1.0, -0.1, 1.5, NAN, None, "x")  # nothing and everything promised, and what is no number
NUMBER = (NAN, INF, None, "x")
COUNT = (NAN, INF, None, "x", -1, 1.5)
PAIR = ((1.0, 0.0), (0.0, NAN), "ab", (0.0, 0.5, 1.0))

SCALARS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("confidence", "alpha", "coverage", "power", "chance", "q", "rate", "tail"), CHANCE),
    **dict.fromkeys(("null", "short", "most_share", "share_treated"), CHANCE),
    **dict.fromkeys(("margin", "gap", "sd", "loss", "ridge", "at", "ratio", "value", "limit", "centre"), NUMBER),
    **dict.fromkeys(("error", "units", "carriers", "concentration", "correlation"), (*NUMBER, -5.0)),
    **dict.fromkeys(("floor", "share_below", "truth", "treated", "control"), (*NUMBER, -0.5, 1.5)),
    **dict.fromkeys(("n", "rows", "calibrated", "bins", "window", "resamples", "draws", "threads", "folds"), COUNT),
    **dict.fromkeys(("least", "strata", "slices", "grid", "block", "size", "most", "keep", "start", "width"), COUNT),
    **dict.fromkeys(("tuned_for", "hits_treated", "n_treated", "hits_control", "n_control", "hits"), COUNT),
    **dict.fromkeys(("support", "band"), PAIR), "prior": ((0.0, 1.0), (NAN, 1.0), "ab", (1.0,)),
    "bound": (NAN, "x", INF, -1.0), "rng": (3, None), "method": ("none such",), "salt": ("", 3, None, "x" * 65),
    "margins": ({}, {"c": -1.0}, {"c": NAN}, {"c": None}), "thresholds": (NAN, "x", None, [[0.5]]),
    "population": ({"a": -1.0, "b": 1.0}, {"a": NAN, "b": 1.0}, {"a": 1.0}, {"a": 0.0, "b": 0.0}),
    "look": (NAN, 60, 1.5),
}  # fmt: skip
BY_ITS_PARTS = {"self", "unit", "name", "into", "policy", "statistic", "estimate", "found", "shape", "bands", "state",
                "states", "by_row", "outcomes", "exposures"}  # fmt: skip
"""Words, functions, and what was checked where it was made; control columns are refused by `negative_control`."""

LABELS = {"clusters", "bins", "groups", "position", "by", "users", "slices", "columns"}
FROM_0 = {"weights", "new_weights", "propensity", "target", "predicted", "latency_ms", "hits", "counts", "trials",
          "excess", "shares", "sizes", "denominator", "p", "hit", "exposed", "later"}  # fmt: skip
EMPTY = {"Moments.of", "ClusterMoments.of", "WeightedMoments.of", "LatencySketch.of", "Tally.of", "BySlice.of",
         "LoggedRows.of", "LoggedUnits.of", "TopWeights.of", "largest_of", "effective_units", "ratio_shape",
         "conformal_p", "split_threshold", "adaptive", "split_bands", "weighted_thresholds", "mondrian", "assign",
         "hashed_shares", "quantile_bins", "GroupThresholds.at", "absolute_scores", "cqr_bands",
         "cqr_scores", "covered_by"}  # fmt: skip
"""Accumulators have an identity; no calibration row is an infinite threshold; nobody is assigned to no arm."""

OWN_LENGTH = {("conformal_p", "scores"), ("conformal_p", "new"), ("mean_effect", "treated"), ("mean_effect", "control"),
              ("block_sequence", "x"), ("block_sequence", "baseline")}  # fmt: skip
"""Columns of two samples, that need not be equally long."""

UNREAD = {("mean_interval", "rng"), ("closed_interval", "method"), ("quantile_bins", "bins")}
"""Only a bootstrap draws; a word, not a choice; not read beside edges."""

CALLED = {("BySlice.of", "x"): "x|hit"}  # a slice's rows are refused by what makes its state

SIGNED = {("absolute_scores", "predicted"), ("split_bands", "predicted"), ("largest_of", "weights")}
"""What elsewhere cannot be negative, and here can."""


def is_column(value: Any) -> bool:
    """Whether a sound argument is an array."""
    return isinstance(value, np.ndarray | list)


def call(name: str, given: Arguments) -> Any:
    """What the estimator says of arguments, its generator made anew."""
    given = {key: value() if key == "rng" and callable(value) else value for key, value in given.items()}
    return public()[name](*given.values()) if name == "strata_of" else public()[name](**given)


def spoilt(name: str, parameter: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Columns that are none, each by its fault."""
    sound = np.asarray(value)
    for bad in (NAN, INF, -INF, *((-1.0,) if parameter in FROM_0 and (name, parameter) not in SIGNED else ())):
        column = sound.astype(np.float64)
        column.flat[-1] = bad
        yield f"{bad}", column
    yield "objects", np.full(sound.shape, None, dtype=object)
    yield "complex", sound.astype(np.complex128)
    yield "cube", np.ones((len(sound), 2, 2))
    yield "scalar", 0.5
    yield "ragged", [[1.0], [1.0, 2.0]]
    masked = np.arange(sound.size).reshape(sound.shape) == sound.size - 1
    yield "masked", np.ma.masked_array(sound, mask=masked)
    if parameter not in LABELS and parameter != "units" and parameter != "groups":
        yield "text", np.full(sound.shape, "a")
    if name not in EMPTY:
        yield "empty", np.empty((0, *sound.shape[1:]))


def faults(name: str) -> Iterator[tuple[str, str, Arguments]]:
    """Each argument of a sound call spoilt in turn: its name, the fault, the arguments."""
    given = CALLS[name]
    for parameter, known in inspect.signature(public()[name]).parameters.items():
        value = given.get(parameter, known.default)
        if parameter in BY_ITS_PARTS or (name, parameter) in UNREAD:
            continue
        if is_column(value):
            for fault, bad in spoilt(name, parameter, value):
                yield parameter, fault, {**given, parameter: bad}
            pairs = [key for key, other in given.items() if is_column(other) and key != parameter]
            if (name, parameter) not in OWN_LENGTH and any(len(given[key]) == len(value) for key in pairs):
                yield "", "short", {**given, parameter: value[:-1]}
        elif not (parameter == "least" and known.default == 1) and hasattr(value, "keys") == (parameter in HELD):
            for bad in NUMBER if name == "ConfidenceSequence.excludes" else SCALARS[parameter]:
                if bad is not None or known.default is not None:
                    yield parameter, repr(bad), {**given, parameter: bad}


HELD = {"margins", "population"}


def told(name: str, parameter: str, given: Arguments) -> str:
    """Empty where the call is refused in one line that names the argument, else what came instead."""
    try:
        found = call(name, given)
    except InputError as error:
        line, said = str(error), CALLED.get((name, parameter), parameter)
        return "" if "\n" not in line and re.match(rf"(?:{said})\b|.*: lengths differ;", line) else line
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"taken: {found}"


@pytest.mark.parametrize("name", CALLS)
def test_each_argument_is_refused_by_name(name):
    """NaN, infinities, objects, masks, other shapes, lengths and ranges end in one line, for every public one."""
    call(name, CALLS[name])
    wrong = [(parameter, fault, said) for parameter, fault, given in faults(name)
             if (said := told(name, parameter, given))]  # fmt: skip
    assert wrong == []


def test_every_public_estimator_has_a_sound_call():
    """A new public function, or method that takes more than a state, cannot come without being tried here."""
    assert set(public()) ^ set(CALLS) == set()
    assert len(CALLS) > 120


def test_every_argument_has_a_rule():
    """A new argument is an array in the sound call, has a list of what it refuses, or is named as left to its parts."""
    bare = [(name, parameter) for name, one in public().items()
            for parameter, known in inspect.signature(one).parameters.items()
            if not (parameter in SCALARS or parameter in BY_ITS_PARTS
                    or is_column(CALLS[name].get(parameter, known.default)))]  # fmt: skip
    assert bare == []


@pytest.mark.parametrize("name", CALLS)
def test_narrow_numbers_are_computed_in_double_and_nothing_is_changed(name):
    """float32 and int8 give the figures of their float64 twins; every array may be read-only and stays as it was."""
    columns = {key: np.asarray(value) for key, value in CALLS[name].items() if is_column(value)}
    narrow = {key: value.astype(np.int8 if (value == np.rint(value)).all() and value.max() < 127 else np.float32)
              for key, value in columns.items()}  # fmt: skip
    kept = {key: value.copy() for key, value in narrow.items()}
    wide = {key: value.astype(np.float64 if columns[key].dtype.kind == "f" else np.int64)
            for key, value in narrow.items()}  # fmt: skip
    for value in (*narrow.values(), *wide.values()):
        value.flags.writeable = False
    assert repr(call(name, {**CALLS[name], **narrow})) == repr(call(name, {**CALLS[name], **wide}))
    assert all((narrow[key] == kept[key]).all() for key in kept)


def test_the_matrix_sees_its_faults(monkeypatch):
    """What takes all, raises another error, or names another argument, is told; a sound refusal is not."""
    given = {"x": [0.5]}
    for one, said in (
        (lambda x: 1.0, "taken: 1.0"),
        (lambda x: float(None), "TypeError: "),
        (lambda x: _refuse("before: out of bounds"), "before: out of bounds"),
    ):
        monkeypatch.setitem(public(), "paired", one)
        assert told("paired", "x", given).startswith(said)
    monkeypatch.setitem(public(), "paired", lambda x: _refuse("x: out of bounds"))
    assert told("paired", "x", given) == ""


def _refuse(line: str) -> None:
    raise InputError(line)
