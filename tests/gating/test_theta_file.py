"""`theta_star_production.json`: the same bytes both ways, and one line for each way to spoil it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.canonical import digest_of
from harness.errors import InputError
from harness.gating.checking import optimality_gap
from harness.gating.optimise import optimise_gate
from harness.gating.two_stage import TwoStageGate
from tests.gating.worlds import signalled

GATE = TwoStageGate.fit(*signalled()[:4], budget_ms=0.2)
SHARED = optimise_gate(*signalled()[:4], delta=(0.1, 0.01))


def signed(held: dict[str, Any]) -> str:
    """The file's text with a digest that fits, as one who can compute digests would write it."""
    held["digest"] = digest_of({key: value for key, value in held.items() if key not in ("digest", "format")})
    return json.dumps(held)


def spoilt(change: Callable[[dict[str, Any]], object]) -> str:
    """The file after a change, its digest made to fit."""
    held = json.loads(GATE.to_json())
    change(held)
    return signed(held)


@pytest.mark.parametrize("gate", [GATE, SHARED], ids=["budget", "share"])
def test_what_is_read_is_what_was_written(gate):
    """Bytes, digest and decisions survive a round trip; writing twice gives the same bytes."""
    text = gate.to_json()
    again = TwoStageGate.from_json(text.encode(), expected=gate.digest)
    assert again.to_json() == text == gate.to_json()
    assert again.digest == gate.digest and again.terms == gate.terms
    assert (again.decided(signalled()) == gate.decided(signalled())).all()
    assert again.swept == gate.swept and again.price == gate.price and optimality_gap(again, signalled()).holds


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown key": (lambda held: held.update(teta=1), "nearest: theta"),
    "missing key": (lambda held: held.pop("price"), "expected price"),
    "other format": (lambda held: held.update(format="v0"), "another format"),
    "text for a number": (lambda held: held["theta"].update(gain="0.1"), "column theta.gain"),
    "truth for a number": (lambda held: held["theta"].update(gain=True), "column theta.gain"),
    "number for a truth": (lambda held: held["swept"][0].update(within=1), "column swept.within"),
    "theta moved": (lambda held: held["theta"].update(gain=held["theta"]["gain"] * 1.1), "not the sweep around θ"),
    "early exit above": (lambda held: held["below"].update(gain=9.0), "early exit lies above"),
    "no step": (lambda held: held["step"].update(gain=0.0), "column step"),
    "budget cut": (lambda held: held["terms"].update(budget_ms=0.1), "exceeds its own budget"),
    "budget dropped": (lambda held: held["terms"].update(budget_ms=None), "nothing limits the spending"),
    "window elsewhere": (lambda held: held["terms"].update(share=[0.5, 0.6]), "leaves its own window"),
    "unknown bind": (lambda held: held["terms"].update(bind="p59"), r"terms\.bind"),
    "share above 1": (lambda held: held["predicted"].update(share=1.5), r"predicted\.share"),
    "no requests": (lambda held: held["predicted"].update(n=0), r"predicted\.n"),
    "gain retold": (lambda held: held["predicted"].update(gain=held["predicted"]["gain"] / 2), "sweep|bound"),
    "gain beyond the bound": (lambda held: held["predicted"].update(gain=0.9), "more than the bound"),
    "bound retold": (lambda held: held.update(bound=held["bound"] * 2), "did not end there"),
    "price retold": (lambda held: held.update(price=held["price"] * 2), "did not end there"),
    "ascent cut": (lambda held: held["trace"].pop(), "did not end there"),
    "ascent far from its end": (lambda held: held["trace"][-1].update(gap=0.1), "did not end there"),
    "no trace": (lambda held: held.update(trace=[]), "column trace"),
    "steps out of order": (lambda held: held["trace"].reverse(), "did not end there"),
    "fewer steps than shown": (lambda held: held.update(iterations=1), "did not end there"),
    "outside its limits": (lambda held: held["swept"][4].update(within=False), "not the sweep"),
    "sweep cut": (lambda held: held["swept"].pop(), "not the sweep"),
    "share rises with a threshold": (lambda held: held["swept"][8]["figures"].update(share=0.99), "rises with a thres"),
    "an array for an object": (lambda held: held.update(theta=[0.1, 0.2]), "column theta: not an object"),
    "nothing at all": (lambda held: held.clear(), "wrong keys"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), SPOILT.values(), ids=SPOILT)
def test_each_way_to_spoil_the_file_is_refused_though_its_digest_fits(change, said):
    """A file must agree with itself: one line names what does not."""
    with pytest.raises(InputError, match=said) as told:
        TwoStageGate.from_json(spoilt(change), where="theta_star_production.json")
    assert str(told.value).startswith("theta_star_production.json") and "\n" not in str(told.value)


@pytest.mark.parametrize(("text", "said"), [
    ("", "not JSON"), (GATE.to_json()[:-40], "not JSON"), ("[]", "column file: not an object"),
    (GATE.to_json().replace('"bound"', '"bound": 1, "bound"', 1), "duplicate key"),
    (GATE.to_json().replace('"entropy": 0.', '"entropy": 1.', 1), "not the gate that was written"),
    (GATE.to_json().replace('"price": ', '"price": NaN, "x": ', 1), "NaN"),
])  # fmt: skip
def test_damaged_bytes_are_refused(text, said):
    """Truncated, doubled, edited and NaN: each has its line."""
    with pytest.raises(InputError, match=said):
        TwoStageGate.from_json(text)


def test_another_gate_than_the_one_asked_for_is_refused():
    """A sound file under another digest is not the release's."""
    with pytest.raises(InputError, match="another gate"):
        TwoStageGate.from_json(GATE.to_json(), expected=SHARED.digest)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every leaf of nested JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    return [at] if items is None else [found for key, one in items for found in places(one, (*at, key))]


PLACES = places(json.loads(GATE.to_json()))
JUNK = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.integers(-(10**20), 10**20), st.just(10**400),
                 st.floats(allow_nan=False, allow_infinity=False), st.just([]), st.just({}), st.just([[1]]))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PLACES), JUNK)
def test_junk_in_any_place_is_refused_in_one_line_or_read_as_a_gate(place, junk):
    """No leaf of the file can crash the reader, whatever stands there, the digest made to fit."""
    def plant(held: dict[str, Any]) -> None:
        for key in place[:-1]:
            held = held[key]
        held[place[-1]] = junk

    text, said = spoilt(plant), "one line"
    try:
        read = TwoStageGate.from_json(text)
    except InputError as error:
        said = str(error)
    else:
        assert TwoStageGate.from_json(read.to_json(), expected=read.digest) == read
    assert "\n" not in said
