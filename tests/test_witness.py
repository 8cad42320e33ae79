"""A witness of our own, and how any witness is asked: nothing is cosigned twice in two ways, whoever is killed or lies."""

import socket
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from signal import SIGKILL
from threading import Barrier, Event, Thread
from time import monotonic, sleep, time

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.cli import witness as commands
from api.witness import MAX_BODY, build
from ledger.errors import Misconfigured
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import BadNote, Note, SignerKey, verified
from ledger.proofs.policy import Policy, Witness, check
from ledger.proofs.submission import Submission, path_of, read_lines
from ledger.witness.client import Contradicted, Cosigned, Unwilling, pause_s
from ledger.witness.evidence import folder_beside
from ledger.witness.keeper import KEY, LOGS, STATE, Keeper, NotCosigned, begin
from ledger.witness.offers import Log, Witnesses
from ledger.witness.post import MAX_ANSWER, NoAnswer, Post
from tests.standby import wait_until
from tests.witnesses import NAME, ORIGIN, Served, Tree, asked, free_port, keys_of, knows, served

OTHER = "log.example/other"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a new witness, which knows the log."""
    begin(tmp_path / "witness", NAME)
    knows(tmp_path / "witness", Tree())
    return tmp_path / "witness"


@pytest.fixture
def client(folder: Path) -> TestClient:
    return TestClient(build(Keeper(folder)))


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Served]:
    """A witness that runs, and knows two logs."""
    with served(tmp_path / "witness", Tree(), Tree(OTHER)) as running:
        yield running


def submitted(client: TestClient, body: Submission | bytes) -> tuple[int, str]:
    answer = client.post("/add-checkpoint", content=body if isinstance(body, bytes) else str(body).encode())
    return answer.status_code, answer.text


def from_(tree: Tree, old: int, size: int) -> Submission:
    return Submission(old, tree.proof(old, size), tree.checkpoint(size))


# --- the witness


def test_it_cosigns_what_follows_with_both_its_keys(client: TestClient, folder: Path) -> None:
    """Each line is verified by a key that it tells, and says when; what it shows has its lines and those of the log."""
    tree, keeper = Tree(), Keeper(folder)
    for old, size in ((0, 1), (1, 5), (5, 5), (5, 300)):
        status, text = submitted(client, from_(tree, old, size))
        assert status == 200
        note = tree.checkpoint(size)
        cosigned = note._replace(signatures=(*note.signatures, *read_lines(text.encode())))
        times = verified(cosigned, keeper.public)
        assert set(times) == set(keeper.public)
        assert all(abs(one - time()) < 5 for one in times.values())
        assert client.get(path_of(ORIGIN)).text == str(cosigned)
    assert client.get("/").text.splitlines() == [str(key) for key in keeper.public]


def test_it_answers_as_the_specification_says(client: TestClient) -> None:
    """400, 404, 403, 409 with its size, and 422; in that order, and nothing of it is remembered."""
    tree, fork, strangers = Tree(), Tree(forked_at=3), keys_of("log.example/stranger")
    assert submitted(client, from_(tree, 0, 5))[0] == 200
    sound = from_(tree, 5, 9)
    broken = sound.note.signatures[0]._replace(signature=b"x" * 64)
    for body, status in (
        (b"", 400),
        (b"old 5\n\nnothing\n", 400),
        (str(sound).encode()[:-1], 400),
        (str(sound).replace("old 5", "old 05").encode(), 400),
        (str(sound).replace("old 5", f"old {2**63}").encode(), 400),
        (str(sound._replace(proof=[b"x" * 32] * 64)).encode(), 400),
        (str(sound._replace(proof=[b"x" * 31])).encode(), 400),
        (str(sound).replace("\n9\n", f"\n{2**63}\n").encode(), 400),
        (sound._replace(old_size=10), 400),
        (sound._replace(note=Tree("log.example/stranger").checkpoint(9)), 404),
        (sound._replace(note=tree.checkpoint(9, *strangers)), 403),
        (sound._replace(note=sound.note._replace(signatures=(broken, sound.note.signatures[1]))), 403),
        (sound._replace(old_size=10, note=tree.checkpoint(9, *strangers)), 403),
        (sound._replace(old_size=4), 409),
        (sound._replace(old_size=0, proof=[]), 409),
        (sound._replace(proof=sound.proof[1:]), 422),
        (from_(tree, 5, 5)._replace(proof=[b"x" * 32]), 422),
        (from_(fork, 5, 5), 422),
        (from_(fork, 5, 9), 422),
        (Submission(5, tree.proof(5, 9), fork.checkpoint(9)), 422),
    ):  # fmt: skip
        answer = client.post("/add-checkpoint", content=body if isinstance(body, bytes) else str(body).encode())
        assert answer.status_code == status, answer.text
        if status == 409:
            assert (answer.text, answer.headers["content-type"]) == ("5\n", "text/x.tlog.size")
    assert submitted(client, sound)[0] == 200
    assert client.get("/add-checkpoint").status_code == 405
    assert client.get(path_of(OTHER)).status_code == 404


def test_the_empty_tree_has_one_root(client: TestClient) -> None:
    """A log may begin with nothing, and what it begins with is no proof of anything."""
    tree = Tree()
    wrong = Checkpoint(ORIGIN, 0, b"x" * 32).text
    assert submitted(client, Submission(0, [], signed_text(wrong)))[0] == 422
    assert submitted(client, Submission(0, [b"x" * 32], tree.checkpoint(5)))[0] == 422
    assert [submitted(client, from_(tree, 0, size))[0] for size in (0, 0, 5)] == [200] * 3


def signed_text(text: str) -> Note:
    return Note(text, tuple(key.sign(text, 1) for key in keys_of(ORIGIN)))


def test_bodies_are_bounded(client: TestClient) -> None:
    """What is longer than any submission is not taken in."""
    assert submitted(client, b"x" * (MAX_BODY + 1))[0] == 413


def test_a_fork_is_kept_as_what_it_is(client: TestClient, folder: Path) -> None:
    """Two checkpoints of one size that a log has signed prove that it was forked: the witness keeps them, whatever else was wrong."""
    tree, fork = Tree(), Tree(forked_at=3)
    submitted(client, from_(tree, 0, 5))
    assert submitted(client, from_(fork, 5, 5))[0] == 422
    assert submitted(client, from_(fork, 3, 5))[0] == 409
    [(cosigned, refused)] = Keeper(folder).state.contradictions(ORIGIN)
    policy = Policy.read("".join(f"log {key.verifier}\n" for key in keys_of(ORIGIN)).encode() + b"quorum none\n")
    first, second = check(cosigned, policy), check(refused, policy)
    assert first.counts
    assert second.counts
    assert first.checkpoint.size == second.checkpoint.size
    assert first.checkpoint.root != second.checkpoint.root


def test_a_log_may_have_new_keys(folder: Path) -> None:
    """Where the file names several of one origin, each will do."""
    tree = Tree()
    new = SignerKey(ORIGIN, 1, b"9" * 32)
    with (folder / LOGS).open("a") as file:
        file.write(f"log {new.verifier}\n")
    client = TestClient(build(Keeper(folder)))
    assert submitted(client, from_(tree, 0, 5))[0] == 200
    assert submitted(client, from_(tree, 5, 6)._replace(note=tree.checkpoint(6, new)))[0] == 200


def test_a_clock_that_was_put_back_is_waited_for(folder: Path) -> None:
    """A cosignature says that nothing longer was seen at its time: no later one has an earlier time."""
    now = [1_000.0]
    client, tree = TestClient(build(Keeper(folder, lambda: now[0]))), Tree()
    assert submitted(client, from_(tree, 0, 5))[0] == 200
    now[0] = 999
    assert submitted(client, from_(tree, 5, 6))[0] == 503
    now[0] = 1_001
    assert submitted(client, from_(tree, 5, 6))[0] == 200


def test_forks_that_come_at_once_are_told_apart(folder: Path) -> None:
    """Whichever is first, and in whichever process of the witness: of one log one tree is cosigned, and the others are refused."""
    logs = [[Tree(f"log.example/{number}", forked_at=at) for at in (3, 5, 7, 9)] for number in range(30)]
    knows(folder, *(one for forks in logs for one in forks))
    keepers = [Keeper(folder), Keeper(folder)]
    for forks in logs:
        ready, cosigned = Barrier(len(forks)), list[str]()

        def submit(keeper: Keeper, body: bytes, ready: Barrier, cosigned: list[str]) -> None:
            ready.wait()
            with suppress(NotCosigned):
                cosigned.append(keeper.cosign(body))

        bodies = [str(from_(tree, 0, 12)).encode() for tree in forks]
        threads = [
            Thread(target=submit, args=(keepers[number % 2], body, ready, cosigned))
            for number, body in enumerate(bodies)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(cosigned) == 1


def test_what_was_cosigned_is_never_taken_back(folder: Path) -> None:
    """Not by the file's own owner, short of taking its rules away."""
    submitted(TestClient(build(Keeper(folder))), from_(Tree(), 0, 5))
    with closing(sqlite3.connect(folder / STATE)) as connection:
        for statement in (
            "update checkpoints set size = 4",
            "update checkpoints set root = zeroblob(32)",
            "update checkpoints set origin = 'x'",
            "delete from checkpoints",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="a witness never"):
                connection.execute(statement)


def test_a_witness_is_begun_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its keys are told, and are nobody else's to read; a second beginning changes nothing and is refused."""
    folder = tmp_path / "witness"
    commands.init(NAME, folder)
    told = capsys.readouterr().out.splitlines()
    assert told == [str(key) for key in Keeper(folder).public]
    assert [(folder / name).stat().st_mode & 0o777 for name in (KEY, STATE)] == [0o600] * 2
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(Misconfigured, match="file exists"):
        begin(folder, NAME)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    for name in ("", "a b", "a+b", "a\nb", "x" * 256):
        with pytest.raises(Misconfigured, match="a name such as"):
            begin(tmp_path / "other", name)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder, other: (folder / STATE).unlink(), "is gone"),
        (lambda folder, other: (folder / STATE).write_bytes((other / STATE).read_bytes()), "other keys"),
        (lambda folder, other: (folder / STATE).write_bytes(b""), "cannot be read"),
        (lambda folder, other: (folder / STATE).write_bytes(b"x" * 5_000), "cannot be read"),
        (lambda folder, other: (folder / KEY).write_bytes((other / KEY).read_bytes()), "other keys"),
        (lambda folder, other: (folder / KEY).chmod(0o640), "chmod 600"),
        (lambda folder, other: (folder / KEY).unlink(), "witness init"),
        (lambda folder, other: (folder / KEY).write_text("x\n"), "cannot be read"),
        (lambda folder, other: (folder / KEY).write_text(""), "must hold keys"),
        (lambda folder, other: (folder / LOGS).write_text("log x\n"), "logs, line 1"),
        (lambda folder, other: (folder / LOGS).unlink(), "logs"),
    ],
)  # fmt: skip
def test_what_is_not_this_witness_does_not_start(
    folder: Path, tmp_path: Path, harm: Callable[[Path, Path], object], told: str
) -> None:
    """Without its memory, or with another's, it might cosign what it must not: it says what is wrong, and what to do."""
    begin(tmp_path / "other", "witness.example.org/w2")
    harm(folder, tmp_path / "other")
    with pytest.raises(Misconfigured, match=told):
        Keeper(folder)


# --- the log's side


def test_a_checkpoint_is_cosigned_over_http(witness: Served) -> None:
    """From the size that the witness has, whatever the log thinks it has; by its key of either type; for each log by itself."""
    tree, other = Tree(), Tree(OTHER)
    for one in witness.witnesses:
        for size, old in ((20, 0), (20, 20), (25, 20), (30, 7), (30, 0), (30, 999)):
            size += 100 * (one is witness.witnesses[1])
            outcome = asked(one, tree, size, old)
            assert isinstance(outcome, Cosigned), outcome
            assert one.key.verify(tree.checkpoint(size).text, outcome.signature.signature) == outcome.time
    assert isinstance(asked(one, other, 3), Cosigned)


def test_a_log_that_was_put_back_or_forked_is_contradicted(witness: Served) -> None:
    """A shorter tree, another one of its size, and another one that is longer: also after the witness was started again."""
    one, tree, fork = witness.witnesses[0], Tree(), Tree(forked_at=10)
    assert isinstance(asked(one, tree, 20), Cosigned)
    for _ in range(2):
        for size, old, status, named in (
            (15, 0, 409, 20),
            (20, 0, 422, None),
            (20, 20, 422, None),
            (30, 20, 422, None),
        ):
            found = asked(one, fork if size > 15 else tree, size, old)
            assert isinstance(found, Contradicted), found
            assert (found.answer.status, found.size) == (status, named)
            assert found.shown
            assert found.shown.text == tree.checkpoint(20).text
        witness.stop(SIGKILL)
        witness.start()
    assert isinstance(asked(one, tree, 21, 20), Cosigned)


LINE = SignerKey(NAME, 4, b"w" * 32)
WITNESS = Witness("w", LINE.verifier)


def http(status: int, body: str = "", type_: str = "text/plain") -> bytes:
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: {type_}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()
    )


@contextmanager
def answering(*answers: bytes, slow_s: float = 0.0) -> Iterator[Witness]:
    """A witness that says these things, one at each request, byte by byte where it is slow; then it says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = Event()

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    try:
                        connection.recv(200_000)
                        for at in range(0, len(answer), 1 if slow_s else len(answer) or 1):
                            connection.sendall(answer[at : at + 1] if slow_s else answer)
                            if stop.wait(slow_s):
                                return
                    except OSError:
                        continue

        thread = Thread(target=serve)
        thread.start()
        try:
            yield WITNESS._replace(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            stop.set()
            with socket.socket() as last:  # wakes who still waits for a request
                last.connect_ex(listener.getsockname())
            listener.close()
            thread.join()


def line(text: str, key: SignerKey = LINE, when: int = 1_700_000_000) -> str:
    return key.sign(text, when).line


TEXT = Tree().checkpoint(20).text


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\r\n", b"x" * 100_000, b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\n",
        http(200), http(200, "\n"), http(200, "yes\n"), http(200, line(TEXT)[:-1]), http(200, line(TEXT)[:-9]),
        http(200, line(TEXT).replace("\n", "\r\n")),
        http(200, line(TEXT, SignerKey("stranger", 4, b"s" * 32))),
        http(200, line(TEXT, SignerKey(NAME, 4, b"s" * 32))),
        http(200, line(TEXT.replace("\n20\n", "\n21\n"))), http(200, line(TEXT, when=0)),
        http(200, line(TEXT) + line(TEXT.replace("\n20\n", "\n21\n"))), http(200, line(TEXT) * 2_000),
        http(200, line(TEXT))[:-20].replace(b"Content-Length: 1", b"Content-Length: 9"),
        http(409), http(409, "5\n"), http(409, "20\n"), http(409, "05\n", "text/x.tlog.size"), http(409, "5", "text/x.tlog.size"),
        http(409, "-5\n", "text/x.tlog.size"), http(409, f"{10**30}\n", "text/x.tlog.size"), http(409, "0\n", "text/x.tlog.size"),
        http(422), http(400), http(403), http(404, "no such log"), http(429), http(500), http(503), http(204),
        http(302).replace(b"\r\n\r\n", b"\r\nLocation: http://127.0.0.1:1/\r\n\r\n"), http(999),
    ],
)  # fmt: skip
def test_what_is_no_answer_of_a_witness_says_nothing_of_the_log(answer: bytes) -> None:
    """Refusals, errors, garbage, lines of other keys or of other texts: nothing is cosigned, and nothing contradicted."""
    with answering(answer) as one:
        outcome = asked(one, Tree(), 20, timeout_s=2)
    assert isinstance(outcome, Unwilling), outcome
    assert outcome.reason
    assert "\n" not in outcome.reason


@pytest.mark.parametrize(
    ("answers", "old", "kind"),
    [
        ((http(200, line(TEXT)),), 0, Cosigned),
        ((http(200, line(TEXT, SignerKey("stranger", 4, b"s" * 32)) + line(TEXT)),), 0, Cosigned),
        ((http(409, "7\n", "text/x.tlog.size"), http(200, line(TEXT))), 0, Cosigned),
        ((http(409, "20\n", "text/x.tlog.size"), http(200, line(TEXT))), 7, Cosigned),
        ((http(409, "0\n", "text/x.tlog.size"), http(200, line(TEXT))), 7, Cosigned),
        ((http(409, "7\n", "text/x.tlog.size"), http(409, "8\n", "text/x.tlog.size")), 0, Unwilling),
        ((http(409, "21\n", "text/x.tlog.size"),), 0, Contradicted),
        ((http(409, "20\n", "text/x.tlog.size"), http(409, "20\n", "text/x.tlog.size")), 7, Contradicted),
        ((http(409, "20\n", "text/x.tlog.size; charset=utf-8"), http(409, "another root")), 7, Contradicted),
        ((http(409, "7\n", "text/x.tlog.size"), http(409, "21\n", "text/x.tlog.size")), 0, Contradicted),
        ((http(422),), 7, Contradicted),
        ((http(409, "7\n", "text/x.tlog.size"), http(422)), 0, Contradicted),
    ],
)  # fmt: skip
def test_what_an_answer_means(answers: tuple[bytes, ...], old: int, kind: type) -> None:
    """It is asked once more from the size that it names; what is longer than ours, or another tree, contradicts."""
    with answering(*answers, http(404)) as one:
        assert isinstance(asked(one, Tree(), 20, old), kind)


@pytest.mark.parametrize("slow_s", [0.05, 60.0])
def test_a_witness_that_dawdles_is_left(slow_s: float) -> None:
    """Though a byte comes now and then; and who does not listen is not waited for."""
    began = monotonic()
    with answering(http(200, line(TEXT)), slow_s=slow_s) as one:
        assert asked(one, Tree(), 20, timeout_s=0.5) == Unwilling("no answer within 0.5 s")
    assert monotonic() - began < 2
    assert isinstance(asked(WITNESS._replace(url=f"http://127.0.0.1:{free_port()}"), Tree(), 20), Unwilling)


def test_tls_is_waited_for_no_longer_either() -> None:
    """A server that begins a handshake and never ends it is left in time."""
    with answering(b"\x16\x03\x03\x40\x00" + b"x" * 100, slow_s=0.05) as one:
        assert one.url
        began = monotonic()
        with pytest.raises(NoAnswer, match=r"no answer within 0\.5 s"):
            Post(one.url.replace("http:", "https:"), 0.5).ask("GET", "/")
        assert monotonic() - began < 2


def test_an_answer_without_end_is_not_taken_in() -> None:
    """However long it says it is, or is not."""
    for head in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n"):
        with answering(head + b"x" * (MAX_ANSWER + 1)) as one:
            assert one.url
            with pytest.raises(NoAnswer, match="longer than"):
                Post(one.url, 2).ask("GET", "/")


def test_a_connection_is_kept_and_made_again(witness: Served) -> None:
    """Requests go over one connection, and over a new one where the witness was started again in between."""
    post = Post(witness.url)
    post.ask("GET", "/")
    first = post.connection.sock
    post.ask("GET", "/")
    assert post.connection.sock is first
    witness.stop()
    witness.start()
    assert post.ask("GET", "/").status == 200


@pytest.mark.parametrize(
    "url", ["", "witness", "ftp://a", "http://", "http://a:x", "http://a:0", "http://u@a", "http://a?b", "http://\u00e9"]
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    """Before anything is offered."""
    with pytest.raises(Misconfigured, match="an address such as"):
        Post(url)


def test_pauses_grow() -> None:
    """A second, twice as long each time, and five minutes at most, however long it takes."""
    assert [pause_s(failures) for failures in range(1, 11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert pause_s(10**9) == 300


@given_any(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
@settings(max_examples=50)
def test_a_submission_is_read_as_it_was_written(old: int, proof: list[bytes]) -> None:
    """Whatever its size and its proof."""
    submission = Submission(old, proof, Tree().checkpoint(3))
    assert Submission.read(str(submission).encode()) == submission


@given_any(st.binary(max_size=300), st.sampled_from([b"", b"old 1\n", b"old 1\n" + b64encode(b"x" * 32) + b"\n\n"]))
def test_what_is_no_submission_is_refused_as_that(data: bytes, head: bytes) -> None:
    """Whatever bytes come, they are read or refused."""
    for read in (Submission.read, read_lines):
        try:
            read(head + data)
        except BadNote:
            continue


# --- beside the signer


class Kept:
    """What a log is told by those who offer its checkpoints."""

    def __init__(self, tree: Tree, evidence: Path, published: int = 0) -> None:
        self.cosigned: list[tuple[int, str]] = []
        self.found: list[tuple[Contradicted, Path | None]] = []
        self.log = Log(tree.proof, lambda: published, self._keep, lambda *found: self.found.append(found), evidence)

    def _keep(self, size: int, witness: Witness, line: str, time: int) -> None:
        assert line.startswith("\u2014 ")
        assert time
        self.cosigned.append((size, witness.name))


def test_a_witness_that_is_down_delays_nobody(witness: Served, tmp_path: Path) -> None:
    """The others cosign at once, and offering waits for nothing; what came last is cosigned by it once it is back."""
    tree, kept = Tree(), Kept(Tree(), tmp_path)
    up, port = witness.witnesses[0], free_port()
    down = up._replace(name="down", url=f"http://127.0.0.1:{port}")
    with answering(b"x", b"x", b"x", slow_s=60) as slow, Witnesses([down, slow, up], kept.log, {}) as witnesses:
        began = monotonic()
        for size in range(10, 40):
            witnesses.offer(tree.checkpoint(size))
        assert monotonic() - began < 1
        wait_until(lambda: (39, up.name) in kept.cosigned)
        assert monotonic() - began < 4
        standings = witnesses.standings()
        assert standings[up.name].size == 39
        assert standings["down"].trouble
        assert standings["down"].size == 0
        witness.stop()
        witness.port = port
        witness.start()
        wait_until(lambda: (39, "down") in kept.cosigned)
        assert witnesses.standings()["down"].trouble == ""
    assert not kept.found


def test_what_could_not_be_kept_is_cosigned_again(witness: Served, tmp_path: Path) -> None:
    """A cosignature that the log failed to store is asked for once more."""
    kept, failed = Kept(Tree(), tmp_path), Event()

    def keep(size: int, one: Witness, line: str, time: int) -> None:
        if not failed.is_set():
            failed.set()
            raise ConnectionError("the database is gone")
        kept.cosigned.append((size, one.name))

    log = Log(kept.log.proof_for, kept.log.published, keep, kept.log.contradicted, tmp_path)
    with Witnesses(witness.witnesses[:1], log, {}) as witnesses:
        witnesses.offer(Tree().checkpoint(20))
        wait_until(lambda: kept.cosigned == [(20, "w4")])
    assert not kept.found


def test_a_contradiction_stops_it_all_and_is_evidence(witness: Served, tmp_path: Path) -> None:
    """Both checkpoints and what the witness said are in a file beside the key, nothing more is offered, and the log is told."""
    tree, fork, up = Tree(), Tree(forked_at=10), witness.witnesses[0]
    evidence = folder_beside(tmp_path / "log.key")
    kept = Kept(tree, evidence)
    with Witnesses([up], kept.log, {}) as witnesses:
        witnesses.offer(tree.checkpoint(20))
        wait_until(lambda: kept.cosigned)
        known = witnesses.standings()[up.name].last
        assert known
    forked = Kept(fork, evidence)
    with Witnesses([up, *witness.witnesses[1:]], forked.log, {up.name: known}) as witnesses:
        witnesses.offer(fork.checkpoint(25))
        wait_until(lambda: any(found.shown for found, _ in forked.found))  # the one that came second is cut off
        found, path = next(one for one in forked.found if one[0].shown)
        witnesses.offer(fork.checkpoint(26))
        sleep(0.3)
    assert not forked.cosigned
    assert path
    assert (path.parent, path.stat().st_mode & 0o777) == (evidence, 0o600)
    text = path.read_text()
    assert str(fork.checkpoint(25)) in text
    assert str(found.shown) in text
    assert found.answer.body.decode() in text
    assert "status: 422" in text
    assert any(str(known) in path.read_text() for path in evidence.iterdir())


def test_that_a_witness_has_forgotten_is_told(
    witness: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It contradicts nothing, and cosigns; that its memory was put back, and it might cosign a fork, is for people to know."""
    tree, up, older = Tree(), witness.witnesses[0], (witness.folder / STATE).read_bytes()
    kept = Kept(tree, tmp_path)
    with Witnesses([up], kept.log, {}) as witnesses:
        witnesses.offer(tree.checkpoint(20))
        wait_until(lambda: kept.cosigned == [(20, up.name)])
        assert "forgotten" not in caplog.text
        witness.stop()
        (witness.folder / STATE).write_bytes(older)
        witness.start()
        witnesses.offer(tree.checkpoint(21))
        wait_until(lambda: kept.cosigned[1:] == [(21, up.name)])
    assert "had cosigned 20 entries and knew of 0 alone: it has forgotten" in caplog.text


def test_another_process_of_ours_contradicts_nothing(witness: Served, tmp_path: Path) -> None:
    """A witness that has cosigned a longer tree which we published ourselves is asked again, and not accused."""
    tree, up = Tree(), witness.witnesses[0]
    assert isinstance(asked(up, tree, 30), Cosigned)
    kept = Kept(tree, tmp_path, published=30)
    with Witnesses([up], kept.log, {}) as witnesses:
        witnesses.offer(tree.checkpoint(20))
        wait_until(lambda: "another process" in witnesses.standings()[up.name].trouble)
        witnesses.offer(tree.checkpoint(31))
        wait_until(lambda: kept.cosigned == [(31, up.name)])
    assert not kept.found


# --- killed


def test_a_witness_that_is_killed_never_contradicts_itself(tmp_path: Path) -> None:
    """Killed again and again while two submit, each a fork of what the other does: of each log the cosigned trees are all of
    one of the two, and what was asked for after a cosignature was told is never of a smaller tree.
    """
    pairs = [(Tree(f"log.example/{number}"), Tree(f"log.example/{number}", forked_at=10)) for number in range(30)]
    told: list[tuple[float, float, Checkpoint]] = []
    refused: list[Contradicted] = []
    stop, dice = Event(), Random(7)

    def press(which: int, one: Witness) -> None:
        chance = Random(which)
        while not stop.is_set() and (number := len(told) // 8) < len(pairs):
            began, tree = monotonic(), pairs[number][which]
            last = max((known.size for *_, known in told if known.origin == tree.origin), default=10)
            size = last + chance.choice((0, 1, 2))
            outcome = asked(one, tree, size, chance.choice((0, last)), timeout_s=1)
            if isinstance(outcome, Cosigned):
                told.append((began, monotonic(), Checkpoint(tree.origin, size, tree.root(size))))
            elif isinstance(outcome, Contradicted):
                refused.append(outcome)
            else:
                sleep(0.01)  # it is down, and needs the processor to come up

    with served(tmp_path / "witness", *(tree for tree, _ in pairs)) as witness:
        threads = [Thread(target=press, args=one) for one in enumerate(witness.witnesses)]
        for thread in threads:
            thread.start()
        for kills in range(100):
            if kills >= 12 and refused and len(told) > 40:
                break
            sleep(dice.uniform(0.05, 0.4))
            witness.stop(SIGKILL)
            witness.start()
        stop.set()
        for thread in threads:
            thread.join()
    assert len(told) > 40
    assert refused
    for pair in pairs:
        of_log = [one for one in told if one[2].origin == pair[0].origin]
        assert any(all(one.root == tree.root(one.size) for *_, one in of_log) for tree in pair)
        assert all(after.size >= one.size for _, ended, one in of_log for began, _, after in of_log if began > ended)
