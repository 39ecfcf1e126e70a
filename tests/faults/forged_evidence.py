"""Forgeries by whoever holds a trusted key: evidence that was edited before it was signed, digests fitting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.faults.forging import Forgery, Rows, lying

R5, DELTA, HARD, P95, SPEND, OWN = 1, 2, 3, 4, 5, 6  # places of the findings between header and closing line


def put(place: int, *path: str | int, value: Any) -> Callable[[Rows], object]:
    """An edit: one field, found by its path in one row, takes another value."""

    def edit(rows: Rows) -> None:
        target: Any = rows[place]
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return edit


def drop(place: int, *path: str) -> Callable[[Rows], object]:
    """An edit: one field is gone."""

    def edit(rows: Rows) -> None:
        target: Any = rows[place]
        for key in path[:-1]:
            target = target[key]
        del target[path[-1]]

    return edit


def all_of(*edits: Callable[[Rows], object]) -> Callable[[Rows], object]:
    """Several edits, one after another."""
    return lambda rows: [edit(rows) for edit in edits]


def gone(place: int) -> Callable[[Rows], object]:
    """An edit: a finding is left out, and the closing line counts one less."""
    return all_of(lambda rows: rows.pop(place), put(-1, "ran", value=5))


def twice(place: int) -> Callable[[Rows], object]:
    """An edit: a finding stands twice, and the closing line counts one more."""
    return all_of(lambda rows: rows.insert(place, dict(rows[place])), put(-1, "ran", value=7))


def failing(rows: Rows) -> None:
    """R@5 and its alternative both under their limits, with reason and verdict that follow: an honest refusal."""
    rows[R5]["estimate"] |= {"value": 0.2, "low": 0.18, "high": 0.22}
    rows[R5]["alternatives"][0]["estimate"] |= {"value": 0.1, "low": 0.08, "high": 0.12}
    rows[R5] |= {"verdict": "REFUSE", "reason": "value 0.2 < 0.3"}


def doubtful(rows: Rows) -> None:
    """A required bound that the numbers leave open, written as such."""
    rows[HARD]["estimate"] |= {"low": -0.003}
    rows[HARD] |= {"verdict": "INCONCLUSIVE", "needed_n": 922,
                   "reason": "lcb -0.003 < 0; about n = 922 would settle it"}


def huge(place: int, *path: str | int) -> Callable[[Rows], object]:
    """An edit: an integer that no float can hold."""
    return put(place, *path, value=10**400)


_OWN_ROW = {"gate": "home_made", "own_gate": "home_made", "measure": "home_made"}

TABLE: list[tuple[str, str, Callable[[Rows], object]]] = [
    # the header belongs to this manifest and these bytes
    ("header_of_another_manifest", "manifest_sha256 is not this manifest's", put(0, "manifest_sha256", value="0" * 64)),
    ("header_names_another_file", "manifest is not this manifest's", put(0, "manifest", value="other.yaml")),
    ("header_of_another_release", "release is not this manifest's", put(0, "release", value="small-v2")),
    ("header_of_another_config", "config_hash is not this manifest's", put(0, "config_hash", value="c" * 64)),
    ("header_of_another_seed", "seed is not this manifest's", put(0, "seed", value=8)),
    ("header_without_run_id", "field is missing.*run_id", drop(0, "run_id")),
    ("header_with_blank_run_id", "no run_id", put(0, "run_id", value=" ")),
    ("header_with_a_run_id_for_the_terminal", "no run_id", put(0, "run_id", value="\x1b[2Jverified")),
    ("header_without_threads", "field is missing.*threads", drop(0, "threads")),
    ("header_with_no_thread", "no thread count", put(0, "threads", value=0)),
    ("header_with_true_threads", "no thread count", put(0, "threads", value=True)),
    ("header_without_baseline", "no baseline", put(0, "baseline", value=None)),
    ("header_with_another_baseline", "another baseline", put(0, "baseline", "release", value="strawman")),
    ("header_with_unhashed_baseline", "baseline has no digest", put(0, "baseline", "config_hash", value="")),
    ("measured_other_vectors", "vectors.npy: changed since it was measured",
     put(0, "artifacts", "index/vectors.npy", value="d" * 64)),
    ("measured_fewer_artifacts", "vectors.npy: there now, and was not measured",
     drop(0, "artifacts", "index/vectors.npy")),
    ("measured_more_artifacts", "extra.npy: measured, and missing now",
     put(0, "artifacts", "extra.npy", value="d" * 64)),
    ("artifacts_are_a_list", "no artifacts", put(0, "artifacts", value=[])),
    ("another_run_manifest", "another run manifest", put(0, "run_manifest_sha256", value="e" * 64)),
    ("header_of_another_schema", "no header.*signoff-evidence/1", put(0, "schema", value="signoff-evidence/0")),
    ("started_is_no_time", "started is not a time", put(0, "started", value="yesterday")),
    ("started_without_offset", "started is not a time", put(0, "started", value="2025-03-01T12:00:00")),
    ("started_in_another_millennium", "started is not a time", put(0, "started", value="0001-01-01T00:00:00+14:00")),
    # the run left nothing out
    ("a_gate_was_skipped", "gates were skipped", put(-1, "skipped", value=1)),
    ("a_gate_was_deselected", "gates were deselected", put(-1, "deselected", value=1)),
    ("a_gate_was_xfailed", "gates were expected to fail", put(-1, "xfailed", value=1)),
    ("a_gate_crashed", "gates crashed", put(-1, "errors", value=1)),
    ("a_gate_left_no_outcome", "collected and left no outcome", put(-1, "collected", value=7)),
    ("a_test_failed_beside_the_gates", "tests failed beside", all_of(put(-1, "failed", value=1),
                                                                    put(-1, "passed", value=5))),
    ("pytest_ended_with_an_error", "run ended with an error", put(-1, "exit_status", value=1)),
    ("fewer_ran_than_found", "findings were lost or added", put(-1, "ran", value=5)),
    ("closing_without_counts", "skipped is not a count", drop(-1, "skipped")),
    ("closing_counts_are_text", "errors is not a count", put(-1, "errors", value="0")),
    ("closing_counts_are_negative", "deselected is not a count", put(-1, "deselected", value=-1)),
    ("closing_counts_are_booleans", "xfailed is not a count", put(-1, "xfailed", value=False)),
    ("closing_without_a_time", "finished is not a time", drop(-1, "finished")),
    ("closing_line_is_a_finding", "run did not finish", put(-1, "kind", value="finding")),
    ("a_line_of_an_unknown_kind", "unknown line", put(R5, "kind", value="comment")),
    # every finding asked for, once
    ("required_gate_left_out", "left no finding.*delta nDCG", gone(DELTA)),
    ("excused_gate_left_out", "left no finding.*acceptance", gone(SPEND)),
    ("own_gate_left_out", "left no finding.*no_dead_links", gone(OWN)),
    ("finding_nobody_asked_for", "does not ask for", put(R5, "gate", value="see_also-all-R@6-value")),
    ("own_finding_nobody_asked_for", "does not ask for.*home_made", lambda rows: rows[OWN].update(_OWN_ROW)),
    ("finding_without_a_gate", "does not ask for", drop(R5, "gate")),
    ("finding_twice", "found twice", twice(DELTA)),
    ("excused_finding_twice", "found twice", twice(SPEND)),
    # under the policy's own terms
    ("another_measure", "measure is not the policy's", put(R5, "measure", value="R@50")),
    ("another_task", "task is not the policy's", put(R5, "task", value="known_item")),
    ("another_slice", "slice is not the policy's", put(HARD, "slice", value="all")),
    ("required_turned_off", "required is not the policy's", put(DELTA, "required", value=False)),
    ("excuse_rewritten", "why is not the policy's", put(SPEND, "why", value="it was late")),
    ("measured_gate_passed_off_as_own", "own_gate is not the policy's", put(R5, "own_gate", value="R@5")),
    ("limit_lowered", "limit is not the policy's.*0.3.*0.1", put(R5, "limit", "bound", value=0.1)),
    ("limit_turned_round", "limit is not the policy's", put(P95, "limit", "direction", value="at_least")),
    ("bound_judged_by_its_value", "limit is not the policy's", put(DELTA, "limit", "by", value="value")),
    ("limit_by_nothing", "not a finding", put(DELTA, "limit", "by", value="luck")),
    ("confidence_lowered", "confidence is not the policy's", put(DELTA, "estimate", "confidence", value=0.6)),
    ("alternative_limit_lowered", "alternative that the policy does not name",
     put(R5, "alternatives", 0, "limit", "bound", value=0.01)),
    ("alternative_invented", "alternative that the policy does not name",
     put(R5, "alternatives", 0, "measure", value="Success@1000")),
    ("alternative_twice", "alternative that the policy does not name",
     lambda rows: rows[R5]["alternatives"].append(dict(rows[R5]["alternatives"][0]))),
    ("alternative_confidence_lowered", "confidence of RR is not the policy's",
     put(R5, "alternatives", 0, "estimate", "confidence", value=0.6)),
    ("least_n_lowered", "least n was lowered", put(DELTA, "min_n", value=10)),
    ("cross_check_left_out", "without its cross-check", put(DELTA, "cross", value=None)),
    # possible numbers
    ("value_above_its_interval", "R@5 lies outside", put(R5, "estimate", "value", value=0.9)),
    ("value_below_its_interval", "R@5 lies outside", put(R5, "estimate", "low", value=0.35)),
    ("interval_ends_swapped", "lies outside", lambda rows: rows[DELTA]["estimate"].update(low=0.03, high=0.012)),
    ("interval_end_is_nan", "lies outside", put(R5, "estimate", "high", value="nan")),
    ("value_is_nan", "passed without a number|does not follow",
     all_of(put(R5, "estimate", "value", value="nan"), put(R5, "alternatives", value=[]))),
    ("every_value_is_nan", "passed without a number",
     all_of(put(R5, "estimate", "value", value="nan"), put(R5, "alternatives", 0, "estimate", "value", value="nan"))),
    ("value_is_infinite", "R@5 is infinite",
     lambda rows: rows[R5]["estimate"].update(value="inf", high="inf")),
    ("no_observations", "R@5 has no observations", put(R5, "estimate", "n", value=0)),
    ("negative_observations", "has no observations", put(SPEND, "estimate", "n", value=-5)),
    ("value_is_text", "not a finding", put(R5, "estimate", "value", value="0.34")),
    ("value_is_true", "not a finding", put(R5, "estimate", "value", value=True)),
    ("value_no_float_can_hold", "not a finding", huge(R5, "estimate", "value")),
    ("control_no_float_can_hold", "not a finding", huge(R5, "control", "value")),
    ("n_is_fractional", "estimate does not follow", put(R5, "estimate", "n", value=1500.5)),
    ("more_digits_than_are_written", "estimate does not follow", put(R5, "estimate", "value", value=0.3400000001)),
    ("estimate_left_out", "not a finding", drop(R5, "estimate")),
    ("details_of_an_odd_shape", "not a finding", put(R5, "details", value={"clusters": {"a": 1}})),
    ("alternative_outside_its_interval", "RR lies outside", put(R5, "alternatives", 0, "estimate", "value", value=0.5)),
    ("control_outside_its_interval", "control shuffled_ranking lies outside", put(R5, "control", "value", value=0.2)),
    ("alternative_control_outside", "RR under the control lies outside",
     put(R5, "alternatives", 0, "broken", "value", value=0.5)),
    ("alternative_control_without_confidence", "RR under the control has no confidence",
     put(R5, "alternatives", 0, "broken", "confidence", value=0.2)),
    # verdicts that follow
    ("refused_written_as_passed", "verdict does not follow.*REFUSE",
     lambda rows: (failing(rows), rows[R5].update(verdict="PASS", reason="value 0.2 ≥ 0.3"))),
    ("doubt_written_as_passed", "verdict does not follow.*INCONCLUSIVE",
     lambda rows: (doubtful(rows), rows[HARD].update(verdict="PASS"))),
    ("excused_doubt_written_as_passed", "verdict does not follow", put(SPEND, "verdict", value="PASS")),
    ("passed_written_as_doubt", "verdict does not follow.*PASS", put(DELTA, "verdict", value="INCONCLUSIVE")),
    ("verdict_of_another_word", "not a finding", put(DELTA, "verdict", value="FINE")),
    ("too_few_queries_for_a_bound", "verdict does not follow.*needs n ≥ 200", put(HARD, "estimate", "n", value=150)),
    ("cross_check_disagrees", "verdict does not follow.*disagrees",
     lambda rows: rows[DELTA]["cross"].update(low=-0.05, low_se=0.0003)),
    ("control_left_out", "passed without a planted defect", put(DELTA, "control", value=None)),
    ("own_control_left_out", "passed without a planted defect", put(OWN, "control", value=None)),
    ("control_was_not_refused", "verdict does not follow.*was not refused",
     lambda rows: rows[R5]["control"].update(value=0.35, low=0.34, high=0.36)),
    ("own_control_was_not_refused", "verdict does not follow.*was not refused",
     lambda rows: rows[OWN]["control"].update(value=1.0, low=1.0, high=1.0)),
    ("control_measured_nothing", "verdict does not follow.*was not refused", put(R5, "control", "n", value=0)),
    ("control_without_a_defect", "control without a defect", put(R5, "control", "defect", value=" ")),
    ("reason_rewritten", "reason does not follow", put(R5, "reason", value="looks good")),
    ("needed_n_rewritten", "needed_n does not follow", put(SPEND, "needed_n", value=1501)),
    ("expectation_invented", "expect does not follow", put(R5, "expect", value=[0.3, 0.4])),
    ("a_field_smuggled_in", "unknown field.*waived", put(R5, "waived", value=True)),
    ("own_gate_under_its_limit", "verdict does not follow",
     lambda rows: rows[OWN]["estimate"].update(value=0.95, low=0.95, high=0.95)),
    # what honest evidence says, signed all the same
    ("a_refusal_signed", "signed although it does not pass.*REFUSE", failing),
    ("a_doubt_signed", "signed although it does not pass.*INCONCLUSIVE", doubtful),
]

FORGERIES = [Forgery(name, because, lying(rows=edit)) for name, because, edit in TABLE]
