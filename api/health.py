"""Whether it works: each projection's position against the head of the log, read at the moment of asking."""

from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from pydantic_core import to_json

from api import shapes
from api.house import house
from ledger.postgres import check_schema
from projections.follow import Progress, read_progress
from projections.read import Reads

router = APIRouter(tags=["health"])


def standing(reads: Reads) -> tuple[int, Progress | None]:
    """The head of the log, and how far the projections are. Raises Unavailable."""
    with reads.connection() as connection:
        return reads.size(connection), read_progress(connection)


@router.get(
    "/v1/health", response_model=shapes.Health, responses={503: {"model": shapes.Health, **shapes.problems()[503]}}
)
def health(request: Request) -> Response:
    """``ok``, ``behind``, or ``stopped`` with the entry that stops a projection (503)."""
    head, progress = standing(house(request).reads)
    progress = progress or Progress(0, 0)
    stopped = progress.error_position is not None
    status = "stopped" if stopped else "ok" if progress.position == head else "behind"
    projection = {
        "name": "states", "position": progress.position, "lag": head - progress.position, "error": progress.error,
        "error_position": progress.error_position,
    }  # fmt: skip
    body = to_json({"status": status, "head": head, "projections": [projection]})
    return Response(body, 503 if stopped else 200, {"Cache-Control": "no-store"}, "application/json")


@router.get("/v1/ready", response_model=shapes.Ready, responses={503: shapes.problems()[503]})
def ready(request: Request) -> Response:
    """Whether this process can append and answer: the database is there, with the schema it needs."""
    here = house(request)
    with here.reads.connection() as connection:
        check_schema(connection, here.place)
    return Response(b'{"ready":true}', media_type="application/json", headers={"Cache-Control": "no-store"})


class _Positions(Collector):
    """Read from the database at each scrape, so that every process tells the same."""

    def __init__(self, reads: Reads) -> None:
        self.reads = reads

    def collect(self) -> Iterator[GaugeMetricFamily]:
        head, progress = standing(self.reads)
        progress = progress or Progress(0, 0)
        yield GaugeMetricFamily("ledger_head_position", "Entries in the log", value=head)
        for name, about, value in (
            ("ledger_projection_position", "Entries that the projection shows", progress.position),
            ("ledger_projection_stopped", "Whether an entry stops the projection", progress.error_position is not None),
        ):
            gauge = GaugeMetricFamily(name, about, labels=["projection"])
            gauge.add_metric(["states"], float(value))
            yield gauge


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """For Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Positions(house(request).reads))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
