"""Files: the data of every list and of every subject at its page's address, as other people's parsers read it."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import feedparser
import pytest
from cloudevents.core.formats.json import JSONFormat
from csvw import CSVW
from fastapi.routing import APIRoute
from httpx2 import Response
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Event
from starlette.requests import ClientDisconnect

import api.http.reads
from api.app import PAGES
from api.formats import ics
from api.formats.atom import feed_form
from api.formats.columns import TABLES
from api.formats.csv_text import FORMULA, csv_line
from api.http.addresses import LISTS, PARTS, PLURALS, offered
from api.http.negotiation import MEDIA_TYPES
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.log.epoch import current, renew
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.queries import Queries
from tests.examples import INDUS_X, THX, event
from tests.ledgers import LEDGERS
from tests.service import ADMIN, Service, pointers_of, problem_of, running

pytest_plugins = ["tests.service", "tests.unreadable"]

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
VARIES = "Accept, Accept-Encoding"
SOME = {"files_seed": 1_000, "files_every_type": 3, "files_generated_1": 3}
NAMED = event("meeting.held", "meeting:panel", "2024-09-10", title="Panel", participants=[{"person": "A. Canary"}])


@pytest.fixture(scope="module", params=["seed", "every_type", "generated_1"])
def told(request: pytest.FixtureRequest, server: Embedded) -> Iterator[Service]:
    """Each of the ledgers, recorded and projected."""
    location = LedgerLocation(server.location.dsn, f"files_{request.param}")
    migrate(server.owner_dsn, location)
    with running(location) as service:
        service.given(*LEDGERS[request.param]())
        yield service


@pytest.fixture(params=["pages of 500", "pages of 3"])
def pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits one page is sent at once, what does not is streamed: both are held to the same."""
    if request.param == "pages of 3":
        monkeypatch.setattr(api.http.reads, "PAGE", 3)


def subjects(told: Service) -> list[Subject]:
    """All of which something is known today: of the seed every one, of other ledgers some of every kind."""
    names = (
        one["subject"]
        for kind in KINDS.values()
        for one in told.get(f"/v1/{kind.plural}", limit=SOME[told.location.schema]).json()["items"]
    )
    return [Subject(name) for name in names]


def addresses(told: Service) -> list[str]:
    """Of every list, and of the subjects with all that there is of them."""
    lists = ["/due", "/entries", "/anomalies", "/entries/2", *(f"/{plural}" for plural in PLURALS)]
    at = [f"/{KINDS[one.kind].plural}/{one.id}" for one in subjects(told)]
    return lists + at + [f"{one}/{part}" for one in at for part in PARTS]


def asked(address: str) -> dict[str, Any]:
    return {"from": 1} if address.endswith("/diff") else {}


def items(told: Service, address: str, headers: dict[str, str] | None = None, **params: Any) -> list[dict[str, Any]]:
    """All that the routes below /v1 answer, page by page."""
    path, found = f"/v1{address.replace('/entries', '/events')}", list[dict[str, Any]]()
    query = asked(address) | params
    while True:
        answer = told.get(path, headers, **query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        rows = (
            [body]
            if _is_subject(address)
            else next(body[name] for name in ("items", "events", "changes") if name in body)
        )
        found += rows
        if not body.get("next"):
            return found
        query = params | {"after" if address == "/entries" else "cursor": body["next"]}


def _is_subject(address: str) -> bool:
    return address.count("/") == 2


def rows_of(answer: Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(StringIO(answer.text, newline=""), strict=True))


def events_of(answer: Response) -> dict[str, Event]:
    assert answer.status_code == 200, answer.text
    calendar = Calendar.from_ical(answer.content)
    calendar.validate()  # type: ignore[no-untyped-call]
    assert calendar["X-LEDGER-LEFT-OUT"] == answer.headers["ledger-left-out"]
    return {str(one["UID"]): cast("Event", one) for one in calendar.walk("VEVENT")}


# --- every address, in every format


def test_json_is_the_answer_of_the_api(told: Service) -> None:
    """What ends in .json is byte for byte what the route below /v1 answers, with the same headers, whatever Accept says."""
    for address in addresses(told):
        params = asked(address)
        answer = told.get(f"/v1{address.replace('/entries', '/events')}", **params)
        for headers in ({}, {"Accept": "text/csv"}, {"Accept": "application/x-ndjson"}):
            same = told.get(f"{address}.json", headers, **params)
            assert (same.status_code, same.content, same.headers["etag"]) == (
                200,
                answer.content,
                answer.headers["etag"],
            )


def test_lines_are_the_documents_of_the_api(told: Service, pages: None) -> None:
    """Each line is one document, and all together are what the pages of the route below /v1 hold, in that order."""
    for address in addresses(told):
        answer = told.get(f"{address}.jsonl", **asked(address))
        assert answer.status_code == 200, (address, answer.text)
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.text.splitlines()]
        expected = items(told, address)
        if _is_subject(address):  # what belongs to it is in the lists
            assert all(one in expected[0].items() for one in lines[0].items())
            expected = lines[:1]
        assert lines == expected, address


def test_entries_are_cloudevents_as_they_are_stored(told: Service, pages: None) -> None:
    """The lines of the log are sent as the database holds them, and the CloudEvents project's own parser reads each."""
    lines = told.get("/entries.jsonl").text.splitlines()
    with told.location.connect() as connection:
        stored = connection.execute("select body::text from entries order by position").fetchall()
    assert lines == [line for (line,) in stored]
    for number, line in enumerate(lines, 1):
        read = JSONFormat().read(None, line)
        assert int(read.get_extension("sequence")) == number
        assert read.get_id() == json.loads(line)["id"]


def test_tables_have_a_row_for_each_document(told: Service, pages: None) -> None:
    """Every CSV file has as many rows as its list has documents, lines that end in CRLF, and the columns of its table."""
    for address in addresses(told):
        answer = told.get(f"{address}.csv", **asked(address))
        rows, expected = rows_of(answer), items(told, address)
        assert answer.headers["content-type"] == "text/csv; header=present; charset=utf-8"
        assert len(rows) == len(expected), address
        quoted = re.sub('"[^"]*"', "", answer.text)
        assert quoted.count("\n") == quoted.count("\r\n") == len(rows) + 1
        for row, one in zip(rows, expected, strict=True):
            event = one.get("event", one)
            assert row["subject"] == event.get("subject", "")
            assert row.get("status") == one.get("status"), address


def test_every_table_is_what_its_metadata_says(told: Service, tmp_path: Path) -> None:
    """CSVW's own validator finds nothing wrong, and reads each cell as what it is: lists, numbers, days, JSON."""
    for address in [one for one in addresses(told) if not one.endswith("/diff")]:
        answer = told.get(f"{address}.csv")
        [link, rel, type_] = answer.headers["link"].split("; ")
        assert (rel, type_) == ('rel="describedby"', 'type="application/csvm+json"')
        metadata = told.get(link.strip("<>"))
        assert metadata.headers["content-type"] == "application/csvm+json"
        name = metadata.json()["url"]
        (tmp_path / name).write_bytes(answer.content)
        (tmp_path / f"{name}-metadata.json").write_bytes(metadata.content)
        read = CSVW(str(tmp_path / name), validate=True)
        assert read.is_valid, (address, read.warnings)
        for row, one in zip(read.tables[0].iterdicts(strict=True), items(told, address), strict=True):
            for field in ("sources", "areas", "organisers") if "provenance" in one else ():
                assert field not in row or (row[field] or []) == (one.get(field) or []), address
            assert "version" not in row or row["version"] == one["version"]


def test_no_field_of_a_state_is_without_a_column(told: Service) -> None:
    """Whatever a state tells stands in its table, but for which entry says so: that is what the API is for."""
    for kind in KINDS.values():
        columns = {column.name for column in TABLES[kind.name]}
        for one in items(told, f"/{kind.plural}"):
            assert one.keys() - columns == {"provenance"}, one["subject"]


SHOWN = {"/meetings": ("start", "held"), "/milestones": ("due", "met", "not_met", "reviewed_on", "partially_met")}
"""The dates of a state of each list that a calendar may show it on."""


def test_every_dated_state_is_an_event_or_counted(told: Service, pages: None) -> None:
    """A calendar has an event for each state of the list whose date is bounded, over all days that it may be on, and tells how many
    others there are; the page's link tells how many events."""
    for address in ("/meetings", "/milestones", "/due", "/meetings?status=held", "/milestones?sort=-due"):
        path, _, query = address.partition("?")
        params: dict[str, Any] = dict([query.split("=")]) if query else {}
        answer = told.get(f"{path}.ics", **params)
        found, states = events_of(answer), items(told, path, **params)
        assert len(found) + int(answer.headers["ledger-left-out"]) == len(states)
        for state in states if path != "/due" else ():
            given = state | state["dates"]
            said = [PartialDate(given[what]) for what in SHOWN[path.partition("?")[0]] if given.get(what)]
            bounded = [
                (one.earliest, one.latest) for one in said if one.latest and (one.earliest or one == state.get("due"))
            ]
            assert (state["subject"] in found) == bool(bounded), (state["subject"], said)
            if bounded:
                one = found[state["subject"]]
                assert (one["SEQUENCE"], one["X-LEDGER-STATUS"]) == (state["version"], state["status"])
                start = date.fromisoformat(str(one.decoded("DTSTART"))[:10])
                [(first, last)] = {days for days in bounded if start == (days[0] or days[1])}
                if first != last and not state.get("end"):
                    assert one.decoded("DTEND") - timedelta(days=1) == last
                    assert ics.VAGUE in str(one["DESCRIPTION"])
        html = told.get(path, BROWSER, **params).text
        assert re.search(rf"calendar \(iCalendar\), ({len(found)} events?|those with a date)<", html), address


def test_the_calendar_of_a_subject_has_what_belongs_to_it(told: Service) -> None:
    """An initiative, an agreement, a meeting or a milestone has a calendar of its meetings and milestones."""
    for subject in subjects(told):
        at = f"/{KINDS[subject.kind].plural}/{subject.id}"
        answer = told.get(f"{at}.ics")
        if "ics" not in offered(at):
            assert subject.kind in ("source", "party")
            assert ".jsonl" in problem_of(answer, 404)["detail"]
            continue
        whole = told.get(f"/v1{at}").json()
        dated = {one["subject"] for one in (*whole.get("meetings", ()), *whole.get("milestones", ()))}
        dated |= {subject} if subject.kind in ("meeting", "milestone") else set()
        found = events_of(answer)
        assert found.keys() <= dated
        assert len(found) + int(answer.headers["ledger-left-out"]) == len(dated)


def test_feeds_have_an_entry_for_each_of_the_log(told: Service, pages: None) -> None:
    """A feed reader finds every entry, the newest first, by its own id; a correction is one more, and takes none away."""
    histories = [one for one in addresses(told) if one.endswith("/history")]
    for address in ("/entries", *histories):
        answer = told.get(f"{address}.atom")
        feed = feedparser.parse(answer.content, response_headers={"content-type": answer.headers["content-type"]})
        assert (feed.bozo, feed.version) == (0, "atom10"), address
        lines = [one.get("event", one) for one in items(told, address)][::-1]
        assert [one.id for one in feed.entries] == [f"urn:uuid:{line['id']}" for line in lines]
        assert [one.link for one in feed.entries] == [f"/entries/{int(line['sequence'])}" for line in lines]
        assert feed.feed.updated == feed.entries[0].updated
        assert feed.feed.id.startswith("urn:uuid:")
        for one, line in zip(feed.entries, lines, strict=True):
            assert one.updated == one.published == line["recordedtime"].replace("Z", "+00:00")
            assert line["subject"] in one.title
            assert [tag.term for tag in one.tags] == [line["type"]]


def test_two_downloads_at_one_basis_are_the_same_bytes(told: Service, pages: None) -> None:
    """What is pinned is the same to the byte, is named by Content-Location, and is not sent again to who has it; HEAD sends none."""
    for address in addresses(told):
        for suffix in (*offered(address)[1:], "csv-metadata.json"):
            answer = told.get(f"{address}.{suffix}", **asked(address))
            assert answer.status_code == 200, (address, suffix, answer.text)
            if suffix == "csv-metadata.json":
                continue
            head = told.client.head(f"{address}.{suffix}", params=asked(address))
            assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])
            known = {"If-None-Match": answer.headers["etag"]}
            assert told.get(f"{address}.{suffix}", known, **asked(address)).status_code == 304
            if suffix == "atom":  # which tells its own address in it
                assert "content-location" not in answer.headers
            elif not address.endswith("/diff"):
                pinned = answer.headers["content-location"]
                assert pinned.startswith(f"{address}.{suffix}?known_at=")
                again = told.get(pinned)
                assert (again.content, again.headers["content-location"]) == (answer.content, pinned)
                assert again.headers["content-type"].startswith(MEDIA_TYPES[suffix][0])
                assert told.get(pinned).content == again.content


def test_files_are_narrowed_and_dated_as_lists_are(told: Service) -> None:
    """Every filter, sort and basis of the route below /v1 means the same on a file."""
    for address, params in (
        ("/initiatives", {"status": "active"}), ("/initiatives", {"text": "co-dev", "sort": "-id"}),
        ("/meetings", {"known_at": 60, "valid_at": "2024-10-01"}), ("/milestones", {"overdue": True, "sort": "due"}),
        ("/agreements", {"party": "party:ind"}), ("/entries", {"type": "meeting.held", "after": 20, "known_at": 110}),
        ("/due", {"due_before": "2026-06-01"}), ("/sources", {"min_position": 5}),
    ):  # fmt: skip
        lines = told.get(f"{address}.jsonl", **params).text.splitlines()
        assert [json.loads(line) for line in lines] == items(told, address, **params)
        assert len(rows_of(told.get(f"{address}.csv", **params))) == len(lines)


def test_files_have_the_fields_that_are_asked_for(told: Service) -> None:
    """Of each state those alone, as below /v1; a table has their columns, and its metadata those that it has."""
    for address, names in (("/meetings", "title,id,start"), ("/initiatives", "name,provenance"), ("/parties", "id")):
        asked_for: dict[str, Any] = {"fields": names, "sort": "-id"}
        lines = told.get(f"{address}.jsonl", **asked_for).text.splitlines()
        assert [json.loads(line) for line in lines] == items(told, address, **asked_for)
        one = f"{address}/{items(told, address)[0]['id']}"
        assert json.loads(told.get(f"{one}.jsonl", fields=names).text).keys() == {*names.split(",")}
    rows = rows_of(told.get("/meetings.csv", fields="title,id,start"))
    assert [*rows[0]] == ["id", "title", "start", "start_earliest", "start_latest"]
    assert len(rows) == len(items(told, "/meetings"))
    columns = told.get("/meetings.csv-metadata.json", fields="title,id,start").json()["tableSchema"]["columns"]
    assert [one["name"] for one in columns] == [*rows[0]]


def test_fields_that_a_file_cannot_have_are_refused(told: Service) -> None:
    """A name that is none, one that is in no column, and any of them in a calendar: told with what to take."""
    for address, said in (
        ("/meetings.csv?fields=titel", "did you mean title?"),
        ("/meetings.jsonl?fields=", "1 or more characters"),
        ("/meetings.csv?fields=id,provenance", "provenance is no column of the table: take .json or .jsonl"),
        ("/meetings.csv-metadata.json?fields=provenance", "provenance is no column of the table"),
        ("/meetings.ics?fields=id", "take .json, .jsonl or .csv"),
        ("/entries.csv?fields=id", "there is no such parameter here"),
    ):
        problem = problem_of(told.get(address), 422)
        assert [one["pointer"] for one in problem["errors"]] == ["fields"]
        assert said in problem["detail"]


# --- by Accept


def test_the_address_of_a_page_answers_in_the_format_that_is_wanted(told: Service) -> None:
    """By Accept the same address gives each format that it has; a page is for who wants HTML, or anything; else there is none."""
    for address in [one for one in addresses(told) if not one.endswith("/diff")]:
        formats = offered(address)
        for name in formats:
            answer = told.get(address, {"Accept": f"image/png, {MEDIA_TYPES[name][0]}"})
            direct = told.get(f"{address}.{name}")
            assert (answer.status_code, answer.content, answer.headers["vary"]) == (200, direct.content, VARIES)
        if address.endswith("/timeline"):  # it stands on the page of the subject
            address = told.get(address, BROWSER).headers["location"].partition("#")[0]
        page = told.get(address, BROWSER)
        assert page.headers["content-type"].partition(";")[0] == "text/html"
        assert page.headers["vary"] == "Accept, Accept-Encoding, Cookie"  # a page shows whose session it is
        missing = told.get(address, {"Accept": "image/png"})
        told_of = problem_of(missing, 406)
        assert (told_of["type"], missing.headers["vary"]) == ("/problems/not-acceptable", VARIES)
        assert all(MEDIA_TYPES[name][0] in told_of["detail"] for name in formats)


# --- what is refused


def test_no_parameter_of_a_file_is_ignored(service: Service) -> None:
    """What the route below /v1 does not know is refused, and so are pages: a file is all there is."""
    service.given(THX, INDUS_X)
    for address in ("/initiatives", "/initiatives/indus-x", "/initiatives/indus-x/history", "/due", "/entries"):
        for suffix in ("jsonl", "csv", "csv-metadata.json"):
            for name, value in (("limit", "1"), ("cursor", "x"), ("count", "true"), ("known-at", "1")):
                assert pointers_of(service.get(f"{address}.{suffix}", **{name: value})) == [name]
            assert pointers_of(service.get(f"{address}.{suffix}", known_at="x")) == ["known_at"]
    assert pointers_of(service.get("/initiatives.csv", status="inforce")) == ["status"]
    assert pointers_of(service.get("/initiatives.csv", known_at=9)) == ["known_at"]


def test_what_was_asked_is_repeated_soundly(service: Service) -> None:
    """Whatever bytes a query has, headers and bodies that repeat it are sound, and lead to the same."""
    service.given(THX, INDUS_X)
    for odd in ("%ff", "\xff", "%0d%0aX:1", "\u00e9", "a%3Cb%26c%22", "%F0%9F%92%A1"):
        for suffix in ("csv", "jsonl", "csv-metadata.json"):
            raw = service.client.get(f"/initiatives.{suffix}?text={odd}")
            assert raw.status_code in (200, 422), (odd, raw.text)
            assert "x" not in raw.headers
            for link in [raw.headers.get("content-location"), raw.headers.get("link", "").partition(">")[0].strip("<")]:
                assert not link or service.client.get(link).status_code == 200


def test_what_is_not_there_is_a_problem(service: Service) -> None:
    """A suffix that an address has not, a subject that is not known, and a list that there is not, are 404."""
    service.given(THX, INDUS_X)
    for path in (
        "/initiatives.xml", "/initiatives.ics", "/parties/x.ics", "/initiatives/none.csv", "/initiatives/none.json",
        "/initiatives/none/history.atom", "/initiatives/indus-x/timeline.atom", "/entries/1.ics", "/entries/99.csv", "/nothing.csv", "/due.html",
        "/initiatives/indus-x.ics.csv", "/v1/initiatives.csv",
    ):  # fmt: skip
        problem_of(service.get(path), 404)


# --- names of persons


def test_names_are_for_who_may_see_them(service: Service, pages: None) -> None:
    """In every format a name is withheld without a key, and shown to auditors; no shared cache may keep such an answer."""
    source = event("source.registered", "source:s", sources=[], title="S", kind="dataset", author="B. Canary")
    service.given(THX, NAMED, source, *(NAMED | {"subject": f"meeting:m{number}"} for number in range(4)))
    seen = set()
    for address in ("/meetings", "/meetings/panel", "/meetings/panel/history", "/meetings/panel/timeline", "/sources",
                    "/sources/s", "/entries", "/meetings/panel/diff", "/due", "/anomalies", "/entries/2"):  # fmt: skip
        for suffix in offered(address):
            params = {"from": 1} if address.endswith("diff") else {}
            for _ in range(2):  # the second time from the cache
                hidden = service.get(f"{address}.{suffix}", **params)
                shown = service.get(f"{address}.{suffix}", ADMIN, **params)
                assert (hidden.status_code, shown.status_code) == (200, 200)
                assert "Canary" not in hidden.text
                if "Canary" in shown.text:
                    seen.add(f"{address}.{suffix}")
                    assert hidden.headers["etag"] != shown.headers["etag"]
                    assert "private" in hidden.headers["cache-control"] + shown.headers["cache-control"]
    assert seen >= {f"{at}.{suffix}" for at in ("/meetings", "/meetings/panel", "/sources", "/meetings/panel/timeline",
                    "/meetings/panel/diff") for suffix in ("json", "jsonl", "csv")}  # fmt: skip
    assert rows_of(service.get("/sources/s.csv"))[0]["author"] == "withheld"
    assert rows_of(service.get("/sources/s.csv", ADMIN))[0]["author"] == "B. Canary"
    assert json.loads(rows_of(service.get("/meetings/panel/history.csv", ADMIN))[0]["persons"]) == ["A. Canary"]


def test_files_are_for_who_may_read(location: LedgerLocation) -> None:
    """Where reading needs a key, so does every file."""
    with running(location, public_reads=False) as service:
        service.given(THX, INDUS_X)
        for address in ("/initiatives", "/initiatives/indus-x", "/due", "/entries", "/initiatives/indus-x/history"):
            for suffix in (*offered(address), "csv-metadata.json"):
                problem_of(service.get(f"{address}.{suffix}"), 401)
                assert service.get(f"{address}.{suffix}", ADMIN).status_code == 200


# --- more than a page


@pytest.fixture(scope="module")
def many(server: Embedded) -> Iterator[Service]:
    """A ledger with 1,234 milestones, every second of which is due on some day."""
    location = LedgerLocation(server.location.dsn, "files_many")
    migrate(server.owner_dsn, location)
    with running(location) as service:
        service.given(THX)
        told = [
            event("milestone.scheduled", f"milestone:m{number:04}", title=f"M {number}",
                  due=f"2030-{number % 12 + 1:02}-11" if number % 2 else "2030")
            for number in range(1_234)
        ]  # fmt: skip
        for at in range(0, len(told), 500):
            service.given(*told[at : at + 500])
        yield service


def test_a_file_has_all_rows(many: Service) -> None:
    """More than a page, and more than a page of the API may have: every row is there once, in order, at one basis."""
    ids = [f"m{number:04}" for number in range(1_234)]
    assert [json.loads(line)["id"] for line in many.get("/milestones.jsonl").text.splitlines()] == ids
    assert [row["id"] for row in rows_of(many.get("/milestones.csv", sort="-id"))] == ids[::-1]
    assert [row["due"] for row in rows_of(many.get("/due.csv"))] == sorted(
        row["due"] for row in rows_of(many.get("/due.csv"))
    )
    assert len(rows_of(many.get("/due.csv"))) == 1_234
    calendar = many.get("/milestones.ics")
    assert (len(events_of(calendar)), calendar.headers["ledger-left-out"]) == (1_234, "0")
    assert len(many.get("/entries.jsonl").text.splitlines()) == 1_235
    feed = feedparser.parse(many.get("/entries.atom").content)
    assert [one.link for one in feed.entries] == [f"/entries/{at}" for at in range(1_235, 0, -1)]
    filtered = feedparser.parse(many.get("/entries.atom", subject="milestone:m0007", after=2).content)
    assert [one.link for one in filtered.entries] == ["/entries/9"]


def test_what_is_recorded_meanwhile_is_in_no_page(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages of a file are of the basis of the first, whatever is recorded while it is sent."""
    monkeypatch.setattr(api.http.reads, "PAGE", 2)
    parties = [event("party.registered", f"party:p{n}", sources=[], name="P", kind="company") for n in range(5)]
    service.given(*parties)
    before, page = service.get("/parties.csv"), Queries.page

    def page_and_more(self: Queries, kind: str, *rest: Any) -> Any:
        found = page(self, kind, *rest)
        number = service.size()
        service.given(event("party.registered", f"party:p4{number}", sources=[], name="P", kind="company"))
        return found

    monkeypatch.setattr(Queries, "page", page_and_more)
    during = service.get("/parties.csv", known_at=5, valid_at=before.headers["content-location"][-10:])
    assert service.size() > 6
    assert during.content == before.content


def test_a_reader_who_goes_away_ends_it(many: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once what was sent does not arrive, nothing more is read."""
    monkeypatch.setattr(api.http.reads, "PAGE", 10)
    read, page = [], Queries.page
    monkeypatch.setattr(Queries, "page", lambda *given: read.append(1) or page(*given))  # type: ignore[func-returns-value]

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("the connection is gone")

    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
             "path": "/milestones.csv", "raw_path": b"/milestones.csv", "query_string": b"", "headers": [], "root_path": "",
             "scheme": "http", "server": ("ledger", 80), "client": None, "state": {}}  # fmt: skip
    assert many.client.portal is not None
    with pytest.raises(ClientDisconnect):
        many.client.portal.call(many.client.app, scope, receive, send)
    assert 1 <= len(read) <= 3


def test_a_file_of_a_ledger_that_is_rolled_back_breaks_off(
    service: Service, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the basis goes while a file is sent, the file ends without its end, which the reader notices."""
    monkeypatch.setattr(api.http.reads, "PAGE", 2)
    service.given(*(event("party.registered", f"party:p{n}", sources=[], name="P", kind="company") for n in range(5)))
    page = Queries.page

    def page_and_epoch(self: Queries, *given: Any) -> Any:
        found = page(self, *given)
        renew(owner, current(owner), "restored")
        return found

    monkeypatch.setattr(Queries, "page", page_and_epoch)
    with service.client.stream("GET", "/parties.jsonl") as answer:
        assert answer.status_code == 200
        assert len([line for line in answer.iter_lines() if line]) < 5


# --- what formats promise


@given(st.lists(st.text() | st.text(alphabet="'=-x\n"), min_size=1))
def test_no_cell_is_a_formula(cells: list[str]) -> None:
    """Whatever a cell says, no spreadsheet takes it for a formula, and it reads as it was but for the apostrophe before it."""
    [read] = csv.reader(StringIO(csv_line(cells), newline=""), strict=True)
    assert not any(one.startswith(FORMULA) for one in read)
    back = [one[1:] if one[:1] == "'" and one.lstrip("'").startswith(FORMULA) else one for one in read]
    assert back == cells


def test_formulas_that_were_recorded_are_text(service: Service) -> None:
    """A name that would be a formula has an apostrophe before it in the file, and none in the API."""
    said = '=HYPERLINK("http://example.org";"x")'
    service.given(event("party.registered", "party:p", sources=[], name=said, kind="company"))
    assert rows_of(service.get("/parties.csv"))[0]["name"] == f"'{said}"
    assert service.get("/v1/parties/p").json()["name"] == said


@given(st.text())
def test_any_text_can_stand_in_a_feed(text: str) -> None:
    """What XML has no character for is replaced; all else is read as it was."""
    form = feed_form("urn:x", text, "/entries.atom", None)
    read = ElementTree.fromstring(form.begin + form.end).findtext("{http://www.w3.org/2005/Atom}title") or ""
    assert len(read.replace("\r\n", "\n")) == len(text.replace("\r\n", "\n"))


def test_calendars_tell_days_times_and_what_became_of_a_meeting(service: Service) -> None:
    """A day is an all-day event, an instant a time in UTC; cancelled and postponed meetings stay, and say so; each change is a
    higher SEQUENCE of the same UID."""
    scheduled = [
        event("meeting.scheduled", "meeting:day", title="A; b, c", start="2031-05-01", end="2031-05-03", place="Pune"),
        event(
            "meeting.scheduled",
            "meeting:time",
            title="T",
            start="2031-05-01T09:30:00+05:30",
            end="2031-05-01T06:00:00Z",
        ),
        event("meeting.scheduled", "meeting:about", title="About", start="2031-05-01~"),
        event("meeting.scheduled", "meeting:month", title="Month", start="2031-05"),
        event("meeting.scheduled", "meeting:span", title="Span", start="2031-05-01/2031-05-09"),
        event("meeting.scheduled", "meeting:never", title="Never"),
        event("meeting.held", "meeting:two-days", "2024-09-09/2024-09-10", title="Two days"),
        event("meeting.held", "meeting:open", "2024-09-09/..", title="Open"),
        event("meeting.proposed", "meeting:off", title="Off", start="2031-06-01"),
        event("meeting.proposed", "meeting:later", title="Later", start="2031-06-02"),
    ]
    service.given(THX, *scheduled)
    first = events_of(service.get("/meetings.ics"))
    assert (first["meeting:off"]["STATUS"], first["meeting:off"]["SEQUENCE"]) == ("TENTATIVE", 1)
    service.given(
        event("meeting.cancelled", "meeting:off", reason="Flood"),
        event("meeting.postponed", "meeting:later", reason="Strike"),
    )
    answer = service.get("/meetings.ics")
    found = events_of(answer)
    assert found.keys() == {
        f"meeting:{one}" for one in ("day", "time", "about", "off", "later", "month", "span", "two-days")
    }
    assert answer.headers["ledger-left-out"] == "2"
    days = [
        [str(found[f"meeting:{one}"].decoded(name)) for name in ("DTSTART", "DTEND")]
        for one in ("month", "span", "two-days")
    ]
    assert days == [["2031-05-01", "2031-06-01"], ["2031-05-01", "2031-05-10"], ["2024-09-09", "2024-09-11"]]
    assert all(ics.VAGUE in str(found[f"meeting:{one}"]["DESCRIPTION"]) for one in ("month", "span", "two-days"))
    assert not any(ics.VAGUE in str(found[f"meeting:{one}"]["DESCRIPTION"]) for one in ("day", "time", "about"))
    assert "calendar (iCalendar), 8 events<" in service.get("/meetings", BROWSER).text
    day, time, off = found["meeting:day"], found["meeting:time"], found["meeting:off"]
    assert [str(day.decoded(name)) for name in ("DTSTART", "DTEND")] == ["2031-05-01", "2031-05-04"]
    assert (day["DTSTART"].params["VALUE"], day["SUMMARY"], day["LOCATION"]) == ("DATE", "A; b, c", "Pune")
    assert (day["STATUS"], day["UID"]) == ("CONFIRMED", "meeting:day")
    assert [str(time.decoded(name)) for name in ("DTSTART", "DTEND")] == [
        "2031-05-01 04:00:00+00:00", "2031-05-01 06:00:00+00:00",
    ]  # fmt: skip
    assert "2031-05-01~" in str(found["meeting:about"]["DESCRIPTION"])
    assert (off["STATUS"], off["SEQUENCE"], off["SUMMARY"]) == ("CANCELLED", 2, "Cancelled: Off")
    assert "Flood" in str(off["DESCRIPTION"])
    assert found["meeting:later"]["SUMMARY"] == "Postponed: Later"
    recorded = service.get("/v1/meetings/off/history").json()["items"][-1]["event"]["recordedtime"]
    assert off.decoded("DTSTAMP").isoformat()[:19] == recorded[:19]


def test_what_was_due_stands_on_the_day_on_which_it_happened(service: Service) -> None:
    """A milestone stands on the day by which it is due until it is told when it was met or found not to be: then on that day, by the
    same UID and a higher SEQUENCE, in every calendar that has it. One that is withdrawn stays on its day, cancelled, and what has no
    due date stands on the day on which it happened."""
    of: dict[str, Any] = {"of": ["initiative:indus-x"]}
    names = ("met", "missed", "reviewed", "partly", "off", "whenever")
    service.given(
        THX, INDUS_X,
        *[event("milestone.scheduled", f"milestone:{one}", title=one.upper(), due="2024-03", **of) for one in names],
        event("milestone.reported", "milestone:surprise", title="S"),
        event("milestone.met", "milestone:surprise", "2024-02-29"),
    )  # fmt: skip
    paths = ("/milestones.ics", "/initiatives/indus-x.ics", "/due.ics")
    before = [events_of(service.get(path)) for path in paths]
    assert all(str(one[f"milestone:{name}"]["SUMMARY"]) == f"Due: {name.upper()}" for one in before for name in names)
    service.given(
        event("milestone.met", "milestone:met", "2024-02-20"),
        event("milestone.not_met", "milestone:missed", "2024-04-02", reviewed_on="2024-04-05"),
        event("milestone.not_met", "milestone:reviewed", reviewed_on="2024-04"),
        event("milestone.partially_met", "milestone:partly", "2024-03-03", share=0.5),
        event("milestone.withdrawn", "milestone:off", "2024-02-01", reason="Budget"),
        event("milestone.met", "milestone:whenever"),
    )
    expected = {
        "met": ("2024-02-20", "2024-02-20", "Met: MET", "CONFIRMED"),
        "missed": ("2024-04-02", "2024-04-02", "Not met: MISSED", "CONFIRMED"),
        "reviewed": ("2024-04-01", "2024-05-01", "Not met: REVIEWED", "CONFIRMED"),
        "partly": ("2024-03-01", "2024-04-01", "Due: PARTLY", "CONFIRMED"),
        "off": ("2024-03-01", "2024-04-01", "Withdrawn: Due: OFF", "CANCELLED"),
        "whenever": ("2024-03-01", "2024-04-01", "Due: WHENEVER", "CONFIRMED"),
    }
    whole, own, due = [events_of(service.get(path)) for path in paths]
    assert whole.keys() == {*own, "milestone:surprise"}
    assert due.keys() == {"milestone:partly"}
    for name, told in expected.items():
        for one in (found[f"milestone:{name}"] for found in (whole, own)):
            first = str(one.decoded("DTSTART"))
            last = str(one.decoded("DTEND")) if "DTEND" in one else first
            assert (first, last, str(one["SUMMARY"]), str(one["STATUS"])) == told
            assert int(str(one["SEQUENCE"])) > int(str(before[0][f"milestone:{name}"]["SEQUENCE"]))
    assert "Due: 2024-03." in str(whole["milestone:met"]["DESCRIPTION"])
    surprise = whole["milestone:surprise"]
    assert (str(surprise.decoded("DTSTART")), surprise["SUMMARY"]) == ("2024-02-29", "Met: S")


def test_a_meeting_stands_on_the_day_on_which_it_was_held(service: Service) -> None:
    """Where that is another day than the one it was to start on, or told more exactly; a start that fits has the time of day."""
    for name, start, held in (
        ("moved", "2024-03-05T10:00:00Z", "2024-03-06"), ("timely", "2024-03-05T10:00:00Z", "2024-03-05"),
        ("vague", "2024-03", "2024-03-07"), ("month", "2024-03-05", "2024-03"),
    ):  # fmt: skip
        service.given(
            event("meeting.scheduled", f"meeting:{name}", title="M", start=start, end=start),
            event("meeting.held", f"meeting:{name}", held, title="M"),
        )
    found = events_of(service.get("/meetings.ics"))
    starts = {uid.partition(":")[2]: str(one.decoded("DTSTART")) for uid, one in found.items()}
    assert starts == {
        "moved": "2024-03-06", "timely": "2024-03-05 10:00:00+00:00", "vague": "2024-03-07", "month": "2024-03-05",
    }  # fmt: skip
    assert "DTEND" not in found["meeting:moved"]


def test_commitments_are_due_in_the_calendar(service: Service) -> None:
    """A commitment with a day is an event of its own, named by its initiative and its own name."""
    made = event("initiative.commitment_made", "initiative:indus-x", commitment="steel", strength="firm", text="Steel",
                 due="2031-03-31", **{"from": "party:usa"})  # fmt: skip
    service.given(THX, INDUS_X, made)
    [(uid, one)] = events_of(service.get("/due.ics")).items()
    assert (uid, one["SUMMARY"], str(one.decoded("DTSTART"))) == (
        "initiative:indus-x#steel",
        "Due: Steel",
        "2031-03-31",
    )


def test_an_empty_ledger_has_files(service: Service) -> None:
    """Of nothing there is an empty file of every format, which parsers read."""
    assert service.get("/entries.jsonl").text == service.get("/meetings.jsonl").text == ""
    assert rows_of(service.get("/meetings.csv")) == []
    for path in ("/meetings.ics", "/milestones.ics", "/due.ics"):  # one component at least (RFC 5545, 3.6): a time zone
        assert events_of(service.get(path)) == {}
        assert [one.name for one in Calendar.from_ical(service.get(path).content).subcomponents] == ["VTIMEZONE"]
    feed = feedparser.parse(service.get("/entries.atom").content)
    assert (feed.bozo, feed.entries) == (0, [])


# --- what the documentation shows


@pytest.fixture
def seed(server: Embedded, new_location: Callable[[], LedgerLocation]) -> Iterator[Service]:
    """The demo's ledger."""
    with running(new_location()) as service:
        service.given(*LEDGERS["seed"]())
        yield service


LINK = re.compile(r"\[(json|jsonl|csv|ics|atom)\]\((/[^)]+)\)")
DOCS = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()


def test_the_table_of_formats_is_true(seed: Service) -> None:
    """Every cell of the table in docs/formats.md leads to that format; an empty one is a format that there is not, and every list and
    every sort of subject has its row."""
    rows = [line.split("|")[2:-1] for line in DOCS.splitlines() if "](/" in line]
    seen = set()
    for cells in rows:
        address = LINK.search(cells[0])[2].partition(".")[0]  # type: ignore[index]
        seen.add(address)
        for name, cell in zip(("json", "jsonl", "csv", "ics", "atom"), cells, strict=True):
            if not cell.strip():
                problem_of(seed.get(f"{address}.{name}", **asked(address)), 404)
                continue
            [(told, link)] = LINK.findall(cell)
            assert (told, link.partition("?")[0]) == (name, f"{address}.{name}")
            answer = seed.client.get(link)
            assert answer.status_code == 200, link
            assert answer.headers["content-type"].partition(";")[0] in (
                *MEDIA_TYPES[name],
                "application/cloudevents+json",
            )
    plurals = {address.split("/")[1] for address in seen if _is_subject(address)}
    assert plurals == {*PLURALS, "entries"}
    assert {f"/{name}" for name in LISTS} <= seen
    assert {f"/{plural}" for plural in PLURALS} <= seen
    assert {part for address in seen for part in PARTS if address.endswith(f"/{part}")} == {*PARTS}


PAGES_ALONE = DOCS[DOCS.index("Pages alone are") : DOCS.index("what they show of the ledger")]


def test_a_page_is_data_too_or_is_told_to_be_a_page_alone(service: Service) -> None:
    """Of all pages that there are: docs/formats.md names those that have no format, and none of these has one."""
    alone = {name.rpartition("/")[2] for name in re.findall("`(.*?)`", PAGES_ALONE)}
    seen = set()
    for route in (
        one for part in PAGES for one in part.routes if isinstance(one, APIRoute) and "GET" in (one.methods or ())
    ):
        address = re.sub("{.*?}", "1", route.path)
        if not offered(address) and "/static/" not in address:
            [name] = {*address.split("/")[1:]} & alone
            seen.add(name)
            assert service.get(f"{address}.json" if name else "/.json").status_code in (401, 404, 422)
    assert seen == alone
