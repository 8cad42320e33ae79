"""What a partial date allows: from which day to which."""

import json
import re
from datetime import date, datetime, timedelta, timezone
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from edtf import parse_edtf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ledger.vocabulary.dates import InvalidDate, PartialDate
from ledger.vocabulary.edtf import Bounds, Day, _years, bounds_of

FEW = settings(deadline=None, max_examples=60)
DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))
MARKS = st.sampled_from(["", "?", "~", "%"])

UNKNOWN_END = {"/2006", "2004-06-01/", "1984-06-02?/"}
"""Intervals with an unknown end: the vectors pad it by ten years, and here it bounds nothing."""
SIGNIFICANT = {"1950S2", "1953S2", "1953S3", "Y17101E4S3", "Y3388E2S3", "Y171010000S3"}
"""Years with significant digits: the vectors have the year itself as strict bounds, and as fuzzy ones (here the only ones)
all years that share the digits, as ISO 8601-2 explains them."""
REACHING = {
    "0000-01-03/0000-01", "0000-02/0000", "2004-06-11%/2004-%06", "2004-06-11%/2004-06~",
}  # fmt: skip
BLANKS = {"[1667,1668, 1670..1672]", "{-1667,1668, 1670..1672}"}
"""One source takes the blank after a comma for an error, the other writes it in its valid examples."""


def parts(day: date) -> Day:
    return (day.year, day.month, day.day)


def struct(moment: Any) -> Day:
    return (moment[0], moment[1], moment[2])


@given(DAYS, st.sampled_from([10, 7, 4]))
@settings(deadline=None, max_examples=30)
def test_fast_path_and_library_agree(day: date, length: int) -> None:
    """A day, a month and a year mean what the library takes them to mean, though it is not asked."""
    text = day.isoformat()[:length]
    parsed = parse_edtf(text)
    assert bounds_of(text) == (struct(parsed.lower_strict()), struct(parsed.upper_strict()))


@given(DAYS, DAYS)
@settings(deadline=None, max_examples=30)
def test_intervals_and_library_agree(one: date, other: date) -> None:
    """An interval of days means what the library takes it to mean."""
    first, last = sorted((one, other))
    parsed = parse_edtf(f"{first}/{last}")
    assert bounds_of(f"{first}/{last}") == (struct(parsed.lower_strict()), struct(parsed.upper_strict()))


@given(DAYS, MARKS)
@FEW
def test_narrower_lies_within_wider(day: date, mark: str) -> None:
    """A day lies in its month, the month in its year, the year in its decade and century, whatever marks they bear."""
    text = day.isoformat()
    wider = [text, text[:7], text[:4], f"{text[:3]}X", f"{text[:2]}XX", f"../{text}", f"{text}/.."]
    bounds = [bounds_of(wider[0] + mark), bounds_of(wider[1] + mark), *(bounds_of(one) for one in wider[2:5])]
    for inner, outer in pairwise(bounds):
        assert inner.earliest is not None
        assert outer.earliest is not None
        assert inner.latest is not None
        assert outer.latest is not None
        assert outer.earliest <= inner.earliest <= inner.latest <= outer.latest
    assert bounds[0] == (parts(day), parts(day))
    assert bounds_of(wider[5]) == (None, parts(day))
    assert bounds_of(wider[6]) == (parts(day), None)


@given(st.text("0123456789-XTZ/.~?%[]{},YSE: +", max_size=20) | st.text(max_size=12))
@settings(deadline=None, max_examples=300)
@example("[2025..2020]")
@example("{2019..2017}")
@example("-01XX")
@example("Y1E99999")
def test_any_text_is_a_date_or_refused(text: str) -> None:
    """Whatever is typed either has bounds in their order, or is refused as no date; nothing else can come of it."""
    try:
        bounds = bounds_of(text)
    except InvalidDate:
        return
    assert bounds.earliest is None or bounds.latest is None or bounds.earliest <= bounds.latest
    assert PartialDate(text).bounds == bounds


@pytest.mark.parametrize("text", ["[2025..2020]", "{2019..2017}", "[2024-06..2024-05]"])
def test_sets_run_forward(text: str) -> None:
    """A range within a set ends after it starts, as an interval does."""
    with pytest.raises(InvalidDate):
        bounds_of(text)


@given(DAYS, DAYS, st.sampled_from([10, 7, 4]), st.sampled_from([10, 7, 4]))
@settings(deadline=None, max_examples=100)
@example(date(2004, 6, 15), date(2004, 6, 1), 7, 4)
@example(date(2004, 6, 15), date(2004, 6, 1), 10, 7)
def test_an_interval_is_from_the_first_day_of_one_to_the_last_of_the_other(
    one: date, other: date, precision: int, others: int
) -> None:
    """However precise each end is: it is refused where it has no day, in the words of the text, an interval or a set."""
    start, end = one.isoformat()[:precision], other.isoformat()[:others]
    first, last = bounds_of(start).earliest, bounds_of(end).latest
    assert first is not None
    assert last is not None
    interval, members = f"{start}/{end}", f"{start}..{end}"
    for text, said in ((interval, interval), (f"[{members}]", members), (f"{{{end},{members}}}", members)):
        if first > last:
            with pytest.raises(InvalidDate, match=f"^{re.escape(said)} ends before it starts"):
                bounds_of(text)
        else:
            assert bounds_of(text).latest == last
            assert bounds_of(text).earliest == (
                first if said in (text, text[1:-1]) else min(first, bounds_of(end).earliest or first)
            )


@pytest.mark.parametrize("text", ["Y1E9999", "Y1E99999", "Y-1E999999999"])
@pytest.mark.timeout(3)
def test_exponents_stay_small(text: str) -> None:
    """A year of more digits than a computer should write is refused, and at once."""
    with pytest.raises(InvalidDate):
        bounds_of(text)


MASKS = st.tuples(
    st.sampled_from(["2024", "202X", "-000X", "199X", "0004"]),
    st.sampled_from(["02", "XX", "0X", "1X", "X1", "11"]),
    st.sampled_from(["29", "XX", "3X", "31", "X9", "0X", "15"]),
)


@given(MASKS)
@settings(deadline=None, max_examples=60)
@example(("199X", "02", "29"))
@example(("199X", "02", "XX"))
def test_masks_by_looking_at_each_day(mask: tuple[str, str, str]) -> None:
    """A mask means the first and the last real day that looks like it; without one it is refused."""
    negative = mask[0].startswith("-")
    # A year before 1 is looked at 400 years later, where the calendar is the same.
    shift = 400 if negative else 0
    pattern = re.compile("-".join(part.lstrip("-").replace("X", r"\d") for part in mask))
    years = sorted((int(mask[0].replace("X", "0")), int(mask[0].replace("X", "9"))))
    years = [year or -1 for year in years] if negative else years  # there is no year -0000
    found = []
    day = date(years[0] + shift, 1, 1)
    while day.year <= years[1] + shift:
        if pattern.fullmatch(f"{abs(day.year - shift):04d}-{day.month:02d}-{day.day:02d}"):
            found.append((day.year - shift, day.month, day.day))
        day += timedelta(days=1)
    if found:
        assert bounds_of("-".join(mask)) == (found[0], found[-1])
    else:
        with pytest.raises(InvalidDate):
            bounds_of("-".join(mask))


def test_leap_day_of_a_masked_year() -> None:
    """The 29th of February of an unknown year is one of those that had it."""
    assert bounds_of("199X-02-29") == ((1992, 2, 29), (1996, 2, 29))
    assert bounds_of("XXXX-02-29") == ((0, 2, 29), (9996, 2, 29))


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=OFFSETS), st.booleans())
@FEW
def test_instants(moment: datetime, fraction: bool) -> None:
    """An RFC 3339 instant is the one day that it names in its own offset, and is known for an instant."""
    text = moment.isoformat(timespec="microseconds" if fraction else "seconds")
    read = PartialDate(text)
    assert read.is_instant
    assert read.earliest == read.latest == moment.date()
    assert not PartialDate(text[:10]).is_instant


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30T10:00:00Z", "2024-06-10T24:00:00Z", "2024-06-10T29:00:00Z", "2024-06-10T10:60:00Z",
        "2024-06-10T10:00:00+24:00", "2024-06-10T10:00:00+05:60", "2024-06-10T10:00:00z", "2024-06-10 10:00:00Z",
        "2024-06-10T10:00Z", "2024-06-10T10:00:00,5Z", "2024-06-10T10:00:00.Z", "2024-06-10T25:30:01",
    ],
)  # fmt: skip
def test_impossible_instants(text: str) -> None:
    """A time that no clock shows, or that is not written as RFC 3339 has it, is refused."""
    with pytest.raises(InvalidDate):
        bounds_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-06-31", "2023-02-29", "1900-02-29", "2024-13", "2024-00", "2024-13-01", "2024-00-10", "2024-06-00",
        "2024-06-31~", "2023-02-29?", "20XX-06-31", "1950-02-3X", "2024-06-31/2024-07", "2024-06/2024-06-31",
        "[2023-02-30..2024]", "-0000", "-0000-01-01", "2024-02-29/2023", "2024-09/2024-08",
        "2024-9-1", "24-09-01", "2024/09/01", "10.09.2024", "20240910", "2024-W37", "2024-254", "September 2024",
        "yesterday", "", " ", "2024 ", " 2024", "2024-09\n", "2024-09-10\x00", "\u0662\u0660\u0662\u0664", "2024/2025/2026",
    ],
)  # fmt: skip
def test_impossible_dates(text: str) -> None:
    """What no calendar has, and what is not written as a date, is refused and never guessed at."""
    with pytest.raises(InvalidDate):
        bounds_of(text)


@given(st.integers(1_000, 9_999), st.integers(1, 4), MARKS, st.booleans())
@FEW
def test_significant_digits(year: int, digits: int, mark: str, before: bool) -> None:
    """A year with significant digits lies among the years that begin with the same digits, before year 0 too."""
    shared = [one for one in range(1_000, 10_000) if str(one)[:digits] == str(year)[:digits]]
    first, last = (-shared[-1], -shared[0]) if before else (shared[0], shared[-1])
    told = Bounds((first, 1, 1), (last, 12, 31))
    assert bounds_of(f"{'-' if before else ''}{year}S{digits}{mark}") == told
    assert bounds_of(f"Y{first * 1_000_000}S{digits}").earliest == (
        first * 1_000_000 - (999_999 if before else 0),
        1,
        1,
    )


MARKED = st.tuples(*[st.sampled_from(["", "?", "~", "%"])] * 6)


@given(DAYS, MARKED, st.sampled_from([1, 2, 3]))
@FEW
def test_any_component_may_be_marked(day: date, marks: tuple[str, ...], length: int) -> None:
    """A mark before a component or behind it, or both, changes nothing about the days."""
    components = day.isoformat().split("-")[:length]
    marked = [
        f"{before}{one}{behind}" for one, before, behind in zip(components, marks[::2], marks[1::2], strict=False)
    ]
    assert bounds_of("-".join(marked)) == bounds_of("-".join(components))


@given(DAYS, DAYS, st.sampled_from(["[]", "{}"]))
@FEW
def test_sets_reach_from_their_first_to_their_last(one: date, other: date, brackets: str) -> None:
    """One of several dates, or all of them: the earliest and the latest, an open end none."""
    first, last = sorted((one, other))
    opening, closing = brackets[0], brackets[1]
    for inner in (f"{first},{last}", f"{first}..{last}", f"{last},{first}", f"{first}, {last}"):
        assert bounds_of(f"{opening}{inner}{closing}") == (parts(first), parts(last))
    assert bounds_of(f"{opening}..{first}{closing}") == bounds_of(f"{opening}..{first},{first}{closing}")
    assert bounds_of(f"{opening}..{first},{last}{closing}") == (None, parts(last))
    assert bounds_of(f"{opening}{first},{last}..{closing}") == (parts(first), None)


@pytest.mark.parametrize("season", range(21, 42))
def test_seasons_and_library_agree(season: int) -> None:
    """Seasons, quarters, thirds and halves of a year are the months that the library takes them for; a mark changes nothing."""
    parsed = parse_edtf(f"2001-{season}")
    told = (struct(parsed.lower_strict()), struct(parsed.upper_strict()))
    assert bounds_of(f"2001-{season}") == bounds_of(f"2001-{season}~") == told
    assert bounds_of(f"-2001-{season}").earliest == (-2001, *told[0][1:])


@pytest.mark.parametrize("zone", ["Z", "", "+05", "-11", "+05:30", "-00:00", "+23"])
def test_offsets(zone: str) -> None:
    """A moment is the day that it names, whether it has no offset, one of hours alone, or one of hours and minutes."""
    assert bounds_of(f"2024-06-10T23:30:00{zone}") == ((2024, 6, 10), (2024, 6, 10))
    assert PartialDate(f"2024-06-10T23:30:00{zone}").is_instant == (zone == "Z" or ":" in zone)


def test_the_end_of_a_day_is_that_day() -> None:
    """24:00:00 belongs to the day that it ends (ISO 8601); as a time of RFC 3339, which has none, it is refused."""
    for zone in ("", "+05"):
        assert bounds_of(f"2024-06-10T24:00:00{zone}") == bounds_of("2024-06-10")
        with pytest.raises(InvalidDate):
            bounds_of(f"2024-06-10T24:00:01{zone}")
    with pytest.raises(InvalidDate):
        bounds_of("2024-06-10T24:00:00Z")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Y17E10", "an exponent has one digit"),
        ("2016-12-31T23:59:60Z", "leap second"),
        ("2024-06-10T24:00:00Z", "no clock shows"),
        ("2024-06-10T10:00:00+24", "no clock shows"),
        ("Y17000/Y18000", "the ledger takes days, months, seasons and years of four digits"),
        ("[Y17000..]", "the ledger takes days, months, seasons and years of four digits"),
        ("2024-06-10T10:00:00Z/2024-07", "the ledger takes days, months, seasons and years of four digits"),
        ("{1960,..1970}", "open before its first member or after its last"),
        ("[1960,]", "a member of the set is missing"),
        ("[..]", "a member of the set is missing"),
        ("1950S7", "has no 7 significant digits"),
        ("1950S0", "has no 0 significant digits"),
        ("199X-42", "not a date in EDTF"),
        ("1950-02-3X", "the calendar has no such day"),
        ("2024/2023", "ends before it starts"),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, why: str) -> None:
    """What EDTF has and the ledger does not take is not called no date; what is wrong about a date is told."""
    with pytest.raises(InvalidDate, match=re.escape(why)):
        bounds_of(text)


@pytest.mark.parametrize("text", ["{1960,1961}/1970", "1950/[1960..1962]"])
def test_no_sets_in_intervals(text: str) -> None:
    """An interval runs between two dates; a set of dates is no end of it."""
    with pytest.raises(InvalidDate):
        bounds_of(text)


class Dated(BaseModel):
    day: PartialDate


def test_refused_with_a_pointer() -> None:
    """In a model an impossible date is an error of its field, not of the program; a possible one keeps its text."""
    assert Dated(day=PartialDate("2024-09?")).model_dump_json() == '{"day":"2024-09?"}'
    with pytest.raises(ValidationError) as error:
        Dated.model_validate({"day": "2024-06-31"})
    assert [fault["loc"] for fault in error.value.errors()] == [("day",)]
    assert "2024-06-31" in error.value.errors()[0]["msg"]
    for other in (20240910, 2024.5, None, ["2024"], "2024-09-10/" * 20):
        with pytest.raises(ValidationError):
            Dated.model_validate({"day": other})


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("2024-09-10", date(2024, 9, 10), date(2024, 9, 10)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-09?", date(2024, 9, 1), date(2024, 9, 30)),
        ("2024-09~", date(2024, 9, 1), date(2024, 9, 30)),
        ("1964-XX-16", date(1964, 1, 16), date(1964, 12, 16)),
        ("2024-09-09/2024-09-10", date(2024, 9, 9), date(2024, 9, 10)),
        ("../2024-06", None, date(2024, 6, 30)),
        ("2024-06/..", date(2024, 6, 1), None),
        ("/2024", None, date(2024, 12, 31)),
        ("../..", None, None),
        ("/..", None, None),
        ("../", None, None),
        ("/", None, None),
        ("-0044-03-15", date.min, date.min),
        ("Y20240", date.max, date.max),
    ],
)
def test_days_of_the_calendar(text: str, earliest: date | None, latest: date | None) -> None:
    """The bounds as days; a year that the calendar type cannot hold reads as its edge, an open side as none."""
    assert (PartialDate(text).earliest, PartialDate(text).latest) == (earliest, latest)


def test_every_date_of_the_reference_is_read() -> None:
    """docs/dates.md shows no form that is not read, and every sort of form that is."""
    rows = re.findall(r"^\| (`.+?) \|", (Path(__file__).parents[1] / "docs" / "dates.md").read_text(), re.MULTILINE)
    shown = [text for row in rows for text in re.findall("`([^`]+)`", row) if not text.startswith("…")]
    assert [text for text in shown if not _is_date(text)] == []
    assert len(shown) > 30


def _vectors(shared: Path, name: str) -> Any:
    return json.loads((shared / "edtf" / name).read_text())


def _day(text: str) -> Day | None:
    if text in ("inf", "-inf"):
        return None
    year, month, day = text[1:].split("-") if text[0] == "-" else text.split("-")
    return (-int(year) if text[0] == "-" else int(year), int(month), int(day))


def test_vectors_of_python_edtf(shared: Path) -> None:
    """Every example of python-edtf has its strict bounds, but for unknown ends, which are not padded here, and significant
    digits, which say how far a year reaches."""
    examples = _vectors(shared, "python-edtf-vectors.json")["EXAMPLES"]
    wrong = {}
    for text, values in examples:
        # one value, or three with the fuzzy ones, where both bounds are the same day
        lower, upper = (values[0], values[0]) if len(values) in (1, 3) else values[:2]
        lower, upper = values[2:] if text in SIGNIFICANT else (lower, upper)
        told = Bounds(_day(lower), _day(upper))
        if text in UNKNOWN_END:
            told = Bounds(None, told.latest) if text.startswith("/") else Bounds(told.earliest, None)
        if bounds_of(text) != told:
            wrong[text] = (bounds_of(text), told)
    assert not wrong
    assert {text for text, _ in examples} > UNKNOWN_END | SIGNIFICANT
    assert len(examples) == 90


def test_bad_vectors_of_python_edtf(shared: Path) -> None:
    """Nothing that python-edtf calls bad is a date."""
    bad = [text for text in _vectors(shared, "python-edtf-vectors.json")["BAD_EXAMPLES"] if text is not None]
    assert [text for text in bad if _is_date(text)] == []
    assert len(bad) == 16


def test_valid_vectors_of_edtf_validate(shared: Path) -> None:
    """Every interval that edtf-validate calls valid is read."""
    tables = _vectors(shared, "edtf-validate-vectors.json")
    valid = [text for level in (0, 1, 2) for text in tables[f"L{level}_Intervals"]]
    assert [text for text in valid if not _is_date(text)] == []
    assert len(valid) == 101


def test_invalid_vectors_of_edtf_validate(shared: Path) -> None:
    """Nothing that edtf-validate calls invalid is a date, but for sets with a blank behind a comma, and ends that reach beyond
    the start, though they begin before it."""
    tables = _vectors(shared, "edtf-validate-vectors.json")
    invalid = [text for name, texts in tables.items() if name.startswith("invalid") for text in texts]
    assert {text for text in invalid if _is_date(text)} == BLANKS | REACHING
    assert len(invalid) == 56


def _is_date(text: str) -> bool:
    try:
        bounds_of(text)
    except InvalidDate:
        return False
    return True


def test_masks_take_no_longer_than_they_are() -> None:
    """A text of a hundred characters looks at few years, however many it leaves open."""
    for text in ("{" + ",".join(["XXXX-XX-XX?", "XXXX-XX-XX~"] * 5) + "}", "XXXX-12-31", "-XXXX-02-29"):
        assert bounds_of(text).earliest is not None
    with pytest.raises(InvalidDate, match="no such day"):
        bounds_of("XXXX-02-30")
    looked = [*islice(_years("XXXX"), 2), *islice(_years("XXXX", -1), 2), *islice(_years("-XXXX"), 2)]
    assert looked == [0, 1, 9999, 9998, -9999, -9998]
