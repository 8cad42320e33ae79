"""`ledger witness`: a witness of other people's logs, or of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from api.app import listen, serve_on
from api.cli.terminal import say, write
from api.witness import build
from ledger.settings import read_settings
from ledger.witness.keeper import KEY, LOGS, STATE, Keeper, begin

Folder = Annotated[Path, typer.Option(help="Where the witness's keys, its logs and what it remembers are kept.")]


def init(
    name: Annotated[str, typer.Argument(help="The name it signs under, such as witness.example.org/w1, for good.")],
    folder: Folder = Path("ledger-witness"),
) -> None:
    for key in begin(folder, name):
        write(str(key))
    say(f"these are the witness's public keys. Put the logs that it is to cosign into {folder / LOGS}")
    say(
        f"keep a copy of {folder / KEY}, and never put an older copy of {folder / STATE} back: it would forget what it cosigned"
    )


def serve(folder: Folder = Path("ledger-witness")) -> None:
    settings, keeper = read_settings(), Keeper(folder)
    if not keeper.logs:
        say(f"{folder / LOGS} names no log yet: nothing will be cosigned", "yellow")
    with listen(settings) as listener:
        host, port = listener.getsockname()[:2]
        say(f"the witness {keeper.public[0].name} takes checkpoints at http://{host}:{port}/add-checkpoint")
        serve_on(build(keeper), listener, log_level="warning")
