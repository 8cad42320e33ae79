"""`ledger serve`: the service, in one process or several."""

import os
import signal
from pathlib import Path
from secrets import token_urlsafe
from socket import socket

from uvicorn import Config
from uvicorn.supervisors import Multiprocess

from api.app import at_its_port, build, from_environment, listen, serve_on, server_config
from api.cli.interrupts import until_told_to_go
from api.cli.opening import opened
from api.cli.terminal import say
from api.http.auth import ensure_admin_key
from ledger.database.connection import LedgerLocation
from ledger.errors import NotAsSigned
from ledger.process import TO_GO
from ledger.settings import read_settings
from projections.tree.signer import check_signed


class Workers(Multiprocess):
    """Several processes that serve. Which signals end them is not for uvicorn to say, which restarts them at SIGHUP."""

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        usual = {one: signal.getsignal(one) for one in TO_GO}
        super().__init__(config, sockets)
        for one, handler in usual.items():
            signal.signal(one, handler)


def serve() -> None:
    settings = read_settings()
    if settings.workers > 1:
        from_environment()  # an error of the set-up is reported here once, not by every process
    with listen(settings) as listener, opened(may_begin=True) as at:
        if settings.log_key:  # it is looked at before anything is recorded; whoever signs looks again
            look(at.location, settings.log_key)
        if settings.admin_key:  # and so is an admin key that is refused
            with at.location.connect() as connection:
                ensure_admin_key(connection, settings.admin_key.get_secret_value())
        if settings.workers > 1:
            os.environ.setdefault("LEDGER_SESSION_SECRET", token_urlsafe(32))  # one for all processes, as is the port
            os.environ["LEDGER_PORT"] = str(at_its_port(at.settings, listener).port)
            config = server_config("api.app:from_environment", factory=True, workers=settings.workers)
            workers = Workers(config, [listener])
            with until_told_to_go(workers.should_exit):
                workers.run()
        else:
            serve_on(build(at_its_port(at.settings, listener), at.location), listener, log_level="info")


def look(location: LedgerLocation, key: Path) -> bool:
    """Whether the log is what was signed. If it is not it is stopped; what can be read is served all the same, and health says why."""
    try:
        check_signed(location, key.expanduser())
    except NotAsSigned as error:
        say(str(error), "red")
        return False
    return True
