"""What the verbs say in sentences fits eighty columns; paths and commands stand whole, to be copied."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from harness.cli.common import prose
from harness.release.approvals import approvals_path
from harness.release.manifest import load_manifest
from tests.release.checkout import M, made_in, run
from tests.release.listed import SIGN, all_approved, listed_in


def sticking_out(text: str) -> list[str]:
    """Lines over eighty columns that could have been broken: all but a path after its label, and commands."""
    return [line for line in text.splitlines()
            if len(line) > 80 and len(line.split()) > 2 and not line.strip().startswith("signoff ")]


def test_a_new_project_is_set_up_within_eighty_columns(tmp_path, monkeypatch, capsys):
    """`init` and `keygen`, also in a folder whose path alone is wider; the command to copy is not broken."""
    monkeypatch.chdir(tmp_path)
    folder = "a-folder-of-a-name-that-is-long/and-another-one-below-it/and-one-more-for-good-measure"
    code, out, _ = run(capsys, "init", folder, "--release", "a-release-of-some-length")
    assert (code, sticking_out(out)) == (0, [])
    assert "  signoff gates manifests/a-release-of-some-length.yaml" in out.splitlines()
    assert f"wrote {folder}/tox.ini" in out.splitlines()
    code, out, _ = run(capsys, "keygen", f"{folder}/release.pem")
    assert (code, sticking_out(out)) == (0, [])
    assert f"{folder}/release.pem" in out and "mode 0600: keep it out of" in " ".join(out.split())


def test_a_contract_is_told_within_eighty_columns(tmp_path, monkeypatch, capsys):
    """Held and refused, signed by the development key and verified."""
    project = made_in(tmp_path, monkeypatch)
    outputs = [run(capsys, "contract", M)[1]]
    assert run(capsys, "sign", M)[0] == 0
    outputs += [run(capsys, "verify", M)[1], run(capsys, "contract", M, "--runbooks", "a/folder/for/the/runbooks")[1]]
    assert project.is_dir() and list(map(sticking_out, outputs)) == [[], [], []]
    assert "INTEGRITY ONLY" in outputs[1]


def test_approvals_are_told_within_eighty_columns(tmp_path, monkeypatch, capsys):
    """A verified release with its approvals and their keys."""
    listed_in(tmp_path, monkeypatch, capsys)
    all_approved(capsys)
    assert approvals_path(load_manifest(Path(M))).is_file() and run(capsys, *SIGN)[0] == 0
    code, out, _ = run(capsys, "verify", M)
    assert (code, sticking_out(out)) == (0, []) and "approved capacity: anna" in out


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_sentence_wraps_at_its_words_and_keeps_a_path_whole(width, capsys):
    """Later lines stand further in; nothing is lost, and brackets are no mark-up."""
    path = "a/" * 70 + "file.json"
    prose(Console(width=width, highlight=False), f"  note: [red] was written to {path} and read back again, twice over")
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(" ".join(lines).split()) == f"note: [red] was written to {path} and read back again, twice over"
    assert all(len(line) <= width for line in lines if path not in line)
    assert lines[0].startswith("  note") and all(line.startswith("    ") for line in lines[1:]) and len(lines) > 1
