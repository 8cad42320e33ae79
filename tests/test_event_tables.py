"""Events as the rows of a CSV file, without a mapping: a column for each field, and what a cell can hold."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from api.transfer.event_files import RawEvent, read_drafts, read_lines
from api.transfer.report import Report
from ledger.errors import Invalid
from ledger.writing.draft import read_draft
from tests.minimal import FULL


def csv_of(path: Path, *rows: list[str]) -> list[RawEvent]:
    with path.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows(rows)
    return list(read_lines(path, Report()))


def test_a_blank_row_is_no_event(tmp_path: Path) -> None:
    """As a spreadsheet writes it, with its delimiters, between other rows or behind them; blank cells too many are none."""
    rows = [["type", " subject "], ["", ""], ["party.registered", "party:a", "", " "], [" ", "", ""], []]
    assert csv_of(tmp_path / "a.csv", *rows) == [
        RawEvent(range(3, 4), {"type": "party.registered", "subject": "party:a"})
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["type", "note", "note"], "the table has 2 column 'note', and each is a field of events"),
        (["type", "type ", "note"], "the table has 2 column 'type', and each is a field of events"),
        (["type", "data." + "a." * 5000 + "a"], "the column 'data.a.a.* has more than 20 parts"),
        (["x" * 200_000], r"line 1: a cell has more than 131,072 characters"),
    ],
)
def test_a_header_of_events_that_cannot_be_is_told(tmp_path: Path, header: list[str], said: str) -> None:
    """A column that stands twice, or can be no field, is told before any row is read; so is what is no CSV."""
    with pytest.raises(Invalid, match=said):
        csv_of(tmp_path / "a.csv", header, ["x"] * len(header))


@pytest.mark.parametrize("text", ['[{"type": "' + "x" * 200_000, '{"type": "x"}\n', "[\n  {}\n]"])
def test_json_in_a_file_of_csv_is_told(tmp_path: Path, text: str) -> None:
    """By its name it is a table: that is told with what to do, however long its first line is."""
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(Invalid, match="It looks like JSON: lines of JSON are read where the name ends in"):
        list(read_lines(tmp_path / "a.csv", Report()))


def flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """The columns of an event, each of which holds one text."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, one in inner:
        yield from flat(one, f"{name}.{part}" if name else str(part))
    if not isinstance(value, (dict, list)):
        yield name, str(value)


def test_an_event_of_any_type_is_the_same_in_a_table(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A cell for each text, in whatever order, or one of JSON for all of data, or for each list and object in it."""
    for type_, event in FULL.items():
        data = {name: one if isinstance(one, str) else json.dumps(one) for name, one in event["data"].items()}
        outside = {name: one for name, one in event.items() if name not in ("data", "sources")}
        sources = {"sources": json.dumps(event["sources"])}
        for row in (
            dict(reversed([*flat(event, "")])),
            outside | sources | {"data": json.dumps(event["data"])},
            outside | sources | {f"data.{name}": one for name, one in data.items()},
        ):
            with subtests.test(type_, columns=[*row]):
                [(_, read)] = csv_of(tmp_path / "a.csv", [*row], [*row.values()])
                report = Report()
                [line] = read_drafts([RawEvent(range(2, 3), read)], uuid4(), report)
                assert line.draft.fact == read_draft(event).fact


@pytest.mark.parametrize("text", ["[sic] Treaty", "{A} treaty", "[1]", "{}", "1984"])
def test_a_text_may_begin_with_a_bracket(tmp_path: Path, text: str) -> None:
    """Only fields that are lists or objects are read as JSON."""
    columns = ["type", "subject", "note", "data.kind", "data.title", "sources.0.source", "sources.0.locator"]
    cells = ["source.registered", "source:a", text, "dataset", text, "source:b", text]
    [line] = read_drafts(csv_of(tmp_path / "a.csv", columns, cells), uuid4(), Report())
    fact = line.draft.fact
    assert (fact.note, fact.own["title"], fact.sources[0].locator) == (text,) * 3
    report = Report()
    assert not [*read_drafts(csv_of(tmp_path / "a.csv", [*columns, "data.url"], [*cells, text]), uuid4(), report)]
    assert report.faults == [(2, "/data/url: this is no address that begins with https:// or http://")]


def test_a_version_may_be_expected(tmp_path: Path) -> None:
    """The fields of an event that are numbers are read as such."""
    columns = ["type", "subject", "expected_version", "data.name", "data.kind", "sources.0.source"]
    cells = ["party.registered", "party:a", "0", "A", "company", "source:a"]
    [line] = read_drafts(csv_of(tmp_path / "a.csv", columns, cells), uuid4(), Report())
    assert line.draft.expected_version == 0


def test_items_come_by_their_numbers(tmp_path: Path) -> None:
    """Not by the order in which their columns stand; the tenth comes behind the ninth."""
    numbers = [10, 2, 0, 9, 1]
    columns = ["type", "subject", "data.name", "data.kind", *(f"sources.{n}.source" for n in numbers)]
    cells = ["party.registered", "party:a", "A", "company", *(f"source:s{n}" for n in numbers)]
    [line] = read_drafts(csv_of(tmp_path / "a.csv", columns, cells), uuid4(), Report())
    assert [one.source for one in line.draft.fact.sources] == [f"source:s{n}" for n in sorted(numbers)]
