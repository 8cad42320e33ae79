"""An erased name is looked for everywhere: in every table, file, answer and command, beside a follower, after a rebuild that was
broken off, after a restart, and in a copy that was restored."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from psycopg import sql

from api.http.routes.downloads import METADATA, SUFFIXES
from ledger.database.connection import Connection, LedgerLocation
from ledger.process import beside
from projections.follow import follow
from projections.people import held_of
from projections.rebuild import begun, rebuild
from tests.commands import Command
from tests.examples import SOURCES, THX, USA, event
from tests.service import ADMIN, Service, running, said
from tests.standby import Server, wait_until

pytest_plugins = ["tests.commands", "tests.standby"]

CANARY = "Zyxwv Canary-Qponm"
PARTS = (CANARY, "Zyxwv", "Qponm")
STAYS = "C. Canary"
PERSON = {"party": "party:usa", "person": CANARY, "office": "Envoy"}
INSTEAD = {
    "type": "meeting.held",
    "sources": SOURCES,
    "data": {"title": "Talks", "participants": [PERSON, {"person": STAYS}]},
}
NAMED = [
    event("source.registered", "source:letter", sources=[], title="A letter", kind="other", author=CANARY),
    event("initiative.reported", "initiative:plan", name="A plan", kind="other"),
    event("meeting.held", "meeting:talks", "2024-09-10", title="Talks", initiatives=["initiative:plan"], participants=[PERSON]),
    event("entry.superseded", "meeting:talks", target=5, reason_code="wrong_party", reason="R", replacement=INSTEAD),
    event("meeting.statement_made", "meeting:talks", "2024-09-10", act="praised", speakers=[PERSON]),
    event("agreement.signed", "agreement:pact", "2024", title="A pact", signatories=[PERSON], initiatives=["initiative:plan"]),
    event("meeting.proposed", "meeting:next", "2024", title="Next", start="2025", invitees=[PERSON]),
]  # fmt: skip
LATER = [
    event("meeting.described", "meeting:talks", title="Long talks"),
    event("agreement.described", "agreement:pact", title="A longer pact"),
    event("meeting.confirmed", "meeting:next", "2024-12"),
    event("source.described", "source:letter", sources=[], title="A long letter"),
]
LEFT_OUT = ("pg_wal",)
"""The write-ahead log holds what was written until it is recycled, and so do backups as long as they are kept."""


@pytest.fixture
def location(primary: Server) -> LedgerLocation:
    """Where commands look, too."""
    return primary.location()


@contextmanager
def following(location: LedgerLocation) -> Iterator[None]:
    stop = Event()
    with beside(stop, Thread(target=follow, args=(location, stop))):
        yield


def break_off(_: int) -> None:
    raise KeyboardInterrupt


def told(service: Service, *events: dict[str, Any]) -> None:
    """Record events, one after the other, and wait until they are shown."""
    for one in events:
        position = service.post(one).json()["position"]
    wait_until(lambda: service.get("/v1/parties", min_position=position).status_code == 200)


STREAM = "/v1/events/stream"
"""It does not end; what it sends are lines as they are stored."""


def answers(service: Service) -> Iterator[str]:
    """Every answer about everything: of every route of the reference, of all times, for everybody and for admins."""
    reference = service.get("/v1/openapi.json").json()["paths"]
    subjects = {one["subject"] for one in service.get("/v1/events?limit=1000").json()["events"]}
    size, kinds = service.size(), {"parties": "party"}
    for path in (
        path for path, methods in reference.items() if "get" in methods and "{type}" not in path and path != STREAM
    ):
        plural = path.removeprefix("/v1").split("/")[1].partition(".")[0]
        kind = kinds.get(plural, plural.rstrip("s"))
        ids = [one.partition(":")[2] for one in subjects if one.startswith(f"{kind}:")] if "{id}" in path else [""]
        for filled in {
            path.replace("{id}", one).replace("{which}", str(at)).replace("{suffix}", suffix)
            for one in ids
            for at in range(1, size + 1)
            for suffix in SUFFIXES
            if suffix != METADATA  # which repeats what was asked, and tells nothing else
        }:
            for params in (
                {},
                {"known_at": 2 + len(NAMED), "valid_at": "2025-01-01"},
                {"disclose": True},
                {"text": CANARY[:5]},
            ):
                more = {"from": 1} if "/diff" in filled else {}
                by_accept = [] if "suffix" in path else [ADMIN | {"Accept": "application/x-ndjson"}]
                for headers in ({}, ADMIN, *by_accept):
                    yield service.get(
                        filled, headers, **(params if not more or "disclose" in params else {}), **more
                    ).text
    yield service.get("/metrics").text


def places_of(connection: Connection) -> list[tuple[int, str]]:
    return [(position, pointer) for position, _, _, pointer, _ in held_of(connection, CANARY)]


def columns_with(owner: Connection) -> set[str]:
    """Every column of every table of the database, the planner's statistics too, that holds a part of the name."""
    found = set()
    for schema, table, column in owner.execute("""
        select table_schema, table_name, column_name
          from information_schema.columns
          join information_schema.tables using (table_schema, table_name)
         where table_type = 'BASE TABLE'""").fetchall():
        query = sql.SQL("select count(*) from {} where {}::text ~* %s").format(
            sql.Identifier(schema, table), sql.Identifier(column)
        )
        if owner.execute(query, ["|".join(PARTS)]).fetchone() != (0,):
            found.add(f"{table}.{column}")
    return found


def files_with(directory: Path) -> set[str]:
    return {
        str(file.relative_to(directory))
        for file in directory.rglob("*")
        if file.is_file()
        and not {*LEFT_OUT} & {*file.parts}
        and any(part.encode() in file.read_bytes() for part in PARTS)
    }


def remembered(service: Service) -> str:
    """All that the process keeps: answers, and the streams that it decides on."""
    state = service.client.app.app_state  # type: ignore[attr-defined]
    kept = [said(one.response).decode() for one in state.cache.answers.values()]
    histories = [history for history, _ in state.ledger.writer.cache.histories.kept.values()]
    facts = [one.fact.model_dump_json() for history in histories for one in history.recorded.values()]
    return json.dumps([kept, facts])


@pytest.mark.timeout(300)
def test_an_erased_name_is_nowhere(primary: Server, location: LedgerLocation, command: Command, tmp_path: Path) -> None:
    """Before it is erased the name is where it may be; after it, nowhere but in the write-ahead log."""
    with running(location) as service, following(location), primary.owner() as owner:
        owner.execute("set search_path to ledger")
        # given
        told(service, THX, USA, *NAMED)
        assert sum(CANARY in one for one in answers(service)) > len(NAMED)  # and by now they are kept
        owner.execute("analyze")
        owner.execute("checkpoint")
        assert any("/base/" in one for one in files_with(primary.directory))
        assert columns_with(owner) == {"disclosures.value"}
        backup = primary.copy("backup")
        with pytest.raises(KeyboardInterrupt):
            rebuild(location, break_off)
        assert begun(location)
        places = places_of(owner)
        assert len(places) == len(NAMED) - 1
        # when
        for position, pointer in places:
            body = {"entry": position, "pointer": pointer, "ground": "article_17"}
            assert service.client.post("/v1/erasures", json=body, headers=ADMIN).status_code == 201
        # then, in the database and the answers
        assert columns_with(owner) == set()
        assert not any(part in one for one in answers(service) for part in PARTS)
        told(service, *LATER)
        rebuild(location)
        told(service, *[one | {"note": "And again"} for one in LATER])
        assert columns_with(owner) == set()
        assert not any(part in one for one in answers(service) for part in PARTS)
        assert not any(part in remembered(service) for part in PARTS)
        assert STAYS in service.get("/v1/meetings/talks", ADMIN).text
        # in files
        owner.execute("vacuum full disclosures")  # a page keeps what was deleted until it is written over
        owner.execute("checkpoint")
        assert files_with(primary.directory) == set()
        # in a copy that was restored, once it has the entries of which it knew nothing
        _restore(backup, owner)
    with running(location) as again:
        assert not any(part in one for one in answers(again) for part in PARTS)
    said = [
        command(*words.split()).stdout for words in ("export", "replay", "show meeting:talks", "history meeting:talks")
    ]
    said += [command("audit").stderr, command("person", CANARY, code=1).stdout]
    assert not any(part in one for one in said for part in PARTS)


def _restore(backup: Server, owner: Connection) -> None:
    """Start the copy, which holds the names, and record in it what was recorded since it was made."""
    backup.start()
    with backup.owner() as other:
        other.execute("set search_path to ledger")
        assert columns_with(other) == {"disclosures.value"}
        size = other.execute("select size from head").fetchone()
        columns = "position, stream, version, type, entry_id, recorded_at, body::text"
        rows = owner.execute(f"select {columns} from entries where position > %s order by position", size).fetchall()
        for row in rows:
            other.execute("insert into entries values (%s, %s, %s, %s, %s, %s, %s::json)", row)
        other.execute("update head set size = %s", [rows[-1][0]])
        assert columns_with(other) == set()
        assert other.execute("select erasures from head").fetchone() == (len(NAMED) - 1,)
    backup.stop()
