"""Bad input: whatever is sent, the answer is a problem document that says where it is wrong, and nothing is recorded."""

import json
import re
import socket
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from httpx2 import Response
from pydantic import BaseModel

from api.http import middleware as doorstep
from api.http.append_headers import preferences
from api.http.compression import coding_of
from api.http.middleware import joined
from api.http.negotiation import weights
from api.http.sessions import Sessions
from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.vocabulary.fact import Sealed, Subject
from ledger.vocabulary.registry import FACTS, KINDS
from ledger.vocabulary.wording import FORMS
from ledger.writing.draft import MAX_EVENTS, Envelope
from tests.examples import INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, listening, pointers_of, problem_of, running

pytest_plugins = ["tests.service"]

JSON = {"Content-Type": "application/json"}
KNOWN = 4
MIB = 2**20


@pytest.fixture(scope="module")
def shared_service(server: Embedded) -> Iterator[Service]:
    """One ledger for all the bad input: none of it may leave a trace."""
    location = LedgerLocation(server.location.dsn, "bad_input")
    migrate(server.owner_dsn, location)
    with running(location) as opened:
        opened.given(THX, USA, INDUS_X, event("meeting.held", "meeting:m", "2024", title="M"))
        yield opened


@pytest.fixture
def unharmed(shared_service: Service) -> Iterator[Service]:
    """Nothing was recorded, not even half of it."""
    before = shared_service.size()
    yield shared_service
    assert shared_service.get("/v1/events", after=before).json()["events"] == []
    assert shared_service.size() == before


def post(service: Service, body: bytes, **headers: str) -> Response:
    return service.client.post("/v1/events", content=body, headers=ADMIN | JSON | headers)


# --- bodies

MALFORMED = [
    b"", b" ", b"{", b"nul", b'{"type": }', b'{"a":1}{"b":2}', b"\x00", b"\xff\xfe", b'{"a":"\xff"}', b'{"a":"\x00"}',
    b'{"a":"\\ud800"}', b'{"\\udc00":1}', b'{"a":"\\x"}', b"[" * 200_000, b'{"a":' * 100_000, b'{"a":NaN}',
    b'{"a":Infinity}', b"{'a':1}", b"{}//", b'{"a":01}', b"\xef\xbb\xbf{}", "{}".encode("utf-16"),
    b'{"a":1,"a":"\xff"}',
]  # fmt: skip


def test_what_is_no_json_is_400(unharmed: Service, subtests: pytest.Subtests) -> None:
    """The body is JSON in UTF-8, or it is malformed."""
    for body in MALFORMED:
        with subtests.test(repr(body[:16])):
            response = post(unharmed, body)
            assert problem_of(response, 400)["type"] == "/problems/malformed"
            assert pointers_of(response, 400) == [""]


def patterns(schema: Any) -> Iterator[str]:
    """Every pattern of a JSON schema."""
    for name, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if name == "pattern" and isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            yield from patterns(value)


def test_every_pattern_is_told_in_words(unharmed: Service) -> None:
    """Nobody is shown a regular expression, whatever it is that does not match, nor kinds that what is named there cannot be of;
    commitments no writer may send at all."""
    models: list[type[BaseModel]] = [Envelope, *FACTS.values()]
    asked = {one for model in models for one in patterns(model.model_json_schema())}
    assert asked - FORMS.keys() == {Sealed.model_json_schema()["properties"]["commitment"]["pattern"]}
    odd = event("party.registered", "party:B", sources=[{"source": "party:usa"}], name="\x00", kind="company")
    for better, said in (
        ({}, "this is no party, such as party:its-name"),
        ({"type": "milestone.met"}, "this is no milestone, such as milestone:its-name"),
        ({"type": "entry.voided"}, f"this is no {' or '.join(Subject.kinds.split('|'))}, such as source:its-name"),
        ({"subject": "party:b"}, "this is no source, such as source:its-name"),
        ({"subject": "party:b", "sources": []}, "this is no text without control characters"),
    ):
        told = problem_of(post(unharmed, json.dumps(odd | better).encode()), 422)
        assert told["errors"][0]["detail"] == said


NO_EVENTS: list[tuple[Any, str]] = [
    (None, ""), ([], ""), ("text", ""), (5, ""), (True, ""), ({}, "/type"), ({"events": []}, "/events"),
    ({"events": {}}, "/events"), ({"events": None}, "/events"), ({"events": [THX], "id": "x"}, "/events"),
    ({"events": [None]}, "/events/0"), ({"events": [THX, []]}, "/events/1"), ({"events": [THX] * 1_001}, "/events"),
]  # fmt: skip


def test_what_is_no_event_is_422(unharmed: Service, subtests: pytest.Subtests) -> None:
    """A request holds one event, or a list of 1 to 1,000; the pointer says which of them is none."""
    for body, pointer in NO_EVENTS:
        with subtests.test(repr(body)[:24]):
            assert pointers_of(post(unharmed, json.dumps(body).encode()))[0] == pointer


def changed(**changes: Any) -> dict[str, Any]:
    """A sound event with something in it that is not."""
    return event("initiative.reported", "initiative:new", name="N", kind="other") | changes


def data(**fields: Any) -> dict[str, Any]:
    return changed(data={"name": "N", "kind": "other"} | fields)


def of(type_: str, subject: str, **fields: Any) -> dict[str, Any]:
    return event(type_, subject, "2024", **fields)


CITED = {"source": "source:thx"}
NOBODY = {"commitment": "A" * 43}
AS_REPLACEMENT = {"target": 3, "reason_code": "wrong_date", "reason": "R"}
BAD_EVENTS: list[tuple[dict[str, Any], str]] = [
    # types and subjects
    (changed(type=5), "/type"), (changed(type=None), "/type"), (changed(type="initiative.invented"), "/type"),
    (changed(type="Initiative.reported"), "/type"), (changed(type="x" * 101), "/type"), (changed(type="\0"), "/type"),
    (changed(subject="initiative:"), "/subject"), (changed(subject="initiative:X"), "/subject"),
    (changed(subject="treaty:x"), "/subject"), (changed(subject="initiative:a\0"), "/subject"),
    (changed(subject="initiative:a\n"), "/subject"), (changed(subject="initiative:" + "a" * 101), "/subject"),
    (changed(subject=None), "/subject"), (changed(subject=["initiative:a"]), "/subject"),
    # what stands beside the data
    (changed(id="x"), "/id"), (changed(id="01990000-0000-7000-8000-00000000000G"), "/id"), (changed(id=5), "/id"),
    (changed(id="{01990000-0000-7000-8000-000000000001}"), "/id"),
    (changed(expected_version=-1), "/expected_version"), (changed(expected_version=1.5), "/expected_version"),
    (changed(expected_version="1"), "/expected_version"), (changed(expected_version=2**31), "/expected_version"),
    (changed(expected_version=10**4_000), "/expected_version"), (changed(expected_version=True), "/expected_version"),
    (changed(modality="certain"), "/modality"), (changed(modality=5), "/modality"), (changed(note="\0"), "/note"),
    (changed(note=""), "/note"), (changed(note="x" * 20_001), "/note"), (changed(correlationid="\x1b"), "/correlationid"),
    (changed(causationid=5), "/causationid"), (changed(authid="alice"), "/authid"), (changed(position=1), "/position"),
    (changed(**{"a/b~c": 1}), "/a~1b~0c"), (changed(**{"\0": 1}), "/\0"), (changed(data=[]), "/data"),
    (changed(data="x"), "/data"), (changed(data=None), "/data"),
    # dates
    (changed(occurred="2024-06-31"), "/occurred"), (changed(occurred="2024-13"), "/occurred"),
    (changed(occurred="2023-02-29"), "/occurred"), (changed(occurred="yesterday"), "/occurred"),
    (changed(occurred=20240910), "/occurred"), (changed(occurred="\0"), "/occurred"), (changed(occurred=""), "/occurred"),
    (changed(occurred="2024-09-10T25:00:00Z"), "/occurred"), (changed(occurred="2024-09-10/2024-09-09"), "/occurred"),
    (changed(occurred="9" * 130), "/occurred"),
    (changed(effective="2024-02-30"), "/effective"), (changed(occurred=["2024"]), "/occurred"),
    # sources
    (changed(sources=[]), "/sources"), (changed(sources=None), "/sources"), (changed(sources="source:thx"), "/sources"),
    (changed(sources=[{}]), "/sources/0/source"), (changed(sources=[CITED | {"source": "party:usa"}]), "/sources/0/source"),
    (changed(sources=[CITED, CITED | {"url": "javascript:alert(1)"}]), "/sources/1/url"),
    (changed(sources=[CITED | {"locator": "\0"}]), "/sources/0/locator"), (changed(sources=[CITED] * 101), "/sources"),
    (changed(sources=[CITED | {"page": 1}]), "/sources/0/page"),
    # the fact's own fields
    (data(name=""), "/data/name"), (data(name=None), "/data/name"), (data(name="x" * 2_001), "/data/name"),
    (data(name="a\0b"), "/data/name"), (data(name={"en": "N"}), "/data/name"), (data(kind="club"), "/data/kind"),
    (data(areas=["space", "cooking"]), "/data/areas/1"), (data(areas="space"), "/data/areas"), (data(x=1), "/data/x"),
    (data(note="N"), "/data/note"), (data(parties=[{"party": "party:usa"}]), "/data/parties/0/role"),
    (data(parties=[{"party": "usa", "role": "lead"}]), "/data/parties/0/party"),
    (of("party.registered", "party:x", name="X", kind="state", country="XX"), "/data/country"),
    (of("source.registered", "source:x", title="X", kind="dataset", sha256="0" * 63), "/data/sha256"),
    (of("source.registered", "source:x", title="X", kind="dataset", url="file:///etc"), "/data/url"),
    (of("source.registered", "source:x", title="X", kind="dataset", retrieved="2024-02-30"), "/data/retrieved"),
    (of("source.registered", "source:x", title="X", kind="dataset", retrieved=86_400), "/data/retrieved"),
    (of("source.registered", "source:x", title="X", kind="dataset", retrieved="86400"), "/data/retrieved"),
    (of("milestone.scheduled", "milestone:x", title="X", due="2024-06-31"), "/data/due"),
    (of("milestone.partially_met", "milestone:x", share=2), "/data/share"),
    (of("milestone.partially_met", "milestone:x", share=10**400), "/data/share"),
    (of("meeting.held", "meeting:x", title="X", participants=[{}]), "/data/participants/0"),
    (of("meeting.held", "meeting:x", title="X", participants=[{"person": NOBODY}]), "/data/participants/0/person"),
    (of("meeting.held", "meeting:x", title="X", participants=[{"person": "\0"}]), "/data/participants/0/person"),
    (of("entry.voided", "initiative:indus-x", target=0, reason_code="wrong_date", reason="R"), "/data/target"),
    (of("entry.voided", "initiative:indus-x", target=2**63, reason_code="wrong_date", reason="R"), "/data/target"),
    (of("entry.voided", "initiative:indus-x", target="3", reason_code="wrong_date", reason="R"), "/data/target"),
    (of("entry.voided", "initiative:indus-x", target=3, reason_code="amended", reason="R"), "/data/reason_code"),
    (of("entry.superseded", "initiative:indus-x", replacement=None, **AS_REPLACEMENT), "/data/replacement"),
    (of("entry.superseded", "initiative:indus-x", replacement={"type": "entry.voided", "data": {}}, **AS_REPLACEMENT),
     "/data/replacement/type"),
]  # fmt: skip


def test_what_is_wrong_in_an_event_is_pointed_at(unharmed: Service, subtests: pytest.Subtests) -> None:
    """Wrong types, unknown codes, impossible dates, texts that cannot be kept: 422 with the place, alone or in a list."""
    for body, pointer in BAD_EVENTS:
        with subtests.test(f"{pointer} of {repr(body)[:200]}"):
            raw = json.dumps(body).replace("1" + "0" * 400, "1e400").encode()
            assert pointer in pointers_of(post(unharmed, raw))
            several = b'{"events":[%s,%s]}' % (json.dumps(changed()).encode(), raw)
            assert f"/events/1{pointer}" in pointers_of(post(unharmed, several))


def test_what_the_ledger_says_of_itself_nobody_else_says(unharmed: Service) -> None:
    """That another log begins is refused from whoever has a key, in a dry run and in company, too."""
    begun = of(
        "entry.log_begun", "initiative:indus-x", target=3, origin="a.example/2", before="a.example/1", size=1,
        root="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", reason="R",
    )  # fmt: skip
    problem = problem_of(unharmed.post(begun), 409)
    assert problem["rule"] == "by_the_ledger"
    assert "entry.log_begun is for the ledger itself to record" in problem["detail"]
    assert problem_of(unharmed.post(changed(), begun), 409)["rule"] == "by_the_ledger"
    dry = unharmed.client.post("/v1/events?dry_run=true", json=begun, headers=ADMIN)
    assert problem_of(dry, 409)["rule"] == "by_the_ledger"


REFUSED: list[tuple[dict[str, Any], str]] = [
    (changed(type="party.renamed", data={"name": "N"}), "wrong_kind"),
    (of("initiative.resumed", "initiative:nobody"), "cannot_open"),
    (of("entry.voided", "initiative:indus-x", target=99, reason_code="wrong_date", reason="R"), "unknown_target"),
    (of("entry.voided", "initiative:nobody", target=3, reason_code="wrong_date", reason="R"), "unknown_target"),
    (of("initiative.activated", "initiative:indus-x", expected_version=7), "stale_version"),
]


def test_what_a_rule_forbids_is_409(unharmed: Service, subtests: pytest.Subtests) -> None:
    """Unknown subjects, wrong versions, corrections of nothing: refused by name, and sound company is kept out too."""
    for body, rule in REFUSED:
        with subtests.test(rule):
            assert problem_of(unharmed.post(body), 409)["rule"] == rule
            assert problem_of(unharmed.post(changed(), body), 409)["rule"] == rule


def test_the_same_id_twice_in_a_request_is_refused(unharmed: Service) -> None:
    """Two events of a request cannot have one id."""
    twice = changed(id="01990000-0000-7000-8000-000000000001")
    assert problem_of(unharmed.post(twice, twice), 409)["rule"] == "id_repeated"


# --- limits


def test_a_body_has_at_most_1_mib(unharmed: Service) -> None:
    """One byte more is 413, before anything is read into it; a body of just 1 MiB is read."""
    assert problem_of(post(unharmed, b" " * (MIB + 1)), 413)["type"] == "/problems/body-too-large"
    problem_of(post(unharmed, b" " * (MIB - 2) + b"[]"), 422)


def test_a_request_has_at_most_1000_events(service: Service) -> None:
    """1,000 events are recorded at once; one more is refused."""
    events = [event("party.registered", f"party:p{n}", sources=[], name="P", kind="company") for n in range(1_001)]
    assert pointers_of(service.post(*events)) == ["/events"]
    assert service.size() == 0
    assert service.post(*events[:MAX_EVENTS]).json()["position"] == MAX_EVENTS


def test_an_entry_has_at_most_65535_bytes(service: Service) -> None:
    """The line of an entry fits a transparency log; one byte more is 422."""

    def sized(subject: str, rest: int) -> dict[str, Any]:
        texts = {"objective": "é" * 20_000, "note": "é" * 10_000 + "x" * rest}
        return event("initiative.reported", subject, name="N" * 400, kind="other", areas=["space"], **texts)

    service.given(sized("initiative:a", 1_000))
    room = 65_535 - len(service.get("/v1/events/1").content)
    problem = problem_of(service.post(sized("initiative:b", 1_000 + room + 1)), 422)
    assert problem["type"] == "/problems/entry-too-large"
    assert service.size() == 1
    service.given(sized("initiative:b", 1_000 + room))
    assert len(service.get("/v1/events/2").content) == 65_535


SATELLITE = "\U0001f6f0"
LETTER = "\U00010348"  # four bytes


def test_a_name_has_at_most_2000_characters(service: Service) -> None:
    """The longest title, of letters of four bytes, is recorded, listed in order, found by a word of it, and in the timeline; the
    schema says how long it may be, and one character more is refused."""
    titles = [LETTER * 2_000, " ".join(["treaty"] * 285)[:2_000], SATELLITE * 2_000]
    assert {len(title) for title in titles} <= {1_994, 2_000}
    service.given(THX)
    for number, title in enumerate(titles):
        told = event("agreement.adopted", f"agreement:a{number}", "2024", title=title)
        signed = event(
            "agreement.signed", f"agreement:a{number}", "2024-02", title=title, signatories=[{"party": "party:usa"}]
        )
        renamed = event("party.registered", f"party:p{number}", name=title, short_name=title, kind="state")
        service.given(told, signed, renamed)
    for sort, order in (("id", titles), ("-id", titles[::-1])):
        listed = service.get("/v1/agreements", sort=sort).json()["items"]
        assert [one["title"] for one in listed] == order
    assert [one["id"] for one in service.get("/v1/agreements", text=LETTER * 200).json()["items"]] == ["a0"]
    assert [one["id"] for one in service.get("/v1/parties", text="TREATY").json()["items"]] == ["p1"]
    assert [one["event"]["data"]["title"] for one in service.get("/v1/agreements/a0/timeline").json()["items"]] == [
        titles[0]
    ] * 2
    assert pointers_of(service.post(of("agreement.adopted", "agreement:x", title=LETTER * 2_001))) == ["/data/title"]
    schema = service.get("/v1/event-types/agreement.adopted").json()["properties"]["title"]
    assert [one["maxLength"] for one in schema["anyOf"] if "maxLength" in one] == [2_000]


# --- headers


def test_other_media_types_are_415(unharmed: Service, subtests: pytest.Subtests) -> None:
    """A body is declared as JSON."""
    for media_type in ("", "text/plain", "application/xml", "application/jsonp", "json", "ü", "*/*"):
        with subtests.test(media_type):
            headers = [
                (b"Content-Type", media_type.encode("latin-1")),
                (b"Authorization", ADMIN["Authorization"].encode()),
            ]
            response = unharmed.client.post("/v1/events", content=json.dumps(changed()), headers=headers)
            assert problem_of(response, 415)["type"] == "/problems/media-type"


def test_json_may_be_declared_at_length(service: Service) -> None:
    """Parameters and capitals do not matter."""
    for number, media_type in enumerate(("application/json; charset=utf-8", "Application/JSON")):
        body = json.dumps(THX | {"subject": f"source:s{number}"}).encode()
        assert post(service, body, **{"Content-Type": media_type}).status_code == 201


ODD_HEADERS = [
    ("If-Match", b"v1"), ("If-Match", b'"1"'), ("If-Match", b'"v1", "v2"'), ("If-Match", b'"v-1"'), ("If-Match", b""),
    ("If-Match", b'"v99999999999"'), ("If-Match", b'"v\xb2"'), ("Idempotency-Key", b""), ("Idempotency-Key", b'""'),
    ("Idempotency-Key", b'"' + b"x" * 256 + b'"'), ("Idempotency-Key", b"x" * 256), ("Idempotency-Key", b'"a'),
    ("Idempotency-Key", b"a b"), ("Idempotency-Key", b"\xff"), ("Idempotency-Key", b'"\xc3\xbc"'),
    ("Idempotency-Key", b'"a";b=1'),
]  # fmt: skip


def test_odd_headers_are_422(unharmed: Service, subtests: pytest.Subtests) -> None:
    """A precondition or a key that cannot be read is never taken for none."""
    for name, value in ODD_HEADERS:
        with subtests.test(f"{name}: {value!r}"):
            headers = [(b"Authorization", ADMIN["Authorization"].encode()), (name.encode(), value)]
            assert pointers_of(unharmed.client.post("/v1/events", json=changed(), headers=headers)) == [name]


READ_ONCE = {"Authorization": ADMIN["Authorization"], "Request-Id": "a", "Content-Type": "application/json"}
READ_ONCE_BY_APPENDS = {"Idempotency-Key": '"k"', "If-Match": '"v0"', "If-None-Match": "*"}


def test_a_header_that_is_read_once_is_given_once(unharmed: Service, subtests: pytest.Subtests) -> None:
    """On every route: of two values nobody can say which is meant, be they the same."""
    paths = unharmed.get("/v1/openapi.json").json()["paths"] | {"/": {"get": {}}, "/metrics": {"get": {}}}
    for path, method in [(path, method) for path, operations in paths.items() for method in operations]:
        for name, value in (READ_ONCE | (READ_ONCE_BY_APPENDS if method == "post" else {})).items():
            with subtests.test(f"{method} {path}: {name}"):
                others = [(one, other) for one, other in READ_ONCE.items() if one != name]
                headers = [*others, (name, value), (name.upper(), value)]
                answer = unharmed.client.request(
                    method, re.sub("{.*?}", "1", path), headers=headers, content=json.dumps(changed())
                )
                assert pointers_of(answer) == [name]


def test_a_header_that_is_a_list_may_have_several_lines(unharmed: Service) -> None:
    """Accept and If-None-Match are lists: line by line they mean what they mean in one, also where the answer is cached."""
    for path in ("/v1/events", "/v1/initiatives/indus-x"):
        tag = unharmed.get(path).headers["etag"]
        for lines, status in ((('"x"', tag), 304), ((tag, '"x"'), 304), (('"x"', '"y"'), 200)):
            for _ in range(2):
                asked = unharmed.client.get(path, headers=[("If-None-Match", one) for one in lines])
                assert asked.status_code == status, lines
    for lines in (("application/json;q=0.9", "application/jsonl"), ("application/x-ndjson", "application/json;q=0.9")):
        asked = unharmed.client.get("/v1/events", headers=[("Accept", one) for one in lines])
        assert asked.headers["content-type"] == "application/x-ndjson"


def test_odd_if_none_match_is_no_match(unharmed: Service, subtests: pytest.Subtests) -> None:
    """What is no tag of ours is no reason to send nothing."""
    for value in (b"", b",", b'"', b'W/"', b"\xff", b'"a", W/"b",,', b"x" * 8_000, b'W/"\x80"'):
        with subtests.test(repr(value[:16])):
            for path in ("/v1/events", "/v1/initiatives/indus-x"):
                assert unharmed.client.get(path, headers=[(b"If-None-Match", value)]).status_code == 200


# --- paths and query strings

LIST, STATE, LOG = "/v1/initiatives", "/v1/initiatives/indus-x", "/v1/events"
AHEAD = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
BASIS = [
    ("known_at", "-1"), ("known_at", "x"), ("known_at", "5"), ("known_at", str(2**63)), ("known_at", "9" * 5_000),
    ("known_at", AHEAD), ("known_at", "9999-12-31T23:59:59Z"), ("known_at", "9999-12-31T23:59:59-23:59"),
    ("known_at", "2024-09-10"), ("known_at", "2024-02-30T00:00:00Z"), ("known_at", "2024-09-10T00:00:00"),
    ("known_at", "1.5"), ("known_at", ""), ("known_at", "\0"), ("known_at", "#4"), ("known_at", "2024-09-10T24:00:00Z"),
    ("valid_at", "2024"), ("valid_at", "2024-02-30"), ("valid_at", "0000-01-01"), ("valid_at", "10000-01-01"),
    ("valid_at", "20240910"), ("valid_at", "1726000000"), ("valid_at", ""), ("valid_at", "\0"), ("valid_at", "\u0662024-01-01"),
    ("min_position", "-1"), ("min_position", "x"), ("min_position", str(2**63)), ("min_position", ""),
    ("invented", "1"), ("Known_at", "1"), ("\0", "1"), ("known_at[]", "1"),
]  # fmt: skip
QUERIES = [
    *((path, name, value) for path in (LIST, STATE, LOG, f"{STATE}/history") for name, value in BASIS),
    *((LIST, "limit", value) for value in ("0", "-1", "1001", "x", "9" * 30, "1e3", "")),
    *((LOG, "limit", value) for value in ("0", "1001")), *((LOG, "after", value) for value in ("-1", "x", "9" * 30)),
    *((LOG, "type", value) for value in ("", "party", "party.x\0", "%", "a." + "b" * 200)),
    *((path, name, value) for path, name in ((LOG, "subject"), (LIST, "ref"), (LIST, "party"))
      for value in ("", "party", "party:", "party:A", "party:a\0", "party:a'--", "party:a\n")),
    *((LIST, name, value) for name in ("status", "kind", "area") for value in ("", "\0", "a b", "x" * 51, "é", "'")),
    (LIST, "text", ""), (LIST, "text", "a\0b"), (LIST, "text", "x" * 201), (LIST, "due_before", "2024"),
    (LIST, "overdue", "perhaps"), (LIST, "sort", "names"), (LIST, "sort", ""), ("/v1/events/1", "disclose", "2"),
    ("/v1/events/1", "invented", "1"),
]  # fmt: skip


def test_odd_parameters_are_pointed_at(unharmed: Service, subtests: pytest.Subtests) -> None:
    """A parameter that cannot be read, is out of range or is not known: 422 with its name."""
    for path, name, value in QUERIES:
        with subtests.test(f"{path}?{name}={value[:30]!r}"):
            assert pointers_of(unharmed.get(path, **{name: value}))[0] == name


STREAM = "/v1/events/stream"
"""It does not end."""
MISTYPED = {
    "/v1/agreements?status=inforce": "did you mean in_force?",
    "/v1/agreements?status=IN_FORCE": "did you mean in_force?",
    "/v1/agreements?kind=treatey": "did you mean treaty?",
    "/v1/milestones?status=partially_met": "did you mean partiallyMet?",
    "/v1/parties?status=zzz": "they have registered, succeeded, dissolved",
    "/v1/initiatives?area=spaace": "did you mean space?",
    "/v1/meetings?area=space": "it is one of /v1/initiatives",
    "/v1/meetings?limits=1": "did you mean limit?",
    "/v1/events?type=agreement.sgned": "did you mean agreement.signed?",
    "/v1/events?type=zzz": "/v1/event-types lists their types",
}


def test_a_mistyped_word_is_told_with_the_one_that_was_meant(unharmed: Service, subtests: pytest.Subtests) -> None:
    """No filter takes a word that is none: it would find nothing, and read as if there were nothing."""
    for path, told in MISTYPED.items():
        with subtests.test(path):
            name = path.partition("?")[2].partition("=")[0]
            problem = problem_of(unharmed.get(path), 422)
            assert [one["pointer"] for one in problem["errors"]] == [name]
            assert told in problem["detail"]
    assert (
        "did you mean party.registered?" in problem_of(unharmed.get("/v1/event-types/party.registerd"), 404)["detail"]
    )
    appended = unharmed.post({"type": "party.registerd", "subject": "party:a", "sources": [], "data": {}})
    assert "did you mean party.registered?" in problem_of(appended, 422)["detail"]


def test_every_filter_takes_every_word_of_its_list(unharmed: Service) -> None:
    """The reference names the words of each filter, and each of them is taken."""
    paths = unharmed.get("/v1/openapi.json").json()["paths"]
    tried = set()
    data = {path: told for path, told in paths.items() if "{" not in path and path != STREAM}
    for path, one in ((path, one) for path, told in data.items() for one in told.get("get", {}).get("parameters", ())):
        for word in one["schema"].get("anyOf", [{}])[0].get("enum", ()):
            assert unharmed.get(path, **{one["name"]: word}).status_code == 200, (path, word)
            tried.add((path, one["name"]))
    assert tried >= {(f"/v1/{kind.plural}", name) for kind in KINDS.values() for name in ("status", "kind")}
    assert tried >= {("/v1/initiatives", "area"), ("/v1/events", "type"), ("/v1/events", "kind"), ("/v1/ready", "for")}


def test_no_filter_takes_a_word_that_is_none(unharmed: Service) -> None:
    """On every route of the reference each parameter with a list of words refuses others, and names the one that was meant."""
    paths = unharmed.get("/v1/openapi.json").json()["paths"]
    tried = set()
    for path, operations in paths.items():
        for method, operation in operations.items():
            for one in (one for one in operation.get("parameters", ()) if one["in"] == "query"):
                branches = one["schema"].get("anyOf", [one["schema"]])
                if words := [word for branch in branches for word in branch.get("enum", ())]:
                    at = re.sub("{.*?}", "csv", path)
                    problem = problem_of(unharmed.client.request(method, at, params={one["name"]: f"{words[0]}x"}), 422)
                    assert [fault["pointer"] for fault in problem["errors"]] == [one["name"]]
                    assert f"did you mean {words[0]}?" in problem["detail"], (path, one["name"])
                    tried.add((path, one["name"]))
    assert tried >= {("/v1/events", "kind"), (STREAM, "kind"), ("/v1/meetings", "sort"), ("/meetings.{suffix}", "sort")}


def test_what_is_at_the_edge_is_read(unharmed: Service) -> None:
    """The first and the last day and position there can be are no errors."""
    for params in (
        {"valid_at": "0001-01-01"}, {"valid_at": "9999-12-31"}, {"known_at": "0"}, {"known_at": KNOWN},
        {"known_at": "0001-01-01T00:00:00Z"}, {"known_at": "0001-01-01T00:00:00+23:59"}, {"min_position": KNOWN},
        {"limit": 1_000}, {"text": "🛰 ' \" \\ % _"},
    ):  # fmt: skip
        assert unharmed.get(LIST, **params).status_code == 200, params
    assert unharmed.get(LOG, after=2**62).json() == {"events": [], "next": None}
    assert unharmed.client.get(f"{LIST}?&&").status_code == 200


def test_no_parameter_is_ignored(unharmed: Service) -> None:
    """On every route: one that is not known, or is given twice, is refused by its name."""
    paths = unharmed.get("/v1/openapi.json").json()["paths"] | {"/": {"get": {}}, "/metrics": {"get": {}}}
    for path, operations in paths.items():
        for method, operation in operations.items():
            at = re.sub("{.*?}", "1", path)
            assert pointers_of(unharmed.client.request(method, f"{at}?known-at=1")) == ["known-at"]
            for one in operation.get("parameters", []):
                if one["in"] == "query":
                    twice = unharmed.client.request(method, f"{at}?{one['name']}=1&{one['name']}=1")
                    assert pointers_of(twice) == [one["name"]], path


ODD_PATHS = [
    "/v1/initiatives/%00", "/v1/initiatives/INDUS-X", "/v1/initiatives/a%0a", "/v1/initiatives/" + "a" * 101,
    "/v1/initiatives/%ff", "/v1/initiatives/..%2f", "/v1/initiatives/%F0%9F%9B%B0/timeline", "/v1/events/x",
    "/v1/events/1.5", "/v1/events/%00", "/v1/events/1%00", "/v1/events/%ff", "/v1/events/" + "9" * 5_000,
    "/v1/event-types/%00", "/v1/event-types/party.registered/x", "/v1/event-types/party.registered/%00",
    "/problems/%00", "/v1/%ff", "/static-offline-docs/%00", "/static-offline-docs/..%2f..%2fapp.py",
]  # fmt: skip


def test_odd_paths_are_problems(unharmed: Service, subtests: pytest.Subtests) -> None:
    """A path that names nothing, or nothing that could be, is 404 or 422."""
    for path in ODD_PATHS:
        with subtests.test(path[:80]):
            response = unharmed.client.get(path)
            assert response.status_code in (404, 422), response.text
            problem_of(response, response.status_code)


# --- cursors


def tampered(cursor: str, **changes: Any) -> str:
    told = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return urlsafe_b64encode(json.dumps(told | changes).encode()).rstrip(b"=").decode()


@pytest.fixture
def pages(service: Service) -> Service:
    service.given(*(event("milestone.scheduled", f"milestone:m{n}", title="M", due="2024-11") for n in range(3)), THX)
    return service


def test_a_cursor_goes_with_its_own_list(pages: Service) -> None:
    """A cursor of another list, of other filters or of another order is refused; its own list takes it."""
    cursor = pages.get("/v1/milestones", limit=1).json()["next"]
    assert pages.get("/v1/milestones", limit=2, cursor=cursor).status_code == 200
    for path, params in (
        ("/v1/meetings", {}),
        ("/v1/milestones", {"status": "scheduled"}),
        ("/v1/milestones", {"sort": "due"}),
        ("/v1/milestones", {"overdue": "true"}),
        ("/v1/milestones/m1/timeline", {}),
    ):
        assert pointers_of(pages.get(path, limit=1, cursor=cursor, **params)) == ["cursor"]


def test_a_cursor_goes_with_its_own_clocks(pages: Service) -> None:
    """It carries a basis: another one beside it is refused, by its name; the same one is no matter."""
    page = pages.get("/v1/milestones", limit=1, valid_at="2030-01-01").json()
    at, of = page["basis"], {"limit": 1, "cursor": page["next"]}
    same = pages.get("/v1/milestones", known_at=at["known_at"], valid_at=at["valid_at"], **of)
    assert (same.status_code, same.json().get("basis")) == (200, at), same.text
    for other in ({"known_at": 1}, {"valid_at": "2030-01-02"}, {"known_at": 99_999}):
        assert pointers_of(pages.get("/v1/milestones", **other, **of)) == [*other]
    last = pages.get("/v1/milestones", limit=1, valid_at="9999-12-31").json()["next"]
    assert pages.get("/v1/milestones", limit=1, valid_at="9999-12-31", cursor=last).status_code == 200


def test_what_is_no_cursor_is_422(unharmed: Service, subtests: pytest.Subtests) -> None:
    """A cursor is taken from the page before, as it is."""
    for cursor in ("", "x", "é", "\0", "====", "e30", "bnVsbA", "W1tbW1tbW1tbW1s", "//8", "A" * 1_001):
        with subtests.test(repr(cursor[:16])):
            for path in (LIST, f"{STATE}/timeline"):
                assert pointers_of(unharmed.get(path, cursor=cursor)) == ["cursor"]


PLACES: list[tuple[str, list[Any]]] = [
    *((sort, location) for sort in ("id", "-id", "due", "-due", "date", "-date", "recorded") for location in (
        [], [1, 2], ["", ""], ["", "milestone:\0"], ["\0", "milestone:m0"], ["2024-02-30", "milestone:m0"],
        ["", "milestone:m0", ""], [None, None], [["x"], "milestone:m0"], ["now", "milestone:m0"])),
    ("id", ["2024-11-30", "milestone:m0"]), ("due", ["", "milestone:m0"]), ("due", ["-infinity", "milestone:m0"]),
    *((sort, ["m\0", "milestone:m0"]) for sort in ("name", "-name")),
]  # fmt: skip


def test_a_tampered_cursor_is_422(pages: Service) -> None:
    """Whatever somebody puts into a cursor, it is a place in the list or none."""
    for sort, location in PLACES:
        cursor = pages.get("/v1/milestones", limit=1, sort=sort).json()["next"]
        response = pages.get("/v1/milestones", limit=1, sort=sort, cursor=tampered(cursor, after=location))
        assert pointers_of(response) == ["cursor"], (sort, location)
    cursor = pages.get("/v1/milestones", limit=1).json()["next"]
    for change in (
        {"known_at": -1},
        {"known_at": 99},
        {"known_at": 2**70},
        {"known_at": "x"},
        {"valid_at": "x"},
        {"of": None},
        {"epoch": "x"},
        {"x": 1},
    ):
        assert pointers_of(pages.get("/v1/milestones", limit=1, cursor=tampered(cursor, **change))) == ["cursor"]
    another = tampered(cursor, epoch="0" * 16)
    assert pointers_of(pages.get("/v1/milestones", limit=1, cursor=another), 409) == ["cursor"]

    pages.given(event("milestone.met", "milestone:m0", "2024-10"))
    cursor = pages.get("/v1/milestones/m0/timeline", limit=1).json()["next"]
    for location in (
        [],
        ["2024-02-30", 1, 1],
        ["2024-01-01", "x", 1],
        ["2024-01-01", 1, 2**70],
        ["2024-01-01", -(2**40), 1],
        ["2024-01-01", 1, -1],
    ):
        response = pages.get("/v1/milestones/m0/timeline", limit=1, cursor=tampered(cursor, after=location))
        assert pointers_of(response) == ["cursor"], location


def test_no_cursor_holds_what_no_row_does(pages: Service) -> None:
    """A NUL in the place of a list that is none of one kind: of what is due, and of what is odd."""
    for path, location in (
        ("/v1/due", ["milestone:m0", "\0", "2024-11-30"]),
        ("/v1/anomalies", ["milestone:m0", "\0"]),
    ):
        cursor = pages.get(path, limit=1).json()["next"]
        assert pages.get(path, limit=1, cursor=cursor).status_code == 200
        assert pointers_of(pages.get(path, limit=1, cursor=tampered(cursor, after=location))) == ["cursor"]


# --- as it comes over the wire


def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    """What the server says to these bytes, until it hangs up."""
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_odd_bytes_on_the_wire_are_no_failure(unharmed: Service) -> None:
    """Hosts that are none, paths and queries that are no UTF-8, heads that are no HTTP: never a 5xx."""
    with listening(unharmed) as address:
        for target, host in (
            (b"/v1/events?limit=1", b"[::1"), (b"/v1/initiatives?limit=1", b""), (b"/nope", b"[bad"),
            (b"/v1/events?limit=1&after=0&x=%ff", b"a"), (b"/v1/initiatives/%ff%fe", b"a"), (b"/%", b"a"),
            (b"/v1/initiatives?text=%ff%00", b"a"), (b"/v1/initiatives?cursor=%ff", b"a"), (b"http://x/v1/events", b"a"),
            (b"*", b"a"), (b"/v1/events?" + b"a=1&" * 2_000, b"a"), (b"//v1/events", b"a\tb"), (b"/v1/events#x", b"a"),
        ):  # fmt: skip
            answer = exchange(address, b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (target, host))
            assert answer.split(b" ")[1][:1] in (b"2", b"4"), (target, host, answer)
        for raw in (b"\0\0\0\0\r\n\r\n", b"GET \xff HTTP/1.1\r\nHost: a\r\n\r\n"):
            assert exchange(address, raw).split(b" ")[1][:1] == b"4", raw


def test_a_head_has_a_size_as_a_body_has(unharmed: Service, caplog: pytest.LogCaptureFixture) -> None:
    """A client that sends more headers than it may is told so: in one of them or in many, in the address, and though no header
    comes to its end. After a head that was sound, trailers without end are cut off."""
    get, post = (
        b"GET /v1/ready HTTP/1.1\r\nHost: a\r\n",
        HEAD + KEY + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n",
    )
    many = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 100) for number in range(700))
    with listening(unharmed) as address:
        for sent in (b"X: %s\r\n\r\n" % (b"a" * 70_000), many + b"\r\n", many, b"X: " + b"a" * 400_000):
            answer = exchange(address, get + sent)
            assert answer.startswith(b"HTTP/1.1 431 "), answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "/problems/head-too-large"
        assert exchange(address, b"GET /" + b"a" * 400_000).startswith(b"HTTP/1.1 4")
        for head in (
            b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 70_000),
            get + b"a:\r\n" * 60_000 + b"\r\n",
            get + b"a:\r\n" * 101,
        ):
            answer = exchange(address, head)
            assert answer.startswith(b"HTTP/1.1 431 "), answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "/problems/head-too-large"
        assert not [one for one in caplog.records if one.exc_info]
        assert exchange(address, get + b"a:\r\n" * 98 + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        for trailers in (many + b"\r\n", b"X: " + b"a" * 400_000):
            with suppress(ConnectionResetError):
                assert exchange(address, post + trailers) == b""
        fits = b"X: %s\r\nConnection: close\r\n\r\n" % (b"a" * 60_000)
        assert exchange(address, get + fits).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_request_is_never_answered_in_anothers_place(unharmed: Service) -> None:
    """Behind a request that has no whole answer yet, a head that is too large, or none at all, ends the connection: what is said of it
    would be taken for that answer, or for a part of it."""
    get = b"GET /v1/events/stream HTTP/1.1\r\nHost: a\r\n\r\n"
    for bad in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"a" * 70_000),
                b"POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):  # fmt: skip
        with listening(unharmed) as address:
            assert exchange(address, get + bad) == b""
            with socket.create_connection(address, timeout=20) as connection:
                connection.sendall(get)
                heard = connection.recv(100)
                connection.sendall(bad)
                with suppress(ConnectionResetError):
                    while more := connection.recv(65_536):
                        heard += more
            assert heard.startswith(b"HTTP/1.1 200 ")
            assert heard.count(b"HTTP/1.1") == 1


def test_what_the_service_reads_of_headers_takes_as_long_as_they_are() -> None:
    """Each character is looked at about once: if it were for every other one, this would take days."""
    quotes, blanks = '"' + '\\"' * 2_000_000, " " * 4_000_000
    assert set(weights(quotes)) == {0.0}
    assert preferences([quotes, "wait=3"]).wait_s == 0
    assert Sessions().key(b'__Host-ledger="%s"' % quotes.encode()) is None
    assert coding_of(f"gzip{blanks}x") is None
    assert coding_of(f"br,{blanks}gzip{blanks};{blanks}q=0.1") == "gzip"
    names = [b"x-%d" % number for number in range(500_000)]
    assert len(joined([(name, b"") for name in (*names, *names)])) == len(names)


def test_a_huge_body_is_answered_and_not_kept(unharmed: Service) -> None:
    """A client that sends far more than it may is told so, whether or not it said how much would come."""
    head = b"POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
    head += b"Authorization: %s\r\n" % ADMIN["Authorization"].encode()
    chunk = b"%x\r\n%s\r\n" % (MIB, b" " * MIB)
    with listening(unharmed) as address:
        for sent in (
            b"Content-Length: %d\r\n\r\n%s" % (4 * MIB, b" " * 4 * MIB),
            b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 4 + b"0\r\n\r\n",
        ):
            assert b" 413 " in exchange(address, head + sent).partition(b"\r\n")[0]


def test_a_broken_off_body_is_not_recorded(unharmed: Service, caplog: pytest.LogCaptureFixture) -> None:
    """A request that ends before its body does leaves nothing, and is no failure of the service."""
    head = b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 999\r\n"
    head += b"Authorization: %s\r\n\r\n" % ADMIN["Authorization"].encode()
    with listening(unharmed) as address, socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head + json.dumps(changed()).encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert "failed" not in caplog.text


HEAD = b"POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
KEY = b"Authorization: %s\r\n" % ADMIN["Authorization"].encode()


@pytest.mark.parametrize(
    ("status", "head", "size"),
    [(401, HEAD + b"Content-Type: application/json\r\n", 99), (401, HEAD, 16 * MIB), (415, HEAD + KEY, 99),
     (413, HEAD + KEY + b"Content-Type: application/json\r\n", MIB + 1), (405, HEAD.replace(b"POST", b"PUT"), 99)],
)  # fmt: skip
def test_what_is_refused_anyway_is_answered_before_its_body(
    unharmed: Service, status: int, head: bytes, size: int
) -> None:
    """No body is waited for from who has no key, nor one that says it is too large; and who sends it all the same is not
    cut off."""
    with listening(unharmed) as address, socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % size)
        assert b" %d " % status in connection.recv(MIB).partition(b"\r\n")[0]
        connection.sendall(b" " * size)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("sent", [b"", b"{"])
def test_a_body_is_not_waited_for_for_ever(unharmed: Service, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """Where it does not arrive in time the answer is 408, and the connection ends."""
    monkeypatch.setattr(doorstep, "ARRIVAL_S", 0.1)
    head = HEAD.replace(b"close", b"keep-alive") + KEY + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    with listening(unharmed) as address:
        answer = exchange(address, head + sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "/problems/body-late"


def test_what_is_no_object_is_told_so_in_words(service: Service) -> None:
    """No name of our own code is in the answer to a body that is a list, a number or nothing."""
    for body in ("[]", "3", "null", '"x"', '{"events": [3]}'):
        response = service.client.post("/v1/events", content=body, headers=ADMIN | {"Content-Type": "application/json"})
        assert "this is no JSON object" in problem_of(response, 422)["detail"], body


AS_ADMIN = [*ADMIN.items(), *JSON.items()]
WRONG_APPENDS = [
    ([], b"{}"),
    ([("Authorization", "Bearer wrong")], b"{}"),
    ([*ADMIN.items()], b"{}"),
    ([*ADMIN.items(), ("Content-Type", "text/plain")], b"{}"),
    (AS_ADMIN, b"no JSON"),
    (AS_ADMIN, b"x" * (MIB + 1)),
    (AS_ADMIN, json.dumps(THX | {"type": "source.nothing"}).encode()),
    ([*AS_ADMIN, ("If-Match", "17")], json.dumps(THX).encode()),
    ([*AS_ADMIN, ("If-Match", '"v9"')], json.dumps(THX).encode()),
    ([*AS_ADMIN, ("If-None-Match", '"x"')], json.dumps(THX).encode()),
    ([*AS_ADMIN, ("Idempotency-Key", "")], json.dumps(THX).encode()),
    ([*AS_ADMIN, ("Idempotency-Key", "a"), ("Idempotency-Key", "b")], json.dumps(THX).encode()),
]


@pytest.mark.parametrize(("headers", "body"), WRONG_APPENDS, ids=count())
def test_an_append_is_refused_in_the_same_words_with_a_query_and_without(
    service: Service, headers: list[tuple[str, str]], body: bytes
) -> None:
    """Whichever way the request is put together, what is wrong with it is told alike."""
    plain, queried = (
        service.client.post(f"/v1/events{query}", headers=[*headers, ("Request-Id", "same")], content=body)
        for query in ("", "?dry_run=false")
    )
    assert plain.status_code >= 400
    assert (plain.status_code, plain.content, plain.headers) == (queried.status_code, queried.content, queried.headers)


RIGHT_APPENDS: list[tuple[list[tuple[str, str]], int]] = [
    ([], 201),
    ([("Idempotency-Key", '"once"')], 201),
    ([("Prefer", "respond-async"), ("Prefer", "handling=strict")], 201),
    ([("If-None-Match", "*")], 201),
    ([("If-Match", '"v1"')], 412),
]


@pytest.mark.parametrize(("headers", "status"), RIGHT_APPENDS, ids=count())
def test_an_append_is_taken_alike_with_a_query_and_without(
    service: Service, headers: list[tuple[str, str]], status: int
) -> None:
    """Each header that it has bears on both alike; and both say the same of what they did."""
    told = []
    for query, name in (("", "a"), ("?dry_run=false", "b")):
        body = json.dumps(event("party.registered", f"party:{name}", sources=[], name="P", kind="company"))
        given = [(key, value.replace("once", name)) for key, value in headers]
        answer = service.client.post(f"/v1/events{query}", headers=[*AS_ADMIN, *given], content=body)
        assert answer.status_code == status, answer.text
        told.append((answer.json().keys(), answer.headers.get("preference-applied"), answer.headers.keys()))
    assert told[0] == told[1]
