"""The embedded release end to end, once: what ships passes as its policy says, and two examples are held for cause."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.cli.app import main
from harness.release.evidence import Evidence, read_evidence
from harness.release.manifest import load_manifest
from tests.house.source import TOP

pytestmark = pytest.mark.slow


class Gated(NamedTuple):
    """A manifest's gates, run: their exit code and their evidence."""

    code: int
    evidence: Evidence

    def verdicts(self) -> dict[str, str]:
        return {row["gate"]: row["verdict"] for row in self.evidence.findings}


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Path:
    """The shipped manifests and pins in a folder of their own, with a cold cache that all tests here share."""
    folder = tmp_path_factory.mktemp("embedded")
    shutil.copytree(TOP / "regressions", folder / "regressions", ignore=shutil.ignore_patterns(".examples"))
    shutil.copytree(TOP / "manifests", folder / "manifests", ignore=shutil.ignore_patterns("signed"))
    return folder


@pytest.fixture(autouse=True)
def _inside(checkout, monkeypatch):
    monkeypatch.chdir(checkout)


def gated(folder: Path, manifest: str, *words: str) -> Gated:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("SIGNOFF_KEY", "RERANKER", "RETRIEVER_IMPL"):
            patch.delenv(name, raising=False)
        code = main(["gates", manifest, *words])
        file = Path("reports") / Path(manifest).stem / "evidence.jsonl"
        return Gated(code, read_evidence(file.read_bytes(), where=file))


@pytest.fixture(scope="session")
def v0(checkout) -> Gated:
    return gated(checkout, "manifests/retriever-v0.yaml", "--sign")


@pytest.fixture(scope="session")
def hybrid(v0, checkout) -> Gated:
    return gated(checkout, "manifests/examples/hybrid-weak-leg.yaml")


@pytest.fixture(scope="session")
def vectors_only(v0, checkout) -> Gated:
    return gated(checkout, "manifests/examples/vectors-only.yaml")


def test_the_release_that_ships_passes_every_row_of_its_policy(v0):
    """One finding a check, in the policy's order; all that is required passes, and only the excused may be in doubt."""
    checks = load_manifest("manifests/retriever-v0.yaml").manifest.checks
    verdicts = v0.verdicts()
    assert v0.code == 0, {name: verdict for name, verdict in verdicts.items() if verdict != "PASS"}
    assert list(verdicts) == [check.id for check in checks]
    assert {verdicts[check.id] for check in checks if check.required} == {"PASS"}
    assert {verdicts[check.id] for check in checks if not check.required} <= {"PASS", "INCONCLUSIVE"}


def test_every_gate_of_it_was_seen_to_refuse(v0):
    """No finding without its planted defect beside it."""
    assert all(row["control"] for row in v0.evidence.findings)


def test_what_was_signed_verifies_and_a_changed_byte_is_named(v0, checkout, capsys):
    """As it stands: 0. One byte of the index other: 12, by name; put back: 0."""
    assert main(["verify", "manifests/retriever-v0.yaml"]) == 0
    index = checkout / "artifacts" / "retriever-v0" / "index" / "index.faiss"
    raw = index.read_bytes()
    index.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    capsys.readouterr()
    assert main(["verify", "manifests/retriever-v0.yaml"]) == 12
    assert "index/index.faiss" in capsys.readouterr().err
    index.write_bytes(raw)
    assert main(["verify", "manifests/retriever-v0.yaml"]) == 0


def test_a_weak_leg_is_held_where_people_look(hybrid):
    """It finds no less in a hundred, and ranks worse in ten: refused, by the row that says so."""
    verdicts = hybrid.verdicts()
    assert hybrid.code == 10
    assert verdicts["see_also-all-delta R@100-lcb"] == "PASS"
    assert verdicts["see_also-all-delta nDCG@10-lcb"] == "REFUSE"


def test_a_reranker_of_vectors_only_is_held(vectors_only):
    """It reorders what the vectors had right: its lift is shown to be a loss."""
    assert vectors_only.code == 10
    assert vectors_only.verdicts()["see_also-all-lift nDCG@10-lcb"] == "REFUSE"


def test_switched_off_by_the_environment_it_cannot_be_signed(v0, checkout, capfd, monkeypatch):
    """RERANKER=off: a policy that asks for the reranker is not met, and the signed release stays as it was."""
    bundle = checkout / "manifests" / "signed" / "retriever-v0.intoto.jsonl"
    before = bundle.read_bytes()
    monkeypatch.setenv("RERANKER", "off")
    code = main(["gates", "manifests/retriever-v0.yaml", "--sign", "--json"])
    out, err = capfd.readouterr()
    assert (code, out) == (2, "") and "no ranking before the reranker" in err
    assert main(["sign", "manifests/retriever-v0.yaml"]) == 12
    monkeypatch.delenv("RERANKER")
    assert bundle.read_bytes() == before and main(["verify", "manifests/retriever-v0.yaml"]) == 0


def test_its_numbers_are_those_that_eval_reports(v0, capsys):
    """The gate's value and the verb's are one number, to the digits that evidence is written with."""
    rows = {row["gate"]: row["estimate"]["value"] for row in v0.evidence.findings}
    assert "SIGNOFF_KEY" not in os.environ
    assert main(["eval", "manifests/retriever-v0.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["measures"]
    assert rows["see_also-all-R@5-value"] == pytest.approx(told["R@5"], abs=1e-5)
    assert rows["see_also-all-Success@50-value"] == pytest.approx(told["Success@50"], abs=1e-5)
