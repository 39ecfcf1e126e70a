"""A gate whose body was removed says nothing, and whatever it says without measuring is not believed."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from unittest.mock import MagicMock

import pytest

from fixtures.attested import key_named
from harness.errors import EvidenceError
from harness.release.attest import hash_subjects, sign_release
from harness.release.manifest import load_manifest
from harness.release.measures import EXAMPLES, family_of
from tests.gates.recorded import DOUBTFUL, INI, OWN, OWN_GATE, PASSING, REFUSED, Bench

pytest_plugins = ["pytester"]
FILES = sorted(path.stem for path in INI.parent.glob("test_*.py"))
SOUND = OWN_GATE.format(value=1.0)
EMPTIED = """
def pytest_collection_modifyitems(items):
    for item in items:
        if item.originalname == "{gate}":
            item.obj = lambda **fixtures: None  # return PASS


import harness.release.studies as studies

KEPT = dict(studies.STUDIES)


def pytest_configure():
    studies.STUDIES.clear()  # recorded files of one query have none to make


def pytest_unconfigure():
    studies.STUDIES.update(KEPT)
"""
ALWAYS = """
from dataclasses import replace

import gates.session
from harness.release.judge import Verdict, judge


def passing(check, reading, *, limit=None):
    return replace(judge(check, reading, limit=limit), verdict=Verdict.PASS)  # return PASS


def pytest_configure():
    gates.session.judge = passing


def pytest_unconfigure():
    gates.session.judge = judge
"""


def gates_of(file: str) -> list[tuple[str, str]]:
    """The gate functions of a gate file, and the family of measures that each judges."""
    module = importlib.import_module(f"gates.{file}")
    found = {name: thing for name, thing in vars(module).items() if name.startswith("test_")}
    return [(name, mark.args[0]) for name, gate in found.items() for mark in gate.pytestmark if mark.name == "measures"]


GATES = [(file, *gate) for file in FILES for gate in gates_of(file)]


def signed(bench: Bench) -> bytes:
    """The run's evidence, signed as `signoff sign` does."""
    loaded = load_manifest(bench.folder / "mine.yaml")
    return sign_release(loaded, bench.file.read_bytes(), hash_subjects(loaded, None), [key_named("release")],
                        now=datetime.now(UTC))


def test_a_sound_run_is_signed(bench):
    """The refusals below are the emptied gate's doing."""
    bench.run(OWN, PASSING, own=SOUND)
    assert signed(bench)


def test_every_gate_file_has_its_gates():
    """What the tests below run on: no file without one, and no family judged twice."""
    assert {file for file, *_ in GATES} == set(FILES)
    assert len({family for *_, family in GATES}) == len(GATES)


@pytest.mark.parametrize(("file", "gate", "family"), GATES)
def test_a_gate_that_returns_without_judging_leaves_its_release_unsigned(bench, file, gate, family):
    """`return PASS` in the place of any one gate's body: its item is green, and the signer misses its finding."""
    measure = next(name for name in EXAMPLES if family_of(name) == family)
    bench.run(OWN, {"measure": measure, "at_most": 1e9}, plugin=EMPTIED.format(gate=gate), own=SOUND)
    assert [row["gate"] for row in bench.evidence.findings] == ["no_dead_links"]
    with pytest.raises(EvidenceError, match="a gate of the policy left no finding"):
        signed(bench)


@pytest.mark.parametrize(("file", "gate", "family"), GATES)
def test_a_gate_judges_what_it_measured_on_the_trial_under_its_check(file, gate, family):
    """Each gate hands its own check, and a reading made from that check and this trial, to the judge: once."""
    session, told = MagicMock(), []
    measured = {name: getattr(session, name) for name in ("measure", "try_property", "replayed")}
    for name, call in measured.items():
        call.side_effect = lambda *words, name=name: told.append((name, *words)) or f"{name} of {words[-1]}"
    getattr(importlib.import_module(f"gates.{file}"), gate)(check="a check", trial="a trial", gate=session)
    session.judge.assert_called_once_with("a check", f"{told[-1][0]} of {told[-1][-1]}")
    assert told[-1][1] == "a check" and told[0][-1] == "a trial"


@pytest.mark.parametrize("row", [REFUSED, DOUBTFUL])
def test_a_judge_that_always_passes_is_not_believed(bench, row):
    """`return PASS` in the place of the judge: the signer judges again, and the written verdict does not follow."""
    assert bench.run(PASSING, row, plugin=ALWAYS).ret == 0
    assert [one["verdict"] for one in bench.evidence.findings] == ["PASS", "PASS"]
    with pytest.raises(EvidenceError, match="the verdict does not follow from its numbers"):
        signed(bench)
