"""Rules for Prometheus from a manifest's guards, with tests for `promtool test rules` that fire each and just do not.

A guard's state is the service's own word, with its anytime-valid bounds and its `for`; the rule passes it on. Beside it
stand four rules that do not lean on that word: the value beyond the signed limit for as long as the guard says, a guard
that reads nothing, one that is watched by another limit than the signed one, and a service that does not answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from harness.monitor import metric_names as names
from harness.monitor.exports.common import Exports, Watch, as_yaml, watches
from harness.release.manifest import Loaded

__all__ = ["RULES", "Case", "cases_of", "exported", "rules_of"]

RULES, TESTS, CONFIG = "signoff.rules.yml", "signoff.rules.test.yml", "prometheus.yml"
_DIGEST = "d" * 64  # the release in the tests of the rules
_BRACES = '{{"{{"}}'  # a template's way to say what begins one
Case = dict[str, Any]


def exported(loaded: Loaded, *, target: str = "localhost:8080") -> Exports:
    """Rules, their tests, and a configuration that scrapes `target` (host:port) and reads the rules."""
    found = watches(loaded)
    config = {"global": {"scrape_interval": "15s", "evaluation_interval": "15s"}, "rule_files": [RULES],
              "scrape_configs": [{"job_name": "signoff", "static_configs": [{"targets": [target]}]}]}
    tests = {"rule_files": [RULES], "evaluation_interval": "1m", "tests": [*cases_of(found, loaded)]}
    return {RULES: as_yaml([rules_of(found, loaded)], loaded), TESTS: as_yaml([tests], loaded),
            CONFIG: as_yaml([config], loaded)}


def rules_of(found: Sequence[Watch], loaded: Loaded) -> dict[str, Any]:
    """The groups of a rule file: one of the guards, one of the service."""
    name = loaded.manifest.release
    return {"groups": [
        {"name": f"signoff-{name}-guards", "rules": [rule for one in found for rule in _of_guard(one, name)]},
        {"name": f"signoff-{name}-service", "rules": _of_service(name)}]}


def _of_guard(one: Watch, name: str) -> Iterator[dict[str, Any]]:
    guard, limit = one.guard, one.guard.limit
    sign, worst = ("<", "min") if limit.direction == "at_least" else (">", "max")
    state, value = _series(names.GUARD_STATE, guard.name), _series(names.GUARD_VALUE, guard.name)
    shown = _series(names.GUARD_LIMIT, guard.name)
    silent = f"absent({state}) and on () max({names.CANARY_PERCENT}) > 0"
    told = f"{guard.measure} ({guard.slice}) {limit}"
    for alert, expr, severity, summary, for_ in (
            ("Missed", f"{_by('max', state)} >= {names.STATES['critical']}", guard.severity,
             f"shown to be missed, then: {guard.then}", "0m"),
            ("Near", f"{_by('max', state)} == {names.STATES['warning']}", "warning", "near its limit", "0m"),
            ("Value", f"{_by(worst, value)} {sign} {float(limit.bound)!r}", "warning",
             "its value is beyond the limit", one.for_),
            ("Missing", f"{_by('min', state)} == {names.STATES['missing']} or {silent}", "warning",
             "reads nothing, so that the ramp holds", "5m"),
            ("Moved", f"{_by('max', shown)} != {float(limit.bound)!r}", "critical",
             "watched by another limit than the signed one", "5m")):
        if alert == "Value" and guard.others:
            continue  # an alternative may speak for the guard, and its number is not shown
        labels = {"severity": severity, "policy": name, "guard": guard.name}
        yield _alert(f"SignoffGuard{alert}", expr, labels, f"{told}: {summary}", for_)


def _of_service(name: str) -> list[dict[str, Any]]:
    errors, requests = (f"sum by (release, assignment) (rate({one}[5m]))" for one in (names.ERRORS, names.REQUESTS))
    beyond = f"max by (guard, release) ({names.GUARD_STATE}) >= {names.STATES['critical']}"
    buckets = f"sum by (le, stage, release, assignment) (rate({names.REQUEST_SECONDS}_bucket[5m]))"
    return [
        {"record": "signoff:error_rate:5m", "expr": f"{errors} / ({requests} > 0)"},
        {"record": "signoff:request_seconds:p95_5m", "expr": f"histogram_quantile(0.95, {buckets})"},
        _alert("SignoffEmergency", f"count by (release) ({beyond}) >= 2", {"severity": "emergency", "policy": name},
               "two guards or more are beyond their limits"),
        _alert("SignoffDown", 'up{job="signoff"} == 0 or absent(up{job="signoff"})',
               {"severity": "critical", "policy": name}, "the service does not answer its scrape", "1m"),
        _alert("SignoffDropped", f"max({names.DROPPED}) > 0", {"severity": "warning", "policy": name},
               "observations were dropped: the windows show less than was served")]


def _alert(alert: str, expr: str, labels: dict[str, str], summary: str, for_: str = "0m") -> dict[str, Any]:
    """One alerting rule; braces of a template's would be run, in labels and in annotations: they stand as texts."""
    return {"alert": alert, "expr": expr, "for": for_,
            "labels": {key: value.replace("{{", _BRACES) for key, value in labels.items()},
            "annotations": {"summary": summary.replace("{{", _BRACES)}}


def _series(metric: str, guard: str) -> str:
    return f"{metric}{{guard={json.dumps(guard, ensure_ascii=False)}}}"


def _by(how: str, series: str) -> str:
    return f"{how} by (guard, release) ({series})"


def cases_of(found: Sequence[Watch], loaded: Loaded) -> Iterator[Case]:
    """For each rule of each guard, and of the service, series that fire it and series that just do not."""
    for one in found:
        yield from _cases(one, loaded.manifest.release, [_labelled(names.GUARD_STATE, other) for other in found
                                                         if other is not one])
    down, *_ = [rule for rule in _of_service(loaded.manifest.release) if rule.get("alert") == "SignoffDown"]
    yield _case(down, {'up{job="signoff"}': "1 0 0"}, fires=2, quiet=1, labels={"job": "signoff"})
    if len(found) > 1:
        both, *_ = [rule for rule in _of_service(loaded.manifest.release) if rule.get("alert") == "SignoffEmergency"]
        first, second = (_labelled(names.GUARD_STATE, watch) for watch in found[:2])
        yield _case(both, {first: "2 2 2", second: "1 1 2"}, fires=2, quiet=1)


def _cases(one: Watch, name: str, others: Sequence[str]) -> Iterator[Case]:
    bound, step = float(one.guard.limit.bound), 1e-6 * max(1.0, abs(one.guard.limit.bound))
    beyond = bound - step if one.guard.limit.direction == "at_least" else bound + step
    rules = {rule["alert"].removeprefix("SignoffGuard"): rule for rule in _of_guard(one, name)}
    minutes = -(-one.guard.for_s // 60)
    state, value, limit = (_labelled(metric, one) for metric in (
        names.GUARD_STATE, names.GUARD_VALUE, names.GUARD_LIMIT))
    yield _case(rules["Missed"], {state: "0 1 2"}, fires=2, quiet=1)
    yield _case(rules["Near"], {state: "0 1 2"}, fires=1, quiet=2)
    if "Value" in rules:
        yield _case(rules["Value"], {value: f"{bound!r} {_kept(beyond, minutes + 1)}"}, fires=minutes + 1,
                    quiet=minutes)
    yield _case(rules["Missing"], {state: "0 -1 -1 -1 -1 -1 -1"}, fires=6, quiet=5)
    silent = dict.fromkeys(others, "0 0 0 0 0 0 0") | {names.CANARY_PERCENT: "0 5 5 5 5 5 5"}
    yield _case(rules["Missing"], silent, fires=6, quiet=5, labels={})
    yield _case(rules["Moved"], {limit: f"{bound!r} {_kept(beyond, 6)}"}, fires=6, quiet=5)


def _case(rule: dict[str, Any], series: dict[str, str], *, fires: int, quiet: int,
          labels: dict[str, str] | None = None) -> Case:
    """Series a minute apart, the minute at which the rule fires, and the one at which it does not."""
    more = {"release": _DIGEST} if labels is None else labels
    fired = [{"exp_labels": more | _run(rule["labels"]), "exp_annotations": _run(rule["annotations"])}]
    return {"interval": "1m", "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": f"{minute}m", "alertname": rule["alert"], "exp_alerts": alerts}
                                for minute, alerts in ((quiet, []), (fires, fired))]}


def _run(texts: dict[str, str]) -> dict[str, str]:
    """Texts as Prometheus shows them once their templates have run."""
    return {key: text.replace(_BRACES, "{{") for key, text in texts.items()}


def _kept(value: float, times: int) -> str:
    """A value and as many repetitions, as promtool writes them."""
    return f"{value!r}+0x{times}"


def _labelled(metric: str, one: Watch) -> str:
    return f"{_series(metric, one.guard.name)[:-1]},release=\"{_DIGEST}\"}}"
