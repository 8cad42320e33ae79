"""Webhooks as they are kept: added, listed, given another secret, removed."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID, uuid4

import psycopg

from ledger.database.connection import Connection, sql_blocks
from ledger.errors import Invalid, Misconfigured, NotFound, Refused
from projections.feed import ALL, Wanted
from projections.webhooks.signing import SecretKey, fingerprint, shown

SQL: Mapping[str, LiteralString] = {
    name: block.replace("{columns}", sql_blocks("projections.webhooks", "subscriptions.sql")["columns"])
    for name, block in sql_blocks("projections.webhooks", "subscriptions.sql").items()
}
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
MAX_WEBHOOKS = 200
OVERLAP = timedelta(hours=24)
"""For so long the secret before the newest signs, too."""


class Webhook(NamedTuple):
    """A webhook, how far it is, and what the trouble with it is; ``stands``: the log still holds the entry that it has got to."""

    id: UUID
    name: str
    url: str
    types: list[str]
    subjects: list[str]
    kinds: list[str]
    authors: list[str]
    generation: int
    rotated_at: datetime | None
    secret_sha256: bytes
    epoch: str
    position: int
    delivered_at: datetime | None
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    trouble: str | None
    disabled_at: datetime | None
    size: int
    current_epoch: str
    stands: bool

    @property
    def wanted(self) -> Wanted:
        return Wanted(tuple(self.types), tuple(self.subjects), tuple(self.kinds), tuple(self.authors))

    def secrets(self, key: SecretKey) -> Iterator[bytes]:
        """Those that sign now, the newest first. Raises Misconfigured where the key is another than it was."""
        newest = key.secret(self.id, self.generation)
        if fingerprint(newest) != self.secret_sha256:
            raise Misconfigured(
                f"LEDGER_WEBHOOK_KEY is another key than {self.name}'s secret was made of: bring that file back, or rotate the secret"
            )
        yield newest
        if self.rotated_at and datetime.now(UTC) - self.rotated_at < OVERLAP:
            yield key.secret(self.id, self.generation - 1)


def add(
    connection: Connection, key: SecretKey, name: str, url: str, wanted: Wanted = ALL, after: int | None = None
) -> str:
    """Add a webhook, which begins after a position, or now; returns its secret, which is shown this once. Raises Invalid, Refused."""
    if not NAME.fullmatch(name):
        raise Invalid(f"{name!r} is no name for a webhook: use small letters, digits, dots and dashes")
    if len(webhooks(connection)) >= MAX_WEBHOOKS:
        raise Refused("too_many_webhooks", f"there are {MAX_WEBHOOKS} webhooks already: remove one first")
    id_ = uuid4()
    secret = key.secret(id_, 1)
    chosen = {field: list(values) for field, values in wanted._asdict().items()}
    given = {"id": id_, "name": name, "url": url, "secret_sha256": fingerprint(secret), "after": after, **chosen}
    try:
        connection.execute(SQL["create"], given)
    except psycopg.errors.UniqueViolation:
        raise Refused("webhook_there", f"there is a webhook {name!r} already: remove it first") from None
    return shown(secret)


def webhooks(connection: Connection) -> list[Webhook]:
    return [Webhook(*row) for row in connection.execute(SQL["list"])]


def webhook(connection: Connection, name: str) -> Webhook:
    """Raises NotFound."""
    row = connection.execute(SQL["one"], {"name": name}).fetchone()
    if row is None:
        raise NotFound(f"there is no webhook {name!r}; `ledger webhooks list` shows those that there are")
    return Webhook(*row)


def remove(connection: Connection, name: str) -> None:
    """Raises NotFound."""
    webhook(connection, name)
    connection.execute(SQL["remove"], {"name": name})


def rotate(connection: Connection, key: SecretKey, name: str) -> str:
    """Give it a new secret, and return that; for a day the one before signs, too. Raises NotFound, Refused."""
    one = webhook(connection, name)
    secret = key.secret(one.id, one.generation + 1)
    given: dict[str, Any] = {"id": one.id, "generation": one.generation, "secret_sha256": fingerprint(secret)}
    if connection.execute(SQL["rotate"], given).rowcount == 0:
        raise Refused("rotated_meanwhile", f"somebody else gives {name} a new secret at this moment")
    return shown(secret)


def resume(connection: Connection, name: str) -> None:
    """Let it go on from where it is. Raises NotFound."""
    webhook(connection, name)
    connection.execute(SQL["resume"], {"name": name})
