"""`ledger demo`: seed, follower and service in one process, on the embedded server."""

import logging
from socket import socket
from threading import Event, Thread

import seeds
from api.app import at_its_port, build, listen, serve_on
from api.cli.delivering import delivering
from api.cli.opening import own_server
from api.cli.serving import look
from api.cli.signing import demo_key, ensure_key, signing
from api.cli.terminal import say
from api.http.auth import Role, create_key, ensure_admin_key, revoke_key
from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.errors import LedgerError, NotFound
from ledger.process import beside
from ledger.service import Ledger
from ledger.settings import ADDRESS, Settings, read_settings
from ledger.writing.decision import SYSTEM, Actor
from ledger.writing.draft import read_body
from projections.follow import follow

CURATOR = Actor(SYSTEM, "seeds")
WATCH_S = 1.0
log = logging.getLogger("ledger.demo")


def demo() -> None:
    """Start everything, serve until interrupted, stop everything."""
    settings = read_settings()
    if settings.dsn:
        say("LEDGER_DSN is set, and is not used: the demo starts an embedded server of its own")
    with listen(settings) as listener, own_server(settings, may_begin=True) as server:
        settings = _with_key(at_its_port(settings, listener))
        if settings.log_key and not look(server.location, settings.log_key):
            say(f"to mend it, give LEDGER_LOG_KEY={settings.log_key} to that command, then start the demo again", "red")
            _run(settings, listener, server, seeded=False)
            return
        with signing(server.location, settings, Event()), delivering(server.location, settings, Event()):
            _run(settings, listener, server)


def _run(settings: Settings, listener: socket, server: Embedded, *, seeded: bool = True) -> None:
    """Serve until interrupted. A log that takes no more entries is served as it is, without the seed."""
    stop = Event()
    key = _admin_key(server.location, settings)
    if seeded:
        load_seed(server.location, settings.name, settings.address)
    follower = Thread(target=follow, args=(server.location, stop), name="follower")
    watch = Thread(target=_watch, args=(server, stop), name="watch")
    with beside(stop, follower, watch):
        _welcome(settings, key)
        serve_on(build(_open(settings), server.location), listener, log_level="warning")


def load_seed(location: LedgerLocation, name: str, address: str = ADDRESS) -> int:
    """Append the seed ledger, file by file; returns how many events were new. A second call records nothing."""
    with location.pool(2) as pool, Ledger(location, pool, name, address) as ledger:
        answers = [ledger.append(read_body({"events": seeds.events(file)}), CURATOR) for file in seeds.FILES]
    return sum(not answer.repeated for file in answers for answer in file)


def _admin_key(location: LedgerLocation, settings: Settings) -> str:
    """The key of the settings, or a new one at each start, as the database holds nothing but digests."""
    with location.connect() as connection:
        if settings.admin_key:
            key = settings.admin_key.get_secret_value()
            ensure_admin_key(connection, key)
            return key
        try:
            revoke_key(connection, "demo-admin")
        except NotFound:
            log.debug("the first start: there is no key yet")
        return create_key(connection, "demo-admin", Role.admin)


def _watch(server: Embedded, stop: Event) -> None:
    """Start Postgres again if it has stopped; the service and the follower reconnect by themselves."""
    while not stop.wait(WATCH_S):
        try:
            server.ensure_running()
        except LedgerError as error:
            log.warning("%s", error)


def _with_key(settings: Settings) -> Settings:
    """The settings, with a key that signs the log, made at the first start beside the server's own directory."""
    key = settings.log_key or demo_key(settings)
    ensure_key(key, settings.origin or f"ledger.localhost/{settings.name}")
    return settings.model_copy(update={"log_key": key})


def _open(settings: Settings) -> Settings:
    """The settings, with reads that need no key, and names that everybody sees, unless the environment says otherwise: the
    people of the seed are officials in public documents."""
    opened = {name: True for name in ("public_reads", "public_names") if name not in settings.model_fields_set}
    return settings.model_copy(update=opened)


def _welcome(settings: Settings, key: str) -> None:
    address = f"http://{settings.host}:{settings.port}"
    say(f"The partnership ledger is at {address}  (reference: {address}/api)")
    say(f"  state of a programme   curl {address}/v1/initiatives/indus-x")
    say(f"  every entry, in order  curl {address}/v1/events")
    say(f"  signed tree            curl {address}/log/checkpoint")
    say(f"  health                 curl {address}/v1/health")
    say(f"Admin key, to append:    {key}")
    say(f"Data: {settings.data.resolve()}. Ctrl-C stops everything; a second start keeps the data.")
