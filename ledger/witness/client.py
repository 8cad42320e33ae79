"""A checkpoint is submitted to a witness: c2sp.org/tlog-witness, from the side of the log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import BadNote, Note, Signature
from ledger.proofs.policy import Witness
from ledger.proofs.submission import ADD_CHECKPOINT, SIZE_TYPE, Submission, path_of, read_lines, read_size_line
from ledger.witness.post import Answer, NoAnswer, Post

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
ProofFor = Callable[[int, int], Sequence[bytes]]
"""The proof that the tree of the second size begins with the tree of the first."""


@dataclass(frozen=True)
class Cosigned:
    """The witness has cosigned: its line, verified, and when (seconds since 1970); ``old_size`` is what it had cosigned before."""

    signature: Signature
    time: int
    old_size: int


@dataclass(frozen=True)
class Unwilling:
    """The witness did not cosign, which says nothing about the log. It may be asked again."""

    reason: str


@dataclass(frozen=True)
class Contradicted:
    """The witness says that it has cosigned another tree, or a longer one: the log was forked or put back, or the witness lies.

    ``size`` is what it names, where it names one; ``known`` the last checkpoint that we know it has cosigned; ``shown`` the one
    that it shows itself. Its words are not signed: what proves something is a checkpoint that our own key has signed.
    """

    witness: Witness
    offered: Note
    old_size: int
    answer: Answer
    size: int | None = None
    known: Note | None = None
    shown: Note | None = None

    def __str__(self) -> str:
        return (
            f"the witness {self.witness.name} answers {self.answer.words} to the checkpoint of "
            f"{Checkpoint.read(self.offered.text).size:,} entries: it has cosigned another log, or a longer one"
        )


Outcome = Cosigned | Unwilling | Contradicted


def pause_s(failures: int) -> float:
    """How long to wait after so many failures on end, in seconds: twice as long each time, up to five minutes."""
    return min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 30), LONGEST_PAUSE_S)


def submit(post: Post, witness: Witness, old_size: int, proof_for: ProofFor, note: Note) -> Outcome:
    """Ask a witness to cosign a checkpoint, from the size that it is known to have cosigned (0 where that is not known)."""
    checkpoint = Checkpoint.read(note.text)
    old_size = old_size if old_size <= checkpoint.size else 0
    try:
        answer = _offer(post, old_size, checkpoint.size, proof_for, note)
        named = _size_in(answer)
        if named is not None and named != old_size and named <= checkpoint.size:
            old_size = named
            answer = _offer(post, old_size, checkpoint.size, proof_for, note)
    except (NoAnswer, BadNote) as error:
        return Unwilling(str(error))
    outcome = judged(witness, note, checkpoint.size, old_size, answer)
    if isinstance(outcome, Contradicted):
        return replace(outcome, shown=_shown(post, checkpoint.origin))
    return outcome


def _offer(post: Post, old_size: int, size: int, proof_for: ProofFor, note: Note) -> Answer:
    return post.ask("POST", ADD_CHECKPOINT, str(Submission(old_size, proof_for(old_size, size), note)))


def _size_in(answer: Answer) -> int | None:
    """The size that a witness names where it has cosigned another than the one that was told. Raises BadNote."""
    return read_size_line(answer.body) if answer.status == 409 and answer.type == SIZE_TYPE else None


def judged(witness: Witness, note: Note, size: int, old_size: int, answer: Answer) -> Outcome:
    """What an answer means, to a checkpoint of this size that was submitted from the old size."""
    try:
        if answer.status == 200:
            return _cosigned(witness, note, old_size, answer)
        named = _size_in(answer)
    except BadNote as error:
        return Unwilling(f"not as a witness answers: {error}")
    is_other = answer.status == 422 and old_size > 0  # from nothing, nothing can be contradicted
    is_other_of_this_size = (
        answer.status == 409 and old_size == size and named in (None, size)
    )  # tlog-witness before 1.1
    is_longer = named is not None and named > size
    if is_other or is_other_of_this_size or is_longer:
        return Contradicted(witness, note, old_size, answer, named)
    return Unwilling(f"it answers {answer.words}")


def _cosigned(witness: Witness, note: Note, old_size: int, answer: Answer) -> Outcome:
    """Lines of other keys are passed over. Raises BadNote where a line of the witness's key is wrong."""
    lines = [one for one in read_lines(answer.body) if witness.key.matches(one)]
    times = [witness.key.verify(note.text, one.signature) for one in lines]
    if not lines or not all(times):
        return Unwilling("its answer has no cosignature of its key with a time")
    return Cosigned(lines[-1], times[-1], old_size)


def _shown(post: Post, origin: str) -> Note | None:
    """The last checkpoint of this log that the witness has cosigned, as far as it shows it."""
    try:
        answer = post.ask("GET", path_of(origin))
        return Note.read(answer.body) if answer.status == 200 else None
    except (NoAnswer, BadNote):
        return None
