"""A real Prometheus scrapes the real service by the exported configuration, and the exported rule fires."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
import yaml

from fixtures.living import until
from harness.monitor.answering import Asked, answer
from harness.monitor.exports.prometheus import exported
from harness.release.manifest import load_manifest
from harness.rollout.ramp_store import begin
from tests.monitor.serving import CANDIDATE, MANIFEST, STABLE, Fake, http, service_of
from tests.monitor.test_watching import RAMP

pytestmark = pytest.mark.services
PROMETHEUS = shutil.which("prometheus")


@contextmanager
def prometheus(folder, target):
    """A server that scrapes `target` each second by the files of `signoff export prometheus`; its address."""
    if PROMETHEUS is None:
        pytest.skip("no prometheus at hand: nothing scrapes the service")
    (folder / "release-x.yaml").write_bytes(MANIFEST)
    for name, text in exported(load_manifest(folder / "release-x.yaml"), target=target).items():
        (folder / name).write_text(text, encoding="utf-8")
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [PROMETHEUS, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address={address}", "--log.level=warn"], stdout=log, stderr=log)
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def asked(server, path, **params):
    """What a server's API says; empty while it is starting."""
    try:
        return httpx.get(f"{server}/api/v1/{path}", params=params, trust_env=False).json()["data"]
    except httpx.TransportError:
        return {}


def test_a_rule_of_the_signed_manifest_fires_on_what_the_service_shows(tmp_path):
    """A candidate whose p95 is beyond the signed limit: scraped, evaluated, firing."""
    fakes = {STABLE: Fake(), CANDIDATE: Fake(ms=60.0)}
    service = service_of(tmp_path, fakes, now=lambda: datetime.now(UTC), acting=False, resolution_s=1)
    service.batches._resolution_s = 1
    begin(service.store, "prod", CANDIDATE, RAMP, who="ada", why="test", now=service.now())
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with http(service) as address, prometheus(folder, address.removeprefix("http://")) as server:
        def firing():
            for _ in range(80):
                answer(service, Asked("q"))
            return [one["labels"]["alertname"] for one in asked(server, "alerts").get("alerts", ())
                    if one["state"] == "firing" and one["labels"].get("severity") == "critical"
                    and "p95 total_ms" in str(one["labels"])]

        found = until("the alert fires", firing, within_s=120)
        up = asked(server, "query", query="up{job='signoff'}")["result"]
        seen = asked(server, "query", query="sum(signoff_requests_total)")["result"]
    assert found and [one["value"][1] for one in up] == ["1"]
    assert float(seen[0]["value"][1]) > 500
