"""Entries of the log as a feed (Atom, RFC 4287), the newest first. A correction is an entry like others."""

import re
from datetime import datetime
from functools import partial
from xml.etree import ElementTree

from api.formats.form import Form
from ledger.log.entry import Entry, read_line
from ledger.vocabulary.registry import FACTS

MEDIA_TYPE = "application/atom+xml"
CLOUDEVENT = "application/cloudevents+json"
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no character for."""
NO_ENTRY = datetime.fromisoformat("1970-01-01T00:00:00Z")


def feed_form(id: str, title: str, address: str, newest: str | None) -> Form:
    """The feed at an address; ``id`` is a URI that no other feed has, ``newest`` the line of its newest entry."""
    updated = read_line(newest).recorded_at if newest else None
    head = (
        _element("id", id),
        _element("title", title),
        _element("updated", (updated or NO_ENTRY).isoformat()),
        _element("link", rel="self", href=address, type=MEDIA_TYPE),
    )
    begin = '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
    return Form(begin + "".join(map(_text, head)), lambda line: _text(_entry(read_line(line))), "</feed>\n")


def _entry(entry: Entry) -> ElementTree.Element:
    assert entry.recorded_at is not None
    recorded, told = entry.recorded_at.isoformat(), _element("entry")
    author = _element("author")
    author.append(_element("name", entry.authid))
    told.extend((
        _element("id", f"urn:uuid:{entry.id}"),
        _element("title", _title(entry)),
        _element("updated", recorded),
        _element("published", recorded),
        author,
        _element("category", term=entry.type),
        _element("link", rel="alternate", href=f"/entries/{entry.position}"),
        _element("summary", _summary(entry)),
        _element("content", type=CLOUDEVENT, src=f"/v1/events/{entry.position}"),
    ))  # fmt: skip
    return told


def _title(entry: Entry) -> str:
    """What it is of, and what is recorded of it; with the title or the name that the entry gives."""
    named = next((entry.data[name] for name in ("title", "name") if isinstance(entry.data.get(name), str)), "")
    return f"{entry.originator_id}: {entry.type.partition('.')[2].replace('_', ' ')}" + (f" ({named})" if named else "")


def _summary(entry: Entry) -> str:
    """What the type of fact says, and the texts that the entry gives."""
    fact = FACTS.get(entry.type)
    said = [entry.data.get(name) for name in ("reason", "text", "description", "objective")]
    return "\n".join([(fact.__doc__ or "") if fact else entry.type, *(one for one in said if isinstance(one, str))])


def _element(tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    element = ElementTree.Element(tag, {name: _sound(value) for name, value in attributes.items()})
    element.text = None if text is None else _sound(text)
    return element


_sound = partial(FORBIDDEN.sub, "\ufffd")


def _text(element: ElementTree.Element) -> str:
    return ElementTree.tostring(element, encoding="unicode") + "\n"
