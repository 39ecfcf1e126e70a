"""The pytest plugin: `--manifest` makes each check of a policy one test item and each outcome one line of evidence.

Loaded by entry point into every pytest run of the environment, so it imports nothing heavy until a manifest is given.
Whatever keeps a gate from running (a skip, `-k`, an expected failure, a crash, xdist) is counted in the closing line
of the evidence, and a signature needs that count to be clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gates.session import GateSession

__all__ = ["pytest_addoption", "pytest_configure", "session_key"]

session_key = pytest.StashKey["GateSession"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options a gate run takes."""
    group = parser.getgroup("signoff", "release gates")
    group.addoption("--manifest", metavar="FILE", help="the release manifest to hold the gates against")
    group.addoption("--evidence", metavar="FILE", help="where findings go (default: reports/RELEASE/evidence.jsonl)")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; with a manifest, read it now so that a typo stops the run before anything is built."""
    config.addinivalue_line("markers", "measures(family): the gate file that judges measures of this family")
    if not config.getoption("--manifest"):
        return
    if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
        raise pytest.UsageError("gates run in one process: xdist workers would hide their outcomes; drop -n")
    from gates.session import GateSession
    from harness.errors import SignoffError

    try:
        manifest, evidence = Path(config.getoption("--manifest")), config.getoption("--evidence")
        config.stash[session_key] = GateSession.open(manifest, evidence=Path(evidence) if evidence else None)
    except SignoffError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(_Outcomes(config.stash[session_key]), "signoff-outcomes")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each gate function the checks of its family, under readable ids."""
    if "check" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("measures")
    if marker is None:
        return
    session = metafunc.config.stash.get(session_key, None)
    if session is None:
        raise pytest.UsageError("gates need a manifest: pytest --pyargs gates --manifest manifests/NAME.yaml")
    checks = session.checks_of_family(marker.args[0])
    metafunc.parametrize("check", checks, ids=[check.id for check in checks])


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> object:
    """Judges a reading, writes the finding, and fails the test unless it passes. See `gates.session.Gate`."""
    session = request.config.stash.get(session_key, None)
    if session is None:
        raise pytest.UsageError("gates need a manifest: pytest --manifest manifests/NAME.yaml")
    return session.gate(request)


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> object:
    """The candidate beside its baseline, observed once for all gates of the run."""
    session = request.config.stash.get(session_key, None)
    if session is None:
        raise pytest.UsageError("gates need a manifest: pytest --manifest manifests/NAME.yaml")
    return session.trial


class _Outcomes:
    """Counts what became of every collected gate, and closes the evidence with the counts."""

    def __init__(self, session: GateSession) -> None:
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Gates run in the policy's order; a gate file whose family the policy does not name has nothing to show."""
        place = {check.id: order for order, check in enumerate(self._session.checks)}
        items[:] = sorted((item for item in items if not _is_empty(item)),
                          key=lambda item: place.get(_check_id(item), len(place)))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._session.counts["collected"] = len(session.items)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._session.counts["deselected"] += len([item for item in items if not _is_empty(item)])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "wasxfail"):
            self._session.counts["xfailed"] += report.when == "call" or report.skipped
        elif report.when == "call" and report.outcome in {"passed", "failed"}:
            self._session.counts[report.outcome] += 1
        elif report.skipped:
            self._session.counts["skipped"] += 1
        elif report.failed:
            self._session.counts["errors"] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._session.counts["errors"] += report.failed
        self._session.counts["skipped"] += report.skipped  # a whole file, by a skip at its top

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._session.close(int(exitstatus))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._session.tell(item.name)
        yield


def _check_id(item: pytest.Item) -> str:
    spec = getattr(item, "callspec", None)
    return str(getattr(spec.params.get("check"), "id", "")) if spec is not None else ""


def _is_empty(item: pytest.Item) -> bool:
    spec = getattr(item, "callspec", None)
    return spec is not None and "check" in spec.params and type(spec.params["check"]).__name__ == "NotSetType"
