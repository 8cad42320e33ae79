"""The vocabulary as pages, whole and type by type, and the glossary: made from the facts, whatever is recorded."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from api.http.dependencies import TheQueries
from api.http.parameters import shaped
from api.pages import glossary
from api.pages.rendering import Page
from api.pages.routes import PageRoute
from api.transfer.vocabulary import SAID, STANDARDS, fields_of, step_of, used_by
from ledger.errors import NotFound
from ledger.vocabulary.correction import CORRECTIONS
from ledger.vocabulary.fact import COMMON, Fact
from ledger.vocabulary.registry import FACTS, KINDS
from projections.basis import Asked
from projections.queries import Queries

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Name: Any = Annotated[
    shaped(r"[a-z_]{1,50}(\.[a-z_]{1,50})?", "name of a kind or of a type of event, such as meeting.held"), Path()
]


@router.get("/vocabulary")
def whole(request: Request, reads: TheQueries) -> Response:
    """Everything that can be recorded: each kind's facts, corrections, parts and codes."""
    used = used_by(FACTS.values())
    common = fields_of(Fact)
    return _page(
        request, reads, "vocabulary.html", kinds=KINDS.values(), corrections=CORRECTIONS, used=used, common=common
    )


@router.get("/vocabulary/{name}")
def part(request: Request, reads: TheQueries, name: Name) -> Response:
    """A type of fact with all its fields, or all facts of a kind; with the parts and codes that they are made of."""
    if name not in KINDS and name not in FACTS:
        raise NotFound(f"there is no type {name!r}: /vocabulary has all of them")
    kind = KINDS.get(name)
    facts = kind.facts if kind else (FACTS[name],)
    return _page(request, reads, "vocabulary_part.html", name=name, kind=kind, facts=facts, used=used_by(facts))


@router.get("/glossary")
def words(request: Request, reads: TheQueries) -> Response:
    """What the words mean that pages use."""
    return _page(request, reads, "glossary.html", glossary=glossary)


def _page(request: Request, reads: Queries, template: str, **more: Any) -> Response:
    """Whatever the clocks say, as it is about no entry."""
    page = Page(request, reads, reads.basis(Asked()), moves=False)
    tools: dict[str, Any] = {
        "fields_of": fields_of,
        "step_of": step_of,
        "said": SAID,
        "standards": STANDARDS,
        "of_all": COMMON,
    }
    return page.show(template, "{}", as_data=False, **tools, **more)
