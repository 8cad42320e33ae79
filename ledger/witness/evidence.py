"""What is kept where a witness contradicts the log: for people, who will want to know who is wrong."""

from datetime import UTC, datetime
from pathlib import Path

from ledger.files import write_new
from ledger.proofs.notes import Note
from ledger.witness.client import Contradicted

TEXT = """\
{contradicted}
On {when} the witness did not cosign a checkpoint of this log.

If its words are true, the log's database was put back to an earlier state, or somebody has signed two logs with one key. They
are not signed: what proves it are two checkpoints that the log's own key has signed, of which none begins with the other.

witness: {witness}
address: {url}
key: {key}
submitted from size: {old_size}
status: {status}
type: {type}
its words:
{words}

--- the checkpoint that was submitted ---
{offered}
--- the last checkpoint that it is known to have cosigned ---
{known}
--- the checkpoint that it shows ---
{shown}"""


def folder_beside(key: Path) -> Path:
    """Where the evidence of a log is kept: beside its key."""
    return key.with_name(f"{key.name}.evidence")


def keep_evidence(folder: Path, found: Contradicted, when: datetime) -> Path:
    """Write the evidence to a file of its own; once this returns it is on the disk. Raises Misconfigured where it cannot."""
    path = folder / f"{when.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{found.witness.key.key_id.hex()}.txt"
    write_new(path, evidence(found, when).encode(errors="surrogateescape"))
    return path


def evidence(found: Contradicted, when: datetime) -> str:
    witness, answer = found.witness, found.answer
    return TEXT.format(
        contradicted=found, when=f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        witness=witness.name, url=witness.url, key=witness.key, old_size=found.old_size, status=answer.status, type=answer.type,
        words=answer.body.decode(errors="backslashreplace"),
        offered=found.offered, known=_told(found.known), shown=_told(found.shown),
    )  # fmt: skip


def _told(note: Note | None) -> str:
    return "none\n" if note is None else str(note)
