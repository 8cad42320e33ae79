"""The command line.

Exit codes: 0 done, 1 refused or not found, 2 usage, 3 integrity broken, 4 not available or not set up.
Told to go: 130 by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
"""

import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated, NoReturn

import psycopg
import typer
from pydantic import TypeAdapter, ValidationError
from uvicorn.supervisors import Multiprocess

from api.app import build, from_environment, listen, serve_on, server_config
from api.cli import demo as demonstration
from api.cli import doctor as checks
from api.cli.replay import tell
from api.cli.terminal import err, progress, say, show_json, show_rows, write
from api.http.auth import Role, create_key, ensure_admin_key, list_keys, revoke_key
from api.http.parameters import AtBasis
from api.http.routes.states import whole_json
from api.transfer.import_export import CLERK, load, unload
from ledger.database.connection import Connection, LedgerLocation, is_read_only
from ledger.database.embedded import embedded
from ledger.database.failures import READ_ONLY, explained
from ledger.database.migrations import check_schema, migrate
from ledger.errors import Invalid, LedgerError, Misconfigured, NotYet, Unavailable, Unreadable
from ledger.log.entry import read_line
from ledger.log.epoch import current, epochs, renew
from ledger.process import undisturbed
from ledger.service import Ledger
from ledger.settings import Settings, read_settings
from ledger.vocabulary.fact import Subject
from ledger.writing.decision import Answer
from ledger.writing.draft import parse_json, read_body
from projections import audit as auditing
from projections import follow as following
from projections.basis import Asked
from projections.read import Queries
from projections.rebuild import begun
from projections.rebuild import rebuild as build_anew
from projections.registry import PROJECTIONS
from projections.runner import Progress, read_progress

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help=__doc__)
keys = typer.Typer(no_args_is_help=True, help="API keys: made once, shown once, kept as a digest.")
app.add_typer(keys, name="keys")

LONGEST_REASON = 500

KnownAt = Annotated[str | None, typer.Option("--known-at", help="A position, or a time such as 2026-06-01T00:00:00Z.")]
ValidAt = Annotated[str | None, typer.Option("--valid-at", help="A day, such as 2024-09-25.")]
TheFile = Annotated[Path, typer.Argument(help="A file; - is the standard input.", allow_dash=True)]


@dataclass(frozen=True)
class Opened:
    """A ledger that a command works on."""

    settings: Settings
    location: LedgerLocation


@contextmanager
def opened(*, to_change: bool = False, to_serve: bool = False) -> Iterator[Opened]:
    """The ledger that the settings name; the embedded server is started for it if it does not run.

    Raises Misconfigured, and Unavailable where it is ``to_change`` and the server takes no changes.
    """
    settings = read_settings()
    if settings.dsn is None:
        _look_for(settings.data.expanduser().resolve(), may_begin=to_change or to_serve)
        with embedded(settings.data, settings.schema_, settings.timeouts) as server:
            yield Opened(settings, server.location)
        return
    location = LedgerLocation.from_settings(settings)
    with location.connect() as connection:
        check_schema(connection, location)
        if to_change and is_read_only(connection):
            raise Unavailable(f"{READ_ONLY}: changes are made on the primary")
    yield Opened(settings, location)


def _look_for(data: Path, *, may_begin: bool) -> None:
    """Raises Misconfigured where there is no ledger, and none may begin."""
    if (data / "postgres").exists():
        return
    if not may_begin:
        raise Misconfigured(
            f"there is no ledger in {data}: set LEDGER_DATA to where it is, or LEDGER_DSN to its server; "
            "`ledger migrate` begins a new one"
        )
    say(f"a new ledger begins in {data}")


@contextmanager
def writing(*, dry_run: bool = False, patient: bool = False) -> Iterator[Ledger]:
    with (
        opened(to_change=not dry_run) as at,
        at.location.pool(2, patient=patient) as pool,
        Ledger(at.location, pool, at.settings.name) as ledger,
    ):
        yield ledger


@contextmanager
def reading() -> Iterator[Queries]:
    """The projections, brought up to date first where no follower does it."""
    with opened() as at, at.location.pool(2) as pool:
        following.catch_up(at.location)
        yield Queries(pool)


def _tell_version(wanted: bool) -> None:
    if wanted:
        write(version("partnership-ledger"))
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    pass


@app.command()
def demo() -> None:
    """Run the ledger with its seed: embedded Postgres, follower and service in one process."""
    demonstration.run(read_settings())


@app.command()
def serve() -> None:
    """Run the service. With the embedded server, the follower runs beside it as `ledger follow`."""
    settings = read_settings()
    if settings.workers > 1:
        from_environment()  # what is not set up is told here once, not by each process again and again
    with listen(settings) as listener, opened(to_serve=True) as at:
        if settings.admin_key:  # and so is a key that is refused
            with at.location.connect() as connection:
                ensure_admin_key(connection, settings.admin_key.get_secret_value())
        if settings.workers > 1:
            config = server_config("api.app:from_environment", factory=True, workers=settings.workers)
            Multiprocess(config, [listener]).run()
        else:
            serve_on(build(at.settings, at.location), listener, log_level="info")


@app.command()
def follow() -> None:
    """Keep the projections up to date, until stopped."""
    stop = Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: stop.set())
    with opened(to_change=True) as at:
        following.follow(at.location, stop)


@app.command("migrate")
def migrate_() -> None:
    """Bring the schema up to date, as its owner (LEDGER_OWNER_DSN), and give the service's role its rights."""
    settings = read_settings()
    if settings.dsn is None:
        with embedded(settings.data, settings.schema_, settings.timeouts):
            say("the embedded server is up to date")
        return
    owner_dsn = (settings.owner_dsn or settings.dsn).get_secret_value()
    try:
        done = migrate(owner_dsn, LedgerLocation.from_settings(settings))
    except psycopg.errors.InsufficientPrivilege as error:
        told = error.diag.message_primary
        raise Misconfigured(f"{told}: set LEDGER_OWNER_DSN to a role that may create schemas and roles") from None
    for one in done or ["nothing to do: the schema is up to date"]:
        say(one)


@app.command()
def append(file: TheFile) -> None:
    """Append the events of a JSON file, one or {"events": [...]}, all or none."""
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}") from None
    with undisturbed():
        drafts = read_body(parse_json(body))
    with writing() as ledger:
        _show_answers(ledger.append(drafts, CLERK))


def _show_answers(answers: list[Answer]) -> None:
    rows = [
        (one.position, one.subject, one.version, ", ".join(anomaly.code for anomaly in one.anomalies), one.id)
        for one in answers
    ]
    show_rows(("position", "subject", "version", "anomalies", "id"), rows)


@app.command("import")
def import_(
    file: TheFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; record nothing. Takes memory for all of the file.")
    ] = False,
    mapping: Annotated[Path | None, typer.Option(help="A TOML file that says what a table's columns mean.")] = None,
) -> None:
    """Append the events of a file, one a line (NDJSON) or a row (CSV). The same file twice changes nothing."""
    load(writing(dry_run=dry_run, patient=True), file, mapping, dry_run)


@app.command()
def export(after: Annotated[int, typer.Option(help="Start after this position.", min=0)] = 0) -> None:
    """Write every entry to the standard output, in order, exactly as it is stored, one a line."""
    with opened() as at, at.location.connect(patient=True) as connection:
        if after > (size := _size(connection)):
            raise typer.BadParameter(f"--after {after:,}: the ledger ends at position {size:,}")
        try:
            upto = unload(connection, sys.stdout.buffer, after)
        except BrokenPipeError:  # whoever reads our output has had enough
            sys.exit(0)
    say(f"exported up to position {upto:,}")


@app.command()
def show(subject: str, known_at: KnownAt = None, valid_at: ValidAt = None) -> None:
    """The state of a stream, such as initiative:indus-x, on a day, as known at a position or time."""
    with reading() as reads:
        whole, basis = reads.whole(_subject(subject), _asked(known_at, valid_at))
    show_json(whole_json(whole, basis).decode())


@app.command()
def history(subject: str, known_at: KnownAt = None, valid_at: ValidAt = None) -> None:
    """The entries of a stream, in the order of recording; struck ones with what struck them."""
    with reading() as reads:
        entries, _ = reads.history(_subject(subject), _asked(known_at, valid_at))
    rows = []
    for line, corrections in entries:
        entry = read_line(line)
        struck = next((f"by entry {one['position']}: {one['reason']}" for one in corrections if "reason" in one), None)
        occurred = entry.data.get("occurred")
        rows.append((entry.position, entry.recorded_at, entry.authid, entry.type, occurred, struck))
    show_rows(("position", "recorded", "by", "type", "occurred", "struck"), rows)


def _subject(text: str) -> Subject:
    try:
        return TypeAdapter(Subject).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no subject, such as initiative:indus-x") from None


def _asked(known_at: str | None, valid_at: str | None, name: str = "--known-at") -> Asked:
    try:
        return AtBasis.model_validate({"known_at": known_at, "valid_at": valid_at}).asked(name)
    except ValidationError as error:
        if error.errors()[0]["loc"][0] == "valid_at":
            raise typer.BadParameter(f"--valid-at {valid_at!r}: give a day, such as 2024-09-25") from None
        example = "a position, such as 42, or a time, such as 2026-06-01T00:00:00Z"
        raise typer.BadParameter(f"{name} {known_at!r}: give {example}") from None


def _size(connection: Connection) -> int:
    row = connection.execute("select size from head").fetchone()
    return int(row[0]) if row else 0


@app.command()
def rebuild() -> None:
    """Build every projection anew beside the live ones, and put it in their place at once.

    Broken off, it changes nothing, and the next one goes on from there.
    """
    with opened(to_change=True) as at:
        with at.location.connect() as connection:
            size = _size(connection)
        if done := begun(at.location):
            say(f"going on with the rebuild that was broken off, about {done:,} entries along")
        try:
            with progress("rebuild", size, done) as advance:
                position = build_anew(at.location, advance)
        except KeyboardInterrupt:
            say(f"stopped about {begun(at.location):,} entries along: `ledger rebuild` goes on from there")
            say("until then readers see the rows that were there before")
            raise typer.Exit(130) from None
    say(f"rebuilt up to position {position:,}")


@app.command()
def audit() -> None:
    """Check every rule over the whole log, and every live row against a rebuild from the entries alone."""
    with opened() as at, at.location.connect() as connection:
        half = is_read_only(connection)
        with suppress(Unreadable):  # it will be among the findings
            following.catch_up(at.location)
        with progress("audit", _size(connection)) as advance:
            findings = list(auditing.audit(at.location, advance, at.settings.clock_tolerance))
        for one in epochs(connection)[1:]:
            say(f"another epoch began on {one.began_at:%Y-%m-%dT%H:%M:%SZ}, at {one.size:,} entries: {one.reason}")
    show_rows(("position", "finding"), findings)
    if half:
        say(f"the rows were not compared with the log, as that takes temporary tables: {READ_ONLY}")
    if findings:
        raise typer.Exit(3)
    say(f"nothing found: the log keeps its rules{'' if half else ', and the rows say what the log says'}")


@app.command()
def replay(
    to: Annotated[str | None, typer.Option(help="Up to this position or time.")] = None,
    from_: Annotated[int, typer.Option("--from", help="Tell from this position on.", min=1)] = 1,
    subject: Annotated[str | None, typer.Option(help="Tell of this stream alone.")] = None,
    speed: Annotated[float, typer.Option(help="Entries a second; 0 is as fast as it goes.", min=0)] = 0,
) -> None:
    """Tell the story of the log, entry by entry, with what each entry changed."""
    only = _subject(subject) if subject else None
    with opened() as at, at.location.pool(1) as pool:
        is_told = tell(Queries(pool), _asked(to, None, "--to"), only, from_, speed)
    if not is_told and (subject or from_ > 1):
        raise typer.BadParameter(
            f"there is no entry of {subject or 'the log'} from position {from_:,} to {to or 'the end'}"
        )


@app.command()
def status() -> None:
    """How long the log is, and how far the projections are."""
    with opened() as at, at.location.connect() as connection:
        head, known = _size(connection), read_progress(connection)
    show_rows(("projection", "head", "projected", "lag", "stopped"), [
        (one.name, head, one.position, head - one.position, f"by entry {one.error_position} ({one.error})" if one.error else None)
        for one in (known.get(ours.name, Progress(ours.name, ours.version, 0)) for ours in PROJECTIONS)
    ])  # fmt: skip


@app.command()
def restored(
    reason: Annotated[str, typer.Option(help="Why, for whoever asks later.")] = "said by the operator",
) -> None:
    """Say that a backup was restored or a failover lost entries: another epoch begins, and what clients keep is void."""
    if not (reason.strip() and reason.isprintable() and len(reason) <= LONGEST_REASON):
        raise typer.BadParameter(f"--reason is one line of 1 to {LONGEST_REASON} characters")
    with opened(to_change=True) as at, at.location.connect() as connection:
        old = current(connection)
        new = renew(connection, old, reason)
    show_rows(("old", "new"), [(old, new)])


@app.command()
def doctor() -> None:
    """Check the environment, and say what to do about what is wrong."""
    with opened() as at, at.location.connect() as connection:
        findings = checks.examine(connection, at.location, at.settings.clock_tolerance)
    show_rows(("", "check", "finding"), findings)
    if any(one.verdict == "fail" for one in findings):
        raise typer.Exit(4)


@keys.command("create")
def keys_create(name: str, role: Annotated[str, typer.Option(help="reader, auditor or admin")] = "reader") -> None:
    """Make a key and print it, this once."""
    if role not in Role.__members__:
        raise typer.BadParameter(f"{role!r} is none of {', '.join(Role.__members__)}")
    with opened(to_change=True) as at, at.location.connect() as connection:
        write(create_key(connection, name, Role[role]))
    say("keep it: only its digest is stored")


@keys.command("list")
def keys_list() -> None:
    """Whose keys there are."""
    with opened() as at, at.location.connect() as connection:
        show_rows(("name", "role", "created", "revoked"), list_keys(connection))


@keys.command("revoke")
def keys_revoke(name: str) -> None:
    """Take a key back, from now on."""
    with opened(to_change=True) as at, at.location.connect() as connection:
        revoke_key(connection, name)
    say(f"the key of {name} is revoked")


def main() -> NoReturn:
    """Run a command; whatever goes wrong is one clear line."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for one in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) is signal.SIG_DFL:  # nohup's wish is left as it is
            signal.signal(one, _leave)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # the export is the same bytes in every locale
    try:
        try:
            app(standalone_mode=True)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except (Unavailable, Misconfigured, NotYet, Unreadable) as error:
        _fail(str(error), 4)
    except LedgerError as error:
        _fail(str(error), 1)
    except psycopg.Error as error:
        _fail(str(explained(error)), 4)
    except BrokenPipeError:  # whoever reads our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (OSError, subprocess.SubprocessError) as error:
        _fail(str(error), 4)
    sys.exit(0)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Told to go: stop what was started on the way out, as after Ctrl-C."""
    sys.exit(128 + number)


def _fail(text: str, code: int) -> NoReturn:
    err.print(f"ledger: {text}", style="red")
    sys.exit(code)
