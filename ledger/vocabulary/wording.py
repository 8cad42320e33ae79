"""What is wrong with a value, in words for people: one sentence for each sort of fault that pydantic finds, with what may stand there
instead. Pure. Wherever such a fault is shown, its words are from here, and the value itself is not in them.
"""

import re
from collections.abc import Callable, Iterable
from typing import get_args

from pydantic_core import ErrorDetails

from ledger.errors import Fault, did_you_mean
from ledger.vocabulary.correction import EntryId, FactType, Origin, PersonPointer, Root
from ledger.vocabulary.fact import (
    Amount,
    Attribute,
    Country,
    CurrencyCode,
    Slug,
    Subject,
    Text,
    Url,
    pattern_of,
)
from ledger.vocabulary.kinds.source import Language, MediaType, Sha256

SUBJECTS: list[type[Subject]] = [Subject, *Subject.__subclasses__()]
FORMS: dict[str, str] = {get_args(sort)[1].pattern: form for sort, form in (
    (Text, "text without control characters"),
    (Slug, "short name in small letters, digits and dashes, such as indus-x"),
    (Url, "address that begins with https:// or http://"),
    (Language, "tag of a language, such as en"),
    (MediaType, "media type, such as text/html"),
    (Sha256, "SHA-256 in 64 hexadecimal digits, small letters"),
    (Amount, "decimal number, such as 1200.50"),
    (Country, "country code of two capitals, such as IN"),
    (CurrencyCode, "currency code of three capitals, such as INR"),
    (EntryId, "UUID in small letters, such as 01990000-0000-7000-8000-00000000000a"),
    (FactType, "type of event, such as meeting.held"),
    (PersonPointer, "pointer to a person in an entry, such as /data/participants/0/person"),
    (Origin, "name of a log, such as ledger.example.org/partnerships"),
    (Root, "root of a tree: 32 bytes in base64"),
    (Attribute, "line of 1 to 255 visible ASCII characters"),
)} | {
    pattern_of(kinds): f"{kinds.replace('|', ' or ')}, such as {kinds.partition('|')[0]}:its-name"
    for kinds in (*(one.kinds for one in SUBJECTS), *Subject.kinds.split("|"))
}  # fmt: skip
"""What the patterns stand for, in words."""

LIST = "this is no list"
OBJECT = "this is no JSON object"
TEXT = "this is no text"
NUMBER = "this is no number, such as 0.5"
WHOLE_NUMBER = "this is no whole number, such as 42"
YES_OR_NO = "this is neither true nor false"
DAY = "this is no day, such as 2024-09-25"
NETWORK = "this is no network, such as 10.1.0.0/16"
WORDS = {
    "missing": "it is needed, and is not there",
    "extra_forbidden": "there is no such field: `ledger vocabulary TYPE` lists those of a type",
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "dict_type": OBJECT,
    "list_type": LIST,
    "tuple_type": LIST,
    "string_type": TEXT,
    "string_unicode": TEXT,
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": "the number has too many digits",
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": NUMBER,
    "bool_type": YES_OR_NO,
    "bool_parsing": YES_OR_NO,
    "date_type": DAY,
    "date_parsing": DAY,
    "date_from_datetime_parsing": DAY,
    "date_from_datetime_inexact": DAY,
    "ip_v4_network": NETWORK,
    "ip_v6_network": NETWORK,
    "greater_than": "it is too small: it has to be more than {gt:,}",
    "greater_than_equal": "it is too small: the least is {ge:,}",
    "less_than": "it is too large: it has to be less than {lt:,}",
    "less_than_equal": "it is too large: the most is {le:,}",
    "string_too_short": "it is too short: {min_length:,} or more characters are needed",
    "string_too_long": "it is too long: at most {max_length:,} characters are taken",
    "too_short": "there are too few: {min_length:,} or more are needed",
    "too_long": "there are too many: at most {max_length:,} are taken",
    "string_pattern_mismatch": "this is no {form}",
    "enum": "this is none of {codes}",
    "literal_error": "this is none of {codes}",
}
"""By pydantic's name for it. What a check of ours has found comes in its own words."""
Pointer = Callable[[ErrorDetails], str]


def in_words(error: ErrorDetails) -> str:
    """One sentence: what is wrong, and what may stand there."""
    context, sort = error.get("ctx", {}), error["type"]
    if sort not in WORDS:
        return error["msg"].removeprefix("Value error, ")
    codes = re.findall("'([^']+)'", context.get("expected", ""))
    form = FORMS.get(context.get("pattern", ""), "text of the form that is needed here")
    meant = did_you_mean(str(error["input"]), codes) if codes else ""
    return WORDS[sort].format_map(context | {"codes": ", ".join(codes), "form": form}) + meant


def faults_of(
    errors: Iterable[ErrorDetails], pointer: Pointer, words: Callable[[ErrorDetails], str] = in_words
) -> list[Fault]:
    """One fault for each place. Where the value may be of several sorts, what is told is why it is none of those that it looks like."""
    places: dict[str, list[ErrorDetails]] = {}
    for error in errors:
        places.setdefault(pointer(error), []).append(error)
    faults = []
    for place, those in places.items():
        near = [one for one in those if not one["type"].endswith("_type")] or those[:1]
        faults.append(Fault(place, "; or ".join(dict.fromkeys(map(words, near))), near[0]["type"]))
    return faults
