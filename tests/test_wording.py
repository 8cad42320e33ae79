"""What is wrong is told in the ledger's words: whatever is given, wherever, no sentence of a library reaches who gave it."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute

from api.app import PAGES
from api.http.parameters import LIST_QUERIES, AtBasis
from api.transfer.mapping import FactMapping, TableMapping, read_mapping
from ledger.errors import Fault, Invalid, LedgerError
from ledger.settings import Settings, read_settings
from ledger.vocabulary.kinds.milestone import MILESTONE
from ledger.writing.draft import read_body, read_erasure
from tests.commands import Command
from tests.examples import INDUS_X, THX, USA, event
from tests.foreign_words import FROM_PYTHON, ODD_TEXTS, SENTENCES, foreign_words
from tests.minimal import FULL
from tests.service import ADMIN, Service, problem_of
from tests.test_pointers import Place, changed

pytest_plugins = ["tests.commands", "tests.service"]

ODD_VALUES: list[Any] = [
    None, True, 0, -1, 5.5, 10**30, "", "x", "\0", "é", "x" * 20_001, [], [1], [[]], {}, {"x": 1}, ["x", "\0"], [{}] * 101,
]  # fmt: skip


def test_foreign_words_are_seen() -> None:
    """The sentences are those that the library has, and are found in what it says."""
    assert len(SENTENCES) > 50
    assert foreign_words("limit: Input should be a valid integer, unable to parse string as an integer")
    assert foreign_words("LEDGER_WEBHOOK_NETWORKS: value is not a valid IPv4 network")
    assert foreign_words("facts: Field required")
    assert not foreign_words("limit: it is too small: the least is 1")
    assert "Input should be" in " ".join(SENTENCES)
    assert FROM_PYTHON


def refusal(read: Callable[..., Any], *given: Any) -> str:
    """What is said of what cannot be read; nothing where it can."""
    try:
        read(*given)
    except LedgerError as error:
        return str(error)
    return ""


# --- over HTTP


def parameters(service: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every parameter of every route that the reference has, with method and path; each sort of it once."""
    seen = set[str]()
    for path, operations in service.get("/v1/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            for one in operation.get("parameters", ()):
                sort = json.dumps(
                    [one["name"], one["in"], one["schema"], path.rpartition("/")[2] if one["in"] == "path" else method]
                )
                if sort not in seen and path != "/v1/events/stream":  # which does not end
                    seen.add(sort)
                    yield method, path, one


def parameters_of_pages() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Those of every page, of which the reference does not tell."""
    seen = set[str]()
    for route in (
        one for part in PAGES for one in part.routes if isinstance(one, APIRoute) and "GET" in (one.methods or ())
    ):
        own = [{"name": name, "in": "path"} for name in re.findall(r"\{(\w+)", route.path)]
        models = [one.field_info.annotation for one in route.dependant.query_params]
        own += [
            {"name": field.alias or name, "in": "query"}
            for one in models
            if one
            for name, field in one.model_fields.items()
        ]
        for one in own:
            if (sort := f"{one}{route.path if one['in'] == 'path' else ''}") not in seen:
                seen.add(sort)
                yield "get", route.path, one


def asked(service: Service, method: str, path: str, one: dict[str, Any], odd: str) -> Any:
    """The answer to an odd value of a parameter."""
    good = {"id": "indus-x", "which": "1", "position": "1", "suffix": "csv", "type": "meeting.held", "version": "1"}
    given = good | ({one["name"]: odd or " "} if one["in"] == "path" else {})
    at = re.sub(r"\{(\w+)(:\w+)?\}", lambda part: quote(given.get(part[1], "x")), path)
    needed = {"from": "1", "to": "1"} if path.endswith("consistency") or "/diff" in path else {}
    query = needed | ({one["name"]: odd} if one["in"] == "query" else {})
    headers: Any = ADMIN | ({one["name"]: odd.replace("\0", "").encode()} if one["in"] == "header" else {})
    return service.client.request(method, at, params=query, headers=headers, json=THX if method == "post" else None)


def test_no_parameter_is_answered_in_the_words_of_a_library(service: Service, subtests: pytest.Subtests) -> None:
    """Of every parameter of every route: what is odd is refused in our words, under the parameter's name, or taken."""
    service.given(THX, USA, INDUS_X)
    tried, refused = set[str](), set[str]()
    for method, path, one in (*parameters(service), *parameters_of_pages()):
        with subtests.test(path=path, name=one["name"]):
            for odd in ODD_TEXTS:
                answer = asked(service, method, path, one, odd)
                assert answer.status_code < 500, (odd, answer.text)
                if answer.status_code >= 400:
                    assert not foreign_words(answer.text), (odd, answer.text)
                if answer.status_code == 422 and one["in"] != "path":
                    assert [fault["pointer"].lower() for fault in answer.json()["errors"]] == [one["name"].lower()]
                    refused.add(one["name"])
            tried.add(one["name"])
    assert refused >= {"party", "ref", "facets", "in_force_for", "text", "limit", "fields", "known_at", "from", "for"}
    assert tried >= refused | {"which", "position", "id", "version", "suffix", "act", "field", "month"}


SAID = {
    "/v1/meetings?party=usa": "party: this is no party, such as party:its-name",
    "/v1/meetings?ref=": "ref: this is no source or party or",
    "/v1/meetings?facets=maybe": "facets: this is neither true nor false",
    "/v1/agreements?in_force_for=x": "in_force_for: this is no whole number, such as 42",
    "/v1/meetings?text=": "text: it is too short: 1 or more characters are needed",
    "/v1/meetings?limit=0": "limit: it is too small: the least is 1",
    "/v1/meetings?limit=1001": "limit: it is too large: the most is 1,000",
    "/v1/events/abc": "which: give the position of an entry, such as 17, or its id, a UUID",
    "/v1/events/x/proof": "position: this is no whole number, such as 42",
    "/v1/consistency?from=1": "to: it is needed, and is not there",
    "/v1/meetings/A_B": "id: this is no short name in small letters, digits and dashes, such as indus-x",
    "/v1/ready?for=reding": "for: 'reding' is no such part of the service: they have reads, appends",
}


def test_what_is_wrong_is_told_with_what_may_stand_there(service: Service, subtests: pytest.Subtests) -> None:
    """The parameter, what its value is not, and what it has to be: by example, by its bounds, or by all of the words."""
    for path, said in SAID.items():
        with subtests.test(path):
            assert problem_of(service.get(path), 422)["detail"].startswith(said)


# --- in what is recorded


def faults(body: Any) -> tuple[Fault, ...]:
    try:
        read_body(body)
    except Invalid as error:
        return (Fault("", str(error), ""), *error.faults)
    return ()


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Each place in an event, of objects and lists too."""
    yield at
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*at, name))


def without(value: Any, at: Place) -> Any:
    """The event without what stands at a place."""
    if len(at) == 1:
        return {name: one for name, one in value.items() if name != at[0]} if isinstance(value, dict) else value[:-1]
    return changed(value, at[:1], without(value[at[0]], at[1:]))


def odd_ones(told: dict[str, Any]) -> Iterator[Any]:
    """The event with each of its places changed, gone, or with something in it that is not known."""
    for at in places(told):
        yield from (changed(told, at, odd) for odd in ODD_VALUES)
        if at:
            yield without(told, at)
        inside: Any = told
        for part in at:
            inside = inside[part]
        if isinstance(inside, dict):
            yield changed(told, at, inside | {"invented": 1})


@pytest.mark.parametrize("type_", FULL)
def test_no_field_is_refused_in_the_words_of_a_library(type_: str) -> None:
    """Of every field of every type of event, those of a replacement too: another type, out of range, unknown, missing, too much, too
    long. And of one place one thing is told."""
    told, seen = FULL[type_], 0
    for odd in odd_ones(told):
        found = faults(odd)
        assert not foreign_words("\n".join(fault.detail for fault in found)), found
        own = [fault.pointer for fault in faults(odd)[1:]]
        assert len({*own}) == len(own), found
        seen += len(found)
    assert seen > 100


def test_of_what_may_be_of_several_sorts_one_thing_is_told() -> None:
    """Why it is none of those that it looks like: a name that is no text of ours is not told to be no commitment."""
    met = event("meeting.held", "meeting:x", "2024", title="X", participants=[{"person": "\0"}])
    assert [(one.pointer, one.detail) for one in faults(met)[1:]] == [
        ("/data/participants/0/person", "this is no text without control characters")
    ]
    for target in ("3", 0, 5.5, None):
        voided = event("entry.voided", "meeting:x", target=target, reason_code="wrong_date", reason="R")
        [fault] = faults(voided)[1:]
        assert (
            fault.detail.startswith("this is neither the position of an entry, such as 17, nor its id")
            or target is None
        )


def test_no_erasure_is_refused_in_the_words_of_a_library(service: Service) -> None:
    """Of each of its fields."""
    whole = {"entry": 1, "pointer": "/data/author", "ground": "court_order"}
    for odd in odd_ones(whole):
        assert not foreign_words(refusal(read_erasure, odd))
    answer = service.client.post("/v1/erasures", json={"entry": "x", "ground": "whim"}, headers=ADMIN)
    assert {one["pointer"] for one in problem_of(answer, 422)["errors"]} == {"/entry", "/pointer", "/ground"}
    assert not foreign_words(answer.text)


# --- in settings, mappings, and on the command line


@pytest.mark.parametrize("name", Settings.model_fields)
def test_no_setting_is_refused_in_the_words_of_a_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is named, and told in our words; its value is not shown."""
    variable = Settings.model_fields[name].alias or f"LEDGER_{name.upper()}"
    for odd in ODD_TEXTS:
        if "\0" in odd:
            continue
        monkeypatch.setenv(variable, odd)
        told = refusal(read_settings)
        assert variable in told or not told
        assert not foreign_words(told)


MAPPING: dict[str, Any] = {
    "name": "one", "key": ["No"], "dates": ["YYYY"], "years": [1900, 2030], "unknown": ["?"], "delimiter": ";",
    "encoding": "utf-8", "sources": [{"source": "source:{No}"}],
    "columns": {"a": {"from": ["No"], "cut": 3}, "b": {"from": ["No"], "pattern": "(?P<x>.)"}},
    "corrections": {"reason_code": "source_corrected", "reason": "R"},
    "facts": {
        "met": {
            "type": "milestone.met", "subject": "milestone:{slug(No)}", "when": ["No"], "when_any": ["No"], "key": ["No"],
            "occurred": {"column": "No", "date": ["YYYY"]}, "effective": "{No}", "modality": "stated", "note": "{No}",
            "sources": [{"source": "source:x"}],
            "data": {},
        },
        "held": {
            "type": "meeting.held", "subject": "meeting:{slug(No)}", "for_each": {"column": "No", "split": ","},
            "data": {"title": {"column": "No", "values": {"a": "A"}, "any_case": True, "other": "{item}", "default": "D"}},
        },
    },
}  # fmt: skip


def toml(value: Any) -> str:
    """A value as TOML has it in one line; what it has no word for is left to be no TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value).replace("\\u0000", "\\u0001")


def test_no_mapping_is_refused_in_the_words_of_a_library(tmp_path: Path) -> None:
    """Of every key of a mapping: each is in the one that is tried, and what is wrong with it is told by file and key."""
    assert MAPPING.keys() == {one.alias or name for name, one in TableMapping.model_fields.items()}
    assert MAPPING["facts"]["met"].keys() | {"for_each"} == FactMapping.model_fields.keys()
    file, refused = tmp_path / "mapping.toml", 0
    file.write_text("\n".join(f"{name} = {toml(one)}" for name, one in MAPPING.items()))
    read_mapping(file)
    for odd in odd_ones(MAPPING):
        if not isinstance(odd, dict):
            continue
        file.write_text("\n".join(f"{name} = {toml(one)}" for name, one in odd.items()))
        told = refusal(read_mapping, file)
        refused += bool(told)
        assert told.startswith(f"{file}") or not told
        assert not foreign_words(told)
    assert refused > 300


def test_no_option_is_refused_in_the_words_of_a_library(command: Command, subtests: pytest.Subtests) -> None:
    """Of every option of the commands that ask: misuse, told with the option's name. Each is given another third of what is odd."""
    of_lists = LIST_QUERIES[MILESTONE.name].model_fields.keys() & {
        "status",
        "party",
        "ref",
        "text",
        "due_before",
        "sort",
        "limit",
    }
    calls = [(["list", "milestones"], name) for name in sorted(of_lists)]
    calls += [
        (["list", "agreements"], "in_force_for"),
        (["list", "initiatives"], "area"),
        (["list", "meetings"], "kind"),
    ]
    calls += [(["show", "party:usa"], name) for name in AtBasis.model_fields if name != "min_position"]
    for number, (words, name) in enumerate(calls):
        option = f"--{name.replace('_', '-')}"
        with subtests.test(option):
            for odd in ODD_TEXTS[number % 3 :: 3]:
                told = command(*words, f"{option}={odd}", code=None, COLUMNS="500")
                assert not foreign_words(told.stderr), told.stderr
                assert told.returncode != 2 or option in told.stderr, (odd, told.stderr)
            assert command(*words, f"{option}=", code=2)
