"""`signoff serve`: answer queries over HTTP by the releases that the pointer names; `serve token …`: to whom."""

from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, own_code, tell
from harness.cli.rollout_common import DatabaseOption, EnvironmentOption, WhoOption, caller
from harness.cli.serve_tokens import tokens
from harness.errors import Exit, InputError

if TYPE_CHECKING:
    from harness.monitor.context import Service
    from harness.rollout.store import Store

__all__ = ["command"]


def command(
    words: Annotated[list[str] | None, typer.Argument(
        metavar="[token create|list|revoke [NAME]]", help="Without words: serve. Else: to whom.")] = None,
    *,
    env: EnvironmentOption = "prod",
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0 takes a free one.")] = 8080,
    timeout_ms: Annotated[float, typer.Option(min=1.0, metavar="MS", help="How long a candidate is waited for.")] = 1e3,
    shadow: Annotated[float, typer.Option(
        min=0.0, max=1.0, metavar="SHARE", help="Of the judged queries that are asked, replayed through both arms.",
    )] = 0.01,
    monitor: Annotated[bool, typer.Option(
        help="Step the ramp. Off where signoff monitor run does: then it looks only.")] = True,
    role: Annotated[str, typer.Option(metavar="ROLE", help="token create: viewer, operator, approver.")] = "viewer",
    who: WhoOption = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Serve an environment until interrupted; or make, list and revoke the tokens that open the service."""
    from harness.rollout.store import open_store

    with open_store(db) as store:
        if words:
            return tokens(store, words, role=role, who=caller(who), as_json=as_json)
        return _serve(store, env, host, port, timeout_ms=timeout_ms, shadow=shadow, monitor=monitor)


def _serve(store: Store, env: str, host: str, port: int, **asked: float) -> int:
    try:
        import uvicorn

        from harness.monitor.service import make_app
    except ImportError as error:
        raise InputError("the service's libraries are not installed", where="signoff serve", found=error.name,
                         expected="the extra 'serve' (pip install 'signoff[serve]')") from None
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for name in ("signoff", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
    own_code()
    service = _service(store, env, **asked)
    with _listening(host, port) as door:
        tell(f"loading what serves {env}")
        service.start()
        tell("")
        service.log.info("%s is served at http://%s:%d", env, host, door.getsockname()[1])
        config = uvicorn.Config(make_app(service), access_log=False, log_config=None, timeout_graceful_shutdown=5)
        try:
            uvicorn.Server(config).run(sockets=[door])
        finally:
            service.stop()  # where it could not even begin
    return int(Exit.PASSED)


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                                    backlog=2048)
    except OSError as error:
        raise InputError("cannot be listened on", where=f"{host}:{port}", expected="an address of this machine, free",
                         found=error.strerror or str(error)) from None


def _service(store: Store, env: str, *, timeout_ms: float, shadow: float, monitor: float) -> Service:
    from harness.monitor.alerts import Alerts
    from harness.monitor.arms import Arms
    from harness.monitor.batching import Batches
    from harness.monitor.context import Service
    from harness.monitor.delivery import channels_of, checked, names_of
    from harness.monitor.resolutions import settled_resolution
    from harness.rollout.files import environment_named

    environment_named(env)
    resolution_s = settled_resolution(store, env, datetime.now(UTC))
    checked(os.environ)
    alerts = Alerts(channels_of(os.environ), names=names_of(os.environ), folder=store.home / "alerts", store=store)
    return Service(store, env, Arms(store, env), Batches(store, resolution_s=resolution_s), timeout_ms=timeout_ms,
                   environ=os.environ, shadow_share=shadow, resolution_s=resolution_s, acting=bool(monitor),
                   tell=alerts)
