"""Which format an ``Accept`` header asks for (RFC 9110, section 12.5.1), of those that an address offers."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from api.http.problems import NotAcceptable

MEDIA_TYPES: dict[str, tuple[str, ...]] = {
    "html": ("text/html",),
    "json": ("application/json",),
    "jsonl": ("application/x-ndjson", "application/jsonl"),
    "csv": ("text/csv",),
    "ics": ("text/calendar",),
    "atom": ("application/atom+xml",),
}
"""Each format by its suffix, with the media types that it is asked for by; the answer is declared as the first."""
ONE = re.compile(r'(?s)(?:[^,"]|"(?:[^"\\]|\\.?)*+"?)++')
"""One of a header's list: a comma in quotes parts nothing. A quote that is not closed takes in all that follows, so that each
character is looked at once."""
RANGE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)/([!#$%&'*+.^_`|~0-9A-Za-z-]+)")
WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)


def negotiate(accept: str, offered: Sequence[str]) -> str:
    """The format that is wanted most; of those that are wanted alike, the one that is offered first. Raises NotAcceptable.

    Without an ``Accept`` header (empty here) everything is wanted alike. Of the ranges that name a media type the most specific
    counts, and a weight of 0 rules out. Other parameters than ``q`` make no difference.
    """
    wanted = chosen(accept, offered)
    if wanted is None:
        there_are = ", ".join(MEDIA_TYPES[name][0] for name in offered)
        raise NotAcceptable(f"nothing here is of a type that Accept takes; there are {there_are}")
    return wanted


def chosen(accept: str, offered: Sequence[str]) -> str | None:
    """As ``negotiate``, with None where nothing fits."""
    known = dict(zip(MEDIA_TYPES, weights(accept), strict=True))
    best = max(offered, key=lambda name: known[name])  # the first of the greatest
    return best if known[best] else None


@lru_cache(1_000)
def weights(accept: str) -> tuple[float, ...]:
    """How much each of the formats is wanted, from 0 to 1: all that a header says of what an answer looks like."""
    ranges = dict(_ranges(accept)) if accept.strip() else {"*/*": 1.0}
    return tuple(max(_weight(ranges, one) for one in types) for types in MEDIA_TYPES.values())


def _weight(ranges: dict[str, float], media_type: str) -> float:
    main = media_type.partition("/")[0]
    return next((ranges[one] for one in (media_type, f"{main}/*", "*/*") if one in ranges), 0.0)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Each media range with its weight. What cannot be read asks for nothing."""
    for one in ONE.findall(accept):
        range_, *parameters = (part.strip() for part in one.split(";"))
        given = [part[2:].strip() for part in parameters if part[:2].lower() == "q="]
        weight = given[0] if given else "1"
        if RANGE.fullmatch(range_) and WEIGHT.fullmatch(weight):
            yield range_.lower(), float(weight)
