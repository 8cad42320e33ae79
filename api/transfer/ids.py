"""The ids that an import gives: the same for the same content, so that a file can be imported twice.

An id stays in the log when a name is erased. So where it is made of a person's name, among other things, it is made of the
ledger's secret, too, which stands in no entry and in no answer: without it nobody can try whether a name gives the id.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

PERSONS = frozenset({"person", "author"})
"""The fields of facts in which persons are named."""


def make(namespace: UUID, content: str, secret: UUID | None = None) -> str:
    """``secret`` is the ledger's, where the content may name a person."""
    return str(uuid5(uuid5(secret, namespace.hex) if secret else namespace, content))


def names_a_person(value: Any) -> bool:
    """Whether an event, as it is posted, names anybody."""
    if isinstance(value, Mapping):
        return any(names_a_person(one) or (name in PERSONS and one is not None) for name, one in value.items())
    return isinstance(value, (list, tuple)) and any(map(names_a_person, value))
