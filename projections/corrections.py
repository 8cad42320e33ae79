"""What was recorded to correct the entries of a stream. Pure."""

from collections.abc import Sequence
from typing import Any

from ledger.log.entry import read_line


def corrections_of(lines: Sequence[str]) -> list[list[dict[str, Any]]]:
    """For each line of a stream, what was recorded to correct it: by what, by whom, when and why."""
    entries = [read_line(line) for line in lines]
    positions = {entry.id: entry.position for entry in entries}
    found: dict[int, list[dict[str, Any]]] = {}
    for entry in entries:
        if entry.type.startswith("entry."):
            target = entry.data.get("target")
            position = target if isinstance(target, int) else positions.get(str(target)) or 0
            why = {
                name: entry.data[name]
                for name in ("reason_code", "reason", "text", "pointer", "ground", "outcome")
                if name in entry.data
            }
            by = {
                "position": entry.position,
                "type": entry.type,
                "recordedtime": entry.recorded_at,
                "authid": entry.authid,
            }
            found.setdefault(position, []).append(by | why)
    return [found.get(entry.position or 0, []) for entry in entries]
