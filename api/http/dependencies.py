"""What a request finds: the ledger, the reads, who is asking. Built once by ``api.app``."""

from asyncio import get_running_loop
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request, Security
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect

from api.http.auth import Holder, Role, allow, bearer, digest
from api.http.lookup import CoalescedLookup, LookedUp
from api.http.problems import BodyTooLarge, WrongMediaType
from api.http.relay import Relay
from api.http.response_cache import Cache, CachedResponse, Ending, RequestContext, Said, etag_matches
from api.http.sessions import Sessions
from api.http.streams import Streams
from ledger.database.connection import LedgerLocation
from ledger.errors import MAX_FAULTS, Fault, Invalid, Unavailable, did_you_mean, refuse
from ledger.service import Ledger
from ledger.settings import Settings
from projections import people
from projections.basis import Asked, Basis, Behind
from projections.people import NOBODY, Told
from projections.queries import Queries
from projections.touched import basis_of

WAIT_S = 2.0
"""How long a reader waits for what is not there yet."""
MAX_BODY_BYTES = 2**20
TWICE = "it is given more than once"
BEGINS = b'{"commitment":"'
FEW_PATHS = 3
SINGLE = {name.lower().encode(): name for name in ("Authorization", "Content-Type", "Request-Id")}
SINGLE_OF_APPENDS = SINGLE | {name.lower().encode(): name for name in ("Idempotency-Key", "If-Match", "If-None-Match")}
"""Headers of which one value is read, by what they are called on the wire."""
MEANWHILE_S = 0.1
"""A key that was looked up longer ago than this is looked up again, once the body is there."""


@dataclass(frozen=True)
class AppState:
    """Everything that a process needs to answer."""

    location: LedgerLocation
    settings: Settings
    ledger: Ledger
    reads: Queries
    readers: CoalescedLookup
    writers: CoalescedLookup
    relay: Relay
    cache: Cache
    streams: Streams
    sessions: Sessions


def app_state(request: Request) -> AppState:
    found: AppState = request.app.state.app_state
    return found


Bearer = Security(HTTPBearer(scheme_name="key", description="An API key.", auto_error=False))
"""Tells of the key in the OpenAPI document; the header itself is read by ``api.http.auth``."""


async def admin(request: Request, _: Any = Bearer) -> Holder:
    """Only admins append. Raises Denied, Unavailable."""
    given = request.headers.get("authorization")
    context: RequestContext = request.scope["context"]
    context.looked_up = looked_up = await app_state(request).writers.look_up(given)
    context.holder = allow(looked_up.holders, given, Role.admin)
    context.sees_names = True
    return context.holder


async def admit(here: AppState, authorization: str | None, context: RequestContext) -> LookedUp:
    """Anybody may read where reads are public, else the holder of any key; whose it is, and who may see names of persons, is noted.

    A session is over as soon as its key is revoked. Raises Denied, Unavailable.
    """
    if context.failure:
        raise context.failure
    try:
        context.looked_up = context.looked_up or await here.readers.look_up(authorization)
        here.cache.forget_names(context.looked_up.watermarks.erasures)
    except Unavailable as error:
        context.failure = error
        raise
    context.sees_names = here.settings.public_names
    if context.in_session and digest(bearer(authorization) or "") not in context.looked_up.holders:
        authorization = None
    if authorization is not None or not here.settings.public_reads:
        context.holder = holder = allow(context.looked_up.holders, authorization, Role.reader)
        context.sees_names |= holder.role >= Role.auditor
    return context.looked_up


async def reader(request: Request, _: Any = Bearer) -> Queries:
    """The reads, as they stand for who may read. Raises Denied, Unavailable."""
    here = app_state(request)
    looked_up = await admit(here, request.headers.get("authorization"), request.scope["context"])
    return Queries(here.reads.pool, looked_up.watermarks)


TheQueries = Annotated[Queries, Depends(reader)]


class Strict(APIRoute):
    """Parameters that the reference does not name, and parameters and headers that are given twice but are read once, are
    refused: none is silently ignored."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def check_and_handle(request: Request) -> Response:
            check_headers(request)
            if request.scope["query_string"]:
                _check_query(request, self.parameters(request))
            return await handle(request)

        return check_and_handle

    def parameters(self, request: Request) -> set[str]:
        """The parameters that a query may have."""
        return parameters_of(request, self.path_format, request.method)


def check_headers(request: Request) -> None:
    """Headers of which one value is read are given once. Raises Invalid."""
    names = [name for name, _ in request.scope["headers"]]
    if len(names) > len({*names}):
        single = SINGLE if request.method == "GET" else SINGLE_OF_APPENDS
        refuse([Fault(single[name], TWICE, "repeated") for name in single if names.count(name) > 1])


def _check_query(request: Request, known: set[str]) -> None:
    """Raises Invalid."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    unknown = [name for name in given if name not in known][:MAX_FAULTS]
    faults = [
        Fault(
            name,
            f"there is no such parameter here{_elsewhere(request, name) or did_you_mean(name, known)}",
            "extra_forbidden",
        )
        for name in unknown
    ]
    refuse(faults + [Fault(name, TWICE, "repeated") for name in given if given[name] > 1])


def parameters_of(request: Request, path: str, method: str) -> set[str]:
    """The parameters of a query that the reference names."""
    operation = request.app.openapi()["paths"].get(path, {}).get(method.lower(), {})
    return {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}


def _elsewhere(request: Request, name: str) -> str:
    """Where in the API it would be one, if that is a matter of few paths."""
    known = [one for one in request.app.openapi()["paths"].items() if one[0].startswith("/v1/")]
    paths = [path for path, methods in known for method in methods if name in parameters_of(request, path, method)]
    return f": it is one of {' and '.join(paths)}" if 0 < len(paths) <= FEW_PATHS else ""


def listed(request: Request, name: str) -> str:
    """A header that is a list, which may be given line by line (RFC 9110, section 5.3)."""
    return ", ".join(request.headers.getlist(name))


class Patient(Strict):
    """A read of what is not there yet waits for it on the event loop, and is then done again as if it came just now.

    It holds no connection meanwhile, as it was refused before it took one, and no thread.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def wait_and_handle(request: Request) -> Response:
            until = get_running_loop().time() + WAIT_S
            while True:
                try:
                    return await handle(request)
                except Behind as behind:
                    try:
                        await app_state(request).readers.wait(behind, until)
                    except TimeoutError:
                        raise behind from None
                request.scope["context"].looked_up = None

        return wait_and_handle


async def json_body(request: Request) -> bytes:
    """The body of who may still append when it is there. Raises Denied, Unavailable, and as ``body_of`` does."""
    began = get_running_loop().time()
    body = await body_of(request, "application/json")
    if get_running_loop().time() - began > MEANWHILE_S:
        await admin(request)
    return body


async def body_of(request: Request, needed: str) -> bytes:
    """The body, of a media type and within the limit. Raises WrongMediaType, BodyTooLarge, BodyLate, Invalid where it breaks off."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != needed:
        raise WrongMediaType(f"the body is declared as {media_type or 'nothing'}; send {needed}")
    if (coding := request.headers.get("content-encoding", "identity").strip().lower()) != "identity":
        raise WrongMediaType(f"the body is declared as encoded by {coding or 'nothing'}; send it as it is")
    _check_size(int(request.headers.get("content-length", 0)))
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            _check_size(len(body))
    except ClientDisconnect:
        raise Invalid("the body broke off") from None
    return bytes(body)


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the body has more than {MAX_BODY_BYTES:,} bytes; send the events in several requests")


def epoch_of(request: Request) -> str:
    """The epoch of the ledger that the answer rests on."""
    context: RequestContext = request.scope["context"]
    assert context.looked_up is not None
    return context.looked_up.watermarks.epoch


def answer(
    request: Request, body: bytes, position: int, digest: str, *, version: int | None = None, pinned: bool,
    final: bool = True, cached: bool = True, raw: bool = False, told: str = "", media_type: str = "application/json",
    more: Mapping[str, str] = {},
) -> Response:  # fmt: skip
    """What is known at a position, with what the reader may be told of persons; 304 without a body where they have it already.

    ``digest``: equal for two answers that say the same. ``version``: of the stream whose state it is. ``pinned``: it
    stays the same however the ledger grows. ``final``: its basis is. ``cached``: it may be given again. ``raw``: the bytes go out
    as they are, with what they tell of persons in ``told``. ``more`` are headers.
    """
    if not raw:
        body, told = with_persons(request, body)
    if told:
        digest = digest_of(digest, told)
        more = {"Cache-Control": for_whom(request), **more}
    if not final:
        digest = digest_of(digest, "not final")  # who asks again is to learn when it is
    stem = "" if version is None else f"v{version}-"
    tag = f'W/"{stem}{epoch_of(request)}-{digest}"'
    headers = {"Ledger-Position": str(position), "Cache-Control": "no-cache", "ETag": tag, **more}
    whole = Response(body, media_type=media_type, headers=headers)
    context: RequestContext = request.scope["context"]
    if cached and context.looked_up:
        context.cached = CachedResponse(
            context.looked_up.watermarks, context.looked_up.today, pinned, tag, whole.raw_headers, body, position,
            context.sees_names if told else None,
        )  # fmt: skip
    if not etag_matches(tag, listed(request, "if-none-match")):
        return whole
    return Response(
        status_code=304, headers={name: value for name, value in headers.items() if name != "Content-Encoding"}
    )


def answer_at(
    request: Request, body: str, asked: Asked, basis: Basis, digest: str, end: Callable[[Request, Basis], Ending], *,
    version: int | None = None, rests_on: Collection[str] = (),
) -> Response:  # fmt: skip
    """What is known at a basis, which ``end`` tells; the rest as ``answer``.

    ``rests_on`` is what the body rests on (``projections.touched``): as the ledger stands, it is so until that is touched. Where
    nothing is named, it rests on the whole ledger.
    """
    shown, told = with_persons(request, body.encode())
    said = Said(shown, told, digest, version, end, basis.valid_at, tuple(rests_on))
    return _ended(request, said, basis, pinned=asked.pinned, again=bool(rests_on) and asked.known_at is None)


def tell_again(request: Request, said: Said) -> Response:
    """What was said before, with the basis that holds by now: nothing has touched what it rests on."""
    context: RequestContext = request.scope["context"]
    assert context.looked_up is not None
    return _ended(request, said, basis_of(context.looked_up.watermarks, said.valid_at), pinned=False, again=True)


def _ended(request: Request, said: Said, basis: Basis, *, pinned: bool, again: bool) -> Response:
    """``again``: whether it can be told again at a later basis."""
    ending = said.end(request, basis)
    digest = digest_of(said.digest, ending.tells) if ending.tells else said.digest
    ended = answer(
        request, said.body + ending.text.encode(), basis.known_at, digest, version=said.version, pinned=pinned,
        final=basis.final, raw=True, told=said.told, more=ending.headers,
    )  # fmt: skip
    context: RequestContext = request.scope["context"]
    if again and context.cached:
        context.cached = context.cached._replace(said=said)
    return ended


def with_persons(request: Request, body: bytes, known: Told = NOBODY) -> tuple[bytes, str]:
    """An answer with what the reader may be told of each person in it, and all of that; nothing where it names none.

    ``known`` is what the reader has told us. Every answer that may show a person goes through here.
    """
    if BEGINS not in body:
        return body, ""
    context: RequestContext = request.scope["context"]
    none_erased = context.looked_up is not None and not context.looked_up.watermarks.erasures
    connect = app_state(request).reads.connection
    shown, told = people.with_persons(
        body.decode(), connect, names=context.sees_names, none_erased=none_erased, known=known
    )
    return shown.encode(), told


def for_whom(request: Request) -> str:
    """Who may keep an answer that shows persons: it depends on the key, unless names are public."""
    return "no-cache" if app_state(request).settings.public_names else "private, no-cache"


def digest_of(*said: str) -> str:
    return blake2b(chr(0).join(said).encode(), digest_size=12).hexdigest()


def next_page(request: Request, **where: str) -> str:
    """A ``Link`` to the page after this one, relative, as nobody but the reader knows the service's outer address."""
    query = dict(request.query_params) | where
    return f'<{request.scope["path"]}?{urlencode(query)}>; rel="next"'
