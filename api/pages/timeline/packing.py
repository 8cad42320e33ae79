"""Where everything on a timeline goes: marks into rows of their lanes, labels beside them, so that nothing overlaps. Pure."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from api.pages.timeline.axis import Axis, axis, day_of, ordinal
from api.pages.timeline.counts import counted_marks
from api.pages.timeline.marks import LANES, LATER, Drawing, Mark
from api.pages.timeline.words import Told, plain
from api.pages.words import words

MARGIN = 112.0
"""For the names of the lanes, left of the picture."""
END = 16.0
WIDTH, TOP = 1120.0, 28.0
HIT = 24.0
"""The least width and height of what can be clicked (WCAG 2.5.8)."""
ROW, LABEL_ROW, LANE_GAP = 28.0, 17.0, 6.0
MOST_ROWS, MOST_LABEL_ROWS = 6, 3
STUB, FADE = 32.0, 24.0
LETTER, CAPITAL, WIDE_LETTER = 7.6, 10.0, 14.0
"""Pixels of a letter, more than most have: whoever makes the picture cannot measure them."""
LABEL_LENGTHS = (56, 36, 20)
"""Letters of a label: fewer, where so many have no room."""
SPARED = ("Held", "Published")
"""Words that a label does without: the shape says it, or the lane."""


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class Label(NamedTuple):
    """A text, and the box that it is given; it starts at its left, or ends at its right."""

    text: str
    box: Box
    at_end: bool = False


class Place(NamedTuple):
    """Where a mark goes: from the first to the last day it may be (``x0``, ``x1``), its bar up to ``until``, and its row.

    ``left`` and ``right`` bound all that is drawn of it. ``number`` stands instead of a label that has no room.
    """

    mark: Mark
    x0: float
    x1: float
    until: float | None
    is_open: bool
    left: float
    right: float
    moved_from: float | None = None
    top: float = 0
    label: Label | None = None
    number: int = 0

    @property
    def hit(self) -> Box:
        return Box(self.left, self.top + (ROW - HIT) / 2, self.right, self.top + (ROW + HIT) / 2)

    @property
    def middle(self) -> float:
        return (self.x0 + self.x1) / 2


class Lane(NamedTuple):
    """A lane with its marks, and how many had no room."""

    name: str
    top: float
    bottom: float
    places: tuple[Place, ...]
    left_out: int


class Picture(NamedTuple):
    """Everything in its place, in pixels."""

    axis: Axis
    lanes: tuple[Lane, ...]
    top: float
    bottom: float
    today: float
    valid: float

    @property
    def places(self) -> list[Place]:
        """In the order of time."""
        those = [place for lane in self.lanes for place in lane.places]
        return sorted(those, key=lambda one: (one.x0, one.x1, one.top, one.mark.positions))


def text_width(text: str) -> float:
    """No less than what it takes in 13 pixels' type."""
    return sum(_letter_width(one) for one in text)


def _letter_width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return WIDE_LETTER
    return CAPITAL if letter.isupper() else LETTER


def picture(drawing: Drawing, width: float = WIDTH) -> Picture:
    """A drawing's marks in lanes below its axis, over ``width`` pixels; very many of them counted."""
    drawing, top = counted_marks(drawing), TOP
    of = axis(_days(drawing.marks), ordinal(day_of(drawing.today)), MARGIN, max(width - MARGIN - END, HIT * 4))
    today, valid = (of.x(ordinal(day_of(day)) + 0.5) for day in (drawing.today, drawing.valid_at))
    lanes, below, numbers = [], top, 0
    for name in LANES:
        if places := placed([one for one in drawing.marks if one.lane == name], of, today, valid):
            lane = _lane(name, places, below, of, numbers)
            lanes.append(lane)
            below, numbers = lane.bottom, max([numbers, *(one.number for one in lane.places)])
    return Picture(of, tuple(lanes), top, below, today, valid)


def _days(marks: Iterable[Mark]) -> Iterator[int]:
    for mark in marks:
        for at in (mark.at, mark.moved_from):
            for day in at.bounds if at else ():
                if day:
                    yield ordinal(day)


def placed(marks: Sequence[Mark], of: Axis, today: float, valid: float) -> list[Place]:
    """From where to where each mark goes; a bar goes to where it ends, or else beyond the day that is looked at,
    or beyond today, where it begins after that day.
    """
    spans = [_span(one.at, of) for one in marks if one.at]
    found = []
    for mark, (x0, x1) in zip(marks, spans, strict=True):
        now = valid if x1 <= valid < today else today
        until = max(_span(mark.until, of)[0] if mark.until else now, x1) if mark.bar else None
        found.append(_place(mark, x0, x1, until, bool(mark.bar) and mark.until is None, of))
    return found


def _span(at: Told, of: Axis) -> tuple[float, float]:
    """From the beginning of the first day to the end of the last; a day is a point; an open side has a stub."""
    first, last = (ordinal(day) if day else None for day in at.bounds)
    if first is not None and first == last:
        return of.x(first + 0.5), of.x(first + 0.5)
    x0 = of.x(first) if first is not None else None
    x1 = of.x(last + 1) if last is not None else None
    if x0 is None:
        assert x1 is not None
        return max(x1 - STUB, of.left), x1
    return x0, min(x0 + STUB, of.right) if x1 is None else x1


def _place(mark: Mark, x0: float, x1: float, until: float | None, is_open: bool, of: Axis) -> Place:
    soft = feather(x0, x1) if mark.at and mark.at.about else 0
    moved = sum(_span(mark.moved_from, of)) / 2 if mark.moved_from else None
    ends = [x0 - soft, x1 + soft, *([until + FADE * is_open] if until is not None else [])]
    ends += [moved] if moved is not None else []
    middle, half = (x0 + x1) / 2, HIT / 2 if mark.count == 1 else count_width(mark) / 2
    if until is None or max(ends) - min(ends) < HIT:
        ends += [middle - half, middle + half]
    return Place(mark, x0, x1, until, is_open, min(ends), max(ends), moved)


def count_width(mark: Mark) -> float:
    """How wide the circle or the box around a number is."""
    return max(text_width(str(mark.count)) + 8, HIT)


def feather(x0: float, x1: float) -> float:
    """How wide the ends of an approximate date fade out on each side: a tenth, and never too little to be seen."""
    return max((x1 - x0) / 10, 6.0)


def _lane(name: str, places: Sequence[Place], top: float, of: Axis, numbers: int) -> Lane:
    rows = rows_of_places(places)
    kept, below = [], top + LANE_GAP
    for row in rows[:MOST_ROWS]:
        labelled, lines = _labelled([one._replace(top=below) for one in row], of, numbers)
        numbers = max([numbers, *(one.number for one in labelled)])
        kept += labelled
        below += ROW + LABEL_ROW * lines
    left_out = sum(one.mark.count for row in rows[MOST_ROWS:] for one in row)
    return Lane(
        name, top, max(below + LANE_GAP, top + ROW + (LABEL_ROW + LANE_GAP) * bool(left_out)), tuple(kept), left_out
    )


def rows_of_places(places: Sequence[Place]) -> list[list[Place]]:
    """Each in the first row where it has room; what goes on, in the row of what it follows, if it can."""
    rows: list[list[Place]] = []
    rows_of: dict[str, int] = {}
    for place in sorted(places, key=lambda one: (one.left, one.right, one.mark.positions)):
        free = [n for n, row in enumerate(rows) if all(_is_beside(one, place) for one in row)]
        mine = rows_of.get(place.mark.track)
        at = mine if mine in free else next(iter(free), len(rows))
        rows[at:] = rows[at:] or [[]]
        rows[at].append(place)
        rows_of[place.mark.track] = at
    return rows


def _is_beside(one: Place, other: Place) -> bool:
    return one.right <= other.left or other.right <= one.left


def _labelled(row: Sequence[Place], of: Axis, numbers: int) -> tuple[list[Place], int]:
    """The marks of a row with labels, or numbers, where there is room; and how many lines those take below the row."""
    taken = [one.hit for one in row]
    labelled = []
    for place in row:
        texts = dict.fromkeys(label_of(place.mark, longest) for longest in LABEL_LENGTHS)
        label = next((found for text in texts if (found := _label(place, text, taken, of))), None)
        number = 0
        if label is None and (instead := _label(place, str(numbers + 1), taken, of)):
            label, number, numbers = instead, numbers + 1, numbers + 1
        taken += [label.box] if label else []
        labelled.append(place._replace(label=label, number=number))
    lowest = max([one.bottom for one in taken], default=0) - row[0].top - ROW
    return labelled, max(0, round(lowest / LABEL_ROW))


def label_of(mark: Mark, longest: int) -> str:
    """A part of its name; of a status its word."""
    if mark.count > 1:
        return str(mark.count)
    what = mark.title if mark.word in SPARED else mark.what
    what = words(mark.bar).capitalize() if mark.lane == "status" and mark.bar else plain(what, longest)
    doubts = [one for one in mark.doubts if one != LATER]
    what = f"{what} ({', '.join(doubts)})" if doubts else what
    what = f"{what} #{mark.positions[0]}" if LATER in mark.doubts else what
    return f"{what} ?" if mark.at and mark.at.perhaps else what


def _label(place: Place, text: str, taken: Sequence[Box], of: Axis) -> Label | None:
    """The first place that is free: in its bar, to its right, to its left, or below."""
    width = text_width(text)
    if inside := _inside(place, text, width):
        return inside
    for box, at_end in _candidates(place, width):
        if box.left >= of.left and box.right <= of.right + END and not any(box.overlaps(one) for one in taken):
            return Label(text, box, at_end)
    return None


def _inside(place: Place, text: str, width: float) -> Label | None:
    """The bar of a status holds its word, the circle of a count its number."""
    if place.mark.count > 1:
        box = Box(place.middle - width / 2, place.top + 5, place.middle + width / 2, place.top + 22)
        return Label(text, box)
    if place.mark.lane != "status" or place.until is None or place.until - place.x1 < width + 12:
        return None
    return Label(text, Box(place.x1 + 6, place.top + 5, place.x1 + 6 + width, place.top + 22))


def _candidates(place: Place, width: float) -> Iterator[tuple[Box, bool]]:
    middle = place.top + ROW / 2
    right, left = place.right + 3, place.left - 3
    yield Box(right, middle - 8, right + width, middle + 8), False
    yield Box(left - width, middle - 8, left, middle + 8), True
    for line in range(MOST_LABEL_ROWS):
        top = place.top + ROW + line * LABEL_ROW
        yield Box(place.left, top, place.left + width, top + LABEL_ROW), False
        yield Box(place.right - width, top, place.right, top + LABEL_ROW), True
