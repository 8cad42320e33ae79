"""Lists as clients expect them: in the order that they ask for, with the fields that they name, and counted by what narrows them."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.main import get_command

from api.cli.reading import list_
from api.http.parameters import LIST_QUERIES
from api.http.routes.states import FACETS_OF
from ledger.vocabulary.edtf import bounds_of
from ledger.vocabulary.registry import KINDS
from projections.listing import MOST
from projections.rebuild import rebuild
from projections.search.words import folded
from projections.states.projection import NAME_LENGTH
from seeds import FILES, events
from tests.commands import Command
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, pointers_of, problem_of

pytest_plugins = ["tests.commands", "tests.service"]

SEEDED = [one for name in FILES for one in events(name)]


def meeting(slug: str, title: str, occurred: str | None = None, **more: Any) -> dict[str, Any]:
    if occurred is None:
        return event("meeting.scheduled", f"meeting:{slug}", title=title, **more)
    return event("meeting.held", f"meeting:{slug}", occurred, title=title, **more)


MET = [
    THX, USA, INDIA, INDUS_X,
    meeting("e", "Éclair", "2024-09-10"),
    meeting("b", "eclipse", "2023"),
    meeting("d", "Zulu", start="2025-02-03"),
    meeting("a", "alpha", "2024-09"),
    meeting("c", "Beta", start="2025-02-03"),
    event("meeting.proposed", "meeting:f", title="undated"),
]  # fmt: skip


@pytest.fixture
def met(service: Service) -> Service:
    for one in MET:
        service.given(one)
    return service


def pages(service: Service, path: str, limit: int = 2, **params: Any) -> list[Any]:
    """What a list holds, a few at a time."""
    found: list[Any] = []
    page = service.get(path, limit=limit, **params)
    while True:
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        if page.json()["next"] is None:
            return found
        page = service.get(page.links["next"]["url"])


def order(service: Service, sort: str, **params: Any) -> str:
    return "".join([one["id"] for one in pages(service, "/v1/meetings", sort=sort, **params)])


# --- sort


def test_a_list_is_sorted_by_name_date_and_last_entry(met: Service) -> None:
    """Names without regard to accents and capitals; dates by the last day that is told, what has none last in both directions; the
    last entry by its place in the log; what is alike by id."""
    assert order(met, "name") == "acebfd"
    assert order(met, "-name") == "dfbeca"
    assert order(met, "date") == "beacdf"
    assert order(met, "-date") == "dcaebf"
    assert order(met, "recorded") == "ebdacf"
    assert order(met, "-recorded") == "fcadbe"
    assert [order(met, sort, limit=50) for sort in ("name", "date", "-recorded")] == ["acebfd", "beacdf", "fcadbe"]


def test_the_order_is_that_of_the_basis(met: Service) -> None:
    """At both clocks: what was called, dated and recorded otherwise stood elsewhere then, and a cursor goes on where it began."""
    size = met.size()
    first = met.get("/v1/meetings", sort="name", limit=2)
    assert [one["id"] for one in first.json()["items"]] == ["a", "c"]
    met.given(event("meeting.described", "meeting:a", "2025-01-01", title="Zz"))
    met.given(event("meeting.held", "meeting:c", "2022-01-01", title="Beta"))
    assert order(met, "name") == "cebfda"
    assert order(met, "recorded") == "ebdfac"
    assert order(met, "date") == "cbeadf"
    assert order(met, "name", known_at=size) == "acebfd"
    assert order(met, "recorded", known_at=size) == "ebdacf"
    assert order(met, "-date", known_at=size) == "dcaebf"
    assert order(met, "date", valid_at="2024-01-01") == "cb"
    second = met.get(first.links["next"]["url"]).json()
    assert [one["id"] for one in second["items"]] == ["e", "b"]


def test_every_list_takes_each_of_its_orders_on_any_page(service: Service, subtests: pytest.Subtests) -> None:
    """Page by page a list is what it is at once, each order is the reverse of the other but for what has no key, and files have it, too."""
    service.given(*SEEDED)
    for kind in KINDS.values():
        path = f"/v1/{kind.plural}"
        schema = LIST_QUERIES[kind.name].model_json_schema()["properties"]["sort"]
        for sort in schema["enum"]:
            with subtests.test(path, sort=sort):
                at_once = pages(service, path, 1_000, sort=sort)
                assert pages(service, path, 7, sort=sort) == at_once
                lines = service.get(f"/{kind.plural}.jsonl", sort=sort).text.splitlines()
                assert len(lines) == len(at_once) == len({one["id"] for one in at_once})
                back = pages(service, path, 1_000, sort=sort.removeprefix("-") if sort[0] == "-" else f"-{sort}")
                if sort.removeprefix("-") in ("id", "name", "recorded"):
                    assert at_once == back[::-1]


def test_rows_of_an_older_version_are_not_there_yet(met: Service) -> None:
    """While a follower builds anew what a version made that knew no such column, readers are asked to come again."""
    with met.location.connect() as connection:
        connection.execute("alter table statuses drop column name")
        connection.execute("update projections set version = version - 1 where name = 'states'")
    assert problem_of(met.get("/v1/meetings", sort="name"), 503)["type"] == "/problems/not-yet"
    assert met.get("/v1/meetings").status_code == 200


def test_an_order_that_is_none_is_refused(met: Service) -> None:
    """With the one that was meant; a list without what it is sorted by says where there is one."""
    assert "did you mean name?" in problem_of(met.get("/v1/meetings", sort="nam"), 422)["detail"]
    assert "did you mean -recorded?" in problem_of(met.get("/v1/parties", sort="-recorde"), 422)["detail"]
    assert "/v1/milestones" in problem_of(met.get("/v1/meetings", sort="due"), 422)["detail"]
    cursor = met.get("/v1/meetings", sort="name", limit=1).json()["next"]
    assert pointers_of(met.get("/v1/meetings", sort="date", limit=1, cursor=cursor)) == ["cursor"]


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_a_name_of_any_length_fits_a_cursor(name: str) -> None:
    """What is compared is short, however long a letter becomes that is taken apart."""
    assert len(folded(name[:NAME_LENGTH])[:NAME_LENGTH].encode()) <= 4 * NAME_LENGTH


def test_long_names_of_any_script_are_paged(service: Service) -> None:
    """The cursor of a list that is sorted by names holds the longest, of the widest letters."""
    names = ["𐍈" * 400, '"' * 400, "\\" * 400, "ﷺ" * 400, "é" * 400]
    service.given(
        THX, *[event("party.registered", f"party:p{n}", name=name, kind="company") for n, name in enumerate(names)]
    )
    assert {one["id"] for one in pages(service, "/v1/parties", 1, sort="name")} == {f"p{n}" for n in range(len(names))}
    assert len(pages(service, "/v1/parties", 1, sort="-name")) == len(names)


# --- fields


def test_fields_are_those_that_are_named(met: Service) -> None:
    """Of each state in a list, and of one; the basis is always there, and what is told is what the whole tells."""
    whole = met.get("/v1/initiatives/indus-x").json()
    some = met.get("/v1/initiatives/indus-x", fields="name,status,milestones").json()
    assert some == {name: whole[name] for name in ("name", "status", "milestones", "basis")}
    page = met.get("/v1/meetings", fields="id,dates", limit=2, count="true").json()
    assert page["count"] == 6
    assert page["basis"]["known_at"] == met.size()
    assert [[*one] for one in page["items"]] == [["id", "dates"]] * 2
    following = met.get("/v1/meetings", fields="title", limit=2, cursor=page["next"]).json()
    assert [one["title"] for one in following["items"]] == ["Beta", "Zulu"]
    assert met.get("/meetings.json", fields="id").json()["items"][0] == {"id": "a"}


def test_a_field_that_is_none_is_refused(met: Service) -> None:
    """By its name, with the one that was meant; each kind has its own."""
    for path, given_, meant in (
        ("/v1/meetings", "titel", "title"), ("/v1/meetings/a", "id,dats", "dates"), ("/v1/agreements", "partie", "parties"),
        ("/v1/initiatives/indus-x", "milestone", "milestones"),
    ):  # fmt: skip
        problem = problem_of(met.get(path, fields=given_), 422)
        assert [one["pointer"] for one in problem["errors"]] == ["fields"]
        assert f"did you mean {meant}?" in problem["detail"]
    for wrong in ("", ",", "id,", "basis", "id title"):
        assert pointers_of(met.get("/v1/meetings", fields=wrong)) == ["fields"]
    assert pointers_of(met.get("/v1/meetings", fields="agreements,milestones")) == ["fields"]


def test_every_field_of_the_reference_can_be_asked_for(met: Service) -> None:
    """One by one, of every kind."""
    shapes = met.get("/v1/openapi.json").json()["components"]["schemas"]
    for kind in KINDS.values():
        name = f"{kind.name.capitalize()}State"
        assert met.get(f"/v1/{kind.plural}", fields=",".join(shapes[name]["properties"])).status_code == 200
        for field in shapes[name]["properties"]:
            for one in met.get(f"/v1/{kind.plural}", fields=field).json()["items"]:
                assert {*one} <= {field}


def test_an_etag_goes_with_its_fields(met: Service) -> None:
    """Who has some fields has not the others; who has them already is told so; a version stays one to append on."""
    path = "/v1/initiatives/indus-x"
    tags = {fields: met.get(path, fields=fields).headers["etag"] for fields in ("name", "status", "name,status")}
    tags["all"] = met.get(path).headers["etag"]
    assert len({*tags.values()}) == 4
    assert met.get(path, {"If-None-Match": tags["name"]}, fields="name").status_code == 304
    assert met.get(path, {"If-None-Match": tags["name"]}, fields="status").status_code == 200
    one = event("initiative.described", "initiative:indus-x", objective="More")
    assert met.client.post("/v1/events", json=one, headers=ADMIN | {"If-Match": tags["name"]}).status_code == 201
    assert met.client.post("/v1/events", json=one, headers=ADMIN | {"If-Match": tags["status"]}).status_code == 412


def test_fields_show_no_more_of_persons(service: Service) -> None:
    """Names are withheld as they are in the whole, and shown to who may see them."""
    service.given(THX, INDUS_X, meeting("talks", "Talks", "2024", participants=[{"person": "A. Canary"}]))
    for path in ("/v1/meetings", "/v1/meetings/talks"):
        assert "A. Canary" in service.get(path, ADMIN, fields="participants").text
        assert "A. Canary" not in service.get(path, ADMIN, fields="title").text
        told = service.get(path, fields="participants")
        assert '"withheld":true' in told.text
        assert "A. Canary" not in told.text


# --- facets


def words_of(state: dict[str, Any], facet: str, parties: dict[str, set[str]]) -> set[str]:
    """The words that a state has, as its document tells them."""
    if facet == "status":
        return {state["status"]}
    if facet == "area":
        return set(state.get("areas") or ())
    if facet == "year":
        days = [day for day in state["dates"].values() if day] or [
            state.get(name) for name in ("start", "due", "published")
        ]
        last = [bounds.latest or bounds.earliest for day in days if day and (bounds := bounds_of(day))]
        return {str(max(day[0] for day in last if day))} if last else set()
    if facet == "party":
        return parties[state["subject"]]
    return {word for name in ("kind", "type", "instrument_type") if (word := state.get(name))}


def test_facets_count_what_each_filter_would_find(service: Service, subtests: pytest.Subtests) -> None:
    """Of every kind, at both clocks, under every filter: a facet has just the words by which something is found, each with how
    many there are with it and with all filters but its own."""
    service.given(*SEEDED)
    narrowings: list[dict[str, Any]] = [
        {}, {"known_at": 90}, {"valid_at": "2024-09-01"}, {"text": "def"}, {"party": "party:india"}, {"area": "space"},
        {"year": "2024"},
    ]  # fmt: skip
    tried = 0
    for kind, more in product(KINDS.values(), narrowings):
        if "area" in more and not kind.has_areas:
            continue
        path = f"/v1/{kind.plural}"
        found = service.get(path, facets="true", limit=1, **more).json()["facets"]
        assert [*found] == FACETS_OF[kind.name]
        for facet, counts in found.items():
            with subtests.test(path, facet=facet, more=more):
                order = [*map(int, counts)] if facet == "year" else [*counts.values()]
                assert order == sorted(order, reverse=True)
                for word, count in [*counts.items()][:5]:
                    told = service.get(path, count="true", limit=1, **more | {facet: word}).json()["count"]
                    assert told == count, word
                    tried += 1
                others = {name: value for name, value in more.items() if name != facet}
                if facet in ("status", "kind", "area", "year"):
                    states = pages(service, path, 1_000, **others)
                    assert counts == Counter(word for one in states for word in words_of(one, facet, {}))
    assert tried > 100


def test_facets_and_no_count_are_only_told_where_they_are_asked_for(met: Service) -> None:
    """They stand beside the items, and the ETag is another."""
    plain, told = met.get("/v1/meetings"), met.get("/v1/meetings", facets="true")
    assert "facets" not in plain.json()
    assert told.json()["facets"]["status"] == {"held": 3, "scheduled": 2, "proposed": 1}
    assert plain.headers["etag"] != told.headers["etag"]
    assert told.json()["items"] == plain.json()["items"]
    assert pointers_of(met.get("/v1/meetings", facets="status")) == ["facets"]


def test_a_facet_tells_of_the_most_frequent_words(service: Service) -> None:
    """However many there are: a hundred at most."""
    parties = [event("party.registered", f"party:p{n}", name=f"P {n}", kind="company") for n in range(MOST + 5)]
    service.given(THX, *parties)
    for n in range(MOST + 5):
        service.given(
            event(
                "agreement.signed",
                f"agreement:a{n}",
                "2024",
                title="A",
                signatories=[{"party": f"party:p{n}"}, {"party": "party:p0"}] if n else [{"party": "party:p0"}],
            )
        )
    facet = service.get("/v1/agreements", facets="true", limit=1).json()["facets"]["party"]
    assert len(facet) == MOST
    assert next(iter(facet.items())) == ("party:p0", MOST + 5)


def test_rows_of_an_older_version_are_built_again(met: Service) -> None:
    """What a rebuild makes is sorted and counted alike."""
    before = [met.get("/v1/meetings", sort=sort, facets="true").json() for sort in ("name", "-date", "recorded")]
    rebuild(met.location)
    assert [
        met.get("/v1/meetings", sort=sort, facets="true").json() for sort in ("name", "-date", "recorded")
    ] == before


BY_PAGES = {"min_position", "limit", "cursor", "count", "facets"}
"""What is about pages: the command line shows all of a list, or as much as it is told to, and says how much that is."""


def test_the_command_line_narrows_and_sorts_as_the_api_does() -> None:
    """Each filter, clock and order of every list is an option of `ledger list`, and each of its options is one of these."""
    options = {one.name: one for one in get_command(app_of(list_)).params}
    api = {name for query in LIST_QUERIES.values() for name in query.model_fields} - BY_PAGES
    spelled = {option.removeprefix("--").replace("-", "_") for one in options.values() for option in one.opts}
    assert spelled - {"limit", "url", "help", "of_kind"} - {"KIND", "kind"} == api - {"kind"}
    assert "--kind" in options["of_kind"].opts


def app_of(command: Callable[..., None]) -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return app


def test_agreements_in_force_for_some_are_listed_by_the_command_line(service: Service, command: Command) -> None:
    """As the API lists them; and a number that is none is misuse."""
    signed = event("agreement.signed", "agreement:a", "2020", title="A", signatories=[{"party": "party:usa"}])
    other = event("agreement.signed", "agreement:b", "2020", title="B", signatories=[{"party": "party:usa"}])
    force = event("agreement.entered_into_force", "agreement:a", "2021", party="party:usa")
    service.given(THX, USA, signed, other, force)
    listed = [json.loads(line)["id"] for line in command("list", "agreements", "--in-force-for", 1).stdout.splitlines()]
    api = service.get("/v1/agreements", in_force_for=1).json()["items"]
    assert listed == [one["id"] for one in api] == ["a"]
    assert "--in-force-for" in command("list", "agreements", "--in-force-for", "x", code=2, COLUMNS="300").stderr
    assert "for other lists" in command("list", "meetings", "--in-force-for", 1, code=2, COLUMNS="300").stderr
