"""Webhooks: what is sent, to whom, how often and in which order, and what is never done for anybody's sake."""

import json
import socket
import ssl
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from threading import Event
from time import time
from typing import Any

import psycopg
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.errors import Invalid, Misconfigured, NotFound, Refused
from ledger.service import Ledger
from ledger.witness.post import NoAnswer
from ledger.writing.decision import Answer
from ledger.writing.draft import read_body
from projections.feed import ALL, Wanted
from projections.webhooks import deliverer, delivery
from projections.webhooks.addresses import Allowed, is_public, reach_of, target_of
from projections.webhooks.deliverer import deliver, pause_s
from projections.webhooks.signing import SecretKey, signatures
from projections.webhooks.subscriptions import add, remove, resume, rotate, webhook, webhooks
from tests import receivers
from tests.backup import Backup
from tests.commands import Command, rows
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.peers import told_by
from tests.receivers import Got, Receiver, in_a_thread, receiving, wait_until
from tests.service import Service

pytest_plugins = ["tests.service", "tests.commands", "tests.peers"]

LOCAL = Allowed(True, (ip_network("127.0.0.0/8"),))
Given = Callable[..., list[Answer]]
DESCRIBED = event("party.described", "party:usa", short_name="US")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    SecretKey.ensure(tmp_path / "webhooks")
    return tmp_path / "webhooks"


@pytest.fixture
def key(key_file: Path) -> SecretKey:
    return SecretKey.read(key_file)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer, "FIRST_PAUSE_S", 0.05)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as opened:
        yield opened


@pytest.fixture
def delivering(location: LedgerLocation, key: SecretKey) -> Iterator[None]:
    """A deliverer in this process."""
    with in_a_thread(lambda stop: deliver(location, key, LOCAL, "/ledgers/test", stop)):
        yield


def party(number: int, **more: Any) -> dict[str, Any]:
    return event("party.registered", f"party:p{number}", sources=[], name=f"P{number}", kind="company", **more)


def stored(reader: Connection) -> dict[str, str]:
    return dict(reader.execute("select entry_id::text, body::text from entries order by position"))


def is_done(reader: Connection, name: str) -> bool:
    one = webhook(reader, name)
    return one.position == one.size and one.epoch == one.current_epoch


# --- what is sent


CHECK = """
import json, sys
from standardwebhooks.webhooks import Webhook
given = json.load(sys.stdin)
told = []
for secret in given["secrets"]:
    for headers, body in given["requests"]:
        try:
            Webhook(secret).verify(body, headers)
            told.append(True)
        except Exception as error:
            told.append(type(error).__name__)
print(json.dumps(told))
"""


def test_entries_are_sent_as_they_are_stored(
    given: Given, reader: Connection, key: SecretKey, receiver: Receiver, delivering: None
) -> None:
    """Each once, in order, byte by byte, under the entry's own id, with the epoch; from where the webhook was told to begin."""
    given(THX, USA)
    add(reader, key, "all", receiver.url, after=1)
    given(INDIA, INDUS_X)
    got = receiver.wait(3)
    wait_until(lambda: is_done(reader, "all"))
    lines = stored(reader)
    assert [(one.id, one.body) for one in got] == list(lines.items())[1:]
    for one in got:
        assert one.path == "/hook?to=us"
        assert one.headers["Content-Type"] == "application/cloudevents+json"
        assert one.headers["Ledger-Epoch"] == webhook(reader, "all").epoch
        assert abs(int(one.headers["webhook-timestamp"]) - time()) < 60


def test_a_webhook_begins_now(
    given: Given, reader: Connection, key: SecretKey, receiver: Receiver, delivering: None
) -> None:
    """Unless it is told where: what was recorded before is not sent."""
    given(THX, USA)
    add(reader, key, "new", receiver.url)
    [india] = given(INDIA)
    assert receiver.wait(1)[0].id == india.id
    wait_until(lambda: is_done(reader, "new"))
    assert receiver.ids() == [india.id]


@pytest.mark.parametrize("chosen", [
    Wanted(types=("party.registered", "party.described")), Wanted(subjects=("party:usa", "source:thx")),
    Wanted(kinds=("initiative",)), Wanted(authors=("bob",)), Wanted(kinds=("party",), authors=("clerk",)),
])  # fmt: skip
def test_only_what_is_wanted_is_sent(
    given: Given,
    ledger: Ledger,
    reader: Connection,
    key: SecretKey,
    receiver: Receiver,
    delivering: None,
    chosen: Wanted,
) -> None:
    """By types, subjects, kinds and authors, and what is not wanted is passed over."""
    given(THX, USA, INDIA, INDUS_X)
    ledger.append(read_body({"events": [DESCRIBED, party(1)]}), CLERK._replace(authid="bob"))
    add(reader, key, "some", receiver.url, chosen, after=0)
    wait_until(lambda: is_done(reader, "some"))
    told = {id_: json.loads(line) for id_, line in stored(reader).items()}
    expected = [
        id_ for id_, one in told.items()
        if all(not values or one_of in values for values, one_of in zip(chosen, (one["type"], one["subject"], one["subject"].partition(":")[0], one["authid"]), strict=True))
    ]  # fmt: skip
    assert 0 < len(expected) < len(told)
    assert receiver.ids() == expected


def test_others_check_the_signatures(
    given: Given, reader: Connection, key: SecretKey, receiver: Receiver, delivering: None, peers: Path
) -> None:
    """As the Standard Webhooks' own library reads them: by the secret that was shown, also while it is changed for another, and by
    no other secret."""
    given(THX)
    first = add(reader, key, "signed", receiver.url, after=0)
    receiver.wait(1)
    second = rotate(reader, key, "signed")
    given(USA)
    receiver.wait(2)
    reader.execute("update webhooks set rotated_at = rotated_at - interval '25 hours'")
    given(INDIA)
    got = receiver.wait(3)
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    requests = [({name: one.headers[name] for name in names}, one.body) for one in got]
    told = told_by(peers, CHECK, {"secrets": [first, second], "requests": requests})
    wrong = "WebhookVerificationError"
    assert told == [True, True, wrong, wrong, True, True]
    assert [len(one.headers["webhook-signature"].split()) for one in got] == [1, 2, 1]


def test_the_signature_of_the_specification() -> None:
    """The example that the specification's libraries share."""
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signatures([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# --- at least once, in order


def test_who_is_killed_between_sending_and_recording_sends_again(
    given: Given, location: LedgerLocation, reader: Connection, key: SecretKey, key_file: Path
) -> None:
    """Whenever a deliverer is killed, every entry comes, in the order of the log; what comes twice has the same id and body."""
    given(*(party(number) for number in range(30)))
    arrived, go_on = Event(), Event()

    def answer(got: Got) -> tuple[int, bytes]:
        if len(set(held.ids())) % 7 == 3 and not go_on.is_set():
            arrived.set()
            go_on.wait(receivers.PATIENCE_S)
        return 204, b""

    held = Receiver(answer)
    with receiving(held):
        add(reader, key, "killed", held.url, after=0)
        kills = 0
        while not is_done(reader, "killed"):
            arrived.clear()
            go_on.clear()
            with receivers.deliverer(location, key_file) as kill:
                wait_until(lambda: arrived.is_set() or is_done(reader, "killed"))
                if kills < 4 and arrived.is_set():
                    kill()  # the receiver has it, and nobody has recorded that
                    kills += 1
                else:
                    go_on.set()
                    wait_until(lambda: is_done(reader, "killed"))
                go_on.set()
    lines = stored(reader)
    assert kills == 4
    assert len(held.got) >= len(lines) + kills
    assert list(dict.fromkeys(held.ids())) == list(lines)  # in order of their first arrival
    assert all(one.body == lines[one.id] for one in held.got)


def test_nothing_overtakes_what_is_not_taken(
    given: Given, reader: Connection, key: SecretKey, delivering: None
) -> None:
    """An entry that a receiver refuses, hangs up on, redirects or answers at too great length is sent again until it is taken; only
    then comes the next. Others are not held up meanwhile."""
    answers = [(500, b"not now"), None, (301, b""), (200, b"x" * 200_000), (204, b"")]
    refusing = Receiver(
        lambda got: answers[min(refusing.ids().count(got.id), 5) - 1], headers={"Location": "/elsewhere"}
    )
    with receiving(refusing), receiving(Receiver()) as other:
        add(reader, key, "refusing", refusing.url, after=0)
        add(reader, key, "other", other.url, after=0)
        given(THX, USA)
        assert [one.id for one in other.wait(2)] == list(stored(reader))
        wait_until(lambda: is_done(reader, "refusing"))
    thx, usa = stored(reader)
    assert refusing.ids() == [thx] * 5 + [usa] * 5
    assert {one.path for one in refusing.got} == {"/hook?to=us"}
    one = webhook(reader, "refusing")
    assert (one.failures, one.trouble, one.failing_since) == (0, None, None)


def test_two_deliverers_send_nothing_twice(
    given: Given, location: LedgerLocation, reader: Connection, key: SecretKey, receiver: Receiver, delivering: None
) -> None:
    """One of them works at a time."""
    with in_a_thread(lambda stop: deliver(location, key, LOCAL, "/ledgers/test", stop)):
        add(reader, key, "once", receiver.url, after=0)
        for number in range(20):
            given(party(number))
        wait_until(lambda: is_done(reader, "once"))
    assert receiver.ids() == list(stored(reader))


def test_a_rollback_is_told_before_anything_of_the_new_epoch(
    server: Embedded, location: LedgerLocation, given: Given, reader: Connection, key: SecretKey, receiver: Receiver,
    delivering: None,
) -> None:  # fmt: skip
    """Where the log no longer holds what a receiver has got, it is told so, and then gets what is there from the start."""
    given(THX)
    add(reader, key, "back", receiver.url, after=0)
    receiver.wait(1)
    wait_until(lambda: is_done(reader, "back"))
    backup = Backup(server, location)
    given(USA, INDIA)
    receiver.wait(3)
    wait_until(lambda: is_done(reader, "back"))
    moved = reader.execute("select position, entry_id, epoch from webhooks").fetchone()
    backup.restore()
    assert moved is not None
    reader.execute("update webhooks set position = %s, entry_id = %s, epoch = %s", moved)  # only the log went back
    with location.pool(2) as pool, Ledger(location, pool) as another:
        another.append(read_body({"events": [INDUS_X]}), CLERK)
    notice, *rest = receiver.wait(6)[3:]
    told = json.loads(notice.body)
    assert told["type"] == "ledger.rolled_back"
    assert told["data"] == {"before": moved[2], "epoch": webhook(reader, "back").current_epoch, "after": 0}
    assert told["data"]["epoch"] != moved[2]
    assert [one.id for one in rest] == list(stored(reader))


# --- who fails


@pytest.mark.parametrize(("failures", "expected"), [(1, 5), (2, 10), (3, 20), (10, 2560), (11, 3600), (10_000, 3600)])
def test_pauses_grow_to_an_hour(monkeypatch: pytest.MonkeyPatch, failures: int, expected: float) -> None:
    """Twice as long each time."""
    monkeypatch.setattr(deliverer, "FIRST_PAUSE_S", 5.0)
    assert pause_s(failures) == expected


def test_who_fails_for_days_is_disabled(
    service: Service, given: Given, reader: Connection, key: SecretKey, command: Command
) -> None:
    """Health and metrics say since when a webhook fails, and that it is disabled, without its address; whoever resumes it finds it
    where it was. 410 disables at once."""
    broken = Receiver(lambda _: (503, b"down"))
    location = service.location
    with receiving(broken), in_a_thread(lambda stop: deliver(location, key, LOCAL, "/ledgers/test", stop)):
        add(reader, key, "broken", broken.url, after=0)
        service.given(THX)
        wait_until(lambda: webhook(reader, "broken").failures >= 2)
        [told] = service.get("/v1/health").json()["webhooks"]
        assert (told["name"], told["lag"], told["disabled_at"]) == ("broken", 1, None)
        assert told["failing_since"]
        reader.execute("update webhooks set failing_since = failing_since - interval '3 days'")
        wait_until(lambda: webhook(reader, "broken").disabled_at)
        [told] = service.get("/v1/health").json()["webhooks"]
        assert told["disabled_at"]
        assert "127.0.0.1" not in service.get("/v1/health").text
        figures = service.get("/metrics").text
        assert 'ledger_webhook_disabled{webhook="broken"} 1.0' in figures
        assert 'ledger_webhook_lag{webhook="broken"} 1.0' in figures
        [row] = rows(command("webhooks", "list"))
        assert row["state"].startswith("disabled at ")
        assert "503" in row["trouble"]
        broken.answer = lambda _: (204, b"")
        command("webhooks", "resume", "broken")
        wait_until(lambda: is_done(reader, "broken"))
        broken.answer = lambda _: (410, b"")
        service.given(USA)
        wait_until(lambda: webhook(reader, "broken").disabled_at)
    assert len(set(broken.ids())) == 2


def test_a_slow_receiver_is_given_up_in_time(
    given: Given, reader: Connection, key: SecretKey, monkeypatch: pytest.MonkeyPatch, delivering: None
) -> None:
    """One that answers byte by byte, or never, costs no more than the time for a message."""
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.3)
    released = Event()

    def wait(_: Got) -> None:
        released.wait(receivers.PATIENCE_S)

    with receiving(Receiver(wait)) as slow, receiving(Receiver()) as other:
        add(reader, key, "slow", slow.url, after=0)
        add(reader, key, "other", other.url, after=0)
        given(THX)
        other.wait(1)
        wait_until(lambda: "no answer within 0.3 s" in (webhook(reader, "slow").trouble or ""))
        released.set()


# --- where nothing is sent to


NOT_PUBLIC = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "255.255.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1",
    "192.88.99.1", "192.0.0.8", "::", "::1", "fe80::1", "fe80::1%lo", "fc00::1", "fd12::1", "ff02::1", "::ffff:10.0.0.1",
    "::ffff:8.8.8.8", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:a00:1::", "2002:808:808::",
    "2001::1", "2001:db8::1", "3fff::1", "100::1", "2001:2::1", "2001:20::1", "5f00::1", "fec0::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.0", "2600::1", "2a00:1450::1"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_address_of_the_operators_network(address: str) -> None:
    """Private, loopback, link-local, multicast, reserved and documentation addresses, and IPv4 in whatever IPv6 form, are refused
    when they are connected to."""
    assert not is_public(ip_address(address))
    with pytest.raises(NoAnswer, match="no public address"):
        reach_of(())(address, 443, 1.0)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    """Also right beside those that are not."""
    assert is_public(ip_address(address))


@for_all(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_whatever_is_special_is_not_public(address: IPv4Address | IPv6Address) -> None:
    """No address that the registries call private, reserved, multicast and the like, and none that holds such a one, is public."""
    special = (
        address.is_private, address.is_loopback, address.is_link_local, address.is_multicast, address.is_reserved,
        address.is_unspecified,
    )  # fmt: skip
    if any(special):
        assert not is_public(address)
    if isinstance(address, IPv4Address):
        for embedded in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
            assert not is_public(ip_address(embedded))


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_names_of_this_machine_lead_nowhere(
    given: Given, location: LedgerLocation, reader: Connection, key: SecretKey, receiver: Receiver, host: str
) -> None:
    """However an address is written, it is looked at as it is connected to; nothing arrives, and the trouble is told."""
    given(THX)
    add(reader, key, "inside", f"http://{host}:{receiver.port}/", after=0)
    with in_a_thread(lambda stop: deliver(location, key, Allowed(http=True), "/ledgers/test", stop)):
        wait_until(lambda: webhook(reader, "inside").trouble)
    assert "no public address" in str(webhook(reader, "inside").trouble)
    assert receiver.got == []


def test_a_name_that_changes_its_address_is_looked_at_each_time(
    given: Given,
    reader: Connection,
    key: SecretKey,
    receiver: Receiver,
    delivering: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is connected to is what was looked at: the name is looked up once for each connection. Of several addresses every
    one has to be public."""
    asked: list[str] = []
    real = socket.getaddrinfo
    answers = [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]]

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        if host != "rebinds.example":
            return real(host, *rest, **more)
        asked.append(host)
        return [found for one in answers[min(len(asked), 4) - 1] for found in real(one, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    given(THX)
    add(reader, key, "rebinds", f"http://rebinds.example:{receiver.port}/", after=0)
    receiver.wait(1)
    wait_until(lambda: is_done(reader, "rebinds"))
    assert len(asked) == 3
    given(USA)
    wait_until(lambda: webhook(reader, "rebinds").trouble)
    assert "10.0.0.1, which is no public address" in str(webhook(reader, "rebinds").trouble)
    assert len(receiver.got) == 1


BAD_URLS = [
    "http://example.org/", "ftp://example.org/", "https://", "https:///x", "https://user@example.org/", "https://a:b@example.org/",
    "https://example.org/#x", "https://example.org:22/", "https://example.org:0/", "https://example.org:x/", "https://exa mple.org/",
    "https://exämple.org/", "//example.org/", "example.org", "https://[::1/", "https://example.org/\n", "https://e.org/" + "x" * 2_000,
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_address_of_a_receiver_is_refused(url: str) -> None:
    """https, a host, no user, no port of another service."""
    with pytest.raises(Invalid):
        target_of(url, Allowed())


def test_an_address_is_taken_apart() -> None:
    """What is connected to, and what is asked for there."""
    assert target_of("https://example.org", Allowed()) == ("https://example.org", "/")
    assert target_of("https://example.org:8443/a?b=c", Allowed()) == ("https://example.org:8443", "/a?b=c")
    assert target_of("http://example.org/a", Allowed(http=True)) == ("http://example.org", "/a")


def test_a_certificate_that_nobody_vouches_for_is_refused(
    given: Given, location: LedgerLocation, reader: Connection, key: SecretKey, tmp_path: Path
) -> None:
    """Nothing is sent to a receiver whose certificate does not lead to an authority that this machine trusts."""
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        given(THX)
        add(reader, key, "tls", f"https://127.0.0.1:{listener.getsockname()[1]}/", after=0)
        stack.enter_context(in_a_thread(lambda stop: deliver(location, key, LOCAL, "/ledgers/test", stop)))
        connection, _ = listener.accept()
        with connection, pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True).recv(1)
        wait_until(lambda: webhook(reader, "tls").trouble)
    assert "certificate" in str(webhook(reader, "tls").trouble)


def self_signed(folder: Path) -> Path:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private, name = generate_private_key(SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(
        name, name, private.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
    ).add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(pem + built.sign(private, SHA256()).public_bytes(Encoding.PEM))
    return path


# --- how they are kept


def test_no_secret_is_stored(reader: Connection, key: SecretKey, key_file: Path) -> None:
    """The database holds a digest of each, and the key's file is its owner's alone; another file is noticed."""
    secret = add(reader, key, "one", "https://example.org/")
    raw = b64decode(secret.removeprefix("whsec_"))
    row = reader.execute("select webhooks::text, secret_sha256 from webhooks").fetchone()
    assert row is not None
    assert row[1] == sha256(raw).digest()
    assert raw.hex() not in row[0]
    assert secret not in row[0]
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert list(webhook(reader, "one").secrets(key)) == [raw]
    with pytest.raises(Misconfigured, match="another key"):
        list(webhook(reader, "one").secrets(SecretKey(b"x" * 32)))
    key_file.chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600"):
        SecretKey.read(key_file)
    key_file.chmod(0o600)
    key_file.write_text("nonsense")
    with pytest.raises(Misconfigured, match="no key of webhooks"):
        SecretKey.read(key_file)


def test_names_are_used_once(reader: Connection, key: SecretKey) -> None:
    """A second webhook of a name is refused, as is what is no name; one that was removed comes back with another secret."""
    first = add(reader, key, "one", "https://example.org/", ALL)
    with pytest.raises(Refused, match="remove it first"):
        add(reader, key, "one", "https://example.org/")
    for odd in ("", "One", "a b", "x" * 64):
        with pytest.raises(Invalid):
            add(reader, key, odd, "https://example.org/")
    remove(reader, "one")
    assert webhooks(reader) == []
    assert add(reader, key, "one", "https://example.org/") != first
    for act in (remove, resume, webhook):
        with pytest.raises(NotFound):
            act(reader, "two")


def test_the_service_cannot_change_where_a_webhook_goes(reader: Connection, key: SecretKey) -> None:
    """Its role may add and remove, and note how far each is."""
    add(reader, key, "one", "https://example.org/")
    for column in ("url", "name", "id", "types"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(f"update webhooks set {column} = {column}")


def test_commands(command: Command, receiver: Receiver, key_file: Path, given: Given) -> None:
    """Add, list, test, rotate and remove, each with what it says; what cannot be is refused in a line."""
    settings = {
        "LEDGER_WEBHOOK_KEY": str(key_file),
        "LEDGER_WEBHOOK_HTTP": "1",
        "LEDGER_WEBHOOK_NETWORKS": "127.0.0.0/8, ::1/128",
    }
    assert "LEDGER_WEBHOOK_KEY" in command("webhooks", "add", "d", "https://example.org", code=4).stderr
    given(THX)
    added = command("webhooks", "add", "desk", receiver.url, "--kind", "meeting", "--type", "meeting.held", **settings)
    assert added.stdout.startswith("whsec_")
    [row] = rows(command("webhooks", "list", **settings))
    assert (row["name"], row["wants"], row["lag"], row["state"]) == ("desk", "meeting.held meeting", 0, "ok")
    assert "has taken a message" in command("webhooks", "test", "desk", **settings).stderr
    [got] = receiver.got
    assert json.loads(got.body)["type"] == "ledger.webhook_test"
    assert command("webhooks", "rotate", "desk", **settings).stdout != added.stdout
    receiver.answer = lambda _: (500, b"no")
    assert "500 'no'" in command("webhooks", "test", "desk", code=1, **settings).stderr
    assert (
        "no public address"
        in command("webhooks", "test", "desk", code=1, **settings | {"LEDGER_WEBHOOK_NETWORKS": ""}).stderr
    )
    command("webhooks", "remove", "desk", **settings)
    for wrong in (["--kind", "x"], ["--type", "x.y"], ["--subject", "x"]):
        command("webhooks", "add", "desk", receiver.url, *wrong, code=1, **settings)
    assert (
        "over https"
        in command("webhooks", "add", "d", receiver.url, code=1, **settings | {"LEDGER_WEBHOOK_HTTP": "0"}).stderr
    )
    assert rows(command("webhooks", "list", **settings)) == []
