"""What the plugin says of itself, in which order it runs gates, and the one line for a run that cannot be one."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from gates import plugin
from tests.gates.recorded import EXCUSED, INI, OWN, OWN_GATE, PASSING, REFUSED, checkout

pytest_plugins = ["pytester"]
SOUND = OWN_GATE.format(value=1.0)
NEEDS = "gates need a manifest: pytest --manifest manifests/NAME.yaml"


def test_help_names_the_two_options(pytester):
    """Group, names, placeholders and what each is for."""
    told = " ".join(pytester.runpytest_inprocess("--help").stdout.str().split())
    assert ("release gates: --manifest=FILE the release manifest to hold the gates against "
            "--evidence=FILE where findings go (default: reports/RELEASE/evidence.jsonl)") in told


def test_the_marker_of_gate_files_is_registered(pytester):
    """`pytest --markers` tells what `measures` means."""
    told = pytester.runpytest_inprocess("--markers").stdout.str()
    assert "@pytest.mark.measures(family): the gate file that judges measures of this family\n" in told


@pytest.mark.parametrize("fixture", ["gate", "trial"])
def test_a_fixture_without_a_manifest_says_what_it_needs(pytester, fixture):
    """A test of the user's that asks for a gate or a trial in a plain run ends with the one line."""
    pytester.makepyfile(f"def test_x({fixture}):\n    pass\n")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    assert f"UsageError: {NEEDS}\n" in result.stdout.str() + "\n"


def test_gates_without_a_manifest_say_what_they_need(pytester):
    """The gate files themselves, run bare, name the whole command."""
    result = pytester.runpytest_inprocess("--pyargs", "gates", "-c", str(INI), "--rootdir", str(pytester.path))
    told = result.stdout.str() + result.stderr.str()
    assert "gates need a manifest: pytest --pyargs gates --manifest manifests/NAME.yaml\n" in told


def test_a_users_test_with_a_check_of_its_own_is_left_alone(pytester):
    """A parameter named `check` in a project without manifest or marker is none of our business."""
    pytester.makepyfile("import pytest\n\n@pytest.mark.parametrize('check', [1, 2])\ndef test_x(check):\n    pass\n")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


class Lines(list):
    """A configuration as pytest hands it to a plugin, of which only what is asked is there."""

    def addinivalue_line(self, *words: str) -> None:
        self.append(words)


@pytest.mark.parametrize(("options", "worker"), [({"--manifest": "m", "numprocesses": 2}, False),
                                                 ({"--manifest": "m"}, True)])
def test_workers_are_refused_in_full(options, worker):
    """Started with -n, or being a worker oneself: the line says why, and what to drop."""
    config = Lines()
    config.getoption = lambda name, default=None: options.get(name, default)
    if worker:
        config.workerinput = {}
    with pytest.raises(pytest.UsageError) as error:
        plugin.pytest_configure(config)
    assert str(error.value) == "gates run in one process: xdist workers would hide their outcomes; drop -n"


def test_gates_run_in_the_policys_order(bench):
    """Whatever file judges them, and gates of the user's own after them."""
    gaps = {"measure": "run manifest gaps", "at_most": 0}
    bench.run(OWN, EXCUSED, gaps, PASSING, own=SOUND)
    assert [row["gate"] for row in bench.evidence.findings] == [
        "all-R@1-lcb", "all-run manifest gaps-value", "all-RR-value", "no_dead_links"]


def test_without_a_place_for_it_evidence_goes_to_the_reports(pytester):
    """No --evidence: the file lies under reports, by the release's name, where the run was started."""
    manifest = checkout(pytester.path, PASSING)
    assert pytester.runpytest_inprocess("--pyargs", "gates", "--manifest", str(manifest), "-c", str(INI), "--rootdir",
                                        str(pytester.path), "-p", "no:cacheprovider").ret == 0
    assert (pytester.path / "reports" / "mine" / "evidence.jsonl").exists()


def test_what_counts_outcomes_has_its_name(bench):
    """It is registered as signoff-outcomes, so that whoever takes it away by that name leaves no closing line."""
    own = SOUND.replace("def test_links(gate):", "def test_links(gate, request):\n"
                        "    assert request.config.pluginmanager.hasplugin('signoff-outcomes')")
    assert bench.run(OWN, own=own).ret == 0


def test_each_item_is_told_as_it_starts(bench, monkeypatch):
    """Progress names the running item, for whoever waits; and the line is ended."""
    told: list[str] = []
    monkeypatch.setattr("gates.session._teller", lambda: told.append)
    bench.run(PASSING, REFUSED)
    assert [line for line in told if line[:5] == "test_"] == ["test_bound[all-RR-value]", "test_bound[all-P@1-value]"]
    assert told[-1] == ""


@pytest.mark.parametrize(("words", "expected"), [
    ({"when": "setup", "failed": True}, {"errors": 1}), ({"when": "teardown", "failed": True}, {"errors": 1}),
    ({"when": "call", "outcome": "passed"}, {"passed": 1}), ({"when": "call", "outcome": "failed"}, {"failed": 1}),
    ({"when": "setup", "skipped": True}, {"skipped": 1}), ({"when": "call", "skipped": True, "outcome": "skipped"},
                                                           {"skipped": 1}),
    ({"when": "setup", "outcome": "passed"}, {}), ({"when": "teardown", "outcome": "passed"}, {}),
    ({"when": "call", "wasxfail": "", "outcome": "passed"}, {"xfailed": 1}),
    ({"when": "setup", "wasxfail": "", "skipped": True}, {"xfailed": 1}),
    ({"when": "teardown", "wasxfail": "", "outcome": "passed"}, {}),
])
def test_every_outcome_is_counted_under_its_own_name(words, expected):
    """Each phase of each outcome adds one, and what is no outcome nothing."""
    session = SimpleNamespace(counts=Counter(["errors", "passed", "failed", "skipped", "xfailed"]))
    before = Counter(session.counts)
    report = SimpleNamespace(**({"failed": False, "skipped": False, "outcome": ""} | words))
    plugin._Outcomes(session).pytest_runtest_logreport(report)
    assert session.counts == before + Counter(expected)


def test_what_was_collected_deselected_or_broken_is_counted():
    """Items that no check was given to are no gates: neither collected nor left out."""
    class NotSetType:
        pass

    def item(**params):
        return SimpleNamespace(callspec=SimpleNamespace(params=params))

    asked, empty, plain = item(check=SimpleNamespace(id="b")), item(check=NotSetType()), SimpleNamespace()
    first, other = item(check=SimpleNamespace(id="a")), item(number=1)
    session = SimpleNamespace(counts=Counter(deselected=1, errors=1, skipped=1),
                              checks=[SimpleNamespace(id="a"), SimpleNamespace(id="b")])
    outcomes, items = plugin._Outcomes(session), [empty, plain, asked, other, first]
    outcomes.pytest_collection_modifyitems(items)
    assert items == [first, asked, plain, other]
    outcomes.pytest_deselected([asked, empty, plain])
    outcomes.pytest_collection_finish(SimpleNamespace(items=items))
    for failed, skipped in ((True, False), (False, True), (False, False)):
        outcomes.pytest_collectreport(SimpleNamespace(failed=failed, skipped=skipped))
    assert session.counts == {"collected": 4, "deselected": 3, "errors": 2, "skipped": 2}
