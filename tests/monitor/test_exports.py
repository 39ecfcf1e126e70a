"""Exported files say what the signed manifest says: its guards, its ramp, the metrics that the service shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml

from fixtures.attested import MANIFEST
from harness.data.store import sha256_bytes
from harness.errors import InputError
from harness.monitor import metric_names as names
from harness.monitor.exports import argo, flagger, grafana, kubernetes, prometheus
from harness.release.attest import bundle_path
from harness.release.manifest import load_manifest

GUARDED = """
release: small-v0
seed: 7
data: {corpus: pydocs}
parts: {encoder: {impl: lsa, dims: 8}, index: {impl: flat}}
baseline: small-v-1
policy:
  - {measure: delta nDCG@10, by: lcb, at_least: 0.0, slices: [all, 'say "hi"'],
     guard: {for: 3m, severity: critical, then: rollback}}
  - {measure: p95 total_ms, by: ucb, at_most: 119, guard: {for: 10m, severity: critical, then: rollback}}
  - {measure: Jaccard@10 baseline, at_least: 0.8, guard: {for: 0m, severity: warning, then: alert}}
  - {measure: p99/p95 total_ms, at_most: 2.0, any_with: [{measure: p99 total_ms, at_most: 90}],
     guard: {for: 1h, severity: warning, then: hold}}
  - {measure: ids missing, at_most: 0}
rollout: {preset: 5-25-50-100}
"""
PROMTOOL = shutil.which("promtool")


@pytest.fixture
def loaded(tmp_path):
    return written(tmp_path, GUARDED)


def written(folder, text):
    (folder / "small-v0.yaml").write_text(text)
    found = load_manifest(folder / "small-v0.yaml")
    bundle_path(found).parent.mkdir(exist_ok=True)
    bundle_path(found).write_bytes(b"bundle")
    return found


ALL = {"argo": argo.exported, "flagger": flagger.exported, "prometheus": prometheus.exported,
       "grafana": grafana.exported, "k8s": kubernetes.exported}


@pytest.mark.parametrize("kind", ALL)
def test_the_same_manifest_gives_the_same_bytes(loaded, kind):
    """Files parse, name the manifest's digest, and are made again to the byte."""
    made = ALL[kind](loaded)
    assert made == ALL[kind](loaded) and made
    for name, text in made.items():
        assert loaded.sha256 in text
        assert json.loads(text) if name.endswith(".json") else [*yaml.safe_load_all(text)]


def rules(loaded):
    groups = yaml.safe_load(prometheus.exported(loaded)[prometheus.RULES])["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_guard_has_its_rules(loaded):
    """Five a guard, by the check's name, with the signed limit and `for`; an ungated row has none."""
    found = rules(loaded)
    guards = {rule["labels"]["guard"] for rule in found if "guard" in rule.get("labels", {})}
    assert guards == {check.id for check in loaded.manifest.checks if check.measure != "ids missing"}
    of_p95 = {rule["alert"]: rule for rule in found if rule.get("labels", {}).get("guard") == "all-p95 total_ms-ucb"}
    assert len(of_p95) == 5
    value = of_p95["SignoffGuardValue"]
    assert value["expr"].endswith("> 119.0") and value["for"] == "10m"
    assert of_p95["SignoffGuardMissed"]["labels"]["severity"] == "critical"


def test_a_guard_with_an_alternative_has_no_rule_on_its_value_alone(loaded):
    """The alternative may speak for it, so that an alert would contradict the gate."""
    found = [rule["alert"] for rule in rules(loaded) if "p99/p95" in rule.get("labels", {}).get("guard", "")]
    assert "SignoffGuardValue" not in found and "SignoffGuardMissed" in found


def test_only_metrics_that_the_service_shows_are_asked_for(loaded):
    """Every signoff_ name in a rule or a panel is one of the service's."""
    shown = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    shown |= {f"{names.REQUEST_SECONDS}_bucket"}
    asked = {name for make in (prometheus, grafana, flagger) for text in make.exported(loaded).values()
             for name in re.findall(r"\bsignoff_[a-z_]+", text)}
    assert asked and asked <= shown


@pytest.fixture
def promtool(tmp_path):
    if PROMTOOL is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")

    def run(files, *words):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return subprocess.run([PROMTOOL, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                              check=False)
    return run


CHECKS = [("check", "rules", "signoff.rules.yml"), ("test", "rules", "signoff.rules.test.yml"),
          ("check", "config", "prometheus.yml")]  # fmt: skip


@pytest.mark.services
@pytest.mark.parametrize("words", CHECKS, ids=" ".join)
def test_promtool_accepts_rules_tests_and_configuration(loaded, promtool, words):
    """Each rule fires where it must and not a minute or a millionth sooner, by Prometheus' own evaluation."""
    done = promtool(prometheus.exported(loaded), *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.services
@pytest.mark.parametrize("words", CHECKS[:2], ids=" ".join)
@pytest.mark.parametrize("name", ["l={{x}}", "{{ $labels.foo }}", "a\nb", "a|{b}\\", "# c: d"])
def test_a_slice_may_have_any_name(tmp_path, promtool, name, words):
    """Braces of a template, quotes and ends of lines are texts in a rule, and its tests still fire it."""
    document = yaml.safe_load(GUARDED)
    document["policy"][0]["slices"] = ["all", name]
    done = promtool(prometheus.exported(written(tmp_path, yaml.safe_dump(document))), *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["prometheus", "flagger", "k8s"])
def test_a_file_s_name_is_never_more_than_a_comment(loaded, kind):
    """A manifest whose name holds the end of a line adds nothing to what is exported."""
    renamed = loaded.path.with_name("m\ngroups: []\n#.yaml")
    loaded.path.rename(renamed)
    bundles = bundle_path(loaded)
    found = load_manifest(renamed)
    bundle_path(found).write_bytes(bundles.read_bytes())
    for text in ALL[kind](found).values():
        assert text.startswith("# Made by signoff export of m groups: [] #.yaml (sha256 ")


@pytest.mark.services
@pytest.mark.parametrize(("rule", "old", "new"), [
    ("SignoffGuardMissed", ">= 2", ">= 3"), ("SignoffGuardMissed", ">= 2", ">= 1"),
    ("SignoffGuardNear", "== 1", "== 2"), ("SignoffGuardValue", "> 119.0", ">= 119.0"),
    ("SignoffGuardValue", "> 119.0", "> 119.1"), ("SignoffGuardMissing", "== -1", "== -2"),
    ("SignoffGuardMissing", "absent", "count"), ("SignoffGuardMoved", "!= 119.0", "!= 119.000119"),
    ("SignoffEmergency", ">= 2)", ">= 1)"), ("SignoffDown", "== 0", "== 2")])  # fmt: skip
def test_the_exported_tests_catch_a_changed_rule(loaded, promtool, rule, old, new):
    """A rule edited by hand does not pass the tests that were exported with it."""
    files = dict(prometheus.exported(loaded))
    document = yaml.safe_load(files[prometheus.RULES])
    changed = 0
    for one in (one for group in document["groups"] for one in group["rules"]):
        if one.get("alert") == rule and old in one["expr"]:
            one["expr"], changed = one["expr"].replace(old, new), changed + 1
    files[prometheus.RULES] = yaml.safe_dump(document)
    assert changed and promtool(files, *CHECKS[0]).returncode == 0
    assert promtool(files, *CHECKS[1]).returncode != 0


def documents(made):
    return {one["metadata"]["name"]: one for text in made.values() for one in yaml.safe_load_all(text)}


def test_argo_takes_the_ramp_and_the_verdict(loaded):
    """Weights and holds of the preset, `validate` included; pass, fail and inconclusive as the service says them."""
    made = documents(argo.exported(loaded))
    canary = made["small-v0"]["spec"]["strategy"]["canary"]
    assert [one["setWeight"] for one in canary["steps"] if "setWeight" in one] == [5, 25, 50, 100]
    pauses = [one["pause"]["duration"] for one in canary["steps"] if "pause" in one]
    assert pauses == ["30m", "2h", "6h", "2370m"]  # 24 h, and 15.5 h to the 48 of `validate`
    assert canary["steps"][-1]["analysis"]["templates"] == [{"templateName": "small-v0-proof"}]
    assert canary["analysis"]["args"] == [{"name": "release", "value": sha256_bytes(b"bundle")}]
    for kind, good in (("harm", "result != 'fail'"), ("proof", "result == 'pass'")):
        (metric,) = made[f"small-v0-{kind}"]["spec"]["metrics"]
        assert (metric["successCondition"], metric["failureCondition"]) == (good, "result == 'fail'")
        assert metric["provider"]["web"]["url"].endswith("/v1/verdict?release={{args.release}}")
        assert metric["consecutiveErrorLimit"] == 2 and metric["failureLimit"] == 0
    assert "count" not in made["small-v0-harm"]["spec"]["metrics"][0]


def test_argo_wants_a_signed_release(tmp_path):
    """The verdict is asked by the digest of the bundle, and an unsigned release has none."""
    loaded = written(tmp_path, GUARDED)
    bundle_path(loaded).unlink()
    with pytest.raises(InputError, match=r"small-v0.intoto.jsonl: cannot be read"):
        argo.exported(loaded)


def test_flagger_is_never_faster_than_signed(loaded):
    """One interval for all weights: the longest hold; every guard that stops a ramp must read and be kept."""
    made = documents(flagger.exported(loaded))
    analysis = made["small-v0"]["spec"]["analysis"]
    assert (analysis["interval"], analysis["threshold"], analysis["stepWeights"]) == ("24h", 1, [5, 25, 50, 100])
    assert {one["name"]: one["thresholdRange"] for one in analysis["metrics"]} == {
        "small-v0-worst": {"max": 1}, "small-v0-least": {"min": 0}, "small-v0-read": {"min": 4}}
    pattern = made["small-v0-worst"]["spec"]["query"]
    assert "p99/p95 total_ms" in pattern and "Jaccard" not in pattern and '\\"hi\\"' in pattern


@pytest.mark.services
@pytest.mark.parametrize(("states", "worst", "least", "read"), [("0 1 0 0", 1, 0, 4), ("0 2 0 -1", 2, -1, 4)])
def test_flaggers_queries_read_the_states(loaded, promtool, states, worst, least, read):
    """By Prometheus' own evaluation, over the guards that stop a ramp and no other."""
    made = documents(flagger.exported(loaded))
    strict = [one.id for one in loaded.manifest.checks if "Jaccard" not in one.id and "ids" not in one.id]
    series = [{"series": f"{names.GUARD_STATE}{{guard={json.dumps(guard)}}}", "values": value}
              for guard, value in [*zip(strict, states.split(), strict=True), ("all-Jaccard@10 baseline-value", "3")]]
    expected = {"worst": worst, "least": least, "read": read}
    tests = [{"expr": made[f"small-v0-{name}"]["spec"]["query"], "eval_time": "0m",
              "exp_samples": [{"labels": "{}", "value": value}]} for name, value in expected.items()]
    case = {"interval": "1m", "input_series": series, "promql_expr_test": tests}
    done = promtool({"t.yml": yaml.safe_dump({"tests": [case]})}, "test", "rules", "t.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["argo", "flagger"])
@pytest.mark.parametrize(("section", "told"), [
    ("", "no ramp"),
    ("rollout: {stages: [{percent: 0.5, hold: 1h, criteria: [{guards: all}]}]}", "not a whole percent")])
def test_a_ramp_that_cannot_be_said_there_is_refused(tmp_path, kind, section, told):
    """Without a ramp, and with shares that the other side does not know."""
    loaded = written(tmp_path, GUARDED.replace("rollout: {preset: 5-25-50-100}", section))
    with pytest.raises(InputError, match=told):
        ALL[kind](loaded)


@pytest.mark.parametrize("kind", ["prometheus", "grafana", "flagger"])
def test_a_manifest_that_watches_nothing_is_refused(tmp_path, kind):
    """An export without guards would look like one that watches."""
    bare = re.sub(r",\s*guard: {[^}]*}", "", GUARDED)
    with pytest.raises(InputError, match="nothing is watched"):
        ALL[kind](written(tmp_path, bare))


def test_the_dashboard_draws_each_guard_beside_its_limit(loaded):
    """Panels do not overlap, each has a query, and a guard's red side is the one that it refuses."""
    board = json.loads(grafana.exported(loaded)["dashboard.json"])
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in board["panels"]]
    assert len(set(places)) == len(places) == 9 + 5 and all(one["targets"] for one in board["panels"])
    colours = {one["title"]: [step["color"] for step in one["fieldConfig"]["defaults"]["thresholds"]["steps"]]
               for one in board["panels"] if "thresholds" in one["fieldConfig"]["defaults"]}
    assert colours["p95 total_ms (all) ucb ≤ 119"] == ["green", "red"]
    assert colours["delta nDCG@10 (all) lcb ≥ 0"] == ["red", "green"]


def test_the_pod_is_probed_and_has_no_power(loaded):
    """Probes on /health, no root, nothing writable but its own volumes, the database from a secret."""
    made = documents(kubernetes.exported(loaded, image="registry/signoff:1"))
    pod = next(one for one in yaml.safe_load_all(kubernetes.exported(loaded)["deployment.yaml"]))["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert container["securityContext"]["readOnlyRootFilesystem"] and pod["spec"]["securityContext"]["runAsNonRoot"]
    assert container["env"][0]["valueFrom"]["secretKeyRef"]["name"] == "signoff-db"
    assert pod["metadata"]["labels"] == made["small-v0"]["spec"]["selector"]


def test_a_manifest_without_a_ramp_or_guards_still_has_a_pod(tmp_path):
    """Kubernetes asks for neither."""
    assert "deployment.yaml" in kubernetes.exported(written(tmp_path, MANIFEST))
