"""A workshop for forgeries: a signer that says whatever it is told, and the verifier's view of the honest release."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fixtures.attested import NOW, attested, evidence_of, key_named, trusted
from harness.data.canonical import digest_of
from harness.data.store import sha256_bytes
from harness.release.bundle import GATE_RESULT, RELEASE, TEST_RESULT, seal, statement_bytes
from harness.release.keys import SigningKey
from harness.release.predicates import policy_rows, release_result
from harness.release.trust import Trust
from harness.release.verify import Verified, verify

HONEST = attested()
KEY, SECOND, STRANGER, PLAY = (key_named(name) for name in ("release", "second", "stranger", "development"))
BASELINE_HASH = str(HONEST.rows[0]["baseline"]["config_hash"])
TRUST = Trust((trusted(KEY),), source="trust.yaml")

Rows = list[dict[str, Any]]
Statements = list[list[Any]]  # [predicate type, predicate, subjects], editable in place


@dataclass(frozen=True)
class Forgery:
    """A bundle that must be refused, what the verifier is given besides, and the reason it must give."""

    name: str
    because: str
    raw: bytes
    given: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def look(raw: bytes, **given: Any) -> Verified:
    """Verify as an honest verifier of the honest release would, except for what is `given`."""
    honest = {"manifest": HONEST.loaded, "subjects": HONEST.subjects, "trust": TRUST, "now": NOW}
    return verify(raw, **(honest | given))


def lying(*, rows: Callable[[Rows], object] = lambda _: None, say: Callable[[Statements], object] = lambda _: None,
          keys: Sequence[SigningKey] = (KEY,)) -> bytes:
    """A bundle by a trusted key that signs anything: edited evidence with fitting digests, then edited statements."""
    evidence = copy.deepcopy(HONEST.rows)
    rows(evidence)
    header, findings, closing = evidence[0], evidence[1:-1], evidence[-1]
    told = [(row.get("gate"), row.get("verdict")) for row in findings if isinstance(row, dict)]
    passed = [gate for gate, verdict in told if verdict == "PASS"]
    warned = [gate for gate, verdict in told if verdict != "PASS"]
    policy = policy_rows(HONEST.loaded.manifest.policy)
    gates = {
        "release": "small-v1", "verdict": "PASS",
        "counts": {"findings": len(findings), "passed": len(passed), "undecided": len(warned)},
        "policy": policy, "policySha256": digest_of(policy), "evidenceSha256": sha256_bytes(evidence_of(evidence)),
        "header": header, "findings": findings, "closing": closing,
    }
    generic = {"result": "WARNED" if warned else "PASSED",
               "configuration": [{"name": "small-v1.yaml", "digest": {"sha256": HONEST.loaded.sha256}}],
               "passedTests": passed, "warnedTests": warned, "failedTests": []}
    mentioned = {"config_hash": "", "baseline": None, "run_id": "", "started": ""}
    mentioned |= header if isinstance(header, dict) else {}
    said = release_result({**gates, "header": mentioned}, signed_at=NOW, signers=[key.name for key in keys],
                          development=any(key.development for key in keys))
    statements: Statements = copy.deepcopy([[kind, predicate, dict(HONEST.subjects)] for kind, predicate in (
        (TEST_RESULT, generic), (GATE_RESULT, gates), (RELEASE, said))])
    say(statements)
    return b"".join(seal(statement_bytes(*one), keys).line for one in statements)


def sealed_raw(payloads: Sequence[bytes], keys: Sequence[SigningKey] = (KEY,)) -> bytes:
    """Payload bytes of any shape, properly signed."""
    return b"".join(seal(payload, keys).line for payload in payloads)


def payloads_of(raw: bytes) -> list[bytes]:
    """The payloads of a bundle."""
    return [base64.b64decode(json.loads(line)["payload"]) for line in raw.splitlines()]


def envelopes(raw: bytes, edit: Callable[[list[dict[str, Any]]], object]) -> bytes:
    """The bundle with its envelopes edited as JSON and written in the one form again."""
    lines = [json.loads(line) for line in raw.splitlines()]
    edit(lines)
    return b"".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines)
