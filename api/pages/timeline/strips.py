"""Small multiples: how the status of each of several subjects went on, a strip each, all on one axis. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from html import escape
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from api.pages.timeline.axis import Axis, axis, day_of, ordinal
from api.pages.timeline.shapes import path, rect
from api.pages.words import look, words

WIDTH, HEIGHT = 600.0, 18.0
THICK = {"active": 14.0, "paused": 8.0, "planned": 4.0}
"""How high the bar of a status is: not by its colour alone is it told from others."""
THIN = 2.0
PALE = 'opacity=".45"'


class Since(NamedTuple):
    """A status, and the day from which the ledger counts it."""

    status: str
    day: date


class Strips(NamedTuple):
    """By subject its strip, as SVG; and the years from which to which all of them go."""

    drawn: Mapping[str, str]
    first: int
    last: int


def strips(turns: Iterable[tuple[str, str, date]], today: date, valid_at: date) -> Strips:
    """Of each subject of ``turns``, which are subject, status and first day, in their order. What is later than ``valid_at`` is paler."""
    courses = {subject: [Since(*one[1:]) for one in those] for subject, those in groupby(turns, itemgetter(0))}
    begun = [one.day for course in courses.values() for one in course if one.day > date.min]
    of = axis((ordinal(day_of(day)) for day in (*begun, valid_at)), ordinal(day_of(today)), 0, WIDTH)
    years = [day.year for day in (*begun, valid_at, today)]
    drawn = {subject: _strip(course, of, today, valid_at) for subject, course in courses.items()}
    return Strips(drawn, min(years), max(years))


def _strip(course: Sequence[Since], of: Axis, today: date, valid_at: date) -> str:
    """An image with a name. It is as wide as its place, so its lines keep their width."""
    lines = [_line(of, today, "today"), *([_line(of, valid_at, "true-on")] if valid_at != today else [])]
    size = f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none"'
    name = f'class="timeline" role="img" aria-label="{escape(_told(course))}"'
    return f"<svg {size} {name}>{''.join([*_bars(course, of, today, valid_at), *lines])}</svg>"


def _bars(course: Sequence[Since], of: Axis, today: date, valid_at: date) -> Iterator[str]:
    """A bar from each turn to the next; the last up to today. One in which ``valid_at`` lies is two."""
    last = Since("", max(today, valid_at, course[-1].day))
    for turn, after in pairwise([*course, last]):
        cut = [valid_at] if turn.day < valid_at < after.day else []
        for begin, end in pairwise([turn.day, *cut, after.day]):
            left, right = (of.x(ordinal(day_of(day)) + 0.5) for day in (begin, end))
            yield _bar(turn.status, left, max(right, left + THIN), pale=begin > valid_at or [begin] == cut)


def _bar(status: str, left: float, right: float, *, pale: bool) -> str:
    family = look(status).family
    half = THICK.get(family, THIN) / 2
    told = f'class="{family}" fill="currentColor"{f" {PALE}" * pale}'
    return rect(left, HEIGHT / 2 - half, right, HEIGHT / 2 + half, told)


def _line(of: Axis, day: date, name: str) -> str:
    x = of.x(ordinal(day_of(day)) + 0.5)
    return path("M{} 0V{}", x, HEIGHT, name=name).replace("/>", ' vector-effect="non-scaling-stroke"/>')


def _told(course: Sequence[Since]) -> str:
    """Such as: reported 2022, active 2023. What holds at all times has no year."""
    return ", ".join(words(one.status) + f" {one.day.year}" * (one.day > date.min) for one in course)
