"""What a witness remembers, in one SQLite file: once a transaction is over it is on the disk."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ledger.database.connection import sql_blocks
from ledger.errors import Misconfigured, Unavailable
from ledger.files import write_new
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import Note, VerifierKey

SQL = sql_blocks("ledger.witness", "state.sql")
PATIENCE_S = 5.0


class Last(NamedTuple):
    """The last checkpoint of a log that the witness has cosigned, as it is shown, and when (seconds since 1970)."""

    checkpoint: Checkpoint
    note: Note
    cosigned_at: int


class State:
    """The memory of the witness with these keys. It may be used by several threads, and the file by several processes."""

    def __init__(self, path: Path, keys: Sequence[VerifierKey]) -> None:
        """Raises Misconfigured where the file is not there, is none of a witness, or is another witness's."""
        if not path.is_file():
            raise Misconfigured(
                f"{path} is gone, and with it what this witness has cosigned: with its keys alone it might cosign another "
                f"log now. Restore the file as it was last, or begin a new witness with `ledger witness init`"
            )
        self.path, self.lock = path, Lock()
        try:
            self.connection = _open(path)
            bound = self.connection.execute(SQL["bound"]).fetchall()
        except sqlite3.Error as error:
            raise Misconfigured(f"{path} cannot be read as what a witness remembers: {error}") from None
        if bound != [(_told(keys),)]:
            raise Misconfigured(
                f"{path} is what a witness with other keys remembers: put this witness's own file there"
            )

    @staticmethod
    def begin(path: Path, keys: Sequence[VerifierKey]) -> None:
        """Make the file. Raises Misconfigured where it is there already, or cannot be written."""
        write_new(path, b"")
        connection = _open(path)
        try:
            connection.executescript(f"begin; {SQL['create']}; commit")
            connection.execute(SQL["bind"], {"keys": _told(keys)})
        finally:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One after another, of all processes: what is read in it stays as it is until it is over. Raises Unavailable."""
        with self.lock:
            try:
                self.connection.execute(SQL["begin"])
                with self.connection:
                    yield
            except (sqlite3.Error, OSError) as error:
                raise Unavailable("the witness cannot write what it has to remember", str(error)) from None

    def last(self, origin: str) -> Last | None:
        row = self.connection.execute(SQL["last"], {"origin": origin}).fetchone()
        return row and Last(Checkpoint(origin, row[0], row[1]), Note.read(row[2]), row[3])

    def keep(self, new: Last) -> None:
        self.connection.execute(
            SQL["keep"], new.checkpoint._asdict() | {"note": str(new.note), "cosigned_at": new.cosigned_at}
        )

    def keep_contradiction(self, last: Last, checkpoint: Checkpoint, submitted: Note, now: int) -> None:
        """Keep two checkpoints of one size that a log has signed, and that differ."""
        given = {"cosigned": str(last.note), "submitted": str(submitted), "refused_at": now}
        self.connection.execute(SQL["contradict"], checkpoint._asdict() | given)

    def contradictions(self, origin: str) -> list[tuple[Note, Note]]:
        """What was cosigned, and what was submitted then and refused."""
        rows = self.connection.execute(SQL["contradictions"], {"origin": origin}).fetchall()
        return [(Note.read(cosigned), Note.read(submitted)) for cosigned, submitted in rows]

    def close(self) -> None:
        self.connection.close()


def _open(path: Path) -> sqlite3.Connection:
    """Durable beyond ``full``: the folder is synchronised, too, once the journal is gone that would undo the transaction."""
    connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = delete")
    connection.execute("pragma synchronous = extra")
    return connection


def _told(keys: Sequence[VerifierKey]) -> str:
    return "".join(f"{key}\n" for key in keys)
