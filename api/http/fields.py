"""Of a state the fields that are asked for, and no others: ``fields``, a list of their names separated by commas."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, create_model
from pydantic_core import from_json, to_json

from api.http.shapes import components
from ledger.errors import did_you_mean

MAX_LENGTH = 2_000


def with_fields(query: type[BaseModel], shape: str) -> Any:
    """A query with the parameter, for a schema of the reference: a name that it does not have is refused with the nearest."""
    told = f"Of each {shape} these fields alone, separated by commas."
    names = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH, description=told), AfterValidator(_check(shape))]
    return create_model(query.__name__, __base__=query, fields=(names | None, None))


def _check(shape: str) -> Callable[[str], str]:
    def check(given: str) -> str:
        for name in given.split(","):
            if name not in (known := _names(shape)):
                raise ValueError(f"{name!r} is no field here: there are {', '.join(known)}{did_you_mean(name, known)}")
        return given

    return check


@cache
def _names(shape: str) -> tuple[str, ...]:
    return tuple(components()[shape]["properties"])


def only(document: str, fields: str | None) -> str:
    """The document with these of its fields, in its own order; all of them where none is asked for."""
    if fields is None:
        return document
    return to_json({name: value for name, value in from_json(document).items() if is_asked(name, fields)}).decode()


def is_asked(name: str, fields: str | None) -> bool:
    return fields is None or name in fields.split(",")
