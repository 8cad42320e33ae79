"""The head of the log, held by somebody else: whoever would record waits, in the order of coming, until it is let go."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from ledger.database.connection import Connection

WAITING = """
    select count(*) from pg_stat_activity
     where wait_event_type = 'Lock'
       and application_name = 'ledger'
       and pg_blocking_pids(pid) <> '{}'
       and pid in (select pid from pg_locks where relation = %s::regclass)"""

WANTED = """
    select exists (
        select from pg_stat_activity
         where wait_event_type = 'Lock'
           and application_name <> 'ledger'
           and pid in (select pid from pg_locks where relation = %s::regclass))"""


class Held:
    """The head, as long as the block runs."""

    def __init__(self, owner_dsn: str, schema: str, pid: int) -> None:
        self.owner_dsn, self.schema, self.pid = owner_dsn, schema, pid

    def wait_for(self, writers: int) -> None:
        """Until so many writers wait for the head."""
        deadline = monotonic() + 20
        with Connection.connect(self.owner_dsn, autocommit=True) as owner:
            while owner.execute(WAITING, [f"{self.schema}.head"]).fetchone() != (writers,):
                if monotonic() > deadline:
                    raise TimeoutError(f"there are not {writers} writers that wait")
                sleep(0.005)

    def blocks(self, pid: int | None) -> bool:
        """Whether this server process waits for nobody else than who holds the head."""
        with Connection.connect(self.owner_dsn, autocommit=True) as owner:
            return owner.execute("select pg_blocking_pids(%s)", [pid]).fetchone() == ([self.pid],)

    def is_wanted_by_another(self) -> bool:
        """Whether somebody who is no writer waits for the head."""
        with Connection.connect(self.owner_dsn, autocommit=True) as owner:
            return owner.execute(WANTED, [f"{self.schema}.head"]).fetchone() == (True,)


@contextmanager
def held(owner_dsn: str, schema: str, *, next_in_line: bool = False) -> Iterator[Held]:
    """``next_in_line``: whoever comes later waits for us; a lock on the row alone could be taken while we still wake up."""
    with (
        Connection.connect(owner_dsn, autocommit=True, options=f"-c search_path={schema}") as owner,
        owner.transaction(),
    ):
        if next_in_line:
            owner.execute("lock table head in exclusive mode")
        owner.execute("select from head for update")
        yield Held(owner_dsn, schema, owner.info.backend_pid)
