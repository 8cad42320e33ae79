"""The command line.

Exit codes: 0 done, 1 refused or not found, 2 misuse of the command line, 3 an audit or a verification has found something,
4 not available or not set up.
Ended by a signal: 130 by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
"""

import io
import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand
from typer.main import get_command

from api.cli.interrupts import leave_at_once, leave_in_order
from ledger.errors import LedgerError, Misconfigured, NotAsSigned, NotYet, Unavailable, Unreadable, in_words

COMMANDS = {
    "demo.demo": "Run the ledger with its seed: embedded Postgres, follower and service in one process.",
    "serving.serve": "Run the service. Run `ledger follow` beside it: that keeps what is read up to date.",
    "operating.follow": "Keep the projections up to date, until stopped.",
    "database.migrate_": "Bring the schema up to date, as its owner (LEDGER_OWNER_DSN), and give the service's role its rights.",
    "recording.append": 'Append the events of a file, JSON or TOML, one or {"events": [...]}, all or none.',
    "vocabulary.new": "Write an event of a type to fill in, as TOML with comments, for `ledger append`.",
    "recording.import_": "Append the events of a file, one a line (NDJSON) or a row (CSV). The same file twice changes nothing.",
    "recording.export": "Write every entry to the standard output, in order, exactly as it is stored, one a line.",
    "reading.show": "Show the state of a stream, such as initiative:indus-x, on a day, as known at a position or time.",
    "reading.history": "Show the entries of a stream, in the order of recording; struck ones with the correction that struck them.",
    "reading.list_": "List the streams of a kind, such as meetings, as they are on a day, as known at a position or time.",
    "reading.search": "Search all kinds of streams for words, in ids, names, titles, descriptions and notes.",
    "reading.diff": "Show what changed in a stream between two positions, times or days, and which entries are responsible.",
    "vocabulary.vocabulary": "Show everything that can be recorded: all kinds of streams, facts, fields and codes; or one of these.",
    "mcp.mcp": "Let an assistant ask the ledger, by the Model Context Protocol over the standard streams. It only reads.",
    "evidence.evidence": "Write a state with every entry that it rests on, and what proves them, as one file that anyone can check offline.",
    "operating.rebuild": "Build every projection anew beside the live ones, and put it in their place at once.\n\nAn interrupted rebuild changes nothing, and the next one goes on from there.",
    "auditing.audit": "Check every rule over the whole log, and every live row against a rebuild from the entries alone.",
    "persons.person": "Show what is held of a person: each entry that names somebody so, whatever the case, accents and form of Unicode.",
    "persons.erase": "Erase the name of a person in an entry, for good. An entry tells that it was done, and on what ground.",
    "reading.replay": "Show the log entry by entry, with what each entry changed.",
    "operating.status": "Show how long the log is, and up to which position the projections are.",
    "database.restored": "Record that a backup was restored or a failover lost entries: another epoch begins, and what clients keep is void.",
    "doctor.doctor": "Check the environment, and say how to mend what is wrong.",
    "keys.create": "Create a key and print it, this once.",
    "keys.list_": "List the keys by name, each with its role and times.",
    "keys.revoke": "Revoke a key, from now on.",
    "webhooks.add": "Have entries sent to an address once they are recorded, and print the secret that signs them, this once.",
    "webhooks.list_": "List the webhooks: what each is sent, how far it is, and what the trouble is.",
    "webhooks.test": "Send a webhook a message of the type ledger.webhook_test, and say what comes of it.",
    "webhooks.rotate": "Give a webhook a new secret and print it, this once; for a day the one before signs, too.",
    "webhooks.resume": "Let a webhook that failed, or was disabled, go on from where it was.",
    "webhooks.remove": "Remove a webhook: it is sent nothing more.",
    "verify.verify": "Check a log from the outside: every entry and tile against what was signed. Needs no database, and trusts nobody but the key.",
    "log.init": "Make the keys that sign the log, in the file that LEDGER_LOG_KEY names.",
    "log.key": "Show the public keys of the log, for those who verify.",
    "log.rotate": "Make a new pair of keys that signs beside the old one; with --retire let the newest sign alone.",
    "witness.init": "Make a new witness: its keys, what it remembers, and the file that names the logs which it cosigns.",
    "witness.serve": "Run a witness: it cosigns what follows on what it has cosigned, of the logs that it knows.",
    "log.resume": "Let a log that was stopped go on, once it is again what was signed, or with the key of a new log.",
    "log.recover": "Bring back entries that were signed and that the database lacks, byte for byte, from a copy of the tiles.",
    "log.export": "Write checkpoint, tiles and entries to a directory that any web server can serve as it is.",
}
"""Each command by the module and the function that do it, with its help: listing them loads none of them."""

Command = Callable[..., None]
app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help=__doc__)
keys = typer.Typer(no_args_is_help=True, help="API keys: shown once, when they are created, and stored as a digest.")
log = typer.Typer(no_args_is_help=True, help="The log as others check it: keys, static tiles, recovery.")
witness = typer.Typer(no_args_is_help=True, help="A witness, which vouches for logs that are not its own.")
webhooks = typer.Typer(no_args_is_help=True, help="Webhooks: entries sent to others as they are recorded.")
GROUPS = {"keys": keys, "log": log, "witness": witness, "webhooks": webhooks}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


class OnDemand(TyperCommand):
    """A command that is listed by its name and help. Its module is imported, and its options are read, when it is called."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **options: Any) -> Any:
        assert self.callback
        command = typer.Typer(add_completion=False)
        command.command(help=self.help)(self.callback())
        try:
            return get_command(command).make_context(info_name, args, *rest, **options)
        except typer.BadParameter as error:
            error.message = _in_our_words(error)
            raise


def _in_our_words(error: typer.BadParameter) -> str:
    """What is wrong with an option, where pydantic has found it."""
    from pydantic import ValidationError

    from ledger.vocabulary.wording import faults_of

    cause = error.__cause__
    return faults_of(cause.errors(), lambda _: "")[0].detail if isinstance(cause, ValidationError) else error.message


def _loader(module: str, function: str) -> Callable[[], Command]:
    def load() -> Command:
        command: Command = getattr(import_module(f"api.cli.{module}"), function)
        leave_in_order()
        return command

    return load


for place, text in COMMANDS.items():
    module, function = place.split(".")
    group = GROUPS.get(module, app)
    group.command(function.removesuffix("_"), cls=OnDemand, help=text)(_loader(module, function))


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("partnership-ledger"))
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command that the arguments name; an error ends it with one line and an exit code."""
    leave_at_once()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # the export is the same bytes in every locale
    try:
        try:
            app(standalone_mode=True)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except NotAsSigned as error:
        _fail(str(error), 3)
    except (Unavailable, Misconfigured, NotYet, Unreadable) as error:
        _fail(str(error), 4)
    except LedgerError as error:
        _fail(str(error), 1)
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _fail(in_words(error), 4)
    except Exception as error:
        _fail(_of_the_database(error), 4)
    sys.exit(0)


def _of_the_database(error: Exception) -> str:
    """The message for an error of the database driver; raises any other error again."""
    import psycopg

    from ledger.database.failures import explained

    if not isinstance(error, psycopg.Error):
        raise error
    return str(explained(error))


def _fail(text: str, code: int) -> NoReturn:
    from api.cli.terminal import say

    say(f"ledger: {text}", "red")
    sys.exit(code)
