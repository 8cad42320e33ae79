"""Many events in and out: nothing half done, whole again after a kill, every byte kept, and memory that stays flat."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from itertools import count
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest

from api.transfer.event_files import read_drafts, read_lines
from api.transfer.files import count_lines
from api.transfer.import_export import BATCH, Options, load, unload
from api.transfer.report import MOST_FAULTS, Report
from ledger.database.connection import Connection, LedgerLocation
from ledger.errors import TakesTooLong
from ledger.service import Ledger
from ledger.writing import pending
from ledger.writing.decision import Answer
from tests.commands import LEDGER, environment, lines_of, run
from tests.conftest import CLERK
from tests.examples import THX, event

Given = Callable[..., list[Answer]]


def party(number: int) -> dict[str, Any]:
    return event("party.registered", f"party:p{number}", sources=[], name=f"Party {number}", kind="company")


def size_of(connection: Connection) -> int:
    row = connection.execute("select size from head").fetchone()
    return int(row[0]) if row else 0


def logged(connection: Connection) -> list[str]:
    return [body for (body,) in connection.execute("select body::text from entries order by position")]


# --- in


def test_an_import_that_was_killed_goes_on(location: LedgerLocation, reader: Connection, tmp_path: Path) -> None:
    """Killed between two batches and run again, it records every line once, in the order of the file."""
    # given
    file = lines_of(tmp_path / "events.ndjson", *map(party, range(8 * BATCH)))
    running = subprocess.Popen([LEDGER, "import", file], env=environment(location), stderr=subprocess.DEVNULL)

    # when
    deadline = monotonic() + 60
    while size_of(reader) < BATCH and monotonic() < deadline:
        sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(20)
    before = size_of(reader)  # the server may be about to commit one batch more
    again = run(location, "import", file).stderr.splitlines()[-1]

    # then
    found = re.fullmatch(r"appended (\d+), repeated (\d+), refused 0", again)
    assert found
    appended, repeated = map(int, found.groups())
    assert 0 < before <= repeated < 8 * BATCH
    assert appended + repeated == 8 * BATCH
    streams = reader.execute("select stream from entries order by position").fetchall()
    assert [stream for (stream,) in streams] == [f"party:p{number}" for number in range(8 * BATCH)]


def test_what_is_refused_is_left_out_alone(location: LedgerLocation, reader: Connection, tmp_path: Path) -> None:
    """Wherever in a batch the ledger refuses a line, or a line stands twice, all others are recorded, in their order."""
    # given
    events = [party(number) for number in range(2 * BATCH)]
    refused = (0, 7, BATCH - 1, BATCH, BATCH + 500)
    for number in refused:
        events[number] = event("party.dissolved", f"party:p{number}")
    file = lines_of(tmp_path / "events.ndjson", *events, events[1], events[-1], events[-1])

    # when
    told = run(location, "import", file, code=1).stderr.splitlines()

    # then
    assert [line.partition(":")[0] for line in told if line.startswith("line ")] == [f"line {n + 1}" for n in refused]
    assert told[-1] == f"appended {2 * BATCH - 5}, repeated 3, refused 5"
    streams = reader.execute("select stream from entries order by position").fetchall()
    assert [one for (one,) in streams] == [f"party:p{n}" for n in range(2 * BATCH) if n not in refused]


def test_a_dry_run_tells_what_a_run_does(location: LedgerLocation, tmp_path: Path) -> None:
    """Each line is tried after those before it: one that stands twice, one that corrects another, what is odd beside others."""
    # given
    source = event(
        "source.registered", "source:s", sources=[], title="S", kind="report", published="2019", url="https://s.org"
    )
    cites: dict[str, Any] = {"sources": [{"source": "source:s"}]}
    of, target = "initiative:i", str(uuid4())
    lines = [
        event("meeting.topic_discussed", "meeting:m", topic="space", verb="discussed"),
        event("initiative.launched", of, id=target, occurred="2020", **cites, name="I", kind="framework"),
        event("initiative.claim_recorded", of, occurred="2030-01-01", **cites, text="Ahead"),
        event("initiative.claim_recorded", of, occurred="2018-01-01", **cites, text="Before"),
        event("entry.voided", of, **cites, target=target, reason_code="duplicate", reason="twice"),
    ]
    file = lines_of(tmp_path / "events.ndjson", source, *lines, *lines[1:3], source)

    # when
    tried, done = (
        [line for line in run(location, "import", file, *options, code=1).stderr.splitlines() if "import: " not in line]
        for options in (["--dry-run"], [])
    )

    # then
    assert tried == [*done[:-1], f"{done[-1]}; nothing was recorded: a dry run"]
    assert done[-1] == "appended 5 (4 flagged), repeated 3, refused 1"


def test_what_takes_too_long_to_decide_is_sent_in_parts(
    ledger: Ledger, reader: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a whole batch cannot be decided in time, its parts are, and all of it is recorded, in its order."""
    # given: each look at the clock finds it a hundredth of a second later, so that some 250 events are decided in time
    passed = count()
    monkeypatch.setattr(pending, "monotonic", lambda: monotonic() + next(passed) / 100)
    file = lines_of(tmp_path / "events.ndjson", *map(party, range(BATCH)))
    with pytest.raises(TakesTooLong, match="send fewer events"):
        ledger.append([draft.draft for draft in read_drafts(read_lines(file, Report()), uuid4(), Report())], CLERK)

    # when
    load(nullcontext(ledger), file, Options())

    # then
    streams = reader.execute("select stream from entries order by position").fetchall()
    assert [one for (one,) in streams] == [f"party:p{n}" for n in range(BATCH)]


def test_a_fault_at_the_end_of_a_long_file(location: LedgerLocation, reader: Connection, tmp_path: Path) -> None:
    """The last line is read before the first is recorded, and the import shows how far the check is."""
    file = lines_of(tmp_path / "events.ndjson", *map(party, range(11 * BATCH)), {"type": "no.such"})
    told = run(location, "import", file, code=1).stderr.splitlines()
    assert told[-3].startswith("check: 11,001 of 11,001")
    assert told[-2].startswith("line 11001: ")
    assert told[-1] == "appended 0, repeated 0, refused 1; nothing was recorded"
    assert size_of(reader) == 0


def test_all_faults_are_counted_and_some_are_kept(location: LedgerLocation, reader: Connection, tmp_path: Path) -> None:
    """However many lines cannot be read: the first are shown, the others counted, and nothing is recorded."""
    # given
    file = tmp_path / "events.ndjson"
    file.write_text("{\n" * (MOST_FAULTS + 5) + json.dumps(THX))

    # when
    report = Report()
    drafts = list(read_drafts(read_lines(file, report), uuid4(), report))
    told = run(location, "import", file, code=1).stderr.splitlines()

    # then
    assert (len(drafts), len(report.faults), report.left_out) == (1, MOST_FAULTS, MOST_FAULTS + 5)
    assert told[0].startswith("line 1: ")
    assert told[-2] == f"and {MOST_FAULTS + 5 - 20} more"
    assert told[-1] == f"appended 0, repeated 0, refused {MOST_FAULTS + 5}; nothing was recorded"
    assert size_of(reader) == 0


def test_what_flows_by_once_is_read_twice(location: LedgerLocation, reader: Connection, tmp_path: Path) -> None:
    """A named pipe is checked and recorded as a file is, by the ending of its name."""
    # given
    pipe = tmp_path / "parties.csv"
    os.mkfifo(pipe)
    text = "type,subject,data.name,data.kind\nparty.registered,party:a,A,company\n"
    writing = Thread(target=pipe.write_text, args=(text,))
    writing.start()

    # when
    run(location, "import", pipe)
    writing.join()

    # then
    assert [json.loads(line)["subject"] for line in logged(reader)] == ["party:a"]


@pytest.mark.parametrize(("text", "lines"), [("", 0), ("a\n", 1), ("a\n\nb", 3), ("a\r\n", 1)])
def test_lines_are_counted(tmp_path: Path, text: str, lines: int) -> None:
    """A last line counts without an end, too."""
    file = tmp_path / "file"
    file.write_text(text, newline="")
    assert count_lines(file) == lines


# --- out


def test_an_export_keeps_every_byte(given: Given, reader: Connection) -> None:
    """Over many pages, from wherever it starts, the lines are those of the log: backslashes, quotes, all letters."""
    # given
    odd = 'a "quoted" \\ back\\nslash,\n a line,\t a tab, \\\\. and 🛰 é \u2028'
    for start in range(0, 700, 100):
        given(*(party(number) | {"note": f"{odd} {number}"} for number in range(start, start + 100)))
    log = [line.encode() + b"\n" for line in logged(reader)]

    for after in (0, 1, 199, 200, 201, 399, 650, 699, 700, 900):
        # when
        out = BytesIO()
        upto = unload(reader, out, after)

        # then
        assert out.getvalue() == b"".join(log[after:]), after
        assert upto == max(after, 700)


def test_an_export_is_the_log_of_one_moment(given: Given, reader: Connection) -> None:
    """What is recorded while it is being written is not in it."""

    class Growing(BytesIO):
        """Another writer records an event at each write."""

        def write(self, text: Any) -> int:
            given(party(1_000 + self.tell()))
            return super().write(text)

    given(*map(party, range(500)))
    out = Growing()
    assert unload(reader, out, 0) == 500
    assert [json.loads(line)["subject"] for line in out.getvalue().splitlines()] == [f"party:p{n}" for n in range(500)]
    assert size_of(reader) > 500


# --- memory


def peak_mb(location: LedgerLocation, *arguments: object) -> float:
    """The most memory that a command took, that of Postgres not included."""
    process = subprocess.Popen(
        [LEDGER, *map(str, arguments)], env=environment(location), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def test_memory_stays_flat(location: LedgerLocation, tmp_path: Path) -> None:
    """Ten times the events take no more memory, in or out."""
    few = lines_of(tmp_path / "few.ndjson", *map(party, range(2 * BATCH)))
    many = lines_of(tmp_path / "many.ndjson", *map(party, range(20 * BATCH)))
    peaks = [peak_mb(location, *arguments) for arguments in (["import", few], ["export"], ["import", many], ["export"])]
    assert peaks[2] < peaks[0] + 25
    assert peaks[3] < peaks[1] + 10
