"""The routes that are looked at: verdict, live page, and the form that gives a browser its cookie."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from harness.errors import SignoffError
from harness.monitor.access import COOKIE, ServiceOf, Viewer, known_by
from harness.monitor.page import live_page, login_page
from harness.monitor.verdict import verdict_of
from harness.rollout.released import digest_called

__all__ = ["router"]

router = APIRouter()
_STRICT = {  # nothing may be loaded, framed, guessed or kept
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
                               "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_LONGEST, _LONGEST_NAME = 1024, 200


@router.get("/v1/verdict")
def _verdict(service: ServiceOf, _: Viewer, release: str = "") -> dict[str, Any]:
    """The verdict on a release, by default the one that is watched; always 200."""
    look = service.watching.fresh
    if not release:
        return verdict_of(look, "")
    try:
        with service.store.reading() as connection:
            digest = digest_called(connection, service.environment, release[:_LONGEST_NAME])
    except SignoffError as error:
        return {**verdict_of(None, release[:_LONGEST_NAME]), "reason": str(error)}
    return verdict_of(look, digest)


@router.get("/")
async def _page(service: ServiceOf, request: Request) -> Response:
    """The live page; without a token, the form that takes one."""
    token = request.cookies.get(COOKIE, "") or request.headers.get("authorization", "").partition(" ")[2]
    if await known_by(service, token.strip()) is None:
        return HTMLResponse(login_page(), status_code=401, headers=_STRICT)
    return HTMLResponse(await run_in_threadpool(live_page, service), headers=_STRICT)


@router.post("/login")
async def _login(service: ServiceOf, request: Request) -> Response:
    """Take a token by form, and keep it in a cookie that no script reads and no other site sends."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST:
            break
    token = parse_qs(body[:_LONGEST].decode("ascii", "replace")).get("token", [""])[0].strip()
    if await known_by(service, token) is None:
        return HTMLResponse(login_page(wrong=True), status_code=401, headers=_STRICT)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https",
                      max_age=12 * 3600)
    return answer


@router.post("/logout")
def _logout() -> Response:
    """Forget the cookie."""
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer
