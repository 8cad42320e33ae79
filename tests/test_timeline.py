"""The timeline drawing: what it shows of ledgers that are served, and what holds for every drawing, read from its SVG."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import combinations, pairwise
from random import Random
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import seeds
from api.pages.timeline.axis import axis, civil, day_of, ordinal, ticks
from api.pages.timeline.facts import marks_of
from api.pages.timeline.given import subjects_of
from api.pages.timeline.marks import Drawing, Mark
from api.pages.timeline.packing import MARGIN, WIDTH, picture
from api.pages.timeline.svg import COLOURS, draw, standalone
from api.pages.timeline.table import rows_of, summary, undated_summary
from api.pages.timeline.words import told
from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.edtf import Bounds
from ledger.vocabulary.fact import Name
from ledger.vocabulary.registry import FACTS, KINDS
from tests.examples import SOURCES, event
from tests.generator import Event, Generator
from tests.minimal import FULL, make, opener, stamp
from tests.service import Service, running

SVG = "{http://www.w3.org/2000/svg}"
TODAY = date(2025, 6, 1)
LETTER = 7.6
SUBJECT = "initiative:bridge"


# --- drawings of ledgers that are served


def of_the_seed() -> list[Event]:
    return [event for name in seeds.FILES for event in seeds.events(name)]


def out_of_order() -> list[Event]:
    """Lives of initiatives and agreements in which what happens, and when, is left to chance."""
    chance, told = Random(11), list[Event]()
    for number in range(40):
        kind = KINDS[("initiative", "agreement")[number % 2]]
        subject = f"{kind.name}:odd-{number}"
        steps = [one.type for one in kind.lifecycle]
        types = [next(one for one in steps if FACTS[one].opens), *chance.choices(steps, k=7)]
        for type_ in types:
            occurred = (date(2015, 1, 1) + timedelta(days=chance.randrange(3000))).isoformat()[
                : chance.choice([4, 7, 10])
            ]
            data = {name: value for name, value in FULL[type_]["data"].items() if name != "party"}
            told.append({"type": type_, "subject": subject, "occurred": occurred, "sources": SOURCES, "data": data})
    return told


LEDGERS: dict[str, Callable[[], list[Event]]] = {
    "seed": of_the_seed,
    "generated": lambda: list(Generator(7).events(500)),
    "out_of_order": out_of_order,
}


@pytest.fixture(scope="module", params=LEDGERS)
def served(request: pytest.FixtureRequest, server: Embedded) -> Iterator[Service]:
    """Each of the ledgers, recorded and projected."""
    location = LedgerLocation(server.location.dsn, f"drawn_{request.param}")
    migrate(server.owner_dsn, location)
    with running(location) as service:
        if request.param == "out_of_order":
            record_what_is_taken(service)
        else:
            service.given(*LEDGERS[request.param]())
        yield service


def record_what_is_taken(service: Service) -> None:
    """One by one: what comes after an end is refused."""
    answers = [service.post(event).status_code for event in out_of_order()]
    assert answers.count(201) > len(answers) / 2
    assert set(answers) <= {201, 409}
    service.given(opener("source.registered"))


def subjects(served: Service) -> list[str]:
    return [
        one["subject"]
        for kind in KINDS.values()
        for one in served.get(f"/v1/{kind.plural}", limit=1000).json()["items"]
    ]


def path_of(subject: str) -> str:
    kind, _, slug = subject.partition(":")
    return f"/v1/{KINDS[kind].plural}/{slug}"


@cache
def facts_of(served: Service, subject: str) -> list[dict[str, Any]]:
    answer = served.get(f"{path_of(subject)}/timeline", limit=1000, valid_at="9999-12-31").json()
    assert answer["next"] is None
    items: list[dict[str, Any]] = answer["items"]
    return items


def drawn(served: Service, subject: str) -> tuple[Drawing, list[dict[str, Any]]]:
    """A subject's drawing, with the own facts of all that belongs to it, and the facts."""
    whole = served.get(path_of(subject)).json()
    belonging = set(subjects_of(whole))
    others = [one for each in sorted(belonging - {subject}) for one in facts_of(served, each)]
    facts = facts_of(served, subject) + [one for one in others if one["event"]["subject"] in belonging]
    at = whole["basis"]
    today = date.fromisoformat(at["valid_at"])
    return marks_of(whole, facts, today=today, valid_at=today, known_at=at["known_at"]), facts


def test_every_subject_is_drawn_and_told(served: Service) -> None:
    """Every subject has a drawing, and a table that has each of its facts: by date in the order of time, or as undated."""
    for subject in subjects(served):
        drawing, facts = drawn(served, subject)
        check_drawing(drawing)
        rows = rows_of(drawing)
        assert len(rows) == len(drawing.marks) + len(drawing.undated)
        positions = {int(one["event"]["sequence"]) for one in facts}
        assert {position for row in rows for position in row.positions} == positions, subject
        undated = [row for row in rows if not row.when]
        assert undated_summary(drawing).startswith(str(len(undated) or ""))
        assert all(row.what and row.href == f"/entries/{row.positions[0]}" for row in rows)
        assert draw(drawing) == draw(drawn(served, subject)[0])


def test_bars_show_the_status_of_their_days(served: Service) -> None:
    """On a day in the midst of a bar the ledger answers with the status that the bar shows."""
    checked = 0
    for subject in subjects(served):
        if subject.partition(":")[0] not in ("initiative", "agreement"):
            continue
        drawing, _ = drawn(served, subject)
        for mark in (one for one in drawing.marks if one.lane == "status" and one.bar):
            first, last = bar_days(mark, drawing.today)
            if first <= last:
                middle = first + (last - first) // 2
                state = served.get(path_of(subject), valid_at=middle.isoformat()).json()
                assert state["status"] == mark.bar, (subject, mark.name, middle)
                checked += 1
    assert checked


def bar_days(mark: Mark, today: date) -> tuple[date, date]:
    """The days on which it is surely so."""
    assert mark.at
    assert mark.at.bounds.latest
    begun = date(*mark.at.bounds.latest)
    end = mark.until.bounds.earliest if mark.until else None
    return begun, date(*end) - timedelta(days=1) if end else today


def test_the_indus_x_drawing_tells_its_story(server: Embedded) -> None:
    """What a reader finds in the seed's flagship: since when it is active, its summits, and what has no date."""
    location = LedgerLocation(server.location.dsn, "drawn_story")
    migrate(server.owner_dsn, location)
    with running(location) as service:
        service.given(*of_the_seed())
        drawing, _ = drawn(service, "initiative:indus-x")
        sosa, _ = drawn(service, "agreement:sosa")
    assert summary(drawing) == "INDUS-X, from June 2023 to today: 1 initiative, 2 meetings; active."
    assert "from June 2023 to September 2024:" in summary(replace(drawing, today=date(2024, 3, 1)))
    names = [one.name for one in drawing.marks]
    assert "Launched, active, 21 June 2023 (day). Entry 97" in names
    assert "Held: Second INDUS-X Summit, February 2024 (month). Entry 99" in names
    assert undated_summary(drawing).endswith(" facts without a date")
    disputed = [one.name for one in sosa.marks if "disputed" in one.doubts]
    assert disputed == [
        "Signed, 22 August 2024 (day); disputed. Entry 112",
        "Signed, 23 August 2024 (day); disputed. Entry 113",
    ]


# --- drawings of whatever may be


def fact(type_: str, subject: str, position: int, /, occurred: str | None = None, **data: Any) -> dict[str, Any]:
    """An item of a timeline, as the API has it."""
    latest = PartialDate(occurred).latest if occurred else None
    posted = event(type_, subject, occurred, **data)
    told = json.loads(stamp(make(posted, position).line(), position))
    return {"day": str(min(latest or TODAY, TODAY)), "unverified": False, "event": told}


def drawing_of(*facts: dict[str, Any], valid_at: date = TODAY, known_at: int = 10**6, **whole: Any) -> Drawing:
    state = {"subject": SUBJECT, "status": "active", "name": "A bridge", **whole}
    return marks_of(state, facts, today=TODAY, valid_at=valid_at, known_at=known_at)


def held(position: int, when: str, title: str = "Talks") -> dict[str, Any]:
    return fact("meeting.held", f"meeting:m{position}", position, when, title=title)


DAYS = st.dates(date(2019, 1, 1), date(2027, 12, 31)).map(date.isoformat)
MONTHS = DAYS.map(lambda day: day[:7])
DATES = st.one_of(
    DAYS,
    DAYS,
    MONTHS,
    DAYS.map(lambda day: day[:4]),
    st.tuples(MONTHS, st.sampled_from("?~%")).map("".join),
    st.tuples(DAYS, st.sampled_from("?~%")).map("".join),
    MONTHS.map("{}/..".format),
    MONTHS.map("../{}".format),
    st.tuples(DAYS, DAYS).map(lambda both: "/".join(sorted(both))),
    st.sampled_from(["2021-22", "202X", "2022-XX-15", "[2020-01,2021-03]", "2023-05-06T10:00:00Z"]),
)
FAR = st.sampled_from(["-0044-03-15", "0000", "Y17E8", "Y-170000002", "9999-12-31", "-9999"])
TEXTS = st.text(st.characters(exclude_categories=[]), min_size=1, max_size=60) | st.sampled_from(
    ["</svg><script>alert(1)</script>", '" onload="alert(1)', "]]>&amp;<!--", "\x00\x08\u202egnp.exe", "条約" * 20]
)
NAMES = TEXTS.filter(lambda text: _is_taken(text))
TYPES = sorted(type_ for type_ in FULL if not type_.startswith("entry."))


def _is_taken(text: str) -> bool:
    """Whether a fact may have it as its title."""
    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError:
        return False
    return True


@st.composite
def facts(draw: st.DrawFn, most: int = 40, dates: st.SearchStrategy[str] = DATES | FAR) -> list[dict[str, Any]]:
    """Facts of any type, that say all they may, about the subject and a few others."""
    found = []
    for position in range(1, draw(st.integers(1, most)) + 1):
        type_ = draw(st.sampled_from(TYPES))
        kind = type_.partition(".")[0]
        subject = SUBJECT if kind == "initiative" and draw(st.booleans()) else f"{kind}:s{draw(st.integers(0, 3))}"
        data = dict(FULL[type_]["data"])
        for name in ("title", "name"):
            data |= {name: draw(NAMES)} if name in data else {}
        for name in ("start", "due", "published", "new_end", "end"):
            data |= {name: draw(dates)} if name in data else {}
        found.append(fact(type_, subject, position, draw(st.none() | dates), **data))
    return found


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    valid_at = draw(st.just(TODAY) | st.dates(date(2015, 1, 1), date(2030, 1, 1)))
    milestones = [{"subject": f"milestone:s{n}", "status": "scheduled", "title": draw(TEXTS)} for n in range(2)]
    return drawing_of(*draw(facts()), valid_at=valid_at, known_at=draw(st.integers(1, 40)), milestones=milestones)


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        return min(self.right, other.right) - max(self.left, other.left) > 0.11 and (
            min(self.bottom, other.bottom) - max(self.top, other.top) > 0.11
        )

    def holds(self, other: "Box") -> bool:
        return self.left <= other.left + 0.11 and other.right <= self.right + 0.11


def box_of_text(text: ElementTree.Element) -> Box:
    """What 13 pixels' type takes at most, from where it stands."""
    width, x, y = LETTER * len(text.text or ""), float(text.get("x", "")), float(text.get("y", ""))
    left = {"end": x - width, "middle": x - width / 2}.get(text.get("text-anchor", ""), x)
    return Box(left, y - 12, left + width, y + 3.5)


def box_of_hit(path: ElementTree.Element) -> Box:
    match = re.fullmatch(r"M(\S+) (\S+)(?:H(\S+)v24H\S+|h72v24h-72)z", path.get("d", ""))
    assert match
    left, top = float(match[1]), float(match[2])
    return Box(left, top, float(match[3]) if match[3] else left + 72, top + 24)


def links(svg: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(f"{SVG}a"))


def part(link: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The parts of a link of one class."""
    return [one for one in link.iter() if name in (one.get("class") or "").split()]


def check_drawing(drawing: Drawing, width: float = WIDTH) -> None:
    """All that holds for every drawing."""
    svg = draw(drawing, width)
    check_markup(svg)
    check_names(drawing, svg, width)
    check_places(svg)


def check_markup(svg: str) -> None:
    """It is sound XML with numbers that are finite and of one decimal, and has no style and no script."""
    root = ElementTree.fromstring(svg)
    allowed = {"svg", "g", "a", "title", "rect", "path", "circle", "text", "pattern"}
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= allowed
    for one in root.iter():
        assert not any(name == "style" or name.startswith("on") for name in one.attrib)
        for name in ("x", "y", "cx", "cy", "width", "height", "d"):
            numbers = re.findall(r"[-.\d\w]+", re.sub(r"[MLHVhlmvz]", " ", one.get(name, "")))
            assert all(re.fullmatch(r"-?\d+(\.\d)?", number) for number in numbers), one.attrib


def check_names(drawing: Drawing, svg: str, width: float) -> None:
    """Every mark is a link to an entry with a name that says what, when and which entry, in the order of time."""
    of = picture(drawing, width)
    left_out = [one for one in links(svg) if part(one, "more")]
    marks = [one for one in links(svg) if not part(one, "more")]
    assert len(marks) + sum(lane.left_out for lane in of.lanes) == len(drawing.marks)
    assert len(left_out) == sum(bool(lane.left_out) for lane in of.lanes)
    assert all(one.get("href") == f"{drawing.page}#timeline-table" for one in left_out)
    names = {one.name for one in drawing.marks}
    for link, place in zip(marks, of.places, strict=True):
        assert place.mark.name in names
        assert link.get("href") == f"/entries/{place.mark.positions[0]}"
        assert link.get("aria-label") == place.mark.name
        assert place.mark.at is not None
        assert place.mark.at.words in place.mark.name
        assert place.mark.name.endswith(place.mark.entries)
    assert all(one.x0 <= other.x0 for one, other in pairwise(of.places))


def check_places(svg: str) -> None:
    """No label lies on another or on a mark but its own bar, no mark on another, and each can be hit."""
    hits: list[Box] = []
    labels: list[tuple[Box, Box | None]] = []
    for link in links(svg):
        [hit] = [box_of_hit(one) for one in part(link, "hit")]
        assert hit.right - hit.left >= 23.9, link.attrib
        hits.append(hit)
        for label in [*part(link, "label"), *part(link, "more")]:
            box = box_of_text(label)
            if "label" in (label.get("class") or "").split() and "inside" not in (label.get("class") or ""):
                assert not box.overlaps(hit), label.text
                labels.append((box, hit))
            else:
                assert hit.holds(box)
                labels.append((box, None))
    assert not [pair for pair in combinations(hits, 2) if pair[0].overlaps(pair[1])]
    assert not [pair for pair in combinations([box for box, _ in labels], 2) if pair[0].overlaps(pair[1])]
    for box, own in labels:
        if own:
            assert not [hit for hit in hits if hit.overlaps(box)]


@settings(max_examples=100, deadline=None)
@given(drawings(), st.sampled_from([WIDTH, WIDTH, 640.0, 360.0]))
def test_every_drawing_can_be_read(drawing: Drawing, width: float) -> None:
    """Whatever the facts say: labels and marks never overlap, links are named and large enough, and the markup is safe."""
    check_drawing(drawing, width)
    assert len(rows_of(drawing)) == len(drawing.marks) + len(drawing.undated)
    ElementTree.fromstring(standalone(drawing).encode())


@settings(max_examples=60, deadline=None)
@given(facts(most=12))
def test_the_same_facts_make_the_same_bytes(told: list[dict[str, Any]]) -> None:
    """A drawing depends on nothing but its input, whose facts may come twice."""
    assert draw(drawing_of(*told)) == draw(drawing_of(*told, *told))


def spans_of(svg: str) -> list[tuple[float, float]]:
    return [
        (float(one.get("x", "")), float(one.get("x", "")) + float(one.get("width", "")))
        for link in links(svg)
        for one in part(link, "span")
        if one.tag == f"{SVG}rect"
    ]


@given(MONTHS | DAYS.map(lambda day: day[:4]))
def test_a_month_and_a_year_are_drawn_as_long_as_they_are(when: str) -> None:
    """The box reaches from the first day to the end of the last one, and the sign stands in its midst, hollow: not on the 1st."""
    drawing = drawing_of(held(1, when))
    bounds, of = PartialDate(when).bounds, picture(drawing).axis
    assert bounds.earliest
    assert bounds.latest
    first, end = of.x(ordinal(bounds.earliest)), of.x(ordinal(bounds.latest) + 1)
    svg = draw(drawing)
    [(left, right)] = spans_of(svg)
    assert left == pytest.approx(first, abs=0.06)
    assert right == pytest.approx(end, abs=0.11)
    sign = next(one for link in links(svg) for one in part(link, "hollow"))
    assert float(sign.get("cx", "")) == pytest.approx((first + end) / 2, abs=0.06)


def test_a_day_is_a_point() -> None:
    """It has no box, and its sign is filled."""
    svg = draw(drawing_of(held(1, "2024-08-22")))
    assert spans_of(svg) == []
    assert part(links(svg)[0], "hollow") == []


def test_an_approximate_date_fades_out() -> None:
    """Three steps on each side, ever fainter, begin where the bounds end."""
    svg = draw(drawing_of(held(1, "2024-06~")))
    soft = part(links(svg)[0], "soft")
    [(left, right)] = spans_of(svg)
    assert sorted(one.get("opacity") or "" for one in soft) == ["0.25", "0.25", "0.6", "0.6", "1", "1"]
    assert all(
        float(one.get("x", "")) >= right - 0.11 or float(one.get("x", "")) + float(one.get("width", "")) <= left + 0.11
        for one in soft
    )


def test_an_uncertain_date_is_dotted_and_asked() -> None:
    """It has a question mark in its label, and a class of its own that the style dots."""
    [link] = links(draw(drawing_of(held(1, "2024-06-03?", "Talks"))))
    assert "perhaps" in (link.get("class") or "").split()
    assert [one.text for one in part(link, "label")] == ["Talks ?"]
    assert "uncertain" in (link.get("aria-label") or "")


def test_an_open_side_has_an_arrow_and_no_end() -> None:
    """What is open is said as open, and drawn with an arrow that points to the open side."""
    for when, words in (
        ("2024-06/..", "from June 2024 (end open)"),
        ("../2024-06", "until June 2024 (beginning open)"),
    ):
        [link] = links(draw(drawing_of(held(1, when))))
        arrow = [one.get("d", "") for one in part(link, "span") if one.tag == f"{SVG}path"]
        assert [one.endswith(("l5 4l-5 4", "l-5 4l5 4")) for one in arrow] == [True]
        assert words in (link.get("aria-label") or "")


def test_what_has_no_date_is_listed_and_not_drawn() -> None:
    """Neither an absent date nor one that is open on both sides gets a place; the day that it counts from is none."""
    drawing = drawing_of(fact("meeting.held", "meeting:a", 1, title="A"), held(2, "../.."), held(3, "2024"))
    assert [one.positions for one in drawing.undated] == [(1,), (2,)]
    assert undated_summary(drawing) == "2 facts without a date"
    assert [one.get("href") for one in links(draw(drawing))] == ["/entries/3"]
    assert [(row.when, row.precision) for row in rows_of(drawing)][1:] == [("", "no date")] * 2


def test_what_is_ahead_stands_at_its_date() -> None:
    """What is scheduled, due or published stands where it is to be, not where somebody said so; moved, it says from where."""
    meeting = {"title": "Talks", "start": "2025-09"}
    drawing = drawing_of(
        fact("meeting.scheduled", "meeting:a", 1, "2025-01-02", **meeting),
        fact("meeting.rescheduled", "meeting:a", 2, "2025-02-02", start="2025-10-05"),
        fact("milestone.scheduled", "milestone:a", 3, None, due="2025-03-31"),
        fact("source.registered", "source:a", 4, None, title="Gazette", kind="gazette", published="2024-12-24"),
        milestones=[{"subject": "milestone:a", "status": "scheduled", "title": "Roof"}],
    )
    assert [one.name for one in drawing.marks] == [
        "Published: Gazette, 24 December 2024 (day). Entry 4",
        "Due: Roof, 31 March 2025 (day); overdue. Entry 3",
        "Scheduled: Talks, September 2025 (month). Entry 1",
        "Rescheduled: Talks, 5 October 2025 (day). Entry 2",
    ]
    moved = drawing.marks[-1].moved_from
    assert moved
    assert moved.words == "September 2025"
    assert len(part(links(draw(drawing))[-1], "move")) == 1
    assert "Due: Roof (overdue)" in [one.text for link in links(draw(drawing)) for one in part(link, "label")]


def test_nothing_is_told_by_colour_alone() -> None:
    """Without its classes a mark that was held, is scheduled or was cancelled still looks different, or says another word."""
    told_by = {}
    for type_, data in {
        "meeting.held": {"title": "T"},
        "meeting.scheduled": {"title": "T"},
        "meeting.cancelled": {"reason": "r"},
        "milestone.met": {},
        "milestone.reported": {"title": "T"},
        "milestone.not_met": {"reviewed_on": "2024-03-04"},
        "initiative.launched": {"name": "N", "kind": "other"},
        "initiative.suspended": {"reason": "r"},
        "initiative.closed": {"reason": "r"},
        "initiative.cancelled": {"reason": "r"},
    }.items():
        kind = type_.partition(".")[0]
        subject = SUBJECT if kind == "initiative" else f"{kind}:t"
        [link] = links(draw(drawing_of(fact(type_, subject, 1, "2024-03-04", **data))))
        shapes = [(one.tag, one.get("d"), "hollow" in (one.get("class") or "")) for one in link.iter()]
        told_by[type_] = str(shapes) + str([one.text for one in part(link, "label")])
    assert len(set(told_by.values())) == len(told_by)


def test_the_status_is_a_row_of_bars() -> None:
    """A status lasts until the next begins; the last one fades out after today, and what ended does not."""
    opened = fact("initiative.reported", SUBJECT, 1, "2023-01-01", name="N", kind="other")
    launched = fact("initiative.launched", SUBJECT, 2, "2023-06-01", name="N", kind="other")
    closed = fact("initiative.closed", SUBJECT, 3, "2024-06-01", reason="r")
    running_on, ended = drawing_of(opened, launched), drawing_of(opened, launched, closed)
    assert [(one.bar, one.until and one.until.words) for one in running_on.marks] == [
        ("reported", "1 June 2023"),
        ("active", None),
    ]
    assert len(part(links(draw(running_on))[1], "fade")) == 3
    assert not any(part(link, "fade") for link in links(draw(ended)))
    assert [one.text for link in links(draw(ended)) for one in part(link, "label")] == ["Reported", "Active", "Closed"]


def test_an_agreement_is_hollow_until_it_is_in_force() -> None:
    """Its bar is hollow from signature on, and filled from entry into force."""
    svg = draw(
        drawing_of(
            fact("agreement.signed", "agreement:a", 1, "2023-01-01", title="Pact"),
            fact("agreement.entered_into_force", "agreement:a", 2, "2024-01-01"),
        )
    )
    assert [next("hollow" in one.get("class", "") for one in part(link, "bar")) for link in links(svg)] == [True, False]


def test_both_days_have_lines_and_the_planned_is_hatched() -> None:
    """Today and the day that is looked at are named; what lies after that day is faint; right of today it is hatched."""
    drawing = drawing_of(held(1, "2024-01-01"), held(2, "2025-02-01"), valid_at=date(2024, 8, 22))
    root = ElementTree.fromstring(draw(drawing))
    captions = [one.text for one in root.iter(f"{SVG}text") if "caption" in (one.get("class") or "")]
    assert captions == ["today", "true on 22 Aug 2024"]
    hatched = next(one for one in root.iter(f"{SVG}rect") if one.get("fill", "").startswith("url(#planned-"))
    of = picture(drawing)
    assert float(hatched.get("x", "")) == pytest.approx(of.today, abs=0.06)
    assert float(hatched.get("x", "")) + float(hatched.get("width", "")) == pytest.approx(of.axis.right, abs=0.11)
    faint = [any(one.get("opacity") == ".45" for one in link.iter()) for link in links(draw(drawing))]
    assert faint == [False, True]
    assert "true on" not in draw(drawing_of(held(1, "2024-01-01")))


@given(st.dates(date(2024, 1, 1), date(2026, 1, 1)))
def test_captions_never_overlap(valid_at: date) -> None:
    """What both days are called stands side by side, or one under the other."""
    root = ElementTree.fromstring(draw(drawing_of(held(1, "2024-01-01"), valid_at=valid_at)))
    captions = [box_of_text(one) for one in root.iter(f"{SVG}text") if "caption" in (one.get("class") or "")]
    assert not [pair for pair in combinations(captions, 2) if pair[0].overlaps(pair[1])]


def test_what_was_recorded_later_says_so() -> None:
    """With what was not known yet, a mark has its entry's number and a name that says it."""
    [link] = links(draw(drawing_of(held(30, "2024-01-01"), known_at=29)))
    assert [one.text for one in part(link, "label")] == ["Talks #30"]
    assert "recorded later" in (link.get("aria-label") or "")
    assert "recorded-later" in (link.get("class") or "").split()


def test_what_several_entries_tell_is_one_mark() -> None:
    """One act at one date is drawn once, with all of its entries; on another date it is another mark."""
    told = [fact("meeting.held", "meeting:a", n, "2024-01-01", title="Talks") for n in (4, 7)]
    apart = fact("meeting.held", "meeting:a", 9, "2024-01-02", title="Talks")
    assert [one.positions for one in drawing_of(*told, apart).marks] == [(4, 7), (9,)]
    assert rows_of(drawing_of(*told))[0].positions == (4, 7)


def test_what_has_no_room_is_in_the_table() -> None:
    """Of twenty meetings on one day six are drawn; the way to the others says how many they are."""
    drawing = drawing_of(*(held(n, "2024-01-01", f"Meeting {n}") for n in range(1, 21)))
    more = [one for one in links(draw(drawing)) if part(one, "more")]
    assert [one.get("aria-label") for one in more] == ["+14 more meetings, in the table"]
    assert more[0].get("href") == "/initiatives/bridge#timeline-table"
    assert len(rows_of(drawing)) == 20


def test_a_number_stands_where_a_label_has_no_room() -> None:
    """The table has the same number beside the mark, and each number once."""
    drawing = drawing_of(*(held(n, f"2024-{1 + n // 3:02}-{1 + n % 3 * 9:02}", f"Meeting {n}" * 4) for n in range(36)))
    shown = {
        (link.get("href"), label.text)
        for link in links(draw(drawing))
        for label in part(link, "label")
        if (label.text or "").isdecimal()
    }
    assert len(shown) > 5
    assert shown == {(row.href, str(row.number)) for row in rows_of(drawing) if row.number}


def test_what_should_be_done_by_now_is_overdue() -> None:
    """A commitment that is not kept, and was due before the day that is looked at; not one that was kept, nor one ahead."""
    made = {"strength": "firm", "due": "2025-02"}
    told = [fact("initiative.commitment_made", SUBJECT, n, "2024-01-01", commitment=f"c{n}", **made) for n in (1, 2)]
    commitments = [{"commitment": "c1", "status": "made"}, {"commitment": "c2", "status": "fulfilled"}]
    for valid_at, overdue in ((TODAY, [1]), (date(2025, 2, 28), [])):
        drawing = drawing_of(*told, valid_at=valid_at, commitments=commitments)
        assert [one.positions[0] for one in drawing.marks if "overdue" in one.doubts] == overdue


def test_what_is_disputed_says_so() -> None:
    """Two sources that give different days are two marks, and each is called disputed, in its label and in its name."""
    told = [fact("agreement.signed", "agreement:a", n, f"2024-08-{n}", title="SOSA") for n in (22, 23)]
    sides = [{"value": f"2024-08-{n}", "position": n} for n in (22, 23)]
    state = {"subject": "agreement:a", "status": "signed", "title": "SOSA", "alternatives": {"dates/signed": sides}}
    drawing = drawing_of(*told, agreements=[state])
    assert [one.text for link in links(draw(drawing)) for one in part(link, "label")] == ["Signed: SOSA (disputed)"] * 2
    assert all("; disputed. " in (link.get("aria-label") or "") for link in links(draw(drawing)))


def many(number: int) -> Iterator[dict[str, Any]]:
    """Facts of forty years, with titles as long as those of the seed."""
    for n in range(1, number + 1):
        when, title = str(date(1985, 1, 1) + timedelta(days=n * 14_600 // number)), f"Of both countries, on subject {n}"
        yield [
            fact("meeting.held", f"meeting:s{n}", n, when, title=title),
            fact("milestone.reported", f"milestone:s{n}", n, when, title=title),
            fact("agreement.consented", f"agreement:s{n}", n, when, party="party:ind", method="accession"),
            fact("source.registered", f"source:s{n}", n, None, title=title, kind="dataset", published=when),
            fact("party.renamed", f"party:s{n}", n, when, name=title),
        ][n % 5]


def test_three_hundred_marks_are_less_than_120_kb() -> None:
    """All of them are drawn."""
    drawing = drawing_of(*many(300))
    assert len(drawing.marks) == 300
    check_drawing(drawing)
    shown = [one for one in links(draw(drawing)) if not part(one, "more")]
    assert len(shown) == 300
    assert len(draw(drawing).encode()) < 120_000


def test_of_very_many_marks_those_of_a_month_are_counted() -> None:
    """Above 600 marks each count says how many there are in which time and leads to the table, and all are counted."""
    drawing = drawing_of(*many(3000))
    of = picture(drawing)
    assert sum(one.mark.count for one in of.places) + sum(lane.left_out for lane in of.lanes) == 3000
    assert len(of.places) <= 600
    counts = [one for one in links(draw(drawing)) if part(one, "count")]
    assert counts
    assert all(one.get("href") == "/initiatives/bridge#timeline-table" for one in counts)
    assert all(re.match(r"\d+ facts, ", one.get("aria-label") or "") for one in counts)
    check_markup(draw(drawing))
    check_places(draw(drawing))
    assert len(rows_of(drawing)) == 3000


def test_a_file_of_its_own_has_its_colours() -> None:
    """It needs no page: every colour is there by its value, light and dark, and the words beside it are the same."""
    drawing = drawing_of(held(1, "2024-06"), valid_at=date(2024, 1, 1))
    alone = standalone(drawing)
    assert "var(" not in alone
    assert COLOURS["ink"][0] in alone
    assert COLOURS["ink"][1] in alone.partition("prefers-color-scheme: dark")[2]
    assert [one.attrib for one in links(alone.partition("?>\n")[2])] == [one.attrib for one in links(draw(drawing))]


def test_a_subject_without_dates_is_drawn() -> None:
    """Then it is an image of the axis that says so."""
    root = ElementTree.fromstring(draw(drawing_of()))
    assert root.get("role") == "img"
    assert root.get("aria-label") == "A bridge: no fact with a date; active."


# --- the axis and the words


@given(st.dates())
def test_days_are_numbered_as_the_calendar_does(day: date) -> None:
    """Within the years that Python knows, the number is its own."""
    assert ordinal(day_of(day)) == day.toordinal()


@given(st.integers(-(10**13), 10**13))
def test_days_and_their_numbers_are_one_to_one(number: int) -> None:
    """Before year 1 and after 9999, too."""
    assert ordinal(civil(number)) == number
    assert ordinal(civil(number + 1)) == number + 1


@given(st.lists(st.integers(-(10**12), 10**12) | st.integers(730_000, 745_000), max_size=5), st.integers(96, 2000))
def test_an_axis_has_a_few_ticks_with_room_for_each(days: list[int], width: int) -> None:
    """They ascend within the picture, far enough from each other; every day has a place inside."""
    of = axis(days, TODAY.toordinal(), MARGIN, width)
    places = [of.x(one.day) for one in ticks(of)]
    assert len(places) <= max(width // 92, 2) + 1
    assert all(later - earlier > 40 for earlier, later in pairwise(places))
    assert all(of.left < of.x(day + 0.5) < of.right for day in (*days, TODAY.toordinal()))


@pytest.mark.parametrize(
    ("text", "words", "precision"),
    [
        ("2024-08-22", "22 August 2024", "day"),
        ("2024-08-22T10:00:00Z", "22 August 2024, 10:00:00Z", "day"),
        ("2024-02", "February 2024", "month"),
        ("2023-02", "February 2023", "month"),
        ("2024", "2024", "year"),
        ("2024~", "about 2024", "year"),
        ("2024-08?", "August 2024, uncertain", "month"),
        ("2024-08%", "about August 2024, uncertain", "month"),
        ("2024-22", "summer of 2024", "part of a year"),
        ("2024-34", "second quarter of 2024", "part of a year"),
        ("2024-40", "first half of 2024", "part of a year"),
        ("2024-02-01/2024-02-29", "1 to 29 February 2024", "interval"),
        ("2024-06/..", "from June 2024 (end open)", "open"),
        ("../2024-06", "until June 2024 (beginning open)", "open"),
        ("-0044-06/..", "1 June 45 BC or later", "open"),
        ("202X?", "between 1 January 2020 and 31 December 2029, uncertain", "span"),
        ("201X", "between 1 January 2010 and 31 December 2019", "span"),
        ("-0043-03-15", "15 March 44 BC", "day"),
        ("0000", "1 BC", "year"),
        ("Y17E8", "1700000000", "year"),
    ],
)
def test_dates_are_told_in_words(text: str, words: str, precision: str) -> None:
    """A date reads as people say it, with how precise it is."""
    assert told(text)[:2] == (words, precision)


@given(DATES | FAR)
def test_words_never_say_less_than_the_date(text: str) -> None:
    """Every date of the ledger has words, a precision, and the bounds that the ledger computes with."""
    found = told(text)
    assert found.words
    assert found.precision
    assert found.bounds == PartialDate(text).bounds
    assert isinstance(found.bounds, Bounds)
