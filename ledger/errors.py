"""What can go wrong, once:

    LedgerError
    ├── Invalid          what was said cannot be read as something the ledger records
    │   └── TooLarge     it is longer than an entry may be
    ├── Refused          it was understood, and a rule forbids it
    │   ├── IdReused     the id stands for another entry
    │   ├── Flagged      it would be recorded and flagged, and the writer asked for it to be refused then
    │   ├── StaleVersion the stream has moved on from the version that the writer saw
    │   └── RolledBack   what it rests on was read or acknowledged in another epoch, or is gone from this one
    ├── NotFound         nothing is known under that name, there and then
    ├── Denied           the key is missing, unknown or revoked, or its role does not allow this
    ├── NotYet           the projections have not seen what the reader asks to see
    ├── Unreadable       an entry is there that this version of the code does not know what to make of
    ├── Unavailable      the database cannot do it now, or the outcome is not known; try again with the same ids
    │   ├── TakesTooLong it takes too long to decide: fewer events in a request may be decided in time
    │   └── ReadTakesTooLong  it takes too long to read: what is narrowed may be read in time
    ├── NotAsSigned      the log is not what was signed: it was put back, or altered
    └── Misconfigured    a setting, a role or the schema is not as it must be

HTTP knows them as problem documents (``api.http.problems``), the command line as one line and an exit code.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

MAX_FAULTS = 100


def in_words(error: OSError) -> str:
    """What the system has refused, for people: with which file, and why. Its number is left out."""
    why = (error.strerror or "the system refuses").partition(" (")[0]
    why = why[:1].lower() + why[1:]
    return f"{error.filename}: {why}" if error.filename else why


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The word that was meant, as far as one is near: "; did you mean in_force?". Else nothing."""
    by_letters = {one.casefold(): one for one in words}
    near = get_close_matches(word.casefold()[:100], by_letters, 1)
    return f"; did you mean {by_letters[near[0]]}?" if near else ""


class Fault(NamedTuple):
    """One thing that is wrong in the input: where (a JSON pointer), what, and a code for programs."""

    pointer: str
    detail: str
    code: str


class LedgerError(Exception):
    """The root. ``str`` of it is one sentence for people."""


class Invalid(LedgerError):
    def __init__(self, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.faults = tuple(faults)

    def at(self, prefix: str) -> "Invalid":
        """The same error, for input that stands below ``prefix``."""
        return type(self)(str(self), [fault._replace(pointer=prefix + fault.pointer) for fault in self.faults])


def refuse(faults: Sequence[Fault]) -> None:
    """Raises Invalid if there are any: it names the first, and has MAX_FAULTS of them at most."""
    if faults:
        raise Invalid(f"{faults[0].pointer}: {faults[0].detail}", faults[:MAX_FAULTS])


class TooLarge(Invalid):
    pass


class Refused(LedgerError):
    """``rule`` names the rule, in the words of the vocabulary; ``subject`` the stream it was applied to."""

    def __init__(self, rule: str, detail: str, subject: str = "") -> None:
        super().__init__(detail)
        self.rule = rule
        self.subject = subject
        self.pointer = ""  # to the event that is refused, where there are several


class IdReused(Refused):
    """``name`` says what was used before: an id, or an idempotency key."""

    def __init__(self, name: str) -> None:
        super().__init__("id_reused", f"{name} stands for something else that was recorded")


class Flagged(Refused):
    """``anomalies`` is what the event would be flagged with: of each the code, and what is odd."""

    def __init__(self, subject: str, anomalies: Sequence[tuple[str, str]]) -> None:
        odd = "; ".join(f"{code} ({detail})" for code, detail in anomalies)
        super().__init__("flagged", f"{subject}: handled strictly, as it would be flagged: {odd}", subject)
        self.anomalies = tuple(anomalies)


class StaleVersion(Refused):
    """``version`` is the stream's own, ``expected`` the one that the writer saw."""

    def __init__(self, subject: str, expected: int, version: int) -> None:
        super().__init__(
            "stale_version",
            f"{subject} is at version {version}, not {expected}: read it again and decide anew",
            subject,
        )
        self.version = version


class RolledBack(Refused):
    """``epoch`` is the current one, ``pointer`` the parameter or header that names what is void."""

    def __init__(self, epoch: str, pointer: str, why: str) -> None:
        super().__init__(
            "rolled_back",
            f"{why}: the ledger was rolled back since, and its epoch is {epoch} now; read again from the start",
        )
        self.epoch = epoch
        self.pointer = pointer


class NotFound(LedgerError):
    pass


class Denied(LedgerError):
    """``known`` tells a key whose role is too low from no key, or an unknown one."""

    def __init__(self, detail: str, *, known: bool = False) -> None:
        super().__init__(detail)
        self.known = known


class NotYet(LedgerError):
    pass


class Unreadable(LedgerError):
    pass


class Unavailable(LedgerError):
    """``cause`` is what the database said: for those who run it, as it may name hosts and users."""

    def __init__(self, detail: str, cause: str = "") -> None:
        super().__init__(f"{detail}: {cause}" if cause else detail)
        self.detail, self.cause = detail, cause


class TakesTooLong(Unavailable):
    """A request with fewer events may be decided in time."""


class ReadTakesTooLong(Unavailable):
    """What is narrowed, or asked for in smaller pages, may be read in time."""


class NotAsSigned(LedgerError):
    """It says how the log differs, and what to do."""


class Misconfigured(LedgerError):
    pass
