"""The ledgers that every read and every page is tried on: the whole seed, generated ones, and one of facts that say all they may.

PYTEST_DONT_REWRITE: the modules that register this fixture also import from here.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

import seeds
from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import FACTS
from tests.generator import SEED, Event, Generator
from tests.minimal import DIGEST, FULL, entry_id, opener, subject_of
from tests.service import Service, running
from tests.signing import signed_once

RUNS_OF_NUMBERS = (1, 2)


def of_the_seed() -> list[Event]:
    return [event for name in seeds.FILES for event in seeds.events(name)]


@contextmanager
def seeded(server: Embedded, schema: str) -> Iterator[Service]:
    """The whole seed, recorded and projected, in a schema of its own; names of persons are shown."""
    location = LedgerLocation(server.location.dsn, schema)
    migrate(server.owner_dsn, location)
    with running(location, public_names=True) as service:
        service.given(*of_the_seed())
        yield service


def of_every_type() -> list[Event]:
    """A stream for each type of fact that a key may record: opened, and then told all that the type may say."""
    told: list[Event] = []
    for number, (type_, full) in enumerate((type_, full) for type_, full in FULL.items() if not FACTS[type_].by_ledger):
        kind = subject_of(type_).partition(":")[0]
        subject = f"{kind}:{type_.replace('.', '-').replace('_', '-')}"
        first = {"subject": subject, "id": entry_id(number)}
        before = [FULL["entry.disputed"]] if type_ == "entry.dispute_resolved" else []
        if full["type"] in ("source.registered", "party.registered"):
            first = {}
        else:
            told.append(opener(type_) | first)
        for one in (*before, full):
            own = {"target": first["id"]} if type_.startswith("entry.") else {}
            data = json.loads(json.dumps(one["data"]).replace(DIGEST, f"{number:064}"))
            told.append(one | {"subject": subject, "data": data | own})
    return told


def generated(run: int) -> Callable[[], list[Event]]:
    """Realistic histories, of which some entries come to be struck or disputed."""

    def events() -> list[Event]:
        told = list(Generator(run).events(400))
        return told + [_correction(one, number) for number, one in enumerate(told[160 :: 6 + run])]

    return events


def _correction(event: Event, number: int) -> Event:
    struck = {"reason_code": "misread_source", "reason": "Read again"}
    doubted = {"by": "Somebody", "ground": "It was otherwise"}
    type_, why = ("entry.voided", struck) if number % 2 else ("entry.disputed", doubted)
    return {"type": type_, "subject": event["subject"], "sources": [], "data": {"target": event["id"], **why}}


LEDGERS = {"seed": of_the_seed, "every_type": of_every_type} | {f"generated_{n}": generated(n) for n in RUNS_OF_NUMBERS}


@pytest.fixture(scope="module", params=LEDGERS)
def told(
    request: pytest.FixtureRequest, server: Embedded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Each of the ledgers, recorded, projected and signed; anew for each file of tests."""
    location = LedgerLocation(server.location.dsn, f"{request.module.__name__.rpartition('test_')[2]}_{request.param}")
    migrate(server.owner_dsn, location)
    with running(location) as service:
        service.given(*LEDGERS[request.param]())
        signed_once(location, tmp_path_factory.mktemp("key"))
        yield service


def subjects(told: Service, most: int = 80) -> list[Subject]:
    """All of them; of very many, some by chance."""
    with told.location.connect() as connection:
        rows = connection.execute("select stream from entries where version = 1 order by stream")
        found = [Subject(name) for (name,) in rows]
    return found if len(found) <= most else Random(SEED).sample(found, most // 2)
