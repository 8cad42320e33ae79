"""The data of every page at the page's own address: with ``.jsonl``, ``.csv``, ``.ics`` or ``.atom`` behind it, all of it.

What ends in ``.json`` is the answer of the route below ``/v1``, and needs none here (``api.http.addresses``).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic_core import from_json
from starlette.convertors import StringConvertor, register_url_convertor

from api.formats import atom, csv_text, csvw, ics
from api.formats.columns import TABLES, Column
from api.formats.form import lines_form
from api.http import reads as read_of
from api.http import shapes
from api.http.addresses import offered
from api.http.dependencies import Patient, TheQueries, app_state
from api.http.downloads import Pages, Read, send
from api.http.fields import only, with_fields
from api.http.negotiation import MEDIA_TYPES
from api.http.parameters import NARROWED, AtBasis, DiffQuery, DueNarrowed, LogNarrowed
from api.http.times import Which
from api.http.vocabulary_shapes import state_name
from ledger.errors import Fault, Invalid, NotFound
from ledger.vocabulary.fact import SLUG, Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import Asked
from projections.queries import Queries

METADATA = "csv-metadata.json"
SUFFIXES = ("jsonl", "csv", METADATA, "ics", "atom")
Suffix = Annotated[str, Path(json_schema_extra={"enum": [*SUFFIXES]})]
Slug = Annotated[str, Path(pattern=f"^{SLUG}$", examples=["indus-x"])]
Make = Callable[[], Response]
FILE: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "All of it, in the format that the suffix names",
            "content": {
                one: {"schema": {"type": "string"}}
                for one in (*(MEDIA_TYPES[name][0] for name in SUFFIXES if name in MEDIA_TYPES), csvw.MEDIA_TYPE)
            },
        },
        **shapes.problems(404, 409),
    },
}


class Given(NamedTuple):
    """A request for a file, the basis that it asks for, and of each state these fields alone."""

    request: Request
    reads: Queries
    asked: Asked
    fields: str | None = None

    @property
    def path(self) -> str:
        """The address of the page."""
        path: str = self.request.scope["path"]
        return path.partition(".")[0]

    def address(self, suffix: str) -> str:
        """The same with another suffix."""
        query = self.request.query_params
        return f"{self.path}.{suffix}" + (f"?{urlencode(query)}" if query else "")

    def pages(self, read: Read) -> Pages:
        return Pages(self.request, self.reads, self.asked, read)

    def give(self, suffix: str, makers: Mapping[str, Make]) -> Response:
        """The file, if the address has it in this format. Raises NotFound, and Invalid where the format has whole states alone."""
        there_are = offered(self.path)
        if suffix.partition("-")[0] not in there_are or suffix not in makers:
            told = ", ".join(f".{name}" for name in there_are)
            raise NotFound(f"there is no .{suffix} of {self.path}: there are {told}")
        if self.fields and suffix == "ics":
            detail = f"what .{suffix} has of each state is always the same: leave it out, or take .json, .jsonl or .csv"
            raise Invalid(f"fields: {detail}", [Fault("fields", detail, "no_fields_here")])
        return makers[suffix]()

    def table(self, read: Read, name: str) -> dict[str, Make]:
        """What every list and sequence has."""
        return {
            "jsonl": lambda: send(self.pages(read), lines_form(self._shown), MEDIA_TYPES["jsonl"][0]),
            "csv": lambda: self._csv(read, name),
            METADATA: lambda: self._metadata(name),
        }

    def _csv(self, read: Read, name: str) -> Response:
        link = f'<{self.address(METADATA)}>; rel="describedby"; type="{csvw.MEDIA_TYPE}"'
        return send(self.pages(read), csv_text.csv_form(self._columns(name)), csv_text.MEDIA_TYPE, {"Link": link})

    def _metadata(self, name: str) -> Response:
        relative = self.address("csv").removeprefix(f"{self.path.rpartition('/')[0]}/")
        return Response(csvw.metadata(relative, self._columns(name)), media_type=csvw.MEDIA_TYPE)

    def _shown(self, document: str) -> str:
        return only(document, self.fields)

    def _columns(self, name: str) -> tuple[Column, ...]:
        """Those of the fields that are asked for. Raises Invalid where a table has one of them in no column."""
        if self.fields is None:
            return TABLES[name]
        wanted, known = self.fields.split(","), {column.field for column in TABLES[name]}
        if missing := [one for one in wanted if one not in known]:
            detail = f"{missing[0]} is no column of the table: take .json or .jsonl for it, or leave it out"
            raise Invalid(f"fields: {detail}", [Fault("fields", detail, "no_such_column")])
        return tuple(column for column in TABLES[name] if column.field in wanted)

    def calendar(self, read: Read) -> Make:
        return lambda: self._calendar(self.pages(read_of.with_times(read)))

    def _calendar(self, pages: Pages) -> Response:
        """It says before its events how many others there are: where there are several pages, all are read for that first."""
        told = Counter(ics.is_dated(from_json(one)) for documents in pages for one in documents)
        form = ics.calendar_form(f"Partnership ledger {self.path}", told[True], told[False])
        return send(pages, form, ics.MEDIA_TYPE, {"Ledger-Left-Out": str(told[False])})

    def feed(self, read: Read) -> Make:
        return lambda: self._feed(self.pages(read))

    def _feed(self, pages: Pages) -> Response:
        address, newest = self.address("atom"), pages.first[0] if pages.first else None
        known_by = uuid5(NAMESPACE_URL, f"/ledgers/{app_state(self.request).settings.name}{address}").urn
        form = atom.feed_form(known_by, f"Partnership ledger {self.path}", address, newest)
        return send(pages, form, atom.MEDIA_TYPE)


async def given_at(request: Request, reads: TheQueries, query: Annotated[AtBasis, Query()]) -> Given:
    return Given(request, reads, query.asked())


AtAnyBasis = Annotated[Given, Depends(given_at)]
"""A request for what is narrowed by nothing but the basis."""


class SlugConvertor(StringConvertor):
    """The id of a subject in a path: it ends where the suffix begins, be there two dots."""

    regex = SLUG


register_url_convertor("slug", SlugConvertor())
router = APIRouter(tags=["files"], route_class=Patient)


def _add_routes(kind: str) -> None:
    """The files of one kind of stream."""
    at = f"/{KINDS[kind].plural}"
    narrowed: Any = with_fields(NARROWED[kind], state_name(KINDS[kind]))
    shown: Any = with_fields(AtBasis, state_name(KINDS[kind]))

    @router.get(f"{at}.{{suffix}}", operation_id=f"file_of_list_{kind}", **FILE)
    def of_list(request: Request, reads: TheQueries, suffix: Suffix, query: Annotated[narrowed, Query()]) -> Response:
        """All states of the list, on a day, as known at a position; or those ``fields`` of each."""
        given, read = Given(request, reads, query.asked(), query.fields), read_of.states(kind, query)
        return given.give(suffix, given.table(read, kind) | {"ics": given.calendar(read)})

    @router.get(f"{at}/{{id:slug}}.{{suffix}}", operation_id=f"file_of_{kind}", **FILE)
    def of_one(
        request: Request, reads: TheQueries, id: Slug, suffix: Suffix, query: Annotated[shown, Query()]
    ) -> Response:
        """The state by itself, or those ``fields`` of it; as a calendar, with the meetings and milestones that belong to it."""
        given, subject = Given(request, reads, query.asked(), query.fields), Subject(f"{kind}:{id}")
        calendar = given.calendar(read_of.dates_of(subject))
        return given.give(suffix, given.table(read_of.state(subject), kind) | {"ics": calendar})

    @router.get(f"{at}/{{id:slug}}/history.{{suffix}}", operation_id=f"file_of_history_{kind}", **FILE)
    def of_history(given: AtAnyBasis, id: Slug, suffix: Suffix) -> Response:
        """Its entries in the order of recording; as a feed, the newest first."""
        subject = Subject(f"{kind}:{id}")
        feed = given.feed(read_of.history_back(subject))
        return given.give(suffix, given.table(read_of.history(subject), "history") | {"atom": feed})

    @router.get(f"{at}/{{id:slug}}/timeline.{{suffix}}", operation_id=f"file_of_timeline_{kind}", **FILE)
    def of_timeline(given: AtAnyBasis, id: Slug, suffix: Suffix) -> Response:
        """All facts about it, in the order in which they count."""
        subject = Subject(f"{kind}:{id}")
        return given.give(suffix, given.table(read_of.timeline(subject), "timeline"))

    @router.get(f"{at}/{{id:slug}}/diff.{{suffix}}", operation_id=f"file_of_diff_{kind}", **FILE)
    def of_diff(
        request: Request, reads: TheQueries, id: Slug, suffix: Suffix, query: Annotated[DiffQuery, Query()]
    ) -> Response:
        """What changed in it, and in all that belongs to it, a change a line."""
        sides = query.sides()
        moves = next((one for one in sides if not one.pinned), sides[1])
        given, read = Given(request, reads, moves), read_of.changes(Subject(f"{kind}:{id}"), sides)
        return given.give(suffix, given.table(read, "diff"))


for _kind in KINDS:
    _add_routes(_kind)


@router.get("/due.{suffix}", operation_id="file_of_due", **FILE)
def of_due(request: Request, reads: TheQueries, suffix: Suffix, query: Annotated[DueNarrowed, Query()]) -> Response:
    """All that is still to be done, the earliest first."""
    given = Given(request, reads, query.asked())
    calendar = given.calendar(read_of.due_states(query))
    return given.give(suffix, given.table(read_of.due_items(query), "due") | {"ics": calendar})


@router.get("/entries.{suffix}", operation_id="file_of_entries", **FILE)
def of_entries(request: Request, reads: TheQueries, suffix: Suffix, query: Annotated[LogNarrowed, Query()]) -> Response:
    """The log in order, each line as it is stored; as a feed, the newest entry first."""
    given, feed = Given(request, reads, query.asked()), read_of.log_from_the_end(query)
    return given.give(suffix, given.table(read_of.log(query), "entries") | {"atom": given.feed(feed)})


@router.get("/entries/{which:slug}.{suffix}", operation_id="file_of_entry", **FILE)
def of_entry(given: AtAnyBasis, which: Which, suffix: Suffix) -> Response:
    """An entry, by position or id."""
    return given.give(suffix, given.table(read_of.entry(which), "entries"))


@router.get("/anomalies.{suffix}", operation_id="file_of_anomalies", **FILE)
def of_anomalies(given: AtAnyBasis, suffix: Suffix) -> Response:
    """All states that have anomalies, or are in dispute."""
    return given.give(suffix, given.table(read_of.anomalies, "anomalies"))
