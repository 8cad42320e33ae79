"""The states as JSON: the stored documents, with what depends on the stream and on the basis; and the schemas of events."""

from collections.abc import Sequence
from functools import cache

from pydantic_core import to_json

from ledger.vocabulary.fact import Fact, Subject
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import KINDS
from projections.basis import Basis
from projections.queries import StateRow, StateView


def plural_of(kind: str) -> str:
    return PARTICIPATION.plural if kind == PARTICIPATION.name else KINDS[kind].plural


def shown_json(shown: StateRow) -> str:
    """The stored document with what depends on the stream: who it is of, and its version."""
    subject = Subject(shown.subject)
    if shown.lane:
        head = f'{{"agreement":"{subject}","party":"{shown.lane}",'
    else:
        head = f'{{"subject":"{subject}","id":"{subject.id}",'
    return f'{head}"version":{shown.version},{shown.doc[1:-1]},"unverified":{to_json(shown.unverified).decode()}}}'


def whole_json(whole: StateView, basis: Basis) -> bytes:
    related = "".join(f',"{plural_of(kind)}":{array_json(group)}' for kind, group in whole.related.items())
    return f'{shown_json(whole.state)[:-1]}{related},"basis":{basis_json(basis)}}}'.encode()


def array_json(group: Sequence[StateRow]) -> str:
    return f"[{','.join(shown_json(one) for one in group)}]"


def basis_json(basis: Basis) -> str:
    return to_json(basis._asdict()).decode()


@cache
def schema_json(shape: type[Fact]) -> bytes:
    """The JSON Schema of an event's data."""
    return to_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | shape.model_json_schema())
