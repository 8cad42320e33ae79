"""The OpenAPI document is true: its examples happen, its shapes fit, and it can be read without the internet."""

import re
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

import jsonschema_rs
import pytest

import api.http.dependencies
from api.http.problems import ALL
from ledger.database.connection import LedgerLocation
from projections.follow import follow
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, listening, running

pytest_plugins = ["tests.service"]

ALIKE = "^/(log/|v1/(initiatives|events|event-types|health|ready|checkpoints|consistency|erasures))"
"""The routes of the other kinds are made by the same function as those of initiatives."""

CHANGING = {"request_id", "recordedtime", "known_at_time", "valid_at", "next"}
NOT_TESTED = (
    "positive_data_acceptance",  # a cursor or a version that fits the schema may still be none
    "not_a_server_error",  # a position that is not yet there is 503; a 500 is told of nowhere, so another check finds it
)


def document(service: Service) -> dict[str, Any]:
    told: dict[str, Any] = service.get("/v1/openapi.json").json()
    return told


def lasting(value: Any) -> Any:
    """What is the same whenever it is asked."""
    if isinstance(value, dict):
        return {name: None if name in CHANGING else lasting(one) for name, one in value.items()}
    return [lasting(one) for one in value] if isinstance(value, list) else value


def answers(operation: dict[str, Any]) -> dict[str, tuple[int, Any]]:
    """The examples of an operation's answers, by name: status and body."""
    return {
        name: (int(status), example["value"])
        for status, response in operation["responses"].items()
        for content in response["content"].values()
        for name, example in content.get("examples", {}).items()
    }


def test_the_examples_happen(service: Service) -> None:
    """Each request of the document, sent to a new ledger in its order, gets just the answer that is shown."""
    paths = document(service)["paths"]
    post = paths["/v1/events"]["post"]
    expected = answers(post)
    bodies = post["requestBody"]["content"]["application/json"]["examples"]
    assert bodies.keys() == expected.keys()
    for name, example in bodies.items():
        response = service.client.post("/v1/events", json=example["value"], headers=ADMIN)
        assert (response.status_code, lasting(response.json())) == (expected[name][0], lasting(expected[name][1])), name
    service.follower.step()
    reads = {name: said for path in paths.values() if "get" in path for name, said in answers(path["get"]).items()}
    assert len(reads) > 1
    for path, (status, body) in reads.items():
        response = service.get(path)
        assert (response.status_code, lasting(response.json())) == (status, lasting(body)), path


def test_the_examples_fit_their_schemas(service: Service) -> None:
    """Every example is what the schema beside it says."""
    told = document(service)
    checked = 0
    for content in contents(told["paths"]):
        schema = (
            {"$ref": "#/x", "x": content["schema"], "components": told["components"]} if "schema" in content else {}
        )
        for example in content.get("examples", {}).values():
            jsonschema_rs.validate(schema, example["value"])
            checked += 1
    assert checked > 6


def contents(value: Any) -> list[dict[str, Any]]:
    """The media types under "content", wherever they stand."""
    if isinstance(value, list):
        return [found for one in value for found in contents(one)]
    if not isinstance(value, dict):
        return []
    own = list(value.get("content", {}).values()) if isinstance(value.get("content"), dict) else []
    return own + [found for one in value.values() for found in contents(one)]


def test_every_reference_leads_somewhere(service: Service) -> None:
    """What a schema refers to is in the document, and what the document defines is a schema."""
    told = document(service)
    text = str(told)
    names = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert names <= told["components"]["schemas"].keys()
    assert "#/$defs" not in text
    for schema in told["components"]["schemas"].values():
        jsonschema_rs.validator_for(schema | {"components": told["components"]})


def test_every_read_takes_the_basis(service: Service) -> None:
    """known_at, valid_at and min_position stand on every read of the ledger, and a key can be given."""
    told = document(service)
    for path, methods in told["paths"].items():
        if path.startswith("/v1/event-types") or path in ("/v1/health", "/v1/ready", "/v1/events/stream"):
            continue
        for method, told_of in methods.items():
            assert told_of["security"] == [{"key": []}]
            names = {one["name"] for one in told_of.get("parameters", ())}
            # signed trees are what they are, whatever is known when
            is_exempt = method != "get" or "log" in told_of["tags"]
            assert is_exempt or names >= {"known_at", "valid_at", "min_position"}, path
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_the_reference_stands_where_clients_look(service: Service) -> None:
    """At /openapi.json, too, it is the same; it names each operation once, by a name of its own."""
    told = document(service)
    assert service.get("/openapi.json").json() == told
    names = [one["operationId"] for methods in told["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names)) > 0


def test_the_reference_lists_each_address_once(service: Service) -> None:
    """No two paths are the same but for the names of their parts, and the page shows each operation under one heading."""
    paths = document(service)["paths"]
    shapes = [re.sub(r"\{[^}]*\}", "{}", path) for path in paths]
    assert len(shapes) == len(set(shapes)) > 50
    assert {len(one["tags"]) for methods in paths.values() for one in methods.values()} == {1}


def test_problems_are_declared_as_what_they_are(service: Service) -> None:
    """Errors are problem documents in the reference, too, and the shape takes what the service says."""
    told = document(service)
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert "application/problem+json" in response["content"], (method, path, status)
    shape = {"components": told["components"], "$ref": "#/components/schemas/ProblemShape"}
    jsonschema_rs.validate(shape, service.get("/v1/initiatives/nobody").json())
    assert {problem.type for problem in ALL.values()} >= {"/problems/invalid", "/problems/not-found"}


def test_the_reference_works_without_the_internet(service: Service) -> None:
    """/api is a page whose every script, style and icon comes from this service."""
    page = service.get("/api")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    linked = re.findall(r"""(?:src|href)=["']([^"']+)|url: '([^']+)""", page.text)
    addresses = [one or other for one, other in linked]
    assert "/v1/openapi.json" in addresses
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith("/")
        assert not address.startswith("//")
        assert service.get(address).status_code == 200, address


@pytest.mark.parametrize(
    "which",
    [
        pytest.param("--exclude-method POST --phases examples,coverage,fuzzing --max-examples 5", id="reads"),
        # drawn ones alone: each bound of each field of each fact takes minutes
        pytest.param("--include-method POST --phases examples,fuzzing --max-examples 40", id="appends"),
    ],
)
def test_anything_the_document_allows_or_forbids_is_answered_as_it_says(
    which: str, location: LedgerLocation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Generated requests, sound and unsound, never get a 500, an answer of another shape, or in without a key."""
    monkeypatch.setattr(api.http.dependencies, "WAIT_S", 0.01)
    stop = Event()
    with running(location, public_reads=False) as service:
        service.given(THX, USA, INDIA, INDUS_X, event("meeting.held", "meeting:indus-x", "2024", title="M"))
        thread = Thread(target=follow, args=(location, stop))
        thread.start()
        try:
            with listening(service) as (host, port):
                run = subprocess.run(
                    [
                        Path(sys.executable).with_name("schemathesis"), "run", f"http://{host}:{port}/v1/openapi.json",
                        "--header", f"Authorization: {ADMIN['Authorization']}", *which.split(),
                        "--include-path-regex", ALIKE, "--exclude-path", "/v1/events/stream",  # it does not end
                        "--generation-deterministic", "--suppress-health-check", "all",
                        "--exclude-checks", ",".join(NOT_TESTED), "--no-color",
                    ],
                    capture_output=True, text=True, timeout=240, cwd=tmp_path,
                )  # fmt: skip
        finally:
            stop.set()
            thread.join()
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
