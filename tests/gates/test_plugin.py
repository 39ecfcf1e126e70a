"""What a gate run leaves behind: a finding a check, a closing line that hides nothing, or no evidence at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import EvidenceError
from harness.release.evidence import finding_of
from harness.release.judge import Verdict, decide, judge
from tests.gates.recorded import DOUBTFUL, EXCUSED, INI, OWN, OWN_GATE, PASSING, REFUSED, Bench

pytest_plugins = ["pytester"]
SOUND = OWN_GATE.format(value=1.0)


def test_each_check_leaves_one_finding(bench):
    """Sound files: every item passes, one finding a check, counts that add up, records kept beside."""
    result = bench.run(PASSING, {"measure": "delta RR", "at_least": 0.0}, {"measure": "unanswered", "at_most": 0})
    assert result.ret == 0
    rows = bench.evidence.findings
    assert [row["gate"] for row in rows] == ["all-RR-value", "all-delta RR-value", "all-unanswered-value"]
    assert all(row["verdict"] == "PASS" and row["control"]["defect"] for row in rows)
    assert rows[0]["test"].endswith("test_quality.py::test_bound[all-RR-value]")
    closing = bench.evidence.closing
    assert (closing["collected"], closing["ran"], closing["passed"], closing["exit_status"]) == (3, 3, 3, 0)
    assert bench.unclean() == {}
    assert sorted(path.name for path in bench.file.parent.iterdir()) == [
        "changes.json", "evidence.jsonl", "per_query.parquet"]


def test_the_header_names_every_byte_that_was_judged(bench):
    """Manifest, configuration and each recorded file by digest, the baseline, the seed, the run's own id."""
    bench.run(PASSING)
    header = bench.evidence.header
    assert set(header["artifacts"]) == {"qrels.txt", "new.run", "old.run"}
    assert (header["release"], Path(header["manifest"]).name, header["seed"]) == ("mine", "mine.yaml", 1)
    assert header["baseline"]["release"] == "baseline" and len(header["run_id"]) == 36
    assert all(len(header[key]) == 64 for key in ("manifest_sha256", "config_hash", "run_manifest_sha256"))


@pytest.mark.parametrize(("row", "word", "verdict"), [(REFUSED, "REFUSE", Verdict.REFUSE),
                                                      (DOUBTFUL, "INCONCLUSIVE", Verdict.INCONCLUSIVE)])
def test_a_gate_that_does_not_pass_fails_with_its_verdict_first(bench, row, word, verdict):
    """The item fails, its message starts with the word, and the finding is in the evidence all the same."""
    result = bench.run(PASSING, row)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{word} all-*"])
    assert decide(finding_of(one) for one in bench.evidence.findings) is verdict
    assert bench.unclean() == {"failed": 1}


def test_doubt_that_is_excused_fails_no_item_and_is_shown(bench):
    """`required: false`: the item passes, the finding still says INCONCLUSIVE and why."""
    assert bench.run(PASSING, EXCUSED).ret == 0
    row = bench.evidence.findings[1]
    assert (row["verdict"], row["required"], row["why"]) == ("INCONCLUSIVE", False, EXCUSED["why"])


def test_numbers_are_written_as_they_were_judged(bench):
    """Each verdict follows again from its own row."""
    bench.run(PASSING, REFUSED, DOUBTFUL)
    for row in bench.evidence.findings:
        one = finding_of(row)
        assert judge(one.check, one.reading, limit=one.limit).verdict is one.verdict


def test_a_gate_judges_the_digits_that_it_writes(bench):
    """A number a hair under its limit is written as the limit: the verdict is that of the written number."""
    assert bench.run(OWN, own=OWN_GATE.format(value=0.99 - 1e-9)).ret == 0
    (row,) = bench.evidence.findings
    assert (row["estimate"]["value"], row["verdict"]) == (0.99, "PASS")


def test_the_values_behind_a_finding_are_kept(bench):
    """One value a query and measure beside the evidence; their mean is the number that was judged."""
    import pandas as pd

    bench.run(PASSING, {"measure": "delta RR", "at_least": 0.0})
    frame = pd.read_parquet(bench.file.with_name("per_query.parquet"))
    assert list(frame.columns) == ["query_id", "cluster", "task", "measure", "value"]
    means = frame.groupby("measure")["value"].mean()
    for row in bench.evidence.findings:
        assert means[row["measure"]] == pytest.approx(row["estimate"]["value"], abs=1e-6)
    assert frame.groupby("measure")["query_id"].nunique().tolist() == [12, 12]


def test_recorded_files_have_an_identity_too(bench):
    """Digests, run manifest, and the same rankings read again by another process with another hash seed."""
    names = ("run manifest gaps", "digest mismatches", "replay differences")
    assert bench.run(*({"measure": name, "at_most": 0} for name in names)).ret == 0
    rows = bench.evidence.findings
    assert [(row["verdict"], row["estimate"]["value"]) for row in rows] == [("PASS", 0.0)] * 3
    assert [row["estimate"]["n"] for row in rows[1:]] == [3, 2]


# what keeps a gate from running is counted


SPOILER = """
import pytest

def pytest_collection_modifyitems(items):
    next(item for item in items if "test_bound" in item.name).add_marker(pytest.mark.{mark})
"""


def test_a_gate_that_is_skipped_is_counted(bench):
    """A skip mark from anywhere: no finding, and the closing line says skipped."""
    bench.run(PASSING, DOUBTFUL, plugin=SPOILER.format(mark="skip"))
    assert bench.unclean() == {"skipped": 1, "failed": 1}
    assert [row["gate"] for row in bench.evidence.findings] == ["all-R@1-lcb"]


@pytest.mark.parametrize("words", [("-k", "RR"), ("--deselect", "gates/test_quality.py::test_bound[all-R@1-lcb]")])
def test_a_gate_that_is_deselected_is_counted(bench, words):
    """-k, --deselect: what was left out is counted, so nothing can be signed."""
    if words[0] == "--deselect":  # node ids are relative to the root, which is the user's folder
        words = ("--deselect", _node_id(bench))
    bench.run(PASSING, DOUBTFUL, words=words)
    assert bench.unclean() == {"deselected": 1}
    assert len(bench.evidence.findings) == 1


def _node_id(bench: Bench) -> str:
    bench.run(PASSING, DOUBTFUL)
    return bench.evidence.findings[1]["test"]


@pytest.mark.parametrize(("row", "mark"), [(REFUSED, "xfail"), (REFUSED, "xfail(strict=False)"),
                                           (PASSING, "xfail(strict=False)"), (REFUSED, "xfail(run=False)")])
def test_a_gate_that_is_expected_to_fail_is_counted(bench, row, mark):
    """An xfail mark turns a refusal green; the closing line says so, whichever way it came out."""
    result = bench.run(row, DOUBTFUL, plugin=SPOILER.format(mark=mark))
    assert result.parseoutcomes().get("xfailed", 0) + result.parseoutcomes().get("xpassed", 0) == 1
    assert bench.unclean()["xfailed"] == 1


@pytest.mark.parametrize("words", [("--maxfail=1",), ("-x",), ("--exitfirst",)])
def test_a_run_that_stops_early_lacks_findings(bench, words):
    """Stopped at the first failure: what was collected did not all run."""
    bench.run(REFUSED, DOUBTFUL, words=words)
    closing = bench.evidence.closing
    assert closing["collected"] == 2 and closing["ran"] == 1


def test_a_crash_in_a_gate_leaves_no_finding_of_it(bench):
    """A gate that raises fails its item and writes nothing."""
    bench.run(PASSING, OWN, own="def test_links(gate):\n    raise RuntimeError('dead')\n")
    assert [row["gate"] for row in bench.evidence.findings] == ["all-RR-value"]
    assert bench.unclean() == {"failed": 1}


@pytest.mark.parametrize(("own", "expected"), [
    ("import nowhere_to_be_found\n", "errors"),
    ("import pytest\n\n@pytest.fixture\ndef f():\n    raise OSError\n\ndef test_x(f, gate):\n    pass\n", "errors"),
    ("import pytest\n\ndef test_x(gate):\n    pytest.skip('not today')\n", "skipped"),
    ("import pytest\n\ndef test_x(gate):\n    pytest.xfail('not yet')\n", "xfailed"),
    ("import pytest\n\n@pytest.mark.skipif(True, reason='x')\ndef test_x(gate):\n    pass\n", "skipped"),
    ("import pytest\n\npytest.skip('all of it', allow_module_level=True)\n", "skipped"),
])  # fmt: skip
def test_a_gate_file_that_does_not_run_is_counted(bench, own, expected):
    """An import error, a broken fixture, a skip inside or of a whole file: counted, never silent."""
    bench.run(PASSING, OWN, own=own, words=("--continue-on-collection-errors",))
    assert bench.unclean() == {expected: 1}


def test_a_collection_error_leaves_no_evidence(bench):
    """Pytest gives up before any gate has run: nothing was found, nothing is left."""
    assert bench.run(PASSING, OWN, own="import nowhere_to_be_found\n").ret == 2
    assert not bench.file.exists()


@pytest.mark.parametrize("words", [("--collect-only",), ("--setup-only",), ("-k", "no such gate")])
def test_gates_that_were_collected_and_not_run_leave_no_evidence(bench, words):
    """Without a finding there is no file that could be taken for a run."""
    bench.run(PASSING, DOUBTFUL, words=words)
    assert not bench.file.exists()


def test_a_gate_file_left_out_is_missed_by_name(bench):
    """`--ignore` leaves nothing to count; the policy's own list shows what was not asked."""
    ours = INI.parent / "test_quality.py"
    bench.run(PASSING, OWN, own=SOUND, words=("--ignore", str(ours)))
    assert [row["gate"] for row in bench.evidence.findings] == ["no_dead_links"]


@pytest.mark.slow
def test_evidence_is_not_closed_without_its_counter(bench):
    """`-p no:signoff-outcomes` takes away what counts: the file has no closing line."""
    bench.run(PASSING, words=("-p", "no:signoff-outcomes"), apart=True)  # a file left open warns where it is open
    with pytest.raises(EvidenceError, match="did not finish"):
        bench.evidence  # noqa: B018  reading it is what raises


def test_a_trial_that_crashes_leaves_no_evidence(bench):
    """A fault of the program, not of the input: every gate is an error, and nothing was found."""
    plugin = "import gates.session\n\ndef observe(*words, **options):\n    raise RuntimeError('a bug')\n\n"
    plugin += "def pytest_configure():\n    gates.session.observe = observe\n\n"
    plugin += "def pytest_unconfigure():\n    from harness.release.observing import observe\n"
    result = bench.run(PASSING, DOUBTFUL, plugin=plugin + "    gates.session.observe = observe\n")
    assert result.parseoutcomes() == {"errors": 2} and not bench.file.exists()


def test_workers_are_refused(bench):
    """With xdist's option the outcomes would be counted in another process: the run does not start."""
    plugin = "def pytest_addoption(parser):\n    parser.addoption('--numprocesses', default=None)\n"
    result = bench.run(PASSING, plugin=plugin, words=("-p", "no:xdist", "--numprocesses", "2"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR and not bench.file.exists()
    result.stderr.fnmatch_lines(["*gates run in one process*"])


def test_without_the_plugin_there_is_no_evidence(bench, pytester):
    """`-p no:signoff` takes the option away with the plugin; and gates without a manifest say what they need."""
    assert bench.run(PASSING, words=("-p", "no:signoff")).ret == pytest.ExitCode.USAGE_ERROR
    assert not bench.file.exists()
    result = pytester.runpytest_inprocess("--pyargs", "gates", "-c", str(INI), "--rootdir", str(pytester.path))
    assert result.ret != 0
    assert "gates need a manifest" in result.stdout.str() + result.stderr.str()


def test_an_older_runs_evidence_does_not_speak_for_this_one(bench):
    """The file goes when a run begins, whatever becomes of the run."""
    bench.run(PASSING)
    assert bench.file.exists()
    bench.run({"measure": "lift RR", "at_least": 0.0})
    assert not bench.file.exists()
    bench.run(PASSING)
    bench.run({"measure": "RR", "atleast": 0.0})
    assert not bench.file.exists()


# input errors end the run


@pytest.mark.parametrize(("policy", "words"), [
    ({"measure": "lift RR", "at_least": 0.0}, "no ranking before the reranker"),
    ({"measure": "p95 total_ms", "at_most": 9}, "no latencies were recorded"),
    ({"measure": "agreement@10", "at_least": 0.9}, "no index was observed"),
    ({"measure": "RR", "at_least": 0.1, "slices": ["hard"]}, "no such slice"),
    ({"measure": "RR", "at_least": 0.1, "task": "see_also"}, "no such task"),
])  # fmt: skip
def test_input_that_a_gate_lacks_ends_the_run_with_its_one_line(bench, policy, words):
    """Exit code 2, one line in error.json, no evidence: never a failed test that could be waved through."""
    assert bench.run(policy).ret == 2
    told = json.loads((bench.file.parent / "error.json").read_text(encoding="utf-8"))
    assert told["code"] == 2 and words in told["line"] and "\n" not in told["line"]
    assert not bench.file.exists()


@pytest.mark.parametrize("row", [{"measure": "nDGC@10", "at_least": 0.1}, {"measure": "RR", "atleast": 0.1},
                                 {"measure": "RR", "by": "lcb", "at_most": 0.1}])
def test_a_manifest_that_cannot_be_read_stops_pytest_before_it_collects(bench, row):
    """A usage error with the manifest's own one line."""
    result = bench.run(row)
    assert result.ret == pytest.ExitCode.USAGE_ERROR and not bench.file.exists()
    assert "nearest" in result.stderr.str() or "proves nothing" in result.stderr.str()


# gates of the user's own


def test_a_gate_of_the_users_own_is_judged_like_ours(bench):
    """A row names it, a test states its numbers: one finding with its limit and its planted defect."""
    assert bench.run(PASSING, OWN, own=SOUND).ret == 0
    row = next(row for row in bench.evidence.findings if row["gate"] == "no_dead_links")
    assert (row["verdict"], row["own_gate"], row["control"]["defect"]) == ("PASS", "no_dead_links", "half_of_them_dead")
    assert row["limit"] == {"direction": "at_least", "bound": 0.99, "by": "value"}


def test_a_gate_of_the_users_own_refuses(bench):
    """Numbers below its own limit fail the item with the verdict first."""
    result = bench.run(PASSING, OWN, own=OWN_GATE.format(value=0.9))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*REFUSE no_dead_links: value 0.9 < 0.99*"])


def test_an_own_gate_without_a_test_leaves_no_finding(bench):
    """The row alone shows nothing: whoever reads the evidence finds the gate missing."""
    bench.run(PASSING, OWN)
    assert {row["gate"] for row in bench.evidence.findings} == {"all-RR-value"}


@pytest.mark.parametrize(("call", "words"), [
    ('gate.own("other", E, defect="d", broken=E, at_least=0.5)', "no such gate in the policy"),
    ('gate.own("no_dead_links", E, defect="d", broken=E)', "not a limit"),
    ('gate.own("no_dead_links", E, defect="d", broken=E, at_least=0.5, at_most=0.6)', "not a limit"),
    ('gate.own("no_dead_links", E, defect="d", broken=E, at_least=0.5, by="mean")', "not a limit"),
    ('gate.own("no_dead_links", E, defect="d", broken=E, at_most=0.5, by="lcb")', "not a limit"),
    ('gate.own("no_dead_links", E, defect="d", broken=E, at_least=float("nan"))', "not a limit"),
])  # fmt: skip
def test_an_own_gate_that_states_no_limit_is_told(bench, call, words):
    """A name that the policy lacks, no limit, two, an end that proves nothing: the item fails and finds nothing."""
    own = "from harness.estimate import Estimate\nE = Estimate(1.0, 1.0, 1.0, 9, 0.9, 't')\n\n"
    own += f"def test_x(gate):\n    {call}\n"
    result = bench.run(PASSING, OWN, own=own)
    assert result.ret == 1 and words in result.stdout.str()
    assert {row["gate"] for row in bench.evidence.findings} == {"all-RR-value"}


def test_an_own_gate_that_its_defect_passes_is_in_doubt(bench):
    """The same proof is asked of a user's gate as of ours."""
    own = SOUND.replace("0.5, 0.5, 0.5", "1.0, 1.0, 1.0")
    result = bench.run(PASSING, OWN, own=own)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*INCONCLUSIVE no_dead_links*half_of_them_dead was not refused*"])


def test_a_gate_judged_twice_leaves_two_findings(bench):
    """Nothing is overwritten: a second finding of one id is there for the verifier to refuse."""
    own = SOUND + SOUND.replace("def test_links", "def test_again").replace("from harness", "\nfrom harness")
    bench.run(PASSING, OWN, own=own)
    assert [row["gate"] for row in bench.evidence.findings].count("no_dead_links") == 2
