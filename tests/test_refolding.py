"""`ledger verify --semantic`: what a service tells follows from the entries that were signed, or is named where it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seeds
from ledger.database.connection import Connection
from projections.tree.keys import LogKeys
from tests.commands import Command, rows
from tests.examples import INDUS_X, THX, USA, event
from tests.generator import Generator
from tests.lying import Lie, lying
from tests.service import ADMIN_KEY, Service, listening
from tests.signing import Sign, exported
from tests.test_names import TALKS

pytest_plugins = ["tests.commands", "tests.service", "tests.signing"]

Verify = Callable[..., Any]
DOUBTED = event("source.registered", "source:doubted", sources=[], title="A sheet", kind="dataset")
CITING = [{"source": "source:doubted", "locator": "p. 1"}]
PACT = [
    event("agreement.mentioned", "agreement:pact", title="A pact"),
    event("agreement.signed", "agreement:pact", "2024-05-01", signatories=[{"party": "party:usa"}]),
]


@pytest.fixture
def seeded(service: Service, sign: Sign) -> Service:
    """The seed, and what is told by a source that is retracted, signed."""
    for file in seeds.FILES:
        service.given(*seeds.events(file))
    service.given(
        DOUBTED,
        event("initiative.reported", "initiative:doubted", name="A rumour", kind="challenge", sources=CITING),
        event("initiative.claim_recorded", "initiative:doubted", text="It is true"),
        event("source.retracted", "source:doubted", sources=[], reason="It was made up"),
        event("source.retracted", "source:doubted", "2024-03-01", sources=[], reason="It was made up"),
    )
    sign().round()
    return service


@pytest.fixture
def verify(command: Command, key: Path, tmp_path: Path) -> Verify:
    """``ledger verify --semantic`` of somebody who has the log's public keys."""

    def run(where: object, *more: object, code: int = 0, **settings: str) -> Any:
        given = [f"--log-key={one.verifier}" for one in LogKeys.read(key).keys]
        state = {"XDG_STATE_HOME": str(tmp_path / "state")} | settings
        return command("verify", where, "--semantic", *given, *more, code=code, **state)

    return run


@pytest.mark.parametrize("day", ["", "2024-03-01", "1990-01-01", "9999-12-30"])
def test_what_an_honest_service_tells_follows_from_the_entries(day: str, seeded: Service, verify: Verify) -> None:
    """On any day; with a key that sees names and without; also when the ledger has moved on from what is signed."""
    seeded.given(event("initiative.claim_recorded", "initiative:doubted", text="It is not signed yet"))
    at = [f"--valid-at={day}"] if day else []
    with listening(seeded) as (host, port):
        assert "are those that the entries make" in verify(f"http://{host}:{port}", *at).stderr
        assert "are those that" in verify(f"http://{host}:{port}/log", *at, LEDGER_KEY=ADMIN_KEY).stderr


def test_of_generated_histories_every_state_is_compared(service: Service, sign: Sign, verify: Verify) -> None:
    """More than one page of a list, from initiatives to milestones."""
    events = [*Generator(7).events(1_500)]
    for start in range(0, len(events), 500):
        service.given(*events[start : start + 500])
    sign().round()
    count = sum(
        service.get(f"/v1/{kind}", count=True, limit=1).json()["count"]
        for kind in ("sources", "parties", "initiatives", "agreements", "meetings", "milestones")
    )
    assert count > 200
    with listening(service) as (host, port):
        assert f"the {count:,} states on" in verify(f"http://{host}:{port}").stderr


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("update states set doc = replace(doc, 'INDUS-X', 'INDUS-Y') where subject = 'initiative:indus-x'", (3, "initiative:indus-x", "name")),
        ("update states set doc = replace(doc, '\"overdue\":', '\"verdict\":\"good\",\"overdue\":') where subject = 'milestone:m'", (7, "milestone:m", "verdict")),
        ("update states set doc = replace(doc, '[7]', '[3]') where subject = 'milestone:m'", (7, "milestone:m", "provenance")),
        ("delete from states where subject = 'party:usa'", (2, "party:usa", "")),
        ("update states set doc = replace(doc, '2024-05-01', '2024-05-02') where lane = 'party:usa'", (6, "agreement:pact party:usa", "dates")),
        ("delete from states where lane = 'party:usa'", (6, "agreement:pact party:usa", "")),
        ("update states set doc = replace(doc, '/data/participants/0/person', '/data/participants/1/person') where kind = 'meeting'", (4, "meeting:talks", "participants")),
        ("update states set lane = 'party:ind' where lane = 'party:usa'", (0, "agreement:pact party:ind", "")),
    ],
)  # fmt: skip
def test_a_state_that_does_not_follow_is_named(
    how: str, found: tuple[int, str, str], service: Service, sign: Sign, superuser: Connection, verify: Verify
) -> None:
    """By subject, field and the entry that it rests on, with exit code 3, though every entry and tile is sound."""
    due = event("milestone.scheduled", "milestone:m", title="A roof", due="2024")
    service.given(THX, USA, INDUS_X, TALKS, *PACT, due)
    sign().round()
    superuser.execute(how.encode())
    with listening(service) as (host, port):
        done = verify(f"http://{host}:{port}", code=3)
    assert found in [(one["position"], one["subject"], one["field"]) for one in rows(done)]
    assert "do not follow from the entries" in done.stderr


def test_what_differs_on_one_day_is_found_on_that_day(
    service: Service, sign: Sign, superuser: Connection, verify: Verify
) -> None:
    """The states of today may be sound, and those of another day not."""
    service.given(THX, USA)
    sign().round()
    superuser.execute("update states set valid_from = '1900-01-01' where subject = 'source:thx'")
    with listening(service) as (host, port):
        assert "the 2 states on" in verify(f"http://{host}:{port}").stderr
        [before] = rows(verify(f"http://{host}:{port}", "--valid-at=1800-01-01", code=3))
    assert (before["subject"], before["what"]) == ("source:thx", "the service does not tell this state")


def test_a_copy_is_compared_with_a_service(
    seeded: Service, command: Command, verify: Verify, superuser: Connection, tmp_path: Path
) -> None:
    """A directory and an export, with the address of the service beside; without one there is nothing to compare with."""
    tiles, lines, proof = tmp_path / "tiles", tmp_path / "lines", tmp_path / "proof"
    exported(seeded.location, tiles)
    lines.write_text(command("export").stdout)
    proof.write_text(seeded.get("/v1/events/7/proof").text)
    assert "--service" in verify(tiles, code=2).stderr
    with listening(seeded) as (host, port):
        at = f"--service=http://{host}:{port}"
        assert "are those that" in verify(tiles, at).stderr
        assert "are those that" in verify(lines, "--checkpoint", tiles / "checkpoint", at).stderr
        assert "--semantic takes a whole log" in verify(proof, at, code=2).stderr
        superuser.execute("update states set doc = replace(doc, 'INDUS-X', 'INDUS-Y')")
        other_day = "--valid-at=2024-12-01"  # of which nothing is kept in the service's memory
        assert rows(verify(tiles, at, other_day, code=3))


def test_what_is_no_service_is_told_as_that(seeded: Service, verify: Verify, tmp_path: Path) -> None:
    """One sentence and exit code 4, and no traceback."""
    tiles = exported(seeded.location, tmp_path / "tiles")
    with listening(seeded) as (host, port):
        assert "answers 404" in verify(tiles, f"--service=http://{host}:{port}/elsewhere", code=4).stderr


def twice(path: str, document: Any) -> None:
    """A list has another state before the one that follows from the entries."""
    if path.startswith("/v1/agreements?"):
        document["items"].insert(0, document["items"][0] | {"status": "terminated"})


def part_twice(path: str, document: Any) -> None:
    if path.startswith("/v1/agreements/"):
        document["participation"] *= 2


def by_itself(path: str, document: Any) -> None:
    """A state by itself is another than in the list."""
    if path.startswith("/v1/agreements/"):
        document["title"] = "Another pact"


def as_truth(path: str, document: Any) -> None:
    """Neither 2.0 nor true is what an integer is."""
    if path.startswith("/v1/agreements?"):
        document["items"][0]["version"] = float(document["items"][0]["version"])


@pytest.mark.parametrize(
    ("lie", "code", "told"),
    [
        (twice, 4, "the service tells agreement:pact twice"),
        (part_twice, 4, "the service tells party:usa twice"),
        (by_itself, 3, '"field":"title","what":"the service tells it in two ways"'),
        (as_truth, 3, '"field":"version","what":"the service tells it otherwise"'),
    ],
)
def test_a_service_tells_each_state_once_and_in_one_way(
    lie: Lie, code: int, told: str, service: Service, sign: Sign, verify: Verify
) -> None:
    """What stands beside a sound state, or in its place elsewhere, is found as well."""
    service.given(THX, USA, *PACT)
    sign().round()
    with listening(service) as (host, port), lying(f"http://{host}:{port}", lie) as address:
        done = verify(address, code=code)
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
