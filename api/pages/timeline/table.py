"""The same as the picture in words: a row for each mark and for each fact without a date, and a sentence of it all. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from api.pages.timeline.axis import day_of
from api.pages.timeline.marks import LANES, Drawing, Mark
from api.pages.timeline.packing import WIDTH, picture
from api.pages.timeline.words import counted, month_words
from api.pages.words import words

NOUNS = {
    "initiatives": ("initiative", "initiatives"),
    "agreements": ("agreement", "agreements"),
    "meetings": ("meeting", "meetings"),
    "milestones": ("milestone", "milestones"),
    "commitments": ("commitment", "commitments"),
}


class Row(NamedTuple):
    """``number`` is the one that the picture shows where a label has no room, else 0. ``when`` is "" without a date."""

    number: int
    lane: str
    what: str
    when: str
    precision: str
    doubts: tuple[str, ...]
    positions: tuple[int, ...]
    href: str


def rows_of(drawing: Drawing, width: float = WIDTH) -> list[Row]:
    """Every mark in the order of time, then what has no date; with the numbers of the picture that is so wide."""
    numbers = {place.mark: place.number for place in picture(drawing, width).places}
    return [_row(one, numbers.get(one, 0)) for one in (*drawing.marks, *drawing.undated)]


def _row(mark: Mark, number: int) -> Row:
    when, precision = (mark.at.words, mark.at.precision) if mark.at else ("", "no date")
    return Row(number, LANES[mark.lane], mark.what, when, precision, mark.doubts, mark.positions, href(mark))


def href(mark: Mark) -> str:
    return f"/entries/{mark.positions[0]}"


def summary(drawing: Drawing) -> str:
    """ "INDUS-X, from June 2023 to today: 2 agreements, 5 meetings, 1 milestone; active."; and what is left out."""
    about = f", {_span(drawing)}: {_things(drawing.marks)}" if drawing.marks else ": no fact with a date"
    return f"{drawing.title}{about}; {words(drawing.status)}. {drawing.left_out}".rstrip()


def undated_summary(drawing: Drawing) -> str:
    """ "2 facts without a date", or "" where every fact has one."""
    number = len(drawing.undated)
    return f"{counted(number, 'fact', 'facts')} without a date" if number else ""


def _span(drawing: Drawing) -> str:
    """From the first fact to today, or to the last where that is later."""
    bounds = [one.at.bounds for one in drawing.marks if one.at]
    first = min(day for one in bounds if (day := one.earliest or one.latest))
    last = max(day for one in bounds if (day := one.latest or one.earliest))
    until = "today" if last <= day_of(drawing.today) else month_words(last)
    return f"from {month_words(first)} to {until}"


def _things(marks: Sequence[Mark]) -> str:
    """How many of each sort the picture shows, whatever happened to them."""
    tracks = {lane: {one.track for one in marks if one.lane == lane} for lane in NOUNS}
    told = [counted(len(tracks[lane]), *nouns) for lane, nouns in NOUNS.items() if tracks[lane]]
    return ", ".join(told) or counted(len(marks), "dated fact", "dated facts")
