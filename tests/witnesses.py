"""Logs in memory that witnesses are asked about, and witnesses in processes of their own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.merkle import consistency_proof, leaf_hash, root_of_hashes
from ledger.proofs.notes import ED25519, ML_DSA_44, Note, SignerKey, signed
from ledger.proofs.policy import Witness
from ledger.witness.client import Outcome, submit
from ledger.witness.keeper import LOGS, begin
from ledger.witness.post import NoAnswer, Post
from tests.commands import environment

ORIGIN = "log.example/partnerships"
NAME = "witness.example.org/w1"
SERVE = "import sys; from pathlib import Path; from api.cli.witness import serve; serve(Path(sys.argv[1]))"


def keys_of(origin: str) -> tuple[SignerKey, ...]:
    return tuple(SignerKey(origin, type_, origin.encode().ljust(32, b".")[:32]) for type_ in (ED25519, ML_DSA_44))


@dataclass
class Tree:
    """A log: what it holds, and what its keys sign. Two with one origin and other leaves from ``forked_at`` on are a fork."""

    origin: str = ORIGIN
    forked_at: int = 1_000_000
    leaves: list[bytes] = field(default_factory=list)
    notes: dict[tuple[int, tuple[SignerKey, ...]], Note] = field(default_factory=dict)

    def _upto(self, size: int) -> Sequence[bytes]:
        for number in range(len(self.leaves), size):
            self.leaves.append(leaf_hash(f"{number} {number >= self.forked_at}".encode()))
        return self.leaves[:size]

    def root(self, size: int) -> bytes:
        return root_of_hashes(self._upto(size))

    def checkpoint(self, size: int, *keys: SignerKey) -> Note:
        """Signed once: another time an ML-DSA-44 signature would be another one."""
        signers = keys or keys_of(self.origin)
        if (size, signers) not in self.notes:
            self.notes[size, signers] = signed(Checkpoint(self.origin, size, self.root(size)).text, signers, 1)
        return self.notes[size, signers]

    def proof(self, old: int, size: int) -> list[bytes]:
        leaves = self._upto(size)
        return consistency_proof(old, size, lambda level, at: root_of_hashes(leaves[at << level : at + 1 << level]))


def knows(folder: Path, *trees: Tree) -> None:
    """Let the witness of this folder know these logs, from its next start on."""
    lines = [f"log {key.verifier}\n" for origin in {tree.origin for tree in trees} for key in keys_of(origin)]
    (folder / LOGS).write_text("".join(lines))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Served:
    """A witness in a process of its own, at one address however often it is started."""

    folder: Path
    witnesses: list[Witness]
    port: int
    running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-c", SERVE, self.folder], cwd=Path(__file__).parents[1],
            env=environment(LEDGER_PORT=str(self.port)), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until_it_answers(self.url)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.running is not None:
            os.kill(self.running.pid, how)
            self.running.wait(20)
            self.running = None


def until_it_answers(url: str) -> None:
    deadline = monotonic() + 30
    while True:
        try:
            Post(url).ask("GET", "/")
        except NoAnswer:
            if monotonic() > deadline:
                raise
            sleep(0.05)
        else:
            return


@contextmanager
def served(folder: Path, *trees: Tree) -> Iterator[Served]:
    """A new witness of these logs, which has a key of each type."""
    port = free_port()
    public = begin(folder, NAME)
    knows(folder, *trees)
    witness = Served(folder, [Witness(f"w{key.type}", key, f"http://127.0.0.1:{port}") for key in public], port)
    witness.start()
    try:
        yield witness
    finally:
        witness.stop()


def asked(witness: Witness, tree: Tree, size: int, old_size: int = 0, timeout_s: float = 5.0) -> Outcome:
    """What comes of a checkpoint that is submitted to a witness."""
    assert witness.url
    return submit(Post(witness.url, timeout_s), witness, old_size, tree.proof, tree.checkpoint(size))
