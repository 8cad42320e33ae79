"""Lines as the ledger stores them, as many as are wanted, all of the same bytes but for their keys."""

from dataclasses import replace
from itertools import islice
from typing import Any
from uuid import uuid4

from uuid6 import uuid7

from ledger.log.entry import HEAD_BYTES, LineMapper, StoredLine, make_entry
from ledger.settings import ADDRESS
from ledger.writing.draft import Draft, read_draft
from tests.generator import Generator

SOURCE = "/ledgers/partnerships"
SUBJECT = "agreement:00000000-0000-4000-8000-000000000000"


def events(count: int) -> list[dict[str, Any]]:
    return list(Generator().events(count))


def line_of(draft: Draft, version: int = 1) -> StoredLine:
    entry = make_entry(
        draft.fact, entry_id=draft.id or str(uuid7()), subject=draft.subject, version=version, source=SOURCE,
        address=ADDRESS, authtype="api_key", authid="clerk", salt_for=lambda _: bytes(32),
    )  # fmt: skip
    return LineMapper().to_stored_event(entry)


def typical() -> StoredLine:
    """Among lines of agreements, the one of the middle length, under a subject whose name is a UUID."""
    some = islice((one for one in Generator().events(4_000) if one["subject"].startswith("agreement:")), 1_001)
    lines = sorted((line_of(read_draft(one | {"subject": SUBJECT})) for one in some), key=lambda line: len(line.state))
    return lines[len(lines) // 2]


TYPICAL = typical()
TYPICAL_BYTES = HEAD_BYTES + len(TYPICAL.state) - 1


def fresh() -> StoredLine:
    """A typical line that opens a stream of its own."""
    name, entry_id = f"agreement:{uuid4()}", str(uuid7())
    state = TYPICAL.state.replace(SUBJECT.encode(), name.encode()).replace(TYPICAL.entry_id.encode(), entry_id.encode())
    return replace(TYPICAL, originator_id=name, entry_id=entry_id, state=state)


def batches(count: int, size: int) -> list[list[StoredLine]]:
    return [[fresh() for _ in range(size)] for _ in range(count)]
