"""What is due: milestones that are still to be met, and commitments that are still to be kept."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from api.http import shapes
from api.http.dependencies import Patient, TheQueries
from api.http.documents import due_json
from api.http.parameters import DueQuery, Ref, Stored, resume
from api.http.routes.states import page_of
from projections.due.queries import DueItem, due

PLACE = TypeAdapter(tuple[Ref, Stored, date])
router = APIRouter(tags=["due"], route_class=Patient)


@router.get("/v1/due", response_model=shapes.DuePage, responses=shapes.problems(409), operation_id="due")
def list_due(request: Request, reads: TheQueries, query: Annotated[DueQuery, Query()]) -> Response:
    """What is still to be done on a day, as known at a position, the earliest first; with what is overdue by then."""
    of = f"due {query.due_before}"
    asked, after = resume(query, of, PLACE)
    found, more, basis = due(reads, asked, query.due_before, DueItem(*after) if after else None, query.limit)
    items = ",".join(due_json(one, basis) for one in found)
    return page_of(request, f"[{items}]", asked, of, more, basis)
