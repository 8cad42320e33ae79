"""Names of people stay out of the line: what stands there can be checked with salt and name, and says nothing else."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ledger.log.commitments import SALT_BYTES, Disclosure, commitment, seal, unseal
from ledger.log.entry import read_line
from ledger.vocabulary.fact import Person, Sealed
from ledger.vocabulary.registry import FACTS
from tests.examples import event
from tests.minimal import FULL, PERSON, entry_id, given, make, stamp

ID = entry_id(7)
FIELDS = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(lambda name: name != "commitment")
NAMES = st.text(min_size=1, max_size=12)
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just({"commitment": "steel", "status": "made"})
)
NESTED = st.dictionaries(
    FIELDS,
    st.recursive(
        PLAIN | NAMES.map(Person),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def salt_of(pointer: str) -> bytes:
    return hashlib.sha256(pointer.encode()).digest()


def by_hand(salt: bytes, pointer: str, name: str) -> str:
    """HMAC (RFC 2104) of the parts with NUL between them, written out, in base64url without padding."""
    message = b"ledger/commitment/v1\x00" + ID.encode() + b"\x00" + pointer.encode() + b"\x00" + name.encode()
    key = salt.ljust(64, b"\x00")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + message).digest()
    digest = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()
    return base64.urlsafe_b64encode(digest).decode().strip("=")


def persons(value: Any, pointer: str = "/data") -> dict[str, str]:
    """Each person in nested data, by JSON pointer."""
    if isinstance(value, Person):
        return {pointer: str(value)}
    if isinstance(value, dict):
        return {at: name for key, one in value.items() for at, name in persons(one, f"{pointer}/{key}").items()}
    if isinstance(value, (list, tuple)):
        return {at: name for n, one in enumerate(value) for at, name in persons(one, f"{pointer}/{n}").items()}
    return {}


def look_up(value: Any, pointer: str) -> Any:
    """What a JSON pointer leads to."""
    for part in pointer.split("/")[2:]:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def without_persons(value: Any) -> Any:
    if isinstance(value, Person):
        return None
    if isinstance(value, dict):
        return {key: without_persons(one) for key, one in value.items()}
    return [without_persons(one) for one in value] if isinstance(value, (list, tuple)) else value


@given_any(st.binary(min_size=32, max_size=32), st.text(max_size=40), NAMES)
@settings(deadline=None, max_examples=60)
def test_commitment_by_hand(salt: bytes, pointer: str, name: str) -> None:
    """A commitment is what anybody computes from salt, entry, pointer and name; another name gives another."""
    made = commitment(salt, ID, pointer, name)
    assert made == by_hand(salt, pointer, name)
    assert Sealed.model_validate({"commitment": made}, context={"stored": True})
    assert commitment(salt, ID, pointer, name + "x") != made
    assert commitment(salt, ID, pointer + "x", name) != made
    assert commitment(salt, entry_id(8), pointer, name) != made
    assert commitment(bytes(b ^ 1 for b in salt), ID, pointer, name) != made
    assert hmac.compare_digest(made, by_hand(salt, pointer, name))


@given_any(NESTED)
@settings(deadline=None, max_examples=100)
def test_seal(data: dict[str, Any]) -> None:
    """Every person in the data is replaced by a commitment that opens with what is kept beside; all else stays."""
    sealed, disclosures = seal(data, ID, salt_of)
    assert {one.pointer: one.value for one in disclosures} == persons(data)
    assert len(disclosures) == len(persons(data))
    assert persons(sealed) == {}
    for one in disclosures:
        assert one.salt == salt_of(one.pointer)
        assert look_up(sealed, one.pointer) == {"commitment": by_hand(one.salt, one.pointer, one.value)}
    for one in disclosures:
        _blank(sealed, one.pointer)
    assert sealed == without_persons(data)


def _blank(value: Any, pointer: str) -> None:
    parent, _, last = pointer.rpartition("/")
    inside = look_up(value, parent) if parent != "/data" else value
    inside[int(last) if isinstance(inside, list) else last] = None


@given_any(NESTED)
@settings(deadline=None, max_examples=100)
def test_unseal(data: dict[str, Any]) -> None:
    """Sealed data is read back with the place of each name, by which it is found, and never with a name."""
    sealed, disclosures = seal(data, ID, salt_of)
    opened = unseal(sealed, ID)
    for one in disclosures:
        made = by_hand(one.salt, one.pointer, one.value)
        assert look_up(opened, one.pointer) == {"commitment": made, "entry": ID, "pointer": one.pointer}
        _blank(opened, one.pointer)
    assert opened == without_persons(data)


def test_a_commitment_of_steel_is_no_person() -> None:
    """What an initiative is committed to is no commitment to a name, wherever it stands."""
    for slug in ("steel", "s" * 43):
        data = {"replacement": {"data": {"commitment": slug}}, "commitment": slug}
        assert unseal(data, ID) == data


PEOPLED = {
    type_: example
    for type_, example in FULL.items()
    if PERSON in json.dumps(example)
} | {
    "entry.superseded": event(
        "entry.superseded", "meeting:talks", target=101, reason_code="wrong_party", reason="Somebody else",
        replacement={
            "type": "meeting.held", "sources": [{"source": "source:doc"}],
            "data": {"title": "Talks", "participants": [{"person": PERSON}, {"party": "party:usa", "person": PERSON}]},
        },
    )
}  # fmt: skip


def test_where_people_are_named() -> None:
    """People are named as authors, signatories, participants, invitees and speakers, and in replacements of those."""
    assert set(PEOPLED) == {type_ for type_, fact in FACTS.items() if _names_people(fact)} | {"entry.superseded"}


def _names_people(model: type[BaseModel]) -> bool:
    return '"Sealed"' in json.dumps(model.model_json_schema())


def test_no_name_in_the_line(subtests: pytest.Subtests) -> None:
    """No line holds a name; the disclosures beside it hold each, with a salt, and open what stands in the line."""
    for type_ in PEOPLED:
        with subtests.test(type_):
            made = make(PEOPLED[type_], 7)
            line = stamp(made.line(), 1)
            assert PERSON.encode() not in line
            assert b"Canary" not in line
            told = json.loads(line)["data"]
            assert len(made.disclosures) == json.dumps(PEOPLED[type_]).count(PERSON)
            for one in made.disclosures:
                assert one.value == PERSON
                assert len(one.salt) == SALT_BYTES
                assert look_up(told, one.pointer) == {"commitment": by_hand(one.salt, one.pointer, one.value)}
            assert PERSON not in repr(made)
            assert json.dumps(told).count('{"commitment"') == len(made.disclosures)


def test_read_without_names(subtests: pytest.Subtests) -> None:
    """A stored fact reads back without the names, and tells where each is kept: so it stays what it is when one is erased."""
    for type_ in sorted(PEOPLED.keys() - {"entry.superseded"}):
        with subtests.test(type_):
            made = make(PEOPLED[type_], 7)
            entry = read_line(stamp(made.line(), 1))
            read = json.dumps(entry.fact().model_dump(mode="json"))
            assert PERSON not in read
            assert all(one.pointer in read for one in made.disclosures)


def test_the_state_says_where_the_name_is() -> None:
    """A state that shows a person shows the commitment, the entry and the pointer, and never a name by itself."""
    stream = given(FULL["meeting.held"])
    [participant] = stream.shown("2025-01-01")["participants"]
    [disclosure] = [one for one in stream.disclosures[entry_id(101)] if "participants" in one.pointer]
    assert participant["person"]["entry"] == entry_id(101)
    assert participant["person"]["pointer"] == disclosure.pointer
    assert participant["office"] == "Keeper of keys"
    assert PERSON not in json.dumps(stream.shown("2025-01-01"))


def test_each_name_has_its_salt() -> None:
    """The same name twice in an entry has two salts and two commitments: nobody can tell that it is the same."""
    salts = iter([bytes(32), bytes([1] * 32)])
    sealed, disclosures = seal([Person(PERSON), Person(PERSON), PERSON], ID, lambda _: next(salts))
    assert len({one.salt for one in disclosures}) == 2
    assert sealed[0] != sealed[1]
    assert sealed[2] == PERSON, "a plain text is no person"
    assert disclosures[1] == Disclosure("/data/1", bytes([1] * 32), PERSON)
