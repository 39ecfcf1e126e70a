"""The int8 router: direction proved at every level, rounding inside its bound, files believed only when checked."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.data.canonical import digest_of
from harness.errors import InputError
from harness.routing.distill import distill, fitted, quantise
from harness.routing.int8 import Int8Router
from harness.routing.piecewise import Curves, fit_curves
from harness.routing.routed import OUTPUTS, SPANS, signs_of
from harness.routing.tables import TOP, edges_of, falls, level_values
from tests.routing.worlds import NAMES, router, teacher, world

ANYWHERE = np.array([-1e300, -1.0, 0.0, 0.5, 1.0, 29.5, 1e300])


def resealed(change):
    """The router's file after `change` of its object, under a digest of its own that fits again."""
    held = json.loads(router().to_json())
    change(held)
    held["digest"] = digest_of({key: value for key, value in held.items() if key not in ("digest", "format")})
    return json.dumps(held)


def resealed_deep(text):
    """The file with a thousand lists inside each other where its names should be."""
    return text.replace('"names": [', '"names": [' + "[" * 900 + "]" * 900 + ",", 1)


def adversarial(made):
    """Inputs at, just below and just above every edge of every level of every table, and far outside."""
    columns = []
    for signal in range(len(made.names)):
        edges = np.unique(np.concatenate([edges_of(table.knots[signal]) for table in made.tables.values()]))
        columns.append(np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), ANYWHERE]))
    rng = np.random.default_rng(5)
    return np.column_stack([rng.choice(column, 4000) for column in columns])


def off(made, curves, matrix):
    """Output → the most that the int8 answers lie off the curves before rounding."""
    answers = made.predict(matrix)
    return {output: float(abs(getattr(answers, output) - curves[output].at(matrix).clip(*SPANS[output])).max())
            for output in OUTPUTS}


def test_a_file_round_trips_to_the_bit():
    """Text, digest and answers survive writing and reading, alone and in batch alike."""
    made, signals = router(), world(seed=4)[0]
    again = Int8Router.from_json(made.to_json().encode(), made.digest)
    assert again.to_json() == made.to_json() and again.digest == made.digest
    assert np.array_equal(again.predict(signals), made.predict(signals))
    singles = np.array([again.one(row) for row in signals.tolist()]).T
    assert np.array_equal(singles, np.array(again.predict(signals)))


def test_one_request_answers_as_the_batch_at_every_edge():
    """No input falls between the two searches: at and beside each edge, single and batch agree to the bit."""
    matrix = adversarial(router())[:1500]
    singles = np.array([router().one(row) for row in matrix.tolist()]).T
    assert np.array_equal(singles, np.array(router().predict(matrix)))


def test_rounding_stays_inside_its_stated_bound():
    """On random inputs and on each edge of each level, no answer is off its curve by more than `error_bound`."""
    made, curves = router(), fitted(teacher(), world(seed=1)[0], NAMES)
    for matrix in (adversarial(made), world(seed=6)[0]):
        assert all(error <= made.error_bound[output] for output, error in off(made, curves, matrix).items())


def test_the_bound_is_not_idle():
    """Some input comes near the bound, so one of half its size would be caught."""
    made, curves = router(), fitted(teacher(), world(seed=1)[0], NAMES)
    found = off(made, curves, adversarial(made))
    assert any(found[output] > 0.5 * made.error_bound[output] for output in OUTPUTS)


def test_the_distilled_router_decides_as_its_teacher():
    """On queries neither has seen, decisions at the teacher's price differ for fewer than one in a hundred."""
    fresh = world(seed=7, n=4000)[0]
    one, other = (model.predict(fresh) for model in (teacher(), router()))
    assert ((one.gain > one.tau) != (other.gain > other.tau)).mean() < 0.01


def test_a_bent_segment_is_seen_in_the_decisions():
    """One entry of the gain table moved by half its range changes what the check above counts."""
    held = router().tables["gain"]
    values = held.values.copy()
    values[1, :9] = np.clip(values[1, :9].astype(int) - 127, -TOP, TOP)
    tables = {**router().tables, "gain": held._replace(values=values)}
    bent = Int8Router(NAMES, tables, router().monotone, router().error_bound)
    fresh = world(seed=7, n=4000)[0]
    one, other = (model.predict(fresh) for model in (teacher(), bent))
    assert ((one.gain > one.tau) != (other.gain > other.tau)).mean() > 0.05


def test_direction_is_proved_level_by_level():
    """Every level of every promised curve is looked at, and none turns, also where the data run against the promise."""
    for made in (router(), distill(teacher(-0.3), world(seed=1, slope=-0.3)[0], NAMES)):
        for output in OUTPUTS:
            signs = made.monotone[output]
            assert signs == (1, 0, 0) and falls(made.tables[output], signs) == []
            assert level_values(made.tables[output]).shape == (3, 256)


def test_no_pair_of_inputs_refutes_the_proof():
    """Answers of any two requests that differ in entropy alone stand in its order: what the proof says, tried."""
    matrix = adversarial(router())
    higher = matrix.copy()
    higher[:, 0] = np.maximum(matrix[:, 0], np.random.default_rng(1).permutation(matrix[:, 0]))
    for low, high in zip(router().predict(matrix), router().predict(higher), strict=True):
        assert (high >= low).all()


def test_a_table_that_turns_is_refused_though_its_digest_fits():
    """Lowering one entry by one step, resealed, is found by the look at every level, and the level is named."""
    def bend(held):
        row = held["outputs"]["spend"]["values"][0]
        place = int(np.argmax(np.diff(row)))
        row[place + 1] = row[place] - 1
    with pytest.raises(InputError, match=r"turns against its promise.*monotone in entropy.*a turn at level"):
        Int8Router.from_json(resealed(bend))


@pytest.mark.parametrize(("change", "match"), [
    (lambda held: held["outputs"]["gain"]["monotone"].__setitem__(0, 0), "a promise is missing"),
    (lambda held: held["outputs"]["gain"]["values"][0].__setitem__(0, 128), "whole numbers from -127 to 127"),
    (lambda held: held["outputs"]["gain"]["values"][0].__setitem__(0, True), "not a table that fits"),
    (lambda held: held["outputs"]["gain"]["values"].pop(), "not a table that fits"),
    (lambda held: held["outputs"]["tau"].update(unit=0.0), "not a size"),
    (lambda held: held["outputs"]["tau"].update(error_bound=-1.0), "not a size"),
    (lambda held: held["outputs"]["tau"].update(bias=2**60), "column tau.bias"),
    (lambda held: held["outputs"]["tau"]["knots"][0].reverse(), "ascending numbers"),
    (lambda held: held["outputs"]["tau"]["knots"][0].__setitem__(0, "0"), "ascending numbers"),
    (lambda held: held["outputs"].pop("tau"), "column outputs"),
    (lambda held: held["outputs"]["tau"].pop("unit"), "wrong keys"),
    (lambda held: held.update(names=["entropy", "entropy", "length"]), "named twice"),
    (lambda held: held.update(segments=8), "column tau.knots"),
    (lambda held: held.update(extra=1), "wrong keys"),
    (lambda held: held.update(format="signoff/router-int8/v0"), "another format"),
])  # fmt: skip
def test_a_changed_file_is_refused_under_any_digest(change, match):
    """What does not fit is told by its place even where whoever changed it made a new digest."""
    with pytest.raises(InputError, match=match):
        Int8Router.from_json(resealed(change))


def test_a_changed_cut_or_other_file_is_refused():
    """One digit changed, the end cut off, a twice-named key, or another router than the one expected: no router."""
    text = router().to_json()
    changed = text.replace('"bias": ', '"bias": 1', 1)
    for raw, match in ((changed, "not the one that was written"), (text[:-40], "not JSON"), ("[]", "not a JSON object"),
                       (text.replace('{', '{"levels": 16,', 1), "duplicate key"), (b"\xff", "not JSON")):
        with pytest.raises(InputError, match=match):
            Int8Router.from_json(raw)
    with pytest.raises(InputError, match="another router"):
        Int8Router.from_json(text, "0" * 64)


def test_no_cut_and_no_changed_letter_is_believed():
    """Cut anywhere or changed in any one letter that means something, the text is an input error, never a crash."""
    text, rng = router().to_json(), np.random.default_rng(11)
    for place in rng.integers(0, len(text) - 2, 60).tolist():
        raw = text[:place] + ("7" if text[place] != "7" else "8") + text[place + 1:]
        for broken in (text[:place], *([raw] if not text[place].isspace() else [])):
            with pytest.raises(InputError):
                Int8Router.from_json(broken)
    with pytest.raises(InputError, match=r"nested too deeply|not JSON|not the one"):
        Int8Router.from_json(resealed_deep(text))


def test_sums_do_not_saturate_at_32_bits():
    """The largest sum of many wide curves is exact; added up in 32 bits it would wrap, which this world shows."""
    signals = 24
    knots = np.tile(np.arange(17.0), (signals, 1))
    values = np.tile(np.linspace(-0.5, 0.5, 17), (signals, 1)) / signals
    curves = {output: Curves(knots, values, 0.5) for output in OUTPUTS}
    names = tuple(f"s{place}" for place in range(signals))
    made = quantise(curves, names, signs_of({}, names, where="test"))
    top = np.full((1, signals), 99.0)
    assert made.predict(top).spend[0] == pytest.approx(1.0, abs=made.error_bound["spend"])
    rows = level_values(made.tables["spend"])[:, -1]
    assert int(rows.sum()) > 2**31 and int(rows.astype(np.int32).sum(dtype=np.int32)) != int(rows.sum())


@pytest.mark.parametrize("request_", [[0.1, 0.2], [0.1, 0.2, 0.3, 0.4], [0.1, float("nan"), 3.0], [0.1, 0.2, np.inf]])
def test_a_request_with_a_missing_signal_is_refused(request_):
    """A signal that is absent or not finite is an error, one at a time and in batch; it is never a zero."""
    with pytest.raises(InputError, match=r"shape|not finite"):
        router().one(request_)
    with pytest.raises(InputError, match=r"shape|not finite"):
        router().predict([request_])


def test_no_requests_no_answers():
    """An empty batch has empty answers."""
    assert [len(column) for column in router().predict(np.empty((0, 3)))] == [0, 0, 0]


def test_a_smooth_teacher_is_followed_by_quantiles():
    """Without steps to place, 16 segments come close to a smooth monotone curve and keep its direction."""
    x = np.random.default_rng(0).random((2000, 1))
    curves = fit_curves(x, x[:, 0] ** 2, signs=(1,), segments=16, steps=((),))
    assert abs(curves.at(x) - x[:, 0] ** 2).max() < 0.005
    assert (np.diff(curves.values) >= 0).all()


@pytest.mark.parametrize("column", [np.full(100, 3.0), np.arange(100) % 2.0, np.arange(100) % 3.0])
def test_a_signal_of_few_values_is_distilled(column):
    """A constant and a yes-or-no signal get curves as any other; a constant adds nothing."""
    x = np.column_stack([column, np.linspace(0, 1, 100)])
    curves = fit_curves(x, x[:, 0] / 2 + x[:, 1], signs=(0, 0), segments=16, steps=((), ()))
    assert curves.at(x) == pytest.approx(x[:, 0] / 2 + x[:, 1], abs=0.02)


def test_too_few_rows_or_segments_are_refused():
    """Distilling says what it lacks."""
    with pytest.raises(InputError, match="too few rows"):
        distill(teacher(), world(seed=1)[0][:10], NAMES)
    with pytest.raises(InputError, match="segments"):
        distill(teacher(), world(seed=1)[0], NAMES, segments=0)
