"""Problems as pages, for those who ask for pages: the same words and the same status as the problem document."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic_core import from_json

from api.http.dependencies import listed
from api.http.problems import ALL
from api.pages.rendering import HTML, SAFE, environment

Handler = Callable[[Request, Exception], Response | Awaitable[Response]]
DATA = ("/v1/", "/log/")
"""Where data is served: problems are documents there, whoever asks."""


def install(app: FastAPI) -> None:
    """Show problems as pages to those who ask for HTML where pages are."""
    for sort, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(sort, _as_page(handler))


def _as_page(handler: Handler) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        made = handler(request, error)
        found = await made if isawaitable(made) else made
        return _page(request, found) if _wants_page(request) else found

    return handle


def _wants_page(request: Request) -> bool:
    return "text/html" in listed(request, "accept") and not request.scope["path"].startswith(DATA)


def _page(request: Request, problem: Response) -> Response:
    told: dict[str, Any] = from_json(bytes(problem.body))
    advice = ALL[told["type"].rpartition("/")[2]].advice
    words = request.scope["path"].rpartition("/")[2]
    next_ = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    html = environment().get_template("error.html").render(problem=told, advice=advice, words=words, next=next_)
    kept = {name: value for name, value in problem.headers.items() if name not in ("content-type", "content-length")}
    return Response(html, problem.status_code, kept | SAFE, HTML)
