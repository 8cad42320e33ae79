"""`ledger mcp`: the ledger as a tool of assistants."""

import logging
from threading import Event

from api.cli.interrupts import until_told_to_go
from api.cli.opening import opened
from api.cli.remote import Service, Url, address_of
from ledger.errors import Misconfigured

EXTRA = ("mcp", "mcp_types", "httpx2")


def mcp(url: Url = None) -> None:
    try:
        from api.mcp.asking import local, remote
        from api.mcp.server import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise Misconfigured(
            "the Model Context Protocol is an extra that is not installed: pip install 'partnership-ledger[mcp]'"
        ) from None
    logging.getLogger("ledger.mcp").setLevel(logging.INFO)
    stop = Event()
    if address := address_of(url):
        with until_told_to_go(stop):
            run(remote(Service(address).client), stop)
        return
    with opened() as at, until_told_to_go(stop):
        run(local(at.settings, at.location), stop)
