"""`signoff export`: prints or writes, says what is next, and refuses what says nothing to the kind."""

from __future__ import annotations

import json

import pytest

from harness.cli.app import main
from tests.monitor.test_exports import GUARDED, written


def run(capsys, *words):
    code = main(["export", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture
def manifest(tmp_path):
    return str(written(tmp_path, GUARDED).path)


@pytest.mark.parametrize("kind", ["argo", "flagger", "prometheus", "grafana", "k8s"])
def test_each_kind_is_written_and_printed(manifest, tmp_path, capsys, kind):
    """The same text to a folder, to the terminal and in the JSON document."""
    code, out, _ = run(capsys, kind, manifest, "--out", str(tmp_path / "made"))
    files = {path.name: path.read_text() for path in (tmp_path / "made").iterdir()}
    assert code == 0 and out.splitlines()[-1].startswith("next: ") and len(files) == out.count("written: ") > 0
    code, out, _ = run(capsys, kind, manifest, "--json")
    assert code == 0 and json.loads(out)["files"] == files
    code, out, _ = run(capsys, kind, manifest)
    assert code == 0 and all(text in out for text in files.values())


def test_addresses_go_where_they_belong(manifest, capsys):
    """Each option changes the file it is for."""
    for words, told in ((("argo", "--service", "https://s:1"), "https://s:1/v1/verdict"),
                        (("flagger", "--metrics", "http://p:9"), "http://p:9"),
                        (("prometheus", "--service", "signoff:8000"), "- signoff:8000"),
                        (("k8s", "--image", "reg/s:2"), "image: reg/s:2")):
        assert told in run(capsys, words[0], manifest, *words[1:])[1]


@pytest.mark.parametrize(("words", "told"), [
    (("grafana", "--image", "x"), "--image says nothing to grafana; it takes no address"),
    (("k8s", "--service", "x"), "--service says nothing to k8s; it takes --image"),
    (("nagios",), "nagios")])
def test_what_says_nothing_to_a_kind_is_refused(manifest, capsys, words, told):
    """An option that would be ignored is an error: exit code 2, one line."""
    code, out, err = run(capsys, words[0], manifest, *words[1:])
    assert (code, out, err.count("\n")) == (2, "", 1) and told in err
