"""A witness: c2sp.org/tlog-witness 1.1. It cosigns what follows on what it has cosigned, and remembers it before it says so."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from secrets import token_bytes
from time import time

from ledger.errors import Misconfigured, in_words
from ledger.files import check_private, write_new
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.merkle import EMPTY_ROOT, BadProof, verify_consistency
from ledger.proofs.notes import (
    ED25519_COSIGNATURE,
    ML_DSA_44,
    NAME,
    SEED_BYTES,
    BadNote,
    Note,
    SignerKey,
    VerifierKey,
    verified,
)
from ledger.proofs.policy import MAX_NAME_BYTES, BadPolicy, read_logs
from ledger.proofs.submission import Submission, path_of
from ledger.witness.state import Last, State

KEY, LOGS, STATE = "key", "logs", "state.sqlite"
"""The files of a witness, in its folder."""
TYPES = (ED25519_COSIGNATURE, ML_DSA_44)
NO_LOGS = """\
# The logs that this witness cosigns, each on a line: log, the key, and where the log is, if you like. The name of a key is the
# origin of the log's checkpoints; a log with two keys has two lines. The witness reads this file when it starts.
#
# log ledger.example.org/partnerships+<id>+<key> https://ledger.example.org
"""
log = logging.getLogger("ledger.witness")


class NotCosigned(Exception):
    """Why a checkpoint is not cosigned: the status that says so, and in words. ``size`` is the last one that was cosigned."""

    def __init__(self, status: HTTPStatus, why: str, size: int | None = None) -> None:
        super().__init__(why)
        self.status, self.size = status, size


def begin(folder: Path, name: str) -> list[VerifierKey]:
    """Make the files of a new witness; returns its public keys. Raises Misconfigured where they are there already."""
    if not NAME.fullmatch(name) or len(name.encode(errors="replace")) > MAX_NAME_BYTES or not name.isprintable():
        raise Misconfigured(
            f"a witness has a name such as witness.example.org/w1: up to {MAX_NAME_BYTES} bytes, without spaces and +"
        )
    keys = [SignerKey(name, type_, token_bytes(SEED_BYTES)) for type_ in TYPES]
    public = [key.verifier for key in keys]
    State.begin(folder / STATE, public)  # first: keys without a memory are never there
    write_new(folder / KEY, "".join(f"{key.encode()}\n" for key in keys).encode())
    if not (folder / LOGS).exists():
        write_new(folder / LOGS, NO_LOGS.encode())
    return public


class Keeper:
    """Keeps watch over the logs that are named in its folder."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time) -> None:
        """Raises Misconfigured."""
        self.keys = _read_keys(folder / KEY)
        self.public = [key.verifier for key in self.keys]
        self.logs = _read_logs(folder / LOGS)
        self.state, self.clock = State(folder / STATE, self.public), clock

    def cosign(self, data: bytes) -> str:
        """The lines that cosign what is submitted. Raises NotCosigned, and Unavailable."""
        try:
            submission = Submission.read(data)
            checkpoint = Checkpoint.read(submission.note.text)
        except BadNote as error:
            raise NotCosigned(HTTPStatus.BAD_REQUEST, str(error)) from None
        note = self._signed_by_log(submission.note, checkpoint)
        if submission.old_size > checkpoint.size:
            raise NotCosigned(HTTPStatus.BAD_REQUEST, "the old size is larger than the checkpoint's")
        refused: NotCosigned | None = None
        with self.state.transaction():
            last = self.state.last(checkpoint.origin)
            try:
                return self._cosign(submission, checkpoint, note, last)
            except NotCosigned as error:
                refused = error
                if last and checkpoint.size == last.checkpoint.size and checkpoint.root != last.checkpoint.root:
                    self.state.keep_contradiction(last, checkpoint, note, int(self.clock()))
        log.warning("%s: a checkpoint of %d entries was refused: %s", checkpoint.origin, checkpoint.size, refused)
        raise refused

    def _signed_by_log(self, note: Note, checkpoint: Checkpoint) -> Note:
        """The note, with the signatures of its log alone. Raises NotCosigned."""
        keys = self.logs.get(checkpoint.origin)
        if keys is None:
            raise NotCosigned(HTTPStatus.NOT_FOUND, "this witness does not know the log")
        try:
            signed = verified(note, keys)
        except BadNote as error:
            raise NotCosigned(HTTPStatus.FORBIDDEN, str(error)) from None
        if not signed:
            raise NotCosigned(
                HTTPStatus.FORBIDDEN, "the checkpoint has no signature of a key that is known for the log"
            )
        return note._replace(
            signatures=tuple(one for one in note.signatures if any(key.matches(one) for key in signed))
        )

    def _cosign(self, submission: Submission, checkpoint: Checkpoint, note: Note, last: Last | None) -> str:
        self._check_follows(submission, checkpoint, last)
        now = int(self.clock())
        if last and now < last.cosigned_at:  # it would say that it had not seen then what it had
            raise NotCosigned(HTTPStatus.SERVICE_UNAVAILABLE, "the witness's clock is behind its last cosignature")
        lines = tuple(key.sign(note.text, now) for key in self.keys)
        self.state.keep(Last(checkpoint, note._replace(signatures=(*note.signatures, *lines)), now))
        return "".join(one.line for one in lines)

    def _check_follows(self, submission: Submission, checkpoint: Checkpoint, last: Last | None) -> None:
        """Raises NotCosigned unless the tree begins with the last one that was cosigned."""
        size, root = (last.checkpoint.size, last.checkpoint.root) if last else (0, EMPTY_ROOT)
        if submission.old_size != size:
            raise NotCosigned(HTTPStatus.CONFLICT, f"the last checkpoint that was cosigned has {size} entries", size)
        if not size and (submission.proof or (not checkpoint.size and checkpoint.root != EMPTY_ROOT)):
            raise NotCosigned(
                HTTPStatus.UNPROCESSABLE_ENTITY, "from the empty tree there is no proof, and it has one root"
            )
        try:
            if size:
                verify_consistency(size, checkpoint.size, root, checkpoint.root, submission.proof)
        except BadProof as error:
            raise NotCosigned(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None

    def shown(self, path: str) -> Note | None:
        """The last checkpoint that was cosigned of the log whose checkpoint is shown at this path."""
        for origin in self.logs:
            if path_of(origin) == path and (last := self._last(origin)):
                return last.note
        return None

    def _last(self, origin: str) -> Last | None:
        with self.state.transaction():
            return self.state.last(origin)


def _read_keys(path: Path) -> list[SignerKey]:
    try:
        check_private(path, "the witness's keys")
        keys = [SignerKey.read(line) for line in path.read_text().splitlines()]
    except FileNotFoundError:
        raise Misconfigured(f"there is no witness: {path} is not there; `ledger witness init NAME` makes one") from None
    except (OSError, UnicodeDecodeError, BadNote) as error:
        why = in_words(error) if isinstance(error, OSError) else str(error)
        raise Misconfigured(f"the witness's keys {path} cannot be read: {why}") from None
    if not keys or len({key.name for key in keys}) != 1 or not {key.type for key in keys} <= set(TYPES):
        raise Misconfigured(f"{path} must hold keys for cosignatures, of one name")
    return keys


def _read_logs(path: Path) -> dict[str, list[VerifierKey]]:
    """The keys of each log, by its origin."""
    try:
        found: dict[str, list[VerifierKey]] = {}
        for one in read_logs(path.read_bytes()):
            found.setdefault(one.key.name, []).append(one.key)
    except (OSError, BadPolicy) as error:
        why = in_words(error) if isinstance(error, OSError) else f"{path}, {error}"
        raise Misconfigured(f"the logs of this witness cannot be read: {why}") from None
    return found
