"""`latency_surrogate_conformal.*`: read back as written, and refused with one line where anything in it is off."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fixtures.surrogate import requests_of, surrogate_of
from harness.data.canonical import digest_of
from harness.errors import InputError
from harness.latency.features import CACHE
from harness.latency.surrogate import Boosting, LatencySurrogate
from harness.latency.surrogate_file import FILES
from tests.house.source import TOP
from tests.latency.edited import forge

JSON, LOWER, UPPER = FILES


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    surrogate_of().surrogate.save(tmp_path)
    return tmp_path


def rewritten(folder: Path, change) -> None:
    """The JSON with a change in it, its digest made to fit: a forger's."""
    held = json.loads((folder / JSON).read_text())
    change(held)
    held["digest"] = digest_of({key: value for key, value in held.items() if key not in ("digest", "format")})
    (folder / JSON).write_text(json.dumps(held))


def refused(folder: Path, told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        LatencySurrogate.load(folder)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_it_is_read_back_as_it_was(saved):
    """Same texts, same thresholds, same intervals; saved again, the same bytes. No file holds a pickle."""
    record, read = surrogate_of(), LatencySurrogate.load(saved)
    assert read.texts == record.surrogate.texts and read.coverage == 0.95
    assert read.thresholds.counts.tolist() == [1650, 1650]
    rows = record.features[:20]
    assert np.array_equal(read.interval(rows), record.surrogate.interval(rows))
    before = {name: (saved / name).read_bytes() for name in FILES}
    read.save(saved / "again")
    assert {name: (saved / "again" / name).read_bytes() for name in FILES} == before
    assert before[LOWER].startswith(b"tree\n") and json.loads(before[JSON])["lightgbm"]


def test_a_threshold_without_an_end_is_null_and_read_back(tmp_path):
    """Nine rows of a state promise nothing, in the file too."""
    features, ms = requests_of(60, rng=np.random.default_rng(1))
    held = (np.arange(60) < 18) | (features[:, CACHE] == 0.0)
    held[-2] = False
    LatencySurrogate.fit(features, ms, calibrating=held, rng=np.random.default_rng(1),
                         boosting=Boosting(trees=2)).save(tmp_path)
    assert json.loads((tmp_path / JSON).read_text())["states"]["cold"] == {"rows": 9, "threshold": None}
    assert LatencySurrogate.load(tmp_path).interval(features[1:2]).high[0] == np.inf


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_or_torn_is_one_line(name, saved):
    """Gone, or cut in the middle."""
    text = (saved / name).read_text()
    (saved / name).write_text(text[: len(text) // 2])
    refused(saved, name)
    (saved / name).unlink()
    refused(saved, "cannot be read")


@pytest.mark.parametrize("name", [LOWER, UPPER])
def test_a_booster_of_another_fit_is_refused(name, saved):
    """One leaf's value edited: the text no longer has the digest that the JSON states."""
    path = saved / name
    path.write_text(path.read_text().replace("leaf_value=", "leaf_value=9", 1))
    refused(saved, "not the text that the surrogate was saved with")


def test_an_edited_threshold_is_refused(saved):
    """A number changed without the digest."""
    held = json.loads((saved / JSON).read_text())
    held["states"]["warm"]["threshold"] *= 2.0
    (saved / JSON).write_text(json.dumps(held))
    refused(saved, "the surrogate is not the one that was written")


@pytest.mark.parametrize(("change", "told"), [
    (lambda held: held.update(format="signoff/router-int8/v1"), "another format"),
    (lambda held: held.pop("states"), "wrong keys"), (lambda held: held.update(extra=1), "wrong keys"),
    (lambda held: held["features"].__setitem__(0, "lenght"), r"other features.*lenght.*nearest: length"),
    (lambda held: held["features"].reverse(), "other features"), (lambda held: held.update(features=3), "other feat"),
    (lambda held: held.update(scale="ms"), "another scale"), (lambda held: held.update(coverage=1.5), "not a promise"),
    (lambda held: held.update(coverage="most"), "not a promise"),
    (lambda held: held.update(states={}), "not the states"), (lambda held: held.update(states=[1]), "not the states"),
    (lambda held: held["states"].update(tepid={"rows": 20, "threshold": 0.1}), "not the states"),
    (lambda held: held["states"].update(warm=3), "states.warm: not a threshold"),
    (lambda held: held["states"]["warm"].update(rows=0), "not a threshold"),
    (lambda held: held["states"]["warm"].update(rows=True), "not a threshold"),
    (lambda held: held["states"]["warm"].update(threshold=None), "expected a finite number"),
    (lambda held: held["states"]["warm"].update(rows=9), "null: 9 rows promise nothing"),
])  # fmt: skip
def test_a_foreign_json_is_refused_though_its_digest_fits(change, told, saved):
    """Another format, other keys, other features, thresholds that cannot be: one line each."""
    rewritten(saved, change)
    refused(saved, told)


def test_a_booster_of_other_features_is_refused_though_all_digests_fit(saved):
    """A model of one feature in place of ten."""
    import lightgbm

    from harness.data.store import sha256_file

    data = lightgbm.Dataset(np.arange(50.0)[:, None], label=np.arange(50.0), params={"verbosity": -1})
    (saved / LOWER).write_text(lightgbm.train({"verbosity": -1}, data, 2).model_to_string())
    rewritten(saved, lambda held: held.update(lower_sha256=sha256_file(saved / LOWER)))
    refused(saved, "not a booster as LightGBM writes it; expected max_feature_idx 9, found '0'")


def tried(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A hundred texts of up to eight random edits each, their digests remade, loaded in a process of its own."""
    features, ms = requests_of(800, rng=np.random.default_rng(1))
    LatencySurrogate.fit(features, ms, rng=np.random.default_rng(1), boosting=Boosting(mean_trees=2, trees=3)
                         ).save(folder)
    return subprocess.run([sys.executable, "-m", "tests.latency.edited", str(folder), "3", *words], cwd=TOP, text=True,
                          capture_output=True, check=False, timeout=300)


def test_no_edit_of_a_text_ends_the_process_though_all_digests_fit(tmp_path):
    """Every edited text is one line or a surrogate that answers; handed to LightGBM unread, one of them is the end."""
    done = tried(tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["refused"] > 80 and told["read"] > 0 and told["told badly"] == 0
    assert tried(tmp_path, "--trusting").returncode < 0


@pytest.mark.parametrize(("old", "new", "told"), [
    ("version=v4", "version=v9", r"row 2: not a booster.*version v4"), ("num_class=1", "num_class=2", "num_class 1"),
    ("length entropy", "entropy length", "feature_names length entropy"),
    ("tree_sizes=", "tree_sizes=1", "as tree_sizes"),
    ("feature_infos=", "feature_infos=none ", "10 ranges"), ("num_leaves=", "num_leaves=9", "numbers"),
    ("num_leaves=7", "num_leaves=-7", "1 or more"), ("num_cat=0", "num_cat=1", "num_cat: 0"),
    ("is_linear=0", "is_linear=1", "is_linear: 0"), ("split_feature=", "split_feature=1 ", "tree 0, split_feature"),
    ("right_child=1 ", "right_child=2 ", "each node and each leaf once"),
    ("left_child=2 ", "left_child=0 ", "later node"),
    ("split_feature=6 ", "split_feature=10 ", "0 to 9"), ("decision_type=2 ", "decision_type=1 ", "a number's"),
    ("leaf_value=", "leaf_value=nan ", "leaf_value"), ("leaf_count=", "leaf_count=1e999 ", "leaf_count"),
    ("end of trees", "end of tree", "end of trees"),
    ("[boosting: gbdt]", '[boosting: gb"dt]', "cannot read the model"),
    ("[boosting: gbdt]", "boosting: gbdt", "end of trees"),
    ("[linear_tree: 0]", "[linear_tree]", "end of trees"),
    ("pandas_categorical:null", "pandas_categorical:[[1]]", "end of trees"),
])  # fmt: skip
def test_a_text_that_lightgbm_would_not_have_written_is_told_by_its_line(old, new, told, saved):
    """Header, sizes, counts, children and parameters: which of them cannot be, before LightGBM sees any of it."""
    text = (saved / LOWER).read_text()
    assert old in text
    changed = text.replace(old, new, 1)
    if text.index("Tree=0") < text.index(old) < text.index("Tree=1"):
        changed = changed.replace("tree_sizes=722 ", f"tree_sizes={722 + len(changed) - len(text)} ", 1)
    forge(saved, changed)
    refused(saved, told)
