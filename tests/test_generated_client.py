"""A client that others' software generates from the OpenAPI document has a type for everything that is told."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.vocabulary.registry import FACTS, KINDS
from tests.examples import INDIA, THX, USA
from tests.minimal import FULL
from tests.peers import NoPeers, python_with_peers, told_by
from tests.service import ADMIN_KEY, Service, listening

pytest_plugins = ["tests.service"]

GENERATOR = ("openapi-python-client==0.29.1",)
"""In an environment of its own, as it pins older versions of what the command line is made of."""


@pytest.fixture(scope="module")
def generator() -> Path:
    """A Python that has the generator, and all that what it generates needs."""
    try:
        return python_with_peers(GENERATOR)
    except NoPeers as error:
        pytest.skip(str(error))


@pytest.fixture
def client(generator: Path, service: Service, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The folder of a client of the service, generated without a warning, and where the service is."""
    with listening(service) as (host, port):
        address = f"http://{host}:{port}"
        path = os.pathsep.join([str(generator.parent), os.environ.get("PATH", os.defpath)])
        done = subprocess.run(
            [generator, "-I", "-m", "openapi_python_client", "generate", "--url", f"{address}/v1/openapi.json",
             "--output-path", tmp_path / "client", "--meta", "none", "--fail-on-warning"],
            env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        yield tmp_path, address


USED = """
import json, sys
given = json.load(sys.stdin)
sys.path.insert(0, given["folder"])
from client import AuthenticatedClient
from client.api.events import append
from client.models import Citation, MeetingHeld, MeetingHeldData, MeetingKind, Participant

here = AuthenticatedClient(base_url=given["address"], token=given["key"])
cited = [Citation(source="source:thx")]
appended = append.sync(client=here, body=MeetingHeld(
    subject="meeting:talks", type_="meeting.held", sources=cited, occurred="2024-09-25",
    data=MeetingHeldData(title="Talks", kind=MeetingKind.BILATERAL, participants=[
        Participant(party="party:usa", person="A. Canary", office="Keeper of keys"),
    ]),
))
json.dump({"appended": [type(appended).__name__, appended.position]}, sys.stdout)
"""

READ = """
import json, sys
given = json.load(sys.stdin)
sys.path.insert(0, given["folder"])
from client import AuthenticatedClient
from client.api.events import log
from client.api.meetings import list_meeting, show_meeting
from client.models import ListMeetingStatusType0

here = AuthenticatedClient(base_url=given["address"], token=given["key"])
page = list_meeting.sync(client=here, status=ListMeetingStatusType0.HELD)
[listed] = page.items
whole = show_meeting.sync("talks", client=here)
[somebody] = whole.participants
entry = log.sync(client=here, type_="meeting.held").events[0]
json.dump({
    "types": [type(one).__name__ for one in (page, listed, whole, somebody, somebody.person, entry, entry.data)],
    "listed": [listed.status, listed.title, listed.kind, listed.place, listed.version],
    "whole": [whole.title, somebody.office, somebody.person.name, whole.basis.known_at],
    "entry": [entry.type_, entry.data.title, entry.data.occurred, len(entry.data.participants[0].person.commitment)],
}, sys.stdout)
"""


def test_it_appends_lists_and_reads_with_typed_fields(
    generator: Path, client: tuple[Path, str], service: Service
) -> None:
    """What is appended is named field by field, and comes back so, from the list, the state and the log."""
    # given
    folder, address = client
    service.given(THX, USA, INDIA)
    given = {"folder": str(folder), "address": address, "key": ADMIN_KEY}
    # when
    appended = told_by(generator, USED, given)
    while service.follower.step():
        pass
    told = told_by(generator, READ, given)
    # then
    assert appended == {"appended": ["Appended", 4]}
    assert told == {
        "types": [
            "MeetingPage", "MeetingState", "WholeMeeting", "ShownParticipant", "PersonShape", "MeetingHeldEntry",
            "MeetingHeldRecorded",
        ],
        "listed": ["held", "Talks", "bilateral", None, 1],
        "whole": ["Talks", "Keeper of keys", "A. Canary", 4],
        "entry": ["meeting.held", "Talks", "2024-09-25", 43],
    }  # fmt: skip


EVERY = """
import json, sys
given = json.load(sys.stdin)
sys.path.insert(0, given["folder"])
from client import models

def typed(name, value):
    made = getattr(models, name).from_dict(value)
    return [type(made).__name__, type(getattr(made, "data", None)).__name__, made.to_dict()]

json.dump([typed(*one) for one in given["values"]], sys.stdout)
"""


def test_it_has_a_type_for_every_event(generator: Path, client: tuple[Path, str]) -> None:
    """An event of each type that says all it may is read into its own type, field by field, and written back the same."""
    folder, _ = client
    names = {type_: "".join(one.capitalize() for one in type_.replace(".", "_").split("_")) for type_ in FACTS}
    values = [(names[type_], event) for type_, event in FULL.items()]
    told = told_by(generator, EVERY, {"folder": str(folder), "values": values})
    assert len(told) == len(FACTS) > len(KINDS)
    for (name, event), (made, data, written) in zip(values, told, strict=True):
        assert (made, data) == (name, f"{name}Data" if event["data"] else data)
        assert written == event
