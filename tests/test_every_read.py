"""Every read of every subject: of the whole seed, of ledgers that are generated, and of facts that say all they may."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import jsonschema_rs
import pytest

from api.app import build
from api.http.documents import plural_of
from ledger.database.connection import LedgerLocation
from ledger.errors import NotFound
from ledger.log.entry import read_line
from ledger.proofs.tiles import bundles_between, tiles_between
from ledger.settings import Settings
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import FACTS, KINDS
from projections.basis import Asked
from projections.diff import Change, said, stream_of
from projections.diff_queries import diff, diff_each
from projections.listing import SORTS
from projections.queries import Queries
from projections.replay import Replayed, story
from tests.commands import Command, rows
from tests.differences import FIRST_DAY, Log, check_days, check_positions
from tests.ledgers import subjects
from tests.service import ADMIN, Service

pytest_plugins = ["tests.commands", "tests.ledgers", "tests.service"]

FEW = 6
"""So many positions or days of a subject are held each against each; of more, neighbours, and the first and the last."""


@pytest.fixture
def location(told: Service) -> LedgerLocation:
    """Where commands look."""
    return told.location


# --- how it is asked


@cache
def reference() -> dict[str, Any]:
    return build(Settings(), LedgerLocation("", "any")).app.openapi()


@cache
def shape_of(path: str) -> jsonschema_rs.Validator:
    """What the reference says of the answers at a path."""
    content = reference()["paths"][path]["get"]["responses"]["200"]["content"]
    schema = next(one["schema"] for name, one in content.items() if name.endswith("json"))
    return jsonschema_rs.validator_for(schema | {"components": reference()["components"]})


def ask(told: Service, template: str, subject: Subject, **params: Any) -> Any:
    """The answer about a subject, of the shape that the reference gives it; None where nothing is known."""
    path = f"/v1/{plural_of(subject.kind)}{template}"
    response = told.get(path.replace("{id}", subject.id), **params)
    if response.status_code == 404:
        return None
    assert response.status_code == 200, (subject, params, response.text)
    shape_of(path).validate(response.json())
    return response.json()


def pairs(points: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    """Each point with each, where they are few; else neighbours, and the first and the last."""
    return combinations(points, 2) if len(points) <= FEW else [*pairwise(points), (points[0], points[-1])]


def story_of(told: Service) -> list[Replayed]:
    with told.location.connect() as connection:
        lines = connection.execute("select body::text from entries order by position").fetchall()
    entries = [read_line(line) for (line,) in lines]
    return list(story((entry, entry.recorded()) for entry in entries))


def rows_of(told: Service) -> dict[str, dict[str, Any]]:
    """The last state of each lane, as it is stored."""
    query = """
        select distinct on (subject, lane) subject, lane, doc
          from states
         where known_to = 9223372036854775807
         order by subject, lane, valid_from desc"""
    with told.location.connect() as connection:
        return {f"{subject} {lane}".strip(): json.loads(doc) for subject, lane, doc in connection.execute(query)}


def stated(states: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is stated of each. Whether something is overdue depends on the day, and a story is of no day."""
    follows = ("provenance", "unknown", "overdue", "derived")
    known = {
        subject: {name: one for name, one in state.items() if name not in follows and not is_nothing(name, one)}
        for subject, state in states.items()
    }
    return {subject: state for subject, state in known.items() if state}


def is_nothing(name: str, value: Any) -> bool:
    return said(value) is None or (name == "disputed" and not value)


# --- the promises


def test_the_story_is_told_to_its_end(told: Service) -> None:
    """Each entry is told of; what it changed follows on what was there; and in the end there is what the rows say."""
    # when
    shown: dict[str, dict[str, Any]] = {}
    steps = story_of(told)
    # then
    assert [step.entry.position for step in steps] == list(range(1, told.size() + 1))
    for step, change in ((step, change) for step in steps for change in step.changes):
        state = shown.setdefault(change.subject, {})
        was = state.get(change.field)
        assert was == change.old or (is_nothing(change.field, was) and is_nothing(change.field, change.old))
        assert change.old != change.new
        assert change.entries == (step.entry.position,)
        state[change.field] = change.new
    assert stated(shown) == stated(rows_of(told))


def test_what_changed_between_its_positions_is_told(told: Service) -> None:
    """Of every subject, between the positions of its history, from before the first one to the last of the ledger, a diff
    tells each field that reads otherwise and none else, with entries that were recorded between: those responsible."""
    log = Log(told)
    for subject in subjects(told):
        for start, end in pairs(log.positions(subject)):
            check_positions(log, subject, start, end)


def test_what_changed_between_its_days_is_told(told: Service) -> None:
    """The same between the days from which its facts count, from before the first one to the end of time, with the facts
    that count from a day between."""
    log = Log(told)
    for subject in subjects(told):
        for start, end in pairs(log.days(subject)):
            check_days(log, subject, start, end)


def test_streams_are_compared_together_as_each_by_itself(told: Service) -> None:
    """Between positions, between days, and the other way round: each stream has the changes that a diff of it alone tells of it."""
    found, size = subjects(told), told.size()
    points = [Asked(at, date(2030, 1, 1)) for at in (0, size // 3, size)] + [Asked(size, date(1900, 1, 1))]
    with told.location.pool() as pool:
        reads = Queries(pool)
        for sides in ((points[0], points[2]), (points[2], points[1]), (points[3], points[2]), (points[2], points[3])):
            together = diff_each(reads, found, sides)
            assert together == {subject: by_itself(reads, subject, sides) for subject in found}
            assert any(together.values())


def by_itself(reads: Queries, subject: Subject, sides: tuple[Asked, Asked]) -> list[Change]:
    try:
        changes, _, _ = diff(reads, subject, sides)
    except NotFound:
        return []
    return [change for change in changes if stream_of(change.subject) == subject]


def test_every_route_answers(told: Service) -> None:
    """Each route of the reference, asked of every subject, entry and type that there is, answers in its own shape."""
    endless = {"/v1/events/stream"}  # tests/test_stream.py; and files are asked for in tests/test_formats.py
    routes = [path for path, methods in reference()["paths"].items() if "get" in methods and "{suffix}" not in path]
    for path in (path for path in routes if path not in endless):
        for filled in fill(path, subjects(told), told.size()):
            response = told.get(filled, ADMIN, **asked_of(path, told.size()))
            assert response.status_code in (200, 404 if "{id}" in path else 200), (filled, response.text)
            if response.headers["content-type"].endswith("json") and response.status_code == 200:
                shape_of(path).validate(response.json())


def asked_of(path: str, size: int) -> dict[str, Any]:
    """What a route must be asked."""
    if path.endswith("/diff"):
        return {"from": FIRST_DAY}
    return {"from": size, "to": size} if path.endswith("/consistency") else {}


def fill(path: str, found: list[Subject], size: int) -> list[str]:
    """A path with each thing that could stand in its place."""
    ids = [one.id for one in found if path.startswith(f"/v1/{plural_of(one.kind)}/")]
    filled = [path.replace("{version}", "1")]
    positions, tiles = range(1, size + 1), [one.path for one in (*tiles_between(0, size), *bundles_between(0, size))]
    for name, values in (
        ("{id}", ids),
        ("{which}", positions),
        ("{position}", positions),
        ("{type}", FACTS),
        ("{path}", tiles),
    ):
        filled = [one.replace(name, str(value)) for one in filled for value in (values if name in one else [""])]
    return filled


@pytest.mark.parametrize("told", ["every_type"], indirect=True)
def test_the_reference_names_just_the_fields_that_states_show(told: Service) -> None:
    """No state has a field that the reference leaves out, and each one that it names is shown by some state."""
    shapes, shown = reference()["components"]["schemas"], dict[str, set[str]]()
    for kind in KINDS:
        for item in pages(told, f"/v1/{plural_of(kind)}", limit=1_000):
            shown.setdefault(f"{kind.capitalize()}State", set()).update(item)
            whole = told.get(f"/v1/{plural_of(kind)}/{item['id']}").json()
            shown.setdefault("ParticipationState", set()).update(*whole.get("participation", ()))
    named = {name: {*shapes[name]["properties"]} for name in shown}
    assert {name: shown[name] - named[name] for name in shown} == {name: set() for name in shown}
    seldom = {"effective", "provisionally_applied", "former_names"}  # not of a stream in which each type is told once
    assert {name: named[name] - shown[name] - seldom for name in shown} == {name: set() for name in shown}


@pytest.mark.parametrize("told", ["seed", "every_type"], indirect=True)
def test_every_list_is_paged_and_narrowed(told: Service) -> None:
    """Each list leads through all its pages in every order, and is narrowed by all that its items say of themselves."""
    for path in (f"/v1/{plural_of(kind)}" for kind in KINDS):
        items = {one["id"]: one for one in pages(told, path)}
        for sort in SORTS if path == "/v1/milestones" else ("id", "-id"):
            ids = [one["id"] for one in pages(told, path, sort=sort)]
            assert (ids if sort.endswith("id") else sorted(ids)) == sorted(items, reverse=sort == "-id")
        for one in items.values():
            for name, value in narrowing(one):
                assert one["id"] in [other["id"] for other in pages(told, path, limit=1_000, **{name: value})], (
                    name,
                    value,
                )


def pages(told: Service, path: str, **params: Any) -> list[dict[str, Any]]:
    """All the items of a list, page by page."""
    items: list[dict[str, Any]] = []
    params = {"limit": 7, "count": True} | params
    while True:
        response = told.get(path, **params)
        assert response.status_code == 200, (path, params, response.text)
        shape_of(path).validate(page := response.json())
        items += page["items"]
        if page["next"] is None:
            assert len(items) == page["count"]
            return items
        params["cursor"] = page["next"]


def narrowing(item: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Filters that an item of a list passes."""
    yield "status", item["status"]
    yield "text", (item.get("title") or item.get("name") or item["id"]).upper()
    kind = next((item[name] for name in ("kind", "type", "instrument_type") if item.get(name)), None)
    yield from [("kind", kind)] if kind else []
    yield from (("area", area) for area in item.get("areas") or ())
    yield from [("overdue", item["overdue"])] if "overdue" in item else []


@pytest.mark.parametrize("told", ["seed"], indirect=True)
def test_every_command_tells_of_every_subject(told: Service, command: Command) -> None:
    """What `ledger show`, `history` and `replay` give to a pipe is JSON, for each subject, and for the whole log."""
    for subject in subjects(told):
        assert json.loads(command("show", subject).stdout)["subject"] == subject
        history = [one["position"] for one in rows(command("history", subject))]
        assert [one["position"] for one in rows(command("replay", "--subject", subject))] == history
    told_of = [one["position"] for one in rows(command("replay"))]
    assert told_of == list(range(1, told.size() + 1))
    assert command("export").stdout.count("\n") == told.size()


@pytest.mark.parametrize("told", ["every_type"], indirect=True)
def test_every_type_of_fact_is_shown_to_people(told: Service, command: Command) -> None:
    """On a terminal, too, each entry is told of, and each stream is shown."""
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "200"}
    told_of = command("replay", **terminal).stdout
    assert all(f" {type_} " in told_of for type_, fact in FACTS.items() if not fact.by_ledger)
    for subject in subjects(told)[::8]:
        assert subject in command("show", subject, **terminal).stdout
        assert subject.kind in command("history", subject, **terminal).stdout
