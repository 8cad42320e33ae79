"""How the ledger connects: what a connection string asks for, what the ledger must have, and every limit by its name."""

import subprocess
from time import monotonic, sleep
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout
from pydantic import SecretStr

from api.cli.opening import Opened
from ledger.database.connection import Connection, LedgerLocation, Pool, is_read_only
from ledger.database.embedded import Embedded
from ledger.database.failures import explained, is_lost
from ledger.database.migrations import migrate
from ledger.errors import Misconfigured, ReadTakesTooLong, Unavailable
from ledger.settings import Settings, Timeouts, read_settings
from projections.queries import Queries
from tests.commands import LEDGER, environment
from tests.examples import THX
from tests.service import problem_of, running

SECRET = "sesame-open"


def asking(location: LedgerLocation, options: str, **more: str) -> LedgerLocation:
    """The same place, by a connection string that asks for something."""
    return LedgerLocation(make_conninfo(location.dsn, options=options, **more), location.schema)


def ask(pool: Pool, *questions: LiteralString | sql.Composed, pause_s: float = 0) -> None:
    """As a read asks, all in one transaction, with pauses."""
    with Queries(pool).connection() as connection, connection.transaction():
        for question in questions:
            connection.execute(question)
            sleep(pause_s)


def shown(connection: Connection, name: str) -> str:
    row = connection.execute("select current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


# --- what a connection string asks for


def test_a_connection_string_is_honoured(location: LedgerLocation) -> None:
    """Options, a name, keepalives and time limits in it are taken as they are, whether it is a URL or key=value."""
    host = str(conninfo_to_dict(location.dsn)["host"]).replace("/", "%2F")
    options = "options=-c%20lock_timeout%3D3s%20--statement-timeout%3D4s%20-cwork_mem%3D7MB"
    url = f"postgresql://{conninfo_to_dict(location.dsn)['user']}@{host}/ledger?application_name=press&{options}"
    pairs = make_conninfo(location.dsn, application_name="press",
                          options="-c lock_timeout=3s --statement-timeout=4s -cwork_mem=7MB")  # fmt: skip
    for dsn in (url, pairs):
        with LedgerLocation(dsn, location.schema).connect() as connection:
            wanted = {"application_name": "press", "lock_timeout": "3s", "statement_timeout": "4s", "work_mem": "7MB"}
            assert {name: shown(connection, name) for name in wanted} == wanted
            assert shown(connection, "idle_in_transaction_session_timeout") == "30s"
    asked = {"connect_timeout": "9", "keepalives_idle": "77", "tcp_user_timeout": "0", "target_session_attrs": "any"}
    assert conninfo_to_dict(asking(location, "", **asked).conninfo()).items() >= asked.items()


def test_what_the_ledger_must_have_wins(location: LedgerLocation) -> None:
    """Nobody makes an acknowledgement mean less, nor moves the ledger into another schema, clock or isolation."""
    against = "-c search_path=public -c timezone=Asia/Kolkata --synchronous-commit=off " \
              r"-c default_transaction_isolation=serializable"  # fmt: skip
    with asking(location, against, client_encoding="latin1").connect() as connection:
        assert shown(connection, "search_path") == f"{location.projections},{location.schema}"
        assert shown(connection, "timezone") == "UTC"
        assert shown(connection, "synchronous_commit") == "on"
        assert shown(connection, "transaction_isolation") == "read committed"
        assert shown(connection, "client_encoding") == "UTF8"


@pytest.mark.parametrize("options", ["-c synchronous_commit=remote_apply", "--synchronous-commit=remote_apply"])
def test_a_stronger_durability_is_let_be(location: LedgerLocation, options: str) -> None:
    """Who wants an acknowledgement to mean that the standbys show it gets that."""
    with asking(location, options).connect() as connection:
        assert shown(connection, "synchronous_commit") == "remote_apply"


def test_the_settings_say_how_long_anything_may_take(location: LedgerLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each limit is a variable in seconds, and every session of the service has it; work that takes long has no end set."""
    told = {"LEDGER_DSN": location.dsn, "LEDGER_SCHEMA": location.schema, "LEDGER_LOCK_TIMEOUT_S": "1.5",
            "LEDGER_STATEMENT_TIMEOUT_S": "7", "LEDGER_IDLE_IN_TRANSACTION_TIMEOUT_S": "0",
            "LEDGER_APPEND_DEADLINE_S": "3", "LEDGER_CLOCK_TOLERANCE": "0.5"}  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert (settings.append_deadline_s, settings.clock_tolerance) == (3, 0.5)
    there = LedgerLocation.from_settings(settings)
    assert there == LedgerLocation(location.dsn, location.schema, Timeouts(1.5, 7, 0))
    with there.pool(1) as pool, pool.connection() as connection, there.connect(patient=True) as patient:
        assert shown(connection, "lock_timeout") == shown(patient, "lock_timeout") == "1500ms"
        assert (shown(connection, "statement_timeout"), shown(patient, "statement_timeout")) == ("7s", "0")
        assert shown(connection, "idle_in_transaction_session_timeout") == "0"
    with asking(location, "-c statement_timeout=1s").connect(patient=True) as patient:
        assert shown(patient, "statement_timeout") == "0"


@pytest.mark.parametrize("name", ["LOCK_TIMEOUT_S", "APPEND_DEADLINE_S", "CLOCK_TOLERANCE"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon"])
def test_a_limit_that_is_none_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that cannot be one is told of by the name of its variable."""
    monkeypatch.setenv(f"LEDGER_{name}", value)
    with pytest.raises(Misconfigured, match=f"LEDGER_{name}"):
        read_settings()


# --- passwords


MALFORMED = [
    f"postgresql://user:{SECRET}@more@host/db",
    f"postgresql://user:x@{SECRET}@host/db",
    f"postgresql://user:{SECRET}/more@host/db",
    f"postgresql://user:1/{SECRET}@host/db",
    f"postgresql://user:a {SECRET}@host/db",
    f"postgresql://user:%zz{SECRET}@host/db",
    f"host=h password=a {SECRET}",
    f"host=h password='{SECRET}",
    f"host=h port={SECRET}",
    SECRET,
]


@pytest.mark.parametrize("dsn", MALFORMED)
def test_a_connection_string_that_cannot_be_read_is_not_repeated(dsn: str) -> None:
    """It is told of in one line that holds nothing of it, as any part may be of the password."""
    with pytest.raises(Misconfigured) as told:
        LedgerLocation(dsn, "ledger")
    assert "LEDGER_DSN" in str(told.value)
    assert SECRET not in str(told.value)
    for name in ("LEDGER_DSN", "LEDGER_OWNER_DSN"):
        given = {"LEDGER_DSN": "host=/nowhere user=service dbname=ledger"} | {name: dsn}
        done = subprocess.run(
            [LEDGER, "migrate"], capture_output=True, text=True, timeout=100, env=environment(None, **given)
        )
        assert (done.returncode, done.stderr.count("\n")) == (4, 1)
        assert SECRET not in done.stderr


def test_nothing_shows_a_password(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is shown of a setting, a place, or a failure to get there, the password is not in it."""
    for dsn in (f"postgresql://service:{SECRET}@127.0.0.1:1/ledger", f"host=127.0.0.1 port=1 password={SECRET}"):
        settings = Settings(dsn=SecretStr(dsn), owner_dsn=SecretStr(dsn))
        location = LedgerLocation.from_settings(settings)
        with pytest.raises(Unavailable, match=r"the database cannot be reached: .*refused") as failed:
            location.connect()
        for one in (settings, location, Opened(settings, location), failed.value):
            assert SECRET not in f"{one!r} {one}"


def test_the_server_does_not_hear_the_password_of_a_role_that_is_made(server: Embedded) -> None:
    """Where `ledger migrate` makes the service's role, the server's log of statements holds no password."""
    location = LedgerLocation(
        make_conninfo(server.location.dsn, user="with_password", password=SECRET), "with_password"
    )
    migrate(make_conninfo(server.owner_dsn, options="-c log_statement=all"), location)
    log = server.server.log.read_text()
    assert 'create role "with_password"' in log
    assert SECRET not in log


# --- past a limit


def test_a_lock_that_is_held_too_long_is_told_as_that(location: LedgerLocation, server: Embedded) -> None:
    """Who waits for a lock past the limit is told so with 503, and when to come again; not that nobody is there."""
    with running(LedgerLocation(location.dsn, location.schema, Timeouts(lock_s=0.2))) as service:
        service.given(THX)
        with psycopg.connect(server.owner_dsn) as holder:
            table = sql.Identifier(location.projections, "timeline")
            holder.execute(sql.SQL("lock table {} in access exclusive mode").format(table))
            response = service.get("/v1/sources/thx/timeline")
        assert (
            problem_of(response, 503)["detail"]
            == "a lock was held by somebody else for longer than lock_timeout allows"
        )
        assert response.headers["retry-after"] == "1"
        assert service.get("/v1/sources/thx/timeline").status_code == 200


def test_each_limit_of_the_server_is_told_by_its_name(location: LedgerLocation) -> None:
    """A read that takes too long, a transaction that nobody goes on with, and a pool that has no connection left."""
    limited = LedgerLocation(location.dsn, location.schema, Timeouts(statement_s=0.2, idle_in_transaction_s=0.2))
    with limited.pool(1) as pool:
        with pytest.raises(ReadTakesTooLong, match="takes longer to read than the service allows"):
            ask(pool, "select pg_sleep(5)")
        with pytest.raises(Unavailable, match="idle_in_transaction_session_timeout"):
            ask(pool, "select", "select", pause_s=0.5)
        pool.timeout = 0.1
        with pool.connection(), pytest.raises(Unavailable, match=r"no connection .* in time: "):
            ask(pool)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("53100", "the disk of the database is full"),
        ("53200", "the database is out of memory"),
        ("25006", "the server is read-only (a standby?)"),
        ("40P01", "the database broke a deadlock"),
        ("57P01", "the database is being shut down, or its administrator ended the connection"),
        ("XX000", "the database refuses"),
    ],
)
def test_what_the_server_says_is_told_as_what_it_is(location: LedgerLocation, code: str, told: str) -> None:
    """Whatever the server answers, it was reached; what it says goes after the colon, its sort before."""
    with location.pool(1) as pool:
        raising = sql.SQL("do $$ begin raise exception 'at /host' using errcode = {}; end $$").format(code)
        with pytest.raises(Unavailable) as failed:
            ask(pool, raising)
        assert str(failed.value).partition(": ")[0] == told
        assert "at /host" in str(failed.value).partition(": ")[2]


def test_who_is_not_let_in_is_told_why(server: Embedded) -> None:
    """A server that refuses a connection was reached: it has none free, or does not know who or what is meant."""
    location = LedgerLocation(make_conninfo(server.location.dsn, user="crowd"), "crowd")
    migrate(server.owner_dsn, location)
    with psycopg.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute("alter role crowd connection limit 1")
    with location.connect(), pytest.raises(Unavailable, match=r"^the database has no connection free: "):
        location.connect()
    with pytest.raises(Unavailable, match=r"^the database refuses the connection: .*nowhere"):
        LedgerLocation(make_conninfo(server.location.dsn, dbname="nowhere"), "crowd").connect()


def test_a_connection_that_is_lost_is_told_from_a_statement_that_is_refused(
    location: LedgerLocation, server: Embedded
) -> None:
    """After a refusal the outcome is known and the connection good; after a loss it is neither."""
    with location.connect() as connection:
        for refused in ("select 1 / 0", "select pg_sleep(5)"):
            connection.execute("set statement_timeout = 100")
            with pytest.raises(psycopg.Error) as failed:
                connection.execute(refused.encode())
            assert not is_lost(connection, failed.value)
        with pytest.raises(psycopg.ProgrammingError) as failed:
            connection.execute("select %s", [object()])
        assert not is_lost(connection, failed.value)
        with psycopg.connect(server.owner_dsn, autocommit=True) as owner:
            owner.execute("select pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        for _ in range(2):
            with pytest.raises(psycopg.Error) as failed:
                connection.execute("select")
            assert is_lost(connection, failed.value)
    assert is_lost(None, PoolTimeout("in time"))


def test_nobody_waits_for_an_answer_for_ever(location: LedgerLocation) -> None:
    """Past the deadline of a connection, or past what an answer may take, the wait ends and the connection with it."""
    with location.connect() as connection:
        connection.deadline = monotonic() + 0.2
        with pytest.raises(psycopg.OperationalError) as failed:
            connection.execute("select pg_sleep(5)")
    assert connection.closed
    assert str(explained(failed.value)).startswith("the database does not answer: no answer within 0.2")
    quick = LedgerLocation(location.dsn, location.schema, Timeouts(statement_s=0.1))
    with quick.pool(1) as pool, pytest.raises(Unavailable, match="does not answer"):
        ask(pool, "set statement_timeout = 0", "select pg_sleep(5)")


def test_a_server_that_takes_nothing_is_known(location: LedgerLocation, server: Embedded) -> None:
    """Where transactions are read-only by default, a connection says so."""
    with location.connect() as connection:
        assert not is_read_only(connection)
    with asking(location, "-c default_transaction_read_only=on").connect() as connection:
        assert is_read_only(connection)
