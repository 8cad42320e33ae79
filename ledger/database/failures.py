"""What goes wrong with the database, told as what it is: the connection, the server, or one of its limits."""

from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from ledger.errors import Unavailable

FAILURES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    psycopg.errors.UndefinedTable,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidSchemaName,
)
"""What is nobody's fault who asked: the connection, the server, one of its limits, or a database that is being put back."""

READ_ONLY = "the server is read-only (a standby?)"
BEING_PUT_BACK = "a part of the ledger is not in the database: is it being put back? `ledger doctor` tells more"
WHY = {
    "25006": READ_ONLY,
    "25P03": "a transaction stood idle for longer than idle_in_transaction_session_timeout allows",
    "3F000": BEING_PUT_BACK,
    "40001": "the database gave up the transaction for another's sake",
    "40P01": "the database broke a deadlock",
    "42501": "the service may not do that in the database; or it is being put back",
    "42P01": BEING_PUT_BACK,
    "53100": "the disk of the database is full",
    "53200": "the database is out of memory",
    "53300": "the database has no connection free",
    "55P03": "a lock was held by somebody else for longer than lock_timeout allows",
    "57014": "the statement took longer than statement_timeout allows, or somebody cancelled it",
    "57P01": "the database is being shut down, or its administrator ended the connection",
    "57P02": "the database starts anew after a failure",
    "57P03": "the database is starting or stopping",
}
"""What the server says by its codes, for everybody to read."""

AT_THE_DOOR = {
    "too many c": "53300",
    "connection slots": "53300",
    "is starting up": "57P03",
    "is shutting down": "57P03",
    "not yet accepting": "57P03",
}
"""Who is not let in gets no code, only these words."""


class Unanswered(psycopg.OperationalError):
    """No answer came in time, and the connection was given up. What the server was doing goes on."""


def explained(error: psycopg.Error) -> Unavailable:
    """What it is that went wrong: a sentence for everybody, and the words of the database for those who run it."""
    said = " ".join(str(error).split())
    return Unavailable(_why(error, said), said)


def _why(error: psycopg.Error, said: str) -> str:
    state = error.sqlstate or next((code for words, code in AT_THE_DOOR.items() if words in said), None)
    match error:
        case Unanswered():
            return "the database does not answer"
        case PoolTimeout():
            return "no connection to the database was to be had in time"
        case _ if state:
            return WHY.get(state, "the database refuses")
        case _ if "FATAL:" in said:
            return "the database refuses the connection"
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return "the database cannot be reached"
    return "the question to the database failed"


def is_lost(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any] | None, error: psycopg.Error) -> bool:
    """Whether the connection is gone, and the outcome with it; as against a statement that the server has refused."""
    if connection is None or connection.closed or error.diag.severity_nonlocalized in ("FATAL", "PANIC"):
        return True
    return error.sqlstate is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
