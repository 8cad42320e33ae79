"""Commands for webhooks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import uuid4

import typer

from api.cli.delivering import allowed_by, source_of, webhook_key
from api.cli.opening import opened
from api.cli.terminal import say, show_rows, write
from ledger.database.connection import Connection
from ledger.errors import Invalid, Misconfigured, Refused, did_you_mean
from ledger.settings import Settings, read_settings
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import FACTS, KINDS
from projections.feed import Wanted
from projections.webhooks import subscriptions
from projections.webhooks.addresses import target_of
from projections.webhooks.delivery import trial, try_out
from projections.webhooks.signing import SecretKey

Name = Annotated[str, typer.Argument(help="What it is called here.")]
ALL = "Without any, all."
KEPT = "keep the secret: it is shown this once, and signs what the receiver gets"


def _key(settings: Settings) -> SecretKey:
    path = webhook_key(settings)
    if path is None:
        raise Misconfigured(
            "LEDGER_WEBHOOK_KEY names no file for the key that secrets are made of: name the one that the follower has"
        )
    return SecretKey.ensure(path)


@contextmanager
def _changing() -> Iterator[Connection]:
    """A connection to the ledger, to change its webhooks."""
    with opened(to_change=True) as at, at.location.connect() as connection:
        yield connection


def add(
    name: Name,
    url: Annotated[str, typer.Argument(help="Where entries are sent, such as https://example.org/hook.")],
    types: Annotated[
        list[str] | None, typer.Option("--type", help=f"A type of event, such as meeting.held. {ALL}")
    ] = None,
    subjects: Annotated[list[str] | None, typer.Option("--subject", help=f"Such as initiative:indus-x. {ALL}")] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help=f"A kind of subject, such as meeting. {ALL}")
    ] = None,
    authors: Annotated[list[str] | None, typer.Option("--author", help=f"Who has recorded it. {ALL}")] = None,
    after: Annotated[
        int | None, typer.Option(help="Begin after this position: 0 is from the start. Without it, now.", min=0)
    ] = None,
) -> None:
    settings = read_settings()
    target_of(url, allowed_by(settings))
    wanted = Wanted(*(tuple(chosen or ()) for chosen in (types, subjects, kinds, authors)))
    _check(wanted)
    with _changing() as connection:
        write(subscriptions.add(connection, _key(settings), name, url, wanted, after))
    say(KEPT)


def _check(wanted: Wanted) -> None:
    """Raises Invalid: what is mistyped would never be sent, and nobody would notice."""
    for type_ in wanted.types:
        if type_ not in FACTS:
            raise Invalid(f"there is no type of event {type_!r}{did_you_mean(type_, FACTS)}")
    for kind in wanted.kinds:
        if kind not in KINDS:
            raise Invalid(f"there is no kind {kind!r}: there are {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    for subject in wanted.subjects:
        if not re.fullmatch(Subject.pattern(), subject):
            raise Invalid(f"{subject!r} is no subject such as initiative:indus-x")


def list_() -> None:
    with opened() as at, at.location.connect() as connection:
        found = subscriptions.webhooks(connection)
    columns = ("name", "url", "wants", "position", "lag", "delivered", "state", "trouble")
    show_rows(columns, [
        (one.name, one.url, _wants(one.wanted), one.position, one.size - one.position, one.delivered_at, _state(one), one.trouble)
        for one in found
    ])  # fmt: skip


def _wants(wanted: Wanted) -> str:
    return " ".join([one for chosen in wanted for one in chosen]) or "all"


def _state(one: subscriptions.Webhook) -> str:
    if one.disabled_at:
        return f"disabled at {one.disabled_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"failing since {one.failing_since:%Y-%m-%dT%H:%M:%SZ}" if one.failing_since else "ok"


def remove(name: Name) -> None:
    with _changing() as connection:
        subscriptions.remove(connection, name)
    say(f"{name} is sent nothing more")


def rotate(name: Name) -> None:
    settings = read_settings()
    with _changing() as connection:
        write(subscriptions.rotate(connection, _key(settings), name))
    say(f"{KEPT}; for a day the one before it signs, too")


def resume(name: Name) -> None:
    with _changing() as connection:
        subscriptions.resume(connection, name)
    say(f"{name} goes on from where it was")


def test(name: Name) -> None:
    settings = read_settings()
    with opened() as at, at.location.connect() as connection:
        one = subscriptions.webhook(connection, name)
    message = trial(one, source_of(settings), f"test-{uuid4()}")
    outcome = try_out(one, one.secrets(_key(settings)), allowed_by(settings), message)
    if outcome.trouble:
        raise Refused("not_taken", f"{name} has not taken a message: {outcome.trouble}")
    say(f"{name} has taken a message of the type ledger.webhook_test")
