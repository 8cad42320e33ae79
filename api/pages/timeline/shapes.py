"""How a mark looks: what is drawn for it, as pieces of SVG. Whether it may be any day of several is to be seen. Pure."""

from collections.abc import Iterator

from api.pages.timeline.packing import FADE, ROW, Place, count_width, feather

BARS = {"status": 18.0}
BAR = 8.0
"""How high bars are: those of the status hold its word."""
SPAN = 6.0
HOLLOW_STATUSES = ("signed", "adopted", "provisional", "mentioned", "negotiating")
"""Of agreements: they are filled from entry into force."""
STEPS = (1.0, 0.6, 0.25)
"""How what fades out does, in three steps."""


def number(value: float) -> str:
    """With one decimal, and none where there is nothing to say: the same bytes on every machine."""
    shown = f"{value:.1f}".removesuffix(".0")
    return "0" if shown == "-0" else shown


def rect(left: float, top: float, right: float, bottom: float, attributes: str) -> str:
    size = f'width="{number(right - left)}" height="{number(bottom - top)}"'
    return f'<rect x="{number(left)}" y="{number(top)}" {size} {attributes}/>'


def path(what: str, *numbers: float, name: str) -> str:
    """A path with its numbers in the places of ``{}``."""
    return f'<path class="{name}" d="{what.format(*map(number, numbers))}"/>'


def shapes_of(place: Place) -> str:
    return "".join((*_span(place), *_bar(place), *_moved(place), *_shape(place)))


def _middle(place: Place) -> float:
    return place.top + ROW / 2


def _span(place: Place) -> Iterator[str]:
    """The days that it may be any of; fading out where the date is approximate, with an arrow where it is open."""
    y, at = _middle(place), place.mark.at
    assert at
    if place.x1 > place.x0:
        yield rect(place.x0, y - SPAN / 2, place.x1, y + SPAN / 2, 'rx="3" class="span"')
    if at.about:
        yield from _feather(place)
    if at.bounds.latest is None:
        yield path("M{} {}m-5 -4l5 4l-5 4", place.x1, y, name="span")
    elif at.bounds.earliest is None:
        yield path("M{} {}m5 -4l-5 4l5 4", place.x0, y, name="span")


def _feather(place: Place) -> Iterator[str]:
    assert place.mark.at
    y, step = _middle(place), feather(place.x0, place.x1) / len(STEPS)
    for nth, opacity in enumerate(STEPS):
        for left in (place.x0 - (nth + 1) * step, place.x1 + nth * step):
            yield rect(left, y - SPAN / 2, left + step, y + SPAN / 2, f'class="soft" opacity="{number_of(opacity)}"')


def number_of(opacity: float) -> str:
    return f"{opacity:.2f}".rstrip("0").rstrip(".")


def _bar(place: Place) -> Iterator[str]:
    """From the last day on which it may have begun; beyond now it fades, with an arrow."""
    if place.until is None:
        return
    mark, y, half = place.mark, _middle(place), BARS.get(place.mark.lane, BAR) / 2
    hollow = mark.lane == "agreements" and mark.bar in HOLLOW_STATUSES
    full = mark.lane == "agreements" and mark.bar == "in_force"
    name = f"bar{' hollow' * hollow}{' full' * full}"
    if place.until > place.x1:
        yield rect(place.x1, y - half, place.until, y + half, f'rx="3" class="{name}"')
    if place.is_open:
        for nth, opacity in enumerate(STEPS):
            left = place.until + nth * FADE / 3
            yield rect(
                left,
                y - half,
                left + FADE / 3,
                y + half,
                f'class="bar fade" opacity="{number_of(opacity)}"',
            )
        yield path("M{} {}m-8 -4l5 4l-5 4", place.until + FADE, y, name="span")


def _moved(place: Place) -> Iterator[str]:
    """An arrow from where it was before."""
    if place.moved_from is not None and abs(place.middle - place.moved_from) > 10:
        back = 6 if place.middle > place.moved_from else -6
        end, y = place.middle - back, _middle(place)
        yield path("M{} {}H{}m{} -3l{} 3l{} 3", place.moved_from, y, end, -back, back, -back, name="move")


def _shape(place: Place) -> Iterator[str]:
    """Its sign, hollow where the date is not a day; with a dot in it, where it would be filled else."""
    mark, x, y = place.mark, place.middle, _middle(place)
    is_day = mark.at is not None and place.x1 == place.x0 and not (mark.at.about or mark.at.perhaps)
    name = "shape" if is_day else "shape hollow"
    match mark.shape:
        case "disc" | "ring":
            yield f'<circle class="{_hollow(mark.shape, name)}" cx="{number(x)}" cy="{number(y)}" r="5"/>'
        case "diamond" | "open-diamond":
            yield path("M{} {}l6 6l-6 6l-6 -6z", x, y - 6, name=_hollow(mark.shape, name))
        case "square" | "open-square":
            yield rect(x - 5, y - 5, x + 5, y + 5, f'class="{_hollow(mark.shape, name)}"')
        case "cross":
            yield path("M{} {}l9 9m-9 0l9 -9", x - 4.5, y - 4.5, name="shape")
        case "count":
            half = count_width(mark) / 2
            yield rect(x - half + 1, y - 10, x + half - 1, y + 10, 'rx="10" class="count span"')
        case "tick":
            yield rect(x - 1, y - 7, x + 1, y + 7, f'class="{name}"')
    if mark.shape in ("disc", "diamond", "square") and not is_day:
        yield f'<circle class="shape" cx="{number(x)}" cy="{number(y)}" r="1.5"/>'
    if "overdue" in mark.doubts:
        yield path("M{} {}l4 7h-8z", x + 7, y - 11, name="shape")


def _hollow(shape: str, name: str) -> str:
    is_open = shape in ("ring", "open-diamond", "open-square") and "hollow" not in name
    return f"{name} hollow" if is_open else name
