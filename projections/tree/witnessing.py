"""The witnesses of the log: what its checkpoints need to be offered to them, and where their cosignatures are kept."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ledger.database.connection import Pool, sql_blocks
from ledger.database.failures import FAILURES
from ledger.errors import LedgerError
from ledger.proofs.notes import Note, Signature
from ledger.proofs.policy import Policy, Witness
from ledger.witness.client import Contradicted
from ledger.witness.evidence import folder_beside
from ledger.witness.offers import Log, Witnesses
from projections.tree.proofs import Proofs

SQL = sql_blocks("projections.tree", "checkpoints.sql")


def witnesses_of(pool: Pool, policy: Policy, key: Path, stop: Callable[[str], None]) -> Witnesses:
    """The witnesses of a policy, who are offered what is published. ``stop`` is told why nothing more may be signed, where one
    contradicts the log.
    """
    proofs = Proofs(pool)

    def keep(size: int, witness: Witness, line: str, time: int) -> None:
        origin = proofs.at(size).checkpoint.origin
        with pool.connection() as connection:
            connection.execute(SQL["cosign"], {
                "origin": origin, "size": size, "witness": name_of(witness), "line": line,
                "cosigned_at": datetime.fromtimestamp(time, UTC),
            })  # fmt: skip

    def contradicted(found: Contradicted, evidence: Path | None) -> None:
        why = f"{found}. The evidence is in {evidence}" if evidence else str(found)
        try:
            with pool.connection() as connection:
                connection.execute(SQL["stop"], {"reason": why})
        finally:
            stop(why)

    log = Log(
        proofs.consistency_hashes, lambda: proofs.latest().checkpoint.size, keep, contradicted, folder_beside(key)
    )
    named = list(policy.witnesses)
    return Witnesses(named, log, {one.name: note for one in named if (note := _last(pool, one))})


def _last(pool: Pool, witness: Witness) -> Note | None:
    """The last checkpoint that a witness has cosigned, with its cosignature; None where that is not known."""
    try:
        with pool.connection() as connection:
            row = connection.execute(SQL["cosigned_last"], {"witness": name_of(witness)}).fetchone()
    except (*FAILURES, LedgerError):
        return None
    if row is None:
        return None
    note = Note.read(row[0])
    return note._replace(signatures=(*note.signatures, Signature.read(row[1].removesuffix("\n"))))


def name_of(witness: Witness) -> str:
    """The name and the id of its key: a witness may have several."""
    return f"{witness.key.name}+{witness.key.key_id.hex()}"
