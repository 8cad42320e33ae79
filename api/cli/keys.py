"""Commands for API keys."""

from typing import Annotated

import typer

from api.cli.opening import opened
from api.cli.terminal import say, show_rows, write
from api.http.auth import Role, create_key, list_keys, revoke_key

Name = Annotated[
    str, typer.Argument(help="Whose key it is: entries that are appended with it are recorded as by this name.")
]


def create(name: Name, role: Annotated[str, typer.Option(help="reader, auditor or admin")] = "reader") -> None:
    if role not in Role.__members__:
        raise typer.BadParameter(f"{role!r} is none of {', '.join(Role.__members__)}")
    with opened(to_change=True) as at, at.location.connect() as connection:
        write(create_key(connection, name, Role[role]))
    say("keep it: only its digest is stored")


def list_() -> None:
    with opened() as at, at.location.connect() as connection:
        show_rows(("name", "role", "created", "revoked"), list_keys(connection))


def revoke(name: Name) -> None:
    with opened(to_change=True) as at, at.location.connect() as connection:
        revoke_key(connection, name)
    say(f"the key of {name} is revoked")
