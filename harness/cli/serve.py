"""`signoff serve`: answer queries over HTTP by the releases that the pointer names; `serve token …`: to whom."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, tell
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
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    timeout_ms: Annotated[float, typer.Option(min=1.0, help="How long a candidate is waited for.")] = 1000.0,
    role: Annotated[str, typer.Option(help="Of a new token: viewer, operator or approver.")] = "viewer",
    who: WhoOption = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Serve an environment until it is interrupted; or make, list and revoke the tokens that open it."""
    from harness.rollout.store import open_store

    with open_store(db) as store:
        if words:
            return tokens(store, words, role=role, who=caller(who), as_json=as_json)
        return _serve(store, env, host, port, timeout_ms)


def _serve(store: Store, env: str, host: str, port: int, timeout_ms: float) -> int:
    try:
        import uvicorn

        from harness.monitor.service import make_app
    except ImportError as error:
        raise InputError("the service's libraries are not installed", where="signoff serve", found=error.name,
                         expected="the extra 'serve' (pip install 'signoff[serve]')") from None
    service = _service(store, env, timeout_ms)
    tell(f"loading what serves {env}")
    service.start()
    tell("")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    config = uvicorn.Config(make_app(service), host=host, port=port, access_log=False, log_config=None,
                            timeout_graceful_shutdown=5)
    try:
        uvicorn.Server(config).run()
    finally:
        service.stop()
    return int(Exit.PASSED)


def _service(store: Store, env: str, timeout_ms: float) -> Service:
    from harness.monitor.arms import Arms
    from harness.monitor.batching import Batches
    from harness.monitor.context import Service

    return Service(store, env, Arms(store, env), Batches(store), timeout_ms=timeout_ms, environ=os.environ)
