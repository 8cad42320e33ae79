"""A witness over HTTP: c2sp.org/tlog-witness 1.1."""

import asyncio

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ledger.errors import Unavailable
from ledger.proofs.submission import ADD_CHECKPOINT, SIZE_TYPE
from ledger.witness.keeper import Keeper, NotCosigned

MAX_BODY = 100_000
BODY_S = 10.0
RETRY_AFTER_S = "5"


def build(keeper: Keeper) -> Starlette:
    """The service of a witness."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        try:
            return PlainTextResponse(await run_in_threadpool(keeper.cosign, body))
        except NotCosigned as error:
            return _refusal(error)
        except Unavailable as error:
            return PlainTextResponse(f"{error.detail}\n", 503, {"Retry-After": RETRY_AFTER_S})

    async def show_checkpoint(request: Request) -> Response:
        try:
            note = await run_in_threadpool(keeper.shown, request.url.path)
        except Unavailable as error:
            return PlainTextResponse(f"{error.detail}\n", 503, {"Retry-After": RETRY_AFTER_S})
        if note is None:
            raise HTTPException(404, "no checkpoint of such a log was cosigned")
        return PlainTextResponse(str(note), headers={"Cache-Control": "no-store"})

    async def show_keys(_: Request) -> Response:
        return PlainTextResponse("".join(f"{key}\n" for key in keeper.public))

    return Starlette(routes=[
        Route("/", show_keys),
        Route(ADD_CHECKPOINT, add_checkpoint, methods=["POST"]),
        Route("/{origin_hash}/checkpoint", show_checkpoint),
    ])  # fmt: skip


async def _body(request: Request) -> bytes:
    """The body of a request, as far as it comes in time and is not too long. Raises HTTPException."""
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY:
                    raise HTTPException(413, f"a body has at most {MAX_BODY:,} bytes", {"Connection": "close"})
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {BODY_S:g} s", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the body was cut short") from None
    return body


def _refusal(error: NotCosigned) -> Response:
    if error.size is not None:
        return Response(f"{error.size}\n", error.status, media_type=SIZE_TYPE, headers={"Content-Type": SIZE_TYPE})
    headers = {"Retry-After": RETRY_AFTER_S} if error.status == 503 else None
    return PlainTextResponse(f"{error}\n", error.status, headers)
