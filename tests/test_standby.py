"""The family of servers that other tests rest on: what they do is what real ones do."""

from dataclasses import replace
from time import monotonic
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.database.connection import LedgerLocation, is_read_only
from ledger.settings import Timeouts
from tests.standby import Address, Server

pytest_plugins = ["tests.standby"]

COUNT: LiteralString = "select count(*) from notes"


@pytest.fixture
def noted(primary: Server) -> Server:
    """A primary with a table of one row."""
    note(primary, "create table notes as select 1 as number")
    return primary


def note(server: Server, statement: LiteralString = "insert into notes values (2)") -> None:
    with server.owner() as owner:
        owner.execute(statement)


def count(server: Server) -> int:
    with server.owner() as owner:
        (found,) = owner.execute(COUNT).fetchone() or (0,)
        return int(found)


def test_a_standby_shows_what_its_primary_has_and_takes_nothing(noted: Server) -> None:
    """A standby follows, does not follow while it is paused, and refuses to write until it is promoted."""
    standby = noted.standby("one")
    standby.pause()
    note(noted)
    assert count(standby) == 1
    standby.resume()
    standby.catch_up(noted)
    assert count(standby) == 2
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        note(standby)
    standby.promote()
    note(standby)
    assert (count(standby), count(noted)) == (3, 2)


def test_a_standby_that_has_left_lacks_what_came_after(noted: Server) -> None:
    """What a standby had not received is not there after the failover, and the address finds the new primary."""
    standby, address = noted.standby("one"), Address(noted)
    standby.leave()
    note(noted)
    noted.kill()
    standby.promote()
    address.point_to(standby)
    with psycopg.connect(address.location().dsn, user="postgres") as moved:
        assert moved.execute(COUNT).fetchone() == (1,)


def test_a_copy_is_the_server_as_it_was(noted: Server) -> None:
    """A copy starts by itself, holds what there was when it was made, and is the same server by its identifier."""
    copy = noted.copy("restored")
    note(noted)
    copy.start()
    note(copy)
    note(copy)
    assert (count(copy), count(noted)) == (3, 2)
    question = "select system_identifier from pg_control_system()"
    assert copy.tells(question) == noted.tells(question)


def test_a_synchronous_standby_is_waited_for(noted: Server) -> None:
    """Where the primary names its standby, a commit waits until that one has it."""
    standby = noted.standby("one")
    noted.configure(synchronous_standby_names="one")
    note(noted)
    standby.freeze()
    with noted.owner() as waiting:
        waiting.deadline = monotonic() + 0.5
        with pytest.raises(psycopg.OperationalError):
            waiting.execute("insert into notes values (3)")
    standby.thaw()
    note(noted)
    assert count(standby) == 4


def test_no_limit_of_ours_ends_the_wait_for_a_standby(primary: Server) -> None:
    """A commit that waits for its standby is not cut off by statement_timeout: the acknowledgement would be false."""
    standby = primary.standby("one")
    primary.configure(synchronous_standby_names="one")
    standby.freeze()
    location = replace(primary.location(), timeouts=Timeouts(statement_s=0.2))
    with location.connect(location.schema) as service:
        service.answer_s = 1.0
        with pytest.raises(psycopg.OperationalError):
            service.execute("update head set recorded_at = recorded_at")
    assert primary.tells("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") == 1
    standby.thaw()


def test_a_connection_string_of_several_servers_finds_the_primary(primary: Server) -> None:
    """With ``target_session_attrs`` in it, whichever server is the primary is found."""
    standby = primary.standby("one")
    hosts = f"{standby.directory},{primary.directory}"
    location = LedgerLocation(
        make_conninfo(primary.location().dsn, host=hosts, target_session_attrs="read-write"), "ledger"
    )
    with location.connect() as connection:
        assert not is_read_only(connection)
    primary.stop()
    standby.promote()
    with location.connect() as connection:
        assert not is_read_only(connection)
