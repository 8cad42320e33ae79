"""All of a list or of a sequence as one file: read in pages of one basis, and sent as they are read.

What fits one page is an answer like any other. What is longer is read on while it is sent: never more than a page is in memory,
no connection is held while the reader takes their time, and a reader who goes away ends it. All pages are of the basis of the
first; should it be gone on the way, as the ledger was rolled back, the answer breaks off, and the reader sees that it is not whole.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from api.formats.form import Form
from api.http.dependencies import answer, digest_of, epoch_of, for_whom, listed, with_persons
from api.http.response_cache import RequestContext, etag_matches
from projections.basis import Asked, Basis, Position
from projections.queries import Queries

PAGE = 500
"""How many documents are read at once."""


class Page(NamedTuple):
    """Documents, the place after which the next page starts (None at the end), and the basis; a log has no ``valid_at``."""

    documents: list[str]
    more: Any
    known_at: int
    valid_at: date | None = None
    final: bool = True

    @classmethod
    def at(cls, basis: Basis, documents: list[str], more: Any = None) -> Self:
        return cls(documents, more, basis.known_at, basis.valid_at, basis.final)


Read = Callable[[Queries, Asked, Any], Page]
"""Reads the page after a place, at a basis; the first where the place is None."""


class Pages:
    """The documents of all pages, a list for each page. The first is read at once: what fails does so before an answer begins."""

    def __init__(self, request: Request, reads: Queries, asked: Asked, read: Read) -> None:
        self.request, self.reads, self.asked, self.read = request, reads, asked, read
        self.page = read(reads, asked, None)
        self.first, self.told = self._shown(self.page)

    def __iter__(self) -> Iterator[list[str]]:
        yield self.first
        page, pinned, reads = (
            self.page,
            self.pinned,
            Queries(self.reads.pool),
        )  # how the ledger stands is looked up anew
        while page.more is not None:
            page = self.read(reads, pinned, page.more)
            yield self._shown(page)[0]

    @property
    def pinned(self) -> Asked:
        """What all pages are asked at."""
        known_at = Position(self.page.known_at, epoch_of(self.request))
        return Asked(known_at, self.page.valid_at, final=self.page.final)

    def _shown(self, page: Page) -> tuple[list[str], str]:
        shown, told = with_persons(self.request, "\n".join(page.documents).encode())
        return shown.decode().split("\n") if page.documents else [], told


def send(pages: Pages, form: Form, media_type: str, more: Mapping[str, str] = {}) -> Response:
    """All pages in a format."""
    request, page = pages.request, pages.page
    headers = {**pinned_address(request, page), **more}
    if page.more is not None:
        return _streamed(pages, form, media_type, headers)
    body = f"{form.begin}{_text(form, pages.first)}{form.end}"
    return answer(
        request, body.encode(), page.known_at, digest_of(body), raw=True, told=pages.told, pinned=pages.asked.pinned,
        final=page.final, media_type=media_type, more=headers,
    )  # fmt: skip


def pinned_address(request: Request, page: Page) -> dict[str, str]:
    """Where the same bytes are found however the ledger grows. A diff has two bases, and a feed tells its own address: they name none."""
    basis = {"known_at": str(page.known_at)} | ({"valid_at": str(page.valid_at)} if page.valid_at else {})
    asked = {name: value for name, value in request.query_params.items() if name not in (*basis, "min_position")}
    path = request.scope["path"]
    return (
        {} if "/diff." in path or path.endswith(".atom") else {"Content-Location": f"{path}?{urlencode(asked | basis)}"}
    )


def _text(form: Form, documents: list[str]) -> str:
    return "".join(map(form.each, documents))


def _streamed(pages: Pages, form: Form, media_type: str, more: Mapping[str, str]) -> Response:
    """As the body is not known yet, the ETag is of what determines it: what is asked, at which basis, by whom, in which columns."""
    request, page, context = pages.request, pages.page, pages.request.scope["context"]
    tag = f'W/"{epoch_of(request)}-{_digest(request, page, form)}"'
    headers = {"Ledger-Position": str(page.known_at), "Cache-Control": for_whom(request), "ETag": tag, **more}
    if etag_matches(tag, listed(request, "if-none-match")):
        return Response(status_code=304, headers=headers)
    if context.is_head:
        return StreamingResponse(iter(()), media_type=media_type, headers=headers)
    return StreamingResponse(_chunks(pages, form), media_type=media_type, headers=headers)


def _digest(request: Request, page: Page, form: Form) -> str:
    context: RequestContext = request.scope["context"]
    assert context.looked_up is not None
    now = context.looked_up.watermarks
    determines = page.known_at, page.valid_at, page.final, now.built, now.erasures, context.sees_names
    return digest_of(request.scope["path"], urlencode(request.query_params), repr(determines), form.begin, form.end)


def _chunks(pages: Pages, form: Form) -> Iterator[bytes]:
    yield form.begin.encode()
    for documents in pages:
        yield _text(form, documents).encode()
    yield form.end.encode()
