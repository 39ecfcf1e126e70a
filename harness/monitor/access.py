"""Who may use a route: a bearer token of at least its role; the page's cookie opens what is only looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from harness.monitor.context import Service
from harness.monitor.tokens import Known, Role, allows

__all__ = ["COOKIE", "Approver", "Operator", "ServiceOf", "Viewer", "needs", "service_of"]

COOKIE = "signoff_token"


def service_of(request: Request) -> Service:
    """The service that an app was made for."""
    found: Service = request.app.state.service
    return found


ServiceOf = Annotated[Service, Depends(service_of)]


def needs(role: Role) -> Callable[[Request, Service], Known]:
    """A dependency that lets through tokens of this role or one above it: 401 without a token, 403 with a lesser one.

    A cookie is taken for looking alone: what changes anything wants the token itself, which no other site can send.
    """
    def allowed(request: Request, service: ServiceOf) -> Known:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = request.cookies.get(COOKIE, "") if request.method in {"GET", "HEAD"} else ""
        known = service.tokens.known(token.strip()) if token else None
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
