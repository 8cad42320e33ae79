"""Tables through a mapping: the events of a row, faults by line, and what importing again changes."""

import csv
import json
import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from api.transfer.corrections import Imported, imported, read_mapped
from api.transfer.csv_tables import Row
from api.transfer.event_files import RawEvent, read_drafts
from api.transfer.facts import facts_of
from api.transfer.mapping import Corrections, TableMapping, read_mapping
from api.transfer.report import Report
from api.transfer.rows import Rows, read_table
from ledger.database.connection import Connection, LedgerLocation
from ledger.errors import Invalid
from ledger.service import Ledger
from ledger.vocabulary.codes import CorrectionReason
from ledger.writing.decision import Answer
from ledger.writing.draft import read_draft
from projections.runner import Follower
from tests.commands import run
from tests.conftest import CLERK
from tests.minimal import FULL as FULL_EVENTS

MAPPINGS = Path(__file__).parent / "mappings"
REGISTER = read_mapping(MAPPINGS / "treaties.toml")
MEMBERS = read_mapping(MAPPINGS / "copyright-treaties.toml")
CORRECTING = REGISTER.model_copy(
    update={
        "corrections": Corrections(reason_code=CorrectionReason.source_corrected, reason="The register was revised.")
    }
)
LAST = 2**63 - 2
SECRET = UUID("7c1f0a52-3c52-4f0e-9b0b-2f6b8f3f9f10")
Import = Callable[..., Report]
Event = dict[str, Any]
Given = Callable[..., list[Answer]]

HEADER = ["No", "Title", "Sort", "Months", "Parties", "Signed", "Place", "In force", "Terminated", "Ground"]
FULL = ["7", "Trade", "Treaty", "60", "India; Côte d'Ivoire", "09/11/1946", "Delhi", "1.2.1947", "9 Nov 1956", "lapsed"]
BARE = ["8", "Talks", "MoU", "n/a", "India;France;", "N/A", " ", "-", "", "–"]  # noqa: RUF001


def row(number: int, **cells: str) -> Row:
    return Row(range(number, number + 1), cells)


def table(*rows: list[str]) -> list[Row]:
    """The rows of a register, from line 2 on."""
    return [Row(range(n, n + 1), dict(zip(HEADER, cells, strict=True))) for n, cells in enumerate(rows, start=2)]


def but(row: list[str], **cells: str) -> list[str]:
    """The row with other cells; ``_`` stands for a blank in the column's name."""
    changed = {name.replace("_", " "): cell for name, cell in cells.items()}
    return [changed.get(name, cell) for name, cell in zip(HEADER, row, strict=True)]


def told(mapping: TableMapping, *rows: list[str]) -> tuple[list[Event], Report]:
    report = Report()
    return [event for _, event in events_of(mapping, table(*rows), report)], report


def events_of(mapping: TableMapping, rows: Rows, report: Report) -> list[tuple[int, Event]]:
    """Line number and event, as it is posted, of each fact that the rows tell."""
    told: dict[str, tuple[int, Event]] = {}
    for read in facts_of(mapping, rows, SECRET, report):
        for fact in read.facts:
            posted = {"id": fact.id, "correlationid": fact.correlation, **fact.event}
            told.setdefault(fact.correlation, (read.lines[0], posted))
    return list(told.values())


def posted(*events: Event) -> Iterator[RawEvent]:
    """Events as lines of a file."""
    return (RawEvent(range(number, number + 1), json.dumps(event)) for number, event in enumerate(events, start=2))


def by_type(events: list[Event]) -> dict[str, Event]:
    return {event["type"]: event for event in events}


def mapping_of(tmp_path: Path, text: str) -> TableMapping:
    path = tmp_path / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return read_mapping(path)


CORRECTS = 'corrections = { reason_code = "source_corrected", reason = "The list reads otherwise now." }\n'
DATED = """
name = "one"
dates = {formats}
[facts.met]
type = "milestone.met"
subject = "milestone:{{slug(what)}}"
occurred = "{{when}}"
sources = [{{ source = "source:list" }}]
"""


LISTED = TableMapping.model_validate(tomllib.loads(DATED.format(formats='"YYYY"')))
MEMBERS_COLUMNS = {
    "party", "treaty", "row.Signature Date", "row.Instrument Type", "row.Instrument Date", "row.Entry Into Force Date",
}  # fmt: skip


def dated(tmp_path: Path, formats: str | list[str], text: str) -> tuple[Any, list[tuple[int, str]]]:
    """What a cell becomes as a date, and the faults."""
    report = Report()
    mapping = mapping_of(tmp_path, DATED.format(formats=json.dumps(formats)))
    events = events_of(mapping, [row(2, what="A", when=text)], report)
    return (events[0][1].get("occurred") if events else None), report.faults


# --- what a row tells


def test_a_row_holds_several_facts() -> None:
    """A treaty that was signed, in force and terminated is three facts, its parties are two, each from its columns."""
    events, report = told(REGISTER, FULL)
    assert not report.faults
    assert [event["type"] for event in events] == [
        "source.registered", "party.registered", "party.registered", "agreement.mentioned", "agreement.signed",
        "agreement.entered_into_force", "agreement.terminated",
    ]  # fmt: skip
    facts = by_type(events)
    assert facts["agreement.signed"]["occurred"] == "1946-11-09"
    assert facts["agreement.signed"]["data"] == {
        "places": ["Delhi"],
        "signatories": [
            {"party": "party:india", "mode": "definitive"},
            {"party": "party:cote-d-ivoire", "mode": "definitive"},
        ],
    }
    assert facts["agreement.entered_into_force"]["effective"] == "1947-02-01"
    assert facts["agreement.terminated"]["occurred"] == "1956-11-09"
    assert facts["agreement.terminated"]["data"] == {"ground": "term_expired"}
    assert facts["agreement.terminated"]["sources"] == [{"source": "source:register", "locator": "No. 7"}]
    assert facts["agreement.mentioned"]["data"]["term"] == {"length": "60"}


def test_unknown_cells_give_nothing() -> None:
    """n/a, a dash and a blank are unknown: the field is absent, and so is a fact that hangs on it."""
    events, report = told(REGISTER, BARE)
    assert not report.faults
    assert [event["type"] for event in events][3:] == ["agreement.mentioned"]
    assert events[3]["data"] == {
        "title": "Talks",
        "instrument_type": "memorandum_of_understanding",
        "parties": ["party:india", "party:france"],
    }


def test_all_that_is_told_can_be_recorded() -> None:
    """The events of the example can be read as they are posted; a fact of many rows is given once."""
    report = Report()
    lines = list(read_mapped(REGISTER, table(FULL, BARE), Imported(SECRET), report))
    assert not report.faults
    assert [line.number for line in lines] == [2] * 7 + [3] * 2
    assert Counter(str(line.draft.subject) for line in lines)["party:india"] == 1


@pytest.mark.parametrize("type_", FULL_EVENTS)
def test_a_mapping_gives_every_field_of_every_type(type_: str) -> None:
    """What can be posted can be told by a table, under the same names."""
    event = FULL_EVENTS[type_]
    report = Report()
    facts = {"a": {name: event[name] for name in ("type", "subject", "occurred", "sources", "data")}}
    mapping = TableMapping.model_validate({"name": "any", "key": "No", "dates": "EDTF", "facts": facts})
    [line] = read_mapped(mapping, [row(2, No="1")], Imported(SECRET), report)
    assert report.faults == []
    assert line.draft.fact == read_draft(event).fact


def read_by(cell: dict[str, Any], **cells: str) -> Any:
    """What a cell of a mapping gives in a row."""
    fact = {"type": "milestone.reported", "subject": "milestone:a", "data": {"title": cell}}
    mapping = TableMapping.model_validate({"name": "one", "key": "No", "unknown": ["", "n/a"], "facts": {"a": fact}})
    report = Report()
    [(_, event)] = events_of(mapping, [row(2, No="1", **cells)], report)
    return event.get("data", {}).get("title")


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ({"values": {"none": "n/a"}}, "n/a"),
        ({"values": {"none": "n/a"}, "each": "<{item}>"}, "<n/a>"),
        ({"values": {}, "other": "n/a", "each": "<{item}>"}, "<n/a>"),
        ({"each": "n/a"}, "n/a"),
        ({"values": {"none": "{blank}"}}, None),
        ({"values": {"none": "{blank}"}, "default": "A"}, "A"),
        ({"values": {"none": 7}}, 7),
    ],
)
def test_only_what_the_table_says_may_be_unknown(cell: dict[str, Any], read: Any) -> None:
    """What a cell is translated to stands, whatever it reads; where it is another cell, that may be unknown."""
    assert read_by({"column": "Sort", **cell}, Sort="none", blank="") == read


EACH = """
name = "one"
key = "No"
dates = "DD/MM/YYYY"
unknown = ["", "-"]
sources = [{ source = "source:list" }]
[facts.a]
type = "milestone.reported"
subject = "milestone:{slug(item)}"
data = { title = "{item}" }
for_each = CELL
"""


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ('{ column = "a", split = ";", values = { x = "y" }, other = "{item}" }', ["y", "z"]),
        ('{ column = "a", split = ";", values = { X = "y", Z = "-" }, any_case = true }', ["y", "-"]),
        ('{ column = "a", split = ";", each = "{b} {item}" }', ["B x", "B z"]),
        ('{ column = "d", date = "DD/MM/YYYY" }', ["1946-11-09"]),
        ('{ column = "none", split = ";", default = ["A", "{b}"] }', ["A", "B"]),
        ('{ column = "none", default = "{b}" }', ["B"]),
        ('{ column = "none", split = ";" }', []),
    ],
)
def test_items_are_read_as_cells_are(tmp_path: Path, cell: str, names: list[str]) -> None:
    """Whatever a cell can say of a text, for_each can say of the items that it gives facts for."""
    mapping = mapping_of(tmp_path, EACH.replace("CELL", cell).replace('"milestone:{slug(item)}"', '"milestone:a"'))
    report = Report()
    events = events_of(mapping, [row(2, No="1", a="x; z;-", b="B", d="9/11/1946", none="-")], report)
    assert report.faults == []
    assert [event["data"]["title"] for _, event in events] == names


def test_a_word_that_is_no_item_is_told(tmp_path: Path) -> None:
    """A text that is not in the values of for_each is a fault, as it is of any cell."""
    mapping = mapping_of(tmp_path, EACH.replace("CELL", '{ column = "a", split = ";", values = { x = "y" } }'))
    report = Report()
    assert events_of(mapping, [row(2, No="1", a="x;z")], report) == []
    assert report.faults == [(2, "column 'a': 'z' is none of the values of the mapping")]


def test_a_made_column_changes_no_id(tmp_path: Path) -> None:
    """Without a key, the row is its own cells: a column that the mapping makes of them tells no rows apart."""
    text = DATED.format(formats='"YYYY"')
    one, other = (
        events_of(mapping_of(tmp_path, text + more), [row(2, what="A", when="2024")], Report())
        for more in ("", '[columns.short]\nfrom = "what"\ncut = 5\n')
    )
    assert one == other


def test_a_made_column_hides_one_of_its_name(tmp_path: Path) -> None:
    """Where what it is made of is unknown, it is unknown, and not what the table has under that name."""
    text = DATED.format(formats='"YYYY"') + '[columns.when]\nfrom = "day"\n'
    events = events_of(mapping_of(tmp_path, text), [row(2, what="A", when="2024", day="")], Report())
    assert [event.get("occurred") for _, event in events] == [None]


@pytest.mark.parametrize(
    ("formats", "text", "read"),
    [
        ("DD/MM/YYYY", "09/11/1946", "1946-11-09"),
        ("DD/MM/YYYY", "9/11/1946", "1946-11-09"),
        ("MM/DD/YYYY", "09/11/1946", "1946-09-11"),
        ("DD.MM.YYYY", "09.11.1946", "1946-11-09"),
        ("D Mon YYYY", "9 Nov 1946", "1946-11-09"),
        ("D Mon YYYY", "09  november 1946", "1946-11-09"),
        ("Mon D, YYYY", "Sept. 9, 1946", "1946-09-09"),
        ("YYYY-MM-DD", "1946-11-09", "1946-11-09"),
        (["D Mon YYYY", "Mon YYYY", "YYYY"], "Nov 1946", "1946-11"),
        (["D Mon YYYY", "Mon YYYY", "YYYY"], "1946", "1946"),
        ("EDTF", "1946-11~", "1946-11~"),
        ("DD/MM/YYYY", "N/A", None),
        ("DD/MM/YYYY", "-", None),
    ],
)
def test_dates_are_read_in_the_formats_of_the_mapping(
    tmp_path: Path, formats: str | list[str], text: str, read: str | None
) -> None:
    """Each format reads its own texts, as precisely as they are, in the same way on every machine."""
    assert dated(tmp_path, formats, text) == (read, [])


@pytest.mark.parametrize(
    "cell", ['"{when}"', '{ column = "when" }', '{ column = "none", default = { column = "when", date = "D/M/YYYY" } }']
)
@pytest.mark.parametrize(("text", "read"), [("9/11/1946", "1946-11-09"), ("9/11/1746", None), ("1946-11-09", None)])
def test_every_date_is_held_against_the_mapping(tmp_path: Path, cell: str, text: str, read: str | None) -> None:
    """A date of a fact is read in the formats of the mapping, and lies within its years, however its cell is named."""
    mapping = (
        DATED.format(formats='"DD/MM/YYYY"').replace('"{when}"', cell).replace("[facts", "years = [1800, 2100]\n[facts")
    )
    report = Report()
    events = events_of(mapping_of(tmp_path, mapping), [row(2, what="A", when=text, none="")], report)
    assert [event["occurred"] for _, event in events] == ([read] if read else [])
    assert [number for number, _ in report.faults] == ([] if read else [2])


@pytest.mark.parametrize("text", ["9 Junk 1946", "9 Nove 46", "31 Jun 1946", "Nov 1946"])
def test_other_words_than_months_are_faults(tmp_path: Path, text: str) -> None:
    """A month is the beginning of its English name, and of no other word."""
    assert dated(tmp_path, "D Mon YYYY", text) == (None, [(2, f"column 'when': {text!r} is no date as D Mon YYYY")])


@pytest.mark.parametrize("text", ["31/06/2024", "2024-06-30", "06/30/2024", "30/06/24", "30 Juin 2024", "soon"])
def test_other_dates_are_faults(tmp_path: Path, text: str) -> None:
    """A text that is no date in a format of the mapping is reported with line, column, text and format; none is guessed."""
    assert dated(tmp_path, "DD/MM/YYYY", text) == (None, [(2, f"column 'when': {text!r} is no date as DD/MM/YYYY")])


def test_a_bad_cell_is_a_fault_of_its_row() -> None:
    """A row with bad cells gives nothing, and all that is wrong with it stands under its line; the others go on."""
    events, report = told(REGISTER, but(FULL, Signed="9.9.", Terminated="31/04/1950"), but(FULL, No=" "), BARE)
    assert {event["subject"] for event in events} >= {"agreement:no-8"}
    assert "agreement:no-7" not in {event["subject"] for event in events}
    faults = dict(report.faults)
    assert [number for number, _ in report.faults] == [2, 3]
    assert "column 'Signed': '9.9.'" in faults[2]
    assert "column 'Terminated': '31/04/1950'" in faults[2]
    assert faults[3] == "column 'No': it is unknown, and is part of the key"


def test_a_value_outside_the_list_is_a_fault() -> None:
    """A text that is not in ``values`` is reported, where the mapping has no ``other``."""
    cells = {"party": "Mali", "treaty": "Rome", "row.Instrument Type": "Nod", "row.Instrument Date": "2001-01-01"}
    report = Report()
    assert events_of(MEMBERS, [Row(range(9, 10), cells)], report) == []
    assert report.faults[0] == (9, "column 'row.Instrument Type': 'Nod' is none of the values of the mapping")


def test_what_the_vocabulary_refuses_is_a_fault_of_its_line() -> None:
    """A row that gives an event which cannot be read gives nothing: it is told by line, column and field."""
    report = Report()
    lines = list(read_mapped(REGISTER, table(but(FULL, Months="many"), BARE), Imported(SECRET), report))
    assert {line.number for line in lines} == {3}
    [(number, text)] = report.faults
    assert (number, text.split(": ")[:2]) == (2, ["column 'Months'", "/data/term/length"])


def test_long_names_have_ids_of_their_own(tmp_path: Path) -> None:
    """Two titles that begin alike do not become one subject, and a title without letter or digit is reported."""
    report = Report()
    mapping = mapping_of(tmp_path, DATED.format(formats='"YYYY"'))
    titles = ["x" * 120 + "1", "x" * 120 + "2", "(?)"]
    rows = [row(number, what=title, when="") for number, title in enumerate(titles)]
    subjects = [event["subject"] for _, event in events_of(mapping, rows, report)]
    assert len(set(subjects)) == 2
    assert {len(subject) for subject in subjects} == {len("milestone:") + 100}
    assert [number for number, _ in report.faults] == [2]


# --- mappings and files


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('dates = "YYYY"', 'dates = "YY"', "dates: 'YY' is no format"),
        ('dates = "YYYY"', 'dates = ["DD/MM/YYYY", "MM/DD/YYYY"]', "dates: of DD/MM/YYYY and MM/DD/YYYY, two read"),
        ('name = "one"', "", "name: it is needed"),
        ('name = "one"', 'name = "one', "cannot be read"),
        ('"milestone.met"', '"milestone.meet"', "facts.met: 'milestone.meet' is no type"),
        ("occurred =", "ocurred =", "facts.met.ocurred: there is no such key; did you mean occurred?"),
        ("sources =", 'data = { note = "x" }\nsources =', "facts.met: milestone.met has no field 'note'"),
        ("sources =", 'data = { titel = "x" }\nsources =', "facts.met: milestone.met has no field 'titel'"),
        (
            "sources =",
            'data = { title = { column = "a", splitt = ";" } }\nsources =',
            "facts.met.data.title.splitt: there is no such key; did you mean split?",
        ),
        ("[facts.met]", "[fact.met]", "facts: it is needed"),
        ('dates = "YYYY"', "dates = []", "dates: name at least one"),
        ('occurred = "{when}"', "occurred = 2024-01-01", "facts.met.occurred: dates, and numbers of more"),
        ('occurred = "{when}"', "occurred = 2024", "facts.met.occurred: a date is a text, such as"),
        (
            'occurred = "{when}"',
            'occurred = { column = "a", spilt = ";" }',
            "facts.met.occurred.spilt: there is no such key; did you mean split?",
        ),
        ('occurred = "{when}"', 'effective = { date = "YYYY" }', "facts.met.effective: a date is a text, such as"),
        ("sources =", "note = 2024-01-01T00:00:00Z\nsources =", "facts.met.note: this is a text: write it in quotes"),
        ("sources =", f"data = {{ note = {2**63} }}\nsources =", "facts.met.data.note: dates, and numbers of more"),
        ("sources =", "data = { note = [{ a = 10:00:00 }] }\nsources =", "facts.met.data.note: dates, and numbers"),
        ("sources =", "data = { note = nan }\nsources =", "facts.met.data.note: dates, and numbers of more"),
        ("sources =", f"data = {{ note = {'[' * 5000}{']' * 5000} }}\nsources =", "nested too deeply"),
        ("sources =", f"data.{'a.' * 5000}b = 1\nsources =", "nested too deeply"),
        ("sources =", 'for_each = "a"\nsources =', "facts.met.for_each: this is a table, such as"),
    ],
)
def test_a_wrong_mapping_is_told_by_file_and_key(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    """What is wrong with a mapping is said before any row is read."""
    text = DATED.format(formats='"YYYY"')
    assert was in text
    with pytest.raises(Invalid) as caught:
        mapping_of(tmp_path, text.replace(was, becomes))
    assert str(caught.value).startswith(str(tmp_path / "mapping.toml"))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('date = "YYYY", values = { a = "b" }', "a cell is read as a date or looked up in values"),
        ('other = "b"', "any_case and other are for a cell that is looked up in values"),
        ("any_case = true", "any_case and other are for a cell that is looked up in values"),
        ('values = { a = 1 }, each = "<{item}>"', "each shapes a text, and not all of the values are texts"),
        ('split = ";", default = "a"', "a cell that is split gives a list, and so does its default"),
        ('split = ";", default = { column = "b" }', "a cell that is split gives a list, and so does its default"),
    ],
)
@pytest.mark.parametrize("place", ["occurred", "for_each", "data.note"])
def test_what_would_do_nothing_is_refused(tmp_path: Path, place: str, cell: str, said: str) -> None:
    """Parts of a cell that do not go together are told, wherever it stands: none is taken and ignored."""
    text = re.sub("^occurred.*$", "", DATED.format(formats='"YYYY"'), flags=re.MULTILINE)
    with pytest.raises(Invalid, match=f"mapping.toml: facts.met.{place}: {said}"):
        mapping_of(tmp_path, f'{text}{place} = {{ column = "when", {cell} }}\n')


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('note = "{item}"', "facts.met: {item} stands where there is no item"),
        ('occurred = { column = "item" }', "facts.met: {item} stands where there is no item"),
        ('occurred = { column = "what", default = "{slug(item)}" }', "facts.met: {item} stands where there is no item"),
        ('key = "item"', "facts.met: {item} stands where there is no item"),
        ('when = "item"', "facts.met: {item} is an item of for_each, which is not there yet"),
        ('when_any = "item"\nfor_each = { column = "what" }', "facts.met: {item} is an item of for_each, which is not"),
        ('for_each = { column = "item" }', "facts.met: {item} is an item of for_each, which is not there yet"),
        ('for_each = { column = "what", default = "{item}" }', "facts.met: {item} is an item of for_each, which is"),
        ("for_each = { column = 'what', values = { a = 1 } }", "facts.met: the items of for_each are texts"),
        ("for_each = { column = 'what', each = { a = 'b' } }", "facts.met: the items of for_each are texts"),
        ('[columns.item]\nfrom = "what"', "the mapping: item is no name of a column"),
        ('[columns.a]\nfrom = "item"', "the mapping: item is no name of a column"),
    ],
)
def test_an_item_is_there_where_there_are_items(tmp_path: Path, more: str, said: str) -> None:
    """Where no cell is split into items, and no fact is for each of them, {item} is told, and reads no column."""
    text = re.sub("^occurred.*$", "", DATED.format(formats='"YYYY"'), flags=re.MULTILINE)
    with pytest.raises(Invalid, match=re.escape(said)):
        mapping_of(tmp_path, text + more)


def test_the_items_of_all_facts(tmp_path: Path) -> None:
    """What is said for all facts can name an item where all of them have one; the key of the rows cannot."""
    cited = 'sources = [{ source = "source:{slug(item)}" }]\n'
    fact = '[facts.met]\ntype = "milestone.met"\nsubject = "milestone:a"\n'
    each = 'for_each = { column = "what" }\nnote = "{item}"\n'
    assert mapping_of(tmp_path, f'name = "one"\n{cited}{fact}{each}').table_columns() == {"what"}
    for wrong in (f"{cited}{fact}", f'key = "item"\n{fact}{each}'):
        with pytest.raises(Invalid, match="item"):
            mapping_of(tmp_path, f'name = "one"\n{wrong}')


def test_a_mapping_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    """Some editors put one there."""
    (tmp_path / "mapping.toml").write_text(DATED.format(formats='"YYYY"'), encoding="utf-8-sig")
    assert read_mapping(tmp_path / "mapping.toml") == LISTED


def test_a_missing_mapping_or_table(tmp_path: Path) -> None:
    """A file that is not there is one clear sentence."""
    for read in (read_mapping, lambda path: list(read_table(REGISTER, path, Report()))):
        with pytest.raises(Invalid, match="cannot be read: no such file"):
            read(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("name", "text", "delimiter"),
    [
        ("a.csv", '\ufeffwhat, when\n1,"a, b"\n\n,\n2,c\n', None),
        ("a.csv", 'what;when\n1;"a, b"\n\n;\n2;c\n', ";"),
        ("a.tsv", "what\twhen\n1\ta, b\n\n\t\n2\tc\n", None),
        ("a.jsonl", '\n{"what": 1, "when": "a, b"}\n\n\n{"what": "2", "when": "c"}\n', None),
    ],
)
def test_tables_come_as_csv_tabs_or_json_lines(tmp_path: Path, name: str, text: str, delimiter: str | None) -> None:
    """The same cells by column, with the same line numbers; blank lines are none."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    report = Report()
    rows = list(read_table(LISTED.model_copy(update={"delimiter": delimiter}), tmp_path / name, report))
    assert rows == [row(2, what="1", when="a, b"), row(5, what="2", when="c")]
    assert not report.faults


def test_fields_within_fields_have_dotted_names(tmp_path: Path) -> None:
    """A JSON line may nest; null is a blank, numbers and truths are their text."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"what": {"b c": null, "d": [1.5, true]}, "when": "x"}')
    mapping = LISTED.model_copy(update={"key": ("what.b c",), "facts": {}})
    assert list(read_table(mapping, path, Report())) == [
        row(1, **{"what.b c": "", "what.d.0": "1.5", "what.d.1": "true", "when": "x"})
    ]


def test_columns_of_json_lines_are_found_as_those_of_csv(tmp_path: Path) -> None:
    """However a program writes the name; a line may leave out what is unknown, and a column that no line has is told."""
    path = tmp_path / "a.jsonl"
    path.write_text('{" what\u00a0": 1}\n{"what": 2, "when": null}\n[]\n')
    assert [one.cells for one in read_table(LISTED, path, Report())] == [{"what": "1"}, {"what": "2", "when": ""}]
    path.write_text('{"what": 1, "whem": 2024}\n{"what": 2}\n')
    with pytest.raises(Invalid, match="no line has the column 'when', which the mapping names"):
        list(read_table(LISTED, path, Report()))
    path.write_text("\n{}\n")
    assert list(read_table(LISTED, path, Report())) == []


@pytest.mark.parametrize(
    "line", ['{"when": 1, " when": 2}', '{"when.a": 1, "when": {"a": 1}}', '{"when": {"a": "", "a ": ""}}']
)
def test_a_column_that_a_line_of_json_has_twice_is_told(tmp_path: Path, line: str) -> None:
    """Nobody knows which of them is meant."""
    (tmp_path / "a.jsonl").write_text(line)
    report = Report()
    assert list(read_table(LISTED, tmp_path / "a.jsonl", report)) == []
    assert [text.partition("'")[2] for _, text in report.faults] in (
        [f"{name}' stands there more than once"] for name in ("when", "when.a")
    )


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "what,when, item\n1,2,3\n"), ("a.jsonl", '{"item": 1, "what": 2}\n')]
)
def test_no_column_is_called_item(tmp_path: Path, name: str, text: str) -> None:
    """It would be read where a mapping means the item of a cell."""
    (tmp_path / name).write_text(text)
    with pytest.raises(Invalid, match="the table has a column 'item'"):
        list(read_table(LISTED, tmp_path / name, Report()))


def test_without_a_key_each_column_stands_there_once(tmp_path: Path) -> None:
    """Where all cells of a row tell it apart, none hides behind another: also one without a name counts."""
    path = tmp_path / "a.csv"
    path.write_text("what,when,note,note\n1,2,3,4\n")
    assert len(list(read_table(LISTED.model_copy(update={"key": ("what",)}), path, Report()))) == 1
    with pytest.raises(Invalid, match="the table has 2 column 'note', and without a key"):
        list(read_table(LISTED, path, Report()))
    path.write_text("what,when,,\n1,2,3,4\n")
    assert [*read_table(LISTED, path, Report())] == [row(2, what="1", when="2", **{"column 3": "3", "column 4": "4"})]


def test_broken_lines_are_faults_of_their_own(tmp_path: Path) -> None:
    """A row with too many or too few cells and a line that is no JSON are reported by number, and the others are read."""
    (tmp_path / "a.csv").write_text("what,when\n1,a,b\n2,\n3\n4,,,\n , ,\n")
    (tmp_path / "a.jsonl").write_text('{"what": 1\n{"what": 2, "when": null}\n[]\n')
    report = Report()
    assert list(read_table(LISTED, tmp_path / "a.csv", report)) == [
        row(3, what="2", when=""),
        row(5, what="4", when=""),
    ]
    assert list(read_table(LISTED, tmp_path / "a.jsonl", report)) == [row(2, what="2", when="")]
    assert [number for number, _ in report.faults] == [2, 4, 1, 3]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("what", "no column 'when'"),
        ("what,when,when", "2 column 'when'"),
        ("", "the first line is empty"),
        ("a,b", "no column 'what', no column 'when', .* its columns are 'a', 'b'"),
    ],
)
def test_a_column_of_the_mapping_stands_in_the_table_once(tmp_path: Path, header: str, said: str) -> None:
    """A column that the table does not have would be unknown in every row: it is reported before the first."""
    (tmp_path / "a.csv").write_text(f"{header}\n1,2\n")
    with pytest.raises(Invalid, match=said):
        list(read_table(LISTED, tmp_path / "a.csv", Report()))


@pytest.mark.parametrize(("mapping", "columns"), [(REGISTER, set(HEADER)), (MEMBERS, MEMBERS_COLUMNS)])
def test_the_columns_of_a_mapping(mapping: TableMapping, columns: set[str]) -> None:
    """Wherever a column is named, it is found."""
    assert mapping.table_columns() == columns


# --- importing again


def log_of(reader: Connection) -> list[str]:
    return [body for (body,) in reader.execute("select body::text from entries order by position")]


@pytest.fixture
def load(ledger: Ledger, reader: Connection) -> Import:
    """``load(mapping, rows)`` imports rows, in batches, as the command does, and reports; ``upto`` is where it is killed."""

    def load_rows(mapping: TableMapping, rows: Rows, batch: int = 500, upto: int | None = None) -> Report:
        report = Report()
        earlier = imported(mapping, log_of(reader), SECRET)
        lines = list(read_mapped(mapping, rows, earlier, report))[:upto]
        for start in range(0, len(lines), batch):
            answers = ledger.append([line.draft for line in lines[start : start + batch]], CLERK)
            report.appended += len(answers)
            report.flagged += sum(any(one.code == "date_order" for one in answer.anomalies) for answer in answers)
        return report

    return load_rows


def test_the_ids_of_rows_never_change() -> None:
    """What was imported once must be known again by every later version."""
    events = by_type(told(REGISTER, FULL)[0])
    assert events["agreement.signed"]["id"] == "93f15eec-e807-5713-a409-85a983491bb6"
    assert events["agreement.signed"]["correlationid"] == "import:register:1d6751cd-57b2-561d-b4d6-bf97d064eed5"


def test_a_table_can_be_imported_again(load: Import) -> None:
    """The same rows again change nothing; rows that came since are added."""
    first = load(REGISTER, table(FULL))
    assert (first.appended, first.repeated) == (7, 0)
    again = load(REGISTER, table(FULL, BARE))
    assert (again.appended, again.repeated) == (2, 7)
    assert (load(REGISTER, table(FULL, BARE)).appended, first.faults, again.faults) == (0, [], [])


def test_an_interrupted_import_goes_on_where_it_stopped(load: Import, ledger: Ledger) -> None:
    """What was recorded before the interruption is repeated, and only the rest is added, in the middle of a row too."""
    report = Report()
    lines = list(read_drafts(posted(*told(REGISTER, FULL)[0]), SECRET, report))
    ledger.append([line.draft for line in lines[:5]], CLERK)
    rest = load(REGISTER, table(FULL, BARE))
    assert (rest.repeated, rest.appended, rest.faults) == (5, 4, [])


def test_the_same_event_again_is_the_same_for_the_ledger(ledger: Ledger) -> None:
    """Even without a look at the log, a row that is sent twice is recorded once."""
    report = Report()
    for _ in range(2):
        lines = read_drafts(posted(*told(REGISTER, FULL)[0]), SECRET, report)
        answers = ledger.append([line.draft for line in lines], CLERK)
    assert [answer.repeated for answer in answers] == [True] * 7


def test_a_changed_row_corrects_what_it_gave(load: Import, follower: Follower, reader: Connection) -> None:
    """A row that reads otherwise under its key supersedes; what stayed, stays; a chain is corrected at its head."""
    load(REGISTER, table(FULL))
    for place in ("Bombay", "Madras"):
        report = load(CORRECTING, table(but(FULL, Place=place)))
        assert (report.appended, report.repeated, report.faults) == (1, 6, [])
    assert load(CORRECTING, table(but(FULL, Place="Madras"))).appended == 0
    assert load(CORRECTING, table(FULL)).appended == 1, "an old table that is imported last is what counts"
    assert load(CORRECTING, table(but(FULL, Place="Madras"))).appended == 1
    while follower.step():
        pass
    row = reader.execute(
        "select doc::json from states where subject = 'agreement:no-7' and lane = '' and known_to > %s", [LAST]
    )
    assert {tuple(doc["places"]) for (doc,) in row if "places" in doc} == {("Madras",)}


def test_a_fact_that_a_row_no_longer_tells_stays(load: Import) -> None:
    """A row that says less may be an older one: nothing is struck for it."""
    load(REGISTER, table(FULL))
    report = load(REGISTER, table(but(FULL, Terminated="n/a")))
    assert (report.appended, report.repeated) == (0, 6)


def test_a_row_that_moves_to_another_subject(load: Import, tmp_path: Path, reader: Connection) -> None:
    """No entry can be corrected from another stream: it is struck where it stands, and recorded where it belongs."""
    mapping = mapping_of(tmp_path, CORRECTS + 'key = "No"' + DATED.format(formats='"YYYY"'))
    for what in ("Strat", "Start"):
        load(mapping, [row(2, No="1", what=what, when="2024")])
    rows = reader.execute("select type, stream from entries order by position").fetchall()
    assert rows == [
        ("milestone.met", "milestone:strat"), ("entry.voided", "milestone:strat"), ("milestone.met", "milestone:start"),
    ]  # fmt: skip


MOVES = """
corrections = {{ reason_code = "source_corrected", reason = "The list reads otherwise now." }}
name = "{name}"
key = "No"
sources = [{{ source = "source:list" }}]
[facts.mentioned]
type = "agreement.mentioned"
subject = "agreement:{name}-{{slug(of)}}"
data = {{ title = "{{title}}" }}
[facts.described]
type = "agreement.described"
subject = "agreement:{name}-{{slug(of)}}"
data = {{ title = "{{title}}" }}
"""
BOTH = ("agreement.described", "agreement.mentioned")
MOVING = "No,of,title\n1,{},{}\n2,c,Talks\n"


def counted_in(lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Subject, type and title of the facts that count, by what the log says of corrections and nothing else."""
    facts: dict[str, tuple[str, dict[str, Any]]] = {}
    for line in map(json.loads, lines):
        data = line["data"]
        facts.pop(data.get("target"), None)
        if line["type"] != "entry.voided":
            facts[line["id"]] = line["subject"], data.get("replacement", line)
    return sorted((subject, fact["type"], fact["data"]["title"]) for subject, fact in facts.values())


def test_a_fact_that_was_corrected_moves_too(location: LedgerLocation, reader: Connection, tmp_path: Path) -> None:
    """Each version of a table is what counts once it was imported, wherever its rows were before; again, it is at rest."""
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(MOVES.format(name="list"))
    for of, title in [
        ("a", "Tirade"),
        ("a", "Trade"),
        ("b", "Trade"),
        ("a", "Tirade"),
        ("b", "Tirade"),
        ("a", "Trade"),
    ]:
        (tmp_path / "table.csv").write_text(MOVING.format(of, title))
        run(location, "import", "--mapping", mapping, tmp_path / "table.csv")
        there = [(f"agreement:list-{of}", type_, title) for type_ in BOTH]
        assert counted_in(log_of(reader)) == [*there, *(("agreement:list-c", type_, "Talks") for type_ in BOTH)]
        again = run(location, "import", "--mapping", mapping, tmp_path / "table.csv")
        assert again.stderr == "appended 0, repeated 4, refused 0\n"
    run(location, "audit")
    assert json.loads(run(location, "show", "agreement:list-a").stdout)["title"] == "Trade"
    assert "nothing is known of agreement:list-b" in run(location, "show", "agreement:list-b", code=1).stderr


def test_what_an_import_left_behind_is_struck_by_the_next(load: Import, given: Given, reader: Connection) -> None:
    """Where the void of a fact that has moved was refused, the next import makes good for it."""
    mapping = TableMapping.model_validate(tomllib.loads(MOVES.format(name="list")))
    load(mapping, [row(2, No="1", of="a", title="Tirade")])
    load(mapping, [row(2, No="1", of="a", title="Trade")])
    moved = row(2, No="1", of="b", title="Trade")
    given(*(event for _, event in events_of(mapping, [moved], Report())))
    assert load(mapping, [moved]).appended == 2
    assert {subject for subject, _, _ in counted_in(log_of(reader))} == {"agreement:list-b"}


ROWS = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))
VERSIONS = st.lists(st.tuples(st.tuples(ROWS, ROWS), st.integers(0, 12)), min_size=1, max_size=6)
NAMES = (f"list-{number}" for number in count())


@given_any(VERSIONS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_last_table_is_what_counts(
    load: Import, reader: Connection, versions: list[tuple[tuple[tuple[str, str], ...], int]]
) -> None:
    """Where corrections are allowed, the facts that count are those of the last table; again, it records nothing.

    So it is whatever tables came before, wherever their imports were killed.
    """
    name = next(NAMES)
    mapping = TableMapping.model_validate(tomllib.loads(MOVES.format(name=name)))
    for version, upto in versions:
        rows = [row(no + 2, No=str(no), of=of, title=title) for no, (of, title) in enumerate(version)]
        load(mapping, rows, upto=upto)
    assert load(mapping, rows).faults == []
    facts = [(f"agreement:{name}-{of}", type_, title) for of, title in version for type_ in BOTH]
    assert counted_in(line for line in log_of(reader) if f'"import:{name}:' in line) == sorted(facts)
    assert load(mapping, rows).appended == 0


TABLES = st.lists(st.tuples(st.sampled_from("123"), st.sampled_from("xyz")), min_size=1, max_size=6)


@given_any(TABLES, TABLES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_corrects_another(
    load: Import, reader: Connection, first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    """Whatever stands how often under a key: in one import, and in two without ``corrections``, nothing is struck.

    The first row under a key is what is recorded; each later one that reads otherwise is told, every time.
    """
    name = next(NAMES)
    mapping = TableMapping.model_validate(tomllib.loads(MOVES.format(name=name))).model_copy(
        update={"corrections": None}
    )
    recorded: dict[str, str] = {}
    for version in (first, second, second):
        rows = [row(line, No=no, of=no, title=title) for line, (no, title) in enumerate(version, 2)]
        firsts = dict(reversed(version))
        report = load(mapping, rows)
        otherwise = sum(title != firsts[no] for no, title in version)
        differ = sum(recorded.get(no, title) != title for no, title in firsts.items()) * len(BOTH)
        assert report.refused == otherwise + differ
        recorded = firsts | recorded
    facts = [(f"agreement:{name}-{no}", type_, title) for no, title in recorded.items() for type_ in BOTH]
    assert counted_in(line for line in log_of(reader) if f'"import:{name}:' in line) == sorted(facts)


def test_without_a_key_a_row_is_itself() -> None:
    """Without a key the whole row identifies a fact, and another row is another fact."""
    free = REGISTER.model_copy(update={"key": None})
    first, second = (told(free, row)[0][-1] for row in (FULL, but(FULL, Ground="denounced")))
    assert first["correlationid"] != second["correlationid"]


def test_a_table_in_one_go(tmp_path: Path) -> None:
    """From a file to drafts with their lines, as the command takes them."""
    path = tmp_path / "register.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, FULL, but(BARE, Signed="never")])
    report = Report()
    lines = list(read_mapped(REGISTER, read_table(REGISTER, path, report), Imported(SECRET), report))
    assert len(lines) == 7
    assert report.faults[0][0] == 3


GUIDE = (Path(__file__).parents[1] / "docs" / "importing.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```(csv|toml)\n(.*?)```", GUIDE, re.DOTALL)
"""The tables and mappings that the guide shows, in its order."""


def files_of_the_guide(tmp_path: Path, name: str) -> tuple[Path, Path]:
    """Table and mapping of one of the guide's examples, by the mapping's name."""
    [number] = [number for number, (_, text) in enumerate(SHOWN) if text.startswith(f'name = "{name}"')]
    (tmp_path / "table.csv").write_text(SHOWN[number - 1][1], encoding="utf-8")
    (tmp_path / "mapping.toml").write_text(SHOWN[number][1], encoding="utf-8")
    return tmp_path / "table.csv", tmp_path / "mapping.toml"


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    """What the guide shows can be imported, and gives as many facts as it says."""
    path, mapping = files_of_the_guide(tmp_path, "our-register")
    report = Report()
    meaning = read_mapping(mapping)
    lines = list(read_mapped(meaning, read_table(meaning, path, report), Imported(SECRET), report))
    assert not report.faults
    about = Counter(line.number for line in lines if line.draft.subject.startswith("agreement:"))
    assert about == {2: 3, 3: 1, 4: 4, 5: 3, 6: 4}
    assert Counter(line.draft.fact.type for line in lines)["party.registered"] == 5


@pytest.mark.parametrize(
    ("number", "day", "status"),
    [
        ("14", "2026-01-01", "in_force"),
        ("14", "2080-12-30", "in_force"),
        ("14", "2080-12-31", "terminated"),
        ("15", "9000-01-01", "in_force"),
        ("16", "1984-06-29", "in_force"),
        ("16", "1984-06-30", "terminated"),
    ],
)
def test_the_reading_of_the_guide_is_safe(
    location: LedgerLocation, tmp_path: Path, number: str, day: str, status: str
) -> None:
    """An end that lies ahead ends nothing before its day, "no end" is none, and an end that has come has come."""
    path, mapping = files_of_the_guide(tmp_path, "our-register")
    done = run(location, "import", "--mapping", mapping, path)
    assert "flagged" not in done.stderr
    shown = json.loads(run(location, "show", f"agreement:register-{number}", "--valid-at", day).stdout)
    assert shown["status"] == status


def test_the_guides_table_of_participation(location: LedgerLocation, tmp_path: Path) -> None:
    """Day and letter of a cell give date and method, and marks of footnotes are no part of a name."""
    path, mapping = files_of_the_guide(tmp_path, "court")
    assert "flagged" not in run(location, "import", "--mapping", mapping, path).stderr
    entries = [json.loads(line) for line in run(location, "export").stdout.splitlines()]
    consents = [one["data"] for one in entries if one["type"] == "agreement.consented"]
    assert [(one["party"], one["occurred"], one["method"]) for one in consents] == [
        ("party:arland", "2003-01-31", "ratification"),
        ("party:borland", "2003-02-10", "accession"),
        ("party:corland", "2001-07-17", "acceptance"),
        ("party:dorland", "2006-10-23", "succession"),
    ]
    signed = [one["data"] for one in entries if one["type"] == "agreement.signed"]
    assert [one["signatories"][0]["party"] for one in signed] == ["party:arland", "party:corland"]


# --- the copyright treaties, and a table of their shape

TIMES = [f"2025-{month:02d}-01T00:50:00+00:00" for month in (4, 5, 6, 7, 8, 10)]
KINDS = ["Accession", "Ratification", "Declaration of Continued Application", "Acceptance"]


class Feed(NamedTuple):
    """A table that was recorded at several times, and how many of its entries into force come before the consent."""

    path: Path
    early: int

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def times(self) -> list[str]:
        return sorted({row["recorded"] for row in self.rows()}, key=lambda text: text[:10])

    def as_of(self, time: str) -> dict[tuple[str, str], dict[str, str]]:
        """The rows as they read at a time, by party and treaty: straight from the file, without the ledger."""
        return {(row["party"], row["treaty"]): row["row"] for row in self.rows() if row["recorded"][:10] <= time[:10]}


def generate(path: Path) -> Feed:
    """Rows like those of the copyright treaties: six times, dates ahead, entries into force before the consent."""
    chance = random.Random(1886)
    lines = [
        {
            "recorded": time,
            "commit": "-",
            "op": "add",
            "party": f"Party {party}",
            "treaty": f"Treaty {treaty}",
            "row": row,
        }
        for treaty in range(5)
        for party in range(30)
        for time in [chance.choice([TIMES[0]] * 9 + TIMES[1:])]
        if (row := made_row(chance, time))
    ]
    old = {"Signature Date": "2024-12-04"}
    new = old | {
        "Instrument Type": "Ratification",
        "Instrument Date": "2025-07-09",
        "Entry Into Force Date": "2090-01-01",
    }
    changed = {"commit": "-", "party": "Uganda", "treaty": "Treaty 0"}
    lines.append({"recorded": TIMES[0], "op": "add", "row": old, **changed})
    lines.append({"recorded": TIMES[4], "op": "change", "row": new, "old": old, **changed})
    lines.sort(key=lambda line: str(line["recorded"]))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    dates = [line["row"] for line in lines]
    early = [row for row in dates if row.get("Entry Into Force Date", "9") < row.get("Instrument Date", "")]  # type: ignore[attr-defined]
    return Feed(path, len(early))


def made_row(chance: random.Random, time: str) -> dict[str, str]:
    """Signed, consented, in force: any of them may be missing, but not all."""
    signed = date(1950, 1, 1) + timedelta(days=chance.randrange(20_000))
    consented = signed + timedelta(days=chance.randrange(1, 5_000))
    force = consented + timedelta(days=chance.choice([90, 90, 90, 30_000, -1 if chance.random() < 0.5 else 0]))
    row = {}
    if chance.random() < 0.4:
        row["Signature Date"] = str(signed)
    if chance.random() < 0.8:
        row |= {"Instrument Type": chance.choice(KINDS), "Instrument Date": str(consented)}
    if not row or ("Instrument Date" in row and chance.random() < 0.9):
        row["Entry Into Force Date"] = str(force)
    return row


@pytest.fixture(params=["generated", "shared"])
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Feed:
    """Once a table of the same shape, and once the real one where it is at hand."""
    if request.param == "generated":
        return generate(tmp_path / "feed.jsonl")
    return Feed(request.getfixturevalue("shared") / "copyright-treaties" / "bitemporal_feed.jsonl", 62)


IN_FORCE = "status = 'in_force'"
ACCEDED = "doc::json #>> '{consents,-1,method}' = 'accession'"


def counted(reader: Connection, which: LiteralString, known_at: int, valid_at: str) -> dict[str, int]:
    """Parties by treaty for which something holds on a day, as known at a position."""
    rows = reader.execute(
        "select subject, count(*) from ("
        " select distinct on (subject, lane) * from states where kind = 'participation'"
        " and known_from <= %(known)s and known_to > %(known)s and valid_from <= %(valid)s"
        " order by subject, lane, valid_from desc) as held where " + which + " group by subject",
        {"known": known_at, "valid": valid_at},
    ).fetchall()
    return dict(rows)


def expected(rows: dict[tuple[str, str], dict[str, str]], column: str, valid_at: str, **cells: str) -> dict[str, int]:
    """The same, straight from the rows."""
    given = {name.replace("_", " "): cell for name, cell in cells.items()}
    slugs = {treaty: treaty.lower().replace("(", "").replace(")", "").replace(" ", "-") for _, treaty in rows}
    return Counter(
        f"agreement:{slugs[treaty]}"
        for (_, treaty), row in rows.items()
        if row.get(column, "9999") <= valid_at and all(row.get(name) == cell for name, cell in given.items())
    )


def test_membership_is_answered_for_every_time_of_recording(
    feed: Feed, load: Import, follower: Follower, reader: Connection
) -> None:
    """Each batch imported after the other, the ledger answers as of each of them what the list said then.

    An entry into force that lies ahead counts from its day; the row that was changed is one superseded entry; entries
    into force before the consent are flagged, every one and no other; and the whole file again changes nothing.
    """
    rows = list(read_table(MEMBERS, feed.path, Report()))
    positions: dict[str, int] = {}
    flagged = 0
    for time in feed.times():
        report = load(MEMBERS, [row for row in rows if row.cells["recorded"] == time])
        assert report.faults == []
        flagged += report.flagged
        positions[time] = reader.execute("select size from head").fetchall()[0][0]
    assert len(positions) == 6
    while follower.step():
        pass

    days = ["1900-01-01", "1990-06-30", "2025-04-08", "2025-04-09", "2091-01-01", *(time[:10] for time in feed.times())]
    for time, position in positions.items():
        then = feed.as_of(time)
        for day in days:
            assert counted(reader, IN_FORCE, position, day) == expected(then, "Entry Into Force Date", day), (time, day)
            acceded = expected(then, "Instrument Date", day, Instrument_Type="Accession")
            assert counted(reader, ACCEDED, position, day) == acceded, (time, day)

    early = (
        "exists (select from json_array_elements(doc::json -> 'anomalies') as one where one ->> 'code' = 'date_order')"
    )
    assert flagged == feed.early > 0
    assert sum(counted(reader, early, LAST, "9000-01-01").values()) == feed.early
    corrections = reader.execute("select type from entries where type like 'entry.%'").fetchall()
    assert corrections == [("entry.superseded",)]
    now = {(row.cells["party"], row.cells["treaty"]): row for row in rows}
    again = load(MEMBERS, now.values())
    assert (again.appended, again.repeated, again.faults) == (0, max(positions.values()) - 1, [])
