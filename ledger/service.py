"""The ledger: the library's ``Application``, and the only writer.

An append reads what the cache lacks in one round trip, is decided in memory, and recorded in another, both shared with
whoever else is writing (``ledger.writing.writer``). Nothing decided can be overtaken: the statement that records looks whether
what it was decided on still stands.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from secrets import token_bytes
from typing import NamedTuple
from uuid import UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, Mapper
from eventsourcing.utils import Environment, EnvType
from uuid6 import uuid7

from ledger.database.connection import LedgerLocation, Pool
from ledger.database.failures import FAILURES, explained
from ledger.errors import Refused
from ledger.fold import History
from ledger.library_recorder import EntryRecorder
from ledger.log.commitments import SALT_BYTES, Disclosure
from ledger.log.entry import LineMapper
from ledger.settings import ADDRESS
from ledger.vocabulary.fact import Subject
from ledger.writing.decision import Actor, Answer, Decider, DecisionContext, Given, Request
from ledger.writing.decision_cache import DecisionCache
from ledger.writing.draft import Draft
from ledger.writing.pending import Append
from ledger.writing.writer import Backlog, Writer

IDEMPOTENCY = UUID("6f0b1d5e-7f0c-5a67-9d43-2a9c1f6f5f0e")


class Preview(NamedTuple):
    """What an append would be answered, and each stream that it touches, as it is and as it would be.

    ``disclosures`` are what would be kept beside the entries, by entry.
    """

    answers: list[Answer]
    before: dict[Subject, History]
    after: dict[Subject, History]
    disclosures: dict[str, tuple[Disclosure, ...]]


class Ledger(Application[str]):
    """One ledger. ``clock`` tells the time of a decision, ``new_id`` and ``new_salt`` make what must be unique.

    ``patience_s`` is how long an append may wait, ``tolerance_s`` how far the server's clock may differ from ours.
    """

    recorder: EntryRecorder

    def __init__(
        self,
        location: LedgerLocation,
        pool: Pool,
        name: str = "partnerships",
        address: str = ADDRESS,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], UUID] = uuid7,
        new_salt: Callable[[], bytes] = lambda: token_bytes(SALT_BYTES),
        patience_s: float = 10.0,
        tolerance_s: float = 5.0,
    ) -> None:
        self.location, self.pool, self.new_id, self.clock = location, pool, new_id, clock
        self.decider = Decider(f"/ledgers/{name}", address, new_salt)
        self.writer = Writer(location, self.decider, clock, patience_s, tolerance_s)
        super().__init__()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        return Environment(name, {"ORIGINATOR_ID_TYPE": "text"})  # ours alone: os.environ is not merged in

    def construct_mapper(self) -> Mapper[str]:
        return LineMapper()

    def construct_recorder(self) -> ApplicationRecorder:
        return EntryRecorder(self.location, self.pool, self.writer)

    def close(self) -> None:
        if not self.closing.is_set():
            self.recorder.close()
        super().close()

    def append(
        self, drafts: Sequence[Draft], actor: Actor, idempotency_key: str | None = None, *, strict: bool = False
    ) -> list[Answer]:
        """Record the drafts, all or none, in their order; an event recorded before is answered as the first time.

        ``strict`` refuses what would be flagged. Raises Refused (with Flagged, IdReused and StaleVersion), TooLarge,
        Unavailable. At most two round trips where nothing conflicts, both shared with whoever else is writing.
        """
        return self.submit(drafts, actor, idempotency_key, strict=strict).result()

    def submit(
        self, drafts: Sequence[Draft], actor: Actor, idempotency_key: str | None = None, *, strict: bool = False
    ) -> Append:
        """As ``append``, with the answers to come; by then it tells the epoch, too, and its last entry."""
        return self.writer.submit(self._request(drafts, actor, idempotency_key, strict=strict))

    def preview(
        self, drafts: Sequence[Draft], actor: Actor, idempotency_key: str | None = None, *, strict: bool = False
    ) -> Preview:
        """What ``append`` would answer, and the streams before and after; nothing is recorded.

        The positions are those that the entries would have if nobody else recorded anything. Raises as ``append`` does.
        """
        request = self._request(drafts, actor, idempotency_key, strict=strict)
        context = self.context(request)
        before = {subject: context.histories[subject] for subject in sorted(request.subjects)}
        decided = self.decider.decide(context, request, context.size + 1)
        disclosures = {new.entry.id: new.entry.disclosures for _, new in decided if new}
        after = {subject: context.histories[subject] for subject in before}
        return Preview([answer for answer, _ in decided], before, after, disclosures)

    def waiting(self) -> Backlog:
        """What waits to be recorded at this moment."""
        return self.writer.report()

    def context(self, request: Request) -> DecisionContext:
        """What a request is decided on, all of it read now."""
        try:
            with self.pool.connection() as connection:
                return DecisionCache().context([request], (), self.clock().date(), lambda: connection)
        except FAILURES as error:
            raise explained(error) from None

    def _request(
        self, drafts: Sequence[Draft], actor: Actor, key: str | None = None, *, strict: bool = False
    ) -> Request:
        def make_id(number: int) -> str:
            return str(uuid5(IDEMPOTENCY, f"{actor.authid}\0{key}\0{number}") if key is not None else self.new_id())

        events = [
            Given(draft.id or make_id(number), draft, sought=bool(draft.id) or key is not None)
            for number, draft in enumerate(drafts)
        ]
        if len({given.entry_id for given in events}) < len(events):
            raise Refused("id_repeated", "two events of the request have the same id")
        return Request(events, actor, beyond=None if key is None else make_id(len(events)), strict=strict)
