"""What the rows of each projection are, for histories that stay the same: so a change of the rows does not go unnoticed.

``python -m tests.rows`` writes those of a projection whose version was raised; it refuses where the version is as before.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from ledger.recorded import Opening, Openings, Recorded
from ledger.vocabulary.fact import Subject
from ledger.writing.draft import read_draft
from projections.changes import Fold
from projections.registry import PROJECTIONS
from seeds import FILES, events
from tests.generator import Generator
from tests.minimal import FULL, MINIMAL

GOLDEN = Path(__file__).parent / "golden" / "rows.json"
Golden = dict[str, dict[str, Any]]


def _told() -> Iterator[dict[str, Any]]:
    for name in FILES:
        yield from events(name)
    yield from islice(Generator().events(600), 600)
    for type_ in MINIMAL:
        yield MINIMAL[type_] | {"subject": f"{MINIMAL[type_]['subject']}-least"}
        yield FULL[type_]


def _entries() -> Iterator[tuple[Subject, Recorded]]:
    for position, told in enumerate(_told(), 1):
        draft = read_draft(told)
        day = date(2024, 1, 1) + timedelta(days=position // 3)
        yield draft.subject, Recorded(position, draft.id or f"id-{position}", day, draft.fact)


def golden() -> Golden:
    """By projection: its version, and for each table how many rows there are, and a digest of them."""
    fold, heads = Fold(PROJECTIONS), dict[Subject, Opening | None]()
    openings: Openings = heads
    for subject, recorded in _entries():
        heads.setdefault(subject, Opening(recorded.position))
        fold.take(subject, recorded, openings)
    rows = {changes.table.name: sorted(map(repr, changes.written)) for changes in fold.take_changes()}
    return {
        one.name: {"version": one.version}
        | {table.name: [len(rows[table.name]), _digest(rows[table.name])] for table in one.tables}
        for one in PROJECTIONS
    }


def _digest(rows: list[str]) -> str:
    return sha256("\n".join(rows).encode()).hexdigest()


def changed(kept: Golden, made: Golden) -> list[str]:
    """The projections whose rows are others though their version is as before."""
    return [
        name
        for name, one in made.items()
        if name in kept and kept[name] != one and kept[name]["version"] == one["version"]
    ]


if __name__ == "__main__":
    before: Golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if wrong := changed(before, golden()):
        raise SystemExit(f"the rows of {', '.join(wrong)} are others: raise the version")
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n")
