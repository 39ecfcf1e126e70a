"""Forgeries of what carries the evidence: bytes, envelopes, signatures, statements."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from harness.data.canonical import digest_of
from harness.release.attest import countersign
from harness.release.bundle import MAX_BYTES, RELEASE
from tests.faults.forging import (
    KEY,
    STRANGER,
    Forgery,
    Statements,
    envelopes,
    lying,
    payloads_of,
    sealed_raw,
)

GOOD = lying()
LINES = GOOD.splitlines(keepends=True)
PAYLOADS = payloads_of(GOOD)


def _text(old: bytes, new: bytes, line: int = 1) -> bytes:
    """The bundle with one payload's text changed, then signed as it is."""
    payloads = list(PAYLOADS)
    assert old in payloads[line]
    payloads[line] = payloads[line].replace(old, new, 1)
    return sealed_raw(payloads)


def _kept(old: bytes, new: bytes, line: int = 1) -> bytes:
    """The bundle with one payload's text changed under its old signature."""

    def edit(lines: list[dict[str, Any]]) -> None:
        assert old in PAYLOADS[line]
        lines[line]["payload"] = base64.b64encode(PAYLOADS[line].replace(old, new, 1)).decode()

    return envelopes(GOOD, edit)


def _signature(edit: Callable[[dict[str, Any]], object]) -> bytes:
    return envelopes(GOOD, lambda lines: edit(lines[1]["signatures"][0]))


def _said(key: str, value: Any) -> Callable[[Statements], object]:
    return lambda statements: statements[2][1]["signoff"].__setitem__(key, value)


def _generic(key: str, value: Any) -> Callable[[Statements], object]:
    return lambda statements: statements[0][1].__setitem__(key, value)


def _gates(key: str, value: Any) -> Callable[[Statements], object]:
    return lambda statements: statements[1][1].__setitem__(key, value)


def _policy(rows: list[dict[str, Any]]) -> Callable[[Statements], object]:
    return lambda statements: statements[1][1].update(policy=rows, policySha256=digest_of(rows))


def _lowered(gates: dict[str, Any]) -> None:
    gates["policy"][0]["at_least"] = 0.1
    gates["policySha256"] = digest_of(gates["policy"])


def _subjects(edit: Callable[[dict[str, str]], object], lines: tuple[int, ...] = (0, 1, 2)) -> bytes:
    return lying(say=lambda statements: [edit(statements[line][2]) for line in lines])


def _flipped() -> bytes:
    sig = bytearray(base64.b64decode(json.loads(LINES[0])["signatures"][0]["sig"]))
    sig[0] ^= 1
    return envelopes(GOOD, lambda lines: lines[0]["signatures"][0].update(sig=base64.b64encode(bytes(sig)).decode()))


BYTES: list[tuple[str, str, bytes]] = [
    ("nothing", "empty", b""),
    ("not_json", "not JSON", b"hello\nhello\nhello\n"),
    ("not_text", "not JSON", b"\xff\xfe\n" * 3),
    ("json_of_another_kind", "not a DSSE envelope", b"[]\n[]\n[]\n"),
    ("cut_in_the_middle", "cut short", GOOD[: len(GOOD) // 2]),
    ("without_the_last_line_end", "cut short", GOOD[:-1]),
    ("two_statements", "wrong number of statements", LINES[0] + LINES[1]),
    ("four_statements", "wrong number of statements", GOOD + LINES[2]),
    ("larger_than_any_bundle", "too large", b" " * (MAX_BYTES + 1)),
    ("nested_beyond_reading", "not JSON", b"[" * 200_000 + b"\n" + LINES[1] + LINES[2]),
    ("integer_of_5000_digits", "not JSON", b'{"payload":' + b"9" * 5000 + b"}\n" + LINES[1] + LINES[2]),
    ("white_space_in_an_envelope", "one byte form", GOOD.replace(b'{"payload":', b'{ "payload":', 1)),
    ("windows_line_ends", "one byte form", GOOD.replace(b"\n", b"\r\n")),
    ("keys_in_another_order", "one byte form",
     envelopes(GOOD, lambda lines: lines[0].update(payload=lines[0].pop("payload")))),
    ("duplicate_key_in_an_envelope", "duplicate key",
     GOOD.replace(b'"payloadType":', b'"payloadType":"x","payloadType":', 1)),
    ("another_payload_type", "wrong payloadType",
     envelopes(GOOD, lambda lines: lines[2].update(payloadType="application/json"))),
    ("field_too_many", "not a DSSE envelope", envelopes(GOOD, lambda lines: lines[0].update(note="hi"))),
    ("payload_left_out", "not a DSSE envelope", envelopes(GOOD, lambda lines: lines[0].pop("payload"))),
    ("payload_not_base64", "payload is not base64", envelopes(GOOD, lambda lines: lines[0].update(payload="§"))),
    ("payload_is_a_number", "payload is not base64", envelopes(GOOD, lambda lines: lines[0].update(payload=7))),
    ("payload_in_loose_base64", "not base64|one byte form",
     envelopes(GOOD, lambda lines: lines[0].update(payload=lines[0]["payload"].rstrip("=") + "=\n="))),
    ("no_signatures", "no signature", envelopes(GOOD, lambda lines: lines[0].update(signatures=[]))),
    ("signatures_are_an_object", "no signature", envelopes(GOOD, lambda lines: lines[0].update(signatures={}))),
    ("signature_without_key_id", "without a key id", _signature(lambda one: one.pop("keyid"))),
    ("signature_with_empty_key_id", "empty key id", _signature(lambda one: one.update(keyid=""))),
    ("signature_with_numeric_key_id", "empty key id", _signature(lambda one: one.update(keyid=1))),
    ("signature_too_short", "not an ed25519 signature", _signature(lambda one: one.update(sig="AAAA"))),
    ("signature_not_base64", "sig is not base64", _signature(lambda one: one.update(sig="!"))),
    ("signature_with_a_certificate", "not a signature", _signature(lambda one: one.update(cert="x"))),
    ("one_bit_of_a_signature", "signature does not hold", _flipped()),
    ("signature_of_another_statement", "signature does not hold",
     envelopes(GOOD, lambda lines: lines[0].update(signatures=lines[1]["signatures"]))),
    ("payload_changed_after_signing", "signature does not hold", _kept(b'"value":0.34', b'"value":0.44')),
    ("refusal_changed_after_signing", "signature does not hold", _kept(b'"INCONCLUSIVE"', b'"PASS"')),
    ("payload_emptied", "signature does not hold", envelopes(GOOD, lambda lines: lines[0].update(payload=""))),
    ("signed_by_a_stranger", "unknown key", lying(keys=(STRANGER,))),
    ("stranger_under_a_trusted_id", "signature does not hold",
     envelopes(lying(keys=(STRANGER,)), lambda lines: [line["signatures"][0].update(keyid=KEY.keyid)
                                                       for line in lines])),
    ("countersigned_by_a_stranger", "unknown key", countersign(GOOD, STRANGER)),
    ("one_statement_by_a_stranger", "line 3: signed by an unknown key", LINES[0] + LINES[1]
     + lying(keys=(STRANGER,)).splitlines(keepends=True)[2]),
    ("a_key_signs_twice", "key id signs twice",
     envelopes(GOOD, lambda lines: lines[0]["signatures"].append(dict(lines[0]["signatures"][0])))),
    ("signed_nothing", "not JSON", sealed_raw([b"", b"", b""])),
    ("signed_plain_words", "not JSON", sealed_raw([b"all is well"] * 3)),
    ("signed_a_list", "not a statement", sealed_raw([b"[]"] * 3)),
    ("duplicate_key_in_a_statement", "duplicate key",
     _text(b'"verdict":"PASS"', b'"verdict":"REFUSE","verdict":"PASS"')),
    ("nan_in_a_statement", "not a JSON number", _text(b'"value":0.34', b'"value":NaN')),
    ("infinity_in_a_statement", "not a JSON number", _text(b'"high":0.355', b'"high":Infinity')),
    ("overflow_in_a_statement", "not a JSON number", _text(b'"high":0.355', b'"high":1e999')),
    ("half_a_surrogate_pair", "not JSON", _text(b'"t by cluster"', b'"\\ud800"')),
    ("another_statement_version", "not an in-toto statement",
     _text(b"https://in-toto.io/Statement/v1", b"https://in-toto.io/Statement/v0.1")),
    ("statements_in_another_order", "not the three statements", LINES[1] + LINES[0] + LINES[2]),
    ("one_statement_three_times", "not the three statements", LINES[1] * 3),
    ("statement_of_another_kind", "not the three statements",
     lying(say=lambda statements: statements[2].__setitem__(0, RELEASE + "x"))),
    ("predicate_is_a_list", "no predicate", lying(say=lambda statements: statements[0].__setitem__(1, []))),
    ("no_subjects", "no subjects", lying(say=lambda statements: [one.__setitem__(2, {}) for one in statements])),
    ("subject_twice", "subject stands twice",
     _text(b'"subject":[', b'"subject":[{"name":"SHA256SUMS","digest":{"sha256":"' + b"0" * 64 + b'"}},', line=0)),
    ("subject_by_another_digest", "not a subject's digest",
     _text(b'"digest":{"sha256":', b'"digest":{"md5":', line=0)),
    ("subject_in_capitals", "not a sha256", _subjects(lambda one: one.update(SHA256SUMS="A" * 64))),
    ("subject_without_a_name", "without a name", _text(b'"name":"SHA256SUMS"', b'"name":""', line=0)),
    ("statements_over_different_files", "SHA256SUMS: changed since it was a subject of line 1",
     _subjects(lambda one: one.update(SHA256SUMS="0" * 64), lines=(2,))),
    ("statement_over_fewer_files", "a subject of line 1, and missing",
     _subjects(lambda one: one.pop("SHA256SUMS"), lines=(0, 1, 2)[1:])),
    ("signed_more_files_than_there_are", "extra.bin: signed, and missing now",
     _subjects(lambda one: one.update({"extra.bin": "0" * 64}))),
    ("signed_fewer_files_than_there_are", "SHA256SUMS: there now, and was not signed",
     _subjects(lambda one: one.pop("SHA256SUMS"))),
    ("manifest_not_signed", "small-v1.yaml: there now, and was not signed",
     _subjects(lambda one: one.pop("small-v1.yaml"))),
    ("gates_of_another_release", "another release", lying(say=_gates("release", "small-v2"))),
    ("statement_of_another_release", "release statement: another release", lying(say=_said("release", "small-v2"))),
    ("release_statement_without_its_field", "another release", lying(say=lambda one: one[2][1].pop("signoff"))),
    ("evidence_digest_of_other_evidence", "not what was measured", lying(say=_gates("evidenceSha256", "0" * 64))),
    ("findings_swapped_after_digest", "not what was measured",
     lying(say=lambda one: one[1][1]["findings"][0]["estimate"].update(value=0.345))),
    ("findings_are_an_object", "no evidence", lying(say=_gates("findings", {}))),
    ("header_left_out", "no evidence", lying(say=lambda one: one[1][1].pop("header"))),
    ("verdict_of_the_gates", "verdict does not follow from the evidence", lying(say=_gates("verdict", "REFUSE"))),
    ("counts_of_the_gates", "counts does not follow", lying(say=_gates("counts", {"findings": 6, "passed": 6}))),
    ("gates_with_a_waiver", "waived does not follow", lying(say=_gates("waived", ["all"]))),
    ("policy_left_out", "no policy", lying(say=lambda one: one[1][1].pop("policy"))),
    ("policy_emptied", "no policy", lying(say=_policy([]))),
    ("policy_of_odd_rows", "no policy", lying(say=_policy([{"measure": "R@5"}]))),
    ("policy_digest_of_another", "digest is not its own", lying(say=_gates("policySha256", "0" * 64))),
    ("weaker_policy_signed", "another policy.*limit moved",
     lying(say=lambda one: _lowered(one[1][1]))),
    ("passed_tests_invented", "passedTests does not follow", lying(say=_generic("passedTests", ["everything"]))),
    ("doubt_hidden_from_readers", "result does not follow", lying(say=_generic("result", "PASSED"))),
    ("tested_under_another_file", "configuration does not follow", lying(say=_generic("configuration", []))),
    ("purl_of_another_release", "purl does not follow",
     lying(say=lambda one: one[2][1].update(purl="pkg:generic/other@1"))),
    ("baseline_renamed_in_the_release", "signoff does not follow", lying(say=_said("baseline", None))),
    ("run_renamed_in_the_release", "signoff does not follow", lying(say=_said("runId", "another"))),
    ("signed_at_no_time", "signedAt is not a time", lying(say=_said("signedAt", "now"))),
    ("signed_by_nobody", "does not say who signed", lying(say=_said("signers", []))),
    ("development_is_maybe", "does not say who signed", lying(say=_said("development", "no"))),
    ("marked_as_development", "marked as a development release", lying(say=_said("development", True))),
    ("signed_before_it_was_measured", "from the future.*finished before signed",
     lying(say=_said("signedAt", "2025-03-01T11:00:00Z"))),
]

FORGERIES = [Forgery(name, because, raw) for name, because, raw in BYTES]
