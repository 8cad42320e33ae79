"""Events to build histories from, each a dict as it is posted."""

from typing import Any

SOURCES = [{"source": "source:thx", "locator": "paragraph 1"}]


def event(type_: str, subject: str, /, occurred: str | None = None, **data: Any) -> dict[str, Any]:
    """An event as it is posted; ``effective``, ``note``, ``sources``, ``id`` and the like may be among ``data``."""
    outer = ("id", "effective", "modality", "sources", "note", "expected_version", "correlationid", "causationid")
    common = {name: data.pop(name) for name in outer if name in data}
    body = {"type": type_, "subject": subject, "occurred": occurred, "sources": SOURCES, **common, "data": data}
    return {name: value for name, value in body.items() if value is not None}


THX = event("source.registered", "source:thx", sources=[], title="An article", kind="news_article")
USA = event("party.registered", "party:usa", sources=[], name="United States", kind="state", country="US")
INDIA = event("party.registered", "party:ind", sources=[], name="India", kind="state", country="IN")
INDUS_X = event("initiative.reported", "initiative:indus-x", name="INDUS-X", kind="ecosystem")
