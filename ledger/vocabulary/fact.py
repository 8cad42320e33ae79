"""What every fact carries, and the types that its fields are made of.

A fact is a frozen pydantic model; its ``type`` is the storage format and never changes.
"""

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache, partial
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar, get_args

from iso3166 import countries_by_alpha2
from iso_4217 import Currency
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, to_json

from ledger.errors import Unreadable
from ledger.vocabulary.codes import Modality
from ledger.vocabulary.countries import FORMER_COUNTRIES, SUPRANATIONAL
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.edtf import Bounds

T = TypeVar("T")

PRINTABLE = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
SLUG = r"[a-z0-9][a-z0-9-]{0,99}"
COUNTRIES = frozenset(countries_by_alpha2) | FORMER_COUNTRIES.keys() | SUPRANATIONAL.keys()
CURRENCIES = frozenset(currency.name for currency in Currency)
"""Those in use, and those that were withdrawn: both lists of ISO 4217."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=rf"^{PRINTABLE}*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=rf"^{PRINTABLE}*$")]
Slug = Annotated[str, StringConstraints(pattern=rf"^{SLUG}$")]
Url = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$")]
Attribute = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,253}[!-~])?$")]
"""A CloudEvents attribute from outside: one line of visible characters."""
Amount = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,30}(\.[0-9]{1,10})?$")]


def _is_no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean_for_number", "this is a number, neither true nor false")
    return value


Number = BeforeValidator(_is_no_boolean)
"""For fields of numbers, as pydantic would take true for 1. Numerals are numbers: the cells of a table have no others."""
Months = Annotated[int, Field(ge=1, le=12_000), Number]


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError(
            f"{code!r} is no country code of ISO 3166-1 alpha-2, such as IN or US, nor EU, and none of its past"
        )
    return code


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError(f"{code!r} is no currency code of ISO 4217, such as INR or USD, and none of its past")
    return code


Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), AfterValidator(_country)]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]


def pattern_of(kinds: str) -> str:
    """What names a subject of one of these kinds, parted by ``|``."""
    return rf"^({kinds}):{SLUG}$"


class Subject(str):
    """A stream's name, ``kind:slug``. A subclass names the kinds that it may be of."""

    __slots__ = ()
    kinds: ClassVar[str] = "source|party|initiative|agreement|meeting|milestone"

    @property
    def kind(self) -> str:
        return self.partition(":")[0]

    @property
    def id(self) -> str:
        return self.partition(":")[2]

    @classmethod
    def pattern(cls) -> str:
        return pattern_of(cls.kinds)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        name = core_schema.str_schema(pattern=cls.pattern())
        return core_schema.no_info_after_validator_function(partial(_subject, cls), name)


@lru_cache(maxsize=10_000)
def _subject(sort: type[Subject], name: str) -> Subject:
    """The same few are mentioned again and again, and kept in memory once."""
    return sort(name)


class SourceRef(Subject):
    __slots__ = ()
    kinds = "source"


class PartyRef(Subject):
    __slots__ = ()
    kinds = "party"


class InitiativeRef(Subject):
    __slots__ = ()
    kinds = "initiative"


class AgreementRef(Subject):
    __slots__ = ()
    kinds = "agreement"


class MeetingRef(Subject):
    __slots__ = ()
    kinds = "meeting"


class Person(str):
    """A natural person's name, as given. It is never stored in the line: see ``ledger.log.commitments``."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(min_length=1, max_length=500, pattern=rf"^{PRINTABLE}*$")
        return core_schema.no_info_after_validator_function(cls, text)


def fault_at(where: tuple[int | str, ...], why: str, code: str = "value_error", **context: Any) -> ValidationError:
    """What a validator of the whole raises where one field of it is wrong: pydantic adds where the whole stands."""
    said = PydanticCustomError(code, "{why}", context | {"why": why})
    return ValidationError.from_exception_data("", [{"type": said, "loc": where, "input": None}])


NOT_NOTED: set[str] = set()
STORED = {"stored": True}
"""The context in which what stands in the log is read."""


class Part(BaseModel):
    """A piece of a fact: frozen, and closed to fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    def model_post_init(self, context: Any) -> None:
        """Nobody asks which fields were given, and the set of them would take more memory than the fields."""
        object.__setattr__(self, "__pydantic_fields_set__", NOT_NOTED)


class Sealed(Part):
    """What stands for a person: a commitment. Entry and pointer say where it stands; the name is kept there alone."""

    commitment: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
    entry: str | None = None
    pointer: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _made_by_the_ledger(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, Mapping) and not (info.context or {}).get("stored"):
            raise ValueError("a person is given by name; the ledger makes the commitment")
        return value


AnyPerson = Person | Sealed


class Citation(Part):
    """Where a fact is asserted: a source, the place in it, and the address it was read at."""

    source: SourceRef
    locator: Name | None = None
    url: Url | None = None


class Participant(Part):
    """Who takes part, speaks or signs: a party, a person in its name, the office held; at least one of them."""

    party: PartyRef | None = None
    person: AnyPerson | None = None
    office: Name | None = None

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if not (self.party or self.person or self.office):
            raise ValueError("name the party, the person or the office")
        return self


FactClass: TypeAlias = "type[Fact]"


SCHEMAS = "/v1/event-types/"


def schema_of(dataschema: str) -> str:
    """The path by which a schema is known, whatever the address of the service was that recorded something in it."""
    return dataschema[max(dataschema.rfind(SCHEMAS), 0) :]


class Fact(Part):
    """Something that happened in the world, or that a source says of it.

    ``occurred`` is when it happened, absent where that is unknown; ``effective`` when its legal or operational effect
    begins, where that is another day. ``modality`` says how the sources support it; ``inferred`` needs a ``note``.

    A type whose shape has changed names its ``older`` ones, from the first on: classes without a type, each with the
    function ``upcast`` that makes the next one's data out of its own. So the second shape is version 2.
    """

    type: ClassVar[str]
    short_type: ClassVar[str]  # without its kind: "signed" of "agreement.signed"
    prefix: ClassVar[str]  # of the streams that it may stand in: "agreement:"
    schemas: ClassVar[dict[str, FactClass]]  # by path, each shape that was ever in use; the current one last
    dataschema: ClassVar[str]  # the path of what is recorded now: "/v1/event-types/agreement.signed/1"
    upcasters: ClassVar[list[Callable[[Any], Any]]]  # of the older shapes: data of each in the next one
    own_fields: ClassVar[list[tuple[str, str, bool]]]  # name, name in JSON, whether it is made of parts
    mentioning: ClassVar[list[str]]  # the own fields that may refer to subjects
    opens: ClassVar[bool] = False  # may be the first fact of a stream
    describes: ClassVar[bool] = False  # says how something is, not what happened: undated, it holds at all times
    by_ledger: ClassVar[bool] = False  # the ledger itself records it, and nobody else
    outlasts: ClassVar[bool] = False  # may follow the end: after a terminal state only such facts are admitted
    needs: ClassVar[tuple[str, ...]] = ()  # own fields of which at least one has to be given

    occurred: PartialDate | None = None
    effective: PartialDate | None = None
    modality: Modality = Modality.stated
    sources: tuple[Citation, ...] = Field(min_length=1, max_length=100)
    note: Text | None = None

    def __init_subclass__(cls, older: tuple[FactClass, ...] = (), **flags: Any) -> None:
        for flag in ("type", "opens", "describes", "by_ledger", "outlasts", "needs"):
            if flag in flags:
                setattr(cls, flag, flags.pop(flag))
        cls.upcasters = [one for shape in older if (one := getattr(shape, "upcast", None))]
        if len(cls.upcasters) < len(older):
            raise TypeError(f"an older shape of {cls.__name__} lacks the function upcast")
        kind, _, cls.short_type = getattr(cls, "type", "").partition(".")
        cls.prefix = f"{kind}:"
        shapes = enumerate((*older, cls), start=1)
        cls.schemas = {f"{SCHEMAS}{kind}.{cls.short_type}/{version}": shape for version, shape in shapes}
        cls.dataschema = [*cls.schemas][-1]
        super().__init_subclass__(**flags)

    @classmethod
    def __pydantic_init_subclass__(cls, **flags: Any) -> None:
        own = {name: field for name, field in cls.model_fields.items() if name not in COMMON}
        cls.own_fields = [(name, one.alias or name, may_hold(Part, one.annotation)) for name, one in own.items()]
        cls.mentioning = [name for name, one in own.items() if may_hold(Subject, one.annotation)]

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        if self.modality is Modality.inferred and not self.note:
            raise fault_at(("note",), "an inferred fact needs a note that says what it is inferred from")
        if self.needs and not any(getattr(self, name) is not None for name in self.needs):
            raise fault_at(self.needs[:1], f"at least one of these is needed: {', '.join(self.needs)}")
        return self

    @classmethod
    def unless(cls, name: str) -> tuple[str, ...]:
        """The own fields of which one has to be given where this one is left out."""
        return tuple(other for other in cls.needs if other != name) if name in cls.needs else ()

    @classmethod
    def as_current(cls, data: Any, dataschema: str) -> Any:
        """Stored data of any version in the current one. Raises Unreadable, ValidationError."""
        schema = schema_of(dataschema)
        if schema == cls.dataschema:
            return data
        if schema not in cls.schemas:
            raise Unreadable(
                f"{cls.type} is of the schema {schema} there, and the newest that is known here is {cls.dataschema}: "
                "a newer version of the ledger is needed"
            )
        steps = [*zip(cls.schemas.values(), cls.upcasters, strict=False)]  # the last shape is the current one
        for shape, upcast in steps[[*cls.schemas].index(schema) :]:
            shape.model_validate(data, context=STORED)
            data = upcast(data)
        return data

    @property
    def own(self) -> dict[str, Any]:
        """The fact's own fields that are given, as JSON values."""
        given, values = {}, self.__dict__
        for name, field, has_parts in self.own_fields:
            value = values[name]
            if value is not None and value != ():
                given[field] = _dumped(value) if has_parts else value
        return given

    @cached_property
    def likeness(self) -> bytes:
        """Equal for two facts of one type and date that say the same, whoever says it, and of whichever persons."""
        return to_json(_impersonal(self.own))

    @cached_property
    def cited(self) -> frozenset[str]:
        """The sources that say so."""
        return frozenset([citation.source for citation in self.sources])

    @cached_property
    def days(self) -> tuple[Bounds | None, Bounds | None]:
        """When it happened, and when it took effect, as far as it says so."""
        occurred, effective = self.occurred, self.effective
        return occurred.bounds if occurred else None, effective.bounds if effective else None

    @cached_property
    def mentions(self) -> frozenset[Subject]:
        """Every subject that the fact refers to, its sources included."""
        values = self.__dict__
        those: list[Subject] = [citation.source for citation in values["sources"]]
        for name in self.mentioning:
            if value := values[name]:
                those += references(value)
        return _shared(frozenset(those))


@lru_cache(maxsize=10_000)
def _shared(subjects: frozenset[Subject]) -> frozenset[Subject]:
    """The same few are mentioned together again and again, and kept in memory once."""
    return subjects


COMMON = set(Fact.model_fields)
PART = type(Part)
"""The class of all classes of parts."""


def _dumped(value: Any) -> Any:
    """A field's value with its parts as JSON objects."""
    if isinstance(value, tuple):
        return tuple([_dumped(one) for one in value])
    if isinstance(value, Part):
        return value.__pydantic_serializer__.to_python(value, exclude_none=True)
    return value


def _impersonal(value: Any) -> Any:
    """The value without its persons: what is said of a fact must not change when one of them is erased."""
    if isinstance(value, Person) or (isinstance(value, dict) and "commitment" in value and "pointer" in value):
        return "person"
    if isinstance(value, Mapping):
        return {key: _impersonal(item) for key, item in value.items()}
    return [_impersonal(item) for item in value] if isinstance(value, (list, tuple)) else value


def may_hold(sort: type, annotation: Any) -> bool:
    """Whether what is of a field's type may be, or have in it, what is of this sort."""
    if isinstance(annotation, type) and issubclass(annotation, sort):
        return True
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return any(may_hold(sort, field.annotation) for field in annotation.model_fields.values())
    return annotation is Any or any(may_hold(sort, one) for one in get_args(annotation))


def references(value: Any) -> tuple[Subject, ...]:
    """The subjects in a value of a state: most of them are plain."""
    if isinstance(value, str):
        return (value,) if isinstance(value, Subject) else ()
    return tuple(found(Subject, value)) if value else ()


def found(sort: type[T], value: Any) -> list[T]:
    """What is of this sort anywhere in a fact's field, in a dumped fact, or in a value of a state."""
    those: list[T] = []
    waiting = [value]
    for one in waiting:  # it grows meanwhile
        its = one.__class__  # by class, not isinstance: this walks over every value of every fact
        if its is str:
            continue
        if its is dict:
            waiting += one.values()
        elif its is tuple or its is list:
            waiting += one
        elif isinstance(one, sort):
            those.append(one)
        elif its.__class__ is PART:
            waiting += one.__dict__.values()
    return those
