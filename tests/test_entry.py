"""The one line of an entry: its bytes for ever, what it says as a CloudEvent, and how long it may be."""

import json
import re
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from ledger.errors import Invalid, TooLarge, Unreadable
from ledger.log.entry import HEAD_BYTES, MAX_LINE_BYTES, Entry, LineMapper, StoredLine, make_entry, read_line
from ledger.vocabulary.fact import COMMON
from ledger.vocabulary.registry import FACTS
from ledger.writing.draft import read_draft
from tests.examples import event
from tests.minimal import ADDRESS, FULL, MINIMAL, PERSON, SALT, SUBJECTS, entry_id, make, stamp, subject_of

GOLDEN = Path(__file__).parent / "golden"
EVENTS = [
    (type_, size, events[type_]) for type_ in FACTS for size, events in (("smallest", MINIMAL), ("fullest", FULL))
]


def test_golden_lines(subtests: pytest.Subtests) -> None:
    """Every type of event is written as it always was, byte for byte. New lines may be added here, none changed."""
    for kind in SUBJECTS:
        with subtests.test(kind):
            written = [make(example).line() for type_, _, example in EVENTS if type_.startswith(f"{kind}.")]
            kept = (GOLDEN / f"{kind}.ndjson").read_bytes().splitlines()
            assert [line for line in written if line not in kept] == []
            assert len(kept) == len(set(kept))


def test_golden_lines_are_readable(subtests: pytest.Subtests) -> None:
    """Whatever was once written reads back as a fact, and is written again as it stands."""
    for kind in SUBJECTS:
        with subtests.test(kind):
            for rest in (GOLDEN / f"{kind}.ndjson").read_bytes().splitlines():
                entry = read_line(stamp(rest, 42))
                assert entry.fact().type == entry.type
                assert entry.line() == rest


def test_round_trip(subtests: pytest.Subtests) -> None:
    """A line reads back as the entry that wrote it, and its fact as the fact that was posted."""
    for type_, size, example in EVENTS:
        with subtests.test(f"{type_}, {size}"):
            made = make(example | {"correlationid": "c-1", "causationid": "d-2"}, 7, 3)
            line = stamp(made.line(), 42, date(2024, 12, 31))
            for text in (line, line.decode()):
                entry = read_line(text)
                assert (entry.position, entry.recorded_at) == (
                    42,
                    datetime.fromisoformat("2024-12-31T12:00:00.123456+00:00"),
                )
                assert (entry.originator_id, entry.originator_version) == (subject_of(type_), 3)
                assert (entry.id, entry.type, entry.source) == (entry_id(7), type_, "/ledgers/test")
                assert (entry.authtype, entry.authid) == ("api_key", "clerk")
                assert (entry.correlationid, entry.causationid) == ("c-1", "d-2")
                assert entry.line() == made.line()
                assert stamp(entry.line(), 42, date(2024, 12, 31)) == line
            if PERSON not in json.dumps(example):
                assert entry.fact() == read_draft(example).fact
            recorded = entry.recorded()
            assert recorded[:3] == (42, entry_id(7), date(2024, 12, 31))


def test_data_is_what_was_posted(subtests: pytest.Subtests) -> None:
    """The line's data is what was posted and nothing else: the common fields first, an unknown date as null."""
    for type_, size, example in EVENTS:
        with subtests.test(f"{type_}, {size}"):
            data = json.loads(make(example).line())["data"]
            assert list(data)[:4] == ["occurred", "effective", "modality", "sources"]
            assert (data["occurred"], data["effective"], data["modality"]) == ("2024-09-10", None, "stated")
            own = {name: value for name, value in data.items() if name not in COMMON}
            assert _unsealed(own) == _with_defaults(example["data"])
            undated = json.loads(make({name: v for name, v in example.items() if name != "occurred"}).line())
            assert undated["data"]["occurred"] is None
            assert "time" not in undated


def _unsealed(value: Any) -> Any:
    if isinstance(value, dict):
        return PERSON if value.keys() == {"commitment"} and len(value["commitment"]) == 43 else {
            name: _unsealed(one) for name, one in value.items()
        }  # fmt: skip
    return [_unsealed(one) for one in value] if isinstance(value, list) else value


def _with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    replacement = {"replacement": {"modality": "stated"} | data["replacement"]} if "replacement" in data else {}
    return data | replacement


def test_one_line(subtests: pytest.Subtests) -> None:
    """A line is one line, in the order of the head, and repeats no name."""
    for type_, size, example in EVENTS:
        with subtests.test(f"{type_}, {size}"):
            line = stamp(make(example | {"note": "one\ntwo\r\n\u2028three"}).line(), 1)
            assert b"\n" not in line
            assert b"\r" not in line
            assert len(line) < MAX_LINE_BYTES
            names: list[str] = []
            json.loads(line, object_pairs_hook=lambda pairs: names.extend(name for name, _ in pairs if len(pairs) > 12))
            assert names == list(dict.fromkeys(names))
            assert list(json.loads(line))[:5] == ["sequence", "recordedtime", "specversion", "id", "source"]
            assert json.loads(line)["dataschema"] == ADDRESS + FACTS[type_].dataschema


INSTANTS = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
REQUIRED = ("specversion", "id", "source", "type")
MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;.*)?", re.ASCII)


def conforms(told: Any) -> bool:
    """Whether a JSON object is an event of CloudEvents 1.0.2, as its specification and JSON format have it."""
    if not isinstance(told, dict) or told.get("specversion") != "1.0":
        return False
    attributes = {name: told[name] for name in told if name not in ("data", "data_base64") and told[name] is not None}
    strings = [*REQUIRED, *({"subject", "dataschema", "datacontenttype", "time"} & attributes.keys())]
    return (
        all(isinstance(attributes.get(name), str) and attributes[name] for name in strings)
        and all(re.fullmatch(r"[a-z0-9]+", name) for name in attributes)
        and all(_is_attribute(value) for value in attributes.values())
        and ("dataschema" not in attributes or bool(urlsplit(attributes["dataschema"]).scheme))
        and (attributes.get("time") is None or _is_instant(attributes["time"]))
        and (
            attributes.get("datacontenttype") is None or MEDIA_TYPE.fullmatch(attributes["datacontenttype"]) is not None
        )
        and not {"data", "data_base64"} <= told.keys()
    )


def _is_attribute(value: Any) -> bool:
    if isinstance(value, str):
        return CONTROL.search(value) is None
    return isinstance(value, bool) or (isinstance(value, int) and -(2**31) <= value < 2**31)


def _is_instant(text: str) -> bool:
    return INSTANTS.fullmatch(text) is not None


def test_our_idea_of_cloudevents(shared: Path) -> None:
    """The check below accepts and refuses what the conformance tests of CloudEvents do."""
    folder = shared / "cloudevents" / "format" / "json"
    valid = json.loads((folder / "valid-events.json").read_text())["tests"]
    invalid = json.loads((folder / "invalid-events.json").read_text())["tests"]
    assert [test["id"] for test in valid if not conforms(test["event"])] == []
    assert [test["id"] for test in invalid if conforms(test["event"])] == []
    assert len(valid) >= 10
    assert len(invalid) > 20


def test_every_line_is_a_cloudevent(subtests: pytest.Subtests) -> None:
    """Every line is a CloudEvent: the required attributes, their names and their values."""
    for type_, size, example in EVENTS:
        with subtests.test(f"{type_}, {size}"):
            told = json.loads(stamp(make(example | {"correlationid": "c-1"}).line(), 1))
            assert conforms(told)
            assert told["type"] == type_
            assert told["subject"] == example["subject"]
            assert told["sequence"] == "00000000000000000001"
            assert isinstance(told["data"], dict)
            assert None not in told.values()


@given_any(st.text(max_size=30) | st.text("a\n\r\t\x85\ufffe ", max_size=4))
@settings(deadline=None, max_examples=100)
def test_attributes_from_outside(text: str) -> None:
    """Whatever a writer gives for an attribute is refused, or makes a CloudEvent."""
    try:
        made = make(MINIMAL["agreement.expired"] | {"correlationid": text, "causationid": text})
    except Invalid:
        return
    assert conforms(json.loads(stamp(made.line(), 1)))


@pytest.mark.parametrize(
    ("occurred", "time"),
    [
        ("2024-09-10T23:30:00-05:00", "2024-09-10T23:30:00-05:00"),
        ("2024-09-10T10:00:00.5Z", "2024-09-10T10:00:00.5Z"),
        ("2024-09-10", None),
        ("2024-09-10T10:00:00", None),
        ("2024-09", None),
        (None, None),
    ],
)
def test_time(occurred: str | None, time: str | None) -> None:
    """The event's time is given only where the instant is exact."""
    told = json.loads(make(MINIMAL["agreement.expired"] | {"occurred": occurred}).line())
    assert told.get("time") == time
    assert told["data"]["occurred"] == occurred
    assert conforms(told)


def _of_size(size: int, filler: str) -> dict[str, Any]:
    """An event whose full line has so many bytes."""
    empty = event("entry.annotated", "initiative:bridge", "2024", target=1, text="x", note="x", sources=[])
    room = size - len(stamp(make(empty).line(), 1))
    each = len(filler.encode())
    return empty | {"note": "x" + filler * (room // each) + "y" * (room % each)}


@pytest.mark.parametrize("filler", ["\U0001d538", "語\U0001d538"])
def test_size_limit(filler: str) -> None:
    """A line may have 65,535 bytes, head included and counted in bytes; the next one is too many."""
    fits = make(_of_size(65_535, filler))
    assert len(stamp(fits.line(), 1)) == 65_535 == MAX_LINE_BYTES
    assert read_line(stamp(fits.line(), 1)).fact().note
    with pytest.raises(TooLarge) as error:
        make(_of_size(65_536, filler)).line()
    assert error.value.faults[0].pointer == "/data"
    assert "65,536" in str(error.value)


def test_head() -> None:
    """The head that the database puts in front is as long as it is counted, at any position."""
    for position in (1, 10**19):
        assert len(stamp(b"{}", position)) - 1 == HEAD_BYTES


def test_lines_that_lack_something(subtests: pytest.Subtests) -> None:
    """A line that lacks what every line has is no entry of a ledger."""
    for name in ("sequence", "recordedtime", "id", "source", "type", "subject", "streamversion", "data"):
        with subtests.test(name):
            told = json.loads(stamp(make(MINIMAL["agreement.expired"]).line(), 1))
            assert read_line(json.dumps(told))
            del told[name]
            with pytest.raises(Unreadable):
                read_line(json.dumps(told))


def test_what_is_no_line(subtests: pytest.Subtests) -> None:
    """What is no line is refused by name, and never a crash."""
    for text in ("", "{}", "[]", "null", "7", '"x"', "{", b"\xff", '{"data": null}'):
        with subtests.test(repr(text)), pytest.raises(Unreadable):
            read_line(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([*FACTS, "party:usa"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given_any(st.sampled_from(EVENTS), st.data())
@settings(deadline=None, max_examples=400)
def test_a_line_that_was_altered(case: tuple[str, str, dict[str, Any]], choice: st.DataObject) -> None:
    """Whatever is altered in a line, it still reads as a fact, or is said to be unreadable; and never a crash."""
    told = json.loads(stamp(make(case[2]).line(), 1))
    path = [choice.draw(st.sampled_from(sorted(told)))]
    while path[-1] == "data" or (len(path) > 1 and choice.draw(st.booleans())):
        inside = look_up(told, path)
        if not isinstance(inside, (dict, list)) or not inside:
            break
        path.append(choice.draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside)))))
    look_up(told, path[:-1])[path[-1]] = choice.draw(JSON)
    with suppress(Unreadable):
        assert read_line(json.dumps(told)).recorded().fact.type in FACTS


def look_up(value: Any, path: list[Any]) -> Any:
    for part in path:
        value = value[part]
    return value


def test_the_librarys_mapper() -> None:
    """The library stores the line, under the type's own name, with the disclosures beside it; and reads it back."""
    made = make(FULL["meeting.held"])
    stored = LineMapper().to_stored_event(made)
    assert isinstance(stored, StoredLine)
    assert (stored.topic, stored.state, stored.entry_id) == ("meeting.held", made.line(), made.id)
    assert stored.disclosures == made.disclosures
    assert len(stored.disclosures) == 2
    full = StoredLine(
        originator_id=stored.originator_id, originator_version=1, topic=stored.topic, state=stamp(stored.state, 9)
    )
    read = LineMapper().to_domain_event(full)
    assert isinstance(read, Entry)
    assert (read.position, read.line()) == (9, made.line())


def test_salts_are_asked_for_by_pointer() -> None:
    """Each person of an entry has a salt asked for by the pointer to it."""
    asked: list[str] = []

    def salt_for(pointer: str) -> bytes:
        asked.append(pointer)
        return SALT

    draft = read_draft(FULL["meeting.held"])
    made = make_entry(
        draft.fact, entry_id=entry_id(1), subject=draft.subject, version=1, source="/ledgers/test",
        address=ADDRESS, authtype="api_key", authid="clerk", salt_for=salt_for,
    )  # fmt: skip
    assert sorted(asked) == ["/data/invitees/0/person", "/data/participants/0/person"]
    assert [one.pointer for one in made.disclosures] == asked
