"""The tools: what each is for, what it takes, and which questions to the API it comes to. Their answers are the API's documents."""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field
from pydantic_core import from_json, to_json

from api.http.documents import plural_of
from api.http.parameters import LIST_QUERIES, AtBasis, DiffQuery, DueQuery, Limit, Paged, Search
from api.http.subjects import read_kind, read_subject
from api.http.times import ISO_DAY, read_which
from api.mcp.asking import Ask, Declined, Given
from ledger.errors import Fault, Invalid
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import MAX_POSITION

Schema = dict[str, Any]
LINK = re.compile(r'</v1/events/(\d+)>; rel="([a-z-]+)"')
FOUND = 10
CLOCKS = ("valid_at", "known_at")
UNSAID = ("min_position",)
"""What the API's queries have and tools do not: nobody records here."""
DESCRIBED = {
    "subject": "A stream, such as initiative:indus-x: source, party, initiative, agreement, meeting or milestone, and its id.",
    "known_at": "What the ledger knew: a position, such as 17, or a time, such as 2026-06-01T00:00:00Z. Now by default.",
    "valid_at": "When it was so in the world: a day, such as 2024-09-25. Today by default.",
    "from": "A position or time of the ledger, or a day of the world.",
    "to": "The same sort of thing as from. Now by default.",
    "of": "Which list.",
    "entry": "The position of an entry, such as 17, or its id.",
    "text": "Words, or how they begin; all are to be there: in the id, names, title, description and objective, or in one note.",
    "status": "With this status; each list has some of these.",
    "kind": "Of this kind, type or sort of instrument; each list has some of these.",
    "area": "In this area; of initiatives alone.",
    "party": "With this party, such as party:india.",
    "ref": "That refer to this stream.",
    "year": "Whose date, by which a list is sorted, lies in this year.",
    "sort": "By id, name, date, when it was recorded last (recorded) or, of milestones, due; from the end with a dash.",
    "fields": "Which fields of each state, with commas between; all by default.",
    "facets": "Whether to tell how many states there are with each status, kind, area, party and year.",
    "due_before": "Due before this day.",
    "overdue": "Milestones that are, or are not, overdue.",
    "in_force_for": "Agreements of which nothing says that they are in force as a whole, in force for so many parties at least.",
    "count": "Whether to tell how many there are in all.",
    "limit": "At most so many on a page; in a search, of each kind.",
    "cursor": "The next page: what the page before has as next, with the same arguments otherwise.",
}


class Told(NamedTuple):
    """An answer: the document, and the page that shows it, with a query that pins both clocks to what the answer rests on."""

    document: str
    path: str
    query: Given
    known_at: int
    valid_at: str


class Tool(NamedTuple):
    """``ask`` raises Declined, Invalid, Unavailable."""

    name: str
    description: str
    input_schema: Schema
    ask: Callable[[Ask, dict[str, Any]], Awaitable[Told]]


class SearchQuery(AtBasis):
    """Words, and how many streams of each kind at most."""

    text: Search
    limit: Limit = FOUND


class FieldsQuery(BaseModel):
    """Fields of states, with commas between; the API knows their names."""

    fields: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None


def _schema(*queries: type[BaseModel], **own: Schema) -> Schema:
    """What a tool takes: what these queries of the API have, and ``own`` arguments, which are needed."""
    known, needed = dict(own), [*own]
    for query in queries:
        shape = query.model_json_schema()
        needed += [name for name in shape.get("required", ()) if name not in needed]
        for name, one in shape["properties"].items():
            known[name] = _merged(known[name], _plain(one)) if name in known else _plain(one)
    described = {name: one | {"description": DESCRIBED[name]} for name, one in known.items() if name not in UNSAID}
    return {"type": "object", "properties": described, "required": needed, "additionalProperties": False}


def _plain(shape: Schema) -> Schema:
    """Without null, which is what is left out, and without a title that repeats the name."""
    said = ("title", "anyOf", *(["default"] if shape.get("default") is None else []))
    kept = {name: one for name, one in shape.items() if name not in said}
    alternatives = [one for one in shape.get("anyOf", ()) if one != {"type": "null"}]
    return kept | (alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives} if alternatives else {})


def _merged(one: Schema, other: Schema) -> Schema:
    """Of lists that have the same parameter with other codes: all of them."""
    return one | {"enum": list(dict.fromkeys((*one["enum"], *other["enum"])))} if "enum" in one else one


def _read(name: str, read: Callable[[str], Any], given: dict[str, Any]) -> Any:
    """An argument that is no parameter of the API, taken out of the others. Raises Invalid."""
    try:
        return read(given.pop(name))
    except ValueError as error:
        raise Invalid(f"{name}: {error}", [Fault(name, str(error), "no_such_name")]) from None


def _told(document: str, path: str, query: Given, basis: Given, clocks: Sequence[str] = CLOCKS) -> Told:
    pinned = {clock: basis[clock] for clock in clocks}
    return Told(document, path, {**query, **pinned}, basis["known_at"], basis["valid_at"])


async def _page(ask: Ask, path: str, given: Given) -> Told:
    """A document that tells its basis, and has a page at the same path, which shows all fields."""
    document = (await ask(path, given)).body
    shown = {name: value for name, value in given.items() if name != "fields"}
    return _told(document.decode(), path, shown, from_json(document)["basis"])


def _path(subject: Subject) -> str:
    return f"{plural_of(subject.kind)}/{subject.id}"


async def _state(ask: Ask, given: dict[str, Any]) -> Told:
    return await _page(ask, _path(_read("subject", read_subject, given)), given)


async def _history(ask: Ask, given: dict[str, Any]) -> Told:
    return await _page(ask, f"{_path(_read('subject', read_subject, given))}/history", given)


async def _list(ask: Ask, given: dict[str, Any]) -> Told:
    return await _page(ask, plural_of(_read("of", read_kind, given)), given)


async def _due(ask: Ask, given: dict[str, Any]) -> Told:
    return await _page(ask, "due", given)


async def _overdue(ask: Ask, given: dict[str, Any]) -> Told:
    """What is due before the day of the basis."""
    day = given.get("valid_at", _today())
    return await _page(ask, "due", given | {"valid_at": day, "due_before": day})


async def _diff(ask: Ask, given: dict[str, Any]) -> Told:
    path = f"{_path(_read('subject', read_subject, given))}/diff"
    document = (await ask(path, given)).body
    first, last = (from_json(document)[end] for end in ("from", "to"))
    moved, still = CLOCKS if ISO_DAY.fullmatch(given["from"]) else reversed(CLOCKS)
    return _told(document.decode(), path, {"from": first[moved], "to": last[moved]}, last, [still])


async def _search(ask: Ask, given: dict[str, Any]) -> Told:
    """The first page of each list that has something, by the list's name; all at the basis of the first."""
    asked, found = {"limit": FOUND} | given, []
    for kind in KINDS.values():
        page = await _page(ask, kind.plural, asked)
        asked |= {clock: page.query[clock] for clock in CLOCKS}
        if from_json(page.document)["items"]:
            found.append(f'"{kind.plural}":{page.document}')
    query = {"q": given["text"]} | {clock: page.query[clock] for clock in CLOCKS}
    return Told(f"{{{','.join(found)}}}", "search", query, page.known_at, page.valid_at)


async def _entry(ask: Ask, given: dict[str, Any]) -> Told:
    """The entry as it is stored, what corrects it, and its proof or else the problem that tells why there is none."""
    which = _read("entry", read_which, given)
    found = await ask(f"events/{which}", given)
    position = int(from_json(found.body)["sequence"])
    try:
        proof = to_json((await ask(f"events/{position}/proof", {})).body.decode()).decode()
    except Declined as error:
        proof = error.document.decode()
    links = [{"position": int(at), "rel": rel} for at, rel in LINK.findall(found.headers.get("Link", ""))]
    document = f'{{"entry":{found.body.decode()},"corrections":{to_json(links).decode()},"proof":{proof}}}'
    basis = {"known_at": int(found.headers["Ledger-Position"]), "valid_at": given.get("valid_at", _today())}
    return _told(document, f"entries/{position}", {}, basis)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


SUBJECT = {"type": "string", "pattern": Subject.pattern()}
LISTS = {"type": "string", "enum": [kind.plural for kind in KINDS.values()]}
ENTRY = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_POSITION}, {"type": "string", "format": "uuid"}]}
TOOLS = {
    tool.name: tool
    for tool in (
        Tool("search", "Search all kinds of streams for words: the first page of each list that has some.", _schema(SearchQuery), _search),
        Tool(
            "state",
            "The state of a stream, and for each field the entries that say so; and of each kind that refers to it the first hundred:"
            " where `more` names one, list the others by `ref`, with the cursor that it gives.",
            _schema(AtBasis, FieldsQuery, subject=SUBJECT),
            _state,
        ),
        Tool("list", "The streams of a kind, narrowed and sorted, in pages.", _schema(*LIST_QUERIES.values(), FieldsQuery, of=LISTS), _list),
        Tool(
            "history",
            "The entries of a stream in the order of recording: the struck ones with what struck them, by whom and why.",
            _schema(AtBasis, subject=SUBJECT),
            _history,
        ),
        Tool(
            "diff",
            "What changed in a stream, and in all that belongs to it, between two positions, times or days, and by which entries.",
            _schema(DiffQuery, subject=SUBJECT),
            _diff,
        ),
        Tool(
            "entry",
            "An entry as it is stored, with its sources, what corrects it, and a proof that it is in the signed log.",
            _schema(AtBasis, entry=ENTRY),
            _entry,
        ),
        Tool("due", "What is still to be done, the earliest first, and whether it is overdue.", _schema(DueQuery), _due),
        Tool("overdue", "What was to be done before the day, and is not.", _schema(Paged), _overdue),
    )
}  # fmt: skip
"""By name."""
