"""All of it, for real: a signed candidate turns bad in traffic and is taken back by the limit it was signed with."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.living import client_of, said, served

pytestmark = pytest.mark.services
TOP = Path(__file__).resolve().parents[2]


def shown(page: str) -> list[str]:
    """The three commands as a page shows them."""
    found = re.search(r"^    (signoff init demo .*)\n    (.*signoff serve .*)\n    (signoff rollout .*)$",
                      (TOP / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, page
    return list(found.groups())


def started_and_loaded(folder, command, address):
    """README's third command, on whatever port the service took."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    signoff = shlex.join([sys.executable, "-m", "harness"])
    command = command.replace("signoff ", f"{signoff} ").replace("python load.py",
                                                                 f"{shlex.quote(sys.executable)} load.py {address}")
    assert address in command
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, timeout=500, check=False,
                          env=environ | {"PYTHONPATH": str(TOP), "SIGNOFF_WHO": "ada"})


def test_the_pages_show_the_same_three_commands():
    """What README says is what docs/service.md says, and the first is what these tests' checkout was made by."""
    assert shown("README.md") == shown("docs/service.md")
    assert shown("README.md")[:2] == ["signoff init demo --demo-rollout && cd demo",
                                      "MONITORING_RESOLUTION=1s signoff serve --env prod 2> serve.log &"]


def test_a_candidate_that_turns_bad_at_25_percent_is_rolled_back_by_itself(folder):
    """Serve, load, start, as README says: it climbs while it is sound, turns slow at 25 %, is gone without anybody's
    doing, and the trail verifies. Nobody goes without an answer.
    """
    with (served(folder, MONITORING_RESOLUTION="1s") as address,
          client_of(address, (folder / "load.token").read_text()) as client):
        done = started_and_loaded(folder, shown("README.md")[2], address)
        assert done.returncode == 0, done.stdout + done.stderr
        ended = client.get("/v1/ramp").json()
        assert ended["ramp"]["phase"] == "rolled_back"
        assert (ended["pointer"]["candidate"], ended["pointer"]["percent"]) == (None, 0.0)
        assert client.get("/health").json()["release"]["name"] == "steady"
        assert client.get("/health").json()["candidate"] is None
    assert re.search(r"takes 10 %(?s:.*)takes 25 %(?s:.*)turns slow(?s:.*)rolled back, turning takes 0 %", done.stdout)
    asked = re.search(r"([\d,]+) requests: .* ([\d,]+) by turning, 0 by nobody", done.stdout)
    assert int(asked[1].replace(",", "")) > 500 and int(asked[2].replace(",", "")) > 50
    assert json.loads(said(folder, "trail", "verify", "--json"))["verified"] is True
    rows = json.loads(said(folder, "trail", "show", "--json", "--last", "1000"))["rows"]
    flips = [(row["body"]["percent"], row["who"]) for row in rows if row["kind"] == "flip"]
    assert flips == [(0.0, flips[0][1]), (10.0, "ada"), (25.0, "monitor"), (0.0, "monitor")]
    (last,) = [row["body"] for row in rows if row["kind"] == "ramp" and row["body"]["action"] == "rollback"]
    assert last["guard"] == "all-p95 total_ms-ucb" and "limit ucb ≤ 250" in last["reason"]
    checked = [row["body"] for row in rows if row["kind"] == "checked"]
    assert [one["good"] for one in checked] == [True] and len(checked[0]["checks"]) > 2


def test_a_load_without_a_service_says_so(folder):
    """Where nobody answers, the load ends with one line that says what to start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    load = (folder / "load.py").read_text(encoding="utf-8").replace("300.0\n", "300.0\n_WAIT_S = 0.5\n")
    (folder / "load.py").write_text(load, encoding="utf-8")
    done = subprocess.run([sys.executable, "load.py", f"http://127.0.0.1:{port}"], cwd=folder, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 1 and "start signoff serve in this folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1
