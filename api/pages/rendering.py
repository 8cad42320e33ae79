"""Pages: what the API answers, as HTML. A page is made of JSON that has been through the one place which shows or withholds names."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import blake2b
from importlib import resources
from inspect import cleandoc
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic_core import from_json

from api.formats.ics import is_dated
from api.http.addresses import offered
from api.http.auth import Holder
from api.http.dependencies import answer, digest_of, epoch_of, with_persons
from api.http.response_cache import RequestContext
from api.pages import words
from api.pages.clock import Clock, Stop, time_words
from api.pages.dates import day_words, precision
from api.pages.timeline.marks import Drawing
from api.pages.timeline.svg import draw, style
from api.pages.timeline.table import rows_of, summary, undated_summary
from api.pages.timeline.words import told
from ledger.vocabulary.edtf import InvalidDate
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import Basis
from projections.page_queries import labels, stops
from projections.queries import Queries

HTML = "text/html; charset=utf-8"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SAFE = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}  # fmt: skip
"""Headers of every page: nothing runs or loads but what the service itself sends."""
PLURALS = {kind.name: kind.plural for kind in KINDS.values()}
TITLES = {name: plural.capitalize() for name, plural in PLURALS.items()}
FORMATS = {
    "json": "JSON", "jsonl": "JSON Lines", "csv": "table (CSV)", "ics": "calendar (iCalendar)", "atom": "feed (Atom)",
}  # fmt: skip
"""What people call the data at the addresses of pages, by suffix."""
ALONE = ' <span class="unknown">(it alone)</span>'
DIFFERS = ' <span class="doubt"><a class="term" href="/glossary#sources-differ">others differ</a></span>'
BAR, BARS = 48, 60
"""Pixels that the highest bar of a histogram has, and how many there are of them at most."""
BACKTICKS = re.compile("`+")
AROUND = 25
"""At how many entries before the clock, and at how many after it, its bar stops."""
STATIC = {"ledger.css": "text/css; charset=utf-8", "ledger.js": "text/javascript; charset=utf-8"}


@cache
def static(name: str) -> tuple[bytes, str]:
    """A file that pages load, and what its address names it by: it changes with its bytes."""
    body = (resources.files("api.pages") / "static" / name).read_bytes()
    if name == "ledger.css":
        body += style().encode()
    return body, blake2b(body, digest_size=8).hexdigest()


def static_url(name: str) -> str:
    return f"/static/{static(name)[1]}/{name}"


@cache
def environment() -> Environment:
    """The templates. What they name and nobody gave is an error."""
    made = Environment(
        loader=PackageLoader("api.pages"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "words": words.words, "act": words.act_words, "look": words.look, "date_words": said, "precision": precision,
        "day_words": day_words, "time_words": time_words, "lines": lines, "prose": prose, "number": "{:,}".format, "label": label_of, "described": words.described,
    }  # fmt: skip
    made.globals |= {
        "static": static_url, "plurals": PLURALS, "titles": TITLES, "is_ref": words.REF.fullmatch,
        "date_fields": words.fields().dates, "code_fields": words.fields().codes,
        "draw": picture, "summary": summary, "rows_of": rows_of, "undated_summary": undated_summary, "events_told": events_told,
        "supported_fields": supported_fields, "histogram": histogram,
    }  # fmt: skip
    return made


def said(date: str) -> str:
    """A date of EDTF in words."""
    try:
        return told(date).words
    except InvalidDate:
        return date


def picture(drawing: Drawing) -> Markup:
    """The timeline, which escapes all texts itself."""
    return Markup(draw(drawing))  # noqa: S704


def lines(text: str) -> Markup:
    """A text with its own line breaks."""
    return Markup("<br>").join(text.splitlines())


def prose(text: str) -> Markup:
    """A sentence of a docstring, or several: what stands between backticks is code, and an empty line begins a paragraph."""
    parts = BACKTICKS.split(cleandoc(text))
    said = (Markup("<code>{}</code>").format(one) if number % 2 else escape(one) for number, one in enumerate(parts))
    return Markup("").join(said).replace("\n\n", Markup("<br>\n"))


def events_told(data: Mapping[str, Any]) -> str:
    """How many events the calendar of a page has; of a list that goes on, that it has those with a date."""
    if data.get("next"):
        return ", those with a date"
    own = [data] if "subject" in data else []
    those = data["items"] if "items" in data else [*own, *data.get("meetings", ()), *data.get("milestones", ())]
    count = sum(map(is_dated, those))
    return f", {count} {'event' if count == 1 else 'events'}"


def supported_fields(clock: Clock, subject: str, fields: Iterable[Mapping[str, Any]]) -> Markup:
    """The fields of a state that a source supports, each a link to why: some hundreds of them, so not by macros."""
    kind, _, slug = subject.partition(":")
    at, end = escape(f"/{PLURALS[kind]}/{slug}/why/"), escape(clock.pinned)
    told = [
        f'<a href="{at}{one["name"]}{end}">{words.words(one["name"])}</a>{ALONE * one["alone"]}{DIFFERS * one["differs"]}'
        for one in fields
    ]
    return Markup(", ".join(told))  # noqa: S704 of names of the vocabulary alone


def histogram(years: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """The last ``BARS`` years in the order of time, each with how many states it has and how many pixels its bar is high: none is
    without any."""
    most = max(years.values())
    return [(year, years[year], max(1, round(BAR * years[year] / most))) for year in sorted(years, key=int)[-BARS:]]


def label_of(document: Mapping[str, Any]) -> str:
    """What a state is called, short."""
    return str(
        document.get("short_name")
        or document.get("name")
        or document.get("title")
        or _published(document)
        or document["id"]
    )


def _published(document: Mapping[str, Any]) -> str:
    """Who published a source, and when: what tells it apart where it has no title."""
    return ", ".join([document[one] for one in ("publisher", "published") if document.get(one)])


def signed_in(request: Request) -> Holder | None:
    """Who reads in a session: pages show it."""
    context: RequestContext = request.scope["context"]
    return context.holder if context.in_session else None


def for_whom(request: Request) -> dict[str, str]:
    """Headers that tell who may keep a page: it shows who has signed in, and at its address other forms of it may be had."""
    return {"Vary": "Accept, Cookie"} | ({"Cache-Control": "private, no-cache"} if signed_in(request) else {})


class Page:
    """One page under way: who asks, when, and what of."""

    def __init__(
        self, request: Request, reads: Queries, basis: Basis, subject: Subject | None = None, since: int = 0, moves: bool = True,
    ) -> None:  # fmt: skip
        """``subject``: whose entries change it; None where every entry may. ``since`` is the first at which there is the page.
        ``moves``: whether its clocks can be moved."""
        self.request, self.reads, self.basis, self.subject = request, reads, basis, subject
        context: RequestContext = request.scope["context"]
        assert context.looked_up is not None
        self.watermarks = context.looked_up.watermarks
        found = [Stop(*row) for row in stops(reads, subject, basis.known_at, AROUND, max(since, 1))] if moves else []
        given = dict(request.query_params)
        path = request.scope["path"]
        self.clock = Clock(
            path, given, basis.known_at, basis.known_at_time, basis.valid_at, self.watermarks.size, found, AROUND, moves
        )  # fmt: skip

    def show(self, template: str, body: str, *, as_data: bool = True, **more: Any) -> Response:
        """The page: a template filled in with what ``body`` holds, a JSON object; persons in it are shown or withheld.

        ``as_data``: whether the same is to be had as data."""
        shown, told = with_persons(self.request, body.encode())
        html = self.html(
            template,
            shown.decode(),
            formats=[(one, FORMATS[one]) for one in offered(self.clock.path) if as_data],
            **more,
        )
        return answer(
            self.request, html.encode(), self.basis.known_at, digest_of(html), pinned=False, final=self.basis.final,
            raw=True, told=told, media_type=HTML, more=SAFE | for_whom(self.request),
        )  # fmt: skip

    @property
    def live(self) -> str:
        """Where the entries are announced that come after this page: those of its subject, or of its kind, or all."""
        subject = {"subject": str(self.subject)} if self.subject else {}
        kind = [("kind", kind) for kind, plural in PLURALS.items() if self.clock.path == f"/{plural}"]
        query = {"after": f"{epoch_of(self.request)}:{self.basis.known_at}"} | subject | dict(kind)
        return f"/v1/events/stream?{urlencode(query)}"

    def html(self, template: str, shown: str, **more: Any) -> str:
        """A template filled in with what a JSON object holds that has its persons shown or withheld."""
        named = labels(self.reads, sorted(set(words.REFS.findall(shown))), self.basis)
        return environment().get_template(template).render(
            clock=self.clock, data=from_json(shown), labels=named, watermarks=self.watermarks,
            signed_in=signed_in(self.request), live=self.live, **more,
        )  # fmt: skip
