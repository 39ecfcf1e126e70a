"""Observations of requests that were answered elsewhere: a batch over HTTP, counted once however often it is sent.

For a team whose own engine answers: it asks which arm a unit falls to (OpenFeature), and tells what it saw. A batch
that is answered is in the store. What would tell of a query or a user has no field here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NotRequired

from fastapi import APIRouter, HTTPException, Request
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from typing_extensions import TypedDict

from harness.data.store import sha256_bytes
from harness.errors import InputError, nearest
from harness.monitor.access import Operator, ServiceOf
from harness.monitor.context import Service
from harness.monitor.counted import Counted, counted_by
from harness.monitor.window_store import Stored, store_windows
from harness.monitor.windows import COVERED, ERRORS, HIT, JACCARD, NDCG, RERANKED, RR
from harness.rollout.pointer import admitted_in
from harness.rollout.shapes import Observation

__all__ = ["MOST_BYTES", "PATH", "Batch", "Row", "router"]

router = APIRouter()
MOST_BYTES, PATH = 16_000_000, "/v1/observations"
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Difference = Annotated[float, Field(ge=-1.0, le=1.0)]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[^\x00]*$")]
_Named = Annotated[dict[_Id, _Finite], Field(max_length=32)]


class Row(TypedDict):
    """One request: the fields of an observation, its release being the arm's."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    at: AwareDatetime
    assignment: Literal["stable", "candidate"]
    latency_ms: NotRequired[_Named]
    error: NotRequired[bool]
    slices: NotRequired[tuple[str, ...]]
    hit: NotRequired[_Finite | None]
    ndcg_delta: NotRequired[_Difference | None]
    rr_delta: NotRequired[_Difference | None]
    jaccard: NotRequired[_Share | None]
    reranked: NotRequired[bool | None]
    weight: NotRequired[_Finite | None]
    covered: NotRequired[bool | None]
    query: NotRequired[_Id | None]
    values: NotRequired[_Named]
    calibration: NotRequired[tuple[_Finite, _Finite] | None]


class Batch(TypedDict):
    """Observations under an id that the sender chose for them alone, and the releases that answered as each arm."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    batch: _Id
    stable: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    candidate: NotRequired[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None]
    observations: Annotated[list[Row], Field(max_length=100_000)]


_BATCH = TypeAdapter(Batch)
_OWN = {HIT, NDCG, RR, JACCARD, ERRORS, RERANKED, COVERED}  # with their ranges: not to be had under `values`


@router.post(PATH)
async def _observations(request: Request, service: ServiceOf, _: Operator) -> dict[str, Any]:
    """Count a batch; the answer says how many of it, and comes once it is in the store."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"a batch has {MOST_BYTES:,} bytes at most")
    stored = await run_in_threadpool(_counted, service, bytes(body))
    return {"counted": stored.counted, "late": stored.late, "known": stored.known}


def _counted(service: Service, body: bytes) -> Stored:
    try:
        told = _BATCH.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise HTTPException(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    arms = {"stable": told["stable"], "candidate": told.get("candidate") or ""}
    if not arms["candidate"] and any(row["assignment"] == "candidate" for row in told["observations"]):
        raise InputError("no candidate is named", where="candidate", expected="the digest of its release")
    with service.store.reading() as connection:
        _admitted(arms.values(), admitted_in(connection, service.environment))
        counted = counted_by(connection, filter(None, arms.values()))
    known = service.arms.serving.stable
    slices = frozenset[str]() if known is None else known.slices
    rows = [Observation(environment=service.environment, release=arms[row["assignment"]], **_kept(row, slices, counted))
            for row in told["observations"]]
    with service.store.writing() as connection:
        return store_windows(connection, f"http {service.environment} {told['batch']}", rows, now=service.now(),
                             resolution_s=service.resolution_s, sha256=sha256_bytes(_BATCH.dump_json(told)))


def _admitted(named: Iterable[str], here: Sequence[str]) -> None:
    for digest in named:
        if digest and digest not in here:
            raise InputError("not admitted", where="observations", expected="the digest of an admitted release",
                             found=digest, hint=nearest(digest, here))


def _kept(row: Row, slices: frozenset[str], counted: Counted) -> dict[str, Any]:
    """A row with the slices and names that somebody asks for: any other would be kept for ever, and read by nobody."""
    kept: dict[str, Any] = dict(row)
    own = _OWN & kept.get("values", {}).keys()
    if own:
        raise InputError("has a field of its own", where="values", expected="names of other measures", found=min(own))
    for field, names in (("values", counted.values), ("latency_ms", counted.stages)):
        if field in kept:
            kept[field] = {name: value for name, value in kept[field].items() if name in names}
    if kept.get("slices"):
        kept["slices"] = tuple(name for name in kept["slices"] if name in slices and name != "all")
    return kept
