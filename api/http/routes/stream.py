"""The log as it is recorded, entry by entry, over one answer that does not end (Server-Sent Events)."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from api.http import shapes
from api.http.auth import bearer, digest
from api.http.dependencies import Patient, TheQueries, app_state
from api.http.parameters import EntriesNarrowed
from api.http.response_cache import RequestContext
from api.http.streams import Reader
from ledger.errors import Fault, Invalid
from projections.basis import Position, check_position

router = APIRouter(prefix="/v1", tags=["live"], route_class=Patient)
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
MEDIA_TYPE = "text/event-stream"
LAST = "Last-Event-ID"
EXAMPLE = (
    'retry: 3000\nid: 0123456789abcdef:41\n\ndata: {"sequence":"00000000000000000042",…}\nid: 0123456789abcdef:42\n\n'
)


class StreamQuery(EntriesNarrowed):
    """Where to begin, ``after`` a position (now, by default), and of what: entries of one type, subject, kind of subject, author."""

    after: Position | None = None


@router.get(
    "/events/stream",
    response_class=Response,
    responses={
        200: {
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "examples": [EXAMPLE]}}},
            "description": "Entries as they are recorded, until either side ends it",
        },
        **shapes.problems(409),
    },
)
async def stream(
    request: Request,
    _: TheQueries,
    query: Annotated[StreamQuery, Query()],
    last_event_id: Annotated[str | None, Header(alias=LAST)] = None,
) -> Response:
    """Every entry once it is recorded, in order: ``data`` is its line as it is stored, ``id`` its place, ``EPOCH:N``.

    Who comes again with ``Last-Event-ID``, or else with ``after``, misses nothing and gets nothing twice. The stream ends with an
    event ``rolled-back`` or ``unauthorised``, whose data is a problem document, where the ledger was rolled back or the key revoked.
    """
    context: RequestContext = request.scope["context"]
    assert context.looked_up is not None
    watermarks = context.looked_up.watermarks
    name, start = (LAST, _read(last_event_id)) if last_event_id else ("after", query.after)
    if start is not None:
        check_position(name, start, watermarks)
    key = bearer(request.headers.get("authorization"))
    reader = Reader(
        watermarks.epoch, watermarks.size if start is None else int(start), query.wanted(), digest(key) if key else None
    )
    frames = app_state(request).streams.open(reader, watermarks)
    if context.is_head:
        return Response(headers=HEADERS, media_type=MEDIA_TYPE)
    return StreamingResponse(frames, headers=HEADERS, media_type=MEDIA_TYPE)


def _read(place: str) -> Position:
    """Raises Invalid."""
    try:
        return Position.read(place)
    except ValueError as error:
        raise Invalid(f"{LAST}: {error}", [Fault(LAST, str(error), "bad_header")]) from None
