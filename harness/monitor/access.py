"""Who may use a route: a bearer token of at least its role; the page's cookie opens what is only looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from harness.monitor.context import Service
from harness.monitor.tokens import Known, Role, allows

__all__ = ["COOKIE", "Approver", "Operator", "ServiceOf", "Viewer", "known_by", "needs", "service_of"]

COOKIE = "signoff_token"


async def service_of(request: Request) -> Service:
    """The service that an app was made for; a coroutine, since handing it to a thread would cost more than it does."""
    found: Service = request.app.state.service
    return found


ServiceOf = Annotated[Service, Depends(service_of)]


async def known_by(service: Service, token: str) -> Known | None:
    """Whose token this is; only one that was not asked for lately is looked up in the store, on a thread."""
    if not token:
        return None
    return service.tokens.kept(token) or await run_in_threadpool(service.tokens.known, token)


def needs(role: Role) -> Callable[[Request, Service], Awaitable[Known]]:
    """A dependency that lets through tokens of this role or one above it: 401 without a token, 403 with a lesser one.

    A cookie is taken for looking alone: what changes anything wants the token itself, which no other site can send.
    """
    async def allowed(request: Request, service: ServiceOf) -> Known:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = request.cookies.get(COOKIE, "") if request.method in {"GET", "HEAD"} else ""
        known = await known_by(service, token.strip())
        if known is None:
            raise HTTPException(401, "a valid token is needed", headers={"WWW-Authenticate": "Bearer"})
        if not allows(known.role, role):
            raise HTTPException(403, f"{known.name} is a {known.role}; this needs a {role}")
        return known

    allowed.__dict__["role"] = role
    return allowed


Viewer = Annotated[Known, Depends(needs("viewer"))]
Operator = Annotated[Known, Depends(needs("operator"))]
Approver = Annotated[Known, Depends(needs("approver"))]
