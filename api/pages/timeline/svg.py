"""The timeline as SVG: to stand in a page, whose style sheet has ``timeline.css`` and its colours, or by itself. Pure."""

import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from html import escape
from importlib.resources import files

from api.pages.dates import MONTHS
from api.pages.timeline.axis import ticks
from api.pages.timeline.marks import LANES, Drawing
from api.pages.timeline.packing import HIT, ROW, WIDTH, Lane, Picture, Place, picture, text_width
from api.pages.timeline.shapes import number, path, rect, shapes_of
from api.pages.timeline.table import href, summary

CAPTIONS = 36.0
TABLE = "timeline-table"
"""The id that the page gives the table of the same content: what has no room in the picture leads there."""
COLOURS = {
    "paper": ("#fbfaf7", "#15171a"), "card": ("#ffffff", "#1d2024"), "ink": ("#1c1b19", "#ece9e2"),
    "muted": ("#5d5a53", "#a8a49a"), "line": ("#8a867c", "#6f6c66"), "hair": ("#dedad0", "#33363b"),
    "link": ("#1f4e8c", "#8ab4f0"), "known": ("#1f4e8c", "#8ab4f0"), "valid": ("#0b6470", "#7ccfda"),
    "planned": ("#3f4a7a", "#b8c1f0"), "planned-bg": ("#e6e8f4", "#262b45"), "active": ("#0b5d4a", "#7fd8bd"),
    "active-bg": ("#dcefe9", "#12352c"), "paused": ("#7a4b00", "#f0c070"), "paused-bg": ("#faecd2", "#3b2c10"),
    "done": ("#4a4843", "#c9c5ba"), "done-bg": ("#ebe9e3", "#2e2d2a"), "ended": ("#8f1d2c", "#f2a0a8"),
    "dispute": ("#6b2a86", "#d9a8ee"),
}  # fmt: skip
"""Light and dark: in a file of its own no page defines them."""


def draw(drawing: Drawing, width: float = WIDTH) -> str:
    """An SVG element: every mark a link with a name, in the order of time."""
    of = picture(drawing, width)
    links = [_link(place, of, drawing) for place in of.places] + [
        _more(lane, drawing) for lane in of.lanes if lane.left_out
    ]
    ground = f'<g aria-hidden="true">{"".join(_ground(drawing, of, width))}</g>'
    return _svg(drawing, width, of.bottom + CAPTIONS, "list" if links else "img", ground + "".join(links))


def standalone(drawing: Drawing, width: float = WIDTH) -> str:
    """The same as a file, with its style, light or dark as the reader's system is."""
    whole = draw(drawing, width)
    head, _, rest = whole.partition(">")
    paper = f'<rect class="paper" width="100%" height="100%"/><style>{_style()}</style>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}>{_tag("title", summary(drawing))}{paper}{rest}\n'


@cache
def style() -> str:
    """The rules of ``timeline.css``, for the page's style sheet; they use the colours that it defines."""
    return files(__package__).joinpath("timeline.css").read_text("utf-8")


@cache
def _style() -> str:
    """For a file of its own: every colour by its value, so that programs that know no variables show it, too."""
    rules = ".timeline .paper { fill: var(--paper); }\n" + style()
    light, dark = (re.sub(r"var\(--([a-z-]+)\)", lambda one: COLOURS[one[1]][n], rules) for n in (0, 1))  # noqa: B023
    coloured = [line for line in dark.splitlines() if "#" in line and not line.startswith("@")]
    return f"{light}@media (prefers-color-scheme: dark) {{\n" + "\n".join(coloured) + "\n}\n"


def _tag(name: str, text: str, attributes: str = "") -> str:
    return f"<{name}{' ' * bool(attributes)}{attributes}>{_escaped(text)}</{name}>"


def _escaped(text: str) -> str:
    return escape(text)


def _svg(drawing: Drawing, width: float, height: float, role: str, content: str) -> str:
    size = f'viewBox="0 0 {number(width)} {number(height)}" width="{number(width)}" height="{number(height)}"'
    name = f'class="timeline" role="{role}" aria-label="{_escaped(summary(drawing))}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {name}>{content}</svg>'


def _ground(drawing: Drawing, of: Picture, width: float) -> Iterator[str]:
    """What the marks lie on: what is planned hatched, the axis, the lanes, today and the day that is looked at."""
    yield from _hatch(drawing, of)
    yield from _axis(of)
    for lane in of.lanes:
        yield path("M{} {}H{}", 0, lane.top, of.axis.right, name="hair")
        yield _text(LANES[lane.name], 0, lane.top + ROW / 2 + 10, "lane")
    yield from _now(drawing, of, width)


def _hatch(drawing: Drawing, of: Picture) -> Iterator[str]:
    """Right of today, every 6 pixels; the pattern has a name of its own on every page."""
    name = f"planned-{re.sub('[^a-z0-9-]', '-', drawing.subject)}"
    line = path("M0 6L6 0", name="hatch")
    yield f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse">{line}</pattern>'
    yield rect(of.today, of.top, of.axis.right, of.bottom, f'fill="url(#{name})"')


def _axis(of: Picture) -> Iterator[str]:
    end = 0.0
    for tick in ticks(of.axis):
        x, half = of.axis.x(tick.day), text_width(tick.label) / 2
        yield path("M{} {}V{}", x, of.top, of.bottom, name="year-line" if tick.major else "hair")
        if x - half >= end and x + half <= of.axis.right + 16:
            yield _text(tick.label, x, of.top - 10, "tick year" if tick.major else "tick", "middle")
            end = x + half


def _now(drawing: Drawing, of: Picture, width: float) -> Iterator[str]:
    """Two lines, and what they are called below: one under the other where they are too close."""
    is_past = drawing.valid_at != drawing.today
    yield path("M{} {}V{}", of.today, of.top, of.bottom + 4, name="today")
    yield _caption("today", of.today, of.bottom + 16, width, "caption")
    if is_past:
        words = f"true on {_short(drawing.valid_at)}"
        is_close = abs(of.today - of.valid) < (text_width("today") + text_width(words)) / 2 + 8
        yield path("M{} {}V{}h6v-5h-6", of.valid, of.top, of.bottom + 4, name="true-on")
        yield _caption(
            words, of.valid, of.bottom + (32 if is_close or of.valid > of.axis.right - 60 else 16), width, "caption on"
        )


def _caption(text: str, x: float, y: float, width: float, name: str) -> str:
    half = text_width(text) / 2
    return _text(text, min(max(x, half), width - half), y, name, "middle")


def _short(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1][:3]} {day.year}"


def _text(text: str, x: float, y: float, name: str, anchor: str = "") -> str:
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    return _tag("text", text, f'class="{name}" x="{number(x)}" y="{number(y)}"{anchored}')


def _link(place: Place, of: Picture, drawing: Drawing) -> str:
    """A mark: a link that can be hit, with its name, its shapes and its label."""
    mark = place.mark
    is_later = place.x0 > of.valid and drawing.valid_at != drawing.today
    shapes = shapes_of(place)
    shown = f'<g opacity=".45">{shapes}</g>' if is_later else shapes
    names = ["mark", mark.family, *(one.replace(" ", "-") for one in mark.doubts), *_if("later", is_later)]
    names += _if("perhaps", mark.at is not None and mark.at.perhaps)
    told = f'href="{_target(place, drawing)}" class="{" ".join(names)}" aria-label="{_escaped(mark.name)}"'
    hit = path("M{} {}H{}v24H{}z", place.hit.left, place.hit.top, place.hit.right, place.hit.left, name="hit")
    title = f"<title>{_escaped(f'{mark.at.words} ({mark.at.precision})' if mark.at else '')}</title>"
    return f'<g role="listitem"><a {told}>{title}{hit}{shown}{_label(place)}</a></g>'


def _if(name: str, is_so: bool) -> list[str]:
    return [name] if is_so else []


def _target(place: Place, drawing: Drawing) -> str:
    return f"{_escaped(drawing.page)}#{TABLE}" if place.mark.count > 1 else href(place.mark)


def _label(place: Place) -> str:
    if place.label is None:
        return ""
    text, box, at_end = place.label
    is_inside = box.overlaps(place.hit)
    name = "label inside" if is_inside else "label"
    return _text(
        text, box.right if at_end else box.left, (box.top + box.bottom) / 2 + 4.5, name, "end" if at_end else ""
    )


def _more(lane: Lane, drawing: Drawing) -> str:
    """The way to what has no room in a lane."""
    y = lane.top + ROW + 3
    hit = path("M{} {}h72v24h-72z", 0, y - 4, name="hit")
    text = f"+{lane.left_out} more"
    name = _escaped(f"{text} {LANES[lane.name].lower()}, in the table")
    link = (
        f'<a href="{_escaped(drawing.page)}#{TABLE}" aria-label="{name}">{hit}{_text(text, 0, y + HIT / 2, "more")}</a>'
    )
    return f'<g role="listitem">{link}</g>'
