"""What pages of other sites may read (CORS): all that everybody may, and nothing by whose key it comes; and what OPTIONS is told."""

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from ledger.errors import NotFound

METHODS = ("GET", "POST")
ORIGIN = (b"access-control-allow-origin", b"*")
"""Everybody, and therefore nobody's cookie: browsers send none along, and give no answer away that came with one."""
EXPOSED = (
    b"access-control-expose-headers",
    b"Content-Location, ETag, Ledger-Epoch, Ledger-Left-Out, Ledger-Position, Link, Request-Id, Retry-After",
)
PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "If-None-Match, Last-Event-ID, Request-Id",
    "Access-Control-Max-Age": "86400",
}
"""``Authorization`` is none of them: no script of another site reads with a key, nor appends."""


def shared(headers: list[tuple[bytes, bytes]], scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that everybody may read. Pages are for people, and stay as they are."""
    media_type = dict(headers).get(b"content-type", b"")
    is_private = scope["context"].has_key or scope["method"] not in ("GET", "HEAD")
    return headers if is_private or media_type.startswith(b"text/html") else [*headers, ORIGIN, EXPOSED]


def methods_of(app: Starlette, scope: Scope) -> list[str]:
    """Every method that the path has; none where there is no such path."""
    found = [one for one in METHODS if any(_has(route, dict(scope, method=one)) for route in app.router.routes)]
    return [*found, *["HEAD"] * ("GET" in found), "OPTIONS"] if found else []


def _has(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is Match.FULL and (scope["method"] == "GET" or not isinstance(route, Mount))


def on_options(app: Starlette, scope: Scope, *, public: bool) -> Response:
    """What may be done at an address; and what pages of other sites may do there, where reads are ``public``. Raises NotFound."""
    methods = methods_of(app, scope)
    if not methods:
        raise NotFound(f"there is no {scope['path']}")
    crossing = PREFLIGHT if public and "GET" in methods else {}
    return Response(status_code=204, headers={"Allow": ", ".join(sorted(methods)), **crossing})
