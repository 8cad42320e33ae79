"""Signing in with a key, and out."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from api.http.auth import digest
from api.http.dependencies import app_state, body_of
from api.http.sessions import KEY, LASTS_S
from api.pages.clock import Clock
from api.pages.rendering import HTML, SAFE, environment
from api.pages.routes import PageRoute
from ledger.errors import Fault, Invalid

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 5_000
HERE = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")
"""An address of this service's own, as it stands in a link."""
START = "/initiatives"

router = APIRouter(route_class=PageRoute, include_in_schema=False)


class SignInQuery(BaseModel):
    """``next`` is the page to go on to."""

    next: Annotated[str, Field(max_length=2_100)] = START


async def form_of(request: Request) -> list[tuple[str, str]]:
    """The fields of a form that was sent. Raises Invalid, and as ``body_of``."""
    body = await body_of(request, FORM)
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        detail = f"the body is no form of at most {MAX_FIELDS:,} fields in UTF-8"
        raise Invalid(detail, [Fault("", detail, "form")]) from None


def here(given: str) -> str:
    """Where to go on to: never to another site."""
    return given if HERE.fullmatch(given) else START


def plain_page(template: str, path: str, status: int = 200, headers: Mapping[str, str] = {}, **more: Any) -> Response:
    """A page that shows nothing of the ledger. It is kept nowhere."""
    html = environment().get_template(template).render(
        clock=Clock(path, {}, 0, None, date.today(), 0), formats=(), signed_in=None, **more
    )  # fmt: skip
    return Response(html, status, {**SAFE, "Cache-Control": "no-store", **headers}, HTML)


def _sign_in_page(next_: str, wrong: str = "", status: int = 200, **headers: str) -> Response:
    return plain_page("sign_in.html", "/sign-in", status, headers, next=next_, wrong=wrong, hours=LASTS_S // 3_600)


@router.get("/sign-in")
def sign_in_page(query: Annotated[SignInQuery, Query()]) -> Response:
    """The form that asks for the key."""
    return _sign_in_page(here(query.next))


@router.post("/sign-in")
async def sign_in(request: Request, given: Annotated[list[tuple[str, str]], Depends(form_of)]) -> Response:
    """Begin a session with a key that somebody holds."""
    fields = dict(given)
    key, next_ = fields.get("key", "").strip(), here(fields.get("next", ""))
    sessions, address = app_state(request).sessions, request.client.host if request.client else ""
    if wait := sessions.attempts.take(address):
        told = f"Too many keys were tried from your address. Try again in {wait} seconds."
        return _sign_in_page(next_, told, 429, **{"Retry-After": str(wait)})
    if not KEY.fullmatch(key) or not await _is_held(request, key):
        told = "This key is unknown, or was revoked. Check that all of it was pasted."
        return _sign_in_page(next_, told, 401, **{"WWW-Authenticate": 'Bearer realm="ledger"'})
    sessions.attempts.forget(address)
    response = RedirectResponse(next_, 303, {**SAFE, "Cache-Control": "no-store"})
    sessions.begin(response, key)
    return response


async def _is_held(request: Request, key: str) -> bool:
    looked_up = await app_state(request).readers.look_up(f"Bearer {key}")
    return digest(key) in looked_up.holders


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the session."""
    response = RedirectResponse("/sign-in", 303, {**SAFE, "Cache-Control": "no-store"})
    app_state(request).sessions.end(response)
    return response
