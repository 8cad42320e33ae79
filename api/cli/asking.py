"""What reading commands ask: a ledger whose database the settings name, or one that a service answers for. The answers are the same."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import typer
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from api.cli.opening import opened
from api.cli.remote import Service, address_of
from api.http.documents import array_json, plural_of, whole_json
from api.http.parameters import LIST_QUERIES, MAX_PAGE, AtBasis, DiffQuery, ListQuery
from ledger.errors import Invalid
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.wording import faults_of
from projections.basis import Position
from projections.diff_queries import diff
from projections.follow import catch_up
from projections.people import with_names
from projections.queries import Queries

Q = TypeVar("Q", bound=BaseModel)
Given = Mapping[str, Any]
"""What the options say, by the names of the API's parameters; those that say nothing are not in it."""
Document = dict[str, Any]
Line = tuple[str, Sequence[Document]]
"""An entry as it is stored, and its corrections."""
CLOCKS = ("known_at", "valid_at")
ARGUMENTS = {"from": "FROM", "to": "TO"}


class Asking(Protocol):
    """Each raises typer.BadParameter for what cannot be read, NotFound, and Invalid for what the ledger does not have yet."""

    def show(self, subject: Subject, given: Given) -> str:
        """The whole state, as JSON."""

    def history(self, subject: Subject, given: Given) -> list[Line]:
        """Its entries in the order of recording."""

    def diff(self, subject: Subject, given: Given) -> Document:
        """Changes between two bases, and both."""

    def pages(self, kind: str, given: Given) -> Iterator[Document]:
        """Items and basis of each page of a list; all of them share the basis."""


@contextmanager
def reading() -> Iterator[Queries]:
    """The projections; the command brings them up to date first where no follower does."""
    with opened() as at, at.location.pool(2) as pool:
        catch_up(at.location)
        yield Queries(pool)


@contextmanager
def asking(url: str | None, given: Given) -> Iterator[Asking]:
    """The ledger that is to be asked. What is wrong with a parameter is told of the option that it comes from."""
    try:
        if address := address_of(url):
            yield Remote(Service(address))
        else:
            with reading() as reads:
                yield Local(reads)
    except Invalid as error:
        name = error.faults[0].pointer if error.faults else ""
        if name not in given:
            raise
        raise Invalid(str(error).replace(name, option(name), 1)) from None


def option(name: str) -> str:
    """How the command line calls a parameter."""
    return ARGUMENTS.get(name, f"--{name.replace('_', '-')}")


def read_query(shape: type[Q], given: Given, name: str = "") -> Q:
    """Raises typer.BadParameter, naming the option, which is ``name`` where it is called otherwise than the parameter."""
    known = {one.alias or field for field, one in shape.model_fields.items()}
    if unknown := [one for one in given if one not in known]:
        raise typer.BadParameter(f"{option(unknown[0])} is for other lists: these have nothing of the sort")
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        where, said, _ = faults_of(error.errors(), lambda one: str(one["loc"][0]))[0]
        called = name if name and where == "known_at" else option(where)
        raise typer.BadParameter(f"{called} {given[where]!r}: {said}") from None


class Local:
    """The projections of a database; names of persons are shown."""

    def __init__(self, reads: Queries) -> None:
        self.reads = reads

    def show(self, subject: Subject, given: Given) -> str:
        whole, basis = self.reads.whole(subject, read_query(AtBasis, given).asked())
        return self._named(whole_json(whole, basis))

    def history(self, subject: Subject, given: Given) -> list[Line]:
        entries, _ = self.reads.history(subject, read_query(AtBasis, given).asked())
        return list(entries)

    def diff(self, subject: Subject, given: Given) -> Document:
        changes, first, last = diff(self.reads, subject, read_query(DiffQuery, given).sides())
        found = {"changes": [one._asdict() for one in changes], "from": first._asdict(), "to": last._asdict()}
        return _document(self._named(to_json(found).decode()))

    def pages(self, kind: str, given: Given) -> Iterator[Document]:
        query: ListQuery = read_query(LIST_QUERIES[kind], given)
        asked, after = query.asked(), None
        while True:
            shown, after, basis = self.reads.page(kind, asked, query.filters(), query.sort, after, query.limit)
            page = f'{{"items":{array_json(shown)},"basis":{to_json(basis._asdict()).decode()}}}'
            yield _document(self._named(page))
            if after is None:
                return
            asked = replace(asked, known_at=Position(basis.known_at), valid_at=basis.valid_at, final=basis.final)

    def _named(self, document: str) -> str:
        return with_names(document, self.reads.connection)


class Remote:
    """What a service answers; names of persons are shown to whom it shows them."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def show(self, subject: Subject, given: Given) -> str:
        """All of it, where the service shows of some kinds the first alone."""
        read_query(AtBasis, given)
        body = self.service.get(_path(subject), given).body
        document = _document(body)
        more: dict[str, str] = document.pop("more", {})
        for plural, address in more.items():
            query = dict(parse_qsl(urlsplit(address).query))
            pages = self._pages(plural, {"ref": query["ref"], "limit": MAX_PAGE}, query["cursor"])
            document[plural] += [one for page in pages for one in page["items"]]
        return (to_json(document) if more else body).decode()

    def history(self, subject: Subject, given: Given) -> list[Line]:
        read_query(AtBasis, given)
        items = from_json(self.service.get(f"{_path(subject)}/history", given).body)["items"]
        return [(to_json(one["event"]).decode(), one["corrections"]) for one in items]

    def diff(self, subject: Subject, given: Given) -> Document:
        read_query(DiffQuery, given).sides()
        return _document(self.service.get(f"{_path(subject)}/diff", given).body)

    def pages(self, kind: str, given: Given) -> Iterator[Document]:
        read_query(LIST_QUERIES[kind], given)
        return self._pages(plural_of(kind), given)

    def _pages(self, plural: str, given: Given, cursor: str | None = None) -> Iterator[Document]:
        while True:
            page = _document(self.service.get(plural, _sent(given, cursor)).body)
            yield page
            if (cursor := page["next"]) is None:
                return


def _sent(given: Given, cursor: str | None) -> Document:
    """As a query has it. A cursor carries the basis of the first page, and takes the place of the clocks."""
    plain = {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}
    if cursor is None:
        return plain
    return {name: value for name, value in plain.items() if name not in CLOCKS} | {"cursor": cursor}


def _path(subject: Subject) -> str:
    return f"{plural_of(subject.kind)}/{subject.id}"


def _document(body: str | bytes) -> Document:
    document: Document = from_json(body)
    return document
