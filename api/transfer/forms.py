"""The forms in which texts are compared, and the ids made of them: programs write the same text in different ways."""

import re
import unicodedata
from functools import lru_cache
from hashlib import sha256
from typing import Any

from ledger.errors import Invalid

TYPOGRAPHY = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u2010": "-", "\u2011": "-"}
    | dict.fromkeys(("\u200b", "\ufeff", "\u00ad"), "")
)
"""Curly quotes and hyphens as the straight ones; what has no width goes."""

cached = lru_cache(maxsize=65_536)
"""The same names stand in many rows."""

WHOLE = re.compile(r"(-?\d+)\.0+", re.ASCII)
LONGEST = 100


@cached
def as_written(text: str) -> str:
    """The text in NFC, with plain quotes and single spaces: the same, whichever program saved the table."""
    return " ".join(unicodedata.normalize("NFC", text.translate(TYPOGRAPHY)).split())


@cached
def as_key(text: str) -> str:
    """The text as it is compared in a key: without regard to case and width of letters, and 12.0 as 12."""
    folded = as_written(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))
    whole = WHOLE.fullmatch(folded)
    return whole[1] if whole else folded


def normal(value: Any) -> Any:
    """A value of JSON with all its texts ``as_written``."""
    if isinstance(value, dict):
        return {name: normal(one) for name, one in value.items()}
    if isinstance(value, list):
        return [normal(one) for one in value]
    return as_written(value) if isinstance(value, str) else value


@cached
def slug(text: str) -> str:
    """The text as an id, made of its key form. Raises Invalid where it has neither letter nor digit.

    Accents go. Where other letters go, or the text is long, a digest stands behind: others may read alike.
    """
    key = as_key(text)
    if not any(map(str.isalnum, key)):
        raise Invalid(f"{text!r} has no letter or digit to make an id of")
    plain = unicodedata.normalize("NFKD", key)
    short = "-".join(re.findall("[a-z0-9]+", plain.encode("ascii", "ignore").decode()))
    if len(short) <= LONGEST and not any(char.isalnum() and not char.isascii() for char in plain):
        return short
    return f"{short[: LONGEST - 9]}-{sha256(key.encode()).hexdigest()[:8]}".strip("-")
