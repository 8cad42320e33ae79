"""The shapes of what operators are told: health and readiness."""

from datetime import datetime

from pydantic import BaseModel


class ProjectionHealth(BaseModel):
    name: str
    position: int
    lag: int
    error: str | None
    error_position: int | None


class EpochHealth(BaseModel):
    """From one rollback of the ledger to the next: since when, after how many entries, why; and the how manieth it is."""

    epoch: str
    began_at: datetime | None
    size: int | None
    reason: str | None
    count: int


class Clock(BaseModel):
    ahead_s: float


class Blocking(BaseModel):
    """A backend of the database that holds what others wait for."""

    pid: int
    application: str | None


class AppendsHealth(BaseModel):
    """The appends of this process that wait: how many, for how long the first of them has, for what, and on whom.

    ``event`` is PostgreSQL's wait event of the writer's backend, such as ``SyncRep`` where it waits for a standby.
    """

    waiting: int
    since_s: float | None
    event: str | None
    on: list[Blocking]


class WitnessHealth(BaseModel):
    """The largest tree that a witness has cosigned."""

    name: str
    size: int
    cosigned_at: datetime


class SignedHealth(BaseModel):
    """The last tree that was signed, and who has cosigned which."""

    origin: str
    size: int
    signed_at: datetime
    witnesses: list[WitnessHealth]


class WebhookHealth(BaseModel):
    """How many entries a webhook is behind; since when its receiver takes nothing, and when it was given up, if it was."""

    name: str
    lag: int
    failing_since: datetime | None
    disabled_at: datetime | None


class Health(BaseModel):
    """``ok``: every projection is at the head; ``behind``: some is not, yet; ``stopped``: an entry stops one; ``degraded``:
    nobody has projected anything. ``why`` says what to do where no process follows; it is null where one does, and will
    catch up. ``followed``: whether a process does, null on a server that only reads. ``behind_since``: when the first entry
    was recorded that some projection does not show.

    ``clock``: the last entry lies ahead of the server's clock, so entries to come do, too, until the clock has come there.
    """

    status: str
    why: str | None
    followed: bool | None
    behind_since: datetime | None
    head: int
    epoch: EpochHealth
    clock: Clock | None
    appends: AppendsHealth
    projections: list[ProjectionHealth]
    signed: SignedHealth | None
    webhooks: list[WebhookHealth]


class Answered(BaseModel):
    """Whether they would be answered now, and why not."""

    ok: bool
    why: str | None = None


class Ready(BaseModel):
    ready: bool
    reads: Answered
    appends: Answered
