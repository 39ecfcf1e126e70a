"""House rule: each gate of each policy that ships has a defect, and was seen to pass and to refuse on made records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.studies import with_studies
from fixtures.trials import sound
from harness.defects.catalogue import caught
from harness.defects.owners import named, owner, owner_of, owners
from harness.errors import InputError
from harness.release.judge import Finding, Verdict
from harness.release.manifest import load_manifest
from harness.release.measures import EXAMPLES, PROPERTIES, family_of
from harness.release.observed import Trial
from harness.release.policy import Check, Limit
from tests.defects.gating import both
from tests.house.source import TOP

MANIFESTS = [path for path in sorted((TOP / "manifests").rglob("*.yaml")) if path.name != "trust.yaml"]
CHECKS = {f"{path.stem}-{check.id}": check for path in MANIFESTS for check in load_manifest(path).manifest.checks
          if check.own_gate is None and family_of(check.measure) != PROPERTIES}


@pytest.fixture(scope="module")
def fair() -> Trial:
    """The sound trial with what the policies name: references, a baseline that misses, an index that agrees at 0.98."""
    trial = with_studies(sound())
    index, other = trial.candidate.index, trial.baseline
    assert index is not None and other is not None
    index = replace(index, agreement=0.98 + 0.2 * (index.agreement - 0.9), clusters=None)
    cut = named("queries_dropped").plant(replace(trial, candidate=other), 0.1).candidate
    task = trial.candidate.task(None)
    names = {check.measure.split()[1] for check in CHECKS.values() if check.measure.startswith("over ")}
    task = replace(task, references=dict.fromkeys(names, task.references["last_vector"]))
    return replace(trial, baseline=cut, candidate=replace(trial.candidate, index=index, tasks={task.name: task}))


def here(check: Check) -> Check:
    """The policy's row with its own limit, on the made trial's task and its one slice; states of a cache it has."""
    kept = check.slice == "all" or check.slice.startswith("cache=")
    return replace(check, task=None, slice=check.slice if kept else "hard")


def seen(check: Check, fair: Trial) -> tuple[Finding, Finding]:
    """What the gate says of the sound trial, and of the same with the owner's last grade planted."""
    return both(check, sparing(fair) if check.measure == "rerank share" else fair, owner_of(check))


def sparing(trial: Trial) -> Trial:
    """The same with a spend rule that reranks 15 % in full, in the middle of the windows that policies state."""
    rule = trial.candidate.studies["routed"]
    places = np.arange(len(rule.decisions))
    return trial.with_study("routed", replace(rule, decisions=np.where(places % 20 < 3, 2, 0)))


def test_policies_are_shipped():
    """The parametrised tests below have something to run on."""
    assert len(MANIFESTS) >= 5 and len(CHECKS) >= 30


@pytest.mark.parametrize("name", CHECKS)
def test_every_gate_of_every_policy_passes_what_is_sound_and_catches_its_defect(name, fair):
    """By the policy's own limit: PASS on the sound trial, and a catch, not merely a refusal, on the planted one."""
    check = here(CHECKS[name])
    before, after = seen(check, fair)
    assert before.verdict is Verdict.PASS, before.reason
    assert caught(owner_of(check), after, sound=before), (after.verdict, after.reason)


@pytest.mark.parametrize("measure", [name for name in EXAMPLES if family_of(name) != PROPERTIES])
def test_every_measure_that_is_offered_has_a_defect(measure):
    """A name in the documentation is a name that something is planted for."""
    assert owners(measure) and owner(measure) is owners(measure)[0]


def test_a_gate_that_cannot_fail_would_be_seen(fair):
    """A row that everything passes: its defect is not caught, so the rule above has teeth."""
    blind = Check("blind", "R@5", None, "all", Limit("at_least", 0.0, "value"))
    before, after = seen(blind, fair)
    assert not caught(owner("R@5"), after, sound=before)


def test_a_gate_that_cannot_pass_would_be_seen(fair):
    """A row that nothing passes refuses its defect too, and that is no catch."""
    wall = Check("wall", "R@5", None, "all", Limit("at_least", 1.1, "value"))
    before, after = seen(wall, fair)
    assert after.verdict is Verdict.REFUSE and not caught(owner("R@5"), after, sound=before)


def test_a_measure_without_a_defect_would_be_seen():
    """Nothing is planted for a name that nobody thought of."""
    assert owners("depth of thought") == ()
    with pytest.raises(InputError, match="no planted defect"):
        owner("depth of thought")
