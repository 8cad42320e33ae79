"""Signing in on pages: a key into a cookie, what it opens there, and that no other site's page and nobody else gains by it."""

import re
from collections.abc import Callable, Iterator
from itertools import product
from urllib.parse import parse_qsl, urlencode

import pytest
from fastapi.responses import Response as Answer
from httpx2 import Response
from pydantic import SecretStr

from api.http.auth import Role, create_key, revoke_key
from api.http.sessions import COOKIE, FEW, LASTS_S, PAUSE_S, Attempts, Sessions
from ledger.database.connection import LedgerLocation
from tests.examples import INDUS_X, THX, event
from tests.service import ADMIN_KEY, Service, problem_of, running

pytest_plugins = ["tests.service"]

PERSON = "A. Canary"
TALKS = event("meeting.held", "meeting:talks", "2024", title="Talks", participants=[{"person": PERSON}])
PAGE = "/meetings/talks"
FORM = "application/x-www-form-urlencoded"


def post(service: Service, path: str, given: dict[str, str], **headers: str) -> Response:
    """A form that a page sends."""
    sent = {"Content-Type": FORM} | {name.replace("_", "-"): value for name, value in headers.items()}
    service.client.cookies.clear()
    return service.client.post(path, content=urlencode(given), headers=sent)


def sign_in(service: Service, key: str, **more: str) -> Response:
    return post(service, "/sign-in", {"key": key} | more)


def session(service: Service, key: str) -> dict[str, str]:
    """The header that a browser sends from then on."""
    answer = sign_in(service, key)
    assert answer.status_code == 303, answer.text
    service.client.cookies.clear()
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


@pytest.fixture
def key_of(location: LedgerLocation) -> Callable[[str, Role], str]:
    def make(name: str, role: Role) -> str:
        with location.connect() as connection:
            return create_key(connection, name, role)

    return make


@pytest.fixture
def met(service: Service) -> Service:
    """A service whose ledger has a meeting with a person at it."""
    service.given(THX, TALKS)
    return service


def test_a_key_begins_a_session_in_a_cookie_that_is_bound_to_the_site(met: Service) -> None:
    """The cookie is the site's alone, not for scripts, over HTTPS alone, and does not hold the key as it is."""
    answer = sign_in(met, ADMIN_KEY, next="/meetings?sort=-id")
    assert (answer.status_code, answer.headers["location"]) == (303, "/meetings?sort=-id")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == COOKIE == "__Host-ledger"
    attributes = {one.strip().lower() for one in rest.split(";")[1:]}
    assert {"httponly", "secure", "samesite=lax", "path=/", f"max-age={LASTS_S}"} <= attributes
    assert not any(one.startswith("domain") for one in attributes)
    assert ADMIN_KEY not in answer.headers["set-cookie"]
    assert answer.headers["cache-control"] == "no-store"


def test_the_header_of_a_page_shows_whose_session_it_is(met: Service) -> None:
    """Whoever has not signed in is offered to, and comes back to the page; whoever has sees the key's name."""
    page = met.get("/meetings?sort=-id").text
    link = next(link for link in _links(page) if link.startswith("/sign-in"))
    answer = sign_in(met, ADMIN_KEY, next=dict(parse_qsl(link.partition("?")[2]))["next"])
    assert answer.headers["location"] == "/meetings?sort=-id"
    signed_in = met.get(PAGE, session(met, ADMIN_KEY))
    assert "admin, admin" in signed_in.text
    assert 'action="/sign-out"' in signed_in.text
    assert "Sign in" not in signed_in.text


@pytest.mark.parametrize(("role", "sees"), [(Role.reader, False), (Role.auditor, True), (Role.admin, True)])
def test_pages_show_what_the_keys_role_may_see(
    met: Service, key_of: Callable[[str, Role], str], role: Role, sees: bool
) -> None:
    """Names are for auditors and admins, on pages as in the API; and no page that was made for one is shown to another."""
    cookie = session(met, key_of("somebody", role))
    for _ in range(2):  # the second time from what was kept, if anything was
        anybody, theirs = met.get(PAGE), met.get(PAGE, cookie)
        assert (PERSON in theirs.text, PERSON in anybody.text) == (sees, False)
        assert ("somebody" in theirs.text, "somebody" in anybody.text) == (True, False)
        assert met.get("/v1/meetings/talks", cookie).text.count(PERSON) == sees
        assert theirs.headers["cache-control"] == "private, no-cache"
        assert theirs.headers["vary"] == anybody.headers["vary"] == "Accept, Accept-Encoding, Cookie"
        assert theirs.headers["etag"] != anybody.headers["etag"]
        assert met.get(PAGE, {"If-None-Match": theirs.headers["etag"]}).status_code == 200


def test_a_key_in_the_header_shows_no_session(met: Service) -> None:
    """Programs that send a key read pages as they did, and what is kept of that names no key."""
    with_key = met.get("/initiatives", {"Authorization": f"Bearer {ADMIN_KEY}"})
    assert with_key.status_code == 200
    assert 'action="/sign-out"' not in with_key.text + met.get("/initiatives").text


def test_a_revoked_key_ends_its_sessions_at_once(
    met: Service, location: LedgerLocation, key_of: Callable[[str, Role], str]
) -> None:
    """From the next request on the session opens nothing; what everybody may read stays readable."""
    cookie = session(met, key_of("alice", Role.auditor))
    assert PERSON in met.get(PAGE, cookie).text
    with location.connect() as connection:
        revoke_key(connection, "alice")
    after = met.get(PAGE, cookie)
    assert after.status_code == 200
    assert PERSON not in after.text
    assert "alice" not in after.text
    assert "Sign in" in after.text


def test_where_reads_are_not_public_a_session_opens_them(location: LedgerLocation) -> None:
    """The form to sign in shows nothing of the ledger and needs no key."""
    with running(location, public_reads=False) as closed:
        closed.given(THX, INDUS_X)
        refused = closed.get("/initiatives?limit=1", {"Accept": "text/html"})
        assert refused.status_code == 401
        assert 'href="/sign-in?next=%2Finitiatives%3Flimit%3D1"' in refused.text
        assert closed.get("/sign-in").status_code == 200
        assert "INDUS-X" in closed.get("/initiatives", session(closed, ADMIN_KEY)).text


def test_signing_out_takes_the_cookie_away(met: Service) -> None:
    """The browser forgets the session, and what it has kept of pages."""
    answer = post(met, "/sign-out", {}, **session(met, ADMIN_KEY))
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert answer.headers["set-cookie"].startswith(f'{COOKIE}="";')
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert answer.headers["clear-site-data"] == '"cache"'


def test_a_key_that_nobody_holds_begins_no_session(met: Service, subtests: pytest.Subtests) -> None:
    """The form comes again and says so; the key is not shown in it."""
    for key in ("", " ", "pl_nobodys", "x" * 501, "schlüssel", "a b", "\x00", "\r\nSet-Cookie: a=b"):
        with subtests.test(key=key):
            answer = sign_in(met, key)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers
            assert "<title>Error: Sign in" in answer.text
            assert not key.strip() or key not in answer.text


def test_signing_in_never_leads_to_another_site(met: Service, subtests: pytest.Subtests) -> None:
    """What is no address of this service is passed over."""
    for elsewhere in (
        "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\r\nX: y", "/a" * 5_000,
    ):  # fmt: skip
        with subtests.test(next=elsewhere):
            assert sign_in(met, ADMIN_KEY, next=elsewhere).headers["location"] == "/initiatives"


def test_after_a_few_wrong_keys_none_is_heard_for_a_while(met: Service) -> None:
    """Also the right one: whoever tries keys does not learn which it is."""
    for _ in range(FEW):
        assert sign_in(met, "pl_guess").status_code == 401
    for key in ("pl_guess", ADMIN_KEY):
        answer = sign_in(met, key)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= PAUSE_S
        assert "set-cookie" not in answer.headers


def test_attempts_are_counted_by_address_and_forgotten() -> None:
    """The pause ends; success forgets; other addresses are heard meanwhile; and no number of them takes more memory."""
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    assert [attempts.take("a") for _ in range(FEW + 1)] == [0] * FEW + [PAUSE_S + 1]
    assert attempts.take("b") == 0
    now[0] = PAUSE_S
    assert [attempts.take("a") for _ in range(FEW)] == [0] * FEW
    attempts.forget("a")
    assert attempts.take("a") == 0
    for number in range(20_000):
        attempts.take(str(number))
    assert len(attempts.failed) == 10_000


ELSEWHERE = (
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, {"Origin": "null"},
    {"Origin": "http://testserver.evil.example"}, {"Origin": "http://["}, {"Origin": "http://a]"}, {"Origin": ""},
)  # fmt: skip
HERE: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://testserver"}, {},
)  # fmt: skip


def test_what_another_sites_page_sends_is_refused(met: Service, subtests: pytest.Subtests) -> None:
    """With a session or without: the browser says where it comes from. Nothing is recorded, and nobody signed in or out."""
    size, cookie = met.size(), session(met, ADMIN_KEY)
    for path, headers, theirs in product(("/sign-in", "/sign-out", "/v1/events"), ELSEWHERE, ({}, cookie)):
        with subtests.test(path=path, **headers):
            answer = post(met, path, {"key": ADMIN_KEY}, **headers, **theirs)
            assert problem_of(answer, 403)["type"] == "/problems/cross-site"
            assert "set-cookie" not in answer.headers
    assert met.size() == size


def test_what_its_own_pages_send_is_taken(met: Service, subtests: pytest.Subtests) -> None:
    """Also by a program that says nothing of where it comes from, as no browser does."""
    for headers in HERE:
        with subtests.test(**headers):
            assert post(met, "/sign-in", {"key": ADMIN_KEY}, **headers).status_code == 303


def test_programs_with_a_key_of_their_own_are_not_asked_where_they_come_from(met: Service) -> None:
    """A key in the header is no cookie: no browser sends it by itself."""
    answer = met.post(INDUS_X, Origin="https://elsewhere.example", Sec_Fetch_Site="cross-site")
    assert answer.status_code == 201


def test_a_cookie_that_is_none_of_ours_opens_nothing_and_breaks_nothing(
    met: Service, subtests: pytest.Subtests
) -> None:
    """Whoever comes with one is anybody."""
    for cookie in ("", "x", "gAAAA", "a" * 5_000, '"', "=;=", "\xff", "%00"):
        with subtests.test(cookie=cookie):
            answer = met.client.get(PAGE, headers={b"Cookie": f"{COOKIE}={cookie}".encode("latin-1")})
            assert answer.status_code == 200
            assert PERSON not in answer.text


def test_a_cookie_is_read_as_it_was_set_whatever_the_length_of_the_key() -> None:
    """Also among others, and where the browser sends it in quotes, as it is set where its value ends in an equals sign."""
    sessions = Sessions()
    for length in range(16, 64):
        answer = Answer()
        sessions.begin(answer, "k" * length)
        cookie = answer.headers["set-cookie"].partition(";")[0]
        for sent in (cookie, f'a=b; {cookie};c="; {COOKIE}"', cookie.replace('"', "")):
            assert sessions.key(sent.encode()) == "k" * length


def test_a_session_is_read_by_every_process_with_the_same_secret_and_no_other() -> None:
    """And one that was tampered with by none."""
    secret = SecretStr("s" * 32)
    sealed = Sessions(secret).cipher.encrypt(b"pl_key").decode()
    header = f"{COOKIE}={sealed}".encode()
    assert Sessions(secret).key(b"other=1; " + header) == "pl_key"
    assert Sessions(SecretStr("t" * 32)).key(header) is None
    assert Sessions().key(header) is None
    assert Sessions(secret).key(header[:-3] + b"AA=") is None


def test_a_session_ends_after_its_time() -> None:
    """A cookie that was stolen opens nothing for longer than a day's work, whatever the browser is told."""
    sessions = Sessions()
    old = sessions.cipher.encrypt_at_time(b"pl_key", 1_000_000).decode()
    assert sessions.key(f"{COOKIE}={old}".encode()) is None


NO_FORMS = (
    (b"key=\xff", FORM, 422),
    (b"key=%ff", FORM, 422),
    (b"&".join([b"a=1"] * 5_001), FORM, 422),
    (b"key=" + b"a" * 2**20, FORM, 413),
    (b"{}", "application/json", 415),
    (b"", "", 415),
)


def test_a_body_that_is_no_form_is_refused(met: Service, subtests: pytest.Subtests) -> None:
    """As other bodies are: by size, by media type, and never with a failure."""
    for body, media_type, status in NO_FORMS:
        with subtests.test(body=body[:20], media_type=media_type):
            problem_of(met.client.post("/sign-in", content=body, headers={"Content-Type": media_type}), status)


def _links(page: str) -> Iterator[str]:
    yield from re.findall(r'href="([^"]*)"', page)


def test_the_form_asks_for_nothing_from_elsewhere(met: Service) -> None:
    """The page keeps the policy that every page has, and is kept nowhere."""
    answer = met.get("/sign-in")
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert all(link.startswith(("/", "#", "data:")) for link in _links(answer.text))
