"""Personal data: what names a person stays out of the line. There stands a commitment; the name is kept beside.

commitment = base64url(HMAC-SHA256(salt, "ledger/commitment/v1" NUL entry id NUL JSON pointer NUL UTF-8 name)), salt
being 32 random bytes for each name. Deleting the row (entry, pointer, salt, name) erases the person and leaves bytes,
order and proofs as they are.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Container, Iterator
from functools import cache
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel

from ledger.vocabulary.fact import Person

SALT_BYTES = 32
DOMAIN = b"ledger/commitment/v1"
FACT_POINTERS = ("/data", "/data/replacement/data")
"""Where a fact's own fields stand: one that has nothing but a field named ``commitment`` is no person."""


class Disclosure(NamedTuple):
    """What opens one commitment of an entry: the pointer to it, the salt, and the name."""

    pointer: str
    salt: bytes
    value: str


@cache
def names_persons(part: type[BaseModel]) -> bool:
    """Whether a fact of this type may name a person anywhere: most cannot, and need not be searched for one."""
    return any(_may_hold_person(field.annotation) for field in part.model_fields.values())


def _may_hold_person(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return names_persons(annotation)
    return annotation in (Person, Any) or any(map(_may_hold_person, get_args(annotation)))


def commitment(salt: bytes, entry_id: str, pointer: str, value: str) -> str:
    message = b"\0".join((DOMAIN, entry_id.encode(), pointer.encode(), value.encode()))
    return urlsafe_b64encode(hmac.digest(salt, message, "sha256")).rstrip(b"=").decode()


def seal(
    data: Any, entry_id: str, salt_for: Callable[[str], bytes], pointer: str = "/data"
) -> tuple[Any, list[Disclosure]]:
    """``data`` with a commitment for each person in it, and what opens them. ``salt_for`` is asked by pointer."""
    if isinstance(data, Person):
        opened = Disclosure(pointer, salt_for(pointer), str(data))
        return {"commitment": commitment(opened.salt, entry_id, pointer, data)}, [opened]
    if not isinstance(data, (dict, list, tuple)):
        return data, []
    keys = list(data) if isinstance(data, dict) else range(len(data))
    parts = [seal(data[key], entry_id, salt_for, f"{pointer}/{key}") for key in keys]
    values = [value for value, _ in parts]
    opened_all = [one for _, several in parts for one in several]
    return (dict(zip(keys, values, strict=True)) if isinstance(data, dict) else values), opened_all


def keep_erased(data: Any, stored: Any, known: Container[str], pointer: str = "/data") -> Any:
    """``data`` with the stored commitments of those persons whose disclosure is erased: nobody can make them again."""
    if isinstance(stored, dict) and isinstance(data, dict):
        if stored.keys() == data.keys() == {"commitment"}:
            return data if pointer in known else stored
        return {key: keep_erased(value, stored.get(key), known, f"{pointer}/{key}") for key, value in data.items()}
    if isinstance(stored, list) and isinstance(data, list) and len(stored) == len(data):
        pairs = enumerate(zip(data, stored, strict=True))
        return [keep_erased(value, old, known, f"{pointer}/{i}") for i, (value, old) in pairs]
    return data


def unseal(data: Any, entry_id: str, pointer: str = "/data") -> Any:
    """Each commitment in stored ``data`` with its entry and pointer: by these the name is found, as long as it is kept."""
    if isinstance(data, dict):
        if data.keys() == {"commitment"} and pointer not in FACT_POINTERS:
            return {**data, "entry": entry_id, "pointer": pointer}
        return {key: unseal(value, entry_id, f"{pointer}/{key}") for key, value in data.items()}
    if isinstance(data, list):
        return [unseal(value, entry_id, f"{pointer}/{i}") for i, value in enumerate(data)]
    return data


def sealed_in(data: Any) -> Iterator[dict[str, str]]:
    """Each person in what ``unseal`` gives, or in the fields of a fact that was read from the log."""
    if isinstance(data, dict):
        if data.keys() == {"commitment", "entry", "pointer"}:
            yield data
        else:
            yield from (person for value in data.values() for person in sealed_in(value))
    elif isinstance(data, (list, tuple)):
        yield from (person for value in data for person in sealed_in(value))
