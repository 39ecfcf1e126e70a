"""The routes that whoever searches or asks and whoever watches machines use: search, health, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from harness.monitor.access import ServiceOf, Viewer
from harness.monitor.answering import MOST_HITS, Asked, UnansweredError, answer

__all__ = ["AskRequest", "SearchRequest", "router"]

router = APIRouter()


class SearchRequest(BaseModel):
    """What `POST /search` takes. `unit` keeps a session in its arm; without it, each request is drawn anew."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=4096)
    k: int = Field(default=10, ge=1, le=MOST_HITS)
    unit: str = Field(default="", max_length=256)
    slices: list[str] = Field(default_factory=list, max_length=20)


@router.post("/search")
def _search(asked: SearchRequest, service: ServiceOf, _: Viewer) -> dict[str, Any]:
    """Answer one query: document ids, best first, and which release gave them."""
    try:
        found = answer(service, Asked(asked.query, asked.k, asked.unit, tuple(asked.slices)))
    except UnansweredError as error:
        raise HTTPException(503, str(error)) from None
    return {"release": found.release, "digest": found.digest, "assignment": found.assignment,
            "fallback": found.fallback, "latency_ms": found.latency_ms,
            "hits": [{"rank": rank, "id": name} for rank, name in enumerate(found.hits, start=1)]}


class AskRequest(BaseModel):
    """What `POST /ask` takes; `unit` as in `SearchRequest`."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1, max_length=4096)
    unit: str = Field(default="", max_length=256)
    slices: list[str] = Field(default_factory=list, max_length=20)


@router.post("/ask")
def _ask(asked: AskRequest, service: ServiceOf, _: Viewer) -> dict[str, Any]:
    """Answer one question in words, with the passages that the answer rests on, and which release gave it."""
    stable = service.arms.serving.stable
    if stable is not None and stable.questions is None:
        raise HTTPException(404, f"{stable.release} finds documents and answers no questions: POST /search")
    try:
        found = answer(service, Asked(asked.question, unit=asked.unit, slices=tuple(asked.slices), reads=True))
    except UnansweredError as error:
        raise HTTPException(503, str(error)) from None
    assert found.read is not None
    reply, shown = found.read.reply, {one.id: one for one in found.read.passages}
    return {"release": found.release, "digest": found.digest, "assignment": found.assignment,
            "fallback": found.fallback, "latency_ms": found.latency_ms, "answer": reply.text, "model": reply.model,
            "citations": [{"passage": name, "document": shown[name].doc} for name in reply.cited if name in shown]}


@router.get("/health")
def _health(service: ServiceOf) -> JSONResponse:
    """Version, release, index, model, database; 503 only where nothing can be answered."""
    status, told = service.health.told()
    return JSONResponse(told, status_code=503 if status == "down" else 200)


@router.get("/metrics")
def _metrics(service: ServiceOf) -> Response:
    """Everything for Prometheus."""
    stable, candidate = service.arms.serving[1:3]
    if stable is not None and candidate is not None:
        service.metrics.compared((stable.digest, stable.ids), (candidate.digest, candidate.ids))
    text = service.metrics.text(percent=service.percent, dropped=service.batches.dropped,
                                waiting=service.batches.waiting)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
