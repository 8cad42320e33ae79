"""Access: keys with roles, kept as digests; who may append, who may read, and that no key shows anywhere."""

import logging
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from pydantic import SecretStr

from api.http import dependencies as app_state
from api.http.auth import (
    Holder,
    KeyRow,
    Role,
    allow,
    create_key,
    digest,
    ensure_admin_key,
    find_key,
    list_keys,
    revoke_key,
)
from ledger.database.connection import Connection, LedgerLocation
from ledger.errors import Denied, Invalid, Misconfigured, NotFound
from ledger.settings import read_settings
from tests.examples import INDUS_X, THX, USA, event
from tests.service import ADMIN, ADMIN_KEY, Service, half_a_request, listening, problem_of, running

pytest_plugins = ["tests.service"]

READS = ("/v1/events", "/v1/events/1", "/v1/initiatives", "/v1/initiatives/indus-x", "/v1/initiatives/indus-x/history")
OPEN = ("/v1/health", "/v1/ready", "/metrics", "/v1/event-types", "/v1/openapi.json", "/api", "/problems/invalid")


TALKS = event("meeting.held", "meeting:talks", "2024", title="Talks", participants=[{"person": "A. Canary"}])


@pytest.fixture
def closed(location: LedgerLocation) -> Iterator[Service]:
    """A service that shows nothing without a key."""
    with running(location, public_reads=False) as opened:
        opened.given(THX, INDUS_X)
        yield opened


def key_of(location: LedgerLocation, name: str, role: Role) -> dict[str, str]:
    with location.connect() as connection:
        return {"Authorization": f"Bearer {create_key(connection, name, role)}"}


# --- keys


def test_only_the_digest_of_a_key_is_kept(location: LedgerLocation, reader: Connection) -> None:
    """The key is shown once; what the database holds is its SHA-256."""
    key = create_key(reader, "alice", Role.reader)
    assert len(key) > 40
    rows = reader.execute("select name, key_sha256, role from api_keys").fetchall()
    assert rows == [("alice", sha256(key.encode()).digest(), "reader")]
    assert create_key(reader, "bob", Role.reader) != key


def test_keys_are_listed_and_revoked(reader: Connection) -> None:
    """A revoked key opens nothing, stays listed, and frees its name; another's key goes on."""
    key, other = create_key(reader, "alice", Role.admin), create_key(reader, "bob", Role.auditor)
    revoke_key(reader, "alice")
    assert find_key(reader, key) is None
    assert find_key(reader, other) == ("bob", Role.auditor)
    alice, bob = list_keys(reader)
    assert isinstance(alice, KeyRow)
    assert (alice.name, alice.role, bob.revoked_at) == ("alice", "admin", None)
    assert alice.revoked_at is not None
    with pytest.raises(NotFound):
        revoke_key(reader, "alice")
    assert find_key(reader, create_key(reader, "alice", Role.reader)) == ("alice", Role.reader)


def test_a_name_has_one_key(reader: Connection) -> None:
    """A second key for a name, or a name that is none, is refused."""
    create_key(reader, "alice", Role.reader)
    with pytest.raises(Invalid, match="revoke it first"):
        create_key(reader, "alice", Role.admin)
    for odd in ("", "Alice", "a b", "a\n", "x" * 64, "ü", "-a"):
        with pytest.raises(Invalid, match="no name"):
            create_key(reader, odd, Role.reader)


def test_the_admin_key_of_the_settings_is_an_admins(reader: Connection, caplog: pytest.LogCaptureFixture) -> None:
    """It is made once; a new one takes its place, which is said, and gives it back; a reader's is never raised."""
    first, second = "the-first-key-of-all", "the-second-key-of-all"
    ensure_admin_key(reader, first)
    ensure_admin_key(reader, first)
    assert find_key(reader, first) == ("admin", Role.admin)
    assert caplog.text == ""
    for now, former in ((second, first), (first, second), (second, first)):
        caplog.clear()
        ensure_admin_key(reader, now)
        assert find_key(reader, former) is None
        assert find_key(reader, now) == ("admin", Role.admin)
        assert "the former key is revoked" in caplog.text
    create_key(reader, "bob", Role.reader, "the-key-of-a-reader")
    with pytest.raises(Invalid, match="take another"):
        ensure_admin_key(reader, "the-key-of-a-reader")
    assert find_key(reader, second) == ("admin", Role.admin)
    revoke_key(reader, "admin")
    with pytest.raises(Invalid, match="was revoked: take another"):
        ensure_admin_key(reader, second)


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that is wrong is named, with what it must be, and its value is not shown."""
    for wrong in ("too-short", "no-key-of-a-caf\u00e9-can-be-sent", "nor one with a space", "x" * 501):
        monkeypatch.setenv("LEDGER_ADMIN_KEY", wrong)
        with pytest.raises(Misconfigured, match="LEDGER_ADMIN_KEY: give 16 to 500 letters") as raised:
            read_settings()
        assert wrong not in str(raised.value)
    monkeypatch.setenv("LEDGER_ADMIN_KEY", "long-enough-to-be-a-key")
    assert read_settings().admin_key == SecretStr("long-enough-to-be-a-key")
    assert "long-enough" not in repr(read_settings())


# --- who may do what


def test_only_admins_append(closed: Service) -> None:
    """Without a key 401, with a reader's or an auditor's 403; nothing is recorded. An admin's own name is recorded."""
    post = closed.client.post
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        problem_of(post("/v1/events", json=USA, headers=headers), 401)
    for role in (Role.reader, Role.auditor):
        problem_of(post("/v1/events", json=USA, headers=key_of(closed.location, f"a-{role.name}", role)), 403)
    assert closed.size() == 2
    alice = key_of(closed.location, "alice", Role.admin)
    assert post("/v1/events", json=USA, headers=alice).status_code == 201
    assert closed.get("/v1/events/3", alice).json()["authid"] == "alice"


def test_reads_need_a_key_unless_they_are_public(closed: Service) -> None:
    """Any role reads; without a key nothing of the ledger is shown but its health and the reference."""
    keys = [ADMIN, *(key_of(closed.location, role.name, role) for role in (Role.reader, Role.auditor))]
    closed.follower.step()
    for path in READS:
        refused = closed.get(path)
        assert problem_of(refused, 401)["type"] == "/problems/unauthorised"
        assert refused.headers["www-authenticate"].startswith("Bearer")
        for key in keys:
            assert closed.get(path, key).status_code == 200
    for path in OPEN:
        assert closed.get(path).status_code == 200
    with running(closed.location, public_reads=True) as public:
        for path in READS:
            assert public.get(path).status_code == 200
        problem_of(public.get("/v1/events", {"Authorization": "Bearer wrong"}), 401)


@pytest.mark.parametrize("public_reads", [True, False])
@pytest.mark.parametrize("which", ["1", "the id", "9"])
def test_only_auditors_see_what_opens_a_commitment(location: LedgerLocation, public_reads: bool, which: str) -> None:
    """No key is 401 and a reader's 403, where reads are public too, and whether or not there is such an entry."""
    with running(location, public_reads=public_reads) as service:
        # given
        [recorded] = service.given(TALKS)
        path = f"/v1/events/{recorded['id'] if which == 'the id' else which}"
        reader, auditor = (key_of(location, role.name, role) for role in (Role.reader, Role.auditor))
        for key in (auditor, ADMIN) if which != "9" else ():
            # when
            opened = service.get(path, key, disclose=True)
            # then
            assert opened.json()["disclosures"]["/data/participants/0/person"]["value"] == "A. Canary"
            assert opened.headers["cache-control"] == "private, no-store"
        for spelt in ("true", "1", "on", "True"):
            for headers, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), (reader, 403)):
                refused = service.get(path, headers, disclose=spelt)
                assert problem_of(refused, status)["type"] in ("/problems/unauthorised", "/problems/forbidden")
                assert "Canary" not in refused.text


def test_what_opens_a_commitment_is_never_given_again(location: LedgerLocation) -> None:
    """What an auditor was shown is shown to nobody else, nor to the auditor once the key is revoked; not by its ETag."""
    with running(location) as service:
        # given
        service.given(TALKS)
        auditor = key_of(location, "carol", Role.auditor)
        pinned: dict[str, Any] = {"disclose": True, "known_at": 1, "valid_at": "2025-01-01"}
        # when
        first = service.get("/v1/events/1", auditor, **pinned)
        assert "Canary" in service.get("/v1/events/1", auditor, **pinned).text
        # then
        assert service.client.app.app_state.cache.answers.currsize == 0  # type: ignore[attr-defined]
        problem_of(service.get("/v1/events/1", {"If-None-Match": first.headers["etag"]}, **pinned), 401)
        with location.connect() as connection:
            revoke_key(connection, "carol")
        problem_of(service.get("/v1/events/1", auditor, **pinned), 401)
        plain = service.get("/v1/events/1", known_at=1, valid_at="2025-01-01")
        assert (plain.status_code, plain.headers["cache-control"], "Canary" in plain.text) == (200, "no-cache", False)


def test_a_revoked_key_is_refused_at_once(closed: Service) -> None:
    """From the moment of revoking, the key opens nothing; others go on."""
    alice, bob = (key_of(closed.location, name, Role.reader) for name in ("alice", "bob"))
    assert closed.get("/v1/events", alice).status_code == 200
    with closed.location.connect() as connection:
        revoke_key(connection, "alice")
    problem_of(closed.get("/v1/events", alice), 401)
    assert closed.get("/v1/events", bob).status_code == 200


def test_a_key_that_is_revoked_while_the_body_comes_opens_nothing(
    closed: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was let in holds no door open: what counts is whether the key is good once the body is there."""
    monkeypatch.setattr(app_state, "MEANWHILE_S", 0)
    with listening(closed) as (_, port, *_), half_a_request(port) as connection:
        with closed.location.connect() as other:
            revoke_key(other, "admin")
        connection.sendall(b" " * 9)
        assert connection.recv(99).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "header",
    [b"", b"Bearer", b"Bearer ", b"Basic YTpi", b"an-admin-key-for-tests", b"Bearer \xff\xfe", b"Bearer \xc3\xbc",
     b"Bearer " + b"x" * 8_000, b"Bearer an-admin-key-for-tests x", b"\x80", b"Bearer,"],
)  # fmt: skip
def test_odd_authorization_is_refused(closed: Service, header: bytes) -> None:
    """Whatever stands in the header that is no key gets 401, never a failure."""
    problem_of(closed.client.get("/v1/events", headers=[(b"Authorization", header)]), 401)
    problem_of(closed.client.post("/v1/events", json=USA, headers=[(b"Authorization", header)]), 401)


def test_the_word_bearer_is_read_in_any_case() -> None:
    """Clients write Bearer as they like."""
    alice = Holder("alice", Role.reader)
    known = {digest("the-key-of-alice"): alice}
    for word in ("Bearer", "bearer", "BEARER"):
        assert allow(known, f"{word} the-key-of-alice", Role.reader) == alice
    with pytest.raises(Denied):
        allow(known, "Token the-key-of-alice", Role.reader)


def test_no_key_shows_in_logs_or_answers(closed: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what is logged nor what is answered holds a key, whether it was right or wrong."""
    caplog.set_level(logging.DEBUG)
    told = [
        closed.post(USA),
        closed.get("/v1/events", ADMIN),
        closed.get("/v1/events", {"Authorization": "Bearer wrong-key"}),
    ]
    for response in told:
        for key in (ADMIN_KEY, "wrong-key"):
            assert key not in response.text
            assert key not in str(response.headers)
    assert ADMIN_KEY not in caplog.text
    assert "wrong-key" not in caplog.text
