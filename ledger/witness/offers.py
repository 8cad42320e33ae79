"""Checkpoints are offered to the witnesses of a log, beside the work of the signer: nobody waits for a witness.

Each witness has a thread of its own, so that one that is slow, or down, does not delay another. What is offered while a
witness is busy waits, and only the newest does.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Self

from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import Note
from ledger.proofs.policy import Witness
from ledger.witness.client import Contradicted, Cosigned, Outcome, ProofFor, Unwilling, pause_s, submit
from ledger.witness.evidence import evidence, keep_evidence
from ledger.witness.post import Post

LEAVE_S = 2.0
log = logging.getLogger("ledger.witness")


class Standing(NamedTuple):
    """How it stands with a witness: the last checkpoint it has cosigned, when (seconds since 1970), what the trouble is with it
    (empty where there is none), and in how many seconds it is asked again.
    """

    last: Note | None
    cosigned_at: int | None = None
    trouble: str = ""
    next_attempt_s: float = 0.0

    @property
    def size(self) -> int:
        return Checkpoint.read(self.last.text).size if self.last else 0


@dataclass(frozen=True)
class Log:
    """What the witnesses' threads need of the log. Each function is called from several threads.

    ``proof_for(old_size, size)`` gives the proof of consistency. ``published()`` tells the size of the last checkpoint that was
    published, by whichever process. ``keep(size, witness, line, time)`` takes a cosignature; the same one may come again.
    ``contradicted(found, path)`` is told that a witness contradicts the log, and where the evidence is, if it could be written.
    """

    proof_for: ProofFor
    published: Callable[[], int]
    keep: Callable[[int, Witness, str, int], None]
    contradicted: Callable[[Contradicted, Path | None], None]
    evidence: Path
    """The folder where evidence is kept."""


class Witnesses:
    """Offers checkpoints to every witness that has an address, until it is closed or a witness contradicts the log."""

    def __init__(self, witnesses: Iterable[Witness], log: Log, last: Mapping[str, Note]) -> None:
        """``last`` is, by the name of a witness, the last checkpoint that it has cosigned. Raises Misconfigured."""
        self.attendants = [_Attendant(one, log, last.get(one.name), self.close) for one in witnesses if one.url]
        for one in self.attendants:
            one.thread.start()

    def offer(self, note: Note) -> None:
        """Offer a checkpoint, and wait for nothing. It has the signatures of the log alone."""
        for one in self.attendants:
            one.offer(note)

    def standings(self) -> dict[str, Standing]:
        """How it stands with each witness, by its name."""
        return {one.witness.name: one.told() for one in self.attendants}

    def close(self) -> None:
        """Offer nothing more; what is under way is cut."""
        for one in self.attendants:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        for one in self.attendants:
            one.thread.join(LEAVE_S)


class _Attendant:
    """Attends to one witness."""

    def __init__(self, witness: Witness, log: Log, last: Note | None, close_all: Callable[[], None]) -> None:
        assert witness.url
        self.witness, self.ledger, self.close_all = witness, log, close_all
        self.post = Post(witness.url)
        self.standing = Standing(last)
        self.changed = Condition()
        self.newest: Note | None = None
        self.failures, self.next_attempt, self.is_closed = 0, 0.0, False
        self.thread = Thread(target=self._run, daemon=True, name=f"witness {witness.name}")

    def offer(self, note: Note) -> None:
        with self.changed:
            self.newest = note
            self.changed.notify()

    def close(self) -> None:
        with self.changed:
            self.is_closed = True
            self.changed.notify()
        self.post.cut()

    def told(self) -> Standing:
        return self.standing._replace(next_attempt_s=max(self.next_attempt - monotonic(), 0.0))

    def _run(self) -> None:
        while (note := self._next()) is not None:
            try:
                self._take(note, self._outcome(note))
            except Exception as error:
                log.exception("a checkpoint could not be offered to the witness %s", self.witness.name)
                self._try_again(note, f"it could not be asked: {type(error).__name__}")

    def _next(self) -> Note | None:
        """The checkpoint to offer, once there is one and the pause is over; None when it is time to go."""
        with self.changed:
            while not self.is_closed:
                pause = self.next_attempt - monotonic()
                if self.newest is not None and pause <= 0:
                    note, self.newest = self.newest, None
                    return note
                self.changed.wait(pause if self.newest is not None else None)
        return None

    def _outcome(self, note: Note) -> Outcome:
        outcome = submit(self.post, self.witness, self.standing.size, self.ledger.proof_for, note)
        if isinstance(outcome, Contradicted) and outcome.size and outcome.size <= self.ledger.published():
            return Unwilling(f"another process has had a checkpoint of {outcome.size:,} entries cosigned")
        return outcome

    def _take(self, note: Note, outcome: Outcome) -> None:
        if isinstance(outcome, Contradicted):
            self._stop(replace(outcome, known=self.standing.last))
        elif isinstance(outcome, Unwilling):
            self._try_again(note, outcome.reason)
        else:
            self._keep(note, outcome)

    def _keep(self, note: Note, cosigned: Cosigned) -> None:
        if cosigned.old_size < self.standing.size:
            log.error(
                "the witness %s had cosigned %d entries and knew of %d alone: it has forgotten what it saw, and is no witness of what "
                "was before; tell those who run it", self.witness.name, self.standing.size, cosigned.old_size,
            )  # fmt: skip
        self.ledger.keep(Checkpoint.read(note.text).size, self.witness, cosigned.signature.line, cosigned.time)
        if self.failures:
            log.warning("the witness %s cosigns again", self.witness.name)
        self.failures, self.next_attempt = 0, 0.0
        self.standing = Standing(Note(note.text, (*note.signatures, cosigned.signature)), cosigned.time)

    def _note_trouble(self, reason: str) -> None:
        if not self.failures and not self.is_closed:
            log.warning("the witness %s has not cosigned and is asked again: %s", self.witness.name, reason)
        self.failures += 1
        self.next_attempt = monotonic() + pause_s(self.failures)
        self.standing = self.standing._replace(trouble=reason)

    def _try_again(self, note: Note, reason: str) -> None:
        self._note_trouble(reason)
        with self.changed:
            self.newest = self.newest or note

    def _stop(self, found: Contradicted) -> None:
        self.close_all()
        self.standing = self.standing._replace(trouble=str(found))
        now = datetime.now(UTC)
        try:
            path: Path | None = keep_evidence(self.ledger.evidence, found, now)
        except Exception:
            log.exception("the evidence could not be written, and is told here\n%s", evidence(found, now))
            path = None
        log.critical("%s; the evidence is %s", found, path or "not written")
        self.ledger.contradicted(found, path)
