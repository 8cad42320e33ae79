"""message-db, in a database of its own on the same server: its SQL as its package has it, called by pgbench, which costs next to nothing."""

import psycopg

from benchmarks.measure import Bench, Unmeasured
from benchmarks.peers import NODE_PEERS
from benchmarks.pgbench import Script

DATABASE = "bench_message_db"
PACKAGE = NODE_PEERS / "@eventide" / "message-db" / "database"
FILES = (
    "schema/message-store", "tables/messages", "types/message",
    *(f"functions/{name}" for name in ("message-store-version", "hash-64", "acquire-lock", "category", "is-category", "id", "cardinal-id",
      "stream-version", "write-message", "get-stream-messages", "get-category-messages", "get-last-stream-message")),
    "indexes/messages-id", "indexes/messages-stream", "indexes/messages-category",
)  # fmt: skip
"""What its ``install.sh`` runs, in that order. Left out are a role and its rights, views for people, and pgcrypto, which the wheel's
server has not: all that is used of it is ``gen_random_uuid``, which is the server's own since version 13.
"""
SEARCH_PATH = "-c search_path=message_store,public"
SCRIPT = """
select write_message(gen_random_uuid()::text, 'agreement-' || gen_random_uuid(), :type, :body, null, -1);
"""


class Appends:
    """Each to a stream of its own that must not be there yet. Where its SQL does not run, whoever appends is told why."""

    def __init__(self, bench: Bench) -> None:
        self.script = Script(bench, SCRIPT, DATABASE, SEARCH_PATH)
        bench.owner(f"drop database if exists {DATABASE}")
        bench.owner(f"create database {DATABASE} template template0 encoding 'UTF8' locale 'C'")
        self.why = ""
        try:
            with psycopg.connect(bench.server.owner_dsn, dbname=DATABASE, options=SEARCH_PATH) as owner:
                for name in FILES:
                    owner.execute((PACKAGE / f"{name}.sql").read_bytes())
        except (OSError, psycopg.Error) as error:
            self.why = f"message-db cannot be installed: {error}"

    def run(self, callers: int, seconds: int) -> float:
        """Events a second."""
        if self.why:
            raise Unmeasured(self.why)
        return self.script.run(callers, seconds)
