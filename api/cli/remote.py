"""A ledger that is asked over HTTP: what its service answers, and its problems as the errors that they are here."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer
from pydantic_core import from_json

from ledger.errors import Denied, Fault, Invalid, LedgerError, NotFound, NotYet, Refused, Unavailable
from ledger.settings import SERVICE, SUCH_A_SERVICE, read_settings

if TYPE_CHECKING:
    from api.transfer.client import Answer

Url = Annotated[
    str | None,
    typer.Option("--url", help="Ask the service at this address, with the key in LEDGER_KEY. By default LEDGER_URL."),
]
LINES = {"Accept": "application/x-ndjson"}
PAGE = 500
"""Entries of the log that are asked for at once: what they come to at most stays within an answer's bound."""


def address_of(url: str | None) -> str | None:
    """The service that is to be asked, if one is. Raises typer.BadParameter."""
    return read_address(url, "--url") if url else read_settings().url


def read_address(given: str, called: str) -> str:
    """Raises typer.BadParameter, naming what is ``called`` so."""
    if not re.fullmatch(SERVICE, given):
        raise typer.BadParameter(f"{called} {given!r}: {SUCH_A_SERVICE}")
    return given


class Service:
    """Raises, for what the service refuses, what the ledger itself would raise; Unavailable where it does not answer."""

    def __init__(self, address: str) -> None:
        from api.transfer.client import Client  # here, as a command on a database has no use for it

        key = read_settings().key
        self.client = Client(address, key.get_secret_value() if key else None)

    def get(self, path: str, given: Mapping[str, Any] = {}, headers: Mapping[str, str] = {}) -> "Answer":
        query = f"?{urlencode(given)}" if given else ""
        return self._sound(self.client.ask(f"v1/{path}{query}", headers=headers))

    def append(self, body: bytes) -> list[dict[str, Any]]:
        """What became of each event."""
        try:
            answer = self.client.ask("v1/events", body, {"Content-Type": "application/json"})
        except Unavailable as error:
            raise Unavailable(
                f"{error}; whether the events were recorded is not known: look before you send them again"
            ) from None
        events: list[dict[str, Any]] = from_json(self._sound(answer).body)["events"]
        return events

    def lines(self, after: int) -> Iterator[bytes]:
        """The log's lines after a position, a page at a time, up to where it ends now. Raises NotFound beyond its end."""
        size = int(self.get("events", {"limit": 1}).headers["Ledger-Position"])
        if after > size:
            raise NotFound(f"--after is {after:,}, and the ledger has {size:,} entries")
        for begin in range(after, size, PAGE):
            yield self.get("events", {"after": begin, "limit": min(PAGE, size - begin)}, LINES).body

    def _sound(self, answer: "Answer") -> "Answer":
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self._error(answer)
        if not answer.is_of_a_ledger:
            raise answer.of_no_ledger(self.client.base)
        return answer

    def _error(self, answer: "Answer") -> LedgerError:
        try:
            problem = from_json(answer.body)
            slug, detail, faults = problem["type"].rpartition("/")[2], problem["detail"], problem.get("errors", [])
        except (ValueError, KeyError, TypeError, AttributeError):
            return answer.of_no_ledger(self.client.base)
        if slug == "not-found":
            return NotFound(detail)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return Denied(f"{detail}; the key is taken from LEDGER_KEY")
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return NotYet(detail) if slug == "not-yet" else Unavailable(detail)
        if answer.status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
            return Refused(problem.get("rule", slug), detail)
        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Invalid(detail, [Fault(one["pointer"], one["detail"], one["code"]) for one in faults])
        return Unavailable(f"{self.client.base} answers {answer.status}: {detail}")
