"""`ledger verify`: whoever has the key, and a checkpoint from earlier, finds each alteration, and needs nobody's word for it."""

import gzip
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import pytest

from api.transfer import client
from ledger.database.connection import Connection
from ledger.errors import Unavailable
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.merkle import leaf_hash, root_of_hashes
from ledger.proofs.notes import Note, signed
from ledger.proofs.tiles import Tile, bundle, grown, unbundle
from ledger.proofs.verifier import SEQUENCE
from projections.tree.keys import LogKeys
from tests.commands import Command
from tests.examples import USA, event
from tests.service import Service, listening
from tests.signing import ORIGIN, Sign, claims, exported, tamper

pytest_plugins = ["tests.commands", "tests.service", "tests.signing"]

OPENED = event("initiative.reported", "initiative:indus-x", name="A programme", kind="challenge")
Verify = Callable[..., Any]


@pytest.fixture
def signed_ledger(service: Service, sign: Sign) -> Service:
    service.given(USA, OPENED, *claims(300))
    sign().round()
    return service


@pytest.fixture
def tiles(signed_ledger: Service, tmp_path: Path) -> Path:
    """The log as static files."""
    return exported(signed_ledger.location, tmp_path / "tiles")


@pytest.fixture
def verify(command: Command, key: Path, tmp_path: Path) -> Verify:
    """``ledger verify`` of somebody who has the log's public keys; its memory is one folder in a test."""

    def run(where: object, *more: object, code: int = 0) -> Any:
        given = [f"--log-key={one.verifier}" for one in LogKeys.read(key).keys]
        return command("verify", where, *given, *more, code=code, XDG_STATE_HOME=str(tmp_path / "state"))

    return run


def test_a_sound_log_is_verified(signed_ledger: Service, tiles: Path, verify: Verify) -> None:
    """From a directory and from a running service, first and again, and after it has grown."""
    assert "all 302 entries are those that were signed" in verify(tiles).stderr
    with listening(signed_ledger) as (host, port):
        for where in (f"http://{host}:{port}", f"http://{host}:{port}/log"):
            assert "all 302 entries" in verify(where).stderr


def test_every_byte_of_a_directory_counts(tiles: Path, verify: Verify, tmp_path: Path) -> None:
    """Whichever byte of whichever file is another: exit code 3, and of an entry or a leaf, its position."""
    verify(tiles)
    dice = Random(1)
    files = [one for one in sorted(tiles.rglob("*")) if one.is_file() and one.name != "key"]
    for file in files * 6:
        spoilt = tmp_path / "spoilt"
        shutil.copytree(tiles, spoilt, dirs_exist_ok=True)
        data = bytearray(file.read_bytes())
        at = dice.randrange(len(data))
        data[at] ^= 1 << dice.randrange(8)
        (spoilt / file.relative_to(tiles)).write_bytes(data)
        told = verify(spoilt, code=3).stderr
        if file.match("tile/0/*") or file.match("tile/0/*/*"):
            first = 256 * (".p" in str(file)) + at // 32 + 1
            assert f"entry {first:,}:" in told


@pytest.mark.parametrize(
    ("how", "position"),
    [
        (["update entries set body = replace(body::text, 'Claim 7\"', 'Claim 8\"')::json where position = 10"], 10),
        (["update entries set body = replace(body::text, '\"authid\":\"', '\"authid\":\"x')::json where position = 200"], 200),
        (["update entries set body = (body::text || ' ')::json where position = 300"], 300),
        (["update entries set body = replace(body::text, '\"source\":\"/ledgers', '\"source\":\"/Ledgers')::json where position = 2"], 2),
        (["update entries set body = replace(body::text, '\"id\":', '\"more\":1,\"id\":')::json where position = 3"], 3),
        ([
            "create temp table held as select position, body from entries where position in (20, 21)",
            "update entries set body = held.body from held where held.position = 41 - entries.position",
        ], 20),
        ([
            "delete from entries where position = 30",
            "update entries set position = -position where position > 30",
            "update entries set position = -position - 1 where position < 0",
            "update head set size = size - 1",
        ], 30),
    ],
)  # fmt: skip
def test_what_is_altered_in_the_database_is_named(
    how: list[str], position: int, signed_ledger: Service, superuser: Connection, verify: Verify
) -> None:
    """Whoever is the database's superuser, with triggers off: the entry is named by its position, as the service serves it."""
    tamper(superuser, *how)
    with listening(signed_ledger) as (host, port):
        told = verify(f"http://{host}:{port}", code=3).stderr
    assert f"entry {position}:" in told


def forged(key: Path, entries: list[bytes], directory: Path) -> Path:
    """What somebody serves who has the log's secret key, and other entries."""
    leaves = [leaf_hash(one) for one in entries]
    for tile, hashes in grown(0, leaves, {}):
        path = directory / "tile" / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hashes)
    for start in range(0, len(entries), 256):
        part = entries[start : start + 256]
        path = directory / "tile" / Tile(None, start // 256, len(part)).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bundle(part))
    note = signed(Checkpoint(ORIGIN, len(entries), root_of_hashes(leaves)).text, LogKeys.read(key).keys, 1_700_000_001)
    (directory / "checkpoint").write_text(str(note))
    return directory


def test_a_copy_may_be_old(signed_ledger: Service, sign: Sign, tiles: Path, verify: Verify) -> None:
    """A directory from before is still what was signed then; a service that shows less than it did has taken something back."""
    signed_ledger.given(*claims(3))
    sign().round()
    with listening(signed_ledger) as (host, port):
        assert "all 305 entries" in verify(f"http://{host}:{port}").stderr
    assert "all 302 entries" in verify(tiles).stderr
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tiles.parent)))
    Thread(target=server.serve_forever).start()
    try:
        (tiles.parent / "log").symlink_to(tiles)
        assert "was put back" in verify(f"http://127.0.0.1:{server.server_port}", code=3).stderr
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("how", ["another byte", "exchanged"])
def test_who_has_the_key_cannot_take_anything_back(
    how: str, tiles: Path, key: Path, verify: Verify, tmp_path: Path
) -> None:
    """From the checkpoint that was seen earlier the contradiction is found, and both notes are kept as evidence."""
    verify(tiles)
    entries = [
        *unbundle((tiles / "tile/entries/000").read_bytes()),
        *unbundle((tiles / "tile/entries/001.p/46").read_bytes()),
    ]
    match how:
        case "another byte":
            entries[100] = entries[100].replace(b"Claim", b"claim")
        case _:
            entries[5] = entries[5].replace(b"Claim 3", b"Claim 4")
            entries += [entries[-1].replace(b"0302", b"0303")]
    told = verify(forged(key, entries, tmp_path / "forged"), code=3).stderr
    assert "had signed" in told
    [evidence] = (tmp_path / "state").rglob("contradiction-*")
    assert evidence.read_text().count(f"{ORIGIN}\n") == 2
    assert str(evidence) in told
    assert "all 302 entries" in verify(tiles).stderr  # what is remembered is what was seen first


def test_a_key_is_never_believed_by_itself(tiles: Path, command: Command, tmp_path: Path) -> None:
    """The first use shows the key and asks for it; only an option believes the log itself; from then on that key counts."""
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    told = command("verify", tiles, code=1, **state).stderr
    assert f"It names {ORIGIN}+" in told
    assert "--log-key FILE" in told
    elsewhere = {"XDG_STATE_HOME": str(tmp_path / "elsewhere")}
    command("verify", tiles, "--log-key", tiles / "key", **elsewhere)
    command("verify", tiles, code=1, **elsewhere)  # a key that was given counts for that time
    command("verify", tiles, "--trust-on-first-use", **state)
    command("verify", tiles, **state)
    other = tmp_path / "other"
    LogKeys.new(ORIGIN).write(other)
    shutil.copytree(tiles, tmp_path / "stranger")
    note = signed(Note.read((tiles / "checkpoint").read_text()).text, LogKeys.read(other).keys, 1)
    (tmp_path / "stranger" / "checkpoint").write_text(str(note))
    assert "none of the keys" in command("verify", tmp_path / "stranger", code=3, **state).stderr


def test_an_entry_is_verified_by_its_proof_alone(signed_ledger: Service, verify: Verify, tmp_path: Path) -> None:
    """Offline, with its bytes shown; another entry, index or root is found."""
    proof = tmp_path / "entry.tlog-proof"
    text = signed_ledger.get("/v1/events/77/proof").text
    proof.write_text(text)
    done = verify(proof)
    assert done.stdout.strip() == signed_ledger.get("/v1/events/77").text
    assert "this is entry 77 of 302" in done.stderr
    for other in (text.replace("index 76", "index 75"), text.replace("\n302\n", "\n301\n")):
        proof.write_text(other)
        verify(proof, code=3)


def test_an_export_is_verified_against_a_checkpoint(
    signed_ledger: Service, tiles: Path, command: Command, verify: Verify, tmp_path: Path
) -> None:
    """What `ledger export` wrote, also with more entries than were signed; not with fewer, nor with others."""
    lines = tmp_path / "export.ndjson"
    signed_ledger.given(*claims(3))
    lines.write_text(command("export").stdout)
    at = ("--checkpoint", tiles / "checkpoint")
    assert "the first 302 entries" in verify(lines, *at).stderr
    whole = lines.read_text()
    for other, named in (
        (whole.replace('Claim 9"', 'Claim 8"'), ""),
        ("\n".join(whole.split("\n")[:200]), "end is missing"),
    ):
        lines.write_text(other)
        assert named in verify(lines, *at, code=3).stderr
    lines.write_text(whole.replace(f'{{"sequence":"{7:020}"', f'{{"sequence":"{8:020}"'))
    assert "entry 7:" in verify(lines, *at, code=3).stderr


def raw(*answers: bytes) -> Iterator[str]:
    """A server that says just these bytes, one to each request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for one in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(one)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def answered(body: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


PACKED = gzip.compress(b"a\n1\nx\n")
ODD = {
    "no status": b"nonsense\r\n\r\n",
    "a broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nContent-Length: 0\r\n\r\n",
    "a packed body that is cut short": answered(PACKED[:-9], "Content-Encoding: gzip"),
    "a packed body that is damaged": answered(PACKED[:12] + b"\xff" + PACKED[13:], "Content-Encoding: gzip"),
    "a bomb": answered(gzip.compress(b"0" * 2**26), "Content-Encoding: gzip"),
    "a page": answered(b"<html>", "Content-Type: text/html"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_log_is_told_as_that(kind: str, verify: Verify) -> None:
    """Whatever a server answers: one sentence, a bounded amount of memory, and no traceback."""
    for address in raw(ODD[kind]):
        told = verify(address, code=3 if kind == "a page" else 4).stderr
        assert told.count("\n") == 1


ENDLESS = {
    "heads": (b"HTTP/1.1 200 OK\r\nA: ", b"x"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "the size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_an_answer_without_end_is_given_up(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that does not end, and though something comes now and then."""
    monkeypatch.setattr(client, "TIMEOUT_S", 1)
    over = Event()

    def dribble(listener: socket.socket) -> None:
        with listener.accept()[0] as connection, suppress(OSError):
            connection.sendall(ENDLESS[what][0])
            while not over.wait(0.05):
                connection.sendall(ENDLESS[what][1])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=dribble, args=[listener])
        thread.start()
        try:
            with pytest.raises(Unavailable, match="no answer within 1 s"):
                client.Client(f"http://127.0.0.1:{listener.getsockname()[1]}", None).ask("checkpoint")
        finally:
            over.set()
            thread.join()


def test_what_is_neither_export_nor_proof_is_told_as_that(verify: Verify, command: Command, tmp_path: Path) -> None:
    """An empty file, a problem that was saved; a file of keys that holds none; and what has no effect on a file."""
    file = tmp_path / "file"
    for text, told in (
        ("", "is empty: this is no export"),
        ('{"type":"/problems/x"}', 'begins with \'{"type":"/problems/x"}\': this'),
        ('{"sequence":"1"}', "give --checkpoint FILE"),
    ):
        file.write_text(text)
        assert told in verify(file, code=1).stderr
    assert "has no effect on a file" in verify(file, "--trust-on-first-use", code=1).stderr
    file.write_text("\n")
    assert "holds no key" in command("verify", tmp_path, "--log-key", file, code=2, COLUMNS="300").stderr


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1",
        "http://a b/",
        "http://127.0.0.1:1/%00 x",
        "ftp://127.0.0.1/log",
        "http://me:it@127.0.0.1:1/log",
        "http://127.0.0.1:1/#log",
    ],
)
def test_what_is_no_address_is_told_as_that(address: str, verify: Verify) -> None:
    """Neither a file nor another protocol is read by way of an address."""
    assert verify(address, code=None).returncode == (4 if address == "http://[::1" else 2)


def test_the_key_of_a_service_is_told_to_no_other(command: Command, tmp_path: Path) -> None:
    """A redirect to another host is followed without it."""
    heard: list[str | None] = []

    class Other(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization"))
            self.send_error(404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    Thread(target=server.serve_forever).start()
    try:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://localhost:{server.server_port}/x\r\nContent-Length: 0\r\n\r\n"
        for address in raw(moved.encode()):
            command("verify", address, code=4, LEDGER_KEY="the-key-of-a-reader", XDG_STATE_HOME=str(tmp_path / "state"))
    finally:
        server.shutdown()
        server.server_close()
    assert heard == [None]


def test_a_directory_of_another_log_is_not_written_to(signed_ledger: Service, key: Path, tmp_path: Path) -> None:
    """Though it has the same name and was signed with the same key: its checkpoint is evidence."""
    entries = [SEQUENCE % position + b'"id":"x"}' for position in range(1, 6)]
    directory = forged(key, entries, tmp_path / "forged")
    before = (directory / "checkpoint").read_bytes()
    with pytest.raises(Unavailable, match="another log"):
        exported(signed_ledger.location, directory)
    assert (directory / "checkpoint").read_bytes() == before
