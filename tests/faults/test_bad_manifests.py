"""Every fault of a manifest is one line: the file, the line, what was expected, what was found, the nearest key."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError, SignoffError
from harness.release.manifest import Manifest, parse_manifest
from tests.release.test_manifest import LIVE, RECORDED


def error_of(text: str | bytes) -> InputError:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(InputError) as caught:
        parse_manifest(raw, where="m.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("m.yaml")
    return caught.value


@pytest.mark.parametrize(("old", "new", "row", "hint"), [
    ("release:", "relase:", 1, "release"), ("seed:", "sed:", 2, "seed"), ("data:", "date:", 3, "data"),
    ("parts:", "part:", 4, "parts"), ("policy:", "polices:", 5, "policy"),
    ("corpus:", "corpse:", 3, "corpus"), ("index:", "indx:", 4, "index"), ("reranker:", "reranking:", 4, "reranker"),
    ("{impl: flat}", "{imlp: flat}", 4, "impl"), ("measure:", "mesure:", 6, "measure"),
    ("at_least:", "atleast:", 6, "at_least"), ("guard:", "gaurd:", 6, "guard"), ("for:", "four:", 6, "for"),
])  # fmt: skip
def test_a_misspelt_key_is_named_with_its_line_and_the_nearest(old, new, row, hint):
    """Wherever a key stands, a typo in it is told at its line with the key that was meant."""
    error = error_of(LIVE.replace(old, new, 1))
    assert (error.row, error.hint) == (row, hint)
    assert f"unknown key {new.strip('{').split(':')[0]!r}" in str(error)


@pytest.mark.parametrize(("old", "new", "row", "words"), [
    ("seed: 7", "seed: seven", 2, "valid integer"), ("seed: 7", "seed: -1", 2, "greater than or equal to 0"),
    ("seed: 7", "seed: 1.5", 2, "integer"), ("seed: 7", "seed: true", 2, "valid integer"),
    ("seed: 7", "seed: '1'", 2, "valid integer"), ("at_least: 0.3", "at_least: true", 6, "valid number"),
    ("at_least: 0.3", "at_least: '0.5'", 6, "valid number"),
    ("at_least: 0.3", "at_least: 0.3, expect: [2, 1]", 6, "from low to high"),
    ("at_least: 0.3", "at_least: 0.3, expect: [true, 2]", 6, "valid number"),
    ("at_least: 0.3", "at_least: 0.3, required: 'yes'", 6, "valid boolean"),
    ("at_least: 0.3", "at_least: 0.3, confidence: '0.9'", 6, "valid number"),
    ("at_least: 0.3", "at_least: 0.3, any_with: [{measure: RR, at_least: '1'}]", 6, "valid number"),
    ("measure: R@5, at_least: 0.3", "gate: mine, slices: [all, hard]", 6, "carries no slices"),
    ("{impl: flat}", "{impl: flat, nprobe: true}", 4, "valid integer"),
    ("{impl: flat}", "{impl: flat, nlist: '4'}", 4, "valid integer"),
    ("reranker: {impl: mlp}", "reranker: {impl: mlp, depth: true}", 4, "valid integer"),
    ("reranker: {impl: mlp}", "encoder: {impl: lsa, dims: '64'}", 4, "valid integer"),
    ("reranker: {impl: mlp}", "retriever: {impl: rrf, weights: [1, .nan]}", 4, "finite"),
    ("reranker: {impl: mlp}", "retriever: {impl: bm25, timeout_s: '3'}", 4, "valid number"),
    ("seed: 7", "seed: 4294967296", 2, "less than or equal"),
    ("release: small-v1", "release: ../up", 1, "pattern"), ("release: small-v1", "release: ''", 1, "pattern"),
    ("release: small-v1", "release: [a]", 1, "valid string"), ("corpus: pydocs", "corpus: wikipedia", 3, "pydocs"),
    ("impl: flat", "impl: annoy", 4, "ivf_flat"), ("data: {corpus: pydocs}", "data: pydocs", 3, "dictionary"),
    ("data: {corpus: pydocs}", "data: {}", 3, "exactly one of corpus, beir, qrels"),
    ("data: {corpus: pydocs}", "data: {corpus: pydocs, beir: folder}", 3, "exactly one of corpus, beir, qrels"),
    ("at_least: 0.3", "at_least: high", 6, "valid number"), ("at_least: 0.3", "at_least: .nan", 6, "finite"),
    ("at_least: 0.3", "at_least: .inf", 6, "finite"), ("at_least: 0.3", "by: lcb, at_most: 0.3", 6, "proves nothing"),
    ("measure: R@5", "measure: [R@5]", 6, "valid string"), ("for: 3m", "for: 3 min", 6, "pattern"),
    ("{impl: flat}", "{impl: flat, nlist: 0}", 4, "greater than or equal to 1"),
    ("reranker: {impl: mlp}", "retriever: {impl: http}", 4, "needs target"),
    ("reranker: {impl: mlp}", "retriever: {impl: bm25, target: x}", 4, "takes no target"),
])  # fmt: skip
def test_a_wrong_value_is_named_with_its_line(old, new, row, words):
    """A wrong type, a value out of range, a contradiction: the line it stands on and what was expected."""
    error = error_of(LIVE.replace(old, new, 1))
    assert error.row == row and words in str(error), error


@pytest.mark.parametrize(("text", "row", "words"), [
    (LIVE + "seed: 8\n", 7, "duplicate key 'seed'"),
    (LIVE.replace("at_least: 0.3", "at_least: 0.3, at_least: 0.1"), 6, "duplicate key 'at_least'"),
    (LIVE.replace("parts:", "  parts:", 1), 4, "not YAML"), (LIVE + "\t- x\n", 7, "not YAML"),
    (LIVE + "---\nrelease: two\n", 7, "not YAML"), (LIVE.replace("7", "!!python/name:os.system ''"), 2, "not YAML"),
    (LIVE.replace("seed: 7", "? {a: 1}\n: 2"), 2, "not YAML"), ("release: *nowhere\n", 1, "not YAML"),
    (LIVE.replace("seed: 7", "seed: " + "9" * 5000), 2, "not a value of type int"),
    (LIVE.replace("release: small-v1", "release: 2020-99-99"), 1, "not a value of type timestamp: month"),
    (LIVE.replace("seed: 7", "seed: !!bool 7"), 2, "not a value of type bool"),
    (LIVE.replace("seed: 7", "seed: !!timestamp 7"), 2, "not a value of type timestamp"),
    (LIVE.replace("seed: 7", "seed: !!int ''"), 2, "not a value of type int"),
    ("{a: " * 3000, None, "nested too deeply"), ("- " * 3000, None, "nested too deeply"),
    ("", None, "not a manifest"), ("- a\n- b\n", None, "not a manifest"), ("just words", None, "not a manifest"),
])  # fmt: skip
def test_what_is_not_a_yaml_mapping_is_told(text, row, words):
    """Duplicate keys, two documents, tags that would run code, no mapping at all."""
    error = error_of(text)
    assert error.row == row and words in str(error), error


def test_a_whole_number_is_a_number():
    """YAML writes 0 where a float is wanted; that is no other type."""
    plain = parse_manifest(LIVE.replace("at_least: 0.3", "at_least: 1, confidence: 0.95, expect: [1, 1]").encode(),
                           where="m.yaml")
    assert plain.policy[0].at_least == 1.0 and type(plain.policy[0].at_least) is float
    assert plain.policy[0].expect == (1.0, 1.0)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"release: caf\xe9\n", b"release: \x00\n", LIVE.encode("utf-16")])
def test_bytes_that_are_no_text_are_told(raw):
    """Not UTF-8, or control characters: one line."""
    assert "not UTF-8" in str(error_of(raw)) or "not YAML" in str(error_of(raw))


@pytest.mark.parametrize(("text", "words"), [
    (LIVE.replace("parts: {index: {impl: flat}, reranker: {impl: mlp}}\n", ""), "either parts"),
    (RECORDED + "parts: {}\n", "either parts"), (RECORDED + "baseline: other\n", "under recorded, not by name"),
    (RECORDED.replace("{qrels: {trec: qrels.txt}}", "{corpus: pydocs}"), "needs data.qrels"),
    (LIVE.replace("{corpus: pydocs}", "{qrels: {trec: q}}"), "not qrels alone"),
    (RECORDED.replace("  baseline: {run: {trec: old.run}}\n", ""), "'delta RR' needs a baseline"),
    (LIVE.replace("R@5", "delta R@5"), "'delta R@5' needs a baseline"),
    (RECORDED.replace("delta RR", "unsigned baseline"), "'unsigned baseline' needs a live baseline (baseline: NAME)"),
    (LIVE + "  - {measure: R@5, at_least: 0.3}\n", "stands twice"),
    (LIVE.split("policy:")[0] + "policy: []\n", "at least 1 item"),
    (RECORDED.replace("{trec: new.run}", "{trec: new.run, csv: new.csv}"), "exactly one of trec"),
    (RECORDED.replace("{trec: new.run}", "{sha256: " + "a" * 64 + "}"), "exactly one of trec"),
    (RECORDED.replace("{trec: new.run}", "{trec: new.run, sha256: abc}"), "pattern"),
])  # fmt: skip
def test_a_manifest_that_contradicts_itself_is_told(text, words):
    """Rules that hold between keys are said in words, at a line."""
    error = error_of(text)
    assert words in str(error) and error.row is not None


@pytest.mark.parametrize("key", ["release", "seed", "data", "policy"])
def test_a_key_that_is_missing_is_named(key):
    """Each required key, taken away, is the one the error names."""
    value = {name: part for name, part in yaml.safe_load(LIVE).items() if name != key}
    error = error_of(yaml.safe_dump(value))
    assert "required" in str(error).lower() and error.column == key


KEYS = st.sampled_from([*Manifest.model_fields, "relase", "x"])
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=4)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=3), max_leaves=8)


@settings(max_examples=60)
@given(KEYS, VALUES)
def test_no_value_under_any_key_ends_in_a_traceback(key, value):
    """Whatever stands under a key, the answer is a manifest or one line."""
    text = yaml.safe_dump({**yaml.safe_load(LIVE), key: value}, allow_unicode=True)
    told = ""
    try:
        parse_manifest(text.encode(), where="m.yaml")
    except SignoffError as error:
        told = str(error)
    assert "\n" not in told and (not told or told.startswith("m.yaml"))


@settings(max_examples=100)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_end_in_a_traceback(raw):
    """Nor does any file at all."""
    with pytest.raises(InputError):
        parse_manifest(raw, where="m.yaml")
