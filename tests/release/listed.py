"""A small release whose manifest has a checklist: two items of gates, two that people approve; at hand and on disk."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.attested import MANIFEST, NOW, Attested, attested, key_named, trusted
from harness.release.approvals import Filed, approval_line
from harness.release.checklist import Item
from harness.release.keys import SigningKey
from harness.release.manifest import Loaded
from harness.release.trust import Trust
from tests.release.checkout import M, made_in, run, written

CHECKLIST = """\
checklist:
  - {item: quality, gates: [delta nDCG@10, see_also-all-R@5-value]}
  - {item: capacity, asks: twice the peak of last quarter fits, by: [anna, ben], needs: 2}
  - {item: stakeholder approval, asks: search may ship this}
  - {item: latency, gates: [total p95]}
"""
LISTED: Attested = attested(MANIFEST + CHECKLIST)
RELEASE, ANNA, BEN, STRANGER, PLAY = (key_named(name) for name in ("release", "anna", "ben", "stranger", "development"))
TRUST = Trust((trusted(RELEASE),), source="trust.yaml", approvers=(trusted(ANNA), trusted(BEN)))
EARLIER = NOW - timedelta(minutes=1)


def item_of(name: str, loaded: Loaded = LISTED.loaded) -> Item:
    """An item of the list by its name."""
    return next(one for one in loaded.manifest.checklist if one.item == name)


def line(name: str, key: SigningKey, *, now: datetime = EARLIER, loaded: Loaded = LISTED.loaded, **more: Any) -> bytes:
    """An approval of an item, signed."""
    return approval_line(loaded, item_of(name, loaded), key, now=now, **more)


def filed(*lines: bytes) -> Filed:
    """A file of those lines."""
    return Filed(b"".join(lines), "approvals.jsonl")


FULL = (line("capacity", ANNA), line("capacity", BEN), line("stakeholder approval", RELEASE))

FILE = Path("manifests/signed/small-v1.approvals.jsonl")
SIGN = ("sign", M, "--key", "keys/release.pem")
TRUSTED: dict[str, Any] = {
    "keys": [{"name": "release", "public": "../keys/release.pub"}],
    "approvers": [{"name": name, "public": f"../keys/{name}.pub"} for name in ("anna", "ben")]}


def listed_in(folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A checkout with the checklist, four keys and a trust file that lets two of them approve and a third sign."""
    made_in(folder, patch)
    written(folder, MANIFEST + CHECKLIST)
    for name in ("release", "anna", "ben", "stranger"):
        assert run(capsys, "keygen", f"keys/{name}.pem")[0] == 0
    (folder / "manifests" / "trust.yaml").write_text(json.dumps(TRUSTED))
    return folder


def approve(capsys: pytest.CaptureFixture[str], item: str, key: str, *more: str) -> tuple[int, str, str]:
    """One call of `signoff approve` with a key of the checkout."""
    return run(capsys, "approve", M, "--item", item, "--key", f"keys/{key}.pem", *more)


def all_approved(capsys: pytest.CaptureFixture[str]) -> None:
    """Everyone who is asked approves."""
    for item, key in (("capacity", "anna"), ("capacity", "ben"), ("stakeholder approval", "release")):
        assert approve(capsys, item, key)[0] == 0
