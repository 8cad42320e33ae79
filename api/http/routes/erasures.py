"""Erasing the name of a person: an entry tells that it was done, and the name goes with it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.http import shapes
from api.http.append_headers import idempotency_key
from api.http.auth import Holder
from api.http.dependencies import Strict, admin, app_state, json_body
from api.http.routes.events import appended, record
from api.http.vocabulary_shapes import ref
from ledger.writing.decision import Actor
from ledger.writing.draft import parse_json, read_erasure
from projections.basis import Asked

router = APIRouter(prefix="/v1", tags=["erasures"], route_class=Strict)


@router.post(
    "/erasures",
    status_code=201,
    responses={
        200: {
            "model": shapes.Appended,
            "description": "It had been erased by this very request: the first answer again",
        },
        201: {"model": shapes.Appended},
        **shapes.problems(400, 403, 404, 408, 409, 413, 415),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": ref("Erasure")}}}},
)
async def erase(
    request: Request,
    holder: Annotated[Holder, Depends(admin)],  # first: from others no body is taken
    body: Annotated[bytes, Depends(json_body)],
    idempotency: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> Response:
    """Erase the name of a person in an entry, for good: from this answer on, no answer shows it.

    What is recorded is an `entry.value_erased` in the stream of the entry: which name, on what ground, by whom, and never
    the name. The entry's bytes, its commitment and the order of the log stay as they are. A name is erased once (409).
    """
    erasure = read_erasure(parse_json(body))
    which = erasure.entry if isinstance(erasure.entry, int) else UUID(erasure.entry)
    line, *_ = await run_in_threadpool(app_state(request).reads.event, which, Asked())
    draft = erasure.draft(line)
    key = idempotency_key(idempotency, [draft])
    return appended(await record(request, [draft], Actor("api_key", holder.name), key), {})
