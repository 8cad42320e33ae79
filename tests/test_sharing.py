"""What other sites may read from a browser, and what OPTIONS says of each address."""

import pytest
from httpx2 import Response

from ledger.database.connection import LedgerLocation
from tests.examples import INDUS_X, THX, event
from tests.service import ADMIN, ADMIN_KEY, Service, problem_of, running
from tests.test_signing_in import session

pytest_plugins = ["tests.service"]

ELSEWHERE = {"Origin": "https://elsewhere.example"}
TALKS = event("meeting.held", "meeting:talks", "2024", title="Talks", participants=[{"person": "A. Canary"}])
READS = [
    "/v1/meetings/talks", "/v1/meetings", "/meetings.csv", "/meetings.json", "/v1/events", "/v1/events/1", "/v1/health",
    "/v1/openapi.json", "/entries.atom", "/v1/parties/nobody", "/v1/meetings?status=hold", "/nothing",
]  # fmt: skip


@pytest.fixture
def met(service: Service) -> Service:
    service.given(THX, INDUS_X, TALKS)
    return service


def crossing(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


def test_every_site_may_read_what_everybody_may(met: Service, subtests: pytest.Subtests) -> None:
    """Data and problems, new, kept and as 304: by anybody, never with credentials, with the headers that a client needs."""
    for path in READS:
        with subtests.test(path):
            first, again, head = met.get(path, ELSEWHERE), met.get(path), met.client.head(path)
            known = met.get(path, {"If-None-Match": first.headers.get("etag", "")})
            for response in (first, again, head, known):
                assert crossing(response).keys() == {"access-control-allow-origin", "access-control-expose-headers"}
                assert response.headers["access-control-allow-origin"] == "*"
                exposed = response.headers["access-control-expose-headers"].lower().split(", ")
                assert {"etag", "link", "ledger-epoch", "ledger-position", "request-id"} <= set(exposed)


def test_what_a_key_or_a_session_gets_is_for_nobody_else(met: Service, subtests: pytest.Subtests) -> None:
    """With a key, in a session, to an append, and as a page for people: no other site reads the answer."""
    answers = {path: met.get(path, ADMIN | ELSEWHERE) for path in READS}
    assert "A. Canary" in answers["/v1/meetings/talks"].text
    answers |= {f"{path} in a session": met.get(path, session(met, ADMIN_KEY)) for path in READS}
    answers |= {
        f"{path} with what is no key": met.get(path, {"Authorization": "Basic eA=="} | ELSEWHERE) for path in READS
    }
    met.client.cookies.clear()
    answers |= {path: met.get(path) for path in ("/meetings/talks", "/sign-in", "/api")}
    answers["append"] = met.post(THX, **ELSEWHERE)
    answers["append without a key"] = met.client.post("/v1/events", json=THX, headers=ELSEWHERE)
    answers["sign in"] = met.client.post("/sign-in", data={"key": ADMIN_KEY}, headers=ELSEWHERE)
    for name, response in answers.items():
        with subtests.test(name):
            assert crossing(response) == {}
    assert answers["sign in"].status_code == answers["append without a key"].status_code == 403


def test_where_reads_are_not_public_no_other_site_reads(location: LedgerLocation) -> None:
    """A closed ledger answers pages of other sites nothing, with a key or without, nor says that it would."""
    with running(location, public_reads=False) as service:
        service.given(THX, INDUS_X, TALKS)
        for path in READS:
            assert crossing(service.get(path, ELSEWHERE)) == {}
            assert crossing(service.get(path, ADMIN | ELSEWHERE)) == {}
        told = service.client.options("/v1/meetings", headers=ELSEWHERE | {"Access-Control-Request-Method": "GET"})
        assert (told.status_code, told.headers["allow"], crossing(told)) == (204, "GET, HEAD, OPTIONS", {})


def test_a_browser_that_asks_first_may_read_and_nothing_else(met: Service) -> None:
    """Reads are allowed, with If-None-Match and Last-Event-ID; no key may be sent along, and nothing appended."""
    asks = ELSEWHERE | {"Access-Control-Request-Headers": "authorization", "Sec-Fetch-Site": "cross-site"}
    for path, method in (("/v1/meetings", "GET"), ("/v1/events", "POST"), ("/v1/events/stream", "GET")):
        told = met.client.options(path, headers=asks | {"Access-Control-Request-Method": method})
        assert (told.status_code, told.content) == (204, b"")
        allowed = crossing(told)
        assert allowed["access-control-allow-origin"] == "*"
        assert allowed["access-control-allow-methods"] == "GET, HEAD"
        assert set(allowed["access-control-allow-headers"].lower().split(", ")) == {
            "if-none-match", "last-event-id", "request-id",
        }  # fmt: skip
        assert "access-control-allow-credentials" not in allowed
    for path in ("/v1/erasures", "/sign-out"):
        assert crossing(met.client.options(path, headers=asks | {"Access-Control-Request-Method": "POST"})) == {}


def test_options_says_what_every_address_takes(met: Service, subtests: pytest.Subtests) -> None:
    """Each route of the reference, and each page, says its methods, without a key and without a body."""
    told = met.get("/v1/openapi.json").json()["paths"]
    expected = {path: {one.upper() for one in methods} for path, methods in told.items()}
    expected |= {
        path: {"GET"} for path in ("/", "/meetings", "/meetings/talks", "/search", "/api", "/meetings.json", "/metrics")
    }
    expected |= {"/sign-in": {"GET", "POST"}, "/sign-out": {"POST"}}
    for template, methods in expected.items():
        path = template
        for name, value in (
            ("id", "talks"),
            ("suffix", "csv"),
            ("which", "1"),
            ("position", "1"),
            ("version", "1"),
            ("type", "x"),
        ):
            path = path.replace(f"{{{name}}}", value)
        with subtests.test(path):
            response = met.client.options(path.replace("{path}", "0/000"))
            assert (response.status_code, response.content) == (204, b"")
            assert {*response.headers["allow"].split(", ")} == methods | {"OPTIONS"} | (
                {"HEAD"} if "GET" in methods else set()
            )
    for path in ("/nothing", "/v1/nothing", "/v1/initiatives/", "/initiatives/x/nothing.csv"):
        problem_of(met.client.options(path), 404)
