"""The service as an app: its routes, and errors as one line that repeats nothing of the request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as Refusal
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.errors import SignoffError
from harness.monitor import routes_admin, routes_config, routes_ingest, routes_search, routes_watch
from harness.monitor.context import Service

__all__ = ["make_app"]

_MOST_BYTES = 100_000  # a query of 4,096 letters and its slices, however they are escaped


def make_app(service: Service) -> FastAPI:
    """The app of a service, which whoever runs it has started; it stops with the server.

    The server ends the process by the signal that ended it, and no line of the program runs after that: what waits to
    be written is written before. No page of the framework's own is served: they would load from elsewhere.
    """
    app = FastAPI(title="Signoff", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_living)
    app.state.service = service
    app.add_middleware(_Bounded)
    for routes in (routes_search, routes_watch, routes_admin, routes_config, routes_ingest):
        app.include_router(routes.router)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(SignoffError, _told)
    return app


class _Bounded:
    """No body is read past a limit: it is read before the token is, so that anybody could fill the memory with it.

    A batch of observations has a limit of its own, and is read only once its sender is known.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == routes_ingest.PATH:
            await self._app(scope, receive, send)
            return
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > _MOST_BYTES:
                raise HTTPException(413, f"a request has {_MOST_BYTES:,} bytes at most")
            return message

        await self._app(scope, bounded, send)


@asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[None]:
    yield
    await run_in_threadpool(app.state.service.stop)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["loc"] == ("body",) and "json" not in request.headers.get("content-type", ""):
        told = "the body is not read as JSON: send the header content-type: application/json"
        return JSONResponse({"error": told}, status_code=422)
    place = ".".join(str(one) for one in first["loc"])
    return JSONResponse({"error": f"{place}: {first['msg']}"}, status_code=422)


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


def _told(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status_code=409)
