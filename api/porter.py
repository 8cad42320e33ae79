"""The porter: one question to the database for all who wait at the door, with an answer as fresh as one of their own.

Whoever asks is answered from what was read after they came: so a key that was revoked opens nothing from that moment,
and an answer that was kept is given again only while it is still true. Who comes while a question is under way waits
for the next one, together with everybody else who comes meanwhile: the busier the door, the less each question costs.
"""

from asyncio import Event, Task, create_task
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import AsyncConnection

from api.auth import SQL as KEYS
from api.auth import Holders, bearer, digest, holders
from ledger.errors import Unavailable
from ledger.postgres import Place
from projections.read import SQL, Standing

DOOR = KEYS["door"].format(standing=SQL["standing"], keys=KEYS["keys"])


class Told(NamedTuple):
    """What the porter found: whose keys these are, how the ledger stands (None before the first follower), the day."""

    holders: Holders
    standing: Standing | None
    today: date


@dataclass
class Question:
    """What is asked at once for all who wait: whose keys these are, and how the ledger stands."""

    digests: set[bytes] = field(default_factory=set)
    answered: Event = field(default_factory=Event)
    told: Told | Exception | None = None


class Porter:
    """Asks over a connection of its own. Who comes to write has no need of the standing, nor waits for a rebuild's swap."""

    def __init__(self, place: Place, *, standing: bool) -> None:
        self.place = place
        self.standing = standing
        self.connection: AsyncConnection[tuple[Any, ...]] | None = None
        self.next: Question | None = None
        self.task: Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hang_up()

    async def ask(self, header: str | None) -> Told:
        """Raises Denied for a header that holds no key, Unavailable."""
        key = bearer(header)
        self.next = question = self.next or Question()
        if key is not None:
            question.digests.add(digest(key))
        self.task = self.task or create_task(self._answer())
        await question.answered.wait()
        if isinstance(question.told, Exception):
            raise question.told
        assert question.told is not None
        return question.told

    async def _answer(self) -> None:
        """Question after question, as long as anybody waits."""
        while question := self.next:
            self.next = None
            try:
                question.told = await self._look(list(question.digests))
            except Exception as error:
                question.told = error
            question.answered.set()
        self.task = None

    async def _look(self, digests: list[bytes]) -> Told:
        """A connection that was lost since the last question is made again."""
        with suppress(psycopg.OperationalError):
            return await self._read(digests)
        await self._hang_up()
        try:
            return await self._read(digests)
        except psycopg.OperationalError as error:
            await self._hang_up()
            raise Unavailable(f"the database cannot be reached: {str(error).strip()}") from None

    async def _read(self, digests: list[bytes]) -> Told:
        if self.connection is None:
            self.connection = await AsyncConnection.connect(self.place.conninfo(), autocommit=True)
        given = {"digests": digests}
        if self.standing:
            with suppress(psycopg.errors.UndefinedTable):
                rows = await (await self.connection.execute(DOOR, given)).fetchall()
                return Told(holders(rows), Standing(*rows[0][3:]) if rows else None, datetime.now(UTC).date())
        rows = await (await self.connection.execute(KEYS["keys"], given)).fetchall()
        return Told(holders(rows), None, datetime.now(UTC).date())

    async def _hang_up(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close()
