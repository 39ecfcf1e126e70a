"""Whether a service is well, said part by part; degraded where it answers with something amiss."""

from __future__ import annotations

import threading
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from harness.monitor.arms import Arm
from harness.rollout.pointer import DEGRADED

if TYPE_CHECKING:
    from harness.monitor.context import Service

__all__ = ["PROBE", "Health", "version_of"]

PROBE = "health probe"  # a query of our own: no user's
_FRESH_S = 1.0
_PATIENCE_S = 5.0
Status = Literal["ok", "degraded", "down"]


class Health:
    """What `GET /health` tells; the model is asked at most once a second, however often the route is."""

    def __init__(self, service: Service) -> None:
        self._service, self._lock = service, threading.Lock()
        self._asked: tuple[float, str, str] = (-1e9, "", "")

    def told(self) -> tuple[Status, dict[str, Any]]:
        """The status, and the document that says why."""
        serving = self._service.arms.serving
        pointer, stable = serving.pointer, serving.stable
        why = [f"{digest[:12]} cannot be loaded: {reason}" for digest, reason in sorted(serving.broken.items())]
        model = "" if stable is None else self._model(stable)
        database = self._service.arms.reachable
        lost = self._service.arms.lost
        why += [] if database else ["the store cannot be read: no candidate answers" + (f" ({lost})" if lost else "")]
        failed = self._service.watching.failed
        why += [f"the monitor failed: {failed}"] if failed else []
        why += [] if not model else [f"the model does not answer: {model}"]
        if stable is not None and pointer is not None and stable.digest != pointer.stable:
            why.append(f"{pointer.stable and pointer.stable[:12]} is to serve and is not loaded yet")
        why += ["nothing is loaded"] if stable is None else []
        why += [f"nothing whole to go back to: {pointer.why}"] if pointer and pointer.stage == DEGRADED else []
        status: Status = "down" if stable is None or model else "degraded" if why else "ok"
        return status, {
            "status": status, "why": why, "version": version_of(), "environment": self._service.environment,
            "release": _release(stable), "candidate": _release(serving.candidate),
            "percent": self._service.percent, "index": bool(stable and stable.indexed),
            "model": stable is not None and not model, "database": database}

    def _model(self, arm: Arm) -> str:
        """Empty where the stable release answers a probe in time, else why not."""
        with self._lock:
            at, digest, said = self._asked
            if digest != arm.digest or monotonic() - at > _FRESH_S:
                said = self._probe(arm)
                self._asked = (monotonic(), arm.digest, said)
        return said

    def _probe(self, arm: Arm) -> str:
        try:
            self._service.probes.call(lambda: arm.live.search(PROBE), timeout_s=_PATIENCE_S)
        except Exception as error:  # whatever a release's own code raises
            return type(error).__name__
        return ""


def version_of() -> str:
    """The program's version; that of a checkout that was never installed is empty."""
    try:
        return version("signoff")
    except PackageNotFoundError:
        return ""


def _release(arm: Arm | None) -> dict[str, str] | None:
    return None if arm is None else {"name": arm.release, "digest": arm.digest}
