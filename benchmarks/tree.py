"""The log as a Merkle tree: built, proved and verified, beside a verifier that others wrote; and what signing costs those who append."""

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time, sleep

from api.transfer.tiles import export_tiles
from api.transfer.verifying import from_directory
from benchmarks.lines import batches
from benchmarks.measure import Bench, Figure, Measured, Unmeasured, alternate, compare
from benchmarks.service import ledger_of_tens
from benchmarks.several import appended
from ledger.database.connection import LedgerLocation
from ledger.library_recorder import EntryRecorder
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.verifier import verify_log
from projections.tree.keys import LogKeys
from projections.tree.proofs import Proofs
from projections.tree.signer import Signer, sign
from projections.tree.tree import SQL, Tree
from tests.peers import NoPeers, python_with_peers

SPAWN = get_context("spawn")
CALLERS = 32
INTERVAL_S = 1.0
PATIENCE_S = 60.0
ALL_IS_SIGNED = "select size = (select max(size) from checkpoints) from head"
CHUNK = 1_000
PROOFS = 500
BUILT, PROOF_MS, VERIFIED, WITHIN_S, COSTS_NOTHING = 10_000, 2.0, 200_000, 2.0, 0.95
"""What is asked for: entries a second, of the tree and of `ledger verify`; how soon there is a proof, and a checkpoint; and the rate of
appends beside a signer, against the rate without."""
OURS, THEIRS = "ours", "aics-tlog"
UNIT = "entries/s"
AUDIT = """
import sys
from time import process_time
from aics_tlog import FileSystemTileReader, audit_tiles
started = process_time()
audit_tiles(FileSystemTileReader(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3]))
print(process_time() - started)
"""


def run(bench: Bench) -> Iterator[Figure]:
    size = bench.scale(1_000_000, 20_000)
    location, folder = bench.new_ledger("bench_tree"), bench.folder / "tiles"
    _record(location, size)
    bench.level()
    built = alternate({OURS: lambda: _build(location, size)}, bench.scale(3, 2))
    yield _against(f"tree of {size:,} entries from nothing, against {BUILT:,} a second", built, BUILT, UNIT)
    checkpoint = _sign(location, bench.folder / "log-key")
    proved = alternate({OURS: lambda: _prove(location, size)}, bench.scale(5, 2))
    title = f"proof of one entry in a tree of {size:,} entries, against {PROOF_MS:g} ms"
    yield _against(title, proved, PROOF_MS, "ms, less is better", less=True)
    with location.pool(1) as pool:
        export_tiles(pool, folder, lambda done: None)
    bench.drop(location)
    contenders = {OURS: lambda: _verify(folder, checkpoint), THEIRS: lambda: _audit(folder, checkpoint)}
    verified = alternate(contenders, bench.scale(3, 2))
    title = f"verify a directory of {size:,} entries, in a second of one core, against"
    yield _against(f"{title} {VERIFIED:,}", verified, VERIFIED, UNIT)
    yield compare(f"{title} aics-tlog", verified, OURS, THEIRS, UNIT)


def _against(name: str, measured: Measured, bound: float, unit: str, *, less: bool = False) -> Figure:
    """Ours beside what is asked for."""
    measured.runs["asked for"] = [bound]
    return compare(name, measured, OURS, "asked for", unit, 1.0, less=less)


def _record(location: LedgerLocation, size: int) -> None:
    with location.pool(1) as pool:
        recorder = EntryRecorder(location, pool)
        for _ in range(size // CHUNK):
            recorder.insert_events(batches(1, CHUNK)[0])
        recorder.close()


def _build(location: LedgerLocation, size: int) -> float:
    with location.connect() as connection:
        tree = Tree(connection)
        connection.execute(SQL["empty"])
        started = perf_counter()
        tree.grow(size)
        return size / (perf_counter() - started)


def _sign(location: LedgerLocation, key: Path) -> Checkpoint:
    LogKeys.new("ledger.example/bench").write(key)
    with location.connect(patient=True) as connection:
        checkpoint = Signer(connection, key).round()
    assert checkpoint
    return checkpoint


def _prove(location: LedgerLocation, size: int) -> float:
    """Milliseconds, the median."""
    random, took = Random(1), list[float]()
    with location.pool(1) as pool:
        proofs = Proofs(pool)
        for _ in range(PROOFS):
            position = random.randint(1, size)
            started = perf_counter()
            proofs.proofs([position])
            took.append((perf_counter() - started) * 1000)
    return median(took)


def _verify(folder: Path, checkpoint: Checkpoint) -> float:
    """Entries a second of one core, whoever else is at work on it."""
    started = process_time()
    verify_log(from_directory(folder), checkpoint)
    return checkpoint.size / (process_time() - started)


def _audit(folder: Path, checkpoint: Checkpoint) -> float:
    try:
        python = python_with_peers()
    except NoPeers as error:
        raise Unmeasured(str(error)) from None
    command = [str(python), "-I", "-c", AUDIT, str(folder), str(checkpoint.size), checkpoint.root.hex()]
    return checkpoint.size / float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# --- what signing costs


def beside_a_signer(bench: Bench) -> Iterator[Figure]:
    """Appends with a process that signs, and without one, in turn."""
    location, streams = ledger_of_tens(bench, "signer")
    key, seconds, seeds = bench.folder / "signer-key", bench.scale(4, 2), count()
    LogKeys.new("ledger.example/bench").write(key)
    bench.level()
    lags: list[float] = []
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:

        def append() -> float:
            return process.submit(appended, location, streams, CALLERS, seconds, next(seeds)).result()

        contenders = {"signed": lambda: _signed(location, key, append, lags), "unsigned": append}
        measured = alternate(contenders, bench.scale(15, 2))
    title = f"service, {CALLERS} callers beside a process that signs"
    yield compare(f"{title}, against none", measured, "signed", "unsigned", "events/s", COSTS_NOTHING)
    title, signed = f"{title}: all is signed after the last commit", Measured({OURS: lags})
    yield _against(f"{title}, against {WITHIN_S:g} s", signed, WITHIN_S, "s, less is better", less=True)


def _signed(location: LedgerLocation, key: Path, append: Callable[[], float], lags: list[float]) -> float:
    """What ``append`` measures while a process signs that has caught up; ``lags``: seconds from its end until all is signed."""
    stop = SPAWN.Event()
    signer = SPAWN.Process(target=sign, args=(location, key, INTERVAL_S, stop))
    signer.start()
    try:
        _until_signed(location)
        rate = append()
        lags.append(_until_signed(location))
        return rate
    finally:
        stop.set()
        signer.join()


def _until_signed(location: LedgerLocation) -> float:
    """The seconds until a checkpoint covers all that is recorded."""
    started = perf_counter()
    with location.connect() as connection:
        while connection.execute(ALL_IS_SIGNED).fetchone() != (True,):
            if perf_counter() > started + PATIENCE_S:
                raise Unmeasured("the signer has not come to the end")
            sleep(0.01)
    return perf_counter() - started
