"""Commands for the log as others check it."""

import re
from pathlib import Path
from typing import Annotated

import typer

from api.cli.opening import opened
from api.cli.recording import writing
from api.cli.signing import ensure_key, key_file
from api.cli.terminal import progress, say, write
from api.cli.verify import api_key
from api.transfer.import_export import CLERK
from api.transfer.tiles import export_tiles
from api.transfer.verifying import copy_of
from ledger.errors import Refused
from ledger.proofs.notes import verified
from ledger.settings import ORIGIN, read_settings
from projections.tree import recovery as recovering
from projections.tree import signer as resuming
from projections.tree.keys import Anchor, LogKeys
from projections.tree.succession import log_begun


def init(
    origin: Annotated[str | None, typer.Option(help="The log's name, such as ledger.example.org/partnerships.")] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Leave the keys that are there as they are.")
    ] = False,
) -> None:
    settings = read_settings()
    path, origin = key_file(settings), origin or settings.origin
    if not origin or not re.fullmatch(ORIGIN, origin):
        raise typer.BadParameter("name the log, --origin or LEDGER_ORIGIN, such as ledger.example.org/partnerships")
    if path.exists() and if_missing:
        _show(LogKeys.read(path))
        return
    if path.exists():
        raise Refused("key_there", f"{path} is there already: `ledger log rotate` makes a new key beside it")
    ensure_key(path, origin)
    _show(LogKeys.read(path))
    say(f"keep {path} out of the database's backups; whoever has it can sign for this log")


def key() -> None:
    _show(LogKeys.read(key_file(read_settings())))


def rotate(
    retire: Annotated[bool, typer.Option("--retire", help="Let the newest pair sign alone from now on.")] = False,
) -> None:
    path = key_file(read_settings())
    keys = LogKeys.read(path)
    if retire:
        _check_signs(path, keys.retired())
    (keys.retired() if retire else keys.rotated()).write(path)
    _show(LogKeys.read(path))
    say(
        "restart the process that signs; and tell those who verify"
        + ("" if retire else ", before the old pair is retired")
    )


def _check_signs(path: Path, newest: LogKeys) -> None:
    """Raises Refused unless the newest pair has signed the last checkpoint: the next one has to follow on it."""
    anchored = Anchor(path).read(LogKeys.read(path).keys)
    if not anchored or not verified(anchored[1], [one.verifier for one in newest.keys]):
        raise Refused(
            "not_signed_yet",
            "the newest pair has signed no checkpoint yet: start the process that signs, and wait for one",
        )


def export(
    directory: Annotated[Path, typer.Argument(help="Where to; a directory of an earlier export gets what is new.")],
) -> None:
    with opened() as at, at.location.pool(1) as pool, progress("export", None) as advance:
        size, written = export_tiles(pool, directory, advance)
    say(f"{directory} holds the log up to {size:,} entries: {written:,} files written")


def resume(
    reason: Annotated[str, typer.Option(help="Why it goes on, for the epoch that begins with it.")],
) -> None:
    path, reason = key_file(read_settings()), _reason(reason)
    with opened(to_change=True) as at:
        resuming.resume(at.location, path, reason)
        with at.location.connect(patient=True) as connection:
            begun = log_begun(connection, LogKeys.read(path).origin, reason)
    if begun:
        with writing() as ledger:
            [told] = ledger.append([begun], CLERK)
        say(f"another log begins: entry {told.position:,} tells which one it follows, and how far they agree")
    say("the log is what this key has signed, and goes on; start the process that signs")


def _reason(text: str) -> str:
    if not text.isprintable() or not 1 <= len(text) <= 500:
        raise typer.BadParameter("--reason is one line of 1 to 500 characters")
    return text


def recover(
    tiles: Annotated[str, typer.Argument(help="A copy of the log: a directory of tiles, or the address of one.")],
) -> None:
    path = key_file(read_settings())
    keys = LogKeys.read(path)
    anchored = Anchor(path).read(keys.keys)
    checkpoint, note, bundle = copy_of(tiles, [one.verifier for one in keys.keys], api_key(), anchored)
    if anchored and anchored[0].size > checkpoint.size:
        raise Refused(
            "copy_behind", f"{tiles} holds {checkpoint.size:,} entries, and {anchored[0].size:,} were signed: find a newer copy"
        )  # fmt: skip
    with opened(to_change=True) as at:
        with progress("recover", checkpoint.size) as advance:
            done = recovering.recover(at.location, checkpoint, bundle, advance)
        Anchor(path).write(note)
    say(
        f"{done.entries:,} entries came back, and the log is what was signed; it goes on once the process that signs is started"
    )
    if done.names:
        say(f"{done.names:,} names of persons are in no tile, and are lost: they are marked as that")


def _show(keys: LogKeys) -> None:
    for one in keys.keys:
        write(str(one.verifier))
