"""The log as pages: its entries in the order of recording, narrowed, and each by itself."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field
from pydantic_core import from_json, to_json

from api.http.dependencies import TheQueries, app_state
from api.http.parameters import AtBasis, LogNarrowed
from api.pages.rendering import Page
from api.pages.routes import PAGE, EntryNumber, PageRoute, event_of, timed, times_of
from ledger.errors import NotFound
from ledger.proofs.merkle import leaf_hash
from ledger.vocabulary.registry import FACTS
from projections.basis import MAX_POSITION, Asked
from projections.feed import ALL, Chosen
from projections.queries import Queries

COUNTED = 10_000
"""So many entries of a sort are counted at most."""
LogPage = tuple[list[tuple[int, str]], int | None, int | None]
"""Position and line of each entry; the position at which the page before begins, and the one after, where there are."""
router = APIRouter(route_class=PageRoute, include_in_schema=False)


class EntriesQuery(LogNarrowed):
    """Which entries, as the API has it; the page from one of them on."""

    from_entry: Annotated[int, Field(ge=1, le=MAX_POSITION)] | None = None


@router.get("/entries")
def entries(request: Request, reads: TheQueries, query: Annotated[EntriesQuery, Query()]) -> Response:
    """The log, or those of its entries that are asked for, a page of them; the last one by default."""
    basis, chosen = reads.basis(query.asked()), query.chosen()
    asked = Asked(basis.known_at)
    found, before, after = _log_page(reads, asked, chosen, query.from_entry)
    count = reads.log_count(asked, chosen, COUNTED + 1)
    body = to_json({"entries": [timed(event_of(line)) for _, line in found]}).decode()
    return Page(request, reads, basis).show(
        "entries.html",
        body,
        before=before,
        after=after,
        types=sorted(FACTS),
        count=count,
        is_cut=chosen.wanted != ALL and count > COUNTED,
        counted=COUNTED,
    )


def _log_page(reads: Queries, asked: Asked, chosen: Chosen, first: int | None) -> LogPage:
    """The entries from a position on, or the last ones; with where the page before begins, and the one after."""
    if first is None:
        last, _ = reads.log(asked, chosen, 2 * PAGE, back=True)
        shown, earlier, after = last[:PAGE][::-1], last[PAGE:], None
    else:
        earlier, _ = reads.log(asked, replace(chosen, upto=first - 1), PAGE, back=True)
        found, _ = reads.log(asked, replace(chosen, after=max(chosen.after, first - 1)), PAGE + 1)
        shown, after = found[:PAGE], found[PAGE][0] if len(found) > PAGE else None
    return shown, earlier[-1][0] if earlier else None, after


@router.get("/entries/{position}")
def entry(request: Request, reads: TheQueries, position: EntryNumber, query: Annotated[AtBasis, Query()]) -> Response:
    """One entry: what it says, when, where from, how it stands, and its proof."""
    line, corrections, _, _ = reads.event(position, query.asked())
    event = _with_target(reads, event_of(line), query.asked())
    body = to_json({"event": event}).decode()
    leaf = leaf_hash(line.encode()).hex()
    basis = reads.basis(query.asked())
    return Page(request, reads, basis, since=position).show(
        "entry.html", body, position=position, corrections=corrections, line=line, leaf=leaf,
        base=app_state(request).settings.address, recorded=times_of(event)["time"],
    )  # fmt: skip


def _with_target(reads: Queries, event: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """An entry; where it names by its id the one that it corrects, that one's position stands there, as on every page."""
    target = event["data"].get("target") if event["type"].startswith("entry.") else None
    with suppress(ValueError, NotFound):
        if isinstance(target, str):
            meant, *_ = reads.event(UUID(target), asked)
            event["data"]["target"] = int(from_json(meant)["sequence"])
    return event
