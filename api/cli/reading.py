"""Commands that read states and entries."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from api.cli.opening import opened
from api.cli.replay import show_entries
from api.cli.terminal import show_json, show_rows
from api.http.documents import whole_json
from api.http.parameters import AtBasis
from ledger.errors import NotFound
from ledger.log.entry import read_line
from ledger.vocabulary.fact import Subject
from projections.basis import Asked
from projections.follow import catch_up
from projections.people import with_names
from projections.queries import Queries

KnownAt = Annotated[str | None, typer.Option("--known-at", help="A position, or a time such as 2026-06-01T00:00:00Z.")]
ValidAt = Annotated[str | None, typer.Option("--valid-at", help="A day, such as 2024-09-25.")]

TheSubject = Annotated[str, typer.Argument(help="A stream, such as initiative:indus-x.")]


@contextmanager
def reading() -> Iterator[Queries]:
    """The projections; the command brings them up to date first where no follower does."""
    with opened() as at, at.location.pool(2) as pool:
        catch_up(at.location)
        yield Queries(pool)


def show(subject: TheSubject, known_at: KnownAt = None, valid_at: ValidAt = None) -> None:
    with reading() as reads:
        whole, basis = reads.whole(read_subject(subject), read_asked(known_at, valid_at))
        shown = with_names(whole_json(whole, basis).decode(), reads.connection)
    show_json(shown)


def history(subject: TheSubject, known_at: KnownAt = None, valid_at: ValidAt = None) -> None:
    with reading() as reads:
        entries, _ = reads.history(read_subject(subject), read_asked(known_at, valid_at))
    rows = []
    for line, corrections in entries:
        entry = read_line(line)
        struck = next((f"by entry {one['position']}: {one['reason']}" for one in corrections if "reason" in one), None)
        occurred = entry.data.get("occurred")
        rows.append((entry.position, entry.recorded_at, entry.authid, entry.type, occurred, struck))
    show_rows(("position", "recorded", "by", "type", "occurred", "struck"), rows)


def replay(
    to: Annotated[str | None, typer.Option(help="Up to this position or time.")] = None,
    from_: Annotated[int, typer.Option("--from", help="Show from this position on.", min=1)] = 1,
    subject: Annotated[str | None, typer.Option(help="Show this stream alone.")] = None,
    speed: Annotated[float, typer.Option(help="Entries a second; 0 is as fast as it goes.", min=0)] = 0,
) -> None:
    only = read_subject(subject) if subject else None
    with opened() as at, at.location.pool(1) as pool:
        is_shown = show_entries(Queries(pool), read_asked(to, None, "--to"), only, from_, speed)
    if not is_shown and (subject or from_ > 1):
        raise NotFound(f"there is no entry of {subject or 'the log'} from position {from_:,} to {to or 'the end'}")


def read_subject(text: str) -> Subject:
    try:
        return TypeAdapter(Subject).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no subject, such as initiative:indus-x") from None


def read_asked(known_at: str | None, valid_at: str | None, name: str = "--known-at") -> Asked:
    try:
        return AtBasis.model_validate({"known_at": known_at, "valid_at": valid_at}).asked(name)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--valid-at" if first["loc"][0] == "valid_at" else name
        said = first["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{option} {first['input']!r}: {said}") from None
