"""The log over HTTP: append to it, read it in order, and the types of what stands in it."""

from asyncio import get_running_loop
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import WithJsonSchema
from pydantic_core import to_json

from api.http import shapes
from api.http.append_headers import held_to, idempotency_key, preferences
from api.http.auth import Holder, Role, allow
from api.http.dependencies import (
    AppState,
    Patient,
    Strict,
    TheQueries,
    admin,
    answer,
    app_state,
    check_headers,
    digest_of,
    epoch_of,
    json_body,
    next_page,
    with_persons,
)
from api.http.documents import schema_json
from api.http.examples import APPEND_ANSWERS, APPEND_BODIES, INVALID, REFUSED
from api.http.parameters import AppendQuery, EventQuery, LogQuery
from api.http.previews import given_in, preview_json
from api.http.response_cache import RequestContext
from api.http.times import Which
from api.http.vocabulary_shapes import ref
from ledger.errors import IdReused, LedgerError, NotFound, did_you_mean
from ledger.log.commitments import Disclosure
from ledger.log.entry import read_line
from ledger.vocabulary.fact import SCHEMAS, Fact
from ledger.vocabulary.registry import FACTS
from ledger.writing.decision import Actor, Answer
from ledger.writing.draft import MAX_EVENTS, Draft, parse_json, read_body
from projections.basis import Unsigned
from projections.tree.proofs import Proofs


class Direct(Strict):
    """The append as nearly everybody sends it, without a query, is put together here, of the same pieces in the same order as the
    framework does it by the reference: that took it longer than all else took the service."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def append_or_handle(request: Request) -> Response:
            if request.scope["query_string"]:
                return await handle(request)
            check_headers(request)
            given = request.headers
            return await append(
                request, await admin(request), await json_body(request), AppendQuery(),
                idempotency=given.get("idempotency-key"), prefer=given.getlist("prefer"),
                if_match=given.get("if-match"), if_none_match=given.get("if-none-match"),
            )  # fmt: skip

        return append_or_handle


appends = APIRouter(prefix="/v1", tags=["events"], route_class=Direct)
router = APIRouter(prefix="/v1", tags=["events"], route_class=Patient)
types = APIRouter(prefix="/v1", tags=["event types"], route_class=Patient)
JSON = "application/json"
NDJSON = "application/x-ndjson"
CLOUDEVENT = "application/cloudevents+json"
T = TypeVar("T")
A_LIST = WithJsonSchema({"type": "string"})
"""A header that may be given line by line is one text to most clients."""
SMALL_BYTES = 2**14
"""What is read at once. A larger body takes so long that others are served meanwhile."""


def _body_schema() -> dict[str, Any]:
    """One event, or several. The data of each type is told by its own schema."""
    event = ref("Envelope")
    several = {
        "type": "object",
        "properties": {"events": {"type": "array", "items": event, "minItems": 1, "maxItems": MAX_EVENTS}},
        "required": ["events"],
        "additionalProperties": False,
    }
    return {"anyOf": [event, several]}


@appends.post(
    "/events",
    status_code=201,
    responses={
        200: {
            "model": shapes.Appended | shapes.Preview,
            "description": "Every event had been recorded before: the first answer again. Or a dry run: what would be",
        },
        201: {"model": shapes.Appended, "content": {"application/json": {"examples": APPEND_ANSWERS}}},
        **shapes.problems(400, 403, 408, 409, 412, 413, 415, e409=REFUSED, e422=INVALID),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _body_schema(), "examples": APPEND_BODIES}},
        }
    },
)
async def append(
    request: Request,
    holder: Annotated[Holder, Depends(admin)],  # first: from others no body is taken
    body: Annotated[bytes, Depends(json_body)],
    query: Annotated[AppendQuery, Query()],
    idempotency: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
    prefer: Annotated[list[str] | None, Header(), A_LIST] = None,
    if_match: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Append one event, or up to 1,000 of them, all or none.

    Anomalies are no errors: the event is recorded, and flagged. Sending the same again, with the same ids or the same
    Idempotency-Key, changes nothing and gets the same positions, with what is odd about the events by now. ``If-None-Match: *`` opens a stream that is not there yet.
    With ``Prefer: handling=strict`` (RFC 7240) nothing is recorded that would be flagged; with ``wait=5`` the answer waits for so
    many seconds, at most 10, for a signed tree that holds the events, and has a proof of each.
    """
    drafts = _drafts(body) if len(body) <= SMALL_BYTES else await run_in_threadpool(_drafts, body)
    key = idempotency_key(idempotency, drafts)
    drafts = held_to(drafts, if_match, if_none_match, epoch_of(request))
    actor = Actor("api_key", holder.name)
    here = app_state(request)
    preferred = preferences(prefer or ())
    strict = preferred.strict
    if query.dry_run:
        previewed = run_in_threadpool(here.ledger.preview, drafts, actor, key, strict=strict)
        preview = await previewed if key is None else await _under_a_key(key, previewed)
        states = preview_json(preview, here.ledger.clock().date())
        plain = to_json(_told(preview.answers) | {"dry_run": True, "states": states})
        shown, _ = await run_in_threadpool(with_persons, request, plain, given_in(preview))
        return Response(shown, 200, preferred._replace(wait_s=0).applied, JSON)
    answers = await record(request, drafts, actor, key, strict=strict)
    proofs = await _signed(here, [one.position for one in answers], preferred.wait_s)
    return appended(answers, (preferred if proofs else preferred._replace(wait_s=0)).applied, proofs)


async def record(
    request: Request, drafts: Sequence[Draft], actor: Actor, key: str | None, *, strict: bool = False
) -> list[Answer]:
    """Record the drafts, all or none. Raises as ``Ledger.append`` does."""
    here = app_state(request)
    outcome = here.ledger.submit(drafts, actor, key, strict=strict)
    waiting = here.relay.wait(outcome)
    answers = await waiting if key is None else await _under_a_key(key, waiting)
    here.readers.rollbacks.note_recorded(outcome.epoch, outcome.last)
    context: RequestContext = request.scope["context"]
    context.epoch = outcome.epoch  # another may have begun since the key was looked up, or since it was recorded
    return answers


async def _signed(here: AppState, positions: Sequence[int], wait_s: int) -> list[str]:
    """A proof of each entry, once a signed tree holds all of them; none where that takes longer than ``wait_s``."""
    until = get_running_loop().time() + wait_s
    with suppress(TimeoutError, LedgerError):  # they are recorded, whatever becomes of this
        while wait_s:
            watermarks = (await here.readers.look_up(None)).watermarks
            if watermarks.covering(max(positions)):
                made = await run_in_threadpool(Proofs(here.reads.pool).proofs, positions)
                return [str(one) for one in made]
            await here.readers.wait(Unsigned(watermarks, max(positions)), until)
    return []


async def _under_a_key(key: str, outcome: Awaitable[T]) -> T:
    """The answer to events that have their ids from a key, which is what the client knows them by. Raises IdReused, naming it."""
    try:
        return await outcome
    except IdReused:
        reused = IdReused(f"the Idempotency-Key {key!r}")
        reused.pointer = "Idempotency-Key"
        raise reused from None


def _drafts(body: bytes) -> Sequence[Draft]:
    return read_body(parse_json(body))


def appended(answers: list[Answer], applied: dict[str, str], proofs: Sequence[str] = ()) -> Response:
    """What became of the events of a request."""
    told, repeated = _told(answers), all(answer.repeated for answer in answers)
    for one, proof in zip(told["events"], proofs, strict=False):
        one["proof"] = proof
    headers = {"Ledger-Position": str(told["position"]), "Location": f"/v1/events/{answers[0].position}", **applied}
    if repeated:
        headers["Idempotency-Replayed"] = "true"
    return Response(to_json(told), 200 if repeated else 201, headers, JSON)


def _told(answers: list[Answer]) -> dict[str, Any]:
    """What became of each event, or would become of it."""
    events = [
        {
            "id": answer.id, "position": answer.position, "subject": answer.subject, "version": answer.version,
            "anomalies": [{"code": one.code, "detail": one.detail} for one in answer.anomalies],
        }
        for answer in answers
    ]  # fmt: skip
    return {"position": max(answer.position for answer in answers), "events": events}


@router.get(
    "/events",
    response_model=shapes.EventPage,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}, **shapes.problems(409)},
)
def log(request: Request, reads: TheQueries, query: Annotated[LogQuery, Query()]) -> Response:
    """The log in order, from a position on: as JSON, or with ``Accept: application/x-ndjson`` a line each.

    ``type``, ``subject``, ``kind`` (of the subject) and ``author`` narrow it, as does the time of recording: ``from`` one and ``to``
    another, both included.
    """
    asked = query.asked()
    entries, size = reads.log(asked, query.chosen(), query.limit + 1)
    more = f"{epoch_of(request)}:{entries[query.limit - 1][0]}" if len(entries) > query.limit else None
    lines = [line for _, line in entries[: query.limit]]
    context: RequestContext = request.scope["context"]
    if context.as_lines:
        body, media_type = "".join(f"{line}\n" for line in lines), NDJSON
    else:
        body, media_type = f'{{"events":[{",".join(lines)}],"next":{to_json(more).decode()}}}', "application/json"
    headers = {"Vary": "Accept"} | ({"Link": next_page(request, after=more)} if more else {})
    tag = digest_of(body)
    return answer(request, body.encode(), size, tag, pinned=asked.pinned, media_type=media_type, more=headers)


@router.get(
    "/events/{which}",
    response_class=Response,
    responses={
        200: {"content": {CLOUDEVENT: {"schema": ref("Event")}}, "description": "The entry"},
        **shapes.problems(403, 404, 409),
    },
)
def event(request: Request, reads: TheQueries, which: Which, query: Annotated[EventQuery, Query()]) -> Response:
    """An entry's exact bytes, by position or id; ``Link`` names what corrects it.

    ``disclose`` adds what opens its commitments: for each pointer the salt and the name. That needs the role auditor,
    also where reading needs no key, and is for nobody else: no cache may keep it.
    """
    if query.disclose:
        _only_auditors(request)
    asked = query.asked()
    line, corrections, disclosures, known_at = reads.event(which, asked)
    links = ", ".join(f'</v1/events/{at}>; rel="{_relation(type_)}"' for at, type_ in corrections)
    if query.disclose:
        read_line(line)  # to what cannot be read nothing can be added
        line = f'{line[:-1]},"disclosures":{_opened(disclosures)}}}'
    headers = ({"Link": links} if links else {}) | ({"Cache-Control": "private, no-store"} if query.disclose else {})
    tag = digest_of(line, links)
    return answer(
        request,
        line.encode(),
        known_at,
        tag,
        pinned=asked.pinned,
        cached=not query.disclose,
        media_type=CLOUDEVENT,
        more=headers,
    )


def _only_auditors(request: Request) -> None:
    """Raises Denied. Whose key it is was looked up with the request."""
    context: RequestContext = request.scope["context"]
    assert context.looked_up is not None
    allow(context.looked_up.holders, request.headers.get("authorization"), Role.auditor)


def _opened(disclosures: Sequence[Disclosure]) -> str:
    opened = {
        one.pointer: {"salt": urlsafe_b64encode(one.salt).rstrip(b"=").decode(), "value": one.value}
        for one in disclosures
    }
    return to_json(opened).decode()


def _relation(type_: str) -> str:
    return "successor-version" if type_ == "entry.superseded" else "related"


@types.get("/event-types", response_model=shapes.EventTypes, responses=shapes.problems())
def event_types() -> Response:
    """Every type of event that can be appended."""
    return Response(_types(), media_type="application/json")


@cache
def _types() -> bytes:
    items = [
        {
            "type": type_, "kind": type_.partition(".")[0], "opens": fact.opens, "description": fact.__doc__,
            "dataschema": fact.dataschema,
        }
        for type_, fact in FACTS.items()
    ]  # fmt: skip
    return to_json({"items": items})


SCHEMA: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {"content": {"application/schema+json": {"schema": {"type": "object"}}}, "description": "A JSON Schema"},
        **shapes.problems(404),
    },
}


@types.get("/event-types/{type}/{version}", **SCHEMA)
def event_type_version(type: str, version: int) -> Response:
    """The JSON Schema of an event's data, in one version that is or was in use."""
    dataschema, known = f"{SCHEMAS}{type}/{version}", _fact_type(type)
    if dataschema not in known.schemas:
        raise NotFound(f"{type} has no version {version}; the newest is {len(known.schemas)}")
    return _schema(known.schemas[dataschema])


@types.get("/event-types/{type}", **SCHEMA)
def event_type(type: str) -> Response:
    """The JSON Schema of an event's data, as it is appended now."""
    return _schema(_fact_type(type))


def _fact_type(type_: str) -> type[Fact]:
    if type_ not in FACTS:
        hint = did_you_mean(type_, FACTS)
        raise NotFound(f"there is no type of event {type_!r}; /v1/event-types lists them{hint}")
    return FACTS[type_]


def _schema(shape: type[Fact]) -> Response:
    return Response(schema_json(shape), media_type="application/schema+json")
