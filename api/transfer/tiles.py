"""The log as a directory of static files (c2sp.org/tlog-tiles), which any web server serves as it is."""

import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from ledger.database.connection import Pool
from ledger.errors import Unavailable, in_words
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import BadNote, Note
from ledger.proofs.tiles import bundles_between, tiles_between
from projections.tree.proofs import Proofs

CHECKPOINT = "checkpoint"


def export_tiles(pool: Pool, directory: Path, report: Callable[[int], None]) -> tuple[int, int]:
    """Write what the directory lacks of the last signed tree; returns its size, and how many files were written.

    The checkpoint comes last: at each moment the directory holds every tile of the one that it shows.
    """
    proofs, written = Proofs(pool), 0
    latest = proofs.latest()
    size, before = latest.checkpoint.size, _exported(directory, latest.checkpoint, proofs)
    try:
        for tile in chain(tiles_between(before, size), bundles_between(before, size)):
            _write(directory / "tile" / tile.path, proofs.tile(tile))
            written += 1
            report(min(tile.end, size))
        _write(directory / "key", "".join(f"{one}\n" for one in proofs.public_keys()).encode())
        _write(directory / CHECKPOINT, str(latest.note).encode())
    except OSError as error:
        raise Unavailable(f"the tiles cannot be written: {in_words(error)}") from None
    return size, written + 2


def _exported(directory: Path, latest: Checkpoint, proofs: Proofs) -> int:
    """Up to which size the directory has this log. Raises Unavailable where it has another."""
    try:
        known = Checkpoint.read(Note.read((directory / CHECKPOINT).read_bytes()).text)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise Unavailable(f"the tiles cannot be written to {directory}: {in_words(error)}") from None
    except BadNote:
        raise Unavailable(f"{directory / CHECKPOINT} is no checkpoint: choose another directory") from None
    if known.origin != latest.origin or known.size > latest.size or proofs.root_at(known.size) != known.root:
        raise Unavailable(
            f"{directory} holds {known.size:,} entries of {known.origin}, and {latest.size:,} of {latest.origin} are signed here: "
            "it is another log, or the ledger was put back"
        )
    return known.size


def _write(path: Path, data: bytes) -> None:
    """The whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(data)
    os.replace(draft, path)
