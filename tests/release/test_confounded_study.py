"""The study of a log: drawn over a live release's queries or a user's trace, or read from his own table."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fixtures.logs import measured, sound_log
from fixtures.routed import routed
from harness.errors import InputError
from harness.release.manifest import Loaded, load_manifest
from harness.release.observed import Observed
from harness.release.recording import recorded_files
from harness.release.studied import confounded
from harness.release.studied.audit_file import FILE, read_audit
from harness.release.studied.decisions import DecisionLog
from harness.release.study_options import Studies
from tests.house.source import TOP


@pytest.fixture(scope="module")
def log() -> DecisionLog:
    return sound_log(queries=200, draws=8, least=80)


def manifest(folder, **studies) -> Loaded:
    """A recorded release whose policy asks for the log."""
    (folder / "qrels.txt").write_text("q1 0 d1 1\n", encoding="utf-8")
    (folder / "new.run").write_text("q1 Q0 d1 1 9 new\n", encoding="utf-8")
    described = {"release": "mine", "seed": 3, "data": {"qrels": {"trec": "qrels.txt"}},
                 "recorded": {"candidate": {"run": {"trec": "new.run"}}}, "studies": studies,
                 "policy": [{"measure": "log ESS/N", "at_least": 0.2}]}
    (folder / "mine.yaml").write_text(json.dumps(described), encoding="utf-8")
    return load_manifest(folder / "mine.yaml")


def own_table(log: DecisionLog) -> pd.DataFrame:
    """A log under names of the user's own."""
    return pd.DataFrame({"won": log.reward, "p": log.propensity, "pi": log.target, "spend": log.actions.astype(int),
                         "cell": log.strata.codes, "known": next(iter(log.controls.values())), "query": log.units,
                         "side": np.where(log.slices["hard"], "hard", "plain")})


def test_a_users_own_log_is_read_and_audited(tmp_path, monkeypatch, log):
    """From Parquet by the columns that the manifest names; the file is one of those that are digested."""
    monkeypatch.chdir(tmp_path)
    own_table(log).to_parquet(tmp_path / "log.parquet")
    columns = {"reward": "won", "propensity": "p", "target": "pi", "action": "spend", "strata": ["cell"],
               "controls": ["known"], "unit": "query", "slices": ["side"]}
    loaded = manifest(tmp_path, confounding={"log": {"parquet": "log.parquet"}, "columns": columns, "least": 1})
    found = confounded.recorded(loaded, lambda _: None)
    assert confounded.wanted(loaded.manifest) and "log.parquet" in recorded_files(loaded)
    assert found.exposed.tolist() == log.exposed.tolist() and found.reward.tolist() == log.reward.tolist()
    rows = read_audit(tmp_path / "artifacts" / "mine" / FILE)
    assert [row.verdict for row in rows[:1]] == ["REFUSE"] and len(rows) == 2 * len(found.slices)


def test_a_trace_of_spends_makes_a_log_of_its_judged_queries(tmp_path, monkeypatch):
    """Where no log is given; the same manifest draws the same one."""
    monkeypatch.chdir(tmp_path)
    measured(queries=60).to_parquet(tmp_path / "trace.parquet")
    loaded = manifest(tmp_path, routed={"spends": {"parquet": "trace.parquet"}}, confounding={"draws": 3})
    one, two = (confounded.recorded(loaded, lambda _: None) for _ in range(2))
    assert len(one) == 180 and (one.actions == two.actions).all()


def test_neither_log_nor_trace_is_one_line(tmp_path):
    """It names the key of the manifest that is lacking."""
    with pytest.raises(InputError, match=r"column studies\.confounding\.log: no log of decisions"):
        confounded.recorded(manifest(tmp_path), lambda _: None)


def test_a_log_in_no_tables_format_is_one_line(tmp_path):
    """TREC files hold no decisions."""
    loaded = manifest(tmp_path, confounding={"log": {"trec": "log.txt"}})
    with pytest.raises(InputError, match=r"column studies\.confounding\.log: not a table"):
        confounded.recorded(loaded, lambda _: None)


def test_a_live_releases_log_is_drawn_over_what_its_router_was_judged_on(tmp_path, monkeypatch):
    """Its own spend rule is the target: certain of the spend that it decides, and nothing is measured twice."""
    monkeypatch.chdir(tmp_path)
    found, rng = routed(), np.random.default_rng(1)
    signals = {"nl_confidence": rng.random(len(found.table)), "length": rng.random(len(found.table))}
    found = replace(found, table=replace(found.table, signals=found.table.signals | signals))
    loaded = load_manifest(TOP / "manifests" / "t1.yaml")
    candidate = Observed("t1", "c" * 64, {}, studies={"routed": found})
    log = confounded.observe(loaded, None, candidate, None, lambda _: None)
    draws = loaded.manifest.studies.confounding.draws
    decided = np.repeat(np.asarray(found.ladder)[found.decisions], draws).astype(str)
    assert log.target.tolist() == (log.actions == decided).astype(float).tolist()
    assert len(read_audit(tmp_path / "artifacts" / "t1" / FILE)) == 2 * len(log.slices)


def test_without_a_reranker_there_is_nothing_to_spend_on():
    """A live release that never reranks has no log to draw; a log of one's own goes with recorded files."""
    loaded = load_manifest(TOP / "manifests" / "t1-bank.yaml")
    with pytest.raises(InputError, match=r"column parts\.reranker: nothing to spend on"):
        confounded.observe(loaded, None, Observed("t1-bank", "c" * 64, {}), None, lambda _: None)
    own = Studies.model_validate({"confounding": {"log": {"csv": "log.csv"}}})
    told = replace(loaded, manifest=loaded.manifest.model_copy(update={"studies": own}))
    with pytest.raises(InputError, match="a log of one's own, beside live parts"):
        confounded.observe(told, None, Observed("t1-bank", "c" * 64, {}), None, lambda _: None)
