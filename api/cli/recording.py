"""Commands that record events or export the log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from api.cli.opening import opened, size_of
from api.cli.remote import Service, Url, address_of
from api.cli.terminal import say, show_rows
from api.transfer.event_files import parse_toml
from api.transfer.files import readable
from api.transfer.import_export import CLERK, Options, load, unload
from ledger.errors import Invalid, Misconfigured, NotFound
from ledger.process import undisturbed
from ledger.service import Ledger
from ledger.settings import ACTOR_NAME, read_settings
from ledger.writing.decision import Actor, Answer, by_the_ledger
from ledger.writing.draft import Draft, parse_json, read_body

TheFile = Annotated[Path, typer.Argument(help="A file; - is the standard input.", allow_dash=True)]


@contextmanager
def writing(*, dry_run: bool = False, patient: bool = False) -> Iterator[Ledger]:
    """The ledger, opened to record in it. One that is ``patient`` sets no limit on statements.

    Raises Misconfigured where the settings name a service and no database: what is meant for the one begins no ledger beside it.
    """
    settings = read_settings()
    if settings.url and settings.dsn is None:
        raise Misconfigured(
            f"LEDGER_URL names {settings.url}, and this command asks no service: set LEDGER_DSN to its database, or unset LEDGER_URL"
        )
    with (
        opened(to_change=not dry_run, may_begin=not dry_run) as at,
        at.location.pool(2, patient=patient) as pool,
        Ledger(at.location, pool, at.settings.name, at.settings.address) as ledger,
    ):
        yield ledger


As = Annotated[
    str | None, typer.Option("--as", help="Record as by this name. A service records by the name of the key.")
]


def read_actor(name: str | None) -> Actor:
    """Who records. Raises typer.BadParameter."""
    if name is not None and not ACTOR_NAME.fullmatch(name):
        raise typer.BadParameter(f"--as {name!r}: a name is of small letters, digits, dots and dashes, such as a key's")
    return CLERK._replace(authid=name) if name else CLERK


def append(file: TheFile, as_: As = None, url: Url = None) -> None:
    address, actor = address_of(url), read_actor(as_)
    if address and as_:
        raise typer.BadParameter("--as is for a database: a service records by the name of the key in LEDGER_KEY")
    with readable(file):
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    with undisturbed():
        events, drafts = _events_of(file, body)
    if ours := [draft for draft in drafts if draft.fact.by_ledger]:
        raise by_the_ledger(ours[0])
    if address:
        show_answers(Service(address).append(to_json(events)))
        return
    with writing() as ledger:
        show_answers([told(one) for one in ledger.append(drafts, actor)])


def _events_of(file: Path, body: bytes) -> tuple[Any, list[Draft]]:
    """What a file says, and what it is read as. Raises Invalid, naming the file."""
    try:
        events = parse_toml(body) if file.suffix == ".toml" else parse_json(body)
        return events, read_body(events)
    except Invalid as error:
        name = "the standard input" if str(file) == "-" else file
        raise Invalid(f"{name}: {error}", error.faults) from None


def told(answer: Answer) -> dict[str, Any]:
    """What became of an event, as the service tells it."""
    anomalies = [{"code": odd.code, "detail": odd.detail} for odd in answer.anomalies]
    return {**answer._asdict(), "anomalies": anomalies}


def show_answers(answers: list[dict[str, Any]]) -> None:
    """A row for each event, and in words what is odd about it."""
    columns = ("position", "subject", "version", "anomalies", "id")
    show_rows(columns, [[one[column] for column in columns] for one in answers])
    for number, one in enumerate(answers, start=1):
        for odd in one["anomalies"]:
            say(f"event {number}, {one['subject']}: flagged, {odd['code']}: {odd['detail']}", "yellow")


def import_(
    file: TheFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; record nothing. Takes memory for all of the file.")
    ] = False,
    mapping: Annotated[Path | None, typer.Option(help="A TOML file that says what a table's columns mean.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="A CSV file to write: what became of each line, and why.", metavar="FILE")
    ] = None,
    skip_unreadable: Annotated[
        Path | None,
        typer.Option(help="Record the lines that can be read, and write the others to this file.", metavar="FILE"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what would be recorded and flagged.")] = False,
    as_: As = None,
) -> None:
    _check_outputs([file, mapping], [report, skip_unreadable])
    options = Options(mapping, dry_run, report, skip_unreadable, strict, read_actor(as_))
    load(writing(dry_run=dry_run, patient=True), file, options)


def _check_outputs(given: list[Path | None], written: list[Path | None]) -> None:
    """Nothing that is read is written over."""
    taken = [path for path in given if path]
    for path in filter(None, written):
        if any(_is_same(path, other) for other in taken):
            raise typer.BadParameter(f"{path} is a file of this import already: name another one")
        taken.append(path)


def _is_same(path: Path, other: Path) -> bool:
    """Whether both are one file, by whatever name."""
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def export(after: Annotated[int, typer.Option(help="Start after this position.", min=0)] = 0, url: Url = None) -> None:
    if address := address_of(url):
        _copy(Service(address).lines(after), after)
        return
    with opened() as at, at.location.connect(patient=True) as connection:
        if after > (size := size_of(connection)):
            raise NotFound(f"--after is {after:,}, and the ledger has {size:,} entries")
        try:
            upto = unload(connection, sys.stdout.buffer, after)
        except BrokenPipeError:  # the reader of the output, such as `head`, has closed the pipe
            sys.exit(0)
    say(f"exported up to position {upto:,}")


def _copy(pages: Iterator[bytes], after: int) -> None:
    """Write what a service sends of the log."""
    for page in pages:
        sys.stdout.buffer.write(page)
        after += page.count(b"\n")
    say(f"exported up to position {after:,}")
