"""The ledger: the library's ``Application``, and the only writer.

An append reads what it does not remember in one round trip, decides in memory, and records in another, both shared with
whoever else is writing (``ledger.desk``). Nothing it decided can be overtaken: ``(stream, version)`` and the ids are unique, so a
writer who decided on old history is refused by the database and decides again.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from secrets import token_bytes
from uuid import UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, Mapper
from eventsourcing.utils import Environment, EnvType
from uuid6 import uuid7

from ledger.decision import Actor, Answer, Decider, Given, Request
from ledger.desk import Desk, Soon, Tell
from ledger.disclosure import SALT_BYTES
from ledger.draft import Draft
from ledger.entry import LineMapper
from ledger.errors import Refused, TooLarge
from ledger.memory import read_disclosures, read_openings
from ledger.postgres import Place, Pool
from ledger.recorder import EntryRecorder, Promise

__all__ = ["Actor", "Answer", "Ledger", "read_disclosures", "read_openings"]

IDEMPOTENCY = UUID("6f0b1d5e-7f0c-5a67-9d43-2a9c1f6f5f0e")


class Ledger(Application[str]):
    """One ledger. ``clock`` tells the time of a decision, ``new_id`` and ``new_salt`` make what must be unique.

    ``soon`` is an event loop's ``call_soon_threadsafe``, where there is one: for ``Desk``.
    """

    recorder: EntryRecorder

    def __init__(
        self,
        place: Place,
        pool: Pool,
        name: str = "partnerships",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], UUID] = uuid7,
        new_salt: Callable[[], bytes] = lambda: token_bytes(SALT_BYTES),
        soon: Soon | None = None,
    ) -> None:
        self.place, self.pool, self.new_id = place, pool, new_id
        super().__init__()
        self.desk = Desk(pool, self.recorder, Decider(f"/ledgers/{name}", lambda: clock().date(), new_salt), soon)

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        return Environment(name, {"ORIGINATOR_ID_TYPE": "text"})  # ours alone: os.environ is not merged in

    def construct_mapper(self) -> Mapper[str]:
        return LineMapper()

    def construct_recorder(self) -> ApplicationRecorder:
        return EntryRecorder(self.place, self.pool)

    def close(self) -> None:
        if not self.closing.is_set():
            self.desk.close()
            self.recorder.close()
        super().close()

    def append(self, drafts: Sequence[Draft], actor: Actor, idempotency_key: str | None = None) -> list[Answer]:
        """Record the drafts, all or none, in their order; an event recorded before is answered as the first time.

        Raises Refused (with IdReused and StaleVersion), TooLarge, Unavailable. At most two round trips where nothing
        conflicts, both shared with whoever else is writing.
        """
        return self.submit(drafts, actor, idempotency_key).result()

    def submit(
        self, drafts: Sequence[Draft], actor: Actor, idempotency_key: str | None = None, tell: Tell | None = None
    ) -> Promise[list[Answer]]:
        """As ``append``, with the promise of the answers; ``tell`` is called once it is kept, by any thread."""
        return self.desk.submit(self._request(drafts, actor, idempotency_key), tell)

    def dry_run(self, drafts: Sequence[Draft], actor: Actor) -> tuple[list[Answer], Refused | TooLarge | None]:
        """What ``append`` would answer, up to the first draft that it would refuse, and why that one.

        The positions are those of the future.
        """
        return self.desk.try_out(self._request(drafts, actor))

    def _request(self, drafts: Sequence[Draft], actor: Actor, key: str | None = None) -> Request:
        def make_id(number: int) -> str:
            return str(uuid5(IDEMPOTENCY, f"{actor.authid}\0{key}\0{number}") if key is not None else self.new_id())

        events = [
            Given(draft.id or make_id(number), draft, sought=bool(draft.id) or key is not None)
            for number, draft in enumerate(drafts)
        ]
        if len({given.entry_id for given in events}) < len(events):
            raise Refused("id_repeated", "two events of the request have the same id")
        return Request(events, actor, beyond=None if key is None else make_id(len(events)))
