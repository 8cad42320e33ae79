"""What belongs to a subject: its state shows the first of each kind, and leads to the others, however many there are."""

import json
from typing import Any

import pytest

from api.http.routes.states import BELONGING
from ledger.vocabulary.kinds.participation import PARTICIPATION
from seeds import FILES, events
from tests.commands import Command
from tests.examples import INDUS_X, THX, event
from tests.service import Service, listening

pytest_plugins = ["tests.commands", "tests.service"]

OTHERS = 30
SUBJECT = "/v1/initiatives/indus-x"
MILESTONES = [
    event("milestone.scheduled", f"milestone:m{n:03}", "2024-01-05", title=f"Part {n}", of=["initiative:indus-x"], due="2030")
    for n in range(BELONGING + OTHERS)
]  # fmt: skip
NAMES = [one["subject"] for one in MILESTONES]


@pytest.fixture
def large(service: Service) -> Service:
    """An initiative with more milestones than its state shows, and one meeting."""
    held = event("meeting.held", "meeting:m", "2024-01-05", title="Talks", initiatives=["initiative:indus-x"])
    service.given(THX, INDUS_X, held)
    for start in range(0, len(MILESTONES), 50):
        service.given(*MILESTONES[start : start + 50])
    return service


def beyond(service: Service, address: str) -> list[str]:
    """The subjects on that page and all that follow on it."""
    found: list[str] = []
    page = service.client.get(address).json()
    found += [one["subject"] for one in page["items"]]
    while page["next"]:
        page = service.get(address.partition("?")[0], ref="initiative:indus-x", cursor=page["next"], limit=7).json()
        found += [one["subject"] for one in page["items"]]
    return found


def test_a_state_leads_to_all_that_refers_to_it(large: Service) -> None:
    """It shows the first of each kind by their names, and where there is more the address of those that follow."""
    state = large.get(SUBJECT).json()
    shown = [one["subject"] for one in state["milestones"]]
    assert shown == NAMES[:BELONGING]
    assert len(state["meetings"]) == 1
    assert [*state["more"]] == ["milestones"]
    assert shown + beyond(large, state["more"]["milestones"]) == NAMES


def test_the_others_are_told_at_the_same_basis(large: Service) -> None:
    """What is recorded meanwhile is in neither."""
    state = large.get(SUBJECT).json()
    large.given(MILESTONES[-1] | {"subject": "milestone:n"})
    assert beyond(large, state["more"]["milestones"]) == NAMES[BELONGING:]
    page = large.client.get(state["more"]["milestones"]).json()
    assert page["basis"] == state["basis"]
    assert beyond(large, large.get(SUBJECT).json()["more"]["milestones"]) == [*NAMES[BELONGING:], "milestone:n"]


def test_a_tag_is_of_what_the_answer_leads_to(large: Service) -> None:
    """Who holds an answer is told that it differs where it leads elsewhere, and that nothing does where it does not."""
    first = large.get(SUBJECT)
    tag = {"If-None-Match": first.headers["etag"]}
    assert large.get(SUBJECT, tag).status_code == 304
    large.given(event("source.registered", "source:else", sources=[], title="Else", kind="report"))
    again = large.get(SUBJECT, tag)
    assert again.status_code == 200
    assert again.json()["more"] != first.json()["more"]


def test_only_those_that_are_asked_for_are_led_to(large: Service) -> None:
    """By ``fields``, as all else."""
    assert "more" not in large.get(SUBJECT, fields="name,meetings").json()
    assert [*large.get(SUBJECT, fields="milestones").json()["more"]] == ["milestones"]


def test_what_ended_belongs_to_it_no_more(large: Service) -> None:
    """Those that refer elsewhere by then are not counted among the first."""
    for name in NAMES[:OTHERS]:
        why = {"reason_code": "wrong_stream", "reason": "It is of something else"}
        large.given(event("entry.voided", name, sources=[], target=large.get(f"/v1/{name.replace(':', 's/')}/history").json()["items"][0]["event"]["id"], **why))  # fmt: skip
    state = large.get(SUBJECT).json()
    assert [one["subject"] for one in state["milestones"]] == NAMES[OTHERS:]
    assert "more" not in state


def test_all_of_it_is_shown_at_the_command_line(large: Service, command: Command) -> None:
    """From the database, and from a service, which shows the first alone."""
    shown = json.loads(command("show", "initiative:indus-x").stdout)
    with listening(large) as (host, port):
        told = json.loads(command("show", "initiative:indus-x", "--url", f"http://{host}:{port}").stdout)
    assert [one["subject"] for one in shown["milestones"]] == NAMES
    assert told == shown


def test_the_schema_has_what_an_answer_has(large: Service) -> None:
    """Only lists that can go on: the parts of its parties are all shown with an agreement."""
    schemas: dict[str, Any] = large.get("/v1/openapi.json").json()["components"]["schemas"]
    assert {*large.get(SUBJECT).json()} <= {*schemas["WholeInitiative"]["properties"]}
    assert PARTICIPATION.plural not in schemas["WholeAgreement"]["properties"]["more"]["properties"]


def test_a_small_state_is_shown_whole(service: Service) -> None:
    """In the ledger that the project comes with no state is so large."""
    for name in FILES:
        service.given(*events(name))
    for kind in ("initiatives", "agreements", "parties"):
        for one in service.get(f"/v1/{kind}", limit=500).json()["items"]:
            assert "more" not in service.get(f"/v1/{kind}/{one['id']}").json()
