"""A manifest is read strictly, stands on its own bytes, and has one digest whatever the order of its keys."""

from __future__ import annotations

import hashlib
import os

import pytest

from harness.errors import InputError
from harness.release.manifest import Manifest, load_manifest, parse_manifest

LIVE = """\
release: small-v1
seed: 7
data: {corpus: pydocs}
parts: {index: {impl: flat}, reranker: {impl: mlp}}
policy:
  - {measure: R@5, at_least: 0.3, guard: {for: 3m}}
"""
RECORDED = """\
release: other
seed: 7
data: {qrels: {trec: qrels.txt}}
recorded:
  candidate: {run: {trec: new.run}}
  baseline: {run: {trec: old.run}}
policy:
  - {measure: delta RR, by: lcb, at_least: 0.0}
"""


def parsed(text: str) -> Manifest:
    return parse_manifest(text.encode(), where="m.yaml")


def test_defaults_are_those_that_the_design_states():
    """Parts that are not spelt out are the embedded release's; the rerank depth is 50, requests 500."""
    parts = parsed(LIVE).parts
    assert parts is not None and parts.reranker is not None
    assert (parts.encoder.impl, parts.encoder.dims, parts.retriever.impl) == ("lsa", 768, "dense")
    assert (parts.reranker.depth, parts.sequence) == (50, None)
    assert parsed(LIVE).latency_requests == 500


def test_a_recorded_manifest_has_its_baseline_beside_it():
    """A delta can be measured where a baseline run is given."""
    manifest = parsed(RECORDED)
    assert manifest.has_baseline and manifest.recorded is not None
    assert manifest.recorded.candidate.run.spec == {"trec": "new.run"}
    assert manifest.recorded.candidate.run.path == "new.run"
    assert not parsed(LIVE).has_baseline


def test_the_config_hash_is_of_the_meaning():
    """Comments, spacing, key order and spelt-out defaults leave CONFIG_HASH alone; any value changes it."""
    head, policy = LIVE.split("policy:")
    turned = "\n".join(["# a comment", *reversed(head.splitlines()), f"policy:  {policy}"])
    assert parsed(turned).config_hash == parsed(LIVE).config_hash
    assert parsed(LIVE + "latency_requests: 500\n").config_hash == parsed(LIVE).config_hash
    others = [LIVE.replace("seed: 7", "seed: 8"), LIVE.replace("0.3", "0.31"), LIVE.replace("flat", "hnsw"),
              LIVE.replace("3m", "4m"), LIVE.replace("small-v1", "small-v2")]  # fmt: skip
    assert len({parsed(text).config_hash for text in [LIVE, *others]}) == 6


def test_loading_keeps_the_bytes(tmp_path):
    """The digest is of the file as it stood, and relative paths start beside it."""
    path = tmp_path / "small-v1.yaml"
    path.write_text(LIVE + "# tail\n", encoding="utf-8")
    loaded = load_manifest(path)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.folder == tmp_path and loaded.manifest == parsed(LIVE)


def test_a_file_that_is_not_there_names_the_nearest(tmp_path):
    """The siblings of a misspelt path are the hint."""
    (tmp_path / "retriever-v0.yaml").write_text(LIVE, encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot read the manifest.*nearest: .*retriever-v0\.yaml"):
        load_manifest(tmp_path / "retreiver-v0.yaml")
    with pytest.raises(InputError, match="cannot read the manifest"):
        load_manifest(tmp_path / "nowhere" / "m.yaml")
    with pytest.raises(InputError, match="cannot read the manifest"):
        load_manifest(tmp_path)


def test_what_is_no_file_is_never_waited_for(tmp_path):
    """A pipe that nobody writes to, and a name that no file can have, are told at once."""
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputError, match=r"not a regular file.*a pipe"):
        load_manifest(tmp_path / "pipe.yaml")
    with pytest.raises(InputError, match="not a path"):
        load_manifest("a\0b.yaml")


@pytest.mark.parametrize(("parts", "words"), [
    ("retriever: {impl: blend, weights: [0, 0]}", "not both 0"),
    ("retriever: {impl: blend, weights: [-1, 2]}", r"weights.*greater than or equal to 0"),
    ("retriever: {impl: rrf, weights: [.nan, 1]}", r"weights.*finite"),
    ("reranker: {impl: mlp}, router: {costs_ms: {signals: 0.1, rerank: 1}, share: [0.3, 0.2]}", "goes down"),
    ("reranker: {impl: mlp}, router: {costs_ms: {signals: 0.1, rerank: 1}, share: [0.1, 1.2]}",
     r"share.*less than or equal to 1"),
    ("reranker: {impl: mlp}, router: {costs_ms: {signals: 0.1, rerank: 1}, share: [-0.1, 0.2]}",
     r"share.*greater than or equal to 0"),
])  # fmt: skip
def test_weights_and_shares_that_mean_nothing_are_refused(parts, words):
    """A window that is empty and weights that rank nothing are told when the manifest is read, and not when built."""
    text = "release: r\nseed: 7\ndata: {corpus: pydocs}\nparts: {%s}\npolicy: [{measure: R@5, at_least: 0.3}]\n"
    good = parts.replace("[0, 0]", "[0, 1]").replace("[-1, 2]", "[1, 2]").replace("[.nan, 1]", "[1, 1]")
    for wrong in ("[0.3, 0.2]", "[0.1, 1.2]", "[-0.1, 0.2]"):
        good = good.replace(wrong, "[0.1, 0.2]")
    assert parsed(text % good).parts is not None
    with pytest.raises(InputError, match=words) as told:
        parsed(text % parts)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("study", "named"), [("answered: {table: {jsonl: a.jsonl}}", "answered.table"),
                                               ("readied: {shots: {jsonl: s.jsonl}}", "readied")])
def test_tables_beside_live_parts_are_refused(study, named):
    """They would be read by nobody: a file that is not even there passed for what the release made itself."""
    text = f"""
release: r
seed: 1
data: {{corpus: pyanswers}}
parts: {{reader: {{}}}}
studies: {{{study}}}
policy: [{{measure: faithfulness, at_least: 0.6}}]
"""
    with pytest.raises(InputError, match=f"studies.{named} goes with recorded files"):
        parse_manifest(text.encode(), where="x")
