"""What is odd: the states that have anomalies, or are in dispute."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from api.http import shapes
from api.http.dependencies import Patient, TheQueries
from api.http.documents import array_json
from api.http.parameters import Paged, Ref, Stored, resume
from api.http.routes.states import page_of
from projections.flags.queries import flagged

PLACE = TypeAdapter(tuple[Ref, Stored])
OF = "anomalies"
router = APIRouter(tags=["anomalies"], route_class=Patient)


@router.get(
    "/v1/anomalies", response_model=shapes.FlaggedPage, responses=shapes.problems(409), operation_id="anomalies"
)
def list_anomalies(request: Request, reads: TheQueries, query: Annotated[Paged, Query()]) -> Response:
    """The states, of every kind and of parties to agreements, that have anomalies or are in dispute on a day, as known at a
    position."""
    asked, after = resume(query, OF, PLACE)
    found, more, basis = flagged(reads, asked, after, query.limit)
    return page_of(request, array_json(found), asked, OF, more, basis)
