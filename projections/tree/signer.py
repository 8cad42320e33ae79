"""The signer: signs the tree as it grows, and never anything that contradicts what it has signed before.

One round, and what is true if the process dies after each step:

1. the new entries are read, 2. their tiles written: nothing is promised yet; tiles are derived, and can be written again;
3. the root of the tiles is compared with the one folded from the stored bytes; 4. it is signed: nobody has seen it;
5. the anchor is on the disk: from here on it counts as signed, and the next start publishes it;
6. the checkpoint is in the database, after the one that it follows on: 7. readers see it;
8. it is offered to the witnesses, who take their time: 9. their cosignatures are kept as they come, and can be asked for again.

One process signs, which holds a lock of the database; should there be two, with two copies of the key, the database takes one
checkpoint alone after another, and the second signer reads what there is.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Event
from time import monotonic, time
from typing import Any
from uuid import UUID

import psycopg

from ledger.database.connection import Connection, LedgerLocation, sql_blocks
from ledger.database.failures import FAILURES, explained
from ledger.errors import LedgerError, Misconfigured, NotAsSigned, Unavailable
from ledger.log.epoch import current, renew
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import Note, signed, verified
from projections.rebuild import Running, only
from projections.tree.keys import Anchor, LogKeys
from projections.tree.tree import Tree

SQL = sql_blocks("projections.tree", "checkpoints.sql")
ROLE = "sign"
POLL_S = 0.2
log = logging.getLogger("ledger.sign")

Signed = tuple[Checkpoint, Note]


class Signer:
    """Signs for one log over one connection. Raises NotAsSigned where the log is not what was signed before."""

    def __init__(self, connection: Connection, key: Path, clock: Callable[[], float] = time) -> None:
        self.connection, self.clock = connection, clock
        self.keys, self.anchor = LogKeys.read(key), Anchor(key)
        self.warned = False
        connection.add_notice_handler(self._note_warning)
        connection.execute(SQL["add_keys"], {"vkeys": [str(one.verifier) for one in self.keys.keys]})
        self._begin()

    def _begin(self) -> None:
        """Know the whole log anew."""
        self.tree = Tree(self.connection)
        self.epoch = ""
        self.last_id: UUID | None = None
        self.last: Signed | None = None

    def _note_warning(self, notice: psycopg.errors.Diagnostic) -> None:
        self.warned = self.warned or notice.severity_nonlocalized == "WARNING"

    def check(self, *, resuming: bool = False) -> None:
        """Raises NotAsSigned unless the log is what was signed, and was not stopped, or is ``resuming`` from that."""
        size, self.epoch, stopped, _ = self._head()
        self._catch_up(size)
        if stopped and not resuming:
            raise NotAsSigned(stopped)

    def round(self) -> Checkpoint | None:
        """Sign what is new, and keep it as ``last``; returns the checkpoint, None where nothing is."""
        size, epoch, stopped, last_id = self._head()
        if stopped:
            raise NotAsSigned(stopped)
        if epoch != self.epoch or not self._goes_on():
            self._begin()
            self._catch_up(size)
            self.epoch = epoch
        if not size or (self.last and self.last[0].size == size):
            return None
        self.tree.grow(size)
        self.last_id = last_id
        if self.tree.mend():
            log.warning("the tiles did not show the tree that the entries make: they were built anew")
        if self.warned:  # what was read may not have reached the standby
            self._begin()
            self.warned = False
            raise Unavailable("a standby has not confirmed what is to be signed")
        checkpoint = Checkpoint(self.keys.origin, self.tree.size, self.tree.root)
        note = signed(checkpoint.text, self.keys.keys, int(self.clock()))
        self.anchor.write(note)
        self._publish(checkpoint, note)
        return checkpoint

    def _head(self) -> tuple[Any, ...]:
        row = self.connection.execute(SQL["head"]).fetchone()
        assert row is not None
        return row

    def _goes_on(self) -> bool:
        """Whether the log still holds the entry that was read last."""
        row = self.connection.execute(SQL["entry_id"], {"position": self.tree.size}).fetchone()
        return self.tree.size == 0 or row == (self.last_id,)

    def _catch_up(self, size: int) -> None:
        """Hold the log against all that was signed: the anchor's checkpoint, and the last one in the database."""
        anchored, published = self.anchor.read(self.keys.keys), self._published()
        for one, note in sorted([one for one in (anchored, published) if one], key=lambda one: one[0].size):
            self._check(one, size)
            self.last = one, note
        self.last_id = self._id_at(self.tree.size)
        if anchored and anchored[0].size > (published[0].size if published else 0):
            self.last = published  # it was signed, and the process died before it was published
            self._publish(*anchored)
        if published and (not anchored or anchored[0].size < published[0].size):
            if not verified(published[1], [one.verifier for one in self.keys.keys]):
                raise Misconfigured(
                    f"the last checkpoint, of {published[0].size:,} entries, was signed by none of the keys of {self.anchor.path.stem}: "
                    "put the key back that signed it, beside the new one"
                )
            log.warning("the anchor is older than what was published, or gone: it is written anew")
            self.anchor.write(published[1])

    def _id_at(self, position: int) -> UUID | None:
        row = self.connection.execute(SQL["entry_id"], {"position": position}).fetchone()
        return row[0] if row else None

    def _published(self) -> Signed | None:
        row = self.connection.execute(SQL["last"], {"origin": self.keys.origin}).fetchone()
        return (Checkpoint(self.keys.origin, row[0], row[1]), Note.read(row[2])) if row else None

    def _check(self, one: Checkpoint, size: int) -> None:
        """Raises NotAsSigned unless the entries make the tree that was signed."""
        if one.origin != self.keys.origin:
            raise NotAsSigned(f"the anchor is of the log {one.origin}, and the key of {self.keys.origin}")
        if one.size > size:
            raise NotAsSigned(
                f"the database has {size:,} entries, and {one.size:,} were signed: it was put back. Run `ledger log recover TILES` with a "
                "directory of the log's tiles; or restore a newer copy, and run `ledger log resume`"
            )
        if one.size > self.tree.size:
            self.tree.grow(one.size)
        if self.tree.size == one.size and self.tree.root != one.root:
            raise NotAsSigned(
                f"the first {one.size:,} entries are not those that were signed. `ledger verify` with a copy of the tiles "
                "names the first that differs. Restore a copy from before it was changed, and run `ledger log resume`; or, where entries "
                "were recorded since that nobody may lose, begin another log: give LEDGER_LOG_KEY a new key with another origin"
            )

    def _publish(self, checkpoint: Checkpoint, note: Note) -> None:
        previous = self.last[0].size if self.last else None
        given = checkpoint._asdict() | {"previous": previous, "note": str(note)}
        if self.connection.execute(SQL["publish"], given).fetchone() is None:
            there = self._published()
            if there is None or there[0] != checkpoint:
                raise NotAsSigned(
                    f"another checkpoint follows on the one of {previous or 0:,} entries: somebody else signs with this key"
                )
        self.last = checkpoint, note


def resume(location: LedgerLocation, key: Path, reason: str) -> None:
    """Let a log that was stopped go on, in another epoch. Raises NotAsSigned as long as it is not what this key has signed."""
    with location.connect(patient=True) as connection:
        Signer(connection, key).check(resuming=True)
        connection.execute(SQL["resume"])
        renew(connection, current(connection), reason)


def check_signed(location: LedgerLocation, key: Path) -> None:
    """Raises NotAsSigned where the log is not what this key has signed, which from then on takes no more entries; Misconfigured
    where the key or the anchor cannot be read.
    """
    with location.connect(patient=True) as connection, only(ROLE, location, connection) as alone:
        if not alone:  # who signs has looked
            return
        try:
            Signer(connection, key).check()
        except NotAsSigned as error:
            connection.execute(SQL["stop"], {"reason": str(error)})
            raise


Offer = Callable[[Note], None]
Witnessed = Callable[[], AbstractContextManager[Offer]]
"""What takes published checkpoints for as long as a process signs: the log's witnesses."""


@contextmanager
def nobody() -> Iterator[Offer]:
    """No witnesses."""
    yield lambda note: None


def sign(
    location: LedgerLocation, key: Path, interval_s: float, stop: Event, on_stop: Callable[[str], None] = lambda why: None,
    witnessed: Witnessed = nobody,
) -> None:  # fmt: skip
    """Sign what is new, at most every ``interval_s``, until told to stop or until the log is not what was signed."""
    while not stop.is_set():
        try:
            with location.connect(patient=True) as connection, only(ROLE, location, connection) as alone:
                if alone:
                    with witnessed() as offer:
                        _sign(connection, key, interval_s, stop, offer)
                else:
                    stop.wait(interval_s)
        except NotAsSigned as error:
            log.critical("nothing more is signed or recorded: %s", error)
            with suppress(*FAILURES, Unavailable), location.connect() as connection:
                connection.execute(SQL["stop"], {"reason": str(error)})
            on_stop(str(error))
            return
        except (*FAILURES, LedgerError, Running) as error:
            log.warning("the signer tries again: %s", explained(error) if isinstance(error, psycopg.Error) else error)
            stop.wait(POLL_S)
        except Exception:
            log.exception("the signer failed and tries again")
            stop.wait(POLL_S)


def _sign(connection: Connection, key: Path, interval_s: float, stop: Event, offer: Offer) -> None:
    signer = Signer(connection, key)
    signer.check()
    if signer.last:
        offer(signer.last[1])  # whoever was told of it before answers at once
    while not stop.is_set():
        began = monotonic()
        if signer.round() is None:
            stop.wait(POLL_S)
        elif signer.last:
            offer(signer.last[1])
            stop.wait(max(interval_s - (monotonic() - began), 0))
