"""The study of a policy's value: from a user's own logs, over a trace, over a live release; two real policies whole."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fixtures.logs import measured
from fixtures.routed import routed
from harness.cli.app import main
from harness.errors import InputError
from harness.release.derived import is_derived
from harness.release.evidence import read_evidence
from harness.release.manifest import Loaded, load_manifest
from harness.release.observed import Observed
from harness.release.recording import recorded_files
from harness.release.studied import counterfactual
from harness.release.studied.policy_file import FILE, read_values
from harness.release.studied.propensity_file import FILE as CALIBRATION
from harness.release.studied.propensity_file import read_calibration
from harness.release.study_options import Studies
from harness.report.rows import findings_in
from tests.house.source import TOP
from tests.release.test_policy_values import TRUTH, table

COLUMNS = {"reward": "won", "propensity": "p", "target": "pi", "action": "act", "strata": ["lang"],
           "controls": ["before"], "unit": "user", "slices": ["lang"], "prefix": "pi_", "context": ["x", "lang"]}
VALUE = {"measure": "policy value", "by": "lcb", "at_least": 0.3}


def manifest(folder: Path, studies: dict, policy=(VALUE,)) -> Loaded:
    """A recorded release whose policy asks for a value."""
    (folder / "qrels.txt").write_text("q1 0 d1 1\n", encoding="utf-8")
    (folder / "new.run").write_text("q1 Q0 d1 1 9 new\n", encoding="utf-8")
    described = {"release": "mine", "seed": 42, "data": {"qrels": {"trec": "qrels.txt"}},
                 "recorded": {"candidate": {"run": {"trec": "new.run"}}}, "studies": studies, "policy": [*policy]}
    (folder / "mine.yaml").write_text(json.dumps(described), encoding="utf-8")
    return load_manifest(folder / "mine.yaml")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A user's checkout with his log and what the target earned itself."""
    monkeypatch.chdir(tmp_path)
    table(1200).to_parquet("log.parquet")
    rng = np.random.default_rng(8)
    pd.DataFrame({"won": rng.normal(TRUTH, 0.2, 600), "lang": "de", "user": np.arange(600) // 3}).to_csv(
        "own.csv", index=False)
    return tmp_path


def confounding(**options) -> dict:
    return {"confounding": {"log": {"parquet": "log.parquet"}, "columns": COLUMNS, **options}}


def test_a_users_own_log_is_valued_beside_his_truth(folder):
    """The artifact holds four estimators a slice and the truth; both files are among those that are digested."""
    loaded = manifest(folder, confounding(truth={"csv": "own.csv"}))
    found = counterfactual.recorded(loaded, lambda _: None)
    assert counterfactual.wanted(loaded.manifest) and {"log.parquet", "own.csv"} <= set(recorded_files(loaded))
    assert found.on_policy is not None and len(np.unique(found.on_policy.units)) == 200
    rows = read_values(Path("artifacts") / "mine" / FILE)
    assert [row.slice for row in rows[::4]] == ["all", "lang=de", "lang=en"] and len(rows) == 12
    assert abs(rows[0].truth - TRUTH) < 0.03 and abs(rows[1].z) < 3.0 and np.isnan(rows[-1].truth)
    again = counterfactual.recorded(loaded, lambda _: None)
    assert again.expected is not None and found.expected is not None
    assert again.expected.tolist() == found.expected.tolist()


@pytest.mark.parametrize("name", ["log.parquet", "copy.csv"])
def test_a_truth_that_is_the_log_itself_is_refused(name, folder):
    """By its bytes or by its rows: the distance from it would say nothing of the target."""
    table(1200).to_csv("copy.csv", index=False)
    loaded = manifest(folder, confounding(truth={name.rpartition(".")[2]: name}))
    with pytest.raises(InputError, match=f"{name}.*the truth is the log itself"):
        counterfactual.recorded(loaded, lambda _: None)


def test_a_log_without_propensities_has_them_fitted_by_language(folder):
    """`propensity: null` in the manifest; the record says that they are not the log's own."""
    loaded = manifest(folder, confounding(columns=COLUMNS | {"propensity": None, "language": "lang"}))
    found = counterfactual.recorded(loaded, lambda _: None)
    assert not found.logged and found.groups is not None and set(found.groups) == {"de", "en"}
    assert float(np.abs(found.propensity - table(1200).p).mean()) < 0.06
    path = Path("artifacts") / "mine" / CALIBRATION
    rows = read_calibration(path)
    assert {(row.model, row.action) for row in rows} == set(product(("de", "en"), ("dear", "cheap")))
    assert sum(row.n for row in rows) == 2 * 1200 and is_derived(CALIBRATION)
    assert sum(not row.low <= row.predicted <= row.high for row in rows) <= 2


@pytest.mark.parametrize(("old", "new", "line"), [
    ("predicted", "said", "another header"), (",0.", ",1.", "row 2: out of bounds"),
    ("dear", "dear,", "not a row of bins"),
    ("de,dear,", "xx,dear,", "column low, high: does not follow from its counts"),
])
def test_a_calibration_that_was_edited_is_not_believed(folder, old, new, line):
    """Intervals follow from counts and from how many bins a model and action have; a cut file is none."""
    counterfactual.recorded(manifest(folder, confounding(columns=COLUMNS | {"propensity": None})), lambda _: None)
    path = Path("artifacts") / "mine" / CALIBRATION
    text = path.read_text(encoding="utf-8")
    old, new = (word.replace("de,", f"{read_calibration(path)[0].model},") if word.startswith("de,") else word
                for word in (old, new))
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=line):
        read_calibration(path)
    path.write_text(text[:-1], encoding="utf-8")
    with pytest.raises(InputError, match="cut short"):
        read_calibration(path)


def test_a_trace_of_spends_is_valued_at_every_spend(tmp_path, monkeypatch):
    """A log is drawn over it, and the truth is what its queries would have earned."""
    monkeypatch.chdir(tmp_path)
    measured(queries=200).to_parquet(tmp_path / "trace.parquet")
    loaded = manifest(tmp_path, {"routed": {"spends": {"parquet": "trace.parquet"}}})
    found = counterfactual.recorded(loaded, lambda _: None)
    assert found.earned is not None and found.chances is not None and found.logged
    assert {row.slice for row in read_values(Path("artifacts") / "mine" / FILE)} == set(found.slices)


def test_a_live_release_is_valued_under_its_own_spend_rule(tmp_path, monkeypatch):
    """Over the log that the study `confounded` drew, or the same one drawn anew."""
    monkeypatch.chdir(tmp_path)
    made, rng = routed(), np.random.default_rng(1)
    signals = {"nl_confidence": rng.random(len(made.table)), "length": rng.random(len(made.table))}
    made = replace(made, table=replace(made.table, signals=made.table.signals | signals))
    loaded = load_manifest(TOP / "manifests" / "t1.yaml")
    candidate = Observed("t1", "c" * 64, {}, studies={"routed": made})
    found = counterfactual.observe(loaded, None, candidate, None, lambda _: None)
    assert found.earned is not None
    assert len(found) == len(made.table) * loaded.manifest.studies.confounding.draws
    log = counterfactual.confounded.live_log(loaded, None, candidate, lambda _: None)
    both = replace(candidate, studies=candidate.studies | {"confounded": log})
    again = counterfactual.observe(loaded, None, both, None, lambda _: None)
    assert again.reward.tolist() == found.reward.tolist() and again.chances is not None
    assert (tmp_path / "artifacts" / "t1" / FILE).is_file()


def test_what_cannot_be_is_one_line(folder):
    """A truth beside live parts; one that is no table; one without the reward."""
    live = load_manifest(TOP / "manifests" / "t1.yaml")
    own = Studies.model_validate({"confounding": {"truth": {"csv": "own.csv"}}})
    told = replace(live, manifest=live.manifest.model_copy(update={"studies": own}))
    with pytest.raises(InputError, match="a truth of one's own, beside live parts"):
        counterfactual.observe(told, None, Observed("t1", "c" * 64, {}), None, lambda _: None)
    with pytest.raises(InputError, match=r"column studies\.confounding\.truth: not a table"):
        counterfactual.recorded(manifest(folder, confounding(truth={"trec": "qrels.txt"})), lambda _: None)
    (folder / "own.csv").write_text("earned\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"own\.csv, column won: missing column"):
        counterfactual.recorded(manifest(folder, confounding(truth={"csv": "own.csv"})), lambda _: None)


def test_a_log_without_its_propensities_is_told_how_they_are_fitted(folder):
    """The column that is missing, and the null that does without it; a column of languages not named is offered."""
    frame = table(1200).drop(columns="p")
    frame.to_parquet("log.parquet")
    with pytest.raises(InputError, match=r"column p: missing column.*columns\.propensity: null, which has it fitted"):
        counterfactual.recorded(manifest(folder, confounding()), lambda _: None)
    bare = {**COLUMNS, "propensity": None, "strata": ["x"], "context": ["x"], "slices": []}
    found = counterfactual.recorded(manifest(folder, confounding(columns=bare)), lambda _: None)
    assert found.unused == "lang" and set(found.groups) == {"one model for all"}


# two real policies, each from the other's log

POLICY = [{"measure": "log ESS/N", "at_least": 0.2}, {"measure": "log ESS/N", "by": "lcb", "at_least": 0.1},
          {"measure": "log kappa", "at_most": 0.5}, {"measure": "policy value", "by": "lcb", "at_least": 0.003},
          {"measure": "estimators disagree", "at_most": 0}, {"measure": "policy value error z", "at_most": 3}]
FIGURES = {"random": (0.005656266700835461, 0.005739864701951365, 0.0069, -0.71),
           "bts": (0.003008626327256482, 0.003189423162277403, 0.0046, -1.32)}


@pytest.fixture(params=["random", "bts"])
def real(request, shared_data, tmp_path, monkeypatch) -> str:
    """A recorded release over the log of the policy in the name; the other policy is the target."""
    monkeypatch.chdir(tmp_path)
    logs = {name: pd.read_csv(shared_data / "obd_men" / name / "men" / "men.csv.gz", index_col=0) for name in FIGURES}
    log, other = logs[request.param], logs["bts" if request.param == "random" else "random"]
    shares = np.full((len(log), 34), 1 / 34)
    if request.param == "random":
        seen = other.groupby("position").item_id.value_counts(normalize=True).unstack(fill_value=0.0)
        shares = seen.reindex(columns=range(34), fill_value=0.0).loc[log.position].to_numpy()
    log["pi"] = shares[np.arange(len(log)), log.item_id]
    pd.concat([log, pd.DataFrame(shares, log.index).add_prefix("pi_")], axis=1).to_parquet("log.parquet")
    other.to_parquet("own.parquet")
    columns = {"reward": "click", "propensity": "propensity_score", "target": "pi", "action": "item_id",
               "prefix": "pi_", "context": ["user_feature_0", "user_feature_1", "position"],
               "strata": ["position", "user_feature_0"], "controls": ["user-item_affinity_7"], "slices": ["position"]}
    manifest(tmp_path, {"confounding": {"log": {"parquet": "log.parquet"}, "truth": {"parquet": "own.parquet"},
                                        "columns": columns}}, POLICY)
    return request.param


def test_two_real_policies_from_each_others_log_in_the_report(real, capsys):
    """The uniform log carries the other policy and passes; the other's is refused, on ESS/N alone; truth beside."""
    assert main(["gates", "mine.yaml"]) == {"random": 0, "bts": 10}[real]
    capsys.readouterr()
    rows = {row.estimator: row for row in read_values(Path("artifacts") / "mine" / FILE) if row.slice == "all"}
    ips, snips, truth, z = FIGURES[real]
    assert (rows["IPS"].value, rows["SNIPS"].value) == pytest.approx((ips, snips), rel=1e-12)
    assert rows["SNIPS"].truth == pytest.approx(truth) and round(rows["SNIPS"].z, 2) == z
    assert rows["DR"].low < truth < rows["DR"].high and abs(rows["DR"].z) < 3.0 and rows["DR"].agree == "yes"
    evidence = read_evidence((Path("reports") / "mine" / "evidence.jsonl").read_bytes())
    verdicts = {one.check.id.removeprefix("all-"): one.verdict.name for one in findings_in(evidence)}
    carried = "PASS" if real == "random" else "REFUSE"
    assert verdicts == {"log ESS/N-value": carried, "log ESS/N-lcb": carried, "log kappa-value": "PASS",
                        "policy value-lcb": "PASS" if real == "random" else "INCONCLUSIVE",
                        "estimators disagree-value": "PASS", "policy value error z-value": "PASS"}
    page = (Path("reports") / "mine" / "report.html").read_text(encoding="utf-8")
    assert "What the target policy would have earned" in page and f"truth {truth:.4g}" in page
    assert f"in truth {truth:.4g}" in page and f"SNIPS {snips:.4g}" in page
