"""The bundle: three signed statements about the same bytes, one DSSE envelope a line.

Opening a bundle yields bytes and signatures only; a payload is parsed after its signatures have held. A bundle has
one byte form, so that a changed byte is either a broken signature or a broken form, never another reading.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.data.canonical import strict_json
from harness.errors import EvidenceError, InputError
from harness.release.keys import SigningKey

__all__ = ["GATE_RESULT", "MAX_BYTES", "PAYLOAD_TYPE", "PREDICATES", "RELEASE", "STATEMENT", "TEST_RESULT", "Sealed",
           "Statement", "Subjects", "open_bundle", "open_envelope", "parse_statement", "seal", "statement_bytes"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
GATE_RESULT = "urn:signoff:gate-result/v1"
RELEASE = "https://in-toto.io/attestation/release/v0.1"
PREDICATES = (TEST_RESULT, GATE_RESULT, RELEASE)
MAX_BYTES = 32 * 2**20  # a thousand findings are under 2 MiB

Subjects = Mapping[str, str]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIGNATURE_BYTES = 64


@dataclass(frozen=True)
class Sealed:
    """One envelope, unread: the payload's bytes and (key id, signature) pairs in the order they stand."""

    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def signed_bytes(self) -> bytes:
        """What the signatures are over: type and payload with their lengths (DSSE's PAE)."""
        kind = PAYLOAD_TYPE.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    @property
    def line(self) -> bytes:
        """The envelope's one byte form, with its line end."""
        signatures = [{"keyid": keyid, "sig": base64.b64encode(sig).decode()} for keyid, sig in self.signatures]
        envelope = {"payload": base64.b64encode(self.payload).decode(), "payloadType": PAYLOAD_TYPE,
                    "signatures": signatures}
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class Statement:
    """An in-toto Statement v1: what is said (predicate) of which bytes (subjects: name → sha256)."""

    predicate_type: str
    predicate: Mapping[str, Any]
    subjects: Subjects


def statement_bytes(predicate_type: str, predicate: Mapping[str, Any], subjects: Subjects) -> bytes:
    """A statement as it is signed: UTF-8 JSON, subjects in name order, the predicate's own key order kept."""
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": predicate_type, "predicate": predicate,
    }
    return json.dumps(statement, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def seal(payload: bytes, keys: Sequence[SigningKey], *, also: Sequence[tuple[str, bytes]] = ()) -> Sealed:
    """Sign a payload with each key; `also` are signatures that it carries already."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    made = [envelope.sign(key.signer) for key in keys]
    return Sealed(payload, (*also, *((str(one.keyid), bytes.fromhex(one.signature)) for one in made)))


def open_bundle(raw: bytes, *, where: object = "bundle") -> tuple[Sealed, ...]:
    """The three envelopes of a bundle, nothing verified yet and no payload read. Raises EvidenceError."""
    if not raw:
        raise EvidenceError("empty", where=where, expected=f"{len(PREDICATES)} signed statements")
    if len(raw) > MAX_BYTES:
        raise EvidenceError("too large to be a bundle", where=where, expected=f"at most {MAX_BYTES} bytes",
                            found=len(raw))
    lines = raw.split(b"\n")
    if lines.pop():
        raise EvidenceError("cut short", where=where, expected="a line end after the last statement")
    if len(lines) != len(PREDICATES):
        raise EvidenceError("wrong number of statements", where=where, expected=str(len(PREDICATES)), found=len(lines))
    return tuple(open_envelope(line, where=f"{where}, line {number}") for number, line in enumerate(lines, start=1))


def parse_statement(payload: bytes, *, where: object) -> Statement:
    """Read a payload whose signatures have held: strict JSON, a Statement v1, sha256 subjects named once."""
    value = _fields(_strict(payload, where), {"_type", "subject", "predicateType", "predicate"}, where, "statement")
    if value["_type"] != STATEMENT:
        raise EvidenceError("not an in-toto statement", where=where, expected=STATEMENT, found=value["_type"])
    if not isinstance(value["predicateType"], str) or not isinstance(value["predicate"], dict):
        raise EvidenceError("no predicate", where=where, expected="predicateType as text, predicate as an object",
                            found=value["predicateType"])
    subjects: dict[str, str] = {}
    for name, digest in _subjects(value["subject"], where):
        if name in subjects:
            raise EvidenceError("a subject stands twice", where=where, expected="each name once", found=name)
        subjects[name] = digest
    return Statement(value["predicateType"], value["predicate"], subjects)


def open_envelope(line: bytes, *, where: str) -> Sealed:
    """One envelope from its line, without the line end; nothing verified, no payload read. Raises EvidenceError."""
    value = _fields(_strict(line, where), {"payload", "payloadType", "signatures"}, where, "DSSE envelope")
    if value["payloadType"] != PAYLOAD_TYPE:
        raise EvidenceError("wrong payloadType", where=where, expected=PAYLOAD_TYPE, found=value["payloadType"])
    if not isinstance(value["signatures"], list) or not value["signatures"]:
        raise EvidenceError("no signature", where=where, expected="a list of signatures", found=value["signatures"])
    sealed = Sealed(_base64(value["payload"], "payload", where),
                    tuple(_signature(one, where) for one in value["signatures"]))
    if sealed.line != line + b"\n":
        raise EvidenceError("not in the one byte form of an envelope", where=where,
                            expected="payload, payloadType, signatures without white space")
    return sealed


def _signature(value: object, where: str) -> tuple[str, bytes]:
    if not isinstance(value, dict) or "keyid" not in value:
        raise EvidenceError("a signature without a key id", where=where, expected="keyid and sig", found=value)
    fields = _fields(value, {"keyid", "sig"}, where, "signature")
    if not isinstance(fields["keyid"], str) or not fields["keyid"]:
        raise EvidenceError("a signature with an empty key id", where=where, expected="text", found=fields["keyid"])
    sig = _base64(fields["sig"], "sig", where)
    if len(sig) != _SIGNATURE_BYTES:
        raise EvidenceError("not an ed25519 signature", where=where, expected=f"{_SIGNATURE_BYTES} bytes",
                            found=len(sig))
    return fields["keyid"], sig


def _subjects(value: object, where: object) -> list[tuple[str, str]]:
    if not isinstance(value, list) or not value:
        raise EvidenceError("no subjects", where=where, expected="a list of names with sha256", found=value)
    pairs = []
    for one in value:
        fields = _fields(one, {"name", "digest"}, where, "subject")
        digest = _fields(fields["digest"], {"sha256"}, where, "subject's digest")["sha256"]
        if not isinstance(fields["name"], str) or not fields["name"]:
            raise EvidenceError("a subject without a name", where=where, expected="text", found=fields["name"])
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise EvidenceError("not a sha256", where=f"{where}, subject {fields['name']}",
                                expected="64 lower-case hexadecimal digits", found=digest)
        pairs.append((fields["name"], digest))
    return pairs


def _strict(raw: bytes, where: object) -> Any:
    try:
        value = strict_json(raw, where=where)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair parses, and could never be said again
        return value
    except InputError as error:
        raise EvidenceError(error.what, where=where, expected=error.expected, found=error.found) from None
    except (ValueError, RecursionError) as error:  # half a surrogate pair; an integer of thousands of digits
        raise EvidenceError("not JSON", where=where, expected="one JSON document", found=str(error)) from None


def _fields(value: object, names: set[str], where: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        found = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise EvidenceError(f"not a {what}", where=where, expected=", ".join(sorted(names)), found=found)
    return value


def _base64(text: object, name: str, where: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else _not_text()
    except (binascii.Error, ValueError) as error:
        raise EvidenceError(f"{name} is not base64", where=where, expected="standard base64",
                            found=str(error)) from None


def _not_text() -> bytes:
    raise ValueError("not text")
