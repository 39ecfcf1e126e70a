"""A sound bundle in the wrong place: other files, another policy, other keys, another moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from fixtures.attested import MANIFEST, NOW, STARTED, attested, trusted
from harness.release.attest import countersign
from harness.release.manifest import Loaded, parse_manifest
from harness.release.policy import Guard, Row
from harness.release.terms import Base
from harness.release.trust import Trust
from tests.faults.forging import BASELINE_HASH, HONEST, KEY, PLAY, SECOND, TRUST, Forgery, Statements, envelopes, lying

GOOD = lying()
LINES = GOOD.splitlines(keepends=True)
TWO = replace(TRUST, keys=(trusted(KEY), trusted(SECOND)), threshold=2)
ALIASED = replace(TRUST, keys=(trusted(KEY), trusted(KEY, keyid="alias"), trusted(SECOND)), threshold=2)


def _aliased() -> bytes:
    """One key signs under two ids."""
    return envelopes(GOOD, lambda lines: [line["signatures"].append({**line["signatures"][0], "keyid": "alias"})
                                          for line in lines])


def _unmarked(statements: Statements) -> None:
    statements[2][1]["signoff"]["development"] = False


def _without(name: str) -> bytes:
    """Neither measured nor signed: a file that should be there is nowhere."""
    return lying(rows=lambda rows: rows[0]["artifacts"].pop(name),
                 say=lambda statements: [one[2].pop(name) for one in statements])


def _manifest(old: str, new: str) -> dict[str, Any]:
    """What a verifier sees after the manifest was edited in place."""
    text = MANIFEST.replace(old, new)
    assert text != MANIFEST
    loaded = Loaded(parse_manifest(text.encode(), where="edited"), text.encode(), Path("manifests/small-v1.yaml"))
    return {"manifest": loaded, "subjects": {**HONEST.subjects, "small-v1.yaml": loaded.sha256}}


def _base(*edits: tuple[int, dict[str, Any]], more: tuple[Row, ...] = ()) -> dict[str, Any]:
    """A base branch whose policy asks for other things than the signed one."""
    rows = list(HONEST.loaded.manifest.policy)
    for place, update in edits:
        rows[place] = rows[place].model_copy(update=update)
    return {"base": Base(HONEST.loaded.manifest.model_copy(update={"policy": (*rows, *more)}), BASELINE_HASH)}


def _ground(old: str, new: str, baseline: str = BASELINE_HASH) -> dict[str, Any]:
    """A base branch that measures on something else, under the same policy."""
    text = MANIFEST.replace(old, new)
    return {"base": Base(parse_manifest(text.encode(), where="base"), baseline)}


def _files(**digests: str | None) -> dict[str, Any]:
    subjects = {**HONEST.subjects, **{name: digest for name, digest in digests.items() if digest}}
    return {"subjects": {name: digest for name, digest in subjects.items() if digests.get(name, "kept") is not None}}


_OTHER = attested(MANIFEST.replace("release: small-v1", "release: small-v2"))

SHOWN: list[tuple[str, str, bytes, dict[str, Any]]] = [
    ("one_file_edited", "SHA256SUMS: changed since it was signed.*expected e6351d.*found '0000", GOOD,
     _files(SHA256SUMS="0" * 64)),
    ("one_file_gone", "SHA256SUMS: signed, and missing now", GOOD, _files(SHA256SUMS=None)),
    ("one_file_more", "extra: there now, and was not signed", GOOD, _files(extra="0" * 64)),
    ("manifest_edited", "small-v1.yaml: changed since it was signed;", GOOD, _manifest("seed: 7", "seed: 8")),
    ("limit_lowered_after_signing", "changed since it was signed, and its policy weakened.*limit moved", GOOD,
     _manifest("at_least: 0.3,", "at_least: 0.2,")),
    ("row_dropped_after_signing", "policy weakened.*no longer asked for", GOOD,
     _manifest("  - {gate: no_dead_links}\n", "")),
    ("row_excused_after_signing", "policy weakened.*no longer required", GOOD,
     _manifest("at_most: 8.0}", "at_most: 8.0, required: false, why: slow week}")),
    ("confidence_lowered_after_signing", "policy weakened.*confidence lowered", GOOD,
     _manifest("at_most: 8.0}", "at_most: 8.0, confidence: 0.6}")),
    ("alternative_added_after_signing", "policy weakened.*alternative", GOOD,
     _manifest("{measure: RR, at_least: 0.2}", "{measure: RR, at_least: 0.2}, {measure: AP, at_least: 0.0}")),
    ("guard_dropped_after_signing", "policy weakened.*guard was changed", GOOD,
     _manifest(",\n     guard: {for: 3m, severity: critical, then: rollback}}", "}")),
    ("no_run_manifest_anywhere", "no run manifest among the artifacts", _without("run_manifest.json"),
     _files(**{"run_manifest.json": None})),
    ("manifest_not_hashed", "not among the files hashed now", GOOD, _files(**{"small-v1.yaml": None})),
    ("base_asks_for_more", "demands less than the base.*limit moved from value ≥ 0.35", GOOD,
     _base((0, {"at_least": 0.35}))),
    ("base_asks_for_another_row", "demands less than the base.*no longer asked for", GOOD,
     _base(more=(Row(measure="AP", at_least=0.1),))),
    ("base_requires_what_is_excused", "demands less than the base.*no longer required", GOOD,
     _base((3, {"required": True}))),
    ("base_knows_no_alternative", "demands less than the base.*alternative", GOOD, _base((0, {"any_with": ()}))),
    ("base_has_another_guard", "demands less than the base.*guard", GOOD,
     _base((2, {"guard": Guard.model_validate({"for": "1m", "severity": "critical", "then": "rollback"})}))),
    ("base_row_that_kept_only_its_name", "demands less than the base.*task moved", GOOD,
     _base((0, {"task": None, "slices": ("see_also-all",)}))),
    ("base_has_another_seed", "something else than the base.*: seed moved from 8 to 7;.*reviewed by itself", GOOD,
     _ground("seed: 7", "seed: 8")),
    ("base_names_another_baseline", ": baseline moved from small-v-1 to small-v0;", GOOD,
     _ground("baseline: small-v0", "baseline: small-v-1")),
    ("base_has_other_data", ": data.beir moved from scifact to nothing; data.corpus moved from nothing", GOOD,
     _ground("corpus: pydocs", "beir: scifact")),
    ("base_has_pinned_data", ": data.sha256 moved from 0a0a", GOOD,
     _ground("corpus: pydocs", f"corpus: pydocs, sha256: {'0a' * 32}")),
    ("base_times_more_requests", ": latency_requests moved from 900 to 500;", GOOD,
     _ground("seed: 7", "seed: 7\nlatency_requests: 900")),
    ("base_has_another_baseline_of_that_name", "measured against another small-v0 than the base", GOOD,
     _ground("", "", "c" * 64)),
    ("another_release_expected", "another release", GOOD, {"release": "small-v2"}),
    ("shown_for_another_manifest", "another release", GOOD,
     {"manifest": _OTHER.loaded, "subjects": _OTHER.subjects, "release": "small-v2"}),
    ("another_manifest_for_this_release", "manifest at hand: another release", GOOD,
     {"manifest": _OTHER.loaded, "subjects": _OTHER.subjects, "release": "small-v1"}),
    ("too_few_keys", "too few distinct keys.*expected 2", GOOD, {"trust": TWO}),
    ("one_key_under_two_ids", "too few distinct keys.*expected 2", _aliased(), {"trust": ALIASED}),
    ("two_keys_on_one_statement_only", "too few distinct keys",
     countersign(GOOD, SECOND).splitlines(keepends=True)[0] + LINES[1] + LINES[2], {"trust": TWO}),
    ("statements_by_different_keys", "signed by different keys",
     LINES[0] + lying(keys=(SECOND,)).splitlines(keepends=True)[1] + LINES[2],
     {"trust": replace(TWO, threshold=1)}),
    ("nobody_is_trusted", "no key is trusted", GOOD, {"trust": Trust(())}),
    ("development_key_not_allowed", "signed by a development key", lying(keys=(PLAY,)),
     {"trust": replace(TRUST, keys=(trusted(PLAY),))}),
    ("development_key_without_its_mark", "development key and not marked so",
     lying(keys=(PLAY,), say=_unmarked),
     {"trust": replace(TRUST, keys=(trusted(PLAY),), allow_development=True)}),
    ("too_old", "too old.*90 days", GOOD, {"now": NOW + timedelta(days=91)}),
    ("too_old_for_a_stricter_trust", "too old.*7 days", GOOD, {"now": NOW + timedelta(days=8), "trust": TRUST.aged(7)}),
    ("from_the_future", "from the future", GOOD, {"now": STARTED - timedelta(hours=1)}),
    ("signed_six_minutes_ahead", "from the future.*signed before now", GOOD, {"now": NOW - timedelta(minutes=6)}),
    ("replayed", "admitted before", GOOD, {"seen": {"8f14e45f-0001"}}),
    ("older_than_the_one_admitted", "older than the release admitted last", GOOD,
     {"not_before": STARTED + timedelta(seconds=1)}),
]

FORGERIES = [Forgery(name, because, raw, given) for name, because, raw, given in SHOWN]
