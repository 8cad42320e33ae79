"""The page of an evidence pack: what a person reads and prints. No scripts, nothing that is loaded, every text escaped."""

import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from api.http.documents import plural_of
from api.transfer.evidence_case import Case
from ledger.log.entry import Entry
from ledger.vocabulary.correction import STRIKING
from ledger.vocabulary.fact import COMMON, Subject
from ledger.vocabulary.registry import FACTS, KINDS

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 11pt/1.45 Georgia, serif; color: #111; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h3 { font-size: 1.05rem; margin-bottom: .3rem; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #999; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #ddd; }
th { font-weight: normal; color: #444; width: 10rem; } .by { width: 7rem; } .part { color: #444; font-style: italic; }
ul { margin: 0; padding-left: 1.1rem; } .struck h3 { text-decoration: line-through; }
code, td { overflow-wrap: anywhere; } a { color: inherit; }
@media print { body { margin: 0; max-width: none; } h2, h3 { break-after: avoid; } tr { break-inside: avoid; } }
</style>"""
LINK = re.compile(r"https?://\S+")
APART = {
    "subject", "id", "agreement", "party", "version", "unknown", "alternatives", "anomalies", "disputed", "disputes", "sources",
    "provenance", "unverified", "basis",
}  # fmt: skip
"""What in a state is told otherwise than as a field of it."""
CORRECTED = {
    "entry.voided": "Struck", "entry.superseded": "Replaced", "entry.annotated": "Remark", "entry.disputed": "Disputed",
    "entry.dispute_resolved": "Dispute resolved", "entry.value_erased": "Name erased",
    "entry.log_begun": "Another log begun",
}  # fmt: skip
WHY = ("reason", "text", "ground", "outcome")


def page(case: Case) -> str:
    """One page of HTML that stands by itself."""
    return "\n".join(_Page(case).lines())


class _Page:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.titles = _titles(case.entries)
        self.corrections = _corrections(case.entries)

    def lines(self) -> Iterator[str]:
        state = self.case.document
        yield HEAD
        yield f"<title>{escape(state['subject'])}</title>\n<body>\n<h1>{_title(state)}</h1>"
        yield f"<p>{self._basis()} Each field names the entries that say so.</p>"
        related = [plural_of(kind) for kind in KINDS[Subject(state["subject"]).kind].related]
        yield from self._state({name: value for name, value in state.items() if name not in related})
        for name in (one for one in related if state[one]):
            yield f"<h2>{_heading(name)}</h2>"
            for one in state[name]:
                yield f"<h3>{_title(one)}</h3>"
                yield from self._state(one)
        yield "<h2>Entries</h2>"
        for entry in self.case.entries:
            yield from self._entry(entry)
        yield from self._checkpoint()
        yield "</body>\n</html>\n"

    def _basis(self) -> str:
        basis, subject = self.case.basis, f"<code>{escape(self.case.document['subject'])}</code>"
        when = f", recorded {_time(basis.known_at_time)}" if basis.known_at_time else ""
        return f"What is known of {subject} on <b>{basis.valid_at}</b>, from the first <b>{basis.known_at}</b> entries of the ledger{when}."

    def _state(self, state: Mapping[str, Any]) -> Iterator[str]:
        yield "<table>"
        for field in (one for one in state if one not in APART):
            by = state["provenance"].get(field, ())
            yield _row(_heading(field), self._shown(state[field], state["unknown"], field), by)
        for field, several in state["alternatives"].items():
            for one in several:
                yield _row(f"{_heading(field)}: sources differ", self._shown(one["value"]), [one["position"]])
        for one in state["anomalies"]:
            yield _row("Odd", f"{_words(one['code'])}: {escape(one['detail'])}", [one["position"]])
        if state["disputes"]:
            yield _row("Disputed", "yes", state["disputes"])
        for field, by in state["unverified"].items():
            yield _row(f"{_heading(field)}: unverified", "it rests on retracted sources alone", by)
        yield _row("Sources", self._shown(state["sources"]))
        yield "</table>"

    def _entry(self, entry: Entry) -> Iterator[str]:
        corrections = self.corrections[entry.position] + self.corrections[entry.id]
        kept = "struck" if any(one.type in STRIKING for one in corrections) else "kept"
        yield f'<section id="entry-{entry.position}" class="{kept}">'
        yield f"<h3>{entry.position}: {_words(entry.type)}, <code>{escape(entry.originator_id)}</code></h3>"
        yield f"<p>{escape((FACTS[entry.type].__doc__ or '').partition('.')[0])}.</p>\n<table>"
        yield from self._told(entry.data)
        by = f"{escape(entry.authid)} ({_words(entry.authtype)})"
        yield _row("It was recorded", f"{_time(entry.recorded_at)}, by {by}")
        for one in corrections:
            why = next((one.data[name] for name in WHY if name in one.data), None)
            yield _row(CORRECTED[one.type], self._shown(why), [one.position or 0])
        yield "</table>\n</section>"

    def _told(self, data: Mapping[str, Any]) -> Iterator[str]:
        """What an entry tells of the world, and who says so."""
        yield _row("It happened", self._shown(data.get("occurred")))
        if effective := data.get("effective"):
            yield _row("It takes effect", self._shown(effective))
        for field in (one for one in data if one not in COMMON):
            is_entry = field == "target" and isinstance(data[field], int)
            yield _row(_heading(field), _link(data[field]) if is_entry else self._shown(data[field]))
        sources = [self._cited(one) for one in data.get("sources", ())]
        yield _row("Sources", _list(sources) if sources else "none")
        yield _row("How they say so", _words(str(data.get("modality", "stated"))))
        if note := data.get("note"):
            yield _row("Note", self._shown(note))

    def _checkpoint(self) -> Iterator[str]:
        at = self.case.checkpoint
        by_log = [f" {_time(one.at)}" for one in self.case.signed if one.name == at.origin and one.at]
        others = [
            f"{escape(one.name)}{f', {_time(one.at)}' if one.at else ''}"
            for one in self.case.signed
            if one.name != at.origin
        ]
        yield "<h2>Checkpoint</h2>\n<p>Each entry above is in the tree that was signed here: README.txt says how to check it.</p>"
        yield "<table>"
        yield _row("Log", f"<code>{escape(at.origin)}</code>")
        yield _row("Entries", str(at.size))
        yield _row("Root", f"<code>{b64encode(at.root).decode()}</code>")
        yield _row("Signed", next(iter(by_log), "the signature does not say when"))
        yield _row("Cosigned", _list(others) if others else "by nobody")
        yield "</table>"

    def _shown(self, value: Any, unknown: Mapping[str, str] = {}, path: str = "") -> str:
        """A value of a state or an entry, in words."""
        match value:
            case None:
                return f"<i>{_words(unknown.get(path, 'not_stated'))}</i>"
            case bool():
                return "yes" if value else "no"
            case {"commitment": str(commitment)}:
                return _person(commitment, self.case.persons.get(commitment, {}))
            case {"source": str(), **_others} if _others.keys() <= {"locator", "url"}:
                return self._cited(value)
            case dict():
                return "; ".join(self._part(name, one, unknown, f"{path}/{name}") for name, one in value.items())
            case list():
                return _list(self._shown(one) for one in value)
        return self._text(str(value))

    def _part(self, name: str, value: Any, unknown: Mapping[str, str], path: str) -> str:
        if name in ("position", "target") and isinstance(value, int):
            return _link(value)
        return f'<span class="part">{_words(name)}:</span> {self._shown(value, unknown, path)}'

    def _text(self, text: str) -> str:
        if LINK.fullmatch(text):
            return f'<a href="{escape(text)}">{escape(text)}</a>'
        title = self.titles.get(text)
        return f"<bdi>{escape(title)}</bdi> (<code>{escape(text)}</code>)" if title else f"<bdi>{escape(text)}</bdi>"

    def _cited(self, citation: Mapping[str, Any]) -> str:
        return ", ".join(self._text(citation[name]) for name in ("source", "locator", "url") if citation.get(name))


def _title(state: Mapping[str, Any]) -> str:
    subject = str(state.get("subject") or state["party"])
    name = state.get("name") or state.get("title")
    return f"<bdi>{escape(name)}</bdi> (<code>{escape(subject)}</code>)" if name else f"<code>{escape(subject)}</code>"


def _titles(entries: Iterable[Entry]) -> dict[str, str]:
    """What each source is called, as last told."""
    named = (one for one in entries if one.originator_id.kind == "source" and one.data.get("title"))
    return {one.originator_id: str(one.data["title"]) for one in named}


def _corrections(entries: Iterable[Entry]) -> Mapping[Any, list[Entry]]:
    """What corrects an entry, by its position or id."""
    found: dict[Any, list[Entry]] = defaultdict(list)
    for one in entries:
        if one.type.startswith("entry."):
            found[one.data["target"]].append(one)
    return found


def _person(commitment: str, told: Mapping[str, Any]) -> str:
    match told:
        case {"name": str(name)}:
            return f"<bdi>{escape(name)}</bdi>"
        case {"erased": _}:
            return f"<i>a person, whose name was erased</i> (commitment <code>{escape(commitment)}</code>)"
    return f"<i>a person, who is not named here</i> (commitment <code>{escape(commitment)}</code>)"


def _row(head: str, shown: str, by: Iterable[int] = ()) -> str:
    return f'<tr><th>{head}</th><td>{shown}</td><td class="by">{" ".join(map(_link, by))}</td></tr>'


def _link(position: int) -> str:
    return f'<a href="#entry-{position}">entry {position}</a>'


def _list(shown: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{one}</li>' for one in shown)}</ul>"


def _words(name: str) -> str:
    return escape(re.sub(r"[._/]", " ", name))


def _heading(name: str) -> str:
    return _words(name).capitalize()


def _time(at: datetime | None) -> str:
    return f"on {at.astimezone(UTC):%Y-%m-%d at %H:%M:%S} UTC" if at else "at a time that is not told"
