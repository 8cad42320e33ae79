"""The addresses of the pages, and which data each has at the same address: with a suffix, or by ``Accept``."""

import re

from api.http.negotiation import chosen, negotiate
from ledger.vocabulary.fact import SLUG
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.registry import KINDS

PLURALS = {kind.plural: kind for kind in KINDS.values()}
DATED = frozenset({"meeting", "milestone"})
"""The kinds whose states are events of a calendar."""
TABLE = ("json", "jsonl", "csv")
PARTS = {"history": (*TABLE, "atom"), "timeline": TABLE, "diff": TABLE}
LISTS = {"due": (*TABLE, "ics"), "entries": (*TABLE, "atom"), "anomalies": TABLE}
LOG = "/v1/events"
PAGE = re.compile(
    rf"/(?:(?P<plural>{'|'.join(PLURALS)})(?:/(?P<id>{SLUG})(?:/(?P<part>{'|'.join(PARTS)}))?)?"
    rf"|(?P<list>{'|'.join(LISTS)})|entries/{SLUG})"
)


def offered(path: str) -> tuple[str, ...]:
    """The formats of the data at the address of a page, by their suffixes; none where it is no such address."""
    found = PAGE.fullmatch(path)
    if found is None:
        return ()
    if kind := PLURALS.get(found["plural"]):
        return PARTS[found["part"]] if found["part"] else (*TABLE, *["ics"] * _has_dates(kind, one=bool(found["id"])))
    return LISTS[found["list"]] if found["list"] else TABLE


def _has_dates(kind: Kind, *, one: bool) -> bool:
    """Whether there are events in a list of a kind, or in ``one`` of them and in what belongs to it."""
    return not DATED.isdisjoint((kind.name, *(kind.related if one else ())))


def data_of(path: str, accept: str) -> str:
    """The path that answers: at the address of a page, that of the format that is asked for. Raises NotAcceptable."""
    if path.endswith(".json") and offered(path.removesuffix(".json")):
        return _v1(path.removesuffix(".json"))
    if formats := offered(path):
        wanted = negotiate(accept, ("html", *formats))
        return path if wanted == "html" else _v1(path) if wanted == "json" else f"{path}.{wanted}"
    return path


def is_lines(path: str, accept: str) -> bool:
    """Whether a page of the log is asked for as lines; else, and where nothing fits, it is JSON."""
    return path == LOG and chosen(accept, ("json", "jsonl")) == "jsonl"


def _v1(path: str) -> str:
    return f"/v1{path.replace('/entries', '/events', 1)}"
