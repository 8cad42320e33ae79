"""How subjects and kinds are read where somebody names them, and what is said of those that there are not."""

from pydantic import TypeAdapter, ValidationError

from ledger.errors import did_you_mean
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS

SUBJECT = TypeAdapter(Subject)


def read_subject(text: str) -> Subject:
    """A stream's name. Raises ValueError."""
    try:
        return SUBJECT.validate_python(text)
    except ValidationError:
        kind = text.partition(":")[0]
        if ":" not in text:
            hint = f"; it begins with {', '.join(f'{one}:' for one in KINDS)}"
        else:
            hint = "; an id has small letters, digits and dashes" if kind in KINDS else did_you_mean(kind, KINDS)
        raise ValueError(f"{text!r} is no subject, such as initiative:indus-x{hint}") from None


def read_kind(text: str) -> str:
    """The name of a kind, from that or from its plural. Raises ValueError."""
    names = {name: kind.name for kind in KINDS.values() for name in (kind.name, kind.plural)}
    if text not in names:
        plurals = ", ".join(kind.plural for kind in KINDS.values())
        raise ValueError(f"{text!r} is none of {plurals}{did_you_mean(text, names)}")
    return names[text]
