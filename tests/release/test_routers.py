"""A router is fitted to the fit fold alone, frozen whole, and read back as a stranger's."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fixtures.routed import LADDER, SIGNALS, fitted_router, spend_table
from harness.errors import InputError
from harness.gating.checking import optimality_gap
from harness.gating.requests import FULL
from harness.release.parts import RouterPart
from harness.release.routers import GATE, ROUTER, FittedRouter, fit_router, overhead_of, signals_of


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("router")
    fitted_router().save(folder)
    return folder


def test_what_is_frozen_comes_back_to_the_bit(frozen):
    """Tables, thresholds, teacher and the gate's own requests are those that were fitted."""
    one, two = fitted_router(), FittedRouter.load(frozen)
    rows = signals_of(spend_table(), SIGNALS)
    assert two.router == one.router and two.gate.digest == one.gate.digest
    assert np.array_equal(two.teacher.predict(rows).gain, one.teacher.predict(rows).gain)
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(one.requests, two.requests, strict=True))


@pytest.mark.parametrize("name", [ROUTER, GATE])
def test_a_changed_file_is_refused(frozen, name, tmp_path):
    """A number edited by hand no longer has the file's digest: one line that names the file."""
    import shutil

    folder = tmp_path / "router"
    shutil.copytree(frozen, folder)
    held = json.loads((folder / name).read_text())
    key = "outputs" if name == ROUTER else "theta"
    if name == ROUTER:
        held[key]["gain"]["bias"] += 1
    else:
        held[key] = {place: value + 0.01 for place, value in held[key].items()}
    (folder / name).write_text(json.dumps(held))
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        FittedRouter.load(folder)


def test_the_judged_fold_teaches_nothing():
    """Whatever the judged queries gain, router and gate are the same."""
    table = spend_table()
    quality = table.quality.copy()
    quality[table.judged] = quality[table.judged][:, ::-1]
    other = fit_router(replace(table, quality=quality), RouterPart(signals=SIGNALS), LADDER, seed=11)
    assert other.router == fitted_router().router and other.gate.digest == fitted_router().gate.digest
    quality[~table.judged] = quality[~table.judged][:, ::-1]  # the twin: the fold that it learns from
    twin = fit_router(replace(table, quality=quality), RouterPart(signals=SIGNALS), LADDER, seed=11)
    assert twin.router != fitted_router().router


def test_the_gate_meets_predictions_for_modules_that_were_not_fitted():
    """Its requests' predictions are not the teacher's own on what it was fitted to, which know too much."""
    table = spend_table()
    fit = table.where(~table.judged)
    seen = fitted_router().router.predict(signals_of(fit, SIGNALS)).gain
    gain = fit.gain(50)
    unseen = fitted_router().requests.predicted_gain
    assert np.corrcoef(unseen, gain)[0, 1] < np.corrcoef(seen, gain)[0, 1]
    assert optimality_gap(fitted_router().gate, fitted_router().requests).holds


def test_the_signals_time_counts_against_the_budget():
    """What every query pays is in the gate's terms; a table that lacks it counts none."""
    table = spend_table()
    assert fitted_router().gate.terms.overhead_ms == pytest.approx(0.02) == pytest.approx(overhead_of(table))
    assert overhead_of(replace(table, signals_ms=np.full(len(table), np.nan))) == 0.0


def test_a_signal_that_the_table_lacks_is_one_line():
    """It names the nearest that is there."""
    with pytest.raises(InputError, match=r"no such signal in the spend table; .*found '?entropi.*nearest: entropy"):
        signals_of(spend_table(), ("entropi",))


def test_a_budget_that_nothing_meets_says_the_smallest():
    """Below the signals' own time no threshold helps."""
    with pytest.raises(InputError, match=r"no thresholds keep the budget; expected at least 0\.0\d+ ms"):
        fit_router(spend_table(), RouterPart(signals=SIGNALS, budget_ms=0.01), LADDER, seed=11)


def test_a_trace_of_few_modules_is_cross_fitted_by_as_many():
    """Three modules make three folds; one module, of which nothing can be held out, is one line and no traceback."""
    table = spend_table()
    few = replace(table, clusters=np.array([f"module{row % 3}" for row in range(len(table))], dtype=object))
    assert fit_router(few, RouterPart(signals=SIGNALS), LADDER, seed=11).requests.n == (~table.judged).sum()
    one = replace(table, clusters=np.full(len(table), "module", dtype=object))
    with pytest.raises(InputError, match="too few clusters to hold some out"):
        fit_router(one, RouterPart(signals=SIGNALS), LADDER, seed=11)


def test_requests_that_are_torn_are_one_line(frozen, tmp_path):
    """A file cut short under a Parquet name names itself."""
    import shutil

    folder = tmp_path / "router"
    shutil.copytree(frozen, folder)
    whole = (folder / "gate_requests.parquet").read_bytes()
    (folder / "gate_requests.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"gate_requests\.parquet.*not readable as Parquet"):
        FittedRouter.load(folder)


def shifted():
    """A table whose judged queries look more uncertain than those of the fit: a share fitted there is missed here."""
    table = spend_table()
    entropy = np.where(table.judged, np.minimum(1.0, table.signals["entropy"] + 0.25), table.signals["entropy"])
    return replace(table, signals={**table.signals, "entropy": entropy})


def full_share(table, part):
    """The share of judged queries that the router of a table reranks in full."""
    found, judged = fit_router(table, part, LADDER, seed=11), table.where(table.judged)
    rows = signals_of(judged, SIGNALS)
    return float((found.gate.decide(rows[:, 0], found.router.predict(rows).gain) == FULL).mean()), found


def test_a_share_is_held_on_the_traffic_that_it_is_asked_of():
    """Held on the fit queries it is missed where the traffic differs (the twin); asked of the traffic it is met."""
    asked = {"signals": SIGNALS, "budget_ms": None, "share": (0.14, 0.16), "delta": 0.0}
    met, found = full_share(shifted(), RouterPart(**asked, share_of="traffic"))
    missed, _ = full_share(shifted(), RouterPart(**asked))
    assert 0.14 <= met <= 0.16 and not 0.12 <= missed <= 0.18
    assert optimality_gap(found.gate, found.requests).within  # and it is still the optimum of its own problem


def test_the_share_of_the_traffic_looks_at_no_judgement():
    """Other gains of the judged queries, the same gate to the byte."""
    part = RouterPart(signals=SIGNALS, budget_ms=None, share=(0.14, 0.16), share_of="traffic", delta=0.0)
    quality = shifted().quality.copy()
    quality[shifted().judged] = quality[shifted().judged][:, ::-1]
    one, two = (fit_router(table, part, LADDER, seed=11) for table in (shifted(), replace(shifted(), quality=quality)))
    assert one.gate.digest == two.gate.digest


def test_a_share_that_the_traffic_cannot_keep_is_one_line():
    """Traffic of one kind is passed whole or not at all."""
    with pytest.raises(InputError, match="no thresholds keep the share on the traffic"):
        fit_router(spend_table(), RouterPart(signals=SIGNALS, budget_ms=None, share=(0.14, 0.16), share_of="traffic"),
                   LADDER, seed=11, traffic=np.tile([0.9, 0.1, 0.9], (50, 1)))


def test_a_share_of_traffic_needs_a_share():
    """A window is not guessed."""
    with pytest.raises(ValueError, match="needs a share"):
        RouterPart(share_of="traffic")


def test_a_window_of_everything_is_held_by_any_gate():
    """It leaves one place to try, and that is tried."""
    share, _ = full_share(shifted(), RouterPart(signals=SIGNALS, budget_ms=None, share=(0.0, 1.0), share_of="traffic"))
    assert 0.0 <= share <= 1.0
