"""Words as they are searched for: without accents, in small letters, in one form of Unicode. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from struct import pack

WORD = re.compile(r"\w+")
LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "ŧ": "t",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
        "ŋ": "n",
    }
    | dict.fromkeys("\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ee\ua78c", "'")
)
"""Letters that Unicode does not take apart into a letter and its accent; and those that are written for an apostrophe."""
ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks that choose between two shapes of the letter before them."""

MAX_BYTES = 200
"""Of a word: what is longer is searched for by its beginning."""


@lru_cache(2_000)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, each once, in the order of their bytes."""
    plain = folded(text)
    found = (
        WORD.findall(plain)
        if plain.isascii()
        else "".join([one if _is_of_a_word(one) else " " for one in plain]).split()
    )
    return tuple(sorted({_short(word) for word in found}))


def folded(text: str) -> str:
    """A text as it is compared: equal for two that differ in accents, in case, or in how Unicode writes the same letters
    (a compatibility caseless match: The Unicode Standard, D146), and in what is not seen, such as soft hyphens."""
    if text.isascii():
        return text.lower()
    seen = VARIANTS.sub("", "".join([one for one in text if unicodedata.category(one) != "Cf"]))
    for form in ("NFD", "NFKD"):
        seen = unicodedata.normalize(form, seen).casefold()
    return ACCENTS.sub("", unicodedata.normalize("NFKD", seen)).translate(LETTERS)


def _is_of_a_word(letter: str) -> bool:
    """Letters, digits and what belongs to them, such as the vowel signs of Hindi and Thai."""
    return letter.isalnum() or letter == "_" or unicodedata.category(letter)[0] == "M"


def _short(word: str) -> str:
    return word if len(word) <= MAX_BYTES // 4 else word.encode()[:MAX_BYTES].decode(errors="ignore")


def tsvector(words: Iterable[str]) -> bytes:
    """Postgres' type, in its binary format: how many words, then each with how many places it has: none."""
    told = sorted({word.encode() for word in words})
    return pack("!i", len(told)) + b"".join([word + b"\0\0\0" for word in told])


def tsquery(text: str) -> str:
    """Postgres' type, as text: what holds all the words of a text, each at the beginning of one. Empty: none."""
    return " & ".join(f"'{word}':*" for word in words_of(text))
