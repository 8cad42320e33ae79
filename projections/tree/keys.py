"""The log's secret keys and its anchor: two files outside the database and its backups.

The anchor is the last checkpoint that was signed. It is on the disk before anybody else gets to see the checkpoint: so a
database that knows less than it is one that was put back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes

from ledger.errors import Misconfigured, in_words
from ledger.files import check_private, replace_file
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import ED25519, ML_DSA_44, SEED_BYTES, BadNote, Note, SignerKey, verified

TYPES = (ED25519, ML_DSA_44)


@dataclass(frozen=True)
class LogKeys:
    """What signs: for each key pair in use one of each type, all under the origin's name."""

    origin: str
    keys: tuple[SignerKey, ...]

    @classmethod
    def new(cls, origin: str) -> "LogKeys":
        return cls(origin, tuple(SignerKey(origin, type_, token_bytes(SEED_BYTES)) for type_ in TYPES))

    @classmethod
    def read(cls, path: Path) -> "LogKeys":
        """Raises Misconfigured."""
        try:
            check_private(path, "the log's key")
            lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
            keys = tuple(SignerKey.read(line.strip()) for line in lines)
        except (OSError, UnicodeDecodeError) as error:
            why = in_words(error) if isinstance(error, OSError) else "it is no text"
            raise Misconfigured(f"the log's key {path} cannot be read: {why}") from None
        except BadNote as error:
            raise Misconfigured(f"the log's key {path} cannot be read: {error}") from None
        if len({key.name for key in keys}) != 1 or {key.type for key in keys} != set(TYPES):
            raise Misconfigured(f"the log's key {path} must hold Ed25519 and ML-DSA-44 keys of one origin")
        return cls(keys[0].name, keys)

    def write(self, path: Path) -> None:
        """Raises Misconfigured where a file cannot be written."""
        replace_file(path, "".join(f"{key.encode()}\n" for key in self.keys).encode())

    def rotated(self) -> "LogKeys":
        """With a new pair beside the old ones: from now on all of them sign."""
        return LogKeys(self.origin, (*self.keys, *LogKeys.new(self.origin).keys))

    def retired(self) -> "LogKeys":
        """With the newest pair alone."""
        return LogKeys(self.origin, self.keys[-len(TYPES) :])


class Anchor:
    """The last checkpoint that was signed, in a file beside the key."""

    def __init__(self, key: Path) -> None:
        self.path = key.with_name(f"{key.name}.anchor")

    def read(self, keys: Sequence[SignerKey]) -> tuple[Checkpoint, Note] | None:
        """None where nothing was signed yet. Raises Misconfigured where the file is not what one of these keys has signed."""
        try:
            note = Note.read(self.path.read_bytes())
            checkpoint, signers = Checkpoint.read(note.text), verified(note, [key.verifier for key in keys])
        except FileNotFoundError:
            return None
        except (OSError, BadNote) as error:
            why = in_words(error) if isinstance(error, OSError) else str(error)
            raise Misconfigured(f"the anchor {self.path} cannot be read: {why}") from None
        if not signers:
            raise Misconfigured(f"the anchor {self.path} was signed by none of the log's keys")
        return checkpoint, note

    def write(self, note: Note) -> None:
        replace_file(self.path, str(note).encode())
