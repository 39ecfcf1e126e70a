"""All of it, for real: a signed candidate turns bad in traffic and is taken back by the limit it was signed with."""

from __future__ import annotations

import json

import pytest

from fixtures.living import Load, client_of, said, served, token_of, until

pytestmark = pytest.mark.services


def test_a_candidate_that_turns_bad_at_25_percent_is_rolled_back_by_itself(folder):
    """Serve, load, start: it climbs while it is sound, turns slow at 25 %, is gone without anybody's doing, and the
    trail verifies. Nobody goes without an answer.
    """
    token = token_of(folder, "load", "viewer")
    with (served(folder, MONITORING_RESOLUTION="1s") as address, client_of(address, token) as client,
          Load(address, token, per_s=80) as load):
        said(folder, "rollout", "start", "turning", "--env", "prod", "--who", "ada")
        until("it climbs to 25 %", lambda: client.get("/v1/ramp").json()["pointer"]["percent"] == 25.0, within_s=240)
        (folder / "turn-slow").touch()
        ended = until("it is rolled back", lambda: client.get("/v1/ramp").json()["ramp"]["phase"] == "rolled_back"
                      and client.get("/v1/ramp").json(), within_s=240)
        assert (ended["pointer"]["candidate"], ended["pointer"]["percent"]) == (None, 0.0)
        assert client.get("/health").json()["release"]["name"] == "steady"
        assert client.get("/health").json()["candidate"] is None
    assert load.failed == [] and len(load.answered) > 1000
    proven = json.loads(said(folder, "trail", "verify", "--json"))
    assert proven["verified"] is True
    rows = json.loads(said(folder, "trail", "show", "--json", "--last", "1000"))["rows"]
    flips = [(row["body"]["percent"], row["who"]) for row in rows if row["kind"] == "flip"]
    assert flips == [(0.0, flips[0][1]), (10.0, "ada"), (25.0, "monitor"), (0.0, "monitor")]
    (last,) = [row["body"] for row in rows if row["kind"] == "ramp" and row["body"]["action"] == "rollback"]
    assert last["guard"] == "all-p95 total_ms-ucb" and "limit ucb ≤ 250" in last["reason"]
    checked = [row["body"] for row in rows if row["kind"] == "checked"]
    assert [one["good"] for one in checked] == [True] and len(checked[0]["checks"]) > 2
