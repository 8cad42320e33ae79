"""Commands about what can be recorded: the whole vocabulary, and an event to fill in."""

from typing import Annotated

import typer

from api.cli.terminal import out, tell, write
from api.transfer.vocabulary import document, section, template
from ledger.errors import did_you_mean
from ledger.vocabulary.registry import FACTS, KINDS


def vocabulary(
    name: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="A type of event, such as meeting.held, or a kind of stream.")
    ] = None,
) -> None:
    if name and name not in {*FACTS, *KINDS}:
        raise typer.BadParameter(f"{name!r} is no type of event and no kind{did_you_mean(name, [*FACTS, *KINDS])}")
    _print(section(name) if name else document())


def new(type_: Annotated[str, typer.Argument(metavar="TYPE", help="A type of event, such as meeting.held.")]) -> None:
    if type_ not in FACTS:
        raise typer.BadParameter(
            f"{type_!r} is no type of event{did_you_mean(type_, FACTS)}; `ledger vocabulary` lists them"
        )
    _print(template(FACTS[type_]))


def _print(text: str) -> None:
    (tell if out.is_terminal else write)(text.rstrip("\n"))
