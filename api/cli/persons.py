"""Commands about the names of persons: what is held of somebody, and to erase it."""

from typing import Annotated
from uuid import UUID

import typer

from api.cli.opening import opened
from api.cli.recording import As, read_actor, show_answers, told, writing
from api.cli.terminal import say, show_rows
from ledger.errors import NotFound
from ledger.vocabulary.codes import ErasureGround
from ledger.writing.draft import read_erasure
from projections.basis import Asked
from projections.people import held_of
from projections.queries import Queries
from projections.search.words import words_of


def person(name: Annotated[str, typer.Argument(help="A name, or some words of it.")]) -> None:
    if not words_of(name):
        raise typer.BadParameter(f"{name!r} has no word that could be a name's")
    with opened() as at, at.location.connect(patient=True) as connection:
        found = list(held_of(connection, name))
    show_rows(("position", "subject", "type", "pointer", "name"), found)
    if not found:
        raise NotFound(f"no name that is held has the words {name!r}")
    say("to erase one of them: `ledger erase POSITION POINTER --ground …`")


def erase(
    entry: Annotated[str, typer.Argument(help="The entry that names the person: its position or id.")],
    pointer: Annotated[str, typer.Argument(help="Where it does, such as /data/participants/0/person.")],
    ground: Annotated[ErasureGround, typer.Option(help="On what ground.")],
    as_: As = None,
) -> None:
    actor = read_actor(as_)
    given = int(entry) if entry.isdecimal() else entry
    erasure = read_erasure({"entry": given, "pointer": pointer, "ground": ground})
    which = erasure.entry if isinstance(erasure.entry, int) else UUID(erasure.entry)
    with writing() as ledger:
        line, *_ = Queries(ledger.pool).event(which, Asked())
        show_answers([told(one) for one in ledger.append([erasure.draft(line)], actor)])
    say(f"erased: the name at {pointer} of entry {entry} is gone; backups hold it as long as they are kept")
