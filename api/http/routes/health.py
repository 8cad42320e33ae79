"""Whether it works: each projection's position against the head of the log, read at the moment of asking; and whether
appends wait, since when and on whom. It is asked over the readers' connections, so it answers while appends do not."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from math import inf
from time import monotonic
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from pydantic_core import to_json

from api.http import health_shapes, shapes
from api.http.dependencies import AppState, Strict, app_state
from api.http.parameters import one_of
from ledger.database.connection import Connection, is_read_only, sql_blocks
from ledger.database.failures import FAILURES, explained
from ledger.database.migrations import check_schema
from ledger.errors import Misconfigured
from ledger.log.clocks import Clocks, read_clocks
from ledger.writing.writer import Backlog
from projections.follow import is_followed, unseen_since
from projections.registry import PROJECTIONS
from projections.runner import Progress, read_progress

SQL = sql_blocks("api.http.routes", "health.sql")
WITNESSED = sql_blocks("projections.tree", "checkpoints.sql")["witnessed"]
UNFOLLOWED = "nobody has projected an entry yet, and reads show nothing: run `ledger follow`"
ABANDONED = "no process follows, and reads do not show what was recorded last: run `ledger follow`"
PROBE_S = 2.5
"""So long at most the database is asked: who watches the service is answered in time, whatever has become of it."""
STUCK_S = 5.0
"""An append that has waited this long will not be answered in time."""

Part: Any = one_of(("reads", "appends"), "the service", what="part")
router = APIRouter(tags=["health"], route_class=Strict)
NO_STORE = {"Cache-Control": "no-store"}


class Log(NamedTuple):
    """Its head, and its epoch."""

    size: int
    epoch: str
    began_at: datetime | None
    size_then: int | None
    reason: str | None
    epochs: int
    stopped: str | None


@contextmanager
def probing(here: AppState) -> Iterator[Connection]:
    """A connection that answers within PROBE_S. Raises Unavailable where it does not, or there is none."""
    deadline = monotonic() + PROBE_S
    try:
        with here.reads.pool.connection(timeout=PROBE_S) as connection:
            connection.deadline = deadline
            try:
                yield connection
            finally:
                connection.deadline = inf
    except FAILURES as error:
        raise explained(error) from None


def look(connection: Connection, here: AppState) -> tuple[Log, dict[str, Progress], Clocks]:
    """The log, how far the projections are, and the clocks. Raises Unavailable."""
    row = connection.execute(SQL["log"]).fetchone()
    assert row is not None
    return Log(*row), read_progress(connection), read_clocks(connection, here.settings.clock_tolerance)


@router.get(
    "/v1/health",
    response_model=health_shapes.Health,
    responses={422: shapes.problems()[422], 503: {"model": health_shapes.Health, **shapes.problems()[503]}},
)
def health(request: Request) -> Response:
    """``ok``, ``behind``, ``degraded`` where nothing is projected at all, ``clock`` where the last entry lies ahead of the
    server's clock, or ``stopped`` (503): with the entry that stops a projection, or why the log takes no more entries, as it is
    not what was signed."""
    here = app_state(request)
    with probing(here) as connection:
        log, known, clocks = look(connection, here)
        appends = _appends(connection, here.ledger.waiting())
        followed = is_followed(connection, here.location)
        since = unseen_since(connection, min(one.position for one in _known(known)))
        signed, webhooks = _signed(connection), _webhooks(connection)
    is_ahead = clocks.is_ahead(clocks.last)
    status = _status(log, known, is_ahead=is_ahead)
    projections = [
        {
            "name": one.name, "position": one.position, "lag": log.size - one.position, "error": one.error,
            "error_position": one.error_position,
        }
        for one in _known(known)
    ]  # fmt: skip
    epoch = {
        "epoch": log.epoch, "began_at": log.began_at, "size": log.size_then, "reason": log.reason, "count": log.epochs,
    }  # fmt: skip
    body = {
        "status": status, "why": log.stopped or _why(status, followed), "followed": followed, "behind_since": since, "head": log.size, "epoch": epoch,
        "clock": {"ahead_s": clocks.ahead_s} if is_ahead else None, "appends": appends, "projections": projections,
        "signed": signed, "webhooks": webhooks,
    }  # fmt: skip
    request.scope["context"].epoch = log.epoch
    return Response(to_json(body), 503 if status == "stopped" else 200, NO_STORE, "application/json")


def _signed(connection: Connection) -> dict[str, Any] | None:
    """The last checkpoint that was signed, and which trees witnesses have seen."""
    row = connection.execute(SQL["signed"]).fetchone()
    if row is None:
        return None
    seen = connection.execute(WITNESSED, {"origin": row[0]}).fetchall()
    witnesses = [{"name": witness, "size": size, "cosigned_at": at} for witness, size, at in seen]
    return {"origin": row[0], "size": row[1], "signed_at": row[2], "witnesses": witnesses}


def _webhooks(connection: Connection) -> list[dict[str, Any]]:
    """Of each how far it is, and whether it fails; and nothing of where it is sent, as anybody may ask."""
    names = ("name", "lag", "failing_since", "disabled_at")
    return [dict(zip(names, row, strict=True)) for row in connection.execute(SQL["webhooks"])]


def _known(progress: Mapping[str, Progress]) -> list[Progress]:
    """Of every projection, of those too that show nothing yet."""
    return [progress.get(one.name, Progress(one.name, one.version, 0)) for one in PROJECTIONS]


def _status(log: Log, known: Mapping[str, Progress], *, is_ahead: bool) -> str:
    if log.stopped or any(one.error_position is not None for one in known.values()):
        return "stopped"
    if log.size and not known:
        return "degraded"
    if is_ahead:
        return "clock"
    return "ok" if all(one.position == log.size for one in _known(known)) else "behind"


def _why(status: str, followed: bool | None) -> str | None:
    """What is to be done; nothing where a process follows, and will catch up."""
    if status == "degraded":
        return UNFOLLOWED
    return ABANDONED if status == "behind" and followed is False else None


def _appends(connection: Connection, told: Backlog) -> dict[str, Any]:
    waits = connection.execute(SQL["waits"], {"pid": told.backend_pid}).fetchall() if told.appends else []
    return {
        "waiting": told.appends, "since_s": told.since_s, "event": waits[0][0] if waits else None,
        "on": [{"pid": pid, "application": application} for _, pid, application in waits if pid is not None],
    }  # fmt: skip


@router.get(
    "/v1/ready",
    response_model=health_shapes.Ready,
    responses={422: shapes.problems()[422], 503: {"model": health_shapes.Ready, **shapes.problems()[503]}},
)
def ready(request: Request, what: Annotated[Part | None, Query(alias="for")] = None) -> Response:
    """Whether reads and appends would be answered, and why not; 503 unless both would, or the one that is asked ``for``."""
    here = app_state(request)
    with probing(here) as connection:
        whys = {"reads": _no_reads(connection), "appends": _no_appends(connection, here)}
    is_ready = not any(why for name, why in whys.items() if what in (None, name))
    told = {name: {"ok": False, "why": why} if why else {"ok": True} for name, why in whys.items()}
    body = to_json({"ready": is_ready, **told})
    return Response(body, 200 if is_ready else 503, NO_STORE, "application/json")


def _no_reads(connection: Connection) -> str | None:
    """Why reads would not be answered."""
    known = read_progress(connection)
    for ours in PROJECTIONS:
        one = known.get(ours.name)
        if one is None:
            return "the projections are not built yet: is the follower running?"
        if one.error_position is not None:
            return f"entry {one.error_position} stops the projection {one.name}"
        if one.version != ours.version:
            return f"the projection {one.name} is of version {one.version}, not {ours.version}: is the follower rebuilding it?"
    return None


def _no_appends(connection: Connection, here: AppState) -> str | None:
    """Why appends would not be answered."""
    try:
        check_schema(connection, here.location)
    except Misconfigured as error:
        return str(error)
    if is_read_only(connection):
        return "the database only reads here: it is a standby, or was set to"
    clocks = read_clocks(connection, here.settings.clock_tolerance)
    if clocks.differ:
        return f"the database's clock and ours are {clocks.apart_s:.0f} s apart"
    if clocks.is_ahead(clocks.last):
        return f"the last entry lies {clocks.ahead_s:.0f} s ahead of the database's clock"
    if stopped := Log(*(connection.execute(SQL["log"]).fetchone() or ())).stopped:
        return f"the log is stopped: {stopped}"
    told = here.ledger.waiting()
    if not told.alive:
        return "the writer has stopped"
    if (told.since_s or 0) > STUCK_S:
        return f"{told.appends} appends wait, one for {told.since_s:.0f} s: see /v1/health"
    return None


class _Figures(Collector):
    """Read from the database at each scrape, so that every process tells the same; but each tells of its own appends."""

    def __init__(self, here: AppState) -> None:
        self.here = here

    def collect(self) -> Iterator[GaugeMetricFamily]:
        waiting = self.here.ledger.waiting()
        with probing(self.here) as connection:
            log, known, clocks = look(connection, self.here)
            signed, webhooks = _signed(connection), _webhooks(connection)
        for name, about, value in (
            ("ledger_head_position", "Entries in the log", log.size),
            (
                "ledger_log_stopped",
                "Whether the log takes no more entries, as it is not what was signed",
                bool(log.stopped),
            ),
            ("ledger_signed_size", "Entries in the last tree that was signed", (signed or {"size": 0})["size"]),
            ("ledger_epochs", "Epochs of the ledger: one, and one for each rollback", log.epochs),
            (
                "ledger_clock_ahead_seconds",
                "By how much the last entry lies ahead of the clock",
                max(clocks.ahead_s, 0),
            ),
            ("ledger_appends_waiting", "Appends of this process that wait", waiting.appends),
            ("ledger_append_oldest_wait_seconds", "For how long the first of them has", waiting.since_s or 0),
        ):
            yield GaugeMetricFamily(name, about, value=float(value))
        position = GaugeMetricFamily(
            "ledger_projection_position", "Entries that the projection shows", labels=["projection"]
        )
        stopped = GaugeMetricFamily(
            "ledger_projection_stopped", "Whether an entry stops the projection", labels=["projection"]
        )
        for one in _known(known):
            position.add_metric([one.name], float(one.position))
            stopped.add_metric([one.name], float(one.error_position is not None))
        lag = GaugeMetricFamily("ledger_webhook_lag", "Entries that the webhook is behind", labels=["webhook"])
        disabled = GaugeMetricFamily("ledger_webhook_disabled", "Whether the webhook was given up", labels=["webhook"])
        for told in webhooks:
            lag.add_metric([told["name"]], float(told["lag"]))
            disabled.add_metric([told["name"]], float(told["disabled_at"] is not None))
        yield from (position, stopped, lag, disabled)


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """For Prometheus."""
    here, registry = app_state(request), CollectorRegistry(auto_describe=False)
    registry.register(_Figures(here))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
