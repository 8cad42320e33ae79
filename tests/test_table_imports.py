"""The import of tables as its users run it: rows under one key, corrections, files of every sort, the report."""

import csv
import json
import re
import unicodedata
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from api.transfer.dates import check_formats, read_date
from api.transfer.forms import as_key, slug
from api.transfer.report import CellFault
from tests.commands import Command, Run, lines_of
from tests.examples import THX, USA, event
from tests.minimal import MINIMAL

pytest_plugins = ["tests.commands"]

MAPPING = """
{corrections}
name = "list"
key = "No"
dates = ["DD/MM/YYYY", "YYYY"]
{more}
sources = [{{ source = "source:list", locator = "No. {{No}}" }}]

[facts.party]
type = "party.registered"
subject = "party:{{slug(item)}}"
key = []
for_each = {{ column = "Parties", split = ";" }}
data = {{ name = "{{item}}", kind = "state" }}

[facts.mentioned]
type = "agreement.mentioned"
subject = "agreement:{{slug(No)}}"
data = {{ title = "{{Title}}" }}

[facts.signed]
type = "agreement.signed"
subject = "agreement:{{slug(No)}}"
when = "Signed"
occurred = "{{Signed}}"
data = {{ signatories = {{ column = "Parties", split = ";", each = {{ party = "party:{{slug(item)}}" }} }} }}
"""
CORRECTIONS = 'corrections = { reason_code = "source_corrected", reason = "The list was revised." }'
HEADER = "No,Title,Parties,Signed\n"


class Importing(NamedTuple):
    """``importing("7,Posts,Arland,1/2/1950\\n")`` imports a table of one row; options follow."""

    command: Command
    folder: Path

    def __call__(
        self,
        rows: str | bytes,
        *options: str,
        code: int = 0,
        more: str = "",
        corrects: bool = False,
        name: str = "table.csv",
    ) -> Run:
        (self.folder / "mapping.toml").write_text(
            MAPPING.format(more=more, corrections=CORRECTIONS if corrects else ""), encoding="utf-8"
        )
        table = rows if isinstance(rows, bytes) else (HEADER + rows).encode()
        (self.folder / name).write_bytes(table)
        mapping = self.folder / "mapping.toml"
        return self.command("import", "--mapping", mapping, self.folder / name, *options, code=code)

    def entries(self) -> list[dict[str, Any]]:
        """What imports recorded."""
        entries = [json.loads(line) for line in self.command("export").stdout.splitlines()]
        return [one for one in entries if "correlationid" in one]

    def types(self, subject: str) -> list[str]:
        return [one["type"] for one in self.entries() if one["subject"] == subject]

    def title(self, subject: str) -> str:
        return str(json.loads(self.command("show", subject).stdout)["title"])

    def report(self, rows: str, *options: str, code: int = 0, **more: Any) -> list[dict[str, str]]:
        """The rows of the report of an import."""
        self(rows, *options, "--report", str(self.folder / "report.csv"), code=code, **more)
        with (self.folder / "report.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def importing(command: Command, tmp_path: Path) -> Importing:
    """A ledger in which the source of the table is registered."""
    source = event("source.registered", "source:list", sources=[], title="A list", kind="dataset")
    command("append", "-", stdin=json.dumps(source))
    return Importing(command, tmp_path)


# --- rows that tell the same, and rows that do not


@pytest.mark.parametrize("options", [["--dry-run"], []])
def test_two_rows_under_one_key_are_told(importing: Importing, options: list[str]) -> None:
    """The later row is left out whole, with both lines, in a dry run and in a run; nothing is struck for it."""
    done = importing("7,Posts,Arland,1/2/1950\n8,Rails,Arland,\n7,Roads,Norland,1/2/1950\n", *options, code=1)
    assert "line 4: column 'No': line 2 has the same key, 7, and tells otherwise: mentioned, signed\n" in done.stderr
    assert "appended 4, repeated 0, refused 1" in done.stderr
    assert not any(one["type"].startswith("entry.") for one in importing.entries())
    assert "party:norland" not in {one["subject"] for one in importing.entries()}


def test_a_row_that_tells_more_under_its_key_is_told(importing: Importing) -> None:
    """A row that has the key of another and tells more, or less, is another row, too."""
    assert (
        "line 3: column 'No': line 2 has the same key, 7, and"
        in importing("7,Posts,Arland,\n7,Posts,Arland,1/2/1950\n", code=1).stderr
    )


def test_rows_that_tell_the_same_are_one(importing: Importing) -> None:
    """A row that stands twice is recorded once, and is no fault, even where its key is written otherwise."""
    assert (
        "appended 3, repeated 0, refused 0" in importing("7,Posts,Arland,1/2/1950\n 7.0,Posts,Arland,1/2/1950\n").stderr
    )


def test_a_fact_that_many_rows_tell_is_one(importing: Importing) -> None:
    """It is recorded with the citation of the first row, and no row corrects another; nor does the table in another order."""
    rows = ["7,Posts,Arland,\n", "8,Roads,Arland;Norland,\n", "9,Rails,Arland,\n"]
    importing("".join(rows))
    [party] = [one for one in importing.entries() if one["subject"] == "party:arland"]
    assert party["data"]["sources"] == [{"source": "source:list", "locator": "No. 7"}]
    assert "appended 0, repeated 5, refused 0" in importing("".join(reversed(rows)), corrects=True).stderr


def test_a_fact_that_two_rows_tell_otherwise_is_told(importing: Importing) -> None:
    """Where rows differ about what they both tell, the later is left out, with both lines."""
    told = importing("7,Posts,Arland,\n8,Roads,ARLAND,\n", code=1).stderr
    assert "line 3: column 'No': line 2 tells the same fact otherwise: party of party:arland" in told
    assert importing.types("agreement:8") == []


# --- importing again


def test_a_row_that_reads_otherwise_is_told(importing: Importing) -> None:
    """Without a word of the mapping on corrections nothing is recorded for what changed; what is new is."""
    importing("7,Posts,Arland,\n")
    told = importing("7,Post,Arland,1/2/1950\n", code=1).stderr
    assert "line 2: column 'No, Title': it reads otherwise than in an earlier import. To correct" in told
    assert "appended 1, repeated 1, refused 1" in told
    assert importing.types("agreement:7") == ["agreement.mentioned", "agreement.signed"]
    assert importing.title("agreement:7") == "Posts"


def test_corrections_have_the_reason_that_the_mapping_gives(importing: Importing) -> None:
    """A value that its publisher restores comes back, as often as he does; the same again changes nothing."""
    for title in ("First", "Second", "First", "Second", "First"):
        importing(f"7,{title},Arland,\n", corrects=True)
        assert importing.title("agreement:7") == title
        assert "appended 0, repeated 2, refused 0" in importing(f"7,{title},Arland,\n", corrects=True).stderr
    reasons = [one["data"].get("reason") for one in importing.entries() if one["type"] == "entry.superseded"]
    assert reasons == ["The list was revised."] * 4


@pytest.mark.parametrize("by_position", [True, False])
@pytest.mark.parametrize("strike", ["entry.voided", "entry.superseded"])
def test_what_was_struck_by_hand(importing: Importing, strike: str, by_position: bool) -> None:
    """It stays struck, is told with the entry and counted, until the mapping has corrections: then the table counts again."""
    rows = "7,Posts,Arland,\n8,Rails,Arland,\n"
    importing(rows)
    recorded = next(one for one in importing.entries() if one["subject"] == "agreement:7")
    target = int(recorded["sequence"]) if by_position else recorded["id"]
    replacement = {"type": "agreement.mentioned", "sources": [{"source": "source:list"}], "data": {"title": "Mails"}}
    struck = event(strike, "agreement:7", None, target=target, reason_code="never_occurred", reason="It was never said")
    struck["data"] |= {"replacement": replacement} if strike == "entry.superseded" else {}
    importing.command("append", "-", stdin=json.dumps(struck))
    for options in (["--dry-run"], []):
        told = importing(rows, *options, code=1).stderr
        assert "line 2: column 'No, Title': it was struck by hand in entry 5. To record it" in told
        assert "appended 0, repeated 2, refused 1" in told
    assert importing.report(rows, code=1)[1]["outcome"] == "refused"
    assert "struck by hand in entry 5" in importing("7,Post,Arland,\n", code=1).stderr, "otherwise is struck, too"
    for _ in range(2):
        again = importing.report(rows, corrects=True)
        assert importing.title("agreement:7") == "Posts"
    assert [one["outcome"] for one in again] == ["unchanged"] * 4
    assert "appended 0, repeated 3, refused 0" in importing(rows).stderr
    assert "appended 1 (1 corrected), repeated 1, refused 0" in importing("7,Post,Arland,\n", corrects=True).stderr


@pytest.mark.parametrize("remark", ["entry.annotated", "entry.disputed"])
def test_a_remark_is_no_fact_of_the_table(importing: Importing, remark: str) -> None:
    """Whoever annotates or disputes what an import recorded may give that the same ``correlationid``: nothing is struck for it."""
    importing("7,Posts,Arland,\n")
    recorded = next(one for one in importing.entries() if one["subject"] == "agreement:7")
    about = MINIMAL[remark]["data"] | {"target": recorded["id"]}
    told = event(remark, "agreement:7", None, **about) | {"correlationid": recorded["correlationid"]}
    importing.command("append", "-", stdin=json.dumps(told))
    assert "appended 0, repeated 2, refused 0" in importing("7,Posts,Arland,\n").stderr
    assert "appended 1 (1 corrected), repeated 1, refused 0" in importing("7,Mails,Arland,\n", corrects=True).stderr
    assert importing.title("agreement:7") == "Mails"


@pytest.mark.parametrize("by_position", [True, False])
def test_what_is_struck_under_its_correlationid_counts_no_more(importing: Importing, by_position: bool) -> None:
    """However the entry is named: it is not told as recorded already."""
    importing("7,Posts,Arland,\n8,Rails,Arland,1950\n")
    recorded = next(one for one in importing.entries() if one["type"] == "agreement.signed")
    target = int(recorded["sequence"]) if by_position else recorded["id"]
    struck = event("entry.voided", "agreement:8", None, target=target, reason_code="test_entry", reason="A rehearsal")
    importing.command("append", "-", stdin=json.dumps(struck | {"correlationid": recorded["correlationid"]}))
    assert "appended 1, repeated 3, refused 0" in importing("7,Posts,Arland,\n8,Rails,Arland,1950\n").stderr


def test_what_was_replaced_by_hand_and_struck(importing: Importing) -> None:
    """However often others have corrected in the place of an import's entry: it is their last entry that is told."""
    importing("7,Posts,Arland,\n")
    target = next(one["id"] for one in importing.entries() if one["subject"] == "agreement:7")
    replacement = {"type": "agreement.mentioned", "sources": [{"source": "source:list"}], "data": {"title": "Mails"}}
    why = {"reason_code": "never_occurred", "reason": "It was never said"}
    for number in range(4, 7):
        data = {"target": target, **why} | ({"replacement": replacement} if number < 6 else {})
        kind = "entry.superseded" if number < 6 else "entry.voided"
        importing.command("append", "-", stdin=json.dumps(event(kind, "agreement:7", None, **data)))
        assert f"struck by hand in entry {number}." in importing("7,Posts,Arland,\n", code=1).stderr
        target = number
    assert "appended 1, repeated 1, refused 0" in importing("7,Posts,Arland,\n", corrects=True).stderr
    assert importing.title("agreement:7") == "Posts"


def test_an_item_that_stands_twice(importing: Importing) -> None:
    """Told alike it is one, of the facts and in lists; where it is told in two ways, both are named."""
    importing("7,Posts,Arland; Arland;Norland,1950\n")
    assert [one["subject"] for one in importing.entries() if one["type"] == "party.registered"] == [
        "party:arland", "party:norland",
    ]  # fmt: skip
    [signed] = [one["data"] for one in importing.entries() if one["type"] == "agreement.signed"]
    assert signed["signatories"] == [{"party": "party:arland"}, {"party": "party:norland"}]
    told = importing("8,Posts,Arland;ARLAND,\n", code=1).stderr
    assert "line 2: column 'Parties': 'Arland' and 'ARLAND' are one item, and party reads otherwise for each" in told
    assert importing.types("agreement:8") == []


def test_what_is_refused_drags_nothing_along(importing: Importing, command: Command, tmp_path: Path) -> None:
    """Of a row of which the ledger refuses a fact, and of the rows about it, all else is recorded."""
    mapping = tmp_path / "own.toml"
    mapping.write_text(
        'name = "own"\nkey = "No"\nsources = [{ source = "source:list" }]\n'
        '[facts.left]\ntype = "agreement.described"\nsubject = "agreement:{slug(No)}"\nwhen = "Note"\ndata = { title = "{Note}" }\n'
        '[facts.party]\ntype = "party.registered"\nsubject = "party:{slug(No)}"\ndata = { name = "{No}", kind = "state" }\n'
    )
    (tmp_path / "own.csv").write_text("No,Note\na,\nb,unknown\nc,\n")
    for options in (["--dry-run"], []):
        told = command("import", "--mapping", mapping, tmp_path / "own.csv", *options, code=1).stderr
        assert "line 3: nothing is known of agreement:b" in told
        assert "appended 3, repeated 0, refused 1" in told
    assert [one["subject"] for one in importing.entries()] == ["party:a", "party:b", "party:c"]


# --- one form of keys, and ids that do not fall together


@pytest.mark.parametrize(
    ("once", "again"),
    [
        ("12", "12.0"),
        ("Côté 1", unicodedata.normalize("NFD", "Côté 1")),
        ("A 1", "A\u00a01"),
        ("A 1", " A \u2009 1 "),
        ("A1", "a1"),
        ("l'an 1", "l\u2019an 1"),
        ("A1", "\uff211"),
        ("a-1", "a\u20111"),
        ("Straße 1", "STRASSE 1"),
        ("A1", "\ufeffA1"),
    ],
)
def test_another_program_changes_nothing(importing: Importing, once: str, again: str) -> None:
    """A table that another program has saved holds the same keys, however it writes them."""
    importing(f"{once},Posts,Arland,1/2/1950\n")
    told = importing(f"{again},Posts,Arland,1/2/1950\n", corrects=True).stderr
    assert "appended 0, repeated 3, refused 0" in told


@pytest.mark.parametrize(
    ("once", "again"), [("12", "120"), ("12", "12.5"), ("12", "012"), ("A1", "B1"), ("1/2", "1 1/2"), ("Łódź", "Šódź")]
)
def test_other_keys_are_others(importing: Importing, once: str, again: str) -> None:
    """What is not a matter of writing tells rows apart."""
    told = importing(f"{once},Posts,Arland,1/2/1950\n{again},Posts,Arland,1/2/1950\n").stderr
    assert "appended 5, repeated 0, refused 0" in told


@pytest.mark.parametrize(("one", "other"), [("A-1", "A 1"), ("Côte 1", "Cote 1"), ("1/2", "1.2.")])
def test_two_names_of_one_id_are_told(importing: Importing, one: str, other: str) -> None:
    """Where two keys, or two names, would have the same id, nothing is recorded, and both are named with their lines."""
    told = importing(f"{one},Posts,Arland,\n{other},Roads,Arland,\n", code=1).stderr
    assert f"line 3: {other}, and {one} of line 2, would have one id, agreement:{slug(one)}\n" in told
    assert importing.entries() == []
    told = importing(f"1,Posts,{one},\n2,Roads,{other},\n", code=1).stderr
    assert f"line 3: {other}, and {one} of line 2, would have one id, party:{slug(one)}\n" in told
    told = importing(f"1,Posts,{one};{other},\n", code=1).stderr
    assert f"line 2: {other}, and {one} of line 2, would have one id, party:{slug(one)}\n" in told


def test_two_names_of_one_thing_can_be_told_so(importing: Importing) -> None:
    """What the mapping translates to one name has one id, where facts are told of it and where it is referred to."""
    mapping = MAPPING.replace('split = ";"', 'split = ";", values = {{ "Cote" = "Côte" }}, other = "{{item}}"')
    (importing.folder / "one.toml").write_text(mapping.format(more="", corrections=""), encoding="utf-8")
    (importing.folder / "one.csv").write_text(
        HEADER + "1,Posts,Côte;Arland,1950\n2,Roads,Cote,1951\n", encoding="utf-8"
    )
    importing.command("import", "--mapping", importing.folder / "one.toml", importing.folder / "one.csv")
    told = importing.entries()
    assert [one["data"]["name"] for one in told if one["type"] == "party.registered"] == ["Côte", "Arland"]
    signed = [one["data"]["signatories"] for one in told if one["type"] == "agreement.signed"]
    assert signed == [[{"party": "party:cote"}, {"party": "party:arland"}], [{"party": "party:cote"}]]


@pytest.mark.parametrize(("one", "other"), [("A-1", "A 1"), ("Côte 1", "Cote 1")])
def test_two_keys_of_one_id_are_told_between_imports(importing: Importing, one: str, other: str) -> None:
    """Where an earlier table gave an id to another key, nothing is recorded; a column that is filled since is no such case."""
    importing(f"{one},Posts,Arland,\n")
    before = importing.entries()
    told = importing(f"{other},Posts,Arland,\n", code=1).stderr
    assert f"line 2: an earlier import has agreement.mentioned of agreement:{slug(one)} under another key" in told
    assert importing.entries() == before
    importing(f"{one},Posts,Arland,1/2/1950\n{one} b,Posts,Arland,\n")


@pytest.mark.parametrize(("one", "other"), [("A-1", "A 1"), ("Côte 1", "Cote 1")])
def test_two_names_of_one_id_are_told_between_imports(importing: Importing, one: str, other: str) -> None:
    """So it is where the id is made of an item: a name of an earlier table is not given to another party."""
    importing(f"7,Posts,{one},\n")
    before = importing.entries()
    told = importing(f"8,Rails,Arland;{other},\n", code=1).stderr
    assert f"line 2: an earlier import has party.registered of party:{slug(one)} under another key" in told
    assert importing.entries() == before
    assert "appended 2, repeated 1, refused 0" in importing(f"8,Rails,Arland;{one},\n").stderr


@given_any(st.text(min_size=1), st.text(min_size=1))
def test_a_slug_is_made_of_the_key_form(one: str, other: str) -> None:
    """Texts of one key form have one id; where a letter is lost that is not an accent, no two share one."""
    texts = [text for text in (one, other) if any(map(str.isalnum, as_key(text)))]
    for text in texts:
        assert as_key(as_key(text)) == as_key(text)
        assert slug(text) == slug(as_key(text))
        assert 0 < len(slug(text)) <= 100
    lost = [
        text
        for text in texts
        if any(c.isalnum() and not c.isascii() for c in unicodedata.normalize("NFKD", as_key(text)))
    ]
    if len(lost) == 2 and as_key(one) != as_key(other):
        assert slug(one) != slug(other)


# --- dates


@pytest.mark.parametrize(
    ("formats", "text", "said"),
    [
        ('"DDMMYYYY"', "1021947", "is no date as DDMMYYYY"),
        ('"DDMMYYYY"', "1111960", "is no date as DDMMYYYY"),
        ('"YYYYMMDD"', "1947121", "is no date as YYYYMMDD"),
        ('"YYYYMM"', "19472", "is no date as YYYYMM"),
        ('"MMYYYY"', "21947", "is no date as MMYYYY"),
        ('["DD/MM/YYYY", "YYYY"]', "38027", "a spreadsheet's count of days, which stands for 2004-02-10"),
        ('["DD/MM/YYYY", "YYYY"]', "38027.5", "a spreadsheet's count of days, which stands for 2004-02-10"),
        ('"EDTF"', "38027", "a spreadsheet's count of days, which stands for 2004-02-10"),
        ('"YYYY"', "0000", "is no date as YYYY"),
        (
            '"D Mon YYYY"',
            "10 Feb 2003 a",
            "is no date as D Mon YYYY: 'a' stands behind it; a column with a pattern takes",
        ),
    ],
)
def test_digits_that_were_lost_are_not_guessed(importing: Importing, formats: str, text: str, said: str) -> None:
    """A number that a spreadsheet has changed is a fault with line and column, and what it may be."""
    more = f"dates = {formats}"
    mapping = MAPPING.replace('dates = ["DD/MM/YYYY", "YYYY"]\n', "")
    told = Importing(importing.command, importing.folder)
    (told.folder / "mapping.toml").write_text(mapping.format(more=more, corrections=""))
    (told.folder / "table.csv").write_text(f"{HEADER}7,Posts,Arland,{text}\n")
    done = told.command("import", "--mapping", told.folder / "mapping.toml", told.folder / "table.csv", code=1)
    assert done.stderr.startswith(f"line 2: column 'Signed': {text!r} ")
    assert said in done.stderr


@pytest.mark.parametrize("text", ["1/1/1799", "1/1/2101", "1066", "2999"])
def test_years_have_bounds(importing: Importing, text: str) -> None:
    """A date outside of the years that the mapping allows is a fault; on the bounds it is none."""
    years = "years = [1800, 2100]"
    told = importing(f"7,Posts,Arland,{text}\n", code=1, more=years).stderr
    assert f"line 2: column 'Signed': {text!r} is outside of the years 1800 to 2100" in told
    importing("8,Rails,Arland,1/1/1800\n9,Roads,Arland,31/12/2100\n", more=years)


WIDE = {"DDMMYYYY": "%d%m%Y", "MMDDYYYY": "%m%d%Y", "YYYYMMDD": "%Y%m%d"}
FREE = {"DD/MM/YYYY": "%d/%m/%Y", "M.D.YYYY": "%m.%d.%Y", "YYYY-MM-DD": "%Y-%m-%d", "D Mon YYYY": "%d %b %Y"}


@given_any(st.dates(min_value=date(1000, 1, 1)), st.sampled_from([*WIDE, *FREE]))
def test_a_date_is_read_as_it_was_written(day: date, wanted: str) -> None:
    """A day written in a format is that day; where digits stand in a row, one digit less or more is a fault."""
    text = day.strftime((WIDE | FREE)[wanted])
    assert read_date(text, [wanted], "Signed") == str(day)
    for odd in (text[1:], text[:-1], f"0{text}", f"{text}0") if wanted in WIDE else ():
        with pytest.raises(CellFault, match="is no date as"):
            read_date(odd, [wanted], "Signed")


@pytest.mark.parametrize("formats", [("DMYYYY",), ("DDMYYYY",), ("MYYYY",), ("YYYYMMD",)])
def test_digits_in_a_row_have_a_width(formats: tuple[str, ...]) -> None:
    """A format that does not say how many digits each part has is refused."""
    with pytest.raises(ValueError, match="nobody knows"):
        check_formats(formats)


@pytest.mark.parametrize("formats", [("DDMMYYYY", "MMDDYYYY"), ("DDMMYYYY", "YYYYMMDD"), ("YYYYMM", "MMYYYY")])
def test_digits_that_read_in_two_ways_are_refused(formats: tuple[str, ...]) -> None:
    """Two formats of as many digits in a row read the same texts, and are not tried one after the other."""
    with pytest.raises(ValueError, match="two read the same text"):
        check_formats(formats)


# --- columns made of others, and conditions

MADE = """
name = "made"
key = "No"
sources = [{ source = "source:list" }]
[columns.day]
from = ["Signed", "Exchanged"]
[columns.short]
from = "Title"
cut = 20
[columns.act]
from = "Act"
pattern = '(?P<year>\\d{4}) ?(?P<letter>[Aa])?(?: \\[.*\\])?'
[facts.mentioned]
type = "agreement.mentioned"
subject = "agreement:{slug(No)}"
note = "{short.rest}"
[facts.mentioned.data]
title = "{short}"
instrument_type = { column = "Sort", any_case = true, values = { MoU = "memorandum_of_understanding" } }
[facts.signed]
type = "agreement.signed"
subject = "agreement:{slug(No)}"
when_any = ["Signed", "Exchanged"]
occurred = "{day}"
data = { signatories = [{ party = "party:{slug(No)}" }] }
[facts.consented]
type = "agreement.consented"
subject = "agreement:{slug(No)}"
when = "act.year"
occurred = { column = "act.year", date = "YYYY" }
[facts.consented.data]
party = "party:{slug(No)}"
method = { column = "act.letter", values = { A = "acceptance", a = "accession" }, default = "ratification" }
"""


def made(importing: Importing, rows: str, *options: str, code: int = 0) -> Run:
    (importing.folder / "made.toml").write_text(MADE)
    (importing.folder / "made.csv").write_text(f"No,Title,Sort,Signed,Exchanged,Act\n{rows}")
    made_of = (importing.folder / "made.toml", importing.folder / "made.csv")
    return importing.command("import", "--mapping", *made_of, *options, code=code)


def test_a_column_is_made_of_others(importing: Importing) -> None:
    """The first that is known; a text cut at a blank, with the rest for the note; a day and its letter apart."""
    made(
        importing,
        "1,Posts and telegraphs of all,mou,1950-01-02,1951-01-02,1952 a [note]\n"
        "2,Rails,MOU,,1951-01-02,1953\n3,Roadsandrailsandcanals,MoU,,,1954A\n4,Air,,,,\n",
    )
    told = {(one["subject"], one["type"]): one["data"] for one in importing.entries()}
    mentioned = [told[f"agreement:{n}", "agreement.mentioned"] for n in "1234"]
    assert [(one["title"], one.get("note")) for one in mentioned] == [
        ("Posts and telegraphs", "of all"), ("Rails", None), ("Roadsandrailsandcana", "ls"), ("Air", None),
    ]  # fmt: skip
    assert {one.get("instrument_type") for one in mentioned} == {"memorandum_of_understanding", None}
    signed = [told.get((f"agreement:{n}", "agreement.signed"), {}).get("occurred") for n in "1234"]
    assert signed == ["1950-01-02", "1951-01-02", None, None]
    consented = [told.get((f"agreement:{n}", "agreement.consented"), {}) for n in "1234"]
    assert [(one.get("occurred"), one.get("method")) for one in consented] == [
        ("1952", "accession"), ("1953", "ratification"), ("1954", "acceptance"), (None, None),
    ]  # fmt: skip


def test_what_fits_no_pattern_is_told(importing: Importing) -> None:
    """A cell that a pattern does not cover is a fault of the table's own column; so is a date in a made one."""
    told = made(importing, "1,Posts,,,soon,1952 b\n2,Posts,,,soon,\n", code=1).stderr.splitlines()
    assert told[0].startswith("line 2: column 'Act': '1952 b' does not fit the pattern ")
    assert told[1].startswith("line 3: column 'Exchanged': 'soon' is no date as ")


# --- files of every sort

ROWS = "7,Zölle,Arland,1/2/1950\n8,Straßen,Arland,\n"


@pytest.mark.parametrize(
    ("encoding", "delimiter", "named"),
    [
        ("utf-8", ",", ""), ("utf-8-sig", ";", ""), ("utf-16", "\t", ""), ("cp1252", "|", 'encoding = "cp1252"'),
        ("utf-16-le", ";", 'encoding = "utf-16-le"'), ("utf-8", ":", 'delimiter = ":"'), ("cp437", ";", 'encoding = "cp437"'),
    ],
)  # fmt: skip
def test_a_table_in_any_writing_is_the_same(importing: Importing, encoding: str, delimiter: str, named: str) -> None:
    """Byte order mark and delimiter are found out, other encodings are named: what is recorded is the same."""
    importing(ROWS)
    table = (HEADER + ROWS).replace(",", delimiter).encode(encoding)
    assert "appended 0, repeated 4, refused 0" in importing(table, more=named).stderr


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ((HEADER + ROWS).encode("cp1252"), "line 2 has a byte that is not UTF-8 (0xf6). Save it as UTF-8, or name its"),
        ((HEADER + "7,Fô,A,\n").encode("cp1252"), "line 2 has a byte that is not UTF-8 (0xf4)"),
        ((HEADER + "7,Posts,A,Caf").encode() + b"\xe9\n8,Rails,A,\n", "line 2 has a byte that is not UTF-8 (0xe9)"),
        ((HEADER + ROWS).encode("utf-16-le"), "it looks like UTF-16 without a byte order mark. Save it as UTF-8"),
        ((HEADER + ROWS).encode("utf-16-be"), "it looks like UTF-16 without a byte order mark. Save it as UTF-8"),
        ((HEADER + "7,Ö,A,\n8,").encode("utf-16") + b"\x00\xdc", "line 3 has a byte that is not UTF-16 (0x"),
        ((HEADER + "7,Ö,A,\n8,").encode("utf-16") + b"\x00\xdcA\n\n\n\0", "line 3 has a byte that is not UTF-16 (0x"),
        ((HEADER + "7,Ö,A,\r8,Ċ,A\r\n9,").encode("utf-16") + b"7", "line 4 ends within a character of UTF-16: is the"),
        (
            (HEADER + "7," + "x\n" * 2**20 + "8,\n").encode() + b"\xff",
            "line 1048579 has a byte that is not UTF-8 (0xff)",
        ),
        (b"{" + b"x" * 200_000, "It looks like JSON: lines of JSON are read where the name ends in .jsonl or .ndjson"),
        (b"No,Title,Parties,Signed,item\n", "the table has a column 'item', and {item} is an item of a cell"),
        (
            (HEADER + '7,Posts,A,\n8,"The "old" rails",A,\n').encode(),
            "line 3: a quote stands alone within a quoted cell",
        ),
        ((HEADER + '7,Posts,A,\n8,"The rails,A,\n9,"x",A,\n').encode(), "line 4: a quote stands alone"),
        (
            (HEADER + '7,Posts,A,\n8,"The rails,A,\n9,x,A,\n').encode(),
            "line 3: a quote is opened in this row and never",
        ),
        (
            b"Number,Title,Parties,Date\n7,Posts,A,\n",
            "the table has no column 'No', no column 'Signed', which the mapping",
        ),
        (b"No:Title:Parties:Signed\n7:Posts:A:\n", "its columns are 'No:Title:Parties:Signed'"),
        (b"", "the file is empty: a table begins with the names of its columns"),
    ],
)
def test_a_table_that_cannot_be_read_is_told(importing: Importing, table: bytes, said: str) -> None:
    """What is wrong with a file as a whole is one line that says where, and what to do; nothing is recorded."""
    told = importing(table, code=1).stderr
    assert said in told
    assert told.count("\n") == 1
    assert importing.entries() == []


def test_a_row_is_told_by_its_first_line(importing: Importing) -> None:
    """Line breaks within cells count as lines, and a row is where it begins."""
    told = importing('7,"Posts\nand\nrails",Arland,\n8,"Ro\nads",Arland,never\n', code=1).stderr
    assert told.startswith("line 5: column 'Signed': 'never'")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('sources = [{ source = "source:list" }]\nkey = "', "cannot be read"),
        ('encoding = "latin-99"', "encoding: 'latin-99' is no encoding of text"),
        ('encoding = "rot13"', "encoding: 'rot13' is no encoding of text"),
        ("delimiter = '\"'", "delimiter: one character, and no quote or line break"),
        ('delimiter = "\\n"', "delimiter: one character, and no quote or line break"),
        ('delimiter = ", "', "delimiter: one character, and no quote or line break"),
        ("years = [2000, 1900]", "years: the first year comes after the last"),
        ('[columns.a]\nfrom = "No"\npattern = "(x"', "columns.a.pattern: '(x' is no regular expression"),
        ('[columns.a]\nfrom = "No"\npattern = "x"', "columns.a.pattern: 'x' names no group"),
        ('[columns.a]\nfrom = "No"\npattern = "(?P<a>.)"\ncut = 4', "columns.a: a column has a pattern or a cut"),
        ("[columns.a]\ncut = 4", "columns.a.from: it is needed"),
        ('corrections = { reason_code = "source_corrected" }', "corrections.reason: it is needed"),
        ('dates2 = "x"', "dates2: there is no such key; did you mean dates?"),
    ],
)
def test_a_wrong_mapping_is_told(command: Command, tmp_path: Path, more: str, said: str) -> None:
    """What is wrong with a mapping is told by file and key, before the table is read."""
    facts = '[facts.a]\ntype = "milestone.met"\nsubject = "milestone:{slug(No)}"\n'
    (tmp_path / "mapping.toml").write_text(f'name = "a"\nkey = "No"\n{more}\n{facts}')
    told = command("import", "--mapping", tmp_path / "mapping.toml", tmp_path / "none.csv", code=1).stderr
    assert told.startswith(f"ledger: {tmp_path / 'mapping.toml'}")
    assert said in told


@pytest.mark.parametrize("template", ["{Title", "Title}", "{slug(Title}", "{}", "{Title} {", "{{Title}}", "{slug(}"])
@pytest.mark.parametrize("field", ["subject", "occurred", "note", "data.title", "sources"])
def test_an_unclosed_brace_is_told(command: Command, tmp_path: Path, template: str, field: str) -> None:
    """Wherever it stands, it is a fault of the mapping, and not recorded as text."""
    value = (
        json.dumps([{"source": template}]).replace('"source":', '"source" =')
        if field == "sources"
        else json.dumps(template)
    )
    fields = {"type": '"milestone.reported"', "subject": '"milestone:a"'} | {field: value}
    (tmp_path / "mapping.toml").write_text(
        'name = "a"\n[facts.a]\n' + "".join(f"{name} = {one}\n" for name, one in fields.items())
    )
    told = command("import", "--mapping", tmp_path / "mapping.toml", tmp_path / "none.csv", code=1).stderr
    assert f"facts.a.{field.partition('.')[0]}" in told
    assert "not closed" in told


# --- the report, and what is skipped


def test_the_report_tells_every_line(importing: Importing) -> None:
    """Each fact of each line with its outcome; what is odd, refused or unreadable with its column and the reason."""
    importing("1,Posts,Arland,\n2,Roads,Arland,\n", corrects=True)
    rows = "1,Posts,Arland,1/2/2950\n2,Rails,Arland,\n2,Canals,Arland,\n"
    report = importing.report(rows, code=1, corrects=True)
    assert [(one["line"], one["outcome"], one["subject"], one["type"]) for one in report] == [
        ("2", "unchanged", "party:arland", "party.registered"),
        ("2", "unchanged", "agreement:1", "agreement.mentioned"),
        ("2", "recorded", "agreement:1", "agreement.signed"),
        ("2", "flagged", "agreement:1", "agreement.signed"),
        ("3", "unchanged", "party:arland", "party.registered"),
        ("3", "corrected", "agreement:2", "entry.superseded"),
        ("4", "refused", "", ""),
    ]
    [flag] = [one for one in report if one["outcome"] == "flagged"]
    assert (flag["column"], flag["reason"].partition(":")[0]) == ("Signed", "future_act")
    report = importing.report("1,Posts,Arland,soon\n", code=1)
    assert [(one["line"], one["outcome"], one["column"]) for one in report] == [("2", "unreadable", "Signed")]


def test_flags_are_told_in_short(importing: Importing) -> None:
    """The terminal names line, column and reason of what is odd."""
    told = importing("1,Posts,Arland,1/2/2950\n").stderr
    assert "flagged, " in told
    assert "column 'Signed': future_act: 2950-02-01 had not come when it was recorded" in told


def test_a_dry_run_goes_on(importing: Importing) -> None:
    """It tells all that cannot be read and all that is refused, counts what would be recorded, and records nothing."""
    told = importing(
        "1,Posts,Arland,soon\n2,Roads,Arland,\n2,Rails,Arland,\n3,Air,Arland,never\n4,Sea,Arland,\n",
        "--dry-run",
        code=1,
    )
    assert [line[:7] for line in told.stderr.splitlines() if line.startswith("line ") and "flagged" not in line] == [
        "line 2:", "line 4:", "line 5:",
    ]  # fmt: skip
    assert "refused 3; nothing was recorded: a dry run" in told.stderr
    assert importing.entries() == []


def test_a_dry_run_says_what_a_run_does(importing: Importing) -> None:
    """The same file gives the same outcomes, line by line, tried and recorded, the second time too."""
    rows = "1,Posts,Arland,1/2/1950\n1,Roads,Arland,\n2,Air,Arland;Borland,\n2,Air,Arland;Borland,\n"
    for _ in range(2):
        tried, done = (importing.report(rows, *options, code=1) for options in (["--dry-run"], []))
        assert tried == done
    assert Counter(one["outcome"] for one in done)["recorded"] == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_what_cannot_be_read_is_skipped_into_a_file(importing: Importing, encoding: str) -> None:
    """All other rows are recorded; these stand in the file as they were, under the header, and can be imported once mended."""
    more = 'encoding = "cp1252"' if encoding == "cp1252" else ""
    rows = '1,Posts,Arland,soon\n2,Roads,Arland,\n3,"Air ""é""\nlines",Arland,never\n4,Sea,Arland,\n'
    aside = importing.folder / "aside.csv"
    done = importing((HEADER + rows).encode(encoding), "--skip-unreadable", str(aside), more=more)
    assert f"refused 0; skipped 2, written to {aside}" in done.stderr
    kept = '1,Posts,Arland,soon\n3,"Air ""é""\nlines",Arland,never\n'
    assert aside.read_bytes() == (HEADER + kept).encode(encoding)
    mended = kept.replace("soon", "1950").replace("never", "1951")
    assert "appended 4, repeated 1, refused 0" in importing((HEADER + mended).encode(encoding), more=more).stderr


def test_lines_of_events_are_skipped_too(command: Command, tmp_path: Path) -> None:
    """A file of events without a mapping has the same options."""
    file = lines_of(tmp_path / "events.ndjson", THX, {"type": "no.such"}, USA, event("party.dissolved", "party:no"))
    aside, report = tmp_path / "aside.ndjson", tmp_path / "report.csv"
    told = command("import", file, "--skip-unreadable", aside, "--report", report, code=1).stderr
    assert f"appended 2, repeated 0, refused 1; skipped 1, written to {aside}" in told
    assert aside.read_text() == file.read_text().splitlines(keepends=True)[1]
    with report.open(newline="") as opened:
        outcomes = [(one["line"], one["outcome"]) for one in csv.DictReader(opened)]
    assert sorted(outcomes) == [("1", "recorded"), ("2", "unreadable"), ("3", "recorded"), ("4", "refused")]


def test_nothing_that_is_read_is_written_over(importing: Importing) -> None:
    """A report, or the file for what cannot be read, is none of the files of the import; one that cannot be written is told."""
    for option in ("--report", "--skip-unreadable"):
        for name in ("table.csv", "mapping.toml"):
            told = importing("7,Posts,Arland,\n", option, str(importing.folder / name), code=2).stderr
            assert "is a file of this import already" in " ".join(re.sub("[│╭╰╮╯─]", " ", told).split())
            assert (importing.folder / "table.csv").read_text() == HEADER + "7,Posts,Arland,\n"


@pytest.mark.parametrize("option", ["--report", "--skip-unreadable"])
@pytest.mark.parametrize("rows", ["7,Posts,Arland,soon\n8,Rails,Arland,\n", "7,Posts,Arland,\n"])
def test_what_cannot_be_written_is_told_first(importing: Importing, option: str, rows: str) -> None:
    """A file that cannot be written is named before anything is recorded, whether or not there is something to write."""
    for name, why in (("no/aside.csv", "no such file or directory"), ("", "is a directory")):
        path = importing.folder / name
        assert f"ledger: {path} cannot be written: {why}" in importing(rows, option, str(path), code=1).stderr
    assert importing.entries() == []


def test_a_row_that_was_cut_short(importing: Importing) -> None:
    """A row with fewer cells than there are columns cannot be read: the file may have been cut off in it."""
    told = importing("7,Posts,Arland,05/06/1955\n8,Mails,Ar", code=1).stderr
    assert "line 3: the row has 3 cells, and the table 4 columns: is the file cut short?" in told
    assert importing.entries() == []


def test_a_workbook_is_told_as_that(importing: Importing) -> None:
    """A file that is no text is told as what it is, with what to do; no encoding would help."""
    told = importing(b"PK\x03\x04\x14\x00", code=1).stderr
    assert "save the sheet as CSV in UTF-8" in told


def test_unknown_words_in_any_letters(importing: Importing) -> None:
    """What stands for an unknown cell is compared without regard to case, however the mapping writes it."""
    importing("7,Posts,Arland,INDEFINITE\n", more='unknown = ["", "Indefinite"]')
    assert importing.types("agreement:7") == ["agreement.mentioned"]


def test_a_hard_link_is_the_same_file(importing: Importing) -> None:
    """A report is not written over the table under another of its names."""
    importing("7,Posts,Arland,05/06/1955\n")
    other = importing.folder / "other.csv"
    other.hardlink_to(importing.folder / "table.csv")
    importing("7,Posts,Arland,05/06/1955\n", "--report", str(other), code=2)
    assert other.read_text().startswith(HEADER)


def test_strictly(importing: Importing) -> None:
    """With --strict what would be flagged is refused, told by its line, in dry run and run; all else is recorded."""
    table = "7,Posts,Arland,05/06/1955\n8,Mails,Arland,05/06/2955\n"
    for option in ("--dry-run", "--strict"):
        # when
        told = importing(table, "--strict", option, code=1).stderr
        # then
        assert "line 3: " in told
        assert "handled strictly" in told
        assert "future_act" in told
        assert "line 2" not in told
    assert importing.types("agreement:7") == ["agreement.mentioned", "agreement.signed"]
    assert importing.types("agreement:8") == ["agreement.mentioned"]
