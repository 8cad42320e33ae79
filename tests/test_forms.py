"""Recording from a page: the form of every fact, what it would change, what is odd, and that it is recorded once."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from httpx2 import Response
from hypothesis import given
from hypothesis import strategies as st

from api.http.auth import Role, create_key
from api.pages.forms.fields import sections_of
from api.pages.forms.filled import flat, read
from api.pages.forms.routes import by_field
from ledger.database.connection import LedgerLocation
from ledger.vocabulary.codes import Area
from ledger.vocabulary.correction import CORRECTIONS, WORLD, LogBegun
from ledger.vocabulary.fact import COMMON
from ledger.vocabulary.registry import KINDS
from tests.browser import Form
from tests.examples import INDUS_X, THX, event
from tests.minimal import DIGEST, FULL, MINIMAL, OPENERS, fact_of, opener
from tests.service import ADMIN, ADMIN_KEY, Service
from tests.test_signing_in import session

pytest_plugins = ["tests.service"]

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
HTML = {"Accept": "text/html"}


class Visitor:
    """Somebody who has signed in, with a browser that runs no script."""

    def __init__(self, service: Service, key: str = ADMIN_KEY) -> None:
        self.service, self.headers = service, session(service, key) | HTML

    def get(self, path: str) -> Response:
        return self.service.get(path, self.headers)

    def form(self, path: str) -> Form:
        page = self.get(path)
        assert page.status_code == 200, page.text
        return Form(page.text)

    def send(self, form: Form, button: str = "do", value: str = "preview") -> Response:
        return self.post(form.action, form.body(button, value))

    def post(self, path: str, body: str | bytes) -> Response:
        return self.service.client.post(path, content=body, headers=FORM | self.headers)

    def fill(self, form: Form, event: dict[str, Any]) -> Form:
        """Fill in an event, with as many rows as it needs."""
        for name, value in flat(event):
            if name in ("/type", "/data/term/unit"):  # there is no other
                continue
            while not form.named(name) and (rows := _list_of(form, name)):
                answer = self.send(form, "add", rows)
                assert answer.status_code == 200, answer.text
                form = Form(answer.text)
            form.fill(name if form.named(name) else name.rpartition("/")[0], value)
        return form

    def record(self, form: Form) -> tuple[int, list[str]]:
        """Preview, tick all that is unusual, record; the position, and what was ticked."""
        preview = self.send(form)
        assert preview.status_code == 200, preview.text
        shown = Form(preview.text)
        ticks = [one.value for one in shown.controls if one.type == "checkbox"]
        for tick in ticks:
            shown.fill("tick", tick)
        assert not shown.missing
        done = self.send(shown, "do", "record")
        assert done.status_code == 303, done.text
        return int(done.headers["location"].removeprefix("/entries/")), ticks


def _list_of(form: Form, name: str) -> str | None:
    """The innermost list to which a row can be added for a field that is not there yet."""
    adds = [one.value for one in form.controls if one.name == "add" and name.startswith(f"{one.value}/")]
    return max(adds, key=len, default=None)


@pytest.fixture
def admin(service: Service) -> Visitor:
    service.given(THX)
    return Visitor(service)


def entry_of(service: Service, position: int) -> dict[str, Any]:
    """An entry as it was told: with each person by name."""
    told: dict[str, Any] = service.get(f"/v1/events/{position}?disclose=true", ADMIN).json()
    for pointer, opened in told.pop("disclosures").items():
        *path, last = pointer.split("/")[1:]
        place: Any = told
        for part in path:
            place = place[int(part) if isinstance(place, list) else part]
        place[int(last) if isinstance(place, list) else last] = opened["value"]
    return told


def said(data: dict[str, Any]) -> dict[str, Any]:
    """What is not left empty."""
    return {name: value for name, value in data.items() if value not in ([], None)}


def expected(example: dict[str, Any]) -> dict[str, Any]:
    """The data of the entry that an example is recorded as."""
    return said(json.loads(fact_of(example).model_dump_json(exclude_none=True)))


def of_its_own(example: dict[str, Any], number: int) -> dict[str, Any]:
    """The example, of a stream and a document that no other test has."""
    text = json.dumps(example | {"subject": f"{example['subject']}-{number}"})
    loaded: dict[str, Any] = json.loads(text.replace(DIGEST, f"{number:064x}"))
    return loaded


def _examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for number, type_ in enumerate(WORLD):
        yield type_, of_its_own(MINIMAL[type_], 2 * number)
        yield type_, of_its_own(FULL[type_], 2 * number + 1)


def test_every_fact_is_recorded_from_its_form(admin: Visitor, subtests: pytest.Subtests) -> None:
    """The smallest and the fullest example of every type is filled in as a browser lets it be, and recorded as it is.

    What is ticked is recorded in the order in which it is shown.
    """
    for type_, example in _examples():
        with subtests.test(type_, subject=example["subject"]):
            if not WORLD[type_].opens:
                opener = OPENERS[type_.partition(".")[0]]
                admin.service.given(opener | {"subject": example["subject"], "occurred": "2000-01-01"})
            form = admin.fill(admin.form(f"/append/{type_}"), example)
            assert form.missing == []
            position, _ = admin.record(form)
            entry = entry_of(admin.service, position)
            assert (entry["type"], entry["subject"], entry["authid"]) == (type_, example["subject"], "admin")
            in_order = (
                {"areas": sorted(example["data"]["areas"], key=[*Area].index)} if "areas" in example["data"] else {}
            )
            assert said(entry["data"]) == expected(example) | in_order


def test_a_fact_is_chosen_from_groups_with_what_each_says(admin: Visitor) -> None:
    """Each type stands there once, in its kind's group, in the vocabulary's own words; of one stream its kind's alone."""
    page = admin.get("/append").text
    for type_, fact in WORLD.items():
        assert page.count(f'href="/append/{type_}"') == 1
        assert (fact.__doc__ or "").split(".")[0].split("'")[0].split("`")[0] in page
    of_one = admin.get("/append?subject=agreement:pact").text
    assert 'href="/append/agreement.signed?subject=agreement' in of_one
    assert "meeting.held" not in of_one
    assert 'value="agreement:pact"' in admin.get("/append/agreement.signed?subject=agreement:pact").text


def test_what_fits_the_status_of_a_stream_is_listed_first(admin: Visitor) -> None:
    """What is unusual for it comes after, and so does what would be refused where nothing is known of it."""
    admin.service.given(THX, OPENERS["agreement"], event("agreement.entered_into_force", "agreement:pact", "2024"))
    page = admin.get("/append?subject=agreement:pact").text
    fits, _, odd = page.partition("Unusual here: it may be flagged")
    first, then = (re.findall(r'href="/append/([a-z_.]+)\?subject=agreement%3Apact"', part) for part in (fits, odd))
    assert sorted(first + then) == sorted(fact.type for fact in KINDS["agreement"].facts)
    assert {"agreement.amended", "agreement.suspended", "agreement.terminated"} <= set(first)
    assert {"agreement.adopted", "agreement.negotiation_opened", "agreement.signed"} <= set(then)
    new = admin.get("/append?subject=meeting:new").text
    assert (
        new.index("/append/meeting.proposed?")
        < new.index("Refused as its first fact")
        < new.index("/append/meeting.confirmed?")
    )


def test_fields_are_shown_as_what_they_are(admin: Visitor) -> None:
    """Few codes at once, many to choose from, several to tick; what is known is suggested; what is long has room."""
    admin.service.given(OPENERS["party"])
    form = admin.form("/append/initiative.reported")
    kinds = {one.name: one.type for one in form.controls}
    assert kinds["/modality"] == "radio"
    assert kinds["/data/kind"] == "select"
    assert kinds["/data/areas"] == "checkbox"
    assert kinds["/note"] == "textarea"
    assert kinds["/data/parties/0/party"] == "text"
    assert kinds["key"] == kinds["seen"] == "hidden"
    assert OPENERS["party"]["subject"] in form.lists["known-party"]
    assert {one.attributes.get("list") for one in form.controls if one.attributes.get("list")} <= {*form.lists}
    assert [one.value for one in form.named("/modality") if one.is_on] == ["stated"]
    assert "required" in form.named("/data/name")[0].attributes
    assert "required" not in form.named("/data/parties/0/party")[0].attributes


def test_rows_are_added_and_taken_away_without_script(admin: Visitor) -> None:
    """What was filled in stays in both; nothing is complained of before it is sent."""
    form = admin.form("/append/agreement.signed")
    form.fill("/data/signatories/0/party", "party:usa")
    form.fill("/data/title", "A pact")
    two = Form(admin.send(form, "add", "/data/signatories").text)
    two.fill("/data/signatories/1/party", "ind")
    answer = admin.send(two, "remove", "/data/signatories/0")
    assert "Error:" not in answer.text
    left = Form(answer.text)
    assert [one.value for one in left.named("/data/signatories/0/party")] == ["party:ind"]
    assert left.named("/data/signatories/1/party") == []
    assert left.named("/data/title")[0].value == "A pact"


def test_what_is_wrong_is_said_at_the_top_and_at_the_field(admin: Visitor) -> None:
    """The title begins with it, the summary leads to each field, and what was filled in stays."""
    form = admin.form("/append/agreement.signed")
    form.fill("/subject", "pact")
    form.named("/occurred")[0].value = "2024-13"
    form.named("/data/signatories/0/party")[0].value = "Party of <b>one</b>"
    answer = admin.send(form)
    assert answer.status_code == 422
    assert "<title>Error: Signed" in answer.text
    shown = Form(answer.text)
    for at in ("/occurred", "/data/signatories/0/party", "/sources"):
        assert f'<a href="#{at}">' in answer.text
        assert at in shown.ids
        assert f"{at}.wrong" in shown.ids
    assert shown.named("/occurred")[0].value == "2024-13"
    assert shown.named("/occurred")[0].attributes["aria-invalid"] == "true"
    assert shown.named("/data/signatories/0/party")[0].value == "Party of <b>one</b>"
    assert "<b>one</b>" not in answer.text
    assert shown.named("/subject")[0].value == "agreement:pact"


def test_every_id_that_a_form_points_to_is_there(admin: Visitor, subtests: pytest.Subtests) -> None:
    """Labels, hints, errors, and suggestions, in the form of every fact, filled in wrongly."""
    for type_ in WORLD:
        with subtests.test(type_):
            page = admin.post(f"/append/{type_}", "/occurred=never&add=&do=preview").text
            ids = Form(page).ids
            ids_once = re.findall(r' id="([^"]*)"', page)
            assert len(ids_once) == len(set(ids_once))
            named = re.findall(r' (?:for|list|aria-labelledby)="([^"]*)"', page) + re.findall(r'href="#([^"]*)"', page)
            described = [one for found in re.findall(r'aria-describedby="([^"]*)"', page) for one in found.split()]
            assert {*named, *described} <= ids


def test_a_preview_records_nothing_and_shows_what_would_change(admin: Visitor) -> None:
    """The sentence, the state before and after, and the event as it may be posted to the API, which records the same."""
    admin.service.given(INDUS_X)
    size = admin.service.size()
    example = event("initiative.launched", "initiative:indus-x", "2023-06-21", name="INDUS-X", kind="ecosystem")
    answer = admin.send(admin.fill(admin.form("/append/initiative.launched"), example))
    assert answer.status_code == 200
    assert "Launched, " in answer.text
    assert "21 June 2023" in answer.text
    assert '<th scope="row" data-label="Field"><span aria-hidden="true">~</span> status</th>' in answer.text
    posted = json.loads(
        unescape(answer.text.partition('<pre class="raw" tabindex="0"><code>')[2].partition("</code>")[0])
    )
    assert posted == example | {"modality": "stated"}
    assert admin.service.size() == size


def test_a_preview_says_where_only_what_is_unusual_would_come(admin: Visitor) -> None:
    """The state goes on to say the same, and is flagged."""
    admin.service.given(THX, event("meeting.held", "meeting:m", "2024-01-05", title="Talks"))
    again = event("meeting.held", "meeting:m", "2024-01-07", title="Talks")
    shown = admin.send(admin.fill(admin.form("/append/meeting.held"), again)).text
    assert "The state of today stays as it is, but for what is unusual about it, below." in shown
    assert "Repeated act" in shown


def test_what_is_unusual_has_to_be_ticked(admin: Visitor) -> None:
    """The browser asks for it, and so does the service: without the tick nothing is recorded, and the preview comes again."""
    example = event("agreement.signed", "agreement:pact", "2024", signatories=[{"party": "party:nobody"}])
    shown = Form(admin.send(admin.fill(admin.form("/append/agreement.signed"), example)).text)
    ticks = [one for one in shown.controls if one.name == "tick"]
    assert ticks
    assert all("required" in one.attributes and not one.is_on for one in ticks)
    size = admin.service.size()
    again = admin.send(shown, "do", "record")
    assert again.status_code == 422
    assert "<title>Error: " in again.text
    assert admin.service.size() == size
    for tick in ticks:
        shown.fill("tick", tick.value)
    assert admin.send(shown, "do", "record").status_code == 303
    assert admin.service.size() == size + 1


def test_what_is_unusual_for_one_reason_is_ticked_once(admin: Visitor) -> None:
    """However many entries show it, and by however many codes: each of them is named beside the one tick. The check counts the same."""
    admin.service.given(
        THX,
        event("milestone.scheduled", "milestone:m", title="M", due="2024-03"),
        event("milestone.rescheduled", "milestone:m", due="2024-04"),
    )
    form = admin.fill(admin.form("/append/milestone.met"), event("milestone.met", "milestone:m", "2024-02-20"))
    [told] = admin.post(f"{form.action}/check", form.body()).json()["anomalies"]
    assert told["codes"] == ["after_end", "date_order"]
    answer = admin.send(form)
    [tick] = [one for one in Form(answer.text).controls if one.name == "tick"]
    assert all(f"{one} (undated) comes after it was met" in tick.value for one in ("scheduled", "rescheduled"))
    assert answer.text.count("I have checked this") == 1
    assert "After end, date order: " in answer.text
    assert admin.record(form)[1] == [tick.value]


def test_a_double_click_records_once(admin: Visitor) -> None:
    """Also a preview that is sent again leads to the entry; another fact in the same form is another entry."""
    shown = Form(admin.send(admin.fill(admin.form("/append/initiative.reported"), INDUS_X)).text)
    answers = [admin.send(shown, "do", "record") for _ in range(2)]
    assert {one.status_code for one in answers} == {303}
    assert len({one.headers["location"] for one in answers}) == 1
    assert admin.service.size() == 2
    edited = Form(admin.send(shown, "do", "edit").text)
    assert admin.send(edited).headers["location"] == answers[0].headers["location"]
    edited.fill("/data/name", "INDUS-X II")
    refused = admin.send(edited)
    assert refused.status_code == 422
    assert "recorded already" in refused.text
    again = Form(refused.text)
    assert again.named("/data/name")[0].value == "INDUS-X II"
    assert again.named("key")[0].value != edited.named("key")[0].value


def test_what_was_recorded_meanwhile_is_shown_before_one_goes_on(admin: Visitor) -> None:
    """A form that rests on an older version of the stream says what came since, and keeps what was filled in."""
    admin.service.given(INDUS_X)
    form = admin.form("/append/initiative.closed?subject=initiative:indus-x")
    form.fill("/sources/0/source", "thx")
    form.fill("/data/reason", "It is said to be over")
    shown = Form(admin.send(form).text)
    admin.service.given(event("initiative.activated", "initiative:indus-x", "2023-06-22"))
    stale = admin.send(shown, "do", "record")
    assert stale.status_code == 409
    assert "Activated: " in stale.text
    assert "#3" in stale.text
    again = Form(stale.text)
    assert again.named("/data/reason")[0].value == "It is said to be over"
    position, _ = admin.record(again)
    assert position == 4
    assert admin.send(form).status_code == 303  # it was recorded from this form


def test_names_go_where_names_go(admin: Visitor) -> None:
    """A person filled in is recorded as everywhere: the line holds no name, the page shows it to who may see it, and no
    page of the form is kept by anybody."""
    person = "A. Canary"
    example = event("meeting.held", "meeting:talks", "2024", title="Talks", participants=[{"person": person}])
    preview = admin.send(admin.fill(admin.form("/append/meeting.held"), example))
    assert person in preview.text
    assert preview.headers["cache-control"] == "no-store"
    position, _ = admin.record(admin.fill(admin.form("/append/meeting.held"), example))
    assert person not in admin.service.get(f"/v1/events/{position}").text
    while admin.service.follower.step():
        pass
    assert person not in admin.service.get("/meetings/talks").text
    assert person in admin.get("/meetings/talks").text


def test_a_check_tells_errors_by_pointer_and_what_is_unusual(admin: Visitor) -> None:
    """For scripts, while a form is filled in: the same as a preview would say, and nothing is recorded."""
    form = admin.form("/append/agreement.signed")
    path = f"{form.action}/check"
    wrong = admin.post(path, form.body()).json()
    assert {"/subject", "/sources"} <= {one["pointer"] for one in wrong["errors"]}
    example = event("agreement.signed", "agreement:pact", "2024", signatories=[{"party": "party:nobody"}])
    size = admin.service.size()
    right = admin.post(path, admin.fill(form, example).body()).json()
    assert right["errors"] == []
    assert "dangling_reference" in {code for one in right["anomalies"] for code in one["codes"]}
    assert admin.service.size() == size


def test_only_admins_record(admin: Visitor, location: LedgerLocation, subtests: pytest.Subtests) -> None:
    """Everybody else is told so, with a way to sign in; no form of theirs is read."""
    everybody: dict[Role | None, dict[str, str]] = {None: {}}
    with location.connect() as connection:
        for role in (Role.reader, Role.auditor):
            everybody[role] = session(admin.service, create_key(connection, role.name, role))
    size = admin.service.size()
    body = urlencode([*flat(INDUS_X), ("do", "record"), ("key", "k")])
    for who, cookie in everybody.items():
        with subtests.test(who=who):
            status = 403 if who else 401
            for path in ("/append", "/append/initiative.reported"):
                page = admin.service.get(path, cookie | HTML)
                assert page.status_code == status
                assert f'href="/sign-in?next={path.replace("/", "%2F")}"' in page.text
            for path in ("/append/initiative.reported", "/append/initiative.reported/check"):
                answer = admin.service.client.post(path, content=body, headers=FORM | cookie | HTML)
                assert answer.status_code == status
    assert admin.service.size() == size


def test_another_sites_page_records_nothing(admin: Visitor) -> None:
    """Though the browser sends the cookie along."""
    body = urlencode([*flat(INDUS_X), ("do", "record"), ("key", "k")])
    elsewhere = admin.headers | FORM | {"Sec-Fetch-Site": "cross-site"}
    answer = admin.service.client.post("/append/initiative.reported", content=body, headers=elsewhere)
    assert answer.status_code == 403
    assert admin.service.size() == 1


# --- corrections


def _correction(type_: str) -> dict[str, Any]:
    """The example of a correction, without what its page says by itself."""
    example = {name: one for name, one in FULL[type_].items() if name != "subject"}
    data = {name: one for name, one in example["data"].items() if name != "target"}
    if "replacement" in data:
        data["replacement"] = {name: one for name, one in data["replacement"].items() if name != "type"}
    return example | {"data": data}


def test_every_correction_is_recorded_from_the_page_of_its_entry(admin: Visitor, subtests: pytest.Subtests) -> None:
    """Each example is filled in from what the entry's page leads to, and recorded as it is, in the stream of the entry."""
    for number, fact in enumerate(one for one in CORRECTIONS if one is not LogBegun):
        with subtests.test(fact.type):
            first = of_its_own(opener(fact.type), number)
            at = admin.service.given(first)[0]["position"]
            if fact.short_type == "dispute_resolved":
                admin.service.given(event("entry.disputed", first["subject"], target=at, by="source:thx", ground="No"))
            assert f'href="/entries/{at}/correct"' in admin.get(f"/entries/{at}").text
            path = f"/entries/{at}/correct/{fact.short_type}"
            assert f'href="{path}"' in admin.get(f"/entries/{at}/correct").text
            form = admin.form(path)
            for one in form.controls:  # what the entry says itself
                one.value = "" if one.type == "text" else one.value
            form = admin.fill(form, _correction(fact.type))
            assert form.missing == []
            position, _ = admin.record(form)
            entry = entry_of(admin.service, position)
            assert (entry["type"], entry["subject"]) == (fact.type, first["subject"])
            example = FULL[fact.type]
            assert said(entry["data"]) == expected(example | {"data": example["data"] | {"target": at}})


def test_a_replacement_begins_with_what_the_entry_says(admin: Visitor, subtests: pytest.Subtests) -> None:
    """Of every type: what is left as it is takes the entry's place as it was, names and all."""
    for type_, example in _examples():
        with subtests.test(type_, subject=example["subject"]):
            if not WORLD[type_].opens:
                first = OPENERS[type_.partition(".")[0]]
                admin.service.given(first | {"subject": example["subject"], "occurred": "2000-01-01"})
            at = admin.service.given(example)[0]["position"]
            form = admin.form(f"/entries/{at}/correct/superseded")
            form.fill("/data/reason_code", "misread_source")
            form.fill("/data/reason", "To see that it stays as it is")
            position, _ = admin.record(form)
            replaced = entry_of(admin.service, position)["data"]["replacement"]
            entry = entry_of(admin.service, at)
            common = {name: one for name, one in replaced.items() if name in COMMON}
            assert replaced["type"] == type_
            assert said(common | replaced["data"]) == said(entry["data"])


def test_a_replacement_may_be_of_another_type(admin: Visitor) -> None:
    """What both types have in common stays; the form of the other is shown from then on."""
    at = admin.service.given(event("meeting.scheduled", "meeting:talks", "2024", title="Talks", start="2024-05-01"))[0]
    form = admin.form(f"/entries/{at['position']}/correct/superseded?as=meeting.held")
    assert form.named("/data/replacement/data/title")[0].value == "Talks"
    form.fill("/data/reason_code", "misread_source")
    form.fill("/data/reason", "It took place")
    position, _ = admin.record(form)
    replaced = entry_of(admin.service, position)["data"]["replacement"]
    assert (replaced["type"], replaced["data"]["title"]) == ("meeting.held", "Talks")
    other = admin.form(f"/entries/{at['position']}/correct/superseded?as=agreement.signed")
    assert other.named("/data/replacement/type")[0].value == "meeting.scheduled"


def test_a_name_that_was_erased_is_not_filled_in_again(admin: Visitor) -> None:
    """The form of what takes the entry's place says so; a name that is there is filled in."""
    told = opener("entry.value_erased")
    at = admin.service.given(told)[0]["position"]
    path = f"/entries/{at}/correct/superseded"
    assert admin.form(path).named("/data/replacement/data/participants/0/person")[0].value == "A. Canary"
    assert "name is not there any more" not in unescape(admin.get(path).text)
    admin.service.given(
        event("entry.value_erased", told["subject"], **FULL["entry.value_erased"]["data"] | {"target": at})
    )
    page = admin.get(path).text
    assert "A. Canary" not in page
    assert "name is not there any more" in unescape(page)


def test_what_cannot_be_done_to_an_entry_is_not_offered(admin: Visitor) -> None:
    """A correction takes no fact's place, where no person stands none is erased, and that another log begins is no correction."""
    admin.service.given(INDUS_X)
    admin.service.given(event("entry.annotated", "initiative:indus-x", target=2, text="A remark"))
    assert "/entries/2/correct/superseded" in admin.get("/entries/2/correct").text
    assert "/entries/2/correct/log_begun" not in admin.get("/entries/2/correct").text
    assert "/entries/2/correct/value_erased" not in admin.get("/entries/2/correct").text
    assert "/entries/3/correct/superseded" not in admin.get("/entries/3/correct").text
    for path in (
        "/entries/3/correct/superseded",
        "/entries/2/correct/value_erased",
        "/entries/2/correct/log_begun",
        "/entries/2/correct/other",
        "/entries/99/correct",
    ):
        assert admin.get(path).status_code == 404, path
    assert admin.get("/correct?entry=2").headers["location"] == "/entries/2/correct"
    assert admin.get("/correct?entry=x").status_code == 422


def test_a_correction_is_held_to_its_entry_whatever_the_form_says(admin: Visitor) -> None:
    """Entry and stream are those of the page, and what came to the stream meanwhile is shown."""
    admin.service.given(INDUS_X)
    form = admin.form("/entries/2/correct/voided")
    form.fill("/data/reason_code", "test_entry")
    form.fill("/data/reason", "A rehearsal")
    shown = Form(admin.post(form.action, f"{form.body()}&/subject=source:thx&/data/target=1").text)
    admin.service.given(event("initiative.activated", "initiative:indus-x", "2023-06-22"))
    stale = admin.send(shown, "do", "record")
    assert stale.status_code == 409
    assert "Activated: " in stale.text
    position, _ = admin.record(Form(stale.text))
    entry = entry_of(admin.service, position)
    assert (entry["subject"], entry["data"]["target"]) == ("initiative:indus-x", 2)


def test_only_admins_correct(admin: Visitor) -> None:
    """Pages lead those to the forms who may send them, and others are told so."""
    for path in ("/entries/1/correct", "/entries/1/correct/voided"):
        assert admin.service.get(path, HTML).status_code == 401
        assert admin.service.client.post(path, content="do=record", headers=FORM).status_code in (401, 405)
    assert "Correct this entry" not in admin.service.get("/entries/1").text
    assert "Record a fact" not in admin.service.get("/sources/thx").text
    assert "Record a fact" in admin.get("/sources/thx").text


def test_whatever_is_sent_to_a_correction_is_answered(admin: Visitor, subtests: pytest.Subtests) -> None:
    """As with a fact's form; whatever it says of what takes the entry's place."""
    admin.service.given(INDUS_X)
    bodies = (
        *HOSTILE, "/data/replacement/type=no.such", "/data/replacement=x", "/data/replacement/data=x", "/data/target=x",
        "/data/replacement/type=entry.voided&/data/replacement/data/reason=x", "/data/reason_code=%00",
    )  # fmt: skip
    size = admin.service.size()
    for body in bodies:
        for act in ("voided", "superseded", "superseded/check"):
            with subtests.test(act=act, body=body[:60]):
                assert admin.post(f"/entries/2/correct/{act}", body).status_code in (200, 409, 422)
    assert admin.service.size() == size


# --- whatever is sent


HOSTILE = (
    "", "do=record", "&".join(["/sources/0/source=source:thx"] * 50), "/sources/99999999999999999999/source=x",
    "/sources/-1/source=x", "/sources/%C2%B2/source=x", "/data=1", "/data/signatories=x", "/data/signatories/0=x",
    "/subject=agreement:%00", "/subject=" + "a" * 10_000, "seen=%C2%B2&/subject=a", "seen=agreement:a 99999999999&/subject=a",
    "seen=agreement:a -1&/subject=a&/data/title=T&/sources/0/source=thx", "key=" + "k" * 5_000, "key=%C3%A9&/subject=a",
    "add=/nowhere", "add=/data/signatories/0", "remove=/", "remove=", "tick=x&do=record", "do=other", "/data/binding=perhaps",
    "/data/term/length=1e999", "/data/term/length=%D9%A3", "/data/term/length=" + "9" * 400, "/modality=", "/type=entry.voided",
    "/data/parties/0=%F0%9F%98%80", "/note=%00", "/note=" + "%0A" * 30_000, "/occurred=%2F", "/expected_version=3",
    "&".join(f"/data/places/{number}=x" for number in range(3_000)), "__proto__=1", "/data/title/0/0/0=x",
    "/subject=agreement:a&/sources/0/source=thx&/data/title=" + "x" * 2_001,
)  # fmt: skip


def test_whatever_is_sent_is_answered(admin: Visitor, subtests: pytest.Subtests) -> None:
    """No body breaks a form: it is shown again, or refused; and nothing is recorded that was not previewed."""
    size = admin.service.size()
    for body in HOSTILE:
        for path in ("/append/agreement.signed", "/append/agreement.signed/check"):
            with subtests.test(path=path, body=body[:60]):
                answer = admin.post(path, body)
                assert answer.status_code in (200, 409, 422), answer.text
    for path in ("/append/no.such", "/append/entry.voided", "/append/agreement", "/append/%00", "/append/a.b/check"):
        with subtests.test(path=path):
            assert admin.post(path, "do=preview").status_code in (404, 405, 422)
            assert admin.get(path).status_code in (404, 405, 422)
    assert admin.get("/append?subject=nobody:x").status_code == 422
    assert admin.service.size() == size


NAMES = [name for type_ in ("agreement.signed", "milestone.partially_met") for name, _ in flat(FULL[type_])]


@given(st.lists(st.tuples(st.sampled_from(NAMES) | st.text(), st.text()), max_size=30))
def test_any_form_is_read(given: list[tuple[str, str]]) -> None:
    """Whatever the names and values are: what is read of them can be told as names and values, and is read the same again."""
    for type_ in ("agreement.signed", "initiative.reported", "milestone.partially_met"):
        sections = sections_of(type_)
        event = read(sections, by_field(given))
        assert read(sections, by_field([*flat(event)])) == event
