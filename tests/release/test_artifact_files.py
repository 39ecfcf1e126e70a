"""The files that others read: each by its own reader, missing ones missed, and their digests in the contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.answered import answers_table
from fixtures.contract import covered_of, harvested_of
from fixtures.governed import TOOLS, messages_of
from fixtures.logs import sound_log, sound_policies
from fixtures.routed import fitted_router
from fixtures.stressed import stressed_of
from fixtures.surrogate import surrogate_of
from harness.data.store import sha256_file
from harness.errors import EvidenceError
from harness.release.artifact_files import FILES, read_artifacts, wanted_files
from harness.release.contract import ReleaseContract
from harness.release.manifest import Loaded, parse_manifest
from harness.release.measures import EXAMPLES, family_of
from harness.release.studied.answers_file import write_answers
from harness.release.studied.answers_table import rows_of
from harness.release.studied.audit_file import write_audit
from harness.release.studied.audited import audit
from harness.release.studied.covered import write_report
from harness.release.studied.harvested import write_config
from harness.release.studied.policy_file import write_values
from harness.release.studied.policy_values import policy_values
from harness.release.studied.stress_file import write_stress
from harness.release.tool_traces import write_trace
from harness.report.contract import contract_markdown

LIVE = """
release: t1
seed: 1
data: {{corpus: pydocs}}
parts: {{reranker: {{}}, router: {{costs_ms: {{signals: 0.03, rerank: 0.5}}}}}}
policy: [{{measure: {measure}, at_least: 0}}]
"""
RECORDED = b"""
release: mine
seed: 1
data: {qrels: {trec: q}}
recorded: {candidate: {run: {trec: a}}}
policy: [{measure: RR, at_least: 0}]
"""


def manifest(measure: str) -> Loaded:
    """A live manifest that asks for one measure."""
    raw = LIVE.format(measure=measure).encode()
    return Loaded(parse_manifest(raw, where="m"), raw, Path("t1.yaml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Every one of the files, as its own part or study writes it."""
    made = tmp_path_factory.mktemp("t1")
    fitted_router().save(made / "router")
    write_config(harvested_of().harvest, made)
    write_report(covered_of(), made)
    log = sound_log()
    write_audit(made / "counterfactual_audit_fixed.csv", audit(log, rng=np.random.default_rng(1)))
    write_values(made / "policy_values.csv", policy_values(sound_policies(), slices=("all", "hard")))
    surrogate_of().surrogate.save(made)
    write_stress(made, stressed_of(queries=60))
    write_answers(made, rows_of(answers_table(59)))
    write_trace(made / "tool_trace.jsonl", [one["function"] for one in TOOLS], messages_of(("look", "{}")))
    return made


def test_every_file_is_read_and_named_by_its_digest(folder):
    """All of them, in a fixed order, by the sha256 of their bytes; page and twin carry them."""
    found = read_artifacts(manifest("RR"), folder)
    assert found == {name: sha256_file(folder / name) for name in FILES}
    contract = ReleaseContract("t1", (), artifacts=found)
    assert ReleaseContract.read(contract.raw) == contract
    assert all(digest in contract_markdown(contract) for digest in found.values())


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_edited_is_not_believed(folder, tmp_path, name):
    """Cut in half, emptied, or with a verdict or digits changed: one line, exit code 12."""
    target = tmp_path / name
    target.parent.mkdir(exist_ok=True)
    raw = (folder / name).read_bytes()
    other = raw.replace(b"REFUSE", b"PASS") if b"REFUSE" in raw else raw.replace(b"1", b"7")
    for spoilt in (raw[: len(raw) // 2], b"", other):
        target.write_bytes(spoilt)
        with pytest.raises(EvidenceError) as told:
            read_artifacts(manifest("RR"), tmp_path)
        assert "\n" not in str(told.value) and "cannot be believed" in str(told.value)


@pytest.mark.parametrize("name", FILES)
def test_a_file_whose_numbers_the_policy_measures_must_be_there(tmp_path, name):
    """Missing it is no release that has none to show: the policy asks for what it holds."""
    measure = next(one for one in EXAMPLES if family_of(one) == FILES[name])
    loaded = manifest(measure)
    assert name in wanted_files(loaded)
    with pytest.raises(EvidenceError, match="no such artifact"):
        read_artifacts(loaded, tmp_path)


def test_a_policy_that_asks_for_none_needs_none(tmp_path):
    """Other live releases and recorded files promise none of them."""
    assert read_artifacts(manifest("RR"), tmp_path) == {}
    recorded = Loaded(parse_manifest(RECORDED, where="m"), RECORDED, tmp_path / "mine.yaml")
    assert wanted_files(recorded) == () and read_artifacts(recorded, tmp_path) == {}
