"""What a request finds: the ledger, the reads, who is asking. Built once by ``api.app``."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import Response

from api.auth import Holder, Role, allow
from api.problems import BodyTooLarge, WrongMediaType
from ledger.postgres import Place
from ledger.service import Ledger
from ledger.settings import Settings
from projections.read import Basis, Reads

MAX_BODY_BYTES = 2**20


@dataclass(frozen=True)
class House:
    """Everything that a process needs to answer."""

    place: Place
    settings: Settings
    ledger: Ledger
    reads: Reads


def house(request: Request) -> House:
    found: House = request.app.state.house
    return found


TheHouse = Annotated[House, Depends(house)]
Authorization = Annotated[str | None, Header(include_in_schema=False)]


def admin(here: TheHouse, authorization: Authorization = None) -> Holder:
    """Only admins append. Raises Denied."""
    with here.reads.connection() as connection:
        return allow(connection, authorization, Role.admin)


def reader(here: TheHouse, authorization: Authorization = None) -> Holder | None:
    """Anybody where reads are public, else the holder of any key. Raises Denied."""
    if here.settings.public_reads and authorization is None:
        return None
    with here.reads.connection() as connection:
        return allow(connection, authorization, Role.reader)


async def json_body(request: Request) -> bytes:
    """The body, read no further than the limit. Raises BodyTooLarge, WrongMediaType."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise WrongMediaType(f"the body is declared as {media_type or 'nothing'}; send application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"the body has more than {MAX_BODY_BYTES:,} bytes; send the events in several requests")
    return bytes(body)


def answer(request: Request, body: bytes, basis: Basis, etag: str | None = None, **headers: str) -> Response:
    """A response at its basis; 304 without a body where the reader has it already."""
    known = {"Ledger-Position": str(basis.known_at), "Cache-Control": "no-cache", **headers}
    if etag is not None:
        known["ETag"] = etag
        given = {one.strip() for one in request.headers.get("if-none-match", "").split(",")}
        if etag in given or "*" in given:
            return Response(status_code=304, headers=known)
    return Response(body, media_type="application/json", headers=known)


def basis_json(basis: Basis) -> dict[str, Any]:
    return basis._asdict()
