"""Correcting from a page: what is wrong with an entry, or what takes its place. Recorded as any fact is; only by admins."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field
from pydantic_core import from_json, to_json

from api.http.dependencies import TheQueries, with_persons
from api.http.parameters import FactType, shaped
from api.pages.forms.fields import Choice, Section, Special, replacement, sections_of
from api.pages.forms.filled import by_name, is_unnamed
from api.pages.forms.filling import Filling, filled
from api.pages.forms.routes import (
    NO_STORE,
    Editor,
    Given,
    by_field,
    check,
    form_page,
    new_key,
    seen,
    take,
    with_fixed,
)
from api.pages.rendering import HTML, Page
from api.pages.routes import EntryNumber, PageRoute, event_of
from ledger.errors import NotFound
from ledger.log.entry import Entry, read_line
from ledger.vocabulary.correction import CORRECTIONS, WORLD, Superseded, ValueErased
from ledger.vocabulary.fact import COMMON
from projections.basis import MAX_POSITION, Asked
from projections.people import persons_in
from projections.queries import Queries

ACTS = {fact.short_type: fact for fact in CORRECTIONS if not fact.by_ledger}
"""What may be wrong with an entry. That another log begins is no such thing: `ledger log resume` records it."""
REPLACED = "/data/replacement/type"
UNNAMED = "Somebody's name is not there any more, and stands in no field: what takes the entry's place names whom you fill in."
router = APIRouter(route_class=PageRoute, include_in_schema=False)
Act: Any = Annotated[shaped("[a-z_]{1,50}", "name of a correction, such as voided"), Path()]


class Target(NamedTuple):
    """The entry that is corrected, its line, and where the persons stand in it."""

    line: str
    entry: Entry
    position: int
    pointers: tuple[str, ...]

    @property
    def acts(self) -> list[str]:
        """What may be done to it."""
        without = {Superseded.short_type} if self.entry.type not in WORLD else set()
        without |= set() if self.pointers else {ValueErased.short_type}
        return [act for act in ACTS if act not in without]

    @property
    def others(self) -> list[str]:
        """The types of fact that may take its place."""
        return [type_ for type_ in WORLD if type_.partition(".")[0] == self.entry.originator_id.kind]

    def special(self, act: str, type_: str) -> Special:
        """How the form of a correction is filled in beside what its schema says. Raises NotFound."""
        if act not in self.acts:
            raise NotFound(
                f"entry {self.position} is not to be {act}: /entries/{self.position}/correct lists what can be done"
            )
        if act == Superseded.short_type:
            return ("target", None), ("replacement", replacement(type_ if type_ in self.others else self.entry.type))
        if act == ValueErased.short_type:
            return ("target", None), ("pointer", Choice(self.pointers))
        return (("target", None),)

    def form(self, act: str, type_: str) -> tuple[str, str, tuple[Section, ...]]:
        """Where the form of a correction is sent, its type, and its sections."""
        sections = sections_of(f"entry.{act}", self.special(act, type_))
        return f"/entries/{self.position}/correct/{act}", f"entry.{act}", sections

    @property
    def fixed(self) -> dict[str, Any]:
        return {"subject": str(self.entry.originator_id), "data": {"target": self.position}}


def find(reads: Queries, position: int) -> Target:
    """Raises NotFound, Unreadable."""
    line, *_ = reads.event(position, Asked())
    pointers = tuple(one["pointer"] for one in persons_in(line))
    return Target(line, read_line(line), position, pointers)


class WhichQuery(BaseModel):
    """Which entry."""

    entry: Annotated[int, Field(ge=1, le=MAX_POSITION)]


class AsQuery(BaseModel):
    """Of which type the fact is that takes the entry's place; of the same by default."""

    as_: Annotated[FactType | None, Field(alias="as")] = None


@router.get("/correct")
def which(query: Annotated[WhichQuery, Query()]) -> Response:
    """To the corrections of an entry that is named by its position."""
    return RedirectResponse(f"/entries/{query.entry}/correct", 303, NO_STORE)


@router.get("/entries/{position}/correct")
def choose(request: Request, reads: TheQueries, holder: Editor, position: EntryNumber) -> Response:
    """What can be done to an entry."""
    target = find(reads, position)
    page = Page(request, reads, reads.basis(Asked()), moves=False)
    shown = to_json({"event": event_of(target.line)}).decode()
    acts = [(act, f"entry.{act}") for act in target.acts]
    html = page.html("correct.html", shown, position=position, acts=acts, formats=())
    return Response(html, headers=NO_STORE, media_type=HTML)


@router.get("/entries/{position}/correct/{act}")
def empty_form(
    request: Request,
    reads: TheQueries,
    holder: Editor,
    position: EntryNumber,
    act: Act,
    query: Annotated[AsQuery, Query()],
) -> Response:
    """The form of a correction; that of a replacement says what the entry says."""
    target = find(reads, position)
    type_ = query.as_ or target.entry.type
    path, own_type, sections = target.form(act, type_)
    replaced = _fact(request, target) if act == Superseded.short_type else None
    data = {"replacement": _as_filled_in(replaced, type_)} if replaced else {}
    event = {"type": own_type, "data": data}
    filling = Filling(path, own_type, sections, event, new_key(), seen(reads, target.entry.originator_id))
    notice = UNNAMED if is_unnamed(replaced) else ""
    return form_page(request, reads, with_fixed(filling, target.fixed), notice=notice)


def _fact(request: Request, target: Target) -> dict[str, Any]:
    """The fact that an entry records, with each name that is there."""
    shown, _ = with_persons(request, target.entry.fact().model_dump_json(exclude_none=True).encode())
    said: dict[str, Any] = from_json(shown)
    return said


def _as_filled_in(fact: Mapping[str, Any], type_: str) -> dict[str, Any]:
    """A fact as it would be filled in; as one of another type, what both have in common."""
    said: Mapping[str, Any] = by_name(fact)
    names = {name for _, name, _ in WORLD[type_].own_fields} if type_ in WORLD else set()
    data = {name: value for name, value in said.items() if name in names - COMMON}
    return {name: value for name, value in said.items() if name in COMMON} | {"data": data}


class Sent(NamedTuple):
    """The form of a correction that was sent: of which entry, what ``Target.form`` tells of it, and its values."""

    target: Target
    form: tuple[str, str, tuple[Section, ...]]
    given: Given


async def sent_form(reads: TheQueries, position: EntryNumber, act: Act, given: Given) -> Sent:
    """Raises NotFound, Unreadable."""
    target = await run_in_threadpool(find, reads, position)
    return Sent(target, target.form(act, dict(given).get(REPLACED, "")), given)


TheForm = Annotated[Sent, Depends(sent_form)]


@router.post("/entries/{position}/correct/{act}")
async def send_form(request: Request, reads: TheQueries, holder: Editor, sent: TheForm) -> Response:
    """Show what the correction would change, record it, or go on filling it in."""
    return await take(request, reads, holder, *sent.form, sent.given, sent.target.fixed)


@router.post("/entries/{position}/correct/{act}/check")
async def check_form(request: Request, holder: Editor, sent: TheForm) -> Response:
    """As the check of a fact."""
    filling = filled(*sent.form, by_field(sent.given))
    return await check(request, holder, with_fixed(filling, sent.target.fixed))
