"""`ledger verify`: check a log from the outside, with no database and no trust in who serves it."""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from api.cli.policies import read_policy
from api.cli.reading import ValidAt, read_asked
from api.cli.remote import read_address
from api.cli.terminal import progress, say, show_rows, write
from api.transfer.entries import Entries
from api.transfer.event_files import EXPORTED
from api.transfer.files import readable
from api.transfer.names import check_names
from api.transfer.refolding import Difference, Made, Told, differences
from api.transfer.verifying import Memory, from_directory, from_service, log_address, verify_export, verify_proof
from api.transfer.verifying import verify as verify_all
from ledger.errors import Invalid, NotAsSigned, Refused
from ledger.proofs.checkpoint import PROOF_HEADER, Checkpoint
from ledger.proofs.notes import BadNote, Note, VerifierKey
from ledger.proofs.policy import Policy
from ledger.proofs.policy import check as check_policy
from ledger.proofs.verifier import Keep, Read
from ledger.settings import read_settings
from projections.names_check import SORTS_OUTSIDE

LONGEST_BEGINNING = 1_000
MAX_PATH = 1_000
"""A key may be longer than a path can be."""
LONGEST_SHOWN = 100
ZIP = b"PK\x03\x04"
MOST_SHOWN = 1_000


def verify(
    where: Annotated[
        str, typer.Argument(help="A service's address, a directory of tiles, an export, or a proof of one entry.")
    ],
    log_key: Annotated[
        list[str] | None, typer.Option(help="A public key of the log, as `ledger log key` shows it, or a file of such.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="A policy (c2sp.org/tlog-policy): the log's keys, and which witnesses must agree."),
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="For an export: the checkpoint to hold it against.")] = None,
    trust_on_first_use: Annotated[
        bool, typer.Option("--trust-on-first-use", help="Believe the key that the log names itself, and keep it.")
    ] = False,
    semantic: Annotated[
        bool,
        typer.Option(
            "--semantic", help="Fold the entries, too, and compare the states with those that the service answers."
        ),
    ] = False,
    service: Annotated[
        str | None, typer.Option(help="For a copy: the address of the service whose answers are held against it.")
    ] = None,
    valid_at: ValidAt = None,
) -> None:
    rule = read_policy(policy) if policy else None
    keys, path = read_keys(log_key or ()) + keys_of(rule), Path(where)
    answering = _answering(where, service)
    if semantic and answering is None:
        raise typer.BadParameter("--semantic compares with what a service answers: give --service ADDRESS")
    if valid_at and not semantic:
        raise typer.BadParameter("--valid-at is the day of the states that --semantic compares")
    day = read_asked(None, valid_at).valid_at or datetime.now(UTC).date()
    entries = Entries(whole=semantic)
    keep = entries.take if answering else _let_go
    if "://" not in where and not path.exists():
        raise Invalid(f"{where} cannot be read: there is no such file or directory")
    if path.is_file():
        if trust_on_first_use:
            say("--trust-on-first-use has no effect on a file: it names no key that could be kept", "yellow")
        note = _verify_file(path, keys, checkpoint, keep)
    else:
        read = _service(where) if "://" in where else from_directory(path)
        with progress("verify", None) as advance:
            at, note = verify_all(
                read, keys, advance, on_first_use=trust_on_first_use, is_copy="://" not in where, keep=keep
            )
        _tell(f"all {at.size:,} entries are those that were signed", at)
        if (seen := Memory(at.origin).seen()) and seen.checkpoint.size > at.size:
            say(
                f"the copy is older than the {seen.checkpoint.size:,} entries that were seen of this log, and was not held against them",
                "yellow",
            )
    if rule:
        _tell_witnesses(rule, note)
    if semantic and not entries.size:
        raise typer.BadParameter("--semantic takes a whole log, and this is the proof of one entry")
    if answering and entries.size:
        entries.arrange()
        sound = [_check_names(entries, answering), not semantic or _compare(entries, answering, day)]
        if not all(sound):
            raise typer.Exit(3)


def _let_go(entries: Sequence[bytes]) -> None:
    """Where no service is asked, nothing has to be kept."""


def _answering(where: str, service: str | None) -> str | None:
    """The address of the service that answers, where one is named. Raises typer.BadParameter."""
    log = read_address(where, "WHERE") if "://" in where else None
    address = read_address(service, "--service") if service else log
    return address and address.rstrip("/").removesuffix("/log")


def _check_names(entries: Entries, address: str) -> bool:
    """Whether the names that the service discloses to this key are those that were committed to, or erased; tells where not."""
    names, key = Counter[str](), api_key()
    with progress("names", None) as advance:
        found = list(check_names(entries, from_service(address, key) if key else None, names, advance))
    if names:
        say(f"names of persons: {', '.join(f'{names[sort]:,} {sort}' for sort in SORTS_OUTSIDE)}")
    show_rows(("position", "finding"), found)
    return not found


def _compare(entries: Entries, address: str, day: date) -> bool:
    """Whether the states that the entries make are those that the service answers; tells where not."""
    compared = 0

    def advance(done: int) -> None:
        nonlocal compared
        compared = done
        show(done)

    with progress("compare", None) as show:
        told = Told(from_service(address, api_key()), entries.size, day)
        found = list(islice(differences(Made(entries, day), told, advance), MOST_SHOWN))
    show_rows(Difference._fields, found)
    if found:
        more = f", and perhaps more than these {MOST_SHOWN:,}" if len(found) == MOST_SHOWN else ""
        say(f"{address} tells states that do not follow from the entries{more}", "red")
    else:
        say(f"the {compared:,} states on {day} are those that the entries make", "green")
    return not found


def keys_of(policy: Policy | None) -> list[VerifierKey]:
    return [one.key for one in policy.logs] if policy else []


def _tell_witnesses(policy: Policy, note: Note) -> None:
    """Who has cosigned. Raises NotAsSigned where these are not enough."""
    held = check_policy(note, policy)
    for name, time in held.cosigned.items():
        say(f"{name} has cosigned it, on {datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}")
    if not held.has_quorum:
        raise NotAsSigned(
            f"the witnesses that have cosigned are not those that the policy asks for (quorum {policy.quorum})"
        )


def _service(address: str) -> Read:
    return from_service(log_address(address), api_key())


def api_key() -> str | None:
    """The key of the settings, for a service whose reads are not public."""
    key = read_settings().key
    return key.get_secret_value() if key else None


def _verify_file(path: Path, keys: list[VerifierKey], checkpoint: Path | None, keep: Keep) -> Note:
    """The checkpoint that it was held against."""
    with readable(path), path.open("rb") as file:
        begins = file.readline(LONGEST_BEGINNING).strip()
    if begins == PROOF_HEADER.encode():
        proof, at = verify_proof(path, keys)
        write((proof.entry or b"").decode())
        _tell(f"this is entry {proof.index + 1:,} of {at.size:,} that were signed", at)
        return proof.checkpoint
    if checkpoint is None or not _is_text(begins):
        raise _no_checkpoint(path, begins)
    note, origin = _note(checkpoint)
    known = keys or Memory(origin).keys()
    if not known:
        raise Refused("no_key", f"no key is known for {origin}: give --log-key")
    with progress("verify", None) as advance:
        at = verify_export(path, note, known, advance, keep)
    _tell(f"the first {at.size:,} entries are those that were signed", at)
    return note


def _is_text(begins: bytes) -> bool:
    """Whether what a file begins with can be one."""
    return begins.decode(errors="ignore").replace("\t", "").isprintable()


def _no_checkpoint(path: Path, begins: bytes) -> Refused:
    """What to do with a file that is no proof, and for which no checkpoint was given."""
    if begins.startswith(ZIP):
        return Refused(
            "no_export",
            f"{path} is a zip file: an evidence pack is checked by the program in it: unpack it, and run `python verify.py` there",
        )
    if not _is_text(begins):
        return Refused(
            "no_export", f"{path} is no text, and so neither an export (`ledger export`) nor a proof of an entry"
        )
    if begins.startswith(EXPORTED.encode()):
        return Refused("no_checkpoint", "an export is held against a checkpoint: give --checkpoint FILE")
    shown = f"begins with {begins[:60].decode(errors='replace')!r}" if begins else "is empty"
    return Refused(
        "no_export", f"{path} {shown}: this is no export (`ledger export`), and no proof (/v1/events/N/proof)"
    )


def _note(path: Path) -> tuple[Note, str]:
    """A checkpoint, and of which log it is."""
    try:
        with readable(path):
            note = Note.read(path.read_bytes())
        return note, Checkpoint.read(note.text).origin
    except BadNote as error:
        raise typer.BadParameter(f"{path} is no checkpoint: {error}") from None


def read_keys(given: Sequence[str]) -> list[VerifierKey]:
    """Keys as they are, or files that have one a line."""
    return [key for one in given for key in _keys(one)]


def _keys(given: str) -> list[VerifierKey]:
    is_file = _is_file(given)
    where = f"--log-key: the file {given}" if is_file else f"--log-key {given[:LONGEST_SHOWN]!r}"
    try:
        texts = Path(given).read_text().split() if is_file else [given.strip()]
        keys = [VerifierKey.read(text) for text in texts]
    except BadNote as error:
        told = "" if is_file else " is no file of keys, and no key itself"
        raise typer.BadParameter(f"{where}{told}: {error}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{where} is no text: it has one key a line") from None
    if not keys:
        raise typer.BadParameter(f"{where} holds no key")
    return keys


def _is_file(text: str) -> bool:
    return len(text) < MAX_PATH and Path(text).is_file()


def _tell(what: str, at: Checkpoint) -> None:
    say(f"{at.origin}: {what}, root {b64encode(at.root).decode()}", "green")
